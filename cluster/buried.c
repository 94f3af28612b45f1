#include "cluster/buried.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "thiasos/node.h"
#include "thiasos/stop.h"

#define GRACE_NS UINT64_C(4000000000)
#define AGAIN_NS UINT64_C(100000000)
#define ACTORS_MAX 65536u

/* One for the process: it ends as a whole. */
static struct buried {
    struct thsi_task task; /* first */
    struct thsi_runtime *runtime;
    _Atomic uint32_t started; /* 1: somebody starts the task; 2: it may be joined */
    _Atomic uint32_t stopped;
} buried;

/* Runs last of all that exit does: whatever status main returned, this one counts. */
static void exit_buried(void)
{
    _exit(THSI_BURIED_STATUS);
}

static void ask_to_stop(void *arg, const struct ths_actor_info *actor)
{
    struct ths_node *node = arg;

    ths_ask_to_stop(node, actor->ref);
}

static bool any_actor(struct ths_node *node)
{
    struct ths_node_stats stats;

    ths_node_stats(node, &stats);
    return stats.actors > 0;
}

static void run(struct thsi_task *task)
{
    struct thsi_runtime *runtime = ((struct buried *)task)->runtime;
    struct thsi_exec *exec = runtime->exec;
    struct ths_env *env = runtime->env;
    uint64_t now_ns = env->now_ns(env), until_ns = now_ns + GRACE_NS;

    while (now_ns < until_ns && !atomic_load(&buried.stopped) && any_actor(runtime->node)) {
        ths_node_actors(runtime->node, ACTORS_MAX, ask_to_stop, runtime->node);
        exec->park(exec, &buried.stopped, 0, now_ns, now_ns + AGAIN_NS);
        now_ns = env->now_ns(env);
    }
    if (!atomic_load(&buried.stopped))
        exit(THSI_BURIED_STATUS);
}

void thsi_buried_start(struct thsi_runtime *runtime)
{
    uint32_t no = 0;

    if (runtime->exec->drive || !atomic_compare_exchange_strong(&buried.started, &no, 1))
        return;
    if (atexit(exit_buried) != 0)
        exit_buried();
    buried.runtime = runtime;
    buried.task = (struct thsi_task){ .name = "ths-buried", .main = run, .cpu = -1 };
    if (runtime->exec->start(runtime->exec, &buried.task) != THS_OK)
        exit(THSI_BURIED_STATUS);
    atomic_store(&buried.started, 2);
    runtime->exec->wake(runtime->exec, &buried.started);
}

void thsi_buried_stop(struct thsi_runtime *runtime)
{
    struct ths_env *env = runtime->env;

    while (atomic_load(&buried.started) == 1)
        runtime->exec->park(runtime->exec, &buried.started, 1, env->now_ns(env), UINT64_MAX);
    if (!atomic_load(&buried.started) || buried.runtime != runtime)
        return;
    atomic_store(&buried.stopped, 1);
    runtime->exec->wake(runtime->exec, &buried.stopped);
    runtime->exec->join(runtime->exec, &buried.task);
}
