// SPDX-License-Identifier: ISC
#include "relay/net/abandon.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ABANDON_MOST 65536 // descriptors that are tried where nobody says which there are

static int abandon_option(int fd, int name)
{
    int value = -1;
    socklen_t n = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &n) == 0 ? value : -1;
}

// A listener may be lent by the service manager, and would hand its option to each connection of the next process.
static void abandon_socket(int fd)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int domain = abandon_option(fd, SO_DOMAIN);
    if ((domain == AF_INET || domain == AF_INET6) && abandon_option(fd, SO_ACCEPTCONN) == 0)
        (void)!setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void net_abandon(void)
{
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e; dir && (e = readdir(dir));)
        abandon_socket(atoi(e->d_name)); // "." and ".." are 0, which is no connection
    if (dir)
        closedir(dir);
    long most = dir ? 0 : sysconf(_SC_OPEN_MAX);
    for (int fd = 0; fd < most && fd < ABANDON_MOST; fd++)
        abandon_socket(fd);
}
