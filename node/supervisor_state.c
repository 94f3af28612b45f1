/* What a supervisor's decision is made upon: laid out, grown, freed, counted and checked. */

#include "node/supervisor.h"

#include <assert.h>
#include <string.h>

/* ---- Room ---------------------------------------------------------------------------------- */

/* Room for @count items of @size in *@array; false: memory is out, and it is as before. */
static bool grow(struct ths_env *env, void *array, size_t count, size_t size)
{
    void *old, *more;

    memcpy(&old, array, sizeof old);
    more = env->memory(env, old, count * size);
    if (!more)
        return false;
    memcpy(array, &more, sizeof more);
    return true;
}

static bool reserve_plans(struct thsi_supervisor *supervisor, uint32_t cap)
{
    if (cap <= supervisor->plans_cap && supervisor->plans)
        return true;
    if (!grow(supervisor->env, &supervisor->plans, cap + 1u, sizeof *supervisor->plans) ||
        !grow(supervisor->env, &supervisor->line, cap + 1u, sizeof *supervisor->line))
        return false;
    supervisor->plans_cap = cap;
    return true;
}

static bool reserve_children(struct thsi_supervisor *supervisor, uint32_t cap)
{
    if (cap <= supervisor->children_cap && supervisor->children)
        return true;
    if (!grow(supervisor->env, &supervisor->children, cap + 1u, sizeof *supervisor->children))
        return false;
    supervisor->children_cap = cap;
    return true;
}

/* In one step a child gives at most a last word to an actor it had, a start or an end, an answer to an order and to
 * the one before, and is forgotten; a specification waits or is forgotten; one event adds three. */
static bool reserve_actions(struct thsi_supervisor *supervisor)
{
    size_t cap = 6 * (size_t)supervisor->children_cap + 2 * (size_t)supervisor->plans_cap + 4;

    if (cap <= supervisor->actions_cap)
        return true;
    if (!grow(supervisor->env, &supervisor->actions, cap, sizeof *supervisor->actions))
        return false;
    supervisor->actions_cap = cap;
    return true;
}

/* Room for the places of a spread one. */
static bool reserve_places(struct thsi_supervisor *supervisor, const struct thsi_child_plan *plan, uint64_t **places)
{
    *places = NULL;
    return !plan->spread || grow(supervisor->env, places, THSI_PLACES_MAX, sizeof **places);
}

/* At the end of the line, with all its instances. There is room. */
static void append_plan(struct thsi_supervisor *supervisor, const struct thsi_child_plan *plan, uint32_t index,
                        uint64_t *places, const struct thsi_child_status *like)
{
    struct thsi_supervisor_plan *to = &supervisor->plans[index];

    to->plan = *plan;
    to->position = supervisor->line_count;
    to->leaves = to->informed = to->waiting = false;
    to->places = places;
    to->places_count = 0;
    supervisor->line[supervisor->line_count++] = index;
    for (uint32_t i = to->first; i < to->first + plan->count; i++) {
        supervisor->children[i] = *like;
        supervisor->children[i].plan = index;
    }
}

/* ---- The beginning and the end --------------------------------------------------------------- */

static bool lay_out(struct thsi_supervisor *supervisor, const struct thsi_supervisor_config *config, uint32_t children)
{
    const struct thsi_child_status like = { .ordered = true };

    if (!reserve_plans(supervisor, config->plans_count) || !reserve_children(supervisor, children) ||
        !reserve_actions(supervisor) ||
        !grow(supervisor->env, &supervisor->window, config->restarts, sizeof *supervisor->window))
        return false;
    for (uint32_t p = 0; p < config->plans_count; p++) {
        uint64_t *places;

        if (!reserve_places(supervisor, &config->plans[p], &places))
            return false;
        supervisor->plans[p] = (struct thsi_supervisor_plan){ .first = supervisor->children_count,
                                                              .room = config->plans[p].count };
        supervisor->plans_count++;
        supervisor->children_count += config->plans[p].count;
        append_plan(supervisor, &config->plans[p], p, places, &like);
    }
    return true;
}

