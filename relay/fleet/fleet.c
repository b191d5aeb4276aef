// SPDX-License-Identifier: ISC
// The thread. It alone uses the connection.
#include "relay/fleet/fleet_inside.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/lease.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/fleet/alone.h"
#include "relay/fleet/ending.h"
#include "relay/fleet/fingerprint.h"
#include "relay/fleet/journal.h"
#include "relay/fleet/node.h"
#include "relay/fleet/question.h"
#include "relay/fleet/queued.h"
#include "relay/fleet/schema.h"
#include "relay/fleet/session.h"
#include "relay/fleet/share.h"
#include "relay/fleet/spend.h"
#include "relay/fleet/takeover.h"
#include "relay/fleet/target.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/report/claims.h"

#define BEAT_MS    5000    // how often a node says that it lives, and looks at the others
#define LOOK_MS    1000    // how often changes are looked for; a notification only hurries it
#define RETRY_MS   1000    // after the first failure; doubles
#define RETRY_MOST 30000   // up to this
#define LAST_MS    2000    // for giving back what is held, at the end
#define TELL_MS    3600000 // how often the same trouble is told again within an episode

// ---- what others see

static void note_up(struct fleet *f)
{
    char name[300];
    target_name(&f->target, f->host, name, sizeof name);
    bool was_told = f->told;
    f->told = false;
    f->retry_ms = RETRY_MS;
    slices_connected(f->slices, true);
    pthread_mutex_lock(&f->lock);
    bool first = f->state.since_ms == 0;
    f->state.connected = true;
    f->state.since_ms = clock_ms();
    f->state.trouble[0] = 0;
    f->state.number = f->self.number;
    memcpy(f->database, name, sizeof name);
    pthread_mutex_unlock(&f->lock);
    if (first || was_told)
        log_event("fleet", "%s is node %u of the fleet of %s", f->name, f->self.number, name);
}

static void tell_trouble(struct fleet *f, const struct why *why)
{
    static const char text[] = "the fleet cannot be asked, and %s: %s";
    const char *then =
        f->journal ? "this node ends with its lease" : "mail goes on with what this node knows";
    if (f->told)
        log_alarm_once("fleet", why->reason, why->text, TELL_MS, text, then, why->text);
    else
        log_alarm("fleet", why->reason, text, then, why->text);
    f->told = true;
}

static void note_down(struct fleet *f, const struct why *why)
{
    session_close(f->session);
    session_close(f->ear);
    f->session = f->ear = NULL;
    slices_connected(f->slices, false);
    f->retry_at = clock_mono_ms() + f->retry_ms / 2 + random_below(f->retry_ms);
    f->retry_ms = f->retry_ms * 2 < RETRY_MOST ? f->retry_ms * 2 : RETRY_MOST;
    pthread_mutex_lock(&f->lock);
    if (f->state.connected || f->state.since_ms == 0)
        f->state.since_ms = clock_ms();
    f->state.connected = false;
    f->state.statements_failed++;
    memcpy(f->state.trouble, why->text, sizeof f->state.trouble);
    pthread_mutex_unlock(&f->lock);
    tell_trouble(f, why);
}

// How many nodes there are is kept: a share is reckoned with it where the database is away from the start.
static void note_nodes(struct fleet *f, unsigned nodes)
{
    struct why why; // else the next start knows what this one knew
    slices_nodes(f->slices, nodes);
    if (nodes == f->self.nodes)
        return;
    f->self.nodes = nodes;
    if (self_write(f->self_path, &f->self, &why) < 0)
        log_alarm_once("fleet", why.reason, f->self_path, TELL_MS, "%s", why.text);
}

// Limits that are kept by this node's share alone are told once an episode.
static void tell_shares(struct fleet *f)
{
    uint64_t alone = slices_alone(f->slices);
    if (alone == f->alone)
        return;
    f->alone = alone;
    log_alarm_once(
        "limits", REASON_FLEET_SHARE, "", TELL_MS,
        "the fleet's database does not answer in time, and this node keeps limits by its "
        "share, 1/%u of each",
        f->self.nodes ? f->self.nodes : 1);
}

static void note_view(struct fleet *f, struct node_view *view)
{
    pthread_mutex_lock(&f->lock);
    json_t *former = f->nodes;
    f->nodes = view->nodes;
    view->nodes = NULL;
    f->state.nodes = view->n;
    f->state.live = view->live;
    f->state.standbys = view->standbys;
    f->state.synchronous = view->synchronous;
    pthread_mutex_unlock(&f->lock);
    json_decref(former);
}

