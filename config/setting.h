// SPDX-License-Identifier: ISC
// The fields behind the table of keys: set one from text, write one as YAML, give a whole group its
// defaults, release it. `base` is always the struct of the key's group, `field` the place in it (or
// an element of a list). No file is opened here.
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H

#include "config/schema.h"
#include "relay/base/buf.h"
#include "relay/base/why.h"

// Sets a field from text; what it held before is released. Paths become absolute: relative ones
// start in `folder`. On -1 the field is as it was.
int setting_parse(const struct schema_key *key, struct span text, const char *folder, void *field,
                  struct why *why);
// One value as YAML (flow style). Nothing is added where the value is absent and has no spelling.
void setting_print(const struct schema_key *key, const void *field, struct buf *out);

void *setting_field(const struct schema_key *key, void *base);
// The bool that `offset` (of schema_key.written or .word_field) names, or NULL.
bool *setting_flag(size_t offset, void *base);

// Lists and rows.
size_t setting_count(const struct schema_key *key, const void *base);
void *setting_element(const struct schema_key *key, void *base, size_t i);
// A new last element, zeroed (a row's defaults set); NULL where a fixed array is full.
void *setting_add(const struct schema_key *key, void *base);
void setting_empty(const struct schema_key *key, void *base); // releases all elements

// From zeroed memory to every default that is not computed; text without one becomes "".
void setting_defaults(const struct schema_group *group, void *base);
// Text that the above left "" becomes `value`, which is taken over; else that is freed.
void setting_fill_in(char **field, char *value);
void setting_release(const struct schema_group *group, void *base);

// A configuration with those defaults and one reference. config/config.c.
struct config *config_new(void);

#endif
