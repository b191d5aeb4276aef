// SPDX-License-Identifier: ISC
// Which header fields a signature covers: the list in h= (RFC 6376 sections 3.5 and 5.4.2).
// A name listed n times stands for its n lowest instances, from the bottom up; listed once more than
// there are instances, it says that no further one may be added.
#ifndef SIGN_SELECTION_H
#define SIGN_SELECTION_H

#include <stdbool.h>
#include "sign/canon.h"
#include "sign/header.h"

#define MAX_SELECTED_NAMES 300 // names in one h=; a list with more is refused

// Adds "from:to:to" to out: every name of `names` as often as it is present, one more time when it is
// in `oversign` too; then those of `oversign` that `names` does not have. Lower case.
void selection_list(const struct header *header, const char *names, const char *oversign,
                    struct buf *out);
// True when the colon-separated list has the name, in any case, white space around it ignored.
bool selection_has(struct span list, const char *name);
// True when the list has each of `names` at least as often as the header has such fields: nothing of them
// is left uncovered.
bool selection_covers(const struct header *header, struct span list, const char *names);
// Adds the listed fields in canonical form. `own` is the signature's own field, which never counts as
// listed; NULL: not in the header. -1: too many names, or over out's ceiling.
int selection_canon(enum canon canon, const struct header *header, struct span list,
                    const struct field *own, struct buf *out);
// A ceiling that holds what selection_canon may add for this header, and one more field.
size_t selection_ceiling(const struct header *header);

#endif
