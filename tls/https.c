// SPDX-License-Identifier: ISC
// The HTTPS fetcher: a thread with a loop. A request waits for a slot, for its addresses, for its turn at the
// address, for curl; then its answer goes back through an inbox.
//
//   waiting → quick → answered
//             quick ⇄ parked           the address has its number of quick ones
//             quick → slow → answered  after SLOW_MS: from then on it holds up no other
//
// Slow ones have slots of their own; where these are all taken, the one that began first gives way. So a host
// that drips delays itself alone, whoever shares its address.
#include "tls/https.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/buf.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "tls/https_inside.h"
#include "tls/https_transfer.h"
#include "tls/sts.h"

#define QUICK         32   // fetches at once that are not slow
#define QUICK_ADDRESS 2    // of these to one address
#define SLOW          128  // fetches at once that are slow
#define SLOW_ADDRESS  16   // of these to one address
#define SLOW_MS       3000 // a fetch is slow from then on
#define TURN_MS       250  // how often slow ones are looked for

struct https {
    uv_loop_t loop;
    uv_thread_t thread;
    struct inbox *mail;  // the fetcher's own
    struct inbox *reply; // of the loop that asks
    struct dns *dns;
    struct https_rules rules;
    struct https_sockets *sockets;
    uv_timer_t turn;
    struct list waiting, quick, parked, slow; // requests, oldest first
    size_t nquick, nslow;
    bool looking; // at the queues: what ends meanwhile need not look again
};

struct https_request {
    struct item item;
    struct list list;
    struct https *https;
    char *host, *path;
    uint16_t port;
    struct https_posting *posting; // NULL: a policy is fetched
    https_fn *fn;
    void *arg;
    bool cancelled; // on the asking thread
    // the fetcher's
    bool slow;
    uint64_t began_ms; // of the loop
    struct dns_request *a, *aaaa;
    struct sockaddr_storage at[TRANSFER_ADDRESSES];
    size_t nat;
    bool saw_refused, saw_failure;
    struct https_transfer *transfer; // NULL: not yet
    struct buf body;
    int64_t ends; // of the host's certificate
    struct why why;
};

static void request_free(struct https_request *r)
{
    if (r->posting && r->posting->secret && r->body.data)
        explicit_bzero(r->body.data, r->body.cap);
    buf_free(&r->body);
    https_posting_free(r->posting);
    free(r->host);
    free(r->path);
    free(r);
}

// On the asking thread.
static void https_run_answer(struct item *item)
{
    struct https_request *r = list_of(item, struct https_request, item);
    const struct why *why = why_is_set(&r->why) ? &r->why : NULL;
    if (!r->cancelled && r->posting)
        https_posting_answer(r->posting, buf_span(&r->body), why);
    else if (!r->cancelled)
        r->fn(buf_span(&r->body), why, r->arg);
    request_free(r);
}

// ---- where a request stands

static void look_at_queues(struct https *https);

static void leave(struct https_request *r)
{
    if (r->slow)
        r->https->nslow--;
    else
        r->https->nquick--;
    list_remove(&r->list);
}

static void be_quick(struct https_request *r)
{
    struct https *https = r->https;
    r->slow = false;
    r->began_ms = uv_now(&https->loop);
    list_append(&https->quick, &r->list);
    https->nquick++;
}

static void be_slow(struct https_request *r)
{
    struct https *https = r->https;
    leave(r);
    r->slow = true;
    list_append(&https->slow, &r->list);
    https->nslow++;
}

static void park(struct https_request *r)
{
    leave(r);
    list_append(&r->https->parked, &r->list);
}

static void https_finish(struct https_request *r)
{
    struct https *https = r->https;
    leave(r);
    https_transfer_free(r->transfer);
    r->transfer = NULL;
    r->item.run = https_run_answer;
    inbox_post(https->reply, &r->item);
    look_at_queues(https);
}

