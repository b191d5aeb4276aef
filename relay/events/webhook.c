// SPDX-License-Identifier: ISC
// A sink that is posted to over HTTPS: {"sink":"NAME","events":[…]}, signed. Taken is what gets an answer 2xx.
#include "config/webhook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/events/inside.h"
#include "relay/log/json.h"
#include "sign/mac.h"
#include "tls/https_post.h"

#define WEBHOOK_SECRETS 4
#define WEBHOOK_WORDS   200 // bytes of what a receiver says that are shown

struct webhook_way {
    struct sinks *sinks;
    const struct cfg_sink *config;
    struct webhook hook;
    struct trust *trust;
    char *secrets[WEBHOOK_SECRETS];
    size_t nsecrets;
    struct https_request *post; // NULL: none under way
    sink_done *done;
    void *arg;
};

static void webhook_close(void *way)
{
    struct webhook_way *w = way;
    https_cancel(w->post);
    for (size_t i = 0; i < w->nsecrets; i++)
        free(w->secrets[i]);
    trust_unref(w->trust);
    webhook_free(&w->hook);
    free(w);
}

// One secret a line.
static int read_secrets(struct webhook_way *w, struct why *why)
{
    unsigned char bytes[SINK_SECRET];
    const char *path = w->config->secret_file;
    if (!path[0])
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (n < 0)
        why_say(why, SINK_SECRET, path, "cannot be read: ", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return -1;
    struct span line, rest = span_of(bytes, (size_t)n);
    while (rest.n && w->nsecrets < WEBHOOK_SECRETS) {
        if (!span_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = span_of(NULL, 0);
        }
        line = span_trim(line);
        if (line.n)
            w->secrets[w->nsecrets++] = span_dup(line);
    }
    return w->nsecrets ? 0 : why_say(why, SINK_SECRET, path, "has no secret", "");
}

static void *webhook_open(struct sinks *s, const struct cfg_sink *config, struct trust *trust,
                          struct why *why)
{
    struct webhook_way *w = mem_new(sizeof *w);
    const struct https_options options = {.mail = s->mail, .dns = s->dns};
    w->sinks = s;
    w->config = config;
    int rc = webhook_parse(span_text(config->url), &w->hook, why);
    if (rc == 0)
        rc = read_secrets(w, why);
    if (rc == 0 && !w->hook.clear)
        w->trust = config->ca_file[0] ? trust_load(config->ca_file, why)
                   : trust            ? trust_ref(trust)
                                      : NULL;
    if (rc == 0 && !w->hook.clear && !w->trust)
        rc = config->ca_file[0] ? -1
                                : why_set(why, WHY_OURS, "4.3.5", "delivery.ca_file is not loaded");
    if (rc == 0 && !s->https && !(s->https = https_open(&options, why)))
        rc = -1;
    if (rc == 0)
        return w;
    webhook_close(w);
    return NULL;
}

static void write_body(const struct webhook_way *w, const struct sink_batch *batch, struct buf *out)
{
    json_t *name = json_text(w->config->name);
    char *text = json_dumps(name, JSON_ENCODE_ANY);
    json_decref(name);
    buf_addf(out, "{\"sink\":%s,\"events\":[", text);
    free(text);
    struct span line, rest = buf_span(&batch->lines);
    for (size_t i = 0; span_cut(rest, '\n', &line, &rest); i++) {
        buf_adds(out, i ? "," : "");
        buf_addspan(out, line);
    }
    buf_adds(out, "]}");
}

// Over "TIME.BODY", so that what was signed once cannot be sent again at another time.
static void write_signature(const struct webhook_way *w, struct span body, struct buf *out)
{
    struct buf signed_text;
    long long now = clock_s();
    buf_init(&signed_text, body.n + 64);
    buf_addf(&signed_text, "%lld.", now);
    buf_addspan(&signed_text, body);
    buf_addf(out, "Waxwing-Signature: t=%lld", now);
    for (size_t i = 0; i < w->nsecrets; i++) {
        unsigned char mac[MAC_BYTES];
        mac_of(w->secrets[i], strlen(w->secrets[i]), signed_text.data, signed_text.len, mac);
        buf_adds(out, ",v1=");
        for (size_t k = 0; k < sizeof mac; k++)
            buf_addf(out, "%02x", mac[k]);
    }
    buf_free(&signed_text);
}

// What no second try of the same bytes will mend is class 5: the batch is made smaller.
static void webhook_judge(const struct https_post_answer *answer, struct why *why)
{
    if (!answer->status) {
        why_say(why, SINK_AWAY, answer->error);
        return;
    }
    size_t n = answer->words.n < WEBHOOK_WORDS ? answer->words.n : WEBHOOK_WORDS;
    bool content = answer->status == 400 || answer->status == 413 || answer->status == 422;
    why_say(why, SINK_REFUSES, answer->status, n ? ": " : "", (int)n,
            n ? (const char *)answer->words.p : "");
    if (content)
        why_status(why, "5.6.0");
}

static void webhook_on_answer(const struct https_post_answer *answer, void *arg)
{
    struct webhook_way *w = arg;
    struct why why;
    w->post = NULL;
    if (answer->status >= 200 && answer->status < 300) {
        w->done(w->arg, 0, NULL);
        return;
    }
    webhook_judge(answer, &why);
    w->done(w->arg, 0, &why);
}

static void webhook_send(void *way, const struct sink_batch *batch, sink_done *done, void *arg)
{
    struct webhook_way *w = way;
    struct buf body, signature;
    buf_init(&body, SINK_BYTES + 2 * JOURNAL_LINE);
    buf_init(&signature, 1024);
    write_body(w, batch, &body);
    if (w->nsecrets)
        write_signature(w, buf_span(&body), &signature);
    const char *headers[] = {w->nsecrets ? buf_text(&signature) : NULL, NULL};
    struct https_post_order order = {
        .host = w->hook.url.host,
        .port = w->hook.url.port,
        .path = w->hook.url.path,
        .type = "application/json",
        .body = buf_span(&body),
        .headers = headers,
        .trust = w->trust,
        .at = w->hook.at,
        .nat = w->hook.nat,
    };
    w->done = done;
    w->arg = arg;
    w->post = https_post(w->sinks->https, &order, webhook_on_answer, w);
    buf_free(&body);
    buf_free(&signature);
}

const struct sink_way sink_webhook = {webhook_open, webhook_send, webhook_close};
