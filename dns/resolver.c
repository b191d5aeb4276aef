// SPDX-License-Identifier: ISC
// The resolver's thread: the life of a lookup, its tries, its deadlines.
//
// A lookup may take several questions: another server or TCP when one does not answer, the target of an
// alias that a server left out, the proof of the alias itself, and whether a SERVFAIL means bogus.
#include "dns/resolver.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/wire.h"
#include "dns/resolver_way.h"
#include "dns/slots.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"

#define PER_ZONE     8    // outstanding lookups that share a zone
#define UDP_TRY_MS   3000 // a lost packet is asked again elsewhere
#define TCP_TRY_MS   5000
#define PROBE_MS     3000 // for a question beside the point: is it bogus, is the alias secure
#define TICK_BUSY_MS 100
#define TICK_IDLE_MS 1000

enum purpose { FOR_ANSWER, FOR_ALIAS, FOR_BOGUS };
enum query_state { QUERY_WAITING, QUERY_ASKING };

struct query {
    struct list all;
    struct slot slot;
    struct resolver *resolver;
    struct resolver_lookup *lookup;
    struct dns_answer *answer;
    enum query_state state;
    enum purpose purpose;
    struct way_question question;
    size_t first, nth; // the server to begin with; tries so far
    bool over_tcp;     // the reply over UDP was cut
    unsigned hops;     // replies that led on
    bool secure;       // so far
    bool servfail;     // some server said so
    uint64_t began_ms, until_ms;
    char trouble[300]; // the last one, in words
    bool heard;        // some server has answered something
};

struct resolver {
    pthread_t thread;
    uv_loop_t loop;
    struct inbox *mail;
    uv_timer_t timer;
    struct item stop;
    struct way *way;
    struct slots *slots;
    struct list queries;
    size_t first; // the server that answers
    uint64_t ticked_ms;
    bool can_prove;
    _Atomic uint64_t turned_ms;
    atomic_uint epoch;
};

static void pump(struct resolver *r);

static void resolver_forget(struct query *q)
{
    if (q->state == QUERY_ASKING)
        q->resolver->way->cancel(q->resolver->way, &q->question);
    slots_leave(q->resolver->slots, &q->slot);
    list_remove(&q->all);
    dns_answer_unref(q->answer);
    free(q);
}

static void resolver_run_done(struct item *item)
{
    struct resolver_lookup *lookup = list_of(item, struct resolver_lookup, item);
    lookup->done(lookup);
}

static void resolver_finish(struct query *q)
{
    struct dns_answer *a = q->answer;
    struct resolver_lookup *lookup = q->lookup;
    if (a->ttl == WIRE_TTL_FIRST)
        a->ttl = 0;
    if (a->alias && a->proof == DNS_SECURE)
        a->alias_secure = true;
    lookup->answer = a;
    q->answer = NULL;
    resolver_forget(q);
    lookup->item.run = resolver_run_done;
    inbox_post(lookup->home, &lookup->item);
}

static void resolver_fail(struct query *q, enum dns_proof proof, const char *text)
{
    struct dns_answer *a = q->answer;
    a->outcome = DNS_FAILED;
    a->proof = proof;
    a->silent = !q->heard;
    why_say(&a->why, LOOKUP_FAILED, dns_type_word(a->type), a->name[0] ? a->name : ".", text);
    resolver_finish(q);
}

static void fail_with_trouble(struct query *q)
{
    char text[sizeof q->trouble];
    memcpy(text, q->trouble, sizeof text);
    resolver_fail(q, DNS_UNPROVEN, text);
}

static void resolver_trouble(struct query *q, const char *text)
{
    char server[80];
    struct way *way = q->resolver->way;
    if (q->purpose != FOR_ANSWER)
        return; // what went wrong before is what matters
    way->describe(way, q->question.server, server, sizeof server);
    snprintf(q->trouble, sizeof q->trouble, "%.200s", text);
    free(q->answer->server); // apart from the sentence, which strangers read in reports
    q->answer->server = mem_dup(server);
}

static size_t tries(const struct query *q)
{
    const struct way *way = q->resolver->way;
    return q->purpose == FOR_ANSWER && way->retries ? 2 * way->nservers : 1;
}

