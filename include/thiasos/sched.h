/* Scheduling: handlers that block, and what happens when one takes long unexpectedly.
 *
 * Handlers of a THS_BLOCKING_BEHAVIOUR may block as they like: system calls, other libraries, long computations. Such actors run on
 * threads of their own kind: one is added when another actor has to run and none rests, up to ths_node_options.blocking_max, beyond
 * which actors wait for each other; one that had nothing to do for ths_node_options.blocking_quiet_ms ends.
 *
 *     THS_BLOCKING_BEHAVIOUR(resolver, resolve)
 *
 * An actor spawned with .own_thread = true is run by one thread, from its start to its end, and that thread runs nothing else:
 * for libraries that must be called from one thread. There are at most blocking_max of them; the next spawn is refused as
 * TOO_MANY. For both kinds the turn, the order of messages and every other promise are the same.
 *
 * A blocking behaviour is one wherever it is started: by ths_spawn, by ths_spawn_at, as the child of a supervisor; own_thread is
 * an option of each of these. A child has the same thread in all its incarnations in place. What decides is the behaviour of the
 * spawn: ths_become changes nothing about the thread, and a state of become.h (THS_STATE) is no blocking behaviour.
 *
 * Any other handler should return within the node's slice (ths_node_options.slice_ms). One that does not is found by a
 * watchdog: it is counted and named in the log with its message, and another thread goes on with all that waited behind it, its
 * worker's timers included; so others are held up for a slice and a half, as a rule (longer where the machine is overloaded: a
 * thread that only waits for a CPU is left alone). As many threads as the node has workers
 * run actors at any time, those whose handlers overran not counted; there are at most blocking_max of these in excess.
 *
 * A handler of any kind that goes on and on is named again after ths_node_options.stuck_ms, and then each time it has run
 * twice as long. In the simulator no time passes in a handler, and none overruns. */

#ifndef THIASOS_SCHED_H
#define THIASOS_SCHED_H

#include "thiasos/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One handler that has been running for longer than the slice. */
struct ths_overrun {
    ths_ref who;
    const char *behaviour;  /* lent until the node stops */
    const char *message;    /* name of its type, "" for a start, an answer or another signal; lent until the node stops */
    uint64_t running_ms;
};

/* The handlers that overrun their slice at the last look, up to @max of them. Returns how many there are. Thread: any. */
THS_API size_t ths_node_overruns(struct ths_node *node, struct ths_overrun *out, size_t max);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_SCHED_H */
