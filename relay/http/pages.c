// SPDX-License-Identifier: ISC
// The pages: the newest TLS failures for people, health for whoever watches, numbers for Prometheus. The
// failures are asked of the state thread, as `waxwing tls failures` does through the control socket.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/http/http.h"
#include "relay/http/failures.h"
#include "relay/http/metrics.h"

struct question {
    struct http_call *call;
    struct relay *relay;
};

static void pages_found(struct ledger_rows *rows, const struct why *why, void *arg)
{
    struct question *q = arg;
    struct buf page;
    buf_init(&page, HTTP_CONTENT_MAX);
    http_failures(rows, why ? why->text : NULL, q->relay->setup->config->hostname, clock_ms(),
                  &page);
    http_answer(q->call, why ? 503 : 200, "text/html; charset=utf-8", &page);
    free(q);
}

static void pages_failures(struct http_call *call, struct relay *relay)
{
    const struct state_query query = {.view = STATE_FAILURES, .result = -1, .limit = HTTP_FAILURES};
    struct question *q = mem_new(sizeof *q);
    *q = (struct question){.call = call, .relay = relay};
    state_ask(relay->state, &query, relay->mail, pages_found, q);
}

// The process lives and turns, or nobody would answer; the rest is for people.
static void alive(struct http_call *call, struct relay *relay)
{
    struct metrics m;
    struct buf text;
    buf_init(&text, METRICS_MAX);
    metrics_take(&m, relay, relay->setup);
    metrics_alive(&m, &text);
    http_answer(call, 200, "text/plain; charset=utf-8", &text);
}

static void ready(struct http_call *call, struct relay *relay)
{
    struct metrics m;
    struct buf text;
    buf_init(&text, METRICS_MAX);
    metrics_take(&m, relay, relay->setup);
    bool is_ready = metrics_ready(&m, &text);
    http_answer(call, is_ready ? 200 : 503, "text/plain; charset=utf-8", &text);
}

static void pages_numbers(struct http_call *call, struct relay *relay)
{
    struct metrics m;
    struct buf text;
    buf_init(&text, METRICS_MAX);
    metrics_take(&m, relay, relay->setup);
    metrics_print(&m, &text);
    http_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

const struct http_page http_pages[] = {
    {"/", pages_failures, false},       {"/healthz", alive, true}, {"/readyz", ready, true},
    {"/metrics", pages_numbers, false}, {NULL, NULL, false},
};

// Without the port, and in [] without them.
static struct span bare_host(struct span host)
{
    ptrdiff_t end = span_find(host, ']');
    bool bracketed = host.n && host.p[0] == '[' && end > 0;
    if (bracketed && (end + 1 == (ptrdiff_t)host.n || host.p[end + 1] == ':'))
        return span_slice(host, 1, (size_t)end);
    end = span_find(host, ':');
    host = end < 0 ? host : span_slice(host, 0, (size_t)end);
    if (host.n && host.p[host.n - 1] == '.') // the same name, written absolutely
        host.n--;
    return host;
}

bool http_is_ours(const struct relay *relay, struct span host)
{
    const struct config *config = relay->setup->config;
    struct sockaddr_storage address;
    char text[64];
    host = bare_host(host);
    snprintf(text, sizeof text, "%.*s", (int)host.n, (const char *)host.p);
    if (host.n < sizeof text &&
        (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1))
        return true;
    if (span_is_nocase(host, "localhost") || span_is_nocase(host, config->hostname))
        return true;
    for (size_t i = 0; i < config->http_names.n; i++)
        if (span_is_nocase(host, config->http_names.at[i]))
            return true;
    return false;
}
