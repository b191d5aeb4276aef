// SPDX-License-Identifier: ISC
// The JSON text of traces, put together member by member. Cheap, since each message pays for it: no tree, no
// allocation but the buffer's own. What strangers wrote is escaped so that it can break neither the JSON nor a
// terminal that shows it raw: controls (C0, DEL, C1), marks that turn the direction of writing and separators of
// lines become \uXXXX, and what is not UTF-8 becomes U+FFFD.
//
//     text_string(&out, "host", name);   // ,"host":"…" or, where it is the first, "host":"…"
//     text_open(&out, "tls", '{'); … text_close(&out, '}');
#ifndef RELAY_TRACE_TEXT_H
#define RELAY_TRACE_TEXT_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

// Members of an object; key NULL: elements of an array. NULL and "" are left out (text_string), 0 is not.
void text_string(struct buf *out, const char *key, const char *value);
void text_bytes(struct buf *out, const char *key, struct span value); // also an empty one
void text_number(struct buf *out, const char *key, int64_t value);
void text_true(struct buf *out, const char *key, bool value);      // left out where false
void text_raw(struct buf *out, const char *key, struct span json); // a value that is JSON already
// An envelope address, masked where the log's are (log.mask).
void text_address(struct buf *out, const char *key, const char *address);
void text_open(struct buf *out, const char *key, char bracket); // '{' or '['
void text_close(struct buf *out, char bracket);
// {"name":…,"status":…,"type":…,"act":…,"text":…,"host":…,"reply":…}; left out where it is not set.
void text_why(struct buf *out, const char *key, const struct why *why);

#endif
