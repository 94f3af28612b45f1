/* The supervisor's decision. An event changes the states of children; `advance` then looks at all of them and gives
 * the actions that their states ask for. */

#include "node/supervisor.h"

#include <assert.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { BACKOFF_SECOND_MS = 50 }; /* when the first restart is immediate */

/* ---- Small helpers ---------------------------------------------------------------------- */

static struct thsi_supervisor_action *act(struct thsi_supervisor *supervisor, enum thsi_supervisor_action_type type,
                                          uint32_t child)
{
    struct thsi_supervisor_action *action = &supervisor->actions[supervisor->actions_count++];

    assert(supervisor->actions_count <= supervisor->actions_cap);
    *action = (struct thsi_supervisor_action){ .type = type, .child = child, .plan = UINT32_MAX };
    if (child < supervisor->children_count) {
        action->plan = supervisor->children[child].plan;
        action->who = supervisor->children[child].who;
    }
    return action;
}

static const struct thsi_child_plan *plan_of(const struct thsi_supervisor *supervisor, uint32_t child)
{
    return &supervisor->plans[supervisor->children[child].plan].plan;
}

/* The next random number of this step. */
static uint64_t draw(struct thsi_supervisor *supervisor)
{
    uint64_t x = supervisor->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The delay before restart number @attempt, from 1: doubling up to the most, then between half and all of it. */
static uint64_t backoff_ns(struct thsi_supervisor *supervisor, uint32_t attempt)
{
    const struct thsi_supervisor_config *config = &supervisor->config;
    uint64_t base_ms = config->backoff_ms ? config->backoff_ms : BACKOFF_SECOND_MS;
    uint32_t doublings = attempt - (config->backoff_ms ? 1 : 2);
    uint64_t delay_ns;

    if (attempt == 1 && !config->backoff_ms)
        return 0;
    delay_ns = (doublings < 32 && base_ms << doublings < config->backoff_max_ms ? base_ms << doublings
                                                                                : config->backoff_max_ms) * MS;
    return delay_ns / 2 + draw(supervisor) % (delay_ns / 2 + 1);
}

/* Note a failure now. False: it was one too many. */
static bool note_failure(struct thsi_supervisor *supervisor)
{
    const struct thsi_supervisor_config *config = &supervisor->config;
    uint64_t *oldest = &supervisor->window[supervisor->window_next]; /* where the ring is full */

    if (supervisor->window_count == config->restarts && supervisor->now_ns - *oldest <= config->within_ms * MS)
        return false;
    *oldest = supervisor->now_ns;
    supervisor->window_next = (supervisor->window_next + 1) % config->restarts;
    if (supervisor->window_count < config->restarts)
        supervisor->window_count++;
    return true;
}

static bool is_quiet(const struct thsi_supervisor *supervisor, uint64_t since_ns)
{
    return supervisor->now_ns - since_ns >= supervisor->config.within_ms * MS;
}

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

/* ---- Moves of one child's state --------------------------------------------------------- */

static void set_pending(struct thsi_child_status *child, uint64_t due_ns)
{
    child->state = THSI_CHILD_PENDING;
    child->who = THS_NOBODY;
    child->due_ns = due_ns;
    child->killed = child->move = false;
}

static void set_ended(struct thsi_child_status *child)
{
    child->state = THSI_CHILD_ENDED;
    child->who = THS_NOBODY;
    child->killed = child->move = child->ordered = child->restart = child->lost = false;
}

static void set_running(struct thsi_supervisor *supervisor, struct thsi_child_status *child)
{
    child->state = THSI_CHILD_RUNNING;
    child->since_ns = supervisor->now_ns;
    child->ordered = child->killed = child->restart = child->lost = false;
}

/* HALT or FINISH was given: the deadline begins. */
static void set_leaving(struct thsi_supervisor *supervisor, uint32_t child, enum thsi_child_state state)
{
    supervisor->children[child].state = state;
    supervisor->children[child].due_ns = supervisor->now_ns + plan_of(supervisor, child)->stop_ms * MS;
    supervisor->children[child].killed = false;
}

static void finish(struct thsi_supervisor *supervisor, uint32_t child, bool move)
{
    (void)act(supervisor, move ? THSI_SUPERVISOR_DRAIN : THSI_SUPERVISOR_FINISH, child);
    set_leaving(supervisor, child, THSI_CHILD_STOPPING);
    supervisor->children[child].move = move;
}

static void stop_all(struct thsi_supervisor *supervisor, enum ths_reason reason)
{
    if (supervisor->phase == THSI_SUPERVISOR_STOPS || supervisor->phase == THSI_SUPERVISOR_IS_DONE)
        return;
    supervisor->phase = THSI_SUPERVISOR_STOPS;
    supervisor->reason = reason;
}

/* ---- An incarnation or an actor has ended ------------------------------------------------ */

/* @child is to be restarted. @waits: it is halted and keeps its ref; otherwise its actor is gone. @lost: through no
 * failure of its own. */
static void restart_child(struct thsi_supervisor *supervisor, uint32_t index, bool waits, bool lost)
{
    struct thsi_child_status *child = &supervisor->children[index];
    uint64_t due_ns = supervisor->now_ns;

    if (!lost && !note_failure(supervisor)) {
        (void)act(supervisor, THSI_SUPERVISOR_GIVE_UP, index);
        stop_all(supervisor, THS_REASON_CRASHED);
    } else if (supervisor->config.strategy == THS_ONE_FOR_ALL) {
        if (is_quiet(supervisor, supervisor->failed_ns))
            supervisor->attempts = 0;
        supervisor->failed_ns = supervisor->now_ns;
        supervisor->attempts += !lost;
        supervisor->phase = THSI_SUPERVISOR_HALTS;
    } else if (!lost) {
        if (is_quiet(supervisor, child->since_ns))
            child->attempts = 0;
        due_ns += backoff_ns(supervisor, ++child->attempts);
    }
    if (waits)
        child->state = THSI_CHILD_HALTED;
    else
        set_pending(child, due_ns);
    child->due_ns = due_ns;
    child->restart = true;
    child->lost = lost;
}

/* While all are halted or stopped nothing counts, and `advance` gives the next action. */
static void end_during_halt_or_stop(struct thsi_supervisor *supervisor, uint32_t index, bool waits)
{
    struct thsi_child_status *child = &supervisor->children[index];

    if (waits)
        child->state = THSI_CHILD_HALTED;
    else if (supervisor->phase == THSI_SUPERVISOR_HALTS && plan_of(supervisor, index)->restart != THS_TEMPORARY)
        set_pending(child, supervisor->now_ns);
    else
        set_ended(child);
    child->restart = child->state != THSI_CHILD_ENDED;
}

/* An incarnation of a running child ended (@waits), or its actor did. */
static void child_failed(struct thsi_supervisor *supervisor, uint32_t index, enum ths_reason reason, bool waits)
{
    struct thsi_child_status *child = &supervisor->children[index];
    enum ths_restart restart = plan_of(supervisor, index)->restart;
    bool lost = reason == THS_REASON_NODE_LOST || !thsi_supervisor_place_listed(supervisor, child);

    if (lost && reason == THS_REASON_SHUTDOWN)
        reason = THS_REASON_NODE_LOST; /* its node leaves in order; the child's work is not done */
    if (supervisor->phase != THSI_SUPERVISOR_RUNS)
        end_during_halt_or_stop(supervisor, index, waits);
    else if (restarts_after(restart, reason))
        restart_child(supervisor, index, waits, lost);
    else if (waits)
        finish(supervisor, index, false);
    else
        set_ended(child);
}

/* ---- Events ----------------------------------------------------------------------------- */

static void on_started(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    struct thsi_child_status *child = &supervisor->children[event->child];

    if (child->state == THSI_CHILD_STARTING && child->start_id == event->start_id) {
        child->who = event->who;
        set_running(supervisor, child);
    } else if (!ths_ref_equal(child->who, event->who)) {
        /* Nobody waits for it any more: its deadline passed, or all are stopped. */
        act(supervisor, THSI_SUPERVISOR_FINISH, THSI_NO_CHILD)->who = event->who;
    }
}

/* A failure to start on this node counts like a crash: it will not get better by itself. Elsewhere it is up to the
 * cluster, which changes. */
static void on_start_failed(struct thsi_supervisor *supervisor, uint32_t index, enum ths_err err)
{
    struct thsi_child_status *child = &supervisor->children[index];
    const struct thsi_child_plan *plan = plan_of(supervisor, index);
    bool elsewhere_now = err == THS_NODE_LOST && !thsi_supervisor_place_listed(supervisor, child);

    if (supervisor->phase != THSI_SUPERVISOR_RUNS) {
        end_during_halt_or_stop(supervisor, index, false);
        return;
    }
    set_pending(child, supervisor->now_ns);
    if (!plan->spread && !note_failure(supervisor)) {
        (void)act(supervisor, THSI_SUPERVISOR_GIVE_UP, index);
        stop_all(supervisor, THS_REASON_CRASHED);
    } else if (!elsewhere_now) {
        if (child->attempts == 0 && !supervisor->config.backoff_ms)
            child->attempts = 1; /* never again at once */
        child->due_ns += backoff_ns(supervisor, ++child->attempts);
    }
}

static void on_halted(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event)
{
    struct thsi_child_status *child = &supervisor->children[event->child];

    if (child->state == THSI_CHILD_STARTING && event->who.node == child->place) {
        /* It was faster than the answer to its start. */
        child->who = event->who;
        set_running(supervisor, child);
    }
    if (!ths_ref_equal(child->who, event->who))
        return;
    if (child->state == THSI_CHILD_RUNNING || child->state == THSI_CHILD_HALTING)
        child_failed(supervisor, event->child, event->reason, true);
    else if (child->state == THSI_CHILD_STOPPING && event->reason == THS_REASON_NORMAL &&
             plan_of(supervisor, event->child)->restart != THS_PERMANENT)
        child->move = false; /* it had done its work before it could move */
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
    else if (supervisor->children[i].move && supervisor->phase == THSI_SUPERVISOR_RUNS)
        set_pending(&supervisor->children[i], supervisor->now_ns);
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
    } else if (!child->killed) {
        (void)act(supervisor, THSI_SUPERVISOR_KILL, index);
        child->killed = true;
        child->due_ns = supervisor->now_ns + plan_of(supervisor, index)->stop_ms * MS;
    } else {
        (void)act(supervisor, THSI_SUPERVISOR_ABANDON, index);
        if (child->move && supervisor->phase == THSI_SUPERVISOR_RUNS)
            set_pending(child, supervisor->now_ns);
        else if (child->state == THSI_CHILD_HALTING)
            end_during_halt_or_stop(supervisor, index, false);
        else
            set_ended(child);
    }
}

