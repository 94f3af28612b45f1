/* Sending: to an actor of this node straight into its mailbox, to others through the router. */

#include "node/send.h"

#include <assert.h>

#include "node/life.h"
#include "node/spawn_at.h"

enum ths_reason thsi_reason_of(enum ths_err err)
{
    if (err == THS_STALE)
        return THS_REASON_STALE;
    /* FULL: the link takes no more, so nobody knows whether the actor lives. */
    if (err == THS_NODE_LOST || err == THS_UNKNOWN_NODE || err == THS_CLOSED || err == THS_FULL)
        return THS_REASON_NODE_LOST;
    if (err == THS_TOO_MANY || err == THS_NOMEM)
        return THS_REASON_REFUSED;
    return THS_REASON_NO_ACTOR;
}

/* False: @signal asked for nothing. */
static bool answer_of(const struct thsi_signal *signal, enum ths_err err, struct thsi_signal *answer)
{
    *answer = (struct thsi_signal){ .from = signal->to, .to = signal->from, .id = signal->id, .err = err,
                                    .reason = thsi_reason_of(err), .text = ths_err_text(err) };

    if (answer->reason == THS_REASON_NODE_LOST || answer->reason == THS_REASON_REFUSED)
        answer->certainty = THS_ASSUMED;
    switch ((int)signal->kind) {
    case THSI_STOP:
        if (signal->id == 0)
            return false;
        answer->kind = THSI_REPLY;
        answer->text = NULL;
        break;
    case THSI_ASK:
    case THSI_LOOKUP:
    case THSI_SPAWN:
        answer->kind = THSI_REPLY;
        answer->text = NULL;
        break;
    case THSI_MONITOR:
        answer->kind = THSI_DOWN;
        break;
    case THSI_LINK:
        answer->kind = THSI_EXIT;
        answer->id = 0; /* no order */
        break;
    default:
        return false;
    }
    return !ths_ref_is_nobody(answer->to);
}

enum ths_err thsi_refuse(struct ths_ctx *ctx, const struct thsi_signal *signal, enum ths_err err)
{
    struct thsi_signal answer;

    return answer_of(signal, err, &answer) && thsi_send_signal(ctx, &answer) == THS_NOMEM ? THS_NOMEM : THS_OK;
}

bool thsi_refuse_with(struct ths_ctx *ctx, struct thsi_message *message, const struct thsi_signal *signal, enum ths_err err)
{
    struct thsi_signal answer;
    struct thsi_actor *actor = NULL;

    if (answer_of(signal, err, &answer) && thsi_send_signal(ctx, &answer) == THS_NOMEM && answer.to.node == ctx->node->uid)
        actor = thsi_actor_find(ctx->node, answer.to, &err);
    if (actor)
        thsi_post_signal(ctx, actor, thsi_message_become(message, &answer));
    return actor != NULL;
}

