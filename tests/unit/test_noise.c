#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/noise.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS "tests/vectors/noise.json"
#define TEXT_MAX 1024

struct bytes {
    uint8_t at[TEXT_MAX];
    size_t len;
};

struct pair {
    struct thsi_noise initiator;
    struct thsi_noise responder;
};

static const uint8_t psks[THSI_NOISE_PSK_MAX][THSI_KEY_SIZE] = { { 1 }, { 2 } };
static const uint8_t other_psks[THSI_NOISE_PSK_MAX][THSI_KEY_SIZE] = { { 3 }, { 2 } };
static const uint8_t static_secrets[2][THSI_KEY_SIZE] = { { 4 }, { 5 } };
static const uint8_t ephemeral_secrets[2][THSI_KEY_SIZE] = { { 6 }, { 7 } };

/* ---- The published vectors ---------------------------------------------------------------- */

static struct bytes bytes_of(const char *hex)
{
    struct bytes bytes;

    assert_non_null(hex);
    assert_int_equal(sodium_hex2bin(bytes.at, sizeof bytes.at, hex, strlen(hex), NULL, &bytes.len, NULL), 0);
    return bytes;
}

static struct bytes bytes_at(const json_t *object, const char *key)
{
    return bytes_of(json_string_value(json_object_get(object, key)));
}

static bool find_pattern(const char *name, enum thsi_noise_pattern *pattern)
{
    for (unsigned i = 0; i < THSI_NOISE_PATTERN_COUNT; i++) {
        if (strcmp(thsi_noise_pattern_name((enum thsi_noise_pattern)i), name) == 0) {
            *pattern = (enum thsi_noise_pattern)i;
            return true;
        }
    }
    return false;
}

/* @side: "init" or "resp". Reads @ephemeral too, which the caller needs later. */
static void begin_side(const json_t *vector, const char *side, struct thsi_noise *noise, struct bytes *ephemeral)
{
    struct thsi_noise_config config = { .initiator = strcmp(side, "init") == 0 };
    uint8_t keys[THSI_NOISE_PSK_MAX][THSI_KEY_SIZE];
    struct bytes prologue, secret;
    char key[32];

    assert_true(find_pattern(json_string_value(json_object_get(vector, "protocol_name")), &config.pattern));
    (void)snprintf(key, sizeof key, "%s_prologue", side);
    prologue = bytes_at(vector, key);
    config.prologue = prologue.at;
    config.prologue_len = prologue.len;
    (void)snprintf(key, sizeof key, "%s_psks", side);
    const json_t *list = json_object_get(vector, key);
    assert_true(json_array_size(list) <= THSI_NOISE_PSK_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct bytes psk = bytes_of(json_string_value(json_array_get(list, i)));

        assert_int_equal(psk.len, THSI_KEY_SIZE);
        memcpy(keys[i], psk.at, THSI_KEY_SIZE);
        config.psks = (const uint8_t(*)[THSI_KEY_SIZE])keys;
    }
    (void)snprintf(key, sizeof key, "%s_static", side);
    if (json_object_get(vector, key) != NULL) {
        secret = bytes_at(vector, key);
        config.static_secret = secret.at;
    }
    (void)snprintf(key, sizeof key, "%s_ephemeral", side);
    *ephemeral = bytes_at(vector, key);
    assert_int_equal(thsi_noise_init(noise, &config), THS_OK);
}

/* A message after the handshake, by the rules of Noise's transport phase. */
static void check_transport(const uint8_t *key, uint64_t counter, const struct bytes *payload,
                            const struct bytes *expected)
{
    uint8_t nonce[12] = { 0 };
    uint8_t sealed[TEXT_MAX + THSI_TAG_SIZE];

    nonce[4] = (uint8_t)counter;
    assert_int_equal(expected->len, payload->len + THSI_TAG_SIZE);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, payload->at, payload->len, NULL, 0, NULL, nonce, key);
    assert_memory_equal(sealed, expected->at, expected->len);
}

