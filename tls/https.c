// SPDX-License-Identifier: ISC
// The HTTPS fetcher: a thread with a loop that drives a curl multi handle. A request passes through
// stages: waiting for a slot, for addresses, for curl; then its answer goes back through an inbox.
#include "tls/https.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "tls/https_bytes.h"
#include "tls/https_inside.h"
#include "tls/https_sockets.h"
#include "tls/sts.h"

#define FETCH_MS        60000  // for one fetch, curl's part (RFC 8461 section 3.3 says a minute)
#define FETCHES         32     // at once
#define FETCHES_ADDRESS 2      // at once to one address
#define FETCH_ADDRESSES 8      // tried for one host
#define FETCH_BYTES     262144 // of one connection: TLS, headers, body, trailers
#define FETCH_HEADERS   65536  // of these: headers and trailers
#define FETCH_READ      4096   // at once: curl reads up to a hundred times in one turn of the loop
#define FETCH_TURN_MS   250    // how often one that waits for its address looks again

struct https {
    uv_loop_t loop;
    uv_thread_t thread;
    struct inbox *mail;  // the fetcher's own
    struct inbox *reply; // of the loop that asks
    struct dns *dns;
    char *ca_file;
    bool (*refused)(void *arg, const struct sockaddr *address);
    void *arg;
    struct https_sockets *sockets;
    uv_timer_t turn;
    struct list waiting, running; // requests
    size_t nrunning;
};

struct https_request {
    struct item item;
    struct list list;
    struct https *https;
    char *host, *path;
    uint16_t port;
    struct https_posting *posting; // NULL: a policy is fetched
    https_fn *fn;
    void *arg;
    bool cancelled; // on the asking thread
    bool dropped;   // on the fetcher's: closing
    // the fetcher's
    struct dns_request *a, *aaaa;
    struct sockaddr_storage at[FETCH_ADDRESSES];
    size_t nat;
    bool saw_refused, saw_failure;
    CURL *easy;
    struct curl_slist *resolve;
    char error[CURL_ERROR_SIZE];
    struct buf body;
    size_t header_bytes;
    int sockets[FETCH_ADDRESSES]; // open ones
    size_t nsockets;
    struct why why;
};

static void request_free(struct https_request *r)
{
    buf_free(&r->body);
    https_posting_free(r->posting);
    free(r->host);
    free(r->path);
    free(r);
}

// On the asking thread.
static void https_run_answer(struct item *item)
{
    struct https_request *r = list_of(item, struct https_request, item);
    const struct why *why = why_is_set(&r->why) ? &r->why : NULL;
    if (!r->cancelled && r->posting)
        https_posting_answer(r->posting, buf_span(&r->body), why);
    else if (!r->cancelled)
        r->fn(buf_span(&r->body), why, r->arg);
    request_free(r);
}

static void start_waiting(struct https *https);

static void https_finish(struct https_request *r)
{
    struct https *https = r->https;
    list_remove(&r->list);
    https->nrunning--;
    r->item.run = https_run_answer;
    inbox_post(https->reply, &r->item);
    start_waiting(https);
}

static int https_fetch_failed(struct https_request *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int https_fetch_failed(struct https_request *r, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return why_set_tls(&r->why, WHY_STS_POLICY_FETCH_ERROR, WHY_DOMAIN, "4.7.5", "https://%s%s: %s",
                       r->host, r->path, text);
}

static int certificate_failed(struct https_request *r, const char *detail)
{
    return why_set_tls(&r->why, WHY_STS_WEBPKI_INVALID, WHY_DOMAIN, "4.7.5",
                       "https://%s%s: the certificate does not hold: %s", r->host, r->path, detail);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct https_request *r = arg;
    size_t all = size * n, room = r->body.max - r->body.len;
    if (r->posting) // of what a host says to a POST the beginning will do
        return buf_add(&r->body, bytes, all < room ? all : room) < 0 ? 0 : all;
    return buf_add(&r->body, bytes, all) < 0 ? 0 : all; // 0: curl gives up
}

// curl goes round and round inside one call while a host sends, and shows trailers, chunk heads and TLS records to
// nobody; but it asks here each time round.
static int on_progress(void *arg, curl_off_t want, curl_off_t have, curl_off_t put, curl_off_t out)
{
    (void)want, (void)have, (void)put, (void)out;
    struct https_request *r = arg;
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->nsockets; i++)
        bytes += https_bytes(r->sockets[i]);
    return bytes > FETCH_BYTES;
}

