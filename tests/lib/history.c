#include "tests/lib/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[HISTORY_KINDS] = {
    [HISTORY_SPAWNED] = "spawned",
    [HISTORY_STARTED] = "started",
    [HISTORY_ENDED] = "ended",
    [HISTORY_SENT] = "sent",
    [HISTORY_RECEIVED] = "received",
    [HISTORY_STRAY] = "stray",
    [HISTORY_ASKED] = "asked",
    [HISTORY_SERVED] = "served",
    [HISTORY_ASK_CANCELLED] = "took back",
    [HISTORY_ANSWERED] = "answered",
    [HISTORY_LINKED] = "linked",
    [HISTORY_UNLINKED] = "unlinked",
    [HISTORY_TRAPS] = "traps",
    [HISTORY_EXITED] = "exited",
    [HISTORY_MONITORED] = "monitored",
    [HISTORY_DEMONITORED] = "demonitored",
    [HISTORY_DOWN] = "down",
    [HISTORY_TIMER_SET] = "timer set",
    [HISTORY_TIMER_CANCELLED] = "timer cancelled",
    [HISTORY_TIMER_FIRED] = "timer fired",
    [HISTORY_ORDERED] = "ordered to end",
    [HISTORY_VETOED] = "vetoed",
    [HISTORY_SUPERVISED] = "supervised",
    [HISTORY_SUPERVISOR_ORDERED] = "supervisor ordered to end",
    [HISTORY_SUPERVISOR_ENDED] = "supervisor ended",
    [HISTORY_ASKED_ALL] = "asked several",
    [HISTORY_ASKED_ONE] = "asked, of several",
    [HISTORY_SERVED_ONE] = "served one of several",
    [HISTORY_RESULT] = "result",
    [HISTORY_RESULTS] = "results",
    [HISTORY_GATHER_CANCELLED] = "took several back",
    [HISTORY_ATE] = "ate",
    [HISTORY_FREED] = "freed",
    [HISTORY_HELD] = "held",
    [HISTORY_RELEASED] = "released",
    [HISTORY_CUT] = "cut",
    [HISTORY_ISOLATED] = "isolated",
    [HISTORY_CRASHED] = "crashed",
};

void history_reset(struct history *history, uint64_t seed)
{
    struct history_event *events = history->events;
    size_t cap = history->cap;

    memset(history, 0, sizeof *history);
    history->seed = seed;
    history->events = events;
    history->cap = cap;
    history->lives_count = history->supervisors_count = history->boots_count = 1;
}

void history_free(struct history *history)
{
    free(history->events);
    history->events = NULL;
    history->count = history->cap = 0;
}

void history_add(struct history *history, struct history_event event)
{
    if (history->count == history->cap) {
        history->cap = history->cap ? 2 * history->cap : 4096;
        history->events = realloc(history->events, history->cap * sizeof history->events[0]);
        if (!history->events)
            abort();
    }
    history->events[history->count++] = event;
}

static bool concerns(const struct history_event *event, uint32_t a, uint32_t b)
{
    return a == 0 || event->life == a || event->other == a || (b && (event->life == b || event->other == b));
}

void history_print(const struct history *history, size_t to, uint32_t a, uint32_t b)
{
    size_t shown = 0, from = to;

    while (from > 0 && shown < (a ? 60u : 12u))
        shown += concerns(&history->events[--from], a, b);
    for (size_t i = from; i < to; i++) {
        const struct history_event *event = &history->events[i];

        if (concerns(event, a, b))
            (void)fprintf(stderr, "%6zu %llu ms life %u (%u) %s: other %u, number %u, code %u, extra %u\n", i,
                          (unsigned long long)(event->at_ns / 1000000), event->life, event->incarnation, kinds[event->kind],
                          event->other, event->number, event->code, event->extra);
    }
}
