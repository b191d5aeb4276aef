// SPDX-License-Identifier: ISC
// A YAML document as a tree that remembers where each thing stands, and the messages about it. What
// lies between libyaml (config/load_yaml.c) and the table of keys (config/load.c).
#ifndef CONFIG_NODE_H
#define CONFIG_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include "config/load.h"

#define NODE_DEPTH    16  // levels of nesting; the table has 5
#define NODE_MESSAGES 200 // errors, and warnings, that are kept for showing

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    size_t file;         // messages_file
    size_t line, column; // both from 1
    char *text;          // scalars: the value, without NUL inside; else NULL
    bool plain;          // scalars: written without quotes
    struct node **keys;  // maps: scalars, n of them
    struct node **items; // maps and lists: the values, n of them
    size_t n;
};

struct messages; // collects, sorts by place, writes into a config_load

struct messages *messages_new(const char *path);
void messages_free(struct messages *m);
// NULL as node stands for the beginning of the file.
void messages_error(struct messages *m, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void messages_warning(struct messages *m, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// For places that are no node, in the file that is read now.
void messages_error_at(struct messages *m, size_t line, size_t column, const char *text);
bool messages_failed(const struct messages *m);
// From here on another file is read; 0, the one that messages_new was given, is read first.
void messages_begin(struct messages *m, const char *path);
size_t messages_now(const struct messages *m); // the number of the one that is read now
size_t messages_files(const struct messages *m);
const char *messages_path(const struct messages *m, size_t file);
// Where `what` stands, for a message about `from`: "line 12", or "/etc/waxwing/conf.d/a.yaml:12" of another file.
#define NODE_WHERE 4200
const char *messages_where(const struct messages *m, const struct node *from,
                           const struct node *what, char out[static NODE_WHERE]);
// Moves everything, in the order of the files, into load->errors and load->warnings.
void messages_write(struct messages *m, struct config_load *load);

// The document's tree; NULL for a file without one, or when it is no YAML (an error is then there).
// Aliases, anchors, tags, a second document and too much nesting are errors. config/load_yaml.c.
struct node *node_read(const void *text, size_t n, struct messages *m);
void node_free(struct node *node); // accepts NULL
// Behind the last one; takes over both. `key` is NULL for a list.
void node_append(struct node *parent, struct node *key, struct node *item);

// Puts what the files of the folder `folder` say, in the order of their names, into the document `root`. Rows of lists
// come behind those that are there, sections are joined; any other key that is there already is put beside it, for
// whoever reads the document to refuse. `at`: where the folder is named. config/include.c.
void include_read(struct node *root, const char *folder, const struct node *at, const char *as_user,
                  struct messages *m);

// `key:` with nothing behind it, or ~ or null without quotes.
bool node_is_null(const struct node *node);
// A map's value (or, with node_key, its key) by name; NULL if absent or if `map` is NULL or no map.
const struct node *node_get(const struct node *map, const char *name);
const struct node *node_key(const struct node *map, const char *name);
// The i-th row of a list; a single mapping or value is its own first row; NULL behind the last.
const struct node *node_row(const struct node *list, size_t i);
// True where the value is given and neither null nor an empty list.
bool node_has(const struct node *map, const char *name);

#endif
