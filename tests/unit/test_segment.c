// SPDX-License-Identifier: ISC
// The bytes of a segment, both ways, and what is not taken for them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/spool/format.h"
#include "relay/spool/format_text.h"

static struct segment_key key_of(uint64_t number)
{
    struct segment_key key;
    segment_key_make(&key, number, (const unsigned char *)"sixteen bytes ok");
    return key;
}

static void either_copy_of_the_header_serves(void **state)
{
    (void)state;
    struct segment_key key = key_of(42), found;
    unsigned char head[SEGMENT_HEAD];
    segment_head_encode(&key, head);
    for (size_t i = 0; i < SEGMENT_HEAD; i++) {
        head[i] ^= 0x10;
        memset(&found, 0, sizeof found);
        assert_int_equal(segment_head_decode(head, sizeof head, &found), HEAD_OURS);
        assert_int_equal(found.number, 42);
        assert_memory_equal(found.secret, key.secret, sizeof key.secret);
        head[i] ^= 0x10;
    }
    assert_int_equal(segment_head_decode(head, 64, &found), HEAD_OURS);
    assert_int_equal(segment_head_decode(head, 63, &found), HEAD_DAMAGED);
    assert_int_equal(segment_head_decode(head, 0, &found), HEAD_DAMAGED);
    head[3] ^= 1;
    head[67] ^= 1;
    assert_int_equal(segment_head_decode(head, sizeof head, &found), HEAD_DAMAGED);
}

static void encode(const struct segment_key *key, struct segment_record *r, const char *payload,
                   unsigned char out[static SEGMENT_RECORD])
{
    struct span text = span_of(payload, r->text);
    struct span rest = span_of(payload + r->text, r->length - r->text);
    segment_sum(key, r->offset, PART_TEXT, &text, 1, r->text_sum);
    segment_sum(key, r->offset, PART_REST, &rest, 1, r->rest_sum);
    segment_record_encode(key, r, out);
}

static void a_record_counts_in_its_place_only(void **state)
{
    (void)state;
    struct segment_key key = key_of(1), other = key_of(2);
    struct segment_record found, r = {.type = SEGMENT_MESSAGE,
                                      .offset = 128,
                                      .id = 77,
                                      .length = 9,
                                      .text = 4,
                                      .synced = 128};
    unsigned char head[SEGMENT_RECORD];
    encode(&key, &r, "textrest!", head);
    uint64_t end = 128 + SEGMENT_RECORD + 9;
    assert_true(segment_record_decode(&key, 128, end, head, &found));
    assert_int_equal(found.id, 77);
    assert_true(segment_text_whole(&key, &found, span_text("text")));
    assert_true(segment_rest_whole(&key, &found, span_text("rest!")));
    assert_false(segment_text_whole(&key, &found, span_text("texT")));
    assert_false(segment_rest_whole(&key, &found, span_text("rest")));
    assert_false(segment_rest_whole(&other, &found, span_text("rest!")));
    assert_false(segment_record_decode(&key, 129, end + 1, head, &found));
    assert_false(segment_record_decode(&other, 128, end, head, &found));
    assert_false(segment_record_decode(&key, 128, end - 1, head, &found)); // does not fit
    for (size_t i = 0; i < SEGMENT_RECORD; i++) {
        head[i] ^= 4;
        assert_false(segment_record_decode(&key, 128, end, head, &found));
        head[i] ^= 4;
    }
    // Equal bytes in the other part have another sum.
    unsigned char text[SEGMENT_SUM], rest[SEGMENT_SUM];
    struct span same = span_text("same");
    segment_sum(&key, 128, PART_TEXT, &same, 1, text);
    segment_sum(&key, 128, PART_REST, &same, 1, rest);
    assert_memory_not_equal(text, rest, SEGMENT_SUM);
}

