/* The handshake between nodes that have node keys. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/handshake.h"
#include "codec/pack.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HELLO3_AT 9 /* where Noise begins in it */

struct frame {
    uint8_t at[THSI_HANDSHAKE_FRAME_MAX];
    size_t len;
};

struct pair {
    struct thsi_handshake initiator, responder;
};

static const struct thsi_keyring keyring = { .count = 1, .keys = { { .secret = { 1, 2, 3 } } } };
static const uint8_t nonce[THSI_LINK_NONCE_SIZE] = { 9, 8, 7 };
static const uint8_t ephemerals[2][THSI_KEY_SIZE] = { { 5 }, { 6 } };
static struct thsi_credential credentials[3]; /* of initiator, responder, somebody else */
static struct thsi_identity node_a = { .uid = 11, .boot = 1, .name = "a", .address = "a:7400", .roles = "counter" };
static struct thsi_identity node_b = { .uid = 22, .boot = 2, .name = "b", .address = "b:7400", .scopes = "default" };

static void make_credential(struct thsi_credential *credential, uint8_t seed, const char *certificate)
{
    uint8_t secret[THSI_KEY_SIZE] = { seed };

    thsi_identity_key_of(&credential->key, secret);
    memcpy(credential->proof.public_key, credential->key.public_key, THSI_KEY_SIZE);
    credential->proof.certificate_len = (uint16_t)strlen(certificate);
    memcpy(credential->proof.certificate, certificate, strlen(certificate));
}

static int set_up(void **state)
{
    (void)state;
    make_credential(&credentials[0], 1, "certificate of a");
    make_credential(&credentials[1], 2, "");
    make_credential(&credentials[2], 3, "");
    return 0;
}

static struct thsi_handshake begin(bool initiator, const struct thsi_credential *credential)
{
    const struct thsi_handshake_config config = { .initiator = initiator, .keys = &keyring, .cluster = "thiasos",
                                                  .self = initiator ? &node_a : &node_b, .credential = credential };
    struct thsi_handshake handshake;

    assert_int_equal(thsi_handshake_init(&handshake, &config), THS_OK);
    return handshake;
}

static struct pair new_pair(void)
{
    return (struct pair){ begin(true, &credentials[0]), begin(false, &credentials[1]) };
}

static struct frame start(struct thsi_handshake *initiator)
{
    struct frame frame;

    assert_int_equal(thsi_handshake_start(initiator, nonce, ephemerals[0], frame.at, sizeof frame.at, &frame.len),
                     THS_OK);
    return frame;
}

static struct frame answer(struct thsi_handshake *responder, const struct frame *hello1)
{
    struct frame frame;

    assert_int_equal(thsi_handshake_receive(responder, hello1->at, hello1->len), THS_OK);
    assert_int_equal(thsi_handshake_accept(responder, ephemerals[1], frame.at, sizeof frame.at, &frame.len), THS_OK);
    return frame;
}

static struct frame prove(struct thsi_handshake *initiator, const struct frame *hello2)
{
    struct frame frame;

    assert_int_equal(thsi_handshake_receive(initiator, hello2->at, hello2->len), THS_OK);
    assert_int_equal(initiator->state, THSI_HANDSHAKE_ANSWERED);
    assert_int_equal(thsi_handshake_prove(initiator, frame.at, sizeof frame.at, &frame.len), THS_OK);
    return frame;
}

static void both_sides_prove_their_keys_and_get_the_same_session(void **state)
{
    struct pair pair = new_pair();
    struct frame hello1 = start(&pair.initiator), hello2 = answer(&pair.responder, &hello1);
    struct frame hello3 = prove(&pair.initiator, &hello2);
    struct thsi_noise_keys ours, theirs;
    uint8_t static_public[THSI_KEY_SIZE], id[THSI_NODE_ID_SIZE];

    (void)state;
    assert_int_equal(thsi_handshake_receive(&pair.responder, hello3.at, hello3.len), THS_OK);
    assert_int_equal(hello1.at[4], THSI_FRAME_NODE_HELLO1);
    assert_int_equal(hello2.at[4], THSI_FRAME_NODE_HELLO2);
    assert_int_equal(hello3.at[4], THSI_FRAME_NODE_HELLO3);
    assert_string_equal(pair.responder.peer.name, "a");
    assert_string_equal(pair.initiator.peer.name, "b");
    assert_memory_equal(pair.responder.proof.public_key, credentials[0].key.public_key, THSI_KEY_SIZE);
    assert_memory_equal(pair.initiator.proof.public_key, credentials[1].key.public_key, THSI_KEY_SIZE);
    assert_int_equal(pair.responder.proof.certificate_len, strlen("certificate of a"));
    assert_memory_equal(pair.responder.proof.certificate, "certificate of a", strlen("certificate of a"));
    assert_int_equal(pair.initiator.proof.certificate_len, 0);
    assert_true(thsi_static_of(credentials[0].key.public_key, static_public));
    thsi_static_node_id(static_public, id);
    assert_memory_equal(pair.responder.peer.id, id, sizeof id);

    assert_int_equal(thsi_handshake_finish(&pair.initiator, &ours), THS_OK);
    assert_int_equal(thsi_handshake_finish(&pair.responder, &theirs), THS_OK);
    assert_memory_equal(ours.send, theirs.receive, THSI_KEY_SIZE);
    assert_memory_equal(ours.receive, theirs.send, THSI_KEY_SIZE);
}

