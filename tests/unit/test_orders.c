/* The word of what an actor was told beside its queue. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/orders.h"

static uint32_t orders_of(const _Atomic uint32_t *word, uint32_t generation)
{
    uint32_t bits = 0;

    for (uint32_t bit = 1; bit < 1u << THSI_ORDER_BITS; bit *= 2)
        bits |= thsi_orders_has(word, generation, bit) ? bit : 0;
    return bits;
}

static void orders_of_one_life_add_up(void **state)
{
    _Atomic uint32_t word = 0;

    (void)state;
    assert_int_equal(orders_of(&word, 1), 0);
    thsi_orders_add(&word, 1, THSI_ORDER_DRAIN);
    thsi_orders_add(&word, 1, THSI_ORDER_KILL);
    assert_int_equal(orders_of(&word, 1), THSI_ORDER_DRAIN | THSI_ORDER_KILL);
    assert_int_equal(orders_of(&word, 3), 0);
}

static void obeying_a_kill_leaves_the_drain(void **state)
{
    _Atomic uint32_t word = 0;

    (void)state;
    thsi_orders_add(&word, 5, THSI_ORDER_KILL);
    thsi_orders_add(&word, 5, THSI_ORDER_DRAIN);
    assert_false(thsi_orders_obey(&word));
    assert_int_equal(orders_of(&word, 5), THSI_ORDER_DRAIN);
    thsi_orders_add(&word, 5, THSI_ORDER_KILL | THSI_ORDER_FOR_GOOD);
    assert_true(thsi_orders_obey(&word));
    assert_int_equal(orders_of(&word, 5), THSI_ORDER_DRAIN);
}

static void order_for_an_earlier_life_changes_nothing(void **state)
{
    _Atomic uint32_t word = 0;

    (void)state;
    thsi_orders_add(&word, 7, THSI_ORDER_DRAIN);
    thsi_orders_add(&word, 5, THSI_ORDER_KILL);
    assert_int_equal(orders_of(&word, 7), THSI_ORDER_DRAIN);
    assert_int_equal(orders_of(&word, 5), 0);
}

static void order_for_a_later_life_takes_the_place_of_the_earlier(void **state)
{
    _Atomic uint32_t word = 0;

    (void)state;
    thsi_orders_add(&word, 5, THSI_ORDER_KILL | THSI_ORDER_FOR_GOOD);
    thsi_orders_add(&word, 7, THSI_ORDER_DRAIN);
    assert_int_equal(orders_of(&word, 7), THSI_ORDER_DRAIN);
    assert_int_equal(orders_of(&word, 5), 0);
}

static void last_generation_has_room(void **state)
{
    const uint32_t last = THSI_GENERATIONS - 1;
    _Atomic uint32_t word = 0;

    (void)state;
    assert_true(last % 2 == 1);
    thsi_orders_add(&word, last - 2, THSI_ORDER_KILL);
    thsi_orders_add(&word, last, THSI_ORDER_DRAIN);
    assert_int_equal(orders_of(&word, last), THSI_ORDER_DRAIN);
    assert_int_equal(orders_of(&word, last - 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_of_one_life_add_up),
        cmocka_unit_test(obeying_a_kill_leaves_the_drain),
        cmocka_unit_test(order_for_an_earlier_life_changes_nothing),
        cmocka_unit_test(order_for_a_later_life_takes_the_place_of_the_earlier),
        cmocka_unit_test(last_generation_has_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
