// SPDX-License-Identifier: ISC
// What the last deliveries to a domain met, as tables of its page.
#include "relay/http/views.h"

#include <string.h>
#include "relay/base/advice.h"
#include "relay/base/reasons.h"
#include "relay/smtp/reply_remedy.h"

#define ADVICE_MAX 8192

// The sentence, the reply, who can mend it and what to do: of a host's failure, or of what it said of one recipient.
static void recent_sentence(struct buf *out, const json_t *row, struct advice_names names)
{
    const char *reply = html_string(row, "reply"), *why = html_string(row, "why");
    html_text(out, html_string(row, "status"));
    buf_addc(out, ' ');
    html_text(out, html_string(row, "reason"));
    if (reply[0])
        buf_adds(out, "<br>");
    html_text(out, reply);
    views_cause(out, row);
    if (!why[0])
        return;
    buf_adds(out, "<small>");
    struct buf advice;
    buf_init(&advice, ADVICE_MAX);
    names.sender_domain = html_string(row, "sender");
    advice_fill(reply_advice(reason_named(why), reply_class_parse(html_string(row, "class"))),
                &names, &advice);
    html_text(out, buf_text(&advice));
    buf_free(&advice);
    buf_adds(out, "</small>");
}

static void recent_reason(const struct gather *g, struct html_table *t, const json_t *plan,
                          const json_t *host)
{
    const struct advice_names names = {.domain = html_string(plan, "domain"),
                                       .host = html_string(host, "host"),
                                       .site = html_string(plan, "site")};
    struct buf *out = t->out;
    const json_t *told = json_object_get(host, "recipient");
    html_cell(t);
    if (html_integer(host, "failed"))
        recent_sentence(out, host, names);
    else if (!json_is_object(told))
        buf_adds(out, "–");
    if (!json_is_object(told))
        return;
    buf_adds(out, html_integer(host, "failed") ? "<br>" : "");
    buf_adds(out, "One recipient, ");
    html_when(out, html_integer(told, "at"), g->now_ms / 1000);
    buf_adds(out, ": ");
    recent_sentence(out, told, names);
}

static void recent_way(struct buf *out, const json_t *host)
{
    html_text(out, html_string(host, "tls"));
    buf_adds(out, json_is_true(json_object_get(host, "resumed")) ? ", resumed" : "");
    buf_adds(out, html_string(host, "proof")[0] ? ", proof " : "");
    html_text(out, html_string(host, "proof"));
    if (!html_string(host, "certificate")[0])
        return;
    buf_adds(out, "<small>certificate last shown: ");
    html_text(out, html_string(host, "certificate"));
    buf_adds(out, "</small>");
}

static void recent_hosts(const struct gather *g, struct buf *out, const json_t *plan,
                         const json_t *hosts)
{
    static const char *const columns[] = {"Host",      "Took mail",       "By", "Failed",
                                          "#In a row", "For this reason", NULL};
    struct html_table t;
    size_t i;
    const json_t *host;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (hosts, i, host) {
        const char *name = html_string(host, "host");
        html_row(&t, NULL);
        html_cell_text(&t, name[0] ? name : "(before a host was chosen)");
        html_cell(&t);
        html_when(out, html_integer(host, "delivered"), g->now_ms / 1000);
        html_cell(&t);
        recent_way(out, host);
        html_cell(&t);
        html_when(out, html_integer(host, "failed"), g->now_ms / 1000);
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(host, "failures"));
        recent_reason(g, &t, plan, host);
        html_row_end(&t);
    }
    html_table_end(&t);
}

static void recent_changes(const struct gather *g, struct buf *out, const json_t *changes)
{
    static const char *const columns[] = {"What", "Host", "Was", "Is", "Met first", NULL};
    struct html_table t;
    size_t i;
    const json_t *change;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (changes, i, change) {
        html_row(&t, NULL);
        html_cell_text(&t, html_string(change, "what"));
        html_cell_text(&t, html_string(change, "host"));
        html_cell_text(&t, html_string(change, "before"));
        html_cell_text(&t, html_string(change, "now"));
        html_cell(&t);
        html_when(out, html_integer(change, "seen"), g->now_ms / 1000);
        html_row_end(&t);
    }
    html_table_end(&t);
}

bool views_is_failing(const json_t *recent)
{
    return strcmp(html_string(recent, "state"), "failing") == 0;
}

void views_recent(const struct gather *g, struct buf *out, const json_t *plan)
{
    const json_t *recent = json_object_get(plan, "recent");
    const json_t *hosts = json_object_get(recent, "hosts");
    const json_t *changes = json_object_get(recent, "changed");
    buf_adds(out, "<h2>Last deliveries</h2>\n");
    if (json_array_size(hosts))
        recent_hosts(g, out, plan, hosts);
    else
        buf_adds(out, "<p>None is remembered.</p>\n");
    if (!json_array_size(changes))
        return;
    buf_adds(out, "<h2>Changed since mail was taken last</h2>\n");
    recent_changes(g, out, changes);
}
