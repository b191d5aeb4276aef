// SPDX-License-Identifier: ISC
// The stage for stories about the queue.
#include "tests/unit/queue_story.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/route/routes.h"
#include "relay/state/state.h"

static void found(struct message *m, void *arg)
{
    struct queue_story *s = arg;
    if (s->nfound == s->found_room) {
        s->found_room = s->found_room ? 2 * s->found_room : 64;
        s->found = mem_grow(s->found, s->found_room, sizeof(struct message *));
    }
    s->found[s->nfound++] = m;
}

static void open_spool(struct queue_story *s)
{
    struct spool_options options = {.directory = s->directory, .files = s->files};
    struct why why;
    int status;
    int rc = spool_open(&s->relay.spool, &options, found, s, &status, &why);
    if (rc < 0)
        fprintf(stderr, "%s\n", why.text);
    assert(rc == 0);
}

static void open_workers(struct queue_story *s)
{
    struct why why;
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++) {
        struct worker *w = s->list[i] = &s->workers[i];
        *w = (struct worker){.relay = &s->relay, .index = i, .setup = s->setup};
        uv_loop_init(&w->loop);
        w->mail = inbox_open(&w->loop);
    }
    char *path = mem_printf("%s.state", s->directory);
    s->relay.state = state_open(&(struct state_options){.path = path, .keep_ms = 86400000}, &why);
    assert(s->relay.state);
    free(path);
    struct dns_options dns = {.answers_file = s->answers};
    s->relay.dns = dns_open(&dns, &why);
    assert(s->relay.dns);
    struct routes_options routes = {.relay = &s->relay, .setup = setup_ref(s->setup)};
    s->relay.routes = routes_open(&routes, &why);
    assert(s->relay.routes);
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        s->workers[i].queue = queue_new(&s->workers[i]);
}

static void configure(struct queue_story *s, const char *text)
{
    struct config_load load;
    config_load_init(&load);
    s->config = config_load_text("/tmp/story.yaml", text, strlen(text), &load);
    if (!s->config)
        fprintf(stderr, "%s%s", text, buf_text(&load.errors));
    assert(s->config);
    config_load_free(&load);
    s->setup = mem_new(sizeof *s->setup);
    s->setup->refs = 100000; // freed by queue_story_end alone
    s->setup->config = s->config;
    size_t n = s->config->delivery.ndestinations;
    s->setup->destination_trust = mem_new((n ? n : 1) * sizeof *s->setup->destination_trust);
    s->setup->destination_identity = mem_new((n ? n : 1) * sizeof *s->setup->destination_identity);
}

void queue_story_open(struct queue_story *s, const char *folder, const char *yaml,
                      const char *answers)
{
    memset(s, 0, sizeof *s);
    snprintf(s->directory, sizeof s->directory, "%s", folder);
    s->answers = answers;
    configure(s, yaml);
    s->relay.workers = s->list;
    s->relay.nworkers = QUEUE_STORY_WORKERS;
    open_spool(s);
    open_workers(s);
}

static char *words_of(const struct queue_story *s, const char *delivery, const char *more)
{
    return mem_printf(
        "hostname: relay.test\nspool: %s\nstate: /tmp/none\n%s\n"
        "dsn: {from: MAILER-DAEMON@relay.test, expire: 1d%s}\n"
        "delivery:\n  tls: opportunistic\n  ca_file: /dev/null\n  memory: {level: off}\n"
        "  timeouts: {connect: 5s, greeting: 5s, command: 5s, data: 5s}\n%s\n"
        "  destinations:\n"
        "    - {domain: example.test, next_hop: [\"[127.0.0.1]:%u\"]}\n"
        "    - {domain: other.test, next_hop: [\"[127.0.0.1]:%u\"]}\n"
        "    - {domain: us.test, next_hop: [\"[127.0.0.1]:%u\"]}\n",
        s->directory, "", more, delivery, mx_port(s->mx), mx_port(s->mx), mx_port(s->home));
}

void queue_story_begin(struct queue_story *s, const char *delivery, const char *more)
{
    struct mx *mx = mx_start("PIPELINING\nSIZE 100000000\n8BITMIME\nDSN\nENHANCEDSTATUSCODES");
    struct mx *home = mx_start("PIPELINING\n8BITMIME\nDSN");
    struct queue_story words = {.directory = "/tmp/waxwing-queue-XXXXXX", .mx = mx, .home = home};
    assert(mkdtemp(words.directory));
    char *text = words_of(&words, delivery, more);
    queue_story_open(s, words.directory, text, "unit/data/queue-dns.json");
    s->mx = mx;
    s->home = home;
    free(text);
}

static void gone(void *arg)
{
    ++*(unsigned *)arg;
}

