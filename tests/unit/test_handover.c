/* Two sides of a link whose keyrings change, step by step and in random orders, on virtual time. The records between
 * them are carried by hand, over sessions whose keys really change. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/handover.h"
#include "codec/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 3, QUEUE_MAX = 64 };

static const struct thsi_cluster_key old_key = { .secret = { 1 } }, new_key = { .secret = { 2 } },
                                     last_key = { .secret = { 3 } };

/* What one side has sent and the other has not read yet. */
struct frame {
    bool is_key;
    struct thsi_fingerprints of;
    uint8_t sealed[THSI_SEALED_OVERHEAD];
};

struct side {
    struct thsi_keyring keys;
    struct thsi_handover handover;
    struct thsi_session session;
    struct frame queue[QUEUE_MAX];
    unsigned sent, read;
};

static struct side a, b;
static uint64_t now_ns;

static const struct thsi_keyring only_old = { .keys = { { .secret = { 1 } } }, .count = 1 };

static void begin(const struct thsi_keyring *keys_a, const struct thsi_keyring *keys_b)
{
    const struct thsi_session_limits limits = { .bytes = UINT64_MAX, .age_ns = THSI_HANDOVER_GRACE_NS / 32 };
    const struct thsi_noise_keys forth = { .send = { 5 }, .receive = { 6 } }, back = { .send = { 6 }, .receive = { 5 } };
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    now_ns = 1;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    a.keys = *keys_a;
    b.keys = *keys_b;
    thsi_cluster_key_fingerprint(&keys_a->keys[0], fingerprint);
    thsi_handover_begin(&a.handover, fingerprint);
    thsi_handover_begin(&b.handover, fingerprint);
    thsi_session_init(&a.session, &forth, &limits, now_ns);
    thsi_session_init(&b.session, &back, &limits, now_ns);
}

static void send_frame(struct side *from, bool is_key, const struct thsi_fingerprints *of)
{
    struct frame *frame = &from->queue[from->sent++ % QUEUE_MAX];

    assert_true(from->sent - from->read <= QUEUE_MAX);
    frame->is_key = is_key;
    frame->of = *of;
    assert_int_equal(thsi_session_seal(&from->session, now_ns, 0, 0, frame->sealed, 0), THS_OK);
}

static void psk_of(const struct side *side, const struct thsi_fingerprint *fingerprint, uint8_t *psk)
{
    const struct thsi_cluster_key *key = thsi_keyring_find(&side->keys, fingerprint->at);

    assert_non_null(key);
    thsi_cluster_key_psk(key, psk);
}

/* Do what is to be done, as the driver does. Returns whether the link expired. */
static bool tend(struct side *side)
{
    const struct thsi_fingerprints own = thsi_handover_fingerprints(&side->keys);
    struct thsi_fingerprints target = { .count = 1 };
    enum thsi_handover_step step;
    uint8_t psk[THSI_KEY_SIZE];

    while ((step = thsi_handover_next(&side->handover, &own, now_ns, &target.of[0])) != THSI_HANDOVER_NOTHING) {
        if (step == THSI_HANDOVER_EXPIRE)
            return true;
        send_frame(side, step == THSI_HANDOVER_MOVE, step == THSI_HANDOVER_MOVE ? &target : &own);
        if (step == THSI_HANDOVER_TELL) {
            thsi_handover_told(&side->handover, &own);
            continue;
        }
        psk_of(side, &target.of[0], psk);
        thsi_session_rekey_with(&side->session, psk, now_ns);
        thsi_handover_moved(&side->handover, &target.of[0]);
    }
    return false;
}

/* Read one frame of @from; false: there is none. */
static bool read_frame(struct side *to, struct side *from)
{
    struct frame *frame = &from->queue[from->read % QUEUE_MAX];
    struct thsi_session_frame opened;
    uint8_t psk[THSI_KEY_SIZE];

    if (from->read == from->sent)
        return false;
    from->read++;
    assert_int_equal(thsi_session_open(&to->session, frame->sealed, sizeof frame->sealed, &opened), THS_OK);
    if (frame->is_key) {
        psk_of(to, &frame->of.of[0], psk);
        thsi_session_await(&to->session, psk);
        thsi_handover_followed(&to->handover, frame->of.of[0].at);
    } else if (frame->of.count > 0) {
        assert_int_equal(thsi_handover_heard(&to->handover, frame->of.of[0].at, frame->of.count * THSI_KEY_ID_SIZE),
                         THS_OK);
    }
    return true;
}

static void settle(void)
{
    bool any = true;

    while (any) {
        assert_false(tend(&a));
        assert_false(tend(&b));
        any = read_frame(&a, &b);
        any |= read_frame(&b, &a);
    }
}

