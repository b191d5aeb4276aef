// SPDX-License-Identifier: ISC
// Stub mode: getdns asks the servers that the configuration names, one context for each server and
// transport, so that a try is one question to one server and nothing else.
//
// getdns's own validator is never used (no dnssec extension is ever set): it has no bound on its work.
// Secure is what a trusted server says with its AD bit, RFC 6840 section 5.7. Where some servers are
// trusted, the others are not asked at all: a fallback to them would let whoever can silence the
// first ones take the proof out of every answer.
#include <arpa/inet.h>
#include <assert.h>
#include <getdns/getdns_extra.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "dns/resolver_loop.h"
#include "dns/resolver_way.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"

#define STUB_FAST  64    // more at once to one server gets packets lost
#define STUB_SLOW  256   // they send nothing any more, they wait
#define UDP_SIZE   1232  // octets, as the DNS flag day 2020 has it: no fragments
#define IDLE_MS    10000 // a connection without questions is kept for so long
#define GETDNS_MS  30000 // longer than any try: the deadlines are the resolver's
#define BACKOFF_S  1     // after a failed connection
#define MAX_PACKET 65535

enum kind { KIND_UDP, KIND_TCP, KIND_TLS };

struct server {
    struct sockaddr_storage address;
    char tls_name[256];
    bool trusted;
    getdns_context *contexts[3]; // by kind, made at first use
};

struct stub {
    struct way way;
    struct resolver_loop loop;
    struct server *servers;
    getdns_dict *plain, *unchecked; // extensions: AD set, and CD besides
};

static getdns_dict *address_dict(const struct server *s)
{
    getdns_dict *dict = getdns_dict_create();
    const struct sockaddr *address = (const struct sockaddr *)&s->address;
    getdns_bindata data;
    data.data = (uint8_t *)(uintptr_t)address_bytes(address, &data.size);
    uint16_t port = address_port(address);
    getdns_dict_util_set_string(dict, "address_type",
                                s->address.ss_family == AF_INET ? "IPv4" : "IPv6");
    getdns_dict_set_bindata(dict, "address_data", &data);
    getdns_dict_set_int(dict, "port", port);
    if (s->tls_name[0]) {
        getdns_dict_set_int(dict, "tls_port", port);
        getdns_dict_util_set_string(dict, "tls_auth_name", s->tls_name);
    }
    return dict;
}

static getdns_context *make_context(struct stub *stub, const struct server *s, enum kind kind)
{
    static const getdns_transport_list_t transports[] = {GETDNS_TRANSPORT_UDP, GETDNS_TRANSPORT_TCP,
                                                         GETDNS_TRANSPORT_TLS};
    getdns_transport_list_t resolver_stub_transport = transports[kind];
    getdns_context *context;
    if (getdns_context_create(&context, 0) != GETDNS_RETURN_GOOD)
        return NULL;
    getdns_dict *address = address_dict(s);
    getdns_list *upstreams = getdns_list_create();
    getdns_list_set_dict(upstreams, 0, address);
    getdns_return_t r = getdns_context_set_eventloop(context, &stub->loop.base);
    r = r ? r : getdns_context_set_resolution_type(context, GETDNS_RESOLUTION_STUB);
    r = r ? r : getdns_context_set_upstream_recursive_servers(context, upstreams);
    r = r ? r : getdns_context_set_dns_transport_list(context, 1, &resolver_stub_transport);
    r = r ? r : getdns_context_set_append_name(context, GETDNS_APPEND_NAME_NEVER);
    r = r ? r : getdns_context_set_timeout(context, GETDNS_MS);
    r = r ? r : getdns_context_set_idle_timeout(context, IDLE_MS);
    r = r ? r : getdns_context_set_edns_maximum_udp_payload_size(context, UDP_SIZE);
    r = r ? r : getdns_context_set_tls_backoff_time(context, BACKOFF_S);
    if (kind == KIND_TLS)
        r = r ? r : getdns_context_set_tls_authentication(context, GETDNS_AUTHENTICATION_REQUIRED);
    getdns_list_destroy(upstreams);
    getdns_dict_destroy(address);
    if (r == GETDNS_RETURN_GOOD)
        return context;
    getdns_context_destroy(context);
    return NULL;
}

static getdns_context *context_of(struct stub *stub, const struct way_question *q)
{
    static const enum kind kinds[] = {
        [OVER_UDP] = KIND_UDP, [OVER_TCP] = KIND_TCP, [OVER_TLS] = KIND_TLS};
    enum kind kind = kinds[q->transport];
    struct server *s = &stub->servers[q->server];
    if (!s->contexts[kind])
        s->contexts[kind] = make_context(stub, s, kind);
    return s->contexts[kind];
}

static void reply(struct way_question *q, getdns_callback_type_t type, getdns_dict *response)
{
    struct stub *stub = q->context;
    getdns_bindata *packet;
    struct way_reply out = {.proof = DNS_UNPROVEN, .text = "no connection, or no answer"};
    if (type == GETDNS_CALLBACK_TIMEOUT)
        out.text = "no answer in time";
    else if (type == GETDNS_CALLBACK_COMPLETE && response &&
             getdns_dict_get_bindata(response, "/replies_full/0", &packet) == GETDNS_RETURN_GOOD) {
        out.packet = span_of(packet->data, packet->size);
        bool ad = packet->size > 3 && (packet->data[3] & 0x20);
        out.proof = ad && stub->servers[q->server].trusted ? DNS_SECURE : DNS_INSECURE;
    }
    q->done(q, &out);
}