// How many of a list are connected to the first address of this one; *first is the oldest of them.
static size_t at_that_address(const struct list *list, const struct https_request *r,
                              struct https_request **first)
{
    size_t n = 0;
    *first = NULL;
    list_each (it, list) {
        struct https_request *other = list_of(it, struct https_request, list);
        if (other == r || !other->transfer ||
            !address_same((struct sockaddr *)&other->at[0], (struct sockaddr *)&r->at[0]))
            continue;
        if (n++ == 0)
            *first = other;
    }
    return n;
}

static void give_way(struct https_request *r)
{
    dns_cancel(r->a);
    dns_cancel(r->aaaa);
    r->a = r->aaaa = NULL;
    buf_reset(&r->body);
    if (!why_is_set(&r->why))
        https_failed(r->host, r->path, &r->why, "slow, and too many others are as well");
    https_finish(r);
}

// ---- curl

static void https_transferred(void *arg)
{
    https_finish(arg);
}

static void start_transfer(struct https_request *r)
{
    struct https_transfer_order order = {
        .host = r->host,
        .port = r->port,
        .posting = r->posting,
        .path = r->path,
        .at = r->at,
        .nat = r->nat,
        .trust = r->posting && r->posting->trust ? r->posting->trust : r->https->rules.trust,
        .sockets = r->https->sockets,
        .body = &r->body,
        .why = &r->why,
        .ends = &r->ends,
        .done = https_transferred,
        .arg = r};
    r->began_ms = uv_now(&r->https->loop);
    r->transfer = https_transfer_start(&order);
    if (r->transfer)
        return;
    https_failed(r->host, r->path, &r->why, "%s", "no resources are left here to begin with");
    https_finish(r);
}

// With all addresses known: connect, wait for the address, or fail.
static void go_on(struct https_request *r)
{
    struct https_request *first;
    if (!r->nat) {
        https_failed(r->host, r->path, &r->why, "%s",
                     r->saw_refused   ? "its addresses are not connected to (refuse_addresses)"
                     : r->saw_failure ? "its addresses cannot be looked up"
                                      : "it has no address");
        https_finish(r);
    } else if (at_that_address(&r->https->quick, r, &first) < QUICK_ADDRESS) {
        start_transfer(r);
    } else {
        park(r);
        look_at_queues(r->https);
    }
}

// ---- addresses

static void take_addresses(struct https_request *r, const struct dns_answer *answer)
{
    r->saw_failure = r->saw_failure || answer->outcome == DNS_FAILED;
    for (size_t i = 0; i < answer->nrecords && r->nat < TRANSFER_ADDRESSES; i++) {
        struct sockaddr_storage a;
        struct span rdata = answer->records[i].rdata;
        if (rdata.n != (answer->type == DNS_A ? 4 : 16) || !address_make(rdata.p, rdata.n, 0, &a))
            continue;
        if (r->https->rules.refused &&
            r->https->rules.refused(r->https->rules.arg, (struct sockaddr *)&a))
            r->saw_refused = true;
        else
            r->at[r->nat++] = a;
    }
}

static void https_on_address(const struct dns_answer *answer, void *arg)
{
    struct https_request *r = arg;
    if (answer->type == DNS_A)
        r->a = NULL;
    else
        r->aaaa = NULL;
    take_addresses(r, answer);
    if (!r->a && !r->aaaa)
        go_on(r);
}

// What the answer file says in the place of a host.
static bool answer_from_file(struct https_request *r)
{
    int status;
    const char *type, *body, *error;
    if (r->posting || !dns_file_https(r->https->dns, r->host, &status, &type, &body, &error))
        return false;
    bool certificate = strcmp(error, "expired") == 0 || strcmp(error, "name") == 0 ||
                       strcmp(error, "untrusted") == 0;
    if (certificate)
        https_certificate_failed(r->host, r->path, &r->why, error);
    else if (error[0])
        https_failed(r->host, r->path, &r->why, "%s", error);
    else if (buf_adds(&r->body, body) < 0)
        https_failed(r->host, r->path, &r->why, "%s", "longer than 64 KiB");
    else
        https_judge_response(r->host, r->path, status, type, &r->why);
    if (why_is_set(&r->why))
        buf_reset(&r->body);
    return true;
}

