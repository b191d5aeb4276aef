// SPDX-License-Identifier: ISC
// What an SMTP server says: replies and the extensions it offers in them (RFC 5321 section 4.2, RFC
// 2034). Pure: bytes in, value or why out. Everything here was written by a peer: hostile.
//
//     struct smtp_reply reply;
//     smtp_reply_init(&reply);
//     switch (smtp_reply_feed(&reply, buf_span(in), &used, &why)) ...   then buf_drop(in, used)
//     ... smtp_reply_reset(&reply) before the next one
#ifndef RELAY_SMTP_REPLY_H
#define RELAY_SMTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/buf.h"
#include "relay/base/maxima.h"
#include "relay/base/why.h"

struct smtp_reply {
    int code;        // 200..599; 0 before the first line
    char status[12]; // enhanced status code "5.1.1" of the last line that has one; "" without
    unsigned lines;  // lines kept, at most MAX_REPLY_LINES
    struct buf text; // the lines without their codes, each ended by '\n'; at most MAX_REPLY bytes
    struct buf line; // the line that is not complete yet
    size_t bytes;    // taken, those left out included
    bool cut;        // text was left out: a line too long, or too many
    bool done;
};

enum smtp_reply_state { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD };

void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_free(struct smtp_reply *reply);
void smtp_reply_reset(struct smtp_reply *reply);

// Takes the bytes of at most one reply; *used says how many of `in` it took. Lines end in CRLF (LF
// alone is taken). Text beyond the limits is left out, and the code counts. BAD: no reply code, a code that
// changes between lines, a NUL, a reply without end: why says which (WHY_HOST 4.5.0) and the connection is
// of no more use. Not to be called again after DONE or BAD.
enum smtp_reply_state smtp_reply_feed(struct smtp_reply *reply, struct span in, size_t *used,
                                      struct why *why);
// The peer has hung up: true when what it began to say is a refusal all the same, which is now done.
bool smtp_reply_end(struct smtp_reply *reply);

// Line i (0 the first) without code and line end; empty behind the last.
struct span smtp_reply_line(const struct smtp_reply *reply, unsigned i);
// "550 5.1.1 first line second line" for why_reply: one line, NUL-terminated; what is cut to fit ends in
// " [...]". n is more than 7.
const char *smtp_reply_text(const struct smtp_reply *reply, char *out, size_t n);
// The enhanced status where its class fits the code, else "2.0.0", "4.0.0" or "5.0.0" by the code's
// class.
const char *smtp_reply_status(const struct smtp_reply *reply, char out[static 12]);

// What an EHLO reply offers. Numbers are 0 where not given.
struct smtp_extensions {
    bool starttls, size, pipelining, eightbitmime, binarymime, smtputf8, dsn, chunking, enhanced,
        requiretls;
    uint64_t size_max; // SIZE argument; 0: offered without limit
    bool auth_plain, auth_login, auth_scram, auth_scram_plus, auth_xoauth2, auth_oauthbearer;
    uint64_t limit_mail, limit_rcpt, limit_rcpt_domain; // LIMITS, RFC 9422
    char name[256];                                     // what the server calls itself, "" without
};
// Reads a finished reply to EHLO. Keywords that nobody knows are passed over.
void smtp_extensions_read(const struct smtp_reply *reply, struct smtp_extensions *out);

// "5.7.1" at the start of text, followed by its end or a blank. 0 and out filled, or -1.
int smtp_status_parse(struct span text, char out[static 12]);

#endif
