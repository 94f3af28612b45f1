/* The turn: how a worker runs an actor. The state machine is drawn in actor.h; beginning is here, ending in actor_end.c. */

#include "node/actor.h"

#include <assert.h>
#include <string.h>

#include "node/life.h"
#include "node/node.h"
#include "node/quiet.h"
#include "node/requests.h"
#include "node/room.h"
#include "node/send.h"
#include "node/start.h"
#include "node/timers.h"
#include "thiasos/lifecycle.h"

enum {
    LINK_TRIES = 64      /* looks for a message whose producer has not linked it yet */
};

bool thsi_actor_glance(struct thsi_actor *actor, struct thsi_glance *glance)
{
    /* Acquire: receives the table that the spawner knew. The others relaxed: they need not be of the same moment. */
    const struct thsi_dispatch *dispatch = __atomic_load_n(&actor->dispatch, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&actor->phase, __ATOMIC_RELAXED) == THSI_PHASE_FREE || !dispatch)
        return false;
    glance->behaviour = dispatch->behaviour->name;
    glance->generation = thsi_actor_generation(actor);
    glance->incarnation = __atomic_load_n(&actor->incarnation, __ATOMIC_RELAXED);
    glance->queued = atomic_load_explicit(&actor->queued, memory_order_relaxed);
    return true;
}

struct thsi_rare *thsi_actor_rare(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    if (!actor->rare) {
        actor->rare = thsi_pool_get(ctx->pool, sizeof *actor->rare);
        if (actor->rare) {
            memset(actor->rare, 0, sizeof *actor->rare);
            actor->rare->monitors.by_id = true;
        }
    }
    return actor->rare;
}

void thsi_actor_free_rare(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    if (actor->rare)
        thsi_pool_put(ctx->pool, actor->rare, thsi_pool_class(sizeof *actor->rare)); /* where a block has it lies a field */
    actor->rare = NULL;
}

static inline void call(struct ths_ctx *ctx, const struct thsi_dispatch_entry *entry, const void *body)
{
    /* Relaxed: where it lies is never changed. */
    uint32_t tally_at = __atomic_load_n(&entry->tally_at, __ATOMIC_RELAXED);
    struct thsi_tally *tally = (struct thsi_tally *)(void *)((char *)ctx->tallies + tally_at);

    ctx->tally = tally;
    if (thsi_tally_quick(tally))
        entry->handler(ctx, ctx->actor->state, body);
    else
        thsi_tally_call(ctx, entry, body);
}

/* No entry takes it but perhaps ths_any. */
static bool call_any(struct ths_ctx *ctx, const struct thsi_type_info *info, const void *body)
{
    const struct thsi_dispatch_entry *entry = &ctx->actor->dispatch->any;
    const struct ths_any any = { { info ? info->type : NULL, body } };

    if (!info || !entry->handler)
        return false;
    call(ctx, entry, &any);
    return true;
}

bool thsi_actor_call(struct ths_ctx *ctx, const struct thsi_type_info *info, const void *body)
{
    const struct thsi_dispatch *dispatch = ctx->actor->dispatch;
    const struct thsi_dispatch_entry *entry = info ? thsi_dispatch_find(dispatch, info) : NULL;

    if (!entry)
        return call_any(ctx, info, body);
    call(ctx, entry, body);
    return true;
}

void thsi_actor_begin(struct ths_ctx *ctx)
{
    struct thsi_actor *actor = ctx->actor;
    const struct ths_started started = { actor->incarnation };
    struct thsi_message *start = actor->rare ? actor->rare->start : NULL;

    assert(actor->phase == THSI_PHASE_STARTING);
    thsi_actor_set_phase(actor, THSI_PHASE_RUNNING);
    if (!thsi_quiet_begin(ctx))
        ths_fail(ctx, "no memory for the idle timeout");
    if (actor->dispatch->started && !ctx->ending) {
        actor->dispatch->started(ctx, actor->state, &started);
        if (ctx->ending)
            ctx->tally = thsi_tally_of(ctx, thsi_type_intern(&ths_started_type));
    }
    if (start && !ctx->ending) {
        ctx->message = start;
        (void)thsi_actor_call(ctx, start->type, thsi_message_body(start));
        ctx->message = NULL;
        /* Without a supervisor there is no second incarnation. */
        if (!ctx->ending && ths_ref_is_nobody(actor->rare->supervisor)) {
            thsi_message_free(ctx->pool, start);
            actor->rare->start = NULL;
        }
    }
    if ((!ctx->ending || !thsi_reason_is_failure(ctx->end_reason)) && !(actor->rare && actor->rare->holds_start))
        thsi_start_answer(ctx, thsi_actor_ref(ctx->node, actor), THS_OK, "");
}

/* What waits here goes on taking its place in the mailbox. Relaxed: of `queued` only the number matters, and the links of
 * messages that were taken out are the consumer's alone. */
