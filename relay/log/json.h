// SPDX-License-Identifier: ISC
// A JSON string of whatever a peer, the DNS or a user wrote: jansson takes UTF-8 only (and gives NULL for the
// rest, which would lose the line).
#ifndef RELAY_LOG_JSON_H
#define RELAY_LOG_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// Never NULL. NULL counts as ""; where the text is not UTF-8, each byte that is not ASCII becomes '?'.
json_t *json_text(const char *text);
void json_put_text(json_t *object, const char *key, const char *text); // as json_text
void json_put_number(json_t *object, const char *key, int64_t n);
// A member of an object that we wrote ourselves; "", 0 or false where it is missing or of another type.
const char *json_word(const json_t *object, const char *key); // lives as long as the object
json_int_t json_number_of(const json_t *object, const char *key);
bool json_says(const json_t *object, const char *key); // true, and not only there

#endif
