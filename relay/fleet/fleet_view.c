// SPDX-License-Identifier: ISC
// What the fleet's thread shows of itself. Any thread.
#include "relay/fleet/fleet_inside.h"

#include <stdatomic.h>
#include "relay/fleet/alone.h"
#include "relay/fleet/journal.h"
#include "relay/log/json.h"
#include "relay/spool/spool.h"
#include "relay/worker/slices.h"

#define SHOWN 100 // slices of each kind that are shown

static void add_journal(struct fleet *f, struct fleet_state *out)
{
    struct journal_state j;
    if (!f->journal)
        return;
    journal_get_state(f->journal, &j);
    out->journals = true;
    out->ready = j.ready;
    out->alone = j.alone;
    out->epoch = j.epoch;
    out->lease_ms = j.lease_ms;
    out->batches = j.batches;
    out->batches_unknown = j.unknown;
    out->batches_refused = j.refused;
}

// Mail that no other place has.
static void add_disk(struct fleet *f, struct fleet_state *out)
{
    struct spool *spool = atomic_load(&f->spool);
    struct spool_state state = {.messages = 0};
    out->one_disk = atomic_load(&f->left);
    if (!f->lone || !spool)
        return;
    spool_get_state(spool, &state);
    out->apart = true;
    out->one_disk = state.messages;
    out->frozen = alone_frozen(f->lone);
}

void fleet_get_state(struct fleet *f, struct fleet_state *out)
{
    pthread_mutex_lock(&f->lock);
    *out = f->state;
    pthread_mutex_unlock(&f->lock);
    add_journal(f, out);
    add_disk(f, out);
}

static json_t *describe_journal(struct fleet *f)
{
    struct fleet_state s = {.journals = false};
    add_journal(f, &s);
    if (!s.journals)
        return json_null();
    return json_pack("{s:b, s:b, s:I, s:I, s:I, s:I, s:I}", "ready", (int)s.ready, "standby",
                     (int)!s.alone, "epoch", (json_int_t)s.epoch, "lease", (json_int_t)s.lease_ms,
                     "batches", (json_int_t)s.batches, "unknown", (json_int_t)s.batches_unknown,
                     "refused", (json_int_t)s.batches_refused);
}

static json_t *describe_disk(struct fleet *f)
{
    struct fleet_state s = {.journals = false};
    if (f->config->fleet.spool != FLEET_SPOOL_PREFERRED || !atomic_load(&f->spool))
        return json_null();
    add_disk(f, &s);
    return json_pack("{s:b, s:I, s:I}", "alone", (int)s.apart, "messages", (json_int_t)s.one_disk,
                     "frozen", (json_int_t)s.frozen);
}

json_t *fleet_say(struct fleet *f)
{
    const struct fleet_state *s = &f->state;
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(f->name));
    json_object_set_new(j, "number", json_integer(s->number));
    json_object_set_new(j, "database", json_text(f->database));
    json_object_set_new(j, "connected", json_boolean(s->connected));
    json_object_set_new(j, "since", json_integer(s->since_ms / 1000));
    json_object_set_new(j, "trouble", json_text(s->trouble));
    json_object_set_new(j, "behind", json_integer(s->behind));
    json_object_set_new(j, "waiting", json_integer(s->waiting));
    json_object_set_new(j, "received", json_integer((json_int_t)s->received));
    json_object_set_new(j, "sent", json_integer((json_int_t)s->sent));
    json_object_set_new(j, "counts", json_integer((json_int_t)s->uncounted));
    json_object_set_new(j, "standbys", s->standbys < 0 ? json_null() : json_integer(s->standbys));
    json_object_set_new(j, "synchronous",
                        s->standbys < 0 ? json_null() : json_integer(s->synchronous));
    json_object_set_new(j, "journal", describe_journal(f));
    json_object_set_new(j, "one_disk", describe_disk(f));
    json_object_set_new(j, "slices", f->slices ? slices_describe(f->slices, SHOWN) : json_array());
    json_object_set_new(j, "nodes", f->nodes ? json_deep_copy(f->nodes) : json_array());
    return j;
}

json_t *fleet_describe(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    json_t *j = fleet_say(f);
    pthread_mutex_unlock(&f->lock);
    return j;
}
