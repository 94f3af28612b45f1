/* Links, the causes of ends, and supervision. */

#include <stdlib.h>

#include "tests/lib/checker_internal.h"

/* ---- Links --------------------------------------------------------------------------------------------------------- */

static struct checker_link *find_link(struct checker *checker, uint32_t life, uint32_t other)
{
    for (uint32_t i = checker->links_count; i-- > 0;)
        if (checker->links[i].life == life && checker->links[i].other == other)
            return &checker->links[i];
    return NULL;
}

void checker_linked(struct checker *checker, const struct history_event *event)
{
    struct checker_link *back = find_link(checker, event->other, event->life);

    if (checker->lives[event->other].gone)
        checker_see(checker, CHECKER_LINK_TO_ONE_GONE);
    if (event->extra)
        checker_see(checker, CHECKER_LINKED_BY_ITS_SPAWN);
    if (back)
        back->other_asked_too = true;
    if (checker->links_count < CHECKER_LINKS)
        checker->links[checker->links_count++] = (struct checker_link){ event->life, event->other, false, false, back != NULL,
                                                                        false, event->extra, checker->at };
}

/* Every link of the two that was asked for before. */
void checker_unlinked(struct checker *checker, const struct history_event *event)
{
    for (uint32_t i = 0; i < checker->links_count; i++) {
        struct checker_link *link = &checker->links[i];

        if (link->life == event->life && link->other == event->other)
            link->undone_by_life = true;
        if (link->life == event->other && link->other == event->life)
            link->undone_by_other = true;
    }
    if (find_link(checker, event->life, event->other))
        checker_see(checker, CHECKER_LINK_UNDONE);
}

/* Whether the end of @by may have reached @life through a link. A link is surely undone when the one who asked for it undid it
 * and the other never asked: whatever the order in which the two heard of each other's wishes. */
static bool may_be_linked(struct checker *checker, uint32_t life, uint32_t by)
{
    for (uint32_t i = 0; i < checker->links_count; i++) {
        const struct checker_link *link = &checker->links[i];

        if ((link->life == life && link->other == by && !(link->undone_by_life && !link->other_asked_too)) ||
            (link->life == by && link->other == life && !(link->undone_by_life && !link->other_asked_too)))
            return true;
    }
    return false;
}

void checker_exited(struct checker *checker, const struct history_event *event)
{
    checker_see(checker, CHECKER_EXIT_TRAPPED);
    if (!checker->lives[event->life].traps)
        checker_complain(checker, "L5: life %u, which does not trap, is told of an exit", event->life);
    for (uint32_t i = 0; i < checker->links_count; i++) {
        struct checker_link *link = &checker->links[i];

        if ((link->life == event->life && link->other == event->other) ||
            (link->life == event->other && link->other == event->life))
            link->heard = true;
    }
    if (event->code == THS_REASON_SHUTDOWN &&
        (checker->lives[event->life].ordered[THS_REASON_SHUTDOWN] || checker->lives[event->life].asked_to_stop))
        return; /* an order to stop, which comes from whoever gave it */
    if (event->code == THS_REASON_NODE_LOST && checker_are_apart(checker, event->life, event->other))
        return;
    if (checker->lives[event->other].runs && event->code != THS_REASON_NO_ACTOR)
        checker_complain(checker, "L5: life %u is told of the exit of life %u, which runs", event->life, event->other);
    if (!may_be_linked(checker, event->life, event->other) && event->other)
        checker_complain(checker, "L5: life %u is told of the exit of life %u without a link", event->life, event->other);
}

/* ---- Causes -------------------------------------------------------------------------------------------------------- */

