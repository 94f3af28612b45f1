/* Timer wheel: what comes out, when, and in which order. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/timer_wheel.h"
#include "tests/lib/test_env.h"

#include <string.h>

#define MS UINT64_C(1000000)
#define DAY (86400000 * MS)
#define START (5 * DAY + 123 * MS + 456789)

static struct thsi_wheel wheel;
static struct thsi_timer_entry entries[1000];

static int set_up(void **state)
{
    (void)state;
    memset(entries, 0, sizeof entries);
    thsi_wheel_init(&wheel, START);
    return 0;
}

static void add(unsigned i, uint64_t deadline_ns)
{
    thsi_wheel_add(&wheel, &entries[i], deadline_ns);
    thsi_wheel_check(&wheel);
}

static struct thsi_timer_entry *expire(uint64_t now_ns)
{
    struct thsi_timer_entry *due = thsi_wheel_expire(&wheel, now_ns);

    thsi_wheel_check(&wheel);
    return due;
}

/* The entries that come out at @now_ns are those of @expected, in its order; it ends with -1. */
#define assert_expire(now_ns, ...) check_expire(now_ns, (const int[]){ __VA_ARGS__, -1 })
#define assert_none_expire(now_ns) assert_null(expire(now_ns))

static void check_expire(uint64_t now_ns, const int *expected)
{
    struct thsi_timer_entry *entry = expire(now_ns);

    for (; *expected >= 0; expected++, entry = entry->next) {
        assert_non_null(entry);
        assert_int_equal(entry - entries, *expected);
    }
    assert_null(entry);
}

static void empty_wheel_has_no_deadline(void **state)
{
    (void)state;
    assert_true(thsi_wheel_deadline_ns(&wheel) == UINT64_MAX);
    assert_none_expire(START + 1000 * DAY);
    assert_true(thsi_wheel_deadline_ns(&wheel) == UINT64_MAX);
}

static void entry_never_comes_out_early(void **state)
{
    static const uint64_t delays[] = { 1, MS - 1, MS, MS + 1, 63 * MS, 64 * MS, 4095 * MS, 4096 * MS, 49 * DAY,
                                       5000 * DAY };
    (void)state;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        thsi_wheel_init(&wheel, START);
        add(0, START + delays[i]);
        assert_none_expire(START + delays[i] - 1);
        assert_expire(START + delays[i] + MS - 1, 0);
    }
}

static void deadline_leads_to_the_entry_in_few_steps(void **state)
{
    static const uint64_t delays[] = { 0, 1, 250 * MS, 5000 * MS, DAY, 49 * DAY, 5000 * DAY };
    (void)state;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct thsi_timer_entry *due = NULL;
        uint64_t now = START;
        unsigned steps = 0;
        thsi_wheel_init(&wheel, START);
        add(0, START + delays[i]);
        for (; !due; steps++) {
            uint64_t next = thsi_wheel_deadline_ns(&wheel);
            assert_true(next != UINT64_MAX);
            assert_true(next < START + delays[i] + MS);
            now = next > now ? next : now;
            due = expire(now);
        }
        assert_ptr_equal(due, &entries[0]);
        assert_int_equal(steps, 1);
        assert_true(thsi_wheel_deadline_ns(&wheel) == UINT64_MAX);
    }
}

static void crowd_far_ahead_gives_an_earlier_deadline_and_comes_out_on_time(void **state)
{
    unsigned steps = 0;
    uint64_t now = START;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        add(i, START + DAY + 777 * MS);
    while (now < START + DAY + 777 * MS) {
        uint64_t next = thsi_wheel_deadline_ns(&wheel);
        assert_true(next > now);
        assert_true(next < START + DAY + 778 * MS);
        now = next;
        if (now < START + DAY + 777 * MS)
            assert_none_expire(now);
        assert_true(++steps < THSI_WHEEL_LEVELS);
    }
    for (struct thsi_timer_entry *entry = expire(now); entry; entry = entry->next)
        steps++;
    assert_in_range(steps, 100, 107);
}

static void entries_come_in_order_of_deadline_then_insertion(void **state)
{
    (void)state;
    add(0, START + 300 * MS);
    add(1, START + 100 * MS + 2);
    add(2, START + 100 * MS + 1);
    add(3, START + 100 * MS + 2);
    add(4, START + 7);
    add(5, START + 300 * MS);
    add(6, START + 2 * DAY);
    add(7, START + 100 * MS + 1);
    assert_expire(START + DAY, 4, 2, 7, 1, 3, 0, 5);
    assert_expire(START + 3 * DAY, 6);
}

static void order_of_insertion_survives_coming_down_the_levels(void **state)
{
    (void)state;
    add(0, START + 10000 * MS);
    assert_none_expire(START + 5000 * MS);
    add(1, START + 10000 * MS);
    assert_none_expire(START + 9990 * MS);
    add(2, START + 10000 * MS);
    assert_expire(START + 10001 * MS, 0, 1, 2);
}

