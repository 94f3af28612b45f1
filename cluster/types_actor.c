/* A tell is carried out in the handler. An ask gets an actor of its own that waits for the reply, whatever its type
 * may be, and tells it on. */

#include "cluster/types_actor.h"

#include "cluster/control_messages.h"
#include "cluster/type_names.h"
#include "codec/schema.h"
#include "node/runtime.h"
#include "thiasos/lifecycle.h"

#define ASK_MS_MAX 600000u

/* ---- The message inside ths_relay --------------------------------------------------------- */

struct unpacked {
    struct thsi_arena arena;
    struct ths_type *type;
    void *body;
};

/* Unpack what @relay carries. Errors: UNKNOWN_TYPE, TYPE_MISMATCH, MALFORMED, TOO_BIG, NOMEM, STALE (an actor that is
 * not of this boot). Free it with drop in any case. */
static enum ths_err unpack(struct ths_ctx *ctx, const struct ths_relay *relay, struct unpacked *out)
{
    struct thsi_runtime *runtime = ths_node_runtime(ths_node_of(ctx));
    const struct thsi_type_info *info;
    struct thsi_unpacker unpacker;
    struct thsi_arena *arena = &out->arena;
    enum ths_err err = thsi_type_find(relay->type, relay->version, relay->fingerprint, &info);

    *out = (struct unpacked){ .arena = { .env = runtime->env } };
    if (relay->to.node != runtime->uid)
        return THS_STALE;
    if (err != THS_OK)
        return err;
    if (info->reply_only)
        return THS_REFUSED; /* as if it had come by itself */
    arena->cap = thsi_schema_room(info, relay->body.len);
    arena->base = runtime->env->memory(runtime->env, NULL, arena->cap);
    if (!arena->base)
        return THS_NOMEM;
    thsi_unpacker_init(&unpacker, relay->body.data, relay->body.len);
    err = thsi_schema_unpack(info, &unpacker, arena, &out->body);
    out->type = info->type;
    return err == THS_OK ? thsi_unpack_finish(&unpacker) : err;
}

static void drop(struct unpacked *unpacked)
{
    struct thsi_arena *arena = &unpacked->arena;

    thsi_arena_release(arena);
    arena->base = arena->env->memory(arena->env, arena->base, 0);
}

/* ---- Relay: the actor that waits for one reply -------------------------------------------- */

struct ths_relayer {
    ths_ref answer_to;
};

/* Tell the reply on. Packed in a block as large as a body may be; pages that it does not reach cost nothing. */
static void answer_with(struct ths_ctx *ctx, ths_ref to, const struct ths_message *reply)
{
    struct ths_env *env = ths_node_runtime(ths_node_of(ctx))->env;
    const struct thsi_type_info *info = reply->type ? thsi_type_intern(reply->type) : NULL;
    uint8_t *block = info ? env->memory(env, NULL, THSI_BODY_MAX) : NULL;
    struct thsi_packer packer;

    if (!block) {
        ths_tell(ctx, to, ths_relayed, .err = reply->type ? THS_NOMEM : THS_MALFORMED);
        return;
    }
    thsi_packer_init(&packer, block, THSI_BODY_MAX);
    if (thsi_schema_pack(info, reply->body, &packer) != THS_OK)
        ths_tell(ctx, to, ths_relayed, .err = THS_TOO_BIG);
    else
        ths_tell(ctx, to, ths_relayed, .err = THS_OK, .type = info->name, .version = info->version,
                 .fingerprint = info->fingerprint, .body = THS_BYTES(block, packer.len));
    (void)env->memory(env, block, 0);
}

static void relay_got_reply(struct ths_ctx *ctx, void *state, enum ths_err err, const void *reply)
{
    struct ths_relayer *self = state;

    if (err == THS_OK)
        answer_with(ctx, self->answer_to, reply);
    else
        ths_tell(ctx, self->answer_to, ths_relayed, .err = err);
    ths_stop(ctx);
}

static const struct ths_reply_to any_reply = { relay_got_reply, NULL };

