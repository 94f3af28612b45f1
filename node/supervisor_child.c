/* One child's moves from state to state, and what a failure means for time: the back-off and the window. */

#include "node/supervisor_internal.h"

#include <assert.h>

enum { BACKOFF_SECOND_MS = 50 }; /* when the first restart is immediate */

struct thsi_supervisor_action *thsi_supervisor_act(struct thsi_supervisor *supervisor,
                                                   enum thsi_supervisor_action_type type, uint32_t child)
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

const struct thsi_child_plan *thsi_supervisor_plan_of(const struct thsi_supervisor *supervisor, uint32_t child)
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

uint64_t thsi_supervisor_backoff_ns(struct thsi_supervisor *supervisor, uint32_t attempt)
{
    const struct thsi_supervisor_config *config = &supervisor->config;
    uint64_t base_ms = config->backoff_ms ? config->backoff_ms : BACKOFF_SECOND_MS;
    uint32_t doublings = attempt - (config->backoff_ms ? 1 : 2);
    uint64_t delay_ns;

    if (attempt == 1 && !config->backoff_ms)
        return 0;
    delay_ns = (doublings < 32 && base_ms << doublings < config->backoff_max_ms ? base_ms << doublings
                                                                                : config->backoff_max_ms) * THSI_MS;
    return delay_ns / 2 + draw(supervisor) % (delay_ns / 2 + 1);
}

bool thsi_supervisor_note_failure(struct thsi_supervisor *supervisor)
{
    const struct thsi_supervisor_config *config = &supervisor->config;
    uint64_t *oldest = &supervisor->window[supervisor->window_next]; /* where the ring is full */

    if (supervisor->window_count == config->restarts && supervisor->now_ns - *oldest <= config->within_ms * THSI_MS)
        return false;
    *oldest = supervisor->now_ns;
    supervisor->window_next = (supervisor->window_next + 1) % config->restarts;
    if (supervisor->window_count < config->restarts)
        supervisor->window_count++;
    return true;
}

bool thsi_supervisor_is_quiet(const struct thsi_supervisor *supervisor, uint64_t since_ns)
{
    return supervisor->now_ns - since_ns >= supervisor->config.within_ms * THSI_MS;
}

bool thsi_child_has_deadline(const struct thsi_child_status *child)
{
    return child->state == THSI_CHILD_STARTING || child->state == THSI_CHILD_BEGINNING ||
           child->state == THSI_CHILD_HALTING || child->state == THSI_CHILD_STOPPING;
}

void thsi_child_set_pending(struct thsi_child_status *child, uint64_t due_ns)
{
    child->state = THSI_CHILD_PENDING;
    child->who = THS_NOBODY;
    child->due_ns = due_ns;
    child->killed = child->move = child->again = false;
}

void thsi_child_set_ended(struct thsi_child_status *child)
{
    child->state = THSI_CHILD_ENDED;
    child->who = THS_NOBODY;
    child->killed = child->move = child->ordered = child->restart = child->lost = child->again = child->fresh = false;
}

void thsi_child_set_halted(struct thsi_child_status *child)
{
    child->state = THSI_CHILD_HALTED;
    child->killed = child->again = false;
}

void thsi_child_set_running(struct thsi_supervisor *supervisor, struct thsi_child_status *child)
{
    child->state = THSI_CHILD_RUNNING;
    child->since_ns = supervisor->now_ns;
    child->ordered = child->killed = child->restart = child->lost = child->again = child->fresh = false;
}

bool thsi_child_is_hurried(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child)
{
    return supervisor->hurry && child->place != supervisor->config.self;
}

void thsi_child_set_leaving(struct thsi_supervisor *supervisor, uint32_t index, enum thsi_child_state state)
{
    struct thsi_child_status *child = &supervisor->children[index];
    uint64_t stop_ms = thsi_supervisor_plan_of(supervisor, index)->stop_ms;

    if (thsi_child_is_hurried(supervisor, child) && stop_ms > THSI_HURRY_MS)
        stop_ms = THSI_HURRY_MS;
    child->state = state;
    child->due_ns = supervisor->now_ns + stop_ms * THSI_MS;
    child->killed = false;
}

void thsi_child_finish(struct thsi_supervisor *supervisor, uint32_t child, bool move)
{
    bool ask = thsi_supervisor_plan_of(supervisor, child)->orderly &&
               supervisor->children[child].state != THSI_CHILD_HALTED;

    (void)thsi_supervisor_act(supervisor, ask    ? THSI_SUPERVISOR_ASK
                                          : move ? THSI_SUPERVISOR_DRAIN
                                                 : THSI_SUPERVISOR_FINISH,
                              child);
    thsi_child_set_leaving(supervisor, child, THSI_CHILD_STOPPING);
    supervisor->children[child].move = move;
}

void thsi_supervisor_halt_from(struct thsi_supervisor *supervisor, uint32_t position)
{
    if (supervisor->phase == THSI_SUPERVISOR_RUNS || position < supervisor->halt_from)
        supervisor->halt_from = position;
    supervisor->phase = THSI_SUPERVISOR_HALTS;
}

void thsi_supervisor_stop_all(struct thsi_supervisor *supervisor, enum ths_reason reason)
{
    if (supervisor->phase == THSI_SUPERVISOR_STOPS || supervisor->phase == THSI_SUPERVISOR_IS_DONE)
        return;
    supervisor->phase = THSI_SUPERVISOR_STOPS;
    supervisor->halt_from = 0;
    supervisor->reason = reason;
}
