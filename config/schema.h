// SPDX-License-Identifier: ISC
// The one table of every key: name, type, unit, default, range, whether a reload applies it, whether
// anything serves it, and one sentence. The YAML reader, `--print-config`, the manual page and the
// release of a configuration all walk it; a new key is one new row (and its field in config.h).
//
// A key stands in a group (a YAML mapping). Its field lies `offset` bytes into the group's struct; a
// nested group may share its parent's struct (offset 0). A list is a pointer field and a count field.
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/config.h"

enum schema_type {
    // char *
    KEY_TEXT,     // one line of text
    KEY_WORD,     // one of `choices`, kept as text
    KEY_HOST,     // host name
    KEY_DOMAIN,   // domain, U-labels converted
    KEY_RULE,     // domain, "*.domain" or "*"
    KEY_MAILBOX,  // mail address
    KEY_SELECTOR, // DKIM selector
    KEY_PIN,      // sha256: and a digest
    KEY_PROBE,    // domain, "." or the word off (kept as "")
    KEY_HTTP,     // address and port, "" for off
    KEY_FILE,     // a file that is read: made absolute, checked
    KEY_PATH,     // a path that the relay makes: made absolute
    // values
    KEY_BOOL,     // bool
    KEY_SWITCH,   // bool: the first choice is false, the second true
    KEY_CHOICE,   // an enum or int: the first choice is `base`, the next base + 1 ...
    KEY_NUMBER,   // uint64_t
    KEY_PORT,     // uint16_t
    KEY_DURATION, // uint64_t, milliseconds
    KEY_SIZE,     // uint64_t, bytes
    KEY_RATE,     // struct rate
    KEY_UNTIL,    // int64_t, the last second
    KEY_FAMILY,   // int, AF_INET or AF_INET6
    KEY_ADDRESS,  // struct sockaddr_storage without port
    KEY_SERVER,   // struct sockaddr_storage, port 0 where none is written
    KEY_LISTEN,   // struct cfg_listen: its address and text
    KEY_SOCKET,   // struct cfg_socket
    KEY_NETWORK,  // struct network
    KEY_SENDER,   // struct sender_pattern
    KEY_HOP,      // struct cfg_next_hop
    // structure
    KEY_GROUP, // a mapping
    KEY_ROWS   // a list of mappings; a single mapping counts as a list of one
};

// What a key may be beside its type.
enum schema_flag {
    KEY_REQUIRED = 1,   // its mapping is an error without it
    KEY_EMPTY = 2,      // "" is a value
    KEY_FIXED = 4,      // a reload does not apply it
    KEY_SECOND = 8,     // another spelling of a key that is printed under its first name
    KEY_RECURSIVE = 16, // a file that only the recursive resolver reads
    KEY_UNPRINTED = 32  // says where other keys stand, which are printed
};

struct schema_group;

struct schema_key {
    const char *name;
    enum schema_type type;
    bool list;             // a list of such values; a single value counts as a list of one
    size_t offset;         // of the field in the group's struct
    size_t count;          // lists and rows: offset of the count; SCHEMA_NONE for a fixed array
    size_t size;           // lists and rows: bytes of an element
    size_t capacity;       // fixed arrays: elements; zero bytes mark the unused
    size_t written;        // offset of a bool that becomes true where the key is given; or NONE
    size_t word_field;     // offset of a bool that is true for the word `word` instead; or NONE
    const char *word;      // instead of a list
    const char *initial;   // default as text, list elements parted by spaces; NULL: none
    const char *otherwise; // the default in words, where it is computed
    uint64_t min, max;     // numbers, in the unit kept
    const char *choices;   // words parted by spaces
    int base;
    const struct schema_group *group;
    unsigned flags;
    const char *text; // one sentence, lower case, without final full stop
};

#define SCHEMA_NONE ((size_t)-1)

struct schema_group {
    const struct schema_key *keys; // ends with a row without name
    const char *short_key;         // a plain value instead of a mapping gives this key; or NULL
};

// schema_next_hop.c: struct cfg_source, cfg_login (both the login and its oauth), cfg_certificate.
extern const struct schema_group schema_source, schema_login, schema_oauth, schema_identity;
extern const struct schema_group schema_top;      // struct config
extern const struct schema_group schema_jumps;    // struct cfg_jumps, schema_jumps.c
extern const struct schema_group schema_delivery; // struct cfg_delivery, schema_delivery.c
extern const struct schema_group schema_auth;     // struct cfg_auth, schema_auth.c
// schema_rewrite.c: struct cfg_rewrite, and struct cfg_return twice.
extern const struct schema_group schema_rewrite, schema_srs, schema_verp;
extern const struct schema_group schema_milter; // struct cfg_milter, schema_milter.c
// schema_events.c: struct cfg_sink, cfg_event_log, cfg_trace, cfg_suppress
extern const struct schema_group schema_sink, schema_event_log, schema_trace, schema_suppress;
extern const struct schema_group schema_fleet; // struct cfg_fleet, schema_fleet.c

// The group's row of that name, or NULL.
const struct schema_key *schema_find(const struct schema_group *group, const char *name, size_t n);
// The name that somebody who wrote `name` most likely meant, from this group; NULL: nothing is near.
const char *schema_suggest(const struct schema_group *group, const char *name);
// The path of the first key of that name anywhere in the table ("delivery.tls_min"); false: nowhere.
bool schema_elsewhere(const char *name, char *path, size_t size);

// Rows are written with these, so that the rest of a row is what differs.
#define AT(type_, member_)                                                                         \
    .offset = offsetof(struct type_, member_), .count = SCHEMA_NONE, .written = SCHEMA_NONE,       \
    .word_field = SCHEMA_NONE
#define MANY(type_, member_, count_)                                                               \
    .offset = offsetof(struct type_, member_), .count = offsetof(struct type_, count_),            \
    .size = sizeof(*((struct type_ *)0)->member_), .written = SCHEMA_NONE,                         \
    .word_field = SCHEMA_NONE
#define SHARED .offset = 0, .count = SCHEMA_NONE, .written = SCHEMA_NONE, .word_field = SCHEMA_NONE
#define END_OF_KEYS                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#endif
