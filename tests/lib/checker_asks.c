/* Asks of one, and of several at once. */

#include "tests/lib/checker_internal.h"

/* ---- Of one ---------------------------------------------------------------------------------------------------------- */

static void asked(struct checker *checker, const struct history_event *event)
{
    if (event->number < CHECKER_ASKS)
        checker->asks[event->number] = (struct checker_ask){ event->life, event->incarnation, event->other,
                                                             event->at_ns + (uint64_t)event->extra * 1000000, true, false, 0 };
}

static void served(struct checker *checker, const struct history_event *event)
{
    struct checker_ask *ask = &checker->asks[event->number % CHECKER_ASKS];

    if (event->code != THS_OK) {
        checker_see(checker, CHECKER_SECOND_REPLY);
        if (event->code != THS_NO_ASK)
            checker_complain(checker, "D5: a second reply is not refused as NO_ASK but as %s", ths_err_name(event->code));
    } else if (event->extra == 1) {
        checker_complain(checker, "D5: a second reply is accepted");
    }
    if (ask->served)
        checker_complain(checker, "D1: ask %u is served twice", event->number);
    ask->served = true;
    ask->wish = (uint8_t)event->extra;
}

static void answered(struct checker *checker, const struct history_event *event)
{
    struct checker_ask *ask = &checker->asks[event->number % CHECKER_ASKS];

    if (event->number == 0 || !ask->open) {
        checker_complain(checker, "D5: life %u gets an answer (%s) to no ask of its own", event->life, ths_err_name(event->code));
        return;
    }
    ask->open = false;
    if (ask->life != event->life || ask->incarnation != event->incarnation)
        checker_complain(checker, "D5: the answer of ask %u comes to another", event->number);
    switch (event->code) {
    case THS_OK:
        checker_see(checker, CHECKER_ASK_ANSWERED);
        if (ask->wish == 5)
            checker_see(checker, CHECKER_ASK_ANSWERED_LATER);
        if (ask->wish == 6)
            checker_see(checker, CHECKER_ASK_ANSWERED_BY_ANOTHER);
        if (event->extra != event->number || !ask->served)
            checker_complain(checker, "D5: ask %u gets the answer of another", event->number);
        break;
    case THS_TIMEOUT:
        checker_see(checker, CHECKER_ASK_TIMED_OUT);
        if (event->at_ns + 1000000 < ask->deadline_ns) /* the history counts whole milliseconds */
            checker_complain(checker, "D5: ask %u times out early", event->number);
        break;
    case THS_GONE:
        checker_see(checker, CHECKER_ASK_OF_ONE_GONE);
        if (!checker->lives[ask->other].ended_at && !checker->lives[ask->other].gone &&
            checker->lives[ask->other].incarnation && ask->wish != 4 && ask->served)
            checker_complain(checker, "D5: ask %u ends GONE, and its target has not ended", event->number);
        break;
    case THS_CRASHED:
        checker_see(checker, CHECKER_ASK_CRASHED_ITS_SERVER);
        break;
    case THS_NODE_LOST:
        checker_see(checker, CHECKER_ASK_OF_ONE_ON_A_LOST_NODE);
        if (!checker->boots_lost) /* it may have been passed on to anybody */
            checker_complain(checker, "D5: ask %u ends NODE_LOST, and no node is lost", event->number);
        break;
    default:
        break;
    }
    if (event->at_ns > ask->deadline_ns + UINT64_C(20000000000))
        checker_complain(checker, "D5: the answer of ask %u is late", event->number);
}

static void taken_back(struct checker *checker, const struct history_event *event)
{
    struct checker_ask *ask = &checker->asks[event->number % CHECKER_ASKS];

    checker_see(checker, CHECKER_ASK_TAKEN_BACK);
    if (!ask->open)
        checker_complain(checker, "D5: ask %u is taken back after it ended", event->number);
    ask->open = false;
}

static void settled_single(struct checker *checker)
{
    for (uint32_t i = 1; i < CHECKER_ASKS && checker->asks[i].life; i++) {
        const struct checker_ask *ask = &checker->asks[i];
        const struct checker_life *life = &checker->lives[ask->life];

        if (!ask->open)
            continue;
        if (life->runs && life->incarnation == ask->incarnation && !life->gone)
            checker_complain(checker, "D5: ask %u of life %u has no answer", i, ask->life);
        else
            checker_see(checker, CHECKER_ASKER_ENDED);
    }
}

/* ---- Of several ------------------------------------------------------------------------------------------------------ */

