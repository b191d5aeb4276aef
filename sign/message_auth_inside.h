// SPDX-License-Identifier: ISC
// What sign/message_auth*.c share and nobody else includes.
#ifndef SIGN_MESSAGE_AUTH_INSIDE_H
#define SIGN_MESSAGE_AUTH_INSIDE_H

#include "sign/message_auth.h"
#include "sign/dmarc.h"
#include "sign/spf.h"
#include "sign/trusted.h"

struct message_auth {
    const struct header *header;
    char *authserv_id, *helo, *mail_from;
    bool has_client;
    struct sockaddr_storage client;
    int64_t now_s;
    struct dkim_checks *dkim;
    struct arc_chain *chain;
    struct body_hashes *hashes;
    struct trusted trusted;
    bool spf_done, dmarc_done;
    struct spf_result spf;
    struct dmarc_result dmarc;
    bool dmarc_open;   // only SPF, of which nobody knows, could have made it pass
    char *from_domain; // NULL: From names no single domain
    bool utf8;         // the header is internationalized
    size_t *ours;      // places of the Authentication-Results that claim our authserv-id
    size_t nours;
};

// What a trusted host said of the method, as a value; false: nobody said anything that is known.
bool message_auth_heard(const struct message_auth *a, const char *method, enum auth_result *result);
// What a trusted host said of DMARC for this From; NULL: nothing.
const struct authres_result *message_auth_their_dmarc(const struct message_auth *a);
// The state of the chain with the word of trusted hosts in it.
enum arc_cv message_auth_chain_status(const struct message_auth *a);

#endif
