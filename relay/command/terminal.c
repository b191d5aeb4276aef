// SPDX-License-Identifier: ISC
// Streams in the place of stdout and stderr that clean what they are given.
#include "relay/command/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "relay/base/utf8.h"
#include "relay/command/progress.h"

// One of the two streams.
struct terminal {
    int fd;
    bool bytes;             // nothing is cleaned
    unsigned char early[3]; // the start of a character
    size_t nearly;
};

static struct terminal out = {.fd = STDOUT_FILENO}, err = {.fd = STDERR_FILENO};

static bool terminal_harmless(uint32_t point)
{
    if (point < 32 || point == 127)
        return point == '\n' || point == '\t';
    return !utf8_deceives(point);
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
        if (n && (line_end || terminal_harmless(utf8_point(span_slice(rest, 0, n)))))
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

static ssize_t write_cleaned(struct terminal *t, const char *bytes, size_t n)
{
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

// Two streams and a line that tells how far things are may share one screen.
static ssize_t terminal_write(void *cookie, const char *bytes, size_t n)
{
    progress_hide();
    ssize_t wrote = write_cleaned(cookie, bytes, n);
    progress_may_show(n ? bytes[n - 1] : '\n');
    return wrote;
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

static void escape(const char *sequence)
{
    fflush(stdout);
    progress_hide();
    terminal_write_all(STDOUT_FILENO, span_text(sequence));
}

static bool has_colours(void)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR"); // no-color.org
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(none && none[0]);
}

void terminal_tint(enum terminal_tint tint)
{
    static const char *const sequences[] = {[TERMINAL_PLAIN] = "\033[0m",
                                            [TERMINAL_GOOD] = "\033[32m",
                                            [TERMINAL_WAIT] = "\033[33m",
                                            [TERMINAL_BAD] = "\033[1;31m"};
    if (has_colours())
        escape(sequences[tint]);
}

void terminal_clear(void)
{
    if (isatty(STDOUT_FILENO))
        escape("\033[H\033[2J");
}

size_t terminal_width(void)
{
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO))
        return 0;
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return size.ws_col > 20 ? size.ws_col : 80;
}

// A line of at most `width` columns breaks at a blank where there is one.
static size_t line_of(const char *text, size_t width)
{
    size_t n = strlen(text), blank = 0;
    if (!width || n <= width)
        return n;
    for (size_t i = 1; i <= width; i++)
        if (text[i] == ' ')
            blank = i;
    return blank ? blank : width;
}

const char *terminal_age(long long s, char text[static TERMINAL_AGE])
{
    if (s < 60)
        snprintf(text, TERMINAL_AGE, "%llds", s);
    else if (s < 3600)
        snprintf(text, TERMINAL_AGE, "%lldm", s / 60);
    else if (s < 86400)
        snprintf(text, TERMINAL_AGE, "%lldh %lldm", s / 3600, s / 60 % 60);
    else
        snprintf(text, TERMINAL_AGE, "%lldd %lldh", s / 86400, s / 3600 % 24);
    return text;
}

const char *terminal_until(long long s, char text[static TERMINAL_AGE])
{
    char age[TERMINAL_AGE];
    if (s <= 0)
        return "now";
    snprintf(text, TERMINAL_AGE, "in %s", terminal_age(s, age));
    return text;
}

const char *terminal_since(long long s, char text[static TERMINAL_AGE])
{
    char age[TERMINAL_AGE];
    if (s <= 0)
        return "just now";
    snprintf(text, TERMINAL_AGE, "%s ago", terminal_age(s, age));
    return text;
}

const char *terminal_size(uint64_t bytes, char text[static TERMINAL_AGE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes / 1024;
    size_t i = 0;
    for (; n >= 1023.95 && i < 3; i++)
        n /= 1024;
    if (bytes < 1024)
        snprintf(text, TERMINAL_AGE, "%llu B", (unsigned long long)bytes);
    else
        snprintf(text, TERMINAL_AGE, "%.1f %s", n, units[i]);
    return text;
}

void terminal_wrap(const char *text, size_t indent)
{
    size_t width = terminal_width(), room = width > indent + 20 ? width - indent : 0;
    for (bool first = true; *text; first = false) {
        size_t n = line_of(text, room);
        printf("%*s%.*s\n", first ? 0 : (int)indent, "", (int)n, text);
        text += n;
        text += strspn(text, " ");
    }
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
