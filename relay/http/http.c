// SPDX-License-Identifier: ISC
// libmicrohttpd on a libuv loop: it has no thread of its own; its epoll descriptor is watched, and it is run
// when that is readable, when its own time is up, and after a page has answered.
#include "relay/http/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/net/accept.h"

struct http {
    struct http_options o;
    struct MHD_Daemon *daemon;
    struct acceptor *acceptor;
    uv_poll_t poll;
    uv_timer_t timer;
    struct list calls; // whose answer or end is due
    struct list quiet; // connections that have asked nothing, the oldest first
    size_t connections;
    unsigned handles; // not yet closed
};

struct http_connection {
    struct list list;
    int fd;
    uint64_t opened_ms; // clock_mono_ms()
};

struct http_call {
    struct list list;
    struct http *http;                 // NULL: the server was closed, the answer goes nowhere
    struct MHD_Connection *connection; // NULL: the client has gone
    const struct http_page *page;
    char *rest;
    struct MHD_Response *response;
    unsigned status;
    bool running;   // the page has it and has not answered
    bool suspended; // the connection waits for the answer
};

static void http_turn(struct http *http);

static void call_free(struct http_call *call)
{
    if (call->response)
        MHD_destroy_response(call->response);
    list_remove(&call->list);
    free(call->rest);
    free(call);
}

const char *http_rest(const struct http_call *call)
{
    return call->rest ? call->rest : "";
}

const char *http_argument(struct http_call *call, const char *name)
{
    return call->connection
               ? MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name)
               : NULL;
}

static void http_on_soon(uv_timer_t *timer)
{
    http_turn(timer->data);
}

bool http_is_awaited(const struct http_call *call)
{
    return call->http && call->connection;
}

void http_answer(struct http_call *call, int status, const char *type, struct buf *content)
{
    call->running = false;
    if (!http_is_awaited(call)) {
        buf_free(content);
        call_free(call);
        return;
    }
    size_t n = content->len;
    void *bytes = n ? buf_take(content) : mem_new(1);
    call->response = MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE);
    call->status = (unsigned)status;
    MHD_add_response_header(call->response, "Content-Type", type);
    if (!call->suspended)
        return;
    call->suspended = false;
    MHD_resume_connection(call->connection);
    uv_timer_start(&call->http->timer, http_on_soon, 0, 0);
}

void http_answer_line(struct http_call *call, int status, const char *line)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_addf(&text, "%s\n", line);
    http_answer(call, status, "text/plain; charset=utf-8", &text);
}

// Nothing but our own style is loaded, nothing of ours may be framed or kept.
static void add_headers(struct MHD_Response *response)
{
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'self'; form-action 'self'; "
                            "frame-ancestors 'none'; base-uri 'none'");
    MHD_add_response_header(response, "Connection", "close");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cache-Control", "no-store");
}

static enum MHD_Result send_answer(struct http_call *call)
{
    add_headers(call->response);
    enum MHD_Result sent = MHD_queue_response(call->connection, call->status, call->response);
    MHD_destroy_response(call->response);
    call->response = NULL;
    return sent;
}

static bool same_name(const char *name, size_t n, const char *ours)
{
    return ours && strlen(ours) == n && strncasecmp(name, ours, n) == 0;
}

static bool is_address(const char *name, size_t n)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (n >= 2 && name[0] == '[' && name[n - 1] == ']') {
        name++;
        n -= 2;
    }
    if (n >= sizeof text)
        return false;
    memcpy(text, name, n);
    text[n] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

bool http_host_is_ours(const char *field, const char *hostname, const struct strings *more)
{
    if (!field)
        return true; // HTTP/1.0: no browser
    size_t n = field[0] == '[' ? strcspn(field, "]") + 1 : strcspn(field, ":");
    if (n > strlen(field) || (field[n] && field[n] != ':'))
        return false;
    if (n && field[n - 1] == '.')
        n--;
    bool ours =
        is_address(field, n) || same_name(field, n, "localhost") || same_name(field, n, hostname);
    for (size_t i = 0; !ours && more && i < more->n; i++)
        ours = same_name(field, n, more->at[i]);
    return ours;
}

static bool host_is_ours(struct http_call *call)
{
    const struct relay *relay = call->http->o.relay;
    const struct config *config = relay ? relay->setup->config : NULL;
    return http_host_is_ours(
        MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
        config ? config->hostname : NULL, config ? &config->http_names : NULL);
}

