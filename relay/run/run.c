// SPDX-License-Identifier: ISC
// `waxwing run`: the relay in the foreground. The main thread: signals, reload, control socket, the watch
// over files that change.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "config/load.h"
#include "config/value.h"
#include "relay/audit/daily.h"
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/fleet/fleet.h"
#include "relay/http/history.h"
#include "relay/run/lifecycle.h"
#include "relay/net/inherit.h"
#include "relay/net/listen.h"
#include "relay/log/log.h"
#include "relay/milter/book.h"
#include "relay/control/coming.h"
#include "relay/run/exceptions.h"
#include "relay/run/notify.h"
#include "relay/run/pages.h"
#include "relay/report/reporter.h"
#include "relay/setup/load.h"
#include "relay/setup/ownership.h"
#include "relay/setup/privileges.h"
#include "relay/setup/publication.h"
#include "relay/setup/rights.h"
#include "relay/run/run.h"
#include "relay/run/turning.h"
#include "relay/socketmap/server.h"

#define WATCH_MS          5000    // how often changed files are looked for
#define GRACE_MS          10000   // what deliveries under way get on SIGTERM
#define DESCRIPTORS_LEAST 24      // without so many there is no beginning
#define TROUBLE_MS        3600000 // how often a changed file that cannot be used is told
#define DOUBT_S           86400   // how often a certificate out of its dates is told

struct run {
    struct relay relay;
    uv_loop_t loop;
    struct inbox *mail;
    const char *file; // the configuration's
    struct setup *setup;
    struct config *
        begun; // the configuration that it started with: what a reload does not apply is as it says
    uv_signal_t signals[3];
    uv_timer_t watch;
    struct publication *publication;
    struct turning *turning;
    uint64_t coming_ms;   // when what is to come was last looked for
    int64_t exceptions_s; // when their ends were last looked for
    int64_t doubt_told_s; // when a certificate out of its dates was last told; 0: never
    int *fds;
    int control_fd;
    struct item leave;
    const char *heir;         // whose the mail is to be when the relay has ended
    struct socketmap *policy; // NULL: off, or its address could not be had
    struct pages pages;
};

// The one running relay of this process, for the verbs of its control socket.
static struct run *running(struct relay *relay)
{
    return (struct run *)relay;
}

// A loader's complaints as lines of the log.
static void log_lines(enum log_level level, const char *event, const struct buf *lines)
{
    struct span rest = buf_span(lines), part;
    while (span_cut(rest, '\n', &part, &rest)) {
        struct logline line;
        log_begin(&line, level, event, 0);
        log_bytes(&line, "text", part);
        log_end(&line);
    }
}

// Once a day while it is so: the operator can do something about it, clients cannot.
static void tell_doubtful(struct run *run)
{
    struct why why;
    int64_t now = clock_s();
    const struct creds *creds = run->setup->creds;
    if (!creds || now - run->doubt_told_s < DOUBT_S || !creds_doubtful(creds, &why))
        return;
    log_alarm("certificate", REASON_CERTIFICATE_OWN, "%s; it is served all the same", why.text);
    run->doubt_told_s = now;
}

static void look_at_clock(struct buf *lines)
{
    char now[40];
    clock_rfc3339(clock_ms(), now);
    if (!clock_is_set())
        buf_addf(lines, "%s" CLOCK_UNSET "\n", now);
}

static struct setup *load_at_start(const char *file)
{
    struct config_load load;
    config_load_init(&load);
    struct setup *setup = setup_load(file, true, &load);
    if (setup) {
        const struct config *c = setup->config;
        log_timed();
        rights_look(c, &load.warnings);
        look_at_clock(&load.warnings);
        log_setup(c->log_format, c->log_level, c->log_mask);
        log_lines(LOG_WARNING, "start", &load.warnings);
    } else { // in which form the log is wanted cannot be known
        fputs(buf_text(&load.warnings), stderr);
        fputs(buf_text(&load.errors), stderr);
    }
    config_load_free(&load);
    return setup;
}

static struct setup *load_again(const char *file)
{
    struct config_load load;
    config_load_init(&load);
    struct setup *setup = setup_load(file, false, &load);
    if (setup)
        rights_look(setup->config, &load.warnings);
    log_lines(LOG_WARNING, "reload", &load.warnings);
    log_lines(LOG_ERROR, "reload", &load.errors);
    config_load_free(&load);
    return setup;
}

// No reason to stay down: Postfix defers while nobody answers there.
static void serve_policy(struct run *run)
{
    const char *address = run->setup->config->policy_listen;
    struct why why;
    run->policy = address[0] ? socketmap_open(&run->relay, &run->loop, address, &why) : NULL;
    if (address[0] && !run->policy)
        log_alarm("policy", why.reason, "%s", why.text);
}