// curl opens one socket an address, and closes those that lost the race.
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct https_request *r = arg;
    if (r->nsockets == FETCH_ADDRESSES)
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0)
        r->sockets[r->nsockets++] = fd;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct https_request *r = arg;
    for (size_t i = 0; i < r->nsockets; i++)
        if (r->sockets[i] == fd)
            r->sockets[i] = r->sockets[--r->nsockets];
    return close(fd);
}

// Trailers are headers that come late (RFC 9112 section 7.1.2).
static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    struct https_request *r = arg;
    r->header_bytes += size * n;
    return r->header_bytes > FETCH_HEADERS ? 0 : size * n;
}

// RFC 8461 section 3.2: text/plain, parameters aside.
static bool is_text_plain(const char *type)
{
    struct span head = span_text(type), tail;
    span_cut(head, ';', &head, &tail);
    return span_is_nocase(span_trim(head), "text/plain");
}

static void judge_response(struct https_request *r, long status, const char *type)
{
    if (r->posting)
        return; // whoever posts judges the status
    if (status != 200)
        https_fetch_failed(r, "HTTP status %ld, where 200 is wanted", status);
    else if (!is_text_plain(type))
        https_fetch_failed(r, "media type '%.100s', where text/plain is wanted", type ? type : "");
}

static void https_judge(struct https_request *r, CURLcode code)
{
    long status = 0;
    char *type = NULL;
    const char *detail = r->error[0] ? r->error : curl_easy_strerror(code);
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        https_fetch_failed(r, "the host sent more than %d bytes in all", FETCH_BYTES);
    } else if (code == CURLE_OK) {
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
        judge_response(r, status, type);
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        certificate_failed(r, detail);
    } else if (r->header_bytes > FETCH_HEADERS) {
        https_fetch_failed(r, "more than %d bytes of headers", FETCH_HEADERS);
    } else if (code == CURLE_WRITE_ERROR && r->body.full) {
        https_fetch_failed(r, "%s", "longer than 64 KiB");
    } else {
        https_fetch_failed(r, "%s", detail);
    }
    if (r->posting)
        https_posting_note(r->posting, r->easy);
    else if (why_is_set(&r->why))
        buf_reset(&r->body);
}

static void curl_done(void *easy, int code)
{
    struct https_request *r;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r);
    https_judge(r, (CURLcode)code);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->resolve);
    r->easy = NULL;
    r->resolve = NULL;
    https_finish(r);
}

// curl connects to these addresses and asks nobody.
static void set_addresses(struct https_request *r)
{
    struct buf line;
    buf_init(&line, 4096);
    buf_addf(&line, "%s:%u:", r->host, (unsigned)r->port);
    for (size_t i = 0; i < r->nat; i++) {
        char text[INET6_ADDRSTRLEN];
        const struct sockaddr_in *in = (const void *)&r->at[i];
        const struct sockaddr_in6 *in6 = (const void *)&r->at[i];
        bool v6 = r->at[i].ss_family == AF_INET6;
        inet_ntop(r->at[i].ss_family,
                  v6 ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, text,
                  sizeof text);
        buf_addf(&line, v6 ? "%s[%s]" : "%s%s", i ? "," : "", text);
    }
    r->resolve = curl_slist_append(NULL, buf_text(&line));
    buf_free(&line);
    curl_easy_setopt(r->easy, CURLOPT_RESOLVE, r->resolve);
}

