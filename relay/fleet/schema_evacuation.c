// SPDX-License-Identifier: ISC
// What a node is asked that is to give its mail to another (relay/fleet/evacuation.h), and how it does: the lease ends and
// the logs change hands in one transaction, so that nobody who starts in between finds them half given.
//
// WX002: who is to have it has no lease.
#include "relay/fleet/schema.h"

const char *const schema_evacuation[] = {
    // epoch: of the lease that is to end; about any other one the row says nothing.
    "CREATE TABLE waxwing.evacuation("
    " node smallint PRIMARY KEY REFERENCES waxwing.node(number),"
    " epoch bigint NOT NULL,"
    " heir smallint NOT NULL REFERENCES waxwing.node(number),"
    " at timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " asker text NOT NULL CHECK(length(asker) <= 200),"
    " stage text NOT NULL DEFAULT 'asked' CHECK(stage IN ('asked', 'leaving', 'handed', "
    "'through')),"
    " messages bigint NOT NULL DEFAULT 0 CHECK(messages >= 0));",
    // The heir's epoch cannot change meanwhile: whoever claims its logs next finds these among them.
    "CREATE FUNCTION waxwing.lease_hand(p_node smallint, p_epoch bigint, p_heir smallint,"
    " p_messages bigint) RETURNS void"
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$ "
    "BEGIN PERFORM set_config('synchronous_commit', 'on', true);"
    " PERFORM pg_advisory_xact_lock(1465407303, p_node);"
    " PERFORM pg_advisory_xact_lock_shared(1465407303, p_heir);"
    " PERFORM waxwing.fence(p_node, p_epoch, NULL);"
    " IF p_heir = p_node OR NOT EXISTS(SELECT FROM waxwing.lease WHERE node = p_heir AND NOT ended)"
    " THEN RAISE EXCEPTION 'node % has no lease', p_heir USING ERRCODE = 'WX002';"
    " END IF;"
    " UPDATE waxwing.lease SET epoch = p_epoch + 1, turn = 0, holder = '', ended = true"
    "  WHERE node = p_node;"
    " UPDATE waxwing.log SET node = p_heir WHERE node = p_node;"
    " UPDATE waxwing.evacuation SET stage = 'handed', at = clock_timestamp(), messages = p_messages"
    "  WHERE node = p_node AND epoch = p_epoch;"
    "END $f$;",
    NULL,
};
