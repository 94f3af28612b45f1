#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/tally.h"

THS_MESSAGE(tick, "test.tally.tick", 1)

/* Only their addresses count. */
static struct thsi_dispatch dispatches[2 * THSI_TALLIES];

static uint64_t handled(const struct thsi_tally *tally)
{
    return atomic_load(&tally->handled);
}

/* One message whose handler takes @ns if somebody looks. Returns whether it was timed. */
static bool handle(struct thsi_tally *tally, uint64_t ns)
{
    if (thsi_tally_quick(tally))
        return false;
    thsi_tally_timed(tally, ns);
    return true;
}

static void first_messages_are_timed_and_then_one_in_many(void **state)
{
    struct thsi_tally tally = { .handled = 0 };
    unsigned timed = 0;

    (void)state;
    for (unsigned i = 0; i < THSI_TALLY_EVERY; i++)
        assert_true(handle(&tally, 1));
    for (unsigned i = 0; i < 10 * THSI_TALLY_EVERY; i++)
        timed += handle(&tally, 1);
    assert_int_equal(timed, 10);
    assert_int_equal(handled(&tally), 11 * THSI_TALLY_EVERY);
}

static void timed_ones_stand_for_all(void **state)
{
    struct thsi_tally tally = { .handled = 0 };

    (void)state;
    for (unsigned i = 0; i < 5 * THSI_TALLY_EVERY; i++)
        (void)handle(&tally, i < THSI_TALLY_EVERY ? 10 : 20);
    assert_int_equal(atomic_load(&tally.busy_ns), THSI_TALLY_EVERY * 10 + 4 * THSI_TALLY_EVERY * 20);
    assert_int_equal(atomic_load(&tally.busy_max_ns), 20);
}

static void pair_keeps_its_number_and_those_beyond_the_bound_share_one(void **state)
{
    const struct thsi_type_info *info = thsi_type_intern(&tick_type);
    uint32_t first = thsi_tally_number(&dispatches[0], info), given = thsi_tally_count(), number;

    (void)state;
    assert_int_not_equal(first, 0);
    assert_int_equal(thsi_tally_number(&dispatches[0], info), first);
    assert_ptr_equal(thsi_tally_pair(first).dispatch, &dispatches[0]);
    assert_ptr_equal(thsi_tally_pair(first).info, info);
    number = thsi_tally_number(&dispatches[0], NULL); /* no message is another one */
    assert_int_equal(number, given);
    for (uint32_t i = 1; i < THSI_TALLIES; i++) {
        uint32_t expected = thsi_tally_count() < THSI_TALLIES ? thsi_tally_count() : 0;
        assert_int_equal(thsi_tally_number(&dispatches[i], info), expected);
    }
    assert_int_equal(thsi_tally_count(), THSI_TALLIES);
    assert_int_equal(thsi_tally_number(&dispatches[THSI_TALLIES], info), 0);
    assert_int_equal(thsi_tally_number(&dispatches[0], info), first);
    assert_null(thsi_tally_pair(0).dispatch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_messages_are_timed_and_then_one_in_many),
        cmocka_unit_test(timed_ones_stand_for_all),
        cmocka_unit_test(pair_keeps_its_number_and_those_beyond_the_bound_share_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
