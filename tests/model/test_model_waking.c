/* Waking as the node does it (node/waking.c), in every interleaving: two workers, of whom one waits for the network in place of
 * its word, a thread outside that pushes, and the network, from which an actor's message may come; the network's own thread
 * works while no worker does.
 *
 * A lost wake is a state where all sleep and an actor waits in a queue, or a packet in the network. The network is a
 * descriptor that a poke or a packet makes ready. */

#include "tests/model/atomics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THSI_RING_PLACES 4
#define THSI_SEARCH_ROUNDS 1
#define THSI_POLL_EVERY 1
#include "node/crew.h"
#include "node/watchdog.h"
/* Counters are not under test, and would double the points. */
#define thsi_count(counter, more) ((void)(counter), (void)(more))
#include "node/runqueue.c"
#include "node/waking.c"
#include "tests/model/model_test.h"

enum { WORKERS = 2, ACTORS = 2 };

static struct {
    struct thsi_actor actors[ACTORS];
    uint32_t runs[ACTORS];
    uint32_t second_ran;
    struct {
        uint32_t held;
        uint32_t ready;   /* what a wait sleeps on */
        uint32_t packets; /* the last actors' messages */
    } network;
    bool outside_done;
    struct plan {
        unsigned outside;  /* actors that the thread outside pushes */
        unsigned packets;  /* and that come over the network */
        bool first_pushes; /* the first actor pushes the second */
        bool first_waits;  /* it does not return before the second has run */
        enum model_memory memory;
    } plan;
} world;

/* The parts of the node that change are regions of the world; the rest is set up once. */
static struct ths_node node;
static _Alignas(128) unsigned char crew_memory[sizeof(struct thsi_crew) + WORKERS * sizeof(struct thsi_seat)];
static struct thsi_worker workers[WORKERS];
#define CREW ((struct thsi_crew *)(void *)crew_memory)

/* ---- The network ---------------------------------------------------------------------------------------------------- */

static bool begin(struct thsi_poller *poller, bool insist)
{
    (void)poller, (void)insist;
    if (world.network.held)
        return false;
    world.network.held = 1;
    return true;
}

static bool step(struct thsi_poller *poller, uint64_t *deadline_ns)
{
    (void)poller;
    *deadline_ns = UINT64_MAX;
    if (world.network.packets == 0)
        return false;
    world.network.packets--;
    thsi_injector_push(&node.injector, &world.actors[ACTORS - 1]);
    thsi_wake_one(&node, NULL);
    return true;
}

static void wait_ready(struct thsi_poller *poller, uint64_t deadline_ns)
{
    (void)poller, (void)deadline_ns;
    model_sleep(&world.network.ready, 0);
    world.network.ready = 0;
}

static void end_polling(struct thsi_poller *poller)
{
    (void)poller;
    world.network.held = 0;
    model_wake(&world.network.held);
}

static void poke(struct thsi_poller *poller)
{
    (void)poller;
    world.network.ready = 1;
    model_wake(&world.network.ready);
}

static struct thsi_poller the_poller = { begin, step, wait_ready, end_polling, poke };

/* ---- The rest of the node ------------------------------------------------------------------------------------------- */

static void park(struct thsi_exec *exec, _Atomic uint32_t *word, uint32_t expected, uint64_t now_ns, uint64_t deadline_ns)
{
    (void)exec, (void)now_ns, (void)deadline_ns;
    model_sleep(word, expected);
}

static void wake(struct thsi_exec *exec, _Atomic uint32_t *word)
{
    (void)exec;
    model_wake(word);
}

static uint64_t no_time(struct ths_env *env)
{
    (void)env;
    return 0;
}

void thsi_watchdog_rouse(struct ths_node *of)
{
    (void)of;
}

static void init(const void *plan)
{
    static struct thsi_exec exec = { .park = park, .wake = wake };
    static struct ths_env env = { .now_ns = no_time };

    world.plan = *(const struct plan *)plan;
    node.exec = &exec;
    node.env = &env;
    node.crew = CREW;
    node.shared = &CREW->parking;
    node.poller = &the_poller;
    CREW->count = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++) {
        CREW->members[i] = &workers[i];
        CREW->seats[i].index = i;
        CREW->seats[i].wheel_due_ns = UINT64_MAX;
        workers[i].seat = &CREW->seats[i];
        workers[i].index = i;
        workers[i].ctx.node = &node;
        workers[i].ctx.worker = &workers[i];
    }
}

/* ---- Workers, as in node/worker.c without slot and timers ------------------------------------------------------------ */

