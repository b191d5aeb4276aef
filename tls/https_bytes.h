// SPDX-License-Identifier: ISC
// How much a peer has sent over a TCP connection, as the kernel counts it: TLS, chunk heads and trailers too, which
// curl shows to nobody. A file of its own, since <linux/tcp.h> and the <netinet/tcp.h> of <uv.h> exclude each other.
#ifndef TLS_HTTPS_BYTES_H
#define TLS_HTTPS_BYTES_H

#include <stdint.h>

uint64_t https_bytes(int fd); // 0 where the kernel does not say

#endif
