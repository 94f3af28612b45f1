/* Control call: a thread that waits until an actor somewhere has replied to an ask.
 *
 * The ask goes to the types actor of the target's node (types_actor.h). Since its answer is a message to an actor, an
 * actor is spawned here to take it; it also watches the other node, so that its loss ends the wait. The thread and the
 * actor share the call, and the last of them frees it: either may go first. */

#ifndef THSI_CLUSTER_CONTROL_CALL_H
#define THSI_CLUSTER_CONTROL_CALL_H

#include "cluster/control_messages.h"
#include "node/runtime.h"

struct thsi_control_call;

/* Begin to ask: @relay (borrowed) is sent to @types, its answer_to being filled in here. Gives *@out;
 * thsi_control_call_drop.
 * Errors: NOMEM, those of a spawn. Thread: any but a worker. */
THS_MUST_CHECK enum ths_err thsi_control_call_start(struct ths_node *node, ths_ref types,
                                                    const struct ths_relay *relay, struct thsi_control_call **out);

/* Block until it has come, and at most a second longer than the ask's own deadline. *@answer is lent until the call is
 * dropped. Errors: what ths_relayed says; NODE_LOST, GONE (its types actor ended), CLOSED (cancelled), TIMEOUT. */
THS_MUST_CHECK enum ths_err thsi_control_call_wait(struct thsi_control_call *call, const struct ths_relayed **answer);

/* Have wait return. Thread: any that knows the call is not dropped meanwhile. */
void thsi_control_call_cancel(struct thsi_control_call *call);

void thsi_control_call_drop(struct thsi_control_call *call);

#endif /* THSI_CLUSTER_CONTROL_CALL_H */