static void resolver_stub_called(getdns_context *context, getdns_callback_type_t type,
                                 getdns_dict *response, void *arg, getdns_transaction_t id)
{
    (void)context;
    struct way_question *q = arg;
    if (q->starting)
        q->starting = false; // it failed inside getdns_general: start says so itself
    else if (type != GETDNS_CALLBACK_CANCEL && q->id == id)
        reply(q, type, response);
    getdns_dict_destroy(response);
}

static int resolver_stub_start(struct way *way, struct way_question *q, struct why *why)
{
    struct stub *stub = (struct stub *)way;
    getdns_context *context = context_of(stub, q);
    getdns_transaction_t id = 0;
    if (!context)
        return why_set(why, WHY_OURS, "4.3.0", "getdns refuses this server");
    q->context = stub;
    q->starting = true;
    getdns_return_t r = getdns_general(context, q->name[0] ? q->name : ".", q->type,
                                       q->checking_disabled ? stub->unchecked : stub->plain, q, &id,
                                       resolver_stub_called);
    bool early = !q->starting;
    q->starting = false;
    q->id = id;
    if (r == GETDNS_RETURN_GOOD && !early)
        return 0;
    return why_set(why, WHY_OURS, "4.3.0", "cannot ask: %s",
                   r == GETDNS_RETURN_GOOD ? "no connection" : getdns_get_errorstr_by_id(r));
}

static void resolver_stub_cancel(struct way *way, struct way_question *q)
{
    getdns_context *context = context_of((struct stub *)way, q);
    if (context)
        getdns_cancel_callback(context, q->id);
}

static void resolver_stub_tick(struct way *way, uint64_t now_ms)
{
    (void)way;
    (void)now_ms;
}

// All of it runs on the resolver's own thread: that it asks is the sign of life.
static uint64_t resolver_stub_turned_ms(const struct way *way, uint64_t now_ms)
{
    (void)way;
    return now_ms;
}

static unsigned resolver_stub_epoch(const struct way *way)
{
    (void)way;
    return 0;
}

static enum transport resolver_stub_transport(const struct way *way, size_t server)
{
    return ((const struct stub *)way)->servers[server].tls_name[0] ? OVER_TLS : OVER_UDP;
}

static void resolver_stub_describe(const struct way *way, size_t server, char *out, size_t size)
{
    char text[VALUE_TEXT];
    value_endpoint_text(&((const struct stub *)way)->servers[server].address, text);
    snprintf(out, size, "%s", text);
}

static void resolver_stub_close(struct way *way)
{
    struct stub *stub = (struct stub *)way;
    for (size_t i = 0; i < way->nservers; i++)
        for (size_t j = 0; j < 3; j++)
            getdns_context_destroy(stub->servers[i].contexts[j]);
    getdns_dict_destroy(stub->plain);
    getdns_dict_destroy(stub->unchecked);
    free(stub->servers);
    free(stub);
}

static bool is_trusted(const struct cfg_dns_server *s, enum dns_trust trust)
{
    if (trust != DNS_TRUST_AUTO)
        return trust == DNS_TRUST_AD;
    if (s->tls_name && s->tls_name[0])
        return true;
    if (s->address.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&s->address)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&s->address)->sin6_addr);
}

static size_t take_servers(struct stub *stub, const struct cfg_dns *config, bool trusted)
{
    size_t n = 0;
    for (size_t i = 0; i < config->nservers; i++) {
        const struct cfg_dns_server *from = &config->servers[i];
        if (is_trusted(from, config->dnssec) != trusted)
            continue;
        struct server *to = &stub->servers[n++];
        to->address = from->address;
        to->trusted = trusted;
        snprintf(to->tls_name, sizeof to->tls_name, "%s", from->tls_name ? from->tls_name : "");
    }
    return n;
}

struct way *resolver_stub_open(uv_loop_t *loop, const struct cfg_dns *config, struct why *why)
{
    if (config->nservers == 0) {
        why_set(why, WHY_OURS, "4.3.5", "dns.mode is stub and dns.servers is empty");
        return NULL;
    }
    struct stub *stub = mem_new(sizeof *stub);
    stub->servers = mem_new(config->nservers * sizeof *stub->servers);
    resolver_loop_init(&stub->loop, loop);
    stub->way = (struct way){.fast = STUB_FAST,
                             .slow = STUB_SLOW,
                             .retries = true,
                             .transport = resolver_stub_transport,
                             .start = resolver_stub_start,
                             .cancel = resolver_stub_cancel,
                             .tick = resolver_stub_tick,
                             .turned_ms = resolver_stub_turned_ms,
                             .epoch = resolver_stub_epoch,
                             .describe = resolver_stub_describe,
                             .close = resolver_stub_close};
    stub->way.nservers = take_servers(stub, config, true);
    stub->way.can_prove = stub->way.nservers > 0;
    if (!stub->way.can_prove)
        stub->way.nservers = take_servers(stub, config, false);
    stub->plain = getdns_dict_create();
    stub->unchecked = getdns_dict_create();
    getdns_dict_set_int(stub->plain, "/header/ad", 1);
    getdns_dict_set_int(stub->unchecked, "/header/ad", 1);
    getdns_dict_set_int(stub->unchecked, "/header/cd", 1);
    return &stub->way;
}
