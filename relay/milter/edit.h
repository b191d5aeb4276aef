// SPDX-License-Identifier: ISC
// What filters change in a header: fields added, inserted, replaced, removed. Pure. Whatever a value holds, it
// stays one field: line ends in it fold, and what could end the header or begin another field goes.
#ifndef RELAY_MILTER_EDIT_H
#define RELAY_MILTER_EDIT_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

// Header fields with or without the empty line. `changes` are packets one after the other, as they came and
// milter_take read them; those that are not about the header are passed over. `leading_space`: a value begins
// right behind the colon (MILTER_LEADING_SPACE). *header becomes what they make of it, max bytes at most; -1:
// it stays as it was.
int milter_edit(struct buf *header, struct span changes, bool leading_space, size_t max,
                struct why *why);

#endif
