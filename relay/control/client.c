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

static int connect_to(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
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

static json_t *client_ask(const char *path, json_t *request, int *status)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    *status = EXIT_TEMP;
    int fd = connect_to(path);
    json_t *answer = NULL;
    struct buf in;
    buf_init(&in, CONTROL_ANSWER_MAX);
    if (fd >= 0 && text && send_all(fd, text, strlen(text)) == 0 && send_all(fd, "\n", 1) == 0 &&
        client_read_all(fd, &in) == 0) {
        json_error_t error;
        answer = json_loadb((const char *)in.data, in.len, 0, &error);
        errno = EPROTO;
    }
    int error = errno;
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

json_t *control_ask_quietly(const char *socket_path, json_t *request, int *status)
{
    return client_ask(socket_path, request, status);
}

json_t *control_ask(const char *socket_path, json_t *request, int *status)
{
    json_t *answer = client_ask(socket_path, request, status);
    if (!answer) {
        fprintf(stderr, "waxwing: no relay answers on %s: %s\n", socket_path, strerror(errno));
        return NULL;
    }
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (error)
        fprintf(stderr, "waxwing: %s\n", error);
    return answer;
}