static void note_share(struct fleet *f)
{
    pthread_mutex_lock(&f->lock);
    f->state.behind = f->share.behind;
    f->state.waiting = (int64_t)f->share.waiting;
    f->state.received = f->share.received;
    f->state.sent = f->share.sent;
    pthread_mutex_unlock(&f->lock);
}

// ---- turns

// The row of this name, and the file that remembers its number.
static int fleet_join(struct fleet *f, int *exit_status, struct why *why)
{
    struct self self = f->self;
    enum schema_state schema = schema_look(f->session, why);
    *exit_status = schema == SCHEMA_OTHER ? EXIT_CONFIG : EXIT_TEMP;
    if (schema != SCHEMA_READY || node_join(f->session, &self, why) != NODE_JOINED)
        return -1;
    bool kept = self.number == f->self.number;
    if (!kept && self_write(f->self_path, &self, why) < 0)
        return -1;
    f->self.number = self.number;
    id_node(self.number);
    return 0;
}

static int open_session(struct fleet *f, int *exit_status, struct why *why)
{
    *exit_status = EXIT_TEMP;
    f->session = session_open_any(&f->target, &f->host, f->stop, why);
    return f->session ? fleet_join(f, exit_status, why) : -1;
}

// Beside the other one, on the same server. Without it nothing is lost but a second.
static void listen_there(struct fleet *f)
{
    struct why why;
    f->ear = session_open(&f->target, f->host, f->stop, &why);
    if (f->ear && session_script(f->ear, "LISTEN " SHARE_CHANNEL, &why) == 0)
        return;
    session_close(f->ear);
    f->ear = NULL;
}

static void fleet_connect(struct fleet *f)
{
    int status;
    struct why why;
    if (open_session(f, &status, &why) == 0 && share_meet(&f->share, f->session, &why) == 0) {
        listen_there(f);
        f->beat_at = f->look_at = f->ledger_at = 0;
        ledger_out_meet(&f->ledger);
        note_up(f);
    } else if (!ending_asked(f->stop, 0)) {
        note_down(f, &why);
    }
}

static int fleet_beat(struct fleet *f, struct why *why)
{
    pthread_mutex_lock(&f->lock);
    char *fingerprint = mem_dup(f->fingerprint);
    pthread_mutex_unlock(&f->lock);
    const struct node_news news = {.program = WAXWING_VERSION,
                                   .hostname = f->hostname,
                                   .fingerprint = fingerprint,
                                   .started_ms = f->started_ms,
                                   .taken = f->share.taken,
                                   .waiting = (int64_t)f->share.waiting};
    struct node_view view = {0};
    uint64_t at_ms = clock_boot_ms();
    int rc = node_tell(f->session, &f->self, &news, why) == NODE_JOINED
                 ? node_look(f->session, f->name, fingerprint, &view, why)
                 : -1;
    free(fingerprint);
    if (rc == 0) {
        note_nodes(f, view.n);
        slices_contact(f->slices, at_ms);
        note_view(f, &view);
    }
    node_view_free(&view);
    f->beat_at = clock_mono_ms() + BEAT_MS;
    return rc;
}

// An answer that the server refuses is missed by whoever asked.
static int fleet_answer(struct fleet *f, bool *more, struct why *why)
{
    pthread_mutex_lock(&f->lock);
    char *traces = mem_dup(f->traces);
    pthread_mutex_unlock(&f->lock);
    int rc = question_turn(f->session, f->self.number, traces, more, why);
    bool refused = rc < 0 && session_state(f->session)[0];
    free(traces);
    *more = *more && !refused;
    return refused ? 0 : rc;
}

static int fleet_share(struct fleet *f, struct why *why)
{
    bool more = false;
    int rc = share_turn(&f->share, f->session, f->self.number, &more, why);
    bool asked = false;
    if (rc == 0)
        rc = fleet_answer(f, &asked, why);
    if (rc == 0)
        rc = fleet_obey(f, why);
    f->look_at = clock_mono_ms() + (more || asked ? 0 : LOOK_MS);
    note_share(f);
    return rc;
}

// What the server refuses (its disk is full, say) concerns limits alone: this node has its share until it is taken.
static int fleet_spend(struct fleet *f, struct why *why)
{
    if (clock_mono_ms() < f->spend_at)
        return 0;
    int rc = spend_turn(f->slices, f->session, f->self.number, f->self.nodes, false, why);
    bool refused = rc < 0 && session_state(f->session)[0];
    if (refused || f->spend_at)
        slices_connected(f->slices, !refused);
    f->spend_at = refused ? clock_mono_ms() + LOOK_MS : 0;
    return refused ? 0 : rc;
}

