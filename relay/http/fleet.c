// SPDX-License-Identifier: ISC
// The nodes of the fleet (`waxwing fleet status`), and what metrics and the health pages say of it.
#include "relay/fleet/fleet.h"
#include "relay/worker/slices.h"

#include <stdio.h>
#include "relay/http/metrics.h"
#include "relay/http/series.h"
#include "relay/http/views.h"

static void fleet_differences(struct buf *out, const json_t *node)
{
    const json_t *keys = json_object_get(node, "differs"), *key;
    size_t i;
    if (!json_array_size(keys))
        buf_adds(out, "the same");
    json_array_foreach (keys, i, key) {
        buf_adds(out, i ? ", " : "");
        html_text(out, json_string_value(key));
    }
}

static void fleet_row(const struct gather *g, struct html_table *t, const json_t *node)
{
    bool live = json_is_true(json_object_get(node, "live"));
    const json_t *evacuation = json_object_get(node, "evacuation");
    bool gone = json_is_true(json_object_get(evacuation, "done"));
    struct buf *out = t->out;
    html_row(t, NULL);
    html_cell_text(t, html_string(node, "name"));
    html_cell(t);
    html_number(out, (uint64_t)html_integer(node, "number"));
    html_cell(t);
    buf_addf(out, "<span class=\"tag %s\">%s</span>",
             gone   ? "wait"
             : live ? "good"
                    : "bad",
             gone   ? "left"
             : live ? "lives"
                    : "silent");
    if (json_is_object(evacuation)) {
        buf_adds(out, gone ? " evacuated to " : " its mail goes to ");
        html_text(out, html_string(evacuation, "to"));
    }
    if (!live)
        html_when(out, g->now_ms / 1000 - html_integer(node, "silent"), g->now_ms / 1000);
    html_cell(t);
    html_when(out, html_integer(node, "started"), g->now_ms / 1000);
    html_cell_text(t, html_string(node, "program"));
    html_cell(t);
    html_number(out, (uint64_t)html_integer(node, "behind"));
    html_cell(t);
    html_number(out, (uint64_t)html_integer(node, "waiting"));
    html_cell(t);
    fleet_differences(out, node);
    html_row_end(t);
}

// What a 250 means here; nothing where it means this disk.
static void fleet_journal(struct buf *out, const json_t *journal)
{
    if (!json_is_object(journal))
        return;
    if (!json_is_true(json_object_get(journal, "ready")))
        buf_adds(out, "<p>The journal of the spool cannot be written: no mail is taken.</p>\n");
    else
        buf_addf(out, "<p>Each 250 means this disk and the database%s.</p>\n",
                 json_is_true(json_object_get(journal, "standby"))
                     ? ""
                     : ", which waits for no standby");
}

// What only this disk has; nothing where that cannot be.
static void fleet_one_disk(struct buf *out, const json_t *disk)
{
    if (!json_is_object(disk))
        return;
    if (json_is_true(json_object_get(disk, "alone")))
        buf_addf(out,
                 "<p>The database is away: each 250 means this disk alone, which %lld messages "
                 "stand on; %lld messages of the journal are frozen until it is back.</p>\n",
                 (long long)html_integer(disk, "messages"),
                 (long long)html_integer(disk, "frozen"));
    else if (html_integer(disk, "messages"))
        buf_addf(out,
                 "<p>%lld messages stand on this disk alone, and go into the journal now.</p>\n",
                 (long long)html_integer(disk, "messages"));
}

static void fleet_head(struct buf *out, const json_t *fleet)
{
    const char *trouble = html_string(fleet, "trouble");
    buf_adds(out, "<p>This is ");
    html_text(out, html_string(fleet, "name"));
    buf_adds(out, ". ");
    if (json_is_true(json_object_get(fleet, "connected"))) {
        buf_adds(out, "The database on ");
        html_text(out, html_string(fleet, "database"));
        buf_adds(out, " answers.</p>\n");
        return;
    }
    buf_addf(out, "The fleet cannot be asked, and %s: ",
             json_is_object(json_object_get(fleet, "journal"))
                 ? "this node ends with its lease"
                 : "mail goes on with what this node knows");
    html_text(out, trouble[0] ? trouble : "there is no connection yet");
    buf_adds(out, "</p>\n<p>The nodes as they were last seen:</p>\n");
}

static void fleet_held(struct buf *out, const json_t *slices)
{
    static const char *const columns[] = {"Limit of all nodes", "Kind", "#Held here", "#Of", NULL};
    const json_t *slice;
    struct html_table t;
    size_t i;
    if (!json_array_size(slices))
        return;
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (slices, i, slice) {
        html_row(&t, NULL);
        html_cell_text(&t, html_string(slice, "name"));
        html_cell_text(&t, html_string(slice, "kind"));
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(slice, "held"));
        html_cell(&t);
        html_number(out, (uint64_t)html_integer(slice, "of"));
        html_row_end(&t);
    }
    html_table_end(&t);
}

// Which day's counts are out, and who sends its reports.
static void fleet_ledger(struct buf *out, const json_t *fleet)
{
    const json_t *nodes = json_object_get(fleet, "nodes"), *node;
    size_t i;
    json_array_foreach (nodes, i, node) {
        if (!html_string(node, "counted")[0])
            continue;
        buf_adds(out, "<p>");
        html_text(out, html_string(node, "name"));
        buf_addf(out, " has told what it counted of TLS up to %s, and sends ",
                 html_string(node, "counted"));
        html_number(out, (uint64_t)html_integer(node, "reports"));
        buf_adds(out, " of that day's reports.</p>\n");
    }
    if (html_integer(fleet, "counts"))
        buf_addf(out, "<p>Yet to be told by this one: %lld days of domains.</p>\n",
                 (long long)html_integer(fleet, "counts"));
}

