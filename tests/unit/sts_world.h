// SPDX-License-Identifier: ISC
// The world of the MTA-STS cache's stories: TXT and the policy host, in the place of dns/dns.c and tls/https.c.
#ifndef TESTS_UNIT_STS_WORLD_H
#define TESTS_UNIT_STS_WORLD_H

#include <stdlib.h>
#include <string.h>
#include "dns/rdata.h"
#include "relay/base/mem.h"
#include "tls/sts.h"
#include "tls/sts_cache.h"

#define CERTIFICATE_ENDS 4102444800 // of every policy host: in the year 2100
static struct {
    uv_loop_t loop;
    struct inbox *mail;
    const char *txt;  // a record; NULL: NXDOMAIN
    const char *txt2; // another beside it
    bool txt_fails;
    const char *body; // of the policy; NULL: HTTPS is blocked
    bool hangs;       // the policy host says nothing until `release`
    unsigned lookups, fetches, forgotten, kept, told, failures;
    char last_told[200];
    struct https_request *held;
} w;

struct dns_request {
    struct item item;
    dns_fn *fn;
    void *arg;
    bool cancelled;
    struct dns_answer *answer;
};

static void dns_answered(struct item *item)
{
    struct dns_request *r = (struct dns_request *)(void *)item;
    if (!r->cancelled)
        r->fn(r->answer, r->arg);
    dns_answer_unref(r->answer);
    free(r);
}

static void add_txt(struct dns_answer *a, const char *text)
{
    unsigned char wire[256];
    size_t n = strlen(text);
    wire[0] = (unsigned char)n;
    memcpy(wire + 1, text, n);
    if (n)
        dns_answer_add(a, wire, n + 1);
}

struct dns_request *dns_ask(struct dns *dns, struct inbox *mail, const char *name, uint16_t type,
                            dns_fn *fn, void *arg)
{
    (void)dns;
    assert_string_equal(name, "_mta-sts.d.example");
    assert_int_equal(type, DNS_TXT);
    w.lookups++;
    struct dns_request *r = mem_new(sizeof *r);
    *r = (struct dns_request){.item = {NULL, dns_answered}, .fn = fn, .arg = arg};
    r->answer = dns_answer_new(name, type);
    r->answer->proof = DNS_INSECURE;
    r->answer->outcome = w.txt_fails ? DNS_FAILED : w.txt ? DNS_FOUND : DNS_ABSENT;
    if (w.txt_fails)
        why_set(&r->answer->why, WHY_DOMAIN, "4.4.3", "SERVFAIL");
    else if (w.txt)
        add_txt(r->answer, w.txt);
    if (!w.txt_fails && w.txt2)
        add_txt(r->answer, w.txt2);
    inbox_post(mail, &r->item);
    return r;
}

void dns_cancel(struct dns_request *r)
{
    if (r)
        r->cancelled = true;
}

void dns_forget(struct dns *dns, const char *name)
{
    (void)dns;
    assert_string_equal(name, "_mta-sts.d.example");
    w.forgotten++;
}

struct https_request {
    struct item item;
    https_fn *fn;
    void *arg;
    bool cancelled;
};

static void https_answered(struct item *item)
{
    struct https_request *r = (struct https_request *)(void *)item;
    struct why why = {WHY_DOMAIN, .tls = WHY_STS_POLICY_FETCH_ERROR, .text = "no connection"};
    if (!r->cancelled)
        r->fn(w.body ? span_text(w.body) : span_text(""), w.body ? NULL : &why, r->arg);
    free(r);
}

struct https_request *https_get(struct https *https, const char *host, const char *path,
                                https_fn *fn, void *arg)
{
    (void)https;
    assert_string_equal(host, "mta-sts.d.example");
    assert_string_equal(path, "/.well-known/mta-sts.txt");
    w.fetches++;
    struct https_request *r = mem_new(sizeof *r);
    *r = (struct https_request){.item = {NULL, https_answered}, .fn = fn, .arg = arg};
    if (w.hangs)
        w.held = r;
    else
        inbox_post(w.mail, &r->item);
    return r;
}

int64_t https_certificate_ends(const struct https_request *r)
{
    return r ? CERTIFICATE_ENDS : 0;
}

void https_cancel(struct https_request *r)
{
    if (r)
        r->cancelled = true;
    if (r && w.held == r) {
        free(r);
        w.held = NULL;
    }
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
}

static void release(void)
{
    inbox_post(w.mail, &w.held->item);
    w.hangs = false;
    w.held = NULL;
    turn();
}

#endif
