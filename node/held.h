/* Held requests: what an actor has taken and not answered.
 *
 * A set of (asker, id), by open addressing: at most half full, no tombstones. Askers of other nodes choose their ids, so a table of
 * more than a few places is hashed under a seed of its own. Pure but for the memory and the random bytes it is given. */

#ifndef THSI_NODE_HELD_H
#define THSI_NODE_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "thiasos/env.h"
#include "thiasos/ref.h"

struct thsi_held {
    ths_ref asker;
    uint64_t id;          /* 0: this place is free */
    uint64_t deadline_ns; /* UINT64_MAX: none; 0: nobody waits any more */
};

/* All zeros: empty, without memory. */
struct thsi_held_table {
    struct thsi_held *places; /* and behind them, of more than a few, the seed */
    uint32_t cap;         /* 0 or a power of two */
    uint32_t count;
};

typedef bool thsi_held_waits(void *arg, const struct thsi_held *held);

/* Add @held (copied), or replace an equal one. When the table is full, those for which @waits says no are dropped before it grows.
 * False: no memory. */
bool thsi_held_add(struct thsi_held_table *table, struct ths_env *env, const struct thsi_held *held,
                   thsi_held_waits *waits, void *arg);

/* Lends until the next change; NULL: it is not in. */
const struct thsi_held *thsi_held_find(const struct thsi_held_table *table, ths_ref asker, uint64_t id);

/* Note that nobody waits for it any more: its deadline becomes 0. False: it is not in, or was so already. */
bool thsi_held_give_up(struct thsi_held_table *table, ths_ref asker, uint64_t id);

/* Take it out. False: it is not in. */
bool thsi_held_remove(struct thsi_held_table *table, ths_ref asker, uint64_t id);

/* Empty again, without memory. */
void thsi_held_free(struct thsi_held_table *table, struct ths_env *env);

#endif /* THSI_NODE_HELD_H */
