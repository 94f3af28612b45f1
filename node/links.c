/* Links and monitors: who is told when an actor ends, and who hears of the loss of a node. */

#include "node/node.h"
#include "node/send.h"

#include <inttypes.h>

bool thsi_relation_add(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id)
{
    /* Linking twice is one link. A monitor's id is drawn once, so there is no need to look. */
    if (id == 0 && thsi_relations_find(set, other, id))
        return true;
    return thsi_relations_add(set, ctx->pool, ctx->node->uid, other, id) == THS_OK;
}

/* Said once by each actor. */
static void note_refusal(struct ths_ctx *ctx, uint32_t limit, const char *whose)
{
    struct thsi_rare *rare = ctx->actor->rare;
    char ref[THS_REF_TEXT_SIZE];

    if (!rare->relations_refused)
        thsi_log(ctx->node, THS_LOG_WARN, "actor",
                 "%s refuses more than %u links or monitors of actors of %s: is one of them in a loop?",
                 ths_ref_print(thsi_actor_ref(ctx->node, ctx->actor), ref), limit, whose);
    rare->relations_refused = true;
}

static enum ths_err take_share(struct ths_ctx *ctx, uint64_t uid)
{
    bool first;
    enum ths_err err = thsi_shares_take(&ctx->node->shares, uid, THSI_RELATIONS_SHARE_MAX, &first);

    if (first)
        thsi_log(ctx->node, THS_LOG_WARN, "actor",
                 "actors of node %016" PRIx64 " ask for more than %u links and monitors here: is one of them in a loop?", uid,
                 (unsigned)THSI_RELATIONS_SHARE_MAX);
    return err;
}

/* For an actor of another node, within the bounds for that. */
static enum ths_err asked_elsewhere(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id)
{
    struct thsi_relation *relation;
    enum ths_err err;

    if (id == 0 && thsi_relations_find(set, other, id))
        return THS_OK;
    if (set->elsewhere >= THSI_RELATIONS_ELSEWHERE_MAX) {
        note_refusal(ctx, THSI_RELATIONS_ELSEWHERE_MAX, "other nodes");
        return THS_TOO_MANY;
    }
    err = take_share(ctx, other.node);
    if (err != THS_OK)
        return err;
    relation = thsi_relation_new(ctx->pool);
    if (!relation) {
        thsi_shares_give_back(&ctx->node->shares, other.node);
        return THS_NOMEM;
    }
    thsi_relations_put(set, ctx->pool, ctx->node->uid, relation, other, id);
    relation->shared = true;
    return THS_OK;
}

enum ths_err thsi_relation_asked(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id)
{
    if (other.node != ctx->node->uid)
        return asked_elsewhere(ctx, set, other, id);
    if (set->count < THSI_RELATIONS_MAX)
        return thsi_relation_add(ctx, set, other, id) ? THS_OK : THS_NOMEM;
    note_refusal(ctx, THSI_RELATIONS_MAX, "this node");
    return THS_TOO_MANY;
}

/* Out of its set, and no part of its node's share any more. */
static void take(struct ths_ctx *ctx, struct thsi_relations *set, struct thsi_relation *relation)
{
    thsi_relations_take(set, ctx->node->uid, relation);
    if (relation->shared)
        thsi_shares_give_back(&ctx->node->shares, relation->other.node);
}

bool thsi_relation_remove(struct ths_ctx *ctx, struct thsi_relations *set, ths_ref other, uint64_t id)
{
    struct thsi_relation *relation = thsi_relations_find(set, other, id);

    if (!relation)
        return false;
    take(ctx, set, relation);
    thsi_relation_free(ctx->pool, relation);
    return true;
}

static void drop(struct ths_ctx *ctx, struct thsi_relations *set)
{
    struct thsi_relation *relation;

    while ((relation = set->first) != NULL) {
        take(ctx, set, relation);
        thsi_relation_free(ctx->pool, relation);
    }
    thsi_relations_fini(set, ctx->pool);
}

void thsi_relations_drop(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    drop(ctx, &actor->rare->links);
    drop(ctx, &actor->rare->monitors);
    drop(ctx, &actor->rare->watchers);
}

/* ---- Links ------------------------------------------------------------------------------ */

