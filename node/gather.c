#include "node/gather.h"

#include "node/node.h"
#include "node/send.h"
#include "thiasos/ask.h"

/* One of those who were asked, beside its result. */
struct part {
    struct thsi_ask_entry *entry;  /* while it is open */
    struct thsi_message *message;  /* of its reply; NULL: none */
    struct ths_message any;        /* what a handler of any reply gets */
};

struct thsi_gather {
    struct thsi_ask_entry *own;
    ths_results_handler *handler;
    const struct thsi_type_info *type; /* of the replies wanted; NULL: any */
    unsigned count, left;
    unsigned size_class;               /* of its block */
    struct part *parts;                /* behind the results */
    struct ths_result results[];
};

/* ---- The end ---------------------------------------------------------------------------- */

static void destroy(struct ths_ctx *ctx, struct thsi_gather *gather)
{
    for (unsigned i = 0; i < gather->count; i++)
        thsi_message_free(ctx->pool, gather->parts[i].message);
    thsi_pool_put(ctx->pool, gather, gather->size_class);
}

static void complete(struct ths_ctx *ctx, struct thsi_gather *gather)
{
    struct thsi_tally *tally;
    uint64_t begun_ns;

    ctx->ask_id = gather->own->last_id;
    thsi_ask_close(ctx, gather->own);
    begun_ns = thsi_tally_begin(ctx, gather->type);
    tally = ctx->tally;
    gather->handler(ctx, ctx->actor->state, gather->results, gather->count);
    thsi_tally_end(ctx, tally, begun_ns);
    destroy(ctx, gather);
}

void thsi_gather_call_off(struct ths_ctx *ctx, struct thsi_gather *gather)
{
    for (unsigned i = 0; i < gather->count; i++)
        if (gather->parts[i].entry)
            thsi_ask_call_off(ctx, gather->parts[i].entry);
    thsi_ask_close(ctx, gather->own);
    destroy(ctx, gather);
}

bool thsi_gather_find_cycle(struct ths_ctx *ctx, const struct thsi_gather *gather, char text[THSI_CYCLE_TEXT])
{
    for (unsigned i = 0; i < gather->count; i++)
        if (gather->parts[i].entry && thsi_ask_find_cycle(ctx, gather->parts[i].entry->target, text))
            return true;
    return false;
}

/* ---- Answers ---------------------------------------------------------------------------- */

static void end_part(struct ths_ctx *ctx, struct thsi_gather *gather, unsigned place, enum ths_err err)
{
    struct part *part = &gather->parts[place];

    if (part->entry)
        thsi_ask_close(ctx, part->entry);
    part->entry = NULL;
    gather->results[place].err = err;
    gather->left--;
}

/* Keep the message at hand, which is a reply. */
static void keep_reply(struct ths_ctx *ctx, struct thsi_gather *gather, unsigned place,
                       const struct thsi_type_info *info, const void *body)
{
    struct part *part = &gather->parts[place];

    part->message = ctx->message;
    part->any = (struct ths_message){ info ? info->type : NULL, body };
    gather->results[place].reply = gather->type ? body : &part->any;
    ctx->message = NULL;
}

static void time_out(struct ths_ctx *ctx, struct thsi_gather *gather, enum ths_err err)
{
    for (unsigned i = 0; i < gather->count; i++)
        if (gather->parts[i].entry)
            end_part(ctx, gather, i, err);
}

void thsi_gather_answered(struct ths_ctx *ctx, struct thsi_ask_entry *entry, enum ths_err err,
                          const struct thsi_type_info *info, const void *body)
{
    struct thsi_gather *gather = entry->gather;

    if (entry == gather->own) {
        if (gather->left > 0 && err != THS_TIMEOUT)
            return; /* nobody was asked under this id */
        time_out(ctx, gather, err);
    } else {
        unsigned place = entry->place;

        if (err == THS_OK && gather->type && gather->type != info)
            err = THS_TYPE_MISMATCH;
        if (err == THS_OK)
            keep_reply(ctx, gather, place, info, body);
        end_part(ctx, gather, place, err);
    }
    if (gather->left == 0)
        complete(ctx, gather);
}

