/* Gather: several asks whose answers are handled together.
 *
 * Each ask has an entry of its own; one more, the gather's own, waits for no actor but holds the one deadline of all. The
 * replies stay where they came, each in its message, until the last is there. All calls: the running actor's worker. */

#ifndef THSI_NODE_GATHER_H
#define THSI_NODE_GATHER_H

#include "node/ask.h"
#include "node/ask_cycle.h"

/* The answer of one of them, or the deadline of all, came. Closes @entry. */
void thsi_gather_answered(struct ths_ctx *ctx, struct thsi_ask_entry *entry, enum ths_err err,
                          const struct thsi_type_info *info, const void *body);

/* As thsi_ask_find_cycle, for any of those who have not answered. */
bool thsi_gather_find_cycle(struct ths_ctx *ctx, const struct thsi_gather *gather, char text[THSI_CYCLE_TEXT]);

/* Close all of them, and say so to those who were asked. */
void thsi_gather_call_off(struct ths_ctx *ctx, struct thsi_gather *gather);

#endif /* THSI_NODE_GATHER_H */
