// SPDX-License-Identifier: ISC
// One ledger: what each node counted (relay/fleet/ledger_out.h), and who reports it (relay/fleet/claim.h). A book is one
// state database, whose counts stand beside those of any other; `whole` is the last UTC day of which all of them are in
// `ledger`, `at` when it was last heard of.
//
// Of a report, "claimed" is one that `generation` prepares, until `until`, when anybody may have it; "going" one that may
// have left, which nobody else ever sends; "sent", "failed" and "unknown" are its ends. `number` rises with each claim, so
// that whoever lost one can change nothing.
#include "relay/fleet/schema.h"

const char *const schema_ledger[] = {
    "CREATE TABLE waxwing.book("
    " generation text PRIMARY KEY CHECK(length(generation) = 32),"
    " node smallint NOT NULL,"
    " sends boolean NOT NULL,"
    " since integer NOT NULL,"
    " whole integer NOT NULL,"
    " at timestamptz NOT NULL DEFAULT now());"
    "CREATE TABLE waxwing.ledger("
    " day integer NOT NULL,"
    " domain text NOT NULL CHECK(length(domain) <= 1024),"
    " generation text NOT NULL CHECK(length(generation) = 32),"
    " body text NOT NULL CHECK(length(body) <= 16000000),"
    " at timestamptz NOT NULL DEFAULT now(),"
    " PRIMARY KEY(day, domain, generation));"
    "CREATE INDEX ledger_domain ON waxwing.ledger(domain, day);",
    "CREATE TABLE waxwing.report("
    " day integer NOT NULL,"
    " domain text NOT NULL CHECK(length(domain) <= 1024),"
    " rua text NOT NULL CHECK(length(rua) <= 4096),"
    " report_id text NOT NULL CHECK(length(report_id) <= 2048),"
    " number bigint NOT NULL,"
    " node smallint NOT NULL,"
    " generation text NOT NULL CHECK(length(generation) = 32),"
    " state text NOT NULL CHECK(state IN ('claimed', 'going', 'sent', 'failed', 'unknown')),"
    " until timestamptz NOT NULL,"
    " message bigint NOT NULL DEFAULT 0,"
    " answer text NOT NULL DEFAULT '' CHECK(length(answer) <= 4096),"
    " changed timestamptz NOT NULL DEFAULT now(),"
    " PRIMARY KEY(day, domain, rua));"
    "CREATE INDEX report_message ON waxwing.report(message) WHERE message <> 0;",
    // Whom a report waits for: who lives and has not told that day whole, for as long as `patient` says; and who was
    // heard of lately, until four hours after the day. A node's later book stands for its earlier ones.
    "CREATE FUNCTION waxwing.report_waits(p_day integer, patient boolean) RETURNS text"
    " LANGUAGE sql STABLE AS $f$"
    " SELECT string_agg(DISTINCT coalesce(n.name, 'node ' || b.node), ', ')"
    " FROM waxwing.book AS b LEFT JOIN waxwing.node AS n ON n.number = b.node"
    " WHERE b.since <= p_day AND b.whole < p_day"
    " AND NOT EXISTS(SELECT FROM waxwing.book AS o WHERE o.node = b.node AND o.at > b.at)"
    " AND CASE WHEN b.at > now() - interval '1 minute' THEN patient"
    "  ELSE b.at > now() - interval '7 days'"
    "   AND now() < to_timestamp((p_day + 1) * 86400.0 + 14400) END $f$;",
    // The row as it stands then; mine: it is the caller's, and nobody else's until its time is over. The id of a report is
    // that of its day and domain, whoever claimed first.
    "CREATE FUNCTION waxwing.report_claim(p_day integer, p_domain text, p_rua text, p_node "
    "smallint,"
    " p_generation text, p_id text, p_ms integer, anew boolean)"
    " RETURNS TABLE(mine boolean, number bigint, report_id text, node smallint, state text,"
    "  answer text, past boolean)"
    " LANGUAGE plpgsql AS $f$"
    " DECLARE r waxwing.report;"
    " BEGIN"
    "  PERFORM pg_advisory_xact_lock(1465407305, hashtext(p_day || ' ' || p_domain));"
    "  INSERT INTO waxwing.report AS o(day, domain, rua, report_id, number, node, generation,"
    "   state, until) VALUES(p_day, p_domain, p_rua, coalesce((SELECT i.report_id"
    "   FROM waxwing.report AS i WHERE i.day = p_day AND i.domain = p_domain"
    "   AND i.report_id <> '' LIMIT 1), p_id), 0, p_node, p_generation, 'claimed', now())"
    "   ON CONFLICT DO NOTHING;"
    "  SELECT * INTO r FROM waxwing.report AS o WHERE o.day = p_day AND o.domain = p_domain"
    "   AND o.rua = p_rua FOR UPDATE;"
    "  past := r.until <= clock_timestamp();"
    "  mine := r.state IN ('claimed', 'going') AND r.generation = p_generation"
    "   OR r.state = 'claimed' AND past OR r.state = 'failed' AND anew;"
    "  IF mine AND r.state <> 'going' THEN"
    "   UPDATE waxwing.report AS o SET number = o.number + 1, node = p_node,"
    "    generation = p_generation, state = 'claimed', message = 0, answer = '',"
    "    report_id = coalesce(nullif(o.report_id, ''), p_id), changed = now(),"
    "    until = clock_timestamp() + p_ms * interval '1 millisecond'"
    "    WHERE o.day = p_day AND o.domain = p_domain AND o.rua = p_rua RETURNING o.* INTO r;"
    "  END IF;"
    "  number := r.number; report_id := r.report_id; node := r.node; state := r.state;"
    "  answer := r.answer;"
    "  RETURN NEXT;"
    " END $f$;",
    NULL,
};
