// SPDX-License-Identifier: ISC
// The grammar of the log, with peers who write whatever breaks lines, terminals and JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/log/log.h"

static int real_stderr;
static FILE *captured;
static char line[200000];

static void capture(enum log_format format, enum log_level level, bool mask)
{
    captured = tmpfile();
    real_stderr = dup(STDERR_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
    log_setup(format, level, mask);
}

// What was written since capture().
static const char *written(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    rewind(captured);
    line[fread(line, 1, sizeof line - 1, captured)] = 0;
    fclose(captured);
    return line;
}

static const char *quoted(const char *value, size_t n)
{
    static struct buf out;
    buf_free(&out);
    buf_init(&out, 65536);
    log_quote(span_of(value, n), &out);
    return buf_text(&out);
}

static void quote(const char *value, const char *expected)
{
    assert_string_equal(quoted(value, strlen(value)), expected);
}

static void values_are_bare_or_quoted(void **state)
{
    (void)state;
    quote("mx.example.org", "mx.example.org");
    quote("a+b@example.org", "a+b@example.org");
    quote("", "\"\"");
    quote("two words", "\"two words\"");
    quote("a=b", "\"a=b\"");
    quote("say \"hi\"\\", "\"say \\\"hi\\\"\\\\\"");
    quote("\r\nfake delivered to=x", "\"\\x0d\\x0afake delivered to=x\"");
    quote("\x1b[2J", "\"\\x1b[2J\"");
    quote("m\xc3\xb8x", "\"m\\xc3\\xb8x\"");
    assert_string_equal(quoted("a\0b", 3), "\"a\\x00b\"");
}

static void long_values_are_cut(void **state)
{
    (void)state;
    static char value[5000];
    memset(value, 'a', sizeof value - 1);
    const char *out = quoted(value, strlen(value));
    assert_int_equal(strlen(out), LOG_VALUE_MAX);
    assert_string_equal(out + LOG_VALUE_MAX - 4, "a...");
}

static void a_text_line_follows_the_grammar(void **state)
{
    (void)state;
    struct logline l;
    struct why why;
    char id[ID_TEXT], expected[400];
    id_text(77, id);
    why_set(&why, WHY_HOST, "4.7.5", "it expired");
    why.tls = WHY_CERTIFICATE_EXPIRED;
    why_reply(&why, "220 ready");
    capture(LOG_TEXT, LOG_INFO, false);
    log_begin(&l, LOG_INFO, "deferred", 77);
    log_address(&l, "to", "b@example.org");
    log_text(&l, "host", NULL);
    log_number(&l, "size", -5);
    log_seconds(&l, "delay", 61007);
    log_why(&l, &why);
    log_end(&l);
    log_event("start", "version %d", 1);
    snprintf(expected, sizeof expected,
             "%s deferred to=b@example.org size=-5 delay=61.007 status=4.7.5 reply=\"220 ready\" "
             "type=certificate-expired reason=\"it expired\"\n- start text=\"version 1\"\n",
             id);
    assert_string_equal(written(), expected);
}

static void a_json_line_is_json_whatever_peers_write(void **state)
{
    (void)state;
    static const char evil[] = "ok \xff\xc3(\xed\xa0\x80\"\\\n\x7f\xc2\x9b\xf0\x9f\x98\x80\0z";
    struct logline l;
    clock_fix(1795294140000);
    capture(LOG_JSON, LOG_INFO, false);
    log_begin(&l, LOG_WARNING, "delivered", 1);
    log_bytes(&l, "reply", span_of(evil, sizeof evil - 1));
    log_seconds(&l, "delay", 1500);
    log_end(&l);
    clock_release();
    const char *text = written();
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_null(strchr(text, 0x7f));
    assert_null(strstr(text, "\xc2\x9b")); // a C1 control would steer a terminal
    json_error_t error;
    json_t *o = json_loads(text, JSON_ALLOW_NUL, &error);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "time")), "2026-11-21T20:49:00Z");
    assert_string_equal(json_string_value(json_object_get(o, "level")), "warning");
    assert_string_equal(json_string_value(json_object_get(o, "event")), "delivered");
    assert_int_equal(strlen(json_string_value(json_object_get(o, "id"))), 13);
    assert_true(json_real_value(json_object_get(o, "delay")) == 1.5);
    const char *reply = json_string_value(json_object_get(o, "reply"));
    assert_memory_equal(reply, "ok \xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd", 13);
    assert_non_null(strstr(reply, "\xf0\x9f\x98\x80"));
    json_decref(o);
}

static void a_line_that_is_full_stays_well_formed(void **state)
{
    (void)state;
    static char value[3000];
    memset(value, 1, sizeof value); // each byte becomes six
    struct logline l;
    capture(LOG_JSON, LOG_INFO, false);
    log_begin(&l, LOG_INFO, "connect", 0);
    for (int i = 0; i < 20; i++)
        log_bytes(&l, "x", span_of(value, sizeof value));
    log_text(&l, "last", "fits");
    log_end(&l);
    json_t *o = json_loads(written(), 0, NULL);
    assert_non_null(o);
    assert_null(json_object_get(o, "id"));
    assert_string_equal(json_string_value(json_object_get(o, "last")), "fits");
    json_decref(o);
}

static void addresses_are_masked_where_asked(void **state)
{
    (void)state;
    struct logline l;
    capture(LOG_TEXT, LOG_INFO, true);
    log_begin(&l, LOG_INFO, "accept", 0);
    log_address(&l, "from", "alice@example.org");
    log_address(&l, "to", "\"a@b\"@example.net");
    log_address(&l, "null", "");
    log_end(&l);
    assert_string_equal(written(), "- accept from=***@example.org to=***@example.net null=\"\"\n");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    struct logline l;
    uint64_t before = log_alarms();
    capture(LOG_TEXT, LOG_ERROR, false);
    log_begin(&l, LOG_INFO, "accept", 0);
    log_text(&l, "from", "x");
    log_end(&l);
    log_alarm("spool", REASON_SPOOL_FULL, "disk %s", "full");
    assert_string_equal(written(), "- alarm what=spool text=\"disk full\" why=spool-full act=us\n");
    assert_int_equal(log_alarms(), before + 1);
}

static void under_systemd_lines_carry_their_priority(void **state)
{
    (void)state;
    struct stat st;
    char name[64];
    capture(LOG_TEXT, LOG_DEBUG, false);
    fstat(STDERR_FILENO, &st);
    snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", name, 1);
    log_setup(LOG_TEXT, LOG_DEBUG, false);
    log_alarm("x", REASON_NONE, "y");
    log_event("ready", "z");
    setenv("JOURNAL_STREAM", "1:1", 1); // of a service that started us with stderr elsewhere
    log_setup(LOG_TEXT, LOG_DEBUG, false);
    log_event("stop", "z");
    unsetenv("JOURNAL_STREAM");
    assert_string_equal(written(), "<3>- alarm what=x text=y\n<6>- ready text=z\n- stop text=z\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_bare_or_quoted),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(a_text_line_follows_the_grammar),
        cmocka_unit_test(a_json_line_is_json_whatever_peers_write),
        cmocka_unit_test(a_line_that_is_full_stays_well_formed),
        cmocka_unit_test(addresses_are_masked_where_asked),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
        cmocka_unit_test(under_systemd_lines_carry_their_priority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
