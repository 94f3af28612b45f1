#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/keys.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const struct thsi_cluster_key one = { .secret = { 1 } }, two = { .secret = { 2 } }, three = { .secret = { 3 } };
static const uint8_t nonce[THSI_LINK_NONCE_SIZE] = { 5 }, other_nonce[THSI_LINK_NONCE_SIZE] = { 6 };

static struct thsi_keyring three_keys(void)
{
    return (struct thsi_keyring){ .keys = { one, two, three }, .count = 3 };
}

/* ---- The keyring ------------------------------------------------------------------------- */

static void installed_key_comes_last_and_is_found_by_its_fingerprint(void **state)
{
    struct thsi_keyring keyring = { .keys = { one }, .count = 1 };
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    (void)state;
    thsi_cluster_key_fingerprint(&two, fingerprint);
    assert_null(thsi_keyring_find(&keyring, fingerprint));
    assert_int_equal(thsi_keyring_install(&keyring, &two), THS_OK);
    assert_int_equal(keyring.count, 2);
    assert_ptr_equal(thsi_keyring_find(&keyring, fingerprint), &keyring.keys[1]);
    assert_memory_equal(&keyring.keys[0], &one, sizeof one);
}

static void key_is_installed_once(void **state)
{
    struct thsi_keyring keyring = { .keys = { one, two }, .count = 2 };

    (void)state;
    assert_int_equal(thsi_keyring_install(&keyring, &two), THS_INVALID);
    assert_int_equal(keyring.count, 2);
}

static void fourth_key_is_refused(void **state)
{
    struct thsi_keyring keyring = three_keys();
    const struct thsi_cluster_key four = { .secret = { 4 } };

    (void)state;
    assert_int_equal(thsi_keyring_install(&keyring, &four), THS_TOO_MANY);
    assert_memory_equal(&keyring.keys[2], &three, sizeof three);
}

static void promoted_key_comes_first_and_the_others_keep_their_order(void **state)
{
    struct thsi_keyring keyring = three_keys();

    (void)state;
    thsi_keyring_promote(&keyring, 2);
    assert_memory_equal(&keyring.keys[0], &three, sizeof three);
    assert_memory_equal(&keyring.keys[1], &one, sizeof one);
    assert_memory_equal(&keyring.keys[2], &two, sizeof two);
    thsi_keyring_promote(&keyring, 0);
    assert_memory_equal(&keyring.keys[0], &three, sizeof three);
}

static void removed_key_is_wiped_and_the_primary_one_is_not_removed(void **state)
{
    struct thsi_keyring keyring = three_keys();

    (void)state;
    assert_int_equal(thsi_keyring_remove(&keyring, 0), THS_INVALID);
    assert_int_equal(thsi_keyring_remove(&keyring, 1), THS_OK);
    assert_int_equal(keyring.count, 2);
    assert_memory_equal(&keyring.keys[1], &three, sizeof three);
    assert_int_equal(sodium_is_zero(keyring.keys[2].secret, THSI_KEY_SIZE), 1);
}

/* ---- Derived values ---------------------------------------------------------------------- */

static void derived_values_differ_by_use_key_and_name(void **state)
{
    struct thsi_keyring none, again;
    uint8_t psk[THSI_KEY_SIZE], other_psk[THSI_KEY_SIZE];
    uint8_t id[THSI_KEY_ID_SIZE], other_id[THSI_KEY_ID_SIZE];
    uint8_t cluster[THSI_CLUSTER_HASH_SIZE], other_cluster[THSI_CLUSTER_HASH_SIZE];

    (void)state;
    thsi_cluster_key_psk(&one, psk);
    thsi_cluster_key_psk(&two, other_psk);
    assert_memory_not_equal(psk, other_psk, sizeof psk);
    assert_memory_not_equal(psk, one.secret, sizeof psk);
    thsi_cluster_key_fingerprint(&one, id);
    assert_memory_not_equal(id, psk, sizeof id);
    thsi_cluster_key_fingerprint(&two, other_id);
    assert_memory_not_equal(id, other_id, sizeof id);
    thsi_cluster_key_cluster_hash(&one, "a", nonce, cluster);
    thsi_cluster_key_cluster_hash(&one, "b", nonce, other_cluster);
    assert_memory_not_equal(cluster, other_cluster, sizeof cluster);
    thsi_cluster_key_cluster_hash(&two, "a", nonce, other_cluster);
    assert_memory_not_equal(cluster, other_cluster, sizeof cluster);
    thsi_keyring_none(&none);
    thsi_keyring_none(&again);
    assert_memory_equal(&none, &again, sizeof none);
    assert_int_equal(none.count, 1);
}

