/* Checker: whether a history of the chaos test keeps what is promised. It knows the promises and the history, nothing else.
 *
 *   L1  each monitor has at most one DOWN, none after it was undone, and exactly one when its target is gone
 *   L2  no DOWN of an actor that still acts
 *   L3  every watcher of one that is gone has heard of it
 *   L4  nothing of an actor comes after its DOWN
 *   L5  who ends because of a link had one; who was linked to one that ended has ended, or heard of it, or undid the link
 *   L6  when all has settled, no table holds an actor that is gone, and no mailbox a place
 *   S1  an incarnation begins after the one before it has ended, and its state is fresh
 *   S2  when all has settled, the permanent children of every living supervisor run, and of no other
 *   S3  restarts within the window stay within the limit; a supervisor that gives up had more failures than that
 *   S4  children stop in the reverse of their order
 *   S5  one for one restarts whom ended and nobody else; one for all restarts all after one's end, rest for one those after it
 *   D1  no message twice, and those of a pair in order
 *   D2  what was accepted arrives, unless its receiver ends
 *   D3  nothing reaches another than the one it was for; a send to one that is known to be gone is refused
 *   D5  each ask has exactly one answer, its own, not late; none when its asker ended before. Of several at once: one result for
 *       each, in the order in which they were asked, all of them at once
 *   D6  what a mailbox holds is bounded (a full one refuses) and counted (an empty one holds nothing)
 *   Q1  memory is given within the limit and not beyond; beyond it the actor ends so; its next incarnation has none of it
 *   H1  a hold counts while there is one, and the last release asks the actor to stop
 *   T1  a timer fires once, not early, not when it was cancelled, in the incarnation that set it, and is not lost
 *   N1  a name is taken while its holder lives, and free when a DOWN tells that it is gone
 *   V1  a veto is heeded: who refuses to stop goes on, unless there is force
 *   V2  who drains works off what it had accepted, takes nothing more, and ends
 *   E1  every end has a cause: an order, a link, a supervisor
 *
 * Of nodes that were cut off from all others, or crash, the rest may take everything for lost; nothing else is excused. */

#ifndef THS_TESTS_LIB_CHECKER_H
#define THS_TESTS_LIB_CHECKER_H

#include "tests/lib/chaos.h"

/* States that a run may reach; over many runs each must have been reached, or what is promised of it was never put to the test. */
#define CHECKER_SIGHTS(X)                                                                           \
    X(DOWN_OF_ONE_GONE_ALREADY) X(DOWN_AFTER_AN_END) X(MONITOR_UNDONE) X(MONITOR_UNDONE_IN_TIME)     \
    X(LINK_UNDONE) X(END_BY_A_LINK) X(END_BY_A_LINK_OF_THE_OTHER) X(EXIT_TRAPPED) X(LINK_TO_ONE_GONE) \
    X(CRASH) X(KILL) X(NORMAL_END) X(SHUTDOWN_END) X(MAILBOX_FULL) X(SEND_TO_ONE_GONE) X(MAIL_LEFT_BEHIND) \
    X(MAIL_OF_ONE_GONE) X(MAIL_WAITED_FOR_A_RESTART) X(PLACE_USED_AGAIN) X(ASK_ANSWERED) X(ASK_TIMED_OUT) \
    X(ASK_OF_ONE_GONE) X(ASK_CRASHED_ITS_SERVER) X(ASKER_ENDED) X(SECOND_REPLY) X(TIMER_FIRED) \
    X(TIMER_CANCELLED) X(TIMER_OF_AN_EARLIER_INCARNATION) X(NAME_TAKEN) X(NAME_USED_AGAIN) X(RESTART) \
    X(RESTART_OF_A_SIBLING) X(GAVE_UP) X(STOPPED_IN_ORDER) X(SUPERVISOR_KILLED) X(CHILD_KILLED_BY_A_LINK) \
    X(STOP_VETOED) X(VETO_IN_VAIN) X(STUBBORN_ONE_STOPPED_BY_FORCE) X(DRAINED) X(SEND_TO_ONE_THAT_DRAINS) \
    X(ASK_TAKEN_BACK) X(ASK_ANSWERED_LATER) X(ASK_ANSWERED_BY_ANOTHER) X(RESULT_CAME) X(RESULT_MISSED) X(RESULT_REFUSED) \
    X(GATHER_TAKEN_BACK) X(ASKER_OF_SEVERAL_ENDED) X(MEMORY_GIVEN) X(MEMORY_REFUSED) X(END_BY_QUOTA) X(RESTART_AFTER_QUOTA) \
    X(HOLD_TAKEN) X(HOLD_TOO_LATE) X(HOLD_ON_ONE_NOT_HELD) X(LAST_RELEASE) X(RELEASE_TOO_MANY) X(RELEASE_FROM_ANOTHER_NODE) \
    X(RESTART_OF_THE_REST) X(SPAWNED_BY_NAME) X(LINKED_BY_ITS_SPAWN) X(NODES_CUT) X(NODE_ISOLATED) X(NODE_CRASHED) \
    X(DOWN_OF_ONE_ON_A_LOST_NODE) X(END_BY_A_LOST_NODE) X(ASK_OF_ONE_ON_A_LOST_NODE)

enum checker_sight {
#define X(name) CHECKER_##name,
    CHECKER_SIGHTS(X)
#undef X
    CHECKER_SIGHTS_COUNT
};

extern const char *const checker_sight_names[CHECKER_SIGHTS_COUNT];

struct checker_verdict {
    bool broken;
    char why[256];    /* "L1: ..." */
    size_t at;        /* the event */
};

/* Adds to @sights. @remote: the actors lived on several nodes, where a full mailbox refuses later. */
void checker_check(const struct history *history, const struct chaos_end *end, bool remote,
                   uint64_t sights[CHECKER_SIGHTS_COUNT], struct checker_verdict *verdict);

#endif /* THS_TESTS_LIB_CHECKER_H */