static bool has_deadline(const struct thsi_child_status *child)
{
    return child->state == THSI_CHILD_STARTING || child->state == THSI_CHILD_HALTING ||
           child->state == THSI_CHILD_STOPPING;
}

/* ---- What the states ask for ------------------------------------------------------------- */

/* A move of plan @plan's instances, until they are spread evenly. */
static void balance(struct thsi_supervisor *supervisor, uint32_t plan)
{
    uint32_t child;

    if (supervisor->plans[plan].plan.restart == THS_TEMPORARY)
        return;
    while ((child = thsi_supervisor_pick_move(supervisor, plan)) != THSI_NO_CHILD)
        finish(supervisor, child, true);
}

static void start(struct thsi_supervisor *supervisor, uint32_t index, uint64_t place)
{
    struct thsi_child_status *child = &supervisor->children[index];
    struct thsi_supervisor_action *action;

    supervisor->restarts += child->restart;
    supervisor->failovers += child->restart && child->lost && child->place != place;
    child->restart = child->lost = false;
    child->state = THSI_CHILD_STARTING;
    child->place = place;
    child->start_id++;
    child->due_ns = supervisor->now_ns + THSI_START_MS * MS;
    action = act(supervisor, THSI_SUPERVISOR_START, index);
    action->node = place;
    action->start_id = child->start_id;
}

