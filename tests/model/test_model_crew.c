/* The hand-over of a seat as the node does it (node/crew.c, node/worker.c), in every interleaving: a worker whose handler the
 * watchdog finds too long, another thread that rests and stands in for it, and the watchdog that looks at both of them again and
 * again. What a handler schedules before, while and after it loses its seat is run once, by whoever has the seat; who comes
 * back without one rests, and holds nothing back.
 *
 * Waiting for work is a stand-in here, of one step: node/waking.c has models of its own. */

#include "tests/model/atomics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THSI_RING_PLACES 4
#include "node/crew.h"
#include "node/watchdog.h"
/* Counters are not under test, and would double the points. */
#define thsi_count(counter, more) ((void)(counter), (void)(more))
#include "node/runqueue.c"
#include "node/worker.c"
#undef LINE /* of the explorer's memory, there */
#include "node/crew.c"
#include "tests/model/model_test.h"

enum { FIRST, SECOND, WORKERS, WATCHDOG = WORKERS, ACTORS = 3 };

static struct {
    struct thsi_actor actors[ACTORS];
    uint32_t runs[ACTORS];
    uint32_t others_ran; /* what the first actor's handler may wait for */
    uint32_t turns;      /* what the watchdog waits for at first */
    uint32_t signal;     /* what waits for work sleeps on; rises with each wake */
    bool watchdog_done;
    struct plan {
        unsigned schedules; /* how many others the first actor schedules */
        bool waits;         /* and does not return before they have run */
        unsigned looks;     /* of the watchdog at each; 0: until all have run */
        enum model_memory memory;
    } plan;
} world;

/* The parts of the node that change are regions of the world; the rest is set up once. */
static struct ths_node node;
static _Alignas(128) unsigned char crew_memory[sizeof(struct thsi_crew) + sizeof(struct thsi_seat)];
static struct thsi_worker workers[WORKERS];
#define CREW ((struct thsi_crew *)(void *)crew_memory)
#define SEAT (&CREW->seats[0])

static bool have_all_run(void)
{
    for (unsigned i = 0; i <= world.plan.schedules; i++)
        if (world.runs[i] == 0)
            return false;
    return true;
}

/* ---- Work --------------------------------------------------------------------------------------------------------------- */

static unsigned number_of(const struct thsi_worker *worker)
{
    return (unsigned)(worker - workers);
}

void thsi_wake_one(struct ths_node *of, struct thsi_stats *stats)
{
    (void)of, (void)stats;
    model_wake(&world.signal); /* what was pushed is there by now */
    world.signal++;
}

struct thsi_actor *thsi_await_work(struct thsi_worker *worker)
{
    uint32_t seen = world.signal;
    struct thsi_actor *actor;

    if (SEAT->taken_by != worker)
        model_fail("thread %u looks for work without a seat", number_of(worker));
    actor = thsi_injector_pop(&node.injector);
    if (!actor)
        actor = thsi_ring_steal(&workers[1 - number_of(worker)].ring, &worker->ring);
    if (!actor)
        model_sleep(&world.signal, seen);
    return actor;
}

void thsi_actor_turn(struct thsi_worker *worker, struct thsi_actor *actor)
{
    unsigned number = (unsigned)(actor - world.actors);

    if (world.runs[number]++)
        model_fail("actor %u runs twice", number);
    thsi_beat(&worker->ctx, NULL);
    world.turns++;
    model_wake(&world.turns);
    if (number > 0) {
        world.others_ran++;
        model_wake(&world.others_ran);
        return;
    }
    for (unsigned i = 1; i <= world.plan.schedules; i++)
        thsi_schedule(&worker->ctx, &world.actors[i]);
    while (world.plan.waits && world.others_ran < world.plan.schedules)
        model_sleep(&world.others_ran, world.others_ran);
}

static void watch(void)
{
    unsigned looks = 0;

    model_sleep(&world.turns, 0);
    while (world.plan.looks ? looks++ < world.plan.looks : !have_all_run()) {
        for (unsigned i = 0; i < WORKERS; i++) {
            uint32_t beat = atomic_load_explicit(&workers[i].ctx.beat, memory_order_acquire);
            bool taken_over;

            if (beat & 1)
                (void)thsi_crew_take_over(&workers[i], beat, &taken_over);
        }
    }
    world.watchdog_done = true;
}

