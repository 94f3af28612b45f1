#include "node/requests.h"

#include "node/send.h"
#include "thiasos/ask.h"
#include "thiasos/lifecycle.h"

/* ---- Which request ---------------------------------------------------------------------- */

static bool has_request(const struct ths_ctx *ctx)
{
    return ctx->actor && ctx->message && ctx->message->kind == THSI_ASK && !ctx->answered;
}

static struct thsi_held at_hand(struct ths_ctx *ctx)
{
    const struct thsi_ask *ask = thsi_message_ask(ctx->message);

    return (struct thsi_held){ ctx->message->from, ask->id, ask->deadline_ns };
}

/* The request that *@asked stands for, NULL for the one at hand. One that another actor deferred has no deadline here. */
static bool find(struct ths_ctx *ctx, const struct ths_asked *asked, struct thsi_held *out)
{
    const struct thsi_held *held;

    if (!asked) {
        if (has_request(ctx))
            *out = at_hand(ctx);
        return has_request(ctx);
    }
    if (!ctx->actor || asked->id == 0)
        return false;
    held = ctx->actor->rare ? thsi_held_find(&ctx->actor->rare->held, asked->asker, asked->id) : NULL;
    *out = held ? *held : (struct thsi_held){ asked->asker, asked->id, UINT64_MAX };
    return true;
}

/* The same, and it is not this actor's any more. */
static bool take(struct ths_ctx *ctx, struct ths_asked *asked, struct thsi_held *out)
{
    if (!find(ctx, asked, out))
        return false;
    if (!asked)
        ctx->answered = true;
    else if (ctx->actor->rare)
        (void)thsi_held_remove(&ctx->actor->rare->held, asked->asker, asked->id);
    if (asked)
        *asked = (struct ths_asked){ .id = 0 };
    return true;
}

/* Whether @asker still waits: as it says itself on this node, or, of another node, as far as was heard of it. */
static bool waits(struct ths_ctx *ctx, const ths_ref *asker, uint64_t id, uint64_t deadline_ns)
{
    if (asker->node == ctx->node->uid ? !thsi_ask_find(&ctx->node->asks, id)
                                      : thsi_cancels_has(&ctx->node->cancels, *asker, id))
        return false;
    return deadline_ns == UINT64_MAX || deadline_ns > thsi_now_ns(ctx->node);
}

static bool is_waiting(void *ctx, const struct thsi_held *held)
{
    return waits(ctx, &held->asker, held->id, held->deadline_ns);
}

bool thsi_request_is_over(struct ths_ctx *ctx, struct thsi_message *message)
{
    const struct thsi_ask *ask = thsi_message_ask(message);

    return !waits(ctx, &message->from, ask->id, ask->deadline_ns);
}

/* ---- Holding ---------------------------------------------------------------------------- */

/* Without memory for it the asker still has its deadline. */
static void hold(struct ths_ctx *ctx, const struct thsi_held *held)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);

    if (rare)
        (void)thsi_held_add(&rare->held, ctx->node->env, held, is_waiting, ctx);
}

void thsi_request_keep(struct ths_ctx *ctx)
{
    const struct thsi_held held = at_hand(ctx);

    hold(ctx, &held);
    ctx->answered = true;
}

struct ths_asked ths_defer(struct ths_ctx *ctx)
{
    if (!has_request(ctx))
        return (struct ths_asked){ .id = 0 };
    thsi_request_keep(ctx);
    return (struct ths_asked){ ctx->message->from, thsi_message_ask(ctx->message)->id };
}

void thsi_request_cancelled(struct ths_ctx *ctx, ths_ref asker, uint64_t id)
{
    const struct ths_ask_cancelled cancelled = { .asker = asker, .id = id };
    struct thsi_rare *rare = ctx->actor->rare;

    if (rare && thsi_held_give_up(&rare->held, asker, id))
        (void)thsi_actor_call(ctx, thsi_type_intern(&ths_ask_cancelled_type), &cancelled);
}

uint64_t thsi_requests_until(struct ths_ctx *ctx)
{
    const struct thsi_rare *rare = ctx->actor->rare;
    uint64_t until_ns = 0;

    for (uint32_t i = 0; rare && i < rare->held.cap; i++) {
        const struct thsi_held *held = &rare->held.places[i];

        if (held->id != 0 && held->deadline_ns > until_ns && is_waiting(ctx, held))
            until_ns = held->deadline_ns;
    }
    return until_ns;
}

void thsi_requests_end(struct ths_ctx *ctx, enum ths_err err)
{
    struct thsi_rare *rare = ctx->actor->rare;

    for (uint32_t i = 0; rare && i < rare->held.cap; i++) {
        const struct thsi_held *held = &rare->held.places[i];
        const struct thsi_signal reply = { .kind = THSI_REPLY, .from = thsi_actor_ref(ctx->node, ctx->actor),
                                           .to = held->asker, .id = held->id, .err = err };

        if (held->id != 0 && held->deadline_ns != 0)
            (void)thsi_send_signal(ctx, &reply);
    }
    if (rare)
        thsi_held_free(&rare->held, ctx->node->env);
}

/* ---- Answering -------------------------------------------------------------------------- */

