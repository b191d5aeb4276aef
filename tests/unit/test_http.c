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
#include "relay/http/http.h"
#include "relay/http/history.h"
#include "relay/http/html.h"
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

static void open_server(unsigned deadline_s)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    struct why why;
    assert_int_equal(listen_parse("127.0.0.1:0", &address, &why), 0);
    int fd = listen_tcp((struct sockaddr *)&address, "127.0.0.1:0", &why);
    assert_true(fd >= 0);
    getsockname(fd, (struct sockaddr *)&address, &n);
    port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    asked = 0;
    held = NULL;
    uv_loop_init(&loop);
    const struct http_options options = {
        .loop = &loop, .fd = fd, .pages = pages, .deadline_s = deadline_s};
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

#define HOST "Host: localhost:9587\r\n"

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
    expect("GET //here HTTP/1.1\r\n" HOST "\r\n", "404 ");
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET /here HTTP/1.1\r\n\r\n",                      // no Host
        "GET /here HTTP/1.1\r\n" HOST "no colon\r\n\r\n",  // no field
        "GET /here HTTP/2.0\r\n" HOST "\r\n",              // another version
        "GET here HTTP/1.1\r\nHost: evil.example\r\n\r\n", // no path
        "\x16\x03\x01\x02\r\n\r\n",                        // TLS
        "GET /here HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ssize_t n;
        int fd = dial();
        say(fd, bad[i]);
        const char *answer = hear(fd, &n);
        if (n > 0 && strncmp(answer, "HTTP/1.1 4", 10) != 0 &&
            strncmp(answer, "HTTP/1.1 5", 10) != 0)
            fail_msg("'%s' got '%s'", bad[i], answer);
    }
    assert_int_equal(asked, 0);
}

// A page of a stranger whose name suddenly leads to 127.0.0.1 must not read ours through a browser.
static void case_170_only_names_of_ours_are_served(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "127.0.0.1",     "127.0.0.1:9587",         "[::1]:9587",        "localhost",
        "LOCALHOST.:80", "relay.example.org:9587", "status.example.org"};
    static const char *const strangers[] = {"evil.example",
                                            "evil.example:9587",
                                            "localhost.evil.example",
                                            "",
                                            "relay.example.org.evil.example",
                                            "[::1",
                                            "127.0.0.1.evil.example",
                                            "127.0.0.1@evil.example",
                                            "1"};
    char *more_names[] = {(char *)"status.example.org"};
    const struct strings more_list = {.at = more_names, .n = 1}, *more = &more_list;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(http_host_is_ours(ours[i], "relay.example.org", more));
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_false(http_host_is_ours(strangers[i], "relay.example.org", more));
    expect("GET /here HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421 ");
    expect("GET /here HTTP/1.0\r\n\r\n", "200 ");
    assert_int_equal(asked, 1);
}

static void nothing_of_a_request_comes_back(void **state)
{
    (void)state;
    const char *answer = answer_to("GET /evil HTTP/1.1\r\nHost: localhost\r\nX: evil\r\n\r\n");
    assert_null(strstr(answer, "evil"));
}

static void a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    ssize_t n;
    int fd = dial();
    for (const char *c = "GET /here HTTP/1.1\r\nHost: localhost\r\n\r\n"; *c; c++) {
        char one[2] = {*c, 0};
        say(fd, one);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_string_equal(content(hear(fd, &n)), "here\n");
}

