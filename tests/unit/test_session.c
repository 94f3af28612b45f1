#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "twelve bytes"
#define TEXT_LEN (sizeof TEXT - 1)

struct frame {
    uint8_t at[256];
    size_t len;
};

/* Two ends of one link. */
struct ends {
    struct thsi_session a, b;
};

static const struct thsi_noise_keys keys_a = { .send = { 1 }, .receive = { 2 } };
static const struct thsi_noise_keys keys_b = { .send = { 2 }, .receive = { 1 } };

static const uint8_t shared[THSI_KEY_SIZE] = { 42 };
static const uint8_t not_shared[THSI_KEY_SIZE] = { 43 };
static const struct thsi_session_limits limits = { .bytes = 1000, .age_ns = 5000 };
static uint64_t now_ns; /* when `seal` seals */

static struct ends new_ends(void)
{
    struct ends ends;

    now_ns = 0;
    thsi_session_init(&ends.a, &keys_a, &limits, 0);
    thsi_session_init(&ends.b, &keys_b, &limits, 0);
    return ends;
}

static struct frame seal(struct thsi_session *session, uint8_t lane, const char *text)
{
    struct frame frame;

    frame.len = strlen(text) + THSI_SEALED_OVERHEAD;
    assert_true(frame.len <= sizeof frame.at);
    memcpy(frame.at + THSI_SEALED_HEADER_SIZE, text, strlen(text));
    assert_int_equal(thsi_session_seal(session, now_ns, lane, thsi_session_received(session), frame.at, strlen(text)), THS_OK);
    return frame;
}

static enum ths_err open_frame(struct thsi_session *session, struct frame frame, struct thsi_session_frame *opened)
{
    static struct frame lent; /* what opened points into */

    lent = frame;
    return thsi_session_open(session, lent.at, lent.len, opened);
}

/* Opening @frame is refused so, and the session is as before. */
static void assert_refused(struct thsi_session *session, struct frame frame, enum ths_err expected)
{
    struct thsi_session before = *session;
    struct thsi_session_frame opened;

    assert_int_equal(open_frame(session, frame, &opened), expected);
    assert_memory_equal(session, &before, sizeof before);
}

static void assert_opens(struct thsi_session *session, struct frame frame, const char *text)
{
    struct thsi_session_frame opened;

    assert_int_equal(open_frame(session, frame, &opened), THS_OK);
    assert_int_equal(opened.payload_len, strlen(text));
    assert_memory_equal(opened.payload, text, strlen(text));
}

static void what_is_sealed_opens_with_its_header(void **state)
{
    struct ends ends = new_ends();
    struct thsi_session_frame opened;

    (void)state;
    assert_opens(&ends.a, seal(&ends.b, 0, TEXT), TEXT);
    assert_opens(&ends.b, seal(&ends.a, 0, ""), "");
    assert_int_equal(open_frame(&ends.b, seal(&ends.a, 7, TEXT), &opened), THS_OK);
    assert_int_equal(opened.lane, 7);
    assert_true(opened.counter == 1);
    assert_true(opened.ack == 1);
    assert_true(opened.missing == 0);
    assert_memory_equal(opened.payload, TEXT, TEXT_LEN);
    assert_true(thsi_session_sent(&ends.a) == 2);
    assert_true(thsi_session_received(&ends.b) == 2);
}

static void header_is_as_drawn(void **state)
{
    static const uint8_t header[THSI_SEALED_HEADER_SIZE] = {
        0, 0, 0, 48, 16, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
    };
    struct ends ends = new_ends();
    struct frame frame = { .len = TEXT_LEN + THSI_SEALED_OVERHEAD };

    (void)state;
    assert_int_equal(thsi_session_seal(&ends.a, 0, 3, UINT64_C(0x0102030405060708), frame.at, TEXT_LEN), THS_OK);
    assert_memory_equal(frame.at, header, sizeof header);
}

static void every_flipped_bit_is_forged(void **state)
{
    struct ends ends = new_ends();
    struct frame frame = seal(&ends.a, 1, TEXT);

    (void)state;
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        struct frame altered = frame;

        altered.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(&ends.b, altered, THS_FORGED);
    }
    assert_opens(&ends.b, frame, TEXT);
}

