// SPDX-License-Identifier: ISC
// What went wrong over TLS, grouped; and what shadow mode only watched.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/http/views.h"

struct group {
    UT_hash_handle hh;
    uint64_t count;
    const char *first, *last; // RFC 3339, of the answer
    const json_t *row;        // the newest
    char key[];
};

static bool holds(const json_t *row, const char *search)
{
    static const char *const keys[] = {"domain", "host",   "type", "reason",
                                       "demand", "source", "ip"};
    for (size_t i = 0; search[0] && i < sizeof keys / sizeof *keys; i++)
        if (strcasestr(html_string(row, keys[i]), search))
            return true;
    return !search[0];
}

static void failures_add(struct group **groups, const json_t *row)
{
    char *key = mem_printf("%s\n%s\n%s\n%s", html_string(row, "domain"), html_string(row, "host"),
                           html_string(row, "type"), html_string(row, "reason"));
    struct group *g;
    size_t n = strlen(key);
    HASH_FIND(hh, *groups, key, n, g);
    if (!g) {
        g = mem_new(sizeof *g + n + 1);
        memcpy(g->key, key, n + 1);
        g->row = row;
        g->last = html_string(row, "time");
        HASH_ADD(hh, *groups, key, n, g);
    }
    g->count++;
    g->first = html_string(row, "time"); // rows come newest first
    free(key);
}

void views_consequence(struct buf *out, const json_t *row)
{
    bool refused = json_is_true(
        json_object_get(row, "refused")); // rules and REQUIRETLS hold in shadow mode too
    bool shadow = json_is_true(json_object_get(row, "shadow"));
    buf_addf(out, "<span class=\"tag %s\">%s</span>", refused ? "bad" : "wait",
             refused  ? "refused"
             : shadow ? "would have been refused"
                      : "went on");
}

static void group_row(struct html_table *t, const struct group *g)
{
    html_row(t, NULL);
    html_cell(t);
    html_link(t->out, "domain", html_string(g->row, "domain"));
    buf_adds(t->out, "<small>");
    html_text(t->out, html_string(g->row, "host"));
    buf_adds(t->out, "</small>");
    html_cell_text(t, html_string(g->row, "type"));
    html_cell(t);
    views_consequence(t->out, g->row);
    html_cell_text(t, html_string(g->row, "reason"));
    html_cell(t);
    html_number(t->out, g->count);
    html_cell(t);
    html_moment(t->out, g->last);
    if (g->count > 1) {
        buf_adds(t->out, "<small>first ");
        html_moment(t->out, g->first);
        buf_adds(t->out, "</small>");
    }
    html_row_end(t);
}

size_t views_failure_groups(const struct gather *g, struct buf *out, const json_t *rows,
                            bool shadow, const char *search)
{
    static const char *const columns[] = {"Domain", "Failure", "Delivery", "Reason",
                                          "#Times", "Last",    NULL};
    (void)g;
    struct group *groups = NULL, *one, *next;
    struct html_table t;
    size_t i, shown = 0;
    const json_t *row;
    json_array_foreach (rows, i, row)
        if (json_is_true(json_object_get(row, "shadow")) == shadow && holds(row, search))
            failures_add(&groups, row);
    size_t n = HASH_COUNT(groups);
    if (n)
        html_table_begin(&t, out, NULL, columns);
    HASH_ITER (hh, groups, one, next) {
        if (shown++ < VIEWS_ROWS)
            group_row(&t, one);
        HASH_DEL(groups, one);
        free(one);
    }
    if (n)
        html_table_end(&t);
    if (n > VIEWS_ROWS)
        buf_addf(out,
                 "<p class=\"more\">The newest %d of %zu kinds of failure; a search finds the "
                 "others.</p>\n",
                 VIEWS_ROWS, n);
    return n;
}

static void search_form(struct buf *out, const char *search)
{
    buf_adds(out,
             "<form action=\"/failures\" method=\"get\" role=\"search\"><input type=\"search\" "
             "name=\"q\" aria-label=\"Domain, host, type or words of the reason\" "
             "placeholder=\"Domain, host, type or words of the reason\" value=\"");
    html_text(out, search);
    buf_adds(out, "\"><button>Search</button></form>\n");
}

static void failures_render(struct gather *g, struct buf *out)
{
    const char *search = http_argument(g->call, "q");
    const json_t *rows = json_object_get(g->answers[0], "rows");
    gather_begin(g, out, "TLS failures", "/failures", 0);
    buf_adds(out, "<h1>TLS failures</h1>\n");
    search_form(out, search ? search : "");
    if (gather_trouble(g, out, 0)) {
        g->status = 503;
        return;
    }
    if (json_array_size(rows) == VIEWS_FAILURES)
        buf_addf(out, "<p>Of the newest %d; <code>waxwing tls failures</code> has the rest.</p>\n",
                 VIEWS_FAILURES);
    if (!views_failure_groups(g, out, rows, false, search ? search : ""))
        buf_adds(out, "<p>None are known.</p>\n");
}

json_t *views_newest_failures(void)
{
    return json_pack("{s:s,s:i}", "verb", "tls-failures", "limit", VIEWS_FAILURES);
}

void views_failures(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {views_newest_failures()};
    gather(call, relay, failures_render, ask, 1);
}

static void failures_shadow_render(struct gather *g, struct buf *out)
{
    gather_begin(g, out, "Shadow", "/shadow", 0);
    buf_adds(out, "<h1>What enforcing would have refused</h1>\n");
    if (gather_trouble(g, out, 0))
        return;
    if (!views_failure_groups(g, out, json_object_get(g->answers[0], "rows"), true, ""))
        buf_adds(out,
                 "<p>Nothing among the newest failures. Shadow mode (<code>delivery.mode: "
                 "shadow</code>, or of a destination) decides as if it enforced, delivers all the "
                 "same, and what it would have refused stands here.</p>\n");
}

void views_shadow(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {views_newest_failures()};
    gather(call, relay, failures_shadow_render, ask, 1);
}
