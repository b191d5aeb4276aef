// SPDX-License-Identifier: ISC
// The statements that make each version of the schema. A version that stands is never changed: what is new is the next.
#include "relay/fleet/schema.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/span.h"

// One of these runs at a time, whoever calls it (pg_advisory_xact_lock).
#define SCHEMA_LOCK "1465407302"

static const char *const additions[SCHEMA_VERSION + 1] = {
    // The fleet as such, one row; and its nodes, which tell every few seconds that they live.
    [1] = "CREATE SCHEMA waxwing;"
          "CREATE TABLE waxwing.fleet("
          " one boolean PRIMARY KEY DEFAULT true CHECK(one),"
          " version integer NOT NULL,"
          " id uuid NOT NULL DEFAULT gen_random_uuid(),"
          " seq bigint NOT NULL DEFAULT 0,"
          " made timestamptz NOT NULL DEFAULT now());"
          "CREATE TABLE waxwing.node("
          " number smallint PRIMARY KEY CHECK(number BETWEEN 1 AND 255),"
          " name text NOT NULL UNIQUE CHECK(length(name) <= 63),"
          " instance text NOT NULL CHECK(length(instance) <= 64),"
          " program text NOT NULL DEFAULT '',"
          " hostname text NOT NULL DEFAULT '',"
          " started bigint NOT NULL DEFAULT 0,"
          " joined timestamptz NOT NULL DEFAULT now(),"
          " seen timestamptz NOT NULL DEFAULT now(),"
          " configuration text NOT NULL DEFAULT '{}' CHECK(length(configuration) <= 8192),"
          " taken bigint NOT NULL DEFAULT 0,"
          " waiting bigint NOT NULL DEFAULT 0);"
          "INSERT INTO waxwing.fleet(version) VALUES(1);",
    // What nodes tell each other (relay/fleet/fact.h). body NULL: the row was taken out.
    [2] = "CREATE TABLE waxwing.fact("
          " kind smallint NOT NULL,"
          " key text NOT NULL CHECK(length(key) BETWEEN 1 AND 1024),"
          " body text CHECK(length(body) <= 90000),"
          " at bigint NOT NULL,"
          " node smallint NOT NULL,"
          " seq bigint NOT NULL,"
          " PRIMARY KEY(kind, key));"
          "CREATE UNIQUE INDEX fact_seq ON waxwing.fact(seq);",
};

// What does not fit into one of them.
static const char *const *const parts[SCHEMA_VERSION + 1] = {
    [3] = schema_journal,   [4] = schema_limits, [5] = schema_views,
    [6] = schema_questions, [7] = schema_ledger, [8] = schema_evacuation};

static enum schema_state schema_other(struct why *why, int64_t found)
{
    if (found == 0)
        why_set(why, WHY_OURS, "4.3.0",
                "the database is there, but no fleet was made in it; run waxwing fleet init");
    else if (found < SCHEMA_VERSION)
        why_set(why, WHY_OURS, "4.3.0",
                "the fleet's schema has version %lld, older than the %d of this program; run "
                "waxwing fleet init with this program",
                (long long)found, SCHEMA_VERSION);
    else
        why_set(why, WHY_OURS, "4.3.0",
                "the fleet's schema has version %lld, newer than the %d that this program knows; "
                "install the version that the other nodes have",
                (long long)found, SCHEMA_VERSION);
    return SCHEMA_OTHER;
}

// 0: there is none. -1 with why.
static int64_t version_of(struct session *s, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(s, "SELECT to_regclass('waxwing.fleet') IS NOT NULL", NULL, 0, &rows, why) < 0)
        return -1;
    bool there = rows_count(rows) == 1 && rows_true(rows, 0, 0);
    rows_free(rows);
    if (!there)
        return 0;
    if (session_run(s, "SELECT version FROM waxwing.fleet", NULL, 0, &rows, why) < 0)
        return -1;
    int64_t version = rows_count(rows) == 1 ? rows_number(rows, 0, 0) : 0;
    rows_free(rows);
    return version < 0 ? 0 : version;
}

