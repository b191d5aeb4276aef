// SPDX-License-Identifier: ISC
// The front of name resolution: a thread that owns the cache and hands lookups to the resolver, or
// answers from a file. Requests of all threads pass through its inbox, answers go back through
// theirs.
//
// One lock guards what two threads touch: the state of each request (so that a cancelled one is never
// posted to an inbox that may be gone) and the numbers of dns_get_state. It is held for moments.
#include "dns/dns.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "dns/answers.h"
#include "dns/cache.h"
#include "dns/health.h"
#include "dns/resolver.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"

#define CACHE_BYTES    67108864 // without a ceiling from the caller
#define TICK_MS        500
#define STUCK_MS       5000   // a resolver that has not turned for so long
#define CHECK_OK_MS    300000 // self-check, while all is well
#define CHECK_AGAIN_MS 30000  // and while it is not
#define PORT_DNS       53
#define ROOT_KEY       "/usr/share/dns/root.key"
#define ROOT_HINTS     "/usr/share/dns/root.hints"

enum request_state { REQUEST_ASKED, REQUEST_POSTED, REQUEST_RUNNING, REQUEST_CANCELLED };

struct dns_request {
    struct item item;
    struct list all;    // in dns.requests, under the lock
    struct list waiter; // in the cache
    struct dns *dns;
    struct inbox *home;
    dns_fn *fn;
    void *arg;
    enum request_state state; // under the lock
    struct dns_answer *answer;
    char *name;
    uint16_t type;
};

struct lookup {
    struct resolver_lookup base;
    struct list all; // in dns.lookups; changed under the lock
    struct dns *dns;
    uint64_t began_ns;
};

struct dns {
    pthread_t thread;
    uv_loop_t loop;
    struct inbox *mail;
    uv_timer_t timer;
    struct item stop;
    struct answers *answers; // or else
    struct resolver *resolver;
    struct cache *cache;
    struct list lookups;
    unsigned epoch;
    struct health_input facts;
    char *trust_anchor, *self_check; // self_check in normal form; NULL: off
    bool checking;
    uint64_t check_ms; // when the next self-check is due

    pthread_mutex_t lock;
    struct list requests;
    struct dns_state state;
    struct histogram times;
    void (*changed)(void *arg, const struct dns_state *before, const struct dns_state *now);
    void *changed_arg;
};

// ---- requests

static void request_free(struct dns_request *r)
{
    list_remove(&r->waiter);
    dns_answer_unref(r->answer);
    free(r->name);
    free(r);
}

static void dns_run_deliver(struct item *item)
{
    struct dns_request *r = list_of(item, struct dns_request, item);
    struct dns *dns = r->dns;
    pthread_mutex_lock(&dns->lock);
    list_remove(&r->all);
    bool wanted = r->state == REQUEST_POSTED;
    if (wanted)
        r->state = REQUEST_RUNNING;
    pthread_mutex_unlock(&dns->lock);
    if (wanted)
        r->fn(r->answer, r->arg);
    request_free(r);
}

// The end of a request on the front's thread.
static void dns_settle(struct dns_request *r, struct dns_answer *answer)
{
    struct dns *dns = r->dns;
    pthread_mutex_lock(&dns->lock);
    bool cancelled = r->state == REQUEST_CANCELLED;
    if (answer->outcome == DNS_FAILED)
        dns->state.failures++;
    if (cancelled) {
        list_remove(&r->all);
    } else {
        r->answer = dns_answer_ref(answer);
        r->state = REQUEST_POSTED;
        r->item.run = dns_run_deliver;
        inbox_post(r->home, &r->item);
    }
    pthread_mutex_unlock(&dns->lock);
    if (cancelled)
        request_free(r);
}

static void settle_all(struct list *waiters, struct dns_answer *answer)
{
    list_each_safe (it, waiters) {
        list_remove(it);
        dns_settle(list_of(it, struct dns_request, waiter), answer);
    }
}

void dns_cancel(struct dns_request *r)
{
    if (!r)
        return;
    struct dns *dns = r->dns;
    pthread_mutex_lock(&dns->lock);
    if (r->state != REQUEST_RUNNING)
        r->state = REQUEST_CANCELLED;
    pthread_mutex_unlock(&dns->lock);
}

// ---- lookups

static void lookup_free(struct lookup *l)
{
    pthread_mutex_lock(&l->dns->lock);
    list_remove(&l->all);
    pthread_mutex_unlock(&l->dns->lock);
    free(l);
}

