// SPDX-License-Identifier: ISC
// The client side of the control socket: one request, one answer, blocking.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/base/exit.h"
#include "relay/control/control.h"

// `patience_s` for each step (connecting, sending, hearing); 0: as long as it takes.
static int connect_to(const char *path, unsigned patience_s)
{
    const struct timeval limit = {.tv_sec = patience_s};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int send_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        bytes += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int client_read_all(int fd, struct buf *in)
{
    for (;;) {
        unsigned char *room;
        if (buf_reserve(in, 65536, &room) < 0)
            return -1;
        ssize_t n = read(fd, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        in->len += (size_t)n;
    }
}

static json_t *client_ask(const char *path, json_t *request, unsigned patience_s, int *status)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    *status = EXIT_TEMP;
    int fd = connect_to(path, patience_s);
    json_t *answer = NULL;
    struct buf in;
    buf_init(&in, CONTROL_ANSWER_MAX);
    if (fd >= 0 && text && send_all(fd, text, strlen(text)) == 0 && send_all(fd, "\n", 1) == 0 &&
        client_read_all(fd, &in) == 0) {
        json_error_t error;
        answer = json_loadb((const char *)in.data, in.len, 0, &error);
        errno = EPROTO;
    }
    int error = errno == EAGAIN ? ETIMEDOUT : errno;
    if (answer) {
        *status = (int)json_integer_value(json_object_get(answer, "exit"));
        json_object_del(answer, "exit"); // between the two programs, and nobody else's
    }
    if (fd >= 0)
        close(fd);
    free(text);
    buf_free(&in);
    errno = error;
    return answer;
}

// One line's JSON: the last of an answer (true), or one for `line`.
static bool client_take_line(struct span text, control_line *line, void *arg, json_t **last,
                             bool *stopped)
{
    json_error_t error;
    json_t *j = json_loadb((const char *)text.p, text.n, JSON_ALLOW_NUL, &error);
    if (json_object_get(j, "exit")) {
        *last = j;
        return true;
    }
    *stopped = !j || !line(j, arg);
    json_decref(j);
    return false;
}

// Reads until the last line, or until `line` has enough. 0: the answer is in *last.
static int read_lines(int fd, control_line *line, void *arg, json_t **last, bool *stopped)
{
    struct buf in;
    struct span one, rest;
    int rc = -1;
    buf_init(&in, CONTROL_ANSWER_MAX);
    while (!*last && !*stopped) {
        unsigned char *room;
        ssize_t n = buf_reserve(&in, CONTROL_PIECE, &room) < 0 ? -1 : read(fd, room, CONTROL_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        in.len += (size_t)n;
        rest = buf_span(&in);
        while (!*last && !*stopped && span_cut(rest, '\n', &one, &rest))
            rc = client_take_line(one, line, arg, last, stopped) ? 0 : rc;
        buf_drop(&in, in.len - rest.n);
    }
    // The last line may end with the connection.
    if (!*last && !*stopped && in.len && client_take_line(buf_span(&in), line, arg, last, stopped))
        rc = 0;
    buf_free(&in);
    return rc;
}

json_t *control_ask_lines(const char *path, json_t *request, control_line *line, void *arg,
                          int *status)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    json_t *last = NULL;
    bool stopped = false;
    *status = EXIT_TEMP;
    int fd = connect_to(path, 0);
    if (fd < 0 || !text || send_all(fd, text, strlen(text)) < 0 || send_all(fd, "\n", 1) < 0)
        fprintf(stderr, "waxwing: no relay answers on %s: %s\n", path, strerror(errno));
    else if (read_lines(fd, line, arg, &last, &stopped) < 0 && !stopped)
        fputs("waxwing: the relay's answer was cut off before its end\n", stderr);
    if (last)
        *status = (int)json_integer_value(json_object_get(last, "exit"));
    const char *error = json_string_value(json_object_get(last, "error"));
    if (error)
        fprintf(stderr, "waxwing: %s\n", error);
    if (fd >= 0)
        close(fd);
    free(text);
    return last;
}

json_t *control_ask_quietly(const char *socket_path, json_t *request, int *status)
{
    return client_ask(socket_path, request, 0, status);
}

json_t *control_ask(const char *socket_path, json_t *request, int *status)
{
    return control_ask_soon(socket_path, request, 0, status);
}

json_t *control_ask_soon(const char *socket_path, json_t *request, unsigned patience_s, int *status)
{
    json_t *answer = client_ask(socket_path, request, patience_s, status);
    if (!answer) {
        fprintf(stderr, "waxwing: no relay answers on %s: %s\n", socket_path, strerror(errno));
        return NULL;
    }
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (error)
        fprintf(stderr, "waxwing: %s\n", error);
    return answer;
}
