/* Beginnings and ends that a thread outside of actors waits for. */

#include "node/outside.h"

#include <stdio.h>

#include "node/start.h"
#include "thiasos/lifecycle.h"
#include "thiasos/start.h"
#include "thiasos/stop.h"

/* ---- Stopping --------------------------------------------------------------------------- */

struct stop_call {
    ths_ref whom;
    unsigned timeout_ms;
    const struct ths_stop_options *options;
    enum ths_err err;
};

struct ths_stopper {
    struct stop_call *call;
};

THS_ON_REPLY(ths_stopper, stopper_heard, ths_stopped)
{
    self->call->err = err;
    ths_stop(ctx);
}

THS_ON(ths_stopper, ths_caller_start)
{
    self->call = (struct stop_call *)(uintptr_t)msg->address;
    thsp_stop_then(ctx, self->call->whom, &stopper_heard, self->call->timeout_ms, self->call->options);
}

THS_BEHAVIOUR(ths_stopper, ths_caller_start)

enum ths_err thsp_stop_wait(struct ths_node *node, ths_ref whom, unsigned timeout_ms,
                            const struct ths_stop_options *options)
{
    struct stop_call call = { .whom = whom, .timeout_ms = timeout_ms, .options = options, .err = THS_CLOSED };
    enum ths_err err = thsi_outside_run(node, &ths_stopper_behaviour, &call);

    return err == THS_OK ? call.err : err;
}

/* ---- Joining ---------------------------------------------------------------------------- */

struct join_call {
    ths_ref whom;
    unsigned timeout_ms;
    enum ths_err err;
    enum ths_reason reason;
};

THS_MESSAGE(ths_joiner_due, "ths.here.joiner_due", 1)

struct ths_joiner {
    struct join_call *call;
};

static void joined(struct ths_ctx *ctx, struct ths_joiner *self, enum ths_err err)
{
    self->call->err = err;
    ths_stop(ctx);
}

THS_ON(ths_joiner, ths_caller_start)
{
    self->call = (struct join_call *)(uintptr_t)msg->address;
    if (ths_monitor(ctx, self->call->whom).value == 0 ||
        ths_after(ctx, self->call->timeout_ms, ths_joiner_due).value == 0)
        joined(ctx, self, THS_NOMEM);
}

THS_ON(ths_joiner, ths_down)
{
    self->call->reason = (enum ths_reason)msg->reason;
    joined(ctx, self, THS_OK);
}

THS_ON(ths_joiner, ths_joiner_due)
{
    joined(ctx, self, THS_TIMEOUT);
}

THS_BEHAVIOUR(ths_joiner, ths_caller_start, ths_down, ths_joiner_due)

enum ths_err thsi_outside_join_remote(struct ths_node *node, ths_ref ref, unsigned timeout_ms, enum ths_reason *reason)
{
    struct join_call call = { .whom = ref, .timeout_ms = timeout_ms, .err = THS_CLOSED, .reason = *reason };
    enum ths_err err = thsi_outside_run(node, &ths_joiner_behaviour, &call);

    *reason = call.reason;
    return err == THS_OK ? call.err : err;
}

/* ---- Starting --------------------------------------------------------------------------- */

static void enter_starts(struct ths_node *node, struct thsi_start_waiter *waiter)
{
    (void)pthread_mutex_lock(&node->waiters_lock);
    waiter->id = ++node->starts_id;
    waiter->next = node->starts;
    node->starts = waiter;
    (void)pthread_mutex_unlock(&node->waiters_lock);
}

static void leave_starts(struct ths_node *node, struct thsi_start_waiter *waiter)
{
    struct thsi_start_waiter **at = &node->starts;

    (void)pthread_mutex_lock(&node->waiters_lock);
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    (void)pthread_mutex_unlock(&node->waiters_lock);
}

void thsi_outside_started(struct ths_node *node, uint64_t id, enum ths_err err, const char *text)
{
    struct thsi_start_waiter *waiter;

    (void)pthread_mutex_lock(&node->waiters_lock);
    for (waiter = node->starts; waiter && waiter->id != id; waiter = waiter->next) {
    }
    if (waiter) { /* it cannot go away: it needs the lock to leave the list */
        waiter->err = err;
        (void)snprintf(waiter->text, sizeof waiter->text, "%s", text);
        thsi_outside_wake(node, &waiter->word);
    }
    (void)pthread_mutex_unlock(&node->waiters_lock);
}

enum ths_err thsp_spawn_wait(struct ths_node *node, struct ths_behaviour *behaviour,
                             const struct ths_spawn_options *options, unsigned timeout_ms, ths_ref *out, char *why)
{
    struct thsi_start_waiter waiter = { .err = THS_TIMEOUT };
    struct ths_ctx *ctx = thsp_of_node(node);
    enum ths_err err;

    enter_starts(node, &waiter);
    thsi_enter(ctx);
    err = thsi_spawn_awaited(ctx, behaviour, options, &(struct thsi_awaiter){ .id = waiter.id }, out);
    thsi_leave(ctx);
    if (err == THS_OK)
        thsi_outside_wait(node, &waiter.word, thsi_now_ns(node) + (uint64_t)timeout_ms * 1000000u);
    leave_starts(node, &waiter);
    if (err == THS_OK)
        err = waiter.err;
    if (err == THS_TIMEOUT)
        ths_kill(node, *out);
    if (err != THS_OK)
        *out = THS_NOBODY;
    if (why)
        (void)snprintf(why, THS_REASON_TEXT_SIZE, "%s", waiter.text);
    return err;
}
