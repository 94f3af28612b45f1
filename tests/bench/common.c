/* What the programs of this folder share: their clock, their nodes, the end of a bench. */

#define _GNU_SOURCE

#include "bench.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fprintf(stderr, "thiasos-bench: ");
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_cpu_ns(pid_t other)
{
    const clockid_t own = CLOCK_PROCESS_CPUTIME_ID;
    struct timespec ours, theirs;
    clockid_t clock;

    if (clock_gettime(own, &ours) != 0 || clock_getcpuclockid(other, &clock) != 0 || clock_gettime(clock, &theirs) != 0)
        bench_die("the CPU time of the second process cannot be read");
    return (uint64_t)(ours.tv_sec + theirs.tv_sec) * 1000000000u + (uint64_t)ours.tv_nsec + (uint64_t)theirs.tv_nsec;
}

struct ths_node *bench_node(const struct bench_options *options, const char *name)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = options->workers });

    if (!node)
        bench_die("the node %s does not start", name);
    return node;
}

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_came = PTHREAD_COND_INITIALIZER;
static bool is_done;

void bench_done(void)
{
    (void)pthread_mutex_lock(&done_lock);
    is_done = true;
    (void)pthread_cond_signal(&done_came);
    (void)pthread_mutex_unlock(&done_lock);
}

void bench_wait(void)
{
    struct timespec until;
    int err = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 120;
    (void)pthread_mutex_lock(&done_lock);
    while (!is_done && err == 0)
        err = pthread_cond_timedwait(&done_came, &done_lock, &until);
    is_done = false;
    (void)pthread_mutex_unlock(&done_lock);
    if (err)
        bench_die("a bench did not end within two minutes");
}

double bench_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total = 0, pages = 0;

    if (!file || fscanf(file, "%ld %ld", &total, &pages) != 2)
        bench_die("/proc/self/statm cannot be read");
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}