/* ---- The rest of the node ------------------------------------------------------------------------------------------------ */

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

static bool barrier(struct thsi_exec *exec)
{
    (void)exec;
    model_barrier("thsi_crew_take_over");
    return true;
}

/* What the sources call and the model does not come to. */
#define NEVER(result, name, ...) result name(__VA_ARGS__) { abort(); }
#pragma GCC diagnostic ignored "-Wunused-parameter"
NEVER(struct thsi_actor *, thsi_next_elsewhere, struct thsi_worker *worker)
NEVER(bool, thsi_poll_once, struct thsi_worker *worker)
NEVER(void, thsi_seat_wake, struct ths_node *of, struct thsi_seat *seat, struct thsi_stats *stats)
NEVER(void, thsi_blocking_schedule, struct ths_ctx *ctx, struct thsi_actor *actor)
NEVER(enum ths_err, thsi_blocking_create, struct ths_node *of, unsigned max, unsigned quiet_ms)
NEVER(void, thsi_blocking_join, struct ths_node *of)
NEVER(void, thsi_blocking_destroy, struct ths_node *of)
NEVER(void, thsi_blocking_each, const struct ths_node *of, void (*visit)(void *arg, struct ths_ctx *ctx), void *arg)
NEVER(enum ths_err, thsi_watchdog_create, struct ths_node *of, unsigned slice_ms, unsigned stuck_ms)
NEVER(enum ths_err, thsi_watchdog_start, struct ths_node *of)
NEVER(void, thsi_watchdog_join, struct ths_node *of)
NEVER(void, thsi_watchdog_destroy, struct ths_node *of)
NEVER(void, thsi_pool_init, struct thsi_pool *pool, struct thsi_depot *depot)
NEVER(void, thsi_pool_fini, struct thsi_pool *pool)
NEVER(void, thsi_ask_give_all, struct thsi_ask_table *table, struct thsi_free_asks *own)
NEVER(void, thsi_timers_fire, struct ths_ctx *ctx, struct thsi_timer_entry *due)
NEVER(void, thsi_wheel_init, struct thsi_wheel *wheel, uint64_t now_ns)
NEVER(void, thsi_wheel_add, struct thsi_wheel *wheel, struct thsi_timer_entry *entry, uint64_t deadline_ns)
NEVER(bool, thsi_wheel_cancel, struct thsi_wheel *wheel, struct thsi_timer_entry *entry)
NEVER(struct thsi_timer_entry *, thsi_wheel_expire, struct thsi_wheel *wheel, uint64_t now_ns)
NEVER(uint64_t, thsi_wheel_deadline_ns, const struct thsi_wheel *wheel)

/* ---- The model ------------------------------------------------------------------------------------------------------------ */

/* The first worker sits, and the first actor waits in the injector; the second rests. */
static void init(const void *plan)
{
    static struct thsi_exec exec = { .park = park, .wake = wake, .barrier = barrier };

    world.plan = *(const struct plan *)plan;
    node.exec = &exec;
    node.crew = CREW;
    node.shared = &CREW->parking;
    node.workers_count = 1;
    node.injector.head = node.injector.tail = &world.actors[0];
    node.injector.count = 1;
    CREW->count = WORKERS;
    CREW->stand_ins_max = WORKERS - 1;
    CREW->parking.idle = 1; /* somebody is to be woken after each push */
    CREW->resting = &workers[SECOND];
    SEAT->wheel_due_ns = UINT64_MAX;
    SEAT->taken_by = &workers[FIRST];
    for (unsigned i = 0; i < WORKERS; i++) {
        CREW->members[i] = &workers[i];
        workers[i].seat = SEAT;
        workers[i].index = i;
        workers[i].unseated = i == SECOND;
        workers[i].rest_word = i == FIRST;
        workers[i].ctx.node = &node;
        workers[i].ctx.worker = &workers[i];
    }
}

static void body(unsigned fiber)
{
    if (fiber == WATCHDOG)
        watch();
    else
        member_main(&workers[fiber].task);
}

