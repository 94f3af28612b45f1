#include "node/life.h"

#include "node/send.h"
#include "node/start.h"
#include "thiasos/lifecycle.h"

struct thsi_life *thsi_life_of(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, actor);

    if (!rare)
        return NULL;
    if (!rare->life) {
        rare->life = thsi_pool_get(ctx->pool, sizeof *rare->life);
        if (rare->life)
            *rare->life = (struct thsi_life){ .askers = NULL };
    }
    return rare->life;
}

void thsi_life_ended(struct ths_ctx *ctx, ths_ref self, enum ths_reason reason, const char *text)
{
    const struct thsi_life *life = ctx->actor->rare ? ctx->actor->rare->life : NULL;
    const struct ths_stopped stopped = { .who = self, .reason = (uint8_t)reason, .text = text };
    struct thsi_signal answer = { .kind = THSI_REPLY, .from = self, .type = &ths_stopped_type, .body = &stopped };

    thsi_start_answer(ctx, self, thsi_reason_is_failure(reason) ? THS_CRASHED : THS_GONE, text);
    for (const struct thsi_stop_asker *asker = life ? life->askers : NULL; asker; asker = asker->next) {
        answer.to = asker->from;
        answer.id = asker->id;
        (void)thsi_send_signal(ctx, &answer);
    }
}

void thsi_life_free(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_life *life = actor->rare ? actor->rare->life : NULL;

    while (life && life->askers) {
        struct thsi_stop_asker *asker = life->askers;

        life->askers = asker->next;
        (void)env->memory(env, asker, 0);
    }
    if (life)
        thsi_pool_put(ctx->pool, life, thsi_pool_class(sizeof *life));
    if (actor->rare)
        actor->rare->life = NULL;
}
