// SPDX-License-Identifier: ISC
// What the parts of `waxwing message` share: the options as read, and one message from a file.
//
// A message file is read in pieces: its header is kept, its body only passes through the hashes, so a
// large message costs no more memory than a small one.
#ifndef RELAY_COMMAND_MESSAGE_VERBS_H
#define RELAY_COMMAND_MESSAGE_VERBS_H

#include <stdio.h>
#include "sign/message_auth.h"
#include "sign/canon.h"
#include "sign/header.h"

struct message_options {
    const char *domain, *selector, *key, *authserv_id; // NULL where not given
    const char *headers, *oversign;
    const char *ip, *helo, *mail_from;
    const char *dns_file, *resolver;
    enum canon header_canon, body_canon;
    unsigned min_rsa_bits;
    int64_t time, expire; // Unix seconds
    bool cv_from_results; // --cv-from ar
    bool full, json;
    const char *file;
};

struct message_file {
    FILE *in;
    struct buf start; // what was read to find the end of the header
    struct header header;
    bool crlf; // the message's own line ends
};

// Opens and reads the header. Prints what is wrong and returns an exit status; EXIT_YES: read.
// With keep, a pipe is copied to a temporary file, so that the body can be read twice.
int message_file_open(struct message_file *f, const char *path, bool keep);
// Feeds the body and finishes the hashes. -1: read error, printed.
int message_file_hash(struct message_file *f, struct body_hashes *hashes);
// Writes the header without the fields of which `left_out` is true (NULL: none), and the body.
int message_file_copy(struct message_file *f, const bool *left_out, FILE *out);
// Writes what a signer made, in the message's own line ends.
void message_file_field(const struct message_file *f, struct span field, FILE *out);
void message_file_close(struct message_file *f);

int message_sign(const struct message_options *o);
int message_verify(const struct message_options *o);
int message_seal(const struct message_options *o);

#endif
