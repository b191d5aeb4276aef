// SPDX-License-Identifier: ISC
// What an SMTP client says: commands, paths and parameters (RFC 5321 section 4.1, RFC 1870, 3030,
// 3461, 6531, 8689 and Postfix's XFORWARD). Pure: bytes in, value or why out. All of it is hostile.
//
// Failures carry the enhanced status of the reply in why; smtp_code() gives the reply code beside
// it. Strings in the results are the caller's, released by the *_free functions (which accept empty
// ones).
#ifndef RELAY_SMTP_COMMAND_H
#define RELAY_SMTP_COMMAND_H

#include <sys/socket.h>
#include "relay/base/maxima.h"
#include "relay/base/span.h"
#include "relay/base/why.h"
#include "relay/message/message.h"

enum smtp_verb {
    SMTP_UNKNOWN,
    SMTP_EHLO,
    SMTP_HELO,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_XFORWARD,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_NOOP,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_HELP,
    SMTP_QUIT,
    SMTP_XCLIENT,
    SMTP_VERBS
};

struct smtp_command {
    enum smtp_verb verb;
    struct span args; // behind the verb, without blanks at both ends
};
// `line` without its line end.
void smtp_command_parse(struct span line, struct smtp_command *out);
const char *smtp_verb_word(enum smtp_verb verb); // "MAIL"; "?" for SMTP_UNKNOWN

// The reply code that goes with an enhanced status in our replies: "5.1.3" 501, "4.3.1" 452, …
int smtp_code(const char *status);

// An envelope address. `address` keeps the local part as written (quoted where it was) and the
// domain as written; source routes are dropped. `domain` is a lower-case A-label or "[literal]".
struct smtp_path {
    char *address; // "" for <>
    char *domain;  // "" for <> and for <postmaster>
    bool utf8;     // bytes over 127 in it
};
void smtp_path_free(struct smtp_path *path);
// Takes "<...>" from the front of *text. 5.1.3 syntax of local part or domain.
int smtp_path_parse(struct span *text, struct smtp_path *out, struct why *why);
// "local@domain" that is all of text (configuration, header fields).
int smtp_mailbox_parse(struct span text, struct smtp_path *out, struct why *why);

struct smtp_mail {
    struct smtp_path from;
    bool has_size;
    uint64_t size;
    enum body_kind body;
    bool smtputf8, requiretls;
    enum dsn_ret ret;
    char *envid;  // decoded; NULL without
    bool unknown; // the failure is a parameter nobody knows: 555
};
// The arguments of MAIL: "FROM:<...> parameters". AUTH= is checked and passed over.
int smtp_mail_parse(struct span args, struct smtp_mail *out, struct why *why);
void smtp_mail_free(struct smtp_mail *mail);

struct smtp_rcpt {
    struct smtp_path to; // address "postmaster" in any case, domain "": RCPT TO:<postmaster>
    unsigned notify;     // enum dsn_notify bits, 0: not given
    char *orcpt;         // "rfc822;x@y", decoded; NULL without
    bool unknown;
};
int smtp_rcpt_parse(struct span args, struct smtp_rcpt *out, struct why *why);
void smtp_rcpt_free(struct smtp_rcpt *rcpt);

// "1000" or "1000 LAST".
int smtp_bdat_parse(struct span args, uint64_t *bytes, bool *last, struct why *why);

// The name behind EHLO or HELO: printable ASCII without blank, at most MAX_DOMAIN bytes.
int smtp_helo_parse(struct span args, char out[static MAX_DOMAIN + 1], struct why *why);

// What an upstream Postfix tells of the original client: XFORWARD for one transaction, XCLIENT for
// the session.
struct smtp_forward {
    bool given;                   // an XFORWARD came at all
    bool has_client;              // ADDR was an address
    struct sockaddr_storage addr; // port 0
    char helo[MAX_DOMAIN + 1];    // "" unknown
    char name[MAX_DOMAIN + 1];    // "" unknown
    bool local;                   // SOURCE=LOCAL
};
// Adds the attributes of one XFORWARD command. On failure *out is unchanged.
int smtp_forward_parse(struct span args, struct smtp_forward *out, struct why *why);
// The same for XCLIENT, which knows no SOURCE: who speaks for a client cannot make it local.
int smtp_xclient_parse(struct span args, struct smtp_forward *out, struct why *why);

// RFC 3461 section 4. Adds the decoded bytes. What stands there is ASCII; what "+XX" stands for may be UTF-8
// (Postfix writes ORCPT so with SMTPUTF8 mail), never a control character.
int smtp_xtext(struct span text, struct buf *out);

#endif
