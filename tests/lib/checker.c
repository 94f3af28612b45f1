/* Messages, timers, names, monitors; and the reading of the whole. */

#include "tests/lib/checker_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const checker_sight_names[CHECKER_SIGHTS_COUNT] = {
#define X(name) #name,
    CHECKER_SIGHTS(X)
#undef X
};

void checker_complain(struct checker *checker, const char *format, ...)
{
    va_list args;

    if (checker->verdict->broken)
        return;
    checker->verdict->broken = true;
    checker->verdict->at = checker->at;
    va_start(args, format);
    (void)vsnprintf(checker->verdict->why, sizeof checker->verdict->why, format, args);
    va_end(args);
}

/* ---- Messages ------------------------------------------------------------------------------------------------------ */

static struct checker_pair *pair_of(struct checker *checker, uint32_t from, uint32_t to)
{
    uint32_t at = (from * 2654435761u ^ to * 40503u) % CHECKER_PAIRS;

    while (checker->pairs[at].from && (checker->pairs[at].from != from || checker->pairs[at].to != to))
        at = (at + 1) % CHECKER_PAIRS;
    checker->pairs[at].from = from;
    checker->pairs[at].to = to;
    return &checker->pairs[at];
}

static void sent(struct checker *checker, const struct history_event *event)
{
    struct checker_pair *pair = pair_of(checker, event->life, event->other);
    const struct checker_life *other = &checker->lives[event->other];

    if (event->code == THS_FULL)
        checker_see(checker, CHECKER_MAILBOX_FULL);
    if (event->code == THS_GONE)
        checker_see(checker, CHECKER_SEND_TO_ONE_GONE);
    if (event->code == THS_CLOSED) {
        checker_see(checker, CHECKER_SEND_TO_ONE_THAT_DRAINS);
        if (!other->drains)
            checker_complain(checker, "V2: a send to life %u, which does not drain, is refused as CLOSED", event->other);
    }
    if (event->code == THS_GONE && !other->ended_at && !other->gone && other->incarnation)
        checker_complain(checker, "D3: a send to life %u, which has not ended, is refused as GONE", event->other);
    if (event->code != THS_OK)
        return;
    if (other->drains && !checker->remote)
        checker_complain(checker, "V2: a send to life %u, which drains, is accepted", event->other);
    if (other->gone && !checker->remote)
        checker_complain(checker, "D3: a send to life %u is accepted, which is gone", event->other);
    if (pair->accepted == pair->received)
        pair->sender_incarnation_ends = other->ends;
    pair->accepted = event->number;
}

static void received(struct checker *checker, const struct history_event *event)
{
    struct checker_pair *pair = pair_of(checker, event->other, event->life);
    const struct checker_life *from = &checker->lives[event->other];

    if (event->number <= pair->received)
        checker_complain(checker, "D1: life %u receives %u of life %u after %u", event->life, event->number, event->other,
                         pair->received);
    else if (event->number != pair->received + 1 && !checker->remote)
        checker_complain(checker, "D2: life %u receives %u of life %u after %u", event->life, event->number, event->other,
                         pair->received);
    if (event->number > pair->accepted)
        checker_complain(checker, "D1: life %u receives what life %u has not sent", event->life, event->other);
    if (from->gone)
        checker_see(checker, CHECKER_MAIL_OF_ONE_GONE);
    if (pair->sender_incarnation_ends < checker->lives[event->life].ends)
        checker_see(checker, CHECKER_MAIL_WAITED_FOR_A_RESTART);
    pair->received = event->number;
    for (uint32_t i = 1; i < CHECKER_MONITORS && checker->monitors[i].life; i++)
        if (checker->monitors[i].life == event->life && checker->monitors[i].other == event->other && checker->monitors[i].downs)
            checker_complain(checker, "L4: life %u receives from life %u after its DOWN", event->life, event->other);
}

static void settled_pairs(struct checker *checker)
{
    for (uint32_t i = 0; i < CHECKER_PAIRS; i++) {
        const struct checker_pair *pair = &checker->pairs[i];
        const struct checker_life *to;

        if (!pair->from || pair->accepted == pair->received)
            continue;
        to = &checker->lives[pair->to];
        if (!checker->remote && to->drains && to->gone && to->reason == THS_REASON_NORMAL &&
            !to->ordered[THS_REASON_NORMAL] && !to->asked_to_stop)
            checker_complain(checker, "V2: life %u drained, and never got %u of life %u", pair->to, pair->received + 1,
                             pair->from);
        if (to->gone)
            checker_see(checker, CHECKER_MAIL_LEFT_BEHIND);
        else if (!checker->remote)
            checker_complain(checker, "D2: life %u, which lives, never got %u of life %u", pair->to, pair->received + 1,
                             pair->from);
    }
}

