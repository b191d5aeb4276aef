// SPDX-License-Identifier: ISC
// Read from /proc and getrusage(2) when somebody asks.
#include "relay/http/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

// Its own directory stream is not counted.
static uint64_t descriptors(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n - 1;
}

static void read_status(struct process *out)
{
    char line[128];
    unsigned long long n;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmSize: %llu", &n) == 1)
            out->virtual = n * 1024;
        else if (sscanf(line, "VmRSS: %llu", &n) == 1)
            out->resident = n * 1024;
        else if (sscanf(line, "Threads: %llu", &n) == 1)
            out->threads = n;
    }
    if (f)
        fclose(f);
}

void process_take(struct process *out)
{
    struct rusage usage;
    struct rlimit limit;
    *out = (struct process){0};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out->max_fds = limit.rlim_cur;
    out->open_fds = descriptors();
    read_status(out);
}
