// SPDX-License-Identifier: ISC
// The side of whoever asks: the order, and what becomes of it, read again and again. It goes on without being watched.
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/fleet/asker.h"
#include "relay/fleet/evacuation.h"
#include "relay/fleet/node.h"
#include "relay/fleet/share.h"

#define LOOK_US     200000
#define ANSWER_S    20  // a node that has not obeyed then is asked no more
#define PATIENCE_S  120 // without anything that moves
#define APPLICATION "waxwing fleet"

// ---- before

static void read_node(const struct rows *rows, size_t i, struct evacuation_node *out)
{
    int64_t silent = rows_number(rows, i, 2);
    *out = (struct evacuation_node){.number = (unsigned)rows_number(rows, i, 0),
                                    .live = silent >= 0 && silent < NODE_SILENT_S,
                                    .lease = rows_true(rows, i, 3),
                                    .mail = rows_true(rows, i, 4),
                                    .epoch = rows_number(rows, i, 5),
                                    .leaving = rows_true(rows, i, 6),
                                    .gone = rows_true(rows, i, 7)};
    snprintf(out->name, sizeof out->name, "%s", rows_text(rows, i, 1));
    snprintf(out->heir, sizeof out->heir, "%s", rows_text(rows, i, 8));
}

static int look_before(struct session *s, struct evacuation_node **out, size_t *n, struct why *why)
{
    struct rows *rows = NULL;
    if (session_run(
            s,
            "SELECT n.number, n.name, greatest(0, extract(epoch FROM now() - n.seen))::bigint,"
            " l.node IS NOT NULL AND NOT l.ended,"
            " EXISTS(SELECT FROM waxwing.log AS o WHERE o.node = n.number), l.epoch,"
            " e.epoch = l.epoch AND NOT l.ended AND (e.stage = 'leaving' OR"
            " (e.stage = 'asked' AND e.at > now() - " EVACUATION_OBEY ")),"
            " e.epoch + 1 = l.epoch AND e.stage IN ('handed', 'through'), h.name"
            " FROM waxwing.node AS n LEFT JOIN waxwing.lease AS l ON l.node = n.number"
            " LEFT JOIN waxwing.evacuation AS e ON e.node = n.number"
            " LEFT JOIN waxwing.node AS h ON h.number = e.heir"
            " ORDER BY n.number LIMIT 255",
            NULL, 0, &rows, why) < 0)
        return -1;
    *n = rows_count(rows);
    *out = mem_new((*n + 1) * sizeof **out);
    for (size_t i = 0; i < *n; i++)
        read_node(rows, i, &(*out)[i]);
    rows_free(rows);
    return 0;
}

static void who_asks(const struct config *config, char out[static EVACUATION_ASKER])
{
    const struct passwd *user = getpwuid(getuid());
    char number[32];
    snprintf(number, sizeof number, "uid %u", (unsigned)getuid());
    snprintf(out, EVACUATION_ASKER, "%.100s@%.63s", user ? user->pw_name : number,
             config->fleet.name);
}

// An order about an older lease, or one that nobody has obeyed, gives way.
static int put_order(struct session *s, const struct config *config,
                     const struct evacuation_node *a, const struct evacuation_node *h,
                     struct why *why)
{
    char node[SESSION_NUMBER], epoch[SESSION_NUMBER], heir[SESSION_NUMBER], asker[EVACUATION_ASKER];
    const char *const params[] = {node, epoch, heir, asker};
    struct rows *rows = NULL;
    session_number(node, a->number);
    session_number(epoch, a->epoch);
    session_number(heir, h->number);
    who_asks(config, asker);
    if (session_run(
            s,
            "INSERT INTO waxwing.evacuation AS e (node, epoch, heir, asker)"
            " SELECT node, epoch, $3::smallint, $4 FROM waxwing.lease"
            " WHERE node = $1::smallint AND epoch = $2::bigint AND NOT ended"
            " AND pg_notify('" SHARE_CHANNEL "', '') IS NOT NULL"
            " ON CONFLICT(node) DO UPDATE SET epoch = excluded.epoch, heir = excluded.heir,"
            " asker = excluded.asker, at = excluded.at, stage = excluded.stage, messages = 0"
            " WHERE e.epoch <> excluded.epoch OR e.stage = 'asked' RETURNING node",
            params, 4, &rows, why) < 0)
        return -1;
    bool put = rows_count(rows) == 1;
    rows_free(rows);
    if (!put)
        why_set(why, WHY_OURS, "4.3.0", "%s was not as it had been a moment before; ask again",
                a->name);
    return put ? 0 : -1;
}

