/* Between the files of the chaos test: the world, and what one file needs of another.
 *
 *     chaos.c         what actors do to each other, and what they hear
 *     chaos_spawn.c   how they come to be
 *     chaos_run.c     the run: which operation next, nodes that are cut off and crash */

#ifndef THS_TESTS_LIB_CHAOS_INTERNAL_H
#define THS_TESTS_LIB_CHAOS_INTERNAL_H

#include "tests/lib/chaos.h"

enum chaos_operation {
    SPAWN, SEND, ASK, LINK, UNLINK, MONITOR, DEMONITOR, TRAP, STOP, SHUTDOWN, FAIL, KILL, ASK_TO_STOP, TIMER, CANCEL,
    TAKE_BACK, DRAIN, STOP_BY_FORCE, STOP_WITH_DEADLINE, ASK_ALL, EAT, HOLD, RELEASE, SPAWN_AT, OPERATIONS
};

enum { CHAOS_NODES_MAX = 4, CHAOS_MONITORS = 2048, CHAOS_LIMIT = 4096 /* bytes, of those that have a limit */ };

THS_MESSAGE(chaos_begin, "chaos.begin", 1, u32(life), boolean(fails))
THS_MESSAGE(chaos_do, "chaos.do", 1, u32(operation), u32(other), u32(number), u32(more))
THS_MESSAGE(chaos_watch, "chaos.watch", 1, u32(life), u32(supervisor))

/* The monitor of a spawn: its number is not known. */
#define CHAOS_SOME_MONITOR UINT64_MAX

struct chaos_monitor {
    uint32_t life, other;
    uint64_t id;
    bool over;
};

extern struct chaos_world {
    struct history *history;
    struct ths_sim *sim;
    unsigned nodes_count;
    struct ths_node *nodes[CHAOS_NODES_MAX]; /* NULL: crashed */
    uint32_t boots[CHAOS_NODES_MAX];         /* that each runs now, or ran last */
    ths_ref keeper;
    uint32_t asks, gathers, timers, causes;
    struct chaos_monitor monitors[CHAOS_MONITORS];
    uint32_t monitors_count;
    uint16_t pairs[HISTORY_LIVES][64]; /* next number for each receiver, by its life modulo 64, of the last life there */
    uint32_t pair_of[HISTORY_LIVES][64];
    uint32_t linked[HISTORY_LIVES];    /* whom it linked to last */
    uint32_t present[HISTORY_LIVES];   /* of a child's first life: the one that it has now */
    bool watched[HISTORY_LIVES];       /* the keeper is to watch it once it has begun */
    bool gone[HISTORY_LIVES];
    bool over; /* what the stop of the nodes brings about is not of the history */
} chaos;

extern struct ths_behaviour *const chaos_behaviour_of_actors;
extern struct ths_behaviour *const chaos_behaviour_of_keeper;

void chaos_note(enum history_kind kind, struct history_event event);

/* NOTE(ctx, STARTED, .life = 1): with the time of the running actor's node. */
#define NOTE(ctx, what, ...) \
    chaos_note(HISTORY_##what, (struct history_event){ .at_ns = ths_now_ms(ctx) * 1000000, __VA_ARGS__ })
#define NOTE_OUTSIDE(what, ...) \
    chaos_note(HISTORY_##what, (struct history_event){ .at_ns = ths_sim_now_ms(chaos.sim) * 1000000, __VA_ARGS__ })

/* 0: there are enough. */
uint32_t chaos_new_life(void);

static inline ths_ref chaos_ref_of(uint32_t life)
{
    return chaos.history->lives[life].ref;
}

/* The life of a ref; 0: none. Newest first. */
uint32_t chaos_life_of(ths_ref ref);

/* The place for one more monitor in the list of all; 0: there are enough. */
uint32_t chaos_new_monitor(uint32_t life, uint32_t other, uint64_t id);

/* Spawn one more, by life @by (0: from outside); what it is like is in @bits. / The same by its name on some node. */
void chaos_spawn(struct ths_ctx *ctx, uint32_t by, uint32_t bits);
void chaos_spawn_at(struct ths_ctx *ctx, uint32_t by, uint32_t bits);
void chaos_supervise(struct ths_node *node, uint32_t bits);

#endif /* THS_TESTS_LIB_CHAOS_INTERNAL_H */
