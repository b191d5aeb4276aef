// SPDX-License-Identifier: ISC
// Addresses, endpoints, networks and next hops, from text and to text. Never asks the DNS.
#include "config/value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include "relay/base/address.h"
#include "relay/base/mem.h"

#define IMPLICIT_TLS_PORT 465 // RFC 8314 section 3.3

static int value_address_bad(struct why *why, struct span text, const char *what)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_OURS, "5.3.5", "%s is not %s", value_quote(text, quoted), what);
}

// An address literal of either family; bytes into out. Returns the family or 0.
static int parse_ip(struct span text, unsigned char out[16])
{
    struct sockaddr_storage address;
    size_t n;
    if (!address_read(text, 0, &address))
        return 0;
    const unsigned char *bytes = address_bytes((struct sockaddr *)&address, &n);
    memcpy(out, bytes, n);
    return address.ss_family;
}

// Parts "host:port" and "[host]:port". *port is -1 where there is none. In a bare IPv6 address the
// colons are its own.
static bool split(struct span text, struct span *host, bool *brackets, long *port)
{
    struct span rest;
    uint64_t n;
    *port = -1;
    *brackets = text.n && text.p[0] == '[';
    if (*brackets) {
        if (!span_cut(span_from(text, 1), ']', host, &rest))
            return false;
        if (rest.n == 0)
            return true;
        if (rest.p[0] != ':')
            return false;
        rest = span_from(rest, 1);
    } else {
        if (!span_cut(text, ':', host, &rest) || span_find(rest, ':') >= 0) {
            *host = text;
            return true;
        }
    }
    if (!span_number(rest, 65535, &n))
        return false;
    *port = (long)n;
    return true;
}

int value_endpoint(struct span text, enum value_port want, struct sockaddr_storage *out,
                   struct why *why)
{
    static const char *const forms[] = {
        [PORT_NONE] = "an IP address",
        [PORT_OPTIONAL] = "an address: IP, IP:PORT or [IP6]:PORT",
        [PORT_REQUIRED] = "an address and port: IP:PORT or [IP6]:PORT",
    };
    struct span host;
    bool brackets;
    long port;
    struct sockaddr_storage found;
    if (!split(text, &host, &brackets, &port) ||
        !address_read(host, port < 0 ? 0 : (uint16_t)port, &found))
        return value_address_bad(why, text, forms[want]);
    if ((found.ss_family == AF_INET && brackets) || (port < 0 && want == PORT_REQUIRED) ||
        ((port >= 0 || brackets) && want == PORT_NONE))
        return value_address_bad(why, text, forms[want]);
    *out = found;
    return 0;
}

int value_unix(struct span path, struct sockaddr_storage *out, struct why *why)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (!path.n || path.p[0] != '/' || memchr(path.p, 0, path.n) || path.n >= sizeof un.sun_path)
        return value_address_bad(why, path, "an absolute path of at most 107 bytes");
    memcpy(un.sun_path, path.p, path.n);
    *out = (struct sockaddr_storage){0};
    memcpy(out, &un, sizeof un);
    return 0;
}

void value_endpoint_text(const struct sockaddr_storage *address, char out[VALUE_TEXT])
{
    char ip[ADDRESS_TEXT];
    unsigned port = address_port((const struct sockaddr *)address);
    address_text((const struct sockaddr *)address, ip);
    if (!port)
        snprintf(out, VALUE_TEXT, "%s", ip);
    else
        snprintf(out, VALUE_TEXT, address->ss_family == AF_INET ? "%s:%u" : "[%s]:%u", ip, port);
}

static bool bits_behind(const unsigned char *addr, unsigned bits, unsigned all)
{
    for (unsigned i = bits; i < all; i++)
        if (addr[i / 8] & (0x80 >> (i % 8)))
            return true;
    return false;
}

int value_network(struct span text, struct network *out, struct why *why)
{
    struct network network = {0};
    struct span ip = text, prefix;
    char quoted[VALUE_QUOTE];
    bool has_prefix = span_cut(text, '/', &ip, &prefix);
    network.family = parse_ip(has_prefix ? ip : text, network.addr);
    unsigned all = network.family == AF_INET ? 32 : 128;
    uint64_t bits = all;
    if (!network.family || (has_prefix && !span_number(prefix, all, &bits)))
        return value_address_bad(why, text,
                                 "a network such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32");
    if (bits_behind(network.addr, (unsigned)bits, all))
        return why_set(why, WHY_OURS, "5.3.5", "%s has address bits behind its prefix length",
                       value_quote(text, quoted));
    network.bits = (unsigned)bits;
    *out = network;
    return 0;
}

void value_network_text(const struct network *network, char out[VALUE_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "";
    inet_ntop(network->family, network->addr, ip, sizeof ip);
    if (network->bits == (network->family == AF_INET ? 32U : 128U))
        snprintf(out, VALUE_TEXT, "%s", ip);
    else
        snprintf(out, VALUE_TEXT, "%s/%u", ip, network->bits);
}

// In brackets: an address (RFC 5321 spells IPv6 with a tag) or a host, whose MX is not looked up.
static int hop_in_brackets(struct span text, struct span host, struct cfg_next_hop *hop,
                           struct why *why)
{
    unsigned char ip[16];
    char name[INET6_ADDRSTRLEN];
    int family = parse_ip(span_starts_nocase(host, "IPv6:") ? span_from(host, 5) : host, ip);
    if (!family) {
        hop->kind = HOP_HOST;
        struct why inner;
        return value_host(host, &hop->name, &inner) == 0
                   ? 0
                   : value_address_bad(why, text,
                                       "a next hop: no host name or address in the brackets");
    }
    hop->kind = HOP_ADDRESS;
    hop->name = mem_dup(inet_ntop(family, ip, name, sizeof name));
    return 0;
}

int value_hop(struct span text, struct cfg_next_hop *out, struct why *why)
{
    struct cfg_next_hop hop = {.kind = HOP_MX};
    struct span host;
    bool brackets;
    long port;
    unsigned char ip[16];
    struct why inner;
    char quoted[VALUE_QUOTE];
    if (!split(text, &host, &brackets, &port) || port == 0)
        return value_address_bad(why, text,
                                 "a next hop: name, [host], [address], with or without :port");
    if (!brackets && parse_ip(host, ip))
        return why_set(why, WHY_OURS, "5.3.5", "%s: an address as next hop goes in brackets",
                       value_quote(text, quoted));
    if (brackets ? hop_in_brackets(text, host, &hop, why) < 0
                 : value_domain(host, &hop.name, &inner) < 0)
        return value_address_bad(why, text,
                                 "a next hop: name, [host], [address], with or without :port");
    hop.port = port < 0 ? 0 : (uint16_t)port;
    hop.implicit_tls = hop.port == IMPLICIT_TLS_PORT;
    *out = hop;
    return 0;
}

void value_hop_text(const struct cfg_next_hop *hop, struct buf *out)
{
    bool brackets = hop->kind != HOP_MX;
    buf_addf(out, "%s%s%s", brackets ? "[" : "", hop->name, brackets ? "]" : "");
    if (hop->port)
        buf_addf(out, ":%u", hop->port);
}
