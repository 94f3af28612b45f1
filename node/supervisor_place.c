/* Placement: the instances of one specification, spread over its places.
 *
 * The load of a place is the number of instances that run there, start there or wait there for their restart. Those on
 * their way (pending, or stopping in order to move) have no load yet; before it is decided whether one more must
 * move, they are dealt out as they will be later, so that no instance moves for nothing. */

#include "node/supervisor_internal.h"

static bool has_load(const struct thsi_child_status *child)
{
    switch (child->state) {
    case THSI_CHILD_STARTING:
    case THSI_CHILD_RUNNING:
    case THSI_CHILD_HALTING:
    case THSI_CHILD_HALTED:
    case THSI_CHILD_BEGINNING:
        return true;
    case THSI_CHILD_PENDING:
    case THSI_CHILD_STOPPING:
    case THSI_CHILD_ENDED:
    case THSI_CHILD_FREE:
        break;
    }
    return false;
}

static bool is_on_its_way(const struct thsi_child_status *child)
{
    return child->state == THSI_CHILD_PENDING || (child->state == THSI_CHILD_STOPPING && child->move);
}

/* Index of @uid among the places, or their number. */
static uint32_t find_place(const struct thsi_supervisor_plan *plan, uint64_t uid)
{
    uint32_t i = 0;

    while (i < plan->places_count && plan->places[i] != uid)
        i++;
    return i;
}

/* Fill @loads, one for each place. Returns how many instances are on their way. */
static uint32_t count_loads(const struct thsi_supervisor *supervisor, const struct thsi_supervisor_plan *plan,
                            uint32_t *loads)
{
    uint32_t coming = 0;

    for (uint32_t i = 0; i < plan->places_count; i++)
        loads[i] = 0;
    for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++) {
        const struct thsi_child_status *child = &supervisor->children[i];
        uint32_t place = find_place(plan, child->place);
        if (is_on_its_way(child))
            coming++;
        else if (has_load(child) && place < plan->places_count)
            loads[place]++;
    }
    return coming;
}

/* The first of the least loaded. */
static uint32_t least_loaded(const uint32_t *loads, uint32_t count)
{
    uint32_t least = 0;

    for (uint32_t i = 1; i < count; i++) {
        if (loads[i] < loads[least])
            least = i;
    }
    return least;
}

bool thsi_supervisor_place_listed(const struct thsi_supervisor *supervisor, const struct thsi_child_status *child)
{
    const struct thsi_supervisor_plan *plan = &supervisor->plans[child->plan];

    return !plan->plan.spread || find_place(plan, child->place) < plan->places_count;
}

uint64_t thsi_supervisor_pick_place(const struct thsi_supervisor *supervisor, uint32_t plan)
{
    const struct thsi_supervisor_plan *of = &supervisor->plans[plan];
    uint32_t loads[THSI_PLACES_MAX];

    if (!of->plan.spread)
        return supervisor->config.self;
    if (of->places_count == 0)
        return 0;
    (void)count_loads(supervisor, of, loads);
    return of->places[least_loaded(loads, of->places_count)];
}

uint32_t thsi_supervisor_pick_move(const struct thsi_supervisor *supervisor, uint32_t plan)
{
    const struct thsi_supervisor_plan *of = &supervisor->plans[plan];
    uint32_t loads[THSI_PLACES_MAX], coming;

    if (!of->plan.spread || of->places_count < 2)
        return THSI_NO_CHILD;
    for (coming = count_loads(supervisor, of, loads); coming > 0; coming--)
        loads[least_loaded(loads, of->places_count)]++;
    /* Only one that runs can move; a fuller place may have none, as all it has are still starting. */
    for (uint32_t i = of->first + of->plan.count, best = THSI_NO_CHILD, most = 0;; i--) {
        const struct thsi_child_status *child;
        uint32_t place;
        if (i == of->first)
            return best != THSI_NO_CHILD && most >= loads[least_loaded(loads, of->places_count)] + 2 ? best
                                                                                                     : THSI_NO_CHILD;
        child = &supervisor->children[i - 1];
        place = find_place(of, child->place);
        if (child->state == THSI_CHILD_RUNNING && place < of->places_count && loads[place] > most) {
            most = loads[place];
            best = i - 1;
        }
    }
}
