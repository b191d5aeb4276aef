// SPDX-License-Identifier: ISC
// Facts in and out. All of it on the fleet's thread.
#include "relay/fleet/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/fleet/fact.h"
#include "relay/log/log.h"
#include "relay/queue/sites.h"
#include "relay/route/routes.h"
#include "relay/worker/worker.h"

#define PULL        "500" // facts of one piece that comes in
#define PULL_FACTS  500
#define PUSH_FACTS  200     // and of one that goes out
#define PUSH_BYTES  1000000 // about
#define CLEAN_MS    3600000 // how often what is too old to matter is taken out of the table
#define NONSENSE_MS 3600000 // how often the same node's nonsense is told

int share_meet(struct share *sh, struct session *s, struct why *why)
{
    struct rows *rows = NULL;
    // A server that took over may lack what was committed last, and give its numbers anew: its history has a number.
    if (session_run(s,
                    "SELECT id || '-' || left(pg_walfile_name(pg_current_wal_lsn()), 8)"
                    " FROM waxwing.fleet",
                    NULL, 0, &rows, why) < 0)
        return -1;
    snprintf(sh->fleet, sizeof sh->fleet, "%s", rows_count(rows) ? rows_text(rows, 0, 0) : "");
    rows_free(rows);
    return 0;
}

// ---- in

static void share_on_worker(struct worker *worker, void *arg)
{
    if (worker->queue)
        sites_hear(worker->queue, arg);
    site_row_free(arg);
    free(arg);
}

static void share_tell_worker(struct share *sh, const struct site_row *site)
{
    struct site_row *row = mem_new(sizeof *row);
    *row = *site;
    row->site = mem_dup(site->site);
    row->host = mem_dup(site->host);
    row->status = mem_dup(site->status);
    row->reply = mem_dup(site->reply);
    row->text = mem_dup(site->text);
    worker_call(worker_for_site(sh->relay, row->site), share_on_worker, row);
}

static void share_apply(struct share *sh, const struct fact *f)
{
    switch (f->kind) {
    case SHARED_POLICY:
        sh->told_routes = true;
        routes_hear_policy(sh->routes, &f->policy);
        break;
    case SHARED_MEMORY:
        sh->told_routes = true;
        if (f->gone)
            routes_hear_forgotten(sh->routes, f->first, f->second, f->at_ms);
        else
            routes_hear_memory(sh->routes, f->first, &f->memory);
        break;
    case SHARED_SITE:
        share_tell_worker(sh, &f->site);
        break;
    case SHARED_SUPPRESSED:
        if (f->gone)
            suppress_hear_removed(sh->suppress, f->first, f->second, f->at_ms);
        else
            suppress_hear(sh->suppress, &f->suppressed);
        break;
    default:
        if (f->gone)
            bans_hear_lifted(sh->bans, f->first[0] == '1' ? BAN_USER : BAN_CLIENT, f->second,
                             f->at_ms);
        else
            bans_hear(sh->bans, &f->ban, atomic_load(&sh->ban_ms));
    }
}

enum fact_column { CLOCK, KIND, KEY, BODY, GONE, AT, NODE, SEQ };

static void share_take_row(struct share *sh, const struct rows *rows, size_t i)
{
    struct fact fact;
    struct why why;
    int64_t kind = rows_number(rows, i, KIND);
    const char *body = rows_true(rows, i, GONE) ? NULL : rows_text(rows, i, BODY);
    if (fact_read(kind > 0 && kind < SHARED_KINDS ? (enum shared_kind)kind : SHARED_KINDS,
                  rows_text(rows, i, KEY), body, rows_number(rows, i, AT), clock_ms(), &fact,
                  &why) == 0) {
        share_apply(sh, &fact);
        sh->received++;
    } else {
        log_alarm_once("fleet", REASON_NONE, rows_text(rows, i, NODE), NONSENSE_MS,
                       "node %s wrote what nobody can believe, and it is left alone: %s (fact "
                       "%s)",
                       rows_text(rows, i, NODE), why.text, rows_text(rows, i, SEQ));
    }
    fact_free(&fact);
}

