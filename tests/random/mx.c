// SPDX-License-Identifier: ISC
// Outbound sessions with MX hosts whose every reply may be right, wrong, late, doubled, split or missing:
//     random_mx SECONDS [SEED]     SECONDS 0: the round of SEED alone
// Several processes play rounds of a seed each: a few messages over one pool to one or two hosts, with and without
// PIPELINING, CHUNKING and TLS; in some rounds the hosts first earn that messages overlap, and then err. What must hold: nothing crashes or hangs; what is reported delivered was accepted by a
// host that meant it; every recipient has an end; a refusal for good was said by a host; nothing went in clear
// where TLS was demanded.
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "config/config.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "tests/unit/certs.h"
#include "tests/unit/flight_story.h"

#define PLAYERS  6
#define ROUND_S  120 // a round that takes longer hangs
#define MESSAGES 4
#define TURN_MS  5000
#define PAGE     "/tmp/random-mx-%d-%u.log"

struct board { // shared by the players
    _Atomic uint64_t next, rounds, messages, delivered, deferred, refused, overlapped;
    _Atomic uint64_t playing[PLAYERS];
};

struct round {
    uint64_t seed, luck;
    struct story story;
    struct mx *mx[2];
    size_t nmx;
    bool tls, flies;
};

static struct board *board;
static struct cert ca, good;

static unsigned roll(struct round *r, unsigned sides)
{
    r->luck = r->luck * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((r->luck >> 33) % sides);
}

static void fail(const struct round *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail(const struct round *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "seed %llu: ", (unsigned long long)r->seed);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    _exit(1);
}

// Whether a host accepted the message with this word in it for the recipient, and meant it.
static bool was_accepted(struct round *r, const char *word, const char *to)
{
    for (size_t h = 0; h < r->nmx; h++)
        for (size_t i = 0; i < mx_count(r->mx[h]); i++) {
            const struct mx_message *m = mx_message(r->mx[h], i);
            if (!m->data || !memmem(m->data, m->n, word, strlen(word)))
                continue;
            for (size_t k = 0; k < m->nrcpts; k++)
                if (strstr(m->rcpts[k], to))
                    return true;
        }
    return false;
}

// A reply too many may come before the host's thread has read what it answers: its turn is waited for.
static bool is_accepted(struct round *r, const char *word, const char *to)
{
    bool accepted = was_accepted(r, word, to);
    for (unsigned ms = 0; ms < TURN_MS && !accepted; ms += 10) {
        usleep(10000);
        accepted = was_accepted(r, word, to);
    }
    return accepted;
}

static void judge(struct round *r, const char *word)
{
    for (size_t i = 0; i < r->story.nends; i++) {
        const struct story_end *end = &r->story.ends[i];
        bool never = end->standing == STANDING_REFUSED && end->why.scope != WHY_HOST &&
                     why_permanent(&end->why);
        if (end->standing == STANDING_DELIVERED) {
            board->delivered++;
            if (!is_accepted(r, word, end->address))
                fail(r, "%s was reported delivered to %s, and no host accepted it", word,
                     end->address);
        } else if (end->standing != STANDING_REFUSED || !why_is_set(&end->why)) {
            fail(r, "%s has no end for %s (standing %d)", word, end->address, (int)end->standing);
        } else if (never) {
            board->refused++;
            if (end->reply[0] != '5' && !strstr(end->why.text, "REQUIRETLS") &&
                strncmp(end->why.status, "5.3.4", 5) != 0)
                fail(r, "%s was refused for good for %s without a word of the host: %s", word,
                     end->address, end->why.text);
        } else {
            board->deferred++;
        }
    }
}

