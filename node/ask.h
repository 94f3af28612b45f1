/* Asks: requests that wait for their answer.
 *
 *     ask.c         the open asks of an actor: opening, answers, deadlines, the end
 *     gather.h      several at once, answered together
 *     ask_cycle.h   those that wait for each other
 *     ask_table.h   where their entries lie
 *     requests.h    the other side: requests taken, answered, passed on
 *     ask_node.c    asks to nodes: looking up a name, starting an actor
 *     deadlines.h   which of them is due first
 *
 * The deadlines of one actor's asks share one timer, armed for the first of them and left alone when it is answered:
 * asks that are answered in time cost no timer at all. All calls: the running actor's worker. */

#ifndef THSI_NODE_ASK_H
#define THSI_NODE_ASK_H

#include "node/ask_table.h"
#include "node/signal.h"

/* Open an ask to @target: its answer, or a TIMEOUT, comes to @reply_to exactly once. Returns the id to put into the signal;
 * 0 when memory is out or too many are open: then nothing was opened. */
uint64_t thsi_ask_open(struct ths_ctx *ctx, ths_ref target, const struct ths_reply_to *reply_to, unsigned timeout_ms);

/* The parts of it. Begin an ask without deadline and handler / with a deadline; NULL as above. */
struct thsi_ask_entry *thsi_ask_begin(struct ths_ctx *ctx, ths_ref target);
struct thsi_ask_entry *thsi_ask_begin_until(struct ths_ctx *ctx, ths_ref target, unsigned timeout_ms);

/* Close it: from here on its replies are late. What it held stays readable until the next ask is begun. */
void thsi_ask_close(struct ths_ctx *ctx, struct thsi_ask_entry *entry);

/* Close it before its answer came, and say so to who was asked. */
void thsi_ask_call_off(struct ths_ctx *ctx, struct thsi_ask_entry *entry);

/* Open an ask and send @signal, which the caller filled but for from, id and, where it is the ask's, deadline. What cannot
 * be delivered or asked is answered; what cannot even be packed is not. Returns its id; 0: it was not opened, or
 * this is no handler. */
uint64_t thsi_ask_signal(struct ths_ctx *ctx, struct thsi_signal *signal, const struct ths_reply_to *reply_to,
                         unsigned timeout_ms);

/* Answer an ask that was not made, as thsi_ask_signal would answer it. */
void thsi_ask_fail(struct ths_ctx *ctx, const struct ths_reply_to *reply_to, unsigned timeout_ms, enum ths_err err);

/* The same for open ask @id whose request could not be made; 0: it could not be opened, the handler is called at once. */
void thsi_ask_failed(struct ths_ctx *ctx, const struct ths_reply_to *reply_to, uint64_t id, enum ths_err err);

/* The answer of ask @id came. @info and @body: of the reply, NULL without. One that is not open is dropped. */
void thsi_ask_answered(struct ths_ctx *ctx, uint64_t id, enum ths_err err, const struct thsi_type_info *info,
                       const void *body);

/* The timer of the actor's asks rang. */
void thsi_asks_due(struct ths_ctx *ctx, struct thsi_timer *timer);

/* @from, which has request @id, has passed it on to the actor whose ref is the text @to. */
void thsi_ask_moved(struct ths_ctx *ctx, uint64_t id, ths_ref from, const char *to);

/* The same for one of @asker that waits no more, or has ended: who has the request now is told that it was taken back. What came
 * before the news of the move went to who had it then. @ctx is entered. */
void thsi_ask_moved_in_vain(struct ths_ctx *ctx, ths_ref asker, uint64_t id, const char *to);

/* End all asks to node @uid with NODE_LOST / take all asks back. */
void thsi_asks_node_lost(struct ths_ctx *ctx, uint64_t uid);
void thsi_asks_drop(struct ths_ctx *ctx);

#endif /* THSI_NODE_ASK_H */