// Takes as long for every guess of the same length.
static bool is_token(const char *token, const char *guess, size_t n)
{
    unsigned char differs = strlen(token) != n;
    for (size_t i = 0; token[i]; i++)
        differs |= (unsigned char)token[i] ^ (unsigned char)(i < n ? guess[i] : 0);
    return !differs;
}

// The token as Bearer, or as the password of Basic under any name (RFC 7617), which is what browsers can do.
static bool knows_token(struct http_call *call)
{
    const char *token = call->http->o.token,
               *field = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_AUTHORIZATION);
    if (!token)
        return true;
    if (field && strncasecmp(field, "Bearer ", 7) == 0)
        return is_token(token, field + 7, strlen(field + 7));
    char *password = NULL,
         *user = MHD_basic_auth_get_username_password(call->connection, &password);
    bool known = password && is_token(token, password, strlen(password));
    MHD_free(user);
    MHD_free(password);
    return known;
}

static bool page_serves(const struct http_page *page, const char *url)
{
    size_t n = strlen(page->path);
    bool prefix = n > 1 && page->path[n - 1] == '/';
    return prefix ? strncmp(url, page->path, n) == 0 && url[n] : strcmp(url, page->path) == 0;
}

static const struct http_page *find_page(const struct http_page *pages, const char *url)
{
    const struct http_page *page = pages;
    while (page->path && !page_serves(page, url))
        page++;
    return page->path ? page : NULL;
}

// What is wrong with the request itself, or NULL.
static const char *objection(struct http_call *call, const char *url, const char *method,
                             unsigned *status)
{
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        *status = MHD_HTTP_METHOD_NOT_ALLOWED;
        return "only GET and HEAD are served";
    }
    call->page = find_page(call->http->o.pages, url);
    if (!(call->page && call->page->any_host) && !host_is_ours(call)) {
        *status = MHD_HTTP_MISDIRECTED_REQUEST;
        return "this host name is not served here (http_names)";
    }
    if (!(call->page && call->page->any_host) && !knows_token(call)) {
        *status = MHD_HTTP_UNAUTHORIZED;
        return "the token of http.token_file is asked for, as a password or as Bearer";
    }
    *status = MHD_HTTP_NOT_FOUND;
    return call->page ? NULL : "there is no such page";
}

static enum MHD_Result refuse(struct http_call *call, unsigned status, const char *text)
{
    http_answer_line(call, (int)status, text);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(call->response, "Allow", "GET, HEAD");
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(call->response, "WWW-Authenticate",
                                "Basic realm=\"Waxwing\", charset=\"UTF-8\"");
    return send_answer(call);
}

static struct http_call *call_new(struct http *http, struct MHD_Connection *connection)
{
    struct http_call *call = mem_new(sizeof *call);
    call->http = http;
    call->connection = connection;
    list_init(&call->list);
    list_append(&http->calls, &call->list);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    list_remove(&((struct http_connection *)info->socket_context)->list);
    return call;
}

static enum MHD_Result run_page(struct http_call *call, const char *url)
{
    call->rest = mem_dup(url + strlen(call->page->path));
    call->running = true;
    call->page->run(call, call->http->o.relay);
    if (!call->running)
        return send_answer(call);
    call->suspended = true;
    MHD_suspend_connection(call->connection);
    return MHD_YES;
}

// Called once when the head is there, again when there is no body left to read, and again after a resume.
static enum MHD_Result http_on_request(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *upload, size_t *upload_size, void **per_request)
{
    (void)version, (void)upload;
    struct http_call *call = *per_request;
    if (!call) {
        unsigned status;
        call = *per_request = call_new(arg, connection);
        const char *text = objection(call, url, method, &status);
        return text ? refuse(call, status, text) : MHD_YES;
    }
    if (*upload_size)
        return MHD_NO; // a body, which no page takes
    return call->response ? send_answer(call) : run_page(call, url);
}

static void http_on_completed(void *arg, struct MHD_Connection *connection, void **per_request,
                              enum MHD_RequestTerminationCode code)
{
    (void)arg, (void)connection, (void)code;
    struct http_call *call = *per_request;
    if (!call)
        return;
    *per_request = NULL;
    call->connection = NULL;
    if (!call->running)
        call_free(call);
}

static void http_on_connection(void *arg, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct http *http = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_connection *c = *context = mem_new(sizeof *c);
        c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        list_init(&c->list);
        c->opened_ms = clock_mono_ms();
        list_append(&http->quiet, &c->list);
        http->connections++;
    } else {
        list_remove(&((struct http_connection *)*context)->list);
        free(*context);
        *context = NULL;
        http->connections--;
    }
}

