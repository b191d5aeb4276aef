// SPDX-License-Identifier: ISC
// What a thread is called in top -H, in a debugger and in a core file: what it owns (ARCHITECTURE.md).
#ifndef RELAY_BASE_NAMING_H
#define RELAY_BASE_NAMING_H

// Names the calling thread; 15 bytes count. The main thread keeps the name of the program.
void naming_thread(const char *name);

#endif