static void unreserve(struct thsi_actor *actor)
{
    (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
}

/* Why an actor that lived when it was looked for takes no message: GONE, CLOSED, else @otherwise. */
static enum ths_err why_refused(struct thsi_actor *actor, uint32_t generation, enum ths_err otherwise)
{
    if (atomic_load_explicit(&actor->generation, memory_order_acquire) != generation)
        return THS_GONE;
    if (atomic_load_explicit(&actor->flags, memory_order_acquire) & THSI_FLAG_DRAINS &&
        thsi_is_draining(actor, generation))
        return THS_CLOSED;
    return otherwise;
}

/* Take a place in the mailbox of @actor, or not. The look first keeps senders that are refused again and again from
 * writing to the receiver's cache line. First the place, then the flags, then the generation: the first two sequentially
 * consistent for the sake of drains (stop.c); an end clears the flags after it raised the generation, so who misses the
 * flags of the actor that was meant sees that it has ended. Errors: FULL, CLOSED, GONE. */
static enum ths_err reserve(struct thsi_actor *actor, uint32_t generation)
{
    uint32_t capacity = __atomic_load_n(&actor->capacity, __ATOMIC_RELAXED);
    enum ths_err err;
    uint32_t drains;

    if (atomic_load_explicit(&actor->queued, memory_order_relaxed) >= capacity)
        return why_refused(actor, generation, THS_FULL);
    if (atomic_fetch_add_explicit(&actor->queued, 1, memory_order_seq_cst) >= capacity) {
        unreserve(actor);
        return why_refused(actor, generation, THS_FULL);
    }
    drains = atomic_load_explicit(&actor->flags, memory_order_seq_cst) & THSI_FLAG_DRAINS;
    if (!(drains | (thsi_actor_generation(actor) ^ generation)))
        return THS_OK;
    err = why_refused(actor, generation, THS_OK);
    if (err != THS_OK)
        unreserve(actor);
    return err;
}

static ths_ref self_of(const struct ths_ctx *ctx)
{
    return ctx->actor ? thsi_actor_ref(ctx->node, ctx->actor) : THS_NOBODY;
}

enum ths_err thsi_message_make(struct ths_ctx *ctx, const struct thsi_signal *signal, struct thsi_message **out)
{
    if ((signal->kind != THSI_TELL && signal->kind != THSI_ASK) || --ctx->until_stamp > 0)
        return thsi_message_create(ctx->pool, signal, out);
    ctx->until_stamp = ctx->stamped < THSI_STAMP_FIRST ? 1 : THSI_STAMP_EVERY;
    ctx->stamped++;
    return thsi_message_create_stamped(ctx->pool, signal, thsi_now_ns(ctx->node), out);
}

/* A tell that notes the time. */
static __attribute__((noinline)) enum ths_err create_stamped(struct ths_ctx *ctx, ths_ref to, struct ths_type *type,
                                                             const void *body, struct thsi_message **out)
{
    const struct thsi_signal signal = { .kind = THSI_TELL, .from = self_of(ctx), .to = to, .type = type, .body = body };

    ctx->until_stamp = 1;
    return thsi_message_make(ctx, &signal, out);
}

/* No place was taken: there is none, or its mailbox is under a lock. A sender that was refused has used up its turn: were it to
 * go on, it would be refused again until the receiver has had one. */
static enum ths_err deliver_otherwise(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal,
                                      enum ths_err err)
{
    bool has_inbox = atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_INBOX;

    if (err == THS_FULL && has_inbox)
        err = thsi_inboxes_send(ctx, actor, signal);
    if (err == THS_FULL)
        ctx->sent += THSI_TURN_BUDGET;
    return err;
}

enum ths_err thsi_deliver(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal)
{
    bool counted = signal->kind == THSI_TELL || signal->kind == THSI_ASK;
    struct thsi_message *message;
    enum ths_err err = counted ? reserve(actor, signal->to.generation) : THS_OK;

    if (err != THS_OK)
        return deliver_otherwise(ctx, actor, signal, err);
    err = thsi_message_make(ctx, signal, &message);
    if (err == THS_OK && counted)
        thsi_post(ctx, actor, message);
    else if (err == THS_OK)
        thsi_post_signal(ctx, actor, message);
    else if (counted)
        unreserve(actor);
    return err;
}

static enum ths_err route(struct ths_ctx *ctx, const struct thsi_signal *signal)
{
    struct thsi_router *router = thsi_router_begin(ctx);
    enum ths_err err = router ? router->send(router, signal) : THS_UNKNOWN_NODE;

    thsi_router_end(ctx);
    return err;
}

/* What acts beside the queue, or has to be known before the order lies in it: a kill acts ahead of it and takes no memory, a
 * drain at once, a stop has a deadline, and a cancel spares the work on a request that still waits. */
static enum ths_err deliver_order(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal)
{
    bool noted = signal->kind == THSI_CANCEL && signal->from.node != ctx->node->uid;
    enum ths_err err;

    if (signal->kind == THSI_KILL) {
        thsi_orders_add(&actor->orders, signal->to.generation, THSI_ORDER_KILL | (signal->child & THSI_ORDER_FOR_GOOD));
        if (thsi_mailbox_nudge(&actor->mailbox))
            thsi_schedule(ctx, actor);
        return THS_OK;
    }
    if (signal->kind == THSI_STOP && signal->child & THSI_STOP_RELEASE)
        return thsi_holds_release(ctx, signal->from, signal->to);
    if (signal->kind == THSI_STOP)
        return thsi_stop_deliver(ctx, actor, signal);
    if (signal->kind == THSI_DRAIN)
        thsi_drain_mark(actor, signal->to.generation);
    if (noted)
        thsi_cancels_note(&ctx->node->cancels, signal->from, signal->id);
    err = thsi_deliver(ctx, actor, signal);
    if (err != THS_OK && noted)
        thsi_cancels_forget(&ctx->node->cancels, signal->from, signal->id);
    return err;
}

static bool is_order(enum thsi_signal_kind kind)
{
    return kind == THSI_KILL || kind == THSI_STOP || kind == THSI_DRAIN || kind == THSI_CANCEL;
}

/* A reply that nobody here waits for any more: it never enters a mailbox. */
static bool is_late(struct ths_ctx *ctx, const struct thsi_signal *reply)
{
    if (reply->to.node != ctx->node->uid || thsi_ask_find(&ctx->node->asks, reply->id))
        return false;
    if (reply->err == THS_OK) {
        thsi_count_dead_letter(ctx, THS_EXPIRED, 1);
        thsi_spawn_at_unheard(ctx, reply->to, reply->type ? thsi_type_intern(reply->type) : NULL, reply->body, reply->id);
    }
    return true;
}

enum ths_err thsi_send_signal(struct ths_ctx *ctx, const struct thsi_signal *signal)
{
    struct ths_node *node = ctx->node;
    struct thsi_actor *actor;
    enum ths_err err = THS_GONE;

    ctx->sent++;
    if (ths_ref_is_nobody(signal->to))
        return THS_GONE;
    if (signal->kind == THSI_REPLY && is_late(ctx, signal))
        return THS_EXPIRED;
    if (signal->to.node != node->uid) {
        err = route(ctx, signal);
    } else if (signal->kind == THSI_LOOKUP) {
        thsi_answer_lookup(ctx, signal);
        return THS_OK;
    } else if (signal->kind == THSI_SPAWN) {
        thsi_answer_spawn(ctx, signal);
        return THS_OK;
    } else if ((actor = thsi_actor_find(node, signal->to, &err)) != NULL) {
        err = is_order(signal->kind) ? deliver_order(ctx, actor, signal) : thsi_deliver(ctx, actor, signal);
    }
    if (err != THS_OK && signal->kind == THSI_MOVED && signal->to.node == node->uid)
        thsi_ask_moved_in_vain(ctx, signal->to, signal->id, signal->text);
    if (err != THS_OK && signal->kind == THSI_REFUSED) /* of tells whose sender is no actor, or is no more */
        thsi_count_dead_letter(ctx, signal->err, signal->id);
    else if (err != THS_OK && thsi_refuse(ctx, signal, err) == THS_NOMEM)
        err = THS_NOMEM;
    return err;
}

/* ---- Tells ------------------------------------------------------------------------------ */

/* The path of most messages: no signal is filled in, a flat body is copied once. */
static enum ths_err tell(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body)
{
    struct thsi_message *message;
    struct thsi_actor *actor;
    enum ths_err err = THS_GONE;

    if (to.node != ctx->node->uid) {
        const struct thsi_signal signal = { .kind = THSI_TELL, .from = self_of(ctx), .to = to, .type = type,
                                            .body = body };
        return thsi_send_signal(ctx, &signal);
    }
    ctx->sent++;
    actor = thsi_actor_find(ctx->node, to, &err);
    if (!actor)
        return err;
    err = reserve(actor, to.generation);
    if (err != THS_OK) {
        const struct thsi_signal signal = { .kind = THSI_TELL, .from = self_of(ctx), .to = to, .type = type, .body = body };
        return deliver_otherwise(ctx, actor, &signal, err);
    }
    if (--ctx->until_stamp == 0)
        err = create_stamped(ctx, to, type, body, &message);
    else
        err = thsi_message_create_tell(ctx->pool, self_of(ctx), to.generation, type, body, &message);
    if (err != THS_OK) {
        unreserve(actor);
        return err;
    }
    thsi_post(ctx, actor, message);
    return THS_OK;
}

enum ths_err thsp_try_tell(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body)
{
    enum ths_err err;

    thsi_enter(ctx);
    err = tell(ctx, to, type, body);
    thsi_leave(ctx);
    return err;
}

enum ths_err thsp_tell(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body)
{
    enum ths_err err;

    thsi_enter(ctx);
    err = tell(ctx, to, type, body);
    if (err != THS_OK)
        thsi_count_dead_letter(ctx, err, 1);
    thsi_leave(ctx);
    return err;
}

void thsp_kill(struct ths_ctx *ctx, ths_ref whom)
{
    const struct thsi_signal kill = { .kind = THSI_KILL, .from = self_of(ctx), .to = whom,
                                      .reason = THS_REASON_KILLED };

    thsi_enter(ctx);
    (void)thsi_send_signal(ctx, &kill);
    thsi_leave(ctx);
}
