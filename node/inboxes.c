#include "node/inboxes.h"

#include <string.h>

#include "node/life.h"
#include "node/node.h"
#include "node/send.h"

struct entry {
    struct { uint32_t slot, generation; } key;
    struct thsi_message *token; /* NULL: it is on its way */
    struct thsi_inbox inbox;
};

static struct thsi_inbox_shard *lock_shard(struct ths_node *node, uint32_t slot)
{
    struct thsi_inbox_shard *shard = &node->inboxes.shards[slot % THSI_INBOX_SHARDS];

    (void)pthread_mutex_lock(&shard->lock);
    return shard;
}

static void unlock_shard(struct thsi_inbox_shard *shard)
{
    (void)pthread_mutex_unlock(&shard->lock);
}

/* Under the lock; NULL: it has ended. */
static struct entry *find(const struct thsi_inbox_shard *shard, uint32_t slot, uint32_t generation)
{
    const struct entry like = { .key = { slot, generation } };

    return thsi_map_get(&shard->map, &like.key, sizeof like.key);
}

void thsi_inboxes_init(struct thsi_inboxes *inboxes)
{
    for (unsigned i = 0; i < THSI_INBOX_SHARDS; i++) {
        (void)pthread_mutex_init(&inboxes->shards[i].lock, NULL);
        inboxes->shards[i].map = (struct thsi_map){ .env = NULL }; /* empty; made at the first open */
    }
}

void thsi_inboxes_fini(struct thsi_inboxes *inboxes)
{
    for (unsigned i = 0; i < THSI_INBOX_SHARDS; i++) {
        if (inboxes->shards[i].map.env)
            thsi_map_fini(&inboxes->shards[i].map);
        (void)pthread_mutex_destroy(&inboxes->shards[i].lock);
    }
}

/* What was replaced while it kept a place. NULL: nothing. */
static void free_husk(struct ths_ctx *ctx, struct thsi_message *husk)
{
    if (husk)
        thsi_count_dead_letter(ctx, THS_DROPPED, 1);
    thsi_message_free(ctx->pool, husk);
}

/* ---- Open and close ----------------------------------------------------------------------- */

static enum ths_err new_token(struct ths_ctx *ctx, ths_ref to, struct thsi_message **out)
{
    const struct thsi_signal token = { .kind = (enum thsi_signal_kind)THSI_TOKEN, .to = to };

    return thsi_message_create(ctx->pool, &token, out);
}

enum ths_err thsi_inboxes_open(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_inbox_options *options)
{
    struct ths_env *env = ctx->node->env;
    ths_ref self = thsi_actor_ref(ctx->node, actor);
    struct entry *entry = env->memory(env, NULL, sizeof *entry);
    struct thsi_inbox_shard *shard;
    enum ths_err err;

    if (!entry)
        return THS_NOMEM;
    memset(entry, 0, sizeof *entry);
    entry->key.slot = self.slot;
    entry->key.generation = self.generation;
    err = thsi_inbox_init(&entry->inbox, env, options);
    if (err != THS_OK)
        goto fail;
    err = new_token(ctx, self, &entry->token);
    if (err != THS_OK)
        goto fail_inbox;
    shard = lock_shard(ctx->node, self.slot);
    if (!shard->map.env)
        thsi_map_init(&shard->map, env);
    err = thsi_map_put(&shard->map, &entry->key, sizeof entry->key, entry);
    unlock_shard(shard);
    if (err != THS_OK)
        goto fail_token;
    /* Relaxed, both: who is given the ref receives with it what was written here. */
    __atomic_store_n(&actor->capacity, 0, __ATOMIC_RELAXED);
    (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_INBOX, memory_order_relaxed);
    return THS_OK;

fail_token:
    thsi_message_free(ctx->pool, entry->token);
fail_inbox:
    thsi_inbox_fini(&entry->inbox);
fail:
    (void)env->memory(env, entry, 0);
    return err;
}

void thsi_inboxes_close(struct ths_ctx *ctx, struct thsi_actor *actor, ths_ref ref)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_inbox_shard *shard = lock_shard(ctx->node, ref.slot);
    struct entry *entry = find(shard, ref.slot, ref.generation);
    struct thsi_message *message, *husk;

    if (entry)
        (void)thsi_map_remove(&shard->map, &entry->key, sizeof entry->key);
    unlock_shard(shard);
    if (!entry)
        return;
    /* Nobody else finds it any more. A token that is in the mailbox is freed there, since it is for one that has ended. */
    while ((message = thsi_inbox_take(&entry->inbox, &husk)) != NULL) {
        if (message->counted) /* relaxed: only the number matters */
            (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
        free_husk(ctx, husk);
        thsi_actor_undeliverable(ctx, message, THS_GONE);
    }
    thsi_message_free(ctx->pool, entry->token);
    thsi_inbox_fini(&entry->inbox);
    (void)env->memory(env, entry, 0);
}

/* ---- In ----------------------------------------------------------------------------------- */

static bool is_draining(const struct thsi_actor *actor, uint32_t generation)
{
    return atomic_load_explicit(&actor->flags, memory_order_acquire) & THSI_FLAG_DRAINS &&
           thsi_is_draining(actor, generation);
}

/* Under the lock. `queued` of the actor counts what waits here and in its inner queue; relaxed: only the number matters.
 * But for drains: who puts a message in looks for one under the lock, and the drain comes through it later. */