// A name that could be read as something else in a URL is no host.
static bool is_host_name(const char *host)
{
    for (const char *c = host; *c; c++)
        if (!ascii_is_alnum((unsigned char)*c) && !strchr("-._", *c))
            return false;
    return host[0] != 0;
}

static void start(struct https_request *r)
{
    struct https *https = r->https;
    be_quick(r);
    if (r->posting && r->posting->nat) { // not looked up
        r->nat = r->posting->nat < TRANSFER_ADDRESSES ? r->posting->nat : TRANSFER_ADDRESSES;
        memcpy(r->at, r->posting->at, r->nat * sizeof *r->at);
        go_on(r);
        return;
    }
    if (!is_host_name(r->host))
        https_failed(r->host, r->path, &r->why, "%s", "not a host name");
    if (why_is_set(&r->why) || answer_from_file(r)) {
        https_finish(r);
        return;
    }
    r->a = dns_ask(https->dns, https->mail, r->host, DNS_A, https_on_address, r);
    r->aaaa = dns_ask(https->dns, https->mail, r->host, DNS_AAAA, https_on_address, r);
}

// Those that wait for an address come first: they have waited before.
static void look_at_queues(struct https *https)
{
    if (https->looking)
        return;
    https->looking = true;
    list_each_safe (it, &https->parked) {
        struct https_request *r = list_of(it, struct https_request, list), *first;
        if (https->nquick >= QUICK)
            break;
        if (at_that_address(&https->quick, r, &first) >= QUICK_ADDRESS)
            continue;
        list_remove(&r->list);
        be_quick(r);
        start_transfer(r);
    }
    while (https->nquick < QUICK && !list_empty(&https->waiting)) {
        struct https_request *r = list_of(https->waiting.next, struct https_request, list);
        list_remove(&r->list);
        start(r);
    }
    https->looking = false;
}

static void https_on_turn(uv_timer_t *timer)
{
    struct https *https = timer->data;
    uint64_t now = uv_now(&https->loop);
    list_each_safe (it, &https->quick) {
        struct https_request *r = list_of(it, struct https_request, list), *first;
        if (now - r->began_ms < SLOW_MS)
            continue;
        be_slow(r);
        if (r->transfer && at_that_address(&https->slow, r, &first) >= SLOW_ADDRESS)
            give_way(first);
        else if (https->nslow > SLOW)
            give_way(list_of(https->slow.next, struct https_request, list));
    }
    look_at_queues(https);
}

static void https_run_request(struct item *item)
{
    struct https_request *r = list_of(item, struct https_request, item);
    list_append(&r->https->waiting, &r->list);
    look_at_queues(r->https);
}

// As https_get; `posting` is taken over.
static struct https_request *https_begin(struct https *https, const char *host, uint16_t port,
                                         const char *path, struct https_posting *posting,
                                         https_fn *fn, void *arg)
{
    struct https_request *r = mem_new(sizeof *r);
    r->https = https;
    r->host = mem_dup(host);
    r->port = port;
    r->path = mem_dup(path);
    r->posting = posting;
    r->fn = fn;
    r->arg = arg;
    list_init(&r->list);
    buf_init(&r->body, posting ? posting->most : STS_POLICY_MAX);
    r->item.run = https_run_request;
    inbox_post(https->mail, &r->item);
    return r;
}

struct https_request *https_get(struct https *https, const char *host, const char *path,
                                https_fn *fn, void *arg)
{
    return https_begin(https, host, 443, path, NULL, fn, arg);
}

int64_t https_certificate_ends(const struct https_request *r)
{
    return r->ends;
}

