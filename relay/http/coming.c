// SPDX-License-Identifier: ISC
// What will break within days, as a page and as numbers.
#include "relay/http/views.h"

#include <stdlib.h>
#include "relay/http/metrics.h"
#include "relay/http/series.h"
#include "relay/recent/coming.h"

static void coming_row(const struct gather *g, struct html_table *t, const json_t *one)
{
    int64_t more = html_integer(one, "domains") - 1;
    html_row(t, NULL);
    html_cell_text(t, html_string(one, "what"));
    html_cell(t);
    html_link(t->out, "domain", html_string(one, "domain"));
    if (more > 0)
        buf_addf(t->out, " and %lld more", (long long)more);
    html_cell_text(t, html_string(one, "host"));
    html_cell(t);
    html_when(t->out, html_integer(one, "ends"), g->now_ms / 1000);
    html_cell_text(t, html_string(one, "sure"));
    html_cell(t);
    views_actor(t->out, html_string(one, "act"));
    html_cell(t);
    html_text(t->out, html_string(one, "text"));
    buf_adds(t->out, "<br>");
    html_text(t->out, html_string(one, "advice"));
    html_row_end(t);
}

static void coming_render(struct gather *g, struct buf *out)
{
    static const char *const columns[] = {"What", "Domain",          "Host", "Ends",
                                          "Sure", "Who can mend it", "Why",  NULL};
    const json_t *findings = json_object_get(g->answers[0], "findings"), *one;
    struct html_table t;
    size_t i;
    gather_begin(g, out, "Coming", "/coming", 0);
    if (gather_trouble(g, out, 0))
        return;
    buf_adds(out, "<h1>Coming</h1>\n<p>What will break within 14 days, as far as deliveries have "
                  "shown. Whether others renew in time is a guess.</p>\n");
    if (!json_array_size(findings)) {
        buf_adds(out, "<p>Nothing that is known.</p>\n");
        return;
    }
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (findings, i, one)
        coming_row(g, &t, one);
    html_table_end(&t);
}

void views_coming(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "tls-coming")};
    gather(call, relay, coming_render, ask, 1);
}

void metrics_print_coming(struct buf *out)
{
    uint64_t counts[COMING_KINDS];
    coming_counts(counts);
    series_describe(out, "waxwing_coming", "gauge",
                    "What will break within 14 days, as waxwing tls coming has it, by kind.");
    for (int k = 0; k < COMING_KINDS; k++)
        series_value(out, "waxwing_coming", "kind", coming_word((enum coming_kind)k), NULL, NULL,
                     counts[k]);
}
