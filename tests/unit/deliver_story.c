// SPDX-License-Identifier: ISC
// The stage for stories about one outbound session.
#include "tests/unit/deliver_story.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/deliver/refusal.h"
#include "tests/unit/certs.h"

static void freed(void *arg)
{
    (void)arg;
}

static void opening(void *arg)
{
    struct story *s = arg;
    if (s->opening)
        s->opening(s);
}

void story_begin(struct story *s, const char *delivery, const struct cert *ca)
{
    story_begin_timed(s, 5, delivery, ca);
}

void story_begin_timed(struct story *s, unsigned seconds, const char *delivery,
                       const struct cert *ca)
{
    memset(s, 0, sizeof *s);
    char text[2048];
    const char *ca_file = "/dev/null";
    if (ca) {
        snprintf(s->file, sizeof s->file, "/tmp/waxwing-story-%d.pem", (int)getpid());
        struct cert *chain[] = {(struct cert *)(uintptr_t)ca};
        cert_save(s->file, NULL, chain, 1);
        ca_file = s->file;
    }
    snprintf(text, sizeof text,
             "hostname: relay.test\nspool: /tmp/s\nstate: /tmp/t\n"
             "delivery: {ca_file: %s, timeouts: {connect: %us, greeting: %us, command: %us, data: "
             "%us}%s%s}\n",
             ca_file, seconds, seconds, seconds, seconds, delivery[0] ? ", " : "", delivery);
    struct config_load load;
    config_load_init(&load);
    s->config = config_load_text("/tmp/story.yaml", text, strlen(text), &load);
    if (!s->config)
        fprintf(stderr, "%s", buf_text(&load.errors));
    assert(s->config);
    config_load_free(&load);
    s->setup = mem_new(sizeof *s->setup);
    s->setup->refs = 1000; // freed by story_end alone
    s->setup->config = s->config;
    struct why why;
    s->setup->trust = ca ? trust_load(s->file, &why) : NULL;
    s->worker.relay = &s->relay;
    s->workers[0] = &s->worker;
    s->relay.workers = s->workers;
    s->relay.nworkers = 1;
    s->worker.setup = s->setup;
    uv_loop_init(&s->worker.loop);
    s->worker.mail = inbox_open(&s->worker.loop);
    inbox_unref(s->worker.mail);
    s->pool = pool_new(&s->worker, freed, NULL);
    s->refusals = refusals_new(&s->relay);
    list_init(&s->idle);
    s->route = mem_new(sizeof *s->route);
    s->route->refs = 1;
    s->route->domain = mem_dup("example.test");
    s->route->next_hop_domain = mem_dup("example.test");
    s->route->site = mem_dup("site");
    s->route->setup = setup_ref(s->setup);
    s->route->expires_ms = clock_mono_ms() + 3600000;
}

void story_end(struct story *s)
{
    message_unref(s->message);
    route_unref(s->route);
    pool_free(s->pool);
    refusals_free(s->refusals);
    inbox_close(s->worker.mail);
    uv_run(&s->worker.loop, UV_RUN_DEFAULT);
    assert(uv_loop_close(&s->worker.loop) == 0);
    trust_unref(s->setup->trust);
    config_unref(s->config);
    free(s->setup);
    if (s->file[0])
        unlink(s->file);
}

void story_demand_key(struct route_host *host, const char *key)
{
    snprintf(host->demand.key, sizeof host->demand.key, "%s", key);
}

struct route_host *story_host(struct story *s, struct mx *mx, const char *name,
                              enum tls_level level)
{
    struct route *route = s->route;
    route->hosts = mem_grow(route->hosts, route->nhosts + 1, sizeof *route->hosts);
    struct route_host *host = &route->hosts[route->nhosts++];
    *host = (struct route_host){.host = mem_dup(name),
                                .port = mx_port(mx),
                                .preference = (uint16_t)(10 * route->nhosts),
                                .naddresses = 1};
    host->addresses = mem_new(sizeof *host->addresses);
    struct sockaddr_in *a = (struct sockaddr_in *)host->addresses;
    a->sin_family = AF_INET;
    a->sin_port = htons(host->port);
    a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    host->demand.level = host->demand.observe = level;
    host->demand.sni = mem_dup(name);
    host->demand.names[0] = mem_dup(name);
    host->demand.nnames = 1;
    host->demand.trust = s->setup->trust;
    story_demand_key(host, tls_level_word(level));
    return host;
}