static void dns_looked_up(struct resolver_lookup *base)
{
    struct lookup *l = list_of(base, struct lookup, base);
    struct dns *dns = l->dns;
    struct list waiters;
    list_init(&waiters);
    histogram_add_since(&dns->times, l->began_ns);
    cache_put(dns->cache, base->answer, clock_mono_ms(), &waiters);
    settle_all(&waiters, base->answer);
    dns_answer_unref(base->answer);
    lookup_free(l);
}

static void dns_look_up(struct dns *dns, const char *name, uint16_t type,
                        void (*done)(struct resolver_lookup *))
{
    struct lookup *l = mem_new(sizeof *l);
    l->dns = dns;
    l->began_ns = clock_mono_ns();
    list_init(&l->all);
    snprintf(l->base.name, sizeof l->base.name, "%s", name);
    l->base.type = type;
    l->base.home = dns->mail;
    l->base.done = done;
    pthread_mutex_lock(&dns->lock);
    list_append(&dns->lookups, &l->all);
    pthread_mutex_unlock(&dns->lock);
    resolver_ask(dns->resolver, &l->base);
}

bool dns_underway(struct dns *dns, const char *name, uint16_t type, struct dns_underway *out)
{
    char normal[NAME_TEXT];
    bool found = false;
    if (!dns->resolver || !name_normal(name, normal))
        return false;
    pthread_mutex_lock(&dns->lock);
    list_each (it, &dns->lookups) {
        const struct lookup *l = list_of(it, struct lookup, all);
        if (l->base.type != type || strcmp(l->base.name, normal) != 0)
            continue;
        found = true;
        out->asked_ms = (clock_mono_ns() - l->began_ns) / 1000000;
        resolver_server(dns->resolver, atomic_load(&l->base.asked), out->server);
    }
    pthread_mutex_unlock(&dns->lock);
    return found;
}

static struct dns_answer *stuck_answer(const char *name, uint16_t type)
{
    struct dns_answer *a = dns_answer_new(name, type);
    why_say(&a->why, RESOLVER_STUCK, STUCK_MS / 1000);
    return a;
}

static void dns_count(struct dns *dns, bool hit, bool asked, bool *stuck)
{
    pthread_mutex_lock(&dns->lock);
    dns->state.cache_hits += hit;
    dns->state.lookups += asked;
    *stuck = dns->state.stuck;
    pthread_mutex_unlock(&dns->lock);
}

static void ask_cache(struct dns_request *r, const char *name)
{
    struct dns *dns = r->dns;
    struct dns_answer *answer;
    bool stuck;
    enum cache_verdict verdict =
        cache_ask(dns->cache, name, r->type, clock_mono_ms(), &r->waiter, &answer);
    dns_count(dns, verdict == CACHE_HIT, verdict == CACHE_LOOK_UP, &stuck);
    if (verdict == CACHE_HIT) {
        dns_settle(r, answer);
        return;
    }
    if (verdict == CACHE_LOOK_UP)
        dns_look_up(dns, name, r->type, dns_looked_up);
    if (!stuck)
        return;
    list_remove(&r->waiter);
    answer = stuck_answer(name, r->type);
    dns_settle(r, answer);
    dns_answer_unref(answer);
}

static void dns_run_request(struct item *item)
{
    struct dns_request *r = list_of(item, struct dns_request, item);
    struct dns_answer *answer;
    char name[NAME_TEXT];
    if (!name_normal(r->name, name)) {
        answer = dns_answer_new(r->name, r->type);
        answer->outcome = DNS_ABSENT;
        answer->proof = DNS_INSECURE;
        answer->nxdomain = true;
        answer->ttl = MAX_TTL;
    } else if (r->dns->answers) {
        answer = answers_ask(r->dns->answers, name, r->type);
    } else {
        ask_cache(r, name);
        return;
    }
    dns_settle(r, answer);
    dns_answer_unref(answer);
}

struct dns_request *dns_ask(struct dns *dns, struct inbox *loop_inbox, const char *name,
                            uint16_t type, dns_fn *fn, void *arg)
{
    struct dns_request *r = mem_new(sizeof *r);
    r->dns = dns;
    r->home = loop_inbox;
    r->name = mem_dup(name);
    r->type = type;
    r->fn = fn;
    r->arg = arg;
    r->item.run = dns_run_request;
    list_init(&r->all);
    list_init(&r->waiter);
    pthread_mutex_lock(&dns->lock);
    list_append(&dns->requests, &r->all);
    pthread_mutex_unlock(&dns->lock);
    inbox_post(dns->mail, &r->item);
    return r;
}

