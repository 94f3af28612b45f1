/* Relations: sets of links, monitors and watchers. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/message.h"
#include "node/relations.h"
#include "tests/lib/test_env.h"

enum { SELF = 1, MANY = 100000 };

static struct test_env env;
static struct thsi_depot depot;
static struct thsi_pool pool;
static struct thsi_relations set;

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    thsi_depot_init(&depot, &env.env);
    thsi_pool_init(&pool, &depot);
    set = (struct thsi_relations){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (set.first) {
        struct thsi_relation *relation = set.first;

        thsi_relations_take(&set, SELF, relation);
        thsi_relation_free(&pool, relation);
    }
    thsi_relations_fini(&set, &pool);
    thsi_pool_fini(&pool);
    thsi_depot_fini(&depot);
    test_env_assert_clean(&env);
    return 0;
}

static ths_ref ref(uint32_t number)
{
    return (ths_ref){ SELF + number % 3, number, 1 };
}

static void add(uint32_t number, uint64_t id)
{
    assert_int_equal(thsi_relations_add(&set, &pool, SELF, ref(number), id), THS_OK);
}

static bool take(ths_ref other, uint64_t id)
{
    struct thsi_relation *relation = thsi_relations_find(&set, other, id);

    if (!relation)
        return false;
    thsi_relations_take(&set, SELF, relation);
    thsi_relation_free(&pool, relation);
    return true;
}

static void relations_are_found_until_they_are_taken(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 300; count += 13) { /* few, and more and more chains */
        for (uint32_t i = 0; i < count; i++)
            add(i, 7);
        assert_int_equal(set.count, count);
        for (uint32_t i = 0; i < count; i++) {
            assert_null(thsi_relations_find(&set, ref(i), 8));
            assert_true(take(ref(i), 7));
            assert_false(take(ref(i), 7));
        }
        assert_int_equal(set.count, 0);
        assert_int_equal(set.elsewhere, 0);
    }
}

static void relations_with_other_nodes_are_counted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 9; i++)
        add(i, 0);
    assert_int_equal(set.elsewhere, 6);
    assert_true(take(ref(1), 0));
    assert_true(take(ref(3), 0));
    assert_int_equal(set.elsewhere, 5);
}

static void monitors_are_found_by_their_id_alone(void **state)
{
    (void)state;
    set.by_id = true;
    for (uint32_t i = 0; i < 100; i++)
        add(1, i);
    assert_true(ths_ref_equal(thsi_relations_find(&set, THS_NOBODY, 60)->other, ref(1)));
    assert_non_null(thsi_relations_find(&set, ref(1), 60));
    assert_null(thsi_relations_find(&set, ref(2), 60)); /* another's */
    assert_null(thsi_relations_find(&set, THS_NOBODY, 0)); /* the supervisor's has no id of its own */
    assert_true(take(THS_NOBODY, 60));
    assert_false(take(THS_NOBODY, 60));
}

/* Without chains this would look at five thousand million relations. */
static void a_hundred_thousand_come_and_go(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        add(i, i);
    for (uint32_t i = 0; i < MANY; i++)
        assert_true(take(ref((i * 7919u) % MANY), (i * 7919u) % MANY));
    assert_int_equal(set.count, 0);
}

static void without_memory_for_chains_relations_are_found_all_the_same(void **state)
{
    uint32_t count = 0;

    (void)state;
    add(count++, 0);
    env.fail_at = env.calls + 1;
    while (thsi_relations_add(&set, &pool, SELF, ref(count), 0) == THS_OK) /* what the pool still has */
        count++;
    assert_true(THSI_POOL_SINGLE || count > 100);
    for (uint32_t i = 0; i < count; i++)
        assert_true(take(ref(i), 0));
    env.fail_at = 0;
}

static void relation_becomes_the_signal_for_which_there_is_no_memory(void **state)
{
    const struct thsi_signal down = { .kind = THSI_DOWN, .from = { SELF, 5, 3 }, .to = { SELF, 6, 9 }, .id = 77,
                                      .reason = THS_REASON_CRASHED, .certainty = THS_OBSERVED, .text = "left out" };
    struct thsi_relation *relation;
    struct thsi_message *message;

    (void)state;
    add(6, 77);
    relation = set.first;
    thsi_relations_take(&set, SELF, relation);
    message = thsi_relation_become(relation, &down);
    assert_int_equal(message->kind, THSI_DOWN);
    assert_int_equal(message->generation, 9);
    assert_false(message->counted);
    assert_true(ths_ref_equal(message->from, down.from));
    assert_int_equal(thsi_message_control(message)->id, 77);
    assert_int_equal(thsi_message_control(message)->reason, THS_REASON_CRASHED);
    assert_string_equal(thsi_message_control(message)->text, "");
    thsi_message_free(&pool, message);
}

/* Of an odd number, modulo 2^64. */
static uint64_t inverse(uint64_t number)
{
    uint64_t x = number;

    for (int i = 0; i < 6; i++)
        x *= 2 - number * x;
    return x;
}

/* Ids that fell into one chain of a hash that anybody can compute: multiplications and shifts, undone. */
static uint64_t chosen_id(ths_ref other, uint64_t i)
{
    uint64_t x = i * inverse(UINT64_C(0x94d049bb133111eb));

    x ^= x >> 31 ^ x >> 62;
    x ^= other.node ^ ((uint64_t)other.slot << 32 | other.generation) * UINT64_C(0x9e3779b97f4a7c15);
    return x * inverse(UINT64_C(0xbf58476d1ce4e5b9));
}

static void watcher_cannot_choose_ids_that_share_a_chain(void **state)
{
    const struct thsi_relation *at;
    unsigned length, longest = 0;

    (void)state;
    for (uint64_t i = 1; i <= 4096; i++)
        add(1, chosen_id(ref(1), i));
    for (const struct thsi_relation *first = set.first; first; first = first->next) {
        for (at = first, length = 0; at; at = at->following)
            length++;
        longest = length > longest ? length : longest;
    }
    assert_in_range(longest, 1, 64);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(relations_are_found_until_they_are_taken),
        TEST(relations_with_other_nodes_are_counted),
        TEST(monitors_are_found_by_their_id_alone),
        TEST(a_hundred_thousand_come_and_go),
        TEST(watcher_cannot_choose_ids_that_share_a_chain),
        TEST(without_memory_for_chains_relations_are_found_all_the_same),
        TEST(relation_becomes_the_signal_for_which_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