static void frame_cut_or_lengthened_is_forged(void **state)
{
    struct ends ends = new_ends();
    struct frame frame = seal(&ends.a, 1, TEXT);

    (void)state;
    for (size_t len = 0; len <= frame.len + 8; len++) {
        struct frame other = frame;

        if (len == frame.len)
            continue;
        other.len = len;
        assert_refused(&ends.b, other, THS_FORGED);
        if (len >= THSI_LENGTH_SIZE)
            thsi_put_u32(other.at, (uint32_t)(len - THSI_LENGTH_SIZE));
        assert_refused(&ends.b, other, THS_FORGED);
    }
}

static void frame_that_came_before_is_replayed(void **state)
{
    struct ends ends = new_ends();
    struct frame first = seal(&ends.a, 0, "first");
    struct frame second = seal(&ends.a, 0, "second");

    (void)state;
    assert_opens(&ends.b, first, "first");
    assert_refused(&ends.b, first, THS_REPLAYED);
    assert_opens(&ends.b, second, "second");
    assert_refused(&ends.b, first, THS_REPLAYED);
    assert_refused(&ends.b, second, THS_REPLAYED);
}

static void skipped_frames_are_a_gap_with_their_number(void **state)
{
    struct ends ends = new_ends();
    struct frame first = seal(&ends.a, 0, "first");
    struct frame fourth;
    struct thsi_session_frame opened;

    (void)state;
    (void)seal(&ends.a, 0, "second");
    (void)seal(&ends.a, 0, "third");
    fourth = seal(&ends.a, 0, "fourth");
    assert_opens(&ends.b, first, "first");
    assert_int_equal(open_frame(&ends.b, fourth, &opened), THS_GAP);
    assert_true(opened.missing == 2);
    assert_true(opened.counter == 3);
    assert_refused(&ends.b, fourth, THS_GAP);
}

static void frame_does_not_open_at_its_sender_or_in_another_session(void **state)
{
    static const struct thsi_noise_keys other_keys = { .send = { 2 }, .receive = { 3 } };
    struct ends ends = new_ends();
    struct frame frame = seal(&ends.a, 0, TEXT);
    struct thsi_session other;

    (void)state;
    assert_refused(&ends.a, frame, THS_FORGED);
    thsi_session_init(&other, &other_keys, &limits, 0);
    assert_refused(&other, frame, THS_FORGED);
}

static void new_key_is_followed_by_the_next_frame(void **state)
{
    struct ends ends = new_ends();
    struct frame before = seal(&ends.a, 0, "before");
    struct frame after, later;
    uint8_t old_key[THSI_KEY_SIZE];

    (void)state;
    memcpy(old_key, ends.a.send.key, sizeof old_key);
    thsi_session_rekey(&ends.a, 0);
    assert_memory_not_equal(ends.a.send.key, old_key, sizeof old_key);
    after = seal(&ends.a, 0, "after");
    later = seal(&ends.a, 0, "later");
    assert_opens(&ends.b, before, "before");
    assert_int_equal(ends.b.receive.phase, 0);
    assert_opens(&ends.b, after, "after");
    assert_int_equal(ends.b.receive.phase, 1);
    assert_opens(&ends.b, later, "later");
    assert_refused(&ends.b, before, THS_FORGED); /* its key is gone */
    assert_opens(&ends.a, seal(&ends.b, 0, "the other way"), "the other way");
    assert_memory_equal(ends.b.receive.key, ends.a.send.key, THSI_KEY_SIZE);
}

static void skipping_a_key_phase_is_forged(void **state)
{
    struct ends ends = new_ends();

    (void)state;
    thsi_session_rekey(&ends.a, 0);
    thsi_session_rekey(&ends.a, 0);
    assert_refused(&ends.b, seal(&ends.a, 0, TEXT), THS_FORGED);
}

static void forged_frame_of_the_next_phase_changes_no_key(void **state)
{
    struct ends ends = new_ends();
    struct frame good = seal(&ends.a, 0, TEXT);
    struct frame forged = good;

    (void)state;
    thsi_put_u16(forged.at + THSI_SEALED_PHASE_AT, 1);
    assert_refused(&ends.b, forged, THS_FORGED);
    assert_opens(&ends.b, good, TEXT);
}

