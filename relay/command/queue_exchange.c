// SPDX-License-Identifier: ISC
// `waxwing queue export` of many messages with their envelopes, and its twin `import`.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "config/idn.h"
#include "relay/command/command.h"
#include "relay/command/queue.h"
#include "relay/control/control.h"
#include "relay/spool/format_text.h"

#define MAGIC "WXQUEUE 1\n"

void queue_put_magic(void)
{
    fputs(MAGIC, stdout);
}

void queue_put_entry(struct span words, uint64_t content_bytes)
{
    printf("message %zu %" PRIu64 "\n", words.n, content_bytes);
    fwrite(words.p, 1, words.n, stdout);
}

void queue_put_end(void)
{
    putchar('\n');
}

static int bad_file(const struct queue_call *call, const char *what)
{
    fprintf(stderr, "waxwing: %s: %s\n", call->file, what);
    return EXIT_DATA;
}

static int read_file(const struct queue_call *call, struct buf *out)
{
    FILE *f = strcmp(call->file, "-") == 0 ? stdin : fopen(call->file, "r");
    unsigned char *room;
    size_t n = 1;
    buf_init(out, SIZE_MAX / 4);
    while (f && n && buf_reserve(out, 1 << 20, &room) == 0) {
        n = fread(room, 1, 1 << 20, f);
        out->len += n;
    }
    int error = !f || ferror(f) ? errno : 0;
    if (f && f != stdin)
        fclose(f);
    return error ? bad_file(call, strerror(error)) : EXIT_YES;
}

// "message W C", the two parts, an end of line.
static bool next_entry(struct span *rest, struct span *words, struct span *content)
{
    struct span line, kind, w, c;
    uint64_t nwords, ncontent;
    if (!span_cut(*rest, '\n', &line, rest) || !span_cut(line, ' ', &kind, &line) ||
        !span_is(kind, "message") || !span_cut(line, ' ', &w, &c) ||
        !span_number(w, SPOOL_TEXT, &nwords) || !span_number(c, SIZE_MAX / 4, &ncontent) ||
        rest->n < nwords + ncontent + 1 || rest->p[nwords + ncontent] != '\n')
        return false;
    *words = span_slice(*rest, 0, nwords);
    *content = span_slice(*rest, nwords, nwords + ncontent);
    *rest = span_from(*rest, nwords + ncontent + 1);
    return true;
}

static int take_all(const struct queue_call *call, struct span rest, queue_take *take, void *arg)
{
    size_t n = 0;
    struct span words, content;
    int status = EXIT_YES;
    while (status == EXIT_YES && rest.n) {
        if (!next_entry(&rest, &words, &content))
            status = bad_file(call, "the exported queue is damaged or cut off");
        else
            status = take(arg, words, content);
        n += status == EXIT_YES;
    }
    printf("%zu message%s imported\n", n, n == 1 ? "" : "s");
    return status;
}

// Lines end with CRLF, whatever they ended with.
static void with_crlf(struct span in, struct buf *out)
{
    buf_init(out, 2 * in.n + 1);
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            buf_addc(out, '\r');
        buf_addc(out, (char)in.p[i]);
    }
}

static bool add_recipient(struct message *m, const char *address)
{
    const char *domain = strrchr(address, '@') + 1;
    char ascii[IDN_NAME];
    if (domain[0] != '[' && idn_to_ascii(domain, ascii) < 0)
        return false;
    message_add_recipient(m, address, domain[0] == '[' ? domain : ascii);
    return true;
}

// The words for a bare message, which has none.
static int bare_words(const struct queue_call *call, struct span text, struct buf *words)
{
    struct message *m = message_new();
    const unsigned char *end = memmem(text.p, text.n, "\r\n\r\n", 4);
    m->env.created_ms = clock_ms();
    free(m->env.from);
    m->env.from = mem_dup(call->sender);
    free(m->env.principal);
    m->env.principal = mem_dup("import");
    m->header_bytes = end ? (size_t)(end - text.p) + 4 : text.n;
    m->body_bytes = text.n - m->header_bytes;
    int status = EXIT_YES;
    for (size_t i = 0; i < call->nto && status == EXIT_YES; i++)
        if (!add_recipient(m, call->to[i]))
            status = command_usage_error("queue", "--to: '%s' has no valid domain", call->to[i]);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] > 127) {
            m->env.eightbit = true;
            m->env.body = BODY_8BITMIME;
            m->env.utf8_header |= i < m->header_bytes;
        }
    buf_init(words, SPOOL_TEXT);
    if (status == EXIT_YES && segment_message_encode(m, NULL, false, words) < 0)
        status = bad_file(call, "too many recipients");
    message_unref(m);
    return status;
}

static int take_bare(const struct queue_call *call, struct span in, queue_take *take, void *arg)
{
    struct buf text, words;
    if (!call->filter.sender || !call->nto)
        return command_usage_error("queue", "import of a bare message needs --sender and --to");
    if (!in.n)
        return bad_file(call, "it is empty");
    with_crlf(in, &text);
    int status = bare_words(call, buf_span(&text), &words);
    if (status == EXIT_YES)
        status = take(arg, buf_span(&words), buf_span(&text));
    if (status == EXIT_YES)
        puts("1 message imported");
    buf_free(&words);
    buf_free(&text);
    return status;
}

