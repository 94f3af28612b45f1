/* Memory of actors: what a handler allocates here is charged to the running actor and is never lost.
 *
 * All of it is released when the incarnation ends, after ths_finally, whatever ends it. An actor may be given a limit:
 * .memory_max when it is spawned, or ths_memory_limit at any time. An allocation that would exceed it yields
 * NULL, and the actor ends after its handler with the reason QUOTA, which counts as a crash: the requests it holds are answered
 * CRASHED, its supervisor restarts it as it would then, and it is recorded and may be quarantined as in crash.h.
 *
 * Charged are the bytes asked for; the state, messages and what the runtime keeps for the actor are not. A block belongs to the
 * actor that allocated it: no other may free it, and it is not to be passed on in a message.
 *
 * All functions: only from a handler. */

#ifndef THIASOS_MEMORY_H
#define THIASOS_MEMORY_H

#include <stddef.h>

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* @size bytes (gives: ths_free, or the end of the incarnation), aligned for any type, not zeroed; at least one.
 * NULL: over the limit (the actor ends after this handler), or memory is out (it does not). */
THS_MUST_CHECK THS_API void *ths_alloc(struct ths_ctx *ctx, size_t size);

/* @block (takes; NULL: as ths_alloc) at another size, perhaps elsewhere, with its contents. NULL as above, and @block stays as
 * it was. */
THS_MUST_CHECK THS_API void *ths_realloc(struct ths_ctx *ctx, void *block, size_t size);

/* Release @block (takes); NULL is ignored. */
THS_API void ths_free(struct ths_ctx *ctx, void *block);

/* Let the actor have at most @bytes, in all incarnations to come too; 0: as many as there are. What it has beyond that it
 * keeps, but gets no more. Errors: NOMEM, and the limit is what it was: an actor that must have one calls ths_fail then. */
THS_MUST_CHECK THS_API enum ths_err ths_memory_limit(struct ths_ctx *ctx, size_t bytes);

/* Bytes that it has now. */
THS_API size_t ths_memory_used(struct ths_ctx *ctx);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_MEMORY_H */