struct forget {
    struct item item;
    struct dns *dns;
    char *name;
};

static void dns_run_forget(struct item *item)
{
    struct forget *f = list_of(item, struct forget, item);
    char name[NAME_TEXT];
    if (f->dns->cache && name_normal(f->name, name))
        cache_forget(f->dns->cache, name);
    free(f->name);
    free(f);
}

void dns_forget(struct dns *dns, const char *name)
{
    struct forget *f = mem_new(sizeof *f);
    f->item.run = dns_run_forget;
    f->dns = dns;
    f->name = mem_dup(name);
    inbox_post(dns->mail, &f->item);
}

// ---- the self-check, and whether the resolver lives

static void tell_changed(struct dns *dns, const struct dns_state *before)
{
    struct dns_state now;
    dns_get_state(dns, &now);
    if (dns->changed && (now.health != before->health || now.stuck != before->stuck))
        dns->changed(dns->changed_arg, before, &now);
}

static void dns_checked(struct resolver_lookup *base)
{
    struct lookup *l = list_of(base, struct lookup, base);
    struct dns *dns = l->dns;
    struct dns_state found;
    health_judge(&dns->facts, base->answer, &found);
    pthread_mutex_lock(&dns->lock);
    struct dns_state before = dns->state;
    dns->state.health = found.health;
    dns->state.unreachable = found.unreachable;
    dns->state.checked_ms = found.checked_ms;
    memcpy(dns->state.text, found.text, sizeof found.text);
    pthread_mutex_unlock(&dns->lock);
    tell_changed(dns, &before);
    dns->checking = false;
    bool ok = found.health == DNS_HEALTH_OK;
    dns->check_ms = clock_mono_ms() + (ok ? CHECK_OK_MS : CHECK_AGAIN_MS);
    dns_answer_unref(base->answer);
    lookup_free(l);
}

static void dns_check(struct dns *dns)
{
    if (!dns->self_check || dns->checking)
        return;
    dns->checking = true;
    dns_look_up(dns, dns->self_check, dns->self_check[0] ? DNS_SOA : DNS_DNSKEY, dns_checked);
}

static void dns_watch(struct dns *dns)
{
    uint64_t turned = resolver_turned_ms(dns->resolver), now = clock_mono_ms();
    bool stuck = now > turned && now - turned > STUCK_MS;
    pthread_mutex_lock(&dns->lock);
    struct dns_state before = dns->state;
    dns->state.stuck = stuck;
    dns->state.cache_bytes = cache_bytes(dns->cache);
    pthread_mutex_unlock(&dns->lock);
    tell_changed(dns, &before);
    if (!stuck || before.stuck)
        return;
    struct list waiters;
    list_init(&waiters);
    cache_give_up(dns->cache, &waiters);
    list_each_safe (it, &waiters) {
        struct dns_request *r = list_of(it, struct dns_request, waiter);
        struct dns_answer *answer = stuck_answer(r->name, r->type);
        list_remove(it);
        dns_settle(r, answer);
        dns_answer_unref(answer);
    }
}

static void dns_tick(uv_timer_t *timer)
{
    struct dns *dns = timer->data;
    unsigned epoch = resolver_epoch(dns->resolver);
    dns_watch(dns);
    if (epoch != dns->epoch) { // new trust anchors: what was bogus may be secure now
        dns->epoch = epoch;
        cache_forget(dns->cache, "");
        dns_check(dns);
    } else if (clock_mono_ms() >= dns->check_ms) {
        dns_check(dns);
    }
}

void dns_get_state(struct dns *dns, struct dns_state *out)
{
    pthread_mutex_lock(&dns->lock);
    *out = dns->state;
    pthread_mutex_unlock(&dns->lock);
}

const struct histogram *dns_lookup_times(const struct dns *dns)
{
    return &dns->times;
}

bool dns_file_https(struct dns *dns, const char *host, int *status, const char **type,
                    const char **body, const char **error)
{
    return dns->answers && answers_https(dns->answers, host, status, type, body, error);
}

// ---- opening and closing

// "IP", "IP:PORT", "[IP6]:PORT"
static int parse_server(const char *text, struct cfg_dns_server *server, struct why *why)
{
    if (value_endpoint(span_text(text), PORT_OPTIONAL, &server->address, why) < 0)
        return -1;
    if (!address_port((const struct sockaddr *)&server->address))
        address_set_port(&server->address, PORT_DNS);
    return 0;
}

