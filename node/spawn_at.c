#include "node/spawn_at.h"

#include "node/ask_node.h"
#include "node/send.h"
#include "node/spawn_options.h"
#include "node/start.h"
#include "thiasos/lifecycle.h"
#include "thiasos/start.h"

/* ---- The monitor -------------------------------------------------------------------------- */

static struct thsi_relation *find(struct ths_ctx *ctx, uint64_t id)
{
    struct thsi_rare *rare = ctx->actor->rare;

    return rare ? thsi_relations_find(&rare->monitors, THS_NOBODY, id) : NULL;
}

/* Not answered so far. */
static struct thsi_relation *find_open(struct ths_ctx *ctx, uint64_t ask)
{
    struct thsi_relation *relation = find(ctx, ask | THSI_SPAWN_MONITOR);

    return relation && relation->other.generation == 0 ? relation : NULL;
}

static bool is_spawned(const struct thsi_type_info *info)
{
    return info && info == thsi_type_intern(&ths_spawned_type);
}

bool thsi_spawn_at_watches(struct ths_ctx *ctx, uint64_t id)
{
    return find_open(ctx, id) != NULL;
}

void thsi_spawn_at_given_up(struct ths_ctx *ctx, uint64_t id)
{
    struct thsi_relation *relation = find_open(ctx, id);

    if (relation)
        (void)thsi_relation_remove(ctx, &ctx->actor->rare->monitors, relation->other, relation->id);
}

/* One that failed to start has ended, and so has one that was ended before: its DOWN is on its way. */
static bool was_there(enum ths_err err)
{
    return err == THS_CRASHED || err == THS_GONE;
}

void thsi_spawn_at_answered(struct ths_ctx *ctx, uint64_t id, enum ths_err err, const struct thsi_type_info *info,
                            const void *body)
{
    struct thsi_relation *relation = find_open(ctx, id);
    const struct ths_spawned *spawned = body;

    if (!relation)
        return;
    if (err == THS_OK && is_spawned(info) && spawned->who.node == relation->other.node)
        relation->other = spawned->who;
    else if (!was_there(err))
        thsi_spawn_at_given_up(ctx, id);
}

void thsi_spawn_at_unheard(struct ths_ctx *ctx, ths_ref asker, const struct thsi_type_info *info, const void *body, uint64_t id)
{
    struct thsi_signal forget = { .kind = THSI_DEMONITOR, .from = asker, .id = id | THSI_SPAWN_MONITOR };

    if (!is_spawned(info))
        return;
    forget.to = ((const struct ths_spawned *)body)->who;
    (void)thsi_send_signal(ctx, &forget);
}

void thsi_spawn_at_down(struct ths_ctx *ctx, ths_ref who, uint64_t id)
{
    struct thsi_relation *relation = find(ctx, id);

    if (relation && relation->other.generation == 0 && relation->other.node == who.node)
        relation->other = who;
}

/* ---- The API ------------------------------------------------------------------------------ */

enum ths_err thsp_register(struct ths_node *node, struct ths_behaviour *behaviour)
{
    struct ths_behaviour *known = NULL;
    enum ths_err err;

    if (!thsi_dispatch_of(behaviour))
        return THS_NOMEM;
    err = thsi_names_put(&node->behaviours, behaviour->name, THS_NOBODY, behaviour);
    if (err == THS_NAME_TAKEN && thsi_names_get(&node->behaviours, behaviour->name, NULL, &known) && known == behaviour)
        return THS_OK;
    return err;
}

static void send(struct ths_ctx *ctx, uint64_t uid, struct thsi_signal *signal, const struct ths_reply_to *reply_to,
                 unsigned timeout_ms)
{
    enum ths_err err = THS_TOO_MANY;

    signal->from = thsi_actor_ref(ctx->node, ctx->actor);
    signal->to = (ths_ref){ uid, 0, 0 };
    signal->id = thsi_ask_open(ctx, signal->to, reply_to, timeout_ms);
    if (signal->id != 0)
        err = THS_OK;
    /* Before the other side can answer: its monitor comes with the order, so that no end is missed. */
    if (err == THS_OK && signal->options->monitor &&
        !thsi_relation_add(ctx, &ctx->actor->rare->monitors, signal->to, signal->id | THSI_SPAWN_MONITOR))
        err = THS_NOMEM;
    if (err != THS_OK) {
        thsi_ask_failed(ctx, reply_to, signal->id, err);
        return;
    }
    signal->deadline_ns = thsi_ask_find(&ctx->node->asks, signal->id)->deadline.ns;
    (void)thsi_send_signal(ctx, signal); /* a failure is answered like any other */
}

void thsp_spawn_at(struct ths_ctx *ctx, const char *node, const char *behaviour, const struct ths_spawn_options *options,
                   const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_signal signal = { .kind = THSI_SPAWN, .text = behaviour, .options = options, .incarnation = THSI_SPAWN_AWAIT,
                                  .type = options->start.type, .body = options->start.body };
    const char *why = "";
    uint64_t uid;
    enum ths_err err;

    if (!ctx->actor)
        return; /* only a handler has a reply handler */
    err = thsi_ask_node_resolve(ctx, node, &uid);
    if (err == THS_OK)
        err = thsi_spawn_options_check(options, uid != ctx->node->uid ? THSI_OPTIONS_ELSEWHERE : 0, &why);
    if (*why)
        thsi_log(ctx->node, THS_LOG_ERROR, "actor", "%s is not spawned on %s: %s", behaviour, node ? node : "this node", why);
    if (err == THS_OK)
        send(ctx, uid, &signal, reply_to, timeout_ms);
    else
        thsi_ask_fail(ctx, reply_to, timeout_ms, err);
}
