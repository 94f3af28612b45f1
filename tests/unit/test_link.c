#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/link.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "cluster/outbox.h"
#include "tests/lib/test_env.h"

static struct test_env env;
static struct thsi_keyring key_a, key_b;
static struct thsi_identity anna, bert;
static struct thsi_link_core dialer, dialed;
static uint8_t sealed[THSI_SEALED_PAYLOAD_MAX + THSI_SEALED_OVERHEAD];

static struct thsi_identity identity(uint64_t uid, const char *name)
{
    struct thsi_identity self = { .uid = uid, .boot = uid + 1, .incarnation = 1 };

    (void)snprintf(self.name, sizeof self.name, "%s", name);
    (void)snprintf(self.address, sizeof self.address, "%s:7400", name);
    (void)snprintf(self.roles, sizeof self.roles, "counter");
    (void)snprintf(self.scopes, sizeof self.scopes, "default");
    return self;
}

static int set_up(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    test_env_init(&env, 7);
    key_a = (struct thsi_keyring){ .keys = { { .secret = { 1 } } }, .count = 1 };
    key_b = (struct thsi_keyring){ .keys = { { .secret = { 2 } } }, .count = 1 };
    anna = identity(11, "anna");
    bert = identity(22, "bert");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_link_fini(&dialer);
    thsi_link_fini(&dialed);
    test_env_assert_clean(&env);
    return 0;
}

static void begin(const struct thsi_keyring *of_dialer, const char *cluster)
{
    uint8_t random[THSI_LINK_RANDOM_SIZE];

    assert_int_equal(thsi_link_init(&dialer, &env.env, true, of_dialer, cluster, &anna, NULL), THS_OK);
    assert_int_equal(thsi_link_init(&dialed, &env.env, false, &key_a, "thiasos", &bert, NULL), THS_OK);
    env.env.random(&env.env, random, sizeof random);
    assert_int_equal(thsi_link_start(&dialer, random), THS_OK);
    assert_true(dialer.out_len > 0);
}

/* Feed @to what waits in @from's out, in pieces of random size, until news or all is taken. */
static enum ths_err carry(struct thsi_link_core *from, struct thsi_link_core *to, struct thsi_link_news *news)
{
    uint8_t bytes[THSI_HANDSHAKE_FRAME_MAX];
    size_t left = from->out_len;
    const uint8_t *at = bytes;
    enum ths_err err = THS_OK;

    memcpy(bytes, from->out, left);
    from->out_len = 0;
    news->kind = THSI_NEWS_NONE;
    while (err == THS_OK && left > 0 && news->kind == THSI_NEWS_NONE) {
        uint8_t draw;
        size_t piece, taken;
        env.env.random(&env.env, &draw, 1);
        piece = 1 + draw % 40u < left ? 1 + draw % 40u : left;
        taken = piece;
        err = thsi_link_feed(to, env.now_ns, &at, &piece, news);
        left -= taken - piece;
    }
    return err;
}

static void shake_hands(void)
{
    uint8_t random[THSI_LINK_RANDOM_SIZE];
    struct thsi_link_news news;

    begin(&key_a, "thiasos");
    assert_int_equal(carry(&dialer, &dialed, &news), THS_OK);
    assert_int_equal(news.kind, THSI_NEWS_ASKED);
    assert_string_equal(dialed.handshake.peer.name, "anna");
    assert_false(dialed.verified);
    env.env.random(&env.env, random, sizeof random);
    assert_int_equal(thsi_link_accept(&dialed, env.now_ns, random), THS_OK);
    assert_int_equal(carry(&dialed, &dialer, &news), THS_OK);
    assert_int_equal(news.kind, THSI_NEWS_VERIFIED);
    assert_string_equal(dialer.handshake.peer.name, "bert");
    assert_false(dialed.verified);
    assert_int_equal(thsi_link_seal(&dialer, env.now_ns, THSI_LANE_NODE, dialer.out, 0), THS_OK);
    dialer.out_len = THSI_SEALED_OVERHEAD;
    assert_int_equal(carry(&dialer, &dialed, &news), THS_OK);
    assert_int_equal(news.kind, THSI_NEWS_VERIFIED);
}

/* Seal @text at @from; the frame is in `sealed`. Returns its length. */
static size_t seal(struct thsi_link_core *from, const char *text)
{
    size_t len = strlen(text);

    memcpy(sealed + THSI_SEALED_HEADER_SIZE, text, len);
    assert_int_equal(thsi_link_seal(from, env.now_ns, THSI_LANE_SIGNALS, sealed, len), THS_OK);
    return len + THSI_SEALED_OVERHEAD;
}

static enum ths_err feed(struct thsi_link_core *to, const uint8_t *bytes, size_t len, struct thsi_link_news *news)
{
    enum ths_err err = thsi_link_feed(to, env.now_ns, &bytes, &len, news);

    assert_true(err != THS_OK || len == 0);
    return err;
}

static void assert_text(const struct thsi_link_news *news, const char *text)
{
    assert_int_equal(news->kind, THSI_NEWS_FRAME);
    assert_int_equal(news->frame.payload_len, strlen(text));
    assert_memory_equal(news->frame.payload, text, strlen(text));
}

