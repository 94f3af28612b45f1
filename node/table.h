/* Table: the slots that actors live in, found by number.
 *
 * Slots are made in chunks and never move or go away before the node stops, so a stale ref can always be looked at.
 * Free slots wait in lists: each worker's own first, then the table's. A slot in a list is FREE, but a late message
 * may just be running it: whoever takes one must also claim its mailbox. */

#ifndef THSI_NODE_TABLE_H
#define THSI_NODE_TABLE_H

#include <pthread.h>

#include "node/actor.h"

enum {
    THSI_CHUNK_BITS = 12,
    THSI_CHUNK_ACTORS = 1 << THSI_CHUNK_BITS,
    THSI_ACTORS_MAX_DEFAULT = 1 << 24,
    THSI_FREE_BATCH = 64       /* slots that move between a worker and the table at once */
};

struct thsi_table {
    struct ths_env *env;
    _Atomic(struct thsi_actor *) *chunks; /* aligned to cache lines; NULL: not made yet */
    void **memory;                        /* of each chunk, as it was allocated */
    uint32_t chunks_max;
    _Atomic uint32_t used;                /* slots ever handed out */
    uint32_t slots_max;
    pthread_mutex_t lock;                 /* over all below and the making of chunks */
    struct thsi_actor *free;
};

/* A worker's own free slots. */
struct thsi_free_slots {
    struct thsi_actor *head;
    uint32_t count;
};

THS_MUST_CHECK enum ths_err thsi_table_init(struct thsi_table *table, struct ths_env *env, uint32_t actors_max);
void thsi_table_fini(struct thsi_table *table);

/* The slot, or NULL when there is no such slot yet. Thread: any. */
static inline struct thsi_actor *thsi_table_at(const struct thsi_table *table, uint32_t slot)
{
    struct thsi_actor *chunk;

    if (slot >> THSI_CHUNK_BITS >= table->chunks_max)
        return NULL;
    /* Acquire: receives the chunk's initial contents. */
    chunk = atomic_load_explicit(&table->chunks[slot >> THSI_CHUNK_BITS], memory_order_acquire);
    return chunk ? chunk + (slot & (THSI_CHUNK_ACTORS - 1)) : NULL;
}

/* How many slots were ever handed out; there is a slot for each lower number. A slot that is handed out later is so to somebody
 * who sees what the caller did before. Thread: any. */
uint32_t thsi_table_used(struct thsi_table *table);

/* A free slot whose mailbox is claimed, so that it is the caller's alone; NULL: no memory, or actors_max reached.
 * @own: the worker's list, or NULL. Thread: any; @own's owner. */
struct thsi_actor *thsi_table_take(struct thsi_table *table, struct thsi_free_slots *own);

/* Give back a FREE slot, whose mailbox may be anybody's by now. */
void thsi_table_give(struct thsi_table *table, struct thsi_free_slots *own, struct thsi_actor *actor);

#endif /* THSI_NODE_TABLE_H */
