// SPDX-License-Identifier: ISC
// What nodes tell of themselves for whoever looks at all of them: their queues in some rows (relay/fleet/queued.h),
// whole each time; and what they are asked about stories of messages (relay/fleet/question.h), which lasts as long as
// the one who asks waits.
#include "relay/fleet/schema.h"

const char *const schema_views[] = {
    "CREATE TABLE waxwing.queued("
    " node smallint PRIMARY KEY,"
    " at timestamptz NOT NULL,"
    " body text NOT NULL CHECK(length(body) <= 200000));"
    // No commit is waited for: what a server loses that fails is told again a second later. doc NULL: it is as it was.
    "CREATE FUNCTION waxwing.tell_queued(self smallint, doc text) RETURNS boolean"
    " LANGUAGE plpgsql AS $tell$"
    " BEGIN"
    "  PERFORM set_config('synchronous_commit', 'off', true);"
    "  IF doc IS NULL THEN"
    "   UPDATE waxwing.queued SET at = clock_timestamp() WHERE node = self;"
    "   RETURN FOUND;"
    "  END IF;"
    "  INSERT INTO waxwing.queued(node, at, body) VALUES(self, clock_timestamp(), doc)"
    "   ON CONFLICT(node) DO UPDATE SET at = excluded.at, body = excluded.body;"
    "  RETURN true;"
    " END $tell$;",
    NULL,
};

const char *const schema_questions[] = {
    "CREATE TABLE waxwing.question("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " at timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " kind text NOT NULL CHECK(kind IN ('id', 'address', 'message-id')),"
    " what text NOT NULL CHECK(length(what) BETWEEN 1 AND 1000),"
    " most integer NOT NULL CHECK(most BETWEEN 1 AND 1000));"
    "CREATE TABLE waxwing.answer("
    " question bigint NOT NULL REFERENCES waxwing.question ON DELETE CASCADE,"
    " node smallint NOT NULL,"
    " body text NOT NULL CHECK(length(body) <= 2000000),"
    " PRIMARY KEY(question, node));",
    NULL,
};
