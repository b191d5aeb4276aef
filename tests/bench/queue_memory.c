// SPDX-License-Identifier: ISC
// What the queue costs: stores and queues messages on a real spool, lets every delivery fail once, and prints bytes of
// memory a recipient, the queue's own count of them, and how long it takes to look at all of them and to
// hold them. A tool, not a test.
#include <malloc.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/queue/inside.h"

static struct relay relay;
static struct worker worker;
static struct worker *workers[] = {&worker};

static void configure(const char *directory)
{
    char *text =
        mem_printf("hostname: relay.test\nspool: %s\nstate: /tmp/none\n"
                   "delivery: {ca_file: /dev/null, memory: {level: off}, warn_after: 0s}\n",
                   directory);
    struct config_load load;
    config_load_init(&load);
    struct setup *setup = mem_new(sizeof *setup);
    setup->refs = 1000;
    setup->config = config_load_text("/tmp/bench.yaml", text, strlen(text), &load);
    if (!setup->config) {
        fputs(buf_text(&load.errors), stderr);
        exit(78);
    }
    worker.setup = relay.setup = setup;
    free(text);
}

static void open_all(const char *directory)
{
    struct spool_options options = {.directory = directory};
    struct why why;
    int status;
    if (spool_open(&relay.spool, &options, NULL, NULL, &status, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        exit(status);
    }
    relay.workers = workers;
    relay.nworkers = 1;
    worker.relay = &relay;
    uv_loop_init(&worker.loop);
    worker.mail = inbox_open(&worker.loop);
    worker.queue = queue_new(&worker);
}

struct storing {
    struct spool_write write;
    bool done;
};

static void stored(struct item *item)
{
    ((struct storing *)(void *)item)->done = true;
}

static void add(size_t number, size_t recipients, bool domains)
{
    struct message *m = message_new();
    char address[80], domain[40] = "customers.example.net";
    free(m->env.from);
    m->env.from = mem_dup("newsletter@example.org");
    free(m->env.principal);
    m->env.principal = mem_dup("newsletter");
    free(m->env.client);
    m->env.client = mem_dup("[192.0.2.17]");
    m->env.created_ms = clock_ms();
    buf_adds(&m->prefix, "Received: from client by relay\r\n");
    buf_adds(&m->header, "From: sender@example.org\r\nSubject: bench\r\n\r\n");
    buf_adds(&m->body, "A line of text.\r\n");
    for (size_t i = 0; i < recipients; i++) {
        if (domains)
            snprintf(domain, sizeof domain, "d%zu.example.net", i);
        snprintf(address, sizeof address, "recipient.%zu.%zu@%s", number, i, domain);
        message_add_recipient(m, address, domain);
        m->env.rcpts[i].next_ms = clock_ms() + 3600000;
    }
    struct storing s = {.write = {.item = {NULL, stored}, .reply = worker.mail, .message = m}};
    spool_store(relay.spool, &s.write);
    while (!s.done)
        uv_run(&worker.loop, UV_RUN_ONCE);
    queue_add(worker.queue, m);
}

static void wait_for_disk(void)
{
    struct storing s = {.write = {.item = {NULL, stored}}};
    spool_barrier(relay.spool, &s.write.item, worker.mail);
    while (!s.done)
        uv_run(&worker.loop, UV_RUN_ONCE);
}

static void fail_all(size_t deliveries)
{
    struct why why;
    why_set(&why, WHY_HOST, "4.2.1", "the host refused RCPT TO at this time");
    why_host(&why, "mx.customers.example.net");
    why_reply(&why, "450 4.2.1 the inbox cannot take mail at this time, please try again later");
    for (size_t i = 0; i < deliveries; i++) {
        struct delivery *d = list_of(worker.queue->all.next, struct delivery, all);
        queue_unplace(worker.queue, d);
        queue_settle_all(worker.queue, d, &why);
        list_append(&worker.queue->all, &d->all);
    }
    wait_for_disk();
}

static void seen(const struct queue_row *row, void *arg)
{
    *(size_t *)arg += strlen(row->to);
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// As the verb of the control socket does it: a piece, the loop, a piece; the spool has its turn after each 2,000.
static void hold_all(void)
{
    struct queue_scan scan = {.verb = QUEUE_HOLD, .filter = {.state = -1}, .by = "bench"};
    size_t before = in_use(), most = before;
    double worst = 0, all = cpu_ms();
    uint64_t start = clock_mono_ms(), noted = 0, rounds = 0;
    for (bool more = true; more;) {
        double piece = cpu_ms();
        more = queue_scan_on(worker.queue, &scan, 200);
        piece = cpu_ms() - piece;
        worst = piece > worst ? piece : worst;
        uv_run(&worker.loop, UV_RUN_NOWAIT);
        if (more && scan.recipients - noted < 2000)
            continue;
        noted = scan.recipients;
        wait_for_disk();
        rounds += 1;
        if (rounds % 50 == 0 && in_use() > most) // the question itself takes its time
            most = in_use();
    }
    printf("held %llu in %.2f s, %.2f s of them this thread's, %.2f ms the longest piece, %zd "
           "bytes more at "
           "the most\n",
           (unsigned long long)scan.recipients, (double)(clock_mono_ms() - start) / 1e3,
           (cpu_ms() - all) / 1e3, worst, (ssize_t)(most - before));
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: queue_memory DIRECTORY MESSAGES RECIPIENTS [domains]\n");
        return 64;
    }
    size_t messages = strtoul(argv[2], NULL, 10), recipients = strtoul(argv[3], NULL, 10);
    bool domains = argc > 4;
    log_setup(LOG_TEXT, 0, false);
    configure(argv[1]);
    open_all(argv[1]);
    size_t before = in_use(), n = messages * recipients, bytes = 0;
    uint64_t start = clock_mono_ms();
    for (size_t i = 0; i < messages; i++)
        add(i, recipients, domains);
    fail_all(domains ? n : messages);
    double seconds = (double)(clock_mono_ms() - start) / 1e3;
    size_t after = in_use();
    printf(
        "%zu recipients of %zu messages%s: %.0f bytes a recipient, counted %.0f; made in %.1f s\n",
        n, messages, domains ? ", a domain each" : "", (double)(after - before) / (double)n,
        (double)relay.counters.queue_memory / (double)n, seconds);
    struct queue_scan scan = {
        .verb = QUEUE_LIST, .filter = {.state = -1}, .each = seen, .arg = &bytes};
    start = clock_mono_ms();
    while (queue_scan_on(worker.queue, &scan, 200))
        ;
    printf("walked over %llu in %.2f s, %zu bytes more\n", (unsigned long long)scan.recipients,
           (double)(clock_mono_ms() - start) / 1e3, in_use() - after);
    hold_all();
    fflush(stdout);
    _exit(0);
}
