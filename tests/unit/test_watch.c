/* What the watchdog concludes from beats, on numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/watch.h"

static const struct thsi_watch_limits limits = { .slice_ns = 10, .stuck_ns = 100 };
static const char one, two; /* actors */

static struct thsi_watched watched;

static int forget(void **state)
{
    (void)state;
    watched = (struct thsi_watched){ .beat = 0 };
    return 0;
}

static unsigned look(uint64_t now_ns, uint32_t beat, const void *turn)
{
    return thsi_watch_look(&watched, &limits, now_ns, beat, turn);
}

static void thread_that_never_worked_is_quiet(void **state)
{
    (void)state;
    assert_int_equal(look(5, 0, NULL), 0);
    assert_int_equal(look(500, 0, NULL), 0);
}

static void thread_between_turns_is_never_late(void **state)
{
    (void)state;
    assert_int_equal(look(5, 4, NULL), THSI_WATCH_BUSY);
    assert_int_equal(look(500, 4, NULL), 0);
}

static void handler_is_over_its_slice_when_it_was_seen_for_that_long(void **state)
{
    (void)state;
    assert_int_equal(look(5, 3, &one), THSI_WATCH_BUSY);
    assert_int_equal(look(14, 3, &one), THSI_WATCH_BUSY);
    assert_int_equal(look(15, 3, &one), THSI_WATCH_BUSY | THSI_WATCH_OVERRUN | THSI_WATCH_FIRST);
    assert_int_equal(look(20, 3, &one), THSI_WATCH_BUSY | THSI_WATCH_OVERRUN);
    assert_int_equal(look(25, 4, NULL), THSI_WATCH_BUSY);
    assert_int_equal(look(30, 4, NULL), 0);
}

static void each_handler_has_a_slice_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(look(5, 3, &one), THSI_WATCH_BUSY);
    assert_int_equal(look(14, 5, &two), THSI_WATCH_BUSY);
    assert_int_equal(look(23, 5, &two), THSI_WATCH_BUSY);
    assert_int_equal(look(24, 5, &two), THSI_WATCH_BUSY | THSI_WATCH_OVERRUN | THSI_WATCH_FIRST);
    assert_int_equal(look(30, 7, &one), THSI_WATCH_BUSY);
    assert_int_equal(look(40, 7, &one) & THSI_WATCH_FIRST, THSI_WATCH_FIRST);
}

static void stuck_handler_is_named_at_growing_intervals(void **state)
{
    uint64_t named[8];
    unsigned count = 0;

    (void)state;
    (void)look(1000, 3, &one);
    for (uint64_t now_ns = 1001; now_ns < 2000; now_ns++)
        if (look(now_ns, 3, &one) & THSI_WATCH_STUCK)
            named[count++] = now_ns;
    assert_int_equal(count, 4);
    assert_int_equal(named[0], 1100);
    assert_int_equal(named[1], 1200);
    assert_int_equal(named[2], 1400);
    assert_int_equal(named[3], 1800);
}

static void missed_looks_name_a_stuck_handler_once(void **state)
{
    (void)state;
    (void)look(1000, 3, &one);
    assert_true(look(1790, 3, &one) & THSI_WATCH_STUCK);
    assert_false(look(1799, 3, &one) & THSI_WATCH_STUCK);
    assert_true(look(1800, 3, &one) & THSI_WATCH_STUCK);
}

static void long_turn_of_short_handlers_is_no_overrun(void **state)
{
    (void)state;
    assert_int_equal(look(5, 3, &one), THSI_WATCH_BUSY);
    assert_int_equal(look(10, 5, &one), THSI_WATCH_BUSY);
    assert_int_equal(look(15, 7, &one), THSI_WATCH_BUSY | THSI_WATCH_LONG_TURN);
    assert_int_equal(look(20, 9, &two), THSI_WATCH_BUSY);
}

#define watch_test(fact) cmocka_unit_test_setup(fact, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        watch_test(thread_that_never_worked_is_quiet),
        watch_test(thread_between_turns_is_never_late),
        watch_test(handler_is_over_its_slice_when_it_was_seen_for_that_long),
        watch_test(each_handler_has_a_slice_of_its_own),
        watch_test(stuck_handler_is_named_at_growing_intervals),
        watch_test(missed_looks_name_a_stuck_handler_once),
        watch_test(long_turn_of_short_handlers_is_no_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
