// SPDX-License-Identifier: ISC
// The thread that renews, and the one that waits for the end.
#include "relay/fleet/holder.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/lease.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/fleet/ending.h"
#include "relay/fleet/session.h"
#include "relay/log/log.h"

#define RENEWALS 3     // in the time of a lease
#define PAUSE_MS 200   // after a failure
#define HAND_MS  15000 // for what the node has to be another's

// How the node's row stands.
struct holder_row {
    bool there, ended;
    int64_t epoch, count;
    uint64_t ms;
    char holder[65];
};

struct holder {
    struct holder_options options;
    size_t host;
    int64_t epoch;
    const char *log;
    int stop,
        timer; // an eventfd; a timerfd that stands at the lease's end, -1: nothing acts by this lease
    pthread_t renewing, guarding;
    bool running;
    struct session *session; // the renewing thread's
    struct holder_heir heir;
};

// Standbys have no part in it, but for its taking (lease_take says so itself).
static struct session *holder_open(const struct holder_options *o, size_t *host, int stop,
                                   struct why *why)
{
    struct session *s = history_session(o->history, o->target, host, stop, why);
    if (s && o->wait_ms)
        session_patience(s, (unsigned)o->wait_ms);
    if (s && session_script(s, "SET synchronous_commit = local", why) == 0)
        return s;
    session_close(s);
    return NULL;
}

static int holder_look(struct session *s, unsigned node, struct holder_row *out, struct why *why)
{
    char number[SESSION_NUMBER];
    const char *const params[] = {number};
    struct rows *rows = NULL;
    *out = (struct holder_row){.epoch = -1, .count = -1};
    session_number(number, node);
    if (session_run(s,
                    "SELECT l.epoch, r.count, l.ms, l.ended, l.holder FROM waxwing.lease AS l"
                    " JOIN waxwing.renewal AS r USING(node) WHERE node = $1::smallint",
                    params, 1, &rows, why) < 0)
        return -1;
    out->there = rows_count(rows) == 1;
    if (out->there) {
        out->epoch = rows_number(rows, 0, 0);
        out->count = rows_number(rows, 0, 1);
        out->ms = (uint64_t)rows_number(rows, 0, 2);
        out->ended = rows_true(rows, 0, 3);
        snprintf(out->holder, sizeof out->holder, "%s", rows_text(rows, 0, 4));
    }
    rows_free(rows);
    return 0;
}

// ---- the end

