/* Parking and waking, in every interleaving: two workers with their rings, the injector, and a thread outside, on the
 * product's own queues and protocol. The workers' loop is that of node/worker.c without timers and the LIFO slot.
 *
 * A lost wake is a state where all sleep and an actor waits in a queue. The first actor also waits for the second, which
 * it pushed itself: so it is not enough that its own worker comes back to its ring some day. */

#include "tests/model/atomics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THSI_RING_PLACES 4
#include "node/runqueue.c"
#include "tests/model/model_test.h"

enum { WORKERS = 2, ACTORS = 3, ROUNDS = 1 };

struct thsi_worker {
    struct thsi_ring ring;
    _Atomic uint32_t park_word;
    unsigned index;
};

static struct {
    struct thsi_parking parking;
    struct thsi_injector injector;
    struct thsi_worker workers[WORKERS];
    struct thsi_actor actors[ACTORS];
    uint32_t runs[ACTORS];
    uint32_t second_ran;
    bool outside_done;
    struct plan {
        unsigned outside;    /* actors that the thread outside pushes */
        bool first_pushes;   /* the first then pushes the second */
        bool first_waits;    /* it does not return before the second has run */
        bool stops;          /* the thread outside stops the workers */
        enum model_memory memory;
    } plan;
} world;

static void init(const void *plan)
{
    world.plan = *(const struct plan *)plan;
    for (unsigned i = 0; i < WORKERS; i++)
        world.workers[i].index = i;
}

static void unpark(unsigned index)
{
    atomic_store_explicit(&world.workers[index].park_word, 1, memory_order_release);
    model_wake(&world.workers[index].park_word);
}

static void wake_one(void)
{
    unsigned index;

    if (thsi_parking_choose(&world.parking, &index))
        unpark(index);
}

static void push_to_ring(struct thsi_worker *worker, struct thsi_actor *actor)
{
    if (!thsi_ring_push(&worker->ring, actor))
        thsi_injector_push(&world.injector, actor);
    if (atomic_load_explicit(&world.parking.idle, memory_order_seq_cst))
        wake_one();
}

static struct thsi_actor *look(struct thsi_worker *worker)
{
    struct thsi_actor *actor = thsi_injector_pop(&world.injector);

    for (unsigned i = 1; !actor && i < WORKERS; i++)
        actor = thsi_ring_steal(&world.workers[(worker->index + i) % WORKERS].ring, &worker->ring);
    return actor;
}

static bool has_backlog(struct thsi_worker *worker)
{
    (void)worker;
    if (atomic_load_explicit(&world.injector.count, memory_order_seq_cst) > 0)
        return true;
    for (unsigned i = 0; i < WORKERS; i++)
        if (atomic_load_explicit(&world.workers[i].ring.tail, memory_order_seq_cst) !=
            atomic_load_explicit(&world.workers[i].ring.head, memory_order_seq_cst))
            return true;
    return false;
}

static void sleep_parked(struct thsi_worker *worker)
{
    model_sleep(&worker->park_word, 0);
}

static void run(struct thsi_worker *worker, const struct thsi_actor *actor)
{
    unsigned number = (unsigned)(actor - world.actors);

    if (world.runs[number]++)
        model_fail("actor %u runs twice", number);
    if (number == 0 && world.plan.first_pushes)
        push_to_ring(worker, &world.actors[1]);
    if (number == 0 && world.plan.first_waits) {
        model_sleep(&world.second_ran, 0);
    } else if (number == 1) {
        world.second_ran = 1;
        model_wake(&world.second_ran);
    }
}

static void work(struct thsi_worker *worker)
{
    static const struct thsi_parking_calls calls = { look, has_backlog, sleep_parked };

    while (!atomic_load_explicit(&world.parking.stop, memory_order_relaxed)) {
        struct thsi_actor *actor = thsi_ring_pop(&worker->ring);
        bool more = false;

        if (!actor) {
            actor = thsi_parking_search(&world.parking, &calls, worker, ROUNDS, &more);
            if (!actor)
                actor = thsi_parking_park(&world.parking, &calls, worker, worker->index, &worker->park_word, &more);
            if (more)
                wake_one();
        }
        if (actor)
            run(worker, actor);
    }
}

