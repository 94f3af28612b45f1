#include "node/room.h"

#include "node/inboxes.h"
#include "node/send.h"

/* Of the actor @ref, whose place is @actor. */
static struct thsi_room room_of(struct ths_node *node, struct thsi_actor *actor, ths_ref ref)
{
    struct thsi_room room = { .capacity = __atomic_load_n(&actor->capacity, __ATOMIC_RELAXED) };
    uint32_t queued = atomic_load_explicit(&actor->queued, memory_order_seq_cst);

    if (atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_INBOX)
        return thsi_inboxes_room(node, actor, ref);
    room.places = queued < room.capacity ? room.capacity - queued : 0;
    return room;
}

static bool is_enough(const struct thsi_room *room)
{
    return room->places > 0 && room->places >= room->capacity - room->places;
}

enum ths_err thsi_room_await(struct ths_node *node, ths_ref whom, struct thsi_room *room)
{
    enum ths_err err = THS_GONE;
    struct thsi_actor *actor = thsi_actor_find(node, whom, &err);

    *room = (struct thsi_room){ 0 };
    if (!actor)
        return err;
    /* First the flag, then the places: see actor.c. Set on a successor, it makes that one say what nobody waits for. */
    (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_PRESSED, memory_order_seq_cst);
    *room = room_of(node, actor, whom);
    if (!is_enough(room))
        room->places = 0;
    else
        (void)atomic_fetch_and_explicit(&actor->flags, ~(uint32_t)THSI_FLAG_PRESSED, memory_order_relaxed);
    return thsi_actor_find(node, whom, &err) ? THS_OK : err; /* an end clears the flags: who came too late sees it here */
}

void thsi_room_made(struct ths_ctx *ctx)
{
    ths_ref self = thsi_actor_ref(ctx->node, ctx->actor);
    const struct thsi_room room = room_of(ctx->node, ctx->actor, self);
    struct thsi_router *router;

    if (!is_enough(&room))
        return;
    (void)atomic_fetch_and_explicit(&ctx->actor->flags, ~(uint32_t)THSI_FLAG_PRESSED, memory_order_relaxed);
    router = thsi_router_begin(ctx);
    if (router && router->has_room)
        router->has_room(router, self);
    thsi_router_end(ctx);
}
