#include "node/ask_table.h"

#include <string.h>

enum { LINE = 128 };

void thsi_ask_table_init(struct thsi_ask_table *table, struct ths_env *env)
{
    memset((void *)table, 0, sizeof *table);
    table->env = env;
    (void)pthread_mutex_init(&table->lock, NULL);
}

void thsi_ask_table_fini(struct thsi_ask_table *table)
{
    for (int i = 0; i < THSI_ASK_CHUNKS; i++)
        (void)table->env->memory(table->env, table->memory[i], 0);
    (void)pthread_mutex_destroy(&table->lock);
}

/* Make the chunk whose first entry is @number. */
static bool make_chunk(struct thsi_ask_table *table, uint32_t number)
{
    uint32_t chunk = 31 - (uint32_t)__builtin_clz(number / THSI_ASK_CHUNK + 1);
    size_t size = ((size_t)THSI_ASK_CHUNK << chunk) * sizeof(struct thsi_ask_entry);
    uint8_t *memory;

    if (chunk == THSI_ASK_CHUNKS)
        return false;
    memory = table->env->memory(table->env, NULL, size + LINE);
    if (!memory)
        return false;
    table->memory[chunk] = memory;
    table->chunks[chunk] = (struct thsi_ask_entry *)(void *)(memory + (LINE - (uintptr_t)memory % LINE) % LINE);
    return true;
}

/* A free list's entry, or a new one. Under the lock, hence relaxed. NULL: none. */
static struct thsi_ask_entry *take_locked(struct thsi_ask_table *table)
{
    uint32_t number = atomic_load_explicit(&table->used, memory_order_relaxed);
    struct thsi_ask_entry *entry = table->free;
    bool begins = ((number / THSI_ASK_CHUNK + 1) & (number / THSI_ASK_CHUNK)) == 0 && number % THSI_ASK_CHUNK == 0;

    if (entry) {
        table->free = entry->free_next;
        return entry;
    }
    if (begins && !make_chunk(table, number))
        return NULL;
    entry = thsi_ask_at(table, number);
    memset((void *)entry, 0, sizeof *entry);
    entry->last_id = number;
    /* Release: publishes the entry, and its chunk, to whoever looks it up. */
    atomic_store_explicit(&table->used, number + 1, memory_order_release);
    return entry;
}

static void refill(struct thsi_ask_table *table, struct thsi_free_asks *own)
{
    struct thsi_ask_entry *entry;

    (void)pthread_mutex_lock(&table->lock);
    while (own->count < THSI_ASK_BATCH && (entry = take_locked(table)) != NULL) {
        entry->free_next = own->head;
        own->head = entry;
        own->count++;
    }
    (void)pthread_mutex_unlock(&table->lock);
}

struct thsi_ask_entry *thsi_ask_take(struct thsi_ask_table *table, struct thsi_free_asks *own)
{
    struct thsi_ask_entry *entry;

    if (!own->head)
        refill(table, own);
    entry = own->head;
    if (entry) {
        own->head = entry->free_next;
        own->count--;
    }
    return entry;
}

/* Give @count of @own's to all. */
static void spill(struct thsi_ask_table *table, struct thsi_free_asks *own, uint32_t count)
{
    (void)pthread_mutex_lock(&table->lock);
    own->count -= count;
    for (; count > 0; count--) {
        struct thsi_ask_entry *entry = own->head;

        own->head = entry->free_next;
        entry->free_next = table->free;
        table->free = entry;
    }
    (void)pthread_mutex_unlock(&table->lock);
}

/* Entries wander when asks are opened on one worker and closed on another. */
void thsi_ask_give(struct thsi_ask_table *table, struct thsi_free_asks *own, struct thsi_ask_entry *entry)
{
    entry->free_next = own->head;
    own->head = entry;
    if (++own->count >= 4 * THSI_ASK_BATCH)
        spill(table, own, THSI_ASK_BATCH);
}

void thsi_ask_give_all(struct thsi_ask_table *table, struct thsi_free_asks *own)
{
    spill(table, own, own->count);
}