static void play_message(struct round *r, unsigned n)
{
    char word[64], to[3][64];
    struct buf text;
    buf_init(&text, 1048576);
    snprintf(word, sizeof word, "word-%llu-%u", (unsigned long long)r->seed, n);
    buf_addf(&text, "From: <a@us.test>\r\nSubject: %s\r\n\r\n", word);
    // A body that speaks, and at times is too large to follow its envelope.
    for (unsigned i = roll(r, 8) ? roll(r, 20) : 3000; i > 0; i--)
        buf_adds(&text, "RSET\r\nMAIL FROM:<ceo@bank.test>\r\n..\r\n250 2.0.0 ok\r\n");
    unsigned rcpts = 1 + roll(r, 3);
    for (unsigned i = 0; i < 3; i++)
        snprintf(to[i], sizeof to[i], "r%u-%u@example.test", n, i);
    story_message(&r->story, "a@us.test", buf_text(&text), to[0], rcpts > 1 ? to[1] : NULL,
                  rcpts > 2 ? to[2] : NULL, NULL);
    buf_free(&text);
    board->messages++;
    alarm(ROUND_S);
    story_run(&r->story);
    judge(r, word);
}

static void judge_flight(struct round *r, struct flight *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct flight_letter *end = &f->ends[i];
        bool never = end->standing == STANDING_REFUSED && end->why.scope != WHY_HOST &&
                     why_permanent(&end->why);
        board->messages++;
        board->delivered += end->standing == STANDING_DELIVERED;
        if (end->standing == STANDING_DELIVERED && !is_accepted(r, end->word, end->to[0]))
            fail(r, "%s was reported delivered, and no host accepted it", end->word);
        if (end->standing != STANDING_DELIVERED && end->standing != STANDING_REFUSED)
            fail(r, "%s has no end", end->word);
        if (never && end->reply[0] != '5')
            fail(r, "%s was refused for good without a word of the host", end->word);
        board->refused += never;
        board->deferred += end->standing == STANDING_REFUSED && !never;
    }
}

// The hosts earn it, and err from then on.
static void play_flight(struct round *r)
{
    struct flight f;
    char word[32];
    unsigned percent = 1 + roll(r, 15);
    alarm(ROUND_S);
    for (int i = 0; i < 2; i++) {
        flight_begin(&f, &r->story);
        for (int k = 0; k < 7; k++)
            flight_add(&f, "before", "a@example.test", k == 3 ? "b@example.test" : NULL);
        flight_run(&f);
    }
    for (size_t i = 0; i < r->nmx; i++) {
        mx_chaos(r->mx[i], r->seed * 2 + i + 1, percent);
        mx_hang_up(r->mx[i]);
    }
    flight_begin(&f, &r->story);
    for (unsigned i = 0; i < FLIGHT_MAX; i++) {
        snprintf(word, sizeof word, "word-%llu-%u-", (unsigned long long)r->seed, i);
        flight_add(&f, word, "r@example.test", roll(r, 4) ? NULL : "s@example.test");
    }
    flight_run(&f);
    judge_flight(r, &f);
    board->overlapped += r->story.relay.counters.overlapped;
}

static void begin(struct round *r)
{
    char extensions[128];
    r->flies = roll(r, 3) == 0;
    story_begin_timed(&r->story, 1,
                      r->flies ? "retry: [1s], connections: {in_flight: 4}" : "retry: [1s]", &ca);
    r->tls = roll(r, 2);
    r->nmx = 1 + roll(r, 2);
    for (size_t i = 0; i < r->nmx; i++) {
        snprintf(extensions, sizeof extensions, "SIZE 1000000\n8BITMIME%s%s%s",
                 r->flies || roll(r, 3) ? "\nPIPELINING" : "", roll(r, 3) ? "\nCHUNKING" : "",
                 roll(r, 2) ? "\nENHANCEDSTATUSCODES" : "");
        r->mx[i] = mx_start(extensions);
        if (r->tls)
            mx_tls(r->mx[i], &good, NULL, roll(r, 4) == 0);
        if (r->flies)
            continue;
        if (roll(r, 10) == 0)
            mx_on(r->mx[i], "bdat?", roll(r, 2) ? "502 5.5.1 what?" : "500 what?");
        mx_chaos(r->mx[i], r->seed * 2 + i + 1, 5 + roll(r, 30));
    }
}

