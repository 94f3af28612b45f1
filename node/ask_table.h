/* Table of asks: one entry for each ask of this node that is open.
 *
 * An entry keeps its address until the node stops, and an ask's id names one use of one entry, so any thread may look up
 * whatever id it was handed: a reply that nobody waits for any more is dropped before it enters a mailbox, a
 * request whose asker has gone is dropped when its turn comes, and asks that wait for each other are found. Nobody but the
 * asker writes to an entry while it is open; others glance at it.
 *
 * Free entries wait in lists, each worker's own first, so that an ask allocates nothing once the table has grown. */

#ifndef THSI_NODE_ASK_TABLE_H
#define THSI_NODE_ASK_TABLE_H

#include <pthread.h>

#include "node/actor.h"

enum {
    THSI_ASK_BITS = 24,         /* of an id: which entry; the others: which use of it */
    THSI_ASK_CHUNK = 256,       /* entries of the first chunk; each chunk has twice as many as the one before */
    THSI_ASK_CHUNKS = 16,       /* 16 million asks */
    THSI_ASK_BATCH = 32         /* entries that move between a worker and the table at once */
};

struct thsi_ask_entry {
    /* Others may glance at these, so they are written atomically; relaxed, since whoever decides by one of them only drops
     * what would be dropped later anyway. For those who look for cycles some orders are stronger. */
    _Alignas(64) _Atomic uint64_t id;   /* 0: not open */
    _Atomic(struct thsi_actor *) actor; /* who asked */
    ths_ref target;                     /* whom it waits for */
    _Atomic uint32_t next;              /* of the asker's open asks: its number + 1; 0: this is the oldest */

    uint32_t prev;                      /* the one before it in that list, in the same way */
    uint64_t last_id;                   /* of its present or last use */
    ths_reply_handler *handler;
    const struct thsi_type_info *type;  /* of the reply wanted; NULL: any */
    struct thsi_deadline deadline;      /* ns UINT64_MAX: it has none of its own */
    struct thsi_gather *gather;         /* it is one of several (gather.h), number `place`; NULL: alone */
    uint32_t place;
    struct thsi_ask_entry *free_next;   /* while free */
};

_Static_assert(sizeof(struct thsi_ask_entry) == 128, "two cache lines");

struct thsi_ask_table {
    struct ths_env *env;
    struct thsi_ask_entry *chunks[THSI_ASK_CHUNKS + 1]; /* NULL: not made yet; the last is never, but has a place */
    void *memory[THSI_ASK_CHUNKS];                  /* of each chunk, as it was allocated */
    _Atomic uint32_t used;                          /* entries ever handed out */
    pthread_mutex_t lock;                           /* over all here but looks at entries below `used` */
    struct thsi_ask_entry *free;
};

/* A worker's own free entries. */
struct thsi_free_asks {
    struct thsi_ask_entry *head;
    uint32_t count;
};

void thsi_ask_table_init(struct thsi_ask_table *table, struct ths_env *env);
void thsi_ask_table_fini(struct thsi_ask_table *table);

/* An entry that is not open, the caller's alone; NULL: no memory, or all are open. Thread: @own's owner. */
struct thsi_ask_entry *thsi_ask_take(struct thsi_ask_table *table, struct thsi_free_asks *own);

/* Give back an entry that is not open any more. Thread: @own's owner. */
void thsi_ask_give(struct thsi_ask_table *table, struct thsi_free_asks *own, struct thsi_ask_entry *entry);

/* Give back all of @own, whose owner is going. */
void thsi_ask_give_all(struct thsi_ask_table *table, struct thsi_free_asks *own);

/* The entry with this number, below `used`. */
static inline struct thsi_ask_entry *thsi_ask_at(const struct thsi_ask_table *table, uint32_t number)
{
    uint32_t chunk = 31 - (uint32_t)__builtin_clz(number / THSI_ASK_CHUNK + 1);

    return table->chunks[chunk] + (number - ((1u << chunk) - 1) * THSI_ASK_CHUNK);
}

static inline uint32_t thsi_ask_number(const struct thsi_ask_entry *entry)
{
    return (uint32_t)(entry->last_id & ((1u << THSI_ASK_BITS) - 1));
}

/* The entry of ask @id while it is open, else NULL; @id may be anything. Thread: any. What is said of an ask of another
 * actor may be over when this returns. */
static inline struct thsi_ask_entry *thsi_ask_find(const struct thsi_ask_table *table, uint64_t id)
{
    uint32_t number = (uint32_t)(id & ((1u << THSI_ASK_BITS) - 1));
    struct thsi_ask_entry *entry;

    /* Acquire: receives the entry's chunk. */
    if (id == 0 || number >= atomic_load_explicit(&table->used, memory_order_acquire))
        return NULL;
    entry = thsi_ask_at(table, number);
    return atomic_load_explicit(&entry->id, memory_order_relaxed) == id ? entry : NULL;
}

/* Whom @entry of another actor waits for, at a glance. Thread: any. */
static inline ths_ref thsi_ask_glance_target(const struct thsi_ask_entry *entry)
{
    return (ths_ref){ __atomic_load_n(&entry->target.node, __ATOMIC_RELAXED),
                      __atomic_load_n(&entry->target.slot, __ATOMIC_RELAXED),
                      __atomic_load_n(&entry->target.generation, __ATOMIC_RELAXED) };
}

static inline void thsi_ask_set_target(struct thsi_ask_entry *entry, ths_ref target)
{
    __atomic_store_n(&entry->target.node, target.node, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->target.slot, target.slot, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->target.generation, target.generation, __ATOMIC_RELAXED);
}

#endif /* THSI_NODE_ASK_TABLE_H */
