// SPDX-License-Identifier: ISC
// A day of a relay in seconds, and what the rules say must have become of each recipient:
//     random_day [-v] [-m MESSAGES] [-s SECONDS] [SEED]     -v: the log too; without SEED a new one; SECONDS: days, one after the other, so long
// The real spool, queue, routes, sessions and reports, on a clock that jumps (day_clock.c), and 500 hosts (day_hosts.c): a
// third are away for hours, some for days, some take few messages a minute, some greylist, some are slow to greet. The
// relay is restarted twice. The model knows when each host was there, and nothing of the relay but its configuration.
#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/queue/inside.h"
#include "tests/random/day.h"
#include "tests/unit/queue_story.h"

#define HOSTS     500
#define PER_SITE  8
#define STEP_MS   (4 * HOUR)
#define EXPIRE_MS (36 * HOUR)
#define WARN_MS   (4 * HOUR)
#define SLACK_MS  (15 * MINUTE) // a host's back-off, a minute's limit, a report's own way
#define OVER_MS   (90 * HOUR)
#define STUCK_S   60
#define RESTARTS  2

struct posting {
    int64_t at_ms;
    size_t first, n; // recipients
};

struct storing {
    struct spool_write write;
    struct worker *worker;
};

static struct day day;
static struct queue_story story;
static struct posting *postings;
static size_t npostings, posted, stores;
static int64_t began_ms;

static unsigned roll(unsigned sides)
{
    day.luck = day.luck * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((day.luck >> 33) % sides);
}

// The stage

static void make_hosts(void)
{
    day.nhosts = HOSTS + 1;
    day.hosts = mem_new(day.nhosts * sizeof *day.hosts);
    for (unsigned i = 0; i < HOSTS; i++) {
        struct day_host *h = &day.hosts[i];
        unsigned kind = roll(100);
        h->kind = kind < 33   ? DAY_HOURS
                  : kind < 40 ? DAY_DAYS
                  : kind < 50 ? DAY_RATED
                  : kind < 58 ? DAY_GREY
                  : kind < 61 ? DAY_SLOW
                              : DAY_UP;
        h->how = (enum day_down)roll(4);
        if (h->kind != DAY_HOURS && h->kind != DAY_DAYS)
            continue;
        h->from_ms = began_ms + (int64_t)roll(20 * 60) * MINUTE;
        h->to_ms =
            h->from_ms + (h->kind == DAY_DAYS ? (30 + roll(40)) * HOUR : (1 + roll(12)) * HOUR);
    }
}

