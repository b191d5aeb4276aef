// SPDX-License-Identifier: ISC
// The clock of a simulated day: every clock of the process, those of its libraries too, runs on as the system's and jumps
// ahead when the day says so.
#include "tests/random/day.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t ahead_ms;

void day_clock_skip(int64_t ms)
{
    atomic_fetch_add(&ahead_ms, ms);
}

static void shift(struct timespec *t, int64_t ms)
{
    t->tv_sec += (time_t)(ms / 1000);
    t->tv_nsec += (long)(ms % 1000) * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000;
    } else if (t->tv_nsec < 0) {
        t->tv_sec--;
        t->tv_nsec += 1000000000;
    }
}

// In the place of the C library's, for libuv as well.
int __attribute__((visibility("default"))) clock_gettime(clockid_t id, struct timespec *t)
{
    long rc = syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID)
        shift(t, atomic_load(&ahead_ms));
    return (int)rc;
}

// The kernel, which ends the wait, knows nothing of the day.
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    struct timespec real = *until;
    shift(&real, -atomic_load(&ahead_ms));
    return __real_pthread_cond_timedwait(cond, lock, &real);
}
