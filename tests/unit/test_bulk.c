#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/outbox.h"
#include "cluster/reassembly.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/prng.h"
#include "tests/lib/sanitized.h"
#include "tests/lib/test_env.h"

THS_MESSAGE(load, "test.bulk.load", 1, u64(n), bytes(data, .max = THS_MESSAGE_MAX))

enum { ACTORS = 4, MIB = 1 << 20, WIRE_MAX = 8192, SEEDS = SANITIZED ? 10 : 60 };

/* An outbox, a wire that the test cuts, and the other side, which notes what comes. */
static struct test_env env;
static struct thsi_frames *frames;
static struct thsi_outbox outbox;
static struct thsi_reassembly pieces;
static struct thsi_outframe *wire[WIRE_MAX];
static size_t wire_count;
static uint64_t counter, arrived, lost, controls, again;
static uint64_t seen[ACTORS][ACTORS]; /* the last number of each pair */
static uint64_t missing[ACTORS][ACTORS + 1]; /* messages of each pair, or to all: sent, not arrived, not told as lost */
static uint64_t last_number;          /* of control records */
static uint8_t *filling;              /* bytes to send */

static void frame_back(void *arg)
{
    (void)arg;
}

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 11);
    frames = thsi_frames_create(&env.env, frame_back, NULL);
    thsi_outbox_init(&outbox, &env.env, frames);
    thsi_reassembly_init(&pieces, &env.env);
    wire_count = 0;
    counter = arrived = lost = controls = again = last_number = 0;
    memset(seen, 0, sizeof seen);
    memset(missing, 0, sizeof missing);
    filling = calloc(1, 4 * MIB);
    assert_non_null(filling);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_count; i++)
        thsi_frames_put(frames, wire[i]);
    thsi_outbox_check(&outbox);
    thsi_outbox_fini(&outbox);
    thsi_reassembly_fini(&pieces);
    thsi_frames_close(frames);
    free(filling);
    test_env_assert_clean(&env);
    return 0;
}

/* ---- Sending ------------------------------------------------------------------------------ */

static struct thsi_actor_id actor(unsigned slot)
{
    return (struct thsi_actor_id){ slot, 1 };
}

static void count_sent(unsigned from, unsigned to, enum ths_err err)
{
    if (from < ACTORS)
        missing[from][to] += err == THS_OK;
}

/* Message @n of a pair, or to all actors with @to ACTORS. */
static enum ths_err put(unsigned from, unsigned to, uint64_t n, size_t len)
{
    const struct thsi_type_info *info = thsi_type_intern(&load_type);
    const struct load body = { .n = n, .data = { filling, (uint32_t)len } };
    const struct thsi_actor_id all[ACTORS] = { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 } };
    const struct thsi_envelope envelope = { .kind = to == ACTORS ? THSI_RECORD_GROUP_TELL : THSI_RECORD_TELL,
                                            .from = actor(from), .to = actor(to), .type = info, .type_number = info->id,
                                            .body = &body, .receivers = all, .receivers_count = ACTORS };
    struct thsi_bulk_item *item;
    size_t packed;
    enum ths_err err;

    assert_int_equal(thsi_message_weigh(info, &body, &packed), THS_OK);
    packed += 200;
    if (packed <= THSI_BULK_RECORD) {
        err = thsi_outbox_put(&outbox, THSI_CLASS_DATA, &envelope);
        count_sent(from, to, err);
        return err;
    }
    err = thsi_bulk_pack(&env.env, frames, THSI_CLASS_DATA, &envelope, packed, &item);
    assert_int_equal(err, THS_OK);
    err = thsi_outbox_put_bulk(&outbox, item);
    if (err != THS_OK)
        thsi_bulk_drop(&env.env, frames, item);
    count_sent(from, to, err);
    return err;
}

/* A monitor whose id is the pair's message number @n. */
static enum ths_err put_control(unsigned from, unsigned to, uint64_t n)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_MONITOR, .from = actor(from), .to = actor(to), .id = n };

    return thsi_outbox_put(&outbox, THSI_CLASS_CONTROL, &envelope);
}

static enum ths_err put_gossip(enum thsi_record_class class)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_GOSSIP, .bytes = (const uint8_t *)"x", .bytes_len = 1 };

    return thsi_outbox_put(&outbox, class, &envelope);
}

