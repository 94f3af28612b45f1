/* The supervisor's decision. An event changes the states of children; thsi_supervisor_advance then looks at all of them
 * and gives the actions that their states ask for. */

#include "node/supervisor_internal.h"

#include <string.h>

/* ---- An incarnation or an actor has ended ------------------------------------------------ */

static bool restarts_after(enum ths_restart restart, enum ths_reason reason)
{
    switch (restart) {
    case THS_PERMANENT:
        return true;
    case THS_TRANSIENT:
        return reason != THS_REASON_NORMAL && reason != THS_REASON_SHUTDOWN;
    case THS_TEMPORARY:
        break;
    }
    return false;
}

/* @child is to be restarted. @waits: it is halted and keeps its ref; otherwise its actor is gone. @lost: through no
 * failure of its own. */
static void restart_child(struct thsi_supervisor *supervisor, uint32_t index, bool waits, bool lost)
{
    struct thsi_child_status *child = &supervisor->children[index];
    uint64_t due_ns = supervisor->now_ns;

    if (!lost && !thsi_supervisor_note_failure(supervisor)) {
        (void)thsi_supervisor_act(supervisor, THSI_SUPERVISOR_GIVE_UP, index);
        thsi_supervisor_stop_all(supervisor, THS_REASON_CRASHED);
    } else if (supervisor->config.strategy == THS_ONE_FOR_ALL) {
        if (thsi_supervisor_is_quiet(supervisor, supervisor->failed_ns))
            supervisor->attempts = 0;
        supervisor->failed_ns = supervisor->now_ns;
        supervisor->attempts += !lost;
        thsi_supervisor_halt_from(supervisor, 0);
    } else {
        if (!lost && thsi_supervisor_is_quiet(supervisor, child->since_ns))
            child->attempts = 0;
        if (!lost)
            due_ns += thsi_supervisor_backoff_ns(supervisor, ++child->attempts);
        if (supervisor->config.strategy == THS_REST_FOR_ONE) {
            child->ordered = true;
            thsi_supervisor_halt_from(supervisor, thsi_child_position(supervisor, child) + 1);
        }
    }
    if (waits)
        thsi_child_set_halted(child);
    else
        thsi_child_set_pending(child, due_ns);
    child->due_ns = due_ns;
    child->restart = true;
    child->lost = lost;
}

/* While it is halted or stopped with others nothing counts, and `advance` gives the next action. */
static void end_during_halt_or_stop(struct thsi_supervisor *supervisor, uint32_t index, bool waits)
{
    struct thsi_child_status *child = &supervisor->children[index];

    if (waits)
        thsi_child_set_halted(child);
    else if (supervisor->phase == THSI_SUPERVISOR_HALTS && thsi_child_retreats(supervisor, child) && !child->stopped &&
             thsi_supervisor_plan_of(supervisor, index)->restart != THS_TEMPORARY)
        thsi_child_set_pending(child, supervisor->now_ns);
    else
        thsi_child_set_ended(child);
    child->restart = child->state != THSI_CHILD_ENDED;
}

static bool is_significant_left(const struct thsi_supervisor *supervisor, uint32_t without)
{
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        const struct thsi_child_status *child = &supervisor->children[i];
        bool goes = child->state == THSI_CHILD_STOPPING && !child->move;
        if (i != without && thsi_supervisor_plan_of(supervisor, i)->significant && !goes &&
            child->state != THSI_CHILD_ENDED && child->state != THSI_CHILD_FREE)
            return true;
    }
    return false;
}

/* It has ended by itself and is not restarted. */
static void ended_by_itself(struct thsi_supervisor *supervisor, uint32_t index)
{
    enum ths_auto_shutdown when = supervisor->config.auto_shutdown;

    if (thsi_supervisor_plan_of(supervisor, index)->significant && when != THS_SHUTDOWN_NEVER &&
        (when == THS_SHUTDOWN_ANY_SIGNIFICANT || !is_significant_left(supervisor, index)))
        thsi_supervisor_stop_all(supervisor, THS_REASON_SHUTDOWN);
}

/* An order had it halted: it goes on at once. */
static void begin_by_order(struct thsi_supervisor *supervisor, uint32_t index, bool waits)
{
    struct thsi_child_status *child = &supervisor->children[index];

    if (waits)
        thsi_child_set_halted(child);
    else
        thsi_child_set_pending(child, supervisor->now_ns);
    child->due_ns = supervisor->now_ns;
    child->again = false;
    child->restart = true;
}

