// SPDX-License-Identifier: ISC
// Shared by relay/report/reporter.c (what is due, and when) and relay/report/outgoing.c (one row on its way).
#ifndef RELAY_REPORT_INSIDE_H
#define RELAY_REPORT_INSIDE_H

#include "relay/base/list.h"
#include "relay/report/reporter.h"
#include "relay/state/reports.h"

#define REPORTER_AT_ONCE 8     // rows on their way
#define REPORTER_REST_MS 15000 // after the database could not be read or written
#define REPORTER_SAVE_MS 5000  // a result that could not be noted is tried again

struct outgoing;

struct reporter {
    struct relay *relay;
    uv_loop_t *loop;
    struct inbox *mail;
    struct setup *setup;
    struct https *https;       // open while something goes over HTTPS
    struct setup *https_setup; // the one that it was opened with
    size_t nposts;
    uv_timer_t timer;
    struct list running; // outgoing
    size_t nrunning;
    int64_t planned, planning;    // the last day planned; the one that is
    size_t nwishes;               // operators' that are being planned
    struct claim *orphans;        // the question whose they are
    uint64_t orphans_at;          // monotonic: when it is asked again
    bool looking, again;          // a question to the database is on its way; another is wanted
    uint64_t rest_until, stop_at; // monotonic; 0
    bool stopping;
    void (*gone)(void *arg);
    void *gone_arg;
};

// relay/report/reporter.c
bool reporter_suppresses(const struct reporter *r, const char *domain);
int64_t reporter_again(const struct reporter *r, const struct sending *row);
void reporter_rest(struct reporter *r);
struct https *reporter_https(struct reporter *r, struct why *why); // one post more; NULL with why
void reporter_posted(struct reporter *r);                          // one less
void reporter_look(struct reporter *r);

// relay/report/outgoing.c
void outgoing_start(struct reporter *r, const struct sending *row);
bool outgoing_is(const struct reporter *r, const struct sending *row); // it is on its way
// The timer's: notes again what could not be noted.
void outgoing_save_again(struct reporter *r);
// Ends lookups, and with `posts` what goes over HTTPS too; what the database or the spool has ends by itself.
void outgoing_cancel(struct reporter *r, bool posts);

#endif
