/* Start: who waits for an actor to have started, and how it hears of that. */

#ifndef THSI_NODE_START_H
#define THSI_NODE_START_H

#include "node/life.h"

/* Bits of the `incarnation` of a SPAWN. With AWAIT the answer comes when the start handlers have run: OK, or CRASHED with
 * the text; then the actor has ended for good, and says no HALTED to a supervisor. */
enum { THSI_SPAWN_SUPERVISED = 1, THSI_SPAWN_AWAIT = 2 };

/* Whether somebody still waits for the first start of @actor. Thread: the consumer. */
bool thsi_start_is_awaited(const struct thsi_actor *actor);

/* @by waits, under @id of an ask, for the next incarnation of the running actor to have started. id 0: nobody does. */
void thsi_start_await(struct ths_ctx *ctx, ths_ref by, uint64_t id);

/* Tell who waits for the start of the running actor, which is or was @self, if somebody does. Once. */
void thsi_start_answer(struct ths_ctx *ctx, ths_ref self, enum ths_err err, const char *text);

/* As thsp_try_spawn; its start is answered to @awaiter (copied). @ctx is entered. */
THS_MUST_CHECK enum ths_err thsi_spawn_awaited(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                               const struct ths_spawn_options *options,
                                               const struct thsi_awaiter *awaiter, ths_ref *out);

#endif /* THSI_NODE_START_H */
