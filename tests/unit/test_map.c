/* Map: keys, growth, removal, and the hash. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/base/map.h"
#include "tests/lib/test_env.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 500 };

static struct test_env env;
static struct thsi_map map;
static char keys[KEYS][16];

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 3);
    thsi_map_init(&map, &env.env);
    for (int i = 0; i < KEYS; i++)
        (void)snprintf(keys[i], sizeof keys[i], "key/%d", i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_map_fini(&map);
    test_env_assert_clean(&env);
    return 0;
}

static enum ths_err put(int i)
{
    return thsi_map_put(&map, keys[i], strlen(keys[i]), keys[i]);
}

static void *get(const char *key)
{
    return thsi_map_get(&map, key, strlen(key));
}

static void empty_map_has_nothing_and_no_memory(void **state)
{
    size_t at = 0;

    (void)state;
    assert_null(get("key/0"));
    assert_null(thsi_map_remove(&map, "key/0", 5));
    assert_null(thsi_map_next(&map, &at));
    assert_int_equal(env.blocks, 0);
}

static void what_was_put_is_found_by_an_equal_key(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(put(i), THS_OK);
        thsi_map_check(&map);
    }
    assert_int_equal(map.count, KEYS);
    for (int i = 0; i < KEYS; i++) {
        char copy[16];
        memcpy(copy, keys[i], sizeof copy);
        assert_ptr_equal(get(copy), keys[i]);
    }
    assert_null(get("key/500"));
}

static void second_put_of_a_key_is_refused(void **state)
{
    (void)state;
    assert_int_equal(put(0), THS_OK);
    assert_int_equal(thsi_map_put(&map, "key/0", 5, &env), THS_NAME_TAKEN);
    assert_ptr_equal(get("key/0"), keys[0]);
    assert_int_equal(map.count, 1);
}

static void keys_are_bytes_with_a_length(void **state)
{
    (void)state;
    assert_int_equal(thsi_map_put(&map, "a\0b", 3, keys[0]), THS_OK);
    assert_int_equal(thsi_map_put(&map, "a\0c", 3, keys[1]), THS_OK);
    assert_int_equal(thsi_map_put(&map, "a", 1, keys[2]), THS_OK);
    assert_int_equal(thsi_map_put(&map, "", 0, keys[3]), THS_OK);
    assert_ptr_equal(thsi_map_get(&map, "a\0b", 3), keys[0]);
    assert_ptr_equal(get("a"), keys[2]);
    assert_ptr_equal(get(""), keys[3]);
}

static void removal_keeps_the_others_reachable(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(put(i), THS_OK);
    for (int i = 0; i < KEYS; i += 2) {
        assert_ptr_equal(thsi_map_remove(&map, keys[i], strlen(keys[i])), keys[i]);
        assert_null(thsi_map_remove(&map, keys[i], strlen(keys[i])));
        thsi_map_check(&map);
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(get(keys[i]), i % 2 ? keys[i] : NULL);
    assert_int_equal(put(0), THS_OK);
}

static void iteration_visits_each_entry_once(void **state)
{
    const struct thsi_map_entry *entry;
    bool seen[KEYS] = { false };
    size_t at = 0, count = 0;

    (void)state;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(put(i), THS_OK);
    while ((entry = thsi_map_next(&map, &at))) {
        size_t i = (size_t)((char(*)[16])entry->value - keys);
        assert_false(seen[i]);
        seen[i] = true;
        count++;
    }
    assert_int_equal(count, KEYS);
}

static void put_without_memory_changes_nothing(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, put(0) == THS_OK)
        assert_int_equal(map.count, 0);
    for (int i = 1; i < 6; i++)
        assert_int_equal(put(i), THS_OK);
    TEST_ENV_EACH_FAILURE(&env, put(6) == THS_OK) {
        assert_int_equal(map.count, 6);
        thsi_map_check(&map);
        assert_null(get("key/6"));
    }
    assert_int_equal(map.count, 7);
}

static void seeds_of_two_maps_differ(void **state)
{
    struct thsi_map other;

    (void)state;
    thsi_map_init(&other, &env.env);
    assert_true(thsi_hash(map.seed, "x", 1) != thsi_hash(other.seed, "x", 1));
    thsi_map_fini(&other);
}

/* The paper's appendix A: key 00 01 .. 0f, message 00 01 .. 0e. */
static void hash_gives_the_value_of_the_paper(void **state)
{
    static const uint64_t seed[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
    uint8_t message[15];

    (void)state;
    for (uint8_t i = 0; i < sizeof message; i++)
        message[i] = i;
    assert_true(thsi_hash(seed, message, sizeof message) == UINT64_C(0xa129ca6149be45e5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_map_has_nothing_and_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_put_is_found_by_an_equal_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(second_put_of_a_key_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_bytes_with_a_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removal_keeps_the_others_reachable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(iteration_visits_each_entry_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(put_without_memory_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(seeds_of_two_maps_differ, set_up, tear_down),
        cmocka_unit_test(hash_gives_the_value_of_the_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