/* Whether a link explains that @life ended so. */
static bool ended_by_link(struct checker *checker, uint32_t life, uint8_t reason, uint32_t cause)
{
    for (uint32_t i = 0; i < checker->links_count; i++) {
        const struct checker_link *link = &checker->links[i];
        uint32_t by = link->life == life ? link->other : link->other == life ? link->life : 0;
        const struct checker_life *other = &checker->lives[by];

        if (!by)
            continue;
        if (reason == THS_REASON_NODE_LOST && checker_are_apart(checker, life, by)) { /* where an unlink may be lost, too */
            checker_see(checker, CHECKER_END_BY_A_LOST_NODE);
            return true;
        }
        if (!may_be_linked(checker, life, by))
            continue;
        if (reason == THS_REASON_NO_ACTOR && (link->life == life || link->at_spawn) &&
            (other->gone || other->ended_at || !other->incarnation))
            return true;
        /* A child may have ended unseen, while it was halted, and passed on what it heard then. */
        if ((other->ended_at && other->reason == reason && (reason != THS_REASON_CRASHED || other->cause == cause)) ||
            (!other->runs && (other->ordered[reason] || checker->history->lives[by].supervisor))) {
            checker_see(checker, link->life == life ? CHECKER_END_BY_A_LINK : CHECKER_END_BY_A_LINK_OF_THE_OTHER);
            if (checker->history->lives[life].supervisor)
                checker_see(checker, CHECKER_CHILD_KILLED_BY_A_LINK);
            return true;
        }
    }
    return false;
}

static bool ended_by_supervisor(const struct checker *checker, uint32_t life, uint8_t reason)
{
    return checker->history->lives[life].supervisor && (reason == THS_REASON_SHUTDOWN || reason == THS_REASON_KILLED);
}

static void look_for_cause(struct checker *checker, const struct history_event *event)
{
    const struct checker_life *life = &checker->lives[event->life];

    if (event->code == THS_REASON_NORMAL && life->drains)
        return;
    if (life->ordered[event->code % 16] || ended_by_supervisor(checker, event->life, event->code) ||
        ended_by_link(checker, event->life, event->code, event->number))
        return;
    checker_complain(checker, "E1: life %u ends %s, and nothing explains it", event->life,
                     ths_reason_text((enum ths_reason)event->code));
}

/* ---- Supervision --------------------------------------------------------------------------------------------------- */

/* One for all: all others are to begin anew; rest for one: those after it. */
static void sibling_ended(struct checker *checker, uint32_t supervisor, uint32_t life)
{
    const struct history_supervisor *it = &checker->history->supervisors[supervisor];
    unsigned first = it->strategy == THS_REST_FOR_ONE ? checker->history->lives[life].place : 0;

    for (unsigned i = first; i < it->children_count; i++)
        if (checker->supervisors[supervisor].children[i] != life)
            checker->lives[checker->supervisors[supervisor].children[i]].sibling_ended++;
}

static bool has_a_link(const struct checker *checker, uint32_t life)
{
    for (uint32_t i = 0; i < checker->links_count; i++)
        if (checker->links[i].life == life || checker->links[i].other == life)
            return true;
    return false;
}

static void child_ended(struct checker *checker, const struct history_event *event)
{
    uint32_t number = checker->history->lives[event->life].supervisor;
    const struct history_supervisor *it = &checker->history->supervisors[number];
    int place = (int)checker->history->lives[event->life].place;

    checker->supervisors[number].ends++;
    if (it->strategy != THS_ONE_FOR_ONE && event->code != THS_REASON_SHUTDOWN)
        sibling_ended(checker, number, event->life);
    if (!checker->supervisors[number].in_order || checker->supervisors[number].over)
        return;
    if (has_a_link(checker, event->life))
        return; /* it may end with whom it is linked to */
    if (place >= checker->supervisors[number].last_place)
        checker_complain(checker, "S4: child %d of supervisor %u stops after child %d", place, number,
                         checker->supervisors[number].last_place);
    checker->supervisors[number].last_place = place;
}

void checker_ended(struct checker *checker, const struct history_event *event)
{
    struct checker_life *life = &checker->lives[event->life];

    look_for_cause(checker, event);
    life->runs = false;
    life->reason = event->code;
    life->cause = event->number;
    life->ended_at = checker->at;
    life->ends++;
    if (checker->history->lives[event->life].supervisor)
        child_ended(checker, event);
}

/* Whether something ever made rest for one halt the child at @place: the failure of one before it. An end SHUTDOWN may be one. */
static bool may_be_halted(const struct checker *checker, uint32_t supervisor, uint32_t place)
{
    for (uint32_t life = 1; life < checker->history->lives_count; life++)
        if (checker->history->lives[life].supervisor == supervisor && checker->history->lives[life].place < place &&
            checker->lives[life].ends > 0)
            return true;
    return false;
}