// The n-th try: every server once by its first transport, then every server over a stream.
static void plan(struct query *q, uint64_t now_ms)
{
    const struct way *way = q->resolver->way;
    struct way_question *w = &q->question;
    uint64_t patience = q->purpose == FOR_ANSWER ? UDP_TRY_MS : PROBE_MS;
    w->server = (q->first + q->nth) % way->nservers;
    w->transport = way->transport(way, w->server);
    bool stream = q->over_tcp || q->nth >= way->nservers;
    if (stream && w->transport == OVER_UDP)
        w->transport = OVER_TCP;
    if (w->transport != OVER_UDP && q->purpose == FOR_ANSWER)
        patience = TCP_TRY_MS;
    if (q->purpose == FOR_ANSWER && q->nth + 1 >= tries(q))
        patience = RESOLVER_LOOKUP_MS; // the last one has what is left
    q->until_ms = now_ms + patience;
    w->checking_disabled = q->purpose == FOR_BOGUS;
    w->type = q->purpose == FOR_ALIAS ? DNS_CNAME : q->answer->type;
    const char *name = q->purpose == FOR_ANSWER ? q->answer->canonical : q->answer->name;
    snprintf(w->name, sizeof w->name, "%s", name);
}

// Ends a question beside the point without its reply.
static void finish_probe(struct query *q)
{
    if (q->purpose == FOR_BOGUS)
        fail_with_trouble(q);
    else
        resolver_finish(q);
}

static void begin_probe(struct query *q, enum purpose purpose);

// No try is left. A validating server answers SERVFAIL for what is bogus; asked not to check, it
// answers with the data, which nobody uses (RFC 4035 section 5.5).
static void give_up(struct query *q)
{
    if (q->purpose != FOR_ANSWER)
        finish_probe(q);
    else if (q->servfail && q->resolver->can_prove && q->resolver->way->retries)
        begin_probe(q, FOR_BOGUS);
    else
        fail_with_trouble(q);
}

static void dns_resolver_ask(struct query *q)
{
    struct way *way = q->resolver->way;
    q->state = QUERY_WAITING;
    for (; q->nth < tries(q); q->nth++) {
        struct why why;
        plan(q, clock_mono_ms());
        if (way->start(way, &q->question, &why) == 0) {
            q->state = QUERY_ASKING;
            atomic_store(&q->lookup->asked, (unsigned)q->question.server + 1);
            return;
        }
        resolver_trouble(q, why.text);
    }
    give_up(q);
}

static void begin_probe(struct query *q, enum purpose purpose)
{
    size_t server = q->question.server;
    q->purpose = purpose;
    q->first = server;
    q->nth = 0;
    q->over_tcp = false;
    dns_resolver_ask(q);
}

static void next_try(struct query *q)
{
    q->nth++;
    q->over_tcp = false;
    dns_resolver_ask(q);
}

// A server that does not answer is not asked first again.
static void no_reply(struct query *q, const char *text)
{
    struct resolver *r = q->resolver;
    resolver_trouble(q, text);
    if (q->question.server == r->first && q->purpose == FOR_ANSWER)
        r->first = (r->first + 1) % r->way->nservers;
    next_try(q);
}

static void resolver_answered(struct query *q)
{
    struct dns_answer *a = q->answer;
    bool address = a->type == DNS_A || a->type == DNS_AAAA;
    a->proof = q->secure ? DNS_SECURE : DNS_INSECURE;
    if (a->alias && !q->secure && address && q->resolver->can_prove)
        begin_probe(q, FOR_ALIAS);
    else
        resolver_finish(q);
}

static void led_on(struct query *q)
{
    if (++q->hops > MAX_CNAME) {
        resolver_fail(q, DNS_UNPROVEN, "too many aliases");
        return;
    }
    q->nth = 0;
    q->over_tcp = false;
    dns_resolver_ask(q);
}

static void read_answer(struct query *q, const struct way_reply *reply)
{
    struct wire_reply m = wire_read(reply->packet, q->answer);
    switch (m.end) {
    case WIRE_FOUND:
    case WIRE_ABSENT:
        q->secure = q->secure && reply->proof == DNS_SECURE;
        resolver_answered(q);
        return;
    case WIRE_ALIAS:
        q->secure = q->secure && reply->proof == DNS_SECURE;
        led_on(q);
        return;
    case WIRE_CUT:
        resolver_trouble(q, "truncated, even over TCP");
        if (q->question.transport == OVER_UDP) {
            q->over_tcp = true;
            dns_resolver_ask(q);
        } else {
            next_try(q);
        }
        return;
    case WIRE_FAILED:
        resolver_trouble(q, wire_rcode_word(m.rcode));
        q->servfail = q->servfail || m.rcode == 2;
        // It had its say; so may the other servers, but not the same again over TCP.
        q->nth = q->nth + 1 < q->resolver->way->nservers ? q->nth + 1 : tries(q);
        q->over_tcp = false;
        dns_resolver_ask(q);
        return;
    case WIRE_BROKEN:
        resolver_trouble(q, "a malformed reply");
        next_try(q);
        return;
    }
}

