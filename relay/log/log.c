// SPDX-License-Identifier: ISC
// The log: builds a line in memory, field by field, and hands it over whole. Keeps no lock: the few settings
// are atomics, and the writer keeps lines whole and in order.
//
// A field that does not fit the line is left out whole, so that a line is well-formed whatever it holds.
#include "relay/log/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/utf8.h"
#include "relay/log/inside.h"
#include "relay/log/writer.h"
#include "relay/base/reasons.h"

#define LINE_MAX_BYTES 65536
#define LINE_BYTES     500 // what most lines need

static atomic_int setup_level = LOG_INFO;
static atomic_bool setup_json, setup_mask, setup_priorities, setup_timed;

static const char *const level_words[] = {"error", "warning", "info", "debug"};
static const char *const level_priorities[] = {"<3>", "<4>", "<6>", "<7>"};

// systemd names the journal's socket as device:inode; stderr may have been sent elsewhere since.
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    unsigned long long device, inode;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_setup(enum log_format format, int level, bool mask)
{
    atomic_store(&setup_json, format == LOG_JSON);
    atomic_store(&setup_level, level);
    atomic_store(&setup_mask, mask);
    atomic_store(&setup_priorities, stderr_is_journal());
}

void log_timed(void)
{
    atomic_store(&setup_timed, true);
}

static void log_on_dropped(uint64_t lines)
{
    log_alarm("log", REASON_LOG_LOST,
              "%" PRIu64 " lines of this log were lost: whoever reads it was too slow", lines);
}

int log_start(void)
{
    return writer_start(log_on_dropped);
}

void log_stop(void)
{
    writer_stop();
}

uint64_t log_lines_lost(void)
{
    return writer_dropped();
}

static bool is_bare(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || strchr("\"=\\", s.p[i]))
            return false;
    return s.n > 0;
}

static struct span shorten(struct span s, bool *cut)
{
    *cut = s.n > LOG_VALUE_MAX;
    if (!*cut)
        return s;
    size_t n = LOG_VALUE_MAX - 3;
    for (int i = 0; i < 3 && (s.p[n] & 0xc0) == 0x80; i++) // not inside a UTF-8 character
        n--;
    return span_of(s.p, n);
}

void log_quote(struct span value, struct buf *out)
{
    bool cut;
    value = shorten(value, &cut);
    if (is_bare(value)) {
        buf_addspan(out, value);
        if (cut)
            buf_adds(out, "...");
        return;
    }
    buf_addc(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = value.p[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < ' ' || c >= 127)
            buf_addf(out, "\\x%02x", c);
        else
            buf_addc(out, (char)c);
    }
    buf_adds(out, cut ? "...\"" : "\"");
}

// DEL and the C1 controls steer terminals as well as those below the space.
static void json_character(struct span c, struct buf *out)
{
    unsigned char first = c.p[0];
    if (first == '"' || first == '\\')
        buf_addf(out, "\\%c", first);
    else if (first < ' ' || first == 127)
        buf_addf(out, "\\u%04x", first);
    else if (c.n == 2 && first == 0xc2 && c.p[1] < 0xa0)
        buf_addf(out, "\\u%04x", c.p[1]);
    else
        buf_addspan(out, c);
}

static void json_string(struct span value, struct buf *out)
{
    bool cut;
    value = shorten(value, &cut);
    buf_addc(out, '"');
    while (value.n) {
        size_t n = utf8_length(value);
        if (n)
            json_character(span_of(value.p, n), out);
        else
            buf_adds(out, "\xef\xbf\xbd"); // U+FFFD
        value = span_from(value, n ? n : 1);
    }
    buf_adds(out, cut ? "...\"" : "\"");
}

static void add_number(struct buf *out, int64_t value)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    buf_add(out, at, (size_t)(digits + sizeof digits - at));
}

static void key_begin(struct logline *line, const char *key)
{
    buf_adds(&line->out, line->json ? ",\"" : " ");
    buf_adds(&line->out, key);
    buf_adds(&line->out, line->json ? "\":" : "=");
}

// Takes back what a full line could not hold.
static void field_end(struct logline *line, size_t before)
{
    if (line->out.full) {
        buf_cut(&line->out, before);
        line->out.full = false;
    }
}

