/* How an incarnation ends, and an actor. In this order: the answer to the request at hand, its stopping handler, its
 * finaliser, its asks and timers, its state. A supervised one then waits HALTED for its supervisor's word. One that ends
 * for good gives up name and groups, tells links and watchers (so that a DOWN is the last that is heard of it), and leaves
 * its slot. */

#include <string.h>

#include "node/blocking.h"
#include "node/life.h"
#include "node/node.h"
#include "node/quiet.h"
#include "node/requests.h"
#include "node/send.h"
#include "node/start.h"
#include "node/timers.h"
#include "thiasos/lifecycle.h"

bool thsi_actor_new_state(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    size_t size = actor->dispatch->state_size;

    if (size <= THSI_INLINE_STATE) {
        actor->state = actor->inline_state;
        actor->state_class = THSI_STATE_INLINE;
        __builtin_memset(actor->inline_state, 0, THSI_INLINE_STATE);
        return true;
    }
    actor->state = thsi_pool_get(ctx->pool, size);
    if (!actor->state)
        return false;
    actor->state_class = ((uint8_t *)actor->state)[THSI_POOL_CLASS_OFFSET];
    __builtin_memset(actor->state, 0, size);
    return true;
}

void thsi_actor_free_state(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    if (actor->state && actor->state_class != THSI_STATE_INLINE)
        thsi_pool_put(ctx->pool, actor->state, actor->state_class);
    actor->state = NULL;
}

void thsi_actor_tell_halted(struct ths_ctx *ctx)
{
    struct thsi_rare *rare = ctx->actor->rare;
    const struct thsi_signal halted = {
        .kind = THSI_HALTED,
        .from = thsi_actor_ref(ctx->node, ctx->actor),
        .to = rare->supervisor,
        .child = rare->child,
        .incarnation = ctx->actor->incarnation,
        .reason = rare->halted_reason,
        .text = rare->halted_text,
    };

    (void)thsi_send_signal(ctx, &halted);
}

static void answer_at_hand(struct ths_ctx *ctx, enum ths_reason reason)
{
    struct thsi_message *message = ctx->message;

    if (!message || message->kind != THSI_ASK || ctx->answered)
        return;
    const struct thsi_signal ask = { .kind = THSI_ASK, .from = message->from, .id = thsi_message_ask(message)->id,
                                     .to = thsi_actor_ref(ctx->node, ctx->actor) };
    thsi_refuse(ctx, &ask, thsi_reason_is_failure(reason) ? THS_CRASHED : THS_GONE);
    ctx->answered = true;
}

/* The part that every incarnation's end has. */
static void end_incarnation(struct ths_ctx *ctx, enum ths_reason reason, const char *text)
{
    struct thsi_actor *actor = ctx->actor;
    const struct ths_stopping stopping = { .reason = (uint8_t)reason, .text = text };
    const struct ths_finally finally = { .reason = (uint8_t)reason, .text = text };

    if (thsi_reason_is_failure(reason)) {
        thsi_count(&ctx->stats->crashed, 1);
        thsi_tally_crashed(ctx);
        thsi_crash_note(ctx, text);
    }
    answer_at_hand(ctx, reason);
    if (reason != THS_REASON_KILLED && actor->dispatch->stopping && actor->phase == THSI_PHASE_RUNNING &&
        ctx->veto != THSI_VETO_ASKED)
        actor->dispatch->stopping(ctx, actor->state, &stopping);
    if (actor->dispatch->finally && actor->phase == THSI_PHASE_RUNNING)
        actor->dispatch->finally(ctx, actor->state, &finally);
    ctx->ending = false; /* what these two wished is overtaken */
    ctx->veto = THSI_VETO_NONE;
    thsi_requests_end(ctx, thsi_reason_is_failure(reason) ? THS_CRASHED : THS_GONE);
    if (actor->hooks & THSI_HOOK_DRAINS)
        thsi_drain_again(ctx); /* for the next incarnation */
    thsi_asks_drop(ctx); /* before the timers: it cancels its own */
    thsi_timers_drop(ctx);
    thsi_quiet_end(ctx);
    thsi_become_end(ctx);
    thsi_heap_clear(ctx, actor);
    thsi_actor_free_state(ctx, actor);
}

static void drain_inner(struct ths_ctx *ctx)
{
    struct thsi_message *message;

    while ((message = thsi_actor_take_inner(ctx->actor)) != NULL)
        thsi_actor_undeliverable(ctx, message, THS_GONE);
}

