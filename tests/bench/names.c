// SPDX-License-Identifier: ISC
// The name server of the benchmark: answers from a table, fast, over UDP and TCP, and calls every answer secure
// (AD), as a validating resolver beside the relay would. One thread.
//
// usage: names ADDRESS FILE; each line of the file: NAME TYPE-NUMBER RDATA-IN-HEX
#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/bench/wire.h"

#define QUESTION 300
#define ANSWER   4096

struct record {
    struct record *next; // of the same name and type
    unsigned n;
    unsigned char data[];
};

static unsigned hex(char c)
{
    return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(tolower(c) - 'a') + 10;
}

static ENTRY *look(const char *key, ACTION action, void *data)
{
    ENTRY *found = NULL;
    struct hsearch_data *table = data;
    ENTRY entry = {.key = (char *)key};
    if (action == ENTER)
        entry.key = strdup(key);
    hsearch_r(entry, action, &found, table);
    return found;
}

static void load(const char *path, struct hsearch_data *table)
{
    static char line[8192], name[QUESTION], key[QUESTION + 16], text[4096];
    unsigned type;
    FILE *file = fopen(path, "r");
    if (!file || !hcreate_r(1 << 18, table))
        wire_die(path);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%299s %u %4095s", name, &type, text) != 3)
            wire_die("a line of the table");
        size_t n = strlen(text) / 2;
        struct record *record = malloc(sizeof *record + n);
        record->n = (unsigned)n;
        for (size_t i = 0; i < n; i++)
            record->data[i] = (unsigned char)(hex(text[2 * i]) << 4 | hex(text[2 * i + 1]));
        snprintf(key, sizeof key, "%s/%u", name, type);
        ENTRY *e = look(key, ENTER, table);
        record->next = e->data;
        e->data = record;
        look(name, ENTER, table); // the name is there, with whatever type
    }
    fclose(file);
}

// The name as text in small letters with a dot at its end; its length on the wire, 0 where it is none.
static size_t read_name(const unsigned char *q, size_t n, char *out)
{
    size_t at = 0, to = 0;
    while (at < n && q[at]) {
        size_t label = q[at++];
        if (label > 63 || at + label >= n || to + label + 2 >= QUESTION)
            return 0;
        for (size_t i = 0; i < label; i++)
            out[to++] = (char)tolower(q[at++]);
        out[to++] = '.';
    }
    if (!to)
        out[to++] = '.';
    out[to] = 0;
    return at < n ? at + 1 : 0;
}

static size_t put(unsigned char *out, size_t at, const void *bytes, size_t n)
{
    if (at + n > ANSWER)
        return at;
    memcpy(out + at, bytes, n);
    return at + n;
}

static size_t answer(const unsigned char *q, size_t n, unsigned char *out,
                     struct hsearch_data *table)
{
    static const unsigned char opt[] = {0, 0, 41, 16, 0, 0, 0, 128, 0, 0, 0};
    char name[QUESTION], key[QUESTION + 16];
    if (n < 17)
        return 0;
    size_t length = read_name(q + 12, n - 12, name);
    if (!length || 12 + length + 4 > n)
        return 0;
    size_t at = put(out, 0, q, 12 + length + 4);
    const unsigned char *type = q + 12 + length;
    snprintf(key, sizeof key, "%s/%u", name, (unsigned)(type[0] << 8 | type[1]));
    ENTRY *e = look(key, FIND, table);
    unsigned answers = 0;
    for (struct record *r = e ? e->data : NULL; r; r = r->next, answers++) {
        const unsigned char fixed[] = {192,
                                       12,
                                       type[0],
                                       type[1],
                                       0,
                                       1,
                                       0,
                                       0,
                                       14,
                                       16,
                                       (unsigned char)(r->n >> 8),
                                       (unsigned char)r->n};
        at = put(out, at, fixed, sizeof fixed);
        at = put(out, at, r->data, r->n);
    }
    bool edns = q[11] > 0;
    out[2] = 0x80 | (q[2] & 1);
    out[3] = 0xa0 | (answers || look(name, FIND, table) ? 0 : 3); // RA, AD, and NXDOMAIN
    out[6] = 0;
    out[7] = (unsigned char)answers;
    memset(out + 8, 0, 4);
    if (edns) {
        out[11] = 1;
        at = put(out, at, opt, sizeof opt);
    }
    return at;
}

static void by_tcp(int listener, struct hsearch_data *table)
{
    unsigned char in[ANSWER], out[ANSWER + 2];
    int fd = accept(listener, NULL, NULL);
    while (fd >= 0 && recv(fd, in, 2, MSG_WAITALL) == 2) {
        size_t n = (size_t)(in[0] << 8 | in[1]);
        if (n > sizeof in || recv(fd, in, n, MSG_WAITALL) != (ssize_t)n)
            break;
        size_t got = answer(in, n, out + 2, table);
        out[0] = (unsigned char)(got >> 8);
        out[1] = (unsigned char)got;
        if (!got || write(fd, out, got + 2) != (ssize_t)got + 2)
            break;
    }
    if (fd >= 0)
        close(fd);
}

static void by_udp(int fd, struct hsearch_data *table)
{
    unsigned char in[ANSWER], out[ANSWER];
    struct sockaddr_storage from;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(fd, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (n < 0)
            return;
        size_t got = answer(in, (size_t)n, out, table);
        if (got)
            sendto(fd, out, got, 0, (struct sockaddr *)&from, size);
    }
}

int main(int argc, char **argv)
{
    struct hsearch_data table = {0};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(53)};
    if (argc != 3 || inet_pton(AF_INET, argv[1], &here.sin_addr) != 1) {
        fprintf(stderr, "usage: names ADDRESS FILE\n");
        return 64;
    }
    load(argv[2], &table);
    int room = 4194304, udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(udp, (struct sockaddr *)&here, sizeof here) < 0)
        wire_die(argv[1]);
    struct pollfd ready[2] = {{.fd = udp, .events = POLLIN},
                              {.fd = wire_listen(argv[1], "53"), .events = POLLIN}};
    puts("ready");
    fflush(stdout);
    while (poll(ready, 2, -1) > 0) {
        if (ready[0].revents)
            by_udp(udp, &table);
        if (ready[1].revents)
            by_tcp(ready[1].fd, &table);
    }
    return 0;
}
