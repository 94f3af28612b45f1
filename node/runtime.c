/* The table through which the network half drives the node. */

#include "node/runtime.h"

#include "node/node.h"
#include "node/room.h"
#include "node/send.h"

struct thsi_runtime *ths_node_runtime(struct ths_node *node)
{
    return &node->runtime;
}

static enum ths_err deliver(struct thsi_runtime *runtime, const struct thsi_signal *signal)
{
    struct ths_ctx *ctx = &runtime->node->network.ctx;
    enum ths_err err;

    thsi_enter(ctx);
    err = thsi_send_signal(ctx, signal);
    thsi_leave(ctx);
    return err;
}

/* Wait until no context is inside the router it may have read before. */
static void await_router_left(void *arg, struct ths_ctx *ctx)
{
    (void)arg;
    /* Sequentially consistent: pairs with the store before the router is read (send.c). */
    while (atomic_load_explicit(&ctx->routing, memory_order_seq_cst)) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
}

static void set_router(struct thsi_runtime *runtime, struct thsi_router *router)
{
    struct ths_node *node = runtime->node;

    atomic_store_explicit(&node->router, router, memory_order_seq_cst);
    await_router_left(NULL, &node->outside.ctx);
    await_router_left(NULL, &node->network.ctx);
    thsi_workers_each(node, await_router_left, NULL);
}

static void set_poller(struct thsi_runtime *runtime, struct thsi_poller *poller)
{
    struct ths_node *node = runtime->node;
    /* Sequentially consistent: a worker that is inside has read its place before, or finds the new one (poller.h). */
    struct thsi_poller *old = atomic_exchange_explicit(&node->poller, poller, memory_order_seq_cst);

    if (!old)
        return;
    old->poke(old);
    thsi_workers_leave_poller(node);
}

static void nudge(struct thsi_runtime *runtime)
{
    thsi_workers_nudge(runtime->node);
}

/* One message to each actor that has to do with other nodes; each looks for itself whether it is concerned. */
static void node_lost(struct thsi_runtime *runtime, uint64_t uid, enum ths_certainty certainty)
{
    struct ths_node *node = runtime->node;
    struct ths_ctx *ctx = &node->network.ctx;
    struct thsi_signal lost = { .kind = (enum thsi_signal_kind)THSI_NODE_LOST, .id = uid,
                                .certainty = certainty };

    thsi_enter(ctx);
    (void)pthread_mutex_lock(&node->foreign_lock);
    for (size_t i = 0; i < node->foreign_count; i++) {
        struct thsi_actor *actor = node->foreign[i].actor;
        struct thsi_message *message;

        lost.to = (ths_ref){ node->uid, actor->slot, node->foreign[i].generation };
        if (thsi_message_create(ctx->pool, &lost, &message) == THS_OK)
            thsi_post_signal(ctx, actor, message);
        else
            thsi_log(node, THS_LOG_ERROR, "node", "no memory to tell an actor that a node is lost");
    }
    (void)pthread_mutex_unlock(&node->foreign_lock);
    thsi_leave(ctx);
}

static enum ths_err mark(struct thsi_runtime *runtime, ths_ref whom)
{
    enum ths_err err = THS_GONE;
    struct thsi_actor *actor = thsi_actor_find(runtime->node, whom, &err);

    if (!actor)
        return err;
    /* Release: what the router noted for the actor is seen by the call of actor_ended. The caller is the actor itself,
     * or a thread that is told by its own look at `alive` when it came too late. */
    (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_MARKED, memory_order_acq_rel);
    return THS_OK;
}

static enum ths_err await_room(struct thsi_runtime *runtime, ths_ref whom, struct thsi_room *room)
{
    return thsi_room_await(runtime->node, whom, room);
}

static bool alive(struct thsi_runtime *runtime, ths_ref ref)
{
    enum ths_err err;

    return ref.node == runtime->uid && thsi_actor_find(runtime->node, ref, &err) != NULL;
}

static bool rests(struct thsi_runtime *runtime, ths_ref ref)
{
    enum ths_err err;
    struct thsi_actor *actor = ref.node == runtime->uid ? thsi_actor_find(runtime->node, ref, &err) : NULL;

    return actor && __atomic_load_n(&actor->phase, __ATOMIC_RELAXED) == THSI_PHASE_HALTED;
}

/* Relaxed: only the number matters. */
static void event(struct thsi_runtime *runtime, struct ths_ctx *handler, ths_ref whom, struct ths_type *type, const void *body)
{
    struct ths_node *node = runtime->node;
    struct ths_ctx *ctx = handler ? handler : &node->network.ctx;
    const struct thsi_signal signal = { .kind = (enum thsi_signal_kind)THSI_EVENT, .to = whom, .type = type, .body = body };
    enum ths_err err = THS_FULL;

    thsi_enter(ctx);
    if (atomic_fetch_add_explicit(&node->events, 1, memory_order_relaxed) < THSI_EVENTS_MAX)
        err = thsi_send_signal(ctx, &signal);
    if (err != THS_OK)
        thsi_event_over(ctx);
    if (err != THS_OK && err != THS_GONE)
        thsi_count_dead_letter(ctx, err, 1);
    thsi_leave(ctx);
}

void thsi_runtime_init(struct ths_node *node)
{
    node->runtime = (struct thsi_runtime){
        .node = node, .env = node->env, .exec = node->exec, .uid = node->uid, .name = node->name,
        .deliver = deliver, .set_router = set_router, .set_poller = set_poller, .nudge = nudge, .node_lost = node_lost,
        .mark = mark, .await_room = await_room, .alive = alive, .rests = rests, .event = event,
    };
}