static void fleet_turn(struct fleet *f)
{
    struct why why;
    if (!f->session && clock_mono_ms() >= f->retry_at)
        fleet_connect(f);
    int rc = f->session ? fleet_spend(f, &why) : 0;
    if (rc == 0 && f->session && clock_mono_ms() >= f->look_at)
        rc = fleet_share(f, &why);
    if (rc == 0 && f->session && clock_mono_ms() >= f->ledger_at)
        rc = fleet_ledger_turn(f, &why);
    if (rc == 0)
        rc = fleet_answer_reporter(f, &why);
    if (rc == 0 && f->session && clock_mono_ms() >= f->beat_at)
        rc = fleet_beat(f, &why);
    if (rc == 0 && f->session)
        rc = queued_turn(f->queued, f->session, f->self.number, &why);
    if (rc < 0 && !ending_asked(f->stop, 0))
        note_down(f, &why);
}

static uint64_t due_at(const struct fleet *f)
{
    if (!f->session)
        return f->retry_at;
    uint64_t due = f->beat_at < f->look_at ? f->beat_at : f->look_at;
    return due < f->ledger_at ? due : f->ledger_at;
}

static void fleet_wait(struct fleet *f)
{
    uint64_t due = due_at(f), now = clock_mono_ms();
    struct pollfd fds[] = {{f->stop, POLLIN, 0},
                           {f->ear ? session_fd(f->ear) : -1, POLLIN, 0},
                           {slices_wake(f->slices), POLLIN, 0},
                           {f->session ? queued_wake(f->queued) : -1, POLLIN, 0},
                           {claims_wake(f->claims), POLLIN, 0}};
    if (due <= now || poll(fds, sizeof fds / sizeof *fds, (int)(due - now)) <= 0)
        return;
    if (fds[2].revents)
        slices_heard(f->slices);
    if (!fds[1].revents)
        return;
    bool broken;
    if (session_notified(f->ear, &broken))
        f->look_at = 0;
    if (broken) {
        session_close(f->ear);
        f->ear = NULL;
    }
}

// What this node holds need not wait for its end.
static void fleet_give_back(struct fleet *f)
{
    struct why why; // it ends by itself
    if (!f->session)
        return;
    session_last(f->session, LAST_MS);
    if (fleet_ledger_turn(f, &why) < 0)
        return;
    (void)!spend_turn(f->slices, f->session, f->self.number, f->self.nodes, true, &why);
}

static void *fleet_run(void *arg)
{
    naming_thread("fleet");
    struct fleet *f = arg;
    fleet_ledger_begin(f);
    while (!ending_asked(f->stop, 0)) {
        fleet_turn(f);
        tell_shares(f);
        fleet_wait(f);
    }
    fleet_give_back(f);
    return NULL;
}

// ---- life

static void fleet_free(struct fleet *f)
{
    journal_close(f->journal);
    inbox_close(f->settled);
    alone_close(f->lone);
    queued_free(f->queued);
    config_unref(f->config);
    session_close(f->session);
    session_close(f->ear);
    target_free(&f->target);
    slices_free(f->slices);
    claims_free(f->claims);
    if (f->stop >= 0)
        close(f->stop);
    pthread_mutex_destroy(&f->lock);
    json_decref(f->nodes);
    free(f->self_path);
    free(f->name);
    free(f->hostname);
    free(f->fingerprint);
    free(f->traces);
    free(f);
}

