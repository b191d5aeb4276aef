// SPDX-License-Identifier: ISC
// What the stories about filters share: a relay with one fake filter, and three kinds of clients.
#ifndef TESTS_UNIT_FILTER_STORY_H
#define TESTS_UNIT_FILTER_STORY_H

#include "relay/milter/book.h"
#include "tests/unit/fakefilter.h"
#include "tests/unit/inbound_story.h"

#define FILTER_LETTER                                                                              \
    "From: a@example.org\r\nTo: b@dest.example\r\nX-Old: one\r\nSubject: hello\r\n folded\r\n"     \
    "X-Old: two\r\n\r\nHello.\r\n"

extern struct story story;
extern struct fakefilter filter;
extern const char *filter_patience, *filter_connect; // of the next configuration
// 127.0.0.1 may send as example.org; .2 too, and no filter sees its mail; .3 forwards for example.com.
extern const char filter_senders[];
#define FILTER_REST                                                                                \
    "listen: '127.0.0.1:0'\n"                                                                      \
    "limits: {message_size: 2MiB, header_size: 8KiB, recipients: 5}\n"

char *filter_yaml(const char *more); // `more`: further keys of the filter's row
int filter_begin(void **state);
int filter_begin_accepting(void **state); // default: accept
int filter_begin_holding(void **state);   // default: quarantine
int filter_end(void **state);
void filter_mail_from(unsigned from, const char *message, const char *reply);
void filter_mail(const char *reply);
uint64_t filter_noted(enum milter_noted what);
void filter_makes_large_body(void); // of 900,000 bytes
void filter_saw(const char *line);  // it sees it, or soon will

#endif