static int day_by_time(const void *a, const void *b)
{
    const struct posting *x = a, *y = b;
    return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static void make_mail(size_t n)
{
    npostings = n;
    posted = 0;
    postings = mem_new(n * sizeof *postings);
    day.rcpts = mem_new(2 * n * sizeof *day.rcpts);
    day.nrcpts = 0;
    for (size_t i = 0; i < n; i++) {
        struct posting *p = &postings[i];
        *p = (struct posting){.at_ms = began_ms + (int64_t)roll(86400000), .first = day.nrcpts};
        for (p->n = 1 + !roll(10); day.nrcpts < p->first + p->n; day.nrcpts++)
            day.rcpts[day.nrcpts] =
                (struct day_rcpt){.host = roll(HOSTS), .unknown = roll(25) == 0};
    }
    qsort(postings, n, sizeof *postings, day_by_time);
}

static void write_answers(const char *file)
{
    FILE *f = fopen(file, "w");
    char ip[32];
    fputs("{\"records\": {", f);
    for (unsigned i = 0; i < day.nhosts; i++) {
        char domain[32];
        snprintf(domain, sizeof domain, i < HOSTS ? "d%u.test" : "us.test", i);
        day_host_address(i, ip);
        fprintf(f, "%s\"%s\": {\"MX\": [[10, \"mx%u.test\"]]}, \"mx%u.test\": {\"A\": [\"%s\"]}",
                i ? ", " : "", domain, i, i, ip);
    }
    fputs("}}\n", f);
    fclose(f);
}

static void open_stage(char *answers)
{
    // In memory where that can be: what a disk takes for a sync is not the question here.
    const char *below = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char folder[40];
    snprintf(folder, sizeof folder, "%s/waxwing-day-XXXXXX", below);
    assert(mkdtemp(folder));
    snprintf(answers, 64, "%s.dns", folder);
    write_answers(answers);
    char *yaml = mem_printf(
        "hostname: relay.test\nspool: %s\nstate: /tmp/none\ndsn: {from: MAILER-DAEMON@relay.test}\n"
        "delivery:\n  tls: opportunistic\n  ca_file: /dev/null\n  memory: {level: off}\n"
        "  port: %u\n  families: [ipv4]\n  refuse_addresses: []\n  expire: 36h\n  warn_after: 4h\n"
        "  connections: {per_site: %d}\n",
        folder, day.port, PER_SITE);
    queue_story_open(&story, folder, yaml, answers);
    free(yaml);
}

// Its life

static void day_on_stored(struct item *item)
{
    struct storing *storing = list_of(item, struct storing, write.item);
    assert(!storing->write.failed);
    queue_add(storing->worker->queue, storing->write.message);
    stores--;
    free(storing);
}

static void post(const struct posting *p)
{
    struct message *m = queue_story_message("a@us.test", NULL);
    for (size_t i = p->first; i < p->first + p->n; i++) {
        char address[64];
        snprintf(address, sizeof address, "u%zu@d%u.test", i, day.rcpts[i].host);
        message_add_recipient(m, address, strchr(address, '@') + 1);
        day.rcpts[i].created_ms = m->env.created_ms;
    }
    struct storing *storing = mem_new(sizeof *storing);
    storing->worker = &story.workers[posted % QUEUE_STORY_WORKERS];
    storing->write = (struct spool_write){
        .item = {NULL, day_on_stored}, .reply = storing->worker->mail, .message = m};
    stores++;
    spool_store(story.relay.spool, &storing->write);
}

static size_t sessions(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        n += lanes_sessions(story.workers[i].queue->lanes);
    return n;
}

// Nothing goes on but what waits for a time to come.
static bool is_quiet(void)
{
    bool quiet = stores == 0 && sessions() <= day_hosts_asleep();
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS && quiet; i++) {
        const struct queue *q = story.workers[i].queue;
        quiet = !q->nrouting && !reports_pending(q->reports) && !q->nbusy;
    }
    return quiet;
}

static bool turn(void)
{
    bool moved = false;
    int64_t now = clock_ms();
    while (posted < npostings && postings[posted].at_ms <= now && stores < 500) {
        post(&postings[posted++]);
        moved = true;
    }
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        uv_run(&story.workers[i].loop, UV_RUN_NOWAIT);
    return day_hosts_turn(&day) || moved;
}

// Until another thread has something for a loop, or a moment.
static void rest(void)
{
    struct pollfd fds[QUEUE_STORY_WORKERS + 1] = {
        [QUEUE_STORY_WORKERS] = {.fd = day_hosts_fd(), .events = POLLIN}};
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        fds[i] = (struct pollfd){.fd = uv_backend_fd(&story.workers[i].loop), .events = POLLIN};
    poll(fds, QUEUE_STORY_WORKERS + 1, 1);
}

// To the next thing that is due: a timer of the relay, a message, a host that comes or goes.
static void jump(void)
{
    int64_t now = clock_ms(), wait = day_hosts_due() - now;
    if (posted < npostings && postings[posted].at_ms - now < wait)
        wait = postings[posted].at_ms - now;
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++) {
        int timer = uv_backend_timeout(&story.workers[i].loop);
        if (timer >= 0 && timer < wait)
            wait = timer;
    }
    if (wait > 0) {
        day_clock_skip(wait);
        day.ahead_ms += wait;
    }
}

static bool is_over(void)
{
    return posted == npostings && story.relay.counters.queued_now == 0;
}

static void restart(void)
{
    queue_story_restart(&story);
    queue_story_adopt(&story);
}

