// SPDX-License-Identifier: ISC
// The fleet as the spool meets it: its second place, what comes back from there, and whether it may be used without.
#include "relay/fleet/fleet_inside.h"

#include <stdatomic.h>
#include "relay/fleet/import.h"
#include "relay/fleet/journal.h"
#include "relay/fleet/marker.h"

const struct spool_sink *fleet_sink(struct fleet *f)
{
    return f && f->journal ? journal_sink(f->journal) : NULL;
}

int fleet_import(struct fleet *f, struct spool *spool, void (*each)(struct message *m, void *arg),
                 void *arg, struct why *why)
{
    size_t n;
    if (!f || !f->journal)
        return 0;
    atomic_store(&f->spool, spool);
    struct import import = {.journal = f->journal,
                            .spool = spool,
                            .directory = f->config->spool,
                            .stop = f->stop,
                            .each = each,
                            .arg = arg};
    int rc = import_logs(&import, &n, why);
    import_end(&import);
    return rc;
}

int fleet_may_use(const struct config *config, struct why *why)
{
    char log[MARKER_LOG];
    int rc =
        config->fleet.database[0] && config->fleet.spool ? 0 : marker_read(config->spool, log, why);
    if (rc == 1)
        return why_set(why, WHY_OURS, "4.3.0",
                       "the spool %s belongs to a fleet (fleet.spool: required), and another node "
                       "may have its mail: configure it as it was, or let it go with waxwing fleet "
                       "leave",
                       config->spool);
    return rc;
}
