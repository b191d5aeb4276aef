// SPDX-License-Identifier: ISC
// getdns on a libuv loop. Only dns/resolver_stub.c and dns/resolver_loop.c include this.
#ifndef DNS_RESOLVER_LOOP_H
#define DNS_RESOLVER_LOOP_H

#include <getdns/getdns_extra.h>
#include <uv.h>

struct resolver_loop { // in the owner's memory, for as long as contexts use it
    getdns_eventloop base;
    uv_loop_t *uv;
};

void resolver_loop_init(struct resolver_loop *loop, uv_loop_t *uv);

#endif