// The clock is read with the rows, so that nothing lies between them.
static int pull(struct share *sh, struct session *s, bool *more, struct why *why)
{
    char after[SESSION_NUMBER];
    const char *const params[] = {after};
    struct rows *rows = NULL;
    struct why state; // what fails there is taken in once more
    session_number(after, sh->taken);
    if (session_run(s,
                    "SELECT c.seq, f.kind, f.key, f.body, f.body IS NULL, f.at, f.node, f.seq"
                    " FROM waxwing.fleet AS c LEFT JOIN LATERAL"
                    " (SELECT * FROM waxwing.fact WHERE seq > $1::bigint ORDER BY seq LIMIT " PULL
                    ") AS f"
                    " ON true ORDER BY f.seq",
                    params, 1, &rows, why) < 0)
        return -1;
    size_t n = rows_count(rows);
    int64_t clock = n ? rows_number(rows, 0, CLOCK) : 0;
    int64_t last = clock < sh->taken ? 0 : clock; // it was made anew meanwhile: from its beginning
    for (size_t i = 0; i < n && rows_text(rows, i, SEQ)[0]; i++)
        share_take_row(sh, rows, i);
    *more = n == PULL_FACTS;
    if (*more)
        last = rows_number(rows, n - 1, SEQ);
    rows_free(rows);
    if (sh->told_routes)
        routes_heard(sh->routes);
    sh->told_routes = false;
    if ((last != sh->taken || !sh->known) &&
        state_shared_taken(sh->state, sh->fleet, last, &state) == 0)
        sh->taken = last;
    sh->behind = clock > sh->taken ? clock - sh->taken : 0;
    return 0;
}

// ---- out

// What is to go out: its marks, and the facts as the database wants them.
struct outgoing_facts {
    int64_t done[PUSH_FACTS]; // marks that need no further look
    size_t ndone, n;
    int64_t marks[PUSH_FACTS]; // of the facts, by their place
    json_t *facts;
};

// A row that nobody would believe stays here.
static void share_add(struct outgoing_facts *out, const struct shared_row *row, size_t *bytes)
{
    struct fact fact;
    struct why why;
    bool good = row->key[0] &&
                fact_read(row->kind, row->key, row->body, row->at_ms, clock_ms(), &fact, &why) == 0;
    json_t *key = good ? json_string(row->key) : NULL;
    json_t *body = row->body ? json_string(row->body) : json_null();
    if (key && body) {
        out->marks[out->n] = row->mark;
        json_array_append_new(out->facts,
                              json_pack("{s:I, s:i, s:O, s:O, s:I}", "o", (json_int_t)out->n,
                                        "kind", (int)row->kind, "key", key, "body", body, "at",
                                        (json_int_t)fact.at_ms));
        out->n++;
        *bytes += strlen(row->key) + (row->body ? strlen(row->body) : 0);
    } else {
        out->done[out->ndone++] = row->mark;
    }
    json_decref(key);
    json_decref(body);
    if (row->key[0])
        fact_free(&fact);
}

#define RECORDSET                                                                                  \
    "json_to_recordset($1::json) AS n(o integer, kind smallint, key text, body text, at bigint)"
// Two of one moment: of what a host proved, the relay that merged them has more to say.
#define LATER(mine, theirs)                                                                        \
    "(" mine ".at > " theirs ".at OR (" theirs ".kind = 2 AND " mine ".at = " theirs ".at))"

// Leaves those facts in that the table lacks; what it has, or has later, is done.
static int drop_known(const struct share *sh, struct session *s, struct outgoing_facts *out,
                      struct why *why)
{
    char taken[SESSION_NUMBER], *text = json_dumps(out->facts, JSON_COMPACT);
    const char *const params[] = {text, taken};
    struct rows *rows = NULL;
    session_number(taken, sh->taken);
    int rc = session_run(
        s,
        "SELECT n.o, coalesce(f.seq > $2::bigint, false), f.key IS NULL OR " LATER(
            "n", "f") " FROM " RECORDSET " LEFT JOIN waxwing.fact AS f"
                      " ON f.kind = n.kind AND f.key = n.key"
                      " WHERE f.key IS NULL OR f.body IS DISTINCT FROM n.body ORDER BY n.o",
        params, 2, &rows, why);
    free(text);
    if (rc < 0)
        return -1;
    json_t *left = json_array();
    size_t at = 0, n = rows_count(rows);
    for (size_t o = 0; o < out->n; o++) {
        bool differs = at < n && rows_number(rows, at, 0) == (int64_t)o;
        bool unheard = differs && rows_true(rows, at, 1),
             wanted = differs && rows_true(rows, at, 2);
        at += differs;
        if (wanted && !unheard)
            json_array_append(left, json_array_get(out->facts, o));
        else if (!unheard)
            out->done[out->ndone++] = out->marks[o];
    }
    rows_free(rows);
    json_decref(out->facts);
    out->facts = left;
    return 0;
}

