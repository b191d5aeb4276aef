// SPDX-License-Identifier: ISC
// From a file to a configuration: reads it, holds its tree against the table of keys, completes and
// checks it. Nothing here knows a single key by name.
#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/file.h"
#include "config/node.h"
#include "config/rules.h"
#include "config/setting.h"
#include "config/value.h"
#include "relay/base/mem.h"

#define MESSAGE_BYTES (NODE_MESSAGES * 1024) // room for all messages that are kept

struct loader {
    char *file;     // absolute
    char *folder;   // relative paths start here
    char *included; // and those of included files here; NULL: there are none
    bool check_files;
    const char *as_user;
    struct messages *messages;
    struct config *config; // what is being filled
};

void config_load_init(struct config_load *load)
{
    *load = (struct config_load){0};
    buf_init(&load->errors, MESSAGE_BYTES);
    buf_init(&load->warnings, MESSAGE_BYTES);
}

void config_load_free(struct config_load *load)
{
    buf_free(&load->errors);
    buf_free(&load->warnings);
}

char *config_how_to_read(const char *path)
{
    struct stat st;
    const struct group *group = getgrgid(getegid());
    if (!group || getegid() == 0 || stat(path, &st) < 0)
        return NULL;
    return mem_printf("; this mends it: chgrp %s %s && chmod g+r %s", group->gr_name, path, path);
}

// Who brings a file that nobody writes by hand.
static const char *bringer(const struct schema_key *key)
{
    bool root = strcmp(key->name, "trust_anchor") == 0 || strcmp(key->name, "root_hints") == 0;
    return root ? "; the package dns-root-data brings /usr/share/dns/root.key and root.hints"
           : strcmp(key->name, "ca_file") == 0
               ? "; the package ca-certificates brings /etc/ssl/certs/ca-certificates.crt"
               : "";
}

// A file that the relay reads: there, no folder, readable by this process. `at` NULL: by default.
static void check_file(struct loader *l, const struct schema_key *key, const struct node *at,
                       const char *path)
{
    struct stat st;
    char quoted[VALUE_QUOTE];
    value_quote(span_text(path), quoted);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), error = errno;
    char *mend = fd < 0 && error == EACCES ? config_how_to_read(path) : NULL;
    if (fd < 0)
        messages_error(l->messages, at, "%s: %s cannot be read%s%s: %s%s", key->name, quoted,
                       l->as_user ? " by user " : "", l->as_user ? l->as_user : "", strerror(error),
                       mend              ? mend
                       : error == ENOENT ? bringer(key)
                                         : "");
    else if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        messages_error(l->messages, at, "%s: %s is a directory", key->name, quoted);
    if (fd >= 0)
        close(fd);
    free(mend);
}

static void note_place(struct config *config, const struct node *node, const char *path)
{
    config->places = mem_grow(config->places, config->nplaces + 1, sizeof *config->places);
    config->places[config->nplaces++] =
        (struct cfg_place){mem_dup(path), config->files[node->file], node->line, node->column};
}

static const char *folder_of(const struct loader *l, const struct node *node)
{
    return node->file ? l->included : l->folder;
}

// False: the field is as it was, and an error tells why.
static bool load_value(struct loader *l, const struct schema_key *key, const struct node *node,
                       void *field)
{
    static const char *const kinds[] = {"", "a list", "a mapping"};
    struct why why;
    if (node->kind != NODE_SCALAR) {
        messages_error(l->messages, node, "%s: %s where one value belongs", key->name,
                       kinds[node->kind]);
        return false;
    }
    if (node_is_null(node) && !(key->flags & KEY_EMPTY)) {
        messages_error(l->messages, node, "%s: has no value", key->name);
        return false;
    }
    struct span text = node_is_null(node) ? span_text("") : span_text(node->text);
    if (setting_parse(key, text, folder_of(l, node), field, &why) < 0) {
        messages_error(l->messages, node, "%s: %s", key->name, why.text);
        return false;
    }
    const char *const *path = field;
    if (key->type == KEY_FILE && (*path)[0])
        note_place(l->config, node, *path);
    if (key->type == KEY_FILE && l->check_files && (*path)[0])
        check_file(l, key, node, *path);
    return true;
}

