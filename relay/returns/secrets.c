// SPDX-License-Identifier: ISC
// Files of secrets.
#include "relay/returns/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"

struct secrets {
    atomic_uint refs;
    char *text;
    struct span at[SECRETS_MAX];
    size_t n;
};

struct secrets *secrets_ref(struct secrets *s)
{
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void secrets_unref(struct secrets *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    explicit_bzero(s->text, strlen(s->text));
    free(s->text);
    free(s);
}

size_t secrets_count(const struct secrets *s)
{
    return s->n;
}

struct span secrets_at(const struct secrets *s, size_t i)
{
    return s->at[i];
}

static const char *add_line(struct secrets *s, struct span line)
{
    while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
        line.n--;
    if (!line.n)
        return NULL;
    if (line.n < SECRETS_SHORT)
        return "has a secret of less than 8 characters";
    if (s->n == SECRETS_MAX)
        return "has more than 64 secrets";
    s->at[s->n++] = line;
    return NULL;
}

struct secrets *secrets_parse(struct span text, const char *file, struct why *why)
{
    struct secrets *s = mem_new(sizeof *s);
    const char *fault = memchr(text.p ? text.p : (const unsigned char *)"", 0, text.n)
                            ? "has a NUL byte, so it is no list of secrets"
                            : NULL;
    atomic_init(&s->refs, 1);
    s->text = span_dup(fault ? span_of(NULL, 0) : text);
    struct span rest = span_text(s->text), line;
    while (!fault && rest.n) {
        if (!span_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = span_of(NULL, 0);
        }
        fault = add_line(s, line);
    }
    if (!fault && !s->n)
        fault = "has no secret; waxwing srs key makes one";
    if (!fault)
        return s;
    why_set(why, WHY_OURS, "4.3.5", "%s %s", file, fault);
    secrets_unref(s);
    return NULL;
}

static ssize_t read_all(int fd, char *out, size_t room)
{
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n < room) {
        got = read(fd, out + n, room - n);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            n += (size_t)got;
    }
    return got < 0 ? -1 : (ssize_t)n;
}

struct secrets *secrets_load(const char *file, struct why *why)
{
    struct secrets *s = NULL;
    char *text = mem_new(SECRETS_FILE + 1);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read_all(fd, text, SECRETS_FILE + 1);
    if (n < 0)
        why_set(why, WHY_OURS, "4.3.5", "%s cannot be read: %s", file, strerror(errno));
    else if (n > SECRETS_FILE)
        why_set(why, WHY_OURS, "4.3.5", "%s is larger than %d bytes", file, SECRETS_FILE);
    else
        s = secrets_parse(span_of(text, (size_t)n), file, why);
    if (fd >= 0)
        close(fd);
    explicit_bzero(text, SECRETS_FILE + 1);
    free(text);
    return s;
}
