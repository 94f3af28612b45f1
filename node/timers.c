#include "node/timers.h"

#include <stddef.h>

#include "node/send.h"
#include "thiasos/timer.h"

#define MS UINT64_C(1000000)
#define WALL_LOOK_MS UINT64_C(1000) /* a wall clock that was set is noticed after this time at the latest */

static size_t body_offset(void)
{
    return (sizeof(struct thsi_timer) + 7) & ~(size_t)7;
}

void *thsi_timer_body(struct thsi_timer *timer)
{
    return (char *)timer + body_offset();
}

static struct thsi_timer *timer_of(struct thsi_timer_entry *entry)
{
    return (struct thsi_timer *)(void *)((char *)entry - offsetof(struct thsi_timer, entry));
}

static void free_timer(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    if (timer->info && timer->info->has_blobs)
        thsi_message_release(timer->info, thsi_timer_body(timer));
    thsi_pool_put(ctx->pool, timer, timer->message.size_class);
}

static void unlist(struct ths_ctx *ctx, const struct thsi_timer *timer)
{
    thsi_timer_set_remove(&ctx->actor->rare->timers, timer->id);
}

static void arm(struct ths_ctx *ctx, struct thsi_timer *timer, uint64_t deadline_ns)
{
    timer->home = thsi_seat_of(ctx->worker);
    thsi_seat_add(ctx, &timer->entry, deadline_ns);
}

static struct thsi_timer *make(struct ths_ctx *ctx, const struct thsi_type_info *info, const void *body)
{
    size_t size = 0;
    struct thsi_timer *timer;

    if (info && thsi_message_measure(info, body, &size) != THS_OK)
        return NULL;
    timer = thsi_pool_get(ctx->pool, body_offset() + size);
    if (!timer)
        return NULL;
    timer->message.type = NULL;
    timer->message.kind = THSI_TIMER;
    timer->message.body_at = 0;
    timer->message.counted = 0;
    timer->message.generation = ctx->actor->own_generation;
    timer->message.from = THS_NOBODY;
    timer->entry = (struct thsi_timer_entry){ .next = NULL };
    timer->info = info;
    if (info)
        thsi_message_copy(info, thsi_timer_body(timer), body);
    return timer;
}

struct thsi_timer *thsi_timer_start(struct ths_ctx *ctx, uint64_t delay_ns, struct ths_type *type, const void *body)
{
    const struct thsi_type_info *info = type ? thsi_type_intern(type) : NULL;
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);
    uint64_t now_ns = thsi_now_ns(ctx->node);
    struct thsi_timer *timer;

    if (!rare || (type && !info))
        return NULL;
    timer = make(ctx, info, body);
    if (!timer)
        return NULL;
    timer->actor = ctx->actor;
    timer->rings = NULL;
    timer->cancelled = false;
    timer->id = thsi_timer_set_put(&rare->timers, ctx->node->env, timer);
    if (timer->id == 0) {
        free_timer(ctx, timer);
        return NULL;
    }
    arm(ctx, timer, delay_ns < UINT64_MAX - now_ns ? now_ns + delay_ns : UINT64_MAX);
    return timer;
}

void thsi_timer_cancel(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    bool was_in = thsi_seat_cancel(timer->home, &timer->entry);

    unlist(ctx, timer);
    if (was_in)
        free_timer(ctx, timer);
    else
        timer->cancelled = true; /* it is on its way, and comes to thsi_timer_arrived */
}

void thsi_timer_hasten(struct ths_ctx *ctx, struct thsi_timer *timer, uint64_t deadline_ns)
{
    if (thsi_seat_cancel(timer->home, &timer->entry))
        thsi_timer_again(ctx, timer, deadline_ns);
}

void thsi_timer_again(struct ths_ctx *ctx, struct thsi_timer *timer, uint64_t deadline_ns)
{
    arm(ctx, timer, deadline_ns);
}

void thsi_timer_done(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    unlist(ctx, timer);
    free_timer(ctx, timer);
}

void thsi_timers_drop(struct ths_ctx *ctx)
{
    struct thsi_rare *rare = ctx->actor->rare;
    struct thsi_timer *timer;
    uint32_t from = 0;

    while (rare && (timer = thsi_timer_set_next(&rare->timers, &from)) != NULL)
        thsi_timer_cancel(ctx, timer);
}