static void load_list(struct loader *l, const struct schema_key *key, const struct node *node,
                      void *base)
{
    bool *word = setting_flag(key->word_field, base);
    if (node_is_null(node))
        return;
    if (node->kind == NODE_MAP) {
        messages_error(l->messages, node, "%s: a mapping where a list belongs", key->name);
        return;
    }
    setting_empty(key, base);
    if (word)
        *word = node->kind == NODE_SCALAR && strcmp(node->text, key->word) == 0;
    if (word && *word)
        return;
    const struct node *item;
    for (size_t i = 0; (item = node_row(node, i)); i++) {
        void *element = setting_add(key, base);
        if (element)
            load_value(l, key, item, element);
        else
            messages_error(l->messages, item, "%s: at most %zu values", key->name, key->capacity);
    }
}

static void load_group(struct loader *l, const struct schema_group *group, const char *name,
                       const struct node *map, void *base);

static void load_rows(struct loader *l, const struct schema_key *key, const struct node *node,
                      void *base)
{
    const struct schema_group *group = key->group;
    const struct node *item;
    for (size_t i = 0; (item = node_row(node, i)); i++) {
        void *row = setting_add(key, base);
        if (item->kind == NODE_SCALAR && group->short_key && !node_is_null(item)) {
            const struct schema_key *only =
                schema_find(group, group->short_key, strlen(group->short_key));
            load_value(l, only, item, setting_field(only, row));
        } else {
            load_group(l, group, key->name, item, row);
        }
    }
}

static void unknown_key(struct loader *l, const struct schema_group *group, const struct node *key)
{
    char quoted[VALUE_QUOTE], path[128];
    const char *near = schema_suggest(group, key->text);
    value_quote(span_text(key->text), quoted);
    if (near)
        messages_error(l->messages, key, "unknown key %s; did you mean '%s'?", quoted, near);
    else if (schema_elsewhere(key->text, path, sizeof path))
        messages_error(l->messages, key, "unknown key %s here; there is '%s'", quoted, path);
    else
        messages_error(l->messages, key, "unknown key %s", quoted);
}

// "http: 127.0.0.1:9587" instead of "http: {listen: 127.0.0.1:9587}".
static bool load_short(struct loader *l, const struct schema_key *key, const struct node *node,
                       void *base)
{
    const char *name = key->group->short_key;
    if (!name || node->kind != NODE_SCALAR)
        return false;
    struct schema_key only = *schema_find(key->group, name, strlen(name));
    void *field = setting_field(&only, base);
    only.name = key->name; // as it was written
    load_value(l, &only, node, field);
    return true;
}

static void load_key(struct loader *l, const struct schema_key *key, const struct node *node,
                     void *base)
{
    void *field = setting_field(key, base);
    bool *written = setting_flag(key->written, base);
    if (key->type == KEY_GROUP) {
        if (!load_short(l, key, node, field) && !node_is_null(node)) // all may be commented out
            load_group(l, key->group, key->name, node, field);
    } else if (key->type == KEY_ROWS) {
        load_rows(l, key, node, base);
    } else if (key->list) {
        load_list(l, key, node, base);
    } else if (load_value(l, key, node, field) && written) {
        *written = true;
    }
}

static void load_group(struct loader *l, const struct schema_group *group, const char *name,
                       const struct node *map, void *base)
{
    if (map->kind != NODE_MAP) {
        messages_error(l->messages, map, "%s: keys and values belong here", name);
        return;
    }
    for (size_t i = 0; i < map->n; i++) {
        const struct node *text = map->keys[i], *first = node_key(map, text->text);
        const struct schema_key *key = schema_find(group, text->text, strlen(text->text));
        char where[NODE_WHERE];
        if (!key)
            unknown_key(l, group, text);
        else if (first != text)
            messages_error(l->messages, text, "%s: given twice, first in %s", key->name,
                           messages_where(l->messages, text, first, where));
        else
            load_key(l, key, map->items[i], base);
    }
    for (const struct schema_key *key = group->keys; key->name; key++)
        if (key->flags & KEY_REQUIRED && !node_get(map, key->name))
            messages_error(l->messages, map, "%s: '%s' is missing", name, key->name);
}