static void close_policy(struct run *run)
{
    socketmap_close(run->policy);
    run->policy = NULL;
}

// `fds`: as lifecycle_reload wants them.
static void adopt(struct run *run, struct setup *setup, const int *fds)
{
    struct setup *old = run->setup;
    run->setup = run->relay.setup = setup;
    if (!run->policy || strcmp(old->config->policy_listen, setup->config->policy_listen) != 0) {
        close_policy(run);
        serve_policy(run);
    }
    pages_reload(&run->pages, &run->relay, &run->loop, old->config);
    const struct config *c = setup->config;
    log_setup(c->log_format, c->log_level, c->log_mask);
    publication_reload(run->publication, setup); // before anybody signs with it
    lifecycle_reload(&run->relay, setup, fds);
    audit_daily_reload(run->relay.audit, setup);
    turning_reload(run->turning, setup);
    reporter_reload(run->relay.reporter, setup);
    setup_unref(old);
    run->doubt_told_s = 0;
    tell_doubtful(run);
}

// What a reload cannot change is said, not silently passed over; `unchanged` gets the keys. They are held against
// what runs: a reload before this one has not changed them either.
static void tell_in_force(const struct run *run, const struct config *config, struct buf *unchanged)
{
    config_fixed_changes(run->begun, config, unchanged);
    if (unchanged->len)
        log_event("reload", "configuration %s is in force, but for what only a restart changes: %s",
                  config->file, buf_text(unchanged));
    else
        log_event("reload", "configuration %s is in force", config->file);
}

// New listeners are bound before anything else changes: where one cannot be, all stays as it was.
static int listen_anew(struct run *run, const struct config *config, int **fds)
{
    const struct config *now = run->setup->config;
    struct why why;
    if (run->relay.stage != RELAY_RUNNING || !config_differs(now, config, "listen") ||
        listen_workers(config, now, run->relay.nworkers, fds, &why) == 0)
        return 0;
    struct logline line;
    log_begin(&line, LOG_ERROR, "reload", 0);
    log_text(&line, "text", why.text);
    log_end(&line);
    return -1;
}

int run_reload(struct relay *relay, struct buf *unchanged)
{
    struct run *run = running(relay);
    if (relay->stage == RELAY_STOPPING)
        return EXIT_TEMP;
    notify_systemd("RELOADING=1");
    struct setup *setup = load_again(run->file);
    int *fds = NULL;
    if (setup && listen_anew(run, setup->config, &fds) < 0) {
        setup_unref(setup);
        setup = NULL;
    }
    if (setup) {
        adopt(run, setup, fds);
        tell_in_force(run, setup->config, unchanged);
        relay->reload_failed_ms = 0;
    } else {
        relay->reload_failed_ms = clock_ms();
        log_alarm("reload", REASON_CONFIG_FAULT,
                  "the new configuration has errors; the old one stays in force");
    }
    free(fds);
    notify_systemd("READY=1");
    return setup ? EXIT_YES : EXIT_CONFIG;
}

// What cannot be read again now is tried at each look, told once in a while, and shown by status and /readyz.
static void tell_troubles(struct run *run, const struct buf *lines)
{
    struct span rest = buf_span(lines), line;
    buf_reset(&run->relay.troubles);
    buf_addspan(&run->relay.troubles, rest);
    while (span_cut(rest, '\n', &line, &rest)) {
        char *text = span_dup(line);
        log_alarm_once("reload", REASON_CONFIG_FAULT, text, TROUBLE_MS,
                       "a changed file cannot be used, the old one stays: %s", text);
        free(text);
    }
}

// Certificates, users and CA files are read again when they change; the YAML only when asked to.
static void run_on_watch(uv_timer_t *timer)
{
    struct run *run = timer->data;
    if (run->relay.stage != RELAY_RUNNING)
        return;
    tell_doubtful(run);
    exceptions_look(run->setup->config, &run->exceptions_s);
    coming_look(&run->relay, &run->coming_ms);
    pages_look(&run->pages, &run->relay, &run->loop);
    if (!setup_stale(run->setup)) {
        buf_reset(&run->relay.troubles); // whatever it was is as it was read
        return;
    }
    struct config_load load;
    config_load_init(&load);
    struct setup *setup = setup_refresh(run->setup, &load);
    log_lines(LOG_WARNING, "reload", &load.warnings);
    if (setup) {
        adopt(run, setup, NULL);
        log_event("reload", "changed files are read again");
    }
    tell_troubles(run, &load.errors);
    config_load_free(&load);
}

static void run_close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

