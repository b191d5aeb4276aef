// SPDX-License-Identifier: ISC
// The file fleet.node: one line, "1 NUMBER INSTANCE NAME".
#include "relay/fleet/self.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/replace.h"

#define SELF_LINE 256 // bytes of the file

char *self_path(const char *state)
{
    const char *slash = strrchr(state, '/');
    return mem_printf("%.*s/fleet.node", slash ? (int)(slash - state) : 1, slash ? state : ".");
}

static bool self_parse(const char *line, const char *name, struct self *out)
{
    struct self read = {.number = 0};
    int end = 0;
    if (sscanf(line, "1 %u %32[0-9a-f] %63[^\n]%n", &read.number, read.instance, read.name, &end) !=
            3 ||
        line[end] != '\n' || strcmp(read.name, name) != 0 || read.number < 1 ||
        read.number > SELF_NUMBERS)
        return false;
    if (sscanf(line + end, "\nnodes %u\n", &read.nodes) != 1 || read.nodes > SELF_NUMBERS)
        read.nodes = 0;
    *out = read;
    return true;
}

void self_read(const char *path, const char *name, struct self *out)
{
    char line[SELF_LINE] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (n > 0 && self_parse(line, name, out))
        return;
    *out = (struct self){.number = 0};
    snprintf(out->name, sizeof out->name, "%s", name);
    random_digits(out->instance, sizeof out->instance);
}

int self_write(const char *path, const struct self *self, struct why *why)
{
    char line[SELF_LINE];
    int n = snprintf(line, sizeof line, "1 %u %s %s\nnodes %u\n", self->number, self->instance,
                     self->name, self->nodes);
    if (replace_file(path, span_of(line, (size_t)n), NULL) == 0)
        return 0;
    return why_set(why, WHY_OURS, "4.3.0", "%s cannot be written: %s", path, strerror(errno));
}
