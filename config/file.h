// SPDX-License-Identifier: ISC
// The bytes of a configuration file.
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdbool.h>
#include "relay/base/buf.h"

// Adds at most one byte more than CONFIG_FILE_SIZE to `out`, so that the caller sees that it is too much. `plain`: what
// is no regular file is refused (EISDIR, or EINVAL for a pipe or a device), and nobody waits for it. -1 with errno.
int file_read(const char *path, bool plain, struct buf *out);

#endif
