// SPDX-License-Identifier: ISC
// The relay of the inbound tests, and the shelf in the place of spool and queue.
#include "tests/unit/inbound_story.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/login/bans.h"
#include "relay/queue/queue.h"
#include "relay/spool/spool.h"
#include "tests/unit/certs.h"

struct shelf shelf;
static struct spool_write *held;

struct spool_large {
    char *bytes;
    size_t n;
};

bool spool_room(struct spool *spool)
{
    (void)spool;
    return !shelf.no_room;
}

bool spool_room_for(struct spool *spool, uint64_t bytes)
{
    (void)bytes;
    return spool_room(spool);
}

uint64_t spool_free_bytes(struct spool *spool)
{
    return spool_room(spool) ? UINT64_MAX : 0;
}

void spool_promise(struct spool *spool, struct message *m, uint64_t bytes)
{
    (void)spool;
    (void)m;
    (void)bytes;
}

static void answer(struct spool_write *write)
{
    write->failed = shelf.fail_store;
    if (write->failed) {
        why_set(&write->why, WHY_OURS, "4.3.0", "the disk would not write");
        spool_large_discard(NULL, write->message);
    } else {
        shelf.stored = mem_grow(shelf.stored, shelf.nstored + 1, sizeof *shelf.stored);
        shelf.stored[shelf.nstored++] = message_ref(write->message);
    }
    inbox_post(write->reply, &write->item);
}

void spool_store(struct spool *spool, struct spool_write *write)
{
    (void)spool;
    if (shelf.hold)
        held = write;
    else
        answer(write);
}

bool shelf_waits(void)
{
    return held;
}

void shelf_answer(void)
{
    assert_non_null(held);
    answer(held);
    held = NULL;
}

void queue_add(struct queue *queue, struct message *message)
{
    (void)queue;
    shelf.nqueued++;
    message_unref(message);
}

struct spool_large *spool_large_begin(struct spool *spool, struct why *why)
{
    (void)spool;
    (void)why;
    shelf.large_open++;
    return mem_new(sizeof(struct spool_large));
}

int spool_large_write(struct spool_large *large, const void *bytes, size_t n, struct why *why)
{
    shelf.large_writes++;
    if (shelf.fail_large)
        return why_set(why, WHY_OURS, "4.3.1", "no space is left");
    large->bytes = mem_grow(large->bytes, large->n + n, 1);
    memcpy(large->bytes + large->n, bytes, n);
    large->n += n;
    return 0;
}

int spool_large_finish(struct spool_large *large, struct message *m, struct why *why)
{
    (void)why;
    free(shelf.large);
    shelf.large = large->bytes;
    shelf.large_bytes = large->n;
    m->large = mem_dup("large");
    m->body_bytes = large->n;
    free(large);
    return 0;
}

void spool_large_abort(struct spool_large *large)
{
    if (!large)
        return;
    shelf.large_open--;
    free(large->bytes);
    free(large);
}

void spool_large_discard(struct spool *spool, struct message *m)
{
    (void)spool;
    if (!m->large)
        return;
    shelf.large_open--;
    free(m->large);
    m->large = NULL;
}

ssize_t spool_read_large(struct spool *spool, const struct message *m, uint64_t offset, void *out,
                         size_t n, struct why *why)
{
    (void)spool;
    (void)m;
    (void)why;
    size_t left = offset < shelf.large_bytes ? shelf.large_bytes - (size_t)offset : 0;
    n = n < left ? n : left;
    memcpy(out, shelf.large + offset, n);
    return (ssize_t)n;
}

// ---- files

#define FOLDER  "/tmp/waxwing-inbound"
#define TICK_MS 5
static char folder[64]; // of the whole program: keys cost time

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
}

void story_write_users(const char *text)
{
    write_file("users", text);
}

// `record` (may be NULL) gets what is to be published.
static void make_key(const char *name, enum key_type type, struct buf *record)
{
    char path[128];
    struct why why;
    struct sign_key *key = sign_key_new(type, 2048, &why);
    assert_non_null(key);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(sign_key_save(key, path, &why), 0);
    if (record)
        sign_key_record(key, record);
    sign_key_unref(key);
}