static void fleet_render(struct gather *g, struct buf *out)
{
    static const char *const columns[] = {"Node",    "#Number", "State",   "Started", "Version",
                                          "#Behind", "#Waits",  "Differs", NULL};
    const json_t *nodes = json_object_get(g->answers[0], "nodes"), *node;
    struct html_table t;
    size_t i;
    gather_begin(g, out, "Fleet", "/fleet", 0);
    buf_adds(out, "<h1>Fleet</h1>\n");
    if (gather_trouble(g, out, 0))
        return;
    fleet_head(out, g->answers[0]);
    fleet_journal(out, json_object_get(g->answers[0], "journal"));
    fleet_one_disk(out, json_object_get(g->answers[0], "one_disk"));
    html_table_begin(&t, out, NULL, columns);
    json_array_foreach (nodes, i, node)
        fleet_row(g, &t, node);
    html_table_end(&t);
    fleet_ledger(out, g->answers[0]);
    fleet_held(out, json_object_get(g->answers[0], "slices"));
    buf_adds(out, "<p class=\"more\">Behind: changes of others that it has not taken yet. Waits: "
                  "changes of its own that it has not shared. Differs: keys of the configuration "
                  "that are not as on this node.</p>\n");
}

void views_fleet(struct http_call *call, struct relay *relay)
{
    json_t *const ask[] = {json_pack("{s:s}", "verb", "fleet")};
    gather(call, relay, fleet_render, ask, 1);
}

static void metrics_print_slices(struct fleet *fleet, struct buf *out)
{
    struct slices_view v;
    slices_look(fleet_slices(fleet), &v);
    series_describe(out, "waxwing_fleet_slices", "gauge",
                    "Limits of all nodes of which this one holds something, by kind.");
    series_value(out, "waxwing_fleet_slices", "kind", "rate", NULL, NULL, v.rates);
    series_value(out, "waxwing_fleet_slices", "kind", "connections", NULL, NULL, v.places);
    series_gauge(out, "waxwing_fleet_slice_connections", (int64_t)v.connections,
                 "Connections to sites that this node holds of those of all nodes.");
    series_gauge(out, "waxwing_fleet_alone", v.alone,
                 "1: the database does not answer, and limits are kept by this node's share.");
}

void metrics_print_fleet(const struct metrics *m, struct buf *out)
{
    struct fleet_state s;
    if (!m->fleet)
        return;
    fleet_get_state(m->fleet, &s);
    series_gauge(out, "waxwing_fleet_connected", s.connected, "1: the fleet's database answers.");
    series_describe(out, "waxwing_fleet_nodes", "gauge",
                    "Nodes of the fleet, by whether they have said something of late.");
    series_value(out, "waxwing_fleet_nodes", "state", "live", NULL, NULL, s.live);
    series_value(out, "waxwing_fleet_nodes", "state", "silent", NULL, NULL, s.nodes - s.live);
    series_gauge(out, "waxwing_fleet_behind", s.behind,
                 "Changes of other nodes that this one has not taken yet.");
    series_gauge(out, "waxwing_fleet_waiting", s.waiting,
                 "Changes of this node that it has not shared yet.");
    series_gauge(out, "waxwing_fleet_standbys", s.standbys < 0 ? 0 : s.standbys,
                 "Servers that follow the fleet's database.");
    series_describe(out, "waxwing_fleet_changes_total", "counter",
                    "Changes that went out to the fleet and came in from it.");
    series_value(out, "waxwing_fleet_changes_total", "direction", "sent", NULL, NULL, s.sent);
    series_value(out, "waxwing_fleet_changes_total", "direction", "received", NULL, NULL,
                 s.received);
    series_gauge(out, "waxwing_fleet_counts_waiting", (int64_t)s.uncounted,
                 "Days of domains whose counts of TLS sessions this node has not shared yet.");
    metrics_print_slices(m->fleet, out);
    series_gauge(out, "waxwing_fleet_one_disk", (int64_t)s.one_disk,
                 "Messages that stand on this disk alone (fleet.spool: preferred).");
    series_gauge(out, "waxwing_fleet_frozen", (int64_t)s.frozen,
                 "Messages of the journal that wait for the database.");
    if (s.journals) {
        series_gauge(out, "waxwing_fleet_journal_ready", s.ready,
                     "1: the database takes what the spool gets.");
        series_gauge(out, "waxwing_fleet_journal_standby", !s.alone,
                     "1: the database waits for a standby.");
        series_gauge(out, "waxwing_fleet_lease_seconds", s.lease_ms / 1000,
                     "What is left of this node's lease.");
        series_counter(out, "waxwing_fleet_journal_batches_total", s.batches,
                       "Batches of the spool that the database has.");
        series_counter(out, "waxwing_fleet_journal_unknown_total", s.batches_unknown,
                       "Commits whose end had to be looked for.");
        series_counter(out, "waxwing_fleet_journal_refused_total", s.batches_refused,
                       "Batches that the database did not take.");
    }
    series_counter(out, "waxwing_fleet_failures_total", s.statements_failed,
                   "Connections and statements of the fleet that failed.");
}

bool metrics_fleet_away(const struct metrics *m, char *reason, size_t size)
{
    struct fleet_state s = {.connected = true};
    if (m->fleet)
        fleet_get_state(m->fleet, &s);
    snprintf(reason, size, "%s", s.trouble);
    return !s.connected && s.since_ms;
}
