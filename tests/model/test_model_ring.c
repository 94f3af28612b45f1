/* The workers' rings, in every interleaving: an owner that pushes and takes while others steal. The rings have four places here,
 * and their counters begin just before they wrap. */

#include "tests/model/atomics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define THSI_RING_PLACES 4
#include "node/runqueue.c"
#include "tests/model/model_test.h"

enum { ITEMS_MAX = 6, THIEVES_MAX = 2, BEGIN = UINT32_MAX - 1 };

/* What an actor needs to be run is written relaxed before it is pushed: the ring's orders must publish it. */
static struct {
    struct thsi_ring rings[1 + THIEVES_MAX];
    _Atomic uint32_t contents[ITEMS_MAX];
    uint32_t taken[ITEMS_MAX];
    struct plan {
        unsigned items, thieves;
        enum model_memory memory;
    } plan;
} world;

static void init(const void *plan)
{
    world.plan = *(const struct plan *)plan;
    for (unsigned i = 0; i < 1 + THIEVES_MAX; i++)
        world.rings[i].head = world.rings[i].tail = BEGIN;
}

/* Actors are addresses here, which nobody follows. */
static struct thsi_actor *actor_of(unsigned item)
{
    return (struct thsi_actor *)(uintptr_t)((item + 1) * 128);
}

static void take(const struct thsi_actor *actor)
{
    uintptr_t item = (uintptr_t)actor / 128 - 1;

    if (item >= world.plan.items)
        model_fail("a place that was not written is taken");
    if (atomic_load_explicit(&world.contents[item], memory_order_relaxed) != 1)
        model_fail("actor %u is taken before what it needs was seen", (unsigned)item);
    if (world.taken[item]++)
        model_fail("actor %u is taken twice", (unsigned)item);
}

static void own(void)
{
    struct thsi_actor *actor;

    for (unsigned i = 0; i < world.plan.items; i++) {
        atomic_store_explicit(&world.contents[i], 1, memory_order_relaxed);
        if (!thsi_ring_push(&world.rings[0], actor_of(i)))
            world.taken[i]++; /* it is full: the injector's now */
        if (i == 2 && (actor = thsi_ring_pop(&world.rings[0])) != NULL)
            take(actor);
    }
    while ((actor = thsi_ring_pop(&world.rings[0])) != NULL)
        take(actor);
}

static void steal(unsigned fiber)
{
    struct thsi_actor *actor = thsi_ring_steal(&world.rings[0], &world.rings[fiber]);

    while (actor) {
        take(actor);
        actor = thsi_ring_pop(&world.rings[fiber]);
    }
}

static void body(unsigned fiber)
{
    if (fiber == 0)
        own();
    else
        steal(fiber);
}

static const char *end(void)
{
    for (unsigned i = 0; i < world.plan.items; i++)
        if (world.taken[i] == 0)
            return "an actor is lost";
    return NULL;
}

static struct model make(const struct plan *plan)
{
    return (struct model){ &world, sizeof world, init, plan, 1 + plan->thieves, body, end, plan->memory, 4000000, NULL };
}

static void an_owner_and_a_thief(void **state)
{
    const struct model model = make(&(struct plan){ 5, 1, MODEL_WEAK });

    (void)state;
    assert_holds(&model);
}

static void an_owner_and_two_thieves(void **state)
{
    const struct model model = make(&(struct plan){ 4, 2, MODEL_SC });

    (void)state;
    assert_holds(&model);
}

static void two_thieves_on_weak_memory(void **state)
{
    const struct model model = make(&(struct plan){ 3, 2, MODEL_WEAK });

    (void)state;
    assert_holds(&model);
}

static void changes_of_the_ring_are_found(void **state)
{
    static const struct model_mutant mutants[] = {
        { "thsi_ring_push", "store", MODEL_RELAX },
        { "thsi_ring_push", "store", MODEL_SKIP },
        { "thsi_ring_pop", "cas", MODEL_SPLIT },
        { "thsi_ring_steal", "cas", MODEL_SPLIT },
    };
    const struct model model = make(&(struct plan){ 4, 1, MODEL_WEAK });

    (void)state;
    assert_finds(&model, 1, mutants, sizeof mutants / sizeof mutants[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_and_a_thief),
        cmocka_unit_test(an_owner_and_two_thieves),
        cmocka_unit_test(two_thieves_on_weak_memory),
        cmocka_unit_test(changes_of_the_ring_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
