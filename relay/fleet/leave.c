// SPDX-License-Identifier: ISC
#include "relay/fleet/leave.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/fleet/alone.h"
#include "relay/fleet/holder.h"
#include "relay/fleet/marker.h"
#include "relay/fleet/self.h"
#include "relay/fleet/tables.h"
#include "relay/spool/files.h"

static void leave_lost(void *arg, const char *words)
{
    (void)arg;
    fprintf(stderr, "waxwing fleet: the lease of this node has ended: %s\n", words);
    _exit(EXIT_TEMP);
}

// What is not on this disk yet would be lost.
static int end_log(const struct target *target, struct tables *t, int *exit_status, struct why *why)
{
    size_t host = 0, n = 0;
    char **logs = NULL;
    t->session = session_open_any(target, &host, -1, why);
    int rc = t->session ? tables_logs(t, &logs, &n, why) : -1;
    if (rc == 0 && n) {
        *exit_status = EXIT_CONFIG;
        rc = why_set(why, WHY_OURS, "4.3.0",
                     "the journal has mail of this node that is not on this disk: start the relay "
                     "as it was configured, so that it comes");
    }
    if (rc == 0 && tables_end_log(t, t->log, why) != TABLES_DONE)
        rc = -1;
    for (size_t i = 0; i < n; i++)
        free(logs[i]);
    free(logs);
    session_close(t->session);
    return rc;
}

static int leave_with(const struct config *config, const struct target *target, unsigned node,
                      const char *log, int *exit_status, struct why *why)
{
    struct history *history = history_open(config->spool);
    struct holder_options options = {.target = target,
                                     .node = node,
                                     .ms = (uint64_t)config->fleet.lease,
                                     .history = history,
                                     .lost = leave_lost};
    snprintf(options.log, sizeof options.log, "%s", log);
    marker_new(options.fresh);
    struct holder *holder = holder_take(&options, why);
    if (!holder) {
        history_close(history);
        return -1;
    }
    struct tables tables = {.node = node, .epoch = holder_epoch(holder), .turn = -1, .log = log};
    int rc = 0;
    if (strcmp(holder_log(holder), log) != 0) {
        *exit_status = EXIT_CONFIG;
        rc = why_set(why, WHY_OURS, "4.3.0",
                     "the mail of this spool was taken over while this node was away: start the "
                     "relay as it was configured, so that it lets go of it");
    }
    if (rc == 0)
        rc = end_log(target, &tables, exit_status, why);
    if (rc == 0)
        rc = marker_remove(config->spool, why);
    holder_close(holder);
    history_close(history);
    return rc;
}

static int leave_alone(const struct config *config, bool *was, int *exit_status, struct why *why)
{
    char log[MARKER_LOG];
    struct target target;
    struct self self;
    int there = marker_read(config->spool, log, why);
    *was = there > 0;
    *exit_status = EXIT_CONFIG;
    if (there >= 0 && alone_any(config->spool))
        return why_set(why, WHY_OURS, "4.3.0",
                       "some mail stands on this disk alone, and has yet to go into the journal: "
                       "start the relay as it was configured, with the database");
    *exit_status = EXIT_TEMP;
    if (there <= 0)
        return there;
    char *path = self_path(config->state);
    self_read(path, config->fleet.name, &self);
    free(path);
    *exit_status = EXIT_CONFIG;
    if (!self.number)
        return why_set(why, WHY_OURS, "4.3.0", "%s has no number in the fleet", self.name);
    if (target_parse(&config->fleet, "waxwing fleet leave", &target, why) < 0)
        return -1;
    *exit_status = EXIT_TEMP;
    int rc = leave_with(config, &target, self.number, log, exit_status, why);
    target_free(&target);
    return rc;
}

int fleet_leave(const struct config *config, bool *was, int *exit_status, struct why *why)
{
    const struct spool_files *files = &spool_files_system;
    char *path = mem_printf("%s/lock", config->spool);
    int lock = files->lock(files->self, path), rc = -1;
    *exit_status = EXIT_TEMP;
    *was = false;
    if (lock < 0 && errno == EAGAIN)
        why_set(why, WHY_OURS, "4.3.0", "a relay is using %s; stop it first", config->spool);
    else if (lock < 0)
        why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, strerror(errno));
    else
        rc = leave_alone(config, was, exit_status, why);
    if (lock >= 0)
        files->close(files->self, lock);
    free(path);
    return rc;
}
