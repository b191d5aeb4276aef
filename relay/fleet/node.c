// SPDX-License-Identifier: ISC
// The statements about nodes.
#include "relay/fleet/node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "relay/fleet/fingerprint.h"
#include "relay/log/json.h"
#include "tls/ledger.h"

#define DAY_MOST 1000000 // no day that a node tells of comes later

// ---- joining

// The row of this name: its number, whether it is another relay's, and whether that one lives.
static enum node_joining find_row(struct session *s, struct self *self, struct why *why)
{
    const char *const params[] = {self->name, self->instance};
    struct rows *rows = NULL;
    if (session_run(s,
                    "SELECT number, instance = $2,"
                    " now() - seen < make_interval(secs => 30) FROM waxwing.node WHERE name = $1",
                    params, 2, &rows, why) < 0)
        return NODE_FAILED;
    bool there = rows_count(rows) == 1;
    bool alive = there && !rows_true(rows, 0, 1) && rows_true(rows, 0, 2);
    self->number = there ? (unsigned)rows_number(rows, 0, 0) : 0;
    rows_free(rows);
    if (!alive)
        return NODE_JOINED;
    why_set(why, WHY_OURS, "4.3.0",
            "another relay calls itself %s and lives; give each node a fleet.name of its own (one "
            "that has only moved is believed after %d s of silence)",
            self->name, NODE_SILENT_S);
    return NODE_TAKEN;
}

static int take_number(struct session *s, struct self *self, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(s,
                    "SELECT min(n) FROM generate_series(1, 255) AS n"
                    " WHERE n NOT IN (SELECT number FROM waxwing.node)",
                    NULL, 0, &rows, why) < 0)
        return -1;
    int64_t number = rows_number(rows, 0, 0);
    rows_free(rows);
    if (number < 1 || number > SELF_NUMBERS)
        return why_set(why, WHY_OURS, "4.3.0", "the fleet has given all of its %d numbers to nodes",
                       SELF_NUMBERS);
    self->number = (unsigned)number;
    return 0;
}

static int write_row(struct session *s, const struct self *self, struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {number, self->name, self->instance};
    session_number(number, self->number);
    return session_run(s,
                       "INSERT INTO waxwing.node(number, name, instance) VALUES($1, $2, $3)"
                       " ON CONFLICT(name) DO UPDATE SET instance = $3, seen = now()",
                       params, 3, NULL, why);
}

enum node_joining node_join(struct session *s, struct self *self, struct why *why)
{
    struct self found = *self;
    if (session_script(s, "BEGIN; LOCK TABLE waxwing.node IN SHARE ROW EXCLUSIVE MODE", why) < 0)
        return NODE_FAILED;
    enum node_joining joining = find_row(s, &found, why);
    if (joining != NODE_JOINED)
        return joining;
    if ((!found.number && take_number(s, &found, why) < 0) || write_row(s, &found, why) < 0 ||
        session_script(s, "COMMIT", why) < 0)
        return NODE_FAILED;
    if (found.number > SELF_NUMBERS) {
        why_set(why, WHY_OURS, "4.3.0", "the fleet's row of %s has no number", self->name);
        return NODE_FAILED;
    }
    *self = found;
    return NODE_JOINED;
}

// ---- telling

enum node_joining node_tell(struct session *s, const struct self *self,
                            const struct node_news *news, struct why *why)
{
    char started[SESSION_NUMBER], taken[SESSION_NUMBER], waiting[SESSION_NUMBER];
    const char *const params[] = {self->name, self->instance,    news->program, news->hostname,
                                  started,    news->fingerprint, taken,         waiting};
    struct rows *rows = NULL;
    session_number(started, news->started_ms / 1000);
    session_number(taken, news->taken);
    session_number(waiting, news->waiting);
    if (session_run(s,
                    "UPDATE waxwing.node SET seen = now(), program = $3, hostname = $4,"
                    " started = $5, configuration = $6, taken = $7, waiting = $8"
                    " WHERE name = $1 AND instance = $2 RETURNING number",
                    params, 8, &rows, why) < 0)
        return NODE_FAILED;
    bool mine = rows_count(rows) == 1;
    rows_free(rows);
    if (mine)
        return NODE_JOINED;
    why_set(why, WHY_OURS, "4.3.0", "the row of %s is not this relay's any more", self->name);
    return NODE_TAKEN;
}

// ---- looking

enum column {
    NUMBER,
    NAME,
    PROGRAM,
    HOSTNAME,
    STARTED,
    JOINED,
    SILENT,
    FINGERPRINT,
    TAKEN,
    WAITING,
    SEQ,
    WHOLE,
    REPORTS,
    HEIR,
    GONE,
    MESSAGES,
    AT
};

// The last day of which all that it counted is out, and how many of that day's reports are its own.
static void add_ledger(json_t *j, int64_t whole, int64_t reports)
{
    char day[16] = "";
    if (whole > 0 && whole < DAY_MOST)
        ledger_day_text(whole, day);
    json_object_set_new(j, "counted", json_string(day));
    json_object_set_new(j, "reports", json_integer(reports < 0 ? 0 : reports));
}