static void assert_on(const struct side *side, const struct thsi_cluster_key *key)
{
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    thsi_cluster_key_fingerprint(key, fingerprint);
    assert_memory_equal(side->handover.sending.at, fingerprint, sizeof fingerprint);
    assert_memory_equal(side->handover.receiving.at, fingerprint, sizeof fingerprint);
}

static bool is_settled(const struct side *side)
{
    const struct thsi_fingerprints own = thsi_handover_fingerprints(&side->keys);

    return thsi_handover_is_settled(&side->handover, &own);
}

/* ---- Step by step ------------------------------------------------------------------------ */

static void nothing_is_said_while_both_hold_the_key_of_the_handshake_alone(void **state)
{
    (void)state;
    begin(&only_old, &only_old);
    settle();
    assert_int_equal(a.sent + b.sent, 0);
    assert_true(is_settled(&a) && is_settled(&b));
    assert_true(thsi_handover_deadline_ns(&a.handover) == UINT64_MAX);
}

static void installed_key_is_told_and_used_by_nobody(void **state)
{
    (void)state;
    begin(&only_old, &only_old);
    assert_int_equal(thsi_keyring_install(&a.keys, &new_key), THS_OK);
    settle();
    assert_int_equal(a.sent, 1);
    assert_int_equal(b.sent, 0);
    assert_on(&a, &old_key);
}

static void promoted_key_is_used_as_soon_as_the_other_side_holds_it(void **state)
{
    (void)state;
    begin(&only_old, &only_old);
    assert_int_equal(thsi_keyring_install(&a.keys, &new_key), THS_OK);
    thsi_keyring_promote(&a.keys, 1);
    settle();
    assert_on(&a, &old_key);
    assert_false(is_settled(&a));
    assert_int_equal(thsi_keyring_install(&b.keys, &new_key), THS_OK);
    settle();
    assert_int_equal(a.session.send.phase, 1); /* each direction goes by its sender's primary key */
    assert_int_equal(b.session.send.phase, 0);
    assert_false(is_settled(&a));
    thsi_keyring_promote(&b.keys, 1);
    settle();
    assert_on(&a, &new_key);
    assert_on(&b, &new_key);
    assert_true(is_settled(&a) && is_settled(&b));
}

static void removed_key_is_left_even_by_a_side_that_prefers_it(void **state)
{
    (void)state;
    begin(&only_old, &only_old);
    assert_int_equal(thsi_keyring_install(&a.keys, &new_key), THS_OK);
    assert_int_equal(thsi_keyring_install(&b.keys, &new_key), THS_OK);
    thsi_keyring_promote(&a.keys, 1);
    assert_int_equal(thsi_keyring_remove(&a.keys, 1), THS_OK);
    settle();
    assert_on(&a, &new_key);
    assert_on(&b, &new_key);
}

/* a holds the new key alone, and b the old one. */
static void part_keys(void)
{
    begin(&only_old, &only_old);
    assert_int_equal(thsi_keyring_install(&a.keys, &new_key), THS_OK);
    thsi_keyring_promote(&a.keys, 1);
    assert_int_equal(thsi_keyring_remove(&a.keys, 1), THS_OK);
    settle();
}

static void link_without_a_common_key_expires_after_the_grace_and_not_before(void **state)
{
    (void)state;
    part_keys();
    assert_true(thsi_handover_deadline_ns(&a.handover) == now_ns + THSI_HANDOVER_GRACE_NS);
    now_ns += THSI_HANDOVER_GRACE_NS - 1;
    settle();
    now_ns++;
    assert_true(tend(&a));
    assert_true(tend(&b));
}

static void common_key_within_the_grace_saves_the_link(void **state)
{
    (void)state;
    part_keys();
    now_ns += THSI_HANDOVER_GRACE_NS - 1;
    assert_int_equal(thsi_keyring_install(&b.keys, &new_key), THS_OK);
    settle();
    now_ns += 2 * THSI_HANDOVER_GRACE_NS;
    settle();
    assert_on(&a, &new_key);
    assert_true(thsi_handover_deadline_ns(&a.handover) == UINT64_MAX);
}

static void side_that_goes_on_with_a_removed_key_expires(void **state)
{
    (void)state;
    begin(&only_old, &only_old);
    assert_int_equal(thsi_keyring_install(&a.keys, &new_key), THS_OK);
    assert_int_equal(thsi_keyring_install(&b.keys, &new_key), THS_OK);
    settle();
    thsi_keyring_promote(&a.keys, 1);
    assert_int_equal(thsi_keyring_remove(&a.keys, 1), THS_OK);
    assert_false(tend(&a));
    now_ns += THSI_HANDOVER_GRACE_NS; /* and nothing comes from there */
    assert_true(tend(&a));
}