static enum ths_err put(struct thsi_actor *actor, struct entry *entry, struct thsi_message *message,
                        struct thsi_message **dropped, struct thsi_message **token)
{
    uint32_t before = entry->inbox.count;
    uint32_t queued = atomic_load_explicit(&actor->queued, memory_order_relaxed);
    enum ths_err err;

    *dropped = NULL;
    *token = NULL;
    if (message->counted && is_draining(actor, message->generation))
        return THS_CLOSED;
    err = thsi_inbox_put(&entry->inbox, message, queued > before ? queued - before : 0, dropped);
    /* Unsigned, so that fewer are added as well. */
    (void)atomic_fetch_add_explicit(&actor->queued, entry->inbox.count - before, memory_order_relaxed);
    if (err == THS_OK && !thsi_inbox_is_empty(&entry->inbox)) {
        *token = entry->token;
        entry->token = NULL;
    }
    return err;
}

static void dispose(struct ths_ctx *ctx, struct thsi_actor *actor, struct thsi_message *dropped)
{
    while (dropped) {
        struct thsi_message *message = dropped;
        struct thsi_signal ask = { .kind = THSI_ASK, .from = message->from,
                                   .to = { ctx->node->uid, actor->slot, message->generation } };

        dropped = atomic_load_explicit(&message->next, memory_order_relaxed);
        thsi_count_dead_letter(ctx, THS_DROPPED, 1);
        if (message->kind == THSI_ASK) {
            ask.id = thsi_message_ask(message)->id;
            thsi_refuse(ctx, &ask, THS_FULL);
        }
        thsi_message_free(ctx->pool, message);
    }
}

enum ths_err thsi_inboxes_send(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal)
{
    struct thsi_message *message, *dropped = NULL, *token = NULL;
    struct thsi_inbox_shard *shard;
    struct entry *entry;
    enum ths_err err = thsi_message_make(ctx, signal, &message);

    if (err != THS_OK)
        return err;
    shard = lock_shard(ctx->node, signal->to.slot);
    entry = find(shard, signal->to.slot, signal->to.generation);
    err = entry ? put(actor, entry, message, &dropped, &token) : THS_GONE;
    unlock_shard(shard);
    if (err != THS_OK)
        thsi_message_free(ctx->pool, message);
    if (token)
        thsi_post(ctx, actor, token);
    dispose(ctx, actor, dropped);
    return err;
}

void thsi_inboxes_post(struct ths_ctx *ctx, struct thsi_actor *actor, struct thsi_message *message)
{
    struct thsi_inbox_shard *shard = lock_shard(ctx->node, actor->slot);
    struct entry *entry = find(shard, actor->slot, message->generation);
    struct thsi_message *dropped, *token = NULL;

    if (entry && put(actor, entry, message, &dropped, &token) == THS_OK)
        message = token;
    unlock_shard(shard);
    if (message)
        thsi_post(ctx, actor, message);
}

/* ---- Out ---------------------------------------------------------------------------------- */

static bool is_heard(const void *actor, struct thsi_message *message)
{
    return thsi_actor_is_heard(actor, message);
}

struct thsi_message *thsi_inboxes_take(struct ths_ctx *ctx, struct thsi_message *token)
{
    struct thsi_actor *actor = ctx->actor;
    bool halted = actor->phase == THSI_PHASE_HALTED;
    struct thsi_inbox_shard *shard = lock_shard(ctx->node, actor->slot);
    struct entry *entry = find(shard, actor->slot, actor->own_generation); /* there while the actor runs */
    struct thsi_message *husk = NULL;
    struct thsi_message *message = halted ? thsi_inbox_take_acting(&entry->inbox, is_heard, actor)
                                          : thsi_inbox_take(&entry->inbox, &husk);

    if (message && message->counted) /* relaxed: only the number matters */
        (void)atomic_fetch_sub_explicit(&actor->queued, 1, memory_order_relaxed);
    if (!message || thsi_inbox_is_empty(&entry->inbox)) { /* what comes next sends it again */
        entry->token = token;
        token = NULL;
    }
    unlock_shard(shard);
    if (token)
        thsi_post(ctx, actor, token);
    free_husk(ctx, husk);
    return message;
}

/* Of the bytes that it may hold. */
static double share_left(const struct thsi_inbox *inbox)
{
    return inbox->bytes < inbox->bytes_max ? 1.0 - (double)inbox->bytes / (double)inbox->bytes_max : 0.0;
}

struct thsi_room thsi_inboxes_room(struct ths_node *node, struct thsi_actor *actor, ths_ref ref)
{
    struct thsi_inbox_shard *shard = lock_shard(node, ref.slot);
    const struct entry *entry = find(shard, ref.slot, ref.generation);
    struct thsi_room room = { 0 };

    if (entry) {
        uint32_t queued = atomic_load_explicit(&actor->queued, memory_order_seq_cst);
        const struct thsi_inbox *inbox = &entry->inbox;

        room.capacity = inbox->capacity;
        room.places = queued < room.capacity ? room.capacity - queued : 0;
        if (inbox->bytes_max > 0 && share_left(inbox) * room.capacity < room.places)
            room.places = (uint32_t)(share_left(inbox) * room.capacity);
    }
    unlock_shard(shard);
    return room;
}

uint64_t thsi_inboxes_bytes(struct ths_node *node, ths_ref ref)
{
    struct thsi_inbox_shard *shard = lock_shard(node, ref.slot);
    const struct entry *entry = find(shard, ref.slot, ref.generation);
    uint64_t bytes = entry ? entry->inbox.bytes : 0;

    unlock_shard(shard);
    return bytes;
}
