// SPDX-License-Identifier: ISC
// The sender of daily TLS reports (RFC 8460). After each UTC day it plans a report for every domain in the
// ledger, looks its record up when its time has come, and sends the report to each address: by mail through
// our own queue, or over HTTPS. On the main loop alone; what stands where is in the state database
// (relay/state/reports.h), so a restart goes on where it was.
//
// One report for each (day, domain, address), whenever the relay is killed: a row is claimed on disk before
// anything goes out. Mail is claimed with its message id, which recovery finds in the spool again. What went
// out over HTTPS without an answer goes out once more, with the same report-id, and not a third time.
#ifndef RELAY_REPORT_REPORTER_H
#define RELAY_REPORT_REPORTER_H

#include "relay/setup/setup.h"
#include "relay/worker/relay.h"

struct reporter;

// `mail` is the inbox of the loop. Begins a moment later.
struct reporter *reporter_open(struct relay *relay, uv_loop_t *loop, struct inbox *mail,
                               struct setup *setup);
void reporter_reload(struct reporter *r, struct setup *setup);
// Nothing new goes out; what is on its way gets a few seconds. Then `gone`, once, and r is freed.
void reporter_stop(struct reporter *r, void (*gone)(void *arg), void *arg);

// An operator's wish: the reports of a past day now, those that have not gone out, of `domain` (NULL: every one;
// "*.example.org"). `done` when they are planned; `why` where they cannot be. On the loop.
void reporter_send(struct reporter *r, int64_t day, const char *domain,
                   void (*done)(const struct why *why, void *arg), void *arg);

#endif
