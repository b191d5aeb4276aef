// SPDX-License-Identifier: ISC
// One TLS report as it travels (RFC 8460 section 5): gzip, its file name, and the mail around it. Pure, but
// for the mail's new id and boundary.
#ifndef RELAY_REPORT_DOCUMENT_H
#define RELAY_REPORT_DOCUMENT_H

#include "relay/message/message.h"

#define REPORT_MEDIA_TYPE "application/tlsrpt+gzip"
#define REPORT_BYTES_MAX  33554432 // of a report, packed; and of a mail's body

struct report_document {
    const char *from;      // the address that reports come from
    const char *hostname;  // of this relay, for Message-ID
    const char *domain;    // which is reported on
    const char *report_id; // tls/report.h, without brackets
    int64_t day;
    struct span packed; // the JSON after report_pack
};

int report_pack(struct span json, struct buf *out); // gzip; -1: over out's ceiling
// A message of its own from `from` to one address (of the domain `domain`, an A-label), in memory, unsigned;
// its body may be too large to stay there. It is asked of nobody to say whether it arrived.
struct message *report_mail(const struct report_document *d, const char *address,
                            const char *domain, int64_t now_ms, int64_t expire_ms);

#endif