void log_bytes(struct logline *line, const char *key, struct span value)
{
    if (!line->on)
        return;
    size_t before = line->out.len;
    key_begin(line, key);
    if (line->json)
        json_string(value, &line->out);
    else
        log_quote(value, &line->out);
    field_end(line, before);
}

void log_text(struct logline *line, const char *key, const char *value)
{
    if (value)
        log_bytes(line, key, span_text(value));
}

bool log_masks(void)
{
    return atomic_load_explicit(&setup_mask, memory_order_relaxed);
}

const char *log_masked(const char *address, char out[static LOG_MASKED])
{
    const char *at = address ? strrchr(address, '@') : NULL;
    if (!at || !log_masks())
        return address;
    snprintf(out, LOG_MASKED, "***%s", at);
    return out;
}

void log_address(struct logline *line, const char *key, const char *address)
{
    char masked[LOG_MASKED];
    if (line->on)
        log_text(line, key, log_masked(address, masked));
}

void log_number(struct logline *line, const char *key, int64_t value)
{
    if (!line->on)
        return;
    size_t before = line->out.len;
    key_begin(line, key);
    add_number(&line->out, value);
    field_end(line, before);
}

void log_seconds(struct logline *line, const char *key, int64_t ms)
{
    if (!line->on)
        return;
    if (ms < 0) // a wall clock set back
        ms = 0;
    size_t before = line->out.len;
    key_begin(line, key);
    buf_addf(&line->out, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    field_end(line, before);
}

static void log_named(struct logline *line, enum reason reason, enum act act)
{
    if (reason == REASON_NONE)
        return;
    log_text(line, "why", reason_row(reason)->name);
    log_text(line, "act", act_word(act));
}

void log_reason(struct logline *line, const struct why *why)
{
    log_named(line, why->reason, why->act);
}

void log_why(struct logline *line, const struct why *why)
{
    log_text(line, "status", why->status);
    log_text(line, "reply", why->reply);
    if (why->tls != WHY_TLS_NONE)
        log_text(line, "type", why_tls_word(why->tls));
    log_text(line, "reason", why->text);
    log_reason(line, why);
}

void log_begin(struct logline *line, enum log_level level, const char *event, uint64_t id)
{
    *line = (struct logline){.on = (int)level <= atomic_load(&setup_level),
                             .json = atomic_load(&setup_json),
                             .urgent = level == LOG_ERROR};
    buf_init(&line->out, LINE_MAX_BYTES);
    if (!line->on)
        return;
    char name[ID_TEXT] = "-", time[40];
    unsigned char *room;
    (void)buf_reserve(&line->out, LINE_BYTES, &room);
    if (id)
        id_text(id, name);
    if (atomic_load(&setup_priorities))
        buf_adds(&line->out, level_priorities[level]);
    bool timed = atomic_load(&setup_timed) && !atomic_load(&setup_priorities);
    if (line->json || timed)
        clock_rfc3339(clock_ms(), time);
    if (!line->json) {
        if (timed) {
            buf_adds(&line->out, time);
            buf_addc(&line->out, ' ');
        }
        buf_adds(&line->out, name);
        buf_addc(&line->out, ' ');
        buf_adds(&line->out, event);
        return;
    }
    buf_addf(&line->out, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", time,
             level_words[level], event);
    if (id)
        buf_addf(&line->out, ",\"id\":\"%s\"", name);
}

void log_end(struct logline *line)
{
    if (line->on) {
        line->out.max += 2; // the end always fits
        buf_adds(&line->out, line->json ? "}\n" : "\n");
        writer_put(buf_span(&line->out), line->urgent);
    }
    buf_free(&line->out);
    line->on = false;
}

// The text may be as long as a value may be; what is behind that is cut there.
void log_sentence(enum log_level level, const char *event, const char *what, enum reason reason,
                  const char *format, va_list args)
{
    char text[LOG_VALUE_MAX + 2];
    vsnprintf(text, sizeof text, format, args);
    struct logline line;
    log_begin(&line, level, event, 0);
    log_text(&line, "what", what);
    log_text(&line, "text", text);
    log_named(&line, reason, reason_row(reason)->act);
    log_end(&line);
}

void log_event(const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_sentence(LOG_INFO, event, NULL, REASON_NONE, format, args);
    va_end(args);
}