/* The next frame goes onto the wire. False: there is none. */
static bool take(unsigned what)
{
    struct thsi_outframe *frame = thsi_outbox_take(&outbox, what);

    thsi_outbox_check(&outbox);
    if (!frame)
        return false;
    assert_true(wire_count < WIRE_MAX);
    assert_int_equal(thsi_outbox_sent(&outbox, frame, counter++), THS_OK);
    wire[wire_count++] = frame;
    return true;
}

/* ---- Receiving ---------------------------------------------------------------------------- */

static void note(unsigned from, unsigned to, uint64_t n)
{
    assert_true(n > seen[from][to]);
    seen[from][to] = n;
}

static void receive(const uint8_t *bytes, size_t len);

static void take_piece(const struct thsi_envelope *envelope)
{
    bool whole;

    assert_int_equal(thsi_reassembly_add(&pieces, envelope->stream, envelope->piece, envelope->bytes, envelope->bytes_len,
                                         &whole), THS_OK);
    if (whole) {
        receive(pieces.streams[envelope->stream].bytes, pieces.streams[envelope->stream].len);
        thsi_reassembly_done(&pieces, envelope->stream, true);
    }
    thsi_reassembly_check(&pieces);
}

static void take_tell(struct thsi_envelope *envelope, struct thsi_unpacker *unpacker)
{
    static uint64_t room[8 * MIB / 8];
    struct thsi_arena arena = { .base = (uint8_t *)room, .cap = sizeof room };
    struct thsi_actor_id to;
    void *body;

    assert_int_equal(thsi_envelope_unpack_body(envelope, unpacker, thsi_type_intern(&load_type), &arena, &body), THS_OK);
    arrived++;
    if (envelope->from.slot < ACTORS)
        missing[envelope->from.slot][envelope->kind == THSI_RECORD_TELL ? envelope->to.slot : ACTORS]--;
    if (envelope->kind == THSI_RECORD_TELL)
        note(envelope->from.slot, envelope->to.slot, ((struct load *)body)->n);
    while (envelope->kind == THSI_RECORD_GROUP_TELL && thsi_envelope_next_receiver(envelope, &to))
        note(envelope->from.slot, to.slot, ((struct load *)body)->n);
}

static void receive(const uint8_t *bytes, size_t len)
{
    struct thsi_frame_pair pairs[THSI_FRAME_PAIRS_MAX];
    struct thsi_unpacker unpacker;
    unsigned count = 0;

    thsi_unpacker_init(&unpacker, bytes, len);
    while (thsi_unpack_left(&unpacker) > 0) {
        uint64_t room[32];
        struct thsi_arena texts = { .base = (uint8_t *)room, .cap = sizeof room };
        struct thsi_envelope envelope;

        assert_int_equal(thsi_envelope_unpack(&envelope, &unpacker, &texts), THS_OK);
        if (envelope.kind == THSI_RECORD_FRAGMENT) {
            take_piece(&envelope);
        } else if (envelope.kind == THSI_RECORD_MONITOR) {
            if (envelope.number <= last_number)
                continue;
            last_number = envelope.number;
            controls++;
            note(envelope.from.slot, envelope.to.slot, envelope.id);
        } else if (envelope.kind != THSI_RECORD_GOSSIP) {
            if (envelope.kind == THSI_RECORD_TELL && count < THSI_FRAME_PAIRS_MAX)
                pairs[count++] = (struct thsi_frame_pair){ envelope.from, envelope.to };
            if (envelope.kind == THSI_RECORD_AGAIN) {
                assert_true(envelope.again < count);
                envelope.from = pairs[envelope.again].from;
                envelope.to = pairs[envelope.again].to;
                envelope.kind = THSI_RECORD_TELL;
                again++;
            }
            take_tell(&envelope, &unpacker);
        }
    }
}

/* What is on the wire arrives and is acknowledged. */
static void deliver(void)
{
    for (size_t i = 0; i < wire_count; i++) {
        receive(thsi_outframe_payload(wire[i]), wire[i]->len);
        thsi_frames_put(frames, wire[i]);
    }
    wire_count = 0;
    (void)thsi_outbox_acked(&outbox, counter);
    thsi_outbox_check(&outbox);
}

static void deliver_all(void)
{
    while (take(THSI_TAKE_ALL) || wire_count > 0)
        deliver();
    assert_true(thsi_outbox_is_empty(&outbox));
    assert_int_equal(outbox.queued, 0);
    assert_int_equal(thsi_outbox_bytes(&outbox), 0);
}

