// SPDX-License-Identifier: ISC
// What a row of `senders` may name: one address, a domain, what is below a domain, anything. Pure.
#ifndef CONFIG_PATTERN_H
#define CONFIG_PATTERN_H

#include "config/submission.h"
#include "relay/base/span.h"

// `domain` is that of the address as a lower-case A-label. Local parts compare without case and without quotes that
// say nothing.
bool pattern_matches(const struct sender_pattern *p, const char *address, const char *domain);
bool pattern_below(const char *domain, const char *parent); // really below
// Every address that `part` stands for is one of those that `whole` stands for.
bool pattern_within(const struct sender_pattern *part, const struct sender_pattern *whole);
// The row may send as whatever the pattern stands for.
bool pattern_allowed(const struct cfg_sender *row, const struct sender_pattern *p);
// The domain is, or is below, one that the row's domains name.
bool pattern_own_domain(const struct cfg_sender *row, const char *domain);
// "X-Mailer" is that field, "X-Internal-*" each one whose name begins so; any case.
bool pattern_field(const char *pattern, struct span name);
// The local part of an address as it is meant: without quotes that say nothing, its case kept. Caller frees.
char *pattern_local(const char *address);

#endif