static void push_outside(void)
{
    for (unsigned i = 0; i < world.plan.outside; i++) {
        thsi_injector_push(&world.injector, &world.actors[i == 0 ? 0 : i + world.plan.first_pushes]);
        wake_one();
    }
    if (world.plan.stops) {
        atomic_store_explicit(&world.parking.stop, true, memory_order_seq_cst);
        for (unsigned i = 0; i < WORKERS; i++)
            unpark(i);
    }
    world.outside_done = true;
}

static void body(unsigned fiber)
{
    if (fiber < WORKERS)
        work(&world.workers[fiber]);
    else
        push_outside();
}

static const char *end(void)
{
    if (world.plan.stops)
        return model_sleeps(0) || model_sleeps(1) ? "a worker sleeps through the stop" : NULL;
    for (unsigned i = 0; i < world.plan.outside + world.plan.first_pushes; i++)
        if (world.runs[i] == 0)
            return "an actor waits in a queue, and all sleep";
    return world.outside_done ? NULL : "the pusher is stuck";
}

static struct model make(const struct plan *plan)
{
    return (struct model){ &world, sizeof world, init, plan, WORKERS + 1, body, end, plan->memory, 8000000, NULL };
}

static void a_push_from_outside_wakes_somebody(void **state)
{
    const struct model model = make(&(struct plan){ .outside = 1, .memory = MODEL_WEAK });

    (void)state;
    assert_holds(&model);
}

static const struct plan busy_one_pushes = { .outside = 1, .first_pushes = true, .first_waits = true, .memory = MODEL_WEAK };
static const struct plan two_from_outside = { .outside = 2, .first_waits = true, .memory = MODEL_WEAK };

static void a_push_of_a_busy_worker_wakes_the_other(void **state)
{
    const struct model model = make(&busy_one_pushes);

    (void)state;
    assert_holds(&model);
}

static void a_push_that_met_a_searcher_is_not_forgotten(void **state)
{
    const struct model model = make(&two_from_outside);

    (void)state;
    assert_holds(&model);
}

static void two_pushes_from_outside_and_one_of_a_busy_worker(void **state)
{
    const struct model model =
        make(&(struct plan){ .outside = 2, .first_pushes = true, .first_waits = true, .memory = MODEL_SC });

    (void)state;
    if (!getenv("THIASOS_TEST_LONG"))
        skip();
    assert_holds(&model);
}

static void a_stop_wakes_all(void **state)
{
    const struct model model = make(&(struct plan){ .stops = true, .memory = MODEL_WEAK });

    (void)state;
    assert_holds(&model);
}

static void changes_of_the_protocol_are_found(void **state)
{
    static const struct model_mutant mutants[] = {
        { "thsi_parking_park", "or", MODEL_RELAX },
        { "thsi_parking_park", "or", MODEL_SKIP },
        { "thsi_parking_park", "or", MODEL_SPLIT },
        { "thsi_parking_park", "and", MODEL_SPLIT },
        { "thsi_parking_search", "sub", MODEL_RELAX },
        { "thsi_parking_search", "sub", MODEL_SPLIT },
        { "thsi_parking_search", "add", MODEL_SPLIT },
        { "thsi_parking_choose", "cas", MODEL_SPLIT },
        { "thsi_injector_push", "add", MODEL_RELAX },
        { "thsi_ring_push", "store", MODEL_RELAX },
        { "unpark", "store", MODEL_SKIP },
    };
    const struct model models[] = { make(&busy_one_pushes), make(&two_from_outside) };

    (void)state;
    assert_finds(models, 2, mutants, sizeof mutants / sizeof mutants[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_from_outside_wakes_somebody),
        cmocka_unit_test(a_push_of_a_busy_worker_wakes_the_other),
        cmocka_unit_test(a_push_that_met_a_searcher_is_not_forgotten),
        cmocka_unit_test(two_pushes_from_outside_and_one_of_a_busy_worker),
        cmocka_unit_test(a_stop_wakes_all),
        cmocka_unit_test(changes_of_the_protocol_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
