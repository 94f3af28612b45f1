/* The explorer itself, on the small cases that every text about memory order begins with. */

#include "tests/model/atomics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model/explorer.h"

static struct {
    _Atomic uint32_t x, y;
    uint32_t seen[2];
    bool is_read;
    pthread_mutex_t lock;
    unsigned inside;
    struct plan {
        int store, load;
    } plan;
} world;

static void init(const void *plan)
{
    if (plan)
        world.plan = *(const struct plan *)plan;
}

static struct model_result result;

static void explore(void (*body)(unsigned), const char *(*end)(void), const struct plan *plan, enum model_memory memory)
{
    const struct model model = { &world, sizeof world, init, plan, 2, body, end, memory, 100000, NULL };

    model_explore(&model, NULL, &result);
    assert_true(result.violated || result.complete);
}

static const char *fine(void)
{
    return NULL;
}

/* Store buffering: each stores to its own and loads the other's. */
static void dekker(unsigned fiber)
{
    atomic_store_explicit(fiber ? &world.x : &world.y, 1, world.plan.store);
    world.seen[fiber] = atomic_load_explicit(fiber ? &world.y : &world.x, world.plan.load);
}

static const char *both_missed(void)
{
    return world.seen[0] == 0 && world.seen[1] == 0 ? "neither sees the other" : NULL;
}

static void release_and_acquire_do_not_order_a_store_before_a_load(void **state)
{
    const struct plan plan = { memory_order_release, memory_order_acquire };

    (void)state;
    explore(dekker, both_missed, &plan, MODEL_WEAK);
    assert_true(result.violated);
    explore(dekker, both_missed, &plan, MODEL_SC);
    assert_false(result.violated);
}

static void sequential_consistency_does(void **state)
{
    const struct plan plan = { memory_order_seq_cst, memory_order_seq_cst };

    (void)state;
    explore(dekker, both_missed, &plan, MODEL_WEAK);
    assert_false(result.violated);
    assert_int_equal(result.ends, 3);
}

/* Message passing: one writes the message, then the flag. */
static void pass(unsigned fiber)
{
    if (fiber == 0) {
        atomic_store_explicit(&world.x, 1, memory_order_relaxed);
        atomic_store_explicit(&world.y, 1, world.plan.store);
    } else if (atomic_load_explicit(&world.y, memory_order_acquire) &&
               !atomic_load_explicit(&world.x, memory_order_relaxed)) {
        model_fail("the flag without the message");
    }
}

static void message_passes_with_release_and_not_without(void **state)
{
    (void)state;
    explore(pass, fine, &(struct plan){ .store = memory_order_release }, MODEL_WEAK);
    assert_false(result.violated);
    explore(pass, fine, &(struct plan){ .store = memory_order_relaxed }, MODEL_WEAK);
    assert_true(result.violated);
    assert_string_equal(result.why, "the flag without the message");
    assert_non_null(strstr(result.path, "0: pass store\n"));
}

static void count(unsigned fiber)
{
    (void)fiber;
    (void)pthread_mutex_lock(&world.lock);
    if (world.inside++)
        model_fail("two are inside");
    atomic_store_explicit(&world.x, atomic_load_explicit(&world.x, memory_order_relaxed) + 1, memory_order_relaxed);
    world.inside--;
    (void)pthread_mutex_unlock(&world.lock);
}

static const char *counted(void)
{
    return world.x == 2 ? NULL : "a count is lost";
}

static void lock_lets_one_in_and_passes_on_what_it_wrote(void **state)
{
    (void)state;
    explore(count, counted, NULL, MODEL_WEAK);
    assert_false(result.violated);
}

static void wait_for_ever(unsigned fiber)
{
    while (fiber == 0 && !atomic_load_explicit(&world.x, memory_order_relaxed)) {
    }
}

static void retry_without_end_is_seen(void **state)
{
    (void)state;
    explore(wait_for_ever, fine, NULL, MODEL_SC);
    assert_true(result.violated);
    assert_non_null(strstr(result.why, "retries for ever"));
}

static void sleep_or_wake(unsigned fiber)
{
    if (fiber == 0) {
        model_sleep(&world.x, 0);
    } else {
        atomic_store_explicit(&world.x, 1, memory_order_relaxed);
        model_wake(&world.x);
    }
}

static const char *asleep(void)
{
    return model_sleeps(0) ? "it sleeps on" : NULL;
}

static void futex_loses_no_wake(void **state)
{
    (void)state;
    explore(sleep_or_wake, asleep, NULL, MODEL_WEAK);
    assert_false(result.violated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(release_and_acquire_do_not_order_a_store_before_a_load),
        cmocka_unit_test(sequential_consistency_does),
        cmocka_unit_test(message_passes_with_release_and_not_without),
        cmocka_unit_test(lock_lets_one_in_and_passes_on_what_it_wrote),
        cmocka_unit_test(retry_without_end_is_seen),
        cmocka_unit_test(futex_loses_no_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