/* More than the limit of restarts within the window would have been the end of the supervisor. */
static void count_restart(struct checker *checker, const struct history_event *event, uint32_t number)
{
    struct checker_life *life = &checker->lives[event->life];
    const struct history_supervisor *it = &checker->history->supervisors[number];
    uint64_t *oldest = &life->started_ns[life->starts % (it->restarts + 1)];

    checker_see(checker, CHECKER_RESTART);
    if (life->reason == THS_REASON_SHUTDOWN && it->strategy == THS_ONE_FOR_ALL)
        checker_see(checker, CHECKER_RESTART_OF_A_SIBLING);
    if (life->sibling_ended && it->strategy == THS_REST_FOR_ONE)
        checker_see(checker, CHECKER_RESTART_OF_THE_REST);
    if (life->reason == THS_REASON_QUOTA)
        checker_see(checker, CHECKER_RESTART_AFTER_QUOTA);
    if (*oldest && event->at_ns - *oldest + 2000000 < (uint64_t)it->within_ms * 1000000)
        checker_complain(checker, "S3: life %u is restarted more than %u times in %u ms", event->life, it->restarts,
                         it->within_ms);
    *oldest = event->at_ns;
    if (it->strategy == THS_ONE_FOR_ONE && life->reason == THS_REASON_SHUTDOWN && !life->ordered[THS_REASON_SHUTDOWN] &&
        checker->links_count == 0)
        checker_complain(checker, "S5: one for one restarts life %u, which did not fail", event->life);
    if (it->strategy == THS_REST_FOR_ONE && life->reason == THS_REASON_SHUTDOWN && !life->ordered[THS_REASON_SHUTDOWN] &&
        !life->asked_to_stop && !has_a_link(checker, event->life) &&
        !may_be_halted(checker, number, checker->history->lives[event->life].place))
        checker_complain(checker, "S5: rest for one restarts life %u, and none before it failed", event->life);
}

void checker_started(struct checker *checker, const struct history_event *event)
{
    struct checker_life *life = &checker->lives[event->life];
    uint32_t number = checker->history->lives[event->life].supervisor;

    if (event->code)
        checker_complain(checker, "S1: life %u begins with the state of another", event->life);
    if (life->runs)
        checker_complain(checker, "S1: incarnation %u of life %u begins while %u runs", event->incarnation, event->life,
                         life->incarnation);
    if (life->gone)
        checker_complain(checker, "L2: life %u begins again after its DOWN", event->life);
    if (event->incarnation != life->incarnation + 1 && (!number || event->incarnation <= life->incarnation))
        checker_complain(checker, "S1: incarnation %u of life %u comes after %u", event->incarnation, event->life,
                         life->incarnation);
    if (event->other) {
        if (checker->lives[event->other].runs)
            checker_complain(checker, "S1: life %u takes the place of life %u, which runs", event->life, event->other);
        checker->supervisors[number].children[checker->history->lives[event->life].place] = event->life;
    }
    if (event->incarnation > 1 && number)
        count_restart(checker, event, number);
    if (!life->holds_known)
        life->holds = checker->history->lives[event->life].held;
    life->holds_known = true;
    if (life->by_name)
        checker_see(checker, CHECKER_SPAWNED_BY_NAME);
    life->used = 0;
    life->runs = true;
    life->incarnation = event->incarnation;
    life->starts++;
    life->sibling_ended = 0;
}

/* Whether one of its children has: then it may end by it while it is halted, which nobody sees. */
static bool have_links(const struct checker *checker, uint32_t supervisor)
{
    for (unsigned i = 0; i < checker->history->supervisors[supervisor].children_count; i++)
        if (has_a_link(checker, checker->supervisors[supervisor].children[i]))
            return true;
    return false;
}

