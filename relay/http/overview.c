// SPDX-License-Identifier: ISC
// The first page: is mail flowing, and if not, what stands in its way.
#include <inttypes.h>
#include "relay/http/history.h"
#include "relay/http/views.h"
#include "relay/log/log.h"

#define REFRESH_S        60
#define ALARMS           5 // the newest
#define TAKEN_IN_MINUTES 60

static uint64_t waiting_of(const json_t *states, const char *state)
{
    return (uint64_t)html_integer(json_object_get(states, state), "recipients");
}

static void card(struct buf *out, const char *name, uint64_t n, int64_t oldest_s, int64_t now_s)
{
    buf_addf(out, "<div><dt>%s</dt><dd>", name);
    html_number(out, n);
    if (oldest_s) {
        buf_adds(out, "<small>oldest ");
        html_when(out, oldest_s, now_s);
        buf_adds(out, "</small>");
    }
    buf_adds(out, "</dd></div>\n");
}

static void queue_cards(const struct gather *g, struct buf *out)
{
    static const char *const words[][2] = {{"active", "In a session"},
                                           {"ready", "Ready"},
                                           {"routing", "Asking for a route"},
                                           {"waiting", "Waiting for the next try"},
                                           {"held", "Held"}};
    const json_t *states = json_object_get(g->answers[1], "states");
    buf_adds(out, "<h2>In the queue</h2>\n<dl class=\"cards\">\n");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        card(out, words[i][1], waiting_of(states, words[i][0]),
             html_integer(json_object_get(states, words[i][0]), "oldest"), g->now_ms / 1000);
    buf_adds(out, "</dl>\n");
}

// What programs hand in: where that has ended, no delivery says so.
static void taken_in(const struct gather *g, struct buf *out)
{
    if (!g->relay->history)
        return;
    struct history_recent r = history_recent(g->relay->history, TAKEN_IN_MINUTES);
    buf_adds(out, "<p>Handed in within the last hour: ");
    html_number(out, r.accepted);
    buf_adds(out, r.accepted == 1 ? " message accepted, " : " messages accepted, ");
    html_number(out, r.refused);
    buf_adds(out, r.refused == 1 ? " refusal.</p>\n" : " refusals.</p>\n");
}

static void plot(const struct gather *g, struct buf *out)
{
    static struct history_minute minutes[HISTORY_MINUTES]; // of the main thread alone
    const struct counters *c = &g->relay->counters;
    size_t n = g->relay->history ? history_minutes(g->relay->history, minutes) : 0;
    buf_adds(out, "<h2>The last 24 hours</h2>\n<div class=\"figure\">\n");
    uint64_t top = history_plot(minutes, n, out);
    if (!n)
        buf_adds(out, "<p class=\"soft\">The plot begins a minute after the start.</p>\n");
    buf_adds(out, "<p class=\"axis\"><span>24 h ago</span><span>12 h</span><span>now</span></p>\n"
                  "<ul class=\"legend\"><li class=\"c-delivered\">");
    html_number(out, c->delivered);
    buf_adds(out, " delivered</li><li class=\"c-deferred\">");
    html_number(out, c->deferred);
    buf_adds(out, " deferred</li><li class=\"c-failed\">");
    html_number(out, c->failed + c->expired);
    buf_adds(out, " failed</li></ul><p class=\"more\">Counted since the start ");
    html_when(out, g->relay->started_ms / 1000, g->now_ms / 1000);
    if (n) {
        buf_adds(out, "; the highest column is ");
        html_number(out, top);
        buf_addf(out, " in %d minutes", HISTORY_STEP);
    }
    buf_adds(out, ".</p></div>\n");
}

static void share(const struct gather *g, struct buf *out)
{
    static const struct {
        const char *css, *name;
    } kinds[PROTECTIONS] = {[PROTECTION_DANE] = {"c-dane", "DANE"},
                            [PROTECTION_STS] = {"c-sts", "MTA-STS"},
                            [PROTECTION_PROVED] = {"c-proved", "certificate proved"},
                            [PROTECTION_ENCRYPT] = {"c-encrypt", "only encrypted"},
                            [PROTECTION_CLEAR] = {"c-clear", "in clear"}};
    const struct counters *c = &g->relay->counters;
    uint64_t all = 0;
    for (size_t i = 0; i < PROTECTIONS; i++)
        all += c->delivered_by[i];
    if (!all)
        return;
    // Widths are classes of the style sheet: the page allows no style of its own.
    buf_adds(out, "<h2>How it was protected</h2>\n<div class=\"figure\"><svg class=\"plot thin\" "
                  "viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    uint64_t at = 0;
    for (size_t i = 0; i < PROTECTIONS; i++) {
        uint64_t from = at * 1000 / all, to = (at += c->delivered_by[i]) * 1000 / all;
        buf_addf(out,
                 "<rect class=\"%s\" x=\"%" PRIu64 "\" y=\"0\" width=\"%" PRIu64
                 "\" height=\"10\"/>",
                 kinds[i].css, from, to - from);
    }
    buf_adds(out, "</svg><ul class=\"legend\">");
    for (size_t i = 0; i < PROTECTIONS; i++) {
        buf_addf(out, "<li class=\"%s\">%s ", kinds[i].css, kinds[i].name);
        html_number(out, c->delivered_by[i]);
        buf_addf(out, " <span class=\"soft\">(%" PRIu64 "&nbsp;%%)</span></li>",
                 (c->delivered_by[i] * 100 + all / 2) / all);
    }
    buf_adds(out, "</ul></div>\n");
}

static void alarms(const struct gather *g, struct buf *out)
{
    static const char *const columns[] = {"When", "What", "Sentence", NULL};
    struct log_recent recent[LOG_RECENT];
    struct html_table t;
    size_t n = log_recent_alarms(recent);
    if (!n)
        return;
    buf_adds(out, "<h2>Alarms</h2>\n");
    html_table_begin(&t, out, NULL, columns);
    for (size_t i = 0; i < n && i < ALARMS; i++) {
        html_row(&t, NULL);
        html_cell(&t);
        html_when(out, recent[i].at_ms / 1000, g->now_ms / 1000);
        html_cell_text(&t, recent[i].what);
        html_cell_text(&t, recent[i].text);
        html_row_end(&t);
    }
    html_table_end(&t);
}

static void overview_render(struct gather *g, struct buf *out)
{
    gather_begin(g, out, "Overview", "/", REFRESH_S);
    if (gather_trouble(g, out, 0) || gather_trouble(g, out, 1))
        return;
    views_verdict(g, out, g->answers[1]);
    queue_cards(g, out);
    taken_in(g, out);
    alarms(g, out);
    views_trouble(g, out, g->answers[1], VIEWS_TROUBLE);
    plot(g, out);
    share(g, out);
}

void overview(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "status"),
                           json_pack("{s:s}", "verb", "queue-summary")};
    gather(call, relay, overview_render, ask, 2);
}