// Only as long as nobody has obeyed it.
static bool withdraw(struct session *s, unsigned number)
{
    char node[SESSION_NUMBER];
    const char *const params[] = {node};
    struct rows *rows = NULL;
    struct why why;
    session_number(node, number);
    if (session_run(s,
                    "DELETE FROM waxwing.evacuation WHERE node = $1::smallint AND stage = 'asked'"
                    " RETURNING node",
                    params, 1, &rows, &why) < 0)
        return false;
    bool done = rows_count(rows) == 1;
    rows_free(rows);
    return done;
}

// ---- meanwhile

struct progress {
    bool there;           // the order
    bool handed, through; // stages
    bool asked;
    bool later;        // the lease is another than the one that was to end
    bool ended, taken; // it is given back; its logs are another's
    int64_t messages, logs, moved;
    char heir[SELF_NAME]; // of the order
    char has[SELF_NAME];  // who has the logs; "": nobody has any of them any more
};

static void read_progress(const struct rows *rows, struct progress *p)
{
    const char *stage = rows_text(rows, 0, 0);
    bool through = strcmp(stage, "through") == 0;
    *p = (struct progress){.there = true,
                           .asked = strcmp(stage, "asked") == 0,
                           .through = through,
                           .handed = through || strcmp(stage, "handed") == 0,
                           .later = rows_true(rows, 0, 1),
                           .ended = rows_true(rows, 0, 2),
                           .taken = rows_true(rows, 0, 3),
                           .messages = rows_number(rows, 0, 4),
                           .logs = rows_number(rows, 0, 5),
                           .moved = rows_number(rows, 0, 6)};
    snprintf(p->heir, sizeof p->heir, "%s", rows_text(rows, 0, 7));
    snprintf(p->has, sizeof p->has, "%s", rows_text(rows, 0, 8));
}

static int look_meanwhile(struct session *s, unsigned number, struct progress *p, struct why *why)
{
    char node[SESSION_NUMBER];
    const char *const params[] = {node};
    struct rows *rows = NULL;
    *p = (struct progress){.there = false};
    session_number(node, number);
    if (session_run(s,
                    "WITH given AS (SELECT o.name, n.name AS has FROM waxwing.log AS o"
                    " JOIN waxwing.node AS n ON n.number = o.node"
                    " WHERE o.origin = $1::smallint AND o.node <> o.origin)"
                    " SELECT e.stage, l.epoch > e.epoch, l.ended, l.holder = '', e.messages,"
                    " (SELECT count(*) FROM given), (SELECT count(*) FROM waxwing.moved AS m"
                    " JOIN given AS g ON g.name = m.log), h.name, (SELECT min(has) FROM given)"
                    " FROM waxwing.evacuation AS e JOIN waxwing.lease AS l USING(node)"
                    " JOIN waxwing.node AS h ON h.number = e.heir WHERE e.node = $1::smallint",
                    params, 1, &rows, why) < 0)
        return -1;
    if (rows_count(rows) == 1)
        read_progress(rows, p);
    rows_free(rows);
    return 0;
}

struct watching {
    struct session *s;
    const struct evacuation_node *node;
    void (*tell)(const char *sentence);
    struct progress before;
    uint64_t since_ms; // nothing has moved since
    bool told_leaving, told_handed;
};

static void watch_tell(struct watching *f, const struct progress *p)
{
    char sentence[256];
    if (!p->asked && !f->told_leaving) {
        f->told_leaving = true;
        snprintf(sentence, sizeof sentence, "%s takes no more mail, and ends what is under way",
                 f->node->name);
        f->tell(sentence);
    }
    if (p->later && p->handed && !f->told_handed) {
        f->told_handed = true;
        snprintf(sentence, sizeof sentence, "%s has ended, and gave %lld messages to %s",
                 f->node->name, (long long)p->messages, p->heir);
        f->tell(sentence);
    }
}

static bool has_moved(const struct progress *a, const struct progress *b)
{
    return a->there != b->there || a->asked != b->asked || a->handed != b->handed ||
           a->logs != b->logs || a->moved != b->moved || a->later != b->later;
}

enum step { STEP_WAIT, STEP_DONE, STEP_OVER };

