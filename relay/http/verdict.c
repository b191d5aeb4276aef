// SPDX-License-Identifier: ISC
// The first thing on the first page: is mail flowing, and if not, who can mend it.
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/reasons.h"
#include "relay/http/history.h"
#include "relay/http/metrics.h"
#include "relay/http/views.h"

#define LATELY_MIN   15 // minutes without a delivery, and with so many
#define LATELY_TRIES 10 // failures to so many
#define LATELY_SITES 3  // domains, are more than some receivers' trouble
#define WARNINGS_MAX 65536

void views_actor(struct buf *out, const char *act)
{
    enum act who = act_named(act);
    const char *text = who ? act_text(who) : "not known";
    buf_addc(out, toupper((unsigned char)text[0]));
    buf_adds(out, text + 1);
}

static bool verdict_is_ours(const char *act)
{
    return act_is_ours(act_named(act));
}

static void counted(struct buf *out, int64_t n, const char *what)
{
    html_number(out, (uint64_t)n);
    buf_addf(out, " %s%s", what, n == 1 ? "" : "s");
}

// "The postmaster of the receiving host: 12 domains, 40 recipients, since 3 h ago"
static void fault_lines(const struct gather *g, struct buf *out, const json_t *acts)
{
    size_t i;
    const json_t *row;
    buf_adds(out, "<p class=\"who\">Who can mend it:</p><ul class=\"fault\">");
    json_array_foreach (acts, i, row) {
        const char *act = html_string(row, "act");
        buf_addf(out, "<li%s><strong>", verdict_is_ours(act) ? " class=\"ours\"" : "");
        views_actor(out, act);
        buf_adds(out, "</strong> <span>");
        counted(out, html_integer(row, "domains"), "domain");
        buf_adds(out, ", ");
        counted(out, html_integer(row, "recipients"), "recipient");
        buf_adds(out, ", the oldest ");
        html_when(out, html_integer(row, "oldest"), g->now_ms / 1000);
        buf_adds(out, "</span></li>");
    }
    buf_adds(out, "</ul>\n");
}

static void last_delivery(const struct gather *g, struct buf *out, const struct history_recent *r)
{
    if (r->delivered_ms && g->now_ms - r->delivered_ms < 60000) {
        buf_adds(out, "The last delivery was just now.");
        return;
    }
    buf_adds(out, r->delivered_ms ? "The last delivery was "
                                  : "Nothing has been delivered since the start, ");
    html_when(out, (r->delivered_ms ? r->delivered_ms : g->relay->started_ms) / 1000,
              g->now_ms / 1000);
    buf_adds(out, ".");
}

static void say_waiting(const struct gather *g, struct buf *out, const json_t *summary,
                        const struct history_recent *r)
{
    const json_t *acts = json_object_get(summary, "acts"), *row,
                 *worst = json_array_get(json_object_get(summary, "trouble"), 0);
    int64_t domains = html_integer(summary, "domains");
    bool stands = !r->delivered && r->deferred >= LATELY_TRIES && domains >= LATELY_SITES;
    bool bad = stands;
    size_t i;
    json_array_foreach (acts, i, row)
        bad = bad || verdict_is_ours(html_string(row, "act"));
    buf_addf(out, "<section class=\"headline %s\"><h1>%s", bad ? "bad" : "wait",
             stands            ? "No mail gets through: it waits for "
             : r->delivered_ms ? "Mail is flowing, but not to "
                               : "Mail waits for ");
    if (domains == 1)
        html_text(out, html_string(worst, "domain"));
    else
        counted(out, domains, "domain");
    buf_adds(out, "</h1><p>");
    last_delivery(g, out, r);
    buf_adds(out, "</p>");
    fault_lines(g, out, acts);
    buf_adds(out, "</section>\n");
}

static void say_flowing(const struct gather *g, struct buf *out, const struct history_recent *r)
{
    buf_adds(out,
             "<section class=\"headline\"><h1>Mail is flowing</h1><p>Nothing waits because of a "
             "failure. ");
    last_delivery(g, out, r);
    buf_adds(out, "</p></section>\n");
}

static void say_not_ready(const struct gather *g, struct buf *out, struct span reason)
{
    const struct setup *setup = g->relay->setup;
    struct spool_state spool;
    buf_addf(out, "<section class=\"headline bad\"><h1>%c", toupper(reason.p[0]));
    html_escape(span_from(reason, 1), out);
    buf_adds(out, "</h1><p>It is for whoever runs this relay. ");
    spool_get_state(g->relay->spool, &spool);
    if (!spool.healthy || !spool.room) {
        buf_adds(out, "Clients hear 452 and keep their mail. Free space on the disk of <code>");
        html_text(out, setup->config->spool);
        buf_adds(out, "</code>, or make it writable; the relay goes on by itself.");
    }
    buf_adds(out, "</p></section>\n");
}

// What is wrong although mail goes on, in the words of /readyz.
static void warnings(struct buf *out, struct span lines)
{
    struct span line;
    size_t n = 0;
    while (span_cut(lines, '\n', &line, &lines)) {
        if (!span_starts_nocase(line, "warning: "))
            continue;
        if (!n++)
            buf_adds(out,
                     "<section class=\"notes\"><h2>Wrong here, although mail goes on</h2><ul>");
        buf_adds(out, "<li>");
        html_escape(span_from(line, strlen("warning: ")), out);
        buf_adds(out, "</li>");
    }
    if (n)
        buf_adds(out, "</ul></section>\n");
}

void views_verdict(const struct gather *g, struct buf *out, const json_t *summary)
{
    struct metrics m;
    struct buf words;
    struct span rest, first;
    struct history_recent recent = {0};
    buf_init(&words, WARNINGS_MAX);
    metrics_take(&m, g->relay, g->relay->setup);
    bool is_ready = metrics_ready(&m, &words);
    if (g->relay->history)
        recent = history_recent(g->relay->history, LATELY_MIN);
    rest = buf_span(&words);
    if (span_cut(rest, '\n', &first, &rest) && !is_ready && first.n)
        say_not_ready(g, out, first);
    else if (html_integer(summary, "domains"))
        say_waiting(g, out, summary, &recent);
    else
        say_flowing(g, out, &recent);
    warnings(out, rest);
    buf_free(&words);
}
