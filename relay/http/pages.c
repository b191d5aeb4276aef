// SPDX-License-Identifier: ISC
// The three pages: the newest TLS failures for people, health for whoever watches, numbers for Prometheus. The
// failures are asked of the state thread, as `waxwing tls failures` does through the control socket.
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

static void pages_health(struct http_call *call, struct relay *relay)
{
    struct metrics m;
    struct buf text;
    buf_init(&text, METRICS_MAX);
    metrics_take(&m, relay, relay->setup);
    bool healthy = metrics_healthy(&m, &text);
    http_answer(call, healthy ? 200 : 503, "text/plain; charset=utf-8", &text);
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
    {"/", pages_failures},
    {"/healthz", pages_health},
    {"/metrics", pages_numbers},
    {NULL, NULL},
};
