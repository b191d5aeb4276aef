// SPDX-License-Identifier: ISC
// Comments and white space between the words of a structured field (CFWS, RFC 5322 section 3.2.2).
#ifndef SIGN_COMMENT_H
#define SIGN_COMMENT_H

#include "relay/base/span.h"

#define MAX_COMMENT_DEPTH 50

// The length of the comment at the start of s, nested ones and parentheses included; 0: not closed.
size_t comment_length(struct span s);
// The length of a quoted string or literal at the start of s that `close` ends; 0: not closed.
size_t comment_enclosed(struct span s, unsigned char close);
// Steps over white space and comments. False: a comment is not closed.
bool comment_skip(struct span *rest);

#endif
