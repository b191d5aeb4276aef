// SPDX-License-Identifier: ISC
// A run of bytes that somebody else owns: pointer and length, passed by value. What parsers take and
// give. Comparisons without case fold ASCII only, as mail and DNS do, whatever the locale.
#ifndef RELAY_BASE_SPAN_H
#define RELAY_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const unsigned char *p;
    size_t n;
};

struct span span_of(const void *bytes, size_t n);
struct span span_text(const char *text); // NULL counts as ""
bool span_is(struct span s, const char *text);
bool span_is_nocase(struct span s, const char *text);
bool span_equal(struct span a, struct span b);
bool span_equal_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span s, const char *prefix);
bool span_ends_nocase(struct span s, const char *suffix);
struct span span_from(struct span s, size_t start); // the rest behind start (start <= n)
struct span span_slice(struct span s, size_t start, size_t end);
struct span span_trim(struct span s); // without SP, HT, CR, LF at both ends
bool span_cut(struct span s, char at, struct span *head, struct span *tail); // at the first `at`
ptrdiff_t span_find(struct span s, char c);                                  // index or -1
// A decimal number that is all of s and at most max.
bool span_number(struct span s, uint64_t max, uint64_t *value);
char *span_dup(struct span s);       // NUL-terminated copy, caller frees
char *span_dup_lower(struct span s); // the same in lower case

int ascii_lower(int c);
bool ascii_is_alpha(int c);
bool ascii_is_digit(int c);
bool ascii_is_alnum(int c);
bool ascii_is_space(int c); // SP, HT, CR, LF

#endif
