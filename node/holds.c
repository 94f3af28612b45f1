#include "node/holds.h"

#include "node/life.h"
#include "node/send.h"
#include "thiasos/stop.h"

struct thsi_hold {
    struct { uint32_t slot, generation; } key;
    uint32_t count; /* 0: the last was released, and it is asked to stop */
};

void thsi_holds_init(struct thsi_holds *holds, struct ths_env *env)
{
    (void)pthread_mutex_init(&holds->lock, NULL);
    thsi_map_init(&holds->map, env);
}

void thsi_holds_fini(struct thsi_holds *holds)
{
    const struct thsi_map_entry *entry;
    size_t at = 0;

    while ((entry = thsi_map_next(&holds->map, &at)) != NULL)
        (void)holds->map.env->memory(holds->map.env, entry->value, 0);
    thsi_map_fini(&holds->map);
    (void)pthread_mutex_destroy(&holds->lock);
}

enum ths_err thsi_holds_put(struct thsi_holds *holds, ths_ref ref)
{
    struct ths_env *env = holds->map.env;
    struct thsi_hold *hold = env->memory(env, NULL, sizeof *hold);
    enum ths_err err;

    if (!hold)
        return THS_NOMEM;
    *hold = (struct thsi_hold){ .key = { ref.slot, ref.generation }, .count = 1 };
    (void)pthread_mutex_lock(&holds->lock);
    err = thsi_map_put(&holds->map, &hold->key, sizeof hold->key, hold);
    (void)pthread_mutex_unlock(&holds->lock);
    if (err != THS_OK)
        (void)env->memory(env, hold, 0);
    return err;
}

/* Under the lock. */
static struct thsi_hold *find(const struct thsi_holds *holds, ths_ref ref)
{
    const struct thsi_hold like = { .key = { ref.slot, ref.generation } };

    return thsi_map_get(&holds->map, &like.key, sizeof like.key);
}

void thsi_holds_remove(struct thsi_holds *holds, ths_ref ref)
{
    struct ths_env *env = holds->map.env;
    struct thsi_hold *hold;

    (void)pthread_mutex_lock(&holds->lock);
    hold = find(holds, ref);
    if (hold)
        (void)thsi_map_remove(&holds->map, &hold->key, sizeof hold->key);
    (void)pthread_mutex_unlock(&holds->lock);
    if (hold)
        (void)env->memory(env, hold, 0);
}

enum ths_err thsi_holds_add(struct thsi_holds *holds, ths_ref ref)
{
    enum ths_err err = THS_OK;
    struct thsi_hold *hold;

    (void)pthread_mutex_lock(&holds->lock);
    hold = find(holds, ref);
    if (!hold)
        err = THS_INVALID;
    else if (hold->count == 0)
        err = THS_CLOSED;
    else if (hold->count == UINT32_MAX)
        err = THS_TOO_MANY;
    else
        hold->count++;
    (void)pthread_mutex_unlock(&holds->lock);
    return err;
}

enum ths_err thsi_holds_take(struct thsi_holds *holds, ths_ref ref, bool *last)
{
    enum ths_err err = THS_INVALID;
    struct thsi_hold *hold;

    (void)pthread_mutex_lock(&holds->lock);
    hold = find(holds, ref);
    if (hold && hold->count > 0) {
        hold->count--;
        *last = hold->count == 0;
        err = THS_OK;
    }
    (void)pthread_mutex_unlock(&holds->lock);
    return err;
}

void thsi_holds_restore(struct thsi_holds *holds, ths_ref ref)
{
    struct thsi_hold *hold;

    (void)pthread_mutex_lock(&holds->lock);
    hold = find(holds, ref);
    if (hold)
        hold->count = 1;
    (void)pthread_mutex_unlock(&holds->lock);
}

/* ---- Given back --------------------------------------------------------------------------- */

static const char unheld[] = "nobody holds it";

enum ths_err thsi_holds_release(struct ths_ctx *ctx, ths_ref by, ths_ref whom)
{
    const struct thsi_signal stop = { .kind = THSI_STOP, .from = by, .to = whom, .text = unheld,
                                      .reason = THS_REASON_SHUTDOWN, .deadline_ns = UINT64_MAX };
    bool last = false;
    enum ths_err err = thsi_holds_take(&ctx->node->holds, whom, &last);

    if (err == THS_OK && last)
        err = thsi_send_signal(ctx, &stop);
    if (last && err == THS_NOMEM)
        thsi_holds_restore(&ctx->node->holds, whom);
    return err;
}

/* ---- The API ---------------------------------------------------------------------------- */

enum ths_err thsp_hold(struct ths_ctx *ctx, ths_ref ref)
{
    enum ths_err err = THS_GONE;

    if (ths_ref_is_nobody(ref))
        return THS_GONE;
    if (ref.node != ctx->node->uid)
        return THS_UNSUPPORTED;
    return thsi_actor_find(ctx->node, ref, &err) ? thsi_holds_add(&ctx->node->holds, ref) : err;
}

/* One signal for actors here and elsewhere; what it comes to is in deliver_order (send.c). */
enum ths_err thsp_release(struct ths_ctx *ctx, ths_ref ref)
{
    struct thsi_signal release = { .kind = THSI_STOP, .to = ref, .text = unheld, .reason = THS_REASON_SHUTDOWN,
                                   .child = THSI_STOP_RELEASE, .deadline_ns = UINT64_MAX };
    enum ths_err err;

    thsi_enter(ctx);
    release.from = ctx->actor ? thsi_actor_ref(ctx->node, ctx->actor) : THS_NOBODY;
    err = thsi_send_signal(ctx, &release);
    thsi_leave(ctx);
    return err;
}
