/* Between the files of the supervisor's decision; see node/supervisor.h for the whole.
 *
 *     supervisor.c          events: what has happened, and what it does to a child's state
 *     supervisor_child.c    the moves of one child's state, back-off and window
 *     supervisor_advance.c  what the states ask for, in order
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
void thsi_child_set_running(struct thsi_supervisor *supervisor, struct thsi_child_status *child);

/* HALT or FINISH was given: the deadline begins. */
void thsi_child_set_leaving(struct thsi_supervisor *supervisor, uint32_t index, enum thsi_child_state state);

/* Give FINISH, or with @move DRAIN. */
void thsi_child_finish(struct thsi_supervisor *supervisor, uint32_t child, bool move);

/* From now on all are being stopped, unless they are already; the end has this reason. */
void thsi_supervisor_stop_all(struct thsi_supervisor *supervisor, enum ths_reason reason);

/* ---- All children (supervisor_advance.c) --------------------------------------------------- */

/* Give the actions that the present states ask for. */
void thsi_supervisor_advance(struct thsi_supervisor *supervisor);

/* ---- Placement (supervisor_place.c) -------------------------------------------------------- */

/* Whether @child may stay where it is: not spread, or its place is listed. */
bool thsi_supervisor_place_listed(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child);

/* Where to start one more instance of @plan: the least loaded place, the first of equals. 0: nowhere. */
uint64_t thsi_supervisor_pick_place(const struct thsi_supervisor *supervisor, uint32_t plan);

/* An instance of @plan whose move would bring two places nearer to each other: the last one on the fullest place.
 * THSI_NO_CHILD: none. */
uint32_t thsi_supervisor_pick_move(const struct thsi_supervisor *supervisor, uint32_t plan);

#endif /* THSI_NODE_SUPERVISOR_INTERNAL_H */
