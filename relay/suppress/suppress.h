// SPDX-License-Identifier: ISC
// Addresses that get no mail from here any more: because they bounced (suppress.bounces), by hand, or by a file. One
// object in a process, any thread: readers share a lock, and where the list is empty a look costs one load.
//
// An entry is an address or a whole domain, for mail from one sender domain or from anybody. Addresses compare
// without case; domains are A-labels. What bounced or was named by hand outlives a restart in the state database; what
// a file names lives as long as it is in the file.
#ifndef RELAY_SUPPRESS_SUPPRESS_H
#define RELAY_SUPPRESS_SUPPRESS_H

#include "config/config.h"
#include "relay/base/span.h"
#include "relay/base/why.h"

#define SUPPRESS_MOST   1000000 // entries, those of files apart; further ones are not taken
#define SUPPRESS_FILE   1000000 // entries of files
#define SUPPRESS_REASON 200     // bytes of a reason
#define SUPPRESS_NAME   330     // bytes of an address

struct suppress;
struct state;

enum suppress_origin { SUPPRESS_BOUNCE, SUPPRESS_HAND, SUPPRESS_IMPORT, SUPPRESS_FROM_FILE };
const char *suppress_origin_word(enum suppress_origin origin); // "bounce", "hand", "import", "file"

struct suppressed_row {
    const char *sender;  // domain; "": mail from anybody
    const char *address; // "a@example.org" or "example.org"
    enum suppress_origin origin;
    int64_t since_ms, until_ms; // wall clock; until_ms 0: for good
    const char *reason;
};

// What the state has; NULL: nothing is kept.
struct suppress *suppress_new(struct state *state);
void suppress_free(struct suppress *s); // accepts NULL
// Reads the files; one that cannot be read leaves what it had, with an alarm.
void suppress_reload(struct suppress *s, const struct config *config);

// Whether mail from this envelope sender to this address (its domain an A-label) is suppressed; out: why.
bool suppress_find(struct suppress *s, const char *from, const char *address, const char *domain,
                   char out[static SUPPRESS_REASON]);
// A host refused the address of this sender's mail for good: remembered where the configuration says so, and the
// reason is that there is no such mailbox. NULL: nothing.
void suppress_bounced(struct suppress *s, const char *from, const char *address, const char *domain,
                      const struct why *why);

// Text as people write it: an address or a domain. 0 and out in the form that entries have, or -1 with why.
int suppress_name(struct span text, char out[static SUPPRESS_NAME], struct why *why);
// In the place of one of that sender and address. How many were taken; fewer: the list is full.
size_t suppress_add(struct suppress *s, const struct suppressed_row *rows, size_t n);
bool suppress_remove(struct suppress *s, const char *sender,
                     const char *address); // false: was not there
// What another relay of the fleet has on its list; it may only lengthen what is here. And what was taken out there: an
// entry that began at `until_ms` or before.
void suppress_hear(struct suppress *s, const struct suppressed_row *row);
void suppress_hear_removed(struct suppress *s, const char *sender, const char *address,
                           int64_t until_ms);
size_t suppress_count(struct suppress *s);
// Up to n entries behind *mark (0: from the first), by age; *mark moves on. False: there are no more. Those of files are
// not among them. `each` is called under the lock and is quick.
bool suppress_each(struct suppress *s, uint64_t *mark, size_t n,
                   void (*each)(const struct suppressed_row *row, void *arg), void *arg);

#endif
