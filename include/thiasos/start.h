/* Starting actors that may fail to start, and actors on other nodes.
 *
 * A start is what ths_started and the start message do in the first incarnation. It has failed when one of them calls
 * ths_fail: who waits hears CRASHED with the text, and nothing is left of the actor, also when it is a supervisor's child
 * (which then does not wait for a restart). One that ends otherwise while it starts has started. ths_spawn waits for nothing;
 * ths_spawn_at always waits. */

#ifndef THIASOS_START_H
#define THIASOS_START_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __cplusplus

/* ths_spawn_then(ctx, boss_started, 2000, worker, .name = "w", .start = THS_MSG(...)): as ths_spawn, and the reply handler hears
 * how the start went: a ths_spawned; CRASHED, see ths_reply_text; GONE when it was ended before; what ths_try_spawn refuses;
 * TIMEOUT after the given milliseconds, and it goes on starting then. Returns the ref at once, THS_NOBODY when it was
 * refused. Only from a handler. */
#define ths_spawn_then(ctx, reply_to, ...) THSP_SPAWN_THEN(ctx, reply_to, __VA_ARGS__, .thsp_end = 0)
#define THSP_SPAWN_THEN(ctx, reply_to, timeout_ms, behaviour, ...) \
    thsp_spawn_then(ctx, &behaviour##_behaviour, &(struct ths_spawn_options){ __VA_ARGS__ }, &(reply_to), timeout_ms)

/* ths_spawn_wait(node, &ref, why, 2000, worker, .name = "w"): the same from outside of actors: OK and the ref, else why not,
 * THS_NOBODY, and the text in `why`, a char[THS_REASON_TEXT_SIZE] or NULL. Past the time it is killed. INVALID with .link
 * or .monitor. Thread: any but a worker. */
#define ths_spawn_wait(node, out, why, ...) THSP_SPAWN_WAIT(node, out, why, __VA_ARGS__, .thsp_end = 0)
#define THSP_SPAWN_WAIT(node, out, why, timeout_ms, behaviour, ...) \
    thsp_spawn_wait(node, &behaviour##_behaviour, &(struct ths_spawn_options){ __VA_ARGS__ }, timeout_ms, out, why)

/* ths_spawn_at(ctx, boss_started, 2000, "n2", "worker", .start = THS_MSG(...), .memory_max = 1 << 20): as ths_spawn_then, with
 * the behaviour that is registered as "worker" on the node named "n2" (or "" for this one); the ref comes with the answer. A
 * name is registered there. Also UNKNOWN_BEHAVIOUR, NOT_FOUND (no such node is up), UNKNOWN_TYPE and TYPE_MISMATCH (of .start or
 * .urgent, there), UNSUPPORTED (.key_of; or the node is newer than this one and knows what this one does not). With .monitor and
 * an answer TIMEOUT the ths_down still comes if it started after all, but for the loss of its node. Only from a handler. */
#define ths_spawn_at(ctx, reply_to, timeout_ms, node, ...) \
    THSP_SPAWN_AT(ctx, reply_to, timeout_ms, node, __VA_ARGS__, .thsp_end = 0)
#define THSP_SPAWN_AT(ctx, reply_to, timeout_ms, node, behaviour, ...) \
    thsp_spawn_at(ctx, node, behaviour, &(struct ths_spawn_options){ __VA_ARGS__ }, &(reply_to), timeout_ms)

#endif /* __cplusplus */

/* In a reply handler: the text that came with the error at hand: of a start that failed; of a TIMEOUT among actors of this node
 * that ask each other, "a -> b -> a", who waits for whom (it is logged too, once); else "". Lends until the handler
 * returns. */
THS_API const char *ths_reply_text(struct ths_ctx *ctx);

/* ---- What the macros call --------------------------------------------------------------- */

THS_API ths_ref thsp_spawn_then(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                const struct ths_spawn_options *options, const struct ths_reply_to *reply_to,
                                unsigned timeout_ms);
THS_API void thsp_spawn_at(struct ths_ctx *ctx, const char *node, const char *behaviour,
                           const struct ths_spawn_options *options, const struct ths_reply_to *reply_to, unsigned timeout_ms);
THS_MUST_CHECK THS_API enum ths_err thsp_spawn_wait(struct ths_node *node, struct ths_behaviour *behaviour,
                                                    const struct ths_spawn_options *options, unsigned timeout_ms,
                                                    ths_ref *out, char *why);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_START_H */