static void start_curl(struct https_request *r)
{
    char *url = mem_printf("https://%s:%u%s", r->host, (unsigned)r->port, r->path);
    r->easy = curl_easy_init();
    curl_easy_setopt(r->easy, CURLOPT_URL, url);
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(r->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)FETCH_MS);
    curl_easy_setopt(r->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(r->easy, CURLOPT_CAINFO, r->https->ca_file);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->easy, CURLOPT_NOPROXY, "*"); // no proxy from the environment
    curl_easy_setopt(r->easy, CURLOPT_USERAGENT, "waxwing/" WAXWING_VERSION);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(r->easy, CURLOPT_CLOSESOCKETDATA, r);
    // Kept for nobody: a connection that outlived its request would close behind its back.
    curl_easy_setopt(r->easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(r->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(r->easy, CURLOPT_XFERINFODATA, r);
    curl_easy_setopt(r->easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)FETCH_READ);
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (r->posting)
        https_posting_options(r->posting, r->easy);
    set_addresses(r);
    free(url);
    https_sockets_add(r->https->sockets, r->easy);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    return a->ss_family == b->ss_family && memcmp(a, b, sizeof *a) == 0;
}

// How many fetches run to the first address of this one.
static size_t at_that_address(const struct https_request *r)
{
    size_t n = 0;
    list_each (it, &r->https->running) {
        const struct https_request *other = list_of(it, struct https_request, list);
        n += other != r && other->easy && same_address(&other->at[0], &r->at[0]);
    }
    return n;
}

// With all addresses known: connect, wait for the address, or fail.
static void go_on(struct https_request *r)
{
    if (r->nat && at_that_address(r) < FETCHES_ADDRESS) {
        start_curl(r);
        return;
    }
    if (r->nat)
        return; // on_turn looks again
    https_fetch_failed(r, "%s",
                       r->saw_refused   ? "its addresses are not connected to (refuse_addresses)"
                       : r->saw_failure ? "its addresses cannot be looked up"
                                        : "it has no address");
    https_finish(r);
}

static void take_addresses(struct https_request *r, const struct dns_answer *answer)
{
    r->saw_failure = r->saw_failure || answer->outcome == DNS_FAILED;
    for (size_t i = 0; i < answer->nrecords && r->nat < FETCH_ADDRESSES; i++) {
        struct sockaddr_storage a = {0};
        struct span rdata = answer->records[i].rdata;
        if (answer->type == DNS_A && rdata.n == 4) {
            a.ss_family = AF_INET;
            memcpy(&((struct sockaddr_in *)&a)->sin_addr, rdata.p, 4);
        } else if (answer->type == DNS_AAAA && rdata.n == 16) {
            a.ss_family = AF_INET6;
            memcpy(&((struct sockaddr_in6 *)&a)->sin6_addr, rdata.p, 16);
        } else {
            continue;
        }
        if (r->https->refused && r->https->refused(r->https->arg, (struct sockaddr *)&a))
            r->saw_refused = true;
        else
            r->at[r->nat++] = a;
    }
}

static void on_address(const struct dns_answer *answer, void *arg)
{
    struct https_request *r = arg;
    if (answer->type == DNS_A)
        r->a = NULL;
    else
        r->aaaa = NULL;
    take_addresses(r, answer);
    if (!r->a && !r->aaaa)
        go_on(r);
}

// What the answer file says in the place of a host.
static bool answer_from_file(struct https_request *r)
{
    int status;
    const char *type, *body, *error;
    if (r->posting || !dns_file_https(r->https->dns, r->host, &status, &type, &body, &error))
        return false;
    bool certificate = strcmp(error, "expired") == 0 || strcmp(error, "name") == 0 ||
                       strcmp(error, "untrusted") == 0;
    if (certificate)
        certificate_failed(r, error);
    else if (error[0])
        https_fetch_failed(r, "%s", error);
    else if (buf_adds(&r->body, body) < 0)
        https_fetch_failed(r, "%s", "longer than 64 KiB");
    else
        judge_response(r, status, type);
    if (why_is_set(&r->why))
        buf_reset(&r->body);
    return true;
}

// A name that could be read as something else in a URL is no host.
static bool is_host_name(const char *host)
{
    for (const char *c = host; *c; c++)
        if (!ascii_is_alnum((unsigned char)*c) && !strchr("-._", *c))
            return false;
    return host[0] != 0;
}

static void start(struct https_request *r)
{
    struct https *https = r->https;
    list_append(&https->running, &r->list);
    https->nrunning++;
    if (!is_host_name(r->host))
        https_fetch_failed(r, "%s", "not a host name");
    if (why_is_set(&r->why) || answer_from_file(r)) {
        https_finish(r);
        return;
    }
    r->a = dns_ask(https->dns, https->mail, r->host, DNS_A, on_address, r);
    r->aaaa = dns_ask(https->dns, https->mail, r->host, DNS_AAAA, on_address, r);
}

