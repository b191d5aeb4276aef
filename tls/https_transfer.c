// SPDX-License-Identifier: ISC
// curl's side of a fetch: options and callbacks.
#include "tls/https_transfer.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "tls/https_bytes.h"
#include "tls/https_inside.h"
#include "tls/https_session.h"

#define FETCH_MS      60000  // for one fetch, curl's part (RFC 8461 section 3.3 says a minute)
#define FETCH_BYTES   262144 // of one connection: TLS, headers, body, trailers
#define FETCH_HEADERS 65536  // of these: headers and trailers
#define FETCH_READ    4096   // at once: curl reads up to a hundred times in one turn of the loop

struct https_transfer {
    struct https_transfer_order order;
    struct trust *trust;
    CURL *easy;
    struct curl_slist *resolve;
    char error[CURL_ERROR_SIZE];
    size_t header_bytes;
    int sockets[TRANSFER_ADDRESSES]; // open ones
    size_t nsockets;
    bool guarded, proved; // the session's costs are bounded; its certificate is the host's
};

int https_failed(const char *host, const char *path, struct why *why, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return why_say(why, STS_FETCH_FAILED, host, path, text);
}

int https_certificate_failed(const char *host, const char *path, struct why *why,
                             const char *detail)
{
    return why_say(why, STS_CERTIFICATE, host, path, detail);
}

static bool transfer_clear(const struct https_transfer_order *order)
{
    return order->posting && order->posting->nat;
}

// ---- what curl asks

// curl speaks of its TLS session before the handshake begins: the one moment to get hold of it.
static int https_transfer_on_debug(CURL *easy, curl_infotype type, char *text, size_t n, void *arg)
{
    (void)text, (void)n;
    struct https_transfer *t = arg;
    if (type == CURLINFO_TEXT && !t->guarded)
        t->guarded = https_session_guard(easy);
    return 0;
}

// The handshake is done, and nothing has been asked of the host yet.
static int https_transfer_on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    struct https_transfer *t = arg;
    const struct https_transfer_order *o = &t->order;
    struct why why;
    if (transfer_clear(o)) {
        t->proved = true; // nobody stands between this machine and itself
        return CURL_PREREQFUNC_OK;
    }
    t->proved = https_session_verify(t->easy, o->host, t->trust, &why) == 0;
    *o->ends = https_session_ends(t->easy);
    if (!t->proved)
        https_certificate_failed(o->host, o->path, o->why, why.text);
    return t->proved ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t https_transfer_on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct https_transfer *t = arg; // 0: curl gives up
    struct buf *body = t->order.body;
    size_t room = body->max - body->len;
    if (t->proved && t->order.posting && size * n > room) {
        buf_add(body, bytes, room); // of what a host says to a POST the beginning will do
        return size * n;
    }
    return !t->proved || buf_add(t->order.body, bytes, size * n) < 0 ? 0 : size * n;
}

// Trailers are headers that come late (RFC 9112 section 7.1.2).
static size_t https_transfer_on_header(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    struct https_transfer *t = arg;
    t->header_bytes += size * n;
    return !t->proved || t->header_bytes > FETCH_HEADERS ? 0 : size * n;
}

// curl stays inside one call as long as a host sends, and no callback sees trailers, chunk heads and TLS records; but
// it calls this one on every pass.
static int https_transfer_on_progress(void *arg, curl_off_t want, curl_off_t have, curl_off_t put,
                                      curl_off_t out)
{
    (void)want, (void)have, (void)put, (void)out;
    struct https_transfer *t = arg;
    uint64_t bytes = 0;
    for (size_t i = 0; i < t->nsockets; i++)
        bytes += https_bytes(t->sockets[i]);
    if (bytes > FETCH_BYTES && !why_is_set(t->order.why))
        https_failed(t->order.host, t->order.path, t->order.why,
                     "the host sent more than %d bytes in all", FETCH_BYTES);
    return bytes > FETCH_BYTES;
}

// curl opens one socket an address, and closes those that lost the race.
static curl_socket_t https_transfer_on_open(void *arg, curlsocktype purpose,
                                            struct curl_sockaddr *address)
{
    (void)purpose;
    struct https_transfer *t = arg;
    if (t->nsockets == TRANSFER_ADDRESSES)
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0)
        t->sockets[t->nsockets++] = fd;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int https_transfer_on_close(void *arg, curl_socket_t fd)
{
    struct https_transfer *t = arg;
    for (size_t i = 0; i < t->nsockets; i++)
        if (t->sockets[i] == fd)
            t->sockets[i] = t->sockets[--t->nsockets];
    return close(fd);
}

