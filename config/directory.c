// SPDX-License-Identifier: ISC
// `dkim.directory`: one folder a domain, one key in each SELECTOR.pem, taken in as if each were written out.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "config/idn.h"
#include "config/rules.h"
#include "config/setting.h"
#include "config/value.h"
#include "relay/base/mem.h"

#define SUFFIX      ".pem"
#define MAX_DOMAINS 100000

static int directory_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.'; // hidden ones, "." and ".."
}

// The names in a folder, in order, so that signatures have an order. -1: it cannot be read.
static int directory_list(const char *path, struct dirent ***entries)
{
    return scandir(path, entries, directory_wanted, alphasort);
}

static void directory_free(struct dirent **entries, int n)
{
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
}

static bool directory_has(const struct config *c, const char *domain)
{
    for (size_t i = 0; i < c->ndkim; i++)
        if (strcmp(c->dkim[i].domain, domain) == 0)
            return true;
    return false;
}

static const struct schema_key *directory_key(const struct schema_key *of, const char *name)
{
    return schema_find(of ? of->group : &schema_top, name, strlen(name));
}

static void directory_set(char **field, char *value)
{
    free(*field);
    *field = value;
}

// A key where the name is one of a selector and ".pem".
static void directory_add_key(struct cfg_dkim_domain *row, const struct schema_key *keys,
                              const char *folder, const char *name)
{
    size_t n = strlen(name), suffix = strlen(SUFFIX);
    struct why why;
    if (n <= suffix || strcmp(name + n - suffix, SUFFIX) != 0)
        return;
    struct cfg_key *key = setting_add(keys, row);
    const struct schema_key *selector = directory_key(keys, "selector");
    if (setting_parse(selector, span_of(name, n - suffix), "/", setting_field(selector, key),
                      &why) == 0)
        directory_set(&key->file, mem_printf("%s/%s", folder, name));
}

static void directory_drop_nameless(struct cfg_dkim_domain *row)
{
    size_t kept = 0;
    for (size_t i = 0; i < row->nkeys; i++) {
        if (row->keys[i].file[0]) {
            struct cfg_key swap = row->keys[kept];
            row->keys[kept++] = row->keys[i];
            row->keys[i] = swap;
        }
    }
    for (size_t i = kept; i < row->nkeys; i++) {
        free(row->keys[i].selector);
        free(row->keys[i].file);
    }
    row->nkeys = kept;
}

static void directory_error(struct messages *m, const struct node *at, const char *path)
{
    if (m)
        messages_error(m, at, "directory: %s cannot be read: %s", path, strerror(errno));
}

static void directory_add_domain(struct config *c, const char *domain, const char *folder,
                                 const struct node *at, struct messages *m)
{
    const struct schema_key *rows = directory_key(directory_key(NULL, "dkim"), "domains");
    const struct schema_key *keys = directory_key(rows, "keys");
    struct dirent **names;
    int n = directory_list(folder, &names);
    if (n < 0) {
        directory_error(m, at, folder);
        return;
    }
    struct cfg_dkim_domain *row = setting_add(rows, c);
    directory_set(&row->domain, mem_dup(domain));
    row->found = true;
    row->subdomains = c->signing.subdomains;
    for (int i = 0; i < n; i++)
        directory_add_key(row, keys, folder, names[i]->d_name);
    directory_free(names, n);
    directory_drop_nameless(row);
    if (row->nkeys)
        return;
    if (m)
        messages_warning(m, at, "directory: there is no SELECTOR.pem in %s", folder);
    setting_release(rows->group, row);
    c->ndkim--;
}

void rules_directory(struct config *c, const struct node *root, struct messages *m)
{
    const char *path = c->signing.directory;
    const struct node *at = node_get(node_get(root, "dkim"), "directory");
    struct dirent **names;
    if (!path[0])
        return;
    int n = directory_list(path, &names);
    if (n < 0) {
        directory_error(m, at, path);
        return;
    }
    for (int i = 0; i < n && i < MAX_DOMAINS; i++) {
        struct stat st;
        char domain[IDN_NAME], *folder = mem_printf("%s/%s", path, names[i]->d_name);
        idn_domain(names[i]->d_name, domain);
        if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && domain[0] && !directory_has(c, domain))
            directory_add_domain(c, domain, folder, at, m);
        free(folder);
    }
    directory_free(names, n);
}
