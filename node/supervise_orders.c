/* What users call to give a running supervisor an order: add a child, restart, stop or remove one. */

#include "node/supervise.h"

#include "node/ask.h"
#include "node/outside.h"
#include "node/supervisor_actor.h"

#include <stdio.h>

/* ---- A child that is to be added -------------------------------------------------------------- */

/* Nobody waits any more for those whose order never arrived. Under the lock; returns them. */
static struct thsi_wanted *take_late(struct thsi_supervision *it, uint64_t now_ns)
{
    struct thsi_wanted **link = &it->inbox, *late = NULL;

    while (*link) {
        struct thsi_wanted *wanted = *link;
        if (wanted->deadline_ns > now_ns) {
            link = &wanted->next;
            continue;
        }
        *link = wanted->next;
        it->inbox_count--;
        wanted->next = late;
        late = wanted;
    }
    return late;
}

/* Put it where the supervisor finds it under its token. */
static enum ths_err post(struct ths_node *node, ths_ref supervisor, struct thsi_wanted *wanted)
{
    struct thsi_supervision *it;
    struct thsi_wanted *late;
    enum ths_err err = thsi_supervise_lock(node, supervisor, &it);

    if (err != THS_OK)
        return err;
    late = take_late(it, thsi_now_ns(node));
    if (it->inbox_count >= THSI_WANTED_MAX) {
        err = THS_TOO_MANY;
    } else {
        wanted->token = node->supervisors.next_token++;
        wanted->next = it->inbox;
        it->inbox = wanted;
        it->inbox_count++;
    }
    thsi_supervise_unlock(node);
    while (late) {
        struct thsi_wanted *next = late->next;
        thsi_wanted_free(&node->supervisors, node->env, late);
        late = next;
    }
    return err;
}

static bool is_plain(const struct ths_child *child)
{
    return !child->name && !child->behaviour && !child->where && !child->count && !child->children && !child->named &&
           thsi_spawn_options_are_default(&child->spawn);
}

static enum ths_err copy(struct ths_node *node, const struct ths_child *child, bool dynamic, struct thsi_wanted *wanted,
                         struct thsi_complaint *why)
{
    const struct thsi_knows knows = thsi_supervise_knows(node);
    enum ths_err err;

    if (dynamic && !is_plain(child))
        return thsi_complain(why, THS_INVALID, "the child of a dynamic supervisor has a start message and nothing else");
    if (dynamic)
        return thsi_child_copy_start(node->env, child->start, &wanted->spec->start);
    err = thsi_child_spec_check(child, &knows, why);
    if (err == THS_OK)
        err = thsi_child_spec_copy(&node->supervisors, node->env, node->uid, child, 0, &knows, why, wanted->spec,
                                   &wanted->plan);
    return err;
}

/* *@token is what the supervisor finds it by. */
static enum ths_err want(struct ths_node *node, ths_ref supervisor, const struct ths_child *child, unsigned timeout_ms,
                         struct thsi_complaint *why, uint64_t *token)
{
    struct ths_env *env = node->env;
    struct thsi_supervision *it;
    struct thsi_wanted *wanted;
    bool dynamic;
    enum ths_err err = thsi_supervise_lock(node, supervisor, &it);

    if (err != THS_OK)
        return err;
    dynamic = it->config.strategy == THS_DYNAMIC;
    thsi_supervise_unlock(node);
    wanted = env->memory(env, NULL, sizeof *wanted);
    if (!wanted)
        return THS_NOMEM;
    *wanted = (struct thsi_wanted){ .deadline_ns = thsi_now_ns(node) + (uint64_t)timeout_ms * 1000000u };
    wanted->spec = env->memory(env, NULL, sizeof *wanted->spec);
    err = THS_NOMEM;
    if (wanted->spec) {
        *wanted->spec = (struct thsi_child_spec){ .tree = NULL };
        err = copy(node, child, dynamic, wanted, why);
    }
    if (err == THS_OK)
        err = post(node, supervisor, wanted);
    if (err == THS_OK)
        *token = wanted->token;
    else
        thsi_wanted_free(&node->supervisors, env, wanted);
    return err;
}

/* ---- From a handler ------------------------------------------------------------------------- */

void thsp_child_add_then(struct ths_ctx *ctx, ths_ref supervisor, const struct ths_child *child,
                         const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct ths_child_order order = { .order = THSI_CHILD_ORDER_START };
    char text[256] = "";
    struct thsi_complaint why = { text, sizeof text };
    enum ths_err err;

    if (!ctx->actor)
        return; /* only a handler has a reply handler */
    err = want(ctx->node, supervisor, child, timeout_ms, &why, &order.token);
    if (text[0])
        thsi_log(ctx->node, THS_LOG_ERROR, "supervisor", "no child is added: %s", text);
    if (err == THS_OK)
        (void)thsp_ask(ctx, supervisor, &ths_child_order_type, &order, reply_to, timeout_ms);
    else
        thsi_ask_fail(ctx, reply_to, timeout_ms, err);
}

void thsp_child_order_then(struct ths_ctx *ctx, ths_ref supervisor, int what, const struct ths_child_which *which,
                           const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    const struct ths_child_order order = { .order = (uint8_t)what, .name = which->name, .who = which->who };

    if (!ctx->actor)
        return;
    if ((which->name && which->name[0]) == ths_ref_is_nobody(which->who))
        (void)thsp_ask(ctx, supervisor, &ths_child_order_type, &order, reply_to, timeout_ms);
    else
        thsi_ask_fail(ctx, reply_to, timeout_ms, THS_INVALID); /* neither, or both */
}

/* ---- From outside ----------------------------------------------------------------------------- */

struct order_call {
    ths_ref supervisor;
    const struct ths_child *child; /* NULL: not to be added */
    int what;
    const struct ths_child_which *which;
    unsigned timeout_ms;
    ths_ref who;
    enum ths_err err;
};

struct ths_orderer {
    struct order_call *call;
};

THS_ON_REPLY(ths_orderer, orderer_heard, ths_child_done)
{
    self->call->err = err;
    if (err == THS_OK)
        self->call->who = reply->who;
    ths_stop(ctx);
}

THS_ON(ths_orderer, ths_caller_start)
{
    struct order_call *call = self->call = (struct order_call *)(uintptr_t)msg->address;

    if (call->child)
        thsp_child_add_then(ctx, call->supervisor, call->child, &orderer_heard, call->timeout_ms);
    else
        thsp_child_order_then(ctx, call->supervisor, call->what, call->which, &orderer_heard, call->timeout_ms);
}

THS_BEHAVIOUR(ths_orderer, ths_caller_start)

static enum ths_err run(struct ths_node *node, struct order_call *call)
{
    enum ths_err err = thsi_outside_run(node, &ths_orderer_behaviour, call);

    return err == THS_OK ? call->err : err;
}

enum ths_err thsp_child_add_wait(struct ths_node *node, ths_ref supervisor, ths_ref *out, unsigned timeout_ms,
                                 const struct ths_child *child)
{
    struct order_call call = { .supervisor = supervisor, .child = child, .timeout_ms = timeout_ms, .err = THS_CLOSED };
    enum ths_err err = run(node, &call);

    if (out)
        *out = err == THS_OK ? call.who : THS_NOBODY;
    return err;
}

enum ths_err thsp_child_order_wait(struct ths_node *node, ths_ref supervisor, int what, unsigned timeout_ms,
                                   const struct ths_child_which *which)
{
    struct order_call call = { .supervisor = supervisor, .what = what, .which = which, .timeout_ms = timeout_ms,
                               .err = THS_CLOSED };

    return run(node, &call);
}
