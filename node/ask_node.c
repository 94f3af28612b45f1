/* A ref without a slot stands for the node. */

#include "node/ask_node.h"

#include <stdio.h>
#include <string.h>

#include "node/send.h"

enum ths_err thsi_ask_node_resolve(struct ths_ctx *ctx, const char *node, uint64_t *uid)
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
    enum ths_err err = ctx->actor ? thsi_ask_node_resolve(ctx, node, &uid) : THS_INVALID;

    if (err == THS_OK) {
        signal->to = (ths_ref){ uid, 0, 0 };
        thsi_ask_signal(ctx, signal, reply_to, timeout_ms);
    } else if (ctx->actor) {
        thsi_ask_fail(ctx, reply_to, timeout_ms, err);
    }
}

void thsp_lookup(struct ths_ctx *ctx, const char *name, const struct ths_reply_to *reply_to, unsigned timeout_ms)
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