/* ---- Timers -------------------------------------------------------------------------------------------------------- */

static void timer_set(struct checker *checker, const struct history_event *event)
{
    checker->timers[event->number % CHECKER_TIMERS] =
        (struct checker_timer){ event->life, event->incarnation, event->at_ns + (uint64_t)event->extra * 1000000, true, false };
}

static void timer_over(struct checker *checker, const struct history_event *event)
{
    struct checker_timer *timer = &checker->timers[event->number % CHECKER_TIMERS];
    bool fired = event->kind == HISTORY_TIMER_FIRED;

    checker_see(checker, fired ? CHECKER_TIMER_FIRED : CHECKER_TIMER_CANCELLED);
    if (timer->over)
        checker_complain(checker, "T1: timer %u fires after it fired or was cancelled", event->number);
    timer->over = true;
    if (!fired)
        return;
    if (event->incarnation != timer->incarnation || event->life != timer->life)
        checker_complain(checker, "T1: timer %u fires into another incarnation", event->number);
    if (event->at_ns + 1000000 < timer->due_ns)
        checker_complain(checker, "T1: timer %u fires early", event->number);
}

static void settled_timers(struct checker *checker)
{
    for (uint32_t i = 1; i < CHECKER_TIMERS && checker->timers[i].set; i++) {
        const struct checker_timer *timer = &checker->timers[i];
        const struct checker_life *life = &checker->lives[timer->life];

        if (timer->over)
            continue;
        if (life->runs && life->incarnation == timer->incarnation && !life->gone)
            checker_complain(checker, "T1: timer %u of life %u never fires", i, timer->life);
        else if (life->incarnation > timer->incarnation)
            checker_see(checker, CHECKER_TIMER_OF_AN_EARLIER_INCARNATION);
    }
}

/* ---- Monitors ------------------------------------------------------------------------------------------------------ */

static void monitored(struct checker *checker, const struct history_event *event)
{
    checker->monitors[event->number % CHECKER_MONITORS] =
        (struct checker_monitor){ event->life, event->other, false, 0, checker->lives[event->other].gone, event->extra,
                                  checker->lives[event->life].ends };
}

static void demonitored(struct checker *checker, const struct history_event *event)
{
    checker->monitors[event->number % CHECKER_MONITORS].undone = true;
    checker_see(checker, CHECKER_MONITOR_UNDONE);
    if (checker->lives[event->other].gone)
        checker_see(checker, CHECKER_MONITOR_UNDONE_IN_TIME);
}

/* An actor without supervisor is gone with its first end; another when somebody hears its DOWN. */
void checker_is_gone(struct checker *checker, uint32_t life)
{
    struct checker_life *it = &checker->lives[life];
    uint32_t name = checker->history->lives[life].name;

    if (!it->gone)
        it->gone_at = checker->at;
    it->gone = true;
    if (name && checker->holders[name] == life)
        checker->holders[name] = 0;
}

static void down(struct checker *checker, const struct history_event *event)
{
    struct checker_monitor *monitor = &checker->monitors[event->number % CHECKER_MONITORS];
    struct checker_life *other = &checker->lives[event->other];

    if (event->number == 0 || monitor->life != event->life || monitor->other != event->other) {
        checker_complain(checker, "L1: life %u hears a DOWN of life %u from no monitor of its own", event->life, event->other);
        return;
    }
    if (monitor->undone)
        checker_complain(checker, "L1: life %u hears of life %u through a monitor that was undone", event->life, event->other);
    if (++monitor->downs > 1)
        checker_complain(checker, "L1: life %u hears twice of the end of life %u", event->life, event->other);
    if (event->code == THS_REASON_NODE_LOST && checker_are_apart(checker, event->life, event->other)) {
        checker_see(checker, CHECKER_DOWN_OF_ONE_ON_A_LOST_NODE);
        other->told |= !other->runs;
        return; /* where it is, it may go on for a while */
    }
    if (other->runs)
        checker_complain(checker, "L2: life %u hears a DOWN of life %u, which runs", event->life, event->other);
    if (event->code == THS_REASON_NO_ACTOR)
        checker_see(checker, CHECKER_DOWN_OF_ONE_GONE_ALREADY);
    else
        checker_see(checker, CHECKER_DOWN_AFTER_AN_END);
    if (event->code != THS_REASON_NO_ACTOR && monitor->was_gone)
        checker_complain(checker, "L1: life %u hears %s of life %u, which was gone", event->life,
                         ths_reason_text((enum ths_reason)event->code), event->other);
    if (event->code != THS_REASON_NO_ACTOR && other->ended_at && event->code != other->reason &&
        !checker->history->lives[event->other].supervisor)
        checker_complain(checker, "L1: life %u hears that life %u ended %s, not %s", event->life, event->other,
                         ths_reason_text((enum ths_reason)event->code), ths_reason_text((enum ths_reason)other->reason));
    other->told = true;
    checker_is_gone(checker, event->other);
}

