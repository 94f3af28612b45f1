/* Stops and drains: the orders, and what the actor does when they come.
 *
 * A deadline is kept by a small actor beside the one that is to stop: it watches it, and kills it for good when the time is up.
 * So a deadline holds also while the STOP waits behind a long queue. The STOP brings its guard along, and an actor that has
 * taken one and lives on keeps the guard that is due first: however often it is asked, one waits.
 *
 * A draining actor has a bit in its flags, which senders test after they took a place in the mailbox, and another among its
 * orders, with its generation: so a flag that was set too late, when another actor lived in the slot already, refuses
 * nothing. The DRAIN in the mailbox goes to its end again and again until no place is taken. Sender: takes its place, then
 * looks at the bit. Consumer: sees the DRAIN, before which the bit was set, then looks at the places. All four are
 * sequentially consistent, so one of the two sees the other: what was accepted is handled. Requests that are taken and not
 * answered are waited for too: the DRAIN is then kept aside, and comes back with everything that may answer them. */

#include <stdio.h>
#include <string.h>

#include "node/life.h"
#include "node/requests.h"
#include "node/send.h"
#include "node/timers.h"
#include "thiasos/lifecycle.h"
#include "thiasos/stop.h"

/* Added to what a turn has spent, so that it ends. */
enum { WHOLE_TURN = 1 << 20 };

/* ---- The deadline ----------------------------------------------------------------------- */

THS_MESSAGE(ths_guard_start, "ths.here.guard_start", 1, ref(whom), u64(deadline_ns))
THS_MESSAGE(ths_guard_due, "ths.here.guard_due", 1)
THS_MESSAGE(ths_guarded, "ths.here.guarded", 1, ref(guard), u64(deadline_ns)) /* what a STOP brings along */

struct ths_guard {
    ths_ref whom;
};

static uint64_t ms_until(struct ths_ctx *ctx, uint64_t deadline_ns)
{
    uint64_t now_ns = thsi_now_ns(ctx->node);

    return deadline_ns > now_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
}

static void kill(struct ths_ctx *ctx, ths_ref whom, uint32_t bits)
{
    const struct thsi_signal order = { .kind = THSI_KILL, .to = whom, .child = bits };

    if (!ths_ref_is_nobody(whom))
        (void)thsi_send_signal(ctx, &order);
}

/* Without memory to wait, the time is up now: it was to end by then, and somebody may rely on that. */
THS_ON(ths_guard, ths_guard_start)
{
    self->whom = msg->whom;
    if (ths_monitor(ctx, msg->whom).value != 0 &&
        ths_after(ctx, ms_until(ctx, msg->deadline_ns), ths_guard_due).value != 0)
        return;
    kill(ctx, self->whom, THSI_ORDER_FOR_GOOD);
    ths_stop(ctx);
}

THS_ON(ths_guard, ths_guard_due)
{
    kill(ctx, self->whom, THSI_ORDER_FOR_GOOD);
    ths_stop(ctx);
}

THS_ON(ths_guard, ths_down)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(ths_guard, ths_guard_start, ths_guard_due, ths_down)

enum ths_err thsi_stop_deliver(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal)
{
    const struct ths_spawn_options options = {
        .start = THS_MSG(ths_guard_start, .whom = signal->to, .deadline_ns = signal->deadline_ns),
    };
    struct ths_guarded guarded = { .deadline_ns = signal->deadline_ns };
    struct thsi_signal stop = *signal;
    enum ths_err err = THS_OK;

    if (signal->deadline_ns != UINT64_MAX)
        err = thsi_spawn_entered(ctx, &ths_guard_behaviour, &options, &guarded.guard);
    if (err == THS_OK && signal->deadline_ns != UINT64_MAX) {
        stop.type = &ths_guarded_type;
        stop.body = &guarded;
    }
    if (err == THS_OK || err == THS_CLOSED) /* closed: the node stops, and that has a deadline of its own */
        err = thsi_deliver(ctx, actor, &stop);
    if (err != THS_OK)
        kill(ctx, guarded.guard, 0);
    return err;
}

/* The actor lives on, for now: of this guard and the one that it has, keep the one that is due first. Without memory both. */
static void keep_guard(struct ths_ctx *ctx, const struct ths_guarded *guarded)
{
    struct thsi_life *life = thsi_life_of(ctx, ctx->actor);
    ths_ref needless = guarded->guard;

    if (!life)
        return;
    if (ths_ref_is_nobody(life->guard) || guarded->deadline_ns < life->guard_ns) {
        needless = life->guard;
        life->guard = guarded->guard;
        life->guard_ns = guarded->deadline_ns;
    }
    kill(ctx, needless, 0);
}

/* ---- Stopping --------------------------------------------------------------------------- */

