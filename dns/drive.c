// SPDX-License-Identifier: ISC
// Drives a pure evaluation: looks up what it wants, evaluates again, until it is content.
#include <assert.h>
#include <stdlib.h>
#include "dns/dns.h"
#include "relay/base/memory.h"

struct dns_drive {
    struct dns *dns;
    struct mailbox *mail;
    struct facts *facts;
    bool (*again)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct pending *pending;
    size_t npending, answered;
};

struct pending {
    struct dns_drive *drive;
    struct dns_request *request; // NULL once answered
};

static void step(struct dns_drive *drive);

static void answered(const struct dns_answer *answer, void *arg)
{
    struct pending *p = arg;
    struct dns_drive *drive = p->drive;
    p->request = NULL;
    facts_put(drive->facts, dns_answer_ref((struct dns_answer *)answer));
    if (++drive->answered == drive->npending)
        step(drive);
}

static void ask_all(struct dns_drive *drive)
{
    const char *name;
    uint16_t type;
    drive->npending = facts_count_wanted(drive->facts);
    drive->answered = 0;
    drive->pending = mem_grow(drive->pending, drive->npending, sizeof *drive->pending);
    for (size_t i = 0; facts_wanted(drive->facts, i, &name, &type); i++) {
        struct pending *p = &drive->pending[i];
        p->drive = drive;
        p->request = dns_ask(drive->dns, drive->mail, name, type, answered, p);
    }
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
    free(drive->pending);
    free(drive);
    done(arg);
}

static void begin(const struct dns_answer *nothing, void *arg)
{
    (void)nothing;
    struct pending *p = arg;
    p->request = NULL;
    step(p->drive);
}

struct dns_drive *dns_drive(struct dns *dns, struct mailbox *loop_mail, struct facts *facts,
                            bool (*again)(void *arg), void (*done)(void *arg), void *arg)
{
    struct dns_drive *drive = mem_new(sizeof *drive);
    *drive = (struct dns_drive){
        .dns = dns, .mail = loop_mail, .facts = facts, .again = again, .done = done, .arg = arg};
    ask_all(drive);
    if (drive->npending > 0)
        return drive;
    // Nothing is wanted yet, and no callback may run inside this call: a name that cannot be asked
    // comes back at once, on the loop.
    drive->npending = 1;
    drive->pending[0].drive = drive;
    drive->pending[0].request = dns_ask(dns, loop_mail, "..", 0, begin, &drive->pending[0]);
    return drive;
}

void dns_drive_cancel(struct dns_drive *drive)
{
    if (!drive)
        return;
    for (size_t i = 0; i < drive->npending; i++)
        dns_cancel(drive->pending[i].request);
    free(drive->pending);
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