THS_ON(ths_relayer, ths_relay)
{
    unsigned timeout_ms = msg->timeout_ms < ASK_MS_MAX ? msg->timeout_ms : ASK_MS_MAX;
    struct unpacked unpacked;
    enum ths_err err;

    if (!ths_ref_is_nobody(self->answer_to))
        return; /* only the start message counts */
    self->answer_to = msg->answer_to;
    err = unpack(ctx, msg, &unpacked);
    if (err == THS_OK) {
        thsp_ask(ctx, msg->to, unpacked.type, unpacked.body, &any_reply, timeout_ms > 0 ? timeout_ms : 1);
    } else {
        ths_tell(ctx, self->answer_to, ths_relayed, .err = err);
        ths_stop(ctx);
    }
    drop(&unpacked);
}

THS_BEHAVIOUR(ths_relayer, ths_relay)

/* ---- The types actor ------------------------------------------------------------------------ */

struct ths_types {
    uint32_t relays; /* that run now */
};

THS_ON(ths_types, ths_describe)
{
    const char *names[THS_FIELDS_MAX];
    uint8_t kinds[THS_FIELDS_MAX], elements[THS_FIELDS_MAX];
    uint32_t maxes[THS_FIELDS_MAX], element_maxes[THS_FIELDS_MAX];
    const struct thsi_type_info *info;
    struct thsi_near_names near;
    enum ths_err err = thsi_type_lookup(msg->name, msg->version, msg->fingerprint, &info, &near);

    if (err != THS_OK) {
        ths_reply(ctx, ths_described, .err = err, .name = msg->name, .near = { near.names, near.count });
        return;
    }
    for (uint32_t i = 0; i < info->fields_count; i++) {
        const struct thsi_field *field = &info->fields[i];

        names[i] = field->name;
        kinds[i] = (uint8_t)field->kind;
        elements[i] = (uint8_t)field->element;
        maxes[i] = field->max;
        element_maxes[i] = field->element_max;
    }
    ths_reply(ctx, ths_described, .name = info->name, .version = info->version, .fingerprint = info->fingerprint,
              .fields = { names, info->fields_count }, .kinds = { kinds, info->fields_count },
              .elements = { elements, info->fields_count }, .maxes = { maxes, info->fields_count },
              .element_maxes = { element_maxes, info->fields_count });
}

static enum ths_err tell_on(struct ths_ctx *ctx, const struct ths_relay *msg)
{
    struct unpacked unpacked;
    enum ths_err err = unpack(ctx, msg, &unpacked);

    if (err == THS_OK)
        err = thsp_try_tell(ctx, msg->to, unpacked.type, unpacked.body);
    drop(&unpacked);
    return err;
}

static enum ths_err ask_on(struct ths_ctx *ctx, struct ths_types *self, const struct ths_relay *msg)
{
    ths_ref ref;
    enum ths_err err = THS_TOO_MANY;

    if (self->relays < THSI_RELAYS_MAX)
        err = ths_try_spawn(ctx, &ref, ths_relayer, .start = { &ths_relay_type, msg }, .monitor = true);
    if (err == THS_OK)
        self->relays++;
    return err;
}

THS_ON(ths_types, ths_relay)
{
    enum ths_err err;

    if (ths_ref_is_nobody(msg->answer_to)) {
        err = tell_on(ctx, msg);
        ths_reply(ctx, ths_relayed, .err = err);
        return;
    }
    err = ask_on(ctx, self, msg);
    if (err != THS_OK)
        ths_tell(ctx, msg->answer_to, ths_relayed, .err = err);
}

THS_ON(ths_types, ths_down)
{
    self->relays--;
}

THS_BEHAVIOUR(ths_types, ths_describe, ths_relay, ths_down)

enum ths_err thsi_types_actor_start(struct ths_node *node)
{
    /* What others answer must be known here before it comes. */
    struct ths_type *const known[] = { &ths_describe_type, &ths_described_type, &ths_relay_type, &ths_relayed_type };
    enum ths_err err;
    ths_ref ref;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!thsi_type_intern(known[i]))
            return THS_NOMEM;
    err = ths_try_spawn(node, &ref, ths_types, .name = THSI_TYPES_ACTOR);
    return err == THS_NAME_TAKEN ? THS_OK : err;
}
