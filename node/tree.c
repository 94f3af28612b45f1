/* The supervisors of a node and their children, for include/thiasos/observe.h. Copied at one moment, shown without the lock. */

#include <stdio.h>
#include <string.h>

#include "node/supervise.h"
#include "thiasos/observe.h"

struct row {
    struct ths_tree_row shown;
    char name[THS_NAME_SIZE], behaviour[THS_NAME_SIZE];
};

struct rows {
    struct row *rows;
    size_t count, cap; /* of those that there is room for; more are counted */
};

static struct row *add(struct rows *rows)
{
    struct row *row = rows->count < rows->cap ? &rows->rows[rows->count] : NULL;

    rows->count++;
    if (row)
        memset(row, 0, sizeof *row);
    return row;
}

static void fill_supervisor(const struct thsi_supervision *it, struct ths_tree_row *shown)
{
    shown->is_supervisor = true;
    shown->strategy = it->config.strategy;
    shown->children = it->stats;
}

static void add_children(const struct thsi_supervision *it, unsigned depth, struct rows *rows);

static void add_child(const struct thsi_supervision *it, uint32_t index, unsigned depth, struct rows *rows)
{
    const struct thsi_child_status *child = &it->core.children[index];
    const struct thsi_child_spec *spec = it->specs[child->plan];
    struct row *row = add(rows);

    if (row) {
        thsi_supervise_child(it, index, &row->shown.child);
        (void)snprintf(row->name, sizeof row->name, "%s", spec->name);
        (void)snprintf(row->behaviour, sizeof row->behaviour, "%s", spec->behaviour);
        row->shown.depth = depth;
        if (spec->tree)
            fill_supervisor(spec->tree, &row->shown);
    }
    if (spec->tree)
        add_children(spec->tree, depth + 1, rows);
}

/* Trees are at most 17 deep (supervision.c). */
static void add_children(const struct thsi_supervision *it, unsigned depth, struct rows *rows)
{
    for (uint32_t at = 0; it->begun && at < it->core.line_count; at++) {
        const struct thsi_supervisor_plan *plan = &it->core.plans[it->core.line[at]];

        for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++)
            if (it->core.children[i].state != THSI_CHILD_FREE)
                add_child(it, i, depth, rows);
    }
}

static enum ths_child_state state_of(const struct thsi_supervision *it)
{
    if (it->core.phase == THSI_SUPERVISOR_STOPS || it->core.phase == THSI_SUPERVISOR_IS_DONE)
        return THS_CHILD_STOPS;
    return it->up ? THS_CHILD_RUNS : THS_CHILD_STARTS;
}

static void add_root(const struct thsi_supervision *it, struct rows *rows)
{
    struct row *row = add(rows);

    if (row) {
        row->shown.child = (struct ths_child_info){ .who = it->ref, .state = state_of(it), .restart = THS_TEMPORARY,
                                                    .incarnation = 1, .is_supervisor = true };
        (void)snprintf(row->behaviour, sizeof row->behaviour, "%s", THSI_SUPERVISOR_BEHAVIOUR);
        fill_supervisor(it, &row->shown);
    }
    add_children(it, 1, rows);
}

/* The root that was made next after the one with @token; NULL: none. */
static const struct thsi_supervision *next_root(const struct thsi_supervisors *supervisors, uint64_t token)
{
    const struct thsi_supervision *next = NULL;

    for (const struct thsi_supervision *it = supervisors->first; it; it = it->next)
        if (!it->nested && it->claimed && it->begun && it->token > token && (!next || it->token < next->token))
            next = it;
    return next;
}

/* Under the list's lock. */
static void add_roots(const struct thsi_supervisors *supervisors, struct rows *rows)
{
    const struct thsi_supervision *root = NULL;

    while ((root = next_root(supervisors, root ? root->token : 0)) != NULL)
        add_root(root, rows);
}

static void show(struct ths_node *node, struct row *row, void (*visit)(void *arg, const struct ths_tree_row *row), void *arg)
{
    struct ths_tree_row *shown = &row->shown;

    if (shown->depth == 0)
        thsi_names_of(&node->names, shown->child.who, row->name);
    shown->child.name = row->name;
    shown->child.behaviour = row->behaviour;
    visit(arg, shown);
}

enum ths_err ths_tree(struct ths_node *node, void (*visit)(void *arg, const struct ths_tree_row *row), void *arg)
{
    struct ths_env *env = node->env;
    struct rows rows = { .cap = 0 };

    /* Until there was room for all: others may be added between two looks. */
    do {
        struct row *more = env->memory(env, rows.rows, (rows.count + 16) * sizeof *more);

        if (!more) {
            (void)env->memory(env, rows.rows, 0);
            return THS_NOMEM;
        }
        rows = (struct rows){ .rows = more, .cap = rows.count + 16 };
        (void)pthread_mutex_lock(&node->supervisors.lock);
        add_roots(&node->supervisors, &rows);
        (void)pthread_mutex_unlock(&node->supervisors.lock);
    } while (rows.count > rows.cap);
    for (size_t i = 0; i < rows.count; i++)
        show(node, &rows.rows[i], visit, arg);
    (void)env->memory(env, rows.rows, 0);
    return THS_OK;
}
