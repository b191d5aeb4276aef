// SPDX-License-Identifier: ISC
// Drives a pure evaluation: looks up what it wants, evaluates again, until it is content.
#include <assert.h>
#include <stdlib.h>
#include "dns/dns.h"
#include "relay/base/list.h"
#include "relay/base/memory.h"

struct dns_drive {
    struct dns *dns;
    struct mailbox *mail;
    struct facts *facts;
    bool (*again)(void *arg);
    void (*done)(void *arg);
    void *arg;
    bool eager;
    struct list pending;
};

struct pending {
    struct list list; // of drive->pending until it is answered
    struct dns_drive *drive;
    struct dns_request *request;
    const char *name; // of the question in the facts; NULL: none
    uint16_t type;
};

static void step(struct dns_drive *drive);

static struct dns_drive *settle(struct pending *p)
{
    struct dns_drive *drive = p->drive;
    list_remove(&p->list);
    free(p);
    return drive;
}

static void answered(const struct dns_answer *answer, void *arg)
{
    struct dns_drive *drive = settle(arg);
    facts_put(drive->facts, dns_answer_ref((struct dns_answer *)answer));
    if (drive->eager || list_empty(&drive->pending))
        step(drive);
}

static void ask(struct dns_drive *drive, const char *name, uint16_t type, const char *question,
                dns_fn *fn)
{
    struct pending *p = mem_new(sizeof *p);
    p->drive = drive;
    p->name = name;
    p->type = type;
    list_init(&p->list);
    list_append(&drive->pending, &p->list);
    p->request = dns_ask(drive->dns, drive->mail, question, type, fn, p);
}

// A question keeps its place in memory, so its name tells it from others.
static bool is_pending(const struct dns_drive *drive, const char *name, uint16_t type)
{
    list_each (it, &drive->pending) {
        const struct pending *p = list_of(it, struct pending, list);
        if (p->name == name && p->type == type)
            return true;
    }
    return false;
}

static void ask_all(struct dns_drive *drive)
{
    const char *name;
    uint16_t type;
    for (size_t i = 0; facts_wanted(drive->facts, i, &name, &type); i++)
        if (!is_pending(drive, name, type))
            ask(drive, name, type, name, answered);
}

static void step(struct dns_drive *drive)
{
    bool more = drive->again(drive->arg);
    // An evaluation that wants more has said what it wants.
    assert(!more || facts_count_wanted(drive->facts) > 0);
    if (more) {
        ask_all(drive);
        return;
    }
    void (*done)(void *) = drive->done;
    void *arg = drive->arg;
    dns_drive_cancel(drive); // what it may have asked for and does not need
    done(arg);
}

static void begin(const struct dns_answer *nothing, void *arg)
{
    (void)nothing;
    step(settle(arg));
}

static struct dns_drive *drive_new(const struct dns_drive *how)
{
    struct dns_drive *drive = mem_new(sizeof *drive);
    *drive = *how;
    list_init(&drive->pending);
    ask_all(drive);
    // Nothing is wanted yet, and no callback may run inside this call: a name that cannot be asked
    // comes back at once, on the loop.
    if (list_empty(&drive->pending))
        ask(drive, NULL, 0, "..", begin);
    return drive;
}

struct dns_drive *dns_drive(struct dns *dns, struct mailbox *loop_mail, struct facts *facts,
                            bool (*again)(void *arg), void (*done)(void *arg), void *arg)
{
    return drive_new(&(struct dns_drive){
        .dns = dns, .mail = loop_mail, .facts = facts, .again = again, .done = done, .arg = arg});
}

struct dns_drive *dns_drive_eager(struct dns *dns, struct mailbox *loop_mail, struct facts *facts,
                                  bool (*again)(void *arg), void (*done)(void *arg), void *arg)
{
    return drive_new(&(struct dns_drive){.dns = dns,
                                         .mail = loop_mail,
                                         .facts = facts,
                                         .again = again,
                                         .done = done,
                                         .arg = arg,
                                         .eager = true});
}

void dns_drive_cancel(struct dns_drive *drive)
{
    if (!drive)
        return;
    list_each_safe (it, &drive->pending) {
        struct pending *p = list_of(it, struct pending, list);
        dns_cancel(p->request);
        free(p);
    }
    free(drive);
}

static void stop_loop(void *arg)
{
    uv_stop(*(uv_loop_t **)arg);
}

struct blocking {
    uv_loop_t *loop; // first, for stop_loop
    bool (*again)(void *arg);
    void *arg;
};

static bool again_blocking(void *arg)
{
    struct blocking *b = arg;
    return b->again(b->arg);
}

void dns_drive_blocking(struct dns *dns, struct facts *facts, bool (*again)(void *arg), void *arg)
{
    uv_loop_t loop;
    int rc = uv_loop_init(&loop);
    assert(rc == 0);
    struct mailbox *mail = mailbox_open(&loop);
    struct blocking b = {&loop, again, arg};
    dns_drive(dns, mail, facts, again_blocking, stop_loop, &b);
    uv_run(&loop, UV_RUN_DEFAULT);
    mailbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&loop);
    assert(rc == 0);
}
