// SPDX-License-Identifier: ISC
// The status pages of a running relay: their socket, bound before privileges go, their token and certificate, and what
// a reload or a changed file makes of them. The pages are no reason to stay down: without them there is an alarm, and
// mail. Of the main thread.
#ifndef RELAY_RUN_PAGES_H
#define RELAY_RUN_PAGES_H

#include "relay/http/http.h"

#define PAGES_TOKEN_MIN 16    // characters of a token: nobody guesses it
#define PAGES_FILE_MAX  65536 // bytes of a token, chain or key

// What the files hold that the configuration names; NULL: none is named.
struct pages_secrets {
    char *token, *chain, *key;
};
// -1 with why: one cannot be read, or the token is short. pages_secrets_free in any case.
int pages_secrets_read(const struct config *config, struct pages_secrets *out, struct why *why);
void pages_secrets_free(struct pages_secrets *secrets);

struct pages {
    int fd;            // bound, kept so that the pages can begin anew; -1: off, or it cannot be had
    struct http *http; // NULL: not served
    struct pages_secrets secrets; // those that are served with
};

void pages_bind(struct pages *pages, const struct config *config);
void pages_serve(struct pages *pages, struct relay *relay, uv_loop_t *loop);
// After a reload: `old` is what was in force.
void pages_reload(struct pages *pages, struct relay *relay, uv_loop_t *loop,
                  const struct config *old);
// Begins anew where token or certificate changed; what cannot be used leaves the pages as they were, with an alarm.
void pages_look(struct pages *pages, struct relay *relay, uv_loop_t *loop);
void pages_close(struct pages *pages);

#endif