static void read_alias(struct query *q, const struct way_reply *reply)
{
    struct dns_answer *alias = dns_answer_new(q->answer->name, DNS_CNAME);
    alias->ttl = WIRE_TTL_FIRST;
    struct wire_reply m = wire_read(reply->packet, alias);
    q->answer->alias_secure = m.end == WIRE_FOUND && reply->proof == DNS_SECURE;
    dns_answer_unref(alias);
    resolver_finish(q);
}

static void read_bogus(struct query *q, const struct way_reply *reply)
{
    struct dns_answer *unchecked = dns_answer_new(q->answer->canonical, q->answer->type);
    struct wire_reply m = wire_read(reply->packet, unchecked);
    dns_answer_unref(unchecked);
    if (m.end == WIRE_FAILED || m.end == WIRE_BROKEN)
        fail_with_trouble(q);
    else
        resolver_fail(q, DNS_BOGUS,
                      "DNSSEC validation failed (bogus): the server answers SERVFAIL, and "
                      "answers when asked not to validate");
}

static void resolver_replied(struct way_question *question, const struct way_reply *reply)
{
    struct query *q = list_of(question, struct query, question);
    struct resolver *r = q->resolver;
    q->state = QUERY_WAITING;
    q->heard = q->heard || reply->packet.n || reply->proof == DNS_BOGUS;
    if (reply->proof == DNS_BOGUS && q->purpose != FOR_ALIAS) {
        char text[300];
        snprintf(text, sizeof text, "DNSSEC validation failed (bogus): %.200s", reply->text);
        resolver_fail(q, DNS_BOGUS, text);
    } else if (q->purpose == FOR_ALIAS) {
        read_alias(q, reply);
    } else if (q->purpose == FOR_BOGUS) {
        read_bogus(q, reply);
    } else if (reply->packet.n == 0) {
        no_reply(q, reply->text);
    } else {
        read_answer(q, reply);
    }
    pump(r);
}

static void pump(struct resolver *r)
{
    for (struct slot *slot; (slot = slots_next(r->slots, clock_mono_ms()));)
        dns_resolver_ask(list_of(slot, struct query, slot));
}

static uint64_t lookup_ms(const struct query *q)
{
    bool second = q->purpose == FOR_ANSWER && q->answer->type == DNS_AAAA;
    return second ? RESOLVER_AAAA_MS : RESOLVER_LOOKUP_MS;
}

static void check_deadlines(struct resolver *r, uint64_t now_ms)
{
    list_each_safe (it, &r->queries) {
        struct query *q = list_of(it, struct query, all);
        if (now_ms - q->began_ms >= lookup_ms(q)) {
            if (q->purpose == FOR_ALIAS) {
                resolver_finish(q);
            } else {
                if (!q->trouble[0])
                    snprintf(q->trouble, sizeof q->trouble, "%s",
                             q->slot.state == SLOT_WAITING ? "too many lookups wait"
                                                           : "no answer in time");
                fail_with_trouble(q);
            }
        } else if (q->state == QUERY_ASKING && now_ms >= q->until_ms) {
            r->way->cancel(r->way, &q->question);
            q->state = QUERY_WAITING;
            no_reply(q, "no answer in time");
        }
    }
}

static void resolver_tick(uv_timer_t *timer)
{
    struct resolver *r = timer->data;
    uint64_t now_ms = clock_mono_ms();
    if (now_ms - r->ticked_ms >= TICK_IDLE_MS) {
        r->ticked_ms = now_ms;
        r->way->tick(r->way, now_ms);
    }
    check_deadlines(r, now_ms);
    struct slot *slot;
    do {
        if (slots_age(r->slots, now_ms, &slot)) {
            struct query *q = list_of(slot, struct query, slot);
            if (q->state == QUERY_ASKING)
                r->way->cancel(r->way, &q->question);
            q->state = QUERY_WAITING;
        }
    } while (slot);
    pump(r);
    atomic_store(&r->epoch, r->way->epoch(r->way));
    atomic_store(&r->turned_ms, r->way->turned_ms(r->way, clock_mono_ms()));
    if (list_empty(&r->queries) && uv_timer_get_repeat(timer) != TICK_IDLE_MS)
        uv_timer_start(timer, resolver_tick, TICK_IDLE_MS, TICK_IDLE_MS);
}