static int open_resolver(struct dns *dns, const struct dns_options *options, struct why *why)
{
    static char no_name[] = "", root[] = ".", key[] = ROOT_KEY, hints[] = ROOT_HINTS;
    struct cfg_dns_server server = {.tls_name = no_name};
    struct cfg_dns config = {.self_check = root, .trust_anchor = key, .root_hints = hints};
    if (options->config)
        config = *options->config;
    if (options->resolver) {
        if (parse_server(options->resolver, &server, why) < 0)
            return -1;
        config.mode = DNS_STUB;
        config.servers = &server;
        config.nservers = 1;
    }
    char name[NAME_TEXT];
    if (config.self_check && config.self_check[0] && name_normal(config.self_check, name))
        dns->self_check = mem_dup(name);
    dns->trust_anchor = mem_dup(config.trust_anchor);
    dns->resolver = resolver_open(&config, why);
    if (!dns->resolver)
        return -1;
    dns->facts = (struct health_input){.mode = config.mode,
                                       .trust = config.dnssec,
                                       .can_prove = resolver_can_prove(dns->resolver),
                                       .trust_anchor = dns->trust_anchor};
    dns->cache = cache_new(options->cache_bytes ? options->cache_bytes : CACHE_BYTES);
    return 0;
}

static void *dns_run(void *arg)
{
    naming_thread("dns");
    sigset_t all; // signals are the main thread's; a broken pipe is an error like others here
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    struct dns *dns = arg;
    uv_run(&dns->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void dns_run_stop(struct item *item)
{
    struct dns *dns = list_of(item, struct dns, stop);
    resolver_close(dns->resolver);
    uv_close((uv_handle_t *)&dns->timer, NULL);
    inbox_close(dns->mail);
}

static void dns_release(struct dns *dns)
{
    cache_free(dns->cache);
    answers_free(dns->answers);
    free(dns->trust_anchor);
    free(dns->self_check);
    pthread_mutex_destroy(&dns->lock);
    free(dns);
}

struct dns *dns_open(const struct dns_options *options, struct why *why)
{
    struct dns *dns = mem_new(sizeof *dns);
    pthread_mutex_init(&dns->lock, NULL);
    list_init(&dns->requests);
    list_init(&dns->lookups);
    dns->stop.run = dns_run_stop;
    if (options->answers_file)
        dns->answers = answers_load(options->answers_file, why);
    else
        open_resolver(dns, options, why);
    if (!dns->answers && !dns->resolver) {
        dns_release(dns);
        return NULL;
    }
    dns->state.health = dns->self_check ? DNS_HEALTH_UNKNOWN : DNS_HEALTH_OFF;
    dns->state.can_prove = dns->facts.can_prove;
    dns->changed = options->changed;
    dns->changed_arg = options->arg;
    int rc = uv_loop_init(&dns->loop);
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "dns: cannot make an event loop: %s", uv_strerror(rc));
        resolver_close(dns->resolver);
        dns_release(dns);
        return NULL;
    }
    dns->mail = inbox_open(&dns->loop);
    uv_timer_init(&dns->loop, &dns->timer);
    dns->timer.data = dns;
    if (dns->resolver)
        uv_timer_start(&dns->timer, dns_tick, 0, TICK_MS);
    rc = dns->mail ? pthread_create(&dns->thread, NULL, dns_run, dns) : EMFILE;
    if (rc == 0)
        return dns;
    why_set(why, WHY_OURS, "4.3.0", "dns: cannot start its thread: %s", strerror(rc));
    dns_run_stop(&dns->stop);
    uv_run(&dns->loop, UV_RUN_DEFAULT);
    uv_loop_close(&dns->loop);
    dns_release(dns);
    return NULL;
}

void dns_close(struct dns *dns)
{
    if (!dns)
        return;
    inbox_post(dns->mail, &dns->stop);
    pthread_join(dns->thread, NULL);
    int rc = uv_loop_close(&dns->loop);
    assert(rc == 0);
    list_each_safe (it, &dns->lookups) {
        struct lookup *l = list_of(it, struct lookup, all);
        dns_answer_unref(l->base.answer); // it was on its way here
        free(l);
    }
    list_each_safe (it, &dns->requests) // cancelled, or posted to a loop that ended before
    {
        request_free(list_of(it, struct dns_request, all));
    }
    dns_release(dns);
}
