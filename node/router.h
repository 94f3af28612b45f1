/* Router: how a signal leaves for another node.
 *
 * libthiasos knows nothing of the network: the cluster registers this table with the
 * runtime, tests register a double. Without one, every foreign ref answers UNKNOWN_NODE. */

#ifndef THSI_NODE_ROUTER_H
#define THSI_NODE_ROUTER_H

#include "node/signal.h"

struct thsi_router_member {
    uint64_t uid;
    char name[64];
};

struct thsi_router {
    /* Send @signal (borrowed) to the node signal->to.node, which is not this one. Keeps the order of calls from one
     * thread to one node. Must not block and must not call into the runtime. For a node that is unknown it may park the
     * signal (bounded). OK means "on its way"; what becomes of it comes back through runtime->deliver (REPLY with an
     * error, DOWN, REFUSED).
     * Thread: any, also several at once. Errors: FULL, UNKNOWN_NODE, STALE, NODE_LOST, TOO_BIG, MALFORMED, NOMEM, CLOSED. */
    enum ths_err (*send)(struct thsi_router *router, const struct thsi_signal *signal);

    /* The uid of the member that is up and named @name. Errors: NOT_FOUND. Thread: any. */
    enum ths_err (*resolve)(struct thsi_router *router, const char *name, uint64_t *uid);

    /* Members that are up and have the role @role ("" for all), this node included, ordered by name; at most @max.
     * Returns how many. Thread: any. */
    size_t (*members)(struct thsi_router *router, const char *role, struct thsi_router_member *out, size_t max);

    /* Tell actor @whom a ths_members_changed after each change of the set that `members` returns, until it ends.
     * Thread: any. Errors: NOMEM. */
    enum ths_err (*watch_members)(struct thsi_router *router, ths_ref whom);

    /* An actor of this node has ended: release its group entries and watches, before its DOWNs leave. Called only
     * for actors for which `runtime->mark(ref)` was called. Thread: a worker. */
    void (*actor_ended)(struct thsi_router *router, ths_ref whom);

    /* The mailbox of @whom, for which runtime->await_room was called in vain, has room now. NULL: nobody ever waits.
     * Must not block and must not call into the runtime. Thread: a worker. */
    void (*has_room)(struct thsi_router *router, ths_ref whom);
};

#ifndef __cplusplus
/* Sent by the router to those who asked with watch_members. */
THS_MESSAGE(ths_members_changed, "ths.here.members_changed", 1, u64(version))
#endif

#endif /* THSI_NODE_ROUTER_H */
