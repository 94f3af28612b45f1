/* Room: a mailbox that refused somebody of another node, and the word that it has places again.
 *
 * Whoever was refused here is told so by the answer alone and may try again at once; one of another node would learn of it a
 * round trip late, message by message. So the network half asks to be told when at least half of the places are free:
 * it sets a flag on the actor, which looks at it whenever it gives places back. */

#ifndef THSI_NODE_ROOM_H
#define THSI_NODE_ROOM_H

#include "node/node.h"

/* runtime->await_room. Thread: the network's. */
THS_MUST_CHECK enum ths_err thsi_room_await(struct ths_node *node, ths_ref whom, struct thsi_room *room);

/* The running actor, which is waited for, has given places back: tell the router if they are enough. */
void thsi_room_made(struct ths_ctx *ctx);

#endif /* THSI_NODE_ROOM_H */