/* Whether @frame holds @bytes. */
static bool shows(const struct frame *frame, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + len <= frame->len; i++)
        if (memcmp(frame->at + i, bytes, len) == 0)
            return true;
    return false;
}

static void no_frame_shows_a_key_in_clear(void **state)
{
    struct pair pair = new_pair();
    struct frame frames[3];
    uint8_t static_public[THSI_KEY_SIZE];

    (void)state;
    frames[0] = start(&pair.initiator);
    frames[1] = answer(&pair.responder, &frames[0]);
    frames[2] = prove(&pair.initiator, &frames[1]);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned who = 0; who < 2; who++) {
            assert_true(thsi_static_of(credentials[who].key.public_key, static_public));
            assert_false(shows(&frames[i], credentials[who].key.public_key, THSI_KEY_SIZE));
            assert_false(shows(&frames[i], static_public, THSI_KEY_SIZE));
        }
}

static void longest_identity_and_certificate_fit_their_frames(void **state)
{
    struct thsi_identity short_b = node_b;
    struct pair pair;
    struct frame hello1, hello2, hello3;

    (void)state;
    node_b.uid = node_b.boot = UINT64_MAX;
    node_b.incarnation = THSI_INCARNATION_MAX;
    memset(node_b.name, 'n', sizeof node_b.name - 1);
    memset(node_b.address, 'a', sizeof node_b.address - 1);
    memset(node_b.roles, 'r', sizeof node_b.roles - 1);
    memset(node_b.scopes, 's', sizeof node_b.scopes - 1);
    for (unsigned i = 0; i < 2; i++) {
        credentials[i].proof.certificate_len = THSI_CERTIFICATE_MAX;
        memset(credentials[i].proof.certificate, 'c', THSI_CERTIFICATE_MAX);
    }
    pair = new_pair();
    hello1 = start(&pair.initiator);
    hello2 = answer(&pair.responder, &hello1);
    hello3 = prove(&pair.initiator, &hello2);
    assert_int_equal(thsi_handshake_receive(&pair.responder, hello3.at, hello3.len), THS_OK);
    assert_memory_equal(pair.initiator.proof.certificate, credentials[1].proof.certificate, THSI_CERTIFICATE_MAX);
    node_b = short_b;
}

static void every_flipped_bit_of_each_message_is_refused(void **state)
{
    struct pair pair = new_pair();
    struct frame frames[3];

    (void)state;
    frames[0] = start(&pair.initiator);
    for (unsigned which = 0; which < 3; which++) {
        struct thsi_handshake *reader = which == 1 ? &pair.initiator : &pair.responder;
        struct frame *frame = &frames[which];

        for (size_t bit = 0; bit < frame->len * 8; bit++) {
            struct thsi_handshake copy = *reader;
            enum ths_err err;

            frame->at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            err = thsi_handshake_receive(&copy, frame->at, frame->len);
            frame->at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(err, THS_OK);
            assert_int_equal(copy.state, THSI_HANDSHAKE_FAILED);
            if (bit >= 64 * 8)
                assert_int_equal(err, THS_FORGED);
        }
        if (which == 0)
            frames[1] = answer(&pair.responder, frame);
        else if (which == 1)
            frames[2] = prove(&pair.initiator, frame);
    }
    assert_int_equal(thsi_handshake_receive(&pair.responder, frames[2].at, frames[2].len), THS_OK);
}

/* ---- Keys that are not the shower's ---------------------------------------------------------- */