enum ths_err thsi_supervisor_init(struct thsi_supervisor *supervisor, struct ths_env *env,
                                  const struct thsi_supervisor_config *config)
{
    uint64_t children = 0;

    assert(config->restarts >= 1);
    assert(config->restarts <= THSI_RESTARTS_MAX);
    assert(config->backoff_max_ms > 0);
    assert(config->children_max >= 1);
    assert(config->children_max <= THSI_CHILDREN_MAX);
    assert(config->strategy != THS_DYNAMIC || config->plans_count == 1);

    for (uint32_t i = 0; i < config->plans_count; i++) {
        assert(config->plans[i].count > 0 || config->strategy == THS_DYNAMIC);
        assert(config->plans[i].stop_ms > 0);
        children += config->plans[i].count;
    }
    *supervisor = (struct thsi_supervisor){ .env = env, .config = *config };
    supervisor->config.plans = NULL;
    if (children > config->children_max)
        return THS_TOO_MANY;
    if (!lay_out(supervisor, config, (uint32_t)children)) {
        thsi_supervisor_fini(supervisor);
        return THS_NOMEM;
    }
    return THS_OK;
}

void thsi_supervisor_fini(struct thsi_supervisor *supervisor)
{
    struct ths_env *env = supervisor->env;

    for (uint32_t p = 0; p < supervisor->plans_count; p++)
        (void)env->memory(env, supervisor->plans[p].places, 0);
    (void)env->memory(env, supervisor->plans, 0);
    (void)env->memory(env, supervisor->line, 0);
    (void)env->memory(env, supervisor->children, 0);
    (void)env->memory(env, supervisor->actions, 0);
    (void)env->memory(env, supervisor->window, 0);
    *supervisor = (struct thsi_supervisor){ .env = env };
}

/* ---- Added at run time ------------------------------------------------------------------------ */

static uint32_t count_children(const struct thsi_supervisor *supervisor)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < supervisor->children_count; i++)
        count += supervisor->children[i].state != THSI_CHILD_FREE;
    return count;
}

/* Twice what it was, within the bound. */
static uint32_t more_than(const struct thsi_supervisor *supervisor, uint32_t count)
{
    uint32_t cap = count < 8 ? 16 : count > THSI_CHILDREN_MAX / 2 ? THSI_CHILDREN_MAX : 2 * count;

    return cap > supervisor->children_cap ? cap : supervisor->children_cap;
}

static enum ths_err add_to_template(struct thsi_supervisor *supervisor, uint32_t *index)
{
    struct thsi_supervisor_plan *plan = &supervisor->plans[0];
    uint32_t i = 0;

    while (i < supervisor->children_count && supervisor->children[i].state != THSI_CHILD_FREE)
        i++;
    if (i == supervisor->children_count) {
        if (!reserve_children(supervisor, i < supervisor->children_cap ? i : more_than(supervisor, i)) ||
            !reserve_actions(supervisor))
            return THS_NOMEM;
        supervisor->children_count++;
        plan->plan.count = plan->room = supervisor->children_count;
    }
    supervisor->children[i] = (struct thsi_child_status){ .state = THSI_CHILD_ENDED, .stopped = true };
    *index = i;
    return THS_OK;
}

/* The places of a removed specification that are enough for @plan, or new ones. plans_count: no memory. */
static uint32_t room_for(struct thsi_supervisor *supervisor, const struct thsi_child_plan *plan)
{
    uint32_t p = 0, children = supervisor->children_count + plan->count;

    while (p < supervisor->plans_count && (supervisor->plans[p].plan.count > 0 || supervisor->plans[p].room < plan->count))
        p++;
    if (p < supervisor->plans_count)
        return p;
    if (!reserve_plans(supervisor, p < supervisor->plans_cap ? p : more_than(supervisor, p)) ||
        !reserve_children(supervisor, children) || !reserve_actions(supervisor))
        return p;
    supervisor->plans[p] = (struct thsi_supervisor_plan){ .first = supervisor->children_count, .room = plan->count };
    for (uint32_t i = supervisor->children_count; i < children; i++)
        supervisor->children[i] = (struct thsi_child_status){ .plan = p, .state = THSI_CHILD_FREE };
    supervisor->plans_count++;
    supervisor->children_count = children;
    return p;
}