static void an_index_lists_records_in_order(void **state)
{
    (void)state;
    struct segment_key key = key_of(1);
    struct segment_index index = {0}, found = {0};
    struct segment_record r = {.type = SEGMENT_RESULT, .offset = 128, .id = 5, .length = 10};
    segment_index_add(&index, &r);
    r.offset += SEGMENT_RECORD + 10;
    segment_index_add(&index, &r);
    uint64_t end = r.offset + SEGMENT_RECORD + 10;
    struct buf out;
    buf_init(&out, 1000);
    segment_index_encode(&key, &index, end, end, &out);
    assert_int_equal(out.len, 2 * SEGMENT_RECORD + 2 * SEGMENT_ROW);
    struct segment_record head, last;
    assert_true(segment_record_decode(&key, end, end + out.len, out.data, &head));
    assert_int_equal(head.type, SEGMENT_INDEX);
    uint64_t last_at = end + out.len - SEGMENT_RECORD;
    assert_true(segment_record_decode(&key, last_at, end + out.len,
                                      out.data + out.len - SEGMENT_RECORD, &last));
    assert_int_equal(last.type, SEGMENT_END);
    assert_int_equal(last.id, end);
    struct span rows = span_of(out.data + SEGMENT_RECORD, 2 * SEGMENT_ROW);
    assert_true(segment_rest_whole(&key, &head, rows));
    assert_true(segment_index_decode(rows, end, &found));
    assert_int_equal(found.n, 2);
    assert_int_equal(found.rows[1].offset, r.offset);
    segment_index_free(&found);
    assert_false(segment_index_decode(rows, end - 1, &found)); // the last passes the end
    segment_index_free(&found);
    out.data[SEGMENT_RECORD] = 127; // inside the segment header
    assert_false(segment_index_decode(rows, end, &found));
    segment_index_free(&found);
    assert_false(segment_index_decode(span_of(rows.p, rows.n - 1), end, &found));
    segment_index_free(&found);
    segment_index_free(&index);
    buf_free(&out);
}

#define ENVELOPE "created: 1\nfrom: a@b\nbody: 7bit\nprincipal: u\nclient: c\n"
#define SIZES    "prefix-bytes: 1\nheader-bytes: 20\nbody-bytes: 3\n"
#define RCPT     "rcpt: x@y\ndomain: y\n"
#define NAME     "0123456789abcdef0123456789abcdef"

static bool taken(const char *text, uint64_t rest)
{
    bool damaged;
    struct message *m = segment_message_decode(span_text(text), 1, rest, &damaged);
    message_unref(m);
    return m;
}

static void envelopes_that_do_not_add_up(void **state)
{
    (void)state;
    assert_true(taken(ENVELOPE SIZES RCPT, 24));
    assert_false(taken(ENVELOPE SIZES RCPT, 23));
    assert_false(taken(ENVELOPE SIZES, 24)); // to nobody
    assert_false(taken("", 0));
    assert_false(taken(ENVELOPE SIZES "colour: red\n" RCPT, 24));
    assert_false(taken(ENVELOPE SIZES "rcpt: x@y\\x0\n", 24));
    assert_false(taken(ENVELOPE SIZES "rcpt: x@y\\x00z\n", 24));
    assert_true(taken(ENVELOPE SIZES "rcpt: x@y\\x5c\n", 24));
    assert_false(taken(ENVELOPE SIZES "rcpt: x@y\\x5\n", 24));
    assert_false(taken(ENVELOPE SIZES "rcpt: x@y", 24)); // no end of line
    assert_false(taken(ENVELOPE SIZES "rcpt\n", 24));
    assert_false(taken(ENVELOPE "prefix-bytes: 18446744073709551615\n" RCPT, 0));
    assert_true(taken(ENVELOPE SIZES "left-out: 0 20\n" RCPT, 24));
    assert_false(taken(ENVELOPE SIZES "left-out: 0 21\n" RCPT, 24));
    assert_false(taken(ENVELOPE SIZES "left-out: 5 4\n" RCPT, 24));
    assert_false(taken(ENVELOPE SIZES "left-out: 5 9\nleft-out: 8 10\n" RCPT, 24));
    assert_true(taken(ENVELOPE SIZES "large: " NAME " " NAME "\n" RCPT, 21));
    assert_false(taken(ENVELOPE SIZES "large: ../../etc/passwd0123456789abcd " NAME "\n" RCPT, 21));
    assert_false(taken(ENVELOPE SIZES "flags: dsn sometimes\n" RCPT, 24));
    assert_true(taken(ENVELOPE SIZES "damaged: yes\n" RCPT, 0));
    assert_false(taken(ENVELOPE SIZES "damaged: no\n" RCPT, 24));
}