/* An incarnation of a running child ended (@waits), or its actor did. */
static void child_failed(struct thsi_supervisor *supervisor, uint32_t index, enum ths_reason reason, bool waits)
{
    struct thsi_child_status *child = &supervisor->children[index];
    enum ths_restart restart = thsi_supervisor_plan_of(supervisor, index)->restart;
    /* One that halts so was linked to an actor of a lost node: its own is still there, and this is a failure like any other. */
    bool lost = (reason == THS_REASON_NODE_LOST && !waits) || !thsi_supervisor_place_listed(supervisor, child);

    if (lost && reason == THS_REASON_SHUTDOWN)
        reason = THS_REASON_NODE_LOST; /* its node leaves in order; the child's work is not done */
    if (thsi_child_retreats(supervisor, child)) {
        end_during_halt_or_stop(supervisor, index, waits);
    } else if (child->again) {
        begin_by_order(supervisor, index, waits);
    } else if (restarts_after(restart, reason) && !child->stopped) {
        restart_child(supervisor, index, waits, lost);
    } else {
        if (waits)
            thsi_child_set_halted(child);
        if (waits)
            thsi_child_finish(supervisor, index, false);
        else
            thsi_child_set_ended(child);
        if (!child->stopped)
            ended_by_itself(supervisor, index);
    }
}

/* ---- Events ----------------------------------------------------------------------------- */

static void on_started(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    struct thsi_child_status *child = &supervisor->children[event->child];

    if (child->state == THSI_CHILD_STARTING && child->start_id == event->start_id) {
        child->who = event->who;
        thsi_child_set_running(supervisor, child);
        if (child->stopped) /* by an order that came meanwhile */
            thsi_child_finish(supervisor, event->child, false);
    } else if (child->state == THSI_CHILD_BEGINNING && child->start_id == event->start_id) {
        thsi_child_set_running(supervisor, child);
    } else if (!ths_ref_equal(child->who, event->who)) {
        /* Nobody waits for it any more: its deadline passed, or all are stopped. */
        thsi_supervisor_act(supervisor, THSI_SUPERVISOR_FINISH, THSI_NO_CHILD)->who = event->who;
    }
}

/* A failure to start on this node counts like a crash: it will not get better by itself. Elsewhere it is up to the
 * cluster, which changes; but a start handler that failed is the child's own failure. */
static void on_start_failed(struct thsi_supervisor *supervisor, uint32_t index, enum ths_err err)
{
    struct thsi_child_status *child = &supervisor->children[index];
    const struct thsi_child_plan *plan = thsi_supervisor_plan_of(supervisor, index);
    bool elsewhere_now = err == THS_NODE_LOST && !thsi_supervisor_place_listed(supervisor, child);
    bool crashed = err == THS_CRASHED;

    if (thsi_child_retreats(supervisor, child)) {
        end_during_halt_or_stop(supervisor, index, false);
        return;
    }
    if (child->fresh || child->stopped || (crashed && !restarts_after(plan->restart, THS_REASON_CRASHED))) {
        bool by_itself = !child->fresh && !child->stopped;
        child->order_err = err;
        thsi_child_set_ended(child);
        if (by_itself)
            ended_by_itself(supervisor, index);
        return;
    }
    thsi_child_set_pending(child, supervisor->now_ns);
    child->restart = crashed;
    if ((!plan->spread || crashed) && !thsi_supervisor_note_failure(supervisor)) {
        (void)thsi_supervisor_act(supervisor, THSI_SUPERVISOR_GIVE_UP, index);
        thsi_supervisor_stop_all(supervisor, THS_REASON_CRASHED);
    } else if (!elsewhere_now) {
        if (child->attempts == 0 && !supervisor->config.backoff_ms)
            child->attempts = 1; /* never again at once */
        child->due_ns += thsi_supervisor_backoff_ns(supervisor, ++child->attempts);
    }
}

/* It was told to end, and its incarnation has. */
static void halted_on_its_way(struct thsi_supervisor *supervisor, uint32_t index, enum ths_reason reason)
{
    struct thsi_child_status *child = &supervisor->children[index];
    const struct thsi_child_plan *plan = thsi_supervisor_plan_of(supervisor, index);

    if (reason == THS_REASON_NORMAL && plan->restart != THS_PERMANENT && child->order == THSI_CHILD_ORDER_NONE)
        child->move = false; /* it had done its work before it could move */
    if (plan->orderly)
        (void)thsi_supervisor_act(supervisor, THSI_SUPERVISOR_FINISH, index);
}

static void on_halted(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    struct thsi_child_status *child = &supervisor->children[event->child];

    if (child->state == THSI_CHILD_STARTING && event->who.node == child->place) {
        /* It was faster than the answer to its start. */
        child->who = event->who;
        thsi_child_set_running(supervisor, child);
    }
    if (!ths_ref_equal(child->who, event->who))
        return;
    if (thsi_child_works(child) || child->state == THSI_CHILD_HALTING)
        child_failed(supervisor, event->child, event->reason, true);
    else if (child->state == THSI_CHILD_STOPPING)
        halted_on_its_way(supervisor, event->child, event->reason);
}