static void live(void)
{
    unsigned restarts = 0, calm = 0;
    while (!is_over() || !is_quiet()) {
        bool moved = turn();
        if (moved || !is_quiet()) {
            calm = 0;
            if (!moved)
                rest(); // other threads are at work
            continue;
        }
        if (++calm < 3)
            continue;
        calm = 0;
        alarm(STUCK_S);
        if (restarts < RESTARTS && sessions() == 0 &&
            clock_ms() > began_ms + (int64_t)(restarts + 1) * 9 * HOUR) {
            restart();
            restarts++;
        }
        if (clock_ms() > began_ms + OVER_MS)
            day.trouble = "the day does not end";
        if (day.trouble)
            return;
        jump();
    }
}

// The model

// When its host was first there for it, as far as being away goes.
static int64_t first_there(const struct day_rcpt *r, int64_t end_ms)
{
    const struct day_host *h = &day.hosts[r->host];
    return r->created_ms < h->to_ms && end_ms >= h->from_ms ? h->to_ms : r->created_ms;
}

static const char *judge_delivered(const struct day_rcpt *r)
{
    const struct day_host *h = &day.hosts[r->host];
    int64_t there = first_there(r, r->accepted_ms), late = r->accepted_ms - there;
    if (r->unknown)
        return "was delivered, and its host knows no such user";
    if (r->accepted_ms < r->created_ms)
        return "was delivered before it was sent";
    if (h->kind == DAY_UP && r->accepted_ms - r->created_ms > 2 * MINUTE)
        return "waited, and its host was there";
    if (h->kind != DAY_RATED && late > STEP_MS * 11 / 10 + SLACK_MS)
        return "waited longer than its schedule after its host came back";
    if (r->accepted_ms > r->created_ms + EXPIRE_MS + SLACK_MS)
        return "was delivered after it had expired";
    return NULL;
}

static const char *judge_failed(const struct day_rcpt *r)
{
    const struct day_host *h = &day.hosts[r->host];
    int64_t expires = r->created_ms + EXPIRE_MS, off = r->failed_ms - expires;
    bool away = day_host_away(h, expires) || day_host_away(h, expires - SLACK_MS);
    if (!r->unknown && !r->expired)
        return "was returned as refused, and nobody refused it";
    if (r->unknown && !r->expired)
        return r->failed_ms > expires + SLACK_MS ? "was refused after it had expired" : NULL;
    if (!away)
        return "expired, and its host was there";
    return off < -MINUTE || off > SLACK_MS ? "expired at another time than it should" : NULL;
}

static const char *judge(const struct day_rcpt *r)
{
    int64_t end = r->accepted ? r->accepted_ms : r->failed_ms, warn = r->created_ms + WARN_MS;
    if (r->accepted + r->failed != 1)
        return r->accepted + r->failed ? "has more than one end" : "has no end";
    const char *bad = r->accepted ? judge_delivered(r) : judge_failed(r);
    if (bad)
        return bad;
    if (r->delayed > 1 || (r->delayed && end < warn) || (!r->delayed && end > warn + SLACK_MS))
        return "was not told of its delay once, when it was due";
    // A step may be cut short twice: for the word of the delay, and for the end.
    if (r->hasty > 2 || r->puts_off > 7 + EXPIRE_MS / (STEP_MS * 9 / 10) + 2)
        return "was tried more often than its schedule says";
    return NULL;
}

static int complain(size_t i, const char *what)
{
    static const char *const kinds[] = {"up",    "away for hours", "away for days",
                                        "rated", "greylisting",    "slow"};
    const struct day_rcpt *r = &day.rcpts[i];
    const struct day_host *h = &day.hosts[r->host];
    fprintf(stderr,
            "seed %llu: u%zu@d%u.test %s (host %s, down how %d from %lld to %lld min; sent at "
            "%lld, accepted %u "
            "at %lld, failed %u at %lld, delayed %u, put off %u, hasty %u)\n",
            (unsigned long long)day.seed, i, r->host, what, kinds[h->kind], (int)h->how,
            (long long)(h->from_ms - began_ms) / MINUTE, (long long)(h->to_ms - began_ms) / MINUTE,
            (long long)(r->created_ms - began_ms) / MINUTE, r->accepted,
            (long long)(r->accepted_ms - began_ms) / MINUTE, r->failed,
            (long long)(r->failed_ms - began_ms) / MINUTE, r->delayed, r->puts_off, r->hasty);
    return 1;
}

