// SPDX-License-Identifier: ISC
// Which recipients of the queue an operator means. Pure: a row as operators see it, and what is asked of it. The
// running relay and a stopped one's spool are asked the same way.
#ifndef RELAY_QUEUE_FILTER_H
#define RELAY_QUEUE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/deliver/delivery.h"

// One open recipient. NULL: not known.
struct queue_row {
    uint64_t id;
    int64_t created_ms, next_ms;
    uint64_t size;
    unsigned attempts;
    enum queue_state state;
    const char *from, *to, *domain, *login;
    const char *reason; // the last failure, "" if none
    const char *class;  // of that: a word of relay/smtp/reply_class.h, "" if none
    enum reason why;    // what it is called
    enum act act;       // who can mend it
    const char *site; // where it went last, or goes now; NULL: it has had no route since the start
    const char *next_hop; // an operator's; NULL: the configuration's
};

struct queue_filter {
    const uint64_t *ids; // ascending; NULL: any
    size_t nids;
    const char *domain, *sender, *login, *site,
        *class;                 // NULL: any. sender "@domain": all of that domain
    int state;                  // -1: any
    int64_t older_ms, newer_ms; // created before or since now - that; 0: any
    uint64_t larger, smaller;   // bytes, at least and at most; 0: any
    uint64_t newest;            // no id above it; 0: any
};

// QUEUE_UNKNOWN: it would be one of them if its site or class were the one asked for, which nobody knows.
enum queue_match { QUEUE_OTHER, QUEUE_MATCH, QUEUE_UNKNOWN };
enum queue_match queue_match(const struct queue_filter *f, const struct queue_row *row);
// It leaves out anything at all.
bool queue_filter_chooses(const struct queue_filter *f);
// Puts ids in the order that a filter wants.
void queue_filter_sort(uint64_t *ids, size_t n);
// A site goes by its whole name, or by one of its hosts with or without the port.
bool queue_site_is(const char *site, const char *name);

#endif
