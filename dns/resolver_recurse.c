// SPDX-License-Identifier: ISC
// Recursive mode: libunbound resolves from the root and validates, on a thread of its own behind ours.
//
// libunbound is used directly here, not through getdns: getdns leaves its 16 sockets for all queries
// as they are, and judges every answer that libunbound calls bogus once more with its own validator,
// whose work has no bound (getdns 1.6.0, general.c, _getdns_check_dns_req_complete).
//
// A context cannot change its trust anchors, so a changed file makes a new context; the old one goes
// when its last question has ended.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unbound.h>
#include "dns/anchor.h"
#include "dns/resolver_way.h"
#include "relay/base/mem.h"

#define RECURSE_FAST   1000
#define RECURSE_SLOW   1000
#define FILE_LOOK_MS   10000 // how often the trust anchor file is looked at
#define MOST_SOCKETS   2048
#define CLASS_IN       1
#define RCODE_SERVFAIL 2

// One libunbound context with the trust anchors of one moment.
struct generation {
    struct recurse *recurse;
    struct ub_ctx *ub;
    uv_poll_t poll;
    size_t outstanding;
    struct generation *next; // older
};

struct recurse {
    struct way way;
    uv_loop_t *loop;
    char *trust_anchor, *root_hints;
    struct generation *newest;
    struct stat seen; // of the trust anchor file
    uint64_t looked_ms, canary_ms;
    bool canary_out;
    unsigned epoch;
};

static int read_anchor(const char *path, struct stat *seen, struct why *why)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return why_set(why, WHY_OURS, "4.3.5", "trust anchor %s: cannot be read", path);
    fstat(fileno(file), seen);
    fclose(file);
    struct anchor anchor;
    anchor_load(path, &anchor);
    if (anchor.n == 0)
        return why_set(why, WHY_OURS, "4.3.5", "trust anchor %s: no key in it", path);
    return 0;
}

static void resolver_recurse_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ub_process(((struct generation *)poll->data)->ub);
}

static void resolver_recurse_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void generation_close(struct generation *g)
{
    uv_poll_stop(&g->poll);
    ub_ctx_delete(g->ub); // joins its thread
    uv_close((uv_handle_t *)&g->poll, resolver_recurse_poll_closed);
}

// How many questions may be on their way to name servers; the library's default is 16. Most files that
// the process may open are for mail.
static unsigned most_sockets(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur / 4 > MOST_SOCKETS)
        return MOST_SOCKETS;
    return (unsigned)files.rlim_cur / 4;
}

