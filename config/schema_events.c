// SPDX-License-Identifier: ISC
// The table of keys: the sections `events`, `event_log`, `trace` and `suppress`.
#include "config/schema.h"
#include "config/value.h"

static const struct schema_key sink_keys[] = {
    {"name", KEY_TEXT, AT(cfg_sink, name), .otherwise = "the url, file or socket",
     .text = "what it is called in log, metrics and waxwing events; where it is kept, the target "
             "can change and nothing is lost or told twice"},
    {"url", KEY_TEXT, AT(cfg_sink, url),
     .text = "webhook: https://HOST/PATH, or http:// to this machine, to which events are posted"},
    {"secret_file", KEY_FILE, AT(cfg_sink, secret_file),
     .text = "webhook: file with the secret that posts are signed with (HMAC-SHA-256), see "
             "waxwing-events(7); several lines sign several times, for a change without a gap"},
    {"ca_file", KEY_FILE, AT(cfg_sink, ca_file), .otherwise = "the one of delivery",
     .text = "webhook: PEM file that its certificate must lead to"},
    {"file", KEY_PATH, AT(cfg_sink, file),
     .text = "file that gets one JSON object a line; it may be renamed at any time"},
    {"socket", KEY_PATH, AT(cfg_sink, socket),
     .text = "Unix stream socket that is connected to and gets one JSON object a line"},
    {"acknowledge", KEY_BOOL, AT(cfg_sink, acknowledge), .initial = "false",
     .text = "socket: an event counts as taken when the reader has answered with a line `ok SEQ', "
             "not when it was read; see waxwing-events(7)"},
    {"types", KEY_WORD, .list = true, MANY(cfg_sink, types.at, types.n),
     .choices = "delivered deferred failed expired held suppressed returned noted",
     .otherwise = "all", .text = "the kinds of event that it gets"},
    {"users", KEY_TEXT, .list = true, MANY(cfg_sink, users.at, users.n), .otherwise = "all",
     .text = "it gets events of mail that these submitted: a user, network:10.0.0.0/24 as the log "
             "has it, or unix:NAME"},
    {"from", KEY_SENDER, .list = true, MANY(cfg_sink, from, nfrom), .otherwise = "all",
     .text = "it gets events of mail with these envelope senders, written as in senders.from"},
    {"batch", KEY_NUMBER, AT(cfg_sink, batch), .initial = "100", .min = 1, .max = 100,
     .text = "events of one post at most, or a socket's that are not taken yet"},
    END_OF_KEYS,
};
const struct schema_group schema_sink = {sink_keys, NULL};

static const struct schema_key event_log_keys[] = {
    {"directory", KEY_PATH, AT(cfg_event_log, directory), .otherwise = "events beside the state",

     .text = "where events are kept until every sink has them, and `keep' besides"},
    {"keep", KEY_DURATION, AT(cfg_event_log, keep), .initial = "7d", .min = HOUR_MS,
     .max = 365 * DAY_MS,
     .text = "how long events are kept for waxwing events and for a receiver that was down; older "
             "ones are dropped, with an alarm where a sink has not had them"},
    {"size", KEY_SIZE, AT(cfg_event_log, size), .initial = "1GiB", .min = (uint64_t)1 << 24,
     .max = (uint64_t)1 << 50, .text = "the same by their size on disk"},
    END_OF_KEYS,
};
const struct schema_group schema_event_log = {event_log_keys, NULL};

static const struct schema_key trace_keys[] = {
    {"directory", KEY_PATH, AT(cfg_trace, directory), .otherwise = "trace beside the state",
     .flags = KEY_FIXED, .text = "where the stories of messages are kept"},
    {"keep", KEY_DURATION, AT(cfg_trace, keep), .initial = "7d", .min = HOUR_MS,
     .max = 365 * DAY_MS,
     .text = "how long; what is older goes, a sixteenth of this later at most"},
    {"size", KEY_SIZE, AT(cfg_trace, size), .initial = "2GiB", .min = 0, .max = (uint64_t)1 << 50,
     .text = "and how much of them on disk, the oldest go first; about a million plain messages "
             "fit into 2 GiB. 0: nothing is kept, and what was there goes"},
    END_OF_KEYS,
};
const struct schema_group schema_trace = {trace_keys, NULL};

static const struct schema_key suppress_keys[] = {
    {"bounces", KEY_DURATION, AT(cfg_suppress, bounces), .initial = "0s", .min = 0,
     .max = 3650 * DAY_MS,
     .text = "how long an address that a host refused for good as unknown gets no more mail from "
             "that sender domain; 0: bounces are not remembered"},
    {"files", KEY_FILE, .list = true, MANY(cfg_suppress, files.at, files.n),
     .text = "files of addresses and domains that get no mail from here, one a line; read again "
             "when they change"},
    END_OF_KEYS,
};
const struct schema_group schema_suppress = {suppress_keys, NULL};
