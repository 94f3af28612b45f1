/* The set of held requests: what is in is found, what is out is not, and those nobody waits for make room. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/held.h"
#include "tests/lib/test_env.h"

#include <string.h>

enum { REQUESTS = 400, STEPS = 20000 };

static struct test_env env;
static struct thsi_held_table table;
static uint64_t random_state;

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 5);
    table = (struct thsi_held_table){ .places = NULL };
    random_state = 0x5eed;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_held_free(&table, &env.env);
    test_env_assert_clean(&env);
    return 0;
}

static uint64_t draw(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

static struct thsi_held request(uint32_t i)
{
    return (struct thsi_held){ { 7, i % 5, 1 }, (uint64_t)(i / 5 + 1) << 24, 1000 + i };
}

static bool all_wait(void *arg, const struct thsi_held *held)
{
    (void)arg, (void)held;
    return true;
}

static bool late_ones_wait(void *arg, const struct thsi_held *held)
{
    return held->deadline_ns >= *(const uint64_t *)arg;
}

static bool add(uint32_t i)
{
    const struct thsi_held held = request(i);

    return thsi_held_add(&table, &env.env, &held, all_wait, NULL);
}

static bool is_in(uint32_t i)
{
    const struct thsi_held held = request(i), *found = thsi_held_find(&table, held.asker, held.id);

    return found && found->deadline_ns == held.deadline_ns;
}

static bool take_out(uint32_t i)
{
    const struct thsi_held held = request(i);

    return thsi_held_remove(&table, held.asker, held.id);
}

static void empty_set_has_nothing(void **state)
{
    (void)state;
    assert_false(is_in(0));
    assert_false(take_out(0));
    assert_null(thsi_held_find(&table, THS_NOBODY, 0));
}

static void what_is_in_is_found_and_what_is_out_is_not(void **state)
{
    static bool in[REQUESTS];

    (void)state;
    memset(in, 0, sizeof in);
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = (uint32_t)draw(REQUESTS);
        if (in[i])
            assert_true(take_out(i));
        else
            assert_true(add(i));
        in[i] = !in[i];
        i = (uint32_t)draw(REQUESTS);
        assert_int_equal(is_in(i), in[i]);
    }
    for (uint32_t i = 0; i < REQUESTS; i++)
        assert_int_equal(is_in(i), in[i]);
}

static void those_nobody_waits_for_make_room(void **state)
{
    uint64_t now_ns = 0;

    (void)state;
    for (uint32_t i = 0; i < 100 * REQUESTS; i++) {
        const struct thsi_held held = request(i);
        now_ns = held.deadline_ns - 10; /* ten are alive at a time */
        assert_true(thsi_held_add(&table, &env.env, &held, late_ones_wait, &now_ns));
    }
    assert_true(table.cap <= 64);
    assert_true(is_in(100 * REQUESTS - 1));
}

static void one_that_is_added_twice_is_in_once(void **state)
{
    (void)state;
    assert_true(add(3));
    assert_true(add(3));
    assert_int_equal(table.count, 1);
    assert_true(take_out(3));
    assert_false(is_in(3));
}

static void one_that_was_given_up_is_so_once(void **state)
{
    const struct thsi_held held = request(3);

    (void)state;
    assert_true(add(3));
    assert_true(thsi_held_give_up(&table, held.asker, held.id));
    assert_false(thsi_held_give_up(&table, held.asker, held.id));
    assert_int_equal(thsi_held_find(&table, held.asker, held.id)->deadline_ns, 0);
}

static void without_memory_nothing_is_added_and_nothing_lost(void **state)
{
    uint32_t i = 0;

    (void)state;
    assert_true(add(i));
    env.fail_at = env.calls + 1;
    while (add(i + 1))
        i++;
    env.fail_at = 0;
    for (uint32_t at = 0; at <= i; at++)
        assert_true(is_in(at));
    assert_false(is_in(i + 1));
}

static uint32_t longest_row(void)
{
    uint32_t row = 0, longest = 0;

    for (uint32_t i = 0; i < 2 * table.cap; i++) {
        row = table.places[i & (table.cap - 1)].id != 0 ? row + 1 : 0;
        longest = row > longest ? row : longest;
    }
    return longest;
}

/* These ids lie in one row under a multiplication by the golden ratio, whose inverse they are made with. */
static void asker_cannot_choose_ids_that_lie_together(void **state)
{
    const ths_ref asker = { 77, 5, 1 };

    (void)state;
    for (uint64_t i = 1; i <= 4096; i++) {
        const struct thsi_held held = { asker, (i * UINT64_C(0xf1de83e19937733d)) ^ ((uint64_t)asker.slot << 32) ^ asker.node,
                                        UINT64_MAX };

        assert_true(thsi_held_add(&table, &env.env, &held, all_wait, NULL));
    }
    assert_int_equal(table.count, 4096);
    assert_in_range(longest_row(), 1, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_set_has_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_in_is_found_and_what_is_out_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_nobody_waits_for_make_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_added_twice_is_in_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_given_up_is_so_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asker_cannot_choose_ids_that_lie_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_added_and_nothing_lost, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