static void answer(struct ths_ctx *ctx, ths_ref to, uint64_t id, enum ths_err err)
{
    const struct thsi_signal reply = { .kind = THSI_REPLY, .from = ths_self(ctx), .to = to, .id = id, .err = err };

    if (id != 0)
        (void)thsi_send_signal(ctx, &reply);
}

static void drop_asker(struct ths_ctx *ctx, struct thsi_stop_asker **at)
{
    struct thsi_stop_asker *asker = *at;

    *at = asker->next;
    (void)ctx->node->env->memory(ctx->node->env, asker, 0);
}

/* Of another node it is not known. */
static bool has_given_up(struct ths_ctx *ctx, const struct thsi_stop_asker *asker)
{
    return asker->from.node == ctx->node->uid && !thsi_ask_find(&ctx->node->asks, asker->id);
}

/* Drop those that do not wait any more. Returns where the next one goes. */
static struct thsi_stop_asker **sift_askers(struct ths_ctx *ctx, struct thsi_life *life, unsigned *count)
{
    struct thsi_stop_asker **at = &life->askers;

    *count = 0;
    while (*at) {
        if (has_given_up(ctx, *at)) {
            drop_asker(ctx, at);
            continue;
        }
        ++*count;
        at = &(*at)->next;
    }
    return at;
}

/* Note who is to hear of the end. When there are too many, the oldest waits in vain: a stop by force is never refused for it. */
static enum ths_err note_asker(struct ths_ctx *ctx, ths_ref from, uint64_t id)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_life *life = thsi_life_of(ctx, ctx->actor);
    struct thsi_stop_asker **at, *asker;
    unsigned count;

    if (!life)
        return THS_NOMEM;
    (void)sift_askers(ctx, life, &count);
    if (count == THSI_STOP_ASKERS_MAX) {
        answer(ctx, life->askers->from, life->askers->id, THS_TOO_MANY);
        drop_asker(ctx, &life->askers);
    }
    at = sift_askers(ctx, life, &count);
    asker = env->memory(env, NULL, sizeof *asker);
    if (!asker)
        return THS_NOMEM;
    *asker = (struct thsi_stop_asker){ .from = from, .id = id };
    *at = asker;
    return THS_OK;
}

/* The last one noted wants to know no more. */
static void forget_asker(struct ths_ctx *ctx)
{
    struct thsi_stop_asker **at = &ctx->actor->rare->life->askers;

    while ((*at)->next)
        at = &(*at)->next;
    drop_asker(ctx, at);
}

/* Ask the stopping handler, if the actor has one. Its end will not call it again. */
static bool is_vetoed(struct ths_ctx *ctx, const char *text)
{
    struct thsi_actor *actor = ctx->actor;
    const struct ths_stopping stopping = { .reason = THS_REASON_SHUTDOWN, .text = text };
    bool vetoed;

    if (!actor->dispatch->stopping)
        return false;
    ctx->veto = THSI_VETO_OPEN;
    actor->dispatch->stopping(ctx, actor->state, &stopping);
    vetoed = ctx->veto == THSI_VETO_CAST;
    ctx->veto = vetoed ? THSI_VETO_NONE : THSI_VETO_ASKED;
    return vetoed;
}

void thsi_stop_came(struct ths_ctx *ctx, struct thsi_message *message, const struct thsi_control *control)
{
    const struct ths_guarded *guarded = message->type ? thsi_message_body(message) : NULL;
    struct thsi_actor *actor = ctx->actor;
    bool force = control->child & THSI_STOP_FORCE;
    enum ths_err err = control->id != 0 ? note_asker(ctx, message->from, control->id) : THS_OK;

    if (err != THS_OK) {
        answer(ctx, message->from, control->id, err);
        kill(ctx, guarded ? guarded->guard : THS_NOBODY, 0); /* nothing was asked */
        return;
    }
    if (actor->phase == THSI_PHASE_RUNNING && actor->trap_exits && !force) {
        const struct ths_exited exited = { .who = message->from, .reason = THS_REASON_SHUTDOWN, .text = control->text };

        (void)thsi_actor_call(ctx, thsi_type_intern(&ths_exited_type), &exited);
    } else if (actor->phase == THSI_PHASE_RUNNING && !force && is_vetoed(ctx, control->text)) {
        if (control->id != 0)
            forget_asker(ctx);
        answer(ctx, message->from, control->id, THS_REFUSED);
    } else {
        thsi_actor_end(ctx, THS_REASON_SHUTDOWN, control->text, true);
        return;
    }
    if (guarded)
        keep_guard(ctx, guarded);
}

enum ths_err ths_veto(struct ths_ctx *ctx)
{
    if (!ctx->actor || ctx->veto == THSI_VETO_NONE || ctx->veto == THSI_VETO_ASKED)
        return THS_REFUSED;
    ctx->veto = THSI_VETO_CAST;
    return THS_OK;
}

