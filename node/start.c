/* Starts that somebody waits for. */

#include "node/start.h"

#include "node/send.h"
#include "thiasos/lifecycle.h"
#include "thiasos/start.h"

bool thsi_start_is_awaited(const struct thsi_actor *actor)
{
    return actor->incarnation == 1 && actor->rare && actor->rare->life && actor->rare->life->awaiter.id != 0;
}

void thsi_start_await(struct ths_ctx *ctx, ths_ref by, uint64_t id)
{
    struct thsi_life *life = id != 0 ? thsi_life_of(ctx, ctx->actor) : NULL;

    if (life)
        life->awaiter = (struct thsi_awaiter){ .by = by, .id = id };
    /* Without memory nobody is told: who waits has a deadline. */
}

void thsi_start_answer(struct ths_ctx *ctx, ths_ref self, enum ths_err err, const char *text)
{
    struct thsi_life *life = ctx->actor->rare ? ctx->actor->rare->life : NULL;
    const struct ths_spawned spawned = { .who = self };
    struct thsi_signal answer = { .kind = THSI_REPLY, .from = self, .err = err };

    if (!life || life->awaiter.id == 0)
        return;
    answer.to = life->awaiter.by;
    answer.id = life->awaiter.id;
    life->awaiter.id = 0;
    if (ths_ref_is_nobody(answer.to)) {
        thsi_outside_started(ctx->node, answer.id, err, text);
        return;
    }
    if (err == THS_OK) {
        answer.type = &ths_spawned_type;
        answer.body = &spawned;
    } else {
        answer.text = text;
    }
    (void)thsi_send_signal(ctx, &answer);
}

/* ---- The API ---------------------------------------------------------------------------- */

ths_ref thsp_spawn_then(struct ths_ctx *ctx, struct ths_behaviour *behaviour, const struct ths_spawn_options *options,
                        const struct ths_reply_to *reply_to, unsigned timeout_ms)
{
    struct thsi_awaiter awaiter = { .by = ths_self(ctx) };
    ths_ref ref = THS_NOBODY;
    enum ths_err err = THS_TOO_MANY;

    if (!ctx->actor)
        return THS_NOBODY; /* only a handler has a reply handler */
    awaiter.id = thsi_ask_open(ctx, (ths_ref){ ctx->node->uid, 0, 0 }, reply_to, timeout_ms);
    if (awaiter.id != 0)
        err = thsi_spawn_awaited(ctx, behaviour, options, &awaiter, &ref);
    if (err == THS_OK)
        return ref;
    thsi_ask_failed(ctx, reply_to, awaiter.id, err);
    return THS_NOBODY;
}

const char *ths_reply_text(struct ths_ctx *ctx)
{
    struct thsi_message *message = ctx->message;

    if (ctx->reply_text)
        return ctx->reply_text;
    return message && message->kind == THSI_REPLY ? thsi_message_control(message)->text : "";
}
