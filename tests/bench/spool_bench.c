// SPDX-License-Identifier: ISC
// How fast the spool answers: stores messages of one size with many outstanding, each answered one
// making room for the next, then notes each as delivered. Prints rates; a tool, not a test.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/inbox.h"
#include "relay/base/mem.h"
#include "relay/spool/spool.h"

struct load {
    struct spool *spool;
    struct inbox *inbox;
    size_t left, done, failed;
    char *body;
    size_t bytes;
};

static void submit(struct load *load, struct spool_write *write)
{
    struct message *m = message_new();
    m->env.created_ms = clock_ms();
    free(m->env.from);
    m->env.from = mem_dup("sender@example.org");
    message_add_recipient(m, "recipient@example.net", "example.net");
    buf_adds(&m->prefix, "Received: from client by relay\r\n");
    buf_adds(&m->header, "From: sender@example.org\r\nSubject: bench\r\n\r\n");
    buf_add(&m->body, load->body, load->bytes);
    write->message = m;
    write->reply = load->inbox;
    load->left--;
    spool_store(load->spool, write);
}

static void answered(struct item *item)
{
    struct spool_write *write = (struct spool_write *)(void *)item;
    struct load *load = write->arg;
    load->done++;
    load->failed += write->failed;
    struct spool_result result = {.id = write->message->env.id,
                                  .address = "recipient@example.net",
                                  .outcome = SPOOL_DELIVERED};
    spool_note(load->spool, &result);
    message_unref(write->message);
    if (load->left)
        submit(load, write);
}

static void alarmed(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "alarm: %s\n", sentence);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: spool_bench DIRECTORY MESSAGES BYTES OUTSTANDING\n");
        return 64;
    }
    size_t total = strtoul(argv[2], NULL, 10), bytes = strtoul(argv[3], NULL, 10);
    size_t outstanding = strtoul(argv[4], NULL, 10);
    struct spool_options options = {.directory = argv[1], .alarm = alarmed};
    struct load load = {.left = total, .bytes = bytes, .inbox = inbox_open_blocking()};
    struct why why;
    int status;
    load.body = mem_new(bytes + 1);
    memset(load.body, 'x', bytes);
    if (spool_open(&load.spool, &options, NULL, NULL, &status, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        return status;
    }
    struct spool_write *writes = mem_new(outstanding * sizeof *writes);
    uint64_t start = clock_mono_ns();
    for (size_t i = 0; i < outstanding && load.left; i++) {
        writes[i].item.run = answered;
        writes[i].arg = &load;
        submit(&load, &writes[i]);
    }
    while (load.done < total) {
        struct item *item = inbox_wait(load.inbox, -1);
        while (item) {
            struct item *next = item->next;
            item->run(item);
            item = next;
        }
    }
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    struct spool_state state;
    spool_get_state(load.spool, &state);
    printf("%zu messages of %zu bytes, %zu outstanding: %.0f messages/s, %.0f syncs/s, "
           "%.0f MB/s, %zu failed\n",
           total, bytes, outstanding, (double)total / seconds, (double)state.syncs / seconds,
           (double)(total * bytes) / seconds / 1e6, load.failed);
    spool_close(load.spool);
    inbox_close(load.inbox);
    free(writes);
    free(load.body);
    return 0;
}
