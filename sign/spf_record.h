// SPDX-License-Identifier: ISC
// The text of SPF records, RFC 7208 sections 4.6.1, 5, 6 and 12: terms one after the other, and the syntax of
// macro strings. Pure: bytes in, terms out, nothing looked up.
#ifndef SIGN_SPF_RECORD_H
#define SIGN_SPF_RECORD_H

#include <stdbool.h>
#include "relay/base/span.h"

enum spf_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT, // from here on modifiers
    SPF_EXP,
    SPF_UNKNOWN // a modifier nobody knows: without effect
};

struct spf_term {
    enum spf_kind kind;
    char qualifier;            // '+', '-', '~' or '?'
    struct span text;          // as written
    struct span domain;        // its domain-spec, macros not expanded; empty: none
    unsigned char address[16]; // of ip4 (4 bytes) and ip6
    unsigned prefix4, prefix6; // prefix lengths, 32 and 128 unless written
};

// Whether a TXT record is an SPF record (section 4.5); then *terms is what follows the version.
bool spf_record_is(struct span txt, struct span *terms);
// Takes the next term off. 1: there is one, 0: the end, -1: a syntax error, term->text says where.
int spf_term_next(struct span *terms, struct spf_term *term);
// Whether the whole of it is right, with one redirect and one exp at most. Otherwise *wrong is the place.
bool spf_record_valid(struct span terms, struct span *wrong);

// One step through a macro string (section 7.1).
struct spf_macro {
    struct span literal; // bytes to copy as they are; then letter is 0
    char letter;         // 's', 'l', ... as written: upper case asks for URL escapes
    unsigned keep;       // rightmost parts to keep; 0: all
    bool reverse;
    struct span delimiters; // empty: "."
};
// Takes the next piece off. 1, 0 at the end, -1: a syntax error. `explanation` allows c, r, t and spaces.
int spf_macro_next(struct span *text, bool explanation, struct spf_macro *out);

#endif