static void http_arm(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(http->daemon, &ms) == MHD_YES)
        uv_timer_start(&http->timer, http_on_soon, ms, 0);
    else
        uv_timer_stop(&http->timer);
}

static void http_turn(struct http *http)
{
    MHD_run(http->daemon);
    http_arm(http);
}

static void http_on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    http_turn(poll->data);
}

static void http_handle_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;
    if (--http->handles == 0)
        free(http);
}

static int watch(struct http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int rc = info ? uv_poll_init(http->o.loop, &http->poll, info->epoll_fd) : UV_EMFILE;
    if (rc < 0)
        return rc;
    uv_timer_init(http->o.loop, &http->timer);
    http->poll.data = http->timer.data = http;
    http->handles = 2;
    rc = uv_poll_start(&http->poll, UV_READABLE, http_on_poll);
    if (rc == 0)
        return 0;
    uv_close((uv_handle_t *)&http->poll, http_handle_closed);
    uv_close((uv_handle_t *)&http->timer, http_handle_closed);
    return rc;
}

// Who has asked nothing for longest makes room for the next: the daemon would else send the next away.
// The one that has been quiet longest goes, where it has been so for `ms`.
static bool end_quiet(struct http *http, uint64_t ms)
{
    if (list_empty(&http->quiet))
        return false;
    struct http_connection *c = list_of(http->quiet.next, struct http_connection, list);
    if (clock_mono_ms() - c->opened_ms < ms)
        return false;
    list_remove(&c->list);
    shutdown(c->fd, SHUT_RDWR); // the daemon sees an end, and closes
    http_turn(http);
    return true;
}

// Descriptors are short.
static bool http_make_room(void *arg)
{
    return end_quiet(arg, ACCEPT_QUIET_MS);
}

static void http_on_client(void *arg, int fd)
{
    struct http *http = arg;
    if (http->connections + 1 >= HTTP_CONNECTIONS)
        end_quiet(http, 0);
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof address;
    getpeername(fd, (struct sockaddr *)&address, &n);
    MHD_add_connection(http->daemon, fd, (struct sockaddr *)&address,
                       n); // closes it where it fails
    http_turn(http);
}

static void http_on_acceptor_closed(void *arg)
{
    struct http *http = arg;
    if (--http->handles == 0)
        free(http);
}

#define TLS_PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:%SERVER_PRECEDENCE"

static struct MHD_Daemon *start_daemon(struct http *http)
{
    unsigned deadline = http->o.deadline_s ? http->o.deadline_s : HTTP_DEADLINE_S;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)http->o.chain},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)http->o.key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        http->o.chain ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, http_on_request, http,
        MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, deadline,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_MAX, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        http_on_connection, http, MHD_OPTION_ARRAY, http->o.chain ? tls : tls + 3, MHD_OPTION_END);
}

// Connections come from an acceptor of ours, which does not spin when descriptors run out.
static int begin_accepting(struct http *http, struct why *why)
{
    const struct acceptor_options options = {.name = "http",
                                             .insist = true,
                                             .make_room = http_make_room,
                                             .client = http_on_client,
                                             .closed = http_on_acceptor_closed,
                                             .arg = http};
    http->acceptor = acceptor_open(http->o.loop, http->o.fd, &options, why);
    if (!http->acceptor)
        return -1;
    http->handles++;
    return 0;
}

struct http *http_open(const struct http_options *options, struct why *why)
{
    struct http *http = mem_new(sizeof *http);
    http->o = *options;
    list_init(&http->calls);
    list_init(&http->quiet);
    http->daemon = start_daemon(http);
    int rc = http->daemon ? watch(http) : UV_EMFILE;
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "the status pages cannot be served: %s",
                !http->daemon && options->chain ? "http.certificate cannot be used"
                                                : uv_strerror(rc));
        close(options->fd);
        if (http->daemon)
            MHD_stop_daemon(http->daemon);
        if (!http->handles)
            free(http);
        return NULL;
    }
    if (begin_accepting(http, why) < 0) {
        http_close(http);
        return NULL;
    }
    http_arm(http);
    return http;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    // A suspended connection would keep the daemon from ending; its page may still answer, into nothing.
    list_each_safe (it, &http->calls) {
        struct http_call *call = list_of(it, struct http_call, list);
        if (call->suspended)
            MHD_resume_connection(call->connection);
        call->suspended = false;
        list_remove(&call->list);
    }
    if (http->acceptor)
        acceptor_close(http->acceptor);
    MHD_stop_daemon(http->daemon); // completes every request
    uv_close((uv_handle_t *)&http->poll, http_handle_closed);
    uv_close((uv_handle_t *)&http->timer, http_handle_closed);
}
