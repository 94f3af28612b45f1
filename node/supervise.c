/* What users call: start a supervisor, look at it. Orders are in supervise_orders.c. */

#include "node/supervisor_actor.h"

#include "node/names.h"
#include "node/node.h"
#include "node/supervise.h"

#include <stdio.h>
#include <string.h>

static bool knows_behaviour(void *arg, const char *behaviour)
{
    struct ths_node *node = arg;

    return thsi_names_get(&node->behaviours, behaviour, NULL, NULL);
}

struct thsi_knows thsi_supervise_knows(struct ths_node *node)
{
    return (struct thsi_knows){ knows_behaviour, node };
}

/* ---- Starting ------------------------------------------------------------------------------ */

/* One whose actor was killed before it could claim it, taken from all others; NULL: none. */
static struct thsi_supervision *take_left(struct ths_node *node)
{
    struct thsi_supervisors *supervisors = &node->supervisors;
    struct thsi_supervision *it;
    enum ths_err err;

    (void)pthread_mutex_lock(&supervisors->lock);
    it = supervisors->first;
    while (it && (it->claimed || it->nested || ths_ref_is_nobody(it->ref) || thsi_actor_find(node, it->ref, &err)))
        it = it->next;
    if (it)
        it->claimed = true;
    (void)pthread_mutex_unlock(&supervisors->lock);
    return it;
}

