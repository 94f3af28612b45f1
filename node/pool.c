/* The slow paths of the pools: magazines from and to the depot, new slabs, large blocks. */

#include "node/pool.h"

static const size_t SLAB_SIZE = 256 * 1024;
static const size_t LINE = 64;

static size_t class_size(unsigned size_class)
{
    return (size_t)64 << size_class;
}

void thsi_depot_init(struct thsi_depot *depot, struct ths_env *env)
{
    *depot = (struct thsi_depot){ .env = env };
    (void)pthread_mutex_init(&depot->lock, NULL);
}

void thsi_depot_fini(struct thsi_depot *depot)
{
    for (size_t i = 0; i < depot->slabs_count; i++)
        (void)depot->env->memory(depot->env, depot->slabs[i], 0);
    (void)depot->env->memory(depot->env, depot->slabs, 0);
    (void)pthread_mutex_destroy(&depot->lock);
}

void thsi_pool_init(struct thsi_pool *pool, struct thsi_depot *depot)
{
    *pool = (struct thsi_pool){ .depot = depot };
}

/* The whole list of a class becomes one magazine, whatever its length. */
void thsi_pool_fini(struct thsi_pool *pool)
{
    (void)pthread_mutex_lock(&pool->depot->lock);
    for (unsigned c = 0; c < THSI_POOL_CLASSES; c++) {
        struct thsi_block *head = pool->classes[c].head;
        if (!head)
            continue;
        head->magazine = pool->depot->magazines[c];
        pool->depot->magazines[c] = head;
        pool->classes[c].head = NULL;
        pool->classes[c].count = 0;
    }
    (void)pthread_mutex_unlock(&pool->depot->lock);
}

/* A new slab, remembered for the end. The caller holds no lock. */
static uint8_t *slab_create(struct thsi_depot *depot)
{
    struct ths_env *env = depot->env;
    uint8_t *slab = NULL;

    (void)pthread_mutex_lock(&depot->lock);
    if (depot->slabs_count == depot->slabs_cap) {
        size_t cap = depot->slabs_cap ? 2 * depot->slabs_cap : 16;
        void **grown = env->memory(env, depot->slabs, cap * sizeof *grown);
        if (!grown)
            goto out;
        depot->slabs = grown;
        depot->slabs_cap = cap;
    }
    slab = env->memory(env, NULL, SLAB_SIZE + LINE);
    if (slab) {
        depot->slabs[depot->slabs_count++] = slab;
        slab += (LINE - (uintptr_t)slab % LINE) % LINE; /* so that no small block lies in two cache lines */
    }
out:
    (void)pthread_mutex_unlock(&depot->lock);
    return slab;
}

static uint32_t magazine_length(const struct thsi_block *block)
{
    uint32_t count = 0;

    for (; block; block = block->next)
        count++;
    return count;
}

static bool refill(struct thsi_pool *pool, unsigned c)
{
    struct thsi_depot *depot = pool->depot;
    struct thsi_block *magazine;

    (void)pthread_mutex_lock(&depot->lock);
    magazine = depot->magazines[c];
    if (magazine)
        depot->magazines[c] = magazine->magazine;
    (void)pthread_mutex_unlock(&depot->lock);
    pool->classes[c].head = magazine;
    pool->classes[c].count = magazine_length(magazine);
    return magazine != NULL;
}

void *thsi_pool_get_slow(struct thsi_pool *pool, unsigned size_class, size_t size)
{
    struct ths_env *env = pool->depot->env;
    uint8_t *block;

    if (size_class >= THSI_POOL_CLASSES) {
        block = env->memory(env, NULL, size < 64 ? 64 : size);
    } else if (refill(pool, size_class)) {
        return thsi_pool_get(pool, size);
    } else {
        if (pool->classes[size_class].bump == pool->classes[size_class].end) {
            uint8_t *slab = slab_create(pool->depot);
            if (!slab)
                return NULL;
            pool->classes[size_class].bump = slab;
            pool->classes[size_class].end = slab + SLAB_SIZE;
        }
        block = pool->classes[size_class].bump;
        pool->classes[size_class].bump += class_size(size_class);
    }
    if (block)
        block[THSI_POOL_CLASS_OFFSET] = (uint8_t)size_class;
    return block;
}

void thsi_pool_put_slow(struct thsi_pool *pool, void *ptr, unsigned size_class)
{
    struct thsi_depot *depot = pool->depot;
    struct thsi_block *head, *last;

    if (size_class >= THSI_POOL_CLASSES) {
        (void)depot->env->memory(depot->env, ptr, 0);
        return;
    }
    head = pool->classes[size_class].head;
    last = head;
    for (unsigned i = 1; i < THSI_POOL_MAGAZINE; i++)
        last = last->next;
    pool->classes[size_class].head = last->next;
    pool->classes[size_class].count -= THSI_POOL_MAGAZINE;
    last->next = NULL;
    (void)pthread_mutex_lock(&depot->lock);
    head->magazine = depot->magazines[size_class];
    depot->magazines[size_class] = head;
    (void)pthread_mutex_unlock(&depot->lock);
    thsi_pool_put(pool, ptr, size_class);
}
