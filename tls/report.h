// SPDX-License-Identifier: ISC
// The TLS report of one recipient domain and one UTC day (RFC 8460 section 4.4), from ledger rows. Pure: rows
// in, JSON text out; the same rows give the same text, so what `waxwing tls report` prints is what is sent.
#ifndef TLS_REPORT_H
#define TLS_REPORT_H

#include "tls/ledger.h"

#define REPORT_DETAILS                                                                             \
    1000 // failure-details of one policy; what is beyond is summed by result type

struct report_sender {
    const char *organization; // "": the host name
    const char *contact;
    const char *hostname; // makes report-id ours,
    const char *node; // and that of one node of several with this name; NULL or "": there is one
    const char *id;   // the whole of it, where it was fixed before; NULL or "": made of these
};

// `rows`: those of the view STATE_REPORT (relay/state/state.h) for one domain: successes and failures, each for
// `count` sessions. The caller frees the text.
char *report_json(const struct report_sender *sender, const char *domain, int64_t day,
                  const struct ledger_row *rows, size_t n);
// What report-id says, without brackets: one for each sender, domain and day. The caller frees.
char *report_id(const struct report_sender *sender, const char *domain, int64_t day);
// How many rows from the first on are of the same domain; rows come sorted by domain.
size_t report_rows(const struct ledger_row *rows, size_t n);

#endif
