// SPDX-License-Identifier: ISC
// How much of its mail a site gets at a time: connections at once, and a pace in messages a minute where the site
// asks for one. Both grow while messages are taken and shrink where the site says that it is too much; a site that does
// not answer, or refuses everything, is left alone, and one message is the probe after the pause. Pure: functions of
// what is known, what is heard and the time. Times are of one monotonic clock, in milliseconds.
//
// - At least one connection and a message a minute stay, so that no site is ever given up.
// - What began before the last cut was sent under the old belief, and shows nothing about the new one.
// - More than a site once refused is tried only after SHAPE_CREDIT messages that it took (or after a quiet hour), so
//   that asking for more costs less than one refusal in a hundred messages.
#ifndef RELAY_QUEUE_SHAPE_H
#define RELAY_QUEUE_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#define SHAPE_CREDIT   300   // messages taken before a number that was refused is tried again
#define SHAPE_EVIDENCE 8     // messages taken in a minute from which a pace is learned
#define SHAPE_DRY      3     // fewer of them where two refusals bound the time
#define SHAPE_FIRST_MS 15000 // the shortest pause; the longest is RETRY_HOST_LAST_MS
#define SHAPE_SLOTS    120   // of the minute that is looked back upon

// What the configuration allows.
struct shape_limits {
    unsigned connections;       // the ceiling
    unsigned start;             // connections to a site of which nothing is known
    double pace;                // messages a minute at most; 0: no ceiling
    bool learn;                 // else the ceilings hold as they are, and only the pauses are kept
    uint64_t first_ms, last_ms; // the shortest and the longest pause
};

enum shape_news {
    SHAPE_TAKEN,    // it took a message
    SHAPE_ANSWERED, // it answered, and neither took a message nor asked for less
    SHAPE_CROWD,    // it said, or showed, that these are too many connections
    SHAPE_FAST,     // it said that this is too much mail
    SHAPE_SLOW,     // it answered too late, or once that it cannot now
    SHAPE_AWAY      // no host of it could be talked to
};

enum shape_phase {
    SHAPE_OPEN,
    SHAPE_SHUT, // until until_ms
    SHAPE_PROBE // one message is to show whether it is better now
};

struct shape {
    enum shape_phase phase;
    enum shape_news taught; // the last lesson: CROWD, FAST, SLOW or AWAY; TAKEN: none
    unsigned window;        // connections at once; 0: nothing is known yet
    unsigned proved;        // of them, those with which messages were taken
    unsigned crowd;         // a number that was too many; 0: none
    uint64_t crowd_ms;      // when
    double pace;            // messages a minute; 0: none is needed
    double fast;            // the pace that was too much
    double step;            // by how much the pace grows next
    double due_ms;          // when the next message is due by the pace
    bool paced;             // the pace has held mail back since it last grew
    bool sure;              // it was refused at a pace: near that, growing costs credit
    bool even;              // it holds little at a time: nothing is caught up
    uint64_t dry_ms;     // when the first refusal was from which no pace could be learned; 0: none
    unsigned dry;        // messages taken since
    bool probing;        // the probe is under way
    unsigned strikes;    // lessons since a message was last taken
    unsigned clean;      // messages taken since the last refusal
    uint64_t until_ms;   // SHAPE_SHUT
    uint64_t trouble_ms; // since when nothing was taken; 0: no trouble
    uint64_t cut_ms;     // the last time that something shrank
    uint64_t grown_ms;   // the last time that the pace grew
    uint64_t taken_ms;   // a message was last taken
    uint64_t slot;       // the present one
    uint16_t slots[SHAPE_SLOTS]; // messages taken in each, at its number % SHAPE_SLOTS
};

enum shape_answer { SHAPE_GO, SHAPE_WAIT_TIME, SHAPE_WAIT_END };
// May one more session begin, beside `open` ones? WAIT_TIME: not before *when; WAIT_END: when one of them has ended.
enum shape_answer shape_ask(struct shape *s, const struct shape_limits *limits, unsigned open,
                            uint64_t now, uint64_t *when);
void shape_begin(struct shape *s, const struct shape_limits *limits, uint64_t now); // it begins
// What a session that began at begun_ms met, while `others` had connections. A session may have several news.
void shape_hear(struct shape *s, const struct shape_limits *limits, enum shape_news news,
                uint64_t begun_ms, unsigned others, uint64_t now);
// What another relay learned of the site: where that asks for less than what is known here, it is believed.
// False: it does not.
bool shape_lower(struct shape *s, const struct shape_limits *limits, enum shape_news taught,
                 unsigned window, double pace, uint64_t now);
unsigned shape_window(const struct shape *s, const struct shape_limits *limits);
double shape_pace(const struct shape *s, const struct shape_limits *limits); // 0: none
unsigned shape_taken(const struct shape *s, uint64_t now);                   // in the last minute

#endif
