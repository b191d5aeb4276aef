// SPDX-License-Identifier: ISC
// The controller of one site. Asks no clock, knows no connection and no reply.
#include "relay/queue/shape.h"

#include <string.h>

#define MINUTE  60000.0
#define SLOT_MS (60000 / SHAPE_SLOTS)
#define MARGIN  0.97 // of what a site took in a minute before it said stop
#define STEP_FIRST                                                                                 \
    0.015 // the pace grows by this; past what was refused by twice as much each time, ...
#define STEP_LAST   0.25    // ... up to this
#define PAST        1.05    // of the pace that was refused: by now the site allows more than it did
#define PACE_LEAST  1.0     // messages a minute
#define PACE_FORGET 60000   // a pace beyond this holds nothing back
#define CATCH_UP_MS 6000    // what a stall cost is caught up at once, so much of it
#define HASTE       1.1     // and the rest by going a little faster, within the minute's number
#define QUIET_MS    3600000 // after so long without a lesson more is tried, credit or not
#define BLINK_MS    2000    // the pause after a first refusal of what was taken before
#define EPOCH_MS    61000   // quotas are counted by the minute

static double shape_least(double a, double b)
{
    return a < b ? a : b;
}

static double shape_most(double a, double b)
{
    return a > b ? a : b;
}

// The last minute

static void turn_to(struct shape *s, uint64_t now)
{
    uint64_t slot = now / SLOT_MS;
    if (slot >= s->slot + SHAPE_SLOTS)
        memset(s->slots, 0, sizeof s->slots);
    else
        for (uint64_t i = s->slot + 1; i <= slot; i++)
            s->slots[i % SHAPE_SLOTS] = 0;
    if (slot > s->slot)
        s->slot = slot;
}

static void count_taken(struct shape *s, uint64_t now)
{
    turn_to(s, now);
    uint16_t *slot = &s->slots[s->slot % SHAPE_SLOTS];
    if (*slot < UINT16_MAX)
        (*slot)++;
}

// How many were taken within a minute, and in which slot the first of them was.
static unsigned look_back(const struct shape *s, uint64_t now, uint64_t *first)
{
    unsigned n = 0;
    *first = now / SLOT_MS;
    for (uint64_t i = 0; i < SHAPE_SLOTS && i <= s->slot; i++) {
        uint64_t slot = s->slot - i;
        unsigned taken = s->slots[slot % SHAPE_SLOTS];
        if (!taken || slot + SHAPE_SLOTS < now / SLOT_MS)
            continue;
        n += taken;
        *first = slot;
    }
    return n;
}

unsigned shape_taken(const struct shape *s, uint64_t now)
{
    uint64_t first;
    return look_back(s, now, &first);
}

// What is in force

static unsigned at_least_one(unsigned n)
{
    return n ? n : 1;
}

unsigned shape_window(const struct shape *s, const struct shape_limits *limits)
{
    unsigned window = !limits->learn ? limits->connections : s->window ? s->window : limits->start;
    return at_least_one(window < limits->connections ? window : limits->connections);
}

double shape_pace(const struct shape *s, const struct shape_limits *limits)
{
    double pace = limits->learn ? s->pace : 0;
    return pace > 0 && (limits->pace <= 0 || pace < limits->pace) ? pace : limits->pace;
}

static double gap_ms(double pace)
{
    return MINUTE / (pace * HASTE);
}

static void open_again(struct shape *s, uint64_t now)
{
    if (s->phase != SHAPE_SHUT || now < s->until_ms)
        return;
    s->phase = SHAPE_PROBE;
    s->probing = false;
}

// Two rules: so many in any minute, those under way included, and evenly within it.
static enum shape_answer ask_pace(struct shape *s, double pace, unsigned open, uint64_t now,
                                  uint64_t *when)
{
    uint64_t first;
    unsigned taken = look_back(s, now, &first);
    bool full = taken + open >= pace + 0.5;
    if (!full && s->due_ms <= (double)now)
        return SHAPE_GO;
    s->paced = true;
    if (full && !taken)
        return SHAPE_WAIT_END;
    *when = full ? (first + SHAPE_SLOTS + 1) * SLOT_MS : (uint64_t)s->due_ms + 1;
    return SHAPE_WAIT_TIME;
}

enum shape_answer shape_ask(struct shape *s, const struct shape_limits *limits, unsigned open,
                            uint64_t now, uint64_t *when)
{
    double pace = shape_pace(s, limits);
    open_again(s, now);
    if (s->phase == SHAPE_SHUT) {
        *when = s->until_ms;
        return SHAPE_WAIT_TIME;
    }
    if (open >= shape_window(s, limits) || (s->phase == SHAPE_PROBE && s->probing && open))
        return SHAPE_WAIT_END;
    return pace > 0 ? ask_pace(s, pace, open, now, when) : SHAPE_GO;
}

