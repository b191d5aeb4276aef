// SPDX-License-Identifier: ISC
// What is known of the last deliveries of a domain as JSON: the `recent` of `waxwing explain`, of the control socket and
// of the page.
//
// {"state":"none|ok|failing", "delivered":T, "failed":T, "hosts":[{"host":"", "delivered":T, "ip":"", "tls":"",
//  "proof":"", "resumed":false, "cipher":"", "certificate":"", "key":"", "failed":T, "failures":0, "failing":false,
//  "failed_ip":"", "type":"", "status":"", "why":"", "act":"", "reason":"", "reply":"", "class":"", "local":"", "to":"",
//  "sender":"", "outcome":"", "recipient":null}],
//  "changed":[{"what":"mx|policy|tlsa|certificate|cipher", "host":"", "before":"", "now":"", "seen":T}]}; T is Unix time
// or null. What failed before a host was chosen has host "".
// "recipient" is the last one that the host refused for good, which says nothing of others: {"at":T, "ip":"",
// "status":"", "why":"", "act":"", "reason":"", "reply":"", "class":"", "local":"", "to":"", "sender":"", "outcome":""}.
// "key" is the SHA-256 of the public key that the host showed, "local" our address, "to" a recipient, "sender" the
// domain of the sender, "outcome" what became of that mail (relay/queue/met.h).
#ifndef RELAY_RECENT_RECENT_JSON_H
#define RELAY_RECENT_RECENT_JSON_H

#include <jansson.h>
#include "relay/recent/recents.h"

// Rows of one domain, for recents_each and state_recent_read.
struct recent_rows {
    struct recent_row *at;
    size_t n;
};
void recent_rows_add(const struct recent_row *row, void *rows);
void recent_rows_free(struct recent_rows *rows);

// `explanation` is what is so now; NULL: what the last attempt saw counts.
json_t *recent_json(const struct recent_rows *rows, const json_t *explanation);
// From the relay's memory, and from a state database (an empty one where it cannot be read).
json_t *recent_json_of(struct recents *recents, const char *domain, const json_t *explanation);
json_t *recent_json_file(const char *path, const char *domain, const json_t *explanation);

#endif
