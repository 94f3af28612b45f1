#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/handshake.h"
#include "codec/pack.h"
#include "codec/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Where the clear fields of HELLO1 are, as protocol/handshake.md draws them. */
#define VERSION_MIN_AT 9
#define VERSION_MAX_AT 11
#define KEY_ID_AT 13
#define CLUSTER_AT 21
#define NONCE_AT 37
#define NOISE_AT 53
#define NOISE2_AT 25 /* of HELLO2 */

struct frame {
    uint8_t at[THSI_HANDSHAKE_FRAME_MAX];
    size_t len;
};

struct pair {
    struct thsi_handshake initiator;
    struct thsi_handshake responder;
};

static const struct thsi_cluster_key key = { .secret = { 1, 2, 3 } };
static const struct thsi_keyring keys_in_use = { .keys = { { .secret = { 1, 2, 3 } } }, .count = 1 };
static const struct thsi_keyring other_keys = { .keys = { { .secret = { 1, 2, 4 } } }, .count = 1 };
static const uint8_t nonce[THSI_LINK_NONCE_SIZE] = { 9, 8, 7 };
static const uint8_t ephemeral_a[THSI_KEY_SIZE] = { 5 };
static const uint8_t ephemeral_b[THSI_KEY_SIZE] = { 6 };

static const struct thsi_identity node_a = { .uid = 11, .boot = 1, .name = "a", .address = "a:7400", .roles = "counter",
                                             .scopes = "default" };
static const struct thsi_identity node_b = { .uid = 22, .boot = UINT64_MAX, .incarnation = 3, .name = "b",
                                             .address = "b:7400" };

static struct thsi_handshake_config config_of(bool initiator)
{
    return (struct thsi_handshake_config){ .initiator = initiator, .keys = &keys_in_use, .cluster = "thiasos",
                                           .self = initiator ? &node_a : &node_b };
}

static struct thsi_handshake begin(struct thsi_handshake_config config)
{
    struct thsi_handshake handshake;

    assert_int_equal(thsi_handshake_init(&handshake, &config), THS_OK);
    return handshake;
}

static struct pair new_pair(void)
{
    return (struct pair){ .initiator = begin(config_of(true)), .responder = begin(config_of(false)) };
}

static struct frame start(struct thsi_handshake *initiator)
{
    struct frame frame;

    assert_int_equal(thsi_handshake_start(initiator, nonce, ephemeral_a, frame.at, sizeof frame.at, &frame.len),
                     THS_OK);
    return frame;
}

static struct frame accept_it(struct thsi_handshake *responder)
{
    struct frame frame;

    assert_int_equal(thsi_handshake_accept(responder, ephemeral_b, frame.at, sizeof frame.at, &frame.len), THS_OK);
    return frame;
}

static struct frame refuse(struct thsi_handshake *responder, enum ths_err code, const char *text)
{
    struct frame frame;

    assert_int_equal(thsi_handshake_refuse(responder, code, text, frame.at, sizeof frame.at, &frame.len), THS_OK);
    return frame;
}

static enum ths_err receive(struct thsi_handshake *handshake, const struct frame *frame)
{
    return thsi_handshake_receive(handshake, frame->at, frame->len);
}

static bool is_wiped(const void *secret, size_t len)
{
    return sodium_is_zero(secret, len) == 1;
}

static void assert_failed(struct thsi_handshake *handshake)
{
    struct frame frame = { .len = 0 };
    struct thsi_noise_keys keys;

    assert_int_equal(handshake->state, THSI_HANDSHAKE_FAILED);
    assert_true(handshake->keys == NULL);
    assert_true(is_wiped(handshake->noise.psks, sizeof handshake->noise.psks));
    assert_int_equal(receive(handshake, &frame), THS_INVALID);
    assert_int_equal(thsi_handshake_start(handshake, nonce, ephemeral_a, frame.at, sizeof frame.at, &frame.len),
                     THS_INVALID);
    assert_int_equal(thsi_handshake_accept(handshake, ephemeral_a, frame.at, sizeof frame.at, &frame.len),
                     THS_INVALID);
    assert_int_equal(thsi_handshake_finish(handshake, &keys), THS_INVALID);
}