void shape_begin(struct shape *s, const struct shape_limits *limits, uint64_t now)
{
    double pace = shape_pace(s, limits);
    s->probing = s->phase == SHAPE_PROBE;
    if (pace <= 0)
        return;
    double earliest = (double)now - (s->even ? 0 : CATCH_UP_MS);
    s->due_ms = (s->due_ms > earliest ? s->due_ms : earliest) + gap_ms(pace);
}

// Growing

static bool has_credit(const struct shape *s, uint64_t now)
{
    return s->clean >= SHAPE_CREDIT || (s->clean && now - s->cut_ms >= QUIET_MS);
}

static void grow_window(struct shape *s, const struct shape_limits *limits, unsigned others,
                        uint64_t now)
{
    unsigned used = others + 1;
    s->window = shape_window(s, limits);
    if (used > s->proved)
        s->proved = used;
    if (s->crowd && has_credit(s, now))
        s->crowd = 0;
    if (used >= s->window && s->window < limits->connections &&
        (!s->crowd || s->window + 1 < s->crowd))
        s->window++;
}

// Below what was refused there is nothing to lose; near it each step costs a credit; past it the site allows more, and
// maybe where no pace was refused yet: a first refusal shows how much the site takes at once.
static void grow_pace(struct shape *s, uint64_t now)
{
    bool below = s->pace < s->fast * MARGIN, past = !s->sure || s->pace > s->fast * PAST;
    if (s->pace <= 0 || !s->paced || (double)(now - s->grown_ms) < MINUTE ||
        (!below && !past && !has_credit(s, now)))
        return;
    double next = s->pace * (1 + s->step);
    s->pace = below ? shape_least(next, s->fast * MARGIN) : next;
    s->step = s->pace < s->fast * MARGIN || past ? shape_least(2 * s->step, STEP_LAST) : STEP_FIRST;
    if (!below && !past)
        s->clean = 0;
    s->grown_ms = now;
    s->paced = false;
    if (s->pace > PACE_FORGET)
        s->pace = 0;
}

// What was begun before the last lesson does not undo it.
static void on_taken(struct shape *s, const struct shape_limits *limits, uint64_t begun_ms,
                     unsigned others, uint64_t now)
{
    count_taken(s, now);
    s->taken_ms = now;
    s->dry++;
    if (begun_ms < s->cut_ms)
        return;
    s->clean++;
    s->strikes = 0;
    s->trouble_ms = 0;
    s->phase = SHAPE_OPEN;
    grow_window(s, limits, others, now);
    grow_pace(s, now);
}

// Shrinking

static void shut(struct shape *s, uint64_t now, uint64_t pause_ms)
{
    s->phase = SHAPE_SHUT;
    s->until_ms = now + pause_ms;
}

// A quarter of the time that the trouble has lasted: what is away for long is asked rarely, and is not away for
// much longer because of that.
static void leave_alone(struct shape *s, const struct shape_limits *limits, uint64_t now)
{
    uint64_t pause = (now - s->trouble_ms) / 4;
    pause = pause > limits->first_ms ? pause : limits->first_ms;
    shut(s, now, pause < limits->last_ms ? pause : limits->last_ms);
}

static void narrow(struct shape *s, const struct shape_limits *limits, unsigned window)
{
    s->window = at_least_one(window < limits->connections ? window : limits->connections);
    if (s->proved > s->window)
        s->proved = s->window;
}

// More than ever worked: back to what did. What had worked is refused: once a minute that may be a connection which
// has not quite ended over there; twice it is true.
static void on_crowd(struct shape *s, const struct shape_limits *limits, unsigned others,
                     uint64_t now)
{
    unsigned window = shape_window(s, limits);
    bool rare = !s->crowd_ms || (double)(now - s->crowd_ms) > MINUTE;
    s->crowd_ms = now;
    if (!others) {
        leave_alone(s, limits, now);
        return;
    }
    if (window > s->proved) {
        narrow(s, limits, s->proved ? s->proved : others < window ? others : window - 1);
        s->crowd = s->window + 1;
        return;
    }
    shut(s, now, BLINK_MS);
    if (rare)
        return;
    narrow(s, limits, window - 1);
    s->crowd = s->window + 1;
}

// Twice it said that there was nothing left: between the two it took what it allows. 0: that cannot be said yet.
static double between_refusals(struct shape *s, uint64_t now)
{
    if (!s->dry_ms) {
        s->dry_ms = now;
        s->dry = 0;
    }
    return s->dry < SHAPE_DRY || now == s->dry_ms ? 0 : s->dry * MINUTE / (double)(now - s->dry_ms);
}

static void learn_pace(struct shape *s, const struct shape_limits *limits, uint64_t now)
{
    uint64_t first, over = 0;
    unsigned taken = look_back(s, now, &first);
    double pace = taken < SHAPE_EVIDENCE || s->dry_ms ? between_refusals(s, now) : taken;
    if (pace <= 0) {
        leave_alone(s, limits, now);
        return;
    }
    if (!s->dry_ms)
        over = first * SLOT_MS + EPOCH_MS;
    s->fast = s->pace = shape_most(pace, PACE_LEAST);
    s->sure = false;
    shut(s, now, over > now + BLINK_MS ? over - now : BLINK_MS);
}