/* Start or restart an instance of @plan that is due. Returns whether the specifications after it must wait for it. */
static bool advance_child(struct thsi_supervisor *supervisor, struct thsi_supervisor_plan *plan, uint32_t index,
                          uint32_t *starting)
{
    struct thsi_child_status *child = &supervisor->children[index];
    bool is_due = child->due_ns <= supervisor->now_ns;
    uint64_t place;

    if (child->state == THSI_CHILD_HALTED && is_due && !thsi_supervisor_place_listed(supervisor, child)) {
        finish(supervisor, index, true);
        child->restart = child->lost = true;
    } else if (child->state == THSI_CHILD_HALTED && is_due) {
        (void)act(supervisor, THSI_SUPERVISOR_RESTART, index);
        set_running(supervisor, child);
        supervisor->restarts++;
    } else if (child->state == THSI_CHILD_PENDING && is_due && *starting < THSI_STARTING_MAX) {
        place = thsi_supervisor_pick_place(supervisor, child->plan);
        if (place) {
            start(supervisor, index, place);
            ++*starting;
            plan->waiting = false;
        } else if (plan->informed && !plan->waiting) {
            act(supervisor, THSI_SUPERVISOR_WAIT, THSI_NO_CHILD)->plan = child->plan;
            plan->waiting = true;
        }
    }
    if (!child->ordered)
        return false;
    return child->state == THSI_CHILD_STARTING || child->state == THSI_CHILD_HALTED ||
           (child->state == THSI_CHILD_PENDING && !plan->plan.spread);
}