static void asked_all(struct checker *checker, const struct history_event *event)
{
    checker->gathers[event->number % CHECKER_ASKS] =
        (struct checker_gather){ .life = event->life, .incarnation = event->incarnation, .count = event->other, .open = true,
                                 .deadline_ns = event->at_ns + (uint64_t)event->extra * 1000000 };
}

static void served_one(struct checker *checker, const struct history_event *event, struct checker_gather *gather)
{
    bool asked = false;

    for (uint32_t i = 0; i < gather->count; i++) {
        uint32_t target = gather->targets[i];

        /* A child that is another actor now has the number of its new life. */
        if (asked || gather->served[i] || (target != event->life && !ths_ref_equal(checker->history->lives[target].ref,
                                                                                   checker->history->lives[event->life].ref)))
            continue;
        asked = gather->served[i] = true;
    }
    if (!asked)
        checker_complain(checker, "D1: life %u serves gather %u, which did not ask it, or not so often", event->life,
                         event->number);
}

static void result(struct checker *checker, const struct history_event *event, struct checker_gather *gather)
{
    uint32_t at = event->extra;

    if (!gather->open || gather->life != event->life || gather->incarnation != event->incarnation) {
        checker_complain(checker, "D5: life %u gets results of gather %u, which is not its own or is over", event->life,
                         event->number);
        return;
    }
    if (at != gather->results++ || at >= gather->count) {
        checker_complain(checker, "D5: result %u of gather %u comes out of order", at, event->number);
        return;
    }
    checker_see(checker, event->code == THS_OK        ? CHECKER_RESULT_CAME
                         : event->code == THS_TIMEOUT ? CHECKER_RESULT_MISSED
                                                      : CHECKER_RESULT_REFUSED);
    if (event->code == THS_OK && (event->other != gather->targets[at] || !gather->served[at]))
        checker_complain(checker, "D5: result %u of gather %u is of life %u, not of life %u", at, event->number, event->other,
                         gather->targets[at]);
    if (event->code == THS_TIMEOUT && event->at_ns + 1000000 < gather->deadline_ns)
        checker_complain(checker, "D5: result %u of gather %u times out early", at, event->number);
    if (event->code == THS_NODE_LOST && !checker_are_apart(checker, event->life, gather->targets[at]))
        checker_complain(checker, "D5: result %u of gather %u is NODE_LOST, and its node is not lost", at, event->number);
}

static void results(struct checker *checker, const struct history_event *event, struct checker_gather *gather)
{
    if (event->extra != gather->count || gather->results != gather->count)
        checker_complain(checker, "D5: gather %u has %u results, not %u", event->number, event->extra, gather->count);
    if (event->at_ns > gather->deadline_ns + UINT64_C(20000000000))
        checker_complain(checker, "D5: the results of gather %u are late", event->number);
    gather->open = false;
}

static void settled_gathers(struct checker *checker)
{
    for (uint32_t i = 1; i < CHECKER_ASKS && checker->gathers[i].life; i++) {
        const struct checker_gather *gather = &checker->gathers[i];
        const struct checker_life *life = &checker->lives[gather->life];

        if (!gather->open)
            continue;
        if (life->runs && life->incarnation == gather->incarnation && !life->gone)
            checker_complain(checker, "D5: gather %u of life %u has no results", i, gather->life);
        else
            checker_see(checker, CHECKER_ASKER_OF_SEVERAL_ENDED);
    }
}

/* ---- All ------------------------------------------------------------------------------------------------------------- */

void checker_asked(struct checker *checker, const struct history_event *event)
{
    struct checker_gather *gather = &checker->gathers[event->number % CHECKER_ASKS];

    switch ((enum history_kind)event->kind) {
    case HISTORY_ASKED: asked(checker, event); break;
    case HISTORY_SERVED: served(checker, event); break;
    case HISTORY_ASK_CANCELLED: taken_back(checker, event); break;
    case HISTORY_ANSWERED: answered(checker, event); break;
    case HISTORY_ASKED_ALL: asked_all(checker, event); break;
    case HISTORY_ASKED_ONE: gather->targets[event->extra % HISTORY_GATHERED] = event->other; break;
    case HISTORY_SERVED_ONE: served_one(checker, event, gather); break;
    case HISTORY_RESULT: result(checker, event, gather); break;
    case HISTORY_RESULTS: results(checker, event, gather); break;
    case HISTORY_GATHER_CANCELLED:
        checker_see(checker, CHECKER_GATHER_TAKEN_BACK);
        if (!gather->open)
            checker_complain(checker, "D5: gather %u is taken back after it ended", event->number);
        gather->open = false;
        break;
    default: break;
    }
}

void checker_settled_asks(struct checker *checker)
{
    settled_single(checker);
    settled_gathers(checker);
}