struct message *story_message(struct story *s, const char *from, const char *text, ...)
{
    message_unref(s->message);
    struct message *m = s->message = message_new();
    m->env.from = (free(m->env.from), mem_dup(from));
    m->env.created_ms = clock_ms();
    const char *body = strstr(text, "\r\n\r\n");
    size_t header = body ? (size_t)(body - text) + 4 : strlen(text);
    buf_adds(&m->prefix, "Received: by relay.test\r\n");
    buf_add(&m->header, text, header);
    buf_adds(&m->body, text + header);
    va_list args;
    va_start(args, text);
    for (const char *to; (to = va_arg(args, const char *));)
        message_add_recipient(m, to, "example.test");
    va_end(args);
    return m;
}

static void story_attempt(struct story_end *end, const struct attempt *a)
{
    memset(&end->attempt, 0, sizeof end->attempt);
    if (!a)
        return;
    memcpy(&end->attempt, a, sizeof *a);
    snprintf(end->reply, sizeof end->reply, "%s", a->reply);
    end->attempt.reply = end->reply;
}

static void done(struct list *deliveries, const struct deliver_met *met, void *arg)
{
    struct story *s = arg;
    s->done = true;
    memset(&s->attempt, 0, sizeof s->attempt);
    s->attempted = met->attempted;
    s->nends = 0;
    while (!list_empty(deliveries)) {
        struct delivery *d = list_of(deliveries->next, struct delivery, list);
        for (size_t i = 0; i < d->nrcpts; i++) {
            struct story_end *end = &s->ends[s->nends++];
            snprintf(end->address, sizeof end->address, "%s", d->rcpts[i].recipient->address);
            end->standing = d->rcpts[i].standing;
            why_clear(&end->why);
            story_attempt(end, d->rcpts[i].attempt);
            if (i == 0)
                s->attempt = end->attempt;
            if (d->rcpts[i].why)
                end->why = *d->rcpts[i].why;
        }
        delivery_free(d);
    }
}

static bool story_beside(void *arg, bool more)
{
    struct story *s = arg;
    s->nbeside += more ? 1 : -1;
    s->raced += more;
    return true;
}

void story_run(struct story *s)
{
    size_t which[16], n = s->message->env.nrcpts;
    for (size_t i = 0; i < n; i++)
        which[i] = i;
    // The bytes leave the message for its content; a second run needs them again.
    struct message *twin = message_twin(s->message);
    buf_addspan(&twin->prefix, buf_span(&s->message->prefix));
    buf_addspan(&twin->header, buf_span(&s->message->header));
    buf_addspan(&twin->body, buf_span(&s->message->body));
    twin->in_memory = true;
    struct delivery *d = delivery_new(twin, which, n);
    d->worker = &s->worker;
    d->route = route_ref(s->route);
    d->content = content_take(&s->relay, twin);
    message_unref(twin);
    struct list deliveries;
    list_init(&deliveries);
    list_append(&deliveries, &d->list);
    struct deliver_order order = {.worker = &s->worker,
                                  .pool = s->pool,
                                  .refusals = s->refusals,
                                  .idle = &s->idle,
                                  .nidle = &s->nidle,
                                  .opening = opening,
                                  .beside = s->races ? story_beside : NULL,
                                  .done = done,
                                  .arg = s};
    s->done = false;
    deliver_run(deliver_new(&order, &deliveries));
    while (!s->done)
        uv_run(&s->worker.loop, UV_RUN_ONCE);
}

void story_turn(struct story *s)
{
    for (int i = 0; i < 200 && s->nidle; i++) {
        uv_run(&s->worker.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

const struct story_end *story_of(const struct story *s, const char *address)
{
    for (size_t i = 0; i < s->nends; i++)
        if (strcmp(s->ends[i].address, address) == 0)
            return &s->ends[i];
    return NULL;
}
