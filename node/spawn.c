/* Spawning: from the API, and for other nodes and supervisors by the name of a registered behaviour. */

#include <stdio.h>

#include "node/blocking.h"
#include "node/life.h"
#include "node/node.h"
#include "node/send.h"
#include "node/spawn_at.h"
#include "node/spawn_options.h"
#include "node/start.h"
#include "thiasos/lifecycle.h"

/* What an actor is made of, wherever the wish came from. */
struct order {
    const struct thsi_dispatch *dispatch;
    const char *name;           /* NULL: none */
    struct thsi_signal start;   /* as a TELL of the start message; type NULL: none */
    uint32_t mailbox;
    bool trap_exits;
    bool own_thread;
    bool waited;                /* a thread outside may ask for its reason */
    ths_ref supervisor;         /* nobody: none */
    uint32_t child;
    struct thsi_awaiter awaiter; /* of its start */
    uint64_t idle_ms;
    bool held;
    struct thsi_inbox_options inbox; /* capacity 0: a plain mailbox will do */
    size_t memory_max;
    ths_ref linked, watched_by; /* nobody: none */
    ths_ref tied;               /* who spawned it by a signal and supervises, watches or is linked to it; nobody: none */
    uint64_t monitor;
};

static bool has_life(const struct order *order)
{
    return order->awaiter.id != 0 || order->idle_ms > 0;
}

static bool needs_rare(const struct order *order)
{
    return order->name || order->start.type || !ths_ref_is_nobody(order->supervisor) ||
           has_life(order) || order->own_thread || order->memory_max > 0 || !ths_ref_is_nobody(order->linked) ||
           !ths_ref_is_nobody(order->watched_by);
}

/* Everything that takes memory, before anybody can know the actor. On failure the caller gives the slot back. */
static enum ths_err fill_rare(struct ths_ctx *ctx, struct thsi_actor *actor, const struct order *order)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, actor);
    enum ths_err err = THS_OK;

    if (!rare)
        return THS_NOMEM;
    rare->supervisor = order->supervisor;
    rare->child = order->child;
    if (!ths_ref_is_nobody(order->supervisor))
        thsi_traces_begin(ctx, actor);
    rare->heap.limit = order->memory_max;
    if (has_life(order)) {
        struct thsi_life *life = thsi_life_of(ctx, actor);

        if (!life)
            return THS_NOMEM;
        life->awaiter = order->awaiter;
        life->idle.limit_ns = order->idle_ms * 1000000u;
    }
    if (order->start.type)
        err = thsi_message_create(ctx->pool, &order->start, &rare->start);
    if (err == THS_OK && !ths_ref_is_nobody(order->linked) &&
        !thsi_relation_add(ctx, &rare->links, order->linked, 0))
        err = THS_NOMEM;
    if (err == THS_OK && !ths_ref_is_nobody(order->watched_by) &&
        !thsi_relation_add(ctx, &rare->watchers, order->watched_by, order->monitor))
        err = THS_NOMEM;
    if (err == THS_OK && !ths_ref_is_nobody(order->supervisor) &&
        !thsi_relation_add(ctx, &rare->monitors, order->supervisor, THSI_SUPERVISOR_MONITOR))
        err = THS_NOMEM;
    if (err == THS_OK && order->own_thread && thsi_blocking_works(ctx->node))
        err = thsi_own_thread_start(ctx->node, &rare->own_thread);
    return err;
}

static enum ths_err hold(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    enum ths_err err = thsi_holds_put(&ctx->node->holds, thsi_actor_ref(ctx->node, actor));

    if (err == THS_OK) /* relaxed: nobody else knows the actor */
        (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_HELD, memory_order_relaxed);
    return err;
}

static enum ths_err take_name(struct ths_ctx *ctx, struct thsi_actor *actor, const char *name)
{
    enum ths_err err = thsi_names_put(&ctx->node->names, name, thsi_actor_ref(ctx->node, actor), NULL);

    if (err == THS_OK)
        (void)snprintf(actor->rare->name, sizeof actor->rare->name, "%s", name);
    return err;
}

