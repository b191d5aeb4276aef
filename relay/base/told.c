// SPDX-License-Identifier: ISC
// What senders are told of the reasons.
#include "relay/base/told.h"

#include <stddef.h>

#define TOLD(id, how, who, how_else, text)                                                         \
    [REASON_##id] = {.by = (how), .other = ACT_##who, .other_by = (how_else), .sender = (text)},
static const struct told rows[] = {
#include "relay/base/reasons_told.def"
};
#undef TOLD

const struct told *told_of(enum reason reason)
{
    static const struct told none = {"", ACT_NONE, "", ""};
    size_t n = sizeof rows / sizeof *rows;
    return (size_t)reason < n && rows[reason].by ? &rows[reason] : &none;
}