static void assert_identity(const struct thsi_identity *got, const struct thsi_identity *expected)
{
    assert_true(got->uid == expected->uid);
    assert_true(got->boot == expected->boot);
    assert_true(got->incarnation == expected->incarnation);
    assert_string_equal(got->name, expected->name);
    assert_string_equal(got->address, expected->address);
    assert_string_equal(got->roles, expected->roles);
    assert_string_equal(got->scopes, expected->scopes);
}

/* ---- What works --------------------------------------------------------------------------- */

static void both_sides_learn_who_the_other_is_and_get_the_same_keys(void **state)
{
    struct pair pair = new_pair();
    struct frame hello1 = start(&pair.initiator);
    struct frame hello2;
    struct thsi_noise_keys ours, theirs;
    uint8_t id[THSI_NODE_ID_SIZE];

    (void)state;
    assert_int_equal(receive(&pair.responder, &hello1), THS_OK);
    assert_identity(&pair.responder.peer, &node_a);
    hello2 = accept_it(&pair.responder);
    assert_int_equal(receive(&pair.initiator, &hello2), THS_OK);
    assert_identity(&pair.initiator.peer, &node_b);
    assert_int_equal(pair.initiator.peer.version, THSI_VERSION_MAX);
    assert_int_equal(pair.responder.peer.version, THSI_VERSION_MAX);
    thsi_cluster_node_id("thiasos", "b", id);
    assert_memory_equal(pair.initiator.peer.id, id, sizeof id);

    assert_int_equal(thsi_handshake_finish(&pair.initiator, &ours), THS_OK);
    assert_int_equal(thsi_handshake_finish(&pair.responder, &theirs), THS_OK);
    assert_memory_equal(ours.send, theirs.receive, THSI_KEY_SIZE);
    assert_memory_equal(ours.receive, theirs.send, THSI_KEY_SIZE);
    assert_memory_not_equal(ours.send, ours.receive, THSI_KEY_SIZE);
    assert_int_equal(thsi_handshake_finish(&pair.initiator, &ours), THS_INVALID);
}

static void secrets_are_wiped_and_the_peer_stays_readable(void **state)
{
    struct pair pair = new_pair();
    struct frame frame = start(&pair.initiator);
    struct thsi_noise_keys keys;

    (void)state;
    assert_int_equal(receive(&pair.responder, &frame), THS_OK);
    frame = accept_it(&pair.responder);
    assert_int_equal(thsi_handshake_finish(&pair.responder, &keys), THS_OK);
    assert_true(is_wiped(pair.responder.noise.psks, sizeof pair.responder.noise.psks));
    assert_true(is_wiped(pair.responder.noise.chaining_key, THSI_HASH_SIZE));
    thsi_handshake_fini(&pair.responder);
    thsi_handshake_fini(&pair.responder);
    assert_string_equal(pair.responder.peer.name, "a");
    thsi_handshake_fini(&pair.initiator);
    assert_failed(&pair.initiator);
}

static void longest_identity_fits_a_handshake_frame(void **state)
{
    struct thsi_identity longest = { .uid = UINT64_MAX, .boot = UINT64_MAX, .incarnation = THSI_INCARNATION_MAX };
    struct thsi_handshake_config config = config_of(true);
    struct thsi_handshake initiator, responder = begin(config_of(false));
    struct frame frame;

    (void)state;
    memset(longest.name, 'n', sizeof longest.name - 1);
    memset(longest.address, 'a', sizeof longest.address - 1);
    memset(longest.roles, 'r', sizeof longest.roles - 1);
    memset(longest.scopes, 's', sizeof longest.scopes - 1);
    config.self = &longest;
    initiator = begin(config);
    frame = start(&initiator);
    assert_int_equal(receive(&responder, &frame), THS_OK);
    assert_identity(&responder.peer, &longest);
}

