// SPDX-License-Identifier: ISC
// Who may send: each row of `senders` with what is left of its allowance, and who is banned.
#include <stdio.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/mem.h"
#include "relay/http/views.h"
#include "relay/setup/principal.h"
#include "relay/worker/limits.h"

static void logins_from(struct buf *out, const struct cfg_sender *row)
{
    for (size_t i = 0; i < row->nfrom; i++) {
        struct buf text;
        buf_init(&text, 1024);
        value_sender_text(&row->from[i], &text);
        buf_adds(out, i ? ", " : "");
        html_text(out, buf_text(&text));
        buf_free(&text);
    }
    if (row->forward)
        buf_adds(out, row->nfrom ? "; forwards others' mail" : "forwards others' mail");
}

// "950 of 1 000/h"
static void left(const struct gather *g, struct buf *out, enum limits_kind kind, const char *name,
                 struct rate rate)
{
    char text[VALUE_TEXT];
    struct limits *limits = atomic_load(&g->relay->limits);
    if (!rate.count || !limits) {
        buf_adds(out, "<span class=\"soft\">no limit</span>");
        return;
    }
    uint64_t n = limits_left(limits, kind, name, rate);
    value_rate_text(rate, text);
    buf_addf(out, "<span class=\"%s\">", n ? "" : "tag bad");
    html_number(out, n);
    buf_adds(out, " of ");
    html_number(out, rate.count);
    buf_addf(out, "%s</span>", text + strspn(text, "0123456789"));
}

static bool is_banned(const json_t *bans, const char *name)
{
    size_t i;
    const json_t *ban;
    json_array_foreach (bans, i, ban)
        if (strcmp(html_string(ban, "kind"), "user") == 0 &&
            strcmp(html_string(ban, "name"), name) == 0)
            return true;
    return false;
}

// What the relay has learned of the login; NULL: nothing.
static const json_t *habit_of(const json_t *logins, const char *name)
{
    size_t i;
    const json_t *habit;
    json_array_foreach (logins, i, habit)
        if (strcmp(html_string(habit, "login"), name) == 0)
            return habit;
    return NULL;
}

static void logins_tags(struct buf *out, const json_t *habit, bool banned)
{
    if (banned)
        buf_adds(out, " <span class=\"tag bad\">banned</span>");
    if (!json_is_true(json_object_get(habit, "held")))
        return;
    buf_adds(out, " <span class=\"tag bad\">held</span><small>");
    html_text(out, html_string(habit, "reason"));
    buf_adds(out, "</small>");
}

static void login_row(const struct gather *g, struct html_table *t, const struct cfg_sender *row,
                      const char *name)
{
    const json_t *bans = json_object_get(g->answers[0], "bans");
    const json_t *habit = habit_of(json_object_get(g->answers[1], "logins"), name);
    html_row(t, NULL);
    html_cell(t);
    html_text(t->out, name);
    logins_tags(t->out, habit, row->user && row->user[0] && is_banned(bans, name));
    html_cell(t);
    logins_from(t->out, row);
    html_cell(t);
    left(g, t->out, LIMITS_MESSAGES, name, row->messages);
    html_cell(t);
    left(g, t->out, LIMITS_RECIPIENTS, name, row->recipients);
    html_cell(t);
    html_number(t->out, (uint64_t)html_integer(habit, "hour"));
    html_cell(t);
    html_number(t->out, (uint64_t)html_integer(habit, "busiest_hour"));
    html_cell(t);
    html_when(t->out, html_integer(habit, "last"), g->now_ms / 1000);
    html_row_end(t);
}

// A row of networks has an allowance for each, under the name that the log has for it.
static void sender_rows(const struct gather *g, struct html_table *t, const struct cfg_sender *row)
{
    char name[PRINCIPAL_NAME];
    if (row->user && row->user[0])
        login_row(g, t, row, row->user);
    for (size_t i = 0; i < row->networks.n; i++) {
        principal_network(&row->networks.at[i], name);
        login_row(g, t, row, name);
    }
    if (row->unix_user && row->unix_user[0]) {
        snprintf(name, sizeof name, "unix:%s", row->unix_user);
        login_row(g, t, row, name);
    }
}

static void ban_rows(const struct gather *g, struct buf *out, const json_t *bans)
{
    static const char *const columns[] = {"Banned", "Kind", "#Failures", "Since", "Ends", NULL};
    struct html_table t;
    size_t i;
    const json_t *ban;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (bans, i, ban) {
        if (i == LOGINS_BANS)
            break;
        html_row(&t, NULL);
        html_cell_text(&t, html_string(ban, "name"));
        html_cell_text(&t, html_string(ban, "kind"));
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(ban, "failures"));
        html_cell(&t);
        html_when(out, html_integer(ban, "since"), g->now_ms / 1000);
        html_cell(&t);
        html_when(out, html_integer(ban, "until"), g->now_ms / 1000);
        html_row_end(&t);
    }
    html_table_end(&t);
}

static void logins_bans(const struct gather *g, struct buf *out)
{
    const json_t *bans = json_object_get(g->answers[0], "bans");
    size_t n = json_array_size(bans);
    buf_adds(out, "<h2>Bans</h2>\n");
    if (gather_trouble(g, out, 0))
        return;
    if (!n) {
        buf_adds(out, "<p>Nobody is banned.</p>\n");
        return;
    }
    if (n > LOGINS_BANS)
        buf_addf(out, "<p>%d of %zu; <code>waxwing bans list</code> has all.</p>\n", LOGINS_BANS,
                 n);
    ban_rows(g, out, bans);
}

static void logins_render(struct gather *g, struct buf *out)
{
    static const char *const columns[] = {"Login",           "May send as", "Messages left",
                                          "Recipients left", "#This hour",  "#Busiest hour",
                                          "Last mail",       NULL};
    const struct config *c = g->relay->setup->config;
    struct html_table t;
    gather_begin(g, out, "Logins", "/logins", 0);
    buf_adds(out, "<h1>Logins</h1>\n<p>Hours count recipients; what is usual is learned, and a "
                  "login that jumps is held: <code>waxwing logins</code>.</p>\n");
    if (c->nsenders) {
        html_table_begin(&t, out, NULL, columns);
        for (size_t i = 0; i < c->nsenders; i++)
            sender_rows(g, &t, &c->senders[i]);
        html_table_end(&t);
    } else {
        buf_adds(out, "<p>No row of <code>senders</code>: nobody may send.</p>\n");
    }
    logins_bans(g, out);
}

void views_logins(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "bans-list"),
                           json_pack("{s:s}", "verb", "logins-list")};
    gather(call, relay, logins_render, ask, 2);
}
