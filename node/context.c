/* What a handler may do beside sending: about itself, its log, its timers, its links and monitors. */

#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/send.h"
#include "node/timers.h"
#include "thiasos/blob.h"

struct ths_ctx *thsp_of_node(struct ths_node *node)
{
    return &node->outside.ctx;
}

ths_ref ths_self(struct ths_ctx *ctx)
{
    return ctx->actor ? thsi_actor_ref(ctx->node, ctx->actor) : THS_NOBODY;
}

ths_ref ths_sender(struct ths_ctx *ctx)
{
    return ctx->message ? ctx->message->from : THS_NOBODY;
}

struct ths_node *ths_node_of(struct ths_ctx *ctx)
{
    return ctx->node;
}

uint64_t ths_now_ms(struct ths_ctx *ctx)
{
    return thsi_now_ns(ctx->node) / 1000000u;
}

enum ths_err thsp_blob_new(struct ths_ctx *ctx, const void *data, size_t len, struct ths_blob **out)
{
    *out = NULL;
    if (len > THS_MESSAGE_MAX)
        return THS_TOO_BIG;
    if (len > 0 && !data)
        return THS_INVALID;
    *out = thsi_blob_create(ctx->node->env, (uint32_t)len);
    if (!*out)
        return THS_NOMEM;
    if (len > 0)
        memcpy((*out)->data, data, len);
    return THS_OK;
}

/* ---- Ending itself ---------------------------------------------------------------------- */

/* The first wish counts, but a failure overrides a stop. */
static bool wish_end(struct ths_ctx *ctx, enum ths_reason reason)
{
    if (!ctx->actor || (ctx->ending && (!thsi_reason_is_failure(reason) || thsi_reason_is_failure(ctx->end_reason))))
        return false;
    ctx->ending = true;
    ctx->end_reason = reason;
    ctx->end_text[0] = '\0';
    return true;
}

void thsi_wish_end(struct ths_ctx *ctx, enum ths_reason reason, const char *text)
{
    if (wish_end(ctx, reason))
        (void)snprintf(ctx->end_text, sizeof ctx->end_text, "%s", text);
}

void ths_stop(struct ths_ctx *ctx)
{
    (void)wish_end(ctx, THS_REASON_NORMAL);
}

void ths_shutdown(struct ths_ctx *ctx)
{
    (void)wish_end(ctx, THS_REASON_SHUTDOWN);
}

void ths_fail(struct ths_ctx *ctx, const char *format, ...)
{
    va_list args;

    if (!wish_end(ctx, THS_REASON_CRASHED))
        return;
    va_start(args, format);
    (void)vsnprintf(ctx->end_text, sizeof ctx->end_text, format, args);
    va_end(args);
}

/* ---- Log -------------------------------------------------------------------------------- */

void thsi_vlog(struct ths_node *node, enum ths_log_level level, const char *component, const char *format,
               va_list args)
{
    char text[1024];
    struct ths_log_line line = { .level = level, .node = node->name, .component = component, .text = text };

    (void)vsnprintf(text, sizeof text, format, args);
    line.wall_ms = node->env->wall_ms(node->env);
    node->env->log(node->env, &line);
}

void thsi_log(struct ths_node *node, enum ths_log_level level, const char *component, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    thsi_vlog(node, level, component, format, args);
    va_end(args);
}

void thsp_log(struct ths_ctx *ctx, enum ths_log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    thsi_vlog(ctx->node, level, ctx->actor ? ctx->actor->dispatch->behaviour->name : "outside", format, args);
    va_end(args);
}

/* ---- Links and monitors ----------------------------------------------------------------- */

void ths_trap_exits(struct ths_ctx *ctx, bool on)
{
    if (ctx->actor)
        ctx->actor->trap_exits = on;
}

ths_monitor_id ths_monitor(struct ths_ctx *ctx, ths_ref whom)
{
    struct thsi_signal monitor = { .kind = THSI_MONITOR, .from = ths_self(ctx), .to = whom };
    struct thsi_rare *rare = ctx->actor ? thsi_actor_rare(ctx, ctx->actor) : NULL;

    if (!rare)
        return (ths_monitor_id){ 0 };
    monitor.id = ++rare->next_id;
    if (!thsi_relation_add(ctx, &rare->monitors, whom, monitor.id))
        return (ths_monitor_id){ 0 };
    thsi_foreign_note(ctx, whom);
    /* Nobody has no node that could answer. */
    if ((ths_ref_is_nobody(whom) ? thsi_refuse(ctx, &monitor, THS_GONE) : thsi_send_signal(ctx, &monitor)) == THS_NOMEM) {
        (void)thsi_relation_remove(ctx, &rare->monitors, whom, monitor.id);
        return (ths_monitor_id){ 0 };
    }
    return (ths_monitor_id){ monitor.id };
}

void ths_demonitor(struct ths_ctx *ctx, ths_monitor_id id)
{
    struct thsi_signal demonitor = { .kind = THSI_DEMONITOR, .from = ths_self(ctx), .id = id.value };
    struct thsi_rare *rare = ctx->actor ? ctx->actor->rare : NULL;
    const struct thsi_relation *relation;

    if (!rare || id.value == THSI_SUPERVISOR_MONITOR)
        return;
    relation = thsi_relations_find(&rare->monitors, THS_NOBODY, id.value);
    if (!relation)
        return;
    demonitor.to = relation->other;
    (void)thsi_relation_remove(ctx, &rare->monitors, demonitor.to, id.value);
    (void)thsi_send_signal(ctx, &demonitor);
}