// ---- the end

// RFC 8461 section 3.2: text/plain, parameters aside.
static bool is_text_plain(const char *type)
{
    struct span head = span_text(type), tail;
    span_cut(head, ';', &head, &tail);
    return span_is_nocase(span_trim(head), "text/plain");
}

int https_judge_response(const char *host, const char *path, long status, const char *type,
                         struct why *why)
{
    if (status != 200)
        return https_failed(host, path, why, "HTTP status %ld, where 200 is wanted", status);
    if (!is_text_plain(type))
        return https_failed(host, path, why, "media type '%.100s', where text/plain is wanted",
                            type ? type : "");
    return 0;
}

static void https_transfer_judge(struct https_transfer *t, CURLcode code)
{
    if (t->order.posting)
        https_posting_note(t->order.posting, t->easy);
    const struct https_transfer_order *o = &t->order;
    long status = 0;
    char *type = NULL;
    const char *detail = t->error[0] ? t->error : curl_easy_strerror(code);
    if (why_is_set(o->why)) // our own callback ended it
        return;
    if (code == CURLE_OK && !t->proved) { // cannot be: an answer comes after the look at its host
        https_certificate_failed(o->host, o->path, o->why, "nobody has looked at it");
    } else if (code == CURLE_OK) {
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
        if (!o->posting) // whoever posts judges the status
            https_judge_response(o->host, o->path, status, type, o->why);
    } else if (t->header_bytes > FETCH_HEADERS) {
        https_failed(o->host, o->path, o->why, "more than %d bytes of headers", FETCH_HEADERS);
    } else if (code == CURLE_WRITE_ERROR && o->body->full) {
        https_failed(o->host, o->path, o->why, "%s", "longer than 64 KiB");
    } else {
        https_failed(o->host, o->path, o->why, "%s", detail);
    }
}

void https_transfer_done(void *easy, int code)
{
    struct https_transfer *t;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    https_transfer_judge(t, (CURLcode)code);
    if (why_is_set(t->order.why) && !t->order.posting)
        buf_reset(t->order.body);
    t->order.done(t->order.arg);
}

void https_transfer_free(struct https_transfer *t)
{
    if (!t)
        return;
    https_sockets_remove(t->order.sockets, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->resolve);
    trust_unref(t->trust);
    free(t);
}

// ---- the beginning

// curl connects to these addresses and asks nobody.
static void set_addresses(struct https_transfer *t)
{
    struct buf line;
    buf_init(&line, 4096);
    buf_addf(&line, "%s:%u:", t->order.host, (unsigned)t->order.port);
    for (size_t i = 0; i < t->order.nat; i++) {
        char text[ADDRESS_TEXT];
        const struct sockaddr *a = (const struct sockaddr *)&t->order.at[i];
        buf_addf(&line, a->sa_family == AF_INET6 ? "%s[%s]" : "%s%s", i ? "," : "",
                 address_text(a, text));
    }
    t->resolve = curl_slist_append(NULL, buf_text(&line));
    buf_free(&line);
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve);
}

static void set_tls(struct https_transfer *t)
{
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L); // https_transfer_on_connected does it
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL); // nor are its stores read for nothing
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L); // a resumed one would prove nothing
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, https_transfer_on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
}

static void set_callbacks(struct https_transfer *t)
{
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, https_transfer_on_debug); // instead of stderr
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, t);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, https_transfer_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, https_transfer_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, https_transfer_on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, https_transfer_on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, https_transfer_on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

struct https_transfer *https_transfer_start(const struct https_transfer_order *order)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    struct https_transfer *t = mem_new(sizeof *t);
    const char *scheme = transfer_clear(order) ? "http" : "https";
    char *url = mem_printf("%s://%s:%u%s", scheme, order->host, (unsigned)order->port, order->path);
    t->order = *order;
    t->trust = order->trust ? trust_ref(order->trust) : NULL;
    t->easy = easy;
    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, scheme);
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)FETCH_MS);
    curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*"); // no proxy from the environment
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "waxwing/" WAXWING_VERSION);
    // Kept for nobody: a connection that outlived its request would close behind its back.
    curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, (long)FETCH_READ);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    set_tls(t);
    set_callbacks(t);
    set_addresses(t);
    if (order->posting)
        https_posting_options(order->posting, t->easy);
    free(url);
    https_sockets_add(order->sockets, t->easy);
    return t;
}
