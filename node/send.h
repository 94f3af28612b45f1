/* Send: how a signal leaves an actor, for this node or another. */

#ifndef THSI_NODE_SEND_H
#define THSI_NODE_SEND_H

#include "node/ask.h"
#include "node/node.h"

/* The router, or NULL, for calls until thsi_router_end. `routing` tells set_router whether anybody still uses the old one:
 * the store must come before the load in everybody's eyes, hence sequential consistency on both sides. Thread: @ctx's. */
static inline struct thsi_router *thsi_router_begin(struct ths_ctx *ctx)
{
    atomic_store_explicit(&ctx->routing, 1, memory_order_seq_cst);
    return atomic_load_explicit(&ctx->node->router, memory_order_seq_cst);
}

/* Release: who sees the 0 sees that the calls are over. */
static inline void thsi_router_end(struct ths_ctx *ctx)
{
    atomic_store_explicit(&ctx->routing, 0, memory_order_release);
}

/* Send @signal (borrowed; `from` filled by the caller) to its actor here or through the router. An ASK, LOOKUP, SPAWN,
 * MONITOR or LINK that cannot be delivered is answered, as if by its target; for a TELL and the others the caller learns of it
 * by the result, and of an answer that could not be made by NOMEM: OK, FULL, GONE, STALE, UNKNOWN_NODE, NODE_LOST, TOO_BIG,
 * MALFORMED, NOMEM, CLOSED; for a REPLY here also
 * EXPIRED, when its ask is not open any more.
 * Thread: @ctx's; a shared context is entered. */
enum ths_err thsi_send_signal(struct ths_ctx *ctx, const struct thsi_signal *signal);

/* Put @signal into the mailbox of @actor, which lived when it was looked for. What is refused is not answered. @ctx is entered. */
enum ths_err thsi_deliver(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal);

/* The id of an EXIT: 0 comes from a link; the others are orders. */
enum { THSI_EXIT_ORDER = 1, THSI_EXIT_NODE_STOPS = 2 };

/* Make the message of @signal; some tells and requests note the time (THSI_STAMP_EVERY). As thsi_message_create. */
THS_MUST_CHECK enum ths_err thsi_message_make(struct ths_ctx *ctx, const struct thsi_signal *signal, struct thsi_message **out);

/* Put a message (taken) into the mailbox of @actor and have it run. */
static inline void thsi_post(struct ths_ctx *ctx, struct thsi_actor *actor, struct thsi_message *message)
{
    if (thsi_mailbox_push(&actor->mailbox, message))
        thsi_schedule(ctx, actor);
}

/* The same for signals that keep their place among tells and requests of their pair. Relaxed: who was given the ref
 * received with it the flag of a mailbox under a lock. */
static inline void thsi_post_signal(struct ths_ctx *ctx, struct thsi_actor *actor, struct thsi_message *message)
{
    if (atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_INBOX)
        thsi_inboxes_post(ctx, actor, message);
    else
        thsi_post(ctx, actor, message);
}

/* Answer what @signal asked for with @err, as its target would: REPLY, DOWN or EXIT to signal->from. NOMEM: nobody will hear of
 * it. */
enum ths_err thsi_refuse(struct ths_ctx *ctx, const struct thsi_signal *signal, enum ths_err err);

/* The same for what @message carried, whose block (taken when it returns true) becomes an answer to an actor of this node when
 * memory is out. */
bool thsi_refuse_with(struct ths_ctx *ctx, struct thsi_message *message, const struct thsi_signal *signal, enum ths_err err);

/* The exit reason that stands for @err in a DOWN or EXIT. Pure. */
enum ths_reason thsi_reason_of(enum ths_err err);

/* Whether an actor that ends so has failed by itself. Pure. */
static inline bool thsi_reason_is_failure(enum ths_reason reason)
{
    return reason == THS_REASON_CRASHED || reason == THS_REASON_QUOTA;
}

/* Parts of delivery that have no actor as target. ask.c, spawn.c */
void thsi_answer_lookup(struct ths_ctx *ctx, const struct thsi_signal *signal);
void thsi_answer_spawn(struct ths_ctx *ctx, const struct thsi_signal *signal);

/* As thsp_try_spawn, for actors of the library's own: their end is kept for nobody. */
THS_MUST_CHECK enum ths_err thsi_spawn_own(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                           const struct ths_spawn_options *options, ths_ref *out);

/* The same when @ctx is entered. */
THS_MUST_CHECK enum ths_err thsi_spawn_entered(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                               const struct ths_spawn_options *options, ths_ref *out);

/* Links and monitors (links.c). All: the running actor's worker. */

/* Add a relation; false: no memory. */
bool thsi_relation_add(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id);
/* The same for one that @other asks for. Errors: NOMEM, TOO_MANY. */
THS_MUST_CHECK enum ths_err thsi_relation_asked(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id);
/* Remove the relation with this other and id; false: there is none. */
bool thsi_relation_remove(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id);
/* The LINK numbered @number of @from came. Errors: NOMEM, TOO_MANY. */
THS_MUST_CHECK enum ths_err thsi_link_asked(struct ths_ctx *ctx, ths_ref from, uint64_t number);
/* The UNLINK of @from came, which had taken our LINKs up to the one numbered @seen. */
void thsi_link_undone(struct ths_ctx *ctx, ths_ref from, uint64_t seen);
/* Forget all relations of @actor without a word. */
void thsi_relations_drop(struct ths_ctx *ctx, struct thsi_actor *actor);

/* Note that the running actor has to do with another node, so that it hears of its loss. */
void thsi_foreign_note(struct ths_ctx *ctx, ths_ref other);
void thsi_foreign_forget(struct ths_ctx *ctx);

/* The running actor, which was @self, has ended for good: tell everybody, forget all. */
void thsi_relations_end(struct ths_ctx *ctx, ths_ref self, enum ths_reason reason, const char *text);
/* Node @uid is lost: EXIT and DOWN come from each link and monitor there. */
void thsi_relations_node_lost(struct ths_ctx *ctx, uint64_t uid, enum ths_certainty certainty);

/* A DOWN for monitor @id came or is due. */
void thsi_down(struct ths_ctx *ctx, ths_ref who, uint64_t id, enum ths_reason reason, enum ths_certainty certainty,
               const char *text);

/* A child watches its supervisor under this id, which no actor draws. */
#define THSI_SUPERVISOR_MONITOR UINT64_C(0)

#endif /* THSI_NODE_SEND_H */
