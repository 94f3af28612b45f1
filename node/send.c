/* Sending: to an actor of this node straight into its mailbox, to others through the router. */

#include "node/send.h"

#include <assert.h>

enum ths_reason thsi_reason_of(enum ths_err err)
{
    if (err == THS_STALE)
        return THS_REASON_STALE;
    /* FULL: the link takes no more, so nobody knows whether the actor lives. */
    if (err == THS_NODE_LOST || err == THS_UNKNOWN_NODE || err == THS_CLOSED || err == THS_FULL)
        return THS_REASON_NODE_LOST;
    return THS_REASON_NO_ACTOR;
}

void thsi_refuse(struct ths_ctx *ctx, const struct thsi_signal *signal, enum ths_err err)
{
    struct thsi_signal answer = { .from = signal->to, .to = signal->from, .id = signal->id, .err = err,
                                  .reason = thsi_reason_of(err), .text = ths_err_text(err) };

    if (answer.reason == THS_REASON_NODE_LOST)
        answer.certainty = THS_ASSUMED;
    switch ((int)signal->kind) {
    case THSI_ASK:
    case THSI_LOOKUP:
    case THSI_SPAWN:
        answer.kind = THSI_REPLY;
        answer.text = NULL;
        break;
    case THSI_MONITOR:
        answer.kind = THSI_DOWN;
        break;
    case THSI_LINK:
        answer.kind = THSI_EXIT;
        break;
    default:
        return;
    }
    if (!ths_ref_is_nobody(answer.to))
        (void)thsi_send_signal(ctx, &answer);
}

/* Take a place in the mailbox of @actor, or not. Relaxed: only the number matters. The look first keeps senders that are
 * refused again and again from writing to the receiver's cache line. */
static bool reserve(struct thsi_actor *actor)
{
    uint32_t capacity = __atomic_load_n(&actor->capacity, __ATOMIC_RELAXED);

    if (atomic_load_explicit(&actor->queued, memory_order_relaxed) >= capacity)
        return false;
    if (atomic_fetch_add_explicit(&actor->queued, 1, memory_order_relaxed) < capacity)
        return true;
    (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
    return false;
}

/* Relaxed: as above. */
static void unreserve(struct thsi_actor *actor)
{
    (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
}

static enum ths_err deliver(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal)
{
    bool counted = signal->kind == THSI_TELL || signal->kind == THSI_ASK;
    struct thsi_message *message;
    enum ths_err err;

    if (counted && !reserve(actor))
        return THS_FULL;
    err = thsi_message_create(ctx->pool, signal, &message);
    if (err == THS_OK)
        thsi_post(ctx, actor, message);
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

/* Ahead of the queue. Generations only rise, so a late order for an earlier actor cannot hide one for this. The message
 * that is sent behind it makes it be seen; release: with what the killer had set before, see run_first. */
static void mark_killed(struct thsi_actor *actor, uint32_t generation)
{
    uint32_t known = atomic_load_explicit(&actor->kill, memory_order_relaxed);

    while (known < generation && !atomic_compare_exchange_weak_explicit(&actor->kill, &known, generation,
                                                                        memory_order_release, memory_order_relaxed)) {
    }
}

enum ths_err thsi_send_signal(struct ths_ctx *ctx, const struct thsi_signal *signal)
{
    struct ths_node *node = ctx->node;
    struct thsi_actor *actor;
    enum ths_err err = THS_GONE;

    ctx->sent++;
    if (ths_ref_is_nobody(signal->to))
        return THS_GONE;
    if (signal->to.node != node->uid) {
        err = route(ctx, signal);
    } else if (signal->kind == THSI_LOOKUP) {
        thsi_answer_lookup(ctx, signal);
        return THS_OK;
    } else if (signal->kind == THSI_SPAWN) {
        thsi_answer_spawn(ctx, signal);
        return THS_OK;
    } else if ((actor = thsi_actor_find(node, signal->to, &err)) != NULL) {
        if (signal->kind == THSI_KILL)
            mark_killed(actor, signal->to.generation);
        err = deliver(ctx, actor, signal);
    }
    if (err != THS_OK && signal->kind == THSI_REFUSED) /* of tells whose sender is no actor, or is no more */
        thsi_count_dead_letter(ctx, signal->err, signal->id);
    else if (err != THS_OK)
        thsi_refuse(ctx, signal, err);
    return err;
}

/* ---- Tells ------------------------------------------------------------------------------ */

static ths_ref self_of(const struct ths_ctx *ctx)
{
    return ctx->actor ? thsi_actor_ref(ctx->node, ctx->actor) : THS_NOBODY;
}

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
    if (!reserve(actor))
        return THS_FULL;
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

static void send_order(struct ths_ctx *ctx, ths_ref whom, enum thsi_signal_kind kind)
{
    const struct thsi_signal signal = { .kind = kind, .from = self_of(ctx), .to = whom, .id = THSI_EXIT_ORDER,
                                        .reason = THS_REASON_SHUTDOWN };

    thsi_enter(ctx);
    (void)thsi_send_signal(ctx, &signal);
    thsi_leave(ctx);
}

void thsp_kill(struct ths_ctx *ctx, ths_ref whom)
{
    send_order(ctx, whom, THSI_KILL);
}

void thsp_ask_to_stop(struct ths_ctx *ctx, ths_ref whom)
{
    send_order(ctx, whom, THSI_EXIT);
}
