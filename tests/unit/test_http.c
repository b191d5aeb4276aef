// SPDX-License-Identifier: ISC
// Clients of every manner at the status pages, over loopback; and what strangers wrote, as HTML.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "config/value.h"
#include "relay/http/http.h"
#include "relay/http/failures.h"
#include "relay/net/listen.h"

#define TURNS 30000 // of a millisecond or less: what a broken server is given before the test fails

// ---- the server under test, on the test's own thread

static uv_loop_t loop;
static struct http *server;
static unsigned port, asked;
static struct http_call *held; // the call of /later

static void here(struct http_call *call, struct relay *relay)
{
    (void)relay;
    asked++;
    http_answer_line(call, 200, "here");
}

static void later(struct http_call *call, struct relay *relay)
{
    (void)relay;
    held = call;
}

static void large(struct http_call *call, struct relay *relay)
{
    (void)relay;
    struct buf page;
    buf_init(&page, HTTP_CONTENT_MAX);
    while (page.len < HTTP_CONTENT_MAX)
        buf_adds(&page, "0123456789abcdef");
    http_answer(call, 200, "text/plain", &page);
}

static const struct http_page pages[] = {
    {"/here", here, false}, {"/later", later, false}, {"/large", large, true}, {NULL, NULL, false}};

static bool is_relay(const struct relay *relay, struct span host)
{
    (void)relay;
    return span_is_nocase(host, "relay.example.org");
}

static bool (*is_ours)(const struct relay *relay, struct span host);

static void open_server(uint64_t deadline_ms)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    struct why why;
    assert_int_equal(value_endpoint(span_text("127.0.0.1:0"), PORT_REQUIRED, &address, &why), 0);
    int fd = listen_tcp((struct sockaddr *)&address, "127.0.0.1:0", &why);
    assert_true(fd >= 0);
    getsockname(fd, (struct sockaddr *)&address, &n);
    port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    asked = 0;
    held = NULL;
    uv_loop_init(&loop);
    const struct http_options options = {
        .loop = &loop, .fd = fd, .pages = pages, .deadline_ms = deadline_ms, .is_ours = is_ours};
    server = http_open(&options, &why);
    assert_non_null(server);
}

static int begin(void **state)
{
    (void)state;
    open_server(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    http_close(server);
    server = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

// ---- clients

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *bytes)
{
    size_t n = strlen(bytes);
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static void turn(int fd)
{
    uv_run(&loop, UV_RUN_NOWAIT);
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1);
}

// Everything until the server closes; -1 as length when it resets.
static char *hear(int fd, ssize_t *length)
{
    static char in[HTTP_CONTENT_MAX + 4096];
    size_t n = 0;
    for (int i = 0; i < TURNS; i++) {
        ssize_t got = recv(fd, in + n, sizeof in - 1 - n, MSG_DONTWAIT);
        n += got > 0 ? (size_t)got : 0;
        bool over = got == 0 || (got < 0 && errno != EAGAIN);
        if (over) {
            in[n] = 0;
            *length = got == 0 ? (ssize_t)n : -1;
            close(fd);
            uv_run(&loop, UV_RUN_NOWAIT);
            return in;
        }
        if (got < 0)
            turn(fd);
    }
    fail_msg("the server neither answers nor closes");
    return NULL;
}

static char *answer_to(const char *request)
{
    ssize_t n;
    int fd = dial();
    say(fd, request);
    char *answer = hear(fd, &n);
    assert_true(n >= 0);
    return answer;
}

static void expect(const char *request, const char *status)
{
    char start[64];
    snprintf(start, sizeof start, "HTTP/1.1 %s", status);
    const char *answer = answer_to(request);
    if (strncmp(answer, start, strlen(start)) != 0)
        fail_msg("'%s' got '%s'", request, answer);
}

static const char *content(const char *answer)
{
    const char *end_of_head = strstr(answer, "\r\n\r\n");
    assert_non_null(end_of_head);
    return end_of_head + 4;
}

#define HOST "Host: relay.example.org\r\n"

// ---- requests

static void a_page_is_served_and_the_connection_closed(void **state)
{
    (void)state;
    const char *answer = answer_to("GET /here?since=ever HTTP/1.1\r\n" HOST "\r\n");
    assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(answer, "\r\nContent-Length: 5\r\n"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer, "\r\nContent-Security-Policy: default-src 'none'"));
    assert_string_equal(content(answer), "here\n");
}

