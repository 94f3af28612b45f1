/* What users call: start a supervisor, read its counters. */

#include "node/supervisor_actor.h"

#include "node/names.h"
#include "node/node.h"

#include <stdio.h>

static bool knows_behaviour(void *arg, const char *behaviour)
{
    struct ths_node *node = arg;

    return thsi_names_get(&node->behaviours, behaviour, NULL, NULL);
}

/* Free what killed supervisors left behind. */
static void sweep(struct ths_node *node)
{
    struct thsi_supervisors *supervisors = &node->supervisors;
    struct thsi_supervision **link = &supervisors->first, *left = NULL, *next;
    enum ths_err err;

    (void)pthread_mutex_lock(&supervisors->lock);
    while (*link) {
        struct thsi_supervision *supervision = *link;
        if (ths_ref_is_nobody(supervision->ref) || thsi_actor_find(node, supervision->ref, &err)) {
            link = &supervision->next;
        } else {
            *link = supervision->next;
            supervision->next = left;
            left = supervision;
        }
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
    for (; left; left = next) {
        next = left->next;
        thsi_supervision_destroy(node->env, left);
    }
}

/* Put it into the list. Returns its token. */
static uint64_t list(struct thsi_supervisors *supervisors, struct thsi_supervision *supervision)
{
    uint64_t token;

    (void)pthread_mutex_lock(&supervisors->lock);
    token = supervision->token = supervisors->next_token++;
    supervision->next = supervisors->first;
    supervisors->first = supervision;
    (void)pthread_mutex_unlock(&supervisors->lock);
    return token;
}

/* The actor may not have claimed it yet; its counters are to be found already. It may also have ended. */
static void set_ref(struct thsi_supervisors *supervisors, uint64_t token, ths_ref ref)
{
    struct thsi_supervision *supervision;

    (void)pthread_mutex_lock(&supervisors->lock);
    for (supervision = supervisors->first; supervision; supervision = supervision->next) {
        if (supervision->token == token)
            supervision->ref = ref;
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
}

ths_ref thsp_supervise(struct ths_ctx *ctx, const struct ths_child *children, size_t count,
                       const struct ths_supervisor_options *options, enum ths_err *err)
{
    struct ths_node *node = ctx->node;
    struct thsi_supervision *supervision;
    ths_ref ref = THS_NOBODY;
    char why[256] = "";
    enum ths_err result;

    sweep(node);
    result = thsi_supervision_create(node->env, node->uid, children, count, options, knows_behaviour, node, why,
                                     sizeof why, &supervision);
    if (result == THS_OK) {
        uint64_t token = list(&node->supervisors, supervision);
        result = thsi_supervisor_spawn(ctx, options->name, options->link, token, &ref);
        if (result == THS_OK) {
            set_ref(&node->supervisors, token, ref);
        } else {
            (void)snprintf(why, sizeof why, "%s", ths_err_text(result));
            thsi_supervision_release(&node->supervisors, node->env, supervision);
        }
    }
    if (result != THS_OK)
        thsi_log(node, THS_LOG_ERROR, "supervisor", "%s is not started: %s", options->name ? options->name : "-", why);
    if (err)
        *err = result;
    return result == THS_OK ? ref : THS_NOBODY;
}

enum ths_err ths_supervisor_stats(struct ths_node *node, ths_ref supervisor, struct ths_supervisor_stats *out)
{
    struct thsi_supervision *supervision;
    enum ths_err err = THS_INVALID;

    *out = (struct ths_supervisor_stats){ 0 };
    if (supervisor.node != node->uid)
        return THS_INVALID;
    if (!thsi_actor_find(node, supervisor, &err))
        return THS_GONE;
    (void)pthread_mutex_lock(&node->supervisors.lock);
    supervision = node->supervisors.first;
    while (supervision && !ths_ref_equal(supervision->ref, supervisor))
        supervision = supervision->next;
    if (supervision)
        *out = supervision->stats;
    (void)pthread_mutex_unlock(&node->supervisors.lock);
    return supervision ? THS_OK : THS_INVALID;
}
