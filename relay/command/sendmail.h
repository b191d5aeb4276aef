// SPDX-License-Identifier: ISC
// What stands in for sendmail on a machine: its arguments, the message as programs write it, and what is made of its
// header. Everything here but sendmail.c and sendmail_send.c is pure.
#ifndef RELAY_COMMAND_SENDMAIL_H
#define RELAY_COMMAND_SENDMAIL_H

#include "config/network.h"
#include "relay/base/buf.h"
#include "relay/base/why.h"

#define SENDMAIL_SOCKET  "/run/waxwing/submit.sock"
#define SENDMAIL_HEADER  ((size_t)1 << 20) // bytes of a header at the most
#define SENDMAIL_ADDRESS 1000              // bytes of an address at the most

// sysexits.h, beside relay/base/exit.h.
#define SENDMAIL_NOUSER      67
#define SENDMAIL_UNAVAILABLE 69
#define SENDMAIL_IOERR       74
#define SENDMAIL_NOPERM      77

enum sendmail_mode {
    SENDMAIL_DELIVER,
    SENDMAIL_SMTP,    // -bs
    SENDMAIL_QUEUE,   // -bp, mailq
    SENDMAIL_ALIASES, // -bi, newaliases
    SENDMAIL_FLUSH    // -q
};

struct sendmail {
    enum sendmail_mode mode;
    bool from_header;                 // -t
    bool dots;                        // -i: a lone dot ends nothing
    const char *from;                 // -f, -r: NULL: not said
    const char *name;                 // -F: NULL: not said
    const char *body;                 // -B
    const char *notify, *ret, *envid; // -N, -R, -V
    const char *socket;
    struct strings to; // as written, to be parted; owned
};

// `called`: the name it was called by (argv[0] without its folder). EXIT_YES, or EXIT_USAGE after a sentence on stderr.
int sendmail_read_options(const char *called, int argc, char **argv, struct sendmail *out);
void sendmail_free(struct sendmail *mail);

// Lines as programs write them (LF or CRLF) made into CRLF. Fed in pieces; begins zeroed but for `dots`.
struct sendmail_lines {
    bool dots;  // a lone dot ends nothing
    bool ended; // it came: what follows is not read
    enum { LINES_START, LINES_DOT, LINES_DOT_CR, LINES_TEXT, LINES_CR } at;
};
void sendmail_lines(struct sendmail_lines *lines, struct span in, struct buf *out);
void sendmail_lines_end(struct sendmail_lines *lines, struct buf *out); // completes the last line

// How many bytes of a text with CRLF are its header, without the empty line; -1: more is needed to tell. A line that is no
// field ends it, as in `echo hello | sendmail`; `final`: no more will come.
ptrdiff_t sendmail_header_length(struct span text, bool final);

// The addresses of a list ("Ann <a@b.example>, root (Cron), group: c@d.example;"), bare names among them. -1 with why: one
// that cannot be an address.
int sendmail_addresses(struct span list, struct strings *out, struct why *why);
void sendmail_add(struct strings *list, char *text); // takes it over
void sendmail_forget(struct strings *list);

// Who sends, for addresses without a domain.
struct sendmail_origin {
    const char *user;   // of this machine
    const char *origin; // "example.org", or an address in whose name all is sent
};
// "root" as "root@example.org"; what has a domain stays. Caller frees.
char *sendmail_complete(const char *address, const struct sendmail_origin *origin);

// The recipients of a header (-t): of its Resent- fields where there are some.
int sendmail_recipients(struct span header, struct strings *out, struct why *why);
// The header as it is handed on: with a From whose address has a domain, without Bcc where `mail` reads it (-t).
int sendmail_header(const struct sendmail *mail, struct span header,
                    const struct sendmail_origin *origin, struct buf *out, struct why *why);

// The whole errand, with the message on `in`: exit status, and a sentence on stderr where it is not EXIT_YES.
int sendmail_send(const struct sendmail *mail, int in);
// The dialogue of `in` and `out` with the relay, until one of them ends.
int sendmail_smtp(const struct sendmail *mail, int in, int out);

#endif
