// SPDX-License-Identifier: ISC
// Records into the ring and back: pieces once a file, torn ends, full disks, clocks that jump, sizes, keys, masks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/log/json.h"
#include "relay/trace/read.h"
#include "relay/trace/ring.h"
#include "relay/trace/trace.h"

static char folder[80];
static struct config config;
static struct trace *trace;

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_trace.XXXXXX");
    assert_non_null(mkdtemp(folder));
    config = (struct config){.trace = {mem_printf("%s/trace", folder), 7 * 86400000ull, 1 << 24},
                             .limits = {.disk_reserve = 1 << 20}};
    trace = trace_open();
    trace_reload(trace, &config);
    return 0;
}

static int end(void **state)
{
    (void)state;
    trace_free(trace);
    free(config.trace.directory);
    log_setup(LOG_TEXT, LOG_INFO, false);
    clock_release();
    char command[160];
    snprintf(command, sizeof command, "chmod -R u+rwX '%s'; rm -r '%s'", folder, folder);
    return system(command);
}

static void again(void)
{
    trace_free(trace);
    trace = trace_open();
    trace_reload(trace, &config);
}

static struct trace_piece *piece(const char *text)
{
    struct buf out;
    buf_init(&out, 65536);
    text_string(&out, "text", text);
    struct trace_piece *p = piece_new(buf_span(&out), NULL, NULL);
    buf_free(&out);
    return p;
}

// One message of three records, as a plain one has.
static void tell(uint64_t id, const char *to, const char *name, const char *route)
{
    struct trace_record r;
    assert_true(trace_begin(&r, trace, id, "received"));
    text_address(&r.out, "from", "app@example.org");
    trace_key(&r, TRACE_KEY_ADDRESS, "app@example.org");
    text_open(&r.out, "to", '[');
    text_address(&r.out, NULL, to);
    text_close(&r.out, ']');
    trace_key(&r, TRACE_KEY_ADDRESS, to);
    text_string(&r.out, "message_id", name);
    trace_key(&r, TRACE_KEY_MESSAGE_ID, name);
    trace_end(&r);
    assert_true(trace_begin(&r, trace, id, "attempt"));
    text_open(&r.out, "steps", '[');
    text_raw(&r.out, NULL, span_text("[\"mail\",1,\"250 ok\"]"));
    text_close(&r.out, ']');
    trace_refer(&r, "route", piece(route));
    trace_end(&r);
    assert_true(trace_begin(&r, trace, id, "delivered"));
    text_address(&r.out, "to", to);
    trace_key(&r, TRACE_KEY_ADDRESS, to);
    trace_end(&r);
}

struct heard {
    size_t n;
    json_t *last[64];
};

static bool test_trace_hear(const json_t *record, void *arg)
{
    struct heard *h = arg;
    if (h->n < 64)
        h->last[h->n] = json_deep_copy(record);
    h->n++;
    return true;
}

static void forget(struct heard *h)
{
    for (size_t i = 0; i < h->n && i < 64; i++)
        json_decref(h->last[i]);
    *h = (struct heard){0};
}

static size_t hear(uint64_t id, struct heard *h)
{
    char text[ID_TEXT];
    size_t n;
    struct why why;
    id_text(id, text);
    *h = (struct heard){0};
    assert_int_equal(read_message(config.trace.directory, text, test_trace_hear, h, &n, &why), 0);
    assert_int_equal(n, h->n);
    return n;
}

static size_t count_of(uint64_t id)
{
    struct heard h;
    size_t n = hear(id, &h);
    forget(&h);
    return n;
}

static size_t find(enum trace_key kind, const char *text)
{
    struct read_found found;
    struct why why;
    assert_int_equal(read_find(config.trace.directory, kind, text, 1000, &found, &why), 0);
    size_t n = found.n;
    read_found_free(&found);
    return n;
}

static size_t files(const char *ending, uint64_t *bytes)
{
    DIR *dir = opendir(config.trace.directory);
    size_t n = 0;
    if (bytes)
        *bytes = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[400];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", config.trace.directory, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) < 0)
            continue;
        n += strstr(e->d_name, ending) != NULL;
        if (bytes)
            *bytes += (uint64_t)st.st_size;
    }
    if (dir)
        closedir(dir);
    return n;
}

static void what_was_told_is_read_back_in_order_with_its_pieces(void **state)
{
    (void)state;
    struct heard h;
    tell(1000, "a@dest.test", "one@example.org", "a route");
    tell(2000, "b@dest.test", "two@example.org", "a route");
    trace_flush(trace);
    assert_int_equal(hear(1000, &h), 3);
    assert_string_equal(json_word(h.last[0], "event"), "received");
    assert_string_equal(json_word(h.last[2], "event"), "delivered");
    assert_string_equal(json_word(json_object_get(h.last[1], "route"), "text"), "a route");
    forget(&h);
    assert_int_equal(count_of(3000), 0);
}