/* Undo a spawn that nobody has seen. */
static void give_up(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct thsi_rare *rare = actor->rare;
    uint32_t flags;

    if (rare) {
        thsi_relations_drop(ctx, actor);
        thsi_message_free(ctx->pool, rare->start);
        thsi_life_free(ctx, actor);
        thsi_traces_free(ctx, actor);
        if (rare->own_thread)
            thsi_own_thread_over(rare->own_thread);
        thsi_actor_free_rare(ctx, actor);
    }
    thsi_actor_free_state(ctx, actor);
    /* Relaxed: nobody was given this generation. */
    flags = atomic_fetch_and_explicit(&actor->flags, ~(uint32_t)(THSI_FLAG_HELD | THSI_FLAG_INBOX), memory_order_relaxed);
    if (flags & THSI_FLAG_HELD)
        thsi_holds_remove(&ctx->node->holds, thsi_actor_ref(ctx->node, actor));
    if (flags & THSI_FLAG_INBOX)
        thsi_inboxes_close(ctx, actor, thsi_actor_ref(ctx->node, actor));
    actor->own_generation = 1 + atomic_fetch_add_explicit(&actor->generation, 1, memory_order_relaxed);
    thsi_actor_release(ctx, actor);
}

/* Whether its first turn has something to do at once. */
static bool is_eager(const struct thsi_actor *actor)
{
    return actor->dispatch->started || (actor->rare && (actor->rare->start || actor->rare->life));
}

/* Relations to actors of other nodes must be known for the case that the node is lost. */
static void note_foreign(struct ths_ctx *ctx, struct thsi_actor *actor, const struct order *order)
{
    struct thsi_actor *running = ctx->actor;

    if (ths_ref_is_nobody(order->tied))
        return; /* not even for a moment: threads outside read the actor of the context they share without its lock */
    thsi_ctx_set_actor(ctx, actor);
    thsi_foreign_note(ctx, order->tied);
    thsi_ctx_set_actor(ctx, running);
}

/* Before it can run: what it says when it ends comes after. */
static void tell_spawner(struct ths_ctx *ctx, ths_ref self, const struct order *order)
{
    const struct thsi_signal monitor = { .kind = THSI_MONITOR, .from = self, .to = order->supervisor,
                                         .id = THSI_SUPERVISOR_MONITOR };
    const struct thsi_signal link = { .kind = THSI_LINK, .from = self, .to = order->linked };

    if (!ths_ref_is_nobody(order->supervisor))
        (void)thsi_send_signal(ctx, &monitor);
    if (!ths_ref_is_nobody(order->tied) && !ths_ref_is_nobody(order->linked))
        (void)thsi_send_signal(ctx, &link);
}

static enum ths_err spawn(struct ths_ctx *ctx, const struct order *order, ths_ref *out)
{
    struct ths_node *node = ctx->node;
    struct thsi_actor *actor;
    enum ths_err err = THS_OK;

    *out = THS_NOBODY;
    /* A glance that spares work; the look that counts is the last. */
    if (atomic_load_explicit(&node->stopping, memory_order_acquire))
        return THS_CLOSED;
    if (!order->dispatch)
        return THS_NOMEM;
    actor = thsi_table_take(&node->table, ctx->worker ? thsi_worker_free_slots(ctx->worker) : NULL);
    if (!actor) /* relaxed: it never falls */
        return atomic_load_explicit(&node->table.used, memory_order_relaxed) == node->table.slots_max ? THS_TOO_MANY
                                                                                                      : THS_NOMEM;
    /* Sequentially consistent: either the round that stops all finds it, or the look at `stopping` below sees the round. */
    actor->own_generation = 1 + atomic_fetch_add_explicit(&actor->generation, 1, memory_order_seq_cst);
    /* Release: passes the table on to who glances at the actor (thsi_actor_glance). */
    __atomic_store_n(&actor->dispatch, order->dispatch, __ATOMIC_RELEASE);
    /* Atomic, and relaxed: one that sends to an earlier actor of the place may just look at it; either number will do. Who
     * was given the ref received with it what was written here. */
    __atomic_store_n(&actor->capacity, order->mailbox ? order->mailbox : THSI_MAILBOX_DEFAULT, __ATOMIC_RELAXED);
    actor->has_inner = false;
    actor->rare = NULL;
    actor->state = NULL;
    /* Release: who reads it for the reason of the last end sees by the generation that it is none. */
    __atomic_store_n(&actor->incarnation, 1, __ATOMIC_RELEASE);
    actor->trap_exits = order->trap_exits;
    actor->listed = false;
    actor->hooks = THSI_HOOKS_NONE;
    if (!thsi_actor_new_state(ctx, actor))
        err = THS_NOMEM;
    if (err == THS_OK && needs_rare(order))
        err = fill_rare(ctx, actor, order);
    if (err == THS_OK && order->held)
        err = hold(ctx, actor);
    if (err == THS_OK && order->inbox.capacity > 0)
        err = thsi_inboxes_open(ctx, actor, &order->inbox);
    if (err == THS_OK && order->name)
        err = take_name(ctx, actor, order->name);
    if (err != THS_OK) {
        give_up(ctx, actor);
        return err;
    }
    note_foreign(ctx, actor, order);
    if (order->waited) /* relaxed: the actor runs later, and nobody else knows it */
        (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_WAITED, memory_order_relaxed);
    if ((order->dispatch->behaviour->blocking || order->own_thread) && thsi_blocking_works(node)) /* relaxed: the same */
        (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_ELSEWHERE, memory_order_relaxed);
    thsi_count(&ctx->stats->spawned, 1);
    *out = thsi_actor_ref(node, actor);
    tell_spawner(ctx, *out, order);
    if (is_eager(actor)) {
        thsi_actor_set_phase(actor, THSI_PHASE_STARTING);
        thsi_schedule(ctx, actor);
    } else {
        thsi_actor_set_phase(actor, THSI_PHASE_RUNNING);
        thsi_actor_idle(ctx, actor);
    }
    if (atomic_load_explicit(&node->stopping, memory_order_seq_cst))
        thsi_tell_stopping(ctx, *out); /* the round that told all others may have been here before */
    return THS_OK;
}

