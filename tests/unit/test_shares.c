/* Shares: what the actors of other nodes have asked for, counted by node. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/shares.h"
#include "tests/lib/test_env.h"

static struct test_env env;
static struct thsi_shares shares;
static bool first;

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    thsi_shares_init(&shares, &env.env);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_shares_fini(&shares);
    test_env_assert_clean(&env);
    return 0;
}

static void take(uint64_t uid, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(thsi_shares_take(&shares, uid, 3, &first), THS_OK);
}

static void share_ends_at_its_bound_and_others_have_their_own(void **state)
{
    (void)state;
    take(1, 3);
    assert_false(first);
    assert_int_equal(thsi_shares_take(&shares, 1, 3, &first), THS_TOO_MANY);
    assert_true(first);
    assert_int_equal(thsi_shares_take(&shares, 1, 3, &first), THS_TOO_MANY);
    assert_false(first);
    take(2, 3);
    assert_int_equal(thsi_shares_take(&shares, 2, 3, &first), THS_TOO_MANY);
}

static void what_is_given_back_may_be_taken_again(void **state)
{
    (void)state;
    take(1, 3);
    thsi_shares_give_back(&shares, 1);
    take(1, 1);
    assert_int_equal(thsi_shares_take(&shares, 1, 3, &first), THS_TOO_MANY);
}

static void node_that_has_nothing_any_more_costs_nothing(void **state)
{
    (void)state;
    for (uint64_t uid = 1; uid <= 100; uid++)
        take(uid, 2);
    for (uint64_t uid = 1; uid <= 100; uid++) {
        thsi_shares_give_back(&shares, uid);
        thsi_shares_give_back(&shares, uid);
    }
    assert_int_equal(shares.map.count, 0);
    thsi_map_check(&shares.map);
}

static void lack_of_memory_is_answered_and_takes_nothing(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, thsi_shares_take(&shares, 1, 3, &first) == THS_OK)
        assert_int_equal(shares.map.count, 0);
    take(1, 2);
    assert_int_equal(thsi_shares_take(&shares, 1, 3, &first), THS_TOO_MANY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(share_ends_at_its_bound_and_others_have_their_own),
        TEST(what_is_given_back_may_be_taken_again),
        TEST(node_that_has_nothing_any_more_costs_nothing),
        TEST(lack_of_memory_is_answered_and_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
