#include "node/quiet.h"

#include "node/timers.h"
#include "thiasos/lifecycle.h"
#include "thiasos/stop.h"

#define MS UINT64_C(1000000)

/* Never sent: the body of the timer of an exit-after. */
THS_MESSAGE(ths_exit_due, "ths.here.exit_due", 1, u8(reason))

/* ---- Silence ---------------------------------------------------------------------------- */

/* When the silence that @quiet waits for would be complete. */
static uint64_t due_ns(const struct thsi_life *life, const struct thsi_quiet *quiet)
{
    uint64_t since_ns = life->heard_ns > quiet->since_ns ? life->heard_ns : quiet->since_ns;

    return since_ns < UINT64_MAX - quiet->limit_ns ? since_ns + quiet->limit_ns : UINT64_MAX;
}

static void silence(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    struct thsi_life *life = ctx->actor->rare->life;
    struct thsi_quiet *quiet = timer == life->idle.timer ? &life->idle : &life->receive;
    const struct ths_idle idle = { .ms = quiet->limit_ns / MS };
    uint64_t now_ns = thsi_now_ns(ctx->node), due = due_ns(life, quiet);

    if (due > now_ns) {
        thsi_timer_again(ctx, timer, due);
        return;
    }
    quiet->since_ns = now_ns - due < quiet->limit_ns ? due : now_ns; /* the next one does not drift, nor catch up */
    thsi_timer_again(ctx, timer, due_ns(life, quiet)); /* before the handler, which may take it back */
    if (quiet == &life->idle)
        thsi_wish_end(ctx, THS_REASON_NORMAL, "idle");
    else
        (void)thsi_actor_call(ctx, thsi_type_intern(&ths_idle_type), &idle);
}

/* False: no memory. */
static bool set(struct ths_ctx *ctx, struct thsi_quiet *quiet)
{
    quiet->timer = thsi_timer_start(ctx, quiet->limit_ns, NULL, NULL);
    if (!quiet->timer)
        return false;
    quiet->timer->rings = silence;
    quiet->since_ns = thsi_now_ns(ctx->node);
    ctx->actor->hooks |= THSI_HOOK_QUIET;
    return true;
}

bool thsi_quiet_begin(struct ths_ctx *ctx)
{
    struct thsi_life *life = ctx->actor->rare ? ctx->actor->rare->life : NULL;

    return !life || life->idle.limit_ns == 0 || set(ctx, &life->idle);
}

void thsi_quiet_end(struct ths_ctx *ctx)
{
    struct thsi_life *life = ctx->actor->rare ? ctx->actor->rare->life : NULL;

    if (!life)
        return;
    life->idle.timer = NULL;
    life->receive = (struct thsi_quiet){ .timer = NULL };
    ctx->actor->hooks &= (uint8_t)~THSI_HOOK_QUIET;
}

void thsi_quiet_before(struct ths_ctx *ctx, struct thsi_message *message)
{
    if (message->counted || message->kind == THSI_REPLY || thsi_actor_is_heard(ctx->actor, message))
        ctx->actor->rare->life->heard_ns = thsi_now_ns(ctx->node);
}

/* ---- The API ---------------------------------------------------------------------------- */

enum ths_err ths_receive_timeout(struct ths_ctx *ctx, uint64_t ms)
{
    struct thsi_life *life;

    if (!ctx->actor || ms > UINT64_MAX / MS)
        return THS_INVALID;
    life = thsi_life_of(ctx, ctx->actor);
    if (!life)
        return THS_NOMEM;
    if (life->receive.timer)
        thsi_timer_cancel(ctx, life->receive.timer);
    life->receive = (struct thsi_quiet){ .limit_ns = ms * MS };
    if (ms == 0 || set(ctx, &life->receive))
        return THS_OK;
    life->receive.limit_ns = 0;
    return THS_NOMEM;
}

static void exit_due(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    const struct ths_exit_due *due = thsi_timer_body(timer);

    thsi_wish_end(ctx, (enum ths_reason)due->reason, "its time was up");
    thsi_timer_done(ctx, timer);
}

ths_timer_id ths_exit_after(struct ths_ctx *ctx, uint64_t ms, enum ths_reason reason)
{
    const struct ths_exit_due due = { .reason = (uint8_t)reason };
    struct thsi_timer *timer;

    if (!ctx->actor || ms > UINT64_MAX / MS ||
        (reason != THS_REASON_NORMAL && reason != THS_REASON_SHUTDOWN && reason != THS_REASON_CRASHED))
        return (ths_timer_id){ 0 };
    timer = thsi_timer_start(ctx, ms * MS, &ths_exit_due_type, &due);
    if (!timer)
        return (ths_timer_id){ 0 };
    timer->rings = exit_due;
    return (ths_timer_id){ timer->id };
}
