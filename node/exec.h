/* Exec: who runs the steps of a node.
 *
 * Workers and the network driver are tasks. In production each task's `main` runs on a thread of its own and parks on a
 * futex when it has nothing to do; in the simulator nobody calls `main`: one thread calls the
 * `step` of whichever task the seed picks. A task must behave the same under both. */

#ifndef THSI_NODE_EXEC_H
#define THSI_NODE_EXEC_H

#include <stdatomic.h>

#include "thiasos/env.h"

struct thsi_task {
    const char *name; /* of the thread, at most 15 characters */

    /* Production: runs until the owner told it to stop (by means of its own). */
    void (*main)(struct thsi_task *task);

    /* Simulator: do one small piece of work. Returns false when there was none; then *deadline_ns is the time at
     * which there may be some again, UINT64_MAX for never. */
    bool (*step)(struct thsi_task *task, uint64_t *deadline_ns);

    int cpu;        /* CPU to bind the thread to, or -1 */
    _Atomic int thread; /* for the exec's own use, as the next */
    uintptr_t exec; /* for the exec's own use */
};

struct thsi_exec {
    /* CPUs that the process may use: cgroup quota rounded up, affinity mask, online CPUs; at least 1. */
    unsigned (*cpus)(struct thsi_exec *exec);

    /* Begin to run @task (borrowed until join). Errors: NOMEM, IO. */
    enum ths_err (*start)(struct thsi_exec *exec, struct thsi_task *task);

    /* Wait until main has returned (production), or forget the task (simulator). */
    void (*join)(struct thsi_exec *exec, struct thsi_task *task);

    /* Sleep while *word == @expected, at most until @deadline_ns (env time; UINT64_MAX: none). May wake early. The
     * simulator returns at once. */
    void (*park)(struct thsi_exec *exec, _Atomic uint32_t *word, uint32_t expected, uint64_t now_ns,
                 uint64_t deadline_ns);

    /* Wake one sleeper on @word. The caller changed *word before. Thread: any. */
    void (*wake)(struct thsi_exec *exec, _Atomic uint32_t *word);

    /* When it has returned true, each running thread of the process has passed a full memory barrier since the call: its stores
     * before that are visible, its loads after that see what was visible to the caller. False: the system has none. The
     * simulator has none. */
    bool (*barrier)(struct thsi_exec *exec);

    /* CPU time that @task has used, in nanoseconds; and whether it would run now if it were given a CPU. The simulator has
     * neither. Thread: any, before the join. */
    uint64_t (*cpu_ns)(struct thsi_exec *exec, struct thsi_task *task);
    bool (*is_ready)(struct thsi_exec *exec, struct thsi_task *task);

    /* Simulator: step some task once, or let virtual time pass to the next deadline when no task has work. Calls that
     * block in production (ths_node_stop, ths_join, ths_wait, ths_whereis, ths_call) call it in a loop until what they wait for
     * has come or their deadline has passed; it always moves time or work on. Not from a step. Production: NULL, such
     * calls park. */
    void (*drive)(struct thsi_exec *exec);
};

/* The production exec: pthreads and futexes. Lends; valid for the life of the process. */
struct thsi_exec *thsi_exec_os(void);

#endif /* THSI_NODE_EXEC_H */