/* ---- Asking ----------------------------------------------------------------------------- */

static struct thsi_gather *create(struct ths_ctx *ctx, const ths_ref *to, unsigned count,
                                  const struct ths_results_to *results_to, unsigned timeout_ms)
{
    size_t results = sizeof(struct thsi_gather) + count * sizeof(struct ths_result);
    struct thsi_gather *gather = thsi_pool_get(ctx->pool, results + count * sizeof(struct part));

    if (!gather)
        return NULL;
    gather->size_class = ((const uint8_t *)gather)[THSI_POOL_CLASS_OFFSET];
    gather->own = thsi_ask_begin_until(ctx, THS_NOBODY, timeout_ms);
    if (!gather->own) {
        thsi_pool_put(ctx->pool, gather, gather->size_class);
        return NULL;
    }
    gather->own->gather = gather;
    gather->handler = results_to->handler;
    gather->type = results_to->type ? thsi_type_intern(results_to->type) : NULL;
    gather->count = gather->left = count;
    gather->parts = (struct part *)(void *)((char *)gather + results);
    for (unsigned i = 0; i < count; i++) {
        gather->parts[i] = (struct part){ .entry = NULL };
        gather->results[i] = (struct ths_result){ .who = to[i] };
    }
    return gather;
}

/* Ask one of them. @signal: what all of them are asked. */
static void ask_one(struct ths_ctx *ctx, struct thsi_gather *gather, unsigned place, struct thsi_signal *signal)
{
    struct thsi_ask_entry *entry = thsi_ask_begin(ctx, gather->results[place].who);

    if (!entry) {
        end_part(ctx, gather, place, THS_TOO_MANY);
        return;
    }
    entry->gather = gather;
    entry->place = place;
    gather->parts[place].entry = entry;
    signal->to = gather->results[place].who;
    signal->id = entry->last_id;
    if (ths_ref_is_nobody(signal->to))
        end_part(ctx, gather, place, THS_GONE);
    else
        (void)thsi_send_signal(ctx, signal); /* a failure is answered like any other */
}

/* Nobody is left to answer: the handler runs when the mailbox says so, as after any ask; without memory for that at once. */
static void complete_later(struct ths_ctx *ctx, struct thsi_gather *gather)
{
    const struct thsi_signal ready = { .kind = THSI_REPLY, .to = thsi_actor_ref(ctx->node, ctx->actor),
                                       .id = gather->own->last_id };

    if (thsi_send_signal(ctx, &ready) != THS_OK)
        complete(ctx, gather);
}

ths_ask_id thsp_ask_all(struct ths_ctx *ctx, const ths_ref *to, unsigned count, struct ths_type *type, const void *body,
                        const struct ths_results_to *results_to, unsigned timeout_ms)
{
    struct thsi_signal signal = { .kind = THSI_ASK, .type = type, .body = body };
    struct thsi_gather *gather = NULL;
    ths_ask_id id;

    if (!ctx->actor)
        return (ths_ask_id){ 0 };
    if (count <= THS_ASK_ALL_MAX)
        gather = create(ctx, to, count, results_to, timeout_ms);
    if (!gather) {
        results_to->handler(ctx, ctx->actor->state, NULL, 0);
        return (ths_ask_id){ 0 };
    }
    id.value = gather->own->last_id;
    signal.from = thsi_actor_ref(ctx->node, ctx->actor);
    signal.deadline_ns = gather->own->deadline.ns;
    for (unsigned i = 0; i < count; i++)
        ask_one(ctx, gather, i, &signal);
    if (gather->left == 0)
        complete_later(ctx, gather);
    return id;
}