/* ---- The API ---------------------------------------------------------------------------- */

/* What the spawner is to the new actor, when a handler spawns, and the memory for its side of it: so that nothing can fail when
 * the actor is there. */
struct ties {
    struct thsi_relation *link, *monitor; /* NULL: none */
};

static void untie(struct ths_ctx *ctx, struct ties *ties)
{
    if (ties->link)
        thsi_relation_free(ctx->pool, ties->link);
    if (ties->monitor)
        thsi_relation_free(ctx->pool, ties->monitor);
}

static enum ths_err relate(struct ths_ctx *ctx, const struct ths_spawn_options *options, struct order *order,
                           struct ties *ties)
{
    if (!options->link && !options->monitor)
        return THS_OK;
    if (!ctx->actor)
        return THS_INVALID; /* a thread outside has no links */
    if (!thsi_actor_rare(ctx, ctx->actor))
        return THS_NOMEM;
    if (options->link) {
        order->linked = ths_self(ctx);
        ties->link = thsi_relation_new(ctx->pool);
    }
    if (options->monitor) {
        order->watched_by = ths_self(ctx);
        order->monitor = ++ctx->actor->rare->next_id;
        ties->monitor = thsi_relation_new(ctx->pool);
    }
    return (options->link && !ties->link) || (options->monitor && !ties->monitor) ? THS_NOMEM : THS_OK;
}

static void tie(struct ths_ctx *ctx, const struct ties *ties, const struct order *order, ths_ref ref)
{
    struct thsi_rare *rare = ctx->actor ? ctx->actor->rare : NULL;

    if (ties->link)
        thsi_relations_put(&rare->links, ctx->pool, ctx->node->uid, ties->link, ref, 0);
    if (ties->monitor)
        thsi_relations_put(&rare->monitors, ctx->pool, ctx->node->uid, ties->monitor, ref, order->monitor);
}

static struct order order_of(struct ths_behaviour *behaviour, const struct ths_spawn_options *options)
{
    return (struct order){
        .dispatch = thsi_dispatch_of(behaviour),
        .name = options->name,
        .mailbox = options->mailbox,
        .trap_exits = options->trap_exits,
        .own_thread = options->own_thread,
        .idle_ms = options->idle_ms,
        .held = options->held,
        .inbox = thsi_spawn_options_inbox(options),
        .memory_max = options->memory_max,
        .start = { .kind = THSI_TELL, .type = options->start.type, .body = options->start.body },
    };
}

/* @awaiter may be NULL. */
static enum ths_err spawn_entered(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                  const struct ths_spawn_options *options, const struct thsi_awaiter *awaiter,
                                  bool waited, ths_ref *out)
{
    struct order order = order_of(behaviour, options);
    struct ties ties = { NULL, NULL };
    enum ths_err err = relate(ctx, options, &order, &ties);

    order.start.from = ctx->actor ? ths_self(ctx) : THS_NOBODY;
    order.waited = waited;
    if (awaiter)
        order.awaiter = *awaiter;
    if (err == THS_OK)
        err = spawn(ctx, &order, out);
    if (err == THS_OK)
        tie(ctx, &ties, &order, *out);
    else
        untie(ctx, &ties);
    return err;
}

