/* The table of asks: entries that stay where they are, ids that name one use of one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/ask_table.h"
#include "tests/lib/test_env.h"

enum { MANY = 5000 };

static struct test_env env;
static struct thsi_ask_table table;
static struct thsi_free_asks own, other;
static struct thsi_ask_entry *taken[MANY];

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    thsi_ask_table_init(&table, &env.env);
    own = other = (struct thsi_free_asks){ .count = 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_ask_table_fini(&table);
    test_env_assert_clean(&env);
    return 0;
}

/* As an actor does. */
static uint64_t open_one(struct thsi_ask_entry *entry)
{
    entry->last_id += UINT64_C(1) << THSI_ASK_BITS;
    atomic_store(&entry->id, entry->last_id);
    return entry->last_id;
}

static void close_one(struct thsi_ask_entry *entry)
{
    atomic_store(&entry->id, 0);
}

static void take_many(void)
{
    for (uint32_t i = 0; i < MANY; i++) {
        taken[i] = thsi_ask_take(&table, &own);
        assert_non_null(taken[i]);
    }
}

static void entries_are_found_by_their_numbers(void **state)
{
    (void)state;
    take_many();
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(thsi_ask_at(&table, thsi_ask_number(taken[i])), taken[i]);
}

static void ask_is_found_while_it_is_open_and_never_again(void **state)
{
    struct thsi_ask_entry *entry = thsi_ask_take(&table, &own);
    uint64_t first = open_one(entry), second;

    (void)state;
    assert_ptr_equal(thsi_ask_find(&table, first), entry);
    close_one(entry);
    assert_null(thsi_ask_find(&table, first));
    second = open_one(entry);
    assert_true(second != first);
    assert_null(thsi_ask_find(&table, first));
    assert_ptr_equal(thsi_ask_find(&table, second), entry);
}

static void any_number_may_be_looked_up(void **state)
{
    (void)state;
    assert_null(thsi_ask_find(&table, 0));
    assert_null(thsi_ask_find(&table, 1));
    assert_null(thsi_ask_find(&table, UINT64_MAX));
    (void)thsi_ask_take(&table, &own);
    assert_null(thsi_ask_find(&table, UINT64_MAX));
    assert_null(thsi_ask_find(&table, UINT64_MAX << THSI_ASK_BITS));
}

static void what_is_given_back_is_taken_again(void **state)
{
    size_t calls;

    (void)state;
    take_many();
    calls = env.calls;
    for (uint32_t i = 0; i < MANY; i++)
        thsi_ask_give(&table, &other, taken[i]); /* on another worker than it was taken */
    assert_true(other.count < 4 * THSI_ASK_BATCH);
    thsi_ask_give_all(&table, &other);
    assert_int_equal(other.count, 0);
    take_many();
    assert_int_equal(env.calls, calls);
}

static void without_memory_there_is_no_entry_and_later_there_is(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, thsi_ask_take(&table, &own) != NULL) {
        assert_int_equal(own.count, 0);
    }
    env.fail_at = env.calls + 1;
    while (thsi_ask_take(&table, &own)) {
    }
    env.fail_at = 0;
    assert_non_null(thsi_ask_take(&table, &own));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_are_found_by_their_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ask_is_found_while_it_is_open_and_never_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_number_may_be_looked_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_given_back_is_taken_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_there_is_no_entry_and_later_there_is, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
