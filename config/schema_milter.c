// SPDX-License-Identifier: ISC
// The table of keys: a row of `milters`.
#include "config/schema.h"
#include "config/value.h"

#define PATIENCE .min = SECOND_MS, .max = HOUR_MS

static const struct schema_key timeout_keys[] = {
    {"connect", KEY_DURATION, AT(cfg_milter, connect), .initial = "30s", PATIENCE,
     .text = "how long connecting to it may take"},
    {"command", KEY_DURATION, AT(cfg_milter, command), .initial = "30s", PATIENCE,
     .text = "how long it may take to answer one step before the end of the message"},
    {"content", KEY_DURATION, AT(cfg_milter, content), .initial = "5m", PATIENCE,
     .text = "how long it may be silent once it has the whole message; all filters of a message "
             "together have nine minutes, since clients wait for ten"},
    END_OF_KEYS,
};
static const struct schema_group timeout_group = {timeout_keys, NULL};

static const struct schema_key milter_keys[] = {
    {"name", KEY_TEXT, AT(cfg_milter, name), .flags = KEY_REQUIRED,
     .text = "what senders.milters, the log and the metrics call it"},
    {"address", KEY_SOCKET, AT(cfg_milter, socket), .flags = KEY_REQUIRED,
     .text = "where it listens: IP:PORT, [IP6]:PORT or unix:/run/filter.sock"},
    {"connections", KEY_NUMBER, AT(cfg_milter, connections), .initial = "100", .min = 1,
     .max = 10000,
     .text =
         "how many messages it is asked about at once; others wait in line for timeouts.connect "
         "at most"},
    {"timeouts", KEY_GROUP, SHARED, .group = &timeout_group, .text = "how long it is waited for"},
    {"default", KEY_CHOICE, AT(cfg_milter, on_failure), .choices = "tempfail accept quarantine",
     .initial = "tempfail",
     .text = "what becomes of a message when it cannot be asked, does not answer in time or "
             "answers nonsense: tempfail tells the client to come again, accept goes on without "
             "it, quarantine takes the message and holds it"},
    END_OF_KEYS,
};
const struct schema_group schema_milter = {milter_keys, NULL};
