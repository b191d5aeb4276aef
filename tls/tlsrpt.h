// SPDX-License-Identifier: ISC
// The TLS-RPT record of a domain as text (RFC 8460 section 3): where its reports go. Pure.
#ifndef TLS_TLSRPT_H
#define TLS_TLSRPT_H

#include <stdbool.h>
#include "config/config.h"
#include "relay/base/span.h"
#include "relay/base/why.h"

#define TLSRPT_MAX_RUA 32 // report addresses of one record

// txts: every TXT record of _smtp._tls.DOMAIN, each with its strings joined. 0 with *found false: no TLSRPTv1
// record, or several, which count as none (why then says so). 0 with *found true: rua has the addresses,
// mailto: and https: only, as written; others are passed over. -1: the one record has no address to report
// to; why says what is wrong. Release rua with tlsrpt_rua_free.
int tlsrpt_record_parse(const struct span *txts, size_t n, struct strings *rua, bool *found,
                        struct why *why);
void tlsrpt_rua_free(struct strings *rua); // leaves it empty

#endif
