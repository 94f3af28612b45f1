/* Asks: the open ones of an actor, their answers and their deadlines.
 *
 * An ask's id is unique in its actor for as long as the actor lives, so an answer that comes late, or to an
 * incarnation that did not ask, finds nothing and is dropped. Its place in the table is the id's low bits. */

#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/send.h"
#include "node/timers.h"
#include "thiasos/lifecycle.h"

enum { ASKS_MAX = 65536, ASKS_FIRST = 8 };

static struct thsi_ask_entry *place_of(struct thsi_rare *rare, uint64_t id)
{
    return &rare->asks[id & (rare->asks_cap - 1)];
}

/* Ids of open asks differ in their low bits under the old capacity, so they do under the new one. */
static bool grow(struct ths_ctx *ctx, struct thsi_rare *rare)
{
    struct ths_env *env = ctx->node->env;
    uint32_t cap = rare->asks_cap ? 2 * rare->asks_cap : ASKS_FIRST;
    struct thsi_ask_entry *old = rare->asks;
    struct thsi_ask_entry *grown;
    uint32_t old_cap = rare->asks_cap;

    if (cap > ASKS_MAX)
        return false;
    grown = env->memory(env, NULL, cap * sizeof *grown);
    if (!grown)
        return false;
    memset(grown, 0, cap * sizeof *grown);
    rare->asks = grown;
    rare->asks_cap = cap;
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i].id)
            *place_of(rare, old[i].id) = old[i];
    (void)env->memory(env, old, 0);
    return true;
}

/* The next id whose place is free; the table is at most half full, so there is one near. */
static uint64_t next_id(struct thsi_rare *rare)
{
    do
        rare->next_id++;
    while (place_of(rare, rare->next_id)->id != 0);
    return rare->next_id;
}

uint64_t thsi_ask_open(struct ths_ctx *ctx, ths_ref target, const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);
    struct thsi_ask_entry *entry;
    struct thsi_timer *timer;

    if (!rare || (2 * (rare->asks_count + 1) > rare->asks_cap && !grow(ctx, rare)))
        return 0;
    timer = thsi_timer_start(ctx, (uint64_t)timeout_ms * 1000000u, 0, NULL, NULL);
    if (!timer)
        return 0;
    timer->ask = true;
    timer->id = next_id(rare);
    entry = place_of(rare, timer->id);
    *entry = (struct thsi_ask_entry){ .id = timer->id, .target = target, .handler = reply_to->handler,
                                      .type = reply_to->type ? thsi_type_intern(reply_to->type) : NULL,
                                      .timer = timer };
    rare->asks_count++;
    thsi_foreign_note(ctx, target);
    return entry->id;
}

/* Take the entry out, its timer with it. */
static struct thsi_ask_entry close_ask(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    struct thsi_ask_entry closed = *entry;

    if (entry->timer)
        thsi_timer_cancel(ctx, entry->timer);
    memset(entry, 0, sizeof *entry);
    ctx->actor->rare->asks_count--;
    return closed;
}

void thsi_ask_answered(struct ths_ctx *ctx, uint64_t id, enum ths_err err, const struct thsi_type_info *info,
                       const void *body)
{
    const struct ths_message any = { .type = info ? info->type : NULL, .body = body }; /* for a handler of any reply */
    struct thsi_rare *rare = ctx->actor->rare;
    struct thsi_ask_entry closed;

    if (!rare || rare->asks_cap == 0 || id == 0 || place_of(rare, id)->id != id)
        return;
    closed = close_ask(ctx, place_of(rare, id));
    if (err == THS_OK && closed.type && closed.type != info)
        err = THS_TYPE_MISMATCH;
    ctx->ask_id = id;
    closed.handler(ctx, ctx->actor->state, err, err != THS_OK ? NULL : closed.type ? body : &any);
}

/* The answers come through the mailbox, as all answers do. */
void thsi_asks_node_lost(struct ths_ctx *ctx, uint64_t uid)
{
    const struct thsi_rare *rare = ctx->actor->rare;

    for (uint32_t i = 0; rare && i < rare->asks_cap; i++) {
        const struct thsi_signal lost = { .kind = THSI_REPLY, .from = rare->asks[i].target, .id = rare->asks[i].id,
                                          .to = thsi_actor_ref(ctx->node, ctx->actor), .err = THS_NODE_LOST };

        if (lost.id && lost.from.node == uid)
            (void)thsi_send_signal(ctx, &lost);
    }
}

void thsi_asks_drop(struct ths_ctx *ctx)
{
    struct thsi_rare *rare = ctx->actor->rare;

    for (uint32_t i = 0; rare && i < rare->asks_cap; i++)
        if (rare->asks[i].id)
            (void)close_ask(ctx, &rare->asks[i]);
}

/* ---- Asking ----------------------------------------------------------------------------- */

/* What could not be asked is answered through the mailbox all the same; with no memory even for that, at once. */
static void fail(struct ths_ctx *ctx, const struct ths_reply_to *reply_to, uint64_t id, enum ths_err err)
{
    const struct thsi_signal answer = { .kind = THSI_REPLY, .to = thsi_actor_ref(ctx->node, ctx->actor), .id = id,
                                        .err = err };

    if (id == 0)
        reply_to->handler(ctx, ctx->actor->state, err, NULL);
    else if (thsi_send_signal(ctx, &answer) != THS_OK)
        thsi_ask_answered(ctx, id, err, NULL, NULL); /* closes it, or its deadline would answer again */
}