static void key_phase_wraps_and_keys_go_on(void **state)
{
    struct ends ends = new_ends();
    uint8_t first[THSI_KEY_SIZE];

    (void)state;
    memcpy(first, ends.a.send.key, sizeof first);
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        thsi_session_rekey(&ends.a, 0);
        assert_opens(&ends.b, seal(&ends.a, 0, ""), "");
    }
    assert_int_equal(ends.b.receive.phase, 0);
    assert_memory_not_equal(ends.b.receive.key, first, sizeof first);
    assert_true(thsi_session_sent(&ends.a) == 65536);
}

static void old_key_is_replaced_at_its_age_and_not_before(void **state)
{
    struct ends ends = new_ends();

    (void)state;
    now_ns = limits.age_ns - 1;
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 0);
    now_ns = limits.age_ns;
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 1);
    now_ns = 2 * limits.age_ns - 1;
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 1);
    assert_int_equal(ends.b.send.phase, 0); /* each direction by its own sender */
}

/* The other side would have to skip one, which it refuses. */
static void key_that_sealed_nothing_is_not_replaced_however_old(void **state)
{
    struct ends ends = new_ends();

    (void)state;
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    thsi_session_rekey_with(&ends.a, shared, 0);
    thsi_session_await(&ends.b, shared);
    now_ns = 3 * limits.age_ns;
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 1);
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 2);
}

static void key_that_sealed_its_volume_is_replaced(void **state)
{
    struct ends ends = new_ends();
    uint64_t sealed = 0;

    (void)state;
    for (; sealed < limits.bytes; sealed += TEXT_LEN) {
        assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
        assert_int_equal(ends.a.send.phase, 0);
    }
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 1);
    assert_true(ends.a.sealed_bytes == TEXT_LEN);
}

static void endless_age_is_no_limit(void **state)
{
    const struct thsi_session_limits endless = { .bytes = UINT64_MAX, .age_ns = UINT64_MAX };
    struct ends ends = new_ends();

    (void)state;
    thsi_session_init(&ends.a, &keys_a, &endless, 77);
    now_ns = UINT64_MAX - 1;
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
    assert_int_equal(ends.a.send.phase, 0);
}

static void secret_goes_into_the_next_key_on_both_sides(void **state)
{
    struct ends ends = new_ends();
    struct frame last = seal(&ends.a, 0, "which"), first, second;
    uint8_t plain[THSI_KEY_SIZE];

    (void)state;
    memcpy(plain, ends.a.send.key, sizeof plain);
    thsi_session_rekey_with(&ends.a, shared, 0);
    first = seal(&ends.a, 0, "new");
    second = seal(&ends.a, 0, "newer");
    assert_opens(&ends.b, last, "which");
    thsi_session_await(&ends.b, shared);
    assert_opens(&ends.b, first, "new");
    assert_opens(&ends.b, second, "newer");
    assert_false(ends.b.awaits);
    assert_int_equal(sodium_is_zero(ends.b.awaited, THSI_KEY_SIZE), 1);
    assert_memory_equal(ends.a.send.key, ends.b.receive.key, THSI_KEY_SIZE);
    thsi_session_rekey(&ends.a, 0);
    assert_opens(&ends.b, seal(&ends.a, 0, TEXT), TEXT);
}

static void who_lacks_the_secret_is_left_behind(void **state)
{
    struct ends ends = new_ends();

    (void)state;
    thsi_session_rekey_with(&ends.a, shared, 0);
    thsi_session_await(&ends.b, not_shared);
    assert_refused(&ends.b, seal(&ends.a, 0, TEXT), THS_FORGED);
}

static void every_flipped_bit_of_the_first_frame_with_a_new_key_is_forged(void **state)
{
    struct ends ends = new_ends();
    struct frame frame;

    (void)state;
    thsi_session_rekey_with(&ends.a, shared, 0);
    thsi_session_await(&ends.b, shared);
    frame = seal(&ends.a, 1, TEXT);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        struct frame altered = frame;

        altered.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(&ends.b, altered, THS_FORGED);
    }
    assert_opens(&ends.b, frame, TEXT);
}