/* The senders are told. All messages here are of actors, so all are told of. */
static void tell(struct thsi_outbox_loss *loss)
{
    uint64_t count = 0;

    loss->told_count = thsi_senders_gather(loss->told, loss->told_count);
    for (size_t i = 0; i < loss->told_count; i++) {
        const struct thsi_sender *entry = &loss->told[i];
        assert_true(missing[entry->from.slot][entry->to.slot] >= entry->count);
        missing[entry->from.slot][entry->to.slot] -= entry->count;
        count += entry->count;
    }
    assert_int_equal(count, loss->messages);
    lost += loss->messages;
    thsi_outbox_loss_fini(loss, &env.env);
}

static void assert_nothing_is_missing(void)
{
    for (unsigned from = 0; from < ACTORS; from++)
        for (unsigned to = 0; to <= ACTORS; to++)
            assert_int_equal(missing[from][to], 0);
}

static void cut(void)
{
    struct thsi_outbox_loss loss;

    for (size_t i = 0; i < wire_count; i++)
        thsi_frames_put(frames, wire[i]);
    wire_count = 0;
    assert_int_equal(thsi_outbox_link_lost(&outbox, &loss), THS_OK);
    tell(&loss);
    thsi_reassembly_fini(&pieces);
    thsi_outbox_check(&outbox);
}

/* ---- Facts -------------------------------------------------------------------------------- */

static void small_message_of_another_pair_leaves_between_the_pieces(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    assert_true(take(THSI_TAKE_ALL));
    assert_int_equal(put(2, 3, 1, 10), THS_OK);
    assert_true(take(THSI_TAKE_ALL));
    deliver();
    assert_int_equal(seen[2][3], 1);
    assert_int_equal(seen[0][1], 0);
    deliver_all();
    assert_int_equal(seen[0][1], 1);
}

static void small_message_of_its_pair_waits_for_the_last_piece(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    assert_int_equal(put(0, 1, 2, 10), THS_OK);
    assert_int_equal(put_control(0, 1, 3), THS_OK);
    assert_int_equal(put(0, ACTORS, 4, 10), THS_OK);
    assert_int_equal(put(0, 2, 5, 10), THS_OK); /* behind the one to all */
    deliver_all(); /* asserts the order of each pair */
    assert_int_equal(seen[0][1], 4);
    assert_int_equal(seen[0][2], 5);
    assert_int_equal(controls, 1);
}

static void large_message_waits_for_what_its_pair_sent_before(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 100; n++)
        assert_int_equal(put(0, 1, n, 10000), THS_OK);
    assert_int_equal(put(0, 1, 101, 40000), THS_OK);
    assert_int_equal(put(0, 1, 102, 3 * MIB), THS_OK);
    deliver_all();
    assert_int_equal(seen[0][1], 102);
}

static void records_of_the_node_leave_before_all(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    assert_int_equal(put(2, 3, 1, 10), THS_OK);
    assert_int_equal(put_gossip(THSI_CLASS_NODE), THS_OK);
    assert_true(take(THSI_TAKE_ALL));
    assert_int_equal(wire[0]->lane, THSI_LANE_NODE);
    while (take(THSI_TAKE_ALL)) {
    }
    assert_false(thsi_outbox_is_empty(&outbox)); /* nobody acknowledges: the window is full */
    assert_int_equal(put_gossip(THSI_CLASS_NODE), THS_OK);
    assert_true(take(THSI_TAKE_NODE));
    deliver_all();
}

static void unacknowledged_pieces_are_bounded_and_leave_room_for_others(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    while (take(THSI_TAKE_ALL)) {
    }
    assert_true(outbox.unacked_bytes < THSI_OUTBOX_BULK_WINDOW + THSI_FRAME_PAYLOAD);
    assert_int_equal(put(2, 3, 1, 10), THS_OK);
    assert_true(take(THSI_TAKE_ALL));
    deliver_all();
}

static void last_word_waits_for_every_large_message(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    assert_int_equal(put(2, 3, 1, 100000), THS_OK);
    assert_int_equal(put_gossip(THSI_CLASS_ORDERED), THS_OK);
    assert_true(take(THSI_TAKE_FULL | THSI_TAKE_PARTIAL));
    assert_int_equal(put_gossip(THSI_CLASS_LAST), THS_OK);
    assert_false(take(THSI_TAKE_FULL | THSI_TAKE_PARTIAL));
    while (outbox.bulk.head) {
        assert_false(take(THSI_TAKE_FULL | THSI_TAKE_PARTIAL));
        assert_true(take(THSI_TAKE_BULK));
        deliver();
    }
    assert_true(take(THSI_TAKE_FULL | THSI_TAKE_PARTIAL));
    deliver_all();
}

