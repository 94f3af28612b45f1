/* Requests: what an actor does with those it was asked.
 *
 * One that is not answered when its handler returns is held, whether the handler deferred it or forgot it: so its
 * asker is told when the actor ends. All calls: the running actor's worker. */

#ifndef THSI_NODE_REQUESTS_H
#define THSI_NODE_REQUESTS_H

#include "node/node.h"

/* Whether nobody waits for the answer to the request @message any more. */
bool thsi_request_is_over(struct ths_ctx *ctx, struct thsi_message *message);

/* The handler of the request at hand has returned without an answer. */
void thsi_request_keep(struct ths_ctx *ctx);

/* The asker took back a request of this actor, or ended. */
void thsi_request_cancelled(struct ths_ctx *ctx, ths_ref asker, uint64_t id);

/* Until when at the latest somebody waits for an answer of this actor; 0: nobody does, UINT64_MAX: without a deadline. */
uint64_t thsi_requests_until(struct ths_ctx *ctx);

/* The incarnation ends: answer everything it held with @err. */
void thsi_requests_end(struct ths_ctx *ctx, enum ths_err err);

#endif /* THSI_NODE_REQUESTS_H */
