#include "node/become.h"

#include "node/node.h"
#include "thiasos/become.h"

/* ---- Behaviours ---------------------------------------------------------------------------- */

/* Release: as in spawn, for who glances at the actor. */
static void set_dispatch(struct thsi_actor *actor, const struct thsi_dispatch *dispatch)
{
    __atomic_store_n(&actor->dispatch, dispatch, __ATOMIC_RELEASE);
}

/* Not ths_any: it is about what is sent. */
static void call(struct ths_ctx *ctx, struct ths_type *type, const void *body)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    const struct thsi_dispatch_entry *entry = info ? thsi_dispatch_find(ctx->actor->dispatch, info) : NULL;

    if (entry)
        entry->handler(ctx, ctx->actor->state, body);
}

enum ths_err thsp_become(struct ths_ctx *ctx, struct ths_behaviour *behaviour)
{
    struct thsi_actor *actor = ctx->actor;
    const struct thsi_dispatch *dispatch;
    struct thsi_rare *rare;

    if (!actor || behaviour->state_size != actor->dispatch->state_size)
        return THS_INVALID;
    dispatch = thsi_dispatch_of(behaviour);
    rare = thsi_actor_rare(ctx, actor);
    if (!dispatch || !rare)
        return THS_NOMEM;
    if (rare->become.leaving)
        return THS_INVALID;
    if (!rare->become.first)
        rare->become.first = actor->dispatch;
    rare->become.leaving = true;
    call(ctx, &ths_leave_type, &(struct ths_leave){ 0 });
    rare->become.leaving = false;
    set_dispatch(actor, dispatch);
    call(ctx, &ths_enter_type, &(struct ths_enter){ 0 });
    return THS_OK;
}

/* ---- Putting aside ------------------------------------------------------------------------- */

static uint32_t places_of(const struct thsi_actor *actor)
{
    return actor->capacity > 0 ? actor->capacity : THSI_MAILBOX_DEFAULT;
}

enum ths_err ths_stash(struct ths_ctx *ctx)
{
    struct thsi_message *message = ctx->message;
    struct thsi_rare *rare;

    if (!ctx->actor || !message || !message->counted || ctx->answered)
        return THS_INVALID;
    rare = thsi_actor_rare(ctx, ctx->actor);
    if (!rare)
        return THS_NOMEM;
    if (message == rare->start)
        return THS_INVALID;
    if (rare->become.count >= places_of(ctx->actor))
        return THS_FULL;
    /* Relaxed: a message that was taken out is the consumer's alone. */
    atomic_store_explicit(&message->next, NULL, memory_order_relaxed);
    if (rare->become.head)
        atomic_store_explicit(&rare->become.tail->next, message, memory_order_relaxed);
    else
        rare->become.head = message;
    rare->become.tail = message;
    rare->become.count++;
    ctx->message = NULL;
    return THS_OK;
}

/* Relaxed: as in append_inner (actor.c). */
static uint32_t unstash(struct thsi_actor *actor)
{
    struct thsi_become *become = &actor->rare->become;
    uint32_t count = become->count;

    if (count == 0)
        return 0;
    (void)atomic_fetch_add_explicit(&actor->queued, count, memory_order_relaxed);
    atomic_store_explicit(&become->tail->next, actor->has_inner ? actor->inner_head : NULL, memory_order_relaxed);
    if (!actor->has_inner)
        actor->inner_tail = become->tail;
    actor->inner_head = become->head;
    actor->has_inner = true;
    become->head = become->tail = NULL;
    become->count = 0;
    return count;
}

uint32_t ths_unstash(struct ths_ctx *ctx)
{
    return ctx->actor && ctx->actor->rare ? unstash(ctx->actor) : 0;
}

/* Relaxed, both: what lies in a list of the consumer's is its alone. */
static struct thsi_message *next_of(const struct thsi_message *message)
{
    return atomic_load_explicit(&message->next, memory_order_relaxed);
}

/* Take @message out of the list from *@head to *@tail; false: it is not in. */
static bool take_out(struct thsi_message **head, struct thsi_message **tail, struct thsi_message *message)
{
    struct thsi_message *before = NULL, *at = *head;

    while (at && at != message) {
        before = at;
        at = next_of(at);
    }
    if (!at)
        return false;
    if (before)
        atomic_store_explicit(&before->next, next_of(at), memory_order_relaxed);
    else
        *head = next_of(at);
    if (*tail == at)
        *tail = before;
    return true;
}

void thsi_stash_cancelled(struct ths_ctx *ctx, ths_ref asker, uint64_t id)
{
    struct thsi_become *become = ctx->actor->rare ? &ctx->actor->rare->become : NULL;
    struct thsi_message *at = become ? become->head : NULL;

    while (at && !(at->kind == THSI_ASK && thsi_message_ask(at)->id == id && ths_ref_equal(at->from, asker)))
        at = next_of(at);
    if (!at)
        return;
    (void)take_out(&become->head, &become->tail, at);
    become->count--;
    thsi_actor_undeliverable(ctx, at, THS_EXPIRED);
}

/* It may have been taken up again, too: then it waits in the inner queue. */
struct thsi_message *thsi_stash_undo(struct ths_ctx *ctx, struct thsi_message *message)
{
    struct thsi_actor *actor = ctx->actor;
    struct thsi_become *become = &actor->rare->become;

    if (take_out(&become->head, &become->tail, message)) {
        become->count--;
    } else {
        (void)take_out(&actor->inner_head, &actor->inner_tail, message);
        actor->has_inner = actor->inner_head != NULL;
        (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
    }
    return message;
}

void thsi_become_end(struct ths_ctx *ctx)
{
    struct thsi_rare *rare = ctx->actor->rare;

    if (!rare)
        return;
    (void)unstash(ctx->actor);
    if (rare->become.first)
        set_dispatch(ctx->actor, rare->become.first);
}