static void on_down(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    uint32_t i = 0;

    while (i < supervisor->children_count && !ths_ref_equal(supervisor->children[i].who, event->who))
        i++;
    if (i == supervisor->children_count || ths_ref_is_nobody(event->who))
        return;
    if (supervisor->children[i].state != THSI_CHILD_STOPPING)
        child_failed(supervisor, i, event->reason, false);
    else if (supervisor->children[i].move && !thsi_child_retreats(supervisor, &supervisor->children[i]))
        thsi_child_set_pending(&supervisor->children[i], supervisor->now_ns);
    else
        end_during_halt_or_stop(supervisor, i, false);
}

static void on_members(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    struct thsi_supervisor_plan *plan = &supervisor->plans[event->plan];

    if (!plan->plan.spread)
        return;
    plan->informed = true;
    plan->places_count = event->places_count < THSI_PLACES_MAX ? event->places_count : THSI_PLACES_MAX;
    if (plan->places_count)
        memcpy(plan->places, event->places, plan->places_count * sizeof *plan->places);
}

/* A child did not do in time what it was told. */
static void on_deadline(struct thsi_supervisor *supervisor, uint32_t index)
{
    struct thsi_child_status *child = &supervisor->children[index];

    if (child->state == THSI_CHILD_STARTING) {
        on_start_failed(supervisor, index, THS_TIMEOUT);
    } else if (child->state == THSI_CHILD_BEGINNING) {
        thsi_child_set_running(supervisor, child); /* it takes long: what comes after it waits no more */
    } else if (!child->killed && !thsi_child_is_hurried(supervisor, child)) {
        (void)thsi_supervisor_act(supervisor, THSI_SUPERVISOR_KILL, index);
        child->killed = true;
        child->due_ns = supervisor->now_ns + thsi_supervisor_plan_of(supervisor, index)->stop_ms * THSI_MS;
    } else {
        (void)thsi_supervisor_act(supervisor, THSI_SUPERVISOR_ABANDON, index);
        if ((child->move || child->again) && !thsi_child_retreats(supervisor, child))
            thsi_child_set_pending(child, supervisor->now_ns);
        else if (child->state == THSI_CHILD_HALTING)
            end_during_halt_or_stop(supervisor, index, false);
        else
            thsi_child_set_ended(child);
    }
}

static void on_stop(struct thsi_supervisor *supervisor, bool hurry)
{
    uint64_t latest_ns = supervisor->now_ns + THSI_HURRY_MS * THSI_MS;

    thsi_supervisor_stop_all(supervisor, THS_REASON_SHUTDOWN);
    supervisor->hurry |= hurry;
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        struct thsi_child_status *child = &supervisor->children[i];
        if (thsi_child_is_hurried(supervisor, child) && thsi_child_has_deadline(child) && child->due_ns > latest_ns)
            child->due_ns = latest_ns;
    }
}

/* ---- The step ---------------------------------------------------------------------------- */

void thsi_supervisor_step(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event,
                          struct thsi_supervisor_update *update)
{
    supervisor->now_ns = event->now_ns;
    supervisor->random = event->random;
    supervisor->actions_count = 0;
    switch (event->type) {
    case THSI_SUPERVISOR_TIME_PASSED:
        break;
    case THSI_SUPERVISOR_STARTED:
        on_started(supervisor, event);
        break;
    case THSI_SUPERVISOR_START_FAILED:
        if (supervisor->children[event->child].state == THSI_CHILD_STARTING &&
            supervisor->children[event->child].start_id == event->start_id)
            on_start_failed(supervisor, event->child, event->err);
        break;
    case THSI_SUPERVISOR_HALTED:
        on_halted(supervisor, event);
        break;
    case THSI_SUPERVISOR_DOWN:
        on_down(supervisor, event);
        break;
    case THSI_SUPERVISOR_MEMBERS:
        on_members(supervisor, event);
        break;
    case THSI_SUPERVISOR_ORDER:
        thsi_supervisor_order(supervisor, event);
        break;
    case THSI_SUPERVISOR_STOP:
        on_stop(supervisor, event->hurry);
        break;
    }
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        if (thsi_child_has_deadline(&supervisor->children[i]) && supervisor->children[i].due_ns <= supervisor->now_ns)
            on_deadline(supervisor, i);
    }
    thsi_supervisor_advance(supervisor);
    thsi_supervisor_settle(supervisor);
    update->actions = supervisor->actions;
    update->actions_count = supervisor->actions_count;
}

uint64_t thsi_supervisor_deadline_ns(const struct thsi_supervisor *supervisor)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        const struct thsi_child_status *child = &supervisor->children[i];
        bool waits_for_time = child->state == THSI_CHILD_PENDING || child->state == THSI_CHILD_HALTED;
        /* What is due already waits for something else than time. */
        if ((thsi_child_has_deadline(child) || (waits_for_time && child->due_ns > supervisor->now_ns)) &&
            child->due_ns < deadline_ns)
            deadline_ns = child->due_ns;
    }
    return deadline_ns;
}
