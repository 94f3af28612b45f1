#include "node/timer_set.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const uint32_t PLACES_MAX = UINT32_C(1) << THSI_TIMER_BITS;

static union thsi_timer_place *places_of(const struct thsi_timer_set *set)
{
    return set->places ? set->places : (union thsi_timer_place *)(uintptr_t)set->few;
}

static uint32_t place_of(uint64_t id)
{
    return (uint32_t)(id & (PLACES_MAX - 1));
}

static bool grow(struct thsi_timer_set *set, struct ths_env *env)
{
    uint32_t cap = set->places ? 2 * set->cap : 4 * THSI_TIMERS_INLINE;
    union thsi_timer_place *places;

    if (set->used == PLACES_MAX)
        return false;
    places = env->memory(env, set->places, cap * sizeof places[0]);
    if (!places)
        return false;
    if (!set->places)
        memcpy(places, set->few, sizeof set->few);
    set->places = places;
    set->cap = cap;
    return true;
}

uint64_t thsi_timer_set_put(struct thsi_timer_set *set, struct ths_env *env, struct thsi_timer *timer)
{
    uint32_t at = set->free;

    if (at > 0) {
        set->free = (uint32_t)(places_of(set)[--at].free >> 1);
    } else {
        if (set->used == (set->places ? set->cap : THSI_TIMERS_INLINE) && !grow(set, env))
            return 0;
        at = set->used++;
    }
    places_of(set)[at].timer = timer;
    set->count++;
    return ++set->started << THSI_TIMER_BITS | at;
}

struct thsi_timer *thsi_timer_set_at(const struct thsi_timer_set *set, uint64_t id)
{
    uint32_t at = place_of(id);

    return at < set->used && !(places_of(set)[at].free & 1) ? places_of(set)[at].timer : NULL;
}

void thsi_timer_set_remove(struct thsi_timer_set *set, uint64_t id)
{
    uint32_t at = place_of(id);

    assert(thsi_timer_set_at(set, id));
    places_of(set)[at].free = (uintptr_t)set->free << 1 | 1;
    set->free = at + 1;
    set->count--;
}

struct thsi_timer *thsi_timer_set_next(const struct thsi_timer_set *set, uint32_t *from)
{
    while (set->count > 0 && *from < set->used) {
        union thsi_timer_place place = places_of(set)[(*from)++];

        if (!(place.free & 1))
            return place.timer;
    }
    return NULL;
}

void thsi_timer_set_fini(struct thsi_timer_set *set, struct ths_env *env)
{
    assert(set->count == 0);
    (void)env->memory(env, set->places, 0);
    *set = (struct thsi_timer_set){ .places = NULL };
}