static void free_rare(struct ths_ctx *ctx)
{
    struct thsi_rare *rare = ctx->actor->rare;

    if (!rare)
        return;
    thsi_message_free(ctx->pool, rare->start);
    thsi_life_free(ctx, ctx->actor);
    thsi_traces_free(ctx, ctx->actor);
    if (rare->own_thread)
        thsi_own_thread_over(rare->own_thread);
    thsi_timer_set_fini(&rare->timers, ctx->node->env);
    thsi_actor_free_rare(ctx, ctx->actor);
}

/* Nobody hears of this actor again but through a DOWN. */
static void end_for_good(struct ths_ctx *ctx, enum ths_reason reason, const char *text)
{
    struct thsi_actor *actor = ctx->actor;
    struct ths_node *node = ctx->node;
    ths_ref self = thsi_actor_ref(node, actor);
    uint32_t flags;

    if (actor->rare && actor->rare->name[0])
        thsi_names_remove(&node->names, actor->rare->name, self);
    /* Relaxed: who sets it too late for this look finds the generation risen, or is told by the exchange below. */
    if (atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_WAITED)
        thsi_outside_ending(node, self, reason);
    /* Relaxed: passed on with the generation. */
    __atomic_store_n(&actor->incarnation, (uint32_t)reason, __ATOMIC_RELAXED);
    /* From here on nothing sent to it is for it. Release: what it did is seen by a thread outside that finds it gone. */
    actor->own_generation = self.generation + 1;
    atomic_store_explicit(&actor->generation, self.generation + 1, memory_order_release);
    thsi_actor_set_phase(actor, THSI_PHASE_FREE);
    actor->listed = false;
    /* Acquire: the setter of a flag wrote what belongs to it before. Release: a setter that comes too late sees by the
     * generation that it does. */
    flags = atomic_exchange_explicit(&actor->flags, 0, memory_order_acq_rel);
    if (flags & THSI_FLAG_MARKED) {
        struct thsi_router *router = thsi_router_begin(ctx);

        if (router)
            router->actor_ended(router, self);
        thsi_router_end(ctx);
    }
    if (flags & THSI_FLAG_HELD)
        thsi_holds_remove(&node->holds, self);
    drain_inner(ctx);
    if (flags & THSI_FLAG_INBOX)
        thsi_inboxes_close(ctx, actor, self);
    thsi_life_ended(ctx, self, reason, text);
    thsi_relations_end(ctx, self, reason, text);
    free_rare(ctx);
    thsi_count(&ctx->stats->ended, 1);
    thsi_outside_ended(node, self, reason, flags);
}

/* Every end comes here, most with an empty text: snprintf would cost more than all the rest of it. */
static void keep_text(char out[THS_REASON_TEXT_SIZE], const char *text)
{
    size_t len = text ? strnlen(text, THS_REASON_TEXT_SIZE - 1) : 0;

    if (len > 0)
        memmove(out, text, len);
    out[len] = '\0';
}

void thsi_actor_end(struct ths_ctx *ctx, enum ths_reason reason, const char *text, bool for_good)
{
    struct thsi_actor *actor = ctx->actor;
    struct thsi_rare *rare = actor->rare;
    char copy[THS_REASON_TEXT_SIZE];

    if (actor->phase == THSI_PHASE_FREE)
        return;
    keep_text(copy, text); /* it may lie in what is freed below */
    ctx->ending = false;
    if (actor->phase == THSI_PHASE_HALTED) {
        /* Its incarnation has ended already, with a reason of its own; only force overrides that. */
        end_for_good(ctx, reason == THS_REASON_SHUTDOWN ? rare->halted_reason : reason,
                     reason == THS_REASON_SHUTDOWN ? rare->halted_text : copy);
        return;
    }
    end_incarnation(ctx, reason, copy);
    /* Relaxed: the order to kill was acquired in run_first, or came through the mailbox: `killing` was set before. */
    if (atomic_load_explicit(&ctx->node->killing, memory_order_relaxed))
        for_good = true;
    if (rare && !ths_ref_is_nobody(rare->supervisor) && !rare->one_life && !for_good) {
        thsi_actor_set_phase(actor, THSI_PHASE_HALTED);
        rare->halted_reason = reason;
        keep_text(rare->halted_text, copy);
        thsi_start_answer(ctx, thsi_actor_ref(ctx->node, actor), THS_CRASHED, copy); /* of a restart, if it began in vain */
        thsi_actor_tell_halted(ctx);
        return;
    }
    end_for_good(ctx, reason, copy);
}
