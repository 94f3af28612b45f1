/* What the states of all children ask for: starts in order, restarts that are due, moves, retreat in reverse. */

#include "node/supervisor_internal.h"

/* A move of plan @plan's instances, until they are spread evenly. */
static void balance(struct thsi_supervisor *supervisor, uint32_t plan)
{
    uint32_t child;

    if (supervisor->plans[plan].plan.restart == THS_TEMPORARY)
        return;
    while ((child = thsi_supervisor_pick_move(supervisor, plan)) != THSI_NO_CHILD)
        thsi_child_finish(supervisor, child, true);
}

static void start(struct thsi_supervisor *supervisor, uint32_t index, uint64_t place)
{
    struct thsi_child_status *child = &supervisor->children[index];
    struct thsi_supervisor_action *action;
    bool again = child->restart;

    supervisor->restarts += child->restart;
    supervisor->failovers += child->restart && child->lost && child->place != place;
    child->restart = child->lost = false;
    child->state = THSI_CHILD_STARTING;
    child->place = place;
    child->start_id++;
    child->due_ns = supervisor->now_ns + THSI_MS * (thsi_supervisor_plan_of(supervisor, index)->orderly ? THSI_TREE_START_MS
                                                                                                       : THSI_START_MS);
    action = thsi_supervisor_act(supervisor, THSI_SUPERVISOR_START, index);
    action->node = place;
    action->start_id = child->start_id;
    action->again = again;
}

/* Let the next incarnation of a halted one begin. */
static void begin(struct thsi_supervisor *supervisor, uint32_t index)
{
    struct thsi_child_status *child = &supervisor->children[index];
    struct thsi_supervisor_action *action;

    supervisor->restarts++;
    child->killed = child->restart = child->lost = false;
    child->state = THSI_CHILD_BEGINNING;
    child->start_id++;
    child->since_ns = supervisor->now_ns;
    child->due_ns = supervisor->now_ns + THSI_START_MS * THSI_MS;
    action = thsi_supervisor_act(supervisor, THSI_SUPERVISOR_RESTART, index);
    action->start_id = child->start_id;
    action->again = true;
}

/* Whether the specifications after @plan must wait for it. */
static bool is_waited_for(const struct thsi_supervisor_plan *plan, const struct thsi_child_status *child)
{
    if (!child->ordered)
        return false;
    return child->state == THSI_CHILD_STARTING || child->state == THSI_CHILD_BEGINNING ||
           child->state == THSI_CHILD_HALTING || child->state == THSI_CHILD_HALTED ||
           (child->state == THSI_CHILD_STOPPING && child->move) ||
           (child->state == THSI_CHILD_PENDING && !plan->plan.spread);
}

bool thsi_supervisor_is_up(const struct thsi_supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        if (is_waited_for(&supervisor->plans[supervisor->children[i].plan], &supervisor->children[i]))
            return false;
    }
    return supervisor->phase == THSI_SUPERVISOR_RUNS;
}

/* Start or restart an instance of @plan that is due. Returns whether the specifications after it must wait for it. */
static bool advance_child(struct thsi_supervisor *supervisor, struct thsi_supervisor_plan *plan, uint32_t index,
                          uint32_t *starting)
{
    struct thsi_child_status *child = &supervisor->children[index];
    bool is_due = child->due_ns <= supervisor->now_ns;
    uint64_t place;

    if (child->state == THSI_CHILD_HALTED && is_due && !thsi_supervisor_place_listed(supervisor, child)) {
        thsi_child_finish(supervisor, index, true);
        child->restart = child->lost = true;
    } else if (child->state == THSI_CHILD_HALTED && is_due) {
        begin(supervisor, index);
    } else if (child->state == THSI_CHILD_PENDING && is_due && *starting < THSI_STARTING_MAX) {
        place = thsi_supervisor_pick_place(supervisor, child->plan);
        if (place) {
            start(supervisor, index, place);
            ++*starting;
            plan->waiting = false;
        } else if (plan->informed && !plan->waiting) {
            thsi_supervisor_act(supervisor, THSI_SUPERVISOR_WAIT, THSI_NO_CHILD)->plan = child->plan;
            plan->waiting = true;
        }
    }
    return is_waited_for(plan, child);
}

