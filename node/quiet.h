/* Quiet: ends and messages that come because time has passed: exit-after, idle timeout, receive timeout.
 *
 * The two timeouts have a timer each, which is left alone when a message comes: only the time of that is noted, by actors
 * with the hook. When the timer rings too early it is set again. All: the running actor's worker. */

#ifndef THSI_NODE_QUIET_H
#define THSI_NODE_QUIET_H

#include "node/life.h"

/* An incarnation begins: set the idle timeout, if it has one. False: no memory. */
bool thsi_quiet_begin(struct ths_ctx *ctx);

/* It has ended, and its timers were dropped. */
void thsi_quiet_end(struct ths_ctx *ctx);

/* @message is about to be handled by an actor with THSI_HOOK_QUIET. */
void thsi_quiet_before(struct ths_ctx *ctx, struct thsi_message *message);

#endif /* THSI_NODE_QUIET_H */
