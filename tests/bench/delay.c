// SPDX-License-Identifier: ISC
// A road of some length: takes TCP connections, opens one to the target for each, and gives every byte on half a round
// trip later, both ways. The connection itself is made at once. One thread; what is under way is bounded.
//
// usage: delay ADDRESS PORT TARGET PORT ROUND-TRIP-MILLISECONDS
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/bench/wire.h"

#define PIECE 65536
#define AHEAD 4194304 // bytes under way in one direction
#define MOST  2048    // connections

struct piece {
    struct piece *next;
    double due;
    size_t n, at;
    char data[];
};

// One direction.
struct way {
    struct piece *first, **last;
    size_t bytes;
    double ended; // when the end of the stream is to be given on; 0: it goes on
    bool closed;
};

struct pair {
    int fd[2];
    struct way way[2]; // what fd[i] said, for fd[1 - i]
};

static struct pair *pairs[MOST];
static size_t npairs;
static double half;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin(int fd, const char *address, const char *port)
{
    struct pair *p = calloc(1, sizeof *p);
    struct wire tune;
    if (!p || npairs == MOST)
        wire_die("room for a connection");
    p->fd[0] = fd;
    p->fd[1] = wire_connect(address, port);
    for (int i = 0; i < 2; i++) {
        wire_init(&tune, p->fd[i]); // no delay, no waiting
        p->way[i].last = &p->way[i].first;
    }
    pairs[npairs++] = p;
}

static void hear(struct way *w, int fd, double time)
{
    static char bytes[PIECE];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        w->ended = time + half;
        return;
    }
    struct piece *piece = malloc(sizeof *piece + (size_t)n);
    if (!piece)
        wire_die("memory");
    *piece = (struct piece){.due = time + half, .n = (size_t)n};
    memcpy(piece->data, bytes, (size_t)n);
    *w->last = piece;
    w->last = &piece->next;
    w->bytes += (size_t)n;
}

static void tell(struct way *w, int fd, double time)
{
    struct piece *p;
    while ((p = w->first) && p->due <= time) {
        ssize_t n = send(fd, p->data + p->at, p->n - p->at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        p->at += n > 0 ? (size_t)n : p->n - p->at; // whoever is gone hears nothing
        if (p->at < p->n)
            return;
        w->bytes -= p->n;
        w->first = p->next;
        if (!w->first)
            w->last = &w->first;
        free(p);
    }
    if (!w->first && w->ended > 0 && w->ended <= time && !w->closed) {
        shutdown(fd, SHUT_WR);
        w->closed = true;
    }
}

// Milliseconds until something is due, rounded up; -1: nothing is under way.
static int patience(double time)
{
    double next = 1e18;
    for (size_t i = 0; i < npairs; i++)
        for (int k = 0; k < 2; k++) {
            const struct way *w = &pairs[i]->way[k];
            double due = w->first ? w->first->due : w->ended > 0 && !w->closed ? w->ended : 1e18;
            next = due < next ? due : next;
        }
    return next > 1e17 ? -1 : next <= time ? 1 : (int)((next - time) * 1000) + 1;
}

static void serve(struct pollfd *ready)
{
    double time = now();
    for (size_t i = 0; i < npairs; i++)
        for (int k = 0; k < 2; k++)
            if (ready[1 + 2 * i + (size_t)k].revents & (POLLIN | POLLHUP | POLLERR))
                hear(&pairs[i]->way[k], pairs[i]->fd[k], time);
    time = now();
    for (size_t i = npairs; i-- > 0;) {
        struct pair *p = pairs[i];
        tell(&p->way[0], p->fd[1], time);
        tell(&p->way[1], p->fd[0], time);
        if (!p->way[0].closed || !p->way[1].closed)
            continue;
        close(p->fd[0]);
        close(p->fd[1]);
        free(p);
        pairs[i] = pairs[--npairs];
    }
}

int main(int argc, char **argv)
{
    static struct pollfd ready[1 + 2 * MOST];
    if (argc != 6) {
        fprintf(stderr, "usage: delay ADDRESS PORT TARGET PORT ROUND-TRIP-MILLISECONDS\n");
        return 64;
    }
    int listener = wire_listen(argv[1], argv[2]);
    half = atof(argv[5]) / 2000;
    puts("ready");
    fflush(stdout);
    for (;;) {
        ready[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (size_t i = 0; i < npairs; i++)
            for (size_t k = 0; k < 2; k++) {
                const struct way *w = &pairs[i]->way[k];
                bool hears = w->bytes < AHEAD && !(w->ended > 0);
                ready[1 + 2 * i + k] =
                    (struct pollfd){.fd = hears ? pairs[i]->fd[k] : -1, .events = POLLIN};
            }
        if (poll(ready, 1 + 2 * npairs, patience(now())) < 0 && errno != EINTR)
            wire_die("poll");
        serve(ready);
        if (ready[0].revents)
            begin(accept4(listener, NULL, NULL, SOCK_CLOEXEC), argv[3], argv[4]);
    }
}
