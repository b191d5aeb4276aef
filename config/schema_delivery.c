// SPDX-License-Identifier: ISC
// The table of keys: the section `delivery`.
#include "config/schema.h"
#include "config/value.h"

static const struct schema_key memory_keys[] = {
    {"level", KEY_CHOICE, AT(cfg_delivery, memory), .choices = "off tls certificate",
     .initial = "tls",
     .text = "what a host has proved it must prove again: nothing, that it does TLS, or that its "
             "certificate is good too"},
    {"days", KEY_NUMBER, AT(cfg_delivery, memory_days), .initial = "30", .min = 1, .max = 3650,
     .text = "days that a proof is remembered"},
    END_OF_KEYS,
};
static const struct schema_group memory_group = {memory_keys, NULL};

#define COUNT .min = 1, .max = 1000000
static const struct schema_key connection_keys[] = {
    {"per_site", KEY_NUMBER, AT(cfg_delivery, per_site), .initial = "20", COUNT,
     .text = "connections at once to one site (all domains with the same MX hosts)"},
    {"per_host", KEY_NUMBER, AT(cfg_delivery, per_host), .initial = "20", COUNT,
     .text = "connections at once to one host"},
    {"total", KEY_NUMBER, AT(cfg_delivery, total), .initial = "1000", COUNT,
     .text = "connections at once in all"},
    {"messages", KEY_NUMBER, AT(cfg_delivery, messages), .initial = "100", COUNT,
     .text = "messages over one connection before it is closed"},
    {"in_flight", KEY_NUMBER, AT(cfg_delivery, in_flight), .initial = "1", .min = 1, .max = 8,
     .text = "messages whose answers are awaited on one connection, at most. With 1 the next "
             "message's commands go out behind the last one's end; more goes out whole where the "
             "host takes CHUNKING. Either way only to hosts whose answers have shown for some "
             "messages that they can be told apart, and not for a month after one went astray"},
    {"idle", KEY_DURATION, AT(cfg_delivery, idle), .initial = "15s", .min = 0, .max = 5 * MINUTE_MS,
     .text = "how long a connection is kept for the next message"},
    END_OF_KEYS,
};
static const struct schema_group connection_group = {connection_keys, NULL};

static const struct schema_key shaping_keys[] = {
    {"learn", KEY_BOOL, AT(cfg_delivery, shaping.learn), .initial = "true",
     .text = "whether connections and pace of a site follow what it says; false: the ceilings hold "
             "as they are, and only a site that is away is left alone"},
    {"start", KEY_NUMBER, AT(cfg_delivery, shaping.start), .initial = "2", COUNT,
     .text = "connections at once to a site of which nothing is known"},
    {"rate", KEY_RATE, AT(cfg_delivery, shaping.rate), .initial = "0",
     .text = "messages to one site in a time, at most; 0: no ceiling"},
    {"keep", KEY_DURATION, AT(cfg_delivery, shaping.keep), .initial = "30d", .min = HOUR_MS,
     .max = 3650 * DAY_MS, .text = "how long what was learned of a site that is not used is kept"},
    END_OF_KEYS,
};
static const struct schema_group shaping_group = {shaping_keys, NULL};

#define TIMEOUT .min = SECOND_MS, .max = HOUR_MS
static const struct schema_key timeout_keys[] = {
    {"connect", KEY_DURATION, AT(cfg_delivery, connect), .initial = "30s", TIMEOUT,
     .text = "for a connection to be made"},
    {"greeting", KEY_DURATION, AT(cfg_delivery, greeting), .initial = "5m", TIMEOUT,
     .text = "for the first reply"},
    {"command", KEY_DURATION, AT(cfg_delivery, command), .initial = "5m", TIMEOUT,
     .text = "for the reply to a command"},
    {"data", KEY_DURATION, AT(cfg_delivery, data), .initial = "10m", TIMEOUT,
     .text = "for the reply to the final dot"},
    END_OF_KEYS,
};
static const struct schema_group timeout_group = {timeout_keys, NULL};

#define TLS_WORDS "opportunistic encrypt webpki"
static const struct schema_key destination_keys[] = {
    {"domain", KEY_RULE, AT(cfg_destination, domain), .flags = KEY_REQUIRED,
     .text = "the recipient domain; *.example.org is what is below it, * every other"},
    {"tls", KEY_CHOICE, .offset = offsetof(struct cfg_destination, tls), .count = SCHEMA_NONE,
     .written = offsetof(struct cfg_destination, has_tls), .word_field = SCHEMA_NONE,
     .choices = TLS_WORDS " dane", .otherwise = "delivery.tls",
     .text = "what a connection must prove at least; with until and reason it replaces all other "
             "policy, without it can only raise the demand"},
    {"until", KEY_UNTIL, AT(cfg_destination, until),
     .text = "an exception: the last day (UTC) on which it counts, or never"},
    {"reason", KEY_TEXT, AT(cfg_destination, reason), .text = "an exception: why it is made"},
    {"next_hop", KEY_HOP, .list = true, MANY(cfg_destination, next_hops, nnext_hops),
     .otherwise = "the domain's MX",
     .text = "where the mail goes instead, tried in order: a name is looked up (MX), [name] or "
             "[address] is that host, :465 means implicit TLS"},
    {"names", KEY_HOST, .list = true, MANY(cfg_destination, names.at, names.n),
     .text = "with tls: webpki: the names of which the certificate must bear one"},
    {"ca_file", KEY_FILE, AT(cfg_destination, ca_file), .otherwise = "delivery.ca_file",
     .text = "PEM file of the certificate authorities that count here"},
    {"pin", KEY_PIN, .list = true, MANY(cfg_destination, pins.at, pins.n),
     .text = "sha256: and the SHA-256 of a public key (SPKI), hex or base64; one of them must "
             "match"},
    {"auth", KEY_GROUP, AT(cfg_destination, login), .group = &schema_login,
     .text = "log in there; done only after a webpki, dane or pinned proof"},
    {"certificate", KEY_GROUP, AT(cfg_destination, identity), .group = &schema_identity,
     .text = "the certificate to show where the host asks for one"},
    {"oauth", KEY_GROUP, AT(cfg_destination, login), .group = &schema_oauth, .flags = KEY_SECOND,
     .text = "the same with a token instead of a password"},
    {"connections", KEY_NUMBER, AT(cfg_destination, connections), .initial = "0", .min = 0,
     .max = 1000000,
     .text = "connections at once to its site, at most; 0: delivery.connections.per_site"},
    {"rate", KEY_RATE, AT(cfg_destination, rate), .initial = "0",
     .text = "messages to its site in a time, at most; 0: delivery.shaping.rate"},
    {"mode", KEY_CHOICE, AT(cfg_destination, mode), .base = -1, .choices = "default enforce shadow",
     .initial = "default", .text = "as delivery.mode, for this destination; default: that one"},
    END_OF_KEYS,
};
static const struct schema_group destination_group = {destination_keys, NULL};

