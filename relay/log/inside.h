// SPDX-License-Identifier: ISC
// The inside of the log: what its files share.
#ifndef RELAY_LOG_INSIDE_H
#define RELAY_LOG_INSIDE_H

#include <stdarg.h>
#include "relay/log/log.h"

// One line with a text and, where it is not NULL, a `what`.
void log_sentence(enum log_level level, const char *event, const char *what, enum reason reason,
                  const char *format, va_list args) __attribute__((format(printf, 5, 0)));

#endif