// What it took in the last minute is what it takes, where that was not much less for want of mail.
static double slower(const struct shape *s, uint64_t now)
{
    double taken = shape_taken(s, now), less = s->pace * MARGIN;
    double time = (double)(now - s->dry_ms);
    if (s->even && s->dry_ms && s->dry >= SHAPE_EVIDENCE && time < 10 * MINUTE)
        less = shape_most(shape_least(less, s->dry * MINUTE / time), s->pace * (1 - STEP_LAST));
    return shape_most(taken < less && taken > s->pace * (1 - STEP_LAST) ? taken : less, PACE_LEAST);
}

static void on_fast(struct shape *s, const struct shape_limits *limits, uint64_t now)
{
    s->step = STEP_FIRST;
    s->grown_ms = now;
    if (!limits->learn || s->strikes > 2) { // a probe: it is still so
        leave_alone(s, limits, now);
    } else if (s->pace <= 0) {
        learn_pace(s, limits, now);
    } else if (s->strikes == 1 && !s->sure && !s->even && shape_taken(s, now) < s->pace * MARGIN) {
        s->even = true; // maybe only too much at once
        shut(s, now, BLINK_MS);
    } else if (s->strikes == 1) {
        s->sure = true;
        s->fast = s->pace;
        s->pace = slower(s, now);
        double pause = shape_least(2 * gap_ms(s->pace), (double)limits->first_ms);
        shut(s, now, (uint64_t)shape_most(pause, BLINK_MS));
    } else {
        s->pace = shape_most(s->pace * (1 - STEP_LAST), PACE_LEAST);
        narrow(s, limits, shape_window(s, limits) / 2);
        leave_alone(s, limits, now);
    }
    s->due_ms = s->sure ? 0 : (double)s->until_ms; // what is not known to be there is not caught up
    if (s->pace > 0) {
        s->dry_ms = now;
        s->dry = 0;
    }
}

// Nothing else of it works: it is left alone. Otherwise it may be too much for it.
static void on_trouble(struct shape *s, const struct shape_limits *limits, uint64_t begun_ms,
                       uint64_t now)
{
    narrow(s, limits, shape_window(s, limits) / 2);
    if (s->taken_ms < begun_ms || !s->taken_ms)
        leave_alone(s, limits, now);
}

static void on_lesson(struct shape *s, const struct shape_limits *limits, enum shape_news news,
                      uint64_t begun_ms, unsigned others, uint64_t now)
{
    if (begun_ms < s->cut_ms)
        return;
    s->strikes = news == s->taught ? s->strikes + 1 : 1;
    s->taught = news;
    s->cut_ms = now;
    s->clean = 0;
    if (!s->trouble_ms)
        s->trouble_ms = now;
    if (news == SHAPE_CROWD)
        on_crowd(s, limits, others, now);
    else if (news == SHAPE_FAST)
        on_fast(s, limits, now);
    else
        on_trouble(s, limits, begun_ms, now);
}

// A message that was neither taken nor too much: it answers again, and the pace was not used up.
static void on_answered(struct shape *s, const struct shape_limits *limits)
{
    double pace = shape_pace(s, limits);
    if (s->phase == SHAPE_PROBE)
        s->phase = SHAPE_OPEN;
    s->trouble_ms = s->phase == SHAPE_OPEN ? 0 : s->trouble_ms;
    if (pace > 0)
        s->due_ms -= gap_ms(pace);
}

void shape_hear(struct shape *s, const struct shape_limits *limits, enum shape_news news,
                uint64_t begun_ms, unsigned others, uint64_t now)
{
    if (news == SHAPE_TAKEN)
        on_taken(s, limits, begun_ms, others, now);
    else if (news == SHAPE_ANSWERED)
        on_answered(s, limits);
    else
        on_lesson(s, limits, news, begun_ms, others, now);
}

bool shape_lower(struct shape *s, const struct shape_limits *limits, enum shape_news taught,
                 unsigned window, double pace, uint64_t now)
{
    double present = shape_pace(s, limits);
    bool fewer = taught == SHAPE_CROWD && window && (!s->crowd || window + 1 < s->crowd);
    bool less = taught == SHAPE_FAST && pace > 0 && (present <= 0 || pace < present);
    if (!limits->learn || (!fewer && !less))
        return false;
    if (fewer) {
        unsigned own = shape_window(s, limits);
        narrow(s, limits, window < own ? window : own);
        s->crowd = window + 1;
        s->crowd_ms = now;
    }
    if (less) {
        s->fast = s->pace = shape_most(pace, PACE_LEAST);
        s->step = STEP_FIRST;
        s->sure = true;
        s->grown_ms = now;
    }
    s->taught = taught;
    s->cut_ms = now;
    s->clean = 0;
    return true;
}
