// SPDX-License-Identifier: ISC
// What version 3 of the schema brings: leases, the fence, and the journal of each node's spool (fleet.spool).
//
// All of it is done by functions with their owner's rights: the nodes' role can make no table, and no transaction of a
// node goes past the fence, which raises where its epoch is no longer the node's. Locks of the fence are advisory ones
// (class 1465407303: the epoch, 1465407304: the connection that journals), shared by each transaction and taken alone by
// whoever changes what they stand for. No row is locked: what waits for a standby in its COMMIT holds up no renewal.
//
// WX001: another has this node's lease. WX002: the lease that was asked for is not to be had. WX003: another connection
// journals. WX004: the log has another segment of that number.
#include "relay/fleet/schema.h"

#define MAKE         "CREATE FUNCTION waxwing."
#define BODY         " LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$ "
#define END_FUNCTION "$f$;"
// What is committed is on the standby that the server waits for, whatever a role or database was given as a default.
#define DURABLE "PERFORM set_config('synchronous_commit', 'on', true);"
#define FENCED  "PERFORM waxwing.fence(p_node, p_epoch, p_turn);" DURABLE
#define NODE    "p_node smallint, p_epoch bigint, p_turn bigint"

const char *const schema_journal[] = {
    // Of a lease, holder is the log that the node writes; '': it was taken over.
    "CREATE TABLE waxwing.lease("
    " node smallint PRIMARY KEY REFERENCES waxwing.node(number),"
    " epoch bigint NOT NULL DEFAULT 0,"
    " turn bigint NOT NULL DEFAULT 0,"
    " holder text NOT NULL DEFAULT '' CHECK(length(holder) <= 64),"
    " ms integer NOT NULL DEFAULT 0,"
    " ended boolean NOT NULL DEFAULT true);"
    "CREATE TABLE waxwing.renewal("
    " node smallint PRIMARY KEY,"
    " count bigint NOT NULL DEFAULT 0);",
    // node: whose it is now. number below 0: made ahead of need. moved: messages that another log has.
    "CREATE TABLE waxwing.log("
    " name text PRIMARY KEY CHECK(length(name) <= 64),"
    " node smallint NOT NULL,"
    " origin smallint NOT NULL);"
    "CREATE TABLE waxwing.segment("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " log text NOT NULL REFERENCES waxwing.log(name),"
    " epoch bigint NOT NULL,"
    " number bigint NOT NULL,"
    " head bytea NOT NULL,"
    " UNIQUE(log, number));"
    "CREATE TABLE waxwing.body("
    " log text NOT NULL REFERENCES waxwing.log(name),"
    " name text NOT NULL CHECK(length(name) <= 64),"
    " piece integer NOT NULL,"
    " bytes bytea NOT NULL,"
    " PRIMARY KEY(log, name, piece));"
    "ALTER TABLE waxwing.body ALTER bytes SET STORAGE EXTERNAL;"
    "CREATE TABLE waxwing.moved("
    " log text NOT NULL REFERENCES waxwing.log(name),"
    " id bigint NOT NULL,"
    " PRIMARY KEY(log, id));",
    // p_turn NULL: not of the connection that journals.
    MAKE "fence(" NODE ") RETURNS void" BODY
         "BEGIN PERFORM pg_advisory_xact_lock_shared(1465407303, p_node);"
         " IF p_turn IS NOT NULL THEN  PERFORM pg_advisory_xact_lock_shared(1465407304, p_node);"
         " END IF;"
         " IF NOT EXISTS(SELECT FROM waxwing.lease WHERE node = p_node AND epoch = p_epoch)"
         " THEN  RAISE EXCEPTION 'the lease of node % is another''s', p_node USING ERRCODE ="
         " 'WX001';"
         " END IF;"
         " IF p_turn IS NOT NULL AND NOT EXISTS(SELECT FROM waxwing.lease   WHERE node = p_node"
         " AND turn = p_turn) THEN  RAISE EXCEPTION 'another connection journals for node %',"
         " p_node USING ERRCODE = 'WX003';"
         " END IF;"
         "END " END_FUNCTION,
    // By whoever had it last, whoever saw it not being renewed, or anybody where it was given back.
    MAKE "lease_take(p_node smallint, p_holder text, p_ms integer, p_seen_epoch bigint,"
         " p_seen_count bigint) RETURNS bigint" BODY "DECLARE l waxwing.lease;"
         " c bigint;"
         "BEGIN " DURABLE " PERFORM pg_advisory_xact_lock(1465407303, p_node);"
         " INSERT INTO waxwing.lease(node) VALUES(p_node) ON CONFLICT DO NOTHING;"
         " INSERT INTO waxwing.renewal(node) VALUES(p_node) ON CONFLICT DO NOTHING;"
         " SELECT * INTO l FROM waxwing.lease WHERE node = p_node;"
         " SELECT count INTO c FROM waxwing.renewal WHERE node = p_node;"
         " IF l.holder <> p_holder AND NOT l.ended AND    (l.epoch IS DISTINCT FROM"
         " p_seen_epoch OR c IS DISTINCT FROM p_seen_count) THEN  RAISE EXCEPTION 'node % lives"
         " elsewhere', p_node USING ERRCODE = 'WX002';"
         " END IF;"
         " INSERT INTO waxwing.log VALUES(p_holder, p_node, p_node) ON CONFLICT DO NOTHING;"
         " UPDATE waxwing.lease SET epoch = l.epoch + 1, turn = 0, holder = p_holder, ms ="
         " p_ms,  ended = false WHERE node = p_node;"
         " RETURN l.epoch + 1;"
         "END " END_FUNCTION,
    // The connection's synchronous_commit is local: a dead standby ends no lease.
    MAKE "lease_renew(p_node smallint, p_epoch bigint) RETURNS void" BODY
         "BEGIN PERFORM waxwing.fence(p_node, p_epoch, NULL);"
         " UPDATE waxwing.renewal SET count = count + 1 WHERE node = p_node;"
         "END " END_FUNCTION,
    MAKE "lease_end(p_node smallint, p_epoch bigint) RETURNS void" BODY
         "BEGIN PERFORM waxwing.fence(p_node, p_epoch, NULL);"
         " UPDATE waxwing.lease SET ended = true WHERE node = p_node;"
         "END " END_FUNCTION,
    // One row with a new epoch, and all its logs: how many.
    MAKE "lease_claim(p_node smallint, p_epoch bigint, p_of smallint, p_seen_epoch bigint,"
         " p_seen_count bigint) RETURNS bigint" BODY "DECLARE l waxwing.lease;"
         " c bigint;"
         "BEGIN PERFORM waxwing.fence(p_node, p_epoch, NULL);"
         " " DURABLE " PERFORM pg_advisory_xact_lock(1465407303, p_of);"
         " SELECT * INTO l FROM waxwing.lease WHERE node = p_of;"
         " SELECT count INTO c FROM waxwing.renewal WHERE node = p_of;"
         " IF l.node IS NULL OR p_of = p_node OR l.epoch <> p_seen_epoch    OR (NOT l.ended AND"
         " c <> p_seen_count) THEN  RAISE EXCEPTION 'node % lives', p_of USING ERRCODE ="
         " 'WX002';"
         " END IF;"
         " UPDATE waxwing.lease SET epoch = l.epoch + 1, turn = 0, holder = '', ended = true "
         " WHERE node = p_of;"
         " UPDATE waxwing.log SET node = p_node WHERE node = p_of;"
         " GET DIAGNOSTICS c = ROW_COUNT;"
         " RETURN c;"
         "END " END_FUNCTION,
    // Waits until no transaction of the connection before is left; none of it can commit any more.
    MAKE "journal_open(p_node smallint, p_epoch bigint) RETURNS bigint" BODY "DECLARE t bigint;"
         "BEGIN PERFORM waxwing.fence(p_node, p_epoch, NULL);"
         " " DURABLE " PERFORM pg_advisory_xact_lock(1465407304, p_node);"
         " UPDATE waxwing.lease SET turn = turn + 1 WHERE node = p_node RETURNING turn INTO t;"
         " RETURN t;"
         "END " END_FUNCTION,
    // The table of a segment; number NULL: one for later.
    MAKE "journal_begin(" NODE ", p_log text, p_number bigint, p_head bytea) RETURNS bigint" BODY
         "DECLARE i bigint;"
         " h bytea;"
         "BEGIN " FENCED
         " SELECT id, head INTO i, h FROM waxwing.segment WHERE log = p_log  AND (number ="
         " p_number OR (p_number IS NULL AND number < 0)) LIMIT 1;"
         " IF i IS NOT NULL AND p_number IS NOT NULL AND h <> p_head THEN  RAISE EXCEPTION"
         " 'segment % of the log % is another', p_number, p_log USING ERRCODE = 'WX004';"
         " END IF;"
         " IF i IS NOT NULL THEN RETURN i;"
         " END IF;"
         " IF p_number IS NOT NULL THEN  UPDATE waxwing.segment SET number = p_number, head ="
         " p_head, epoch = p_epoch WHERE id =   (SELECT id FROM waxwing.segment WHERE log ="
         " p_log AND number < 0 LIMIT 1)   RETURNING id INTO i;"
         "  IF i IS NOT NULL THEN RETURN i;"
         " END IF;"
         " END IF;"
         " INSERT INTO waxwing.segment(log, epoch, number, head)  VALUES(p_log, p_epoch,"
         " coalesce(p_number, -1), coalesce(p_head, '')) RETURNING id INTO i;"
         " EXECUTE format('CREATE TABLE waxwing.journal_%s(at bigint PRIMARY KEY, bytes bytea"
         " NOT NULL)  WITH (autovacuum_enabled = false)', i);"
         " EXECUTE format('ALTER TABLE waxwing.journal_%s ALTER bytes SET STORAGE EXTERNAL', i);"
         " RETURN i;"
         "END " END_FUNCTION,
    MAKE "journal_put(" NODE ", p_id bigint, p_at bigint, p_bytes bytea) RETURNS text" BODY
         "BEGIN " FENCED
         " EXECUTE format('INSERT INTO waxwing.journal_%s VALUES($1, $2)', p_id) USING p_at,"
         " p_bytes;"
         " RETURN current_setting('synchronous_standby_names');"
         "END " END_FUNCTION,
    // The bytes of the row, or NULL.
    MAKE "journal_has(" NODE ", p_id bigint, p_at bigint) RETURNS bigint" BODY "DECLARE n bigint;"
         "BEGIN " FENCED
         " EXECUTE format('SELECT length(bytes) FROM waxwing.journal_%s WHERE at = $1', p_id) "
         " INTO n USING p_at;"
         " RETURN n;"
         "END " END_FUNCTION,
    MAKE "journal_cut(" NODE ", p_id bigint, p_end bigint) RETURNS void" BODY "BEGIN " FENCED
         " EXECUTE format('DELETE FROM waxwing.journal_%s WHERE at >= $1', p_id) USING p_end;"
         "END " END_FUNCTION,
    MAKE "journal_drop(" NODE ", p_id bigint) RETURNS void" BODY "BEGIN " FENCED
         " EXECUTE format('DROP TABLE waxwing.journal_%s', p_id);"
         " DELETE FROM waxwing.segment WHERE id = p_id;"
         "END " END_FUNCTION,
    // The segments of a log, oldest first: where their last row stands, and where it ends.
    MAKE "journal_list(p_log text) RETURNS TABLE(id bigint, number bigint, head bytea, last"
         " bigint, \"end\" bigint)" BODY "DECLARE g waxwing.segment;"
         "BEGIN FOR g IN SELECT * FROM waxwing.segment AS s WHERE s.log = p_log AND s.number >"
         " 0   ORDER BY s.number LOOP  id := g.id;"
         " number := g.number;"
         " head := g.head;"
         " last := 0;"
         " \"end\" := 0;"
         "  EXECUTE format('SELECT at, at + length(bytes) FROM waxwing.journal_%s   ORDER BY at"
         " DESC LIMIT 1', g.id) INTO last, \"end\";"
         "  RETURN NEXT;"
         " END LOOP;"
         "END " END_FUNCTION,
    MAKE "journal_read(p_id bigint, p_from bigint) RETURNS TABLE(at bigint, bytes bytea)" BODY
         "BEGIN RETURN QUERY EXECUTE format('SELECT at, bytes FROM waxwing.journal_%s WHERE at"
         " >= $1  ORDER BY at LIMIT 4', p_id) USING p_from;"
         "END " END_FUNCTION,
    MAKE "body_put(" NODE
         ", p_log text, p_name text, p_piece integer, p_bytes bytea) RETURNS void" BODY
         "BEGIN " FENCED
         " INSERT INTO waxwing.body VALUES(p_log, p_name, p_piece, p_bytes) ON CONFLICT DO"
         " NOTHING;"
         "END " END_FUNCTION,
    MAKE "body_drop(" NODE ", p_log text, p_name text) RETURNS void" BODY "BEGIN " FENCED
         " DELETE FROM waxwing.body WHERE log = p_log AND name = p_name;"
         "END " END_FUNCTION,
    MAKE "body_list(p_log text) RETURNS TABLE(name text, pieces bigint)" BODY
         "BEGIN RETURN QUERY SELECT b.name, count(*) FROM waxwing.body AS b WHERE b.log = p_log"
         "  GROUP BY b.name;"
         "END " END_FUNCTION,
    MAKE "body_read(p_log text, p_name text, p_piece integer) RETURNS bytea" BODY
         "BEGIN RETURN (SELECT bytes FROM waxwing.body  WHERE log = p_log AND name = p_name AND"
         " piece = p_piece);"
         "END " END_FUNCTION,
    // Another log has these messages as well: in this one they do not count any more.
    MAKE "log_moved(" NODE ", p_log text, p_ids bigint[]) RETURNS void" BODY "BEGIN " FENCED
         " INSERT INTO waxwing.moved SELECT p_log, unnest(p_ids) ON CONFLICT DO NOTHING;"
         "END " END_FUNCTION,
    // A log that has nothing left, which is this node's.
    MAKE "log_drop(" NODE ", p_log text) RETURNS void" BODY "DECLARE i bigint;"
         "BEGIN " FENCED
         " IF NOT EXISTS(SELECT FROM waxwing.log WHERE name = p_log AND node = p_node) THEN"
         " RETURN;"
         " END IF;"
         " FOR i IN SELECT id FROM waxwing.segment WHERE log = p_log LOOP  EXECUTE format('DROP"
         " TABLE waxwing.journal_%s', i);"
         " END LOOP;"
         " DELETE FROM waxwing.segment WHERE log = p_log;"
         " DELETE FROM waxwing.body WHERE log = p_log;"
         " DELETE FROM waxwing.moved WHERE log = p_log;"
         " DELETE FROM waxwing.log WHERE name = p_log;"
         "END " END_FUNCTION,
    NULL,
};