// In one statement, hence one transaction; what somebody else changed meanwhile waits for the next turn.
static int push_facts(struct share *sh, struct session *s, unsigned node,
                      struct outgoing_facts *out, struct why *why)
{
    char *text = json_dumps(out->facts, JSON_COMPACT);
    char room[SESSION_NUMBER], number[SESSION_NUMBER], taken[SESSION_NUMBER];
    const char *const params[] = {text, room, number, taken};
    struct rows *rows = NULL;
    session_number(room, PUSH_FACTS);
    session_number(number, node);
    session_number(taken, sh->taken);
    int rc =
        session_run(s,
                    "WITH clock AS (UPDATE waxwing.fleet SET seq = seq + $2::bigint"
                    " RETURNING seq - $2::bigint AS base)"
                    " INSERT INTO waxwing.fact AS f(kind, key, body, at, node, seq)"
                    " SELECT n.kind, n.key, n.body, n.at, $3::smallint, clock.base + n.o + 1 FROM "
                    "clock, " RECORDSET
                    " ON CONFLICT(kind, key) DO UPDATE SET body = excluded.body, at = excluded.at,"
                    " node = excluded.node, seq = excluded.seq"
                    " WHERE f.seq <= $4::bigint AND " LATER(
                        "excluded", "f") " RETURNING (f.seq - 1) % $2::bigint",
                    params, 4, &rows, why);
    free(text);
    if (rc < 0)
        return -1;
    for (size_t i = 0; i < rows_count(rows); i++) {
        int64_t o = rows_number(rows, i, 0);
        if (o >= 0 && (size_t)o < out->n && out->ndone < PUSH_FACTS)
            out->done[out->ndone++] = out->marks[o];
        sh->sent++;
    }
    rows_free(rows);
    return session_script(s, "NOTIFY " SHARE_CHANNEL, why);
}

static int push(struct share *sh, struct session *s, unsigned node, const struct shared_list *list,
                struct why *why)
{
    struct outgoing_facts out = {.facts = json_array()};
    struct why state;
    size_t bytes = 0;
    for (size_t i = 0; i < list->n && bytes < PUSH_BYTES; i++)
        share_add(&out, &list->rows[i], &bytes);
    int rc = out.n ? drop_known(sh, s, &out, why) : 0;
    if (rc == 0 && json_array_size(out.facts))
        rc = push_facts(sh, s, node, &out, why);
    json_decref(out.facts);
    if (rc == 0)
        state_shared_sent(sh->state, out.done, out.ndone, &state); // else they go out once more
    sh->waiting = list->waiting > out.ndone ? list->waiting - out.ndone : 0;
    return rc;
}

// ---- a turn

// What nobody keeps for so long: policies live a year at most, and a node that was away for longer learns anew.
static int clean(struct share *sh, struct session *s, struct why *why)
{
    char old[SESSION_NUMBER], gone[SESSION_NUMBER];
    const char *const params[] = {old, gone};
    if (clock_mono_ms() < sh->cleaned_at)
        return 0;
    sh->cleaned_at = clock_mono_ms() + CLEAN_MS;
    session_number(old, clock_ms() - 370 * (int64_t)86400000);
    session_number(gone, clock_ms() - 90 * (int64_t)86400000);
    return session_run(s,
                       "DELETE FROM waxwing.fact WHERE (at < $1::bigint AND kind <> 3)"
                       " OR (body IS NULL AND at < $2::bigint)",
                       params, 2, NULL, why) == 0
               ? session_script(s,
                                "DELETE FROM waxwing.budget WHERE full_at < now();"
                                "DELETE FROM waxwing.question"
                                " WHERE at < now() - interval '10 minutes';"
                                "DELETE FROM waxwing.place WHERE until < now() - interval '1 day'",
                                why)
               : -1;
}

// What is marked is read before the others are heard: where they have something later, ours is found to be known.
int share_turn(struct share *sh, struct session *s, unsigned node, bool *more, struct why *why)
{
    struct shared_list list;
    struct why state;
    *more = false;
    if (state_shared_look(sh->state, PUSH_FACTS, &list, &state) < 0)
        return 0; // has an alarm of its own
    sh->known = strcmp(list.fleet, sh->fleet) == 0;
    sh->taken = sh->known ? list.taken : 0;
    int rc = pull(sh, s, more, why);
    if (rc == 0 && !*more &&
        sh->known) { // when all is heard; of a new fleet, when all here is marked
        rc = push(sh, s, node, &list, why);
        *more = list.n == PUSH_FACTS && sh->waiting + PUSH_FACTS <= list.waiting;
    }
    shared_list_free(&list);
    return rc == 0 ? clean(sh, s, why) : -1;
}