static void two_links_with_one_key_verify_each_other_and_carry_frames(void **state)
{
    struct thsi_link_news news;

    (void)state;
    shake_hands();
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, "there"), &news), THS_OK);
    assert_text(&news, "there");
    assert_int_equal(feed(&dialer, sealed, seal(&dialed, "and back"), &news), THS_OK);
    assert_text(&news, "and back");
}

static void proof_may_carry_the_first_payload(void **state)
{
    static const uint8_t nothing[1];
    uint8_t random[THSI_LINK_RANDOM_SIZE] = { 5 };
    struct thsi_link_news news;
    size_t none = 0;
    const uint8_t *at = nothing;

    (void)state;
    begin(&key_a, "thiasos");
    assert_int_equal(carry(&dialer, &dialed, &news), THS_OK);
    assert_int_equal(thsi_link_accept(&dialed, env.now_ns, random), THS_OK);
    assert_int_equal(carry(&dialed, &dialer, &news), THS_OK);
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, "at once"), &news), THS_OK);
    assert_int_equal(news.kind, THSI_NEWS_VERIFIED);
    assert_int_equal(thsi_link_feed(&dialed, env.now_ns, &at, &none, &news), THS_OK);
    assert_text(&news, "at once");
}

static void another_key_is_refused_with_the_reason_and_the_dialer_is_told(void **state)
{
    struct thsi_link_news news;

    (void)state;
    begin(&key_b, "thiasos");
    assert_int_equal(carry(&dialer, &dialed, &news), THS_BAD_KEY);
    assert_true(dialed.out_len > 0);
    assert_int_equal(carry(&dialed, &dialer, &news), THS_REFUSED);
    assert_int_equal(dialer.handshake.refusal.code, THS_BAD_KEY);
}

static void another_cluster_name_is_refused(void **state)
{
    struct thsi_link_news news;

    (void)state;
    begin(&key_a, "other");
    assert_int_equal(carry(&dialer, &dialed, &news), THS_REFUSED);
    assert_int_equal(carry(&dialed, &dialer, &news), THS_REFUSED);
}

static void another_protocol_version_is_refused_with_the_versions(void **state)
{
    const struct thsi_handshake_config newer = { .initiator = true, .keys = &key_a, .cluster = "thiasos",
                                                 .self = &anna, .version_min = 7, .version_max = 9 };
    uint8_t random[THSI_LINK_RANDOM_SIZE] = { 3 };
    struct thsi_link_news news;

    (void)state;
    begin(&key_a, "thiasos");
    thsi_handshake_fini(&dialer.handshake);
    assert_int_equal(thsi_handshake_init(&dialer.handshake, &newer), THS_OK);
    assert_int_equal(thsi_link_start(&dialer, random), THS_OK);
    assert_int_equal(carry(&dialer, &dialed, &news), THS_BAD_VERSION);
    assert_int_equal(carry(&dialed, &dialer, &news), THS_REFUSED);
    assert_int_equal(dialer.handshake.refusal.code, THS_BAD_VERSION);
    assert_int_equal(dialer.handshake.refusal.version_max, THSI_VERSION_MAX);
}

static void refusal_by_the_caller_reaches_the_dialer(void **state)
{
    struct thsi_link_news news;

    (void)state;
    begin(&key_a, "thiasos");
    assert_int_equal(carry(&dialer, &dialed, &news), THS_OK);
    thsi_link_refuse(&dialed, THS_NAME_TAKEN, "anna lives");
    assert_int_equal(carry(&dialed, &dialer, &news), THS_REFUSED);
    assert_int_equal(dialer.handshake.refusal.code, THS_NAME_TAKEN);
    assert_string_equal(dialer.handshake.refusal.text, "anna lives");
}

static void replayed_hello_never_becomes_a_verified_link(void **state)
{
    uint8_t hello[THSI_HANDSHAKE_FRAME_MAX], random[THSI_LINK_RANDOM_SIZE] = { 9 };
    struct thsi_link_news news;
    size_t len;

    (void)state;
    begin(&key_a, "thiasos");
    len = dialer.out_len;
    memcpy(hello, dialer.out, len);
    assert_int_equal(feed(&dialed, hello, len, &news), THS_OK);
    assert_int_equal(news.kind, THSI_NEWS_ASKED);
    assert_int_equal(thsi_link_accept(&dialed, env.now_ns, random), THS_OK);
    assert_int_not_equal(feed(&dialed, hello, len, &news), THS_OK);
    assert_false(dialed.verified);
}

static void every_flipped_bit_of_a_frame_closes_the_link(void **state)
{
    size_t len;

    (void)state;
    shake_hands();
    len = seal(&dialer, "order");
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct thsi_link_core copy = dialed;
        struct thsi_link_news news = { .kind = THSI_NEWS_NONE };
        const uint8_t *at = sealed;
        size_t left = len;
        enum ths_err err;
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = thsi_link_feed(&copy, env.now_ns, &at, &left, &news);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* A larger length makes it wait for more; never is anything opened. */
        assert_true(err != THS_OK || news.kind == THSI_NEWS_NONE);
        thsi_framer_fini(&copy.framer);
    }
}

