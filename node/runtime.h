/* Runtime: how the network half drives a node. The one function that libthiasos exports for
 * libthiasos-cluster hands this table over, so nothing else of node/ is visible to it. */

#ifndef THSI_NODE_RUNTIME_H
#define THSI_NODE_RUNTIME_H

#include "node/exec.h"
#include "node/poller.h"
#include "node/router.h"
#include "node/signal.h"
#include "thiasos/node.h"

/* Data messages that a mailbox may still take, and all that it may hold. */
struct thsi_room {
    uint32_t places, capacity;
};

struct thsi_runtime {
    struct ths_node *node;
    struct ths_env *env;
    struct thsi_exec *exec;
    uint64_t uid;
    const char *name;

    /* Hand in a signal that came from another node; signal->to.node is this node; that of an answer to a
     * request which was passed on may be any. Copies. It acts as if a local actor
     * `from` had sent it: answers (REPLY with an error, DOWN or EXIT no_actor) leave through the router by themselves. Only
     * a TELL that is refused here and now is the caller's to answer: it gathers such refusals by pair and reason into
     * one REFUSED. (A tell that is refused later, because the actor ended before it was handled, is answered from here.)
     * Returns what became of it: OK, GONE, STALE, FULL, NOMEM. Thread: any, not a handler. */
    enum ths_err (*deliver)(struct thsi_runtime *runtime, const struct thsi_signal *signal);

    /* Set or clear (NULL) the router. After it returned the old one is called no more. */
    void (*set_router)(struct thsi_runtime *runtime, struct thsi_router *router);

    /* Set or clear (NULL) what workers without work do for the network. After it returned the old one is called no more; it is
     * not to be locked for long meanwhile. Thread: not a worker. */
    void (*set_poller)(struct thsi_runtime *runtime, struct thsi_poller *poller);

    /* There is nobody who has the network: wake a worker that may take it. Thread: any. */
    void (*nudge)(struct thsi_runtime *runtime);

    /* Node @uid was declared dead (@certainty ASSUMED) or has left (OBSERVED): every pending ask to it ends NODE_LOST, every
     * monitor and link of one of its actors fires with NODE_LOST and @certainty. Children whose supervisor lived there
     * end themselves. One step: everything is queued before this returns. Thread: the driver's. */
    void (*node_lost)(struct thsi_runtime *runtime, uint64_t uid, enum ths_certainty certainty);

    /* The router wants actor_ended for this local actor. Errors: GONE, NOMEM. Thread: any. */
    enum ths_err (*mark)(struct thsi_runtime *runtime, ths_ref whom);

    /* How much room the mailbox of @whom has, if at least half of it is free; else places is 0, and the router's has_room is called
     * once when it is, unless the actor ends before. Errors: GONE, STALE. Thread: the driver's. */
    enum ths_err (*await_room)(struct thsi_runtime *runtime, ths_ref whom, struct thsi_room *room);

    /* Whether @ref is an actor of this node that lives. Thread: any. */
    bool (*alive)(struct thsi_runtime *runtime, ths_ref ref);

    /* Whether @ref is an actor of this node that is between two incarnations. A glance. Thread: any. */
    bool (*rests)(struct thsi_runtime *runtime, ths_ref ref);

    /* Tell @whom, an actor of this node that asked for it, of an event: @type and @body (borrowed). It comes from nobody, and a
     * full mailbox takes it. @ctx is the running actor's when the caller is one's handler, else NULL. Thread: any. */
    void (*event)(struct thsi_runtime *runtime, struct ths_ctx *ctx, ths_ref whom, struct ths_type *type, const void *body);

    /* Where the cluster half keeps its root, so that its API finds it from a node. */
    void *cluster;

    /* Called by ths_node_stop before actors are stopped, and after all have ended. NULL until set. Thread: the stopper's. */
    void (*stopping)(struct thsi_runtime *runtime);
    void (*stopped)(struct thsi_runtime *runtime);
};

/* The table of @node, lent until ths_node_stop. `ths_` because libthiasos exports it; not for users. */
THS_API struct thsi_runtime *ths_node_runtime(struct ths_node *node);

/* As ths_node_start, with another exec (the simulator's). */
THS_API struct ths_node *ths_node_start_on(struct thsi_exec *exec, const struct ths_node_options *options);

#endif /* THSI_NODE_RUNTIME_H */