void https_cancel(struct https_request *r)
{
    if (r)
        r->cancelled = true;
}

static void https_run_loop(void *arg)
{
    naming_thread("https");
    struct https *https = arg;
    uv_run(&https->loop, UV_RUN_DEFAULT);
}

static void drop_rules(struct https_rules *rules)
{
    trust_unref(rules->trust);
    if (rules->drop)
        rules->drop(rules->arg);
}

static void https_free(struct https *https)
{
    drop_rules(&https->rules);
    free(https);
}

struct https *https_open(const struct https_options *options, struct why *why)
{
    struct https *https = mem_new(sizeof *https);
    https->reply = options->mail;
    https->dns = options->dns;
    https->rules = options->rules;
    if (https->rules.trust)
        trust_ref(https->rules.trust);
    list_init(&https->waiting);
    list_init(&https->quick);
    list_init(&https->parked);
    list_init(&https->slow);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rc = uv_loop_init(&https->loop);
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: %s", uv_strerror(rc));
        https_free(https);
        return NULL;
    }
    uv_timer_init(&https->loop, &https->turn);
    https->turn.data = https;
    uv_timer_start(&https->turn, https_on_turn, TURN_MS, TURN_MS);
    https->mail = inbox_open(&https->loop);
    https->sockets = https->mail ? https_sockets_new(&https->loop, https_transfer_done) : NULL;
    rc = https->sockets ? uv_thread_create(&https->thread, https_run_loop, https) : UV_EMFILE;
    if (rc == 0)
        return https;
    why_set(why, WHY_OURS, "4.3.0", "cannot start a thread: %s", uv_strerror(rc));
    if (https->sockets)
        https_sockets_close(https->sockets);
    uv_close((uv_handle_t *)&https->turn, NULL);
    if (https->mail)
        inbox_close(https->mail);
    uv_run(&https->loop, UV_RUN_DEFAULT);
    uv_loop_close(&https->loop);
    https_free(https);
    return NULL;
}

struct rules_order {
    struct item item;
    struct https *https;
    struct https_rules rules;
};

static void https_run_rules(struct item *item)
{
    struct rules_order *order = list_of(item, struct rules_order, item);
    drop_rules(&order->https->rules);
    order->https->rules = order->rules;
    free(order);
}

void https_reload(struct https *https, const struct https_rules *rules)
{
    struct rules_order *order = mem_new(sizeof *order);
    *order = (struct rules_order){.item = {NULL, https_run_rules}, .https = https, .rules = *rules};
    if (rules->trust)
        trust_ref(rules->trust);
    inbox_post(https->mail, &order->item);
}

struct close_order {
    struct item item;
    struct https *https;
};

static void drop_requests(struct list *requests)
{
    list_each_safe (it, requests) {
        struct https_request *r = list_of(it, struct https_request, list);
        dns_cancel(r->a);
        dns_cancel(r->aaaa);
        https_transfer_free(r->transfer);
        list_remove(&r->list);
        request_free(r);
    }
}

static void https_run_close(struct item *item)
{
    struct https *https = list_of(item, struct close_order, item)->https;
    struct list *all[] = {&https->waiting, &https->quick, &https->parked, &https->slow};
    for (size_t i = 0; i < 4; i++)
        drop_requests(all[i]);
    https_sockets_close(https->sockets);
    uv_close((uv_handle_t *)&https->turn, NULL);
    inbox_close(https->mail);
}

void https_close(struct https *https)
{
    struct close_order order = {.item = {NULL, https_run_close}, .https = https};
    inbox_post(https->mail, &order.item);
    uv_thread_join(&https->thread);
    uv_loop_close(&https->loop);
    https_free(https);
}

struct https_request *https_post(struct https *https, const struct https_post_order *order,
                                 https_post_fn *fn, void *arg)
{
    return https_begin(https, order->host, order->port, order->path,
                       https_posting_new(order, fn, arg), NULL, NULL);
}
