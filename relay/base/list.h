// SPDX-License-Identifier: ISC
// A doubly linked ring threaded through its members: membership is state. An entry that is in no list
// points at itself, so taking it out twice is harmless.
#ifndef RELAY_BASE_LIST_H
#define RELAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define list_of(entry, type, member) ((type *)(void *)((char *)(entry)-offsetof(type, member)))
#define list_each(it, head)          for (struct list *it = (head)->next; it != (head); it = it->next)
// The body may remove `it`.
#define list_each_safe(it, head)                                                                   \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_remove(struct list *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    list_init(entry);
}

// Takes the entry out of where it was, then puts it last (append) or first (prepend).
static inline void list_append(struct list *head, struct list *entry)
{
    list_remove(entry);
    entry->prev = head->prev;
    entry->next = head;
    head->prev->next = entry;
    head->prev = entry;
}

static inline void list_prepend(struct list *head, struct list *entry)
{
    list_append(head->next, entry);
}

#endif
