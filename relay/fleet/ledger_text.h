// SPDX-License-Identifier: ISC
// Rows of the ledger as they stand in the fleet's database: what one node counted of one domain and day. Pure.
#ifndef RELAY_FLEET_LEDGER_TEXT_H
#define RELAY_FLEET_LEDGER_TEXT_H

#include "tls/ledger.h"

#define LEDGER_TEXT_MAX 16000000 // bytes

char *ledger_text(const struct ledger_rows *rows); // the caller frees
// Appends to `out`. What another node wrote is hostile until it is read: -1 with why, and nothing was appended.
int ledger_text_read(const char *text, int64_t day, const char *domain, struct ledger_rows *out,
                     struct why *why);

#endif