static void frame_of_the_old_or_the_plain_next_key_is_forged_once_a_secret_is_awaited(void **state)
{
    struct ends old = new_ends(), plain = new_ends();

    (void)state;
    thsi_session_await(&old.b, shared);
    assert_refused(&old.b, seal(&old.a, 0, TEXT), THS_FORGED);
    thsi_session_await(&plain.b, shared);
    thsi_session_rekey(&plain.a, 0);
    assert_refused(&plain.b, seal(&plain.a, 0, TEXT), THS_FORGED);
}

static void last_counter_is_never_used(void **state)
{
    struct ends ends = new_ends();
    struct thsi_session before;
    struct frame frame;

    (void)state;
    ends.a.send.counter = UINT64_MAX - 1;
    ends.b.receive.counter = UINT64_MAX - 1;
    frame = seal(&ends.a, 0, TEXT);
    assert_opens(&ends.b, frame, TEXT);
    before = ends.a;
    assert_int_equal(thsi_session_seal(&ends.a, 0, 0, 0, frame.at, TEXT_LEN), THS_CLOSED);
    assert_memory_equal(&ends.a, &before, sizeof before);
}

static void payload_beyond_its_bound_is_refused_before_it_is_touched(void **state)
{
    struct ends ends = new_ends();
    struct thsi_session before = ends.a;
    uint8_t *frame = malloc(THSI_SEALED_FRAME_MAX);
    struct thsi_session_frame opened;

    (void)state;
    assert_non_null(frame);
    memset(frame, 'x', THSI_SEALED_FRAME_MAX);
    assert_int_equal(thsi_session_seal(&ends.a, 0, 0, 0, frame, THSI_SEALED_PAYLOAD_MAX + 1), THS_TOO_BIG);
    assert_memory_equal(&ends.a, &before, sizeof before);
    assert_int_equal(thsi_session_seal(&ends.a, 0, 0, 0, frame, THSI_SEALED_PAYLOAD_MAX), THS_OK);
    assert_int_equal(thsi_session_open(&ends.b, frame, THSI_SEALED_FRAME_MAX, &opened), THS_OK);
    assert_int_equal(opened.payload_len, THSI_SEALED_PAYLOAD_MAX);
    free(frame);
}

static void finished_session_holds_no_key(void **state)
{
    struct ends ends = new_ends();

    (void)state;
    thsi_session_fini(&ends.a);
    thsi_session_fini(&ends.a);
    assert_true(sodium_is_zero((const uint8_t *)&ends.a, sizeof ends.a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_with_its_header),
        cmocka_unit_test(header_is_as_drawn),
        cmocka_unit_test(every_flipped_bit_is_forged),
        cmocka_unit_test(frame_cut_or_lengthened_is_forged),
        cmocka_unit_test(frame_that_came_before_is_replayed),
        cmocka_unit_test(skipped_frames_are_a_gap_with_their_number),
        cmocka_unit_test(frame_does_not_open_at_its_sender_or_in_another_session),
        cmocka_unit_test(new_key_is_followed_by_the_next_frame),
        cmocka_unit_test(skipping_a_key_phase_is_forged),
        cmocka_unit_test(forged_frame_of_the_next_phase_changes_no_key),
        cmocka_unit_test(key_phase_wraps_and_keys_go_on),
        cmocka_unit_test(old_key_is_replaced_at_its_age_and_not_before),
        cmocka_unit_test(key_that_sealed_nothing_is_not_replaced_however_old),
        cmocka_unit_test(key_that_sealed_its_volume_is_replaced),
        cmocka_unit_test(endless_age_is_no_limit),
        cmocka_unit_test(secret_goes_into_the_next_key_on_both_sides),
        cmocka_unit_test(who_lacks_the_secret_is_left_behind),
        cmocka_unit_test(every_flipped_bit_of_the_first_frame_with_a_new_key_is_forged),
        cmocka_unit_test(frame_of_the_old_or_the_plain_next_key_is_forged_once_a_secret_is_awaited),
        cmocka_unit_test(last_counter_is_never_used),
        cmocka_unit_test(payload_beyond_its_bound_is_refused_before_it_is_touched),
        cmocka_unit_test(finished_session_holds_no_key),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
