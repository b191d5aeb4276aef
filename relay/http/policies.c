// SPDX-License-Identifier: ISC
// MTA-STS policies in force, what hosts proved before, and the operator's exceptions.
#include <string.h>
#include "relay/http/views.h"
#include "tls/policy.h"

static void policy_rows(const struct gather *g, struct buf *out, const json_t *rows)
{
    static const char *const columns[] = {"Domain", "Mode",       "Fetched", "Expires",
                                          "Policy", "Last error", NULL};
    struct html_table t;
    size_t i;
    const json_t *row;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (rows, i, row) {
        const char *mode = html_string(row, "mode");
        html_row(&t, NULL);
        html_cell(&t);
        html_link(out, "domain", html_string(row, "domain"));
        html_cell(&t);
        buf_addf(out, "<span class=\"tag %s\">", strcmp(mode, "enforce") == 0 ? "good" : "");
        html_text(out, mode);
        buf_adds(out, "</span>");
        html_cell(&t);
        html_when(out, html_integer(row, "fetched"), g->now_ms / 1000);
        html_cell(&t);
        html_when(out, html_integer(row, "expires"), g->now_ms / 1000);
        html_cell_text(&t, html_string(row, "policy"));
        html_cell_text(&t, html_string(row, "error"));
        html_row_end(&t);
    }
    html_table_end(&t);
}

static void memory_rows(const struct gather *g, struct buf *out, const json_t *rows)
{
    static const char *const columns[] = {"Domain", "Host", "Proved", "DANE", "Last seen", NULL};
    struct html_table t;
    size_t i;
    const json_t *row;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (rows, i, row) {
        if (i == 1000)
            break;
        html_row(&t, NULL);
        html_cell(&t);
        html_link(out, "domain", html_string(row, "domain"));
        html_cell_text(&t, html_string(row, "host"));
        html_cell_text(&t, html_string(row, "proved"));
        html_cell_text(&t, json_is_true(json_object_get(row, "dane")) ? "yes" : "no");
        html_cell(&t);
        html_when(out, html_integer(row, "seen"), g->now_ms / 1000);
        html_row_end(&t);
    }
    html_table_end(&t);
}

static void policies_render(struct gather *g, struct buf *out)
{
    const json_t *policies = json_object_get(g->answers[0], "policies");
    const json_t *memory = json_object_get(g->answers[0], "memory");
    gather_begin(g, out, "Policies", "/policies", 0);
    buf_adds(out, "<h1>Policies and memory</h1>\n");
    if (gather_trouble(g, out, 0))
        return;
    buf_adds(out, "<h2>MTA-STS policies</h2>\n");
    if (json_array_size(policies))
        policy_rows(g, out, policies);
    else
        buf_adds(out, "<p>No policy is known yet.</p>\n");
    buf_adds(out, "<h2>What hosts proved before</h2>\n");
    if (json_array_size(memory))
        memory_rows(g, out, memory);
    else
        buf_adds(out, "<p>Nothing is remembered yet.</p>\n");
}

void views_policies(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "tls-policies")};
    gather(call, relay, policies_render, ask, 1);
}

static void exception_row(struct html_table *t, const struct cfg_destination *d, int64_t now_s)
{
    bool over = d->until != INT64_MAX && d->until < now_s;
    html_row(t, NULL);
    html_cell_text(t, d->domain);
    html_cell_text(t, tls_level_word(d->tls));
    html_cell(t);
    if (d->until == INT64_MAX)
        buf_adds(t->out, "never");
    else
        html_when(t->out, d->until, now_s);
    html_cell(t);
    buf_addf(t->out, "<span class=\"tag %s\">%s</span>", over ? "bad" : "wait",
             over ? "ended: it counts no more" : "in force");
    html_cell_text(t, d->reason);
    html_row_end(t);
}

static void policies_exceptions_render(struct gather *g, struct buf *out)
{
    static const char *const columns[] = {"Destination", "TLS", "Ends", "State", "Reason", NULL};
    const struct cfg_delivery *c = &g->relay->setup->config->delivery;
    struct html_table t;
    size_t n = 0;
    gather_begin(g, out, "Exceptions", "/exceptions", 0);
    buf_adds(out,
             "<h1>Exceptions</h1>\n<p>Destinations whose rule has an end and a reason: it replaces "
             "what DANE, MTA-STS and memory would demand.</p>\n");
    for (size_t i = 0; i < c->ndestinations; i++) {
        if (!c->destinations[i].until)
            continue;
        if (!n++)
            html_table_begin(&t, out, NULL, columns);
        exception_row(&t, &c->destinations[i], g->now_ms / 1000);
    }
    if (n)
        html_table_end(&t);
    else
        buf_adds(out, "<p>There are none.</p>\n");
}

void views_exceptions(struct http_call *call, struct relay *relay)
{
    gather(call, relay, policies_exceptions_render, NULL, 0);
}
