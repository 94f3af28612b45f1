/* Outside: a thread that is no actor has an actor of its own do what only actors can, and waits for it.
 *
 * The actor leaves its result in a struct on the waiting thread's stack; the thread stays until the actor has ended, in
 * whatever way, so the struct outlives every use. */

#ifndef THSI_NODE_OUTSIDE_H
#define THSI_NODE_OUTSIDE_H

#include "node/node.h"

#ifndef __cplusplus
/* Passes the address of the struct; never leaves the process. */
THS_MESSAGE(ths_caller_start, "ths.here.caller_start", 1, u64(address))
#endif

/* Run an actor of @behaviour with @address in its start message, a ths_caller_start, until it has ended.
 * Errors: those of a spawn. Thread: any but a worker. */
enum ths_err thsi_outside_run(struct ths_node *node, struct ths_behaviour *behaviour, const void *address);

/* ths_join of an actor of another node. Errors: TIMEOUT, NOMEM, CLOSED (the node stops). Thread: any but a worker. */
THS_MUST_CHECK enum ths_err thsi_outside_join_remote(struct ths_node *node, ths_ref ref, unsigned timeout_ms,
                                                     enum ths_reason *reason);

#endif /* THSI_NODE_OUTSIDE_H */
