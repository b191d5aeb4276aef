// SPDX-License-Identifier: ISC
#include "relay/run/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/value.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/net/listen.h"
#include "relay/setup/setup.h"

#define TROUBLE_MS 3600000 // how often a changed file that cannot be used is told

// ---- the files

static void forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void pages_secrets_free(struct pages_secrets *s)
{
    forget(s->token);
    forget(s->chain);
    forget(s->key);
    *s = (struct pages_secrets){0};
}

// NULL with why where it cannot be read.
static char *read_file(const char *path, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text = mem_new(PAGES_FILE_MAX + 1);
    ssize_t n = fd < 0 ? -1 : read(fd, text, PAGES_FILE_MAX); // a regular file comes in one piece
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n >= 0)
        return text;
    free(text);
    why_set(why, WHY_OURS, "4.3.0", "http: %s cannot be read: %s", path, strerror(error));
    return NULL;
}

// The first line without blanks at its ends.
static int read_token(const char *path, char **token, struct why *why)
{
    char *text = read_file(path, why);
    if (!text)
        return -1;
    text[strcspn(text, "\r\n")] = 0;
    *token = span_dup(span_trim(span_text(text)));
    forget(text);
    return strlen(*token) >= PAGES_TOKEN_MIN
               ? 0
               : why_set(why, WHY_OURS, "4.3.0",
                         "http.token_file: %s has a token of fewer than %d characters: openssl "
                         "rand -base64 24 > %s",
                         path, PAGES_TOKEN_MIN, path);
}

int pages_secrets_read(const struct config *c, struct pages_secrets *out, struct why *why)
{
    *out = (struct pages_secrets){0};
    if (c->http_token_file[0] && read_token(c->http_token_file, &out->token, why) < 0)
        return -1;
    if (!c->http_chain[0])
        return 0;
    out->chain = read_file(c->http_chain, why);
    out->key = out->chain ? read_file(c->http_key, why) : NULL;
    return out->key ? 0 : -1;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_secrets(const struct pages_secrets *a, const struct pages_secrets *b)
{
    return same(a->token, b->token) && same(a->chain, b->chain) && same(a->key, b->key);
}

// ---- the server

void pages_bind(struct pages *pages, const struct config *config)
{
    struct sockaddr_storage address;
    struct why why;
    pages->fd = -1;
    if (!config->http[0])
        return;
    if (value_endpoint(span_text(config->http), PORT_REQUIRED, &address, &why) == 0)
        pages->fd = listen_tcp((const struct sockaddr *)&address, config->http, &why);
    if (pages->fd < 0)
        log_alarm("http", why.reason, "%s", why.text);
}

// A server with these secrets, which are taken over where there is one.
static int begin(struct pages *pages, struct relay *relay, uv_loop_t *loop,
                 struct pages_secrets *secrets, struct why *why)
{
    struct http_options options = {.relay = relay,
                                   .loop = loop,
                                   .pages = http_pages,
                                   .token = secrets->token,
                                   .chain = secrets->chain,
                                   .key = secrets->key};
    options.fd = fcntl(pages->fd, F_DUPFD_CLOEXEC, 0);
    if (options.fd < 0)
        return why_set(why, WHY_OURS, "4.3.0", "http: %s", strerror(errno));
    struct http *http = http_open(&options, why);
    if (!http)
        return -1;
    http_close(pages->http);
    pages->http = http;
    pages_secrets_free(&pages->secrets);
    pages->secrets = *secrets;
    *secrets = (struct pages_secrets){0};
    return 0;
}

void pages_serve(struct pages *pages, struct relay *relay, uv_loop_t *loop)
{
    struct pages_secrets secrets;
    struct why why;
    if (pages->fd < 0)
        return;
    if (pages_secrets_read(relay->setup->config, &secrets, &why) < 0 ||
        begin(pages, relay, loop, &secrets, &why) < 0)
        log_alarm("http", why.reason, "%s", why.text);
    pages_secrets_free(&secrets);
}

void pages_look(struct pages *pages, struct relay *relay, uv_loop_t *loop)
{
    struct pages_secrets secrets;
    struct why why;
    if (pages->fd < 0)
        return;
    int rc = pages_secrets_read(relay->setup->config, &secrets, &why);
    if (rc == 0 && (!pages->http || !same_secrets(&secrets, &pages->secrets)))
        rc = begin(pages, relay, loop, &secrets, &why);
    if (rc < 0)
        log_alarm_once("http", why.reason, why.text, TROUBLE_MS, "%s%s", why.text,
                       pages->http ? "; the pages go on as they were" : "");
    pages_secrets_free(&secrets);
}

void pages_reload(struct pages *pages, struct relay *relay, uv_loop_t *loop,
                  const struct config *old)
{
    const struct config *now = relay->setup->config;
    if (strcmp(old->http, now->http) == 0 && pages->fd >= 0) {
        pages_look(pages, relay, loop);
        return;
    }
    pages_close(pages);
    pages_bind(pages, now);
    pages_serve(pages, relay, loop);
}

void pages_close(struct pages *pages)
{
    http_close(pages->http);
    pages->http = NULL;
    if (pages->fd >= 0)
        close(pages->fd);
    pages->fd = -1;
    pages_secrets_free(&pages->secrets);
}