/* The actor may not have claimed it yet; it is to be found already. It may also have ended. */
static void set_ref(struct thsi_supervisors *supervisors, uint64_t token, ths_ref ref)
{
    struct thsi_supervision *it;

    (void)pthread_mutex_lock(&supervisors->lock);
    for (it = supervisors->first; it; it = it->next) {
        if (it->token == token)
            it->ref = ref;
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
}

ths_ref thsp_supervise(struct ths_ctx *ctx, const struct ths_child *children, size_t count,
                       const struct ths_supervisor_options *options, enum ths_err *err)
{
    struct ths_node *node = ctx->node;
    const struct thsi_supervision_wish wish = { children, count, options, node->uid, 0 };
    const struct thsi_knows knows = thsi_supervise_knows(node);
    struct thsi_supervision *it;
    ths_ref ref = THS_NOBODY;
    char text[256] = "";
    struct thsi_complaint why = { text, sizeof text };
    enum ths_err result;

    while ((it = take_left(node)) != NULL)
        thsi_supervision_drop(&node->supervisors, node->env, it);
    result = thsi_supervisor_register(node);
    if (result == THS_OK)
        result = thsi_supervision_create(&node->supervisors, node->env, &wish, &knows, &why, &it);
    if (result == THS_OK) {
        uint64_t token = it->token;
        result = thsi_supervisor_spawn(ctx, options->name, options->link, token, &ref);
        if (result == THS_OK) {
            set_ref(&node->supervisors, token, ref);
        } else {
            (void)snprintf(text, sizeof text, "%s", ths_err_text(result));
            thsi_supervision_drop(&node->supervisors, node->env, it);
        }
    }
    if (result != THS_OK)
        thsi_log(node, THS_LOG_ERROR, "supervisor", "%s is not started: %s", options->name ? options->name : "-", text);
    if (err)
        *err = result;
    return result == THS_OK ? ref : THS_NOBODY;
}

/* ---- Seen from outside ---------------------------------------------------------------------- */

enum ths_err thsi_supervise_lock(struct ths_node *node, ths_ref supervisor, struct thsi_supervision **out)
{
    enum ths_err err = THS_INVALID;

    *out = NULL;
    if (supervisor.node != node->uid)
        return THS_UNSUPPORTED;
    if (!thsi_actor_find(node, supervisor, &err))
        return THS_GONE;
    (void)pthread_mutex_lock(&node->supervisors.lock);
    *out = thsi_supervision_find(&node->supervisors, supervisor);
    if (*out)
        return THS_OK;
    (void)pthread_mutex_unlock(&node->supervisors.lock);
    return THS_INVALID;
}

void thsi_supervise_unlock(struct ths_node *node)
{
    (void)pthread_mutex_unlock(&node->supervisors.lock);
}

enum ths_err ths_supervisor_stats(struct ths_node *node, ths_ref supervisor, struct ths_supervisor_stats *out)
{
    struct thsi_supervision *it;
    enum ths_err err = thsi_supervise_lock(node, supervisor, &it);

    *out = (struct ths_supervisor_stats){ 0 };
    if (err != THS_OK)
        return err == THS_UNSUPPORTED ? THS_INVALID : err;
    *out = it->stats;
    thsi_supervise_unlock(node);
    return THS_OK;
}

enum ths_err ths_supervisor_subscribe(struct ths_node *node, ths_ref supervisor, ths_ref who, bool on)
{
    struct thsi_supervision *it;
    enum ths_err err = ths_ref_is_nobody(who) ? THS_INVALID : thsi_supervise_lock(node, supervisor, &it);
    uint32_t at = 0;

    if (err != THS_OK)
        return err;
    while (at < it->subscribers_count && !ths_ref_equal(it->subscribers[at], who))
        at++;
    if (on && at == THSI_SUBSCRIBERS_MAX)
        err = THS_TOO_MANY;
    else if (on && at == it->subscribers_count)
        it->subscribers[it->subscribers_count++] = who;
    else if (!on && at < it->subscribers_count)
        it->subscribers[at] = it->subscribers[--it->subscribers_count];
    thsi_supervise_unlock(node);
    return err;
}

struct row {
    struct ths_child_info info;
    char name[THS_NAME_SIZE], behaviour[THS_NAME_SIZE];
};

const char *ths_child_state_text(enum ths_child_state state)
{
    static const char *const texts[] = { "waits", "starts", "runs", "stops", "ended" };

    return (unsigned)state < sizeof texts / sizeof texts[0] ? texts[state] : "unknown";
}

const char *ths_restart_text(enum ths_restart restart)
{
    static const char *const texts[] = { "permanent", "transient", "temporary" };

    return (unsigned)restart < sizeof texts / sizeof texts[0] ? texts[restart] : "unknown";
}

static enum ths_child_state state_of(enum thsi_child_state state)
{
    switch (state) {
    case THSI_CHILD_RUNNING:
        return THS_CHILD_RUNS;
    case THSI_CHILD_STARTING:
    case THSI_CHILD_BEGINNING:
        return THS_CHILD_STARTS;
    case THSI_CHILD_HALTING:
    case THSI_CHILD_STOPPING:
        return THS_CHILD_STOPS;
    case THSI_CHILD_ENDED:
    case THSI_CHILD_FREE:
        return THS_CHILD_ENDED;
    case THSI_CHILD_PENDING:
    case THSI_CHILD_HALTED:
        break;
    }
    return THS_CHILD_WAITS;
}

void thsi_supervise_child(const struct thsi_supervision *it, uint32_t index, struct ths_child_info *out)
{
    const struct thsi_child_status *child = &it->core.children[index];

    *out = (struct ths_child_info){ .who = child->who, .state = state_of(child->state),
                                    .restart = it->core.plans[child->plan].plan.restart,
                                    .incarnation = it->kids[index].incarnation, .restarts = it->kids[index].restarts,
                                    .is_supervisor = it->specs[child->plan]->tree != NULL };
}

static void fill_row(const struct thsi_supervision *it, uint32_t index, struct row *row)
{
    const struct thsi_child_spec *spec = it->specs[it->core.children[index].plan];

    thsi_supervise_child(it, index, &row->info);
    memcpy(row->name, spec->name, sizeof row->name);
    memcpy(row->behaviour, spec->behaviour, sizeof row->behaviour);
}

enum ths_err ths_children(struct ths_node *node, ths_ref supervisor,
                          void (*visit)(void *arg, const struct ths_child_info *child), void *arg)
{
    struct ths_env *env = node->env;
    struct thsi_supervision *it;
    struct row *rows;
    size_t count = 0;
    enum ths_err err = thsi_supervise_lock(node, supervisor, &it);

    if (err != THS_OK)
        return err;
    rows = env->memory(env, NULL, (it->core.children_count + 1u) * sizeof *rows);
    for (uint32_t at = 0; rows && at < it->core.line_count; at++) {
        const struct thsi_supervisor_plan *plan = &it->core.plans[it->core.line[at]];
        for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++) {
            if (it->core.children[i].state != THSI_CHILD_FREE)
                fill_row(it, i, &rows[count++]);
        }
    }
    thsi_supervise_unlock(node);
    if (!rows)
        return THS_NOMEM;
    for (size_t i = 0; i < count; i++) {
        rows[i].info.name = rows[i].name;
        rows[i].info.behaviour = rows[i].behaviour;
        visit(arg, &rows[i].info);
    }
    (void)env->memory(env, rows, 0);
    return THS_OK;
}
