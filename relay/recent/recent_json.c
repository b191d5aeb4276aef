// SPDX-License-Identifier: ISC
// Rows of a domain as JSON.
#include "relay/recent/recent_json.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "relay/smtp/reply_class.h"

void recent_rows_add(const struct recent_row *row, void *arg)
{
    struct recent_rows *rows = arg;
    if ((rows->n & (rows->n - 1)) == 0)
        rows->at = mem_grow(rows->at, rows->n ? 2 * rows->n : 1, sizeof *rows->at);
    recent_row_copy(&rows->at[rows->n++], row);
}

void recent_rows_free(struct recent_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        recent_row_free(&rows->at[i]);
    free(rows->at);
    *rows = (struct recent_rows){0};
}

static void put_time(json_t *j, const char *key, int64_t ms)
{
    json_object_set_new(j, key, ms ? json_integer(ms / 1000) : json_null());
}

// What its reply is about (relay/smtp/reply_class.h); "": it has none.
static const char *class_of(const struct recent_why *row)
{
    struct why why;
    why_set(&why, WHY_HOST, row->status ? row->status : "", "a reply");
    why_reply(&why, row->reply);
    return row->reply ? reply_class_word(reply_meaning_of(&why).class) : "";
}

static void put_why(json_t *j, const struct recent_why *row)
{
    json_put_text(j, "status", row->status);
    json_put_text(j, "why", row->why);
    json_put_text(j, "act", row->act);
    json_put_text(j, "reason", row->text);
    json_put_text(j, "reply", row->reply);
    json_put_text(j, "class", class_of(row));
    json_put_text(j, "local", row->local);
    json_put_text(j, "to", row->to);
    json_put_text(j, "sender", row->sender);
    json_put_text(j, "outcome", row->outcome);
}

static json_t *told_json(const struct recent_why *told)
{
    if (!told->ms)
        return json_null();
    json_t *j = json_object();
    put_time(j, "at", told->ms);
    json_put_text(j, "ip", told->ip);
    put_why(j, told);
    return j;
}

static json_t *host_json(const struct recent_row *row)
{
    json_t *j = json_object();
    json_put_text(j, "host", row->host);
    put_time(j, "delivered", row->good_ms);
    json_put_text(j, "ip", row->good_ip);
    json_put_text(j, "tls", row->good_tls);
    json_put_text(j, "proof", row->good_proof);
    json_object_set_new(j, "resumed", json_boolean(row->good_resumed));
    json_put_text(j, "cipher", row->traits[RECENT_CIPHER].now);
    json_put_text(j, "certificate", row->traits[RECENT_CERTIFICATE].now);
    json_put_text(j, "key", row->leaf_key);
    put_time(j, "failed", row->bad.ms);
    json_object_set_new(j, "failures", json_integer(row->failures));
    json_object_set_new(j, "failing", json_boolean(row->bad_turn > row->good_turn));
    json_put_text(j, "failed_ip", row->bad.ip);
    json_put_text(j, "type", row->type);
    put_why(j, &row->bad);
    json_object_set_new(j, "recipient", told_json(&row->told));
    return j;
}

static const json_t *explained_host(const json_t *explanation, const char *name)
{
    size_t i;
    const json_t *host;
    json_array_foreach (json_object_get(explanation, "mx"), i, host) {
        const char *its = json_string_value(json_object_get(host, "host"));
        if (its && strcmp(its, name) == 0)
            return host;
    }
    return NULL;
}

// What is so now, and since when it is known; 0: nobody has met it yet.
static void add_change(json_t *list, const struct recent_row *row, enum recent_what what,
                       const json_t *explanation)
{
    const struct recent_trait *t = &row->traits[what];
    struct buf text;
    buf_init(&text, 1 << 20);
    bool asked = trait_explained(explanation, explained_host(explanation, row->host), what, &text);
    buf_cut(&text, text.len < STATE_RECENT_TEXT ? text.len : STATE_RECENT_TEXT);
    const char *now = asked ? buf_text(&text) : t->now;
    if (t->good && now && strcmp(t->good, now) != 0) {
        json_t *j = json_object();
        json_put_text(j, "what", trait_word(what));
        json_put_text(j, "host", row->host);
        json_put_text(j, "before", t->good);
        json_put_text(j, "now", now);
        put_time(j, "seen", t->now && strcmp(t->now, now) == 0 ? t->since_ms : 0);
        json_array_append_new(list, j);
    }
    buf_free(&text);
}

// A row of which nothing came yet tells nothing of deliveries (a policy host's, say).
static bool recent_json_tells(const struct recent_row *row)
{
    return row->good_turn || row->bad_turn || row->told.ms;
}

static int recent_json_by_name(const void *a, const void *b)
{
    return strcmp(((const struct recent_row *)a)->host, ((const struct recent_row *)b)->host);
}

json_t *recent_json(const struct recent_rows *rows, const json_t *explanation)
{
    json_t *j = json_object(), *hosts = json_array(), *changed = json_array();
    int64_t good = 0, bad = 0, good_ms = 0, bad_ms = 0;
    if (rows->n)
        qsort(rows->at, rows->n, sizeof *rows->at, recent_json_by_name);
    for (size_t i = 0; i < rows->n; i++) {
        const struct recent_row *row = &rows->at[i];
        if (row->good_turn > good)
            good = row->good_turn, good_ms = row->good_ms;
        if (row->bad_turn > bad)
            bad = row->bad_turn, bad_ms = row->bad.ms;
        if (recent_json_tells(row) && (row->host[0] || row->bad_turn))
            json_array_append_new(hosts, host_json(row));
        for (int what = 0; what < RECENT_TRAITS; what++)
            add_change(changed, row, (enum recent_what)what, explanation);
    }
    json_put_text(j, "state", bad > good ? "failing" : good ? "ok" : "none");
    put_time(j, "delivered", good_ms);
    put_time(j, "failed", bad_ms);
    json_object_set_new(j, "hosts", hosts);
    json_object_set_new(j, "changed", changed);
    return j;
}

json_t *recent_json_of(struct recents *recents, const char *domain, const json_t *explanation)
{
    struct recent_rows rows = {0};
    recents_each(recents, domain, recent_rows_add, &rows);
    json_t *j = recent_json(&rows, explanation);
    recent_rows_free(&rows);
    return j;
}

json_t *recent_json_file(const char *path, const char *domain, const json_t *explanation)
{
    struct recent_rows rows = {0};
    struct why why;
    if (path && state_recent_read(path, domain, recent_rows_add, &rows, &why) < 0)
        recent_rows_free(&rows);
    json_t *j = recent_json(&rows, explanation);
    recent_rows_free(&rows);
    return j;
}
