/* Memory that handlers allocate for their actor: the part of its rare part that include/thiasos/memory.h is about.
 *
 * Thread: who owns the actor's consumer side. */

#ifndef THSI_NODE_ALLOC_H
#define THSI_NODE_ALLOC_H

#include <stddef.h>

struct ths_ctx;
struct thsi_actor;
struct thsi_heap_block;

struct thsi_heap {
    struct thsi_heap_block *blocks; /* newest first */
    size_t used, limit;             /* bytes; limit 0: none */
};

/* Release every block of @actor: an incarnation has ended. The limit stays. */
void thsi_heap_clear(struct ths_ctx *ctx, struct thsi_actor *actor);

#endif /* THSI_NODE_ALLOC_H */