/* Send @reply, which the caller filled but for from. */
static enum ths_err send_reply(struct ths_ctx *ctx, struct thsi_signal *reply)
{
    enum ths_err err;

    reply->from = thsi_actor_ref(ctx->node, ctx->actor);
    err = thsi_send_signal(ctx, reply);
    if (reply->type && err != THS_OK && err != THS_EXPIRED) { /* the asker hears why there is no reply */
        reply->type = NULL;
        reply->err = err;
        (void)thsi_send_signal(ctx, reply);
    }
    return err;
}

/* The way of most answers: to the request at hand. */
static enum ths_err answer(struct ths_ctx *ctx, enum ths_err with, struct ths_type *type, const void *body)
{
    struct thsi_signal reply = { .kind = THSI_REPLY, .err = with, .type = type, .body = body };

    if (!has_request(ctx))
        return THS_NO_ASK;
    ctx->answered = true;
    reply.to = ctx->message->from;
    reply.id = thsi_message_ask(ctx->message)->id;
    return send_reply(ctx, &reply);
}

static enum ths_err answer_later(struct ths_ctx *ctx, struct ths_asked *asked, enum ths_err with, struct ths_type *type,
                                 const void *body)
{
    struct thsi_signal reply = { .kind = THSI_REPLY, .err = with, .type = type, .body = body };
    struct thsi_held request;

    if (!take(ctx, asked, &request))
        return THS_NO_ASK;
    if (request.deadline_ns == 0)
        return THS_EXPIRED;
    reply.to = request.asker;
    reply.id = request.id;
    return send_reply(ctx, &reply);
}

enum ths_err thsp_reply(struct ths_ctx *ctx, struct ths_type *type, const void *body)
{
    return answer(ctx, THS_OK, type, body);
}

enum ths_err thsp_reply_to(struct ths_ctx *ctx, struct ths_asked *asked, struct ths_type *type, const void *body)
{
    return answer_later(ctx, asked, THS_OK, type, body);
}

enum ths_err ths_refuse(struct ths_ctx *ctx, enum ths_err err)
{
    return err == THS_OK ? THS_INVALID : answer(ctx, err, NULL, NULL);
}

enum ths_err ths_refuse_to(struct ths_ctx *ctx, struct ths_asked *asked, enum ths_err err)
{
    return err == THS_OK ? THS_INVALID : answer_later(ctx, asked, err, NULL, NULL);
}

/* ---- Passing on ------------------------------------------------------------------------- */

/* Tell the asker whom it waits for now. */
static void tell_moved(struct ths_ctx *ctx, const struct thsi_held *request, ths_ref to)
{
    char text[THS_REF_TEXT_SIZE];
    const struct thsi_signal moved = { .kind = THSI_MOVED, .from = thsi_actor_ref(ctx->node, ctx->actor),
                                       .to = request->asker, .id = request->id, .text = ths_ref_print(to, text) };

    (void)thsi_send_signal(ctx, &moved);
}

static enum ths_err pass_on(struct ths_ctx *ctx, struct ths_asked *asked, ths_ref to, struct ths_type *type,
                            const void *body)
{
    struct thsi_signal ask = { .kind = THSI_ASK, .to = to, .type = type, .body = body };
    struct thsi_held request;
    enum ths_err err;

    if (!take(ctx, asked, &request))
        return THS_NO_ASK;
    if (!is_waiting(ctx, &request))
        return THS_EXPIRED;
    ask.from = request.asker;
    ask.id = request.id;
    ask.deadline_ns = request.deadline_ns;
    tell_moved(ctx, &request, to); /* first: the answer to the request may follow it at once */
    err = thsi_send_signal(ctx, &ask);
    if (ths_ref_is_nobody(to)) /* nobody has no node that could answer */
        thsi_refuse(ctx, &ask, err);
    return err;
}

enum ths_err ths_forward(struct ths_ctx *ctx, ths_ref to)
{
    if (!has_request(ctx))
        return THS_NO_ASK;
    return pass_on(ctx, NULL, to, ctx->message->type->type, thsi_message_body(ctx->message));
}

enum ths_err thsp_delegate(struct ths_ctx *ctx, struct ths_asked *asked, ths_ref to, struct ths_type *type,
                           const void *body)
{
    return pass_on(ctx, asked, to, type, body);
}

/* ---- How long --------------------------------------------------------------------------- */

bool ths_cancelled(struct ths_ctx *ctx, const struct ths_asked *asked)
{
    struct thsi_held request;

    return !find(ctx, asked, &request) || !is_waiting(ctx, &request);
}

unsigned ths_remaining_ms(struct ths_ctx *ctx, const struct ths_asked *asked)
{
    uint64_t now_ns = thsi_now_ns(ctx->node), left_ms;
    struct thsi_held request;

    if (!find(ctx, asked, &request) || request.deadline_ns == UINT64_MAX)
        return THS_INHERIT;
    left_ms = request.deadline_ns > now_ns ? (request.deadline_ns - now_ns) / 1000000u : 0;
    return left_ms < THS_INHERIT ? (unsigned)left_ms : THS_INHERIT - 1;
}
