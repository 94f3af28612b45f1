/* Node: the runtime of the actors of one process. */

#ifndef THIASOS_NODE_H
#define THIASOS_NODE_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ths_node_options {
    const char *name;       /* copied; [A-Za-z0-9_.-]{1,63}; default $THIASOS_NAME, else the host's name */
    unsigned workers;       /* threads that run actors; 0: one for each CPU of the quota */
    uint32_t actors_max;    /* default 16,777,216 */
    struct ths_env *env;    /* borrowed for the node's life; NULL: ths_env_os() */
    bool pin_workers;       /* bind worker i to CPU i */
    unsigned slice_ms;      /* a handler should return within it, see sched.h; default 10 */
    unsigned stuck_ms;      /* a handler that runs this long is named in the log again and again; default 5,000 */
    unsigned blocking_max;  /* threads beyond the workers, see sched.h: of each of three kinds at most 64; default 64 */
    unsigned blocking_quiet_ms; /* a thread of the pool that had nothing to do for this long ends; default 5,000 */
};

/* Start a node. Gives; released by ths_node_stop. NULL when an option is invalid or memory or threads are out
 * (logged). Thread: any. */
THS_API struct ths_node *ths_node_start(const struct ths_node_options *options);

/* Stop in order: supervisors stop their children, every other actor gets SHUTDOWN, what has not ended after @grace_ms is
 * killed; then threads end and memory is freed. NULL is ignored. Thread: any but a worker. */
THS_API void ths_node_stop(struct ths_node *node, unsigned grace_ms);

/* The node's name. Lends until ths_node_stop. Its uid: the node field of its actors' refs. Thread: any. */
THS_API const char *ths_node_name(const struct ths_node *node);
THS_API uint64_t ths_node_uid(const struct ths_node *node);

/* Block until the actor has ended; then stop the node. Returns an exit status: 0 for NORMAL and SHUTDOWN, 1 otherwise.
 * Thread: any but a worker. */
THS_API int ths_wait(struct ths_node *node, ths_ref ref);

/* Block until the actor has ended or @timeout_ms passed. *@reason (may be NULL) tells why it ended. Of those that have
 * ended already the last 4,096 that were spawned or waited for from outside are known, and others until another actor lives
 * in their place; then it is NO_ACTOR. An actor of another node is watched, as by ths_monitor: one that has ended is
 * NO_ACTOR. A handler uses ths_monitor. Errors: TIMEOUT; for another node's also NOMEM, CLOSED. Thread: any but a worker. */
THS_API enum ths_err ths_join(struct ths_node *node, ths_ref ref, unsigned timeout_ms, enum ths_reason *reason);

/* The ref of "name" or "name@node", waiting up to @timeout_ms for it to appear; THS_NOBODY after that. An actor has its name
 * before its start handlers have run. Thread: any but a worker. */
THS_API ths_ref ths_whereis(struct ths_node *node, const char *name, unsigned timeout_ms);

/* ths_call(node, bank, THS_MSG(get_balance, .account = 7), 500, print_balance, NULL): ask from outside of actors and wait for the
 * answer. @got (may be NULL) borrows the reply and runs on a worker before ths_call returns; it is not called when there is none.
 * The reply is of whatever type was sent; reply.type->name tells which. Errors: those of an ask. Thread: any but a worker. */
THS_API enum ths_err ths_call(struct ths_node *node, ths_ref to, struct ths_message request, unsigned timeout_ms,
                              void (*got)(void *arg, struct ths_message reply), void *arg);

/* Counters of a node since its start. Thread: any. */
struct ths_node_stats {
    uint64_t actors;                 /* alive now */
    uint64_t spawned, ended, crashed, restarted;
    uint64_t messages;               /* handled */
    uint64_t crash_records_lost;     /* that the mailbox of a watcher did not take (crash.h) */
    uint64_t dead_letters[64];       /* by enum ths_err */
    uint64_t steals, parks, wakes;
    uint64_t overruns;               /* handlers that did not return within the slice */
    uint64_t takeovers;              /* of these, those for which another thread stood in */
    uint32_t blocking_threads;       /* now: of the pool, and of an actor's own */
};
THS_API void ths_node_stats(const struct ths_node *node, struct ths_node_stats *out);

/* One row of the list of actors. */
struct ths_actor_info {
    ths_ref ref;
    const char *behaviour;           /* lent for the call of the visitor */
    const char *name;                /* "" if none; lent for the call */
    uint32_t queued;                 /* data messages in the mailbox */
    uint32_t incarnation;
    uint64_t mailbox_bytes;          /* of these, as blocks of memory; 0 for a plain mailbox, where they are not counted */
};
/* Visit up to @max actors (a snapshot, not an instant). Thread: any. */
THS_API void ths_node_actors(struct ths_node *node, size_t max,
                             void (*visit)(void *arg, const struct ths_actor_info *actor), void *arg);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_NODE_H */
