// SPDX-License-Identifier: ISC
// What the MX host for unit tests remembers.
#include "tests/unit/fakemx_inside.h"

#include <string.h>
#include <strings.h>

uint16_t mx_port(const struct mx *mx)
{
    return mx->port;
}

unsigned mx_connections(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    unsigned n = (unsigned)mx->nsessions;
    pthread_mutex_unlock(&mx->lock);
    return n;
}

unsigned mx_resumed(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    unsigned n = mx->resumed;
    pthread_mutex_unlock(&mx->lock);
    return n;
}

size_t mx_count(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    size_t n = mx->nmessages;
    pthread_mutex_unlock(&mx->lock);
    return n;
}

const struct mx_message *mx_message(struct mx *mx, size_t i)
{
    pthread_mutex_lock(&mx->lock);
    const struct mx_message *m = i < mx->nmessages ? mx->messages[i] : NULL;
    pthread_mutex_unlock(&mx->lock);
    return m;
}

bool mx_heard(struct mx *mx, const char *text)
{
    pthread_mutex_lock(&mx->lock);
    bool found = strstr(mx->heard, text);
    pthread_mutex_unlock(&mx->lock);
    return found;
}

unsigned mx_lines(struct mx *mx, const char *verb)
{
    unsigned n = 0;
    size_t length = strlen(verb);
    pthread_mutex_lock(&mx->lock);
    for (const char *p = mx->heard; *p; p = strchr(p, '\n') + 1)
        n += strncmp(p, verb, length) == 0;
    pthread_mutex_unlock(&mx->lock);
    return n;
}
