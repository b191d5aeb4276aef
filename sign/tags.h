// SPDX-License-Identifier: ISC
// Tag lists ("a=rsa-sha256; d=example.org"), RFC 6376 section 3.2: what DKIM-Signature, the ARC fields, key
// records and DMARC records are made of. Names are case-sensitive. A list in which a name comes twice,
// or with an empty place that is not at the end, is no tag list.
#ifndef SIGN_TAGS_H
#define SIGN_TAGS_H

#include <stdbool.h>
#include "relay/base/span.h"

#define MAX_TAGS 64 // in one list; real ones have about a dozen

struct tag {
    struct span name;
    struct span value; // without white space around it
    struct span raw;   // all between "=" and ";"
};

struct tags {
    struct tag at[MAX_TAGS];
    size_t n;
};

bool tags_parse(struct span text, struct tags *out);                    // false: no tag list
const struct tag *tags_find(const struct tags *tags, const char *name); // NULL: not there
bool tags_is(const struct tags *tags, const char *name, const char *value);
// True when the value, a list with `separator`, has the word (case-sensitive, white space around ignored).
bool tag_lists(struct span value, char separator, const char *word);

#endif