static void a_request_has_a_limit(void **state)
{
    (void)state;
    static char request[HTTP_REQUEST_MAX * 2];
    ssize_t length;
    size_t n = (size_t)sprintf(request, "GET /here HTTP/1.1\r\n" HOST "X: ");
    memset(request + n, 'x', sizeof request - 1 - n);
    int fd = dial();
    say(fd, request);
    const char *answer = hear(fd, &length);
    assert_true(length < 0 || strncmp(answer, "HTTP/1.1 431 ", 13) == 0);
    assert_int_equal(asked, 0);
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

static void idle_connections_keep_nobody_out(void **state)
{
    (void)state;
    int idle[300];
    ssize_t n;
    for (size_t i = 0; i < 300; i++) {
        idle[i] = dial();
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    int fd = dial();
    say(fd, "GET /here HTTP/1.0\r\n\r\n");
    assert_string_equal(content(hear(fd, &n)), "here\n");
    for (size_t i = 0; i < 300; i++)
        close(idle[i]);
}

static void a_client_that_is_slow_is_dropped(void **state)
{
    (void)state;
    ssize_t n;
    open_server(1);
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

// ---- HTML

static struct buf page;

static const char *escaped(const char *bytes)
{
    buf_free(&page);
    buf_init(&page, 4096);
    html_escape(span_text(bytes), &page);
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

static void a_text_is_cut_between_characters(void **state)
{
    (void)state;
    static char long_text[HTML_TEXT_MAX + 10];
    buf_free(&page);
    buf_init(&page, 4 * HTML_TEXT_MAX);
    memset(long_text, 'a', HTML_TEXT_MAX - 1);
    strcpy(long_text + HTML_TEXT_MAX - 1, "\xc3\xa9 more");
    html_text(&page, long_text);
    assert_int_equal(page.len, HTML_TEXT_MAX - 1 + strlen("…"));
}

static void numbers_and_times_are_for_people(void **state)
{
    (void)state;
    buf_free(&page);
    buf_init(&page, 4096);
    html_number(&page, 1234567);
    assert_string_equal(buf_text(&page), "1\u202f234\u202f567");
    buf_reset(&page);
    html_when(&page, 1000000, 1000000 + 7260);
    assert_non_null(strstr(buf_text(&page), ">2 h ago</time>"));
    buf_reset(&page);
    html_when(&page, 1000090, 1000000);
    assert_non_null(strstr(buf_text(&page), ">in 1 min</time>"));
    buf_reset(&page);
    html_when(&page, 0, 1000000);
    assert_string_equal(buf_text(&page), "–");
}

static void a_name_that_is_none_is_no_link(void **state)
{
    (void)state;
    buf_free(&page);
    buf_init(&page, 4096);
    html_link(&page, "domain", "a\"><b");
    assert_string_equal(buf_text(&page), "a&quot;&gt;&lt;b");
    buf_reset(&page);
    html_link(&page, "domain", "example.org");
    assert_string_equal(buf_text(&page), "<a href=\"/domain/example.org\">example.org</a>");
}

static void what_happened_is_seen_in_the_plot_however_little(void **state)
{
    (void)state;
    static struct history_minute minutes[HISTORY_MINUTES];
    buf_free(&page);
    buf_init(&page, 100000);
    minutes[0].delivered = 1000000;
    minutes[HISTORY_MINUTES - 1].failed = 1;
    history_plot(minutes, HISTORY_MINUTES, &page);
    assert_non_null(strstr(
        buf_text(&page), "<rect class=\"delivered\" x=\"0\" y=\"0\" width=\"4\" height=\"120\"/>"));
    assert_non_null(strstr(
        buf_text(&page), "<rect class=\"failed\" x=\"715\" y=\"119\" width=\"4\" height=\"1\"/>"));
    buf_reset(&page);
    history_plot(NULL, 0, &page);
    assert_null(strstr(buf_text(&page), "<rect"));
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_page_is_served_and_the_connection_closed),
        SERVED(head_is_answered_without_the_content),
        SERVED(other_methods_are_told_what_is_allowed),
        SERVED(unknown_pages_are_not_found),
        SERVED(what_is_no_request_is_refused),
        SERVED(case_170_only_names_of_ours_are_served),
        SERVED(nothing_of_a_request_comes_back),
        SERVED(a_request_may_come_byte_by_byte),
        SERVED(a_request_has_a_limit),
        SERVED(a_large_page_arrives_whole),
        SERVED(idle_connections_keep_nobody_out),
        cmocka_unit_test_teardown(a_client_that_is_slow_is_dropped, end),
        SERVED(an_answer_may_come_later),
        cmocka_unit_test(an_answer_after_the_server_closed_goes_nowhere),
        cmocka_unit_test(strangers_words_are_text),
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(numbers_and_times_are_for_people),
        cmocka_unit_test(a_name_that_is_none_is_no_link),
        cmocka_unit_test(what_happened_is_seen_in_the_plot_however_little),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_free(&page);
    return failed;
}