static void push_to_ring(struct thsi_worker *worker, struct thsi_actor *actor)
{
    if (!thsi_ring_push(&worker->ring, actor))
        thsi_injector_push(&node.injector, actor);
    if (atomic_load_explicit(&node.shared->idle, memory_order_seq_cst))
        thsi_wake_one(&node, NULL);
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
    for (;;) {
        struct thsi_actor *actor = thsi_ring_pop(&worker->ring);

        if (!actor)
            actor = thsi_await_work(worker);
        if (actor)
            run(worker, actor);
    }
}

static void body(unsigned fiber)
{
    if (fiber < WORKERS) {
        work(&workers[fiber]);
        return;
    }
    for (unsigned i = 0; i < world.plan.outside; i++) {
        thsi_injector_push(&node.injector, &world.actors[i]);
        thsi_wake_one(&node, NULL);
    }
    for (unsigned i = 0; i < world.plan.packets; i++) {
        world.network.packets++;
        world.network.ready = 1;
        model_wake(&world.network.ready);
    }
    world.outside_done = true;
    while (world.network.packets > 0) { /* the network's own thread: it works while no worker does */
        uint64_t deadline_ns;

        model_sleep(&world.network.held, 1);
        if (begin(&the_poller, false)) {
            (void)step(&the_poller, &deadline_ns);
            end_polling(&the_poller);
        }
    }
}

static const char *end(void)
{
    unsigned actors = world.plan.outside + world.plan.packets + world.plan.first_pushes;

    if (world.network.packets > 0)
        return "a packet waits, and all sleep";
    for (unsigned i = 0; i < ACTORS; i++)
        if (world.runs[i] == 0 && (actors == ACTORS || i == (world.plan.outside ? 0 : ACTORS - 1)))
            return "an actor waits in a queue, and all sleep";
    return world.outside_done ? NULL : "the pusher is stuck";
}

static struct model make(const struct plan *plan)
{
    static const struct model_region regions[] = {
        { &node.injector, sizeof node.injector },
        { &node.poking, sizeof node.poking },
        { crew_memory, offsetof(struct thsi_crew, lock) },
        { &CREW->seats[0].park_word, offsetof(struct thsi_seat, taken_by) },
        { &CREW->seats[1].park_word, offsetof(struct thsi_seat, taken_by) },
        { &workers[0].ring, sizeof workers[0].ring },
        { &workers[1].ring, sizeof workers[1].ring },
        { NULL, 0 },
    };

    return (struct model){ &world, sizeof world, init, plan, WORKERS + 1, body, end, plan->memory, 8000000, regions };
}

static const struct plan one_from_outside = { .outside = 1, .memory = MODEL_WEAK };
static const struct plan one_from_outside_quick = { .outside = 1, .memory = MODEL_SC };
static const struct plan one_packet = { .packets = 1, .memory = MODEL_SC };
static const struct plan busy_one_pushes = { .outside = 1, .first_pushes = true, .first_waits = true, .memory = MODEL_SC };

/* Millions of states: some 20 s each. */
static bool is_long(void)
{
    return getenv("THIASOS_TEST_LONG") != NULL;
}

static void a_push_wakes_one_that_waits_for_the_network(void **state)
{
    const struct model model = make(is_long() ? &one_from_outside : &one_from_outside_quick);

    (void)state;
    assert_holds(&model);
}

static void a_packet_wakes_somebody(void **state)
{
    const struct model model = make(&one_packet);

    (void)state;
    if (!is_long())
        skip();
    assert_holds(&model);
}

static void a_push_of_a_busy_worker_wakes_the_other_from_the_network(void **state)
{
    const struct model model = make(&busy_one_pushes);

    (void)state;
    if (!is_long())
        skip();
    assert_holds(&model);
}

static void changes_of_waking_are_found(void **state)
{
    static const struct model_mutant mutants[] = {
        { "thsi_seat_wake", "store", MODEL_RELAX },
        { "sleep_polling", "store", MODEL_RELAX },
        { "thsi_seat_wake", "store", MODEL_SKIP },
        { "sleep_polling", "store", MODEL_SKIP },
        { "thsi_parking_park", "or", MODEL_RELAX },
    };
    const struct model model = make(&one_from_outside);

    (void)state;
    assert_finds(&model, 1, mutants, is_long() ? sizeof mutants / sizeof mutants[0] : 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_wakes_one_that_waits_for_the_network),
        cmocka_unit_test(a_packet_wakes_somebody),
        cmocka_unit_test(a_push_of_a_busy_worker_wakes_the_other_from_the_network),
        cmocka_unit_test(changes_of_waking_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
