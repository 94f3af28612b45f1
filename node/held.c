#include "node/held.h"

#include <stddef.h>
#include <string.h>

#include "node/base/map.h"

enum { FIRST = 8 };

/* Where a search for this request begins; in a table that is as small as can be any place will do. */
static uint32_t home_of(const struct thsi_held_table *table, ths_ref asker, uint64_t id)
{
    const struct { ths_ref asker; uint64_t id; } key = { asker, id };

    if (table->cap == FIRST)
        return 0;
    return (uint32_t)thsi_hash((const uint64_t *)(const void *)(table->places + table->cap), &key, sizeof key) & (table->cap - 1);
}

static bool make(struct thsi_held_table *table, struct ths_env *env, uint32_t cap)
{
    size_t size = cap * sizeof *table->places, seed_size = cap > FIRST ? 2 * sizeof(uint64_t) : 0;

    *table = (struct thsi_held_table){ .cap = cap, .places = env->memory(env, NULL, size + seed_size) };
    if (!table->places)
        return false;
    memset(table->places, 0, size);
    if (seed_size > 0)
        env->random(env, table->places + cap, seed_size);
    return true;
}

static bool is_same(const struct thsi_held *held, ths_ref asker, uint64_t id)
{
    return held->id == id && ths_ref_equal(held->asker, asker);
}

/* The place of this request, or the free one where the search for it ends. The table has places. */
static struct thsi_held *place_of(const struct thsi_held_table *table, ths_ref asker, uint64_t id)
{
    uint32_t at = home_of(table, asker, id);

    while (table->places[at].id != 0 && !is_same(&table->places[at], asker, id))
        at = (at + 1) & (table->cap - 1);
    return &table->places[at];
}

static uint32_t count_waiting(const struct thsi_held_table *table, thsi_held_waits *waits, void *arg)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->cap; i++)
        count += table->places[i].id != 0 && waits(arg, &table->places[i]);
    return count;
}

/* Move those that still wait to a table that is at most a quarter full with them. */
static bool rebuild(struct thsi_held_table *table, struct ths_env *env, thsi_held_waits *waits, void *arg)
{
    uint32_t waiting = count_waiting(table, waits, arg);
    struct thsi_held_table made;
    uint32_t cap = FIRST;

    while (cap < 4 * waiting)
        cap *= 2;
    if (!make(&made, env, cap))
        return false;
    for (uint32_t i = 0; i < table->cap; i++) {
        const struct thsi_held *held = &table->places[i];

        if (held->id == 0 || made.count == waiting || !waits(arg, held))
            continue;
        *place_of(&made, held->asker, held->id) = *held;
        made.count++;
    }
    thsi_held_free(table, env);
    *table = made;
    return true;
}

bool thsi_held_add(struct thsi_held_table *table, struct ths_env *env, const struct thsi_held *held,
                   thsi_held_waits *waits, void *arg)
{
    struct thsi_held *place;

    if (2 * (table->count + 1) > table->cap && !rebuild(table, env, waits, arg))
        return false;
    place = place_of(table, held->asker, held->id);
    table->count += place->id == 0;
    *place = *held;
    return true;
}

const struct thsi_held *thsi_held_find(const struct thsi_held_table *table, ths_ref asker, uint64_t id)
{
    const struct thsi_held *held = table->count > 0 && id != 0 ? place_of(table, asker, id) : NULL;

    return held && held->id != 0 ? held : NULL;
}

bool thsi_held_give_up(struct thsi_held_table *table, ths_ref asker, uint64_t id)
{
    const struct thsi_held *held = thsi_held_find(table, asker, id);

    if (!held || held->deadline_ns == 0)
        return false;
    table->places[held - table->places].deadline_ns = 0;
    return true;
}

bool thsi_held_remove(struct thsi_held_table *table, ths_ref asker, uint64_t id)
{
    uint32_t hole, at;

    if (!thsi_held_find(table, asker, id))
        return false;
    hole = at = (uint32_t)(place_of(table, asker, id) - table->places);
    /* Move up what would not be found behind a hole. */
    for (;;) {
        const struct thsi_held *held;

        at = (at + 1) & (table->cap - 1);
        held = &table->places[at];
        if (held->id == 0)
            break;
        if (((at - home_of(table, held->asker, held->id)) & (table->cap - 1)) < ((at - hole) & (table->cap - 1)))
            continue;
        table->places[hole] = *held;
        hole = at;
    }
    table->places[hole].id = 0;
    table->count--;
    return true;
}

void thsi_held_free(struct thsi_held_table *table, struct ths_env *env)
{
    (void)env->memory(env, table->places, 0);
    *table = (struct thsi_held_table){ .places = NULL };
}
