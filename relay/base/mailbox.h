// SPDX-License-Identifier: ISC
// Messages between threads: many post, one receives. What crosses is immutable or handed over whole.
//
// Two kinds of receiver. A loop's mailbox (mailbox_open) wakes its libuv loop and runs each item there,
// in the order of posting. A blocking mailbox (mailbox_open_blocking) is emptied by mailbox_wait.
// An item is threaded through its owner's memory and belongs to the receiver from the post until its
// `run` is called; it may be in one mailbox at a time.
#ifndef RELAY_BASE_MAILBOX_H
#define RELAY_BASE_MAILBOX_H

#include <uv.h>

struct item {
    struct item *next;
    void (*run)(struct item *item); // on the receiver's thread; may post the item on, or free it
};

struct mailbox;

// The mailbox of a loop; to be opened on that loop's thread or before it runs. Ends the process when
// the system refuses an eventfd. It does not keep the loop alive by itself after mailbox_unref.
struct mailbox *mailbox_open(uv_loop_t *loop);
struct mailbox *mailbox_open_blocking(void);
void mailbox_unref(struct mailbox *mb);

// From any thread. An item posted to a closed mailbox is never run (and not freed).
void mailbox_post(struct mailbox *mb, struct item *item);

// Blocking kind only: waits until something is there, at most timeout_ms (-1: for ever), and returns
// all of it in order, linked through next; NULL when the time is up.
struct item *mailbox_wait(struct mailbox *mb, int timeout_ms);

// On the receiver's thread. What a loop's mailbox still holds is run first (answers to cancelled questions
// free themselves so); what is posted later is never run. A loop's mailbox is freed after the loop has
// run its close callback.
void mailbox_close(struct mailbox *mb);

#endif