int queue_import_file(const struct queue_call *call, queue_take *take, void *arg)
{
    struct buf in;
    size_t n = strlen(MAGIC);
    int status = read_file(call, &in);
    struct span all = buf_span(&in);
    if (status == EXIT_YES && all.n >= n && memcmp(all.p, MAGIC, n) == 0)
        status = take_all(call, span_from(all, n), take, arg);
    else if (status == EXIT_YES && all.n >= 8 && memcmp(all.p, MAGIC, 8) == 0)
        status = bad_file(call, "it was exported by another version of this program");
    else if (status == EXIT_YES)
        status = take_bare(call, all, take, arg);
    buf_free(&in);
    return status;
}

// With the running relay: bytes travel as code points up to U+00FF.

static void bytes_of(const json_t *text, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)json_string_value(text);
    size_t n = json_string_length(text);
    buf_init(out, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 128 || i + 1 == n)
            buf_addc(out, (char)p[i]);
        else
            buf_addc(out, (char)((p[i] & 3) << 6 | (p[i + 1] & 63))), i++;
    }
}

static json_t *json_of(struct span bytes)
{
    struct buf out;
    buf_init(&out, 2 * bytes.n + 1);
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] >= 128)
            buf_addc(&out, (char)(0xc0 | bytes.p[i] >> 6));
        buf_addc(&out, (char)(bytes.p[i] < 128 ? bytes.p[i] : 0x80 | (bytes.p[i] & 63)));
    }
    json_t *j = json_stringn(buf_text(&out), out.len);
    buf_free(&out);
    return j;
}

static bool queue_exchange_queue_on_whole(const json_t *line, void *begun)
{
    struct buf bytes;
    *(bool *)begun = true;
    if (json_object_get(line, "words")) {
        bytes_of(json_object_get(line, "words"), &bytes);
        queue_put_entry(buf_span(&bytes),
                        (uint64_t)json_integer_value(json_object_get(line, "bytes")));
        buf_free(&bytes);
    }
    bytes_of(json_object_get(line, "content"), &bytes);
    fwrite(bytes.data, 1, bytes.len, stdout);
    buf_free(&bytes);
    return !ferror(stdout);
}

struct found {
    char (*ids)[ID_TEXT];
    size_t n, room;
};

static int queue_exchange_by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool queue_exchange_queue_on_id(const json_t *row, void *arg)
{
    struct found *found = arg;
    const char *id = json_string_value(json_object_get(row, "id"));
    if (found->n == found->room) {
        found->room = found->room ? 2 * found->room : 64;
        found->ids = mem_grow(found->ids, found->room, sizeof *found->ids);
    }
    snprintf(found->ids[found->n++], ID_TEXT, "%s", id ? id : "");
    return true;
}

static bool queue_exchange_queue_on_any(const json_t *row, void *arg)
{
    (void)row, (void)arg;
    return true;
}

static bool is_there(const char *control, const char *id)
{
    int status;
    json_t *request = json_pack("{s:s, s:[s]}", "verb", "queue-list", "ids", id);
    json_decref(control_ask_lines(control, request, queue_exchange_queue_on_any, NULL, &status));
    return status != EXIT_NO;
}

// One that cannot be read keeps no other from being exported; one that was delivered meanwhile is none of ours.
static int export_whole(const char *control, const char *id, int *status)
{
    bool begun = false;
    int now;
    json_t *request = json_pack("{s:s, s:s, s:b}", "verb", "queue-export", "id", id, "whole", 1);
    json_decref(control_ask_lines(control, request, queue_exchange_queue_on_whole, &begun, &now));
    if (begun)
        queue_put_end();
    if (!begun && now == EXIT_NO) {
        bool there = is_there(control, id);
        fprintf(stderr, "waxwing: %s is not in the export: it %s\n", id,
                there ? "cannot be read" : "has left the queue meanwhile");
        *status = there ? EXIT_NO : *status;
        return 0;
    }
    *status = now == EXIT_YES ? *status : now;
    return now == EXIT_YES ? 0 : -1;
}

int queue_export_many(const struct queue_call *call, const char *control)
{
    struct found found = {0};
    int status;
    json_t *last = control_ask_lines(control, queue_request(call, "list"),
                                     queue_exchange_queue_on_id, &found, &status);
    json_decref(last);
    if (found.n)
        qsort(found.ids, found.n, sizeof *found.ids, queue_exchange_by_id);
    if (last && status == EXIT_YES)
        queue_put_magic();
    bool go_on = last && status == EXIT_YES;
    for (size_t i = 0; go_on && i < found.n && !ferror(stdout); i++)
        if (!i || strcmp(found.ids[i], found.ids[i - 1]) != 0)
            go_on = export_whole(control, found.ids[i], &status) == 0;
    free(found.ids);
    return status;
}

static int queue_exchange_queue_on_import(void *arg, struct span words, struct span content)
{
    const char *control = arg;
    int status;
    if (words.n + content.n > CONTROL_OWNER_MAX / 3) {
        fputs("waxwing: so large a message can only be imported with --offline\n", stderr);
        return EXIT_TEMP;
    }
    json_t *request = json_pack("{s:s, s:o, s:o}", "verb", "queue-import", "words", json_of(words),
                                "content", json_of(content));
    json_decref(control_ask(control, request, &status));
    return status;
}

int queue_import_online(const struct queue_call *call, const char *control)
{
    return queue_import_file(call, queue_exchange_queue_on_import, (void *)(uintptr_t)control);
}
