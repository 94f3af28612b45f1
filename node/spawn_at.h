/* Spawn at: spawning by the name of a behaviour, on this node or another, and the spawner's side of what it asked for.
 *
 * A SPAWN may ask for a monitor. Its id is the ask's with a bit that no actor draws. The spawner has it in its list from the start,
 * with the node as other, generation 0, for as long as the ask is open, past its deadline too; the answer, or a DOWN that
 * overtakes it, tells whom it watches. An answer that finds the ask closed is of an actor whose spawner does not know it: that one
 * is told that it is not watched. */

#ifndef THSI_NODE_SPAWN_AT_H
#define THSI_NODE_SPAWN_AT_H

#include "node/node.h"

#define THSI_SPAWN_MONITOR (UINT64_C(1) << 63)

/* Whether ask @id of the running actor is a spawn that it watches, not answered so far. */
bool thsi_spawn_at_watches(struct ths_ctx *ctx, uint64_t id);

/* Ask @id of the running actor, which asked a node, was answered / is taken back. */
void thsi_spawn_at_answered(struct ths_ctx *ctx, uint64_t id, enum ths_err err, const struct thsi_type_info *info,
                            const void *body);
void thsi_spawn_at_given_up(struct ths_ctx *ctx, uint64_t id);

/* A reply to @asker, a @body of @info (NULL: none), came when its ask @id was closed. Thread: any; @ctx is entered. */
void thsi_spawn_at_unheard(struct ths_ctx *ctx, ths_ref asker, const struct thsi_type_info *info, const void *body, uint64_t id);

/* A DOWN of @who came for monitor @id of the running actor, which has the bit: know whom it watches, if nobody told before. */
void thsi_spawn_at_down(struct ths_ctx *ctx, ths_ref who, uint64_t id);

#endif /* THSI_NODE_SPAWN_AT_H */
