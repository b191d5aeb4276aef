// SPDX-License-Identifier: ISC
// Socket addresses of IPv4 and IPv6 and their text. Pure. With a port: value_endpoint (config/value.h).
#ifndef RELAY_BASE_ADDRESS_H
#define RELAY_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "relay/base/span.h"

#define ADDRESS_TEXT 64 // bytes of any address as text, with NUL

// "192.0.2.1", "2001:db8::1", without the port; "uid:33"; "" for another family. Returns out.
const char *address_text(const struct sockaddr *a, char out[static ADDRESS_TEXT]);
socklen_t address_size(const struct sockaddr *a); // of the structure that the family has
// The 4 or 16 bytes of the address; NULL and 0 for another family.
const unsigned char *address_bytes(const struct sockaddr *a, size_t *n);
// The same, but the 4 bytes of an IPv4 address that came through an IPv6 socket (::ffff:192.0.2.1).
const unsigned char *address_plain(const struct sockaddr *a, size_t *n);
bool address_same(const struct sockaddr *a, const struct sockaddr *b); // ports do not count
uint16_t address_port(const struct sockaddr *a);                       // of IPv4 or IPv6
void address_set_port(struct sockaddr_storage *a, uint16_t port);
// Of the 4 or 16 bytes. False: another number of bytes; then nothing is written.
bool address_make(const void *bytes, size_t n, uint16_t port, struct sockaddr_storage *out);

// "1.2.0.192.", or 32 nibbles with dots behind them: what stands before in-addr.arpa, ip6.arpa or a blocklist's zone.
// Of the 4 or 16 bytes.
#define ADDRESS_REVERSE 80 // bytes of it, with room for "ip6.arpa" and NUL
void address_reverse(const unsigned char *bytes, size_t n, char out[static ADDRESS_REVERSE]);
// The whole name under which the DNS has the address's names, "1.2.0.192.in-addr.arpa".
void address_reverse_name(const unsigned char *bytes, size_t n, char out[static ADDRESS_REVERSE]);

// A local client has no address but the number of its user, which is kept as one of the family AF_UNIX; as text
// "uid:33".
void address_set_uid(struct sockaddr_storage *out, uint32_t uid);
bool address_uid(const struct sockaddr *a, uint32_t *uid); // false: another family

// "192.0.2.1" or "2001:db8::1". False: not an IP address; then nothing is written.
bool address_read(struct span text, uint16_t port, struct sockaddr_storage *out);

#endif