/* Each side shows the public key, or uses the secret one, of somebody else. */
static void key_that_was_not_proved_is_forged(void **state)
{
    (void)state;
    for (unsigned lies = 0; lies < 2; lies++) {
        struct pair pair;
        struct frame hello1, hello2, hello3;

        (void)set_up(state);
        memcpy(credentials[lies].proof.public_key, credentials[2].key.public_key, THSI_KEY_SIZE);
        pair = new_pair();
        hello1 = start(&pair.initiator);
        hello2 = answer(&pair.responder, &hello1);
        if (lies == 1) {
            assert_int_equal(thsi_handshake_receive(&pair.initiator, hello2.at, hello2.len), THS_FORGED);
            continue;
        }
        hello3 = prove(&pair.initiator, &hello2);
        assert_int_equal(thsi_handshake_receive(&pair.responder, hello3.at, hello3.len), THS_FORGED);
        assert_int_equal(pair.responder.state, THSI_HANDSHAKE_FAILED);
    }
}

/* An initiator that names another node's id in its first message, which its key then does not prove. */
static void id_of_another_key_is_forged(void **state)
{
    struct pair pair = new_pair();
    struct frame hello1, hello2, hello3;
    uint8_t static_public[THSI_KEY_SIZE];

    (void)state;
    assert_true(thsi_static_of(credentials[2].key.public_key, static_public));
    thsi_static_node_id(static_public, pair.initiator.self_id);
    hello1 = start(&pair.initiator);
    hello2 = answer(&pair.responder, &hello1);
    hello3 = prove(&pair.initiator, &hello2);
    assert_int_equal(thsi_handshake_receive(&pair.responder, hello3.at, hello3.len), THS_FORGED);
}

static void last_message_of_another_handshake_is_forged(void **state)
{
    const uint8_t fresh[THSI_KEY_SIZE] = { 77 };
    struct pair pair = new_pair();
    struct thsi_handshake second = begin(false, &credentials[1]);
    struct frame hello1 = start(&pair.initiator), hello2 = answer(&pair.responder, &hello1), other;
    struct frame hello3 = prove(&pair.initiator, &hello2);

    (void)state; /* the recording of a whole conversation, played again */
    assert_int_equal(thsi_handshake_receive(&second, hello1.at, hello1.len), THS_OK);
    assert_int_equal(thsi_handshake_accept(&second, fresh, other.at, sizeof other.at, &other.len), THS_OK);
    assert_int_equal(thsi_handshake_receive(&second, hello3.at, hello3.len), THS_FORGED);
}

/* ---- Mixed clusters -------------------------------------------------------------------------- */

static void node_with_a_key_and_node_without_refuse_each_other_by_name(void **state)
{
    (void)state;
    for (unsigned with = 0; with < 2; with++) {
        struct thsi_handshake initiator = begin(true, with ? &credentials[0] : NULL);
        struct thsi_handshake responder = begin(false, with ? NULL : &credentials[1]);
        struct frame frame = start(&initiator);

        assert_int_equal(thsi_handshake_receive(&responder, frame.at, frame.len), THS_NO_NODE_KEY);
        assert_true(thsi_handshake_deserves_refusal(THS_NO_NODE_KEY));
        assert_int_equal(thsi_handshake_refuse(&responder, THS_NO_NODE_KEY, NULL, frame.at, sizeof frame.at,
                                               &frame.len), THS_OK);
        assert_int_equal(thsi_handshake_receive(&initiator, frame.at, frame.len), THS_REFUSED);
        assert_int_equal(initiator.refusal.code, THS_NO_NODE_KEY);
    }
}

static void first_message_stripped_of_its_type_is_refused(void **state)
{
    struct thsi_handshake initiator = begin(true, &credentials[0]), responder = begin(false, NULL);
    struct frame frame = start(&initiator);

    (void)state; /* somebody in between would have a node key not asked for: the type is in the prologue */
    frame.at[4] = THSI_FRAME_HELLO1;
    assert_int_equal(thsi_handshake_receive(&responder, frame.at, frame.len), THS_FORGED);
}