static enum ths_err enter_and_spawn(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                    const struct ths_spawn_options *options, bool waited, ths_ref *out)
{
    enum ths_err err;

    *out = THS_NOBODY;
    thsi_enter(ctx);
    err = spawn_entered(ctx, behaviour, options, NULL, waited, out);
    thsi_leave(ctx);
    if (err != THS_OK)
        *out = THS_NOBODY;
    return err;
}

enum ths_err thsp_try_spawn(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                            const struct ths_spawn_options *options, ths_ref *out)
{
    return enter_and_spawn(ctx, behaviour, options, !ctx->worker, out);
}

enum ths_err thsi_spawn_entered(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                const struct ths_spawn_options *options, ths_ref *out)
{
    return spawn_entered(ctx, behaviour, options, NULL, false, out);
}

enum ths_err thsi_spawn_awaited(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                                const struct ths_spawn_options *options, const struct thsi_awaiter *awaiter, ths_ref *out)
{
    return spawn_entered(ctx, behaviour, options, awaiter, !ctx->worker, out);
}

enum ths_err thsi_spawn_own(struct ths_ctx *ctx, struct ths_behaviour *behaviour,
                            const struct ths_spawn_options *options, ths_ref *out)
{
    return enter_and_spawn(ctx, behaviour, options, false, out);
}

ths_ref thsp_spawn(struct ths_ctx *ctx, struct ths_behaviour *behaviour, const struct ths_spawn_options *options,
                   void *reserved)
{
    ths_ref ref;
    enum ths_err err = thsp_try_spawn(ctx, behaviour, options, &ref);

    (void)reserved;
    if (err != THS_OK)
        thsi_log(ctx->node, THS_LOG_ERROR, "actor", "could not start %s%s%s: %s", behaviour->name,
                 options->name ? " as " : "", options->name ? options->name : "", ths_err_text(err));
    return ref;
}

/* ---- For others ------------------------------------------------------------------------- */

/* What the spawner far away is to the new actor. */
static enum ths_err relate_far(const struct thsi_signal *signal, const struct ths_spawn_options *options, struct order *order)
{
    if (signal->incarnation & THSI_SPAWN_SUPERVISED) {
        order->supervisor = order->tied = signal->from;
        order->child = signal->child;
    }
    if (signal->incarnation & THSI_SPAWN_AWAIT)
        order->awaiter = (struct thsi_awaiter){ .by = signal->from, .id = signal->id };
    if (!options->link && !options->monitor)
        return THS_OK;
    if (signal->from.generation == 0)
        return THS_INVALID; /* a node has no links */
    order->tied = signal->from;
    if (options->link)
        order->linked = signal->from;
    if (options->monitor) {
        order->watched_by = signal->from;
        order->monitor = signal->id | THSI_SPAWN_MONITOR;
    }
    return THS_OK;
}

void thsi_answer_spawn(struct ths_ctx *ctx, const struct thsi_signal *signal)
{
    static const struct ths_spawn_options defaults = { .name = NULL };
    const struct ths_spawn_options *options = signal->options ? signal->options : &defaults;
    struct ths_spawned spawned = { THS_NOBODY };
    struct thsi_signal answer = { .kind = THSI_REPLY, .from = { ctx->node->uid, 0, 0 }, .to = signal->from,
                                  .id = signal->id, .type = &ths_spawned_type, .body = &spawned };
    struct ths_behaviour *behaviour = NULL;
    enum ths_err err = THS_UNKNOWN_BEHAVIOUR;

    if (thsi_names_get(&ctx->node->behaviours, signal->text ? signal->text : "", NULL, &behaviour)) {
        struct order order = order_of(behaviour, options);

        if (order.name && !order.name[0])
            order.name = NULL;
        order.start = (struct thsi_signal){ .kind = THSI_TELL, .from = signal->from, .type = signal->type,
                                            .body = signal->body };
        err = relate_far(signal, options, &order);
        if (err == THS_OK)
            err = spawn(ctx, &order, &spawned.who);
    }
    if (err != THS_OK)
        thsi_refuse(ctx, signal, err);
    else if (!(signal->incarnation & THSI_SPAWN_AWAIT))
        (void)thsi_send_signal(ctx, &answer);
}
