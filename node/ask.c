/* Asks: the open ones of an actor, their answers, their deadlines, and taking them back. */

#include "node/ask.h"

#include <stddef.h>

#include "node/gather.h"
#include "node/node.h"
#include "node/send.h"
#include "node/spawn_at.h"
#include "node/timers.h"
#include "thiasos/ask.h"

enum { ASKS_MAX = 65536 }; /* open asks of one actor */

/* ---- The actor's list ------------------------------------------------------------------- */

/* Newest first. The list is the actor's own, but others may walk it at a glance: every pointer in it is a number, and every
 * number leads to some entry. */
static struct thsi_ask_entry *entry_of(struct ths_ctx *ctx, uint32_t number_and_1)
{
    return number_and_1 ? thsi_ask_at(&ctx->node->asks, number_and_1 - 1) : NULL;
}

static struct thsi_ask_entry *newest(struct ths_ctx *ctx)
{
    return entry_of(ctx, atomic_load_explicit(&ctx->actor->asks, memory_order_relaxed));
}

static struct thsi_ask_entry *older(struct ths_ctx *ctx, const struct thsi_ask_entry *entry)
{
    return entry_of(ctx, atomic_load_explicit(&entry->next, memory_order_relaxed));
}

static void list(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    uint32_t self = thsi_ask_number(entry) + 1;
    struct thsi_ask_entry *next = newest(ctx);

    entry->prev = 0;
    atomic_store_explicit(&entry->next, next ? thsi_ask_number(next) + 1 : 0, memory_order_relaxed);
    if (next)
        next->prev = self;
    atomic_store_explicit(&ctx->actor->asks, self, memory_order_relaxed);
}

static void unlist(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    struct thsi_ask_entry *prev = entry_of(ctx, entry->prev), *next = older(ctx, entry);
    uint32_t number = next ? thsi_ask_number(next) + 1 : 0;

    atomic_store_explicit(prev ? &prev->next : &ctx->actor->asks, number, memory_order_release); /* see ask_cycle.h */
    if (next)
        next->prev = entry->prev;
}

/* ---- Deadlines -------------------------------------------------------------------------- */

static struct thsi_ask_entry *entry_due(struct thsi_deadline *deadline)
{
    return (struct thsi_ask_entry *)(void *)((char *)deadline - offsetof(struct thsi_ask_entry, deadline));
}

/* See that the timer rings at @deadline_ns at the latest. False: no memory. */
static bool arm(struct ths_ctx *ctx, struct thsi_asking *asking, uint64_t now_ns, uint64_t deadline_ns)
{
    if (asking->timer && asking->timer_ns <= deadline_ns)
        return true;
    if (asking->timer) {
        thsi_timer_hasten(ctx, asking->timer, deadline_ns);
    } else {
        asking->timer = thsi_timer_start(ctx, deadline_ns - now_ns, NULL, NULL);
        if (!asking->timer)
            return false;
        asking->timer->rings = thsi_asks_due;
    }
    asking->timer_ns = deadline_ns;
    return true;
}

/* An inherited deadline is that of the request at hand. None is now: what is asked while others time out waits its turn. */
static uint64_t deadline_of(const struct ths_ctx *ctx, uint64_t now_ns, unsigned timeout_ms)
{
    if (timeout_ms == THS_INHERIT) {
        uint64_t ns = ctx->message && ctx->message->kind == THSI_ASK ? thsi_message_ask(ctx->message)->deadline_ns
                                                                     : UINT64_MAX;
        if (ns != UINT64_MAX)
            return ns > now_ns ? ns : now_ns + 1;
        timeout_ms = THS_INHERIT_DEFAULT_MS;
    }
    return now_ns + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000000u : 1);
}

/* ---- Open and closed -------------------------------------------------------------------- */

struct thsi_ask_entry *thsi_ask_begin(struct ths_ctx *ctx, ths_ref target)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);
    struct thsi_ask_entry *entry;

    if (!rare || rare->asking.count == ASKS_MAX)
        return NULL;
    entry = thsi_ask_take(&ctx->node->asks, &ctx->free_asks);
    if (!entry)
        return NULL;
    entry->last_id += UINT64_C(1) << THSI_ASK_BITS;
    entry->gather = NULL;
    entry->deadline.ns = UINT64_MAX;
    atomic_store_explicit(&entry->actor, ctx->actor, memory_order_relaxed);
    thsi_ask_set_target(entry, target);
    /* Relaxed: who is handed the id was sent it with a release. */
    atomic_store_explicit(&entry->id, entry->last_id, memory_order_relaxed);
    list(ctx, entry);
    rare->asking.count++;
    thsi_foreign_note(ctx, target);
    return entry;
}

struct thsi_ask_entry *thsi_ask_begin_until(struct ths_ctx *ctx, ths_ref target, unsigned timeout_ms)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);
    uint64_t now_ns = thsi_now_ns(ctx->node);
    uint64_t deadline_ns = deadline_of(ctx, now_ns, timeout_ms);
    struct thsi_ask_entry *entry;

    if (!rare || !arm(ctx, &rare->asking, now_ns, deadline_ns))
        return NULL;
    entry = thsi_ask_begin(ctx, target);
    if (!entry)
        return NULL; /* the timer rings for nothing */
    entry->deadline.ns = deadline_ns;
    thsi_deadline_add(&rare->asking.first, &entry->deadline);
    return entry;
}

