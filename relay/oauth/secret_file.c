// SPDX-License-Identifier: ISC
// Secrets on disk.
#include "relay/oauth/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/replace.h"

void secret_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

// A token or password has no line end.
char *secret_of(char *bytes, size_t n)
{
    struct span line = span_trim(span_of(bytes, n));
    ptrdiff_t end = span_find(line, '\n');
    if (end >= 0)
        line.n = (size_t)end;
    char *secret = span_dup(span_trim(line));
    explicit_bzero(bytes, n);
    return secret;
}

char *secret_read(const char *path, struct why *why)
{
    char bytes[SECRET_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    const char *fault = n < 0 ? strerror(errno) : "it is empty";
    if (fd >= 0)
        close(fd);
    if (n <= 0 || n == SECRET_MAX) {
        if (n > 0)
            why_say(why, PASSWORD_TOO_LARGE, path);
        else
            why_say(why, PASSWORD_UNREADABLE, path, fault);
        explicit_bzero(bytes, sizeof bytes);
        return NULL;
    }
    return secret_of(bytes, (size_t)n);
}

int secret_replace(const char *path, const char *secret, struct why *why)
{
    char *line = mem_printf("%s\n", secret);
    int rc = replace_file(path, span_text(line), NULL);
    if (rc < 0)
        why_say(why, TOKEN_NOT_KEPT, path, strerror(errno));
    secret_wipe(line);
    return rc;
}