static void highest_common_version_is_chosen(void **state)
{
    static const struct {
        uint16_t dialing_min, dialing_max, min, max, chosen;
    } rows[] = { { 1, 3, 2, 5, 3 }, { 2, 5, 1, 3, 3 }, { 1, 9, 4, 4, 4 }, { 3, 4, 1, 2, 0 }, { 1, 2, 3, 4, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct thsi_handshake_config dialing = config_of(true), dialed = config_of(false);
        struct thsi_handshake initiator, responder;
        struct frame frame;

        dialing.version_min = rows[i].dialing_min;
        dialing.version_max = rows[i].dialing_max;
        dialed.version_min = rows[i].min;
        dialed.version_max = rows[i].max;
        initiator = begin(dialing);
        responder = begin(dialed);
        frame = start(&initiator);
        if (rows[i].chosen == 0) {
            assert_int_equal(receive(&responder, &frame), THS_BAD_VERSION);
            continue;
        }
        assert_int_equal(receive(&responder, &frame), THS_OK);
        assert_int_equal(responder.peer.version, rows[i].chosen);
        frame = accept_it(&responder);
        assert_int_equal(receive(&initiator, &frame), THS_OK);
        assert_int_equal(initiator.peer.version, rows[i].chosen);
    }
}

static void same_inputs_make_the_same_frames(void **state)
{
    struct pair first = new_pair(), second = new_pair();
    struct frame one = start(&first.initiator), two = start(&second.initiator);

    (void)state;
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.at, two.at, one.len);
}

static bool holds(const struct frame *frame, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= frame->len; i++)
        if (memcmp(frame->at + i, text, strlen(text)) == 0)
            return true;
    return false;
}

static void clear_part_tells_neither_cluster_nor_node(void **state)
{
    struct pair pair = new_pair();
    struct frame hello1 = start(&pair.initiator);

    (void)state;
    assert_true(holds(&hello1, "THS1"));
    assert_false(holds(&hello1, "thiasos"));
    assert_false(holds(&hello1, "a:7400"));
    assert_false(holds(&hello1, "counter"));
    assert_memory_equal(hello1.at + NONCE_AT, nonce, sizeof nonce);
}

/* ---- Replays, reflections, alterations ------------------------------------------------------ */

static void replayed_first_message_gives_no_keys(void **state)
{
    struct pair pair = new_pair();
    struct thsi_handshake second = begin(config_of(false));
    struct frame recorded = start(&pair.initiator);
    struct frame answer;
    struct thsi_noise_keys keys;
    const struct thsi_session_limits limits = THSI_SESSION_LIMITS_DEFAULT;
    struct thsi_session session;
    struct thsi_session_frame opened;
    uint8_t proof[THSI_SEALED_OVERHEAD];
    const uint8_t fresh[THSI_KEY_SIZE] = { 77 };

    (void)state;
    assert_int_equal(receive(&pair.responder, &recorded), THS_OK);
    answer = accept_it(&pair.responder);
    assert_int_equal(receive(&pair.initiator, &answer), THS_OK);
    assert_int_equal(thsi_handshake_finish(&pair.initiator, &keys), THS_OK);
    thsi_session_init(&session, &keys, &limits, 0);
    assert_int_equal(thsi_session_seal(&session, 0, 0, 0, proof, 0), THS_OK);

    /* The recording of the whole conversation, played again: accepted up to the first sealed frame. */
    assert_int_equal(receive(&second, &recorded), THS_OK);
    assert_int_equal(thsi_handshake_accept(&second, fresh, answer.at, sizeof answer.at, &answer.len), THS_OK);
    assert_int_equal(thsi_handshake_finish(&second, &keys), THS_OK);
    thsi_session_init(&session, &keys, &limits, 0);
    assert_int_equal(thsi_session_open(&session, proof, sizeof proof, &opened), THS_FORGED);
}

static void reflected_first_message_is_malformed(void **state)
{
    struct pair pair = new_pair();
    struct frame hello1 = start(&pair.initiator);

    (void)state;
    assert_int_equal(receive(&pair.initiator, &hello1), THS_MALFORMED);
    assert_failed(&pair.initiator);
}

