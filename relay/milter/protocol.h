// SPDX-License-Identifier: ISC
// The packets of the milter protocol as libmilter speaks it, version 6: length (4 bytes, big-endian), a
// letter, data. Pure: bytes in, value or why out; what a filter says is hostile. Which packet may come when
// is relay/milter/session.c's affair.
#ifndef RELAY_MILTER_PROTOCOL_H
#define RELAY_MILTER_PROTOCOL_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

#define MILTER_VERSION    6
#define MILTER_OLDEST     2     // a version below it is spoken by nobody
#define MILTER_PIECE      65535 // bytes of data that libmilter takes in one packet
#define MILTER_ANSWER_MAX 98304 // bytes of one packet from a filter
#define MILTER_MACROS     1024  // bytes of the names that a filter wants at one step

// What a filter may do to a message at its end.
enum milter_action {
    MILTER_ADD_HEADERS = 0x01,
    MILTER_CHANGE_BODY = 0x02,
    MILTER_ADD_RCPT = 0x04,
    MILTER_DELETE_RCPT = 0x08,
    MILTER_CHANGE_HEADERS = 0x10,
    MILTER_HOLD = 0x20,
    MILTER_CHANGE_FROM = 0x40,
    MILTER_ADD_RCPT_ARGS = 0x80,
    MILTER_SET_MACROS = 0x100,
    MILTER_ACTIONS = 0x1ff // all of them are offered
};

// Steps that a filter may decline (NO), or take without an answer (MUTE).
enum milter_step {
    MILTER_NO_CONNECT = 0x01,
    MILTER_NO_HELO = 0x02,
    MILTER_NO_MAIL = 0x04,
    MILTER_NO_RCPT = 0x08,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADERS = 0x20,
    MILTER_NO_EOH = 0x40,
    MILTER_MUTE_HEADERS = 0x80,
    MILTER_NO_DATA = 0x200,
    MILTER_SKIP = 0x400, // it may say that it has seen enough of the body
    MILTER_MUTE_CONNECT = 0x1000,
    MILTER_MUTE_HELO = 0x2000,
    MILTER_MUTE_MAIL = 0x4000,
    MILTER_MUTE_RCPT = 0x8000,
    MILTER_MUTE_DATA = 0x10000,
    MILTER_MUTE_EOH = 0x40000,
    MILTER_MUTE_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000, // values of header fields keep the space behind the colon
    MILTER_STEPS = 0x1ff7ff          // offered: all but rejected recipients, which we do not show
};

// Stages that have macros of their own, by their numbers in the negotiation.
enum milter_stage {
    STAGE_CONNECT,
    STAGE_HELO,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,
    STAGE_END,
    STAGE_HEADER_END,
    MILTER_STAGES
};

// A packet of ours is written piece by piece: open, what it holds, close.
size_t milter_open(struct buf *out, char command); // its place
void milter_text(struct buf *out, struct span s);  // up to its first NUL, and a NUL
void milter_number(struct buf *out, uint32_t n);
void milter_close(struct buf *out, size_t place);

struct milter_packet {
    char code;
    struct span data;
};
// The packet at the front of `in`: 1 and how many bytes it took; 0: more bytes are needed; -1: it is none.
int milter_take(struct span in, struct milter_packet *out, size_t *used, struct why *why);

// What a filter asks for: bits that were not offered are dropped.
struct milter_options {
    uint32_t version, actions, steps;
    char *macros[MILTER_STAGES]; // the names that it wants, parted by blanks; NULL: the usual ones
};
int milter_read_options(struct span data, struct milter_options *out, struct why *why);
void milter_options_free(struct milter_options *options);

// One change that a filter makes at the end of a message.
struct milter_change {
    char code;      // '+' '2' '-' recipients, 'e' sender, 'h' 'i' 'm' header fields, 'q' hold
    uint32_t index; // 'i': how many fields stand above it; 'm': which of that name, from 1
    struct span name, value; // recipients and sender: the address in `value`; 'q': the reason
};
// The action that a change needs; 0: it is no change.
uint32_t milter_action_of(char code);
bool milter_is_field(char code); // it is about a header field
int milter_read_change(const struct milter_packet *packet, struct milter_change *out,
                       struct why *why);

// "550 5.7.1 text", with what the SMTP reply may carry: printable ASCII, one line.
struct milter_reply {
    int code; // 400 to 599, never 421: that would end the client's session
    char status[12], text[400];
};
int milter_read_reply(struct span data, struct milter_reply *out, struct why *why);

#endif
