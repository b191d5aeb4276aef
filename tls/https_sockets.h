// SPDX-License-Identifier: ISC
// A curl multi handle driven by a libuv loop: sockets and one timer. Knows nothing of what is fetched.
#ifndef TLS_HTTPS_SOCKETS_H
#define TLS_HTTPS_SOCKETS_H

#include <uv.h>

struct https_sockets;

// `done` gets each finished easy handle, already out of the multi handle, and its CURLcode.
struct https_sockets *https_sockets_new(uv_loop_t *loop, void (*done)(void *easy, int code));
void https_sockets_add(struct https_sockets *s, void *easy);
void https_sockets_remove(struct https_sockets *s, void *easy); // before it is done
void https_sockets_close(struct https_sockets *s); // frees itself in libuv's close callbacks

#endif