// Its end came otherwise than it was asked for.
static enum step watch_other(const struct watching *f, const struct progress *p, struct why *why)
{
    const char *name = f->node->name;
    if (!p->there)
        why_set(why, WHY_OURS, "4.3.0", "the order to %s is gone from the database", name);
    else if (p->later && !p->taken)
        why_set(why, WHY_OURS, "4.3.0",
                "%s ended, and began again, before it could give its mail away", name);
    else
        why_set(why, WHY_OURS, "4.3.0",
                "%s has stopped without giving its mail to %s (its log says why): start it again, "
                "or waxwing fleet adopt %s at another node",
                name, p->heir, name);
    return STEP_OVER;
}

static enum step watch_late(struct watching *f, const struct progress *p, struct why *why)
{
    uint64_t silent_s = (clock_mono_ms() - f->since_ms) / 1000;
    const char *name = f->node->name;
    if (p->asked && silent_s >= ANSWER_S && withdraw(f->s, f->node->number)) {
        why_set(why, WHY_OURS, "4.3.0",
                "%s has not answered in %d s, and is asked no more; it does not while some of its "
                "mail is "
                "on its disk alone (fleet.spool: preferred)",
                name, ANSWER_S);
        return STEP_OVER;
    }
    if (silent_s < PATIENCE_S)
        return STEP_WAIT;
    why_set(why, WHY_OURS, "4.3.0",
            "nothing has moved for %d s (see the logs of %s and %s); it goes on by itself, and the "
            "same command waits for it again",
            PATIENCE_S, name, p->heir);
    return STEP_OVER;
}

static enum step watch_step(struct watching *f, const struct progress *p,
                            struct evacuation_end *out, struct why *why)
{
    bool given = p->there && p->later && (p->handed || p->taken);
    if (!p->there || (p->later && !given) || (!p->later && p->ended))
        return watch_other(f, p, why);
    if (given && (!p->logs || p->through)) {
        *out =
            (struct evacuation_end){.messages = p->handed ? p->messages : -1, .kept = p->logs > 0};
        // Where it was claimed and nothing of it is left, only the claimant knows who it was.
        snprintf(out->heir, sizeof out->heir, "%s", p->handed ? p->heir : f->before.has);
        return STEP_DONE;
    }
    if (has_moved(&f->before, p))
        f->since_ms = clock_mono_ms();
    f->before = *p;
    return watch_late(f, p, why);
}

static int watch(struct watching *f, struct evacuation_end *out, struct why *why)
{
    enum step step = STEP_WAIT;
    f->since_ms = clock_mono_ms();
    while (step == STEP_WAIT) {
        struct progress p;
        if (look_meanwhile(f->s, f->node->number, &p, why) < 0)
            return -1;
        watch_tell(f, &p);
        step = watch_step(f, &p, out, why);
        if (step == STEP_WAIT)
            usleep(LOOK_US);
    }
    return step == STEP_DONE ? 0 : -1;
}

// ---- all of it

static int ask_and_watch(struct asker *a, const struct config *config,
                         const struct evacuation_node *nodes, size_t n, const char *name,
                         const char *to, void (*tell)(const char *sentence),
                         struct evacuation_end *out, int *exit_status, struct why *why)
{
    size_t node = 0, heir = 0;
    enum evacuation_choice choice =
        evacuation_choose(nodes, n, config->fleet.name, name, to, &node, &heir, why);
    *exit_status = EXIT_NO;
    if (choice == EVACUATION_REFUSED)
        return -1;
    *exit_status = EXIT_TEMP;
    if (choice == EVACUATION_ASK &&
        put_order(a->session, config, &nodes[node], &nodes[heir], why) < 0)
        return -1;
    struct watching f = {.s = a->session, .node = &nodes[node], .tell = tell};
    return watch(&f, out, why);
}

int evacuation_run(const struct config *config, const char *name, const char *to,
                   void (*tell)(const char *sentence), struct evacuation_end *out, int *exit_status,
                   struct why *why)
{
    struct asker a;
    struct evacuation_node *nodes = NULL;
    size_t n;
    int rc = asker_open(&a, config, APPLICATION, exit_status, why);
    if (rc == 0 && look_before(a.session, &nodes, &n, why) < 0) {
        *exit_status = EXIT_TEMP;
        rc = -1;
    }
    if (rc == 0)
        rc = ask_and_watch(&a, config, nodes, n, name, to, tell, out, exit_status, why);
    free(nodes);
    asker_close(&a);
    if (rc == 0)
        *exit_status = out->kept ? EXIT_NO : EXIT_YES;
    return rc;
}
