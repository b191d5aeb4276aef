// SPDX-License-Identifier: ISC
// The table of keys for readers: how each is written.
#ifndef CONFIG_SCHEMA_MANUAL_H
#define CONFIG_SCHEMA_MANUAL_H

#include "config/schema.h"
#include "relay/base/buf.h"
#include "relay/base/span.h"

// What may stand there, as text; the elements of a list are parted by blanks. `path` is the key's whole name.
struct span manual_value(const struct schema_key *key, const char *path);
// The same as YAML.
void manual_example(struct buf *out, const struct schema_key *key, const char *path);

#endif