static int judge_all(void)
{
    size_t delivered = 0, returned = 0, expired = 0, delayed = 0;
    int bad = 0;
    for (size_t i = 0; i < day.nrcpts && bad < 10; i++) {
        const struct day_rcpt *r = &day.rcpts[i];
        const char *what = judge(r);
        bad += what ? complain(i, what) : 0;
        delivered += r->accepted;
        returned += r->failed && !r->expired;
        expired += r->failed && r->expired;
        delayed += r->delayed;
    }
    for (unsigned i = 0; i < HOSTS; i++)
        if (day.hosts[i].most > PER_SITE) {
            fprintf(stderr, "seed %llu: host %u had %u connections at once\n",
                    (unsigned long long)day.seed, i, day.hosts[i].most);
            bad++;
        }
    if (!expired || !returned || !delayed || delivered < day.nrcpts / 2) {
        fprintf(stderr, "seed %llu: not a day as it was meant\n", (unsigned long long)day.seed);
        bad++;
    }
    printf("seed %llu: %zu messages to %zu recipients at %d hosts: %zu delivered, %zu refused, %zu "
           "expired, %zu told of "
           "a delay; %llu connections, %lld simulated hours\n",
           (unsigned long long)day.seed, npostings, day.nrcpts, HOSTS, delivered, returned, expired,
           delayed, (unsigned long long)day.connections, (long long)(clock_ms() - began_ms) / HOUR);
    return bad;
}

// What is left when all have ended: nothing, on disk or in memory.
static int judge_rest(void)
{
    queue_story_restart(&story);
    bool clean = story.nfound == 0 && story.relay.counters.memory_now == 0 &&
                 story.relay.counters.queue_memory == 0;
    if (!clean)
        fprintf(stderr, "seed %llu: %zu messages and %lld bytes are left\n",
                (unsigned long long)day.seed, story.nfound,
                (long long)story.relay.counters.queue_memory);
    return !clean;
}

static int play(uint64_t seed, size_t messages)
{
    char answers[64];
    day = (struct day){.seed = seed, .luck = seed * 2 + 1};
    began_ms = clock_ms();
    printf("seed %llu begins\n", (unsigned long long)seed);
    make_hosts();
    make_mail(messages);
    alarm(STUCK_S);
    day_hosts_open(&day);
    open_stage(answers);
    live();
    int bad = day.trouble ? 1 : judge_rest();
    if (day.trouble)
        fprintf(stderr, "seed %llu: %s (%lld recipients wait)\n", (unsigned long long)seed,
                day.trouble, (long long)story.relay.counters.queued_now);
    bad += judge_all();
    queue_story_end(&story);
    day_hosts_close(&day);
    unlink(answers);
    free(day.hosts);
    free(day.rcpts);
    free(postings);
    return bad;
}

static void day_on_alarm(int signal)
{
    (void)signal;
    fprintf(stderr, "seed %llu: nothing goes on (%zu sessions, %u of them asleep)\n",
            (unsigned long long)day.seed, sessions(), day_hosts_asleep());
    abort();
}

int main(int argc, char **argv)
{
    size_t messages = 10000;
    uint64_t seed = 0, seconds = 0, stop;
    int option, level = LOG_ERROR;
    while ((option = getopt(argc, argv, "m:s:v")) > 0) {
        if (option == 'm')
            messages = strtoul(optarg, NULL, 10);
        else if (option == 'v')
            level = LOG_INFO;
        else if (option == 's')
            seconds = strtoul(optarg, NULL, 10);
        else
            return 64;
    }
    log_setup(LOG_TEXT, level, false);
    signal(SIGALRM, day_on_alarm);
    signal(SIGPIPE, SIG_IGN);
    seed = optind < argc ? strtoull(argv[optind], NULL, 10) : random_below(1000000000);
    stop = seconds * 1000;
    uint64_t spent = 0;
    int bad = 0;
    do {
        uint64_t from = clock_mono_ms();
        bad = play(seed++, messages);
        spent += clock_mono_ms() - from - (uint64_t)day.ahead_ms;
    } while (!bad && spent < stop);
    return bad > 0;
}