void thsi_timers_fire(struct ths_ctx *ctx, struct thsi_timer_entry *due)
{
    while (due) {
        struct thsi_timer *timer = timer_of(due);

        due = due->next;
        thsi_post(ctx, timer->actor, &timer->message);
    }
}

void thsi_timer_arrived(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    if (timer->cancelled) {
        free_timer(ctx, timer);
        return;
    }
    if (timer->rings) {
        timer->rings(ctx, timer);
        return;
    }
    unlist(ctx, timer);
    (void)thsi_actor_call(ctx, timer->info, thsi_timer_body(timer));
    free_timer(ctx, timer);
}

/* ---- Kinds of timers -------------------------------------------------------------------- */

/* It stays in the set while its handler runs, which may cancel it. Whether it lives on. */
static bool call_and_keep(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    (void)thsi_actor_call(ctx, timer->info, thsi_timer_body(timer));
    if (!timer->cancelled)
        return true;
    free_timer(ctx, timer);
    return false;
}

/* The next deadline is counted from the last one, not from now; those that were missed altogether are left out. */
static void ring_every(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    uint64_t deadline_ns = timer->entry.deadline_ns + timer->period_ns;
    uint64_t now_ns;

    if (!call_and_keep(ctx, timer))
        return;
    now_ns = thsi_now_ns(ctx->node);
    if (deadline_ns <= now_ns)
        deadline_ns += ((now_ns - deadline_ns) / timer->period_ns + 1) * timer->period_ns;
    thsi_timer_again(ctx, timer, deadline_ns);
}

static void ring_repeat(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    if (call_and_keep(ctx, timer))
        thsi_timer_again(ctx, timer, thsi_now_ns(ctx->node) + timer->period_ns);
}

uint64_t thsi_timer_wall_wait_ns(uint64_t until_ms, uint64_t wall_ms)
{
    uint64_t wait_ms = until_ms > wall_ms ? until_ms - wall_ms : 0;

    return (wait_ms < WALL_LOOK_MS ? wait_ms : WALL_LOOK_MS) * MS;
}

static void ring_at_wall(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    uint64_t wait_ns = thsi_timer_wall_wait_ns(timer->wall_ms, ctx->node->env->wall_ms(ctx->node->env));

    if (wait_ns > 0) {
        thsi_timer_again(ctx, timer, thsi_now_ns(ctx->node) + wait_ns);
        return;
    }
    unlist(ctx, timer);
    (void)thsi_actor_call(ctx, timer->info, thsi_timer_body(timer));
    free_timer(ctx, timer);
}

/* ---- The API ---------------------------------------------------------------------------- */

ths_timer_id thsp_timer(struct ths_ctx *ctx, enum thsp_timer_kind kind, uint64_t ms, struct ths_type *type, const void *body)
{
    const bool repeats = kind == THSP_EVERY || kind == THSP_REPEAT;
    struct thsi_timer *timer;
    uint64_t delay_ns;

    if (!ctx->actor || (repeats && ms == 0) || (kind != THSP_AT_WALL && ms > UINT64_MAX / MS))
        return (ths_timer_id){ 0 };
    delay_ns = kind == THSP_AT_WALL ? thsi_timer_wall_wait_ns(ms, ths_wall_ms(ctx)) : ms * MS;
    timer = thsi_timer_start(ctx, delay_ns, type, body);
    if (!timer)
        return (ths_timer_id){ 0 };
    timer->period_ns = ms * MS;
    timer->wall_ms = ms;
    timer->rings = kind == THSP_EVERY ? ring_every : kind == THSP_REPEAT ? ring_repeat : kind == THSP_AT_WALL ? ring_at_wall : NULL;
    return (ths_timer_id){ timer->id };
}

void ths_cancel(struct ths_ctx *ctx, ths_timer_id id)
{
    struct thsi_rare *rare = ctx->actor ? ctx->actor->rare : NULL;
    struct thsi_timer *timer = rare ? thsi_timer_set_at(&rare->timers, id.value) : NULL;

    if (timer && timer->id == id.value)
        thsi_timer_cancel(ctx, timer);
}

uint64_t ths_wall_ms(struct ths_ctx *ctx)
{
    return ctx->node->env->wall_ms(ctx->node->env);
}