static void a_message_is_found_by_its_addresses_and_its_name(void **state)
{
    (void)state;
    tell(1000, "a@dest.test", "one@example.org", "a route");
    tell(2000, "B@Dest.test", "two@example.org", "a route");
    trace_flush(trace);
    assert_int_equal(find(TRACE_KEY_ADDRESS, "app@example.org"), 2);
    assert_int_equal(find(TRACE_KEY_ADDRESS, "A@DEST.TEST"), 1);
    assert_int_equal(find(TRACE_KEY_ADDRESS, "b@dest.test"), 1);
    assert_int_equal(find(TRACE_KEY_ADDRESS, "c@dest.test"), 0);
    assert_int_equal(find(TRACE_KEY_MESSAGE_ID, "<two@example.org>"), 1);
    assert_int_equal(find(TRACE_KEY_MESSAGE_ID, "two@example.org"), 1);
}

static void masked_addresses_are_nowhere(void **state)
{
    (void)state;
    log_setup(LOG_TEXT, LOG_INFO, true);
    tell(1000, "somebody@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    assert_int_equal(find(TRACE_KEY_ADDRESS, "somebody@dest.test"), 0);
    assert_int_equal(find(TRACE_KEY_MESSAGE_ID, "one@example.org"), 1);
    char command[200];
    snprintf(command, sizeof command, "! grep -rq somebody '%s'", config.trace.directory);
    assert_int_equal(system(command), 0);
}

static void a_piece_stands_in_a_file_once_and_again_in_the_next(void **state)
{
    (void)state;
    static char route[3000];
    uint64_t bytes;
    memset(route, 'r', sizeof route - 1);
    config.trace.size = 1 << 24; // files of 128 KiB
    trace_reload(trace, &config);
    for (uint64_t i = 1; i <= 1000; i++)
        tell(i, "a@dest.test", "one@example.org", route);
    trace_flush(trace);
    size_t n = files(".trace", &bytes);
    assert_true(n > 1);
    assert_true(bytes < 1000 * 700 + n * 4000);
    for (uint64_t i = 1; i <= 1000; i += 37) {
        struct heard h;
        assert_int_equal(hear(i, &h), 3);
        assert_string_equal(json_word(json_object_get(h.last[1], "route"), "text"), route);
        forget(&h);
    }
}

static void the_ring_stays_within_its_size_and_the_newest_stay(void **state)
{
    (void)state;
    uint64_t bytes;
    config.trace.size = 300000;
    trace_reload(trace, &config);
    for (uint64_t i = 1; i <= 5000; i++) {
        tell(i, "a@dest.test", "one@example.org", "a route");
        if (i % 500 == 0)
            trace_flush(trace);
    }
    trace_flush(trace);
    files(".trace", &bytes);
    assert_true(bytes <= 300000);
    assert_int_equal(count_of(1), 0);
    assert_int_equal(count_of(5000), 3);
    struct trace_state now;
    trace_get_state(trace, &now);
    assert_true(now.bytes <= 300000);
    assert_int_equal(now.lost, 0);
}

static void a_size_of_nothing_takes_away_what_was_there(void **state)
{
    (void)state;
    struct trace_record r;
    tell(1000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    config.trace.size = 0;
    trace_reload(trace, &config);
    trace_flush(trace);
    assert_int_equal(files("0", NULL), 0);
    assert_false(trace_on(trace));
    assert_false(trace_begin(&r, trace, 1, "received"));
    config.trace.size = 1 << 24;
    trace_reload(trace, &config);
    tell(1000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    assert_int_equal(count_of(1000), 3);
}

static void it_goes_on_behind_a_torn_end(void **state)
{
    (void)state;
    tell(1000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    trace_free(trace);
    trace = NULL;
    char *path = ring_path(config.trace.directory, 1, "trace");
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("0123456789abcdef {\"id\":\"torn", f);
    fclose(f);
    free(path);
    assert_int_equal(count_of(1000), 3);
    again();
    tell(2000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    assert_int_equal(count_of(1000), 3);
    assert_int_equal(count_of(2000), 3);
    assert_int_equal(files(".trace", NULL), 1);
}

static char *read_whole(const char *path, size_t n)
{
    char *text = mem_new(n + 1);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, n, f), n);
    fclose(f);
    return text;
}

// How many records of the message stand whole in the first n bytes.
static size_t standing(const char *whole, size_t n, uint64_t id)
{
    char name[ID_TEXT], member[ID_TEXT + 8];
    size_t found = 0;
    id_text(id, name);
    snprintf(member, sizeof member, "\"id\":\"%s\"", name);
    for (const char *at = whole; (at = strstr(at, member)); at++) {
        const char *end = strchr(at, '\n');
        found += end && end < whole + n;
    }
    return found;
}

// Each place of the file is cut once; what stands before the cut is told, and nothing else.
static void no_cut_of_the_file_breaks_a_reader(void **state)
{
    (void)state;
    tell(1000, "a@dest.test", "one@example.org", "a route");
    tell(2000, "a@dest.test", "two@example.org", "another");
    trace_flush(trace);
    trace_free(trace);
    trace = NULL;
    char *path = ring_path(config.trace.directory, 1, "trace");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    char *whole = read_whole(path, (size_t)st.st_size);
    for (off_t cut = st.st_size; cut > 0; cut -= 7) {
        assert_int_equal(truncate(path, cut), 0);
        assert_int_equal(count_of(1000), standing(whole, (size_t)cut, 1000));
        assert_int_equal(count_of(2000), standing(whole, (size_t)cut, 2000));
    }
    free(whole);
    assert_int_equal(count_of(1000), 0);
    free(path);
}

static void a_damaged_line_is_passed_over(void **state)
{
    (void)state;
    tell(1000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    char *path = ring_path(config.trace.directory, 1, "trace");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "?", 1, st.st_size - 10), 1); // within the last record
    close(fd);
    free(path);
    assert_int_equal(count_of(1000), 2);
}

static void a_directory_that_cannot_be_had_costs_records_alone_and_heals(void **state)
{
    (void)state;
    struct trace_state now;
    trace_free(trace);
    free(config.trace.directory);
    config.trace.directory = mem_printf("%s/missing/trace", folder);
    trace = trace_open();
    trace_reload(trace, &config);
    tell(1000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    trace_get_state(trace, &now);
    assert_int_equal(now.lost, 3);
    char parent[120];
    snprintf(parent, sizeof parent, "%s/missing", folder);
    assert_int_equal(mkdir(parent, 0700), 0);
    do { // by itself: no flush, no reload
        tell(1500, "a@dest.test", "one@example.org", "a route");
        usleep(1000);
        trace_get_state(trace, &now);
    } while (!now.written);
    tell(2000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    assert_int_equal(count_of(2000), 3);
}

static void a_queue_that_is_full_loses_records_and_counts_them(void **state)
{
    (void)state;
    static char text[200000];
    struct trace_state now;
    memset(text, 'x', sizeof text - 1);
    uint64_t told = 0;
    do { // faster than any thread takes them
        for (int i = 0; i < 200; i++) {
            struct trace_record r;
            assert_true(trace_begin(&r, trace, 1000, "received"));
            text_string(&r.out, "warning", text);
            trace_end(&r);
            told++;
        }
        trace_get_state(trace, &now);
    } while (!now.lost);
    trace_flush(trace);
    trace_get_state(trace, &now);
    assert_int_equal(now.written + now.lost, told);
}

static void a_record_that_is_too_long_is_lost_whole(void **state)
{
    (void)state;
    static char text[TRACE_RECORD + 10];
    struct trace_record r;
    struct trace_state now;
    memset(text, 'x', sizeof text - 1);
    assert_true(trace_begin(&r, trace, 1000, "received"));
    text_string(&r.out, "warning", text);
    trace_refer(&r, "route", piece("a route"));
    trace_end(&r);
    tell(1000, "a@dest.test", "one@example.org", "a route");
    trace_flush(trace);
    trace_get_state(trace, &now);
    assert_int_equal(now.lost, 1);
    assert_int_equal(count_of(1000), 3);
}

static void what_is_older_than_keep_goes_but_not_for_a_clock_that_jumped(void **state)
{
    (void)state;
    const int64_t day = 86400000, then = 1790000000000;
    struct why why;
    struct ring_options options = {config.trace.directory, 1 << 24, 7 * 86400000ull, 0, NULL};
    trace_stop(trace);
    clock_fix(then);
    struct ring *ring = ring_open(&options, &why);
    assert_non_null(ring);
    struct buf line;
    buf_init(&line, 1000);
    ring_line(&line, span_text("\"id\":\"1\""));
    assert_int_equal(ring_turn(ring, &why), 0);
    assert_int_equal(ring_append(ring, buf_span(&line), span_of("", 0), &why), 0);
    clock_fix(then + 30 * day); // for a moment
    ring_tidy(ring);
    assert_int_equal(files(".trace", NULL), 1);
    clock_fix(then + day);
    clock_mono_advance(2 * RING_LOOK_MS);
    ring_tidy(ring);
    assert_int_equal(files(".trace", NULL), 1);
    clock_fix(then + 8 * day); // for good
    ring_tidy(ring);
    assert_int_equal(files(".trace", NULL), 1); // what it seemed before says nothing of now
    clock_mono_advance(2 * RING_LOOK_MS);
    ring_tidy(ring);
    assert_int_equal(files(".trace", NULL), 0);
    assert_int_equal(ring_turn(ring, &why), 0);
    assert_int_equal(ring_append(ring, buf_span(&line), span_of("", 0), &why), 0);
    clock_fix(then); // back: lines of the future count from now on
    ring_tidy(ring);
    assert_int_equal(ring_turn(ring, &why), 0);
    clock_fix(then + 7 * day + 1);
    ring_tidy(ring);
    clock_mono_advance(2 * RING_LOOK_MS);
    ring_tidy(ring);
    assert_int_equal(files(".trace", NULL), 1); // the one that is written to
    buf_free(&line);
    ring_close(ring);
}

static void hostile_text_is_escaped(void **state)
{
    (void)state;
    struct heard h;
    struct trace_record r;
    assert_true(trace_begin(&r, trace, 1000, "attempt"));
    text_bytes(&r.out, "host", span_text("a\x1b[2J\r\n\x7f\"\\\xc2\x9b\xe2\x80\xae\xff\xd8\x9cz"));
    for (const unsigned char *p = r.out.data; p < r.out.data + r.out.len; p++)
        assert_true(*p >= ' ' && *p != 127 && *p != 0xc2 && *p != 0xe2);
    trace_end(&r);
    trace_flush(trace);
    assert_int_equal(hear(1000, &h), 1);
    assert_string_equal(json_word(h.last[0], "host"),
                        "a\x1b[2J\r\n\x7f\"\\\xc2\x9b\xe2\x80\xae\xef\xbf\xbd\xd8\x9cz");
    forget(&h);
}

static void a_long_reply_is_kept_once_and_comes_back_whole(void **state)
{
    (void)state;
    static char reply[16000];
    uint64_t bytes;
    memset(reply, 'y', sizeof reply - 1);
    for (uint64_t i = 1; i <= 100; i++) {
        struct trace_record r;
        struct trace_replies replies = {0};
        assert_true(trace_begin(&r, trace, i, "attempt"));
        text_open(&r.out, "steps", '[');
        text_open(&r.out, NULL, '[');
        text_string(&r.out, NULL, "message");
        text_number(&r.out, NULL, 5);
        trace_reply(&r.out, NULL, span_text(reply), &replies);
        text_close(&r.out, ']');
        text_close(&r.out, ']');
        trace_add_replies(&r, &replies);
        trace_end(&r);
    }
    trace_flush(trace);
    files(".trace", &bytes);
    assert_true(bytes < 100000);
    struct heard h;
    assert_int_equal(hear(77, &h), 1);
    const json_t *step = json_array_get(json_object_get(h.last[0], "steps"), 0);
    assert_string_equal(json_string_value(json_array_get(step, 2)), reply);
    forget(&h);
}

// What a million plain messages take has to fit into 2 GiB.
static void a_message_of_this_kind_takes_less_than_its_share(void **state)
{
    (void)state;
    uint64_t bytes;
    for (uint64_t i = 1; i <= 2000; i++)
        tell(i, "somebody.of.some.length@destination.example", "a.name.of.some.length@example.org",
             "a route");
    trace_flush(trace);
    files(".trace", &bytes);
    assert_true(bytes / 2000 < 800);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_told_is_read_back_in_order_with_its_pieces),
        STORY(a_message_is_found_by_its_addresses_and_its_name),
        STORY(masked_addresses_are_nowhere),
        STORY(a_piece_stands_in_a_file_once_and_again_in_the_next),
        STORY(the_ring_stays_within_its_size_and_the_newest_stay),
        STORY(a_size_of_nothing_takes_away_what_was_there),
        STORY(it_goes_on_behind_a_torn_end),
        STORY(no_cut_of_the_file_breaks_a_reader),
        STORY(a_damaged_line_is_passed_over),
        STORY(a_directory_that_cannot_be_had_costs_records_alone_and_heals),
        STORY(a_queue_that_is_full_loses_records_and_counts_them),
        STORY(a_record_that_is_too_long_is_lost_whole),
        STORY(what_is_older_than_keep_goes_but_not_for_a_clock_that_jumped),
        STORY(hostile_text_is_escaped),
        STORY(a_long_reply_is_kept_once_and_comes_back_whole),
        STORY(a_message_of_this_kind_takes_less_than_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
