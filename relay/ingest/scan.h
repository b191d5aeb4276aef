// SPDX-License-Identifier: ISC
// The bytes of DATA or BDAT, in pieces cut anywhere: dots unstuffed, bare CR, bare LF and NUL
// found, the end found. Pure, and the hot path: runs of clean bytes are handed on whole, never a
// byte at a time.
//
// Only CRLF.CRLF ends DATA (RFC 5321 section 4.1.1.4): a line begins behind CRLF and nowhere else.
// After a fault the scan goes on, hands on nothing more, and still finds the true end.
#ifndef RELAY_INGEST_SCAN_H
#define RELAY_INGEST_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/span.h"

enum receive_fault { FAULT_NONE, FAULT_BARE_CR, FAULT_BARE_LF, FAULT_NUL };
const char *receive_fault_text(enum receive_fault fault); // a clause for people

struct receive_scan {
    enum { SCAN_LINE_START, SCAN_IN_LINE, SCAN_CR, SCAN_DOT, SCAN_DOT_CR } at;
    bool chunks; // BDAT: no dots, no end
    bool fix_lf; // a bare LF becomes CRLF instead of a fault
    bool done;   // the end of DATA was read
    bool eightbit;
    enum receive_fault fault; // the first one
    uint64_t column, longest; // octets of the line under way and of the longest, without the end
    void (*content)(void *arg, struct span bytes);
    void *arg;
};

void receive_scan_init(struct receive_scan *scan, bool chunks, bool fix_lf,
                       void (*content)(void *arg, struct span bytes), void *arg);
// Returns how many bytes of `in` it took: all, unless `done` came before.
size_t receive_scan_feed(struct receive_scan *scan, struct span in);
// BDAT LAST: no more comes. A CR that still waits for its LF is a fault.
void receive_scan_end(struct receive_scan *scan);

#endif