static void head_is_answered_without_the_content(void **state)
{
    (void)state;
    const char *answer = answer_to("HEAD /here HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(answer, "\r\nContent-Length: 5\r\n"));
    assert_string_equal(content(answer), "");
}

static void other_methods_are_told_what_is_allowed(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char request[200];
        snprintf(request, sizeof request,
                 "%s /here HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", methods[i]);
        const char *answer = answer_to(request);
        assert_memory_equal(answer, "HTTP/1.1 405 ", 13);
        assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    }
    assert_int_equal(asked, 0);
}

static void unknown_pages_are_not_found(void **state)
{
    (void)state;
    expect("GET /no HTTP/1.1\r\n" HOST "\r\n", "404 ");
    expect("GET /here/ HTTP/1.1\r\n" HOST "\r\n", "404 ");
    expect("GET /her%65 HTTP/1.1\r\n" HOST "\r\n", "404 ");
    expect("GET //here HTTP/1.1\r\n" HOST "\r\n", "404 ");
}

static void what_two_readers_could_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET /here HTTP/1.1\r\n\r\n",                                 // no Host
        "GET /here HTTP/1.1\r\n" HOST HOST "\r\n",                    // two
        "GET /here HTTP/1.0\r\n" HOST HOST "\r\n",                    // two here too
        "GET /here HTTP/1.1\r\nHost : a\r\n\r\n",                     // space before the colon
        "GET /here HTTP/1.1\r\n" HOST " folded: a\r\n\r\n",           // folding
        "GET /here HTTP/1.1\r\n" HOST "no colon\r\n\r\n",             // no field
        "GET /here HTTP/1.1\n" HOST "\r\n",                           // bare LF
        "GET /here HTTP/1.1\r\nHost: a\rb\r\n\r\n",                   // bare CR
        "GET /here HTTP/1.1\r\nHost: a\x01\r\n\r\n",                  // control
        "GET  /here HTTP/1.1\r\n" HOST "\r\n",                        // two spaces
        "GET /here\r\n" HOST "\r\n",                                  // HTTP/0.9
        "GET /here HTTP/2.0\r\n" HOST "\r\n",                         // another version
        "GET here HTTP/1.1\r\n" HOST "\r\n",                          // no path
        "GET https:/here HTTP/1.1\r\n" HOST "\r\n",                   // another scheme
        "GET http:///here HTTP/1.1\r\n" HOST "\r\n",                  // no authority
        "GET /h\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n",                    // not ASCII
        "GET /here HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", // a body
        "GET /here HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\r\nGET /here HTTP/1.1\r\n" HOST "\r\n",
        "\x16\x03\x01\x02", // TLS
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bad[i], "400 ");
    assert_int_equal(asked, 0);
}

static void old_and_absolute_forms_are_served(void **state)
{
    (void)state;
    expect("GET /here HTTP/1.0\r\n\r\n", "200 ");
    expect("GET HTTP://elsewhere.example/here?x HTTP/1.1\r\nHost: third.example\r\n\r\n", "200 ");
    expect("GET /here HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n", "200 ");
}

static void nothing_of_a_request_comes_back(void **state)
{
    (void)state;
    const char *answer = answer_to("GET /evil HTTP/1.1\r\nHost: evil.example\r\nX: evil\r\n\r\n");
    assert_null(strstr(answer, "evil"));
}

static void a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    ssize_t n;
    int fd = dial();
    for (const char *c = "GET /here HTTP/1.1\r\nHost: a\r\n\r\n"; *c; c++) {
        char one[2] = {*c, 0};
        say(fd, one);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_string_equal(content(hear(fd, &n)), "here\n");
}

// 8 KiB with the last line's end are served, and not a byte more. The answer arrives although more was sent
// than is read.
static void a_request_has_a_limit(void **state)
{
    (void)state;
    static char request[HTTP_REQUEST_MAX * 8 + 1];
    for (size_t extra = 0; extra < 2; extra++) {
        size_t n = (size_t)sprintf(request, "GET /here HTTP/1.1\r\n" HOST "X: ");
        memset(request + n, 'x', HTTP_REQUEST_MAX - 4 - n + extra);
        strcpy(request + HTTP_REQUEST_MAX - 4 + extra, "\r\n\r\n");
        expect(request, extra ? "400 " : "200 ");
    }
    memset(request, 'x', sizeof request - 1);
    expect(request, "400 ");
}

