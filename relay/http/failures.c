// SPDX-License-Identifier: ISC
// What went wrong over TLS, grouped and chosen by a form; and what shadow mode only watched.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/http/failure_form.h"
#include "relay/http/views.h"
#include "relay/state/state.h"

struct group {
    UT_hash_handle hh;
    uint64_t count;
    const char *first, *last; // RFC 3339, of the answer
    const json_t *row;        // the newest
    char key[];
};

static enum state_outcome outcome_of(const json_t *row)
{
    if (json_is_true(
            json_object_get(row, "refused"))) // rules and REQUIRETLS hold in shadow mode too
        return STATE_REFUSED;
    return json_is_true(json_object_get(row, "shadow")) ? STATE_SHADOWED : STATE_WENT_ON;
}

static void failures_add(struct group **groups, const json_t *row)
{
    char *key =
        mem_printf("%s\n%s\n%s\n%s\n%d", html_string(row, "domain"), html_string(row, "host"),
                   html_string(row, "type"), html_string(row, "reason"), outcome_of(row));
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
    enum state_outcome outcome = outcome_of(row);
    buf_addf(out, "<span class=\"tag %s\">%s</span>", outcome == STATE_REFUSED ? "bad" : "wait",
             failure_outcome(outcome));
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
    buf_adds(t->out, "<small>demand ");
    html_text(t->out, html_string(g->row, "demand"));
    buf_adds(t->out, ", source ");
    html_text(t->out, html_string(g->row, "source"));
    buf_adds(t->out, "</small>");
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

size_t views_failure_groups(struct buf *out, const json_t *rows)
{
    static const char *const columns[] = {"Domain", "Failure", "Delivery", "Reason",
                                          "#Times", "Last",    NULL};
    struct group *groups = NULL, *one, *next;
    struct html_table t;
    size_t i, shown = 0;
    const json_t *row;
    json_array_foreach (rows, i, row)
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
                 "<p class=\"more\">The newest %d of %zu kinds of failure; choose fewer to see the "
                 "others.</p>\n",
                 VIEWS_ROWS, n);
    return n;
}

static void failures_render(struct gather *g, struct buf *out)
{
    const json_t *rows = json_object_get(g->answers[0], "rows");
    gather_begin(g, out, "TLS failures", "/failures", 0);
    buf_adds(out, "<h1>TLS failures</h1>\n");
    failure_form(g->call, out);
    if (gather_trouble(g, out, 0)) {
        g->status = 503;
        return;
    }
    if (json_array_size(rows) == VIEWS_FAILURES)
        buf_addf(out,
                 "<p>Of the newest %d that match; <code>waxwing tls failures</code> has the "
                 "rest.</p>\n",
                 VIEWS_FAILURES);
    if (!views_failure_groups(out, rows))
        buf_adds(out, failure_form_chosen(g->call) ? "<p>None match.</p>\n"
                                                   : "<p>None are known.</p>\n");
}

// What stands in the address cannot be asked; the form stays as it was filled in.
static void failures_wrong_render(struct gather *g, struct buf *out)
{
    struct why why;
    gather_begin(g, out, "TLS failures", "/failures", 0);
    buf_adds(out, "<h1>TLS failures</h1>\n");
    failure_form(g->call, out);
    json_decref(failure_form_request(g->call, &why));
    buf_adds(out, "<p role=\"alert\"><span class=\"tag bad\">not asked</span> ");
    html_text(out, why.text);
    buf_adds(out, "</p>\n");
    g->status = 400;
}

json_t *views_newest_failures(void)
{
    return json_pack("{s:s,s:i}", "verb", "tls-failures", "limit", VIEWS_FAILURES);
}

void views_failures(struct http_call *call, struct relay *relay)
{
    struct why why;
    json_t *request = failure_form_request(call, &why);
    if (request)
        gather(call, relay, failures_render, &request, 1);
    else
        gather(call, relay, failures_wrong_render, NULL, 0);
}

static void failures_shadow_render(struct gather *g, struct buf *out)
{
    gather_begin(g, out, "Shadow", "/shadow", 0);
    buf_adds(out, "<h1>What enforcing would have refused</h1>\n");
    if (gather_trouble(g, out, 0))
        return;
    if (!views_failure_groups(out, json_object_get(g->answers[0], "rows")))
        buf_adds(out, "<p>Nothing. Shadow mode (<code>delivery.mode: shadow</code>, or of a "
                      "destination) decides as if it enforced, delivers all the same, and what it "
                      "would have refused stands here.</p>\n");
}

void views_shadow(struct http_call *call, struct relay *relay)
{
    json_t *request = views_newest_failures();
    json_object_set_new(request, "result", json_string(state_outcome_word(STATE_SHADOWED)));
    gather(call, relay, failures_shadow_render, &request, 1);
}