static void replayed_frame_is_told_from_a_forged_one(void **state)
{
    uint8_t again[64];
    struct thsi_link_news news;
    size_t len;

    (void)state;
    shake_hands();
    len = seal(&dialer, "once");
    memcpy(again, sealed, len);
    assert_int_equal(feed(&dialed, sealed, len, &news), THS_OK);
    assert_int_equal(feed(&dialed, again, len, &news), THS_REPLAYED);
}

static void skipped_frame_is_a_gap_with_its_size(void **state)
{
    struct thsi_link_news news;

    (void)state;
    shake_hands();
    (void)seal(&dialer, "lost");
    (void)seal(&dialer, "lost too");
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, "after"), &news), THS_GAP);
    assert_int_equal(news.frame.missing, 2);
}

static void text_protocols_and_endless_frames_are_refused_by_their_first_bytes(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    struct thsi_link_news news;

    (void)state;
    begin(&key_a, "thiasos");
    assert_int_equal(feed(&dialed, (const uint8_t *)http, 5, &news), THS_TOO_BIG);
    assert_int_equal(dialed.out_len, 0);
    assert_int_equal(env.blocks, 0);
}

static void acknowledgement_is_owed_for_payload_only_and_rides_on_what_leaves(void **state)
{
    struct thsi_link_news news;

    (void)state;
    shake_hands();
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, ""), &news), THS_OK);
    assert_true(dialed.ack_due_ns == UINT64_MAX);
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, "data"), &news), THS_OK);
    assert_true(dialed.ack_due_ns == env.now_ns + THSI_LINK_ACK_SIGNALS_NS);
    assert_int_equal(feed(&dialer, sealed, seal(&dialed, ""), &news), THS_OK);
    assert_int_equal(news.frame.ack, 3);
    assert_true(dialed.ack_due_ns == UINT64_MAX);
}

static void many_bytes_make_the_acknowledgement_due_at_once(void **state)
{
    struct thsi_link_news news;

    (void)state;
    shake_hands();
    assert_int_equal(thsi_link_seal(&dialer, env.now_ns, THSI_LANE_SIGNALS, sealed, THSI_LINK_ACK_BYTES), THS_OK);
    assert_int_equal(feed(&dialed, sealed, THSI_LINK_ACK_BYTES + THSI_SEALED_OVERHEAD, &news), THS_OK);
    assert_true(dialed.ack_due_ns == env.now_ns);
}

static void key_is_replaced_after_an_hour_and_the_other_side_follows(void **state)
{
    struct thsi_link_news news;

    (void)state;
    shake_hands();
    env.now_ns += dialer.limits.age_ns;
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, "new key"), &news), THS_OK);
    assert_text(&news, "new key");
    assert_int_equal(dialer.session.send.phase, 1);
    assert_int_equal(dialed.session.receive.phase, 1);
    assert_int_equal(feed(&dialed, sealed, seal(&dialer, "same key"), &news), THS_OK);
    assert_int_equal(dialer.session.send.phase, 1);
}

static void frames_in_random_pieces_arrive_whole_and_in_order(void **state)
{
    uint8_t stream[8192];
    size_t len = 0, expected = 0;
    const uint8_t *at = stream;

    (void)state;
    shake_hands();
    for (unsigned i = 0; i < 60; i++) {
        char text[32];
        size_t frame_len;
        (void)snprintf(text, sizeof text, "frame %u", i);
        frame_len = seal(&dialer, text);
        memcpy(stream + len, sealed, frame_len);
        len += frame_len;
    }
    while (len > 0) {
        struct thsi_link_news news;
        char text[32];
        uint8_t draw;
        size_t piece, taken;
        env.env.random(&env.env, &draw, 1);
        piece = draw < len ? draw : len;
        taken = piece;
        assert_int_equal(thsi_link_feed(&dialed, env.now_ns, &at, &piece, &news), THS_OK);
        len -= taken - piece;
        if (news.kind != THSI_NEWS_FRAME)
            continue;
        (void)snprintf(text, sizeof text, "frame %zu", expected++);
        assert_text(&news, text);
    }
    assert_int_equal(expected, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_links_with_one_key_verify_each_other_and_carry_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proof_may_carry_the_first_payload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_key_is_refused_with_the_reason_and_the_dialer_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_cluster_name_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_protocol_version_is_refused_with_the_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusal_by_the_caller_reaches_the_dialer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replayed_hello_never_becomes_a_verified_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_bit_of_a_frame_closes_the_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replayed_frame_is_told_from_a_forged_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(skipped_frame_is_a_gap_with_its_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_protocols_and_endless_frames_are_refused_by_their_first_bytes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(acknowledgement_is_owed_for_payload_only_and_rides_on_what_leaves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_bytes_make_the_acknowledgement_due_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_is_replaced_after_an_hour_and_the_other_side_follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(frames_in_random_pieces_arrive_whole_and_in_order, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
