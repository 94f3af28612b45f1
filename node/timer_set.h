/* Timer set: the timers of one actor, found by number.
 *
 * An id names one timer of one actor for ever: its place here, and how many timers the actor had started. Putting in,
 * finding and taking out cost the same for any number. */

#ifndef THSI_NODE_TIMER_SET_H
#define THSI_NODE_TIMER_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "thiasos/env.h"

enum {
    THSI_TIMERS_INLINE = 2,     /* most actors with timers have no more */
    THSI_TIMER_BITS = 24        /* of an id: the place; the others: which timer it is */
};

struct thsi_timer;

union thsi_timer_place {
    struct thsi_timer *timer;   /* low bit 0 */
    uintptr_t free;             /* low bit 1; above it the next free place + 1, 0: none */
};

/* Zeroed at first. */
struct thsi_timer_set {
    union thsi_timer_place *places; /* NULL: `few` */
    union thsi_timer_place few[THSI_TIMERS_INLINE];
    uint32_t used;              /* places that were ever in use */
    uint32_t cap;               /* of places */
    uint32_t free;              /* the first free one below `used` + 1; 0: none */
    uint32_t count;
    uint64_t started;
};

/* Put @timer in; its id, or 0: no memory. Thread: the actor's, as for all. */
uint64_t thsi_timer_set_put(struct thsi_timer_set *set, struct ths_env *env, struct thsi_timer *timer);

/* The timer that lies at the place of @id, or NULL; the caller compares its id. */
struct thsi_timer *thsi_timer_set_at(const struct thsi_timer_set *set, uint64_t id);

/* Take the timer with this id out; it is in. */
void thsi_timer_set_remove(struct thsi_timer_set *set, uint64_t id);

/* The timer at the lowest place from @from on, NULL: none; *@from is then the place after it. */
struct thsi_timer *thsi_timer_set_next(const struct thsi_timer_set *set, uint32_t *from);

/* Free what it holds beside itself; it is empty. */
void thsi_timer_set_fini(struct thsi_timer_set *set, struct ths_env *env);

#endif /* THSI_NODE_TIMER_SET_H */
