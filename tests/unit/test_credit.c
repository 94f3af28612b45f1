#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/credit.h"

#include "node/base/prng.h"

static struct thsi_credits credits;

static int set_up(void **state)
{
    (void)state;
    thsi_credits_init(&credits);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_credits_check(&credits);
    return 0;
}

static struct thsi_actor_id actor(uint32_t slot)
{
    return (struct thsi_actor_id){ slot, 1 };
}

static void entry_is_found_until_it_is_removed(void **state)
{
    struct thsi_credit *credit = thsi_credits_add(&credits, actor(5));

    (void)state;
    assert_non_null(credit);
    assert_int_equal(credit->left, 0);
    assert_ptr_equal(thsi_credits_find(&credits, actor(5)), credit);
    assert_null(thsi_credits_find(&credits, (struct thsi_actor_id){ 5, 3 })); /* another actor in the same place */
    thsi_credits_remove(&credits, credit);
    assert_null(thsi_credits_find(&credits, actor(5)));
    assert_int_equal(credits.count, 0);
}

static void table_is_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < THSI_CREDITS_MAX; i++)
        assert_non_null(thsi_credits_add(&credits, actor(i)));
    assert_null(thsi_credits_add(&credits, actor(THSI_CREDITS_MAX)));
    thsi_credits_set(&credits, actor(THSI_CREDITS_MAX), 0); /* is forgotten */
    assert_null(thsi_credits_find(&credits, actor(THSI_CREDITS_MAX)));
    thsi_credits_set(&credits, actor(7), THSI_CREDIT_NO_LIMIT);
    assert_non_null(thsi_credits_add(&credits, actor(THSI_CREDITS_MAX)));
}

static void what_was_said_last_holds(void **state)
{
    (void)state;
    thsi_credits_set(&credits, actor(1), THSI_CREDIT_NO_LIMIT);
    assert_int_equal(credits.count, 0);
    thsi_credits_set(&credits, actor(1), 0);
    thsi_credits_set(&credits, actor(1), 12);
    assert_int_equal(thsi_credits_find(&credits, actor(1))->left, 12);
    thsi_credits_set(&credits, actor(1), UINT64_MAX - 1);
    assert_int_equal(thsi_credits_find(&credits, actor(1))->left, UINT32_MAX);
    thsi_credits_set(&credits, actor(1), THSI_CREDIT_NO_LIMIT);
    assert_null(thsi_credits_find(&credits, actor(1)));
}

static void grants_never_exceed_the_free_places(void **state)
{
    static const struct {
        uint32_t places, capacity, sharers;
        bool waited;
        uint64_t granted;
    } rows[] = {
        { 512, 1024, 1, true, 512 }, { 512, 1024, 1, false, 512 }, { 512, 1024, 2, true, 256 }, { 1024, 1024, 1, true, 1024 },
        { 768, 1024, 1, false, THSI_CREDIT_NO_LIMIT }, { 767, 1024, 1, false, 767 }, { 1, 1, 1, true, 1 }, { 1, 2, 5, true, 1 },
        { 1, 1, 1, false, THSI_CREDIT_NO_LIMIT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(thsi_credit_grant(rows[i].places, rows[i].capacity, rows[i].sharers, rows[i].waited) == rows[i].granted);
}

static void random_changes_keep_the_table_in_order(void **state)
{
    struct thsi_prng prng;
    bool known[2 * THSI_CREDITS_MAX] = { false };

    (void)state;
    thsi_prng_init(&prng, 1, 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t slot = (uint32_t)thsi_prng_below(&prng, 2 * THSI_CREDITS_MAX);
        struct thsi_credit *credit = thsi_credits_find(&credits, actor(slot));
        assert_int_equal(known[slot], credit != NULL);
        if (credit)
            thsi_credits_remove(&credits, credit);
        else
            credit = thsi_credits_add(&credits, actor(slot));
        known[slot] = !known[slot] && credit;
        thsi_credits_check(&credits);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(entry_is_found_until_it_is_removed),
        TEST(table_is_bounded),
        TEST(what_was_said_last_holds),
        TEST(grants_never_exceed_the_free_places),
        TEST(random_changes_keep_the_table_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