static void append_inner(struct thsi_actor *actor, struct thsi_message *message)
{
    if (message->counted)
        (void)atomic_fetch_add_explicit(&actor->queued, 1, memory_order_relaxed);
    atomic_store_explicit(&message->next, NULL, memory_order_relaxed);
    if (actor->has_inner)
        atomic_store_explicit(&actor->inner_tail->next, message, memory_order_relaxed);
    else
        actor->inner_head = message;
    actor->inner_tail = message;
    actor->has_inner = true;
}

/* Relaxed: as above. */
struct thsi_message *thsi_actor_take_inner(struct thsi_actor *actor)
{
    struct thsi_message *message = actor->has_inner ? actor->inner_head : NULL;

    if (!message)
        return NULL;
    actor->inner_head = atomic_load_explicit(&message->next, memory_order_relaxed);
    actor->has_inner = actor->inner_head != NULL;
    if (message->counted)
        (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
    return message;
}

/* ---- One message ------------------------------------------------------------------------ */

static void handle_data(struct ths_ctx *ctx, struct thsi_message *message)
{
    if (message->kind == THSI_ASK && thsi_request_is_over(ctx, message)) {
        thsi_tally_expired(ctx, message->type);
        thsi_actor_undeliverable(ctx, message, THS_EXPIRED);
        return;
    }
    if (thsi_message_is_stamped(message))
        thsi_tally_waited(ctx, message);
    ctx->message = message;
    ctx->answered = false;
    if (!thsi_actor_call(ctx, message->type, thsi_message_body(message))) {
        ctx->message = NULL;
        thsi_tally_refused(ctx, message->type);
        thsi_actor_undeliverable(ctx, message, THS_REFUSED);
        return;
    }
    /* Who fails has not put its message aside: the next incarnation would fail with it as well. */
    if (ctx->ending && !ctx->message && thsi_reason_is_failure(ctx->end_reason))
        ctx->message = thsi_stash_undo(ctx, message);
    /* A crash answers the request at hand: before it is forgotten. */
    if (ctx->ending)
        thsi_actor_end(ctx, ctx->end_reason, ctx->end_text, false);
    message = ctx->message; /* NULL: it was put aside */
    if (message && message->kind == THSI_ASK && !ctx->answered)
        thsi_request_keep(ctx);
    ctx->message = NULL;
    thsi_message_free(ctx->pool, message);
}

/* Between two incarnations nobody is there to hear @message: the next one will. */
static bool must_wait(const struct thsi_actor *actor, struct thsi_message *message)
{
    return actor->phase == THSI_PHASE_HALTED && (message->counted || thsi_actor_is_heard(actor, message));
}

/* What few actors do before a message is handled. False: it is not to be. */
static bool run_hooks(struct ths_ctx *ctx, struct thsi_message *message)
{
    if (ctx->actor->hooks & THSI_HOOK_QUIET)
        thsi_quiet_before(ctx, message);
    if (ctx->actor->hooks & THSI_HOOK_DRAINS && message->kind != THSI_DRAIN)
        thsi_drain_again(ctx);
    return !(ctx->actor->hooks & THSI_HOOK_TRACED) || thsi_traces_before(ctx, message);
}

void thsi_actor_handle(struct ths_ctx *ctx, struct thsi_message *message)
{
    struct thsi_actor *actor = ctx->actor;

    if (message->kind == THSI_TIMER) {
        if (actor->hooks & THSI_HOOK_DRAINS)
            thsi_drain_again(ctx);
        thsi_timer_arrived(ctx, (struct thsi_timer *)message);
    } else if (actor->phase == THSI_PHASE_FREE ||
               message->generation != actor->own_generation) {
        thsi_actor_undeliverable(ctx, message, THS_GONE);
    } else if (must_wait(actor, message)) {
        append_inner(actor, message);
    } else {
        if (actor->hooks != THSI_HOOKS_NONE && !run_hooks(ctx, message)) {
            thsi_tally_refused(ctx, message->type);
            thsi_actor_undeliverable(ctx, message, THS_QUARANTINED);
            return;
        }
        if (message->counted) {
            handle_data(ctx, message);
            return;
        }
        thsi_actor_signal(ctx, message);
    }
    if (ctx->ending)
        thsi_actor_end(ctx, ctx->end_reason, ctx->end_text, false);
}

/* ---- The turn --------------------------------------------------------------------------- */

static bool is_killed(const struct thsi_actor *actor)
{
    /* A glance. An order that is missed here is seen at the latest when the actor is about to be idle: it was nudged. */
    return thsi_orders_has(&actor->orders, actor->own_generation, THSI_ORDER_KILL) && actor->phase != THSI_PHASE_FREE;
}

/* Places in the mailbox are given back in batches, at once when there are few. */
struct places {
    uint32_t held, batch;
};

/* First the places, then the flags, both sequentially consistent: who waits for room sets the flag first, then looks at the
 * places (room.c), so one of the two sees the other. */
static void give_back(struct ths_ctx *ctx, struct places *places)
{
    struct thsi_actor *actor = ctx->actor;

    if (places->held > 0)
        (void)atomic_fetch_sub_explicit(&actor->queued, places->held, memory_order_seq_cst);
    places->held = 0;
    if (atomic_load_explicit(&actor->flags, memory_order_seq_cst) & THSI_FLAG_PRESSED)
        thsi_room_made(ctx);
}

static void count_place(struct ths_ctx *ctx, struct places *places, const struct thsi_message *message)
{
    places->held += message->counted;
    if (places->held >= places->batch)
        give_back(ctx, places);
}

/* Somebody has a question: before the queue, which may be long. */
static __attribute__((noinline)) void answer_questions(struct ths_ctx *ctx)
{
    thsi_beat(ctx, NULL);
    thsi_inspect_answer(ctx);
    if (ctx->ending)
        thsi_actor_end(ctx, ctx->end_reason, ctx->end_text, false);
}

/* What comes before messages: an end by force, the start of an incarnation, messages held back. Returns whether there was
 * something of the kind. */
static bool run_first(struct ths_ctx *ctx)
{
    struct thsi_actor *actor = ctx->actor;

    if (is_killed(actor)) {
        bool for_good = thsi_orders_obey(&actor->orders);

        thsi_beat(ctx, NULL);
        thsi_actor_end(ctx, THS_REASON_KILLED, "", for_good);
        return true;
    }
    if (actor->phase == THSI_PHASE_STARTING) {
        thsi_beat(ctx, NULL);
        thsi_actor_begin(ctx);
        if (ctx->ending)
            thsi_actor_end(ctx, ctx->end_reason, ctx->end_text, thsi_start_is_awaited(actor));
        return true;
    }
    if (actor->phase == THSI_PHASE_RUNNING && actor->has_inner) {
        struct thsi_message *message = thsi_actor_take_inner(actor);

        thsi_beat(ctx, message->type);
        thsi_actor_handle(ctx, message);
        return true;
    }
    return false;
}

/* Mark the mailbox idle and, if the actor in it has ended, give the slot back: in this order, since after the mark
 * another may own it, and only one in no list can be given. A slot whose generations are used up is not given. */
static bool let_go(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    bool give = actor->phase == THSI_PHASE_FREE && !actor->listed &&
                actor->own_generation < THSI_GENERATIONS;

    if (give)
        actor->listed = true;
    if (!thsi_mailbox_mark_idle(&actor->mailbox, actor->tail)) {
        if (give)
            actor->listed = false;
        return false;
    }
    if (give)
        thsi_table_give(&ctx->node->table, ctx->worker ? thsi_worker_free_slots(ctx->worker) : NULL, actor);
    return true;
}

void thsi_actor_idle(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    if (!let_go(ctx, actor))
        thsi_schedule(ctx, actor);
}

void thsi_actor_release(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    thsi_actor_set_phase(actor, THSI_PHASE_FREE);
    actor->listed = false;
    thsi_actor_idle(ctx, actor);
}

/* The mailbox seems empty. False: go on. */
static bool finish_turn(struct ths_ctx *ctx, unsigned *tries)
{
    struct thsi_actor *actor = ctx->actor;

    if (let_go(ctx, actor))
        return true;
    if (++*tries < LINK_TRIES)
        return false;
    thsi_schedule_last(ctx->worker, actor); /* a producer was interrupted half way: others need not wait for it */
    return true;
}

void thsi_actor_turn(struct thsi_worker *worker, struct thsi_actor *actor)
{
    struct ths_ctx *ctx = thsi_worker_ctx(worker);
    struct places places = { 0, actor->capacity >= 256 ? 32 : 1 };
    unsigned handled = 0, tries = 0;

    thsi_ctx_set_actor(ctx, actor);
    ctx->sent = 0;
    ctx->tally = NULL;
    /* Relaxed: whoever sets it puts a message behind it, which says the same. */
    if (__builtin_expect(atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_INSPECTED, 0))
        answer_questions(ctx);
    for (;;) {
        struct thsi_message *message;

        /* Relaxed: the watchdog cuts it short when the turn is a long one. */
        if (handled + ctx->sent >= atomic_load_explicit(&ctx->budget, memory_order_relaxed)) {
            atomic_store_explicit(&ctx->budget, THSI_TURN_BUDGET, memory_order_relaxed);
            give_back(ctx, &places);
            thsi_schedule_last(worker, actor);
            break;
        }
        if (run_first(ctx)) {
            handled++;
            continue;
        }
        message = thsi_mailbox_pop(&actor->mailbox, &actor->tail);
        if (message) {
            handled++;
            tries = 0;
            count_place(ctx, &places, message);
            thsi_beat(ctx, message->type);
            thsi_actor_handle(ctx, message);
            continue;
        }
        give_back(ctx, &places);
        if (finish_turn(ctx, &tries))
            break;
    }
    thsi_count(&ctx->stats->messages, handled);
    thsi_ctx_set_actor(ctx, NULL);
}
