// SPDX-License-Identifier: ISC
// One non-blocking connection of the benchmark's programs (see wire.h).
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/bench/wire.h"

_Noreturn void wire_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

double wire_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void wire_init(struct wire *w, int fd)
{
    int one = 1;
    memset(w, 0, sizeof *w);
    w->fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void wire_close(struct wire *w)
{
    if (w->tls)
        gnutls_deinit(w->tls);
    close(w->fd);
    free(w->out);
    w->tls = NULL;
    w->out = NULL;
    w->fd = -1;
}

void wire_put(struct wire *w, const void *data, size_t n)
{
    if (w->out_at && w->out_at + w->out_len + n > w->out_cap) {
        memmove(w->out, w->out + w->out_at, w->out_len);
        w->out_at = 0;
    }
    if (w->out_len + n > w->out_cap) {
        w->out_cap = (w->out_len + n) * 2;
        w->out = realloc(w->out, w->out_cap);
        if (!w->out)
            wire_die("memory");
    }
    memcpy(w->out + w->out_at + w->out_len, data, n);
    w->out_len += n;
}

void wire_puts(struct wire *w, const char *text)
{
    wire_put(w, text, strlen(text));
}

const char *wire_line(struct wire *w, size_t *n)
{
    char *end = memchr(w->in, '\n', w->in_len);
    if (!end)
        return NULL;
    *n = (size_t)(end - w->in) + 1;
    return w->in;
}

void wire_take(struct wire *w, size_t n)
{
    w->in_len -= n;
    memmove(w->in, w->in + n, w->in_len);
}

void wire_start_tls(struct wire *w, unsigned side, gnutls_certificate_credentials_t credentials)
{
    gnutls_init(&w->tls, side | GNUTLS_NONBLOCK);
    gnutls_set_default_priority(w->tls);
    gnutls_credentials_set(w->tls, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(w->tls, w->fd);
    w->shaking = true;
}

// GnuTLS says "again" after a session ticket as well, with the next record still in the socket: an edge
// of epoll that was used up must not be waited for.
static bool more_in_socket(const struct wire *w)
{
    char c;
    return recv(w->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static ssize_t read_some(struct wire *w)
{
    char *at = w->in + w->in_len;
    size_t room = sizeof w->in - w->in_len;
    if (!w->tls)
        return read(w->fd, at, room);
    ssize_t n;
    do
        n = gnutls_record_recv(w->tls, at, room);
    while (n == GNUTLS_E_INTERRUPTED || (n == GNUTLS_E_AGAIN && more_in_socket(w)));
    if (n < 0)
        errno = n == GNUTLS_E_AGAIN ? EAGAIN : EIO;
    return n < 0 ? -1 : n;
}

static ssize_t write_some(struct wire *w)
{
    if (!w->tls)
        return write(w->fd, w->out + w->out_at, w->out_len);
    ssize_t n = gnutls_record_send(w->tls, w->out + w->out_at, w->out_len);
    if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
        errno = EAGAIN;
        return -1;
    }
    if (n < 0)
        errno = EIO;
    return n < 0 ? -1 : n;
}

static int flush(struct wire *w)
{
    while (w->out_len > 0) {
        ssize_t n = write_some(w);
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        w->out_len -= (size_t)n;
        w->out_at = w->out_len ? w->out_at + (size_t)n : 0;
    }
    return 0;
}

int wire_turn(struct wire *w)
{
    // What was said in clear before the handshake goes out first.
    if (w->shaking) {
        int rc = gnutls_handshake(w->tls);
        if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED)
            return 0;
        if (rc < 0)
            return -1;
        w->shaking = false;
    }
    if (flush(w) != 0)
        return -1;
    while (w->in_len < sizeof w->in) {
        ssize_t n = read_some(w);
        if (n == 0)
            return -1;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        w->in_len += (size_t)n;
    }
    return 0;
}

static int open_socket(const char *address, const char *port, bool listening)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    int one = 1;
    if (getaddrinfo(address, port, &hints, &found) != 0)
        wire_die(address);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = listening ? bind(fd, found->ai_addr, found->ai_addrlen)
                       : connect(fd, found->ai_addr, found->ai_addrlen);
    if (rc != 0 || (listening && listen(fd, 512) != 0))
        wire_die(address);
    freeaddrinfo(found);
    return fd;
}

int wire_connect(const char *address, const char *port)
{
    return open_socket(address, port, false);
}

int wire_listen(const char *address, const char *port)
{
    return open_socket(address, port, true);
}