static void every_flipped_bit_of_the_first_message_is_refused(void **state)
{
    struct pair pair = new_pair();
    struct frame frame = start(&pair.initiator);

    (void)state;
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        struct thsi_handshake responder = pair.responder;
        size_t byte = bit / 8;
        enum ths_err err;

        frame.at[byte] ^= (uint8_t)(1u << bit % 8);
        err = receive(&responder, &frame);
        frame.at[byte] ^= (uint8_t)(1u << bit % 8);
        if (byte < VERSION_MIN_AT)
            assert_int_equal(err, THS_MALFORMED);
        else if (byte < KEY_ID_AT)
            assert_true(err == THS_BAD_VERSION || err == THS_FORGED);
        else if (byte < NOISE_AT) /* the key id is of the nonce as well */
            assert_int_equal(err, byte >= CLUSTER_AT && byte < NONCE_AT ? THS_REFUSED : THS_BAD_KEY);
        else
            assert_int_equal(err, THS_FORGED);
        assert_failed(&responder);
        assert_true(responder.peer.uid == 0);
    }
    assert_int_equal(receive(&pair.responder, &frame), THS_OK);
}

static void every_flipped_bit_of_the_answer_is_refused(void **state)
{
    struct pair pair = new_pair();
    struct frame frame = start(&pair.initiator);

    (void)state;
    assert_int_equal(receive(&pair.responder, &frame), THS_OK);
    frame = accept_it(&pair.responder);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        struct thsi_handshake initiator = pair.initiator;
        enum ths_err err;

        frame.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = receive(&initiator, &frame);
        frame.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit == THSI_LENGTH_SIZE * 8) /* HELLO2 becomes REFUSAL: nobody can prove a refusal */
            assert_int_equal(err, THS_REFUSED);
        else
            assert_int_equal(err, bit < NOISE2_AT * 8 ? THS_MALFORMED : THS_FORGED);
        assert_failed(&initiator);
    }
    assert_int_equal(receive(&pair.initiator, &frame), THS_OK);
}

/* A frame of @len bytes whose length field agrees, as the framer would hand it over. */
static struct frame cut(const struct frame *frame, size_t len)
{
    struct frame shorter = *frame;

    shorter.len = len;
    if (len >= THSI_LENGTH_SIZE)
        thsi_put_u32(shorter.at, (uint32_t)(len - THSI_LENGTH_SIZE));
    return shorter;
}

static void half_a_handshake_is_refused_at_every_length(void **state)
{
    struct pair pair = new_pair();
    struct frame frame = start(&pair.initiator);

    (void)state;
    for (size_t len = 0; len < frame.len; len++) {
        struct thsi_handshake responder = pair.responder;
        struct frame shorter = cut(&frame, len);
        enum ths_err err = receive(&responder, &shorter);

        /* The length is no part of the clear bytes below the length field, but of the prologue. */
        assert_int_equal(err, len < NOISE_AT + THSI_KEY_SIZE + THSI_TAG_SIZE ? THS_MALFORMED : THS_FORGED);
        assert_failed(&responder);
    }
}

/* ---- Refusals --------------------------------------------------------------------------------- */

/* What a responder that differs in one thing answers, and what the initiator makes of its refusal. */
static void assert_refused(struct thsi_handshake_config dialed, enum ths_err expected)
{
    struct thsi_handshake initiator = begin(config_of(true)), responder = begin(dialed);
    struct frame frame = start(&initiator);

    assert_int_equal(receive(&responder, &frame), expected);
    assert_true(thsi_handshake_deserves_refusal(expected));
    assert_failed(&responder);
    frame = refuse(&responder, expected, NULL);
    assert_int_equal(receive(&initiator, &frame), THS_REFUSED);
    assert_int_equal(initiator.refusal.code, expected);
    assert_string_equal(initiator.refusal.text, expected == THS_BAD_VERSION
                                                    ? "it speaks protocol versions 3 to 4; update the older node"
                                                    : ths_err_text(expected));
    assert_int_equal(initiator.refusal.version_min, responder.version_min);
    assert_int_equal(initiator.refusal.version_max, responder.version_max);
    assert_failed(&initiator);
}

static void other_key_version_or_cluster_is_refused_by_name(void **state)
{
    struct thsi_handshake_config dialed = config_of(false);

    (void)state;
    dialed.keys = &other_keys;
    assert_refused(dialed, THS_BAD_KEY);
    dialed = config_of(false);
    dialed.cluster = "thiasoi";
    assert_refused(dialed, THS_REFUSED);
    dialed = config_of(false);
    dialed.version_min = THSI_VERSION_MAX + 1;
    dialed.version_max = THSI_VERSION_MAX + 2;
    assert_refused(dialed, THS_BAD_VERSION);
}

