// SPDX-License-Identifier: ISC
// Lines of Dovecot's auth protocol, read and written.
#include "relay/login/dovecot_text.h"

#include <stdio.h>
#include <string.h>
#include "sign/base64.h"

static struct span next_word(struct span *rest)
{
    struct span word = *rest, behind = {0};
    if (!span_cut(*rest, '\t', &word, &behind))
        behind.n = 0;
    *rest = behind;
    return word;
}

// Byte 1 and a letter stand for what would break a line. False: it does not fit.
static bool unescape(struct span value, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        char c = (char)value.p[i];
        if (c == 1 && i + 1 < value.n) {
            char code = (char)value.p[++i];
            c = code == 't' ? '\t' : code == 'n' ? '\n' : code == 'r' ? '\r' : code == '1' ? 1 : 0;
        }
        if (c == 0 || n + 1 >= size) {
            out[0] = 0;
            return false;
        }
        out[n++] = c;
    }
    out[n] = 0;
    return true;
}

static bool has_key(struct span word, const char *key, struct span *value)
{
    struct span name;
    return span_cut(word, '=', &name, value) && span_is(name, key);
}

static void read_ok(struct span rest, struct dovecot_line *out)
{
    struct span value;
    while (rest.n)
        if (has_key(next_word(&rest), "user", &value))
            unescape(value, out->user, sizeof out->user);
}

static void read_fail(struct span rest, struct dovecot_line *out)
{
    struct span value;
    while (rest.n) {
        struct span word = next_word(&rest);
        if (span_is(word, "temp") || span_is(word, "code=temp_fail"))
            out->later = true;
        else if (has_key(word, "reason", &value))
            unescape(value, out->reason, sizeof out->reason);
        else if (!out->reason[0] && (span_is(word, "user_disabled") || span_is(word, "authz") ||
                                     span_is(word, "pass_expired")))
            unescape(word, out->reason, sizeof out->reason);
        else if (!out->reason[0] && has_key(word, "code", &value))
            unescape(value, out->reason, sizeof out->reason);
    }
}

static enum dovecot_word word_of(struct span word)
{
    static const char *const words[] = {
        [DOVECOT_VERSION] = "VERSION", [DOVECOT_MECH] = "MECH", [DOVECOT_DONE] = "DONE",
        [DOVECOT_OK] = "OK",           [DOVECOT_FAIL] = "FAIL", [DOVECOT_CONT] = "CONT"};
    enum dovecot_word w = DOVECOT_CONT;
    while (w > DOVECOT_OTHER && !span_is(word, words[w]))
        w--;
    return w;
}

int dovecot_parse(struct span line, struct dovecot_line *out)
{
    struct span rest = line;
    uint64_t number = 0;
    *out = (struct dovecot_line){.word = word_of(next_word(&rest)), .mechanism = SASL_MECHANISMS};
    if (span_find(line, 0) >= 0)
        return -1;
    if (out->word == DOVECOT_MECH)
        out->mechanism = sasl_mechanism(next_word(&rest));
    if (out->word <= DOVECOT_MECH && out->word != DOVECOT_VERSION)
        return 0;
    if (out->word == DOVECOT_DONE)
        return 0;
    if (!span_number(next_word(&rest), UINT32_MAX, &number))
        return -1;
    out->number = (uint32_t)number;
    if (out->word == DOVECOT_OK)
        read_ok(rest, out);
    if (out->word == DOVECOT_FAIL)
        read_fail(rest, out);
    if (out->word == DOVECOT_CONT)
        out->message = next_word(&rest);
    return 0;
}

void dovecot_write_hello(uint32_t client_id, struct buf *out)
{
    buf_addf(out, "VERSION\t%d\t1\nCPID\t%u\n", DOVECOT_MAJOR, client_id);
}

// What Postfix says too: `nologin', since nobody asks for the login's other half.
void dovecot_write_auth(uint32_t id, const struct dovecot_request *r, struct buf *out)
{
    buf_addf(out, "AUTH\t%u\t%s\tservice=smtp\tnologin\tsecured", id, sasl_word(r->mechanism));
    if (r->local[0])
        buf_addf(out, "\tlip=%s", r->local);
    if (r->client[0])
        buf_addf(out, "\trip=%s", r->client);
    buf_adds(out, "\tresp="); // the last one
    base64_encode(r->message.p, r->message.n, out);
    buf_addc(out, '\n');
}

void dovecot_write_cont(uint32_t id, struct span message, struct buf *out)
{
    buf_addf(out, "CONT\t%u\t", id);
    base64_encode(message.p, message.n, out);
    buf_addc(out, '\n');
}

void dovecot_write_cancel(uint32_t id, struct buf *out)
{
    buf_addf(out, "CANCEL\t%u\n", id);
}
