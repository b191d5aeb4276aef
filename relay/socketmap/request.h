// SPDX-License-Identifier: ISC
// What Postfix asks over socketmap_table(5): netstrings, "NAME KEY" in, "OK value", "NOTFOUND " or "TEMP reason"
// out. Pure.
#ifndef RELAY_SOCKETMAP_REQUEST_H
#define RELAY_SOCKETMAP_REQUEST_H

#include "relay/base/buf.h"

#define SOCKETMAP_REQUEST_MAX 1024 // bytes of one question, without its frame
#define SOCKETMAP_REPLY_MAX   8192 // bytes of one answer

enum socketmap_state { SOCKETMAP_MORE, SOCKETMAP_READY, SOCKETMAP_BAD };

// READY: `key` is the key within `in`, `used` the bytes of the whole frame. The map's name is not looked at. BAD: no
// netstring, too long, or no key: there is no way to go on.
enum socketmap_state socketmap_request(struct span in, struct span *key, size_t *used);

// Appends `text` as a netstring.
void socketmap_frame(struct span text, struct buf *out);

#endif