enum schema_state schema_look(struct session *s, struct why *why)
{
    int64_t version = version_of(s, why);
    if (version < 0 && strcmp(session_state(s), "42501") == 0) { // insufficient privilege
        why_set(why, WHY_OURS, "4.3.0",
                "this node's role may not use the fleet's schema; run waxwing fleet init as its "
                "owner");
        return SCHEMA_OTHER;
    }
    if (version < 0)
        return SCHEMA_FAILED;
    return version == SCHEMA_VERSION ? SCHEMA_READY : schema_other(why, version);
}

// "role" with its quotes doubled, as SQL wants names.
static char *quoted(const char *name)
{
    char *out = mem_new(2 * strlen(name) + 3), *at = out;
    *at++ = '"';
    for (; *name; name++) {
        if (*name == '"')
            *at++ = '"';
        *at++ = *name;
    }
    *at = '"';
    return out;
}

static enum schema_state find_role(struct session *s, const char *role, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(s, "SELECT 1 FROM pg_roles WHERE rolname = $1", &role, 1, &rows, why) < 0)
        return SCHEMA_FAILED;
    bool there = rows_count(rows) == 1;
    rows_free(rows);
    if (there)
        return SCHEMA_READY;
    why_set(why, WHY_OURS, "4.3.0",
            "the database has no role %s, whom fleet.database names; make it: CREATE ROLE \"%s\" "
            "LOGIN PASSWORD '...'",
            role, role);
    return SCHEMA_OTHER;
}

// The nodes write each other's news, and make nothing. What the standbys are doing is for pg_monitor alone to see, and
// only an administrator of the server can give that: it is asked for, and can be missing.
static int let_in(struct session *s, const char *role, bool *monitor, struct why *why)
{
    char *name = quoted(role);
    char *sql = mem_printf("GRANT USAGE ON SCHEMA waxwing TO %s;"
                           "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA waxwing"
                           " TO %s;"
                           "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA waxwing TO %s;"
                           "REVOKE INSERT, DELETE, TRUNCATE ON waxwing.fleet FROM %s;"
                           "SAVEPOINT monitor",
                           name, name, name, name);
    char *grant = mem_printf("GRANT pg_monitor TO %s", name);
    int rc = session_script(s, sql, why);
    *monitor = rc == 0 && session_script(s, grant, why) == 0;
    if (rc == 0 && !*monitor)
        rc = session_rollback_to(s, "monitor", why);
    free(grant);
    free(sql);
    free(name);
    return rc;
}

static int add_versions(struct session *s, int64_t before, struct why *why)
{
    for (int64_t v = before + 1; v <= SCHEMA_VERSION; v++) {
        char *sql = mem_printf("%s UPDATE waxwing.fleet SET version = %lld",
                               additions[v] ? additions[v] : "", (long long)v);
        int rc = 0;
        for (const char *const *part = parts[v]; part && *part && rc == 0; part++)
            rc = session_script(s, *part, why);
        if (rc == 0)
            rc = session_script(s, sql, why);
        free(sql);
        if (rc < 0)
            return -1;
    }
    return 0;
}

enum schema_state schema_make(struct session *s, const char *role, struct schema_made *made,
                              struct why *why)
{
    *made = (struct schema_made){0};
    if (session_script(s, "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(" SCHEMA_LOCK ")", why) <
        0)
        return SCHEMA_FAILED;
    made->before = version_of(s, why);
    if (made->before < 0)
        return SCHEMA_FAILED;
    if (made->before > SCHEMA_VERSION)
        return schema_other(why, made->before);
    enum schema_state state = find_role(s, role, why);
    if (state != SCHEMA_READY)
        return state;
    if (add_versions(s, made->before, why) < 0 || let_in(s, role, &made->monitor, why) < 0 ||
        session_script(s, "COMMIT", why) < 0)
        return SCHEMA_FAILED;
    return SCHEMA_READY;
}