static void node_without_a_key_and_node_with_one_refuse_each_other(void **state)
{
    struct thsi_handshake_config dialed = config_of(false);
    struct thsi_keyring none;

    (void)state;
    thsi_keyring_none(&none);
    dialed.keys = &none;
    assert_refused(dialed, THS_BAD_KEY);
}

static void other_key_under_our_key_id_is_forged(void **state)
{
    struct thsi_handshake_config dialed = config_of(false);
    struct thsi_handshake initiator = begin(config_of(true)), responder;
    struct frame frame = start(&initiator);

    (void)state;
    dialed.keys = &other_keys;
    responder = begin(dialed);
    thsi_cluster_key_id(&other_keys.keys[0], nonce, frame.at + KEY_ID_AT);
    thsi_cluster_key_cluster_hash(&other_keys.keys[0], "thiasos", nonce, frame.at + CLUSTER_AT);
    assert_int_equal(receive(&responder, &frame), THS_FORGED);
    assert_false(thsi_handshake_deserves_refusal(THS_FORGED));
    assert_failed(&responder);
}

static void name_taken_reaches_the_initiator_with_its_text(void **state)
{
    struct pair pair = new_pair();
    struct frame frame = start(&pair.initiator);

    (void)state;
    assert_int_equal(receive(&pair.responder, &frame), THS_OK);
    frame = refuse(&pair.responder, THS_NAME_TAKEN, "a living node is called a\n\x1b[31m");
    assert_failed(&pair.responder);
    assert_int_equal(receive(&pair.initiator, &frame), THS_REFUSED);
    assert_int_equal(pair.initiator.refusal.code, THS_NAME_TAKEN);
    assert_string_equal(pair.initiator.refusal.text, "a living node is called a??[31m");
}

static void hostile_refusal_is_bounded_and_made_printable(void **state)
{
    struct pair pair = new_pair();
    struct thsi_handshake initiator;
    struct frame frame;
    char longest[THSI_REFUSAL_TEXT_MAX + 100];

    (void)state;
    (void)start(&pair.initiator);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    frame = refuse(&pair.responder, THS_TOO_MANY, longest);
    initiator = pair.initiator;
    assert_int_equal(receive(&initiator, &frame), THS_REFUSED);
    assert_int_equal(strlen(initiator.refusal.text), THSI_REFUSAL_TEXT_MAX);

    frame.at[13] = 0xff; /* a code of a later version */
    frame.at[frame.len - 1] = '\n';
    frame.at[frame.len - 2] = 0xff;
    initiator = pair.initiator;
    assert_int_equal(receive(&initiator, &frame), THS_REFUSED);
    assert_int_equal(initiator.refusal.code, THS_REFUSED);
    assert_string_equal(initiator.refusal.text + THSI_REFUSAL_TEXT_MAX - 3, "x??");

    frame.len++; /* one byte too long, and one too short for its fields */
    thsi_put_u32(frame.at, (uint32_t)(frame.len - THSI_LENGTH_SIZE));
    initiator = pair.initiator;
    assert_int_equal(receive(&initiator, &frame), THS_MALFORMED);
    frame = cut(&frame, 14);
    initiator = pair.initiator;
    assert_int_equal(receive(&initiator, &frame), THS_MALFORMED);
}

static void refusal_is_no_answer_for_a_responder(void **state)
{
    struct pair pair = new_pair();
    struct thsi_handshake other = begin(config_of(false));
    struct frame frame = refuse(&other, THS_CLOSED, NULL);

    (void)state;
    assert_int_equal(receive(&pair.responder, &frame), THS_MALFORMED);
    assert_int_equal(thsi_handshake_refuse(&pair.initiator, THS_CLOSED, NULL, frame.at, sizeof frame.at, &frame.len),
                     THS_INVALID);
}

/* ---- Several keys --------------------------------------------------------------------------- */

static const struct thsi_keyring old_then_new = { .keys = { { .secret = { 1, 2, 4 } }, { .secret = { 7 } },
                                                            { .secret = { 1, 2, 3 } } }, .count = 3 };