/* A LINK and an UNLINK may cross. Each actor numbers its LINKs; an UNLINK says which of the other's its sender had taken.
 * Whoever has sent a later one stays tied: the other takes that one after its own UNLINK, and is tied too. Numbers begin anew
 * after 2^32; two of them are never that far apart. */

static uint32_t next_number(struct thsi_rare *rare)
{
    uint32_t number = (uint32_t)++rare->next_id;

    return number != 0 ? number : (uint32_t)++rare->next_id;
}

/* Without memory for the own side the other side is not asked, and its end is told at once. */
void ths_link(struct ths_ctx *ctx, ths_ref to)
{
    struct thsi_signal link = { .kind = THSI_LINK, .from = ths_self(ctx), .to = to };
    struct thsi_relations *links;

    if (!ctx->actor || !thsi_actor_rare(ctx, ctx->actor) || ths_ref_equal(to, link.from))
        return;
    links = &ctx->actor->rare->links;
    if (!thsi_relation_add(ctx, links, to, 0)) {
        thsi_refuse(ctx, &link, THS_NOMEM);
        return;
    }
    link.id = thsi_relations_find(links, to, 0)->asked = next_number(ctx->actor->rare);
    thsi_foreign_note(ctx, to);
    (void)thsi_send_signal(ctx, &link);
}

enum ths_err thsi_link_asked(struct ths_ctx *ctx, ths_ref from, uint64_t number)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);
    enum ths_err err = rare ? thsi_relation_asked(ctx, &rare->links, from, 0) : THS_NOMEM;

    if (err == THS_OK)
        thsi_relations_find(&rare->links, from, 0)->heard = (uint32_t)number;
    return err;
}

void ths_unlink(struct ths_ctx *ctx, ths_ref to)
{
    struct thsi_signal unlink = { .kind = THSI_UNLINK, .from = ths_self(ctx), .to = to };
    const struct thsi_relation *link =
        ctx->actor && ctx->actor->rare ? thsi_relations_find(&ctx->actor->rare->links, to, 0) : NULL;

    if (!link)
        return;
    unlink.id = link->heard;
    (void)thsi_relation_remove(ctx, &ctx->actor->rare->links, to, 0);
    (void)thsi_send_signal(ctx, &unlink);
}

void thsi_link_undone(struct ths_ctx *ctx, ths_ref from, uint64_t seen)
{
    struct thsi_rare *rare = ctx->actor->rare;
    const struct thsi_relation *link = rare ? thsi_relations_find(&rare->links, from, 0) : NULL;

    if (link && (link->asked == 0 || (seen != 0 && (int32_t)(link->asked - (uint32_t)seen) <= 0)))
        (void)thsi_relation_remove(ctx, &rare->links, from, 0);
}

/* ---- Relations to other nodes ----------------------------------------------------------- */

void thsi_foreign_note(struct ths_ctx *ctx, ths_ref other)
{
    struct ths_node *node = ctx->node;
    struct thsi_actor *actor = ctx->actor;

    if (other.node == node->uid || other.node == 0 || actor->rare->is_foreign)
        return;
    (void)pthread_mutex_lock(&node->foreign_lock);
    if (node->foreign_count == node->foreign_cap) {
        size_t cap = node->foreign_cap ? 2 * node->foreign_cap : 64;
        struct thsi_foreign *grown = node->env->memory(node->env, node->foreign, cap * sizeof *grown);

        if (!grown) {
            (void)pthread_mutex_unlock(&node->foreign_lock);
            thsi_log(node, THS_LOG_ERROR, "actor", "no memory to note a relation to another node: its loss may be missed");
            return;
        }
        node->foreign = grown;
        node->foreign_cap = cap;
    }
    actor->rare->foreign_at = (uint32_t)node->foreign_count;
    node->foreign[node->foreign_count++] = (struct thsi_foreign){ actor, thsi_actor_generation(actor) };
    (void)pthread_mutex_unlock(&node->foreign_lock);
    actor->rare->is_foreign = true;
}

