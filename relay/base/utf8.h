// SPDX-License-Identifier: ISC
// UTF-8 that peers wrote: what is a character and what is not (RFC 3629 section 4).
#ifndef RELAY_BASE_UTF8_H
#define RELAY_BASE_UTF8_H

#include "relay/base/span.h"

// Length of the well-formed character at the start of s, or 0 (nothing there, or not well-formed).
size_t utf8_length(struct span s);
bool utf8_valid(struct span s); // nothing but such characters; an empty text is
// The code point of the well-formed character that s is.
uint32_t utf8_point(struct span s);
// Beyond ASCII, one that a screen obeys or that deceives its reader: C1, the marks that turn the direction of writing,
// the separators of lines and paragraphs.
bool utf8_deceives(uint32_t point);
#define UTF8_BYTE_ORDER_MARK 0xfeff // shown as nothing

#endif