static void advance_running(struct thsi_supervisor *supervisor)
{
    uint32_t starting = 0;

    for (uint32_t i = 0; i < supervisor->children_count; i++)
        starting += supervisor->children[i].state == THSI_CHILD_STARTING;
    for (uint32_t at = 0; at < supervisor->line_count; at++) {
        struct thsi_supervisor_plan *plan = &supervisor->plans[supervisor->line[at]];
        bool wait = false;
        for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++)
            wait |= advance_child(supervisor, plan, i, &starting);
        if (wait)
            return;
        balance(supervisor, supervisor->line[at]);
    }
}

/* Tell the instances of @plan to halt or to end. Returns whether some have not done so yet. */
static bool retreat_plan(struct thsi_supervisor *supervisor, const struct thsi_supervisor_plan *plan, bool stop)
{
    bool wait = false;

    for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++) {
        struct thsi_child_status *child = &supervisor->children[i];
        bool for_good = stop || plan->plan.restart == THS_TEMPORARY;
        if (for_good && (thsi_child_works(child) || child->state == THSI_CHILD_HALTED)) {
            thsi_child_finish(supervisor, i, false);
        } else if (thsi_child_works(child)) {
            (void)thsi_supervisor_act(supervisor, plan->plan.orderly ? THSI_SUPERVISOR_ASK : THSI_SUPERVISOR_HALT, i);
            thsi_child_set_leaving(supervisor, i, THSI_CHILD_HALTING);
        } else if (stop && (child->state == THSI_CHILD_PENDING ||
                            (child->state == THSI_CHILD_STARTING && child->place != supervisor->config.self))) {
            thsi_child_set_ended(child); /* an answer from another node is not waited for: see on_started */
        }
        wait |= thsi_child_has_deadline(child);
    }
    return wait;
}

/* Those that had to are halted: let the next incarnations begin, in order, after the delay. */
static void begin_again(struct thsi_supervisor *supervisor)
{
    uint64_t due_ns = supervisor->now_ns;

    if (supervisor->attempts)
        due_ns += thsi_supervisor_backoff_ns(supervisor, supervisor->attempts);
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        struct thsi_child_status *child = &supervisor->children[i];
        if (thsi_supervisor_plan_of(supervisor, i)->restart == THS_TEMPORARY || child->stopped ||
            child->state == THSI_CHILD_FREE || !thsi_child_retreats(supervisor, child))
            continue;
        if (child->state == THSI_CHILD_ENDED)
            thsi_child_set_pending(child, due_ns);
        child->due_ns = due_ns;
        child->ordered = true;
    }
    supervisor->phase = THSI_SUPERVISOR_RUNS;
}

void thsi_supervisor_advance(struct thsi_supervisor *supervisor)
{
    bool stop = supervisor->phase == THSI_SUPERVISOR_STOPS;

    if (stop || supervisor->phase == THSI_SUPERVISOR_HALTS) {
        for (uint32_t at = supervisor->line_count; at > supervisor->halt_from; at--) {
            if (retreat_plan(supervisor, &supervisor->plans[supervisor->line[at - 1]], stop))
                return;
        }
        if (stop) {
            supervisor->phase = THSI_SUPERVISOR_IS_DONE;
            thsi_supervisor_act(supervisor, THSI_SUPERVISOR_DONE, THSI_NO_CHILD)->reason = supervisor->reason;
            return;
        }
        begin_again(supervisor);
    }
    if (supervisor->phase == THSI_SUPERVISOR_RUNS)
        advance_running(supervisor);
}