void checker_supervisor(struct checker *checker, const struct history_event *event)
{
    uint32_t number = event->number;
    const struct history_supervisor *it = &checker->history->supervisors[number];

    switch ((enum history_kind)event->kind) {
    case HISTORY_SUPERVISED:
        for (unsigned i = 0; i < it->children_count; i++)
            checker->supervisors[number].children[i] = it->children[i];
        break;
    case HISTORY_SUPERVISOR_ORDERED:
        checker->supervisors[number].ordered = true;
        checker->supervisors[number].in_order = event->extra && !checker->supervisors[number].over;
        checker->supervisors[number].last_place = HISTORY_CHILDREN;
        break;
    case HISTORY_SUPERVISOR_ENDED:
        if (checker->supervisors[number].over)
            checker_complain(checker, "S3: supervisor %u ends twice", number);
        checker->supervisors[number].over = true;
        checker->supervisors[number].reason = event->code;
        if (event->code == THS_REASON_KILLED)
            checker_see(checker, CHECKER_SUPERVISOR_KILLED);
        if (checker->supervisors[number].in_order)
            checker_see(checker, CHECKER_STOPPED_IN_ORDER);
        if (event->code == THS_REASON_CRASHED) {
            checker_see(checker, CHECKER_GAVE_UP);
            if (checker->supervisors[number].ends <= it->restarts && !have_links(checker, number))
                checker_complain(checker, "S3: supervisor %u gives up after %u ends, %u are allowed", number,
                                 checker->supervisors[number].ends, it->restarts);
        } else if (event->code != THS_REASON_NO_ACTOR && !checker->supervisors[number].ordered &&
                   !(event->code == THS_REASON_NODE_LOST &&
                     (checker->boots[it->boot].crashed || checker->boots[it->boot].isolated))) {
            checker_complain(checker, "E1: supervisor %u ends %s, and nothing explains it", number,
                             ths_reason_text((enum ths_reason)event->code));
        }
        break;
    default:
        break;
    }
}

/* ---- When all has settled ------------------------------------------------------------------------------------------ */

static void settled_links(struct checker *checker)
{
    for (uint32_t i = 0; i < checker->links_count; i++) {
        const struct checker_link *link = &checker->links[i];

        for (unsigned side = 0; side < 2; side++) {
            uint32_t a = side ? link->other : link->life, b = side ? link->life : link->other;
            const struct checker_life *dead = &checker->lives[a], *other = &checker->lives[b];

            if (!dead->gone || !dead->ended_at || dead->reason == THS_REASON_NORMAL || dead->gone_at < link->at ||
                checker->history->lives[a].supervisor)
                continue;
            if (checker_are_apart(checker, a, b) &&
                (((link->life == a || link->at_spawn) && !link->other_asked_too) || other->ended_at > link->at))
                continue; /* perhaps the other never heard of it, or had ended for the same loss */
            if (link->undone_by_life || link->undone_by_other || link->heard || other->gone)
                continue;
            if (other->ended_at <= dead->ended_at && other->runs && link->at < dead->ended_at)
                checker_complain(checker, "L5: life %u ended %s, and life %u, linked to it, goes on", a,
                                 ths_reason_text((enum ths_reason)dead->reason), b);
        }
    }
}

static bool may_run(const struct checker *checker, uint32_t number)
{
    return !checker->supervisors[number].over && !checker->supervisors[number].crashed;
}

static void settled_children(struct checker *checker)
{
    for (uint32_t number = 1; number < checker->history->supervisors_count; number++) {
        const struct history_supervisor *it = &checker->history->supervisors[number];

        for (unsigned i = 0; i < it->children_count; i++) {
            uint32_t child = checker->supervisors[number].children[i];
            const struct checker_life *life = &checker->lives[child];

            if (life->runs && !may_run(checker, number))
                checker_complain(checker, "S2: life %u outlives its supervisor %u", child, number);
            if (!life->runs && may_run(checker, number))
                checker_complain(checker, "S2: life %u, a permanent child of supervisor %u, does not run", child, number);
            if (life->sibling_ended && may_run(checker, number) && life->runs)
                checker_complain(checker, "S5: one for all does not restart life %u after a sibling's end", child);
        }
    }
}

void checker_settled_ends(struct checker *checker)
{
    settled_links(checker);
    settled_children(checker);
}
