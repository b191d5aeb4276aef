// SPDX-License-Identifier: ISC
// All pages: those for people (relay/http/views.h), health for whoever watches, numbers for Prometheus.
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/http/http.h"
#include "relay/http/metrics.h"
#include "relay/http/views.h"

extern const unsigned char http_style[]; // relay/http/style.css
extern const size_t http_style_size;

static void pages_style(struct http_call *call, struct relay *relay)
{
    (void)relay;
    struct buf text;
    buf_init(&text, HTTP_CONTENT_MAX);
    buf_add(&text, http_style, http_style_size);
    http_answer(call, 200, "text/css; charset=utf-8", &text);
}

// The process lives and turns, or nobody would answer; the rest is for people.
static void pages_alive(struct http_call *call, struct relay *relay)
{
    struct metrics m;
    struct buf text;
    buf_init(&text, METRICS_MAX);
    metrics_take(&m, relay, relay->setup);
    metrics_alive(&m, &text);
    http_answer(call, 200, "text/plain; charset=utf-8", &text);
}

static void pages_ready(struct http_call *call, struct relay *relay)
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
    {"/", overview, false},
    {"/queue", views_queue, false},
    {"/message/", views_message, false},
    {"/domain/", views_domain, false},
    {"/failures", views_failures, false},
    {"/policies", views_policies, false},
    {"/exceptions", views_exceptions, false},
    {"/events", views_events, false},
    {"/shadow", views_shadow, false},
    {"/coming", views_coming, false},
    {"/domains", views_own, false},
    {"/logins", views_logins, false},
    {"/sites", views_sites, false},
    {"/fleet", views_fleet, false},
    {"/style.css", pages_style, true},
    {"/healthz", pages_alive, true},
    {"/readyz", pages_ready, true},
    {"/metrics", pages_numbers, false},
    {NULL, NULL, false},
};
