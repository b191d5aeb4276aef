// SPDX-License-Identifier: ISC
// `include`: the documents of a folder's files joined into one. What may be joined is what the table of keys says: a
// section, and a list of rows. Included files include nothing, so that there is one place that says what is read.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "config/file.h"
#include "config/node.h"
#include "config/schema.h"
#include "relay/base/mem.h"

#define INCLUDE_SUFFIX ".yaml"

struct include {
    struct node *root;
    const char *folder, *as_user;
    const struct node *at; // where it is named
    struct messages *messages;
    size_t bytes;
};

// ---- joining

// A key that this map has said before.
static bool is_again(const struct node *map, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(map->keys[j]->text, map->keys[i]->text) == 0)
            return true;
    return false;
}

static size_t include_slot(const struct node *map, const char *name)
{
    size_t i = 0;
    while (i < map->n && strcmp(map->keys[i]->text, name) != 0)
        i++;
    return i;
}

// A single row as a list of it.
static struct node *as_list(struct node *value)
{
    if (value->kind == NODE_LIST)
        return value;
    struct node *list = mem_new(sizeof *list);
    list->kind = NODE_LIST;
    list->file = value->file;
    list->line = value->line;
    list->column = value->column;
    node_append(list, NULL, value);
    return list;
}

static struct node *join_rows(struct node *rows, struct node *more)
{
    rows = as_list(rows);
    more = as_list(more);
    for (size_t i = 0; i < more->n; i++)
        node_append(rows, NULL, more->items[i]);
    more->n = 0;
    node_free(more);
    return rows;
}

static void join_map(const struct schema_group *group, struct node *into, struct node *from);

// False: the two cannot be one.
static bool join_value(const struct schema_key *key, struct node *map, size_t slot,
                       struct node **value)
{
    struct node *there = map->items[slot];
    bool group = key->type == KEY_GROUP, rows = key->type == KEY_ROWS;
    if (!group && !rows)
        return false;
    if (node_is_null(there)) { // all of it is commented out
        map->items[slot] = *value;
        *value = there;
    } else if (node_is_null(*value)) {
        return true;
    } else if (rows) {
        map->items[slot] = join_rows(there, *value);
        *value = NULL;
    } else if (there->kind == NODE_MAP && (*value)->kind == NODE_MAP) {
        join_map(key->group, there, *value);
    } else {
        return false;
    }
    return true;
}

// Takes out of `from` all that it has.
static void join_map(const struct schema_group *group, struct node *into, struct node *from)
{
    bool *again = mem_new(from->n + 1);
    for (size_t i = 0; i < from->n; i++)
        again[i] = is_again(from, i);
    for (size_t i = 0; i < from->n; i++) {
        struct node *name = from->keys[i], *value = from->items[i];
        const struct schema_key *key = schema_find(group, name->text, strlen(name->text));
        size_t slot = include_slot(into, name->text);
        if (key && slot < into->n && !again[i] && join_value(key, into, slot, &value)) {
            node_free(name);
            node_free(value);
        } else {
            node_append(into, name, value);
        }
    }
    free(again);
    from->n = 0;
}

// ---- reading

static void take_document(struct include *in, struct node *document)
{
    const struct node *own = node_key(document, "include");
    if (own)
        messages_error(in->messages, own, "include: only the first file includes others");
    else if (document->kind == NODE_MAP)
        join_map(&schema_top, in->root, document);
    else if (!node_is_null(document))
        messages_error(in->messages, document, "the file: keys and values belong here");
}

static void tell_unread(struct include *in, const char *path, int error)
{
    char *mend = error == EACCES ? config_how_to_read(path) : NULL;
    char *text = mem_printf("cannot be read%s%s: %s%s", in->as_user ? " by user " : "",
                            in->as_user ? in->as_user : "", strerror(error),
                            mend ? mend
                            : error == ENOENT
                                ? "; it was in the folder a moment ago, or is a link to nothing"
                            : error == EINVAL ? " (it is no file)"
                                              : "");
    messages_error_at(in->messages, 1, 1, text);
    free(text);
    free(mend);
}

static void include_file(struct include *in, const char *path)
{
    struct buf text;
    struct node *document = NULL;
    buf_init(&text, CONFIG_FILE_SIZE + 1);
    messages_begin(in->messages, path);
    if (file_read(path, true, &text) < 0)
        tell_unread(in, path, errno);
    else if (text.len > CONFIG_FILE_SIZE)
        messages_error_at(in->messages, 1, 1, "larger than 1 MiB");
    else
        document = node_read(text.len ? text.data : (const void *)"", text.len, in->messages);
    in->bytes += text.len;
    if (document)
        take_document(in, document);
    node_free(document);
    buf_free(&text);
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

static int include_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (ends_in(entry->d_name, INCLUDE_SUFFIX) || ends_in(entry->d_name, ".yml"));
}

// By their bytes: the same in each locale.
static int include_by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void include_name(struct include *in, const char *name, size_t *n)
{
    if (!ends_in(name, INCLUDE_SUFFIX)) {
        messages_warning(in->messages, in->at,
                         "include: %s/%s is not read: names end in " INCLUDE_SUFFIX, in->folder,
                         name);
        return;
    }
    char *path = mem_printf("%s/%s", in->folder, name);
    if (in->bytes > CONFIG_ALL_SIZE)
        *n = CONFIG_INCLUDED;
    if (*n < CONFIG_INCLUDED)
        include_file(in, path);
    ++*n;
    free(path);
}

void include_read(struct node *root, const char *folder, const struct node *at, const char *as_user,
                  struct messages *m)
{
    struct include in = {
        .root = root, .folder = folder, .as_user = as_user, .at = at, .messages = m};
    struct dirent **names;
    size_t files = 0;
    int n = scandir(folder, &names, include_wanted, include_by_name);
    if (n < 0) {
        messages_error(m, at, "include: %s cannot be read%s%s: %s", folder,
                       as_user ? " by user " : "", as_user ? as_user : "", strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        include_name(&in, names[i]->d_name, &files);
        free(names[i]);
    }
    free(names);
    if (files > CONFIG_INCLUDED)
        messages_error(m, at, "include: %s has more than %d files, or %d MiB in them", folder,
                       CONFIG_INCLUDED, CONFIG_ALL_SIZE >> 20);
}
