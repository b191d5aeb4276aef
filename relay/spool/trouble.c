// SPDX-License-Identifier: ISC
// What goes wrong, told: a sentence to whoever listens, a reason from errno; and whether there is room for more.
#include "relay/spool/inside.h"

#include <stdarg.h>
#include "relay/base/clock.h"

void spool_alarm(struct spool *s, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (s->options.alarm)
        s->options.alarm(s->options.arg, sentence);
}

bool spool_full(const struct why *trouble)
{
    return trouble->reason == REASON_SPOOL_FULL;
}

int spool_trouble(struct why *why, int error, const char *what)
{
    bool full = error == ENOSPC || error == EDQUOT;
    return full ? why_say(why, SPOOL_FULL, what, strerror(error))
                : why_say(why, SPOOL_TROUBLE, what, strerror(error));
}

// Whoever first asks after a second looks at the disk for everybody.
uint64_t spool_free_bytes(struct spool *s)
{
    uint64_t now = clock_mono_ms(), at = atomic_load(&s->room_at_ms), bytes;
    if (now >= at && atomic_compare_exchange_strong(&s->room_at_ms, &at, now + SPOOL_ROOM_MS) &&
        s->files->free_bytes(s->files->self, s->directory, &bytes) == 0) {
        atomic_store(&s->spent, 0);
        atomic_store(&s->free_bytes, bytes);
    }
    return atomic_load(&s->free_bytes);
}

bool spool_room_for(struct spool *s, uint64_t bytes)
{
    uint64_t left = spool_free_bytes(s), taken = s->options.disk_reserve + atomic_load(&s->spent);
    int64_t promised = atomic_load(&s->promised);
    taken += promised > 0 ? (uint64_t)promised : 0;
    return !atomic_load(&s->tight) && left >= taken && left - taken >= bytes;
}

bool spool_room(struct spool *s)
{
    return spool_room_for(s, 0);
}
