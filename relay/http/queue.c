// SPDX-License-Identifier: ISC
// What waits: by domain, and message by message.
#include <stdint.h>
#include <string.h>
#include "relay/base/reasons.h"
#include "relay/http/views.h"

void views_cause(struct buf *out, const json_t *row)
{
    const char *why = html_string(row, "why");
    if (!why[0])
        return;
    const char *phrase = act_phrase(act_named(html_string(row, "act")));
    buf_adds(out, "<small>");
    html_text(out, phrase);
    buf_adds(out, phrase[0] ? " · " : "");
    html_text(out, why);
    buf_adds(out, "</small>");
}

void views_trouble(const struct gather *g, struct buf *out, const json_t *summary, size_t most)
{
    static const char *const columns[] = {"Domain",   "#Recipients", "Since", "#Tries",
                                          "Next try", "Reason",      NULL};
    struct html_table t;
    size_t i;
    const json_t *row, *rows = json_object_get(summary, "trouble");
    if (!json_array_size(rows))
        return;
    buf_adds(out, "<h2>Where mail waits, and why</h2>\n");
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (rows, i, row) {
        if (i == most)
            break;
        html_row(&t, NULL);
        html_cell(&t);
        html_link(out, "domain", html_string(row, "domain"));
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(row, "recipients"));
        html_cell(&t);
        html_when(out, html_integer(row, "oldest"), g->now_ms / 1000);
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(row, "attempts"));
        html_cell(&t);
        html_due(out, html_integer(row, "next"), g->now_ms / 1000);
        html_cell_text(&t, html_string(row, "reason"));
        views_cause(out, row);
        html_row_end(&t);
    }
    html_table_end(&t);
    int64_t all = html_integer(summary, "domains");
    if (all > (int64_t)most) {
        buf_adds(out, "<p class=\"more\">These are ");
        html_number(out, json_array_size(rows) < most ? json_array_size(rows) : most);
        buf_adds(out, " of ");
        html_number(out, (uint64_t)all);
        buf_adds(out, " domains; <a href=\"/queue\">more</a></p>\n");
    }
}

void views_address(struct buf *out, const struct gather *g, const char *text)
{
    const char *at = strrchr(text, '@');
    if (g->relay->setup->config->log_mask && at) {
        buf_adds(out, "…");
        html_text(out, at);
    } else {
        html_text(out, text[0] ? text : "<>");
    }
}

static void queue_standing(const struct gather *g, struct buf *out, struct html_table *t,
                           const json_t *row)
{
    html_cell(t);
    buf_addf(out, "<span class=\"tag%s\">%s</span>",
             strcmp(html_string(row, "state"), "held") == 0 ? " wait" : "",
             html_string(row, "state"));
    if (html_string(row, "next_hop")[0]) {
        buf_adds(out, "<small>to ");
        html_text(out, html_string(row, "next_hop"));
        buf_adds(out, "</small>");
    }
    html_cell(t);
    html_number(out, (uint64_t)html_integer(row, "attempts"));
    html_cell(t);
    html_due(out, html_integer(row, "next"), g->now_ms / 1000);
    html_cell_text(t, html_string(row, "reason"));
    views_cause(out, row);
    html_row_end(t);
}

// Whose it is, where rows are of several messages.
static void queue_message(const struct gather *g, struct buf *out, struct html_table *t,
                          const json_t *row)
{
    html_cell(t);
    html_link(out, "message", html_string(row, "id"));
    html_cell(t);
    html_when(out, html_integer(row, "created"), g->now_ms / 1000);
    html_cell(t);
    views_address(out, g, html_string(row, "to"));
    buf_adds(out, "<small>from ");
    views_address(out, g, html_string(row, "from"));
    buf_adds(out, "</small>");
}

static void queue_more(struct buf *out, const json_t *rows)
{
    if (json_array_size(rows) > VIEWS_ROWS)
        buf_addf(out,
                 "<p class=\"more\">The first %d recipients; <code>waxwing queue list</code> "
                 "shows all.</p>\n",
                 VIEWS_ROWS);
}

void views_queue_rows(const struct gather *g, struct buf *out, const json_t *rows)
{
    static const char *const columns[] = {"Message", "Accepted", "To",     "State",
                                          "#Tries",  "Next try", "Reason", NULL};
    struct html_table t;
    html_table_begin(&t, out, NULL, columns);
    for (size_t i = 0; i < json_array_size(rows) && i < VIEWS_ROWS; i++) {
        html_row(&t, NULL);
        queue_message(g, out, &t, json_array_get(rows, i));
        queue_standing(g, out, &t, json_array_get(rows, i));
    }
    html_table_end(&t);
    queue_more(out, rows);
}

void views_queue_recipients(const struct gather *g, struct buf *out, const json_t *rows)
{
    static const char *const columns[] = {"To", "State", "#Tries", "Next try", "Reason", NULL};
    struct html_table t;
    html_table_begin(&t, out, NULL, columns);
    for (size_t i = 0; i < json_array_size(rows) && i < VIEWS_ROWS; i++) {
        html_row(&t, NULL);
        html_cell(&t);
        views_address(out, g, html_string(json_array_get(rows, i), "to"));
        queue_standing(g, out, &t, json_array_get(rows, i));
    }
    html_table_end(&t);
    queue_more(out, rows);
}

static void queue_render(struct gather *g, struct buf *out)
{
    const json_t *rows = json_object_get(g->answers[1], "rows");
    gather_begin(g, out, "Queue", "/queue", 0);
    buf_adds(out, "<h1>Queue</h1>\n");
    if (gather_trouble(g, out, 0))
        return;
    views_trouble(g, out, g->answers[0], SIZE_MAX);
    buf_adds(out, "<h2>Messages</h2>\n");
    if (!json_array_size(rows)) {
        buf_adds(out, "<p>The queue is empty.</p>\n");
        return;
    }
    views_queue_rows(g, out, rows);
}

void views_queue(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "queue-summary"),
                           json_pack("{s:s}", "verb", "queue-list")};
    gather(call, relay, queue_render, ask, 2);
}
