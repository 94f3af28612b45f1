/* Pool: blocks for messages, timers and small state, by size class.
 *
 * Each worker has its own pool and uses it without a lock; threads outside share one under a lock. A block freed on
 * another worker than it came from stays there; what piles up moves in magazines of MAGAZINE blocks through the
 * node's depot. Under the address sanitizer every block is allocated by itself, so that a use after free is seen.
 *
 * A block's first 18 bytes hold the header of a message; `size_class` is stored there by `get`. */

#ifndef THSI_NODE_POOL_H
#define THSI_NODE_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "thiasos/env.h"

enum {
    THSI_POOL_CLASSES = 5,       /* 64, 128, 256, 512, 1,024 bytes */
    THSI_POOL_LARGE = 127,       /* size class of a block allocated by itself; the bit above it is for the block's owner */
    THSI_POOL_MAGAZINE = 256,    /* blocks that move at once */
    THSI_POOL_CLASS_OFFSET = 17  /* where a block keeps its class: thsi_message.size_class */
};

struct thsi_block {
    struct thsi_block *next;
    struct thsi_block *magazine; /* in the depot: the next magazine */
};

/* Shared by the pools of one node. */
struct thsi_depot {
    struct ths_env *env;
    pthread_mutex_t lock;
    struct thsi_block *magazines[THSI_POOL_CLASSES];
    void **slabs; /* all memory ever taken, for the end */
    size_t slabs_count, slabs_cap;
};

struct thsi_pool {
    struct thsi_depot *depot;
    struct {
        struct thsi_block *head;
        uint32_t count;
        uint8_t *bump, *end;
    } classes[THSI_POOL_CLASSES];
};

void thsi_depot_init(struct thsi_depot *depot, struct ths_env *env);
/* Every block of every pool is gone after it. */
void thsi_depot_fini(struct thsi_depot *depot);
void thsi_pool_init(struct thsi_pool *pool, struct thsi_depot *depot);
/* Blocks go back to the depot. */
void thsi_pool_fini(struct thsi_pool *pool);

void *thsi_pool_get_slow(struct thsi_pool *pool, unsigned size_class, size_t size);
void thsi_pool_put_slow(struct thsi_pool *pool, void *block, unsigned size_class);

#if defined(THSI_POOL_SINGLE) /* a test asks for it */
#elif defined(__SANITIZE_ADDRESS__)
#define THSI_POOL_SINGLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define THSI_POOL_SINGLE 1
#endif
#endif
#ifndef THSI_POOL_SINGLE
#define THSI_POOL_SINGLE 0
#endif

static inline unsigned thsi_pool_class(size_t size)
{
    if (THSI_POOL_SINGLE)
        return THSI_POOL_LARGE;
    if (size <= 64)
        return 0;
    if (size > 1024)
        return THSI_POOL_LARGE;
    return 26u - (unsigned)__builtin_clz((unsigned)size - 1); /* 65..128 -> 1, 129..256 -> 2, ... */
}

/* A block of at least @size bytes, not zeroed, its class noted; NULL: out of memory. */
static inline void *thsi_pool_get(struct thsi_pool *pool, size_t size)
{
    unsigned size_class = thsi_pool_class(size);
    struct thsi_block *block;

    if (size_class >= THSI_POOL_CLASSES || !pool->classes[size_class].head)
        return thsi_pool_get_slow(pool, size_class, size);
    block = pool->classes[size_class].head;
    pool->classes[size_class].head = block->next;
    pool->classes[size_class].count--;
    ((uint8_t *)block)[THSI_POOL_CLASS_OFFSET] = (uint8_t)size_class;
    return block;
}

/* Give a block of @size_class back. */
static inline void thsi_pool_put(struct thsi_pool *pool, void *ptr, unsigned size_class)
{
    struct thsi_block *block = ptr;

    if (size_class >= THSI_POOL_CLASSES || pool->classes[size_class].count >= 2 * THSI_POOL_MAGAZINE) {
        thsi_pool_put_slow(pool, ptr, size_class);
        return;
    }
    block->next = pool->classes[size_class].head;
    pool->classes[size_class].head = block;
    pool->classes[size_class].count++;
}

#endif /* THSI_NODE_POOL_H */