enum ths_err thsi_supervisor_add(struct thsi_supervisor *supervisor, const struct thsi_child_plan *plan, uint32_t *index)
{
    static const struct thsi_child_status like = { .state = THSI_CHILD_ENDED, .stopped = true };
    uint32_t known = supervisor->plans_count;
    uint64_t *places;

    assert(supervisor->phase == THSI_SUPERVISOR_RUNS || supervisor->phase == THSI_SUPERVISOR_HALTS);
    assert((plan == NULL) == (supervisor->config.strategy == THS_DYNAMIC));
    if (count_children(supervisor) + (plan ? (uint64_t)plan->count : 1) > supervisor->config.children_max)
        return THS_TOO_MANY;
    if (!plan)
        return add_to_template(supervisor, index);
    *index = room_for(supervisor, plan);
    if (*index == known && supervisor->plans_count == known)
        return THS_NOMEM;
    if (!reserve_places(supervisor, plan, &places))
        return THS_NOMEM; /* the room is kept for the next one */
    (void)supervisor->env->memory(supervisor->env, supervisor->plans[*index].places, 0);
    append_plan(supervisor, plan, *index, places, &like);
    supervisor->plans[*index].leaves = supervisor->plans[*index].passing = plan->restart == THS_TEMPORARY;
    return THS_OK;
}

/* ---- Seen from outside -------------------------------------------------------------------------- */

void thsi_supervisor_stats(const struct thsi_supervisor *supervisor, struct ths_supervisor_stats *out)
{
    *out = (struct ths_supervisor_stats){ .restarts = supervisor->restarts, .failovers = supervisor->failovers };
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        enum thsi_child_state state = supervisor->children[i].state;
        out->running += state == THSI_CHILD_RUNNING || state == THSI_CHILD_BEGINNING;
        out->wanted += state != THSI_CHILD_ENDED && state != THSI_CHILD_FREE;
    }
}

static void check_child(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child)
{
    bool works = child->state == THSI_CHILD_RUNNING || child->state == THSI_CHILD_BEGINNING;
    bool has_actor = works || child->state == THSI_CHILD_HALTING || child->state == THSI_CHILD_HALTED ||
                     child->state == THSI_CHILD_STOPPING;
    bool ended = child->state == THSI_CHILD_ENDED || child->state == THSI_CHILD_FREE;

    assert(has_actor == !ths_ref_is_nobody(child->who));
    assert(!has_actor || child->who.node == child->place);
    assert(!child->move || child->state == THSI_CHILD_STOPPING);
    assert(!child->killed || child->state == THSI_CHILD_HALTING || child->state == THSI_CHILD_STOPPING);
    assert(child->state != THSI_CHILD_HALTING || child->again || supervisor->phase != THSI_SUPERVISOR_RUNS);
    assert(!child->again || child->state == THSI_CHILD_HALTING);
    assert(!child->stopped || ended || child->state == THSI_CHILD_STARTING || child->state == THSI_CHILD_STOPPING);
    assert(child->order == THSI_CHILD_ORDER_NONE || child->state != THSI_CHILD_FREE);
    assert(ended || supervisor->phase != THSI_SUPERVISOR_IS_DONE);
}

void thsi_supervisor_check(const struct thsi_supervisor *supervisor)
{
    uint32_t orders = 0;

    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        check_child(supervisor, &supervisor->children[i]);
        orders += supervisor->children[i].order != THSI_CHILD_ORDER_NONE;
    }
    assert(orders == supervisor->orders);
    for (uint32_t at = 0; at < supervisor->line_count; at++) {
        const struct thsi_supervisor_plan *plan = &supervisor->plans[supervisor->line[at]];
        assert(plan->position == at);
        assert(plan->plan.count <= plan->room);
        for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++)
            assert(supervisor->children[i].plan == supervisor->line[at]);
    }
}