static void check_hash(const json_t *vector, const struct thsi_noise_keys *ours, const struct thsi_noise_keys *theirs)
{
    assert_memory_equal(ours->send, theirs->receive, THSI_KEY_SIZE);
    assert_memory_equal(ours->receive, theirs->send, THSI_KEY_SIZE);
    assert_memory_equal(ours->hash, theirs->hash, THSI_HASH_SIZE);
    if (json_object_get(vector, "handshake_hash") != NULL) {
        struct bytes hash = bytes_at(vector, "handshake_hash");

        assert_memory_equal(ours->hash, hash.at, THSI_HASH_SIZE);
    }
}

/* The messages alternate, also after the handshake. Returns how many of them belonged to the handshake. */
static size_t run_vector(const json_t *vector)
{
    const json_t *messages = json_object_get(vector, "messages");
    struct bytes ephemerals[2];
    struct thsi_noise sides[2];
    struct thsi_noise_keys keys[2];
    uint64_t sent[2] = { 0, 0 };
    size_t handshake_count = 0;

    begin_side(vector, "init", &sides[0], &ephemerals[0]);
    begin_side(vector, "resp", &sides[1], &ephemerals[1]);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        struct bytes payload = bytes_at(json_array_get(messages, i), "payload");
        struct bytes expected = bytes_at(json_array_get(messages, i), "ciphertext");
        size_t by = i % 2;
        struct bytes written, read;

        if (handshake_count > 0) {
            check_transport(keys[by].send, sent[by]++, &payload, &expected);
            continue;
        }
        assert_int_equal(thsi_noise_write(&sides[by], ephemerals[by].at, payload.at, payload.len, written.at,
                                          sizeof written.at, &written.len), THS_OK);
        assert_int_equal(written.len, expected.len);
        assert_memory_equal(written.at, expected.at, expected.len);
        assert_int_equal(thsi_noise_read(&sides[!by], written.at, written.len, read.at, sizeof read.at, &read.len),
                         THS_OK);
        assert_int_equal(read.len, payload.len);
        assert_memory_equal(read.at, payload.at, payload.len);
        assert_int_equal(thsi_noise_is_done(&sides[0]), thsi_noise_is_done(&sides[1]));
        if (thsi_noise_is_done(&sides[0])) {
            handshake_count = i + 1;
            assert_int_equal(thsi_noise_split(&sides[0], &keys[0]), THS_OK);
            assert_int_equal(thsi_noise_split(&sides[1], &keys[1]), THS_OK);
            check_hash(vector, &keys[0], &keys[1]);
        }
    }
    assert_true(sent[0] + sent[1] > 0);
    return handshake_count;
}

static void published_vectors_come_out_byte_for_byte(void **state)
{
    bool seen[THSI_NOISE_PATTERN_COUNT] = { false };
    json_error_t error;
    json_t *file = json_load_file(VECTORS, 0, &error);
    const json_t *list = json_object_get(file, "vectors");

    (void)state;
    if (file == NULL)
        fail_msg(VECTORS ": %s", error.text);
    assert_true(json_array_size(list) > 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *vector = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(vector, "protocol_name"));
        enum thsi_noise_pattern pattern = THSI_NOISE_PATTERN_COUNT;

        assert_true(find_pattern(name, &pattern));
        assert_int_equal(run_vector(vector), strstr(name, "_NN") ? 2 : 3);
        seen[pattern] = true;
    }
    for (unsigned i = 0; i < THSI_NOISE_PATTERN_COUNT; i++)
        assert_true(seen[i]);
    json_decref(file);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

static enum ths_err begin(struct thsi_noise *noise, enum thsi_noise_pattern pattern, bool initiator,
                          const uint8_t (*keys)[THSI_KEY_SIZE], const char *prologue)
{
    return thsi_noise_init(noise, &(struct thsi_noise_config){ .pattern = pattern, .initiator = initiator,
                                                               .prologue = (const uint8_t *)prologue,
                                                               .prologue_len = strlen(prologue), .psks = keys,
                                                               .static_secret = static_secrets[initiator] });
}

static struct pair new_pair(enum thsi_noise_pattern pattern)
{
    struct pair pair;

    assert_int_equal(begin(&pair.initiator, pattern, true, psks, "prologue"), THS_OK);
    assert_int_equal(begin(&pair.responder, pattern, false, psks, "prologue"), THS_OK);
    return pair;
}

static struct bytes write_message(struct thsi_noise *noise, const char *payload)
{
    struct bytes out;

