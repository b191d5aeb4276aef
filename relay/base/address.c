// SPDX-License-Identifier: ISC
// Socket addresses.
#include "relay/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

const unsigned char *address_bytes(const struct sockaddr *a, size_t *n)
{
    *n = 0;
    if (a->sa_family == AF_INET) {
        *n = 4;
        return (const unsigned char *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
    }
    if (a->sa_family == AF_INET6) {
        *n = 16;
        return (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    }
    return NULL;
}

const char *address_text(const struct sockaddr *a, char out[static ADDRESS_TEXT])
{
    size_t n;
    uint32_t uid;
    const unsigned char *bytes = address_bytes(a, &n);
    if (address_uid(a, &uid))
        snprintf(out, ADDRESS_TEXT, "uid:%u", uid);
    else if (!bytes || !inet_ntop(a->sa_family, bytes, out, ADDRESS_TEXT))
        out[0] = 0;
    return out;
}

void address_set_uid(struct sockaddr_storage *out, uint32_t uid)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, &uid, sizeof uid);
    *out = (struct sockaddr_storage){0};
    memcpy(out, &un, sizeof un);
}

bool address_uid(const struct sockaddr *a, uint32_t *uid)
{
    if (a->sa_family != AF_UNIX)
        return false;
    memcpy(uid, ((const struct sockaddr_un *)(const void *)a)->sun_path, sizeof *uid);
    return true;
}

socklen_t address_size(const struct sockaddr *a)
{
    if (a->sa_family == AF_UNIX)
        return sizeof(struct sockaddr_un);
    return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool address_same(const struct sockaddr *a, const struct sockaddr *b)
{
    size_t n, m;
    const unsigned char *x = address_bytes(a, &n), *y = address_bytes(b, &m);
    return x && y && n == m && memcmp(x, y, n) == 0;
}

bool address_read(struct span text, uint16_t port, struct sockaddr_storage *out)
{
    char copy[ADDRESS_TEXT];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (text.n >= sizeof copy || memchr(text.p, 0, text.n))
        return false;
    snprintf(copy, sizeof copy, "%.*s", (int)text.n, (const char *)text.p);
    bool four = inet_pton(AF_INET, copy, &in.sin_addr) == 1;
    if (!four && inet_pton(AF_INET6, copy, &in6.sin6_addr) != 1)
        return false;
    *out = (struct sockaddr_storage){0};
    if (four)
        memcpy(out, &in, sizeof in);
    else
        memcpy(out, &in6, sizeof in6);
    return true;
}