static void unfinished_messages_are_bounded_in_number_and_bytes(void **state)
{
    uint64_t count = 0;

    (void)state;
    while (put(0, 1, count + 1, 500000) == THS_OK)
        count++;
    assert_int_equal(count, THSI_BULK_BYTES_MAX / 500000);
    assert_int_equal(put(0, 1, count + 1, 100), THS_OK); /* small ones have room of their own */
    for (unsigned i = 0; i < THSI_BULK_HUGE_COUNT_MAX; i++)
        assert_int_equal(put(1, 2, i + 1, MIB), THS_OK);
    assert_int_equal(put(1, 2, 99, MIB), THS_FULL);
    deliver_all();
    for (unsigned i = 0; i < THSI_BULK_OPEN_MAX; i++)
        assert_int_equal(put(100 + i, 1, 1, 40000), THS_OK);
    assert_int_equal(put(100 + THSI_BULK_OPEN_MAX, 1, 1, 40000), THS_FULL);
}

static void records_that_wait_are_bounded(void **state)
{
    enum ths_err err = THS_OK;
    uint64_t n = 1;

    (void)state;
    assert_int_equal(put(0, 1, n, 3 * MIB), THS_OK);
    while (err == THS_OK)
        err = put(0, 1, ++n, 1000);
    assert_int_equal(err, THS_FULL);
    assert_true(n < THSI_OUTBOX_DATA_MAX / 1000);
    assert_true(env.blocks < 2 * n + 100); /* a frame and an item each, which count */
    assert_int_equal(put_control(0, 1, n), THS_OK); /* control has a reserve */
    deliver_all();
    assert_int_equal(seen[0][1], n);
}

static void lost_link_breaks_what_was_half_through_and_keeps_the_rest(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    assert_int_equal(put(0, 1, 2, 10), THS_OK);
    assert_int_equal(put_control(0, 1, 3), THS_OK);
    assert_int_equal(put(0, 1, 4, 2 * MIB), THS_OK);
    assert_true(take(THSI_TAKE_ALL));
    cut();
    assert_int_equal(lost, 1);
    deliver_all();
    assert_nothing_is_missing();
    assert_int_equal(arrived, 2);
    assert_int_equal(controls, 1);
    assert_int_equal(seen[0][1], 4);
}

static void control_that_waited_is_repeated_like_any_other(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 40000), THS_OK);
    assert_int_equal(put_control(0, 1, 2), THS_OK);
    assert_int_equal(put_control(2, 3, 1), THS_OK);
    while (take(THSI_TAKE_ALL)) {
    }
    cut();
    deliver_all();
    assert_int_equal(controls, 2);
}

static void node_that_is_buried_counts_all_that_waited(void **state)
{
    struct thsi_outbox_loss loss;

    (void)state;
    assert_int_equal(put(0, 1, 1, 3 * MIB), THS_OK);
    assert_int_equal(put(0, 1, 2, 10), THS_OK);
    assert_int_equal(put_control(0, 1, 3), THS_OK);
    assert_int_equal(put(0, 1, 4, 100000), THS_OK);
    assert_true(take(THSI_TAKE_ALL));
    thsi_outbox_clear(&outbox, &loss);
    assert_int_equal(loss.messages, 3);
    tell(&loss);
    assert_nothing_is_missing();
    assert_true(thsi_outbox_is_empty(&outbox));
}

static void pair_is_named_once_in_a_frame(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 100; n++)
        assert_int_equal(put(0, 1, n, 64), THS_OK);
    assert_int_equal(outbox.head[THSI_LANE_SIGNALS]->pairs_count, 1);
    deliver_all();
    assert_int_equal(again, 99);
    for (unsigned from = 0; from < 2 * THSI_FRAME_PAIRS_MAX; from++) /* beyond the table they are named each time */
        assert_int_equal(put(100 + from, 1, 1, 64), THS_OK);
    assert_int_equal(outbox.head[THSI_LANE_SIGNALS]->pairs_count, THSI_FRAME_PAIRS_MAX);
}

