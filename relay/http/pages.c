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
    {"/", overview},
    {"/queue", views_queue},
    {"/message/", views_message},
    {"/domain/", views_domain},
    {"/failures", views_failures},
    {"/policies", views_policies},
    {"/exceptions", views_exceptions},
    {"/shadow", views_shadow},
    {"/style.css", pages_style},
    {"/healthz", pages_health},
    {"/metrics", pages_numbers},
    {NULL, NULL},
};