// No worker is left that delivers, and no report is on its way.
static void run_stopped(void *arg)
{
    struct run *run = arg;
    run->relay.reporter = NULL;
    control_close(run->relay.control);
    run->relay.control = NULL;
    pages_close(&run->pages);
    close_policy(run);
    history_stop(run->relay.history);
    run->relay.history = NULL;
    for (int i = 0; i < 3; i++)
        run_close_handle((uv_handle_t *)&run->signals[i], NULL);
    run_close_handle((uv_handle_t *)&run->watch, NULL);
    publication_close(run->publication);
    audit_daily_stop(run->relay.audit);
    turning_close(run->turning);
    inbox_unref(run->mail); // closed when no thread is left that may answer to it
}

static void run_idle(void *arg)
{
    struct run *run = arg;
    reporter_stop(run->relay.reporter, run_stopped, run);
}

void run_stop(struct relay *relay, const char *reason)
{
    struct run *run = running(relay);
    if (relay->stage == RELAY_STOPPING)
        return;
    log_event("stop", "%s", reason);
    notify_systemd("STOPPING=1");
    lifecycle_stop(relay, run->mail, GRACE_MS, run_idle, run);
}

static void run_leave(struct item *item)
{
    struct run *run = list_of(item, struct run, leave);
    char reason[128];
    snprintf(reason, sizeof reason, "evacuated: its mail goes on at %s", run->heir);
    run_stop(&run->relay, reason);
}

// On the fleet's thread.
static void run_on_leave(void *arg, const char *heir)
{
    struct run *run = arg;
    run->heir = heir;
    run->leave.run = run_leave;
    inbox_post(run->mail, &run->leave);
}

static void run_on_signal(uv_signal_t *handle, int signum)
{
    struct run *run = handle->data;
    if (signum == SIGHUP) {
        struct buf unchanged;
        buf_init(&unchanged, RUN_KEYS_MAX);
        run_reload(&run->relay, &unchanged);
        buf_free(&unchanged);
    } else {
        run_stop(&run->relay, run->relay.again    ? "to begin again"
                              : signum == SIGTERM ? "SIGTERM"
                                                  : "SIGINT");
    }
}

// 2,000 sessions and their peers need more than the usual 1,024 descriptors.
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// What another user left there is told whole, with what mends it, before anything is begun.
static int look_at_folders(const struct config *config, struct why *why)
{
    struct buf lines;
    buf_init(&lines, 65536);
    ownership_look(config, &lines);
    int rc = 0;
    if (lines.len) {
        log_lines(LOG_ERROR, "start", &lines);
        rc = why_set(why, WHY_OURS, "4.3.0", "spool or state cannot be used (see above)");
    }
    buf_free(&lines);
    return rc;
}

// libuv ends the process where it finds no descriptors for its first loop, so room is made sure of before.
static int find_room(struct why *why)
{
    int fds[DESCRIPTORS_LEAST], n = 0, error = 0;
    while (n < DESCRIPTORS_LEAST && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    if (n < DESCRIPTORS_LEAST)
        error = errno;
    for (int i = 0; i < n; i++)
        close(fds[i]);
    return error ? why_set(why, WHY_OURS, "4.3.0",
                           "cannot begin: %s: %d descriptors are not enough", strerror(error), n)
                 : 0;
}

// systemd keeps its queue of clients full for a socket that nobody serves.
static void run_tell_unused(const char *address, void *arg)
{
    (void)arg;
    log_alarm("listen", REASON_SOCKET_UNUSED,
              "systemd holds a socket for %s that `listen' does not name: nobody answers "
              "there; change waxwing.socket (systemctl edit) or listen",
              address);
}

static int bind_all(struct run *run, struct why *why)
{
    const struct config *c = run->setup->config;
    if (privileges_folders(c, why) < 0 ||
        listen_workers(c, NULL, worker_count(c), &run->fds, why) < 0)
        return -1;
    run->control_fd = c->control[0] ? listen_unix(c->control, 0660, why) : -1;
    if (c->control[0] && run->control_fd < 0)
        return -1;
    pages_bind(&run->pages, c);
    inherit_unused(run_tell_unused, NULL);
    if (privileges_drop(c, why) < 0 || look_at_folders(c, why) < 0)
        return -1;
    if (log_start() < 0) // no thread before this line: privileges are a thread's own
        log_alarm(
            "log", REASON_RELAY_FAULT,
            "there can be no thread that writes this log: a reader that stalls stops the relay");
    return 0;
}

static void start_main_loop(struct run *run)
{
    uv_timer_init(&run->loop, &run->watch);
    run->watch.data = run;
    uv_timer_start(&run->watch, run_on_watch, WATCH_MS, WATCH_MS);
    run->publication = publication_open(&run->loop, run->mail, run->relay.dns, run->setup);
    run->relay.audit = audit_daily_start(&run->loop, run->mail, run->relay.dns, run->setup);
    run->turning = turning_open(&run->loop, run->file, run->setup);
    run->relay.reporter = reporter_open(&run->relay, &run->loop, run->mail, run->setup);
    if (run->control_fd >= 0) {
        static const struct control_verb *const tables[] = {control_run_verbs,
                                                            control_queue_verbs,
                                                            control_site_verbs,
                                                            control_tls_verbs,
                                                            control_explain_verbs,
                                                            control_report_verbs,
                                                            control_login_verbs,
                                                            control_event_verbs,
                                                            control_suppress_verbs,
                                                            control_fleet_verbs,
                                                            NULL};
        struct why why;
        run->relay.control = control_open(&run->relay, &run->loop, run->control_fd, tables, &why);
        if (!run->relay.control)
            log_alarm("control", why.reason, "%s", why.text);
    }
    run->relay.history = history_start(&run->loop, &run->relay.counters);
    pages_serve(&run->pages, &run->relay, &run->loop);
    serve_policy(run);
}

// What the main thread's loop needs descriptors for.
static int fill_loop(struct run *run, struct why *why)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    run->mail = run->relay.mail = inbox_open(&run->loop);
    int rc = run->mail ? 0 : UV_EMFILE;
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        if (rc == 0)
            rc = uv_signal_start(&run->signals[i], run_on_signal, numbers[i]);
    }
    return rc == 0 ? 0 : why_set(why, WHY_OURS, "4.3.0", "cannot begin: %s", uv_strerror(rc));
}