static void link_that_began_with_another_key_than_the_primary_moves_to_it(void **state)
{
    const struct thsi_keyring new_first = { .keys = { new_key, old_key }, .count = 2 };

    (void)state;
    begin(&only_old, &new_first); /* a dialed, with the old one */
    settle();
    assert_on(&a, &old_key);
    a.keys = new_first;
    settle();
    assert_on(&a, &new_key);
    assert_on(&b, &new_key);
}

static void malformed_fingerprints_are_refused(void **state)
{
    static const uint8_t bytes[(THSI_KEYRING_MAX + 1) * THSI_KEY_ID_SIZE];
    struct thsi_handover before;

    (void)state;
    begin(&only_old, &only_old);
    before = a.handover;
    assert_int_equal(thsi_handover_heard(&a.handover, bytes, 0), THS_MALFORMED);
    assert_int_equal(thsi_handover_heard(&a.handover, bytes, THSI_KEY_ID_SIZE - 1), THS_MALFORMED);
    assert_int_equal(thsi_handover_heard(&a.handover, bytes, sizeof bytes), THS_MALFORMED);
    assert_memory_equal(&a.handover, &before, sizeof before);
}

/* ---- In random orders -------------------------------------------------------------------- */

static uint32_t draw_state;

static uint32_t draw(uint32_t below)
{
    draw_state = draw_state * 1664525 + 1013904223;
    return (draw_state >> 8) % below;
}

/* One change that an operator makes in the right order on one of two nodes. */
static void change_some(struct side *side, unsigned *stage, unsigned other_stage)
{
    if (*stage == 0) {
        assert_int_equal(thsi_keyring_install(&side->keys, &last_key), THS_OK);
    } else if (*stage == 1 && other_stage >= 1) {
        thsi_keyring_promote(&side->keys, 1);
    } else if (*stage == 2 && other_stage >= 2) {
        assert_int_equal(thsi_keyring_remove(&side->keys, 1), THS_OK);
    } else {
        return;
    }
    ++*stage;
}

/* Whatever the order of changes, steps and frames, every frame opens (read_frame asserts it) and both end on the new key. */
static void orderly_change_loses_no_frame_whatever_the_order_of_events(void **state)
{
    const struct thsi_fingerprints none = { .count = 0 };

    (void)state;
    for (uint32_t seed = 0; seed < 3000; seed++) {
        unsigned stages[2] = { 0, 0 };

        draw_state = seed;
        begin(&only_old, &only_old);
        while (stages[0] < 3 || stages[1] < 3 || a.read < a.sent || b.read < b.sent) {
            bool of_a = draw(2) == 0;
            struct side *one = of_a ? &a : &b, *other = of_a ? &b : &a;
            uint32_t event = draw(12);

            if (event == 0 && a.read == a.sent && b.read == b.sent)
                change_some(one, &stages[!of_a], stages[of_a]);
            else if (event < 4)
                assert_false(tend(one));
            else if (event < 6 && one->sent - one->read < QUEUE_MAX / 2)
                send_frame(one, false, &none); /* data */
            else if (event == 6)
                now_ns += THSI_HANDOVER_GRACE_NS / 64; /* and so the session's keys grow old now and then */
            else
                (void)read_frame(one, other);
        }
        settle();
        send_frame(&a, false, &none); /* the first frame with a key makes the other side take it */
        send_frame(&b, false, &none);
        settle();
        assert_on(&a, &last_key);
        assert_on(&b, &last_key);
        assert_memory_equal(a.session.send.key, b.session.receive.key, THSI_KEY_SIZE);
        assert_memory_equal(b.session.send.key, a.session.receive.key, THSI_KEY_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_while_both_hold_the_key_of_the_handshake_alone),
        cmocka_unit_test(installed_key_is_told_and_used_by_nobody),
        cmocka_unit_test(promoted_key_is_used_as_soon_as_the_other_side_holds_it),
        cmocka_unit_test(removed_key_is_left_even_by_a_side_that_prefers_it),
        cmocka_unit_test(link_without_a_common_key_expires_after_the_grace_and_not_before),
        cmocka_unit_test(common_key_within_the_grace_saves_the_link),
        cmocka_unit_test(side_that_goes_on_with_a_removed_key_expires),
        cmocka_unit_test(link_that_began_with_another_key_than_the_primary_moves_to_it),
        cmocka_unit_test(malformed_fingerprints_are_refused),
        cmocka_unit_test(orderly_change_loses_no_frame_whatever_the_order_of_events),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
