#include "node/table.h"

#include <string.h>

enum { LINE = 128 };

enum ths_err thsi_table_init(struct thsi_table *table, struct ths_env *env, uint32_t actors_max)
{
    uint32_t slots = actors_max ? actors_max : THSI_ACTORS_MAX_DEFAULT;
    uint32_t chunks = (slots + THSI_CHUNK_ACTORS - 1) >> THSI_CHUNK_BITS;

    *table = (struct thsi_table){ .env = env, .chunks_max = chunks, .slots_max = slots };
    table->chunks = env->memory(env, NULL, chunks * sizeof table->chunks[0]);
    table->memory = env->memory(env, NULL, chunks * sizeof table->memory[0]);
    if (!table->chunks || !table->memory) {
        (void)env->memory(env, (void *)table->chunks, 0);
        (void)env->memory(env, table->memory, 0);
        return THS_NOMEM;
    }
    memset((void *)table->chunks, 0, chunks * sizeof table->chunks[0]);
    memset(table->memory, 0, chunks * sizeof table->memory[0]);
    (void)pthread_mutex_init(&table->lock, NULL);
    return THS_OK;
}

void thsi_table_fini(struct thsi_table *table)
{
    for (uint32_t i = 0; i < table->chunks_max && table->memory[i]; i++)
        (void)table->env->memory(table->env, table->memory[i], 0);
    (void)table->env->memory(table->env, table->memory, 0);
    (void)table->env->memory(table->env, (void *)table->chunks, 0);
    (void)pthread_mutex_destroy(&table->lock);
}

/* Make the chunk with @slot. Only slot and generation of an actor matter before it is first taken. */
static bool make_chunk(struct thsi_table *table, uint32_t slot)
{
    uint32_t at = slot >> THSI_CHUNK_BITS;
    size_t size = THSI_CHUNK_ACTORS * sizeof(struct thsi_actor);
    uint8_t *memory = table->env->memory(table->env, NULL, size + LINE);
    struct thsi_actor *chunk;

    if (!memory)
        return false;
    chunk = (struct thsi_actor *)(void *)(memory + (LINE - (uintptr_t)memory % LINE) % LINE);
    memset((void *)chunk, 0, size);
    for (uint32_t i = 0; i < THSI_CHUNK_ACTORS; i++) {
        chunk[i].slot = slot + i;
        chunk[i].listed = true;
        atomic_init(&chunk[i].generation, 0);
        thsi_mailbox_init(&chunk[i].mailbox, &chunk[i].tail);
    }
    table->memory[at] = memory;
    /* Release: publishes the contents above to whoever looks a slot up. */
    atomic_store_explicit(&table->chunks[at], chunk, memory_order_release);
    return true;
}

uint32_t thsi_table_used(struct thsi_table *table)
{
    uint32_t used;

    (void)pthread_mutex_lock(&table->lock);
    used = atomic_load_explicit(&table->used, memory_order_relaxed); /* written under the lock */
    (void)pthread_mutex_unlock(&table->lock);
    return used;
}

/* A free list's slot, or a new one. Under the lock, hence relaxed. NULL: none. */
static struct thsi_actor *take_locked(struct thsi_table *table)
{
    struct thsi_actor *actor = table->free;
    uint32_t slot = atomic_load_explicit(&table->used, memory_order_relaxed);

    if (actor) {
        table->free = actor->free_next;
        return actor;
    }
    if (slot == table->slots_max)
        return NULL;
    if ((slot & (THSI_CHUNK_ACTORS - 1)) == 0 && !make_chunk(table, slot))
        return NULL;
    atomic_store_explicit(&table->used, slot + 1, memory_order_relaxed);
    return thsi_table_at(table, slot);
}

static void refill(struct thsi_table *table, struct thsi_free_slots *own)
{
    struct thsi_actor *actor;

    (void)pthread_mutex_lock(&table->lock);
    while (own->count < THSI_FREE_BATCH && (actor = take_locked(table)) != NULL) {
        actor->free_next = own->head;
        own->head = actor;
        own->count++;
    }
    (void)pthread_mutex_unlock(&table->lock);
}

static struct thsi_actor *take_any(struct thsi_table *table, struct thsi_free_slots *own)
{
    struct thsi_actor *actor;

    if (own) {
        if (own->count == 0)
            refill(table, own);
        actor = own->head;
        if (actor) {
            own->head = actor->free_next;
            own->count--;
        }
        return actor;
    }
    (void)pthread_mutex_lock(&table->lock);
    actor = take_locked(table);
    (void)pthread_mutex_unlock(&table->lock);
    return actor;
}

struct thsi_actor *thsi_table_take(struct thsi_table *table, struct thsi_free_slots *own)
{
    struct thsi_actor *busy = NULL;
    struct thsi_actor *actor;

    while ((actor = take_any(table, own)) != NULL && !thsi_mailbox_claim(&actor->mailbox)) {
        /* A late message is being turned away in it right now: leave it for another time. */
        actor->free_next = busy;
        busy = actor;
    }
    while (busy) {
        struct thsi_actor *next = busy->free_next;
        thsi_table_give(table, own, busy);
        busy = next;
    }
    return actor;
}

static void spill(struct thsi_table *table, struct thsi_free_slots *own)
{
    (void)pthread_mutex_lock(&table->lock);
    for (int i = 0; i < THSI_FREE_BATCH; i++) {
        struct thsi_actor *actor = own->head;
        own->head = actor->free_next;
        actor->free_next = table->free;
        table->free = actor;
    }
    own->count -= THSI_FREE_BATCH;
    (void)pthread_mutex_unlock(&table->lock);
}

void thsi_table_give(struct thsi_table *table, struct thsi_free_slots *own, struct thsi_actor *actor)
{
    if (own) {
        actor->free_next = own->head;
        own->head = actor;
        if (++own->count >= 4 * THSI_FREE_BATCH)
            spill(table, own);
        return;
    }
    (void)pthread_mutex_lock(&table->lock);
    actor->free_next = table->free;
    table->free = actor;
    (void)pthread_mutex_unlock(&table->lock);
}