static uint64_t deadline_in(struct ths_ctx *ctx, unsigned timeout_ms)
{
    return thsi_now_ns(ctx->node) + (uint64_t)timeout_ms * 1000000u;
}

/* Open an ask and send @signal, which the caller filled but for from, id and deadline. What cannot be delivered is
 * answered by thsi_send_signal; what cannot even be packed is not. */
static void ask(struct ths_ctx *ctx, struct thsi_signal *signal, const struct ths_reply_to *reply_to,
                unsigned timeout_ms)
{
    if (!ctx->actor)
        return; /* only a handler has a reply handler */
    signal->id = thsi_ask_open(ctx, signal->to, reply_to, timeout_ms);
    if (signal->id == 0) {
        fail(ctx, reply_to, 0, THS_TOO_MANY);
        return;
    }
    signal->from = thsi_actor_ref(ctx->node, ctx->actor);
    if (signal->deadline_ns == 0) /* else it is of another thing than the ask */
        signal->deadline_ns = deadline_in(ctx, timeout_ms);
    if (ths_ref_is_nobody(signal->to))
        fail(ctx, reply_to, signal->id, THS_GONE);
    else
        (void)thsi_send_signal(ctx, signal);
}

void thsi_ask_signal(struct ths_ctx *ctx, struct thsi_signal *signal, const struct ths_reply_to *reply_to,
                     unsigned timeout_ms)
{
    ask(ctx, signal, reply_to, timeout_ms);
}

void thsp_ask(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body,
              const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_signal signal = { .kind = THSI_ASK, .to = to, .type = type, .body = body };

    ask(ctx, &signal, reply_to, timeout_ms);
}

enum ths_err thsp_reply(struct ths_ctx *ctx, struct ths_type *type, const void *body)
{
    struct thsi_signal reply = { .kind = THSI_REPLY, .err = THS_OK, .type = type, .body = body };
    enum ths_err err;

    if (!ctx->actor || !ctx->message || ctx->message->kind != THSI_ASK || ctx->answered)
        return THS_NO_ASK;
    reply.from = thsi_actor_ref(ctx->node, ctx->actor);
    reply.to = ctx->message->from;
    reply.id = thsi_message_ask(ctx->message)->id;
    err = thsi_send_signal(ctx, &reply);
    ctx->answered = true;
    if (err != THS_OK) { /* the asker hears why there is no reply */
        reply.type = NULL;
        reply.err = err;
        (void)thsi_send_signal(ctx, &reply);
    }
    return err;
}

/* ---- Names ------------------------------------------------------------------------------ */

/* The uid behind @node ("" or this node's name: this node). */
static enum ths_err resolve(struct ths_ctx *ctx, const char *node, uint64_t *uid)
{
    enum ths_err err = THS_NOT_FOUND;
    struct thsi_router *router;

    *uid = ctx->node->uid;
    if (!node || node[0] == '\0' || strcmp(node, ctx->node->name) == 0)
        return THS_OK;
    router = thsi_router_begin(ctx);
    if (router)
        err = router->resolve(router, node, uid);
    thsi_router_end(ctx);
    return err;
}

/* Ask the node named @node; its ref has no slot. */
static void ask_node(struct ths_ctx *ctx, const char *node, struct thsi_signal *signal,
                     const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    uint64_t uid;
    enum ths_err err = ctx->actor ? resolve(ctx, node, &uid) : THS_INVALID;

    if (err == THS_OK) {
        signal->to = (ths_ref){ uid, 0, 0 };
        ask(ctx, signal, reply_to, timeout_ms);
    } else if (ctx->actor) {
        fail(ctx, reply_to, thsi_ask_open(ctx, THS_NOBODY, reply_to, timeout_ms), err);
    }
}

void ths_lookup(struct ths_ctx *ctx, const char *name, const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    const char *at = strrchr(name, '@');
    char local[THS_NAME_SIZE];
    struct thsi_signal signal = { .kind = THSI_LOOKUP, .text = local };
    int len = at ? (int)(at - name) : (int)strnlen(name, THS_NAME_SIZE);

    if (len >= THS_NAME_SIZE)
        len = 0; /* no name is that long: not found */
    (void)snprintf(local, sizeof local, "%.*s", len, name);
    ask_node(ctx, at ? at + 1 : NULL, &signal, reply_to, timeout_ms);
}

void ths_spawn_at(struct ths_ctx *ctx, const char *node, const char *behaviour, struct ths_message start,
                  const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_signal signal = { .kind = THSI_SPAWN, .text = behaviour, .type = start.type, .body = start.body };

    ask_node(ctx, node, &signal, reply_to, timeout_ms);
}

void thsi_answer_lookup(struct ths_ctx *ctx, const struct thsi_signal *signal)
{
    struct ths_found found;
    const struct thsi_signal answer = { .kind = THSI_REPLY, .from = { ctx->node->uid, 0, 0 }, .to = signal->from,
                                        .id = signal->id, .type = &ths_found_type, .body = &found };

    if (thsi_names_get(&ctx->node->names, signal->text ? signal->text : "", &found.who, NULL))
        (void)thsi_send_signal(ctx, &answer);
    else
        thsi_refuse(ctx, signal, THS_NOT_FOUND);
}