static void every_installed_key_is_accepted_and_the_primary_one_offered(void **state)
{
    for (unsigned i = 0; i < old_then_new.count; i++) {
        struct thsi_keyring dialing = { .count = 1 };
        struct thsi_handshake_config from = config_of(true), to = config_of(false);
        struct thsi_handshake initiator, responder;
        struct thsi_noise_keys ours, theirs;
        uint8_t fingerprint[THSI_KEY_ID_SIZE];
        struct frame frame;

        (void)state;
        dialing.keys[0] = old_then_new.keys[i];
        assert_int_equal(thsi_keyring_install(&dialing, &(struct thsi_cluster_key){ .secret = { 99 } }), THS_OK);
        from.keys = &dialing;
        to.keys = &old_then_new;
        initiator = begin(from);
        responder = begin(to);
        frame = start(&initiator);
        assert_int_equal(receive(&responder, &frame), THS_OK);
        frame = accept_it(&responder);
        assert_int_equal(receive(&initiator, &frame), THS_OK);
        assert_int_equal(thsi_handshake_finish(&initiator, &ours), THS_OK);
        assert_int_equal(thsi_handshake_finish(&responder, &theirs), THS_OK);
        assert_memory_equal(ours.send, theirs.receive, THSI_KEY_SIZE);
        thsi_cluster_key_fingerprint(&old_then_new.keys[i], fingerprint);
        assert_memory_equal(initiator.fingerprint, fingerprint, sizeof fingerprint);
        assert_memory_equal(responder.fingerprint, fingerprint, sizeof fingerprint);
    }
}

static void key_that_is_installed_at_the_dialing_side_alone_is_not_tried(void **state)
{
    struct thsi_handshake_config from = config_of(true);
    struct thsi_handshake initiator, responder = begin(config_of(false));
    struct frame frame;

    (void)state;
    from.keys = &old_then_new; /* ours is its last */
    initiator = begin(from);
    frame = start(&initiator);
    assert_int_equal(receive(&responder, &frame), THS_BAD_KEY);
}

static void clear_part_names_key_and_cluster_otherwise_each_time(void **state)
{
    static const uint8_t next_nonce[THSI_LINK_NONCE_SIZE] = { 9, 8, 6 };
    struct thsi_handshake first = begin(config_of(true)), second = begin(config_of(true));
    struct frame one = start(&first), two;
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    (void)state;
    assert_int_equal(thsi_handshake_start(&second, next_nonce, ephemeral_a, two.at, sizeof two.at, &two.len), THS_OK);
    assert_memory_not_equal(one.at + KEY_ID_AT, two.at + KEY_ID_AT, THSI_KEY_ID_SIZE);
    assert_memory_not_equal(one.at + CLUSTER_AT, two.at + CLUSTER_AT, THSI_CLUSTER_HASH_SIZE);
    thsi_cluster_key_fingerprint(&key, fingerprint);
    assert_memory_not_equal(one.at + KEY_ID_AT, fingerprint, sizeof fingerprint);
}

/* ---- Identities that must not pass -------------------------------------------------------------- */

static void own_identity_out_of_bounds_is_refused(void **state)
{
    struct thsi_identity bad;
    struct thsi_handshake handshake;
    struct thsi_handshake_config config = config_of(true);

    (void)state;
    config.self = &bad;
    for (int i = 0; i < 8; i++) {
        bad = node_a;
        if (i == 0)
            bad.uid = 0;
        else if (i == 1)
            bad.name[0] = '\0';
        else if (i == 2)
            strcpy(bad.name, "a@b");
        else if (i == 3)
            memset(bad.name, 'n', sizeof bad.name); /* no NUL */
        else if (i == 4)
            bad.address[0] = '\0';
        else if (i == 5)
            strcpy(bad.roles, "counter\nweb");
        else if (i == 6)
            strcpy(bad.scopes, "\xc3\x28");
        else
            memset(bad.scopes, 's', sizeof bad.scopes);
        assert_int_equal(thsi_handshake_init(&handshake, &config), THS_INVALID);
        assert_failed(&handshake);
    }
    config = config_of(true);
    config.version_min = 2;
    config.version_max = 1;
    assert_int_equal(thsi_handshake_init(&handshake, &config), THS_INVALID);
}