static void frame_that_is_read_record_by_record_names_each_pair(void **state)
{
    (void)state;
    outbox.plain = true;
    assert_int_equal(put(0, 1, 1, 64), THS_OK);
    assert_int_equal(put(0, 1, 2, 64), THS_OK);
    outbox.plain = false; /* the frame at hand stays what it is: its reader counts its tells */
    assert_int_equal(put(2, 3, 1, 64), THS_OK);
    assert_int_equal(put(0, 1, 3, 64), THS_OK);
    deliver_all();
    assert_int_equal(again, 0);
    assert_int_equal(arrived, 4);
}

/* So ends a link for which there was no memory, or no number left. */
static void frame_that_was_taken_and_never_sent_is_lost_with_the_link(void **state)
{
    (void)state;
    assert_int_equal(put(0, 1, 1, 10), THS_OK);
    assert_int_equal(put(2, 1, 2, 10), THS_OK);
    assert_int_equal(put_control(0, 1, 3), THS_OK);
    thsi_frames_put(frames, thsi_outbox_take(&outbox, THSI_TAKE_ALL));
    assert_int_equal(put(0, 1, 4, 10), THS_OK); /* waits for the next link */
    cut();
    assert_int_equal(lost, 2);
    deliver_all();
    assert_int_equal(controls, 1);
    assert_int_equal(arrived, 1);
    assert_nothing_is_missing();
}

/* ---- Random histories --------------------------------------------------------------------- */

static size_t any_length(struct thsi_prng *prng)
{
    static const size_t lengths[] = { 10, 10, 10, 1000, 30000, 40000, 65500, 70000, 200000, MIB, 2 * MIB };

    return lengths[thsi_prng_below(prng, sizeof lengths / sizeof *lengths)];
}

/* Returns whether something was put. */
static bool put_something(struct thsi_prng *prng, uint64_t n, uint64_t *messages, uint64_t *monitors)
{
    unsigned from = (unsigned)thsi_prng_below(prng, ACTORS), to = (unsigned)thsi_prng_below(prng, ACTORS + 1);

    if (to < ACTORS && thsi_prng_below(prng, 4) == 0) {
        bool done = put_control(from, to, n) == THS_OK;
        *monitors += done;
        return done;
    }
    if (put(from, to, n, any_length(prng)) != THS_OK)
        return false;
    (*messages)++;
    return true;
}

static void random_history(uint64_t seed, unsigned cuts_in_1000)
{
    struct thsi_prng prng;
    uint64_t messages = 0, monitors = 0;

    thsi_prng_init(&prng, seed, 0);
    for (uint64_t n = 1; n < 400; n++) {
        uint64_t draw = thsi_prng_below(&prng, 1000);
        if (draw < cuts_in_1000)
            cut();
        else if (draw < 400)
            (void)put_something(&prng, n, &messages, &monitors);
        else if (draw < 900)
            (void)take((unsigned)thsi_prng_below(&prng, 16));
        else
            deliver();
    }
    deliver_all();
    assert_int_equal(arrived + lost, messages);
    assert_nothing_is_missing();
    assert_int_equal(controls, monitors);
}

static void every_history_keeps_the_order_of_pairs_and_loses_nothing(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        random_history(seed, 0);
        assert_int_equal(lost, 0);
        (void)tear_down(state);
        (void)set_up(state);
    }
}

static void every_history_with_cuts_counts_what_is_lost(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        random_history(seed, 20);
        (void)tear_down(state);
        (void)set_up(state);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(small_message_of_another_pair_leaves_between_the_pieces),
        TEST(small_message_of_its_pair_waits_for_the_last_piece),
        TEST(large_message_waits_for_what_its_pair_sent_before),
        TEST(records_of_the_node_leave_before_all),
        TEST(unacknowledged_pieces_are_bounded_and_leave_room_for_others),
        TEST(last_word_waits_for_every_large_message),
        TEST(unfinished_messages_are_bounded_in_number_and_bytes),
        TEST(records_that_wait_are_bounded),
        TEST(lost_link_breaks_what_was_half_through_and_keeps_the_rest),
        TEST(control_that_waited_is_repeated_like_any_other),
        TEST(node_that_is_buried_counts_all_that_waited),
        TEST(pair_is_named_once_in_a_frame),
        TEST(frame_that_is_read_record_by_record_names_each_pair),
        TEST(frame_that_was_taken_and_never_sent_is_lost_with_the_link),
        TEST(every_history_keeps_the_order_of_pairs_and_loses_nothing),
        TEST(every_history_with_cuts_counts_what_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