static struct thsi_ask_entry *open_ask(struct ths_ctx *ctx, ths_ref target, const struct ths_reply_to *reply_to,
                                       unsigned timeout_ms)
{
    struct thsi_ask_entry *entry = thsi_ask_begin_until(ctx, target, timeout_ms);

    if (entry) {
        entry->handler = reply_to->handler;
        entry->type = reply_to->type ? thsi_type_intern(reply_to->type) : NULL;
    }
    return entry;
}

uint64_t thsi_ask_open(struct ths_ctx *ctx, ths_ref target, const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_ask_entry *entry = open_ask(ctx, target, reply_to, timeout_ms);

    return entry ? entry->last_id : 0;
}

static struct thsi_ask_entry *find_own(struct ths_ctx *ctx, uint64_t id)
{
    struct thsi_ask_entry *entry = thsi_ask_find(&ctx->node->asks, id);

    return entry && atomic_load_explicit(&entry->actor, memory_order_relaxed) == ctx->actor ? entry : NULL;
}

void thsi_ask_close(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    struct thsi_asking *asking = &ctx->actor->rare->asking;

    atomic_store_explicit(&entry->id, 0, memory_order_release); /* see ask_cycle.h */
    unlist(ctx, entry);
    if (entry->deadline.ns != UINT64_MAX)
        thsi_deadline_remove(&asking->first, &entry->deadline);
    asking->count--;
    thsi_ask_give(&ctx->node->asks, &ctx->free_asks, entry);
}

/* ---- Answers ---------------------------------------------------------------------------- */

static void end_ask(struct ths_ctx *ctx, struct thsi_ask_entry *entry, enum ths_err err,
                    const struct thsi_type_info *info, const void *body)
{
    const struct ths_message any = { .type = info ? info->type : NULL, .body = body }; /* for a handler of any reply */
    const struct thsi_type_info *type = entry->type;
    ths_reply_handler *handler = entry->handler;
    struct thsi_tally *tally;
    uint64_t begun_ns;

    if (entry->gather) {
        thsi_gather_answered(ctx, entry, err, info, body);
        return;
    }
    ctx->ask_id = entry->last_id;
    thsi_ask_close(ctx, entry);
    if (err == THS_OK && type && type != info)
        err = THS_TYPE_MISMATCH;
    begun_ns = thsi_tally_begin(ctx, type ? type : info);
    tally = ctx->tally;
    handler(ctx, ctx->actor->state, err, err != THS_OK ? NULL : type ? body : &any);
    thsi_tally_end(ctx, tally, begun_ns);
}

void thsi_ask_answered(struct ths_ctx *ctx, uint64_t id, enum ths_err err, const struct thsi_type_info *info,
                       const void *body)
{
    struct thsi_ask_entry *entry = find_own(ctx, id);

    if (!entry) {
        thsi_spawn_at_unheard(ctx, thsi_actor_ref(ctx->node, ctx->actor), info, body, id);
        return;
    }
    if (entry->target.generation == 0) /* a node was asked */
        thsi_spawn_at_answered(ctx, id, err, info, body);
    end_ask(ctx, entry, err, info, body);
}

static void nobody_waits(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply)
{
    (void)ctx, (void)self, (void)err, (void)reply;
}

/* Its asker hears TIMEOUT, and no more; the ask stays open for whom it started after all. */
static void time_out_watched(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    ths_reply_handler *handler = entry->handler;

    thsi_deadline_remove(&ctx->actor->rare->asking.first, &entry->deadline);
    entry->deadline.ns = UINT64_MAX;
    entry->handler = nobody_waits;
    entry->type = NULL;
    ctx->ask_id = entry->last_id;
    handler(ctx, ctx->actor->state, THS_TIMEOUT, NULL);
}

/* Its deadline has come. Whom it waits for may wait for its asker. */
static void time_out(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    char text[THSI_CYCLE_TEXT];
    bool in_cycle;

    if (entry->target.generation == 0 && thsi_spawn_at_watches(ctx, entry->last_id)) {
        time_out_watched(ctx, entry);
        return;
    }
    in_cycle = entry->gather ? thsi_gather_find_cycle(ctx, entry->gather, text)
                                  : thsi_ask_find_cycle(ctx, entry->target, text);

    ctx->reply_text = in_cycle ? text : NULL;
    end_ask(ctx, entry, THS_TIMEOUT, NULL, NULL);
    ctx->reply_text = NULL;
}

void thsi_asks_due(struct ths_ctx *ctx, struct thsi_timer *timer)
{
    struct thsi_asking *asking = &ctx->actor->rare->asking;
    uint64_t now_ns = thsi_now_ns(ctx->node);

    asking->timer_ns = 0; /* it is looked after below, whatever the handlers ask */
    while (!ctx->ending && asking->first && asking->first->ns <= now_ns)
        time_out(ctx, entry_due(asking->first));
    if (asking->first) {
        asking->timer_ns = asking->first->ns;
        thsi_timer_again(ctx, timer, asking->timer_ns);
    } else {
        asking->timer = NULL;
        thsi_timer_done(ctx, timer);
    }
}

