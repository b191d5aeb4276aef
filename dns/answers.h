// SPDX-License-Identifier: ISC
// The answer file (`--dns-file`): a DNS written down in JSON, for tests and what-if questions.
//
//     {"records": {"NAME": {"TXT": ["one" | ["chunk", "chunk"]], "A": [..], "AAAA": [..],
//                           "MX": [[10, "host"]], "TLSA": ["3 1 1 hex"], "CNAME": [..], "PTR": [..]}},
//      "errors": {"NAME|TYPE" | "NAME|*": "NXDOMAIN|NODATA|SERVFAIL|TIMEOUT|BOGUS|REFUSED"},
//      "secure": ["NAME" | "NAME|TYPE" | "*"], "insecure": [..],
//      "https": {"host": {"status": 200, "type": "text/plain", "body": ".."} | {"error": ".."}}}
//
// CNAMEs are followed; a chain is secure when every hop is. An unknown name is NXDOMAIN, unless names
// below it are known; another type of a known name is NODATA. An error for NAME|TYPE stands before
// records, one for NAME|* behind them: it is what every type without records answers. The most
// specific of secure and insecure counts, insecure where both say the same; nothing said is insecure.
// TTL 60. Once loaded it is immutable and may be asked from any thread.
#ifndef DNS_ANSWERS_H
#define DNS_ANSWERS_H

#include "dns/answer.h"

#define ANSWERS_FILE_SIZE 67108864 // bytes, the largest answer file read
#define ANSWERS_TTL       60       // seconds

struct answers;

// NULL with why: the file cannot be read, is no JSON, or has something that means nothing.
struct answers *answers_load(const char *path, struct why *why);
struct answers *answers_parse(const char *text, size_t n, struct why *why);
void answers_free(struct answers *answers); // accepts NULL

// Never NULL; the caller owns the reference. The name in any case, with or without final dot.
struct dns_answer *answers_ask(const struct answers *answers, const char *name, uint16_t type);

// What the host would answer over HTTPS; false where the file does not list it. `error` "" on success.
bool answers_https(const struct answers *answers, const char *host, int *status, const char **type,
                   const char **body, const char **error);

#endif
