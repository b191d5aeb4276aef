// SPDX-License-Identifier: ISC
// Streams in the place of stdout and stderr that clean what they are given.
#include "relay/command/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/utf8.h"

// One of the two streams.
struct terminal {
    int fd;
    bool bytes;             // nothing is cleaned
    unsigned char early[3]; // the start of a character
    size_t nearly;
};

static struct terminal out = {.fd = STDOUT_FILENO}, err = {.fd = STDERR_FILENO};

static unsigned code_point(const unsigned char *p, size_t n)
{
    unsigned first = n == 1 ? p[0] : p[0] & (0x7fu >> n), point = first;
    for (size_t i = 1; i < n; i++)
        point = point << 6 | (p[i] & 63u);
    return point;
}

static bool terminal_harmless(unsigned point)
{
    if (point < 32 || (point >= 127 && point < 0xa0))
        return point == '\n' || point == '\t';
    bool turns = point == 0x61c || point == 0x200e || point == 0x200f ||
                 (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return !turns;
}

// Could be the start of a character that is cut off here.
static bool may_go_on(struct span rest)
{
    unsigned char c = rest.p[0];
    size_t whole = c >= 0xf0 && c < 0xf5   ? 4
                   : c >= 0xe0 && c < 0xf0 ? 3
                   : c >= 0xc2 && c < 0xe0 ? 2
                                           : 0;
    if (c == '\r')
        return rest.n == 1;
    for (size_t i = 1; i < rest.n && i < whole; i++)
        if ((rest.p[i] & 0xc0) != 0x80)
            return false;
    return rest.n < whole;
}

size_t terminal_clean(struct span text, bool last, struct buf *to)
{
    size_t at = 0;
    while (at < text.n) {
        struct span rest = span_from(text, at);
        size_t n = utf8_length(rest);
        bool line_end = rest.p[0] == '\r' && rest.n > 1 && rest.p[1] == '\n';
        if (!last && !line_end && (n == 0 || rest.p[0] == '\r') && may_go_on(rest))
            break;
        if (n && (line_end || terminal_harmless(code_point(rest.p, n))))
            buf_add(to, rest.p, n);
        else
            buf_addc(to, '?');
        at += n ? n : 1;
    }
    return at;
}

static bool terminal_write_all(int fd, struct span bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = span_from(bytes, (size_t)n);
    }
    return true;
}

static ssize_t terminal_write(void *cookie, const char *bytes, size_t n)
{
    struct terminal *t = cookie;
    if (t->bytes)
        return terminal_write_all(t->fd, span_of(bytes, n)) ? (ssize_t)n : 0;
    struct buf in, clean;
    buf_init(&in, n + sizeof t->early);
    buf_init(&clean, n + sizeof t->early + 1); // never longer than what came
    buf_add(&in, t->early, t->nearly);
    buf_add(&in, bytes, n);
    struct span rest = span_from(buf_span(&in), terminal_clean(buf_span(&in), false, &clean));
    t->nearly = rest.n;
    if (rest.n)
        memcpy(t->early, rest.p, rest.n);
    bool ok = terminal_write_all(t->fd, buf_span(&clean));
    buf_free(&in);
    buf_free(&clean);
    return ok ? (ssize_t)n : 0; // 0: the stream's error is set, as for a full disk
}

static FILE *guarded(struct terminal *t, FILE *before)
{
    static const cookie_io_functions_t functions = {.write = terminal_write};
    fflush(before);
    FILE *f = fopencookie(t, "w", functions);
    if (!f)
        return before;
    // Lines that belong together with those of the other stream stay in order.
    setvbuf(f, NULL, t == &err || isatty(t->fd) ? _IOLBF : _IOFBF, BUFSIZ);
    return f;
}

void terminal_guard(void)
{
    stdout = guarded(&out, stdout);
    stderr = guarded(&err, stderr);
}

void terminal_bytes(void)
{
    fflush(stdout);
    out.bytes = !isatty(out.fd);
}