static const char *end(void)
{
    const struct thsi_worker *idle = SEAT->taken_by == &workers[FIRST] ? &workers[SECOND] : &workers[FIRST];

    if (!world.watchdog_done)
        return "the watchdog is stuck";
    if (!have_all_run())
        return "an actor waits, and all sleep";
    if (CREW->resting != idle || idle->rest_next)
        return "who has no seat is not the one that rests";
    if (!idle->unseated || SEAT->taken_by->unseated)
        return "one with a seat does not know of it, or one without";
    return NULL;
}

static struct model make(const struct plan *plan)
{
#define OF_WORKER(i)                                                                                \
    { &workers[i].ctx.beat, sizeof workers[i].ctx.beat },                                            \
    { &workers[i].ring, sizeof workers[i].ring },                                                    \
    { &workers[i].lifo, offsetof(struct thsi_worker, looks) - offsetof(struct thsi_worker, lifo) },  \
    { &workers[i].rest_next, sizeof workers[i].rest_next },                                          \
    { &workers[i].rest_word, sizeof workers[i].rest_word }
    static const struct model_region regions[] = {
        { &node.injector, sizeof node.injector },
        { &CREW->lock, sizeof CREW->lock },
        { &CREW->resting, sizeof CREW->resting },
        { &SEAT->taken_by, sizeof SEAT->taken_by },
        OF_WORKER(FIRST),
        OF_WORKER(SECOND),
        { NULL, 0 },
    };

    return (struct model){ &world, sizeof world, init, plan, WORKERS + 1, body, end, plan->memory, 20000000, regions };
}

static const struct plan short_one = { .schedules = 1, .looks = 2, .memory = MODEL_WEAK };
static const struct plan short_one_quick = { .schedules = 1, .looks = 2, .memory = MODEL_SC };
static const struct plan two_for_others = { .schedules = 2, .looks = 1, .memory = MODEL_WEAK };
static const struct plan two_for_others_quick = { .schedules = 2, .looks = 2, .memory = MODEL_SC };
static const struct plan waits_for_one = { .schedules = 1, .waits = true, .memory = MODEL_WEAK };
static const struct plan waits_for_one_quick = { .schedules = 1, .waits = true, .memory = MODEL_SC };
static const struct plan waits_for_two = { .schedules = 2, .waits = true, .memory = MODEL_SC };

/* Millions of states. */
static bool is_long(void)
{
    return getenv("THIASOS_TEST_LONG") != NULL;
}

static void handler_that_comes_back_just_then_keeps_its_seat_or_rests(void **state)
{
    const struct model model = make(is_long() ? &short_one : &short_one_quick);

    (void)state;
    assert_holds(&model);
}

static void what_lies_in_slot_and_ring_is_run_once(void **state)
{
    const struct model quick = make(&two_for_others_quick), weak = make(&two_for_others);

    (void)state;
    if (!is_long())
        skip();
    assert_holds(&quick);
    assert_holds(&weak);
}

static void nobody_waits_for_a_handler_that_does_not_return(void **state)
{
    const struct model quick = make(&waits_for_one_quick), one = make(&waits_for_one), two = make(&waits_for_two);

    (void)state;
    assert_holds(&quick);
    if (!is_long())
        return;
    assert_holds(&one);
    assert_holds(&two);
}

static void changes_of_the_hand_over_are_found(void **state)
{
    enum { QUICKLY_FOUND = 4 };
    static const struct model_mutant mutants[] = {
        { "thsi_crew_take_over", "store", MODEL_SKIP },
        { "thsi_crew_came_back", "store", MODEL_SKIP },
        { "sit_down", "store", MODEL_SKIP },
        { "thsi_beat_end", "store", MODEL_SKIP },
        { "thsi_crew_take_over", "barrier", MODEL_SKIP },
        { "thsi_crew_take_over", "exchange", MODEL_SPLIT },
        { "thsi_schedule", "exchange", MODEL_SPLIT },
    };
    const struct model models[] = { make(&waits_for_one_quick), make(&short_one_quick), make(&waits_for_two), make(&short_one) };

    (void)state;
    assert_finds(models, is_long() ? 4 : 2, mutants, is_long() ? sizeof mutants / sizeof mutants[0] : QUICKLY_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handler_that_comes_back_just_then_keeps_its_seat_or_rests),
        cmocka_unit_test(what_lies_in_slot_and_ring_is_run_once),
        cmocka_unit_test(nobody_waits_for_a_handler_that_does_not_return),
        cmocka_unit_test(changes_of_the_hand_over_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
