// SPDX-License-Identifier: ISC
// Answers to the reporter's questions (relay/report/claims.h), from the tables `book`, `ledger` and `report`. Each question
// is one transaction at most that changes something; what became of one whose COMMIT was not heard of is found by asking
// again. On the fleet's thread.
#ifndef RELAY_FLEET_CLAIM_H
#define RELAY_FLEET_CLAIM_H

#include "relay/fleet/ledger_out.h"
#include "relay/report/claims.h"

// -1 with why: the database failed, and it is not known whether the question changed anything.
int claim_ask(const struct ledger_out *self, struct session *s, const struct claim_question *q,
              struct claim_answer *out, struct why *why);

// What all nodes counted of a domain on a day; what cannot be read is left out, with an alarm that names the node. -1 with
// why: the database.
int claim_rows(struct session *s, int64_t day, const char *domain, struct ledger_rows *out,
               struct why *why);

#endif
