// SPDX-License-Identifier: ISC
// Waiting deliveries by their time: a binary heap whose members know their position, so that any of them
// can be taken out.
#include "relay/base/mem.h"
#include "relay/queue/inside.h"

// heap positions are 1-based in the delivery, so that 0 says "not there"
static void heap_place(struct queue_heap *heap, size_t i, struct delivery *d)
{
    heap->at[i] = d;
    d->heap = (unsigned)i + 1;
}

static void up(struct queue_heap *heap, size_t i)
{
    struct delivery *d = heap->at[i];
    while (i > 0 && heap->at[(i - 1) / 2]->next_ms > d->next_ms) {
        heap_place(heap, i, heap->at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_place(heap, i, d);
}

static void down(struct queue_heap *heap, size_t i)
{
    struct delivery *d = heap->at[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->n)
            break;
        if (child + 1 < heap->n && heap->at[child + 1]->next_ms < heap->at[child]->next_ms)
            child++;
        if (heap->at[child]->next_ms >= d->next_ms)
            break;
        heap_place(heap, i, heap->at[child]);
        i = child;
    }
    heap_place(heap, i, d);
}

void queue_heap_add(struct queue_heap *heap, struct delivery *d)
{
    if (heap->n == heap->room) {
        heap->room = heap->room ? 2 * heap->room : 64;
        heap->at = mem_grow(heap->at, heap->room, sizeof(struct delivery *));
    }
    heap->at[heap->n] = d;
    up(heap, heap->n++);
}

void queue_heap_remove(struct queue_heap *heap, struct delivery *d)
{
    if (!d->heap)
        return;
    size_t i = d->heap - 1;
    d->heap = 0;
    struct delivery *last = heap->at[--heap->n];
    if (last == d)
        return;
    heap_place(heap, i, last);
    up(heap, i);
    down(heap, last->heap - 1);
}