static void messages_out_of_their_order_are_malformed(void **state)
{
    struct pair pair = new_pair();
    struct thsi_handshake copy;
    struct frame hello1 = start(&pair.initiator), hello2 = answer(&pair.responder, &hello1), out;

    (void)state;
    copy = pair.responder;
    assert_int_equal(thsi_handshake_receive(&copy, hello1.at, hello1.len), THS_MALFORMED);
    copy = pair.responder;
    assert_int_equal(thsi_handshake_receive(&copy, hello2.at, hello2.len), THS_MALFORMED);
    assert_int_equal(thsi_handshake_refuse(&pair.responder, THS_CLOSED, NULL, out.at, sizeof out.at, &out.len),
                     THS_INVALID);
    assert_int_equal(thsi_handshake_prove(&pair.responder, out.at, sizeof out.at, &out.len), THS_INVALID);
    assert_int_equal(thsi_handshake_prove(&pair.initiator, out.at, sizeof out.at, &out.len), THS_INVALID);
    assert_int_equal(thsi_handshake_receive(&pair.initiator, hello2.at, hello2.len), THS_OK);
    assert_int_equal(thsi_handshake_prove(&pair.initiator, out.at, HELLO3_AT, &out.len), THS_TOO_BIG);
    assert_int_equal(thsi_handshake_prove(&pair.initiator, out.at, sizeof out.at, &out.len), THS_OK);
}

/* A HELLO3 with any payload, of somebody who holds the cluster's key and a node key. */
static void proof_that_breaks_its_bounds_is_malformed(void **state)
{
    static const struct {
        uint32_t fields, key_len, certificate_len;
        enum ths_err err;
    } rows[] = {
        { 2, 32, 0, THS_OK },         { 2, 32, 768, THS_OK },       { 3, 32, 5, THS_OK },         { 1, 32, 0, THS_MALFORMED },
        { 2, 31, 0, THS_MALFORMED },  { 2, 33, 0, THS_MALFORMED },  { 2, 32, 769, THS_MALFORMED }, { 0, 0, 0, THS_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair pair = new_pair();
        struct frame hello1 = start(&pair.initiator), hello2 = answer(&pair.responder, &hello1), hello3;
        uint8_t payload[1024], bytes[800] = { 0 };
        struct thsi_packer packer;
        size_t len;

        memcpy(bytes, credentials[0].key.public_key, THSI_KEY_SIZE);
        thsi_packer_init(&packer, payload, sizeof payload);
        thsi_pack_array(&packer, rows[i].fields);
        if (rows[i].fields > 0)
            thsi_pack_bin(&packer, bytes, rows[i].key_len);
        if (rows[i].fields > 1)
            thsi_pack_bin(&packer, bytes, rows[i].certificate_len);
        if (rows[i].fields > 2)
            thsi_pack_u64(&packer, 7); /* of a newer version */
        assert_int_equal(thsi_handshake_receive(&pair.initiator, hello2.at, hello2.len), THS_OK);
        assert_int_equal(thsi_noise_write(&pair.initiator.noise, NULL, payload, packer.len, hello3.at + HELLO3_AT,
                                          sizeof hello3.at - HELLO3_AT, &len), THS_OK);
        hello3.len = len + HELLO3_AT;
        thsi_put_prefix(hello3.at, THSI_FRAME_NODE_HELLO3, hello3.len);
        assert_int_equal(thsi_handshake_receive(&pair.responder, hello3.at, hello3.len), rows[i].err);
    }
}

static void secrets_are_wiped_and_the_proof_stays_readable(void **state)
{
    struct pair pair = new_pair();
    struct frame hello1 = start(&pair.initiator), hello2 = answer(&pair.responder, &hello1);
    struct frame hello3 = prove(&pair.initiator, &hello2);
    struct thsi_noise_keys keys;

    (void)state;
    assert_int_equal(thsi_handshake_receive(&pair.responder, hello3.at, hello3.len), THS_OK);
    assert_int_equal(thsi_handshake_finish(&pair.responder, &keys), THS_OK);
    thsi_handshake_fini(&pair.responder);
    assert_true(sodium_is_zero(pair.responder.noise.static_secret, THSI_KEY_SIZE));
    assert_null(pair.responder.credential);
    assert_memory_equal(pair.responder.proof.public_key, credentials[0].key.public_key, THSI_KEY_SIZE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(both_sides_prove_their_keys_and_get_the_same_session),
        TEST(no_frame_shows_a_key_in_clear),
        TEST(longest_identity_and_certificate_fit_their_frames),
        TEST(every_flipped_bit_of_each_message_is_refused),
        TEST(key_that_was_not_proved_is_forged),
        TEST(id_of_another_key_is_forged),
        TEST(last_message_of_another_handshake_is_forged),
        TEST(node_with_a_key_and_node_without_refuse_each_other_by_name),
        TEST(first_message_stripped_of_its_type_is_refused),
        TEST(messages_out_of_their_order_are_malformed),
        TEST(proof_that_breaks_its_bounds_is_malformed),
        TEST(secrets_are_wiped_and_the_proof_stays_readable),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