static struct fleet *fleet_new(const struct config *config)
{
    struct fleet *f = mem_new(sizeof *f);
    f->config = config_ref((struct config *)config);
    f->stop = -1;
    f->retry_ms = RETRY_MS;
    f->name = mem_dup(config->fleet.name);
    f->hostname = mem_dup(config->hostname);
    f->fingerprint = fingerprint_of(config);
    f->traces = mem_dup(config->trace.directory);
    f->state.standbys = -1;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

static int fleet_aim(struct fleet *f, const struct config *config, struct why *why)
{
    char *application = mem_printf("waxwing %s", config->fleet.name);
    int rc = target_parse(&config->fleet, application, &f->target, why);
    free(application);
    return rc;
}

// A node without a number cannot begin: ids that it gives might be another's.
static int first_number(struct fleet *f, int *exit_status, struct why *why)
{
    struct why cause;
    if (f->self.number)
        return 0;
    int rc = open_session(f, exit_status, &cause);
    if (rc < 0)
        why_set(why, WHY_OURS, "4.3.0",
                "%s has no number in the fleet yet, and its first start needs the database: %s",
                f->name, cause.text);
    else
        note_up(f);
    return rc;
}

struct fleet *fleet_open(struct config *config, int64_t started_ms, int *exit_status,
                         struct why *why)
{
    struct fleet *f = fleet_new(config);
    f->started_ms = started_ms;
    *exit_status = EXIT_CONFIG;
    int rc = fleet_aim(f, config, why);
    if (rc == 0) {
        *exit_status = EXIT_TEMP;
        f->self_path = self_path(config->state);
        self_read(f->self_path, config->fleet.name, &f->self);
        f->slices = slices_new();
        f->claims = claims_new();
        slices_nodes(f->slices, f->self.nodes);
        f->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        rc = first_number(f, exit_status, why);
    }
    f->state.number = f->self.number;
    id_node(f->self.number);
    atomic_store(&f->share.ban_ms, config->auth.ban);
    fleet_ledger_aim(f, config);
    if (rc == 0 && config->fleet.spool)
        fleet_begin_journal(f);
    if (rc == 0)
        return f;
    fleet_free(f);
    return NULL;
}

int fleet_start(struct fleet *f, const struct fleet_doors *doors, struct why *why)
{
    f->share.relay = doors->relay;
    f->share.state = f->ledger.state = doors->state;
    f->share.routes = doors->routes;
    f->share.bans = doors->bans;
    f->share.suppress = doors->suppress;
    f->queued = queued_new(doors->relay);
    // The first turn meets the database anew: it may have been another one's when the number was given.
    session_close(f->session);
    f->session = NULL;
    f->running = pthread_create(&f->thread, NULL, fleet_run, f) == 0;
    if (f->running && fleet_watch_others(f, doors, why) < 0)
        return -1;
    return f->running ? 0 : why_set(why, WHY_OURS, "4.3.0", "the fleet's thread cannot be started");
}

void fleet_reload(struct fleet *f, struct config *config)
{
    if (!f)
        return;
    char *fingerprint = fingerprint_of(config);
    pthread_mutex_lock(&f->lock);
    char *former = f->fingerprint;
    f->fingerprint = fingerprint;
    char *traces = f->traces;
    f->traces = mem_dup(config->trace.directory);
    pthread_mutex_unlock(&f->lock);
    atomic_store(&f->share.ban_ms, config->auth.ban);
    fleet_ledger_aim(f, config);
    free(former);
    free(traces);
}

struct claims *fleet_claims(struct fleet *f)
{
    return f->claims;
}

struct slices *fleet_slices(struct fleet *f)
{
    return f->slices;
}

void fleet_rest(struct fleet *f)
{
    if (!f)
        return;
    alone_rest(f->lone);
    takeover_close(f->takeover);
    f->takeover = NULL;
    queued_rest(f->queued);
}

void fleet_stop(struct fleet *f)
{
    if (!f)
        return;
    fleet_rest(f);
    eventfd_write(f->stop, 1);
    if (f->running)
        pthread_join(f->thread, NULL);
    f->running = false;
    fleet_give(f, atomic_exchange(&f->spool, NULL)); // it closes next
}

void fleet_close(struct fleet *f)
{
    fleet_stop(f);
    if (f)
        fleet_free(f);
}

json_t *fleet_ask(const struct config *config, int *exit_status, struct why *why)
{
    struct fleet *f = fleet_new(config);
    struct node_view view = {0};
    json_t *j = NULL;
    *exit_status = EXIT_CONFIG;
    if (fleet_aim(f, config, why) == 0) {
        *exit_status = EXIT_TEMP;
        f->session = session_open_any(&f->target, &f->host, -1, why);
    }
    enum schema_state schema = f->session ? schema_look(f->session, why) : SCHEMA_FAILED;
    if (schema == SCHEMA_OTHER)
        *exit_status = EXIT_CONFIG;
    if (schema == SCHEMA_READY &&
        node_look(f->session, config->fleet.name, f->fingerprint, &view, why) == 0) {
        note_view(f, &view);
        target_name(&f->target, f->host, f->database, sizeof f->database);
        f->state.connected = true;
        *exit_status = EXIT_YES;
        j = fleet_say(f);
    }
    node_view_free(&view);
    fleet_free(f);
    return j;
}
