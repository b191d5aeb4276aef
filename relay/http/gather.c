// SPDX-License-Identifier: ISC
#include "relay/http/gather.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/control/control.h"

struct question {
    struct gather *g;
    size_t slot;
};

static void finish(struct gather *g)
{
    struct buf out;
    buf_init(&out, HTTP_CONTENT_MAX);
    if (http_is_awaited(g->call)) { // at the end of things what a page shows is gone
        g->render(g, &out);
        html_end(&out);
    }
    http_answer(g->call, g->status, "text/html; charset=utf-8", &out);
    for (size_t i = 0; i < g->asked; i++)
        json_decref(g->answers[i]);
    free(g);
}

static void gather_on_answer(int exit, const json_t *answer, void *arg)
{
    (void)exit;
    struct question *q = arg;
    struct gather *g = q->g;
    g->answers[q->slot] = json_incref((json_t *)answer);
    free(q);
    if (--g->due == 0)
        finish(g);
}

static void gather_ask(struct gather *g, size_t slot, json_t *request)
{
    struct question *q = mem_new(sizeof *q);
    *q = (struct question){g, slot};
    if (g->relay->control) {
        control_local(g->relay->control, request, gather_on_answer, q);
        return;
    }
    json_t *answer = json_pack("{s:s}", "error", "the relay runs without a control socket");
    json_decref(request);
    gather_on_answer(0, answer, q);
    json_decref(answer);
}

void gather(struct http_call *call, struct relay *relay,
            void (*render)(struct gather *g, struct buf *out), json_t *const *requests, size_t n)
{
    struct gather *g = mem_new(sizeof *g);
    g->call = call;
    g->relay = relay;
    g->now_ms = clock_ms();
    g->render = render;
    g->asked = n;
    g->due = n + 1; // answers that come at once do not end it early
    g->status = 200;
    for (size_t i = 0; i < n; i++)
        gather_ask(g, i, requests[i]);
    if (--g->due == 0)
        finish(g);
}

void gather_begin(const struct gather *g, struct buf *out, const char *title, const char *here,
                  unsigned refresh)
{
    const struct html_frame frame = {.title = title,
                                     .here = here,
                                     .hostname = g->relay->setup->config->hostname,
                                     .now_ms = g->now_ms,
                                     .refresh = refresh,
                                     .fleet = g->relay->fleet != NULL};
    html_begin(out, &frame);
}

bool gather_trouble(const struct gather *g, struct buf *out, size_t i)
{
    const char *error = html_string(g->answers[i], "error");
    if (!error[0])
        return false;
    buf_adds(out, "<p class=\"tag bad\">");
    html_text(out, error);
    buf_adds(out, "</p>\n");
    return true;
}
