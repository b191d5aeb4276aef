// SPDX-License-Identifier: ISC
// A message in memory: what of it is sent, how long that is, and what is left when it waits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/message/message.h"
#include "relay/spool/spool.h"

static struct message *with_bcc(void)
{
    struct message *m = message_new();
    buf_adds(&m->prefix, "Received: x\r\n");
    buf_adds(&m->header, "Bcc: a\r\nFrom: b\r\nBcc: c\r\n\r\n");
    message_leave_out(m, 0, 8);
    message_leave_out(m, 17, 25);
    buf_adds(&m->body, "body\r\n");
    return m;
}

static void left_out_fields_are_not_sent(void **state)
{
    (void)state;
    struct message *m = with_bcc();
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(message_sent_header(m, &out), 0);
    assert_string_equal(buf_text(&out), "Received: x\r\nFrom: b\r\n\r\n");
    assert_int_equal(message_size(m), out.len + 6);
    buf_free(&out);
    buf_init(&out, 10);
    assert_int_equal(message_sent_header(m, &out), -1);
    buf_free(&out);
    message_unref(m);
}

static void the_last_reference_frees(void **state)
{
    (void)state;
    struct message *m = message_new(), *other = message_new();
    assert_true(other->env.id > m->env.id);
    assert_ptr_equal(message_ref(m), m);
    message_unref(m);
    assert_string_equal(m->env.from, "");
    message_unref(m);
    message_unref(other);
    message_unref(NULL);
}

static void a_twin_shares_nothing(void **state)
{
    (void)state;
    struct message *m = with_bcc();
    for (int i = 0; i < 5; i++) {
        struct recipient *r = message_add_recipient(m, "a@b.example", "b.example");
        free(r->orcpt);
        r->orcpt = mem_dup("rfc822;a@b.example");
        r->notify = NOTIFY_FAILURE;
        r->attempts = 3;
    }
    m->large = mem_dup("0123456789abcdef0123456789abcdef");
    struct message *twin = message_twin(m);
    uint64_t id = m->env.id;
    message_unref(m);
    assert_int_equal(twin->env.id, id);
    assert_int_equal(twin->env.nrcpts, 5);
    assert_string_equal(twin->env.rcpts[4].address, "a@b.example");
    assert_string_equal(twin->env.rcpts[4].orcpt, "rfc822;a@b.example");
    assert_int_equal(twin->env.rcpts[4].notify, NOTIFY_FAILURE);
    assert_int_equal(twin->env.rcpts[4].attempts, 3);
    assert_int_equal(twin->nleft_out, 2);
    assert_string_equal(twin->large, "0123456789abcdef0123456789abcdef");
    assert_false(twin->in_memory);
    message_unref(twin);
}

static void set_return_path(struct message *m, size_t i, const char *path)
{
    free(m->env.rcpts[i].return_path);
    m->env.rcpts[i].return_path = mem_dup(path);
}

static void a_recipient_may_have_a_return_path_of_its_own(void **state)
{
    (void)state;
    struct message *m = message_new();
    free(m->env.from);
    m->env.from = mem_dup("app@example.org");
    for (int i = 0; i < 3; i++)
        message_add_recipient(m, "a@b.example", "b.example");
    set_return_path(m, 1, "verp=1@example.org");
    set_return_path(m, 2, "<>");
    message_pack(m);
    struct message *twin = message_twin(m);
    assert_string_equal(message_return_path(twin, &twin->env.rcpts[0]), "app@example.org");
    assert_string_equal(message_return_path(twin, &twin->env.rcpts[1]), "verp=1@example.org");
    assert_string_equal(message_return_path(twin, &twin->env.rcpts[2]), "");
    message_unref(m);
    message_unref(twin);
}

// Whatever their number: what is added behind a dropped one has room.
static void recipients_are_dropped_and_others_added(void **state)
{
    (void)state;
    struct message *m = message_new();
    for (int n = 1; n < 20; n++) {
        char name[48];
        for (int i = 0; i < n; i++) {
            snprintf(name, sizeof name, "%d@b.example", i);
            message_add_recipient(m, name, "b.example");
        }
        message_drop_recipient(m, 0);
        message_add_recipient(m, "last@b.example", "b.example");
        assert_int_equal(m->env.nrcpts, n);
        assert_string_equal(m->env.rcpts[n - 1].address, "last@b.example");
        while (m->env.nrcpts)
            message_drop_recipient(m, m->env.nrcpts / 2);
    }
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(left_out_fields_are_not_sent),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(a_twin_shares_nothing),
        cmocka_unit_test(a_recipient_may_have_a_return_path_of_its_own),
        cmocka_unit_test(recipients_are_dropped_and_others_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
