// SPDX-License-Identifier: ISC
// A domain: what would happen to mail for it now (`waxwing explain`), what waits for it, what failed.
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/http/views.h"
#include "relay/recent/trouble.h"

static void domain_verdict(struct buf *out, const json_t *plan, const json_t *rows)
{
    const char *verdict = html_string(plan, "verdict");
    bool delivers = strcmp(verdict, "deliver") == 0;
    bool failing = views_is_failing(json_object_get(plan, "recent"));
    bool waits = json_array_size(rows) > 0 || failing;
    buf_addf(out, "<section class=\"headline%s\"><h1>", !delivers ? " bad" : waits ? " wait" : "");
    html_text(out, html_string(plan, "domain"));
    buf_adds(out, "</h1><p>");
    if (!delivers)
        html_text(out, html_string(plan, "reason"));
    else if (waits)
        buf_addf(out, "Mail%s",
                 failing ? trouble_sentence(trouble_of(plan)) + strlen("mail")
                         : " goes as below; some of it is in the queue");
    else
        buf_adds(out, "Mail would be delivered; nothing waits.");
    buf_adds(out, "</p></section>\n");
}

static void host_rows(struct buf *out, const json_t *hosts)
{
    static const char *const columns[] = {"Host",   "#Preference", "Addresses", "DNSSEC",
                                          "Demand", "Because of",  "Reason",    NULL};
    struct html_table t;
    size_t i, k;
    const json_t *host, *address;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (hosts, i, host) {
        html_row(&t, NULL);
        html_cell_text(&t, html_string(host, "host"));
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(host, "preference"));
        html_cell(&t);
        json_array_foreach (json_object_get(host, "addresses"), k, address) {
            buf_adds(out, k ? "<br>" : "");
            html_text(out, json_string_value(address));
        }
        html_cell_text(&t, html_string(host, "dnssec"));
        html_cell_text(&t, html_string(host, "demand"));
        html_cell_text(&t, html_string(host, "source"));
        html_cell_text(&t, html_string(host, "reason"));
        html_row_end(&t);
    }
    html_table_end(&t);
}

static void fact(struct buf *out, const char *name, const char *text)
{
    buf_addf(out, "<dt>%s</dt><dd>", name);
    html_text(out, text[0] ? text : "–");
    buf_adds(out, "</dd>");
}

static void sts(const struct gather *g, struct buf *out, const json_t *view)
{
    buf_adds(out, "<h2>MTA-STS</h2>\n<dl class=\"facts\">");
    fact(out, "Mode", html_string(view, "mode")[0] ? html_string(view, "mode") : "no policy");
    if (html_string(view, "mode")[0]) {
        fact(out, "Id", html_string(view, "id"));
        buf_adds(out, "<dt>Fetched</dt><dd>");
        html_when(out, html_integer(view, "fetched"), g->now_ms / 1000);
        buf_adds(out, "</dd><dt>Expires</dt><dd>");
        html_when(out, html_integer(view, "expires"), g->now_ms / 1000);
        buf_adds(out, "</dd>");
    }
    if (html_string(view, "error")[0])
        fact(out, "Last error", html_string(view, "error"));
    buf_adds(out, "</dl>\n");
}

static void domain_render(struct gather *g, struct buf *out)
{
    const json_t *plan = g->answers[0], *rows = json_object_get(g->answers[1], "rows");
    gather_begin(g, out, http_rest(g->call), "", 0);
    if (gather_trouble(g, out, 0)) {
        g->status = 404;
        return;
    }
    domain_verdict(out, plan, rows);
    if (json_array_size(json_object_get(plan, "mx"))) {
        buf_adds(out, "<h2>Hosts, in order of trying</h2>\n");
        host_rows(out, json_object_get(plan, "mx"));
    }
    views_recent(g, out, plan);
    sts(g, out, json_object_get(plan, "sts"));
    if (json_array_size(rows)) {
        buf_adds(out, "<h2>In the queue</h2>\n");
        views_queue_rows(g, out, rows);
    }
    buf_adds(out, "<h2>TLS failures</h2>\n");
    if (!views_failure_groups(out, json_object_get(g->answers[2], "rows")))
        buf_adds(out, "<p>None are known.</p>\n");
}

void views_domain(struct http_call *call, struct relay *relay)
{
    struct why why;
    char *domain;
    if (value_domain(span_text(http_rest(call)), &domain, &why) < 0) {
        http_answer_line(call, 404, "there is no such domain");
        return;
    }
    json_t *const ask[] = {
        json_pack("{s:s,s:s}", "verb", "explain", "domain", domain),
        json_pack("{s:s,s:s}", "verb", "queue-list", "domain", domain),
        json_pack("{s:s,s:s,s:i}", "verb", "tls-failures", "domain", domain, "limit", 200)};
    free(domain);
    gather(call, relay, domain_render, ask, 3);
}
