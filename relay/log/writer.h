// SPDX-License-Identifier: ISC
// The thread that writes the log, and the bounded queue before it: whoever reads the log and stalls must not
// stop the mail. Lines keep their order; what does not fit is dropped, counted, and told when there is room.
// Without the thread a line is written by whoever made it.
#ifndef RELAY_LOG_WRITER_H
#define RELAY_LOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/span.h"

#define WRITER_ROOM     4194304 // bytes of lines that wait
#define WRITER_RESERVE  262144  // and of room that only urgent ones may take
#define WRITER_FLUSH_MS 5000    // how long the end waits for a reader that stalls

// `dropped` runs on the thread when lines were lost since the last time: it may write one about that.
// -1 where there can be no thread: lines are then written as before.
int writer_start(void (*dropped)(uint64_t lines));
// Writes what waits, as long as somebody reads it, and goes back to writing at once. Safe without a start.
void writer_stop(void);
// A whole line with its line break. Any thread; never blocks while the thread runs.
void writer_put(struct span line, bool urgent);
uint64_t writer_dropped(void); // lines lost since the start of the process

#endif