// On its way to another node, or gone there; null is neither.
static json_t *describe_evacuation(const struct rows *rows, size_t i)
{
    if (!rows_text(rows, i, HEIR)[0])
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "to", json_text(rows_text(rows, i, HEIR)));
    json_object_set_new(j, "done", json_boolean(rows_true(rows, i, GONE)));
    json_object_set_new(j, "messages", json_integer(rows_number(rows, i, MESSAGES)));
    json_object_set_new(j, "at", json_integer(rows_number(rows, i, AT)));
    return j;
}

static void add_node(struct node_view *view, const struct rows *rows, size_t i, const char *self,
                     const json_t *own)
{
    int64_t silent = rows_number(rows, i, SILENT), taken = rows_number(rows, i, TAKEN);
    bool live = silent >= 0 && silent < NODE_SILENT_S;
    json_t *print = fingerprint_read(rows_text(rows, i, FINGERPRINT));
    json_t *differs = fingerprint_differences(own, print), *j = json_object();
    json_object_set_new(j, "name", json_text(rows_text(rows, i, NAME)));
    json_object_set_new(j, "number", json_integer(rows_number(rows, i, NUMBER)));
    json_object_set_new(j, "self", json_boolean(strcmp(rows_text(rows, i, NAME), self) == 0));
    json_object_set_new(j, "live", json_boolean(live));
    json_object_set_new(j, "silent", json_integer(silent));
    json_object_set_new(j, "program", json_text(rows_text(rows, i, PROGRAM)));
    json_object_set_new(j, "hostname", json_text(rows_text(rows, i, HOSTNAME)));
    json_object_set_new(j, "started", json_integer(rows_number(rows, i, STARTED)));
    json_object_set_new(j, "joined", json_integer(rows_number(rows, i, JOINED)));
    json_object_set_new(j, "waiting", json_integer(rows_number(rows, i, WAITING)));
    json_object_set_new(j, "behind", json_integer(view->seq > taken ? view->seq - taken : 0));
    json_object_set_new(j, "differs", differs);
    json_object_set_new(j, "evacuation", describe_evacuation(rows, i));
    add_ledger(j, rows_number(rows, i, WHOLE), rows_number(rows, i, REPORTS));
    json_decref(print);
    json_array_append_new(view->nodes, j);
    view->n++;
    view->live += live;
}

static int look_at_nodes(struct session *s, const char *self, const char *fingerprint,
                         struct node_view *out, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(
            s,
            "SELECT n.number, n.name, n.program, n.hostname, n.started,"
            " extract(epoch FROM n.joined)::bigint,"
            " greatest(0, extract(epoch FROM now() - n.seen))::bigint,"
            " n.configuration, n.taken, n.waiting, (SELECT seq FROM waxwing.fleet), b.whole,"
            " (SELECT count(*) FROM waxwing.report AS r"
            " WHERE r.day = b.whole AND r.node = n.number),"
            " h.name, e.epoch < l.epoch, e.messages, extract(epoch FROM e.at)::bigint"
            " FROM waxwing.node AS n LEFT JOIN LATERAL (SELECT whole FROM waxwing.book AS o"
            " WHERE o.node = n.number ORDER BY at DESC LIMIT 1) AS b ON true"
            " LEFT JOIN waxwing.lease AS l ON l.node = n.number"
            " LEFT JOIN waxwing.evacuation AS e ON e.node = n.number AND l.ended = (e.stage"
            " IN ('handed', 'through')) AND e.stage <> 'asked'"
            " AND l.epoch = e.epoch + l.ended::integer"
            " LEFT JOIN waxwing.node AS h ON h.number = e.heir"
            " ORDER BY n.number LIMIT 255",
            NULL, 0, &rows, why) < 0)
        return -1;
    json_t *own = fingerprint_read(fingerprint);
    for (size_t i = 0; i < rows_count(rows); i++) {
        out->seq = rows_number(rows, i, SEQ);
        add_node(out, rows, i, self, own);
    }
    json_decref(own);
    rows_free(rows);
    return 0;
}

// Without pg_monitor the rows are there, and say nothing.
static int look_at_standbys(struct session *s, struct node_view *out, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(s,
                    "SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),"
                    " pg_has_role('pg_monitor', 'usage') FROM pg_stat_replication",
                    NULL, 0, &rows, why) < 0)
        return -1;
    out->standbys = rows_true(rows, 0, 2) ? rows_number(rows, 0, 0) : -1;
    out->synchronous = rows_number(rows, 0, 1);
    rows_free(rows);
    return 0;
}

int node_look(struct session *s, const char *self, const char *fingerprint, struct node_view *out,
              struct why *why)
{
    *out = (struct node_view){.nodes = json_array()};
    if (look_at_nodes(s, self, fingerprint, out, why) == 0 && look_at_standbys(s, out, why) == 0)
        return 0;
    node_view_free(out);
    return -1;
}

void node_view_free(struct node_view *view)
{
    json_decref(view->nodes);
    *view = (struct node_view){0};
}