static void holder_arm(const struct holder *h, uint64_t boot_ms)
{
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(boot_ms / 1000),
                                         .tv_nsec = (long)(boot_ms % 1000) * 1000000}};
    lease_until(boot_ms);
    timerfd_settime(h->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

// A timer that ran off while the process was stopped or the machine slept is met as soon as it goes on.
static void *holder_guard(void *arg)
{
    naming_thread("guard");
    struct holder *h = arg;
    struct pollfd fds[2] = {{h->stop, POLLIN, 0}, {h->timer, POLLIN, 0}};
    for (;;) {
        uint64_t times;
        if (poll(fds, 2, -1) > 0 && fds[0].revents)
            return NULL;
        if (fds[1].revents && read(h->timer, &times, sizeof times) > 0 && !lease_held())
            h->options.lost(h->options.arg, "it could not tell the database that it lives");
    }
}

// ---- renewing

static int holder_renew(struct holder *h, struct why *why)
{
    char node[SESSION_NUMBER], epoch[SESSION_NUMBER];
    const char *const params[] = {node, epoch};
    if (!h->session)
        h->session = holder_open(&h->options, &h->host, h->stop, why);
    if (!h->session)
        return -1;
    session_number(node, h->options.node);
    session_number(epoch, h->epoch);
    session_patience(h->session, (unsigned)h->options.ms);
    uint64_t began = clock_boot_ms();
    if (session_run(h->session, "SELECT waxwing.lease_renew($1::smallint, $2::bigint)", params, 2,
                    NULL, why) == 0) {
        holder_arm(h, began + h->options.ms);
        return 0;
    }
    if (strcmp(session_state(h->session), "WX001") == 0)
        h->options.lost(h->options.arg, why->text);
    session_close(h->session);
    h->session = NULL;
    return -1;
}

static void *holder_run(void *arg)
{
    naming_thread("lease");
    struct holder *h = arg;
    struct why why;
    uint64_t pause = h->options.ms / RENEWALS;
    while (!ending_asked(h->stop, pause))
        pause = holder_renew(h, &why) == 0 ? h->options.ms / RENEWALS : PAUSE_MS;
    return NULL;
}

// ---- taking

static int holder_ask(struct holder *h, const struct holder_row *seen, struct why *why)
{
    char node[SESSION_NUMBER], ms[SESSION_NUMBER], epoch[SESSION_NUMBER], count[SESSION_NUMBER];
    const char *const params[] = {node, h->log, ms, epoch, count};
    struct rows *rows = NULL;
    session_number(node, h->options.node);
    session_number(ms, (int64_t)h->options.ms);
    session_number(epoch, seen->epoch);
    session_number(count, seen->count);
    uint64_t began = clock_boot_ms();
    if (session_run(h->session,
                    "SELECT waxwing.lease_take($1::smallint, $2, $3::integer, $4::bigint,"
                    " $5::bigint)",
                    params, 5, &rows, why) < 0)
        return -1;
    h->epoch = rows_number(rows, 0, 0);
    rows_free(rows);
    if (h->timer >= 0)
        holder_arm(h, began + h->options.ms);
    return 0;
}

// Whose lease it is has renewed it, or was seen to do nothing for so long on our own clock.
bool holder_lapsed(uint64_t since_ms, uint64_t ms)
{
    return since_ms && clock_boot_ms() - since_ms > ms + ms / 2;
}

static bool lapsed(struct holder_watch *w, const struct holder_row *now)
{
    if (now->epoch != w->epoch || now->count != w->count || !w->since_ms)
        w->since_ms = clock_boot_ms();
    w->epoch = now->epoch;
    w->count = now->count;
    w->ms = now->ms;
    return holder_lapsed(w->since_ms, now->ms);
}

// 0: it is ours; 1: not yet; -1 with why: the database.
static int take_turn(struct holder *h, struct holder_watch *w, struct why *why)
{
    struct holder_row row;
    if (!h->session)
        h->session = holder_open(&h->options, &h->host, h->stop, why);
    if (!h->session || holder_look(h->session, h->options.node, &row, why) < 0)
        return -1;
    bool marked = h->options.log[0] != 0;
    h->log = marked && (!row.there || strcmp(row.holder, h->options.log) == 0) ? h->options.log
                                                                               : h->options.fresh;
    bool ours = !row.there || row.ended || h->log == h->options.log;
    bool over = lapsed(w, &row);
    why_set(why, WHY_OURS, "4.3.0",
            "another relay holds the lease of this node, and has not let it lapse");
    if (!ours && !over)
        return 1;
    if (holder_ask(h, &row, why) == 0)
        return 0;
    return strcmp(session_state(h->session), "WX002") == 0 ? 1 : -1;
}

// Once a start, so that whoever looks knows what it waits for.
static void tell_waiting(int rc, bool *told, const struct why *why)
{
    if (!*told && rc > 0)
        log_event("fleet", "the start waits for the lease of this node: %s", why->text);
    else if (!*told)
        log_alarm("fleet", why->reason, "the start waits for the lease of this node: %s",
                  why->text);
    *told = true;
}

static uint64_t patience(const struct holder *h, int rc, const struct holder_watch *watch)
{
    return rc < 0 && h->options.wait_ms ? h->options.wait_ms : HOLDER_WAIT_MS + 2 * watch->ms;
}

static int holder_try(struct holder *h, struct why *why)
{
    bool told = false;
    struct holder_watch watch = {.since_ms = 0};
    uint64_t began = clock_mono_ms();
    for (;;) {
        int rc = take_turn(h, &watch, why);
        if (rc == 0)
            return 0;
        if (h->options.silent)
            *h->options.silent = rc < 0;
        tell_waiting(rc, &told, why);
        if (rc < 0) {
            session_close(h->session);
            h->session = NULL;
        }
        if (clock_mono_ms() > began + patience(h, rc, &watch) || ending_asked(h->stop, PAUSE_MS))
            return -1;
    }
}

static void holder_free(struct holder *h)
{
    session_close(h->session);
    lease_until(LEASE_FOREVER);
    close(h->stop);
    close(h->timer);
    free(h);
}

struct holder *holder_take(const struct holder_options *options, struct why *why)
{
    struct holder *h = mem_new(sizeof *h);
    h->options = *options;
    h->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    h->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (h->stop < 0 || h->timer < 0) {
        why_set(why, WHY_OURS, "4.3.0", "there is no timer for the lease");
        holder_free(h);
        return NULL;
    }
    if (holder_try(h, why) < 0) {
        holder_free(h);
        return NULL;
    }
    h->running = pthread_create(&h->renewing, NULL, holder_run, h) == 0;
    if (!h->running || pthread_create(&h->guarding, NULL, holder_guard, h) != 0)
        h->options.lost(h->options.arg, "its threads cannot be started");
    return h;
}

int holder_probe(const struct holder_options *options, int stop, struct holder_watch *watch,
                 struct why *why)
{
    struct holder h = {.options = *options, .stop = stop, .timer = -1};
    int rc = take_turn(&h, watch, why);
    session_close(h.session);
    return rc;
}

const char *holder_log(const struct holder *h)
{
    return h->log;
}

int64_t holder_epoch(const struct holder *h)
{
    return h->epoch;
}

// Whoever is gone on purpose comes back: nobody takes its mail over unasked.
static void holder_give_back(struct holder *h)
{
    char node[SESSION_NUMBER], epoch[SESSION_NUMBER];
    const char *const params[] = {node, epoch};
    struct why why;
    session_number(node, h->options.node);
    session_number(epoch, h->epoch);
    session_close(h->session);
    h->session = holder_open(&h->options, &h->host, -1, &why);
    if (h->session)
        (void)!session_run(h->session, "SELECT waxwing.lease_end($1::smallint, $2::bigint)", params,
                           2, NULL, &why);
}

void holder_hand_to(struct holder *h, const struct holder_heir *heir)
{
    h->heir = *heir;
}

static int hand_once(struct holder *h, struct why *why)
{
    char node[SESSION_NUMBER], epoch[SESSION_NUMBER], heir[SESSION_NUMBER], n[SESSION_NUMBER];
    const char *const params[] = {node, epoch, heir, n};
    session_number(node, h->options.node);
    session_number(epoch, h->epoch);
    session_number(heir, h->heir.node);
    session_number(n, (int64_t)h->heir.messages);
    session_close(h->session);
    h->session = holder_open(&h->options, &h->host, -1, why);
    if (!h->session)
        return -1;
    return session_run(h->session,
                       "SELECT waxwing.lease_hand($1::smallint, $2::bigint, $3::smallint,"
                       " $4::bigint)",
                       params, 4, NULL, why);
}

enum handed { HANDED, HANDED_NOT, HANDED_UNKNOWN };

// The fence decides, not the clock: nothing of this node acts any more. Where the end of a commit was not heard of, the
// next try finds the epoch changed.
static enum handed hand_over(struct holder *h, struct why *why)
{
    bool unknown = false;
    uint64_t until = clock_mono_ms() + HAND_MS;
    do {
        if (hand_once(h, why) == 0)
            return HANDED;
        const char *state = h->session ? session_state(h->session) : "";
        if (strcmp(state, "WX001") == 0)
            return unknown ? HANDED : HANDED_NOT;
        if (strcmp(state, "WX002") == 0)
            return HANDED_NOT;
        unknown |= h->session && !state[0];
        usleep(PAUSE_MS * 1000);
    } while (clock_mono_ms() < until);
    return unknown ? HANDED_UNKNOWN : HANDED_NOT;
}

static void holder_leave(struct holder *h)
{
    struct why why;
    enum handed handed = hand_over(h, &why);
    if (handed == HANDED)
        log_event("fleet", "this node was evacuated: its %llu messages are for %s now",
                  (unsigned long long)h->heir.messages, h->heir.name);
    else if (handed == HANDED_UNKNOWN)
        log_alarm("fleet", why.reason,
                  "whether this node could give its mail to %s is not known (%s): its next start "
                  "finds out",
                  h->heir.name, why.text);
    else
        log_alarm("fleet", why.reason, "this node could not give its mail to %s, and keeps it: %s",
                  h->heir.name, why.text);
    if (handed == HANDED_NOT)
        holder_give_back(h);
}

void holder_close(struct holder *h)
{
    if (!h)
        return;
    eventfd_write(h->stop, 1);
    pthread_join(h->renewing, NULL);
    pthread_join(h->guarding, NULL);
    if (lease_held() && h->heir.node)
        holder_leave(h);
    else if (lease_held())
        holder_give_back(h);
    holder_free(h);
}