static void settled_monitors(struct checker *checker)
{
    for (uint32_t i = 1; i < CHECKER_MONITORS && checker->monitors[i].life; i++) {
        const struct checker_monitor *monitor = &checker->monitors[i];
        const struct checker_life *life = &checker->lives[monitor->life];

        if (monitor->at_spawn && (checker->lives[monitor->other].crashed || monitor->ends != life->ends))
            continue; /* perhaps it was the answer that told of the loss; or what was not answered is void by now */
        if (checker->lives[monitor->other].gone && !monitor->undone && monitor->downs == 0 &&
            (monitor->life == HISTORY_KEEPER || (life->runs && !life->gone)))
            checker_complain(checker, "L3: life %u never hears that life %u is gone", monitor->life, monitor->other);
    }
}

/* ---- Names --------------------------------------------------------------------------------------------------------- */

static void spawned(struct checker *checker, const struct history_event *event)
{
    struct checker_life *spawned = &checker->lives[event->life];
    uint32_t name = event->number;
    uint32_t holder = name ? checker->holders[name] : 0;
    const struct history_life *life = &checker->history->lives[event->life];

    spawned->by_name = event->extra;
    spawned->holds_known = !event->extra;
    spawned->holds = life->held;
    for (uint32_t i = event->life; event->code == THS_OK && !event->extra && i-- > 2;)
        if (checker->history->lives[i].ref.slot == life->ref.slot && checker->history->lives[i].ref.node == life->ref.node) {
            checker_see(checker, CHECKER_PLACE_USED_AGAIN);
            break;
        }
    if (!name)
        return;
    if (event->code == THS_NAME_TAKEN) {
        checker_see(checker, CHECKER_NAME_TAKEN);
        if (!holder && !checker->remote)
            checker_complain(checker, "N1: name %u is taken, and its holder is gone", name);
    }
    if (event->code != THS_OK)
        return;
    if (holder && checker->lives[holder].runs && !checker->remote)
        checker_complain(checker, "N1: name %u is given to life %u while life %u has it", name, event->life, holder);
    if (checker->holders[name] == 0 && event->life > 100)
        checker_see(checker, CHECKER_NAME_USED_AGAIN);
    checker->holders[name] = event->life;
}

/* ---- The whole ----------------------------------------------------------------------------------------------------- */

static void see_end(struct checker *checker, const struct history_event *event)
{
    static const enum checker_sight sights[] = {
        [THS_REASON_NORMAL] = CHECKER_NORMAL_END, [THS_REASON_SHUTDOWN] = CHECKER_SHUTDOWN_END,
        [THS_REASON_KILLED] = CHECKER_KILL, [THS_REASON_CRASHED] = CHECKER_CRASH,
    };

    if (event->code <= THS_REASON_CRASHED)
        checker_see(checker, sights[event->code]);
    if (event->code == THS_REASON_QUOTA)
        checker_see(checker, CHECKER_END_BY_QUOTA);
    if (event->code == THS_REASON_SHUTDOWN && checker->lives[event->life].vetoes)
        checker_see(checker, CHECKER_STUBBORN_ONE_STOPPED_BY_FORCE);
    if (event->code == THS_REASON_NORMAL && checker->lives[event->life].drains)
        checker_see(checker, CHECKER_DRAINED);
    checker_ended(checker, event);
    if (!checker->history->lives[event->life].supervisor)
        checker_is_gone(checker, event->life);
}