static void unmake_loop(struct run *run)
{
    inbox_close(run->mail);
    uv_walk(&run->loop, run_close_handle, NULL);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    uv_loop_close(&run->loop);
}

static int serve(struct run *run)
{
    struct why why;
    int status = EXIT_TEMP, rc = find_room(&why);
    if (rc == 0 && uv_loop_init(&run->loop) < 0)
        rc = why_set(&why, WHY_OURS, "4.3.0", "cannot make an event loop");
    if (rc < 0) {
        log_alarm("start", why.reason, "%s", why.text);
        return status;
    }
    run->relay.milters = milter_book_new();
    if (fill_loop(run, &why) < 0 || bind_all(run, &why) < 0 ||
        lifecycle_start(&run->relay, run->setup, run->fds, &status, &why) < 0) {
        log_alarm("start", why.reason, "%s", why.text);
        unmake_loop(run);
        milter_book_free(run->relay.milters);
        return status;
    }
    start_main_loop(run);
    tell_doubtful(run);
    exceptions_look(run->setup->config, &run->exceptions_s);
    run->relay.stage = RELAY_RUNNING;
    fleet_on_leave(run->relay.fleet, run_on_leave, run);
    for (size_t i = 0; i < run->setup->config->nlisten; i++)
        log_event("ready", "listening on %s", run->setup->config->listen[i].text);
    notify_systemd("READY=1");
    uv_run(&run->loop, UV_RUN_DEFAULT);
    lifecycle_close(&run->relay);
    tally_clear(&run->relay.counters.listeners);
    tally_clear(&run->relay.counters.logins);
    tally_clear(&run->relay.counters.findings);
    milter_book_free(run->relay.milters);
    run->relay.milters = NULL;
    inbox_close(run->mail);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&run->loop) != 0)
        log_alarm("run", REASON_RELAY_FAULT, "the main loop left handles behind");
    return run->relay.again ? EXIT_TEMP : EXIT_YES;
}

int run_relay(const char *config_file)
{
    inherit_take();
    struct setup *setup = load_at_start(config_file);
    if (!setup)
        return EXIT_CONFIG;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a limit on file size is a full disk, not an end
    signal(SIGHUP, SIG_IGN);  // until there is something to reload
    setenv("UV_THREADPOOL_SIZE", "16", 0);
    raise_descriptors();
    struct run *run = mem_new(sizeof *run);
    run->setup = run->relay.setup = setup;
    run->file = config_file;
    run->begun = config_ref(setup->config);
    run->control_fd = run->pages.fd = -1;
    run->relay.started_ms = clock_ms();
    buf_init(&run->relay.troubles, 65536);
    const struct config *c = setup->config;
    log_event("start", "waxwing %s, configuration %s", WAXWING_VERSION, c->file);
    int status = serve(run);
    log_stop();
    setup_unref(run->setup);
    buf_free(&run->relay.troubles);
    config_unref(run->begun);
    free(run->fds);
    free(run);
    return status;
}
