#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/identity_key.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint8_t secret[THSI_KEY_SIZE] = { 1, 2, 3 };
static char why[THSI_KEY_WHY_SIZE];

/* RFC 8032, section 7.1, test 1. */
static void keys_and_signatures_are_those_of_the_standard(void **state)
{
    static const char seed[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    static const char public_hex[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    static const char signature_hex[] = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
                                        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    uint8_t bytes[THSI_KEY_SIZE], expected[THSI_SIGNATURE_SIZE], signature[THSI_SIGNATURE_SIZE];
    struct thsi_identity_key key;

    (void)state;
    assert_int_equal(sodium_hex2bin(bytes, sizeof bytes, seed, strlen(seed), NULL, NULL, NULL), 0);
    thsi_identity_key_of(&key, bytes);
    assert_int_equal(sodium_hex2bin(bytes, sizeof bytes, public_hex, strlen(public_hex), NULL, NULL, NULL), 0);
    assert_memory_equal(key.public_key, bytes, sizeof bytes);
    thsi_identity_key_sign(&key, "", 0, signature);
    assert_int_equal(sodium_hex2bin(expected, sizeof expected, signature_hex, strlen(signature_hex), NULL, NULL, NULL),
                     0);
    assert_memory_equal(signature, expected, sizeof expected);
    assert_true(thsi_signature_is_good(key.public_key, "", 0, signature));
    assert_false(thsi_signature_is_good(key.public_key, "x", 1, signature));
    signature[0] ^= 1;
    assert_false(thsi_signature_is_good(key.public_key, "", 0, signature));
}

static void static_key_of_the_public_half_is_that_of_the_secret_half(void **state)
{
    uint8_t static_secret[THSI_KEY_SIZE], from_secret[THSI_KEY_SIZE], from_public[THSI_KEY_SIZE];
    struct thsi_identity_key key;

    (void)state;
    thsi_identity_key_of(&key, secret);
    thsi_identity_key_static(&key, static_secret);
    crypto_scalarmult_base(from_secret, static_secret);
    assert_true(thsi_static_of(key.public_key, from_public));
    assert_memory_equal(from_secret, from_public, THSI_KEY_SIZE);
}

static void public_keys_of_one_secret_have_one_node_id(void **state)
{
    uint8_t one[THSI_KEY_SIZE], two[THSI_KEY_SIZE], id[THSI_NODE_ID_SIZE], other[THSI_NODE_ID_SIZE];
    struct thsi_identity_key key;

    (void)state;
    thsi_identity_key_of(&key, secret);
    assert_true(thsi_static_of(key.public_key, one));
    key.public_key[31] ^= 0x80; /* the same point with the other sign */
    assert_true(thsi_static_of(key.public_key, two));
    thsi_static_node_id(one, id);
    thsi_static_node_id(two, other);
    assert_memory_equal(id, other, sizeof id);
}

static void what_is_no_public_key_is_refused(void **state)
{
    uint8_t out[THSI_KEY_SIZE], small[THSI_KEY_SIZE] = { 1 }; /* the neutral point */
    uint8_t off_curve[THSI_KEY_SIZE] = { 2 };

    (void)state;
    assert_false(thsi_static_of(small, out));
    assert_false(thsi_static_of(off_curve, out));
}

static void key_of_another_kind_is_refused(void **state)
{
    char directory[] = "/tmp/thiasos-test-identity-XXXXXX", path[64];
    struct thsi_identity_key key;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/key", directory);
    assert_int_equal(thsi_key_file_create(&thsi_node_key_kind, path, secret, why, sizeof why), THS_OK);
    assert_int_equal(thsi_identity_key_load(&thsi_node_key_kind, &key, path, why, sizeof why), THS_OK);
    assert_memory_equal(key.secret, secret, sizeof secret);
    assert_int_equal(thsi_identity_key_load(&thsi_authority_key_kind, &key, path, why, sizeof why), THS_BAD_KEY);
    assert_non_null(strstr(why, "authority's key"));
    assert_non_null(strstr(why, "thiasos key new-authority FILE"));
    assert_true(sodium_is_zero((const uint8_t *)&key, sizeof key));
    (void)unlink(path);
    (void)rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_signatures_are_those_of_the_standard),
        cmocka_unit_test(static_key_of_the_public_half_is_that_of_the_secret_half),
        cmocka_unit_test(public_keys_of_one_secret_have_one_node_id),
        cmocka_unit_test(what_is_no_public_key_is_refused),
        cmocka_unit_test(key_of_another_kind_is_refused),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
