// SPDX-License-Identifier: ISC
// One datagram to the service manager.
#include "relay/run/notify.h"

#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/base/clock.h"

void notify_systemd(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof un.sun_path)
        return;
    size_t n = strlen(path);
    memcpy(un.sun_path, path, n);
    if (un.sun_path[0] == '@') // the abstract namespace
        un.sun_path[0] = 0;
    char text[256];
    snprintf(text, sizeof text, "%s\nMONOTONIC_USEC=%llu", state,
             (unsigned long long)(clock_mono_ns() / 1000));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&un,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}
