/* Blocking: threads beside the crew, for actors that may block as they like.
 *
 * Actors of behaviours marked so run on a pool: a thread is started for each of them that has to run when no thread of the pool
 * rests, up to a maximum; the others wait in a queue. A thread that has rested for a while ends. An actor with a thread of
 * its own is run by that thread alone, which ends with it. Neither kind has a seat (crew.h): what they send to others
 * is run by the crew, and their timers are on the wheels of its seats. In the simulator there are no such threads.
 *
 * THSI_FLAG_ELSEWHERE marks the actors of both kinds, so that who schedules one finds out with one look. */

#ifndef THSI_NODE_BLOCKING_H
#define THSI_NODE_BLOCKING_H

#include "node/node.h"

enum {
    THSI_BLOCKING_MAX = 64,        /* threads of each kind */
    THSI_BLOCKING_QUIET_MS = 5000  /* default of ths_node_options.blocking_quiet_ms */
};

/* Errors: NOMEM. */
THS_MUST_CHECK enum ths_err thsi_blocking_create(struct ths_node *node, unsigned max, unsigned quiet_ms);
/* End all threads; `stop` is set. / Free what is left. */
void thsi_blocking_join(struct ths_node *node);
void thsi_blocking_destroy(struct ths_node *node);

/* Whether this node has threads for such actors. */
bool thsi_blocking_works(const struct ths_node *node);

/* The caller owns the consumer's side of @actor, which has THSI_FLAG_ELSEWHERE: have it run. Thread: @ctx's. */
void thsi_blocking_schedule(struct ths_ctx *ctx, struct thsi_actor *actor);

/* A thread for one actor that is about to be spawned (given; released by thsi_own_thread_over). Errors: TOO_MANY, NOMEM, IO.
 * Thread: any. */
THS_MUST_CHECK enum ths_err thsi_own_thread_start(struct ths_node *node, struct thsi_worker **worker);
/* Its actor has ended, or was not spawned after all. Thread: any. */
void thsi_own_thread_over(struct thsi_worker *worker);

/* As thsi_workers_each, for these threads. */
void thsi_blocking_each(const struct ths_node *node, void (*visit)(void *arg, struct ths_ctx *ctx), void *arg);

/* Whether a handler of one of them may be running, sequentially consistent; see thsi_watchdog_rouse. */
bool thsi_blocking_is_active(const struct ths_node *node);

/* Add how many there are now. */
void thsi_blocking_stats(const struct ths_node *node, struct ths_node_stats *sum);

#endif /* THSI_NODE_BLOCKING_H */
