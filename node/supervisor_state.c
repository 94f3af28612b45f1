/* What a supervisor's decision is made upon: laid out, freed, counted and checked. */

#include "node/supervisor.h"

#include <assert.h>
#include <string.h>

/* Lay out what the counts ask for; false: memory is out. */
static bool allocate(struct thsi_supervisor *supervisor, uint32_t spread)
{
    struct ths_env *env = supervisor->env;
    size_t n = supervisor->children_count, plans = supervisor->plans_count;
    uint64_t *places;

    /* A child gives at most an end of the old and a start of the new in one step, and one event adds two actions. */
    supervisor->actions_cap = 4 * n + plans + 4;
    supervisor->plans = env->memory(env, NULL, (plans + 1) * sizeof *supervisor->plans);
    supervisor->children = env->memory(env, NULL, (n + 1) * sizeof *supervisor->children);
    supervisor->actions = env->memory(env, NULL, supervisor->actions_cap * sizeof *supervisor->actions);
    supervisor->window = env->memory(env, NULL, (supervisor->config.restarts + spread * (size_t)THSI_PLACES_MAX) *
                                                    sizeof *supervisor->window);
    if (!supervisor->plans || !supervisor->children || !supervisor->actions || !supervisor->window)
        return false;
    memset(supervisor->plans, 0, (plans + 1) * sizeof *supervisor->plans);
    memset(supervisor->children, 0, (n + 1) * sizeof *supervisor->children);
    places = supervisor->window + supervisor->config.restarts; /* behind the window, one block for both */
    for (uint32_t p = 0, first = 0; p < plans; p++) {
        struct thsi_supervisor_plan *plan = &supervisor->plans[p];
        plan->plan = supervisor->config.plans[p];
        plan->first = first;
        for (uint32_t i = 0; i < plan->plan.count; i++, first++)
            supervisor->children[first] = (struct thsi_child_status){ .plan = p, .ordered = true };
        if (plan->plan.spread) {
            plan->places = places;
            places += THSI_PLACES_MAX;
        }
    }
    return true;
}

enum ths_err thsi_supervisor_init(struct thsi_supervisor *supervisor, struct ths_env *env,
                                  const struct thsi_supervisor_config *config)
{
    uint64_t children = 0;
    uint32_t spread = 0;

    assert(config->restarts >= 1);
    assert(config->restarts <= THSI_RESTARTS_MAX);
    assert(config->backoff_max_ms > 0);

    for (uint32_t i = 0; i < config->plans_count; i++) {
        assert(config->plans[i].count > 0);
        assert(config->plans[i].stop_ms > 0);
        children += config->plans[i].count;
        spread += config->plans[i].spread;
    }
    *supervisor = (struct thsi_supervisor){ .env = env, .config = *config, .plans_count = config->plans_count };
    if (children > THSI_CHILDREN_MAX)
        return THS_TOO_MANY;
    supervisor->children_count = (uint32_t)children;
    if (!allocate(supervisor, spread)) {
        thsi_supervisor_fini(supervisor);
        return THS_NOMEM;
    }
    supervisor->config.plans = NULL;
    return THS_OK;
}

void thsi_supervisor_fini(struct thsi_supervisor *supervisor)
{
    struct ths_env *env = supervisor->env;

    (void)env->memory(env, supervisor->plans, 0);
    (void)env->memory(env, supervisor->children, 0);
    (void)env->memory(env, supervisor->actions, 0);
    (void)env->memory(env, supervisor->window, 0);
    supervisor->plans = NULL;
    supervisor->children = NULL;
    supervisor->actions = NULL;
    supervisor->window = NULL;
    supervisor->children_count = supervisor->plans_count = 0;
}

void thsi_supervisor_stats(const struct thsi_supervisor *supervisor, struct ths_supervisor_stats *out)
{
    *out = (struct ths_supervisor_stats){ .restarts = supervisor->restarts, .failovers = supervisor->failovers };
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        out->running += supervisor->children[i].state == THSI_CHILD_RUNNING;
        out->wanted += supervisor->children[i].state != THSI_CHILD_ENDED;
    }
}

void thsi_supervisor_check(const struct thsi_supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        const struct thsi_child_status *child = &supervisor->children[i];
        bool has_actor = child->state == THSI_CHILD_RUNNING || child->state == THSI_CHILD_HALTING ||
                         child->state == THSI_CHILD_HALTED || child->state == THSI_CHILD_STOPPING;
        assert(has_actor == !ths_ref_is_nobody(child->who));
        assert(!has_actor || child->who.node == child->place);
        assert(!child->move || child->state == THSI_CHILD_STOPPING);
        assert(!child->killed || child->state == THSI_CHILD_HALTING || child->state == THSI_CHILD_STOPPING);
        assert(child->state != THSI_CHILD_HALTING || supervisor->phase != THSI_SUPERVISOR_RUNS);
        assert(child->state == THSI_CHILD_ENDED || supervisor->phase != THSI_SUPERVISOR_IS_DONE);
    }
}
