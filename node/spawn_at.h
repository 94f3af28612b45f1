/* Spawn at: spawning by the name of a behaviour, on this node or another, and the spawner's side of what it asked for. */

#ifndef THSI_NODE_SPAWN_AT_H
#define THSI_NODE_SPAWN_AT_H

#include "node/node.h"

/* The id of the monitor that a SPAWN asks for is the ask's with this bit, which no actor draws. Until the answer tells whom it
 * watches, the spawner has it in its list with the node as other, generation 0. */
#define THSI_SPAWN_MONITOR (UINT64_C(1) << 63)

/* The running actor's ask @id of a spawn that it watches was answered. */
void thsi_spawn_at_answered(struct ths_ctx *ctx, uint64_t id, enum ths_err err, const struct thsi_type_info *info,
                            const void *body);

/* A node refused, but the ask was over: have the monitor forgotten, if it was for a spawn that its asker wanted
 * to watch. Thread: any. */
void thsi_spawn_at_refused_late(struct ths_ctx *ctx, const struct thsi_signal *reply);

/* A DOWN of @who came for monitor @id of the running actor, which has the bit: know whom it watches, if nobody told before. */
void thsi_spawn_at_down(struct ths_ctx *ctx, ths_ref who, uint64_t id);

#endif /* THSI_NODE_SPAWN_AT_H */
