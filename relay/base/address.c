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

const unsigned char *address_plain(const struct sockaddr *a, size_t *n)
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    const unsigned char *bytes = address_bytes(a, n);
    if (*n != 16 || memcmp(bytes, mapped, sizeof mapped) != 0)
        return bytes;
    *n = 4;
    return bytes + sizeof mapped;
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

void address_reverse(const unsigned char *bytes, size_t n, char out[static ADDRESS_REVERSE])
{
    if (n == 4) {
        snprintf(out, ADDRESS_REVERSE, "%u.%u.%u.%u.", bytes[3], bytes[2], bytes[1], bytes[0]);
        return;
    }
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 4 * i, 5, "%x.%x.", bytes[15 - i] & 15, bytes[15 - i] >> 4);
}

void address_reverse_name(const unsigned char *bytes, size_t n, char out[static ADDRESS_REVERSE])
{
    address_reverse(bytes, n, out);
    size_t at = strlen(out);
    snprintf(out + at, ADDRESS_REVERSE - at, "%s", n == 4 ? "in-addr.arpa" : "ip6.arpa");
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

// The port stands in the same place in both structures.
uint16_t address_port(const struct sockaddr *a)
{
    return ntohs(((const struct sockaddr_in *)(const void *)a)->sin_port);
}

void address_set_port(struct sockaddr_storage *a, uint16_t port)
{
    ((struct sockaddr_in *)a)->sin_port = htons(port);
}

bool address_make(const void *bytes, size_t n, uint16_t port, struct sockaddr_storage *out)
{
    if (n != 4 && n != 16)
        return false;
    *out = (struct sockaddr_storage){.ss_family = n == 4 ? AF_INET : AF_INET6};
    address_set_port(out, port);
    if (n == 4)
        memcpy(&((struct sockaddr_in *)out)->sin_addr, bytes, n);
    else
        memcpy(&((struct sockaddr_in6 *)out)->sin6_addr, bytes, n);
    return true;
}

bool address_read(struct span text, uint16_t port, struct sockaddr_storage *out)
{
    char copy[ADDRESS_TEXT];
    unsigned char bytes[16];
    if (text.n >= sizeof copy || memchr(text.p, 0, text.n))
        return false;
    snprintf(copy, sizeof copy, "%.*s", (int)text.n, (const char *)text.p);
    if (inet_pton(AF_INET, copy, bytes) == 1)
        return address_make(bytes, 4, port, out);
    return inet_pton(AF_INET6, copy, bytes) == 1 && address_make(bytes, 16, port, out);
}
