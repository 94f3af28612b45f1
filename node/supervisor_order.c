/* What users order while a supervisor runs: children added, restarted, stopped, removed. An order changes the state of its
 * children; when they have come to where it wants them, it is answered. */

#include "node/supervisor_internal.h"

#include <assert.h>
#include <string.h>

/* ---- Taken ------------------------------------------------------------------------------- */

static void drop(struct thsi_supervisor *supervisor, struct thsi_child_status *child)
{
    child->order = THSI_CHILD_ORDER_NONE;
    supervisor->orders--;
}

static void answer(struct thsi_supervisor *supervisor, uint32_t index, enum ths_err err)
{
    struct thsi_supervisor_action *action = thsi_supervisor_act(supervisor, THSI_SUPERVISOR_ANSWER, index);

    action->order_id = supervisor->children[index].order_id;
    action->err = err;
}

/* A newer one takes the place of the order that child @index has. */
static void supersede(struct thsi_supervisor *supervisor, uint32_t index)
{
    const struct thsi_supervisor_plan *plan = &supervisor->plans[supervisor->children[index].plan];

    if (supervisor->children[index].order == THSI_CHILD_ORDER_NONE)
        return;
    answer(supervisor, index, THS_REFUSED);
    for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++) {
        struct thsi_child_status *child = &supervisor->children[i];
        if (child->order != THSI_CHILD_ORDER_NONE && child->order_id == supervisor->children[index].order_id)
            drop(supervisor, child);
    }
}

static void stop_by_order(struct thsi_supervisor *supervisor, uint32_t index)
{
    struct thsi_child_status *child = &supervisor->children[index];

    child->stopped = true;
    child->move = child->again = false;
    if (thsi_child_works(child) || child->state == THSI_CHILD_HALTED || child->state == THSI_CHILD_HALTING)
        thsi_child_finish(supervisor, index, false);
    else if (child->state == THSI_CHILD_PENDING)
        thsi_child_set_ended(child);
}

static void restart_by_order(struct thsi_supervisor *supervisor, uint32_t index)
{
    struct thsi_child_status *child = &supervisor->children[index];
    bool orderly = thsi_supervisor_plan_of(supervisor, index)->orderly;

    child->stopped = false;
    if (thsi_child_works(child)) {
        (void)thsi_supervisor_act(supervisor, orderly ? THSI_SUPERVISOR_ASK : THSI_SUPERVISOR_HALT, index);
        thsi_child_set_leaving(supervisor, index, THSI_CHILD_HALTING);
        child->again = true;
    } else if (child->state == THSI_CHILD_STOPPING) {
        child->move = true;
    } else if (child->state == THSI_CHILD_ENDED) {
        thsi_child_set_pending(child, supervisor->now_ns);
        child->fresh = true;
    } else if (child->state == THSI_CHILD_PENDING || child->state == THSI_CHILD_HALTED) {
        child->due_ns = supervisor->now_ns;
    }
}

static void give(struct thsi_supervisor *supervisor, uint32_t index, const struct thsi_supervisor_event *event)
{
    struct thsi_child_status *child = &supervisor->children[index];

    if (child->state == THSI_CHILD_FREE)
        return;
    child->order = (uint8_t)event->order;
    child->order_id = event->order_id;
    child->order_for_all = event->child == THSI_NO_CHILD;
    child->order_err = THS_OK;
    supervisor->orders++;
    if (event->order == THSI_CHILD_ORDER_STOP || event->order == THSI_CHILD_ORDER_REMOVE)
        stop_by_order(supervisor, index);
    else
        restart_by_order(supervisor, index);
}

void thsi_supervisor_order(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    bool one = event->child != THSI_NO_CHILD;
    struct thsi_supervisor_plan *plan = &supervisor->plans[one ? supervisor->children[event->child].plan : event->plan];
    uint32_t first = one ? event->child : plan->first;
    uint32_t end = one ? first + 1 : first + plan->plan.count;

    assert(supervisor->phase == THSI_SUPERVISOR_RUNS || supervisor->phase == THSI_SUPERVISOR_HALTS);
    for (uint32_t i = first; i < end; i++)
        supersede(supervisor, i);
    for (uint32_t i = first; i < end; i++)
        give(supervisor, i, event);
    if (event->order == THSI_CHILD_ORDER_RESTART)
        plan->leaves = plan->passing; /* it may have been about to go */
    else
        plan->leaves |= event->order == THSI_CHILD_ORDER_REMOVE && !one;
}