/* A HELLO1 with any payload, made by somebody who holds the key. */
static struct frame hello1_with(const uint8_t *payload, size_t payload_len)
{
    struct pair pair = new_pair();
    struct frame frame = start(&pair.initiator);
    struct thsi_noise noise;
    uint8_t psk[1][THSI_KEY_SIZE];
    size_t len;

    frame.len = NOISE_AT + THSI_KEY_SIZE + THSI_TAG_SIZE + payload_len;
    thsi_put_u32(frame.at, (uint32_t)(frame.len - THSI_LENGTH_SIZE));
    thsi_cluster_key_psk(&key, psk[0]);
    assert_int_equal(thsi_noise_init(&noise, &(struct thsi_noise_config){
                                                 .pattern = THSI_NOISE_NNPSK0, .initiator = true, .prologue = frame.at,
                                                 .prologue_len = NOISE_AT,
                                                 .psks = (const uint8_t(*)[THSI_KEY_SIZE])psk }), THS_OK);
    assert_int_equal(thsi_noise_write(&noise, ephemeral_a, payload, payload_len, frame.at + NOISE_AT,
                                      sizeof frame.at - NOISE_AT, &len), THS_OK);
    return frame;
}

/* Pack node_a, one field changed, and see what a responder says. */
static enum ths_err offer(uint32_t fields, uint64_t uid, const char *id_of, const char *name, const char *address,
                          uint32_t extra)
{
    struct thsi_handshake responder = begin(config_of(false));
    struct thsi_packer packer;
    uint8_t payload[512], id[THSI_NODE_ID_SIZE];
    struct frame frame;

    thsi_packer_init(&packer, payload, sizeof payload);
    thsi_pack_array(&packer, fields);
    thsi_pack_u64(&packer, 1);
    thsi_pack_u64(&packer, uid);
    thsi_pack_u64(&packer, 1);
    thsi_pack_u64(&packer, 0);
    thsi_cluster_node_id("thiasos", id_of, id);
    thsi_pack_bin(&packer, id, sizeof id);
    thsi_pack_str(&packer, name, (uint32_t)strlen(name));
    thsi_pack_str(&packer, address, (uint32_t)strlen(address));
    thsi_pack_str(&packer, "", 0);
    thsi_pack_str(&packer, "", 0);
    for (uint32_t i = 0; i < extra; i++)
        thsi_pack_str(&packer, "of a newer version", 18);
    frame = hello1_with(payload, packer.len);
    return receive(&responder, &frame);
}

static void peer_identity_out_of_bounds_is_malformed(void **state)
{
    static const uint8_t not_an_array[] = { 0x01 };
    struct thsi_handshake responder = begin(config_of(false));
    struct frame frame = hello1_with(not_an_array, sizeof not_an_array);
    char long_name[THSI_NODE_NAME_SIZE + 1];

    (void)state;
    assert_int_equal(receive(&responder, &frame), THS_MALFORMED);
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(offer(9, 11, "a", "a", "a:1", 0), THS_OK);
    assert_int_equal(offer(10, 11, "a", "a", "a:1", 1), THS_OK);
    assert_int_equal(offer(8, 11, "a", "a", "a:1", 0), THS_MALFORMED);
    assert_int_equal(offer(10, 11, "a", "a", "a:1", 0), THS_MALFORMED);
    assert_int_equal(offer(9, 11, "a", "a", "a:1", 1), THS_MALFORMED);
    assert_int_equal(offer(9, 0, "a", "a", "a:1", 0), THS_MALFORMED);
    assert_int_equal(offer(9, 11, "a\n", "a\n", "a:1", 0), THS_MALFORMED);
    assert_int_equal(offer(9, 11, "", "", "a:1", 0), THS_MALFORMED);
    assert_int_equal(offer(9, 11, long_name, long_name, "a:1", 0), THS_MALFORMED);
    assert_int_equal(offer(9, 11, "a", "a", "", 0), THS_MALFORMED);
    assert_int_equal(offer(9, 11, "a", "a", "\xff", 0), THS_MALFORMED);
}

static void id_of_another_name_is_forged(void **state)
{
    (void)state;
    assert_int_equal(offer(9, 11, "b", "a", "a:1", 0), THS_FORGED);
}

