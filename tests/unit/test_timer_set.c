/* The timers of one actor by number, against what was put in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/timer_set.h"
#include "tests/lib/test_env.h"

enum { MANY = 1000 };

struct thsi_timer { uint64_t id; };

static struct test_env env;
static struct thsi_timer_set set;
static struct thsi_timer timers[MANY];

static int start(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    set = (struct thsi_timer_set){ .count = 0 };
    return 0;
}

static uint64_t put(unsigned i)
{
    timers[i].id = thsi_timer_set_put(&set, &env.env, &timers[i]);
    assert_int_not_equal(timers[i].id, 0);
    return timers[i].id;
}

static void empty(void)
{
    uint32_t from = 0;
    struct thsi_timer *timer;

    while ((timer = thsi_timer_set_next(&set, &from)) != NULL)
        thsi_timer_set_remove(&set, timer->id);
    thsi_timer_set_fini(&set, &env.env);
    test_env_assert_clean(&env);
}

static void what_was_put_in_is_found_by_its_id(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        (void)put(i);
    for (unsigned i = 0; i < MANY; i++)
        assert_ptr_equal(thsi_timer_set_at(&set, timers[i].id), &timers[i]);
    empty();
}

static void ids_are_never_used_again(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t id = put(0);
        assert_true(id > last);
        last = id;
        thsi_timer_set_remove(&set, id);
        assert_null(thsi_timer_set_at(&set, id));
    }
    assert_int_equal(set.used, 1);
    empty();
}

static void any_number_may_be_asked_for(void **state)
{
    (void)state;
    assert_null(thsi_timer_set_at(&set, 0));
    (void)put(0);
    assert_null(thsi_timer_set_at(&set, UINT64_MAX));
    assert_null(thsi_timer_set_at(&set, timers[0].id + 1));
    empty();
}

static void few_timers_take_no_memory(void **state)
{
    (void)state;
    (void)put(0);
    (void)put(1);
    assert_int_equal(env.calls, 0);
    (void)put(2);
    assert_int_equal(env.calls, 1);
    empty();
}

static void places_are_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        (void)put(i);
    for (unsigned i = 0; i < MANY; i += 3)
        thsi_timer_set_remove(&set, timers[i].id);
    for (unsigned i = 0; i < MANY; i += 3)
        (void)put(i);
    assert_int_equal(set.used, MANY);
    assert_int_equal(set.count, MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_ptr_equal(thsi_timer_set_at(&set, timers[i].id), &timers[i]);
    empty();
}

static void without_memory_it_takes_no_more_and_keeps_what_it_has(void **state)
{
    (void)state;
    (void)put(0);
    (void)put(1);
    env.fail_at = env.calls + 1;
    assert_int_equal(thsi_timer_set_put(&set, &env.env, &timers[2]), 0);
    env.fail_at = 0;
    assert_ptr_equal(thsi_timer_set_at(&set, timers[0].id), &timers[0]);
    (void)put(2);
    assert_int_equal(set.count, 3);
    empty();
}

#define set_test(fact) cmocka_unit_test_setup(fact, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        set_test(what_was_put_in_is_found_by_its_id),
        set_test(ids_are_never_used_again),
        set_test(any_number_may_be_asked_for),
        set_test(few_timers_take_no_memory),
        set_test(places_are_used_again),
        set_test(without_memory_it_takes_no_more_and_keeps_what_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