// Files that nobody named are still needed, those of the recursive resolver only by it.
static void check_default_files(struct loader *l, const struct schema_group *group,
                                const struct node *map, void *base, bool recursive)
{
    for (const struct schema_key *key = group->keys; key->name; key++) {
        void *field = setting_field(key, base);
        const char *const *path = field;
        if (key->type == KEY_GROUP)
            check_default_files(l, key->group, node_get(map, key->name), field, recursive);
        else if (key->type == KEY_FILE && key->initial && !node_get(map, key->name) &&
                 (recursive || !(key->flags & KEY_RECURSIVE)))
            check_file(l, key, NULL, *path);
    }
}

static void config_load_start(struct loader *l, const char *path, const struct config_load *load)
{
    *l = (struct loader){0};
    char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
    l->file = cwd ? mem_printf("%s/%s", cwd, path) : mem_dup(path);
    free(cwd);
    l->folder = mem_dup(l->file);
    char *slash = strrchr(l->folder, '/');
    if (slash)
        slash[slash == l->folder] = 0; // the root keeps its slash
    l->check_files = load->check_files;
    l->as_user = load->as_user;
    l->messages = messages_new(path);
}

static struct config *config_load_finish(struct loader *l, struct config *config,
                                         struct config_load *load)
{
    if (messages_failed(l->messages)) {
        config_unref(config);
        config = NULL;
    }
    messages_write(l->messages, load);
    messages_free(l->messages);
    free(l->folder);
    free(l->included);
    free(l->file);
    return config;
}

// Before anything of it is looked at, so that all of it is looked at alike.
static void config_load_include(struct loader *l, struct node *root)
{
    static const char name[] = "include";
    const struct node *at = node_get(root, name);
    const struct schema_key *key = schema_find(&schema_top, name, sizeof name - 1);
    char *folder = NULL;
    struct why why; // told when the key is read
    if (at && at->kind == NODE_SCALAR && !node_is_null(at) && at->text[0] &&
        setting_parse(key, span_text(at->text), l->folder, &folder, &why) == 0) {
        l->included = mem_dup(folder);
        include_read(root, folder, at, l->as_user, l->messages);
    }
    free(folder);
}

static void note_files(const struct loader *l, struct config *config)
{
    config->nfiles = messages_files(l->messages);
    config->files = mem_grow(NULL, config->nfiles, sizeof *config->files);
    for (size_t i = 0; i < config->nfiles; i++)
        config->files[i] = mem_dup(i ? messages_path(l->messages, i) : l->file);
}

struct config *config_load_text(const char *path, const void *text, size_t n,
                                struct config_load *load)
{
    struct loader l;
    config_load_start(&l, path, load);
    if (n > CONFIG_FILE_SIZE) {
        messages_error(l.messages, NULL, "larger than %d bytes", CONFIG_FILE_SIZE);
        return config_load_finish(&l, NULL, load);
    }
    struct node *root = node_read(n ? text : "", n, l.messages);
    if (!root && messages_failed(l.messages))
        return config_load_finish(&l, NULL, load);
    config_load_include(&l, root);
    struct config *config = config_new();
    config->file = mem_dup(l.file);
    note_files(&l, config);
    l.config = config;
    if (root && !node_is_null(root))
        load_group(&l, &schema_top, "the file", root, config);
    rules_complete(config, root, load->hostname);
    if (l.check_files)
        check_default_files(&l, &schema_top, root, config, config->dns.mode == DNS_RECURSIVE);
    rules_directory(config, root, l.check_files ? l.messages : NULL);
    rules_check(config, root, l.messages);
    node_free(root);
    return config_load_finish(&l, config, load);
}

struct config *config_load_file(const char *path, struct config_load *load)
{
    struct buf text;
    struct config *config = NULL;
    buf_init(&text, CONFIG_FILE_SIZE + 1);
    if (file_read(path, false, &text) < 0)
        buf_addf(&load->errors, "%s:1:1: cannot be read%s%s: %s%s\n", path,
                 load->as_user ? " by user " : "", load->as_user ? load->as_user : "",
                 strerror(errno), errno == ENOENT ? "; waxwing init lays one down" : "");
    else
        config = config_load_text(path, text.data, text.len, load);
    buf_free(&text);
    return config;
}
