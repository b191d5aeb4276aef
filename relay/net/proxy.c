// SPDX-License-Identifier: ISC
// Parsing of PROXY protocol headers (haproxy's proxy-protocol.txt, versions 1 and 2). No I/O.
#include "relay/net/proxy.h"

#include <string.h>
#include "relay/base/address.h"

#define V1_MAX 107 // bytes with CRLF
static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static enum proxy_state proxy_bad(struct why *why, const char *what)
{
    why_say(why, PROXY_HEADER, what);
    return PROXY_BAD;
}

static bool proxy_next_word(struct span *rest, struct span *word)
{
    struct span tail;
    if (!span_cut(*rest, ' ', word, &tail)) {
        *word = *rest;
        tail = span_of(NULL, 0);
    }
    *rest = tail;
    return word->n > 0;
}

static bool read_address(int family, struct span text, uint64_t port, struct sockaddr_storage *out)
{
    return address_read(text, (uint16_t)port, out) && out->ss_family == family;
}

// "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"
static enum proxy_state version_1(struct span in, struct proxy *out, struct why *why)
{
    ptrdiff_t lf = span_find(span_slice(in, 0, V1_MAX), '\n');
    if (lf < 0)
        return in.n >= V1_MAX ? proxy_bad(why, "too long") : PROXY_MORE;
    if (lf < 1 || in.p[lf - 1] != '\r')
        return proxy_bad(why, "its line does not end in CRLF");
    out->used = (size_t)lf + 1;
    struct span rest = span_slice(in, 6, (size_t)lf - 1), protocol, word[4];
    proxy_next_word(&rest, &protocol);
    if (span_is(protocol, "UNKNOWN"))
        return PROXY_DONE;
    int family = span_is(protocol, "TCP4") ? AF_INET : span_is(protocol, "TCP6") ? AF_INET6 : 0;
    if (!family)
        return proxy_bad(why, "protocol");
    for (int i = 0; i < 4; i++)
        if (!proxy_next_word(&rest, &word[i]))
            return proxy_bad(why, "fields are missing");
    uint64_t port, other;
    struct sockaddr_storage local;
    if (rest.n || !span_number(word[2], 65535, &port) || !span_number(word[3], 65535, &other) ||
        !read_address(family, word[0], port, &out->client) ||
        !read_address(family, word[1], other, &local))
        return proxy_bad(why, "addresses");
    out->has_client = true;
    return PROXY_DONE;
}

static enum proxy_state version_2(struct span in, struct proxy *out, struct why *why)
{
    if (in.n < 16)
        return PROXY_MORE;
    size_t length = (size_t)in.p[14] << 8 | in.p[15];
    unsigned command = in.p[12] & 15;
    if (in.p[12] >> 4 != 2 || command > 1)
        return proxy_bad(why, "version or command");
    if (length + 16 > PROXY_MAX)
        return proxy_bad(why, "too long");
    if (in.n < length + 16)
        return PROXY_MORE;
    out->used = length + 16;
    const unsigned char *p = in.p + 16;
    if (command == 0) // LOCAL: the proxy's own health check
        return PROXY_DONE;
    size_t n = in.p[13] == 0x11 ? 4 : in.p[13] == 0x21 ? 16 : 0; // TCP over IPv4, over IPv6
    if (!n)
        return PROXY_DONE;
    if (length < 2 * n + 4)
        return proxy_bad(why, "too short");
    const unsigned char *port = p + 2 * n;
    out->has_client = address_make(p, n, (uint16_t)(port[0] << 8 | port[1]), &out->client);
    return PROXY_DONE;
}

enum proxy_state proxy_parse(struct span in, struct proxy *out, struct why *why)
{
    *out = (struct proxy){0};
    size_t n = in.n < sizeof signature ? in.n : sizeof signature;
    if (n == 0)
        return PROXY_MORE;
    if (memcmp(in.p, signature, n) == 0)
        return n < sizeof signature ? PROXY_MORE : version_2(in, out, why);
    n = in.n < 6 ? in.n : 6;
    if (memcmp(in.p, "PROXY ", n) == 0)
        return n < 6 ? PROXY_MORE : version_1(in, out, why);
    return proxy_bad(why, "there is none, and this listener asks for one");
}
