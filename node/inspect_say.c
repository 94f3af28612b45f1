/* What an actor says of itself. All of it is read by its own worker, so nothing changes meanwhile but the end of its mailbox. */

#include "node/inspect.h"

#include <stdio.h>
#include <string.h>

#include "node/life.h"
#include "node/node.h"
#include "node/timers.h"

/* ---- The queue ------------------------------------------------------------------------------------ */

struct queue {
    uint32_t count, looked_at;
    uint64_t bytes;
};

/* From @message on, in the order of their links; false: that were as many as are looked at. Acquire: receives the next. */
static bool walk(struct queue *queue, struct thsi_message *message, const struct thsi_message *stub)
{
    for (; message && queue->looked_at < THS_INSPECT_QUEUE_MAX;
         message = atomic_load_explicit(&message->next, memory_order_acquire)) {
        queue->looked_at++;
        if (message == stub || !message->counted)
            continue;
        queue->count++;
        queue->bytes += thsi_message_bytes(message);
    }
    return !message;
}

uint64_t thsi_inspect_bytes(struct ths_ctx *ctx, uint32_t *count)
{
    struct thsi_actor *actor = ctx->actor;
    struct queue queue = { .count = 0 };
    ths_ref self = thsi_actor_ref(ctx->node, actor);

    if (actor->phase != THSI_PHASE_FREE && actor->has_inner)
        (void)walk(&queue, actor->inner_head, NULL);
    (void)walk(&queue, actor->tail, thsi_mailbox_stub(&actor->mailbox));
    *count = queue.count;
    if (!(atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_INBOX))
        return queue.bytes;
    *count = atomic_load_explicit(&actor->queued, memory_order_relaxed);
    return queue.bytes + thsi_inboxes_bytes(ctx->node, self);
}

/* ---- What hangs from its rare part ------------------------------------------------------------------ */

static void say_relations(const struct thsi_relations *relations, struct ths_inspected_refs *out, ths_ref *refs)
{
    uint32_t n = 0;

    for (const struct thsi_relation *at = relations->first; at && n < THS_INSPECT_MAX; at = at->next)
        refs[n++] = at->other;
    out->count = relations->count;
    out->shown = n;
}

static uint64_t ms_until(uint64_t deadline_ns, uint64_t now_ns)
{
    return deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000000u : 0;
}

/* Those that send a message; others are the runtime's own. */
static void say_timers(const struct thsi_timer_set *timers, uint64_t now_ns, struct thsi_inspected *to)
{
    const struct thsi_timer *timer;
    uint32_t from = 0;

    while ((timer = thsi_timer_set_next(timers, &from)) != NULL) {
        if (!timer->info || timer->cancelled)
            continue;
        if (to->said.timers_shown < THS_INSPECT_MAX)
            to->timers[to->said.timers_shown++] = (struct ths_inspected_timer){
                .type = timer->info->name, .due_ms = ms_until(timer->entry.deadline_ns, now_ns),
                .period_ms = timer->period_ns / 1000000u };
        to->said.timers_count++;
    }
}

static void say_asks(struct ths_ctx *ctx, uint64_t now_ns, struct thsi_inspected *to)
{
    uint32_t number = atomic_load_explicit(&ctx->actor->asks, memory_order_relaxed);

    while (number != 0) {
        const struct thsi_ask_entry *entry = thsi_ask_at(&ctx->node->asks, number - 1);

        number = atomic_load_explicit(&entry->next, memory_order_relaxed);
        if (ths_ref_is_nobody(entry->target))
            continue; /* stands for several that were asked at once */
        if (to->said.asks_shown < THS_INSPECT_MAX)
            to->asks[to->said.asks_shown++] = (struct ths_inspected_ask){
                .to = entry->target, .type = entry->type ? entry->type->name : "",
                .left_ms = entry->deadline.ns != UINT64_MAX ? ms_until(entry->deadline.ns, now_ns) : UINT64_MAX };
        to->said.asks_count++;
    }
}

static void say_rare(struct ths_ctx *ctx, const struct thsi_rare *rare, struct thsi_inspected *to)
{
    struct ths_inspection *said = &to->said;
    uint64_t now_ns = thsi_now_ns(ctx->node);

    say_relations(&rare->links, &said->links, to->links);
    say_relations(&rare->monitors, &said->monitors, to->monitors);
    say_relations(&rare->watchers, &said->watchers, to->watchers);
    say_timers(&rare->timers, now_ns, to);
    say_asks(ctx, now_ns, to);
    said->supervisor = rare->supervisor;
    said->own_thread = rare->own_thread != NULL;
    said->stashed = rare->become.count;
    said->requests = rare->held.count;
    said->memory_used = rare->heap.used;
    said->memory_max = rare->heap.limit;
    for (uint32_t i = 1; rare->traces && i <= THS_CRASH_LAST && i <= rare->traces->handled; i++)
        to->last[said->last_count++] = rare->traces->last[(rare->traces->handled - i) % THS_CRASH_LAST]->name;
    (void)snprintf(to->name, sizeof to->name, "%s", rare->name);
}

/* ---- All of it ----------------------------------------------------------------------------------------- */

static enum ths_actor_phase phase_of(const struct thsi_actor *actor)
{
    return actor->phase == THSI_PHASE_STARTING ? THS_ACTOR_STARTS
           : actor->phase == THSI_PHASE_HALTED ? THS_ACTOR_HALTED : THS_ACTOR_RUNS;
}

void thsi_inspect_say(struct ths_ctx *ctx, struct thsi_inspected *to)
{
    struct thsi_actor *actor = ctx->actor;
    struct ths_inspection *said = &to->said;

    memset(to, 0, sizeof *to);
    said->answered = true;
    said->who = thsi_actor_ref(ctx->node, actor);
    said->behaviour = actor->dispatch->behaviour->name;
    said->incarnation = actor->incarnation;
    said->phase = phase_of(actor);
    said->queued_bytes = thsi_inspect_bytes(ctx, &said->queued);
    said->capacity = actor->capacity; /* 0: it has an inbox with bounds of its own */
    said->traps_exits = actor->trap_exits;
    said->drains = atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_DRAINS &&
                   thsi_is_draining(actor, actor->own_generation);
    said->may_block = actor->dispatch->behaviour->blocking;
    if (actor->rare)
        say_rare(ctx, actor->rare, to);
    thsi_state_print(ctx, to->state, sizeof to->state);
}
