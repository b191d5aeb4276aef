// SPDX-License-Identifier: ISC
// Owned by reply_class.c, which reads the table of reply_patterns.c from its first row to its last.
#ifndef RELAY_SMTP_REPLY_INSIDE_H
#define RELAY_SMTP_REPLY_INSIDE_H

#include "relay/smtp/reply_class.h"

#define PATTERN_WORDS 3

// Every condition that is given must hold. Words are in lower case with single spaces, and are looked for anywhere in
// the reply's text, which has a space before and behind it and neither addresses nor enhanced codes in it.
struct reply_pattern {
    const char *rule;
    enum reply_class class;
    bool throttle;
    char digit;         // first of the reply code: '4' or '5'; 0: any
    const char *status; // "4.7.28"; "x.7.28": of any class; NULL: any or none
    const char *words[PATTERN_WORDS];
};
extern const struct reply_pattern reply_patterns[];
extern const unsigned reply_npatterns;

// What an enhanced code means by itself, its class aside.
struct reply_enhanced {
    const char *detail; // ".1.1"
    enum reply_class class;
    const char *rule;
};
extern const struct reply_enhanced reply_enhanced[];
extern const unsigned reply_nenhanced;

#endif