static void a_large_page_arrives_whole(void **state)
{
    (void)state;
    ssize_t n;
    int fd = dial();
    say(fd, "GET /large HTTP/1.0\r\n\r\n");
    const char *answer = hear(fd, &n);
    assert_int_equal(n - (content(answer) - answer), HTTP_CONTENT_MAX);
}

// ---- connections

static void idle_connections_keep_nobody_from_asking(void **state)
{
    (void)state;
    int idle[HTTP_CONNECTIONS * 3];
    ssize_t n;
    for (size_t i = 0; i < HTTP_CONNECTIONS * 3; i++) {
        idle[i] = dial();
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    int first = dial(), second = dial();
    say(first, "GET /here HTTP/1.0\r\n\r\n");
    say(second, "GET /here HTTP/1.0\r\n\r\n");
    assert_string_equal(content(hear(first, &n)), "here\n");
    assert_string_equal(content(hear(second, &n)), "here\n");
    hear(idle[0], &n); // the oldest has made room
    assert_true(n <= 0);
    for (size_t i = 1; i < HTTP_CONNECTIONS * 3; i++)
        close(idle[i]);
}

static int begin_named(void **state)
{
    (void)state;
    is_ours = is_relay;
    open_server(0);
    return 0;
}

static int end_named(void **state)
{
    is_ours = NULL;
    return end(state);
}

// DNS rebinding: a stranger's page, whose name has come to lead here, asks under that name.
static void a_page_is_read_under_our_names_alone(void **state)
{
    (void)state;
    expect("GET /here HTTP/1.1\r\nHost: relay.example.org\r\n\r\n", "200 ");
    expect("GET /here HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421 ");
    expect("GET /none HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421 ");
    expect("GET http://evil.example/here HTTP/1.1\r\nHost: relay.example.org\r\n\r\n", "421 ");
    expect("GET http://relay.example.org/here HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200 ");
    expect("GET /here HTTP/1.0\r\n\r\n", "200 "); // no browser asks so
    expect("GET /large HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200 ");
    assert_int_equal(asked, 3);
}

static void a_client_that_is_slow_is_dropped(void **state)
{
    (void)state;
    ssize_t n;
    open_server(20);
    int fd = dial();
    say(fd, "GET /here HTTP/1.1\r\nHo");
    hear(fd, &n);
    assert_true(n <= 0);
    assert_int_equal(asked, 0);
}

static void an_answer_may_come_later(void **state)
{
    (void)state;
    ssize_t n;
    int fd = dial();
    say(fd, "GET /later HTTP/1.0\r\n\r\n");
    for (int i = 0; i < TURNS && !held; i++)
        turn(fd);
    assert_non_null(held);
    http_answer_line(held, 503, "later");
    const char *answer = hear(fd, &n);
    assert_memory_equal(answer, "HTTP/1.1 503 Service Unavailable\r\n", 34);
    assert_string_equal(content(answer), "later\n");
}

static void an_answer_after_the_deadline_goes_nowhere(void **state)
{
    (void)state;
    ssize_t n;
    open_server(20);
    int fd = dial();
    say(fd, "GET /later HTTP/1.0\r\n\r\n");
    hear(fd, &n);
    if (held)
        http_answer_line(held, 200, "too late");
}

static void an_answer_after_the_server_closed_goes_nowhere(void **state)
{
    (void)state;
    open_server(0);
    int fd = dial();
    say(fd, "GET /later HTTP/1.0\r\n\r\n");
    for (int i = 0; i < TURNS && !held; i++)
        turn(fd);
    assert_non_null(held);
    http_close(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    http_answer_line(held, 200, "too late"); // frees what is left; the leak checker watches
    close(fd);
}

// ---- the page of failures

static struct buf page;

static const char *escaped(const char *bytes)
{
    buf_free(&page);
    buf_init(&page, 4096);
    http_escape(span_text(bytes), &page);
    return buf_text(&page);
}

static void strangers_words_are_text(void **state)
{
    (void)state;
    assert_string_equal(escaped("<b a=\"1\" c='2'>&amp;"),
                        "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
    assert_string_equal(escaped("Gr\xc3\xbc\xc3\x9f"), "Gr\xc3\xbc\xc3\x9f");
    assert_string_equal(escaped("\xff\x1b[2J\x7f"), "\xef\xbf\xbd\xef\xbf\xbd[2J\xef\xbf\xbd");
    assert_string_equal(escaped("a\xe2\x80\xae"
                                "b\xc2\x85"
                                "c\xe2\x81\xa6"),
                        "a\xef\xbf\xbd"
                        "b\xef\xbf\xbd"
                        "c\xef\xbf\xbd");
}

static void add_failure(struct ledger_rows *rows, const char *words, bool refused, bool shadow)
{
    struct ledger_entry *f = ledger_entry_new();
    char **const members[] = {&f->domain, &f->mx_host, &f->mx_ip,
                              &f->demand, &f->source,  &f->reason};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        ledger_entry_set(members[i], words);
    f->time_ms = 1795300129542;
    f->result = WHY_CERTIFICATE_EXPIRED;
    f->refused = refused;
    f->shadow = shadow;
    ledger_rows_add(rows, &(struct ledger_row){.entry = f, .count = 1});
}

static const char *failures_page(struct ledger_rows *rows, const char *error, size_t max)
{
    buf_free(&page);
    buf_init(&page, max);
    http_failures(rows, error, "relay.example.org", 1795300200000, &page);
    ledger_rows_free(rows);
    assert_false(page.full);
    return buf_text(&page);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

static void each_failure_is_a_row_that_says_what_followed(void **state)
{
    (void)state;
    struct ledger_rows rows = {0};
    add_failure(&rows, "<script>alert(1)</script>", true, false);
    add_failure(&rows, "mx.dest.test", false, true);
    add_failure(&rows, "mx.dest.test", false, false);
    const char *html = failures_page(&rows, NULL, 65536);
    assert_null(strstr(html, "<script"));
    assert_int_equal(count(html, "&lt;script&gt;"), 6);
    assert_int_equal(count(html, "certificate-expired"), 3);
    assert_int_equal(count(html, "<td>refused</td>"), 1);
    assert_int_equal(count(html, "<td>would have been refused</td>"), 1);
    assert_int_equal(count(html, "<td>went on</td>"), 1);
    assert_int_equal(count(html, "2026-11-2"), 4); // each row's time, and now
}

static void a_page_without_failures_and_one_without_a_database(void **state)
{
    (void)state;
    struct ledger_rows rows = {0};
    assert_non_null(strstr(failures_page(&rows, NULL, 65536), "None are known"));
    assert_non_null(strstr(failures_page(&rows, "disk <gone>", 65536), "read: disk &lt;gone&gt;."));
}

// Long words are cut; rows that do not fit are left out whole, and the page says so.
static void a_page_ends_well_whatever_is_in_it(void **state)
{
    (void)state;
    static char words[3001];
    struct ledger_rows rows = {0};
    memset(words, '<', sizeof words - 1);
    for (int i = 0; i < 10; i++)
        add_failure(&rows, words, true, false);
    const char *html = failures_page(&rows, NULL, 65536);
    size_t shown = count(html, "<tr class=");
    assert_in_range(shown, 1, 9);
    assert_int_equal(count(html, "</tr>"), shown + 1);
    assert_non_null(strstr(html, "waxwing tls failures"));
    assert_string_equal(html + strlen(html) - 15, "</body></html>\n");
}

static int drop_page(void **state)
{
    (void)state;
    buf_free(&page);
    return 0;
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_page_is_served_and_the_connection_closed),
        SERVED(head_is_answered_without_the_content),
        SERVED(other_methods_are_told_what_is_allowed),
        SERVED(unknown_pages_are_not_found),
        SERVED(what_two_readers_could_read_in_two_ways_is_refused),
        SERVED(old_and_absolute_forms_are_served),
        SERVED(nothing_of_a_request_comes_back),
        SERVED(a_request_may_come_byte_by_byte),
        SERVED(a_request_has_a_limit),
        SERVED(a_large_page_arrives_whole),
        SERVED(idle_connections_keep_nobody_from_asking),
        cmocka_unit_test_setup_teardown(a_page_is_read_under_our_names_alone, begin_named,
                                        end_named),
        SERVED(an_answer_may_come_later),
        cmocka_unit_test_teardown(a_client_that_is_slow_is_dropped, end),
        cmocka_unit_test_teardown(an_answer_after_the_deadline_goes_nowhere, end),
        cmocka_unit_test(an_answer_after_the_server_closed_goes_nowhere),
        cmocka_unit_test(strangers_words_are_text),
        cmocka_unit_test(each_failure_is_a_row_that_says_what_followed),
        cmocka_unit_test(a_page_without_failures_and_one_without_a_database),
        cmocka_unit_test(a_page_ends_well_whatever_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, drop_page);
}