static void resolver_run_ask(struct item *item)
{
    struct resolver_lookup *lookup = list_of(item, struct resolver_lookup, item);
    struct resolver *r = lookup->resolver;
    if (!r->way) // it came behind the word to stop
        return;
    struct query *q = mem_new(sizeof *q);
    list_init(&q->all);
    list_append(&r->queries, &q->all);
    q->resolver = r;
    q->lookup = lookup;
    q->answer = dns_answer_new(lookup->name, lookup->type);
    q->answer->ttl = WIRE_TTL_FIRST;
    q->question.done = resolver_replied;
    q->first = r->first;
    q->secure = true;
    q->began_ms = clock_mono_ms();
    slots_enter(r->slots, &q->slot, lookup->name);
    if (uv_timer_get_repeat(&r->timer) != TICK_BUSY_MS)
        uv_timer_start(&r->timer, resolver_tick, TICK_BUSY_MS, TICK_BUSY_MS);
    pump(r);
}

void resolver_ask(struct resolver *r, struct resolver_lookup *lookup)
{
    lookup->resolver = r;
    lookup->answer = NULL;
    atomic_init(&lookup->asked, 0);
    lookup->item.run = resolver_run_ask;
    inbox_post(r->mail, &lookup->item);
}

static void resolver_run_stop(struct item *item)
{
    struct resolver *r = list_of(item, struct resolver, stop);
    list_each_safe (it, &r->queries) {
        resolver_forget(list_of(it, struct query, all));
    }
    r->way->close(r->way);
    r->way = NULL;
    uv_close((uv_handle_t *)&r->timer, NULL);
    inbox_close(r->mail);
}

static void *resolver_run(void *arg)
{
    naming_thread("resolver");
    sigset_t all; // signals are the main thread's; a broken pipe is an error like others here
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    struct resolver *r = arg;
    uv_run(&r->loop, UV_RUN_DEFAULT);
    return NULL;
}

// Before there is a thread: what was opened half closes.
static void resolver_abandon(struct resolver *r)
{
    if (r->way)
        r->way->close(r->way);
    if (r->slots)
        uv_close((uv_handle_t *)&r->timer, NULL);
    inbox_close(r->mail);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    slots_free(r->slots);
    free(r);
}

struct resolver *resolver_open(const struct cfg_dns *config, struct why *why)
{
    struct resolver *r = mem_new(sizeof *r);
    int rc = uv_loop_init(&r->loop);
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "resolver: %s", uv_strerror(rc));
        free(r);
        return NULL;
    }
    r->way = config->mode == DNS_STUB ? resolver_stub_open(&r->loop, config, why)
                                      : resolver_recurse_open(&r->loop, config, why);
    if (!r->way) {
        resolver_abandon(r);
        return NULL;
    }
    r->can_prove = r->way->can_prove;
    r->slots = slots_new(r->way->fast, r->way->slow, PER_ZONE);
    list_init(&r->queries);
    r->mail = inbox_open(&r->loop);
    r->stop.run = resolver_run_stop;
    uv_timer_init(&r->loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, resolver_tick, 0, TICK_IDLE_MS);
    atomic_init(&r->turned_ms, clock_mono_ms());
    rc = r->mail ? pthread_create(&r->thread, NULL, resolver_run, r) : EMFILE;
    if (rc == 0)
        return r;
    why_set(why, WHY_OURS, "4.3.0", "resolver: cannot start its thread: %s", strerror(rc));
    resolver_abandon(r);
    return NULL;
}

void resolver_close(struct resolver *r)
{
    if (!r)
        return;
    inbox_post(r->mail, &r->stop);
    pthread_join(r->thread, NULL);
    slots_free(r->slots);
    int rc = uv_loop_close(&r->loop);
    assert(rc == 0);
    free(r);
}

uint64_t resolver_turned_ms(struct resolver *r)
{
    return atomic_load(&r->turned_ms);
}

unsigned resolver_epoch(struct resolver *r)
{
    return atomic_load(&r->epoch);
}

void resolver_server(const struct resolver *r, unsigned asked, char out[static RESOLVER_SERVER])
{
    out[0] = 0;
    if (!asked)
        return;
    if (!r->way->retries) { // the library finds its own way down
        snprintf(out, RESOLVER_SERVER, "the root servers");
        return;
    }
    r->way->describe(r->way, asked - 1, out, RESOLVER_SERVER);
    size_t n = strlen(out);
    if (n > 3 && strcmp(out + n - 3, ":53") == 0)
        out[n - 3] = 0;
}

bool resolver_can_prove(const struct resolver *r)
{
    return r->can_prove;
}
