// SPDX-License-Identifier: ISC
// Messages between threads: many post, one receives. What crosses is immutable or handed over whole.
//
// Two kinds of receiver. A loop's inbox (inbox_open) wakes its libuv loop and runs each item there,
// in the order of posting. A blocking inbox (inbox_open_blocking) is emptied by inbox_wait.
// An item is threaded through its owner's memory and belongs to the receiver from the post until its
// `run` is called; it may be in one inbox at a time.
#ifndef RELAY_BASE_INBOX_H
#define RELAY_BASE_INBOX_H

#include <uv.h>

struct item {
    struct item *next;
    void (*run)(struct item *item); // on the receiver's thread; may post the item on, or free it
};

struct inbox;

// The inbox of a loop; to be opened on that loop's thread or before it runs. NULL when
// the system refuses an eventfd. It does not keep the loop alive by itself after inbox_unref.
struct inbox *inbox_open(uv_loop_t *loop);
struct inbox *inbox_open_blocking(void);
void inbox_unref(struct inbox *mb);

// From any thread. An item posted to a closed inbox is never run (and not freed).
void inbox_post(struct inbox *mb, struct item *item);

// Blocking kind only: waits until something is there, at most timeout_ms (-1: for ever), and returns
// all of it in order, linked through next; NULL when the time is up.
struct item *inbox_wait(struct inbox *mb, int timeout_ms);

// On the receiver's thread. What a loop's inbox still holds is run first (answers to cancelled questions
// free themselves so); what is posted later is never run. A loop's inbox is freed after the loop has
// run its close callback. Accepts NULL.
void inbox_close(struct inbox *mb);

#endif
