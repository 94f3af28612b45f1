/* What actors have: memory, holds on each other, and nodes on which to live. */

#include "tests/lib/checker_internal.h"

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

static void ate(struct checker *checker, const struct history_event *event)
{
    struct checker_life *life = &checker->lives[event->life];
    uint32_t limit = checker->history->lives[event->life].limit;
    bool over = limit && event->number + event->extra > limit;

    if (event->number != life->used)
        checker_complain(checker, "Q1: life %u has %u bytes by its own count and %u by that of the node", event->life, life->used,
                         event->number);
    if (over == event->code)
        checker_complain(checker, "Q1: life %u, which may have %u bytes and has %u, %s %u more", event->life, limit, event->number,
                         event->code ? "gets" : "does not get", event->extra);
    checker_see(checker, over ? CHECKER_MEMORY_REFUSED : CHECKER_MEMORY_GIVEN);
    if (event->code)
        life->used += event->extra;
}

/* ---- Holds ----------------------------------------------------------------------------------------------------------- */

static void held(struct checker *checker, const struct history_event *event, struct checker_life *other)
{
    bool is_held = checker->history->lives[event->other].held;
    enum ths_err expected = !is_held ? THS_INVALID : other->holds == 0 ? THS_CLOSED : THS_OK;

    if (checker->history->lives[event->life].boot != checker->history->lives[event->other].boot)
        return; /* UNSUPPORTED, or it is known to be lost */
    if (event->code == THS_GONE || event->code == THS_STALE) {
        if (!other->ended_at && !other->gone && other->incarnation)
            checker_complain(checker, "D3: a hold on life %u, which has not ended, is refused as GONE", event->other);
        return;
    }
    if (event->code != expected && !other->holds_vague)
        checker_complain(checker, "H1: a hold on life %u, which has %d, is %s", event->other, other->holds,
                         ths_err_name(event->code));
    checker_see(checker, event->code == THS_OK ? CHECKER_HOLD_TAKEN
                         : is_held             ? CHECKER_HOLD_TOO_LATE
                                               : CHECKER_HOLD_ON_ONE_NOT_HELD);
    other->holds += event->code == THS_OK;
}

/* With the last hold: as if it had been asked to stop. */
static void asked_to_stop(struct checker_life *other, const struct history_event *event)
{
    if (event->extra)
        other->asked_to_stop = true;
    else
        other->ordered[THS_REASON_SHUTDOWN] = true;
}

static void released(struct checker *checker, const struct history_event *event, struct checker_life *other)
{
    bool is_held = checker->history->lives[event->other].held;
    enum ths_err expected = is_held && other->holds > 0 ? THS_OK : THS_INVALID;

    if (checker->history->lives[event->life].boot != checker->history->lives[event->other].boot) {
        other->holds_vague = true;
        if (is_held)
            asked_to_stop(other, event);
        checker_see(checker, CHECKER_RELEASE_FROM_ANOTHER_NODE);
        return;
    }
    if (event->code == THS_GONE || event->code == THS_STALE)
        return;
    if (event->code != expected && !other->holds_vague)
        checker_complain(checker, "H1: a release of life %u, which has %d holds, is %s", event->other, other->holds,
                         ths_err_name(event->code));
    if (event->code == THS_OK && --other->holds <= 0) {
        asked_to_stop(other, event);
        checker_see(checker, CHECKER_LAST_RELEASE);
    }
    if (event->code == THS_INVALID)
        checker_see(checker, CHECKER_RELEASE_TOO_MANY);
}

/* ---- Nodes ----------------------------------------------------------------------------------------------------------- */

/* All that is on it ends at once, and only others can tell. */
static void crashed(struct checker *checker, uint32_t boot)
{
    checker->boots[boot].crashed = true;
    checker->boots_lost++;
    checker_see(checker, CHECKER_NODE_CRASHED);
    for (uint32_t i = 1; i < checker->history->lives_count; i++) {
        struct checker_life *life = &checker->lives[i];

        if (checker->history->lives[i].boot != boot || life->gone || life->incarnation == 0)
            continue;
        life->crashed = true;
        life->runs = false;
        life->reason = THS_REASON_NODE_LOST;
        life->ended_at = checker->at;
        life->ends++;
        checker_is_gone(checker, i);
    }
    for (uint32_t i = 1; i < checker->history->supervisors_count; i++)
        if (checker->history->supervisors[i].boot == boot)
            checker->supervisors[i].crashed = true;
}

void checker_means(struct checker *checker, const struct history_event *event)
{
    struct checker_life *other = &checker->lives[event->other];

    switch ((enum history_kind)event->kind) {
    case HISTORY_ATE: ate(checker, event); break;
    case HISTORY_FREED: checker->lives[event->life].used -= event->extra; break;
    case HISTORY_HELD: held(checker, event, other); break;
    case HISTORY_RELEASED: released(checker, event, other); break;
    case HISTORY_CUT: checker_see(checker, CHECKER_NODES_CUT); break;
    case HISTORY_ISOLATED:
        checker->boots[event->number].isolated = true;
        checker->boots_lost++;
        checker_see(checker, CHECKER_NODE_ISOLATED);
        break;
    case HISTORY_CRASHED: crashed(checker, event->number); break;
    default: break;
    }
}