/* The answers come through the mailbox, as all answers do. */
void thsi_asks_node_lost(struct ths_ctx *ctx, uint64_t uid)
{
    for (const struct thsi_ask_entry *entry = newest(ctx); entry; entry = older(ctx, entry)) {
        const struct thsi_signal lost = { .kind = THSI_REPLY, .from = entry->target, .id = entry->last_id,
                                          .to = thsi_actor_ref(ctx->node, ctx->actor), .err = THS_NODE_LOST };

        if (entry->target.node == uid)
            (void)thsi_send_signal(ctx, &lost);
    }
}

void thsi_ask_moved_in_vain(struct ths_ctx *ctx, ths_ref asker, uint64_t id, const char *to)
{
    struct thsi_signal cancel = { .kind = THSI_CANCEL, .from = asker, .id = id };

    if (ths_ref_parse(to, &cancel.to) == THS_OK && cancel.to.generation != 0)
        (void)thsi_send_signal(ctx, &cancel);
}

void thsi_ask_moved(struct ths_ctx *ctx, uint64_t id, ths_ref from, const char *to)
{
    struct thsi_ask_entry *entry = find_own(ctx, id);
    ths_ref target;

    if (!entry)
        thsi_ask_moved_in_vain(ctx, thsi_actor_ref(ctx->node, ctx->actor), id, to);
    if (!entry || !ths_ref_equal(entry->target, from) || ths_ref_parse(to, &target) != THS_OK)
        return;
    thsi_ask_set_target(entry, target);
    thsi_foreign_note(ctx, target);
}

/* A node that was asked does not hold requests. */
void thsi_ask_call_off(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    const struct thsi_signal cancel = { .kind = THSI_CANCEL, .from = thsi_actor_ref(ctx->node, ctx->actor),
                                        .to = entry->target, .id = entry->last_id };

    thsi_ask_close(ctx, entry);
    if (cancel.to.generation != 0)
        (void)thsi_send_signal(ctx, &cancel);
    else
        thsi_spawn_at_given_up(ctx, cancel.id);
}

static void call_off(struct ths_ctx *ctx, struct thsi_ask_entry *entry)
{
    if (entry->gather)
        thsi_gather_call_off(ctx, entry->gather);
    else
        thsi_ask_call_off(ctx, entry);
}

bool ths_ask_cancel(struct ths_ctx *ctx, ths_ask_id ask)
{
    struct thsi_ask_entry *entry = ctx->actor ? find_own(ctx, ask.value) : NULL;

    if (entry)
        call_off(ctx, entry);
    return entry != NULL;
}

void thsi_asks_drop(struct ths_ctx *ctx)
{
    struct thsi_ask_entry *entry;

    while ((entry = newest(ctx)) != NULL)
        call_off(ctx, entry);
    if (ctx->actor->rare)
        ctx->actor->rare->asking.timer = NULL; /* dropped with the other timers */
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

void thsi_ask_failed(struct ths_ctx *ctx, const struct ths_reply_to *reply_to, uint64_t id, enum ths_err err)
{
    fail(ctx, reply_to, id, err);
}

void thsi_ask_fail(struct ths_ctx *ctx, const struct ths_reply_to *reply_to, unsigned timeout_ms, enum ths_err err)
{
    fail(ctx, reply_to, thsi_ask_open(ctx, THS_NOBODY, reply_to, timeout_ms), err);
}

/* What cannot be delivered is answered by thsi_send_signal; what cannot even be packed is not. */
uint64_t thsi_ask_signal(struct ths_ctx *ctx, struct thsi_signal *signal, const struct ths_reply_to *reply_to,
                         unsigned timeout_ms)
{
    struct thsi_ask_entry *entry;

    if (!ctx->actor)
        return 0; /* only a handler has a reply handler */
    entry = open_ask(ctx, signal->to, reply_to, timeout_ms);
    if (!entry) {
        fail(ctx, reply_to, 0, THS_TOO_MANY);
        return 0;
    }
    signal->id = entry->last_id;
    signal->from = thsi_actor_ref(ctx->node, ctx->actor);
    if (signal->deadline_ns == 0) /* else it is of another thing than the ask */
        signal->deadline_ns = entry->deadline.ns;
    if (ths_ref_is_nobody(signal->to))
        fail(ctx, reply_to, signal->id, THS_GONE);
    else
        (void)thsi_send_signal(ctx, signal);
    return signal->id;
}

ths_ask_id thsp_ask(struct ths_ctx *ctx, ths_ref to, struct ths_type *type, const void *body,
                    const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_signal signal = { .kind = THSI_ASK, .to = to, .type = type, .body = body };

    return (ths_ask_id){ thsi_ask_signal(ctx, &signal, reply_to, timeout_ms) };
}