static int set_up(struct ub_ctx *ub, const struct recurse *r, struct why *why)
{
    static const char *const options[][2] = {
        {"num-queries-per-thread:", "4096"},
        {"edns-buffer-size:", "1232"},
        {"msg-cache-size:", "16m"},
        {"rrset-cache-size:", "32m"},
        {"prefetch-key:", "yes"},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        ub_ctx_set_option(ub, options[i][0], options[i][1]);
    char sockets[16];
    snprintf(sockets, sizeof sockets, "%u", most_sockets());
    ub_ctx_set_option(ub, "outgoing-range:", sockets);
    ub_ctx_debugout(ub, NULL); // it would write to stderr
    int rc = ub_ctx_set_option(ub, "root-hints:", r->root_hints);
    if (rc == 0)
        rc = ub_ctx_add_ta_file(ub, r->trust_anchor);
    if (rc == 0)
        rc = ub_ctx_async(ub, 1);
    return rc == 0 ? 0 : why_set(why, WHY_OURS, "4.3.5", "libunbound: %s", ub_strerror(rc));
}

static int generation_open(struct recurse *r, struct why *why)
{
    if (read_anchor(r->trust_anchor, &r->seen, why) < 0)
        return -1;
    struct ub_ctx *ub = ub_ctx_create();
    if (!ub)
        return why_set(why, WHY_OURS, "4.3.0", "libunbound: no context");
    if (set_up(ub, r, why) < 0) {
        ub_ctx_delete(ub);
        return -1;
    }
    struct generation *g = mem_new(sizeof *g);
    g->recurse = r;
    g->ub = ub;
    int rc = uv_poll_init(r->loop, &g->poll, ub_fd(ub));
    if (rc < 0) {
        ub_ctx_delete(ub);
        free(g);
        return why_set(why, WHY_OURS, "4.3.0", "libunbound: %s", uv_strerror(rc));
    }
    g->poll.data = g;
    uv_poll_start(&g->poll, UV_READABLE, resolver_recurse_readable);
    g->next = r->newest;
    r->newest = g;
    return 0;
}

static void resolver_recurse_called(void *arg, int error, struct ub_result *result)
{
    struct way_question *q = arg;
    struct generation *g = q->context;
    struct way_reply out = {.proof = DNS_UNPROVEN, .text = "SERVFAIL"};
    g->outstanding--;
    if (error) {
        out.text = ub_strerror(error);
    } else if (result->bogus) {
        out.proof = DNS_BOGUS;
        out.text = result->why_bogus ? result->why_bogus : "no reason given";
    } else if (result->answer_packet && result->rcode != RCODE_SERVFAIL) {
        out.packet = span_of(result->answer_packet, (size_t)result->answer_len);
        out.proof = result->secure ? DNS_SECURE : DNS_INSECURE;
    }
    q->done(q, &out);
    ub_resolve_free(result);
}

static int resolver_recurse_start(struct way *way, struct way_question *q, struct why *why)
{
    struct generation *g = ((struct recurse *)way)->newest;
    int id = 0;
    q->context = g;
    int rc = ub_resolve_async(g->ub, q->name[0] ? q->name : ".", q->type, CLASS_IN, q,
                              resolver_recurse_called, &id);
    if (rc != 0)
        return why_set(why, WHY_OURS, "4.3.0", "libunbound: %s", ub_strerror(rc));
    q->id = (uint64_t)id;
    g->outstanding++;
    return 0;
}

static void resolver_recurse_cancel(struct way *way, struct way_question *q)
{
    (void)way;
    struct generation *g = q->context;
    ub_cancel(g->ub, (int)q->id);
    g->outstanding--;
}

static void resolver_recurse_canary_back(void *arg, int error, struct ub_result *result)
{
    (void)error;
    struct recurse *r = arg;
    r->canary_out = false;
    ub_resolve_free(result);
}

// libunbound's thread is not ours: a name that it answers by itself shows whether it still turns.
static void send_canary(struct recurse *r, uint64_t now_ms)
{
    if (r->canary_out)
        return;
    int id;
    r->canary_ms = now_ms;
    r->canary_out = ub_resolve_async(r->newest->ub, "localhost", DNS_A, CLASS_IN, r,
                                     resolver_recurse_canary_back, &id) == 0;
}

static uint64_t resolver_recurse_turned_ms(const struct way *way, uint64_t now_ms)
{
    const struct recurse *r = (const struct recurse *)way;
    return r->canary_out ? r->canary_ms : now_ms;
}

static bool changed(const struct stat *a, const struct stat *b)
{
    return a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void look_at_anchor(struct recurse *r)
{
    struct stat now;
    struct why why; // a file that went bad leaves the old anchors in force; the self-check alarms
    if (stat(r->trust_anchor, &now) < 0 || !changed(&now, &r->seen) || r->canary_out)
        return;
    if (generation_open(r, &why) == 0)
        r->epoch++;
}

static void resolver_recurse_tick(struct way *way, uint64_t now_ms)
{
    struct recurse *r = (struct recurse *)way;
    for (struct generation **at = &r->newest->next; *at;) {
        struct generation *old = *at;
        if (old->outstanding > 0) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        generation_close(old);
    }
    if (now_ms - r->looked_ms >= FILE_LOOK_MS) {
        r->looked_ms = now_ms;
        look_at_anchor(r);
    }
    send_canary(r, now_ms);
}

static unsigned resolver_recurse_epoch(const struct way *way)
{
    return ((const struct recurse *)way)->epoch;
}

static enum transport resolver_recurse_transport(const struct way *way, size_t server)
{
    (void)way;
    (void)server;
    return OVER_LIBRARY;
}

static void resolver_recurse_describe(const struct way *way, size_t server, char *out, size_t size)
{
    (void)way;
    (void)server;
    snprintf(out, size, "resolving from the root");
}

static void resolver_recurse_close(struct way *way)
{
    struct recurse *r = (struct recurse *)way;
    while (r->newest) {
        struct generation *g = r->newest;
        r->newest = g->next;
        generation_close(g);
    }
    free(r->trust_anchor);
    free(r->root_hints);
    free(r);
}

struct way *resolver_recurse_open(uv_loop_t *loop, const struct cfg_dns *config, struct why *why)
{
    struct recurse *r = mem_new(sizeof *r);
    r->loop = loop;
    r->trust_anchor = mem_dup(config->trust_anchor);
    r->root_hints = mem_dup(config->root_hints);
    r->way = (struct way){.nservers = 1,
                          .fast = RECURSE_FAST,
                          .slow = RECURSE_SLOW,
                          .can_prove = true,
                          .transport = resolver_recurse_transport,
                          .start = resolver_recurse_start,
                          .cancel = resolver_recurse_cancel,
                          .tick = resolver_recurse_tick,
                          .turned_ms = resolver_recurse_turned_ms,
                          .epoch = resolver_recurse_epoch,
                          .describe = resolver_recurse_describe,
                          .close = resolver_recurse_close};
    if (generation_open(r, why) == 0)
        return &r->way;
    resolver_recurse_close(&r->way);
    return NULL;
}