static void advance_running(struct thsi_supervisor *supervisor)
{
    uint32_t starting = 0;

    for (uint32_t i = 0; i < supervisor->children_count; i++)
        starting += supervisor->children[i].state == THSI_CHILD_STARTING;
    for (uint32_t p = 0; p < supervisor->plans_count; p++) {
        struct thsi_supervisor_plan *plan = &supervisor->plans[p];
        bool wait = false;
        for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++)
            wait |= advance_child(supervisor, plan, i, &starting);
        if (wait)
            return;
        balance(supervisor, p);
    }
}

/* Tell the instances of @plan to halt or to end. Returns whether some have not done so yet. */
static bool retreat_plan(struct thsi_supervisor *supervisor, const struct thsi_supervisor_plan *plan, bool stop)
{
    bool wait = false;

    for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++) {
        struct thsi_child_status *child = &supervisor->children[i];
        bool for_good = stop || plan->plan.restart == THS_TEMPORARY;
        if (for_good && (child->state == THSI_CHILD_RUNNING || child->state == THSI_CHILD_HALTED)) {
            finish(supervisor, i, false);
        } else if (child->state == THSI_CHILD_RUNNING) {
            (void)act(supervisor, THSI_SUPERVISOR_HALT, i);
            set_leaving(supervisor, i, THSI_CHILD_HALTING);
        } else if (stop && (child->state == THSI_CHILD_PENDING ||
                            (child->state == THSI_CHILD_STARTING && child->place != supervisor->config.self))) {
            set_ended(child); /* an answer from another node is not waited for: see on_started */
        }
        wait |= has_deadline(child);
    }
    return wait;
}

/* All are halted: let the next incarnations begin, in order, after the delay. */
static void begin_again(struct thsi_supervisor *supervisor)
{
    uint64_t due_ns = supervisor->now_ns;

    if (supervisor->attempts)
        due_ns += backoff_ns(supervisor, supervisor->attempts);
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        struct thsi_child_status *child = &supervisor->children[i];
        if (plan_of(supervisor, i)->restart == THS_TEMPORARY)
            continue;
        if (child->state == THSI_CHILD_ENDED)
            set_pending(child, due_ns);
        child->due_ns = due_ns;
        child->ordered = true;
    }
    supervisor->phase = THSI_SUPERVISOR_RUNS;
}

static void advance(struct thsi_supervisor *supervisor)
{
    bool stop = supervisor->phase == THSI_SUPERVISOR_STOPS;

    if (stop || supervisor->phase == THSI_SUPERVISOR_HALTS) {
        for (uint32_t p = supervisor->plans_count; p > 0; p--) {
            if (retreat_plan(supervisor, &supervisor->plans[p - 1], stop))
                return;
        }
        if (stop) {
            supervisor->phase = THSI_SUPERVISOR_IS_DONE;
            act(supervisor, THSI_SUPERVISOR_DONE, THSI_NO_CHILD)->reason = supervisor->reason;
            return;
        }
        begin_again(supervisor);
    }
    if (supervisor->phase == THSI_SUPERVISOR_RUNS)
        advance_running(supervisor);
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
    case THSI_SUPERVISOR_STOP:
        stop_all(supervisor, THS_REASON_SHUTDOWN);
        break;
    }
    for (uint32_t i = 0; i < supervisor->children_count; i++) {
        if (has_deadline(&supervisor->children[i]) && supervisor->children[i].due_ns <= supervisor->now_ns)
            on_deadline(supervisor, i);
    }
    advance(supervisor);
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
        if ((has_deadline(child) || (waits_for_time && child->due_ns > supervisor->now_ns)) &&
            child->due_ns < deadline_ns)
            deadline_ns = child->due_ns;
    }
    return deadline_ns;
}
