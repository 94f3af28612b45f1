#include "node/timers.h"

#include <stddef.h>

#include "node/send.h"

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
    thsi_pool_put(ctx->pool, timer, timer->message.size_class);
}

static void unlist(struct thsi_rare *rare, struct thsi_timer *timer)
{
    if (timer->prev)
        timer->prev->next = timer->next;
    else
        rare->timers = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
}

static void list(struct thsi_rare *rare, struct thsi_timer *timer)
{
    timer->prev = NULL;
    timer->next = rare->timers;
    if (timer->next)
        timer->next->prev = timer;
    rare->timers = timer;
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

struct thsi_timer *thsi_timer_start(struct ths_ctx *ctx, uint64_t delay_ns, uint64_t period_ns, struct ths_type *type,
                                    const void *body)
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
    timer->id = ++rare->next_id;
    timer->period_ns = period_ns;
    timer->rings = NULL;
    timer->cancelled = false;
    list(rare, timer);
    arm(ctx, timer, delay_ns < UINT64_MAX - now_ns ? now_ns + delay_ns : UINT64_MAX);
    return timer;
}

void thsi_timer_cancel(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    bool was_in = thsi_seat_cancel(timer->home, &timer->entry);

    unlist(ctx->actor->rare, timer);
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
    unlist(ctx->actor->rare, timer);
    free_timer(ctx, timer);
}

void thsi_timers_drop(struct ths_ctx *ctx)
{
    struct thsi_rare *rare = ctx->actor->rare;

    while (rare && rare->timers)
        thsi_timer_cancel(ctx, rare->timers);
}

void thsi_timers_fire(struct ths_ctx *ctx, struct thsi_timer_entry *due)
{
    while (due) {
        struct thsi_timer *timer = timer_of(due);

        due = due->next;
        thsi_post(ctx, timer->actor, &timer->message);
    }
}

/* The timer stays listed while its handler runs, which may cancel it. The next deadline is counted from the last one,
 * not from now; those that were missed altogether are left out. */
static void run_periodic(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    uint64_t deadline_ns = timer->entry.deadline_ns + timer->period_ns;
    uint64_t now_ns;

    (void)thsi_actor_call(ctx, timer->info, thsi_timer_body(timer));
    if (timer->cancelled) {
        free_timer(ctx, timer);
        return;
    }
    now_ns = thsi_now_ns(ctx->node);
    if (deadline_ns <= now_ns)
        deadline_ns += ((now_ns - deadline_ns) / timer->period_ns + 1) * timer->period_ns;
    arm(ctx, timer, deadline_ns);
}

void thsi_timer_arrived(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    struct thsi_rare *rare = ctx->actor->rare;

    if (timer->cancelled) {
        free_timer(ctx, timer);
        return;
    }
    if (timer->period_ns > 0) {
        run_periodic(ctx, timer);
        return;
    }
    if (timer->rings) {
        timer->rings(ctx, timer);
        return;
    }
    unlist(rare, timer);
    (void)thsi_actor_call(ctx, timer->info, thsi_timer_body(timer));
    free_timer(ctx, timer);
}