    assert_int_equal(thsi_noise_write(noise, ephemeral_secrets[noise->initiator], (const uint8_t *)payload,
                                      strlen(payload), out.at, sizeof out.at, &out.len), THS_OK);
    return out;
}

static enum ths_err read_message(struct thsi_noise *noise, const struct bytes *message)
{
    struct bytes payload;

    return thsi_noise_read(noise, message->at, message->len, payload.at, sizeof payload.at, &payload.len);
}

static void assert_dead(struct thsi_noise *noise)
{
    struct bytes out = { .len = 0 };
    struct thsi_noise_keys keys;
    struct thsi_noise wiped = { .failed = true };

    assert_memory_equal(noise, &wiped, sizeof wiped);
    assert_int_equal(thsi_noise_write(noise, ephemeral_secrets[0], NULL, 0, out.at, sizeof out.at, &out.len),
                     THS_INVALID);
    assert_int_equal(read_message(noise, &out), THS_INVALID);
    assert_int_equal(thsi_noise_split(noise, &keys), THS_INVALID);
    assert_false(thsi_noise_is_done(noise));
}

static void every_flipped_bit_of_a_keyed_first_message_is_forged(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_NNPSK0);
    struct bytes message = write_message(&pair.initiator, "hello");

    (void)state;
    for (size_t bit = 0; bit < message.len * 8; bit++) {
        struct thsi_noise responder = pair.responder;

        message.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(read_message(&responder, &message), THS_FORGED);
        assert_dead(&responder);
        message.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(read_message(&pair.responder, &message), THS_OK);
}

static void every_flipped_bit_of_the_answer_is_forged(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_NNPSK0);
    struct bytes message = write_message(&pair.initiator, "hello");
    struct bytes answer;

    (void)state;
    assert_int_equal(read_message(&pair.responder, &message), THS_OK);
    answer = write_message(&pair.responder, "hello yourself");
    for (size_t bit = 0; bit < answer.len * 8; bit++) {
        struct thsi_noise initiator = pair.initiator;

        answer.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(read_message(&initiator, &answer), THS_FORGED);
        assert_dead(&initiator);
        answer.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(read_message(&pair.initiator, &answer), THS_OK);
}

static void message_of_another_key_or_prologue_is_forged(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_NNPSK0);
    struct bytes message = write_message(&pair.initiator, "hello");
    struct thsi_noise other;

    (void)state;
    assert_int_equal(begin(&other, THSI_NOISE_NNPSK0, false, other_psks, "prologue"), THS_OK);
    assert_int_equal(read_message(&other, &message), THS_FORGED);
    assert_int_equal(begin(&other, THSI_NOISE_NNPSK0, false, psks, "prologuf"), THS_OK);
    assert_int_equal(read_message(&other, &message), THS_FORGED);
    assert_dead(&other);
}

static void answer_to_another_attempt_is_forged(void **state)
{
    struct pair first = new_pair(THSI_NOISE_NNPSK0);
    struct pair second = new_pair(THSI_NOISE_NNPSK0);
    struct bytes message = write_message(&first.initiator, "first");
    struct bytes answer;

    (void)state;
    (void)write_message(&second.initiator, "second");
    assert_int_equal(read_message(&first.responder, &message), THS_OK);
    answer = write_message(&first.responder, "");
    assert_int_equal(read_message(&second.initiator, &answer), THS_FORGED);
}

static void message_cut_short_is_malformed(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_NNPSK0);
    struct bytes message = write_message(&pair.initiator, "");
    size_t whole = message.len;

    (void)state;
    for (message.len = 0; message.len < whole; message.len++) {
        struct thsi_noise responder = pair.responder;

        assert_int_equal(read_message(&responder, &message), THS_MALFORMED);
        assert_dead(&responder);
    }
}

