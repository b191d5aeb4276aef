// SPDX-License-Identifier: ISC
// The tree of a document and questions to it.
#include "config/node.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/span.h"

void node_free(struct node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->n; i++) {
        if (node->keys)
            node_free(node->keys[i]);
        node_free(node->items[i]);
    }
    free(node->keys);
    free(node->items);
    free(node->text);
    free(node);
}

void node_append(struct node *parent, struct node *key, struct node *item)
{
    // The arrays grow by doubling: their room is the power of two at or above n.
    if ((parent->n & (parent->n - 1)) == 0) {
        size_t room = parent->n ? 2 * parent->n : 1;
        parent->items = mem_grow(parent->items, room, sizeof *parent->items);
        if (parent->kind == NODE_MAP)
            parent->keys = mem_grow(parent->keys, room, sizeof *parent->keys);
    }
    parent->items[parent->n] = item;
    if (parent->kind == NODE_MAP)
        parent->keys[parent->n] = key;
    parent->n++;
}

bool node_is_null(const struct node *node)
{
    if (node->kind != NODE_SCALAR || !node->plain)
        return false;
    return !node->text[0] || strcmp(node->text, "~") == 0 ||
           span_is_nocase(span_text(node->text), "null");
}

static const struct node *config_node_find(const struct node *map, const char *name, bool key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, name) == 0)
            return key ? map->keys[i] : map->items[i];
    return NULL;
}

const struct node *node_get(const struct node *map, const char *name)
{
    return config_node_find(map, name, false);
}

const struct node *node_key(const struct node *map, const char *name)
{
    return config_node_find(map, name, true);
}

const struct node *node_row(const struct node *list, size_t i)
{
    if (!list || node_is_null(list))
        return NULL;
    if (list->kind != NODE_LIST)
        return i == 0 ? list : NULL;
    return i < list->n ? list->items[i] : NULL;
}

bool node_has(const struct node *map, const char *name)
{
    const struct node *value = node_get(map, name);
    return value && !node_is_null(value) && !(value->kind == NODE_LIST && value->n == 0);
}
