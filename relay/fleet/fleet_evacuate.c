// SPDX-License-Identifier: ISC
// The fleet's part in giving this node's mail to another (relay/fleet/evacuation.h): the order is heard on the fleet's
// thread, obeyed by the main thread, and done as the fleet ends.
#include "relay/fleet/fleet_inside.h"

#include <stdatomic.h>
#include <stdio.h>
#include "relay/fleet/alone.h"
#include "relay/fleet/journal.h"
#include "relay/log/log.h"
#include "relay/spool/spool.h"

#define SETTLE_MS 15000 // for the last results to be in both places

void fleet_on_leave(struct fleet *f, fleet_leave_fn *leave, void *arg)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->leave = leave;
    f->leave_arg = arg;
    pthread_mutex_unlock(&f->lock);
}

static void log_order(const struct fleet *f, const struct evacuation_order *order)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "operator", 0);
    log_text(&line, "by", order->asker);
    log_text(&line, "verb", "fleet-evacuate");
    log_text(&line, "node", f->name);
    log_text(&line, "to", order->name);
    log_end(&line);
}

int fleet_obey(struct fleet *f, struct why *why)
{
    struct journal_state j;
    struct evacuation_order order;
    pthread_mutex_lock(&f->lock);
    fleet_leave_fn *leave = f->leave;
    void *arg = f->leave_arg;
    pthread_mutex_unlock(&f->lock);
    if (!f->journal || !leave || f->heir.node)
        return 0;
    if (alone_any(f->config->spool))
        return 0; // what is not in the journal yet could not go with it: whoever asks waits
    journal_get_state(f->journal, &j);
    int asked = evacuation_order(f->session, f->self.number, j.epoch, &order, why);
    if (asked < 0 && session_state(f->session)[0])
        return 0; // the server refuses that alone
    if (asked <= 0)
        return asked;
    f->heir.node = order.heir;
    snprintf(f->heir.name, sizeof f->heir.name, "%s", order.name);
    log_order(f, &order);
    leave(arg, f->heir.name);
    return 0;
}

static void fleet_evacuate_settled(struct item *item)
{
    (void)item; // waited for, not run
}

// No worker notes anything any more: behind a barrier all of it is in both places, and the spool knows what is left. It
// may come later, while the spool closes, so what it needs stays until the fleet is freed.
void fleet_give(struct fleet *f, struct spool *spool)
{
    struct spool_state state;
    if (!f->journal || !f->heir.node || !spool)
        return;
    f->settled = inbox_open_blocking();
    f->barrier.run = fleet_evacuate_settled;
    spool_barrier(spool, &f->barrier, f->settled);
    if (!inbox_wait(f->settled, SETTLE_MS)) {
        log_alarm(
            "fleet", REASON_NONE,
            "this node could not give its mail to %s, and keeps it: what became of some of it "
            "cannot be written",
            f->heir.name);
        return;
    }
    spool_get_state(spool, &state);
    f->heir.messages = state.messages;
    journal_hand_to(f->journal, &f->heir);
}
