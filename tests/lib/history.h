/* History: what happened in one run of the chaos test, in the order in which it happened.
 *
 * The actors of the test write it (chaos.c); the checker reads it afterwards (checker.c) and knows nothing else of the code
 * under test. Lives are numbered from 1; a life is one spawn of an actor, its restarts included. */

#ifndef THS_TESTS_LIB_HISTORY_H
#define THS_TESTS_LIB_HISTORY_H

#include "thiasos/thiasos.h"

enum {
    HISTORY_LIVES = 2048,
    HISTORY_NAMES = 9, /* 0 stands for none */
    HISTORY_KEEPER = 1, /* the life that watches all others */
    HISTORY_BOOTS = 64, /* of nodes; 0 is none */
    HISTORY_GATHERED = 5 /* asked at once */
};

enum history_kind {
    HISTORY_SPAWNED,      /* life by other (0: outside); code: enum ths_err; number: name; extra 1: by its behaviour's name, and
                             what became of it is not known yet */
    HISTORY_STARTED,      /* life, incarnation; code 1: its state was not zero; other: the life whose place as a child it takes */
    HISTORY_ENDED,        /* life, incarnation; code: reason; number: cause */
    HISTORY_SENT,         /* life to other; number in its pair; code: enum ths_err */
    HISTORY_RECEIVED,     /* life from other; number in its pair */
    HISTORY_STRAY,        /* life got what was for other */
    HISTORY_ASKED,        /* life asks other; number of the ask, timeout_ms in extra */
    HISTORY_SERVED,       /* life handles ask number of other; code: enum ths_err of its second reply */
    HISTORY_ASK_CANCELLED, /* life takes back ask number */
    HISTORY_ANSWERED,     /* life, incarnation; number of the ask; code: enum ths_err; extra: the number in the reply */
    HISTORY_LINKED,       /* life to other */
    HISTORY_UNLINKED,
    HISTORY_TRAPS,        /* life; code: on or off */
    HISTORY_EXITED,       /* life hears of the end of other; code: reason */
    HISTORY_MONITORED,    /* life watches other; number: of the monitor, unique in the life */
    HISTORY_DEMONITORED,
    HISTORY_DOWN,         /* life hears of other; code: reason; number */
    HISTORY_TIMER_SET,    /* life, incarnation; number of the timer; extra: delay_ms */
    HISTORY_TIMER_CANCELLED,
    HISTORY_TIMER_FIRED,
    HISTORY_ORDERED,      /* life is to end with code (enum ths_reason), by itself or by order; number: cause; extra 1: it may
                             refuse, 2: when it has worked off its mail */
    HISTORY_VETOED,       /* life refuses to stop; code: enum ths_err */
    HISTORY_SUPERVISED,   /* number: of the supervisor */
    HISTORY_SUPERVISOR_ORDERED, /* it is to end; extra 1: everything had settled before */
    HISTORY_SUPERVISOR_ENDED,   /* code: reason */
    HISTORY_ASKED_ALL,    /* life, incarnation; number of the gather; other: how many; extra: timeout_ms */
    HISTORY_ASKED_ONE,    /* of them: other, at place extra */
    HISTORY_SERVED_ONE,   /* life handles the part of gather number that is for it */
    HISTORY_RESULT,       /* life, incarnation; number of the gather; place extra; code: enum ths_err; other: who says it replied */
    HISTORY_RESULTS,      /* that was all: extra */
    HISTORY_GATHER_CANCELLED, /* life takes back gather number */
    HISTORY_ATE,          /* life, incarnation; extra: bytes it wanted when it had number; code 1: it got them */
    HISTORY_FREED,        /* life; extra: bytes */
    HISTORY_HELD,         /* life holds other; code: enum ths_err */
    HISTORY_RELEASED,     /* life gives a hold on other back; code: enum ths_err; extra 1: it may refuse to stop */
    HISTORY_CUT,          /* boots number and extra from each other, shorter than anybody minds */
    HISTORY_ISOLATED,     /* boot number from all others, until it crashes */
    HISTORY_CRASHED,      /* boot number */
    HISTORY_KINDS
};

struct history_event {
    uint64_t at_ns;
    uint32_t life, other, incarnation, number, extra;
    uint8_t kind, code;
};

struct history_life {
    ths_ref ref;
    uint32_t supervisor; /* 0: none */
    uint32_t place;      /* among its children, from 0 */
    uint32_t name;       /* 0: none */
    uint32_t boot;       /* of the node on which it is */
    uint32_t limit;      /* bytes it may have; 0: no limit */
    bool held;           /* at first once */
};

enum { HISTORY_CHILDREN = 4, HISTORY_SUPERVISORS = 64 };

struct history_supervisor {
    ths_ref ref;
    enum ths_strategy strategy;
    unsigned restarts, within_ms;
    uint32_t boot;
    uint32_t children[HISTORY_CHILDREN]; /* their first lives */
    unsigned children_count;
};

struct history {
    uint64_t seed;
    struct history_life lives[HISTORY_LIVES];
    struct history_supervisor supervisors[HISTORY_SUPERVISORS];
    uint32_t lives_count, supervisors_count, boots_count; /* numbers below are in use; 0 is not */
    struct history_event *events;
    size_t count, cap;
};

/* An empty one, keeping its memory. / Free that. */
void history_reset(struct history *history, uint64_t seed);
void history_free(struct history *history);

/* Append; a failure of memory ends the program. */
void history_add(struct history *history, struct history_event event);

/* Write to the standard error output those of the events up to @to that have to do with the lives @a and @b, the last 60, or
 * the last 12 of all when @a is 0. */
void history_print(const struct history *history, size_t to, uint32_t a, uint32_t b);

#endif /* THS_TESTS_LIB_HISTORY_H */
