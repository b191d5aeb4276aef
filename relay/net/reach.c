// SPDX-License-Identifier: ISC
// The last hosts that could not be reached on port 25, until one could.
#include "relay/net/reach.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/log/log.h"

#define SMTP_PORT 25

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sockaddr_storage hosts[REACH_HOSTS];
static size_t nhosts;

static bool is_smtp(const struct sockaddr *peer)
{
    return address_port(peer) == SMTP_PORT;
}

void reach_worked(const struct sockaddr *peer)
{
    if (!is_smtp(peer))
        return;
    pthread_mutex_lock(&lock);
    nhosts = 0;
    pthread_mutex_unlock(&lock);
}

static bool is_known(const struct sockaddr *peer)
{
    for (size_t i = 0; i < nhosts; i++)
        if (address_same((const struct sockaddr *)&hosts[i], peer))
            return true;
    return false;
}

void reach_failed(const struct sockaddr *peer, const char *how)
{
    if (!is_smtp(peer))
        return;
    pthread_mutex_lock(&lock);
    if (nhosts < REACH_HOSTS && !is_known(peer))
        memcpy(&hosts[nhosts++], peer, address_size(peer));
    bool all = nhosts == REACH_HOSTS;
    pthread_mutex_unlock(&lock);
    if (all)
        log_alarm_once(
            "blocked", REASON_PORT_BLOCKED, "25", REACH_MS,
            "no connection to port %d comes about (%d different hosts in a row; the last: %s): "
            "this "
            "network seems to block outgoing mail, as many do; have it opened, or name a "
            "delivery.smarthost on another port",
            SMTP_PORT, REACH_HOSTS, how);
}