static void past_deadline_comes_out_at_the_next_expire(void **state)
{
    (void)state;
    add(0, START - MS);
    add(1, START - DAY);
    add(2, 0);
    assert_true(thsi_wheel_deadline_ns(&wheel) <= START);
    assert_expire(START, 2, 1, 0);
}

static void cancelled_entry_does_not_come_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        add(i, START + 500 * MS);
    assert_true(thsi_wheel_cancel(&wheel, &entries[0]));
    assert_true(thsi_wheel_cancel(&wheel, &entries[2]));
    assert_true(thsi_wheel_cancel(&wheel, &entries[4]));
    thsi_wheel_check(&wheel);
    assert_expire(START + 501 * MS, 1, 3);
}

static void cancel_twice_or_late_is_refused(void **state)
{
    (void)state;
    assert_false(thsi_wheel_cancel(&wheel, &entries[0]));
    add(0, START + MS);
    assert_true(thsi_wheel_cancel(&wheel, &entries[0]));
    assert_false(thsi_wheel_cancel(&wheel, &entries[0]));
    add(0, START + MS);
    assert_expire(START + 2 * MS, 0);
    assert_false(thsi_wheel_cancel(&wheel, &entries[0]));
}

static void entry_that_came_out_can_be_added_again(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 200; n++) {
        add(0, START + n * 40 * MS);
        assert_expire(START + (n * 40 + 1) * MS, 0);
    }
}

static void clock_that_goes_back_stands_still(void **state)
{
    (void)state;
    add(0, START + 100 * MS);
    assert_none_expire(START + 50 * MS);
    assert_none_expire(START - DAY);
    add(1, START + 40 * MS);
    assert_expire(START + 10 * MS, 1);
    assert_expire(START + 101 * MS, 0);
}

static void end_of_time_is_a_deadline_that_never_comes(void **state)
{
    (void)state;
    add(0, UINT64_MAX);
    assert_none_expire(UINT64_MAX);
    assert_true(thsi_wheel_cancel(&wheel, &entries[0]));
    thsi_wheel_check(&wheel);
}

/* A thousand entries added, cancelled and expired at random, beside a plain array that knows when each is due. */
static void random_run_agrees_with_a_plain_array(void **state)
{
    enum { COUNT = sizeof entries / sizeof entries[0] };
    static uint64_t due_ns[COUNT]; /* 0: not in */
    struct test_env env;
    uint64_t now = START;

    (void)state;
    memset(due_ns, 0, sizeof due_ns);
    test_env_init(&env, 11);
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t bits[3];
        unsigned i;
        env.env.random(&env.env, bits, sizeof bits);
        i = (unsigned)(bits[0] % COUNT);
        assert_true(thsi_wheel_cancel(&wheel, &entries[i]) == (due_ns[i] != 0));
        due_ns[i] = 0;
        if (bits[0] >> 62 != 0) {
            due_ns[i] = now + (bits[1] >> (24 + bits[2] % 40));
            thsi_wheel_add(&wheel, &entries[i], due_ns[i]);
        }
        if (round % 7 == 0) {
            uint64_t last = 0;
            struct thsi_timer_entry *entry;
            now += bits[2] >> (28 + bits[1] % 30);
            entry = expire(now);
            for (; entry; entry = entry->next) {
                i = (unsigned)(entry - entries);
                assert_true(entry->deadline_ns == due_ns[i]);
                assert_true(due_ns[i] >= last);
                assert_true(due_ns[i] <= now);
                last = due_ns[i];
                due_ns[i] = 0;
            }
            for (i = 0; i < COUNT; i++)
                assert_true(due_ns[i] == 0 || due_ns[i] + MS > now);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty_wheel_has_no_deadline, set_up),
        cmocka_unit_test_setup(entry_never_comes_out_early, set_up),
        cmocka_unit_test_setup(deadline_leads_to_the_entry_in_few_steps, set_up),
        cmocka_unit_test_setup(crowd_far_ahead_gives_an_earlier_deadline_and_comes_out_on_time, set_up),
        cmocka_unit_test_setup(entries_come_in_order_of_deadline_then_insertion, set_up),
        cmocka_unit_test_setup(order_of_insertion_survives_coming_down_the_levels, set_up),
        cmocka_unit_test_setup(past_deadline_comes_out_at_the_next_expire, set_up),
        cmocka_unit_test_setup(cancelled_entry_does_not_come_out, set_up),
        cmocka_unit_test_setup(cancel_twice_or_late_is_refused, set_up),
        cmocka_unit_test_setup(entry_that_came_out_can_be_added_again, set_up),
        cmocka_unit_test_setup(clock_that_goes_back_stands_still, set_up),
        cmocka_unit_test_setup(end_of_time_is_a_deadline_that_never_comes, set_up),
        cmocka_unit_test_setup(random_run_agrees_with_a_plain_array, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
