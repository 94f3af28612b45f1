/* The production exec: one thread for each task, parking on futexes. */

#define _GNU_SOURCE /* affinity and names of threads */

#include "node/exec.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Both files of a quota's two numbers: "max 100000" or "150000 100000" of version 2; one number a file in version 1. */
static bool read_number(const char *path, long *number)
{
    FILE *file = fopen(path, "re");
    bool ok = file && fscanf(file, "%ld", number) == 1;

    if (file)
        (void)fclose(file);
    return ok;
}

/* CPUs of the control group's quota, rounded up; 0: no quota. */
static unsigned quota_cpus(void)
{
    long quota = -1, period = 100000;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");

    if (file) {
        if (fscanf(file, "%ld %ld", &quota, &period) != 2)
            quota = -1;
        (void)fclose(file);
    } else if (!read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) ||
               !read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period)) {
        quota = -1;
    }
    return quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

static unsigned count_cpus(struct thsi_exec *exec)
{
    unsigned quota = quota_cpus();
    unsigned cpus = 1;
    cpu_set_t set;

    (void)exec;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        cpus = (unsigned)CPU_COUNT(&set);
    return quota > 0 && quota < cpus ? quota : cpus;
}

static void *run(void *arg)
{
    struct thsi_task *task = arg;

    /* Relaxed: who looks before it is there takes the thread for one that is not ready. */
    atomic_store_explicit(&task->thread, (int)syscall(SYS_gettid), memory_order_relaxed);
    task->main(task);
    return NULL;
}

/* The task's exec field holds the thread. */
static enum ths_err start(struct thsi_exec *exec, struct thsi_task *task)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, run, task);

    (void)exec;
    if (failed)
        return failed == ENOMEM ? THS_NOMEM : THS_IO;
    task->exec = (uintptr_t)thread;
    (void)pthread_setname_np(thread, task->name);
    if (task->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((unsigned)task->cpu, &set);
        (void)pthread_setaffinity_np(thread, sizeof set, &set); /* a hint: a CPU we may not use is no error */
    }
    return THS_OK;
}

static void join(struct thsi_exec *exec, struct thsi_task *task)
{
    (void)exec;
    (void)pthread_join((pthread_t)task->exec, NULL);
}

static void park(struct thsi_exec *exec, _Atomic uint32_t *word, uint32_t expected, uint64_t now_ns,
                 uint64_t deadline_ns)
{
    struct timespec timeout, *limit = NULL;

    (void)exec;
    if (deadline_ns <= now_ns)
        return;
    if (deadline_ns != UINT64_MAX) {
        timeout.tv_sec = (time_t)((deadline_ns - now_ns) / 1000000000u);
        timeout.tv_nsec = (long)((deadline_ns - now_ns) % 1000000000u);
        limit = &timeout;
    }
    (void)syscall(SYS_futex, (void *)word, FUTEX_WAIT_PRIVATE, expected, limit, NULL, 0);
}

static void wake(struct thsi_exec *exec, _Atomic uint32_t *word)
{
    (void)exec;
    (void)syscall(SYS_futex, (void *)word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint64_t cpu_ns(struct thsi_exec *exec, struct thsi_task *task)
{
    struct timespec used;
    clockid_t clock;

    (void)exec;
    if (pthread_getcpuclockid((pthread_t)task->exec, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* "7 (name) R ...": the state follows the last parenthesis. */
static bool is_ready(struct thsi_exec *exec, struct thsi_task *task)
{
    char path[64], line[128];
    const char *end = NULL;
    FILE *file;

    (void)exec;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load_explicit(&task->thread, memory_order_relaxed));
    file = fopen(path, "re");
    if (!file)
        return false;
    if (fgets(line, sizeof line, file))
        end = strrchr(line, ')');
    (void)fclose(file);
    return end && end[1] == ' ' && end[2] == 'R';
}

static bool barrier(struct thsi_exec *exec)
{
    (void)exec;
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 ||
           (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 && /* once for each process */
            syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
}

struct thsi_exec *thsi_exec_os(void)
{
    static struct thsi_exec exec = { .cpus = count_cpus, .start = start, .join = join, .park = park, .wake = wake,
                                     .barrier = barrier, .cpu_ns = cpu_ns, .is_ready = is_ready };
    return &exec;
}