static int story_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void story_remove_folder(void)
{
    nftw(folder, story_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_files(void)
{
    static struct cert cert;
    char chain[128], key[128];
    snprintf(folder, sizeof folder, FOLDER "-XXXXXX");
    assert_non_null(mkdtemp(folder));
    atexit(story_remove_folder);
    snprintf(chain, sizeof chain, "%s/chain.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    struct cert_spec spec = {.cn = "relay.example.org", .san = {"relay.example.org"}};
    cert_make(&cert, &spec);
    struct cert *list[] = {&cert};
    cert_save(chain, key, list, 1);
    cert_free(&cert);
    struct buf rsa, dns;
    buf_init(&rsa, 1024);
    buf_init(&dns, 4096);
    make_key("rsa.pem", KEY_RSA, &rsa);
    make_key("ed.pem", KEY_ED25519, NULL);
    // Of the keys of "pub" domains only the RSA one is published. No server answers for "dead" ones.
    static const char *const published[] = {"pub.example", "example.com", "friend.example"};
    buf_adds(&dns, "{\"records\":{");
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        buf_addf(&dns, "\"r._domainkey.%s\":{\"TXT\":[[\"%.200s\",\"%s\"]]},", published[i],
                 buf_text(&rsa), buf_text(&rsa) + 200);
    buf_addf(&dns, "\"_dmarc.friend.example\":{\"TXT\":[\"v=DMARC1; p=reject\"]},"
                   "\"friend.example\":{\"TXT\":[\"v=spf1 ip4:203.0.113.9 -all\"]},"
                   "\"_dmarc.example.com\":{\"TXT\":[\"v=DMARC1; p=reject\"]},"
                   "\"_dmarc.foreign.example\":{\"TXT\":[\"v=DMARC1; p=reject\"]}},"
                   "\"errors\":{\"r._domainkey.dead.example|TXT\":\"SERVFAIL\","
                   "\"dead.example|TXT\":\"TIMEOUT\",\"_dmarc.dead.example|TXT\":\"SERVFAIL\"}}");
    write_file("dns.json", buf_text(&dns));
    buf_free(&rsa);
    buf_free(&dns);
}

static const char base_yaml[] =
    "hostname: relay.example.org\n"
    "postmaster: admin@example.org\n"
    "certificate: {chain: chain.pem, key: key.pem}\n"
    "users: users\n"
    "spool: spool\nstate: state.db\ncontrol: control.sock\n"
    "delivery: {ca_file: chain.pem}\n"
    "dns: {trust_anchor: /dev/null, root_hints: /dev/null}\n"
    "dkim:\n"
    "  domains:\n"
    "  - domain: example.org\n"
    "    subdomains: true\n"
    "    keys: [{selector: r, file: rsa.pem}, {selector: e, file: ed.pem}]\n"
    "  - domain: pub.example\n"
    "    keys: [{selector: r, file: rsa.pem}, {selector: e, file: ed.pem}]\n"
    "  - domain: example.com\n"
    "    keys: [{selector: r, file: rsa.pem}]\n"
    "arc: {domain: example.org, selector: r, file: rsa.pem}\n";

const char story_yaml[] =
    "listen:\n"
    "- address: '127.0.0.1:0'\n"
    "- {address: '127.0.0.1:0', tls: implicit}\n"
    "- {address: '127.0.0.1:0', proxy: [127.0.0.1]}\n"
    "- {address: '127.0.0.1:0', tls: implicit, proxy: [127.0.0.1]}\n"
    "senders:\n"
    "- {user: app, from: [example.org, '*.example.org', alerts@example.net, pub.example]}\n"
    "- {user: postfix, from: [example.com], forward: true, xforward: true,"
    " own_networks: [192.0.2.0/24], trust_results_of: [mx.example.com]}\n"
    "- {network: [127.0.0.7], tls: optional, from: [example.org], bare_lf: fix}\n"
    "- {network: [127.0.0.8], tls: required, from: [example.org]}\n"
    "auth: {failures: 3, ban: 15m}\n"
    "limits: {message_size: 2MiB, header_size: 8KiB, recipients: 5, per_client: 8}\n";

static struct setup *make_setup(const char *yaml)
{
    char path[128];
    struct config_load load;
    struct buf text;
    buf_init(&text, 65536);
    buf_adds(&text, base_yaml);
    buf_adds(&text, yaml ? yaml : story_yaml);
    snprintf(path, sizeof path, "%s/waxwing.yaml", folder);
    config_load_init(&load);
    struct config *config = config_load_text(path, text.data, text.len, &load);
    struct setup *setup = config ? setup_new(config, &load) : NULL;
    if (!setup)
        print_message("%s", buf_text(&load.errors));
    assert_non_null(setup);
    config_unref(config);
    config_load_free(&load);
    buf_free(&text);
    return setup;
}

static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    socklen_t n = sizeof sin;
    inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
    *port = ntohs(sin.sin_port);
    return fd;
}

// ---- life

void story_begin(struct story *s, const char *yaml)
{
    *s = (struct story){0};
    shelf = (struct shelf){0};
    if (!folder[0])
        make_files();
    // crypt(5) of "secret", with a scheme that costs nothing.
    story_write_users("app:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n"
                      "postfix:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n"
                      "other:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n");
    s->setup = make_setup(yaml);
    log_setup(LOG_TEXT, getenv("WAXWING_TEST_LOG") ? LOG_DEBUG : -1, false);
    uv_loop_init(&s->worker.loop);
    uv_timer_init(&s->worker.loop, &s->tick);
    s->worker.relay = &s->relay;
    s->worker.mail = inbox_open(&s->worker.loop);
    s->worker.setup = s->setup;
    char answers[128];
    struct why why;
    snprintf(answers, sizeof answers, "%s/dns.json", folder);
    struct dns_options dns = {.answers_file = answers};
    s->relay.dns = dns_open(&dns, &why);
    assert_non_null(s->relay.dns);
    s->relay.bans = bans_new(NULL, 900000);
    int fds[4];
    size_t n = s->setup->config->nlisten;
    for (size_t i = 0; i < n; i++)
        fds[i] = listen_somewhere(&s->ports[i]);
    s->server = server_new(&s->worker, fds, n);
}

void story_reload(struct story *s, const char *yaml)
{
    struct setup *old = s->setup;
    s->setup = s->worker.setup = make_setup(yaml);
    server_reload(s->server, NULL);
    setup_unref(old);
}

static void story_on_tick(uv_timer_t *timer)
{
    (void)timer;
}

void story_turn(struct story *s)
{
    // What is to come wakes the loop; the tick is for what only another look shows.
    uv_timer_start(&s->tick, story_on_tick, TICK_MS, 0);
    uv_run(&s->worker.loop, UV_RUN_ONCE);
}

static void on_gone(void *arg)
{
    struct story *s = arg;
    s->gone = true;
}

void story_stop(struct story *s)
{
    s->stopped = true;
    server_stop(s->server, on_gone, s);
}

void story_end(struct story *s)
{
    if (!s->stopped)
        story_stop(s);
    for (int i = 0; i < 50000 && !s->gone; i++)
        story_turn(s);
    assert_true(s->gone);
    assert_int_equal(s->relay.counters.memory_now, 0);
    assert_int_equal(s->relay.counters.connections_now, 0);
    server_free(s->server);
    assert_null(s->relay.limits);
    inbox_close(s->worker.mail);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_run(&s->worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->worker.loop), 0);
    dns_close(s->relay.dns);
    bans_free(s->relay.bans);
    tally_clear(&s->relay.counters.listeners);
    tally_clear(&s->relay.counters.logins);
    setup_unref(s->setup);
    for (size_t i = 0; i < shelf.nstored; i++)
        message_unref(shelf.stored[i]);
    free(shelf.stored);
    free(shelf.large);
}

const struct message *story_last(void)
{
    assert_true(shelf.nstored > 0);
    return shelf.stored[shelf.nstored - 1];
}

char *story_sent(void)
{
    const struct message *m = story_last();
    struct buf out;
    buf_init(&out, 64 << 20);
    assert_int_equal(message_sent_header(m, &out), 0);
    buf_addspan(&out, buf_span(&m->body));
    return buf_take(&out);
}

static void story_compare(const char *text, bool there)
{
    char *sent = story_sent();
    if ((strstr(sent, text) != NULL) != there)
        fail_msg("'%s' is %s:\n%s", text, there ? "not in" : "in", sent);
    free(sent);
}

void story_sent_has(const char *text)
{
    story_compare(text, true);
}

void story_sent_lacks(const char *text)
{
    story_compare(text, false);
}