static void close_all(struct queue_story *s)
{
    unsigned ended = 0;
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        queue_stop(s->workers[i].queue, 1000, gone, &ended);
    while (ended < QUEUE_STORY_WORKERS)
        queue_story_turn(s);
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        queue_free(s->workers[i].queue);
    routes_close(s->relay.routes);
    dns_close(s->relay.dns);
    state_close(s->relay.state);
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++) {
        // Answers to questions that were taken back still lie in the inbox.
        uv_run(&s->workers[i].loop, UV_RUN_NOWAIT);
        inbox_close(s->workers[i].mail);
        uv_run(&s->workers[i].loop, UV_RUN_DEFAULT);
        assert(uv_loop_close(&s->workers[i].loop) == 0);
    }
    spool_close(s->relay.spool);
    for (size_t i = 0; i < s->nfound; i++)
        message_unref(s->found[i]);
    s->nfound = 0;
}

void queue_story_restart(struct queue_story *s)
{
    close_all(s);
    s->relay.counters.queued_now = 0;
    open_spool(s);
    open_workers(s);
}

void queue_story_adopt(struct queue_story *s)
{
    for (size_t i = 0; i < s->nfound; i++)
        queue_add(s->workers[i % QUEUE_STORY_WORKERS].queue, s->found[i]);
    s->nfound = 0;
}

void queue_story_end(struct queue_story *s)
{
    close_all(s);
    if (s->mx)
        mx_stop(s->mx);
    if (s->home)
        mx_stop(s->home);
    free(s->found);
    free(s->setup->destination_trust);
    free(s->setup->destination_identity);
    free(s->setup);
    config_unref(s->config);
    char *command = mem_printf("rm -rf %s %s.state*", s->directory, s->directory);
    assert(system(command) == 0);
    free(command);
    clock_release();
}

struct message *queue_story_message(const char *from, ...)
{
    struct message *m = message_new();
    free(m->env.from);
    m->env.from = mem_dup(from);
    m->env.created_ms = clock_ms();
    buf_adds(&m->prefix, "Received: by relay.test\r\n");
    buf_adds(&m->header, "Subject: hello\r\nFrom: a@us.test\r\n\r\n");
    buf_adds(&m->body, "hi\r\n.dot\r\n");
    va_list args;
    va_start(args, from);
    for (const char *to; (to = va_arg(args, const char *));)
        message_add_recipient(m, to, strchr(to, '@') + 1);
    va_end(args);
    return m;
}

void queue_story_large(struct queue_story *s, struct message *m, size_t body_bytes)
{
    struct why why;
    struct spool_large *large = spool_large_begin(s->relay.spool, &why);
    assert(large);
    char line[100];
    for (size_t at = 0, i = 0; at < body_bytes; i++) {
        int n = snprintf(line, sizeof line, "%sline %zu of a large body\r\n", i % 7 ? "" : ".", i);
        assert(spool_large_write(large, line, (size_t)n, &why) == 0);
        at += (size_t)n;
    }
    buf_reset(&m->body);
    assert(spool_large_finish(large, m, &why) == 0);
}

struct storing {
    struct spool_write write;
    bool done;
};

static void stored(struct item *item)
{
    struct storing *storing = (struct storing *)(void *)item;
    storing->done = true;
}

uint64_t queue_story_accept(struct queue_story *s, struct message *m)
{
    struct storing storing = {
        .write = {.item = {NULL, stored}, .reply = s->workers[0].mail, .message = m}};
    spool_store(s->relay.spool, &storing.write);
    while (!storing.done)
        queue_story_turn(s);
    assert(!storing.write.failed);
    uint64_t id = m->env.id;
    queue_add(s->workers[0].queue, m);
    return id;
}

void queue_story_turn(struct queue_story *s)
{
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        uv_run(&s->workers[i].loop, UV_RUN_NOWAIT);
    usleep(200);
}

void queue_story_until(struct queue_story *s, queue_story_condition *condition)
{
    uint64_t stop = clock_mono_ms() + 20000;
    while (!condition(s)) {
        if (clock_mono_ms() > stop) {
            fprintf(stderr, "the story does not go on\n");
            abort();
        }
        queue_story_turn(s);
    }
}

struct seen {
    size_t n;
    struct queue_row *first;
};

static void queue_story_on_row(const struct queue_row *row, void *arg)
{
    static char reason[1024], to[256];
    struct seen *seen = arg;
    if (seen->n++ || !seen->first)
        return;
    snprintf(reason, sizeof reason, "%s", row->reason);
    snprintf(to, sizeof to, "%s", row->to);
    *seen->first = *row;
    seen->first->reason = reason;
    seen->first->to = to;
    seen->first->from = seen->first->domain = NULL;
}

size_t queue_story_filter(struct queue_story *s, enum queue_verb verb,
                          const struct queue_filter *filter, struct queue_row *row)
{
    struct seen seen = {.first = row};
    struct queue_scan scan = {.verb = verb,
                              .filter = *filter,
                              .by = "tester",
                              .next_hop = s->next_hop,
                              .each = queue_story_on_row,
                              .arg = &seen};
    for (unsigned i = 0; i < QUEUE_STORY_WORKERS; i++)
        while (queue_scan_on(s->workers[i].queue, &scan, 1))
            ;
    return scan.recipients;
}

size_t queue_story_do(struct queue_story *s, enum queue_verb verb, uint64_t id,
                      struct queue_row *row)
{
    struct queue_filter filter = {.ids = id ? &id : NULL, .nids = id ? 1 : 0, .state = -1};
    return queue_story_filter(s, verb, &filter, row);
}
