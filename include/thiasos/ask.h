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
 * Errors: NO_ASK (the message is a tell, which is passed on by telling it, or the request was answered); and those of ths_tell,
 * of which the asker has then been told. EXPIRED: nobody waits for it any more, and it was not passed on. */
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

#ifndef __cplusplus

/* ths_ask_to(ctx, bank, typed_ref, get_balance, client_got, 500, .account = 7): does not compile unless bank accepts
 * get_balance. */
#define ths_ask_to(ctx, behaviour, typed, message, ...)                                             \
    ((void)THSP_CAT3(behaviour, _accepts_, message), ths_ask(ctx, (typed).ref, message, __VA_ARGS__))

#endif /* __cplusplus */

/* What became of one of the asks of a ths_ask_all. */
struct ths_result {
    ths_ref who;        /* as it was asked */
    enum ths_err err;
    const void *reply;  /* the message that THS_ON_RESULTS names; NULL unless err == THS_OK. Lent for the handler's call */
};

/* Made by THS_ON_RESULTS. With a NULL type any reply will do, and it is a `const struct ths_message *`. */
typedef void ths_results_handler(struct ths_ctx *ctx, void *self, const struct ths_result *results, unsigned count);
struct ths_results_to {
    ths_results_handler *handler;
    struct ths_type *type;
};

#define THS_ASK_ALL_MAX 4096u

#ifndef __cplusplus

/* THS_ON_RESULTS(client, got_all, balance) { ... }: takes the answers of a ths_ask_all that names got_all.
 * In scope: ctx, self, const struct ths_result *results, unsigned count. Write it above the handlers that ask. */
#define THS_ON_RESULTS(behaviour, handler, message)                                                 \
    static void handler##_typed(struct ths_ctx *ctx, struct behaviour *self,                        \
                                const struct ths_result *results, unsigned count);                  \
    static void handler##_thunk(struct ths_ctx *ctx, void *self, const struct ths_result *results,  \
                                unsigned count)                                                     \
    {                                                                                               \
        handler##_typed(ctx, (struct behaviour *)self, results, count);                             \
    }                                                                                               \
    static const struct ths_results_to handler = { handler##_thunk, &message##_type };              \
    static void handler##_typed(struct ths_ctx *ctx __attribute__((unused)),                        \
                                struct behaviour *self __attribute__((unused)),                     \
                                const struct ths_result *results __attribute__((unused)),           \
                                unsigned count __attribute__((unused)))

/* ths_ask_all(ctx, refs, count, get_balance, got_all, 500, .account = 7): asks each of them the same; got_all runs exactly
 * once, when all have ended or the deadline has come, with one result for each in the order of @refs:
 *
 *     for (unsigned i = 0; i < count; i++) {
 *         const struct balance *balance = results[i].reply;
 *         if (balance)
 *             self->sum += balance->amount;
 *     }
 *
 * Copies @refs. results is NULL and count 0 when memory was out or there are more than THS_ASK_ALL_MAX; then nobody was asked, the
 * handler has run when this returns, and it returns 0. Otherwise it returns an id for ths_ask_cancel, which takes back
 * all of them. */
#define ths_ask_all(ctx, refs, count, message, results_to, ...)                                     \
    thsp_ask_all(ctx, refs, count, &message##_type, THSP_LITERAL_TAIL_V(message, __VA_ARGS__), &(results_to), \
                 THSP_HEAD(__VA_ARGS__))

#endif /* __cplusplus */

/* ---- What the macros call --------------------------------------------------------------- */

THS_API enum ths_err thsp_reply_to(struct ths_ctx *ctx, struct ths_asked *asked, struct ths_type *type, const void *body);
THS_API ths_ask_id thsp_ask_all(struct ths_ctx *ctx, const ths_ref *to, unsigned count, struct ths_type *type,
                                const void *body, const struct ths_results_to *results_to, unsigned timeout_ms);
THS_API enum ths_err thsp_delegate(struct ths_ctx *ctx, struct ths_asked *asked, ths_ref to, struct ths_type *type,
                                   const void *body);

#ifdef __cplusplus
}
#else

/* The asker took back a request that this actor deferred, or ended: nobody waits for the answer. */
THS_MESSAGE(ths_ask_cancelled, "ths.ask_cancelled", 1, ref(asker), u64(id))

#endif /* __cplusplus */

#endif /* THIASOS_ASK_H */