void thsi_foreign_forget(struct ths_ctx *ctx)
{
    struct ths_node *node = ctx->node;
    uint32_t at;

    (void)pthread_mutex_lock(&node->foreign_lock);
    /* The last one takes its place. Whoever leaves changes another's foreign_at, so it is read under the lock too. */
    at = ctx->actor->rare->foreign_at;
    node->foreign[at] = node->foreign[--node->foreign_count];
    node->foreign[at].actor->rare->foreign_at = at;
    (void)pthread_mutex_unlock(&node->foreign_lock);
}

/* ---- The end ---------------------------------------------------------------------------- */

/* Whether @err means that the other may still be there and has heard nothing. */
static bool is_owed(const struct ths_ctx *ctx, const struct thsi_signal *signal, enum ths_err err)
{
    return err == THS_NOMEM && signal->to.node == ctx->node->uid &&
           (signal->kind == THSI_DOWN || signal->kind == THSI_EXIT);
}

/* Send @signal to every other of @set and forget it. A DOWN or EXIT for which there is no memory goes out in the block of its own
 * relation, without a text. */
static void tell_all(struct ths_ctx *ctx, struct thsi_relations *set, struct thsi_signal *signal)
{
    struct thsi_relation *relation;
    struct thsi_actor *other;
    enum ths_err err;

    while ((relation = set->first) != NULL) {
        take(ctx, set, relation);
        signal->to = relation->other;
        signal->id = relation->id;
        err = thsi_send_signal(ctx, signal);
        other = is_owed(ctx, signal, err) ? thsi_actor_find(ctx->node, signal->to, &err) : NULL;
        if (other)
            thsi_post_signal(ctx, other, thsi_relation_become(relation, signal));
        else
            thsi_relation_free(ctx->pool, relation);
    }
    thsi_relations_fini(set, ctx->pool);
}

void thsi_relations_end(struct ths_ctx *ctx, ths_ref self, enum ths_reason reason, const char *text)
{
    struct thsi_rare *rare = ctx->actor->rare;
    struct thsi_signal signal = { .from = self, .reason = reason, .text = text, .certainty = THS_OBSERVED };

    if (!rare)
        return;
    if (rare->is_foreign)
        thsi_foreign_forget(ctx);
    signal.kind = THSI_DEMONITOR;
    tell_all(ctx, &rare->monitors, &signal);
    signal.kind = THSI_EXIT;
    tell_all(ctx, &rare->links, &signal);
    signal.kind = THSI_DOWN;
    tell_all(ctx, &rare->watchers, &signal);
}

/* @unknown: only monitors of spawns of which nothing is known (spawn_at.h). */
static void forget(struct ths_ctx *ctx, struct thsi_relations *set, uint64_t uid, bool unknown)
{
    struct thsi_relation *next;

    for (struct thsi_relation *at = set->first; at; at = next) {
        next = at->next;
        if (at->other.node != uid || (unknown && at->other.generation != 0))
            continue;
        take(ctx, set, at);
        thsi_relation_free(ctx->pool, at);
    }
}

/* Each loss is handled as the signal that the lost node would have sent, through the mailbox: so the order in which the
 * actor hears of it is that of all other signals, and the lists may change while it does. */
static void send_self(struct ths_ctx *ctx, enum thsi_signal_kind kind, const struct thsi_relation *relation,
                      enum ths_certainty certainty)
{
    const struct thsi_signal signal = {
        .kind = kind, .from = relation->other, .to = thsi_actor_ref(ctx->node, ctx->actor), .id = relation->id,
        .reason = THS_REASON_NODE_LOST, .certainty = certainty,
        .text = certainty == THS_OBSERVED ? "its node has left" : "its node was declared dead",
    };

    (void)thsi_send_signal(ctx, &signal);
}

void thsi_relations_node_lost(struct ths_ctx *ctx, uint64_t uid, enum ths_certainty certainty)
{
    struct thsi_rare *rare = ctx->actor->rare;

    if (!rare)
        return;
    forget(ctx, &rare->watchers, uid, false);
    forget(ctx, &rare->monitors, uid, true);
    for (const struct thsi_relation *at = rare->links.first; at; at = at->next)
        if (at->other.node == uid)
            send_self(ctx, THSI_EXIT, at, certainty);
    for (const struct thsi_relation *at = rare->monitors.first; at; at = at->next)
        if (at->other.node == uid)
            send_self(ctx, THSI_DOWN, at, certainty);
}