/* ---- Draining --------------------------------------------------------------------------- */

bool thsi_is_draining(const struct thsi_actor *actor, uint32_t generation)
{
    return thsi_orders_has(&actor->orders, generation, THSI_ORDER_DRAIN);
}

void thsi_drain_mark(struct thsi_actor *actor, uint32_t generation)
{
    thsi_orders_add(&actor->orders, generation, THSI_ORDER_DRAIN);
    (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_DRAINS, memory_order_seq_cst);
}

/* Keep @message until something happens that may answer a request, or none is waited for any more. False: no memory. */
static bool keep(struct ths_ctx *ctx, struct thsi_message *message, uint64_t until_ns)
{
    struct thsi_life *life = thsi_life_of(ctx, ctx->actor);
    uint64_t now_ns = thsi_now_ns(ctx->node);

    if (!life)
        return false;
    if (until_ns != UINT64_MAX) {
        life->drain_timer = thsi_timer_start(ctx, until_ns > now_ns ? until_ns - now_ns : 0, NULL, NULL);
        if (!life->drain_timer)
            return false;
    }
    life->drain = message;
    ctx->actor->hooks |= THSI_HOOK_DRAINS;
    return true;
}

void thsi_drain_again(struct ths_ctx *ctx)
{
    struct thsi_life *life = ctx->actor->rare->life;

    if (life->drain_timer)
        thsi_timer_cancel(ctx, life->drain_timer); /* also when it is the one that has just arrived */
    life->drain_timer = NULL;
    ctx->actor->hooks &= (uint8_t)~THSI_HOOK_DRAINS;
    thsi_post(ctx, ctx->actor, life->drain);
    life->drain = NULL;
}

void thsi_drain_came(struct ths_ctx *ctx, struct thsi_message *message)
{
    struct thsi_actor *actor = ctx->actor;
    uint64_t until_ns;

    if (actor->hooks & THSI_HOOK_DRAINS) { /* one is enough */
        thsi_message_free(ctx->pool, message);
        return;
    }
    if (atomic_load_explicit(&actor->queued, memory_order_seq_cst) != 0) {
        thsi_post_signal(ctx, actor, message);
        ctx->sent += WHOLE_TURN; /* places are given back at the end of a turn; who takes one may have been interrupted */
        return;
    }
    until_ns = thsi_requests_until(ctx);
    if (until_ns > 0 && keep(ctx, message, until_ns))
        return;
    thsi_message_free(ctx->pool, message);
    thsi_actor_end(ctx, THS_REASON_NORMAL, "drained", true);
}

/* ---- The API ---------------------------------------------------------------------------- */

/* @text has THS_REASON_TEXT_SIZE bytes, for as long as the signal. */
static struct thsi_signal stop_signal(struct ths_ctx *ctx, ths_ref whom, const struct ths_stop_options *options, char *text)
{
    (void)snprintf(text, THS_REASON_TEXT_SIZE, "%s", options->text ? options->text : "");
    return (struct thsi_signal){
        .kind = THSI_STOP, .from = ctx->actor ? ths_self(ctx) : THS_NOBODY, .to = whom, .text = text,
        .reason = THS_REASON_SHUTDOWN, .child = options->force ? THSI_STOP_FORCE : 0,
        .deadline_ns = options->deadline_ms
                           ? thsi_now_ns(ctx->node) + (uint64_t)options->deadline_ms * 1000000u
                           : UINT64_MAX,
    };
}

enum ths_err thsp_stop_actor(struct ths_ctx *ctx, ths_ref whom, const struct ths_stop_options *options)
{
    char text[THS_REASON_TEXT_SIZE];
    struct thsi_signal stop;
    enum ths_err err;

    thsi_enter(ctx);
    stop = stop_signal(ctx, whom, options, text);
    err = thsi_send_signal(ctx, &stop);
    thsi_leave(ctx);
    return err;
}

void thsp_stop_then(struct ths_ctx *ctx, ths_ref whom, const struct ths_reply_to *reply_to, unsigned timeout_ms,
                    const struct ths_stop_options *options)
{
    char text[THS_REASON_TEXT_SIZE];
    struct thsi_signal stop = stop_signal(ctx, whom, options, text);

    thsi_ask_signal(ctx, &stop, reply_to, timeout_ms);
}

enum ths_err thsp_drain(struct ths_ctx *ctx, ths_ref whom)
{
    const struct thsi_signal drain = { .kind = THSI_DRAIN, .from = ctx->actor ? ths_self(ctx) : THS_NOBODY, .to = whom };
    enum ths_err err;

    thsi_enter(ctx);
    err = thsi_send_signal(ctx, &drain);
    thsi_leave(ctx);
    return err;
}
