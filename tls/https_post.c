// SPDX-License-Identifier: ISC
// What a POST adds to a request of tls/https.c.
#include "tls/https_post.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "tls/https_inside.h"

struct https_posting *https_posting_new(const struct https_post_order *order, https_post_fn *fn,
                                        void *arg)
{
    struct https_posting *p = mem_new(sizeof *p);
    p->type = mem_dup(order->type);
    p->body = mem_new(order->body.n + 1);
    p->n = order->body.n;
    if (p->n)
        memcpy(p->body, order->body.p, p->n);
    struct curl_slist *headers = NULL;
    for (const char *const *line = order->headers; line && *line; line++)
        headers = curl_slist_append(headers, *line);
    p->headers = headers;
    p->trust = order->trust ? trust_ref(order->trust) : NULL;
    p->nat = order->nat;
    p->at = mem_new((p->nat + 1) * sizeof *p->at);
    memcpy(p->at, order->at ? order->at : p->at, p->nat * sizeof *p->at);
    p->most = order->most ? order->most : HTTPS_POST_WORDS;
    p->secret = order->secret;
    p->fn = fn;
    p->arg = arg;
    return p;
}

void https_posting_options(struct https_posting *p, void *easy)
{
    char *type = mem_printf("Content-Type: %s", p->type);
    struct curl_slist *headers = curl_slist_append(p->headers, type);
    // Without "Expect: 100-continue", for which many servers have no ear.
    p->headers = curl_slist_append(headers, "Expect:");
    free(type);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, p->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->n);
}

void https_posting_note(struct https_posting *p, void *easy)
{
    curl_off_t up = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &p->status);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    p->out = up >= 0 && (size_t)up >= p->n;
}

void https_posting_answer(const struct https_posting *p, struct span words, const struct why *why)
{
    const struct https_post_answer answer = {
        .status = p->status,
        .out = p->out,
        .words = words,
        .sent = span_of(p->body, p->n),
        .error = p->status ? NULL
                 : why     ? why->text
                           : "no answer",
    };
    p->fn(&answer, p->arg);
}

void https_posting_free(struct https_posting *p)
{
    if (!p)
        return;
    curl_slist_free_all(p->headers);
    trust_unref(p->trust);
    free(p->at);
    if (p->secret)
        explicit_bzero(p->body, p->n);
    free(p->type);
    free(p->body);
    free(p);
}
