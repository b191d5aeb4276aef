// SPDX-License-Identifier: ISC
// A sink that is a socket: what counts as taken, and readers that are slow, away, gone or lie.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/events/inside.h"

static char folder[] = "/tmp/waxwing-sink-XXXXXX", path[60];
static uv_loop_t loop;
static struct cfg_sink config;
static struct sink_batch batch;
static void *way;
static int listener, reader;
static struct {
    unsigned times;
    bool failed;
    uint64_t taken;
    struct why why;
} end;

static void on_done(void *arg, uint64_t taken, const struct why *why)
{
    (void)arg;
    end.times++;
    end.taken = taken;
    end.failed = why;
    if (why)
        end.why = *why;
}

static void listen_there(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 5), 0);
}

static int begin(void **state)
{
    (void)state;
    static struct sinks sinks;
    struct why why;
    snprintf(path, sizeof path, "%s/sock", folder);
    uv_loop_init(&loop);
    sinks.loop = &loop;
    config = (struct cfg_sink){.socket = path, .acknowledge = true};
    way = sink_socket.open(&sinks, &config, NULL, &why);
    buf_init(&batch.lines, SINK_BYTES);
    listen_there();
    reader = -1;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    sink_socket.close(way);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    buf_free(&batch.lines);
    if (reader >= 0)
        close(reader);
    close(listener);
    unlink(path);
    return 0;
}

// The events 11, 12 and 13, padded.
static void give(size_t padding)
{
    buf_reset(&batch.lines);
    batch.n = 3;
    batch.first = 11;
    batch.last = 13;
    for (uint64_t seq = batch.first; seq <= batch.last; seq++)
        buf_addf(&batch.lines, "{\"seq\":%d,\"x\":\"%*s\"}\n", (int)seq, (int)padding, "");
    memset(&end, 0, sizeof end);
    sink_socket.send(way, &batch, on_done, NULL);
}

static void turn(unsigned n)
{
    while (n-- && !end.times)
        uv_run(&loop, UV_RUN_ONCE);
}

static void meet(void)
{
    turn(2);
    if (reader >= 0)
        close(reader);
    reader = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(reader >= 0);
}

static void say(const void *bytes, size_t n)
{
    assert_int_equal(send(reader, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static size_t hear(size_t most)
{
    static char bytes[SINK_BYTES];
    ssize_t n = recv(reader, bytes, most, MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

static void over(void)
{
    turn(2000);
    assert_int_equal(end.times, 1);
}

static void taken_is_what_is_acknowledged(void **state)
{
    (void)state;
    give(1);
    meet();
    assert_true(hear(4096) > 50);
    turn(5);
    assert_int_equal(end.times, 0); // read is not taken
    say("ok 11\no", 7);
    turn(2);
    say("k 13\r", 5);
    turn(2);
    assert_int_equal(end.times, 0);
    say("\n", 1);
    over();
    assert_false(end.failed);
    give(1); // over the same connection; what was taken is acknowledged once more
    turn(2);
    say("ok 3\nok 13\n", 11);
    over();
    assert_false(end.failed);
}

static void a_reader_that_ends_keeps_what_it_acknowledged(void **state)
{
    (void)state;
    give(1);
    meet();
    say("ok 12\n", 6);
    close(reader);
    reader = -1;
    over();
    assert_true(end.failed);
    assert_int_equal(end.taken, 12);
    assert_non_null(strstr(end.why.text, "hung up"));
    give(1);
    meet(); // anew
    say("ok 13\n", 6);
    close(reader);
    reader = -1;
    over();
    assert_false(end.failed);
}

static void a_reader_that_is_away_is_met_when_it_comes(void **state)
{
    (void)state;
    close(listener);
    unlink(path);
    give(1);
    over();
    assert_true(end.failed);
    assert_int_equal(end.taken, 0);
    listen_there();
    give(1);
    meet();
    say("ok 13\n", 6);
    over();
    assert_false(end.failed);
}

static void case_678_a_reader_that_lies_is_not_believed(void **state)
{
    (void)state;
    static const char *const lies[] = {"ok 14\n",
                                       "ok 4611686018427387903\n",
                                       "ok 99999999999999999999\n",
                                       "ok -1\n",
                                       "ok 13 14\n",
                                       "OK 13\n",
                                       "ok\n",
                                       "ok \n",
                                       "ok13\n",
                                       "\n",
                                       "no\n",
                                       "ok 13.0\n",
                                       "ok 0x0d\n",
                                       "HTTP/1.1 200\r\n",
                                       "ok 1111111111111111111111111111111",
                                       "{\"seq\":13}\n"};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        give(1);
        meet();
        say("ok 11\n", 6);
        say(lies[i], strlen(lies[i]));
        over();
        assert_true(end.failed);
        assert_int_equal(end.taken, 11);
    }
    give(1);
    meet();
    say("ok 1\0003\n", 8);
    over();
    assert_true(end.failed);
    give(150000); // more than the kernel holds: the last is not sent yet
    meet();
    say("ok 13\n", 6);
    over();
    assert_true(end.failed);
    assert_int_equal(end.taken, 0);
}

static void a_slow_reader_is_waited_for_as_long_as_it_goes_on(void **state)
{
    (void)state;
    give(1);
    meet();
    for (int i = 0; i < 3; i++) {
        static const char *const acks[] = {"ok 11\n", "ok 12\n", "ok 12\n"};
        clock_mono_advance(59000);
        say(acks[i], 6);
        turn(3);
        assert_int_equal(end.times, 0);
    }
    clock_mono_advance(2000); // saying the same once more is no step
    over();
    assert_true(end.failed);
    assert_int_equal(end.taken, 12);
    assert_non_null(strstr(end.why.text, "does not acknowledge"));
}

static void without_acknowledgements_taken_is_what_is_read(void **state)
{
    (void)state;
    config.acknowledge = false;
    give(30000);
    meet();
    say("whatever\n", 9);
    for (int i = 0; i < 2; i++) {
        clock_mono_advance(59000);
        assert_int_equal(hear(40000), 40000);
        turn(3);
        assert_int_equal(end.times, 0);
    }
    while (hear(SINK_BYTES))
        continue;
    over();
    assert_false(end.failed);
    give(30000);
    turn(3);
    assert_true(hear(40000));
    close(reader); // the rest goes with it
    reader = -1;
    over();
    assert_true(end.failed);
    assert_int_equal(end.taken, 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        STORY(taken_is_what_is_acknowledged),
        STORY(a_reader_that_ends_keeps_what_it_acknowledged),
        STORY(a_reader_that_is_away_is_met_when_it_comes),
        STORY(case_678_a_reader_that_lies_is_not_believed),
        STORY(a_slow_reader_is_waited_for_as_long_as_it_goes_on),
        STORY(without_acknowledgements_taken_is_what_is_read),
    };
    return cmocka_run_group_tests_name("sink_socket", tests, make_folder, drop_folder);
}
