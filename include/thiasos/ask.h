/* Ask: requests that are answered later, passed on or taken back.
 *
 * A handler answers the request at hand with ths_reply. When it cannot do so yet, it defers the request and answers
 * from a later handler; when another actor knows better, it passes the request on, and the answer goes from there
 * straight to the asker:
 *
 *     THS_ON(bank, get_balance)
 *     {
 *         if (msg->account % 2 == 0)
 *             (void)ths_forward(ctx, self->other_bank);            the same request, there
 *         else
 *             self->waiting = ths_defer(ctx);                      answered when the book comes
 *     }
 *     THS_ON(bank, book)
 *     {
 *         (void)ths_reply_to(ctx, &self->waiting, balance, .amount = msg->amount);
 *     }
 *
 * Whatever becomes of a request, its asker hears one ending: the answer; CRASHED or GONE when the actor that took the
 * request last ends before it answered; NODE_LOST when that actor's node is lost; TIMEOUT in any other case. The time that is
 * left travels with the request, over nodes and through actors that pass it on.
 *
 * Actors of other nodes are asked, pass on and answer in the same ways. All calls: only from a handler. */

#ifndef THIASOS_ASK_H
#define THIASOS_ASK_H

#include <limits.h>

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A request that was taken and not answered yet; id 0: none. A value: keep it in the state, or send it to another actor as a
 * ref and a u64; who has it may answer it with ths_reply_to. The actor that deferred it goes on answering for it: when that one
 * ends, the asker is told. */
struct ths_asked {
    ths_ref asker;
    uint64_t id;
};

/* As a timeout: until the deadline of the request at hand; THS_INHERIT_DEFAULT_MS when it has none, or there is none. */
#define THS_INHERIT UINT_MAX
#define THS_INHERIT_DEFAULT_MS 5000u

/* ---- By who is asked -------------------------------------------------------------------- */

/* Take the request at hand out of this handler, to be answered later. id 0 when the message is no request, or was answered. */
THS_API struct ths_asked ths_defer(struct ths_ctx *ctx);

#ifndef __cplusplus

/* ths_reply_to(ctx, &asked, balance, .amount = 5): answers a deferred request, and clears *asked.
 * Errors: NO_ASK (the id is 0), EXPIRED (an asker on this node waits no more), and those of ths_tell. */
#define ths_reply_to(ctx, asked, ...) thsp_reply_to(ctx, asked, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

/* ths_delegate(ctx, &asked, to, get_rate, .currency = "EUR"): asks @to in the name of the asker of a deferred request, who gets
 * its answer; clears *asked. Errors: as ths_forward. */
#define ths_delegate(ctx, asked, to, ...) \
    thsp_delegate(ctx, asked, to, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

#endif /* __cplusplus */

/* Answer the request at hand, or a deferred one, with an error instead of a reply. @err is not OK.
 * Errors: NO_ASK, INVALID (@err is OK), EXPIRED (an asker on this node waits no more). */
THS_API enum ths_err ths_refuse(struct ths_ctx *ctx, enum ths_err err);
THS_API enum ths_err ths_refuse_to(struct ths_ctx *ctx, struct ths_asked *asked, enum ths_err err);

/* Pass the request at hand on: @to handles it as if the asker had asked it, with what time is left.
 * Errors: NO_ASK, and those of ths_tell; the asker has then been told. */
THS_API enum ths_err ths_forward(struct ths_ctx *ctx, ths_ref to);

/* Whether nobody waits any more for the answer to *@asked, or with NULL to the request at hand: its deadline has passed, it
 * was taken back, or its asker has ended. Of an asker on another node, deferred by this actor, what is known here by now. */
THS_API bool ths_cancelled(struct ths_ctx *ctx, const struct ths_asked *asked);

/* Milliseconds until the deadline of *@asked, which this actor deferred, or with NULL of the request at hand. THS_INHERIT when
 * it has none, or there is none. */
THS_API unsigned ths_remaining_ms(struct ths_ctx *ctx, const struct ths_asked *asked);

/* ---- By who asks ------------------------------------------------------------------------ */

/* Take back an ask. Its reply handler is not called any more. The request is dropped where it waits; an actor that has
 * deferred it gets a ths_ask_cancelled, if its behaviour lists that. Returns whether the ask was open. */
THS_API bool ths_ask_cancel(struct ths_ctx *ctx, ths_ask_id ask);

/* ---- What the macros call --------------------------------------------------------------- */

THS_API enum ths_err thsp_reply_to(struct ths_ctx *ctx, struct ths_asked *asked, struct ths_type *type, const void *body);
THS_API enum ths_err thsp_delegate(struct ths_ctx *ctx, struct ths_asked *asked, ths_ref to, struct ths_type *type,
                                   const void *body);

#ifdef __cplusplus
}
#else

/* The asker took back a request that this actor deferred, or ended: nobody waits for the answer. */
THS_MESSAGE(ths_ask_cancelled, "ths.ask_cancelled", 1, ref(asker), u64(id))

#endif /* __cplusplus */

#endif /* THIASOS_ASK_H */