static void play(uint64_t seed)
{
    static struct round r;
    static const enum tls_level levels[] = {TLS_OPPORTUNISTIC, TLS_ENCRYPT, TLS_WEBPKI};
    r = (struct round){.seed = seed, .luck = seed * 2 + 1};
    roll(&r, 2);
    begin(&r);
    enum tls_level level = r.tls ? levels[roll(&r, 3)] : TLS_OPPORTUNISTIC;
    for (size_t i = 0; i < r.nmx; i++)
        story_host(&r.story, r.mx[i], i ? "mx2.test" : "mx1.test", level);
    unsigned messages = 1 + roll(&r, MESSAGES);
    if (r.flies)
        play_flight(&r);
    for (unsigned n = 0; n < messages && !r.flies; n++)
        play_message(&r, n);
    for (size_t i = 0; i < r.nmx; i++)
        if (level != TLS_OPPORTUNISTIC && mx_clear_mails(r.mx[i]))
            fail(&r, "mail went in clear although TLS was demanded");
    board->rounds++;
    for (size_t i = 0; i < r.nmx; i++)
        mx_hang_up(r.mx[i]);
    story_end(&r.story);
    for (size_t i = 0; i < r.nmx; i++)
        mx_stop(r.mx[i]);
    alarm(0);
}

// What passes on the wire and through the sessions is written down for one round.
static void new_page(unsigned number)
{
    char path[64];
    snprintf(path, sizeof path, PAGE, (int)getppid(), number);
    if (!freopen(path, "w", stderr))
        exit(70);
    setvbuf(stderr, NULL, _IONBF, 0);
}

static void player(unsigned number, time_t until)
{
    setenv("FAKEMX_WIRE", "1", 1);
    cert_make(&ca, &(struct cert_spec){.cn = "Test CA", .ca = true});
    cert_make(&good, &(struct cert_spec){.san = {"mx1.test", "mx2.test"}, .issuer = &ca});
    do {
        uint64_t seed = board->next++;
        board->playing[number] = seed;
        new_page(number);
        play(seed);
    } while (time(NULL) < until);
    cert_free(&ca);
    cert_free(&good);
    exit(0); // with a look for leaks
}

static unsigned watch(const pid_t *players, unsigned n)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < n; i++) {
        int status;
        waitpid(players[i], &status, 0);
        char path[64];
        snprintf(path, sizeof path, PAGE, (int)getpid(), i);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            unlink(path);
            continue;
        }
        failed++;
        printf("FAIL seed %llu: %s %d, see %s; alone: ./dev random mx 0 %llu\n",
               (unsigned long long)board->playing[i],
               WIFSIGNALED(status) ? "ended by signal" : "exit",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), path,
               (unsigned long long)board->playing[i]);
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: random_mx SECONDS [SEED]\n");
        return 64;
    }
    time_t seconds = strtol(argv[1], NULL, 10);
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 100000;
    unsigned n = seconds ? PLAYERS : 1;
    pid_t players[PLAYERS];
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board->next = seed;
    signal(SIGPIPE, SIG_IGN); // the hosts' side
    log_setup(LOG_TEXT, LOG_DEBUG, false);
    printf("random mx: seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (unsigned i = 0; i < n; i++)
        if (!(players[i] = fork()))
            player(i, seconds ? time(NULL) + seconds : 0);
    unsigned failed = watch(players, n);
    printf("%llu rounds, %llu messages: %llu recipients delivered, %llu deferred, %llu refused\n",
           (unsigned long long)board->rounds, (unsigned long long)board->messages,
           (unsigned long long)board->delivered, (unsigned long long)board->deferred,
           (unsigned long long)board->refused);
    printf("%llu messages overlapped others\n", (unsigned long long)board->overlapped);
    printf("%d passed, %u failed\n", failed ? 0 : 1, failed);
    return failed ? 1 : 0;
}
