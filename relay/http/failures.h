// SPDX-License-Identifier: ISC
// The page of TLS failures as HTML. Pure.
#ifndef RELAY_HTTP_FAILURES_H
#define RELAY_HTTP_FAILURES_H

#include "relay/base/buf.h"
#include "tls/ledger.h"

#define HTTP_FAILURES 200 // of the newest, on the page

// What a peer wrote as HTML text or attribute value: markup escaped; controls, what is not UTF-8 and what turns
// the direction of writing as U+FFFD.
void http_escape(struct span text, struct buf *out);
// `rows` as STATE_FAILURES gives them, newest first; `error`: why there are none, or NULL. A page that does not
// hold them all says so.
void http_failures(const struct ledger_rows *rows, const char *error, const char *hostname,
                   int64_t now_ms, struct buf *out);

#endif
