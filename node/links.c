/* Links and monitors: who is told when an actor ends, and who hears of the loss of a node. */

#include "node/node.h"
#include "node/send.h"

static struct thsi_relation **find(struct thsi_relation **list, ths_ref other, uint64_t id)
{
    while (*list && ((*list)->id != id || !ths_ref_equal((*list)->other, other)))
        list = &(*list)->next;
    return list;
}

bool thsi_relation_add(struct ths_ctx *ctx, struct thsi_relation **list, ths_ref other, uint64_t id)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_relation *relation;

    /* Linking twice is one link. A monitor's id is drawn once, so there is no need to look: an actor may have many. */
    if (id == 0 && *find(list, other, id))
        return true;
    relation = env->memory(env, NULL, sizeof *relation);
    if (!relation)
        return false;
    *relation = (struct thsi_relation){ .next = *list, .other = other, .id = id };
    *list = relation;
    return true;
}

bool thsi_relation_remove(struct ths_ctx *ctx, struct thsi_relation **list, ths_ref other, uint64_t id)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_relation **at = find(list, other, id);
    struct thsi_relation *relation = *at;

    if (!relation)
        return false;
    *at = relation->next;
    (void)env->memory(env, relation, 0);
    return true;
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

static struct thsi_relation *take(struct thsi_relation **list)
{
    struct thsi_relation *relation = *list;

    if (relation)
        *list = relation->next;
    return relation;
}

/* Send @signal to every other of @list and forget it. */
static void tell_all(struct ths_ctx *ctx, struct thsi_relation **list, struct thsi_signal *signal)
{
    struct thsi_relation *relation;

    while ((relation = take(list)) != NULL) {
        signal->to = relation->other;
        signal->id = relation->id;
        (void)thsi_send_signal(ctx, signal);
        (void)ctx->node->env->memory(ctx->node->env, relation, 0);
    }
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

/* Move the relations to node @uid out of @list. */
static struct thsi_relation *cut_out(struct thsi_relation **list, uint64_t uid)
{
    struct thsi_relation *lost = NULL;

    while (*list) {
        struct thsi_relation *relation = *list;

        if (relation->other.node != uid) {
            list = &relation->next;
            continue;
        }
        *list = relation->next;
        relation->next = lost;
        lost = relation;
    }
    return lost;
}

static void free_all(struct ths_ctx *ctx, struct thsi_relation *relation)
{
    while (relation) {
        struct thsi_relation *next = relation->next;

        (void)ctx->node->env->memory(ctx->node->env, relation, 0);
        relation = next;
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
    free_all(ctx, cut_out(&rare->watchers, uid));
    for (const struct thsi_relation *at = rare->links; at; at = at->next)
        if (at->other.node == uid)
            send_self(ctx, THSI_EXIT, at, certainty);
    for (const struct thsi_relation *at = rare->monitors; at; at = at->next)
        if (at->other.node == uid)
            send_self(ctx, THSI_DOWN, at, certainty);
}
