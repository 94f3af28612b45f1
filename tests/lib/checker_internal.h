/* The checker's notes while it reads: what it knows of each life, monitor, link, ask and timer. */

#ifndef THS_TESTS_LIB_CHECKER_INTERNAL_H
#define THS_TESTS_LIB_CHECKER_INTERNAL_H

#include "tests/lib/checker.h"

enum { CHECKER_LINKS = 2048, CHECKER_MONITORS = 2048, CHECKER_ASKS = 2048, CHECKER_TIMERS = 2048, CHECKER_PAIRS = 8192 };

struct checker_life {
    uint32_t incarnation;     /* that runs, or ran last; 0: none yet */
    bool runs;
    bool gone;                /* for good, and everybody may know */
    bool told;                /* somebody heard its DOWN */
    bool traps;
    bool serves_late;
    uint8_t reason;           /* of its last end */
    uint32_t cause;
    size_t ended_at;          /* event of its last end; 0: none */
    size_t gone_at;
    bool ordered[16];         /* to end so, by reason */
    bool asked_to_stop;       /* and may refuse */
    bool drains;
    uint32_t vetoes;
    uint32_t starts, ends;
    uint64_t started_ns[64];  /* its last restarts, as a ring */
    uint32_t sibling_ended;   /* starts that siblings' ends have called for and that have not come */
    uint32_t used;            /* bytes that its incarnation has */
    int holds;                /* left of it, if it is held */
    bool holds_known;
    bool by_name;             /* spawned by its behaviour's name */
    bool holds_vague;         /* another node took some back, nobody knows when */
    bool crashed;             /* with its node */
};

struct checker_link {
    uint32_t life, other;
    bool undone_by_life, undone_by_other;
    bool other_asked_too;     /* the other linked back */
    bool heard;               /* one was told of the other's exit */
    bool at_spawn;            /* the other, which life spawned by its behaviour's name, asked for it */
    size_t at;
};

struct checker_monitor {
    uint32_t life, other;
    bool undone;
    uint8_t downs;
    bool was_gone;            /* when it was asked for */
    bool at_spawn;            /* of one that was spawned by its behaviour's name */
    uint32_t ends;            /* of life, when it was asked for */
};

struct checker_ask {
    uint32_t life, incarnation, other;
    uint64_t deadline_ns;
    bool open, served;
    uint8_t wish;
};

struct checker_gather {
    uint32_t life, incarnation, count, results;
    uint64_t deadline_ns;
    bool open;
    uint32_t targets[HISTORY_GATHERED];
    bool served[HISTORY_GATHERED];
};

struct checker_timer {
    uint32_t life, incarnation;
    uint64_t due_ns;
    bool set, over;
};

/* Items of one sender to one receiver. */
struct checker_pair {
    uint32_t from, to;
    uint32_t accepted, received;
    uint32_t sender_incarnation_ends; /* of the receiver, when the oldest that has not come was accepted */
};

struct checker {
    const struct history *history;
    uint64_t *sights;
    struct checker_verdict *verdict;
    bool remote;
    size_t at;
    struct checker_life lives[HISTORY_LIVES];
    struct checker_link links[CHECKER_LINKS];
    struct checker_monitor monitors[CHECKER_MONITORS];
    struct checker_ask asks[CHECKER_ASKS];
    struct checker_gather gathers[CHECKER_ASKS];
    struct {
        bool isolated, crashed;
    } boots[HISTORY_BOOTS];
    uint32_t boots_lost; /* in either way */
    struct checker_timer timers[CHECKER_TIMERS];
    struct checker_pair pairs[CHECKER_PAIRS];
    uint32_t links_count;
    uint32_t holders[HISTORY_NAMES]; /* life that has the name; 0: none */
    struct {
        bool ordered, in_order, over, settled, crashed;
        uint8_t reason;
        uint32_t children[HISTORY_CHILDREN]; /* their present lives */
        uint32_t ends;        /* of its children; with their orders, because one that ends before it began is not seen */
        int last_place;       /* of the child that stopped last, while it stops */
        size_t ordered_at;
    } supervisors[HISTORY_SUPERVISORS];
};

/* The promise @format begins with is broken at the present event. The first one counts. */
void checker_complain(struct checker *checker, const char *format, ...) THS_PRINTF(2, 3);

static inline void checker_see(struct checker *checker, enum checker_sight sight)
{
    checker->sights[sight]++;
}

/* Whether the node of one of them was cut off or crashed, so that each may take the other for lost. */
static inline bool checker_are_apart(const struct checker *checker, uint32_t a, uint32_t b)
{
    uint32_t boot = checker->history->lives[a].boot, other = checker->history->lives[b].boot;

    return boot != other && (checker->boots[boot].isolated || checker->boots[boot].crashed || checker->boots[other].isolated ||
                             checker->boots[other].crashed);
}

/* An actor is gone for good: nobody is to hear of it again but through a DOWN. */
void checker_is_gone(struct checker *checker, uint32_t life);

/* checker_asks.c: asks of one and of several. */
void checker_asked(struct checker *checker, const struct history_event *event);
void checker_settled_asks(struct checker *checker);

/* checker_means.c: memory, holds, nodes. */
void checker_means(struct checker *checker, const struct history_event *event);

/* checker_ends.c: links, causes of ends, supervision. */
void checker_linked(struct checker *checker, const struct history_event *event);
void checker_unlinked(struct checker *checker, const struct history_event *event);
void checker_exited(struct checker *checker, const struct history_event *event);
void checker_started(struct checker *checker, const struct history_event *event);
void checker_ended(struct checker *checker, const struct history_event *event);
void checker_supervisor(struct checker *checker, const struct history_event *event);
void checker_settled_ends(struct checker *checker);

#endif /* THS_TESTS_LIB_CHECKER_INTERNAL_H */
