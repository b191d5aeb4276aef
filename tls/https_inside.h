// SPDX-License-Identifier: ISC
// Shared by tls/https.c and tls/https_post.c alone: what makes a request a POST.
#ifndef TLS_HTTPS_INSIDE_H
#define TLS_HTTPS_INSIDE_H

#include "tls/https.h"
#include "tls/https_post.h"

struct https_posting {
    char *type;
    unsigned char *body;
    size_t n, most;
    bool secret;
    void *headers; // curl's list
    struct trust *trust;
    struct sockaddr_storage *at; // http:// to these
    size_t nat;
    long status;
    bool out;
    https_post_fn *fn;
    void *arg;
};

// tls/https_post.c
struct https_posting *https_posting_new(const struct https_post_order *order, https_post_fn *fn,
                                        void *arg); // copies the order
void https_posting_options(struct https_posting *p, void *easy);
void https_posting_note(struct https_posting *p, void *easy); // it has ended: what curl says of it
void https_posting_answer(const struct https_posting *p, struct span words, const struct why *why);
void https_posting_free(struct https_posting *p); // accepts NULL

#endif