static void every_field_of_an_envelope_returns(void **state)
{
    (void)state;
    struct message *m = message_new();
    struct envelope *env = &m->env;
    free(env->from);
    env->from = mem_dup("\"odd\\\"\r\n\x01\x7f\xc3\xa9\"@example.org");
    env->created_ms = 1234567890123;
    env->expire_ms = 1234567899999;
    env->ret = RET_FULL;
    env->body = BODY_BINARYMIME;
    env->smtputf8 = env->utf8_header = env->tls_optional = env->uncounted = true;
    struct recipient *r = message_add_recipient(m, "a@b", "b");
    r->notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    r->next_ms = INT64_MAX;
    r->attempts = 4000000000u;
    r->delay_warned = true;
    struct buf out;
    buf_init(&out, 10000);
    assert_int_equal(segment_message_encode(m, NULL, false, &out), 0);
    bool damaged;
    struct message *found = segment_message_decode(buf_span(&out), 9, 0, &damaged);
    assert_non_null(found);
    assert_false(damaged);
    assert_int_equal(found->env.id, 9);
    assert_string_equal(found->env.from, env->from);
    assert_int_equal(found->env.created_ms, env->created_ms);
    assert_int_equal(found->env.expire_ms, env->expire_ms);
    assert_int_equal(found->env.ret, RET_FULL);
    assert_int_equal(found->env.body, BODY_BINARYMIME);
    assert_true(found->env.smtputf8 && found->env.utf8_header && found->env.tls_optional &&
                found->env.uncounted);
    assert_false(found->env.dsn || found->env.eightbit || found->env.requiretls);
    assert_int_equal(found->env.rcpts[0].notify, r->notify);
    assert_int_equal(found->env.rcpts[0].next_ms, INT64_MAX);
    assert_int_equal(found->env.rcpts[0].attempts, 4000000000u);
    assert_true(found->env.rcpts[0].delay_warned);
    message_unref(found);
    buf_free(&out);
    message_unref(m);
}

static void a_result_says_who_and_why(void **state)
{
    (void)state;
    struct why why;
    why_set(&why, WHY_HOST, "4.7.5", "the certificate has expired");
    why_reply(&why, "450 no\nrcpt: forged@example.net");
    struct spool_result found, result = {.id = 1,
                                         .address = "a@example.net\noutcome: delivered",
                                         .outcome = SPOOL_DEFERRED,
                                         .attempts = 2,
                                         .next_ms = INT64_MAX,
                                         .next_hop = "[mx.example.net]:25",
                                         .why = &why};
    struct buf out;
    struct segment_texts texts;
    buf_init(&out, 10000);
    assert_int_equal(segment_result_encode(&result, &out), 0);
    assert_non_null(strstr(buf_text(&out), "status: 4.7.5\n"));
    assert_int_equal(segment_result_decode(buf_span(&out), &found, &texts), 0);
    assert_string_equal(found.address, result.address);
    assert_int_equal(found.outcome, SPOOL_DEFERRED);
    assert_int_equal(found.attempts, 2);
    assert_int_equal(found.next_ms, INT64_MAX);
    assert_string_equal(found.next_hop, result.next_hop);
    segment_texts_free(&texts);
    assert_int_equal(segment_result_decode(span_text("rcpt: a\n"), &found, &texts), -1);
    assert_null(texts.address);
    assert_int_equal(segment_result_decode(span_text("outcome: failed\n"), &found, &texts), -1);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_copy_of_the_header_serves),
        cmocka_unit_test(a_record_counts_in_its_place_only),
        cmocka_unit_test(an_index_lists_records_in_order),
        cmocka_unit_test(envelopes_that_do_not_add_up),
        cmocka_unit_test(every_field_of_an_envelope_returns),
        cmocka_unit_test(a_result_says_who_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