static void what_does_not_fit_changes_nothing(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_NNPSK0);
    struct thsi_noise before = pair.initiator;
    struct bytes out, message;

    (void)state;
    assert_int_equal(thsi_noise_write(&pair.initiator, ephemeral_secrets[0], (const uint8_t *)"hello", 5, out.at,
                                      5 + THSI_KEY_SIZE + THSI_TAG_SIZE - 1, &out.len), THS_TOO_BIG);
    assert_memory_equal(&pair.initiator, &before, sizeof before);
    message = write_message(&pair.initiator, "hello");
    before = pair.responder;
    assert_int_equal(thsi_noise_read(&pair.responder, message.at, message.len, out.at, 4, &out.len), THS_TOO_BIG);
    assert_memory_equal(&pair.responder, &before, sizeof before);
    assert_int_equal(read_message(&pair.responder, &message), THS_OK);
}

static void out_of_turn_is_invalid_and_harmless(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_NNPSK0);
    struct bytes out = { .len = 0 };
    struct thsi_noise_keys keys;

    (void)state;
    assert_int_equal(thsi_noise_write(&pair.responder, ephemeral_secrets[0], NULL, 0, out.at, sizeof out.at, &out.len),
                     THS_INVALID);
    assert_int_equal(read_message(&pair.initiator, &out), THS_INVALID);
    assert_int_equal(thsi_noise_split(&pair.initiator, &keys), THS_INVALID);
    out = write_message(&pair.initiator, "");
    assert_int_equal(read_message(&pair.responder, &out), THS_OK);
}

/* Seven points multiply to zero whatever the secret; a shared secret of zeros would be known to all. */
static void point_of_low_order_is_forged(void **state)
{
    static const uint8_t point_one[THSI_KEY_SIZE] = { 1 };
    struct pair pair = new_pair(THSI_NOISE_NN);
    struct bytes message, out;

    (void)state;
    message = write_message(&pair.initiator, "");
    memcpy(message.at, point_one, sizeof point_one);
    assert_int_equal(read_message(&pair.responder, &message), THS_OK);
    assert_int_equal(thsi_noise_write(&pair.responder, ephemeral_secrets[0], NULL, 0, out.at, sizeof out.at, &out.len),
                     THS_FORGED);
    assert_dead(&pair.responder);
}

static void pattern_without_its_keys_is_refused(void **state)
{
    struct thsi_noise noise;

    (void)state;
    assert_int_equal(begin(&noise, THSI_NOISE_NNPSK0, true, NULL, ""), THS_INVALID);
    assert_dead(&noise);
    assert_int_equal(thsi_noise_init(&noise, &(struct thsi_noise_config){ .pattern = THSI_NOISE_XX }), THS_INVALID);
    assert_dead(&noise);
}

static void node_keys_reach_the_other_side(void **state)
{
    struct pair pair = new_pair(THSI_NOISE_XXPSK0_PSK3);
    struct thsi_noise_keys ours, theirs;
    uint8_t public_key[THSI_KEY_SIZE];
    struct bytes message;

    (void)state;
    message = write_message(&pair.initiator, "");
    assert_int_equal(read_message(&pair.responder, &message), THS_OK);
    message = write_message(&pair.responder, "");
    assert_int_equal(read_message(&pair.initiator, &message), THS_OK);
    message = write_message(&pair.initiator, "");
    assert_int_equal(read_message(&pair.responder, &message), THS_OK);
    assert_int_equal(thsi_noise_split(&pair.initiator, &ours), THS_OK);
    assert_int_equal(thsi_noise_split(&pair.responder, &theirs), THS_OK);
    crypto_scalarmult_base(public_key, static_secrets[0]);
    assert_memory_equal(ours.peer_static, public_key, sizeof public_key);
    crypto_scalarmult_base(public_key, static_secrets[1]);
    assert_memory_equal(theirs.peer_static, public_key, sizeof public_key);
    assert_dead(&pair.initiator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_come_out_byte_for_byte),
        cmocka_unit_test(every_flipped_bit_of_a_keyed_first_message_is_forged),
        cmocka_unit_test(every_flipped_bit_of_the_answer_is_forged),
        cmocka_unit_test(message_of_another_key_or_prologue_is_forged),
        cmocka_unit_test(answer_to_another_attempt_is_forged),
        cmocka_unit_test(message_cut_short_is_malformed),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(out_of_turn_is_invalid_and_harmless),
        cmocka_unit_test(point_of_low_order_is_forged),
        cmocka_unit_test(pattern_without_its_keys_is_refused),
        cmocka_unit_test(node_keys_reach_the_other_side),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
