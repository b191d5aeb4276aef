// SPDX-License-Identifier: ISC
// The table of secrets.
#include "relay/state/secret.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/state/inside.h"

struct new_secret {
    struct state_work work; // first
    char *name;
    unsigned char bytes[STATE_SECRET];
};

static void secret_kept(struct item *item)
{
    struct state_work *work = list_of(item, struct state_work, item);
    struct new_secret *s = (struct new_secret *)work;
    free(s->name);
    explicit_bzero(s, sizeof *s);
    free(s);
}

static enum db_result secret_run(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct new_secret *s = (struct new_secret *)work;
    sqlite3_stmt *st = db_prepare(db, "INSERT OR REPLACE INTO secret VALUES(?1, ?2)", why);
    if (!st)
        return db_judge(db, "a query", why);
    db_text(st, 1, s->name);
    sqlite3_bind_blob(st, 2, s->bytes, STATE_SECRET, SQLITE_TRANSIENT);
    return db_finish(db, st, why);
}

static bool read_secret(const char *path, const char *name, unsigned char *out)
{
    struct state_db db = {0};
    struct why why;
    bool found = false;
    sqlite3_stmt *st = db_open_reader(&db, path, &why) == 0
                           ? db_prepare(&db, "SELECT bytes FROM secret WHERE name = ?1", &why)
                           : NULL;
    if (st) {
        db_text(st, 1, name);
        found = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 0) == STATE_SECRET;
        if (found)
            memcpy(out, sqlite3_column_blob(st, 0), STATE_SECRET);
        sqlite3_finalize(st);
    }
    db_close_reader(&db);
    return found;
}

void state_secret(struct state *state, const char *name, unsigned char out[static STATE_SECRET])
{
    if (read_secret(state_path(state), name, out))
        return;
    struct new_secret *s = mem_new(sizeof *s);
    random_bytes(out, STATE_SECRET);
    s->work.item.run = secret_kept;
    s->work.run = secret_run;
    s->name = mem_dup(name);
    memcpy(s->bytes, out, STATE_SECRET);
    state_do(state, &s->work);
}