static void key_id_differs_by_key_and_nonce_and_is_not_the_fingerprint(void **state)
{
    uint8_t id[THSI_KEY_ID_SIZE], other[THSI_KEY_ID_SIZE];

    (void)state;
    thsi_cluster_key_id(&one, nonce, id);
    thsi_cluster_key_id(&two, nonce, other);
    assert_memory_not_equal(id, other, sizeof id);
    thsi_cluster_key_id(&one, other_nonce, other);
    assert_memory_not_equal(id, other, sizeof id);
    thsi_cluster_key_fingerprint(&one, other);
    assert_memory_not_equal(id, other, sizeof id);
}

static void node_id_is_of_cluster_and_name_alone(void **state)
{
    uint8_t id[THSI_NODE_ID_SIZE], other[THSI_NODE_ID_SIZE];

    (void)state;
    thsi_cluster_node_id("c", "ab", id);
    thsi_cluster_node_id("c", "ab", other);
    assert_memory_equal(id, other, sizeof id);
    thsi_cluster_node_id("c", "a", other);
    assert_memory_not_equal(id, other, sizeof id);
    thsi_cluster_node_id("ca", "b", other);
    assert_memory_not_equal(id, other, sizeof id);
}

/* As PROTOCOL.md computes them, calculated by another implementation (Python's hashlib.blake2b). */
static void derived_values_are_those_of_the_document(void **state)
{
    static const char *const expected[] = {
        "ad9c1c195de4e65dd1d0abf912fc69be6fe5630284cda4ebd8ecdf91697aaeb9",
        "097454c8e604e393",
        "a4e5b34d1cf363bd",
        "2df4af3f5ba9b184fbcc8b1d3a26361c",
        "52dbad81aee93cf8590b4b6907c4f17e",
    };
    struct thsi_cluster_key key;
    uint8_t fixed_nonce[THSI_LINK_NONCE_SIZE], got[THSI_KEY_SIZE];
    char hex[THSI_KEY_SIZE * 2 + 1];

    (void)state;
    for (unsigned i = 0; i < THSI_KEY_SIZE; i++)
        key.secret[i] = (uint8_t)i;
    for (unsigned i = 0; i < THSI_LINK_NONCE_SIZE; i++)
        fixed_nonce[i] = (uint8_t)(0xa0 + i);
    thsi_cluster_key_psk(&key, got);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, got, THSI_KEY_SIZE), expected[0]);
    thsi_cluster_key_fingerprint(&key, got);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, got, THSI_KEY_ID_SIZE), expected[1]);
    thsi_cluster_key_id(&key, fixed_nonce, got);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, got, THSI_KEY_ID_SIZE), expected[2]);
    thsi_cluster_key_cluster_hash(&key, "orders", fixed_nonce, got);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, got, THSI_CLUSTER_HASH_SIZE), expected[3]);
    thsi_cluster_node_id("orders", "node-a", got);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, got, THSI_NODE_ID_SIZE), expected[4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installed_key_comes_last_and_is_found_by_its_fingerprint),
        cmocka_unit_test(key_is_installed_once),
        cmocka_unit_test(fourth_key_is_refused),
        cmocka_unit_test(promoted_key_comes_first_and_the_others_keep_their_order),
        cmocka_unit_test(removed_key_is_wiped_and_the_primary_one_is_not_removed),
        cmocka_unit_test(derived_values_differ_by_use_key_and_name),
        cmocka_unit_test(key_id_differs_by_key_and_nonce_and_is_not_the_fingerprint),
        cmocka_unit_test(node_id_is_of_cluster_and_name_alone),
        cmocka_unit_test(derived_values_are_those_of_the_document),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
