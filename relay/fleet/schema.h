// SPDX-License-Identifier: ISC
// The schema "waxwing" of the fleet's database: made, brought to this program's version, and asked which it has. What
// the tables are for stands where they are used.
#ifndef RELAY_FLEET_SCHEMA_H
#define RELAY_FLEET_SCHEMA_H

#include "relay/fleet/session.h"

#define SCHEMA_VERSION 8

extern const char *const schema_journal[]; // schema_journal.c; ends with NULL
extern const char *const schema_limits[];  // schema_limits.c; the same
extern const char *const schema_views[];   // schema_views.c; the same, and
extern const char *const schema_questions[];
extern const char *const schema_ledger[];     // schema_ledger.c; the same
extern const char *const schema_evacuation[]; // schema_evacuation.c; the same

enum schema_state {
    SCHEMA_READY,
    SCHEMA_OTHER, // missing, older or newer; why says what to do
    SCHEMA_FAILED // it could not be asked; why
};
enum schema_state schema_look(struct session *s, struct why *why); // which it has

// What schema_make did.
struct schema_made {
    int64_t before; // version; 0: there was none
    bool monitor;   // the node's role sees the standbys (pg_monitor)
};
// Makes what is missing, all of it or nothing, and lets `role` use it. SCHEMA_OTHER: it is newer than this program, or
// the role is not there.
enum schema_state schema_make(struct session *s, const char *role, struct schema_made *made,
                              struct why *why);

#endif
