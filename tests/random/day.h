// SPDX-License-Identifier: ISC
// A day of a relay in seconds: what the files of it share. The clock jumps from one thing due to the next; the hosts,
// each on a loopback address of its own, live in the thread that turns the relay's loops, so that nothing is under way
// unseen when it jumps.
#ifndef TESTS_RANDOM_DAY_H
#define TESTS_RANDOM_DAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MINUTE 60000LL
#define HOUR   (60 * MINUTE)

// day_clock.c
void day_clock_skip(int64_t ms);

// What becomes of one recipient, as the outside sees it. Wall clock.
struct day_rcpt {
    unsigned host;
    bool unknown;       // its host knows no such user
    int64_t created_ms; // 0: not sent yet
    int64_t refused_ms; // the last RCPT that its host put off
    unsigned puts_off;  // how often
    unsigned hasty;     // of these: sooner than the schedule may ask again
    int64_t grey_ms;    // the first RCPT at a host that wants to be asked again
    unsigned accepted;
    int64_t accepted_ms;
    unsigned failed, delayed; // reports to the sender
    int64_t failed_ms;
    bool expired; // the failure says so
};

enum day_kind { DAY_UP, DAY_HOURS, DAY_DAYS, DAY_RATED, DAY_GREY, DAY_SLOW };
enum day_down { DOWN_REFUSED, DOWN_GREETING, DOWN_CLOSES, DOWN_RCPT };

struct day_host {
    enum day_kind kind;
    enum day_down how;
    int64_t from_ms, to_ms; // when it is away
    int listener;           // -1: closed
    unsigned open, most;    // connections now, and the most there were
    int64_t minute;         // of DAY_RATED: the minute that `passed` counts in
    unsigned passed;
};

#define DAY_PER_MINUTE  3 // messages that a rated host takes
#define DAY_CONNECTIONS 2 // and connections at once
#define DAY_GREY_MS     (4 * MINUTE)
#define DAY_SLOW_MS     40000 // before a slow host greets

struct day {
    uint64_t seed, luck;
    struct day_rcpt *rcpts;
    size_t nrcpts;
    struct day_host *hosts; // the last one is the senders'
    unsigned nhosts;
    uint16_t port;
    uint64_t connections, sessions;
    int64_t ahead_ms;    // how far the clock has jumped
    const char *trouble; // what must not happen has happened
};

// day_hosts.c
void day_hosts_open(struct day *day);
void day_hosts_close(struct day *day);
int day_hosts_fd(void);               // readable when there is something to do
bool day_hosts_turn(struct day *day); // true: something happened
int64_t day_hosts_due(void);          // when the next thing is due by itself; INT64_MAX: none
unsigned day_hosts_asleep(void);      // connections that wait for their time
void day_host_address(unsigned host, char out[static 32]);
bool day_host_away(const struct day_host *h, int64_t now_ms);

#endif