/* Everything that a life does is done by an incarnation that runs. */
static void acts(struct checker *checker, const struct history_event *event)
{
    const struct checker_life *life = &checker->lives[event->life];

    if (event->life <= HISTORY_KEEPER || life->runs)
        return;
    if (life->told)
        checker_complain(checker, "L2: life %u acts after its DOWN", event->life);
    else if (life->ended_at)
        checker_complain(checker, "S1: life %u acts between two incarnations", event->life);
}

static void read_event(struct checker *checker, const struct history_event *event)
{
    switch ((enum history_kind)event->kind) {
    case HISTORY_SPAWNED: spawned(checker, event); return;
    case HISTORY_STARTED: checker_started(checker, event); return;
    case HISTORY_ORDERED:
        if (event->extra == 1)
            checker->lives[event->life].asked_to_stop = true;
        else if (event->extra == 2)
            checker->lives[event->life].drains = true;
        else
            checker->lives[event->life].ordered[event->code % 16] = true;
        checker->supervisors[checker->history->lives[event->life].supervisor].ends++;
        return;
    case HISTORY_SUPERVISED:
    case HISTORY_SUPERVISOR_ORDERED:
    case HISTORY_SUPERVISOR_ENDED: checker_supervisor(checker, event); return;
    case HISTORY_TRAPS: checker->lives[event->life].traps = event->code; return;
    case HISTORY_LINKED: checker_linked(checker, event); return;
    case HISTORY_CUT:
    case HISTORY_ISOLATED:
    case HISTORY_CRASHED: checker_means(checker, event); return;
    default: break;
    }
    acts(checker, event);
    switch ((enum history_kind)event->kind) {
    case HISTORY_ENDED: see_end(checker, event); break;
    case HISTORY_SENT: sent(checker, event); break;
    case HISTORY_RECEIVED: received(checker, event); break;
    case HISTORY_STRAY:
        checker_complain(checker, "D3: life %u gets what was for life %u", event->life, event->other);
        break;
    case HISTORY_ASKED:
    case HISTORY_SERVED:
    case HISTORY_ASK_CANCELLED:
    case HISTORY_ANSWERED:
    case HISTORY_ASKED_ALL:
    case HISTORY_ASKED_ONE:
    case HISTORY_SERVED_ONE:
    case HISTORY_RESULT:
    case HISTORY_RESULTS:
    case HISTORY_GATHER_CANCELLED: checker_asked(checker, event); break;
    case HISTORY_ATE:
    case HISTORY_FREED:
    case HISTORY_HELD:
    case HISTORY_RELEASED: checker_means(checker, event); break;
    case HISTORY_VETOED:
        checker_see(checker, event->code == THS_OK ? CHECKER_STOP_VETOED : CHECKER_VETO_IN_VAIN);
        checker->lives[event->life].vetoes++;
        break;
    case HISTORY_UNLINKED: checker_unlinked(checker, event); break;
    case HISTORY_EXITED: checker_exited(checker, event); break;
    case HISTORY_MONITORED: monitored(checker, event); break;
    case HISTORY_DEMONITORED: demonitored(checker, event); break;
    case HISTORY_DOWN: down(checker, event); break;
    case HISTORY_TIMER_SET: timer_set(checker, event); break;
    case HISTORY_TIMER_CANCELLED:
    case HISTORY_TIMER_FIRED: timer_over(checker, event); break;
    default: break;
    }
}

void checker_check(const struct history *history, const struct chaos_end *end, bool remote,
                   uint64_t sights[CHECKER_SIGHTS_COUNT], struct checker_verdict *verdict)
{
    static struct checker checker;

    memset(&checker, 0, sizeof checker);
    checker.history = history;
    checker.sights = sights;
    checker.verdict = verdict;
    checker.remote = remote;
    *verdict = (struct checker_verdict){ .broken = false };
    for (checker.at = 0; checker.at < history->count && !verdict->broken; checker.at++)
        read_event(&checker, &history->events[checker.at]);
    settled_pairs(&checker);
    checker_settled_asks(&checker);
    settled_timers(&checker);
    settled_monitors(&checker);
    checker_settled_ends(&checker);
    if (end->queued)
        checker_complain(&checker, "D6: empty mailboxes count %u messages", end->queued);
    if (end->dangling)
        checker_complain(&checker, "L6: %u links, monitors or names of actors that are gone are left", end->dangling);
    if (end->actors_lost)
        checker_complain(&checker, "L6: %u actors live by the history and not by the node, or the reverse", end->actors_lost);
}