/* ---- Settled ------------------------------------------------------------------------------ */

/* Whether child has come to where its order wants it; why not in @err. */
static bool is_done(const struct thsi_child_status *child, enum ths_err *err)
{
    bool to_end = child->order == THSI_CHILD_ORDER_STOP || child->order == THSI_CHILD_ORDER_REMOVE;

    if (child->state == THSI_CHILD_ENDED && !to_end && *err == THS_OK)
        *err = child->order_err != THS_OK ? child->order_err : THS_GONE;
    return child->state == THSI_CHILD_ENDED || (child->state == THSI_CHILD_RUNNING && !to_end);
}

static void settle_order(struct thsi_supervisor *supervisor, uint32_t index)
{
    struct thsi_child_status *child = &supervisor->children[index];
    struct thsi_supervisor_plan *plan = &supervisor->plans[child->plan];
    uint32_t first = child->order_for_all ? plan->first : index;
    uint32_t end = child->order_for_all ? first + plan->plan.count : index + 1;
    enum ths_err err = THS_OK;
    bool done = true;

    for (uint32_t i = first; i < end; i++) {
        const struct thsi_child_status *other = &supervisor->children[i];
        if (other->order != THSI_CHILD_ORDER_NONE && other->order_id == child->order_id)
            done = is_done(other, &err) && done;
    }
    if (!done)
        return;
    answer(supervisor, index, err);
    if (err != THS_OK && child->order == THSI_CHILD_ORDER_START)
        plan->leaves = true;
    for (uint32_t i = first; i < end; i++) {
        struct thsi_child_status *other = &supervisor->children[i];
        if (other->order != THSI_CHILD_ORDER_NONE && other->order_id == child->order_id)
            drop(supervisor, other);
    }
}

/* Whether all instances of @plan have ended. */
static bool has_ended(const struct thsi_supervisor *supervisor, const struct thsi_supervisor_plan *plan)
{
    for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++) {
        if (supervisor->children[i].state != THSI_CHILD_ENDED)
            return false;
    }
    return true;
}

/* Out of the line, at position @at. */
static void remove_plan(struct thsi_supervisor *supervisor, uint32_t at)
{
    struct thsi_supervisor_plan *plan = &supervisor->plans[supervisor->line[at]];

    for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++)
        supervisor->children[i].state = THSI_CHILD_FREE;
    plan->plan.count = 0;
    plan->leaves = false;
    supervisor->line_count--;
    memmove(&supervisor->line[at], &supervisor->line[at + 1], (supervisor->line_count - at) * sizeof *supervisor->line);
    for (uint32_t i = at; i < supervisor->line_count; i++)
        supervisor->plans[supervisor->line[i]].position = i;
    if (supervisor->phase != THSI_SUPERVISOR_RUNS && at < supervisor->halt_from)
        supervisor->halt_from--;
}

void thsi_supervisor_take_back(struct thsi_supervisor *supervisor, uint32_t index)
{
    if (supervisor->config.strategy == THS_DYNAMIC)
        supervisor->children[index].state = THSI_CHILD_FREE;
    else
        remove_plan(supervisor, supervisor->plans[index].position);
}

void thsi_supervisor_settle(struct thsi_supervisor *supervisor)
{
    for (uint32_t i = 0; supervisor->orders > 0 && i < supervisor->children_count; i++) {
        if (supervisor->children[i].order != THSI_CHILD_ORDER_NONE)
            settle_order(supervisor, i);
    }
    if (supervisor->config.strategy == THS_DYNAMIC) {
        for (uint32_t i = 0; i < supervisor->children_count; i++) {
            if (supervisor->children[i].state != THSI_CHILD_ENDED)
                continue;
            (void)thsi_supervisor_act(supervisor, THSI_SUPERVISOR_FORGET, i);
            supervisor->children[i].state = THSI_CHILD_FREE;
        }
        return;
    }
    for (uint32_t at = supervisor->line_count; at > 0; at--) {
        const struct thsi_supervisor_plan *plan = &supervisor->plans[supervisor->line[at - 1]];
        if (!plan->leaves || !has_ended(supervisor, plan))
            continue;
        thsi_supervisor_act(supervisor, THSI_SUPERVISOR_FORGET, THSI_NO_CHILD)->plan = supervisor->line[at - 1];
        remove_plan(supervisor, at - 1);
    }
}
