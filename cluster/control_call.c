/* The call's word goes from PENDING to DONE (by the actor) or CANCELLED, once: who wins the exchange has decided. */

#include "cluster/control_call.h"

#include "node/base/message_table.h"
#include "thiasos/lifecycle.h"

#define GRACE_MS 1000u /* for the way there and back, beyond the ask's own deadline */

enum { PENDING, DONE, CANCELLED };

struct thsi_control_call {
    struct ths_env *env;
    struct thsi_exec *exec;
    uint64_t deadline_ns;
    _Atomic uint32_t refs; /* the thread, the actor */
    _Atomic uint32_t word;
    enum ths_err err;      /* written before DONE, read after */
    void *block;           /* the answer's copy, or NULL */
};

/* Says which call the actor is for. A number, since messages carry no pointers; only the start message is believed,
 * and that comes from this process, because the behaviour is registered under no name. */
THS_MESSAGE(control_call_start, "ths.control.call_start", 1, u64(call), ref(types), u32(timeout_ms), ref(to),
            string(type), u32(version), u64(fingerprint), bytes(body, .max = THSI_BODY_MAX))
THS_MESSAGE(control_call_late, "ths.control.call_late", 1)

void thsi_control_call_drop(struct thsi_control_call *call)
{
    struct ths_env *env = call->env;

    /* Acquire and release: the last one sees what the other wrote. */
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return;
    call->block = env->memory(env, call->block, 0);
    (void)env->memory(env, call, 0);
}

static void settle(struct thsi_control_call *call, uint32_t to)
{
    uint32_t pending = PENDING;

    /* Release: publishes err and block to the waiting thread. */
    if (atomic_compare_exchange_strong_explicit(&call->word, &pending, to, memory_order_release, memory_order_relaxed))
        call->exec->wake(call->exec, &call->word);
}

void thsi_control_call_cancel(struct thsi_control_call *call)
{
    settle(call, CANCELLED);
}

/* ---- The actor ----------------------------------------------------------------------------- */

struct ths_control_caller {
    struct thsi_control_call *call; /* holds one of its refs */
    bool settled;
};

/* Hand the result over; the first one counts. */
static void put(struct ths_control_caller *self, enum ths_err err, const struct ths_relayed *answer)
{
    struct thsi_control_call *call = self->call;
    const struct thsi_type_info *info = thsi_type_intern(&ths_relayed_type);
    size_t size;

    if (self->settled)
        return;
    self->settled = true;
    if (err == THS_OK)
        err = info ? thsi_message_measure(info, answer, &size) : THS_NOMEM;
    if (err == THS_OK && answer) {
        call->block = call->env->memory(call->env, NULL, size);
        if (call->block)
            thsi_message_copy(info, call->block, answer);
        else
            err = THS_NOMEM;
    }
    call->err = err;
    settle(call, DONE);
}

static void finish(struct ths_ctx *ctx, struct ths_control_caller *self, enum ths_err err,
                   const struct ths_relayed *answer)
{
    if (!self->call)
        return;
    put(self, err, answer);
    ths_stop(ctx);
}

THS_ON(ths_control_caller, control_call_start)
{
    enum ths_err err;

    if (self->call)
        return;
    self->call = (struct thsi_control_call *)(uintptr_t)msg->call;
    if (ths_monitor(ctx, msg->types).value == 0 ||
        ths_after(ctx, msg->timeout_ms + GRACE_MS, control_call_late).value == 0) {
        finish(ctx, self, THS_NOMEM, NULL);
        return;
    }
    err = ths_try_tell(ctx, msg->types, ths_relay, .to = msg->to, .type = msg->type, .version = msg->version,
                       .fingerprint = msg->fingerprint, .body = msg->body, .timeout_ms = msg->timeout_ms,
                       .answer_to = ths_self(ctx));
    if (err != THS_OK)
        finish(ctx, self, err, NULL);
}

THS_ON(ths_control_caller, ths_relayed)
{
    finish(ctx, self, (enum ths_err)msg->err, msg);
}

THS_ON(ths_control_caller, ths_undelivered)
{
    finish(ctx, self, (enum ths_err)msg->err, NULL);
}

THS_ON(ths_control_caller, ths_down)
{
    if (msg->reason == THS_REASON_REFUSED)
        return; /* it may live, and not be watched: its answer says more, or that it got no request, or the time is over */
    finish(ctx, self, msg->reason == THS_REASON_NODE_LOST ? THS_NODE_LOST : THS_GONE, NULL);
}

THS_ON(ths_control_caller, control_call_late)
{
    finish(ctx, self, THS_TIMEOUT, NULL);
}

THS_ON(ths_control_caller, ths_stopping)
{
    if (!self->call)
        return;
    put(self, THS_CLOSED, NULL);
    thsi_control_call_drop(self->call);
}

THS_BEHAVIOUR(ths_control_caller, control_call_start, ths_relayed, ths_undelivered, ths_down, control_call_late, ths_stopping)

/* ---- The thread ------------------------------------------------------------------------------ */

enum ths_err thsi_control_call_start(struct ths_node *node, ths_ref types, const struct ths_relay *relay,
                                     struct thsi_control_call **out)
{
    struct thsi_runtime *runtime = ths_node_runtime(node);
    struct ths_env *env = runtime->env;
    struct thsi_control_call *call = env->memory(env, NULL, sizeof *call);
    struct ths_message start;
    enum ths_err err;
    ths_ref ref;

    *out = NULL;
    if (!call)
        return THS_NOMEM;
    *call = (struct thsi_control_call){
        .env = env,
        .exec = runtime->exec,
        .deadline_ns = env->now_ns(env) + (uint64_t)(relay->timeout_ms + 2 * GRACE_MS) * 1000000,
    };
    atomic_init(&call->refs, 2);
    atomic_init(&call->word, PENDING);
    start = THS_MSG(control_call_start, .call = (uint64_t)(uintptr_t)call, .types = types,
                    .timeout_ms = relay->timeout_ms, .to = relay->to, .type = relay->type, .version = relay->version,
                    .fingerprint = relay->fingerprint, .body = relay->body);
    err = ths_try_spawn(node, &ref, ths_control_caller, .start = start);
    if (err != THS_OK) {
        (void)env->memory(env, call, 0);
        return err;
    }
    *out = call;
    return THS_OK;
}

enum ths_err thsi_control_call_wait(struct thsi_control_call *call, const struct ths_relayed **answer)
{
    struct ths_env *env = call->env;
    uint32_t word;

    *answer = NULL;
    /* Acquire: receives err and block, which were written before DONE was released. */
    while ((word = atomic_load_explicit(&call->word, memory_order_acquire)) == PENDING) {
        uint64_t now_ns = env->now_ns(env);

        if (now_ns >= call->deadline_ns)
            settle(call, CANCELLED); /* only when the actor was killed: it has a timer of its own */
        else
            call->exec->park(call->exec, &call->word, PENDING, now_ns, call->deadline_ns);
    }
    if (word == CANCELLED)
        return THS_CLOSED;
    if (call->err == THS_OK)
        *answer = call->block;
    return call->err;
}