/* ---- Order and room --------------------------------------------------------------------------- */

static void out_of_turn_is_invalid_and_harmless(void **state)
{
    struct pair pair = new_pair();
    struct frame frame = { .len = 0 };
    struct thsi_noise_keys keys;

    (void)state;
    assert_int_equal(receive(&pair.initiator, &frame), THS_INVALID);
    assert_int_equal(thsi_handshake_accept(&pair.responder, ephemeral_b, frame.at, sizeof frame.at, &frame.len),
                     THS_INVALID);
    assert_int_equal(thsi_handshake_start(&pair.responder, nonce, ephemeral_b, frame.at, sizeof frame.at, &frame.len),
                     THS_INVALID);
    assert_int_equal(thsi_handshake_finish(&pair.initiator, &keys), THS_INVALID);
    frame = start(&pair.initiator);
    assert_int_equal(receive(&pair.responder, &frame), THS_OK);
    assert_int_equal(receive(&pair.responder, &frame), THS_INVALID);
    frame = accept_it(&pair.responder);
    assert_int_equal(receive(&pair.initiator, &frame), THS_OK);
    assert_int_equal(thsi_handshake_refuse(&pair.responder, THS_CLOSED, NULL, frame.at, sizeof frame.at, &frame.len),
                     THS_INVALID);
    assert_int_equal(thsi_handshake_finish(&pair.responder, &keys), THS_OK);
}

static void without_room_nothing_changes(void **state)
{
    struct pair pair = new_pair();
    struct frame frame, small;

    (void)state;
    assert_int_equal(thsi_handshake_start(&pair.initiator, nonce, ephemeral_a, small.at, 100, &small.len), THS_TOO_BIG);
    frame = start(&pair.initiator);
    assert_int_equal(receive(&pair.responder, &frame), THS_OK);
    assert_int_equal(thsi_handshake_accept(&pair.responder, ephemeral_b, small.at, 30, &small.len), THS_TOO_BIG);
    assert_int_equal(thsi_handshake_refuse(&pair.responder, THS_CLOSED, NULL, small.at, 10, &small.len), THS_TOO_BIG);
    frame = accept_it(&pair.responder);
    assert_int_equal(receive(&pair.initiator, &frame), THS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_learn_who_the_other_is_and_get_the_same_keys),
        cmocka_unit_test(secrets_are_wiped_and_the_peer_stays_readable),
        cmocka_unit_test(longest_identity_fits_a_handshake_frame),
        cmocka_unit_test(highest_common_version_is_chosen),
        cmocka_unit_test(same_inputs_make_the_same_frames),
        cmocka_unit_test(clear_part_tells_neither_cluster_nor_node),
        cmocka_unit_test(replayed_first_message_gives_no_keys),
        cmocka_unit_test(reflected_first_message_is_malformed),
        cmocka_unit_test(every_flipped_bit_of_the_first_message_is_refused),
        cmocka_unit_test(every_flipped_bit_of_the_answer_is_refused),
        cmocka_unit_test(half_a_handshake_is_refused_at_every_length),
        cmocka_unit_test(other_key_version_or_cluster_is_refused_by_name),
        cmocka_unit_test(node_without_a_key_and_node_with_one_refuse_each_other),
        cmocka_unit_test(other_key_under_our_key_id_is_forged),
        cmocka_unit_test(name_taken_reaches_the_initiator_with_its_text),
        cmocka_unit_test(hostile_refusal_is_bounded_and_made_printable),
        cmocka_unit_test(refusal_is_no_answer_for_a_responder),
        cmocka_unit_test(every_installed_key_is_accepted_and_the_primary_one_offered),
        cmocka_unit_test(key_that_is_installed_at_the_dialing_side_alone_is_not_tried),
        cmocka_unit_test(clear_part_names_key_and_cluster_otherwise_each_time),
        cmocka_unit_test(own_identity_out_of_bounds_is_refused),
        cmocka_unit_test(peer_identity_out_of_bounds_is_malformed),
        cmocka_unit_test(id_of_another_name_is_forged),
        cmocka_unit_test(out_of_turn_is_invalid_and_harmless),
        cmocka_unit_test(without_room_nothing_changes),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