static const struct schema_key delivery_keys[] = {
    {"tls", KEY_CHOICE, AT(cfg_delivery, tls), .choices = TLS_WORDS, .initial = "encrypt",
     .text = "what a connection must prove where neither DANE nor MTA-STS speaks: nothing, "
             "encryption, or a trusted certificate with the right name"},
    {"mode", KEY_CHOICE, AT(cfg_delivery, mode), .choices = "enforce shadow", .initial = "enforce",
     .text = "shadow: decide as usual, deliver opportunistically, record what would have been "
             "refused"},
    {"memory", KEY_GROUP, SHARED, .group = &memory_group,
     .text = "what is remembered of hosts seen before"},
    {"ca_file", KEY_FILE, AT(cfg_delivery, ca_file),
     .initial = "/etc/ssl/certs/ca-certificates.crt",
     .text = "PEM file of the certificate authorities that count, for MX hosts and for the hosts "
             "of MTA-STS policies; no other store does"},
    {"tls_min", KEY_WORD, AT(cfg_delivery, tls_min), .choices = "1.2 1.3", .initial = "1.2",
     .text = "the oldest TLS version used"},
    {"tls_priority", KEY_TEXT, AT(cfg_delivery, tls_priority), .flags = KEY_EMPTY,
     .text = "a GnuTLS priority string that replaces the built-in one"},
    {"port", KEY_PORT, AT(cfg_delivery, port), .initial = "25", .min = 1, .max = 65535,
     .text = "the port of MX hosts"},
    {"families", KEY_FAMILY, .list = true, AT(cfg_delivery, families), .size = sizeof(int),
     .capacity = 2, .choices = "ipv6 ipv4", .initial = "ipv6 ipv4",
     .text = "address families to connect over, the preferred one first"},
    {"source", KEY_ROWS, MANY(cfg_delivery, sources, nsources), .group = &schema_source,
     .otherwise = "the system's choice",
     .text = "addresses that connections come from, each with its EHLO name; of several of a "
             "family each site gets one, always the same while it is on this machine"},
    {"refuse_addresses", KEY_NETWORK, .list = true,
     .offset = offsetof(struct cfg_delivery, refuse.at),
     .count = offsetof(struct cfg_delivery, refuse.n), .size = sizeof(struct network),
     .written = SCHEMA_NONE, .word_field = offsetof(struct cfg_delivery, refuse_default),
     .word = "default", .initial = "default",
     .text = "networks that no MX, policy host or report target may lie in; default: loopback, "
             "link-local, multicast, unspecified, private and our own; [] refuses none"},
    {"address_literals", KEY_BOOL, AT(cfg_delivery, address_literals), .initial = "false",
     .text = "whether recipients such as user@[192.0.2.1] are taken"},
    {"retry", KEY_DURATION, .list = true, MANY(cfg_delivery, retry, nretry),
     .initial = "5m 10m 20m 40m 1h 2h 4h", .min = SECOND_MS, .max = 30 * DAY_MS,
     .text = "waits between attempts; the last one repeats"},
    {"expire", KEY_DURATION, AT(cfg_delivery, expire), .initial = "5d", .min = MINUTE_MS,
     .max = 100 * DAY_MS, .text = "how long a message is tried before it bounces"},
    {"warn_after", KEY_DURATION, AT(cfg_delivery, warn_after), .initial = "4h", .min = 0,
     .max = 100 * DAY_MS, .text = "when the sender hears of a delay; 0: never"},
    {"tls_warn_after", KEY_DURATION, AT(cfg_delivery, tls_warn_after), .initial = "30m", .min = 0,
     .max = 100 * DAY_MS, .text = "the same where TLS policy is what holds the message; 0: never"},
    {"connections", KEY_GROUP, SHARED, .group = &connection_group,
     .text = "how many connections are made"},
    {"shaping", KEY_GROUP, SHARED, .group = &shaping_group,
     .text = "how the flow to a site follows what the site says: waxwing-sites(8)"},
    {"timeouts", KEY_GROUP, SHARED, .group = &timeout_group, .text = "how long peers may take"},
    {"smarthost", KEY_HOP, .list = true, MANY(cfg_delivery, smarthost, nsmarthost),
     .otherwise = "none: every domain's MX",
     .text = "next hops for everything, tried in order, written as next_hop"},
    {"destinations", KEY_ROWS, MANY(cfg_delivery, destinations, ndestinations),
     .group = &destination_group, .text = "rules for single destinations"},
    END_OF_KEYS,
};
const struct schema_group schema_delivery = {delivery_keys, NULL};
