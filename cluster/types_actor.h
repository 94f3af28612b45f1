/* Types actor: one actor of each node, named "ths.types", that knows what messages its node knows.
 *
 * It describes message types by name, so that a command elsewhere can build, check and print messages that it was never
 * compiled with, and it passes such messages on: the body travels as bytes and is unpacked here, where the type is
 * known. The message table of the asking node therefore never grows with the types of others. Messages:
 * control_messages.h, the ones that begin with ths_. */

#ifndef THSI_CLUSTER_TYPES_ACTOR_H
#define THSI_CLUSTER_TYPES_ACTOR_H

#include "thiasos/node.h"

#define THSI_TYPES_ACTOR "ths.types"

/* Requests that may be under way for others at a time. */
#define THSI_RELAYS_MAX 64u

/* Start the types actor of @node; one that is there already is fine. The cluster half calls it when it joins (and in
 * the simulator). Errors: NOMEM, CLOSED. Thread: any but a handler. */
THS_MUST_CHECK enum ths_err thsi_types_actor_start(struct ths_node *node);

#endif /* THSI_CLUSTER_TYPES_ACTOR_H */
