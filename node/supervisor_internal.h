/* Between the files of the supervisor's decision; see node/supervisor.h for the whole.
 *
 *     supervisor.c          events: what has happened, and what it does to a child's state
 *     supervisor_child.c    the moves of one child's state, back-off and window
 *     supervisor_advance.c  what the states ask for, in order
 *     supervisor_order.c    what users order while it runs
 *     supervisor_place.c    where instances go
 *     supervisor_state.c    memory, counters, invariants */

#ifndef THSI_NODE_SUPERVISOR_INTERNAL_H
#define THSI_NODE_SUPERVISOR_INTERNAL_H

#include "node/supervisor.h"

#define THSI_MS UINT64_C(1000000)

/* ---- One child (supervisor_child.c) --------------------------------------------------------- */

/* Append an action; for a child, with its specification and ref. Lends it until the next step. */
struct thsi_supervisor_action *thsi_supervisor_act(struct thsi_supervisor *supervisor,
                                                   enum thsi_supervisor_action_type type, uint32_t child);

const struct thsi_child_plan *thsi_supervisor_plan_of(const struct thsi_supervisor *supervisor, uint32_t child);

/* The delay before restart number @attempt, from 1: doubling up to the most, then between half and all of it. */
uint64_t thsi_supervisor_backoff_ns(struct thsi_supervisor *supervisor, uint32_t attempt);

/* Note a failure now. False: it was one too many. */
bool thsi_supervisor_note_failure(struct thsi_supervisor *supervisor);

/* Whether the back-off begins anew for what has gone well since @since_ns. */
bool thsi_supervisor_is_quiet(const struct thsi_supervisor *supervisor, uint64_t since_ns);

/* Whether its due_ns is the time by which it must have done what it was told. */
bool thsi_child_has_deadline(const struct thsi_child_status *child);

/* Whether nobody has the time to see how it ends. */
bool thsi_child_is_hurried(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child);

void thsi_child_set_pending(struct thsi_child_status *child, uint64_t due_ns);
void thsi_child_set_ended(struct thsi_child_status *child);
void thsi_child_set_halted(struct thsi_child_status *child);
void thsi_child_set_running(struct thsi_supervisor *supervisor, struct thsi_child_status *child);

/* HALT or FINISH was given: the deadline begins. */
void thsi_child_set_leaving(struct thsi_supervisor *supervisor, uint32_t index, enum thsi_child_state state);

/* Give FINISH, or with @move DRAIN; an orderly one that runs is asked. */
void thsi_child_finish(struct thsi_supervisor *supervisor, uint32_t child, bool move);

/* The position of its specification in the line. */
static inline uint32_t thsi_child_position(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child)
{
    return supervisor->plans[child->plan].position;
}

/* Whether it is among those that are being halted or stopped. */
static inline bool thsi_child_retreats(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child)
{
    return supervisor->phase != THSI_SUPERVISOR_RUNS && thsi_child_position(supervisor, child) >= supervisor->halt_from;
}

/* Whether an actor of it works. */
static inline bool thsi_child_works(const struct thsi_child_status *child)
{
    return child->state == THSI_CHILD_RUNNING || child->state == THSI_CHILD_BEGINNING;
}

/* All from this position on are being halted, and those that are already. */
void thsi_supervisor_halt_from(struct thsi_supervisor *supervisor, uint32_t position);

/* From now on all are being stopped, unless they are already; the end has this reason. */
void thsi_supervisor_stop_all(struct thsi_supervisor *supervisor, enum ths_reason reason);

/* ---- All children (supervisor_advance.c) --------------------------------------------------- */

/* Give the actions that the present states ask for. */
void thsi_supervisor_advance(struct thsi_supervisor *supervisor);

/* ---- Orders (supervisor_order.c) ------------------------------------------------------------ */

void thsi_supervisor_order(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event);

/* Answer the orders that are carried out, and forget who has ended and leaves. At the end of a step. */
void thsi_supervisor_settle(struct thsi_supervisor *supervisor);

/* ---- Placement (supervisor_place.c) -------------------------------------------------------- */

/* Whether @child may stay where it is: not spread, or its place is listed. */
bool thsi_supervisor_place_listed(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child);

/* Where to start one more instance of @plan: the least loaded place, the first of equals. 0: nowhere. */
uint64_t thsi_supervisor_pick_place(const struct thsi_supervisor *supervisor, uint32_t plan);

/* An instance of @plan whose move would bring two places nearer to each other: the last one on the fullest place.
 * THSI_NO_CHILD: none. */
uint32_t thsi_supervisor_pick_move(const struct thsi_supervisor *supervisor, uint32_t plan);

#endif /* THSI_NODE_SUPERVISOR_INTERNAL_H */
