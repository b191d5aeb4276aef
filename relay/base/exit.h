// SPDX-License-Identifier: ISC
// Exit statuses of the program (sysexits.h), and the `exit` of an answer on the control socket.
#ifndef RELAY_BASE_EXIT_H
#define RELAY_BASE_EXIT_H

#define EXIT_YES    0  // done / yes
#define EXIT_NO     1  // a negative answer
#define EXIT_USAGE  64 // EX_USAGE
#define EXIT_DATA   65 // EX_DATAERR: bad input data
#define EXIT_FAULT  70 // EX_SOFTWARE: internal fault
#define EXIT_OUTPUT 74 // EX_IOERR: standard output cannot be written
#define EXIT_TEMP   75 // EX_TEMPFAIL: DNS, busy
#define EXIT_CONFIG 78 // EX_CONFIG

#endif
