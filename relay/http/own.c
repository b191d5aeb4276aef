// SPDX-License-Identifier: ISC
// The own domains: what the last audit of each found, and the keys that sign for it.
#include <string.h>
#include "relay/audit/daily.h"
#include "relay/http/views.h"

static const char *verdict_of(const json_t *found, const char **css)
{
    const char *verdict = html_string(found, "verdict");
    *css = !found                            ? ""
           : strcmp(verdict, "ok") == 0      ? "good"
           : strcmp(verdict, "problem") == 0 ? "bad"
                                             : "wait";
    return !found                       ? "not looked at yet"
           : strcmp(verdict, "ok") == 0 ? "as receivers need it"
                                        : verdict;
}

static void selectors(struct buf *out, const struct cfg_dkim_domain *d)
{
    for (size_t i = 0; i < d->nkeys; i++) {
        buf_adds(out, i ? ", " : "");
        html_text(out, d->keys[i].selector);
    }
}

static void domain_row(const struct gather *g, struct html_table *t,
                       const struct cfg_dkim_domain *d, const json_t *found)
{
    const char *css, *verdict = verdict_of(found, &css);
    html_row(t, NULL);
    html_cell(t);
    buf_adds(t->out, "<a href=\"#");
    html_text(t->out, d->domain);
    buf_adds(t->out, "\">");
    html_text(t->out, d->domain);
    buf_adds(t->out, "</a>");
    html_cell(t);
    buf_addf(t->out, "<span class=\"tag %s\">%s</span>", css, verdict);
    html_cell(t);
    html_when(t->out, html_integer(found, "at"), g->now_ms / 1000);
    html_cell(t);
    selectors(t->out, d);
    html_row_end(t);
}

static void record(struct buf *out, const json_t *publish)
{
    if (!publish)
        return;
    buf_adds(out, "<small>publish</small><code>");
    html_text(out, html_string(publish, "name"));
    buf_adds(out, ". IN ");
    html_text(out, html_string(publish, "type"));
    buf_adds(out, " ");
    html_text(out, html_string(publish, "record"));
    buf_adds(out, "</code>");
}

static void finding_row(struct html_table *t, struct buf *out, const json_t *row)
{
    const char *severity = html_string(row, "severity");
    const char *prevents = html_string(row, "prevents");
    html_row(t, NULL);
    html_cell_text(t, html_string(row, "about"));
    html_cell(t);
    buf_addf(out, "<span class=\"tag %s\">%s</span>",
             strcmp(severity, "ok") == 0        ? "good"
             : strcmp(severity, "problem") == 0 ? "bad"
                                                : "wait",
             severity);
    html_cell(t);
    html_text(out, html_string(row, "text"));
    if (*prevents && strcmp(severity, "ok") != 0) {
        buf_adds(out, "<small>receivers answer</small> ");
        html_text(out, prevents);
    }
    record(out, json_object_get(row, "publish"));
    html_row_end(t);
}

// Those of one scope: "domain", or "relay", which each domain's audit has.
static void findings(struct buf *out, const char *title, const char *scope, const json_t *found)
{
    static const char *const columns[] = {"About", "Verdict", "Finding", NULL};
    struct html_table t;
    size_t i;
    const json_t *row;
    buf_adds(out, "<h2 id=\"");
    html_text(out, title);
    buf_adds(out, "\">");
    html_text(out, title);
    buf_adds(out, "</h2>\n");
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (json_object_get(found, "findings"), i, row)
        if (strcmp(html_string(row, "scope"), scope) == 0)
            finding_row(&t, out, row);
    html_table_end(&t);
}

static void own_render(struct gather *g, struct buf *out)
{
    static const char *const columns[] = {"Domain", "Last audit", "When", "Selectors", NULL};
    const struct config *c = g->relay->setup->config;
    const json_t *last = g->relay->audit ? audit_daily_last(g->relay->audit) : NULL;
    struct html_table t;
    gather_begin(g, out, "Own domains", "/domains", 0);
    buf_adds(out, "<h1>Own domains, as receivers see them</h1>\n");
    if (!c->ndkim) {
        buf_adds(out, "<p>No domain has a key, so nothing is signed: <code>dkim.domains</code> or "
                      "<code>dkim.directory</code>.</p>\n");
        return;
    }
    buf_adds(out, "<p>Looked at when the relay starts and every day; <code>waxwing audit</code> "
                  "looks now.</p>\n");
    html_table_begin(&t, out, NULL, columns);
    for (size_t i = 0; i < c->ndkim; i++)
        domain_row(g, &t, &c->dkim[i], json_object_get(last, c->dkim[i].domain));
    html_table_end(&t);
    for (size_t i = 0; i < c->ndkim; i++) {
        const json_t *found = json_object_get(last, c->dkim[i].domain);
        if (found && !i)
            findings(out, c->hostname, "relay", found);
        if (found)
            findings(out, c->dkim[i].domain, "domain", found);
    }
}

void views_own(struct http_call *call, struct relay *relay)
{
    gather(call, relay, own_render, NULL, 0);
}
