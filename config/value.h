// SPDX-License-Identifier: ISC
// One value of the configuration at a time: text in, value or why out, and back to text. Pure: no
// file, no clock, no lookup. `why.text` says what is wrong with the text in words for the operator
// (it quotes the text, made safe for a terminal); the caller knows where the text stands.
//
// Every parser leaves *out alone when it fails; what it allocates belongs to the caller.
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/config.h"
#include "relay/base/buf.h"
#include "relay/base/why.h"

#define VALUE_QUOTE 96 // bytes of a quoted excerpt
#define VALUE_TEXT  80 // bytes that hold any address, hop-free, or number as text

#define SECOND_MS ((uint64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

// The text between single quotes, control characters as \xHH, cut where it is long. Returns out.
const char *value_quote(struct span text, char out[VALUE_QUOTE]);

// value.c: numbers and times.
int value_bool(struct span text, bool *out, struct why *why);
int value_number(struct span text, uint64_t min, uint64_t max, uint64_t *out, struct why *why);
int value_duration(struct span text, uint64_t *ms, struct why *why); // "90s", "15m", "0"
int value_size(struct span text, uint64_t *bytes, struct why *why);  // "64KiB", "4096"
int value_rate(struct span text, struct rate *out, struct why *why); // "1000/h", "5/10m", "0"
// "2027-03-31" gives the last second of that day (UTC), "never" INT64_MAX.
int value_until(struct span text, int64_t *last, struct why *why);
// The place of text among space-separated words, or -1 with why naming them.
int value_choice(struct span text, const char *words, struct why *why);

void value_duration_text(uint64_t ms, char out[VALUE_TEXT]);
void value_size_text(uint64_t bytes, char out[VALUE_TEXT]);
void value_rate_text(struct rate rate, char out[VALUE_TEXT]);
void value_until_text(int64_t last, char out[VALUE_TEXT]);

// value_name.c: names and what is made of them. *out is a new string.
int value_text(struct span text, char **out, struct why *why);     // no control characters
int value_domain(struct span text, char **out, struct why *why);   // A-labels; not an address
int value_host(struct span text, char **out, struct why *why);     // a domain without underscore
int value_rule(struct span text, char **out, struct why *why);     // domain, "*.domain" or "*"
int value_mailbox(struct span text, char **out, struct why *why);  // local@domain, no brackets
int value_selector(struct span text, char **out, struct why *why); // labels joined by dots
int value_pin(struct span text, char **out, struct why *why); // sha256: and 32 bytes, hex or base64
int value_sender(struct span text, struct sender_pattern *out, struct why *why);
void value_sender_text(const struct sender_pattern *pattern, struct buf *out);

// value_address.c: addresses. Port 0 in *out where the text has none.
enum value_port { PORT_NONE, PORT_OPTIONAL, PORT_REQUIRED };
// "192.0.2.1", "2001:db8::1", "192.0.2.1:25", "[2001:db8::1]:25".
int value_endpoint(struct span text, enum value_port port, struct sockaddr_storage *out,
                   struct why *why);
// The path of a Unix socket: absolute, and no longer than the kernel takes.
int value_unix(struct span path, struct sockaddr_storage *out, struct why *why);
void value_endpoint_text(const struct sockaddr_storage *address, char out[VALUE_TEXT]);
int value_network(struct span text, struct network *out, struct why *why);
void value_network_text(const struct network *network, char out[VALUE_TEXT]);
int value_hop(struct span text, struct cfg_next_hop *out, struct why *why);
void value_hop_text(const struct cfg_next_hop *hop, struct buf *out);

// value_url.c: where something is asked or posted over HTTPS. Owned texts.
struct value_url {
    char *host; // A-label
    uint16_t port;
    char *path; // with its query; "/" at least
};
int value_url(struct span text, struct value_url *out, struct why *why);
void value_url_free(struct value_url *url);

#endif
