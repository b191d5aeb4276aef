// SPDX-License-Identifier: ISC
// The table of keys: the section `fleet`.
#include "config/schema.h"

static const struct schema_key fleet_keys[] = {
    {"database", KEY_TEXT, AT(cfg_fleet, database), .flags = KEY_REQUIRED,
     .text = "the PostgreSQL database that the nodes share, postgresql://USER@HOST:PORT/NAME; "
             "several hosts, parted by commas, are tried in turn, and the one that can be written "
             "is used"},
    {"name", KEY_TEXT, AT(cfg_fleet, name), .otherwise = "the hostname",
     .text = "what this node is called; no two nodes have one name"},
    {"password_file", KEY_FILE, AT(cfg_fleet, password_file), .flags = KEY_EMPTY,
     .text = "file with the password of USER, read again for each connection"},
    {"ca_file", KEY_FILE, AT(cfg_fleet, ca_file), .otherwise = "the one of delivery",
     .text = "PEM file that the server's certificate must lead to, with the name of HOST in it; "
             "only a Unix socket and a loopback address do without TLS"},
    {"spool", KEY_CHOICE, AT(cfg_fleet, spool), .choices = "off required preferred",
     .initial = "off",
     .text = "required: each 250 means the database, too, and another node or a new disk can go on "
             "with the mail; without the database no mail is taken. preferred: while the database "
             "is away, new mail is taken on this disk alone; see waxwing-fleet(8)"},
    {"lease", KEY_DURATION, AT(cfg_fleet, lease), .initial = "10s", .min = 1000, .max = 30000,
     .text = "with spool: required or preferred, how long this node goes on without having told "
             "the database "
             "that it lives; afterwards it ends, and another may take its mail over"},
    END_OF_KEYS,
};
const struct schema_group schema_fleet = {fleet_keys, NULL};
