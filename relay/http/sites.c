// SPDX-License-Identifier: ISC
// What each site gets, and the reply that taught it (`waxwing sites`).
#include <stdio.h>
#include <string.h>
#include "relay/http/views.h"

#define SITES_SHOWN 200

// Not open first: those are what somebody looks for.
static int sites_rank(const json_t *row)
{
    static const char *const words[] = {"paused", "shut", "paced", "open"};
    for (int i = 0; i < 4; i++)
        if (strcmp(html_string(row, "state"), words[i]) == 0)
            return i;
    return 4;
}

static void sites_state(struct buf *out, const json_t *row)
{
    static const char *const tints[] = {"bad", "bad", "wait", "good", ""};
    buf_addf(out, "<span class=\"tag %s\">%s</span>", tints[sites_rank(row)],
             html_string(row, "state"));
}

// "12 a minute, 2 of 20 connections"
static void sites_gets(struct buf *out, const json_t *row)
{
    const json_t *pace = json_object_get(row, "per_minute");
    if (json_is_number(pace))
        buf_addf(out, "%.4g a minute, ", json_number_value(pace));
    html_number(out, (uint64_t)html_integer(row, "connections"));
    buf_adds(out, " of ");
    html_number(out, (uint64_t)html_integer(row, "ceiling"));
    buf_adds(out, " connections");
}

// The pause of an operator, or what a host said.
static void sites_reason(const struct gather *g, struct buf *out, const json_t *row)
{
    const json_t *pause = json_object_get(row, "paused"), *lesson = json_object_get(row, "lesson");
    if (json_is_object(pause)) {
        buf_adds(out, "paused by ");
        html_text(out, html_string(pause, "by"));
        buf_adds(out, html_string(pause, "reason")[0] ? ": " : "");
        html_text(out, html_string(pause, "reason"));
        return;
    }
    if (!json_is_object(lesson))
        return;
    html_text(out, html_string(lesson, "text"));
    buf_adds(out, html_string(lesson, "reply")[0] ? ": " : "");
    html_text(out, html_string(lesson, "reply"));
    buf_adds(out, "<small>");
    html_text(out, html_string(lesson, "host"));
    buf_adds(out, ", ");
    html_when(out, html_integer(lesson, "time"), g->now_ms / 1000);
    buf_adds(out, "</small>");
}

// A narrow screen breaks the line before the port, not in it.
static void sites_name(struct buf *out, const char *site)
{
    const char *port = strrchr(site, ':');
    html_escape(port ? span_of(site, (size_t)(port - site)) : span_text(site), out);
    if (port) {
        buf_adds(out, "<wbr>");
        html_text(out, port);
    }
}

static void site_row(const struct gather *g, struct html_table *t, const json_t *row)
{
    struct buf *out = t->out;
    html_row(t, NULL);
    html_cell(t);
    sites_name(out, html_string(row, "site"));
    html_cell(t);
    sites_state(out, row);
    html_cell(t);
    html_number(out, (uint64_t)html_integer(row, "ready"));
    html_cell(t);
    html_number(out, (uint64_t)html_integer(row, "active"));
    html_cell(t);
    html_number(out, (uint64_t)html_integer(row, "taken"));
    html_cell(t);
    html_number(out, (uint64_t)html_integer(row, "refused"));
    html_cell(t);
    sites_gets(out, row);
    html_cell(t);
    sites_reason(g, out, row);
    html_row_end(t);
}

static void sites_rows(const struct gather *g, struct buf *out, const json_t *rows)
{
    static const char *const columns[] = {"Site",     "State", "#Ready", "#Sessions", "#Taken",
                                          "#Refused", "Gets",  "Reason", NULL};
    struct html_table t;
    size_t i, shown = 0;
    const json_t *row;
    html_table_begin(&t, out, NULL, columns);
    for (int rank = 0; rank <= 4; rank++)
        json_array_foreach (rows, i, row)
            if (sites_rank(row) == rank && shown < SITES_SHOWN) {
                site_row(g, &t, row);
                shown++;
            }
    html_table_end(&t);
    if (json_array_size(rows) > SITES_SHOWN)
        buf_addf(out,
                 "<p class=\"more\">%d of %zu sites, those in trouble first; <code>waxwing "
                 "sites</code> has all.</p>\n",
                 SITES_SHOWN, json_array_size(rows));
}

static void sites_render(struct gather *g, struct buf *out)
{
    const json_t *rows = json_object_get(g->answers[0], "sites");
    gather_begin(g, out, "Sites", "/sites", 0);
    buf_adds(out, "<h1>Sites</h1>\n<p>A site is the set of hosts that mail really goes to; a "
                  "thousand domains at one provider are one.</p>\n");
    if (gather_trouble(g, out, 0))
        return;
    if (json_array_size(rows))
        sites_rows(g, out, rows);
    else
        buf_adds(out, "<p>Nothing has been sent since the start.</p>\n");
}

void views_sites(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "sites")};
    gather(call, relay, sites_render, ask, 1);
}