static void start_waiting(struct https *https)
{
    while (https->nrunning < FETCHES && !list_empty(&https->waiting))
        start(list_of(https->waiting.next, struct https_request, list));
}

static void on_turn(uv_timer_t *timer)
{
    struct https *https = timer->data;
    list_each_safe (it, &https->running) {
        struct https_request *r = list_of(it, struct https_request, list);
        if (!r->easy && !r->a && !r->aaaa && r->nat)
            go_on(r);
    }
}

static void run_request(struct item *item)
{
    struct https_request *r = list_of(item, struct https_request, item);
    list_append(&r->https->waiting, &r->list);
    start_waiting(r->https);
}

struct https_request *https_get(struct https *https, const char *host, const char *path,
                                https_fn *fn, void *arg)
{
    return https_begin(https, host, 443, path, NULL, fn, arg);
}

struct https_request *https_begin(struct https *https, const char *host, uint16_t port,
                                  const char *path, struct https_posting *posting, https_fn *fn,
                                  void *arg)
{
    struct https_request *r = mem_new(sizeof *r);
    r->https = https;
    r->host = mem_dup(host);
    r->port = port;
    r->path = mem_dup(path);
    r->posting = posting;
    r->fn = fn;
    r->arg = arg;
    list_init(&r->list);
    buf_init(&r->body, posting ? HTTPS_POST_WORDS : STS_POLICY_MAX);
    r->item.run = run_request;
    inbox_post(https->mail, &r->item);
    return r;
}

void https_cancel(struct https_request *r)
{
    if (r)
        r->cancelled = true;
}

static void run_loop(void *arg)
{
    struct https *https = arg;
    uv_run(&https->loop, UV_RUN_DEFAULT);
}

struct https *https_open(const struct https_options *options, struct why *why)
{
    struct https *https = mem_new(sizeof *https);
    https->reply = options->mail;
    https->dns = options->dns;
    https->ca_file = mem_dup(options->ca_file);
    https->refused = options->refused;
    https->arg = options->arg;
    list_init(&https->waiting);
    list_init(&https->running);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    uv_loop_init(&https->loop);
    https->mail = inbox_open(&https->loop);
    https->sockets = https_sockets_new(&https->loop, curl_done);
    uv_timer_init(&https->loop, &https->turn);
    https->turn.data = https;
    uv_timer_start(&https->turn, on_turn, FETCH_TURN_MS, FETCH_TURN_MS);
    int rc = uv_thread_create(&https->thread, run_loop, https);
    if (rc == 0)
        return https;
    why_set(why, WHY_OURS, "4.3.0", "cannot start a thread: %s", uv_strerror(rc));
    https_sockets_close(https->sockets);
    uv_close((uv_handle_t *)&https->turn, NULL);
    inbox_close(https->mail);
    uv_run(&https->loop, UV_RUN_DEFAULT);
    uv_loop_close(&https->loop);
    free(https->ca_file);
    free(https);
    return NULL;
}

struct close_order {
    struct item item;
    struct https *https;
};

static void drop(struct https_request *r)
{
    dns_cancel(r->a);
    dns_cancel(r->aaaa);
    if (r->easy) {
        https_sockets_remove(r->https->sockets, r->easy);
        curl_easy_cleanup(r->easy);
        curl_slist_free_all(r->resolve);
    }
    list_remove(&r->list);
    request_free(r);
}

static void https_run_close(struct item *item)
{
    struct https *https = list_of(item, struct close_order, item)->https;
    list_each_safe (it, &https->waiting)
        drop(list_of(it, struct https_request, list));
    list_each_safe (it, &https->running)
        drop(list_of(it, struct https_request, list));
    https_sockets_close(https->sockets);
    uv_close((uv_handle_t *)&https->turn, NULL);
    inbox_close(https->mail);
}

void https_close(struct https *https)
{
    struct close_order order = {.item = {NULL, https_run_close}, .https = https};
    inbox_post(https->mail, &order.item);
    uv_thread_join(&https->thread);
    uv_loop_close(&https->loop);
    free(https->ca_file);
    free(https);
}
