#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/remote.h"
#include "thiasos/thiasos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fake_runtime.h"

THS_MESSAGE(greet, "test.remote.greet", 1, string(name, .max = 32), u32(times))
THS_MESSAGE(tick, "test.remote.tick", 1, u64(n))
THS_MESSAGE(blob, "test.remote.blob", 1, bytes(data, .max = THS_MESSAGE_MAX))

/* Two nodes, each with its runtime and its remote; frames are carried by hand, unsealed. */
struct side {
    struct fake_runtime fake;
    struct thsi_frames *frames;
    struct thsi_remote *remote;
    struct thsi_peer *peer;  /* the other side, as a member */
    uint64_t counter;        /* of the frames it sent */
    unsigned wakes;
    char gossip[64];
    uint32_t keys_len;       /* of the record KEYS that came */
};

static struct test_env env;
static struct side a, b;

enum { A = 0xa, B = 0xb };

static const ths_ref alice = { A, 1, 1 }, bob = { B, 2, 3 };

static void wake(void *arg)
{
    ((struct side *)arg)->wakes++;
}

static void frame_back(void *arg)
{
    (void)arg;
}

static void gossip(void *arg, struct thsi_peer *peer, const uint8_t *packet, size_t len)
{
    struct side *side = arg;

    assert_non_null(peer);
    (void)snprintf(side->gossip, sizeof side->gossip, "%.*s", (int)len, (const char *)packet);
}

static void bye(void *arg, struct thsi_peer *peer, enum ths_err err, const char *why)
{
    (void)err;
    (void)why;
    (void)arg;
    (void)peer;
}

static enum ths_err keys(void *arg, struct thsi_peer *peer, const struct thsi_envelope *record)
{
    struct side *side = arg;

    (void)peer;
    side->keys_len = record->bytes_len;
    return record->kind == THSI_RECORD_KEYS ? THS_OK : THS_BAD_KEY;
}

static void begin(struct side *side, uint64_t uid, const char *name)
{
    const struct thsi_remote_hooks hooks = { wake, gossip, bye, keys, side };

    memset(side, 0, sizeof *side);
    fake_runtime_init(&side->fake, &env, uid, name);
    side->frames = thsi_frames_create(&env.env, frame_back, side);
    side->remote = thsi_remote_create(&side->fake.runtime, side->frames, &hooks);
    assert_non_null(side->remote);
}

static void finish(struct side *side)
{
    thsi_remote_destroy(side->remote);
    thsi_frames_close(side->frames);
    fake_runtime_fini(&side->fake);
}

static void connect_sides(void)
{
    a.peer = thsi_remote_member(a.remote, B, "b");
    b.peer = thsi_remote_member(b.remote, A, "a");
    assert_int_equal(thsi_remote_link_up(a.remote, a.peer), THS_OK);
    assert_int_equal(thsi_remote_link_up(b.remote, b.peer), THS_OK);
}

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 5);
    begin(&a, A, "a");
    begin(&b, B, "b");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    finish(&a);
    finish(&b);
    test_env_assert_clean(&env);
    return 0;
}

/* Take all frames of @from; those are received by @to unless it is NULL: then they are lost. */
static enum ths_err carry(struct side *from, struct side *to, bool acknowledge)
{
    struct thsi_outframe *frame;
    enum ths_err err = THS_OK;

    while ((frame = thsi_outbox_take(&from->peer->outbox, THSI_TAKE_ALL)) != NULL) {
        assert_int_equal(thsi_outbox_sent(&from->peer->outbox, frame, from->counter++), THS_OK);
        if (to && err == THS_OK)
            err = thsi_remote_receive(to->remote, to->peer, thsi_outframe_payload(frame), frame->len);
        thsi_frames_put(from->frames, frame);
        if (acknowledge)
            (void)thsi_outbox_acked(&from->peer->outbox, from->counter);
    }
    thsi_outbox_check(&from->peer->outbox);
    return err;
}

static struct thsi_signal tell(ths_ref from, ths_ref to, struct ths_type *type, const void *body)
{
    return (struct thsi_signal){ .kind = THSI_TELL, .from = from, .to = to, .deadline_ns = UINT64_MAX, .type = type,
                                 .body = body };
}

static bool key_of_nothing(const struct ths_message *msg, uint64_t *key)
{
    (void)msg, (void)key;
    return false;
}

static enum ths_err greet_bob(ths_ref from)
{
    const struct greet body = { .name = "bob", .times = 2 };
    const struct thsi_signal signal = tell(from, bob, &greet_type, &body);

    return thsi_remote_send(a.remote, &signal);
}

/* ---- Sending and receiving ---------------------------------------------------------------- */

static void tell_arrives_with_sender_receiver_and_body(void **state)
{
    const struct thsi_signal *got;
    const struct greet *body;

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    got = fake_runtime_only(&b.fake);
    body = got->body;
    assert_int_equal(got->kind, THSI_TELL);
    assert_true(ths_ref_equal(got->from, alice));
    assert_true(ths_ref_equal(got->to, bob));
    assert_string_equal(body->name, "bob");
    assert_int_equal(body->times, 2);
}

static void tells_of_a_pair_named_before_arrive_as_its(void **state)
{
    static const uint8_t stranger[] = { 0x94, 0x2a, 0x01, 0x00, 0x90 };

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(greet_bob(THS_NOBODY), THS_OK);
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(greet_bob(THS_NOBODY), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(ths_ref_equal(b.fake.delivered[i].signal.from, i % 2 ? THS_NOBODY : alice));
        assert_true(ths_ref_equal(b.fake.delivered[i].signal.to, bob));
        assert_int_equal(((const struct greet *)b.fake.delivered[i].body)->times, 2);
    }
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, stranger, sizeof stranger), THS_MALFORMED); /* nothing was named */
}

static void driver_is_woken_once_for_many_sends(void **state)
{
    (void)state;
    connect_sides();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(a.wakes, 1);
    assert_ptr_equal(thsi_remote_dirty(a.remote), a.peer);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_true(thsi_remote_clean(a.peer));
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(a.wakes, 2);
}

static void every_field_of_an_ask_arrives_and_the_deadline_as_what_is_left(void **state)
{
    const struct tick body = { .n = 7 };
    const struct thsi_signal signal = { .kind = THSI_ASK, .from = alice, .to = bob, .id = 99,
                                        .deadline_ns = env.now_ns + 1500000000, .type = &tick_type, .body = &body };
    const struct thsi_signal *got;

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_OK);
    env.now_ns += 1000000000; /* the way takes a second: clocks of two nodes are not compared */
    assert_int_equal(carry(&a, &b, true), THS_OK);
    got = fake_runtime_only(&b.fake);
    assert_int_equal(got->kind, THSI_ASK);
    assert_int_equal(got->id, 99);
    assert_true(got->deadline_ns == env.now_ns + 1500000000);
}

static void spawn_carries_all_that_the_other_node_needs(void **state)
{
    const struct greet start = { .name = "x", .times = 1 };
    const struct ths_spawn_options options = { .name = "counter-1", .mailbox = 77, .trap_exits = true, .own_thread = true,
                                               .held = true, .link = true, .monitor = true, .idle_ms = 500,
                                               .when_full = THS_LATEST_BY_KEY, .key = "name", .mailbox_bytes = UINT64_MAX,
                                               .urgent = THS_URGENT(greet), .memory_max = SIZE_MAX };
    const struct thsi_signal signal = { .kind = THSI_SPAWN, .from = alice, .to = { B, 0, 0 }, .id = 5,
                                        .deadline_ns = UINT64_MAX, .text = "counter", .options = &options,
                                        .child = 3, .incarnation = 2, .fence = 9,
                                        .type = &greet_type, .body = &start };
    const struct thsi_signal *got;

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    got = fake_runtime_only(&b.fake);
    assert_string_equal(got->text, "counter");
    assert_string_equal(got->options->name, "counter-1");
    assert_int_equal(got->options->mailbox, 77);
    assert_true(got->options->trap_exits && got->options->own_thread && got->options->held);
    assert_true(got->options->link && got->options->monitor);
    assert_int_equal(got->options->idle_ms, 500);
    assert_int_equal(got->options->when_full, THS_LATEST_BY_KEY);
    assert_string_equal(got->options->key, "name");
    assert_true(got->options->mailbox_bytes == UINT64_MAX && got->options->memory_max == SIZE_MAX);
    assert_ptr_equal(got->options->urgent[0], &greet_type);
    assert_null(got->options->urgent[1]);
    assert_int_equal(got->child, 3);
    assert_int_equal(got->incarnation, 2);
    assert_int_equal(got->fence, 9);
    assert_true(got->deadline_ns == UINT64_MAX);
    assert_string_equal(((const struct greet *)got->body)->name, "x");
}

/* Records that no node of today sends. */
static enum ths_err receive_spawn(const struct thsi_spawn_wish *wish)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_SPAWN, .from = { 1, 1 }, .id = 5, .text = "counter",
                                            .remaining_ms = THSI_REMAINING_NONE, .wish = wish };
    struct thsi_packer packer;
    uint8_t bytes[512];

    thsi_packer_init(&packer, bytes, sizeof bytes);
    assert_int_equal(thsi_envelope_pack(&envelope, &packer), THS_OK);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    return thsi_remote_receive(b.remote, b.peer, bytes, packer.len);
}

static void assert_spawn_answered(enum ths_err err)
{
    const struct thsi_signal *got;

    assert_int_equal(b.fake.count, 0);
    assert_int_equal(carry(&b, &a, true), THS_OK);
    got = fake_runtime_only(&a.fake);
    assert_int_equal(got->kind, THSI_REPLY);
    assert_int_equal(got->id, 5);
    assert_int_equal(got->err, err);
    fake_runtime_clear(&a.fake);
}

static void spawn_with_options_that_this_node_does_not_know_is_unsupported(void **state)
{
    (void)state;
    connect_sides();
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .flags = THSI_SPAWN_FLAGS + 1 }), THS_OK);
    assert_spawn_answered(THS_UNSUPPORTED);
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .flags = UINT32_MAX }), THS_OK);
    assert_spawn_answered(THS_UNSUPPORTED);
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .when_full = THS_LATEST_BY_KEY + 1 }), THS_OK);
    assert_spawn_answered(THS_UNSUPPORTED);
}

static void spawn_with_an_urgent_type_that_was_never_announced_is_malformed(void **state)
{
    (void)state;
    connect_sides();
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .urgent_count = 1, .urgent = { 60000 } }), THS_MALFORMED);
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .urgent_count = 1, .urgent = { 0 } }), THS_MALFORMED);
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .urgent_count = 1, .urgent = { UINT32_MAX } }), THS_MALFORMED);
    assert_int_equal(b.fake.count, 0);
}

static void spawn_with_an_urgent_type_that_is_unknown_here_is_refused(void **state)
{
    static const uint8_t type[] = "\x95\x20\x09\xa7unheard\x01\x02";

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, type, sizeof type - 1), THS_OK);
    assert_int_equal(carry(&b, NULL, true), THS_OK); /* that the type is refused */
    assert_int_equal(receive_spawn(&(struct thsi_spawn_wish){ .urgent_count = 1, .urgent = { 9 } }), THS_OK);
    assert_spawn_answered(THS_UNKNOWN_TYPE);
}

static void spawn_that_cannot_be_packed_is_refused_at_its_sender(void **state)
{
    static const char long_key[THSI_ENVELOPE_TEXT_MAX + 2] = { [0 ... THSI_ENVELOPE_TEXT_MAX] = 'k' };
    struct ths_type *many[THS_URGENT_MAX + 2] = { NULL };
    struct thsi_signal signal = { .kind = THSI_SPAWN, .from = alice, .to = { B, 0, 0 }, .id = 5, .text = "counter" };

    (void)state;
    connect_sides();
    for (unsigned i = 0; i <= THS_URGENT_MAX; i++)
        many[i] = &greet_type;
    signal.options = &(struct ths_spawn_options){ .when_full = THS_LATEST_BY_KEY, .key_of = key_of_nothing };
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_UNSUPPORTED);
    signal.options = &(struct ths_spawn_options){ .urgent = many };
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_INVALID);
    signal.options = &(struct ths_spawn_options){ .when_full = THS_LATEST_BY_KEY, .key = long_key };
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_TOO_BIG);
    signal.options = &(struct ths_spawn_options){ .when_full = THS_LATEST_BY_KEY, .key = "\xff" };
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_MALFORMED);
    signal.options = &(struct ths_spawn_options){ .name = "\xff" };
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_MALFORMED);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 0);
}

static void down_carries_reason_certainty_and_text(void **state)
{
    const struct thsi_signal signal = { .kind = THSI_DOWN, .from = alice, .to = bob, .id = 4,
                                        .reason = THS_REASON_CRASHED, .certainty = THS_OBSERVED,
                                        .text = "out of luck" };
    const struct thsi_signal *got;

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    got = fake_runtime_only(&b.fake);
    assert_int_equal(got->kind, THSI_DOWN);
    assert_int_equal(got->reason, THS_REASON_CRASHED);
    assert_string_equal(got->text, "out of luck");
}

static void group_tell_reaches_every_receiver_with_one_record(void **state)
{
    const struct thsi_actor_id receivers[] = { { 2, 3 }, { 4, 1 }, { 9, 9 } };
    const struct tick body = { .n = 1 };

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_group_tell(a.remote, B, alice, receivers, 3, &tick_type, &body), THS_OK);
    assert_int_equal(a.peer->outbox.queued_messages, 1);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 3);
    assert_int_equal(b.fake.delivered[2].signal.to.slot, 9);
    assert_int_equal(((const struct tick *)b.fake.delivered[1].body)->n, 1);
}

/* ---- Mailboxes under pressure -------------------------------------------------------------- */

/* Bytes for bodies; the test frees nothing, there is one for all. */
static const uint8_t *many_bytes(size_t len)
{
    static uint8_t *bytes;
    static size_t cap;

    if (len > cap) {
        bytes = realloc(bytes, len);
        assert_non_null(bytes);
        memset(bytes, 0x5a, len);
        cap = len;
    }
    return bytes;
}

static enum ths_err send_blob_to(ths_ref to, size_t len)
{
    const struct blob body = { .data = { many_bytes(len), (uint32_t)len } };
    const struct thsi_signal signal = tell(alice, to, &blob_type, &body);

    return thsi_remote_send(a.remote, &signal);
}

static enum ths_err tell_to(ths_ref to)
{
    const struct tick body = { .n = 1 };
    const struct thsi_signal signal = tell(alice, to, &tick_type, &body);

    return thsi_remote_send(a.remote, &signal);
}

static void carry_both_ways(void)
{
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(carry(&b, &a, true), THS_OK);
}

/* The mailboxes of b refuse, and a has heard of bob's. */
static void press_bob(void)
{
    connect_sides();
    b.fake.result = THS_FULL;
    b.fake.room = (struct thsi_room){ 0, 100 };
    assert_int_equal(tell_to(bob), THS_OK);
    assert_int_equal(tell_to(bob), THS_OK); /* on its way too */
    carry_both_ways();
    assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REFUSED);
    assert_int_equal(a.fake.delivered[0].signal.id, 2);
    fake_runtime_clear(&a.fake);
}

/* There are @places of 100 in bob's mailbox. */
static void make_room(uint32_t places)
{
    b.fake.result = THS_OK;
    b.fake.room = (struct thsi_room){ places, 100 };
    thsi_remote_look_for_room(b.remote);
    thsi_remote_grant(b.remote);
    carry_both_ways();
}

static unsigned tells_until_full(void)
{
    unsigned count = 0;

    while (count < 1000 && tell_to(bob) == THS_OK)
        count++;
    return count;
}

static void sender_hears_full_while_the_mailbox_there_is(void **state)
{
    const struct tick body = { .n = 1 };
    const struct thsi_signal ask = { .kind = THSI_ASK, .from = alice, .to = bob, .id = 6, .deadline_ns = UINT64_MAX,
                                     .type = &tick_type, .body = &body };
    const struct thsi_signal monitor = { .kind = THSI_MONITOR, .from = alice, .to = bob, .id = 8 };

    (void)state;
    press_bob();
    assert_int_equal(tell_to(bob), THS_FULL);
    assert_int_equal(thsi_remote_send(a.remote, &ask), THS_FULL);
    assert_int_equal(thsi_remote_send(a.remote, &monitor), THS_OK);
    assert_int_equal(tell_to((ths_ref){ B, 9, 1 }), THS_OK); /* another mailbox */
    assert_int_equal(send_blob_to(bob, 100000), THS_FULL);
}

static void granted_places_are_used_once(void **state)
{
    (void)state;
    press_bob();
    make_room(50);
    assert_int_equal(tells_until_full(), 50);
    b.fake.room.places = 0;
    carry_both_ways();
    assert_int_equal(tells_until_full(), 0);
    make_room(60);
    assert_int_equal(tells_until_full(), 60);
    assert_int_equal(a.fake.count, 0); /* nothing was refused since */
}

static void mailbox_that_keeps_up_has_no_limit_again(void **state)
{
    (void)state;
    press_bob();
    make_room(50);
    b.fake.room.places = 80;
    assert_int_equal(tells_until_full(), 50);
    carry_both_ways();
    assert_int_equal(tells_until_full(), 1000);
    assert_int_equal(b.peer->grants->count, 0);
}

static void limit_ends_with_the_actor_and_with_the_link(void **state)
{
    struct thsi_outbox_loss loss;

    (void)state;
    press_bob();
    b.fake.result = THS_GONE;
    thsi_remote_look_for_room(b.remote);
    thsi_remote_grant(b.remote);
    carry_both_ways();
    assert_int_equal(tell_to(bob), THS_OK); /* and is answered as ever */
    carry_both_ways();
    assert_int_equal(fake_runtime_only(&a.fake)->err, THS_GONE);
    b.fake.result = THS_FULL;
    assert_int_equal(tell_to(bob), THS_OK);
    carry_both_ways();
    assert_int_equal(tell_to(bob), THS_FULL);
    assert_true(thsi_remote_link_down(a.remote, a.peer, &loss));
    assert_true(thsi_remote_link_down(b.remote, b.peer, &loss));
    connect_sides();
    assert_int_equal(tell_to(bob), THS_OK);
}

static void message_that_is_refused_for_itself_uses_its_place(void **state)
{
    (void)state;
    press_bob();
    make_room(50);
    b.remote->pieces = THSI_PIECES_MAX;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(send_blob_to(bob, 100000), THS_OK);
        assert_int_equal(carry(&a, &b, true), THS_OK);
    }
    assert_int_equal(send_blob_to(bob, 100000), THS_FULL);
    b.remote->pieces = 0;
    carry_both_ways();
    assert_int_equal(send_blob_to(bob, 100000), THS_OK); /* the next places were granted */
}

static void mailboxes_beyond_the_table_refuse_one_by_one(void **state)
{
    (void)state;
    connect_sides();
    b.fake.result = THS_FULL;
    b.fake.room = (struct thsi_room){ 0, 100 };
    for (uint32_t slot = 1; slot <= THSI_CREDITS_MAX + 1; slot++)
        assert_int_equal(tell_to((ths_ref){ B, slot, 1 }), THS_OK);
    carry_both_ways();
    assert_int_equal(tell_to((ths_ref){ B, THSI_CREDITS_MAX, 1 }), THS_FULL);
    assert_int_equal(tell_to((ths_ref){ B, THSI_CREDITS_MAX + 1, 1 }), THS_OK);
    thsi_credits_check(b.peer->grants);
    thsi_credits_check(a.peer->credits);
}

/* ---- Large messages ------------------------------------------------------------------------ */

static void large_body_comes_in_pieces(void **state)
{
    const struct blob *body;

    (void)state;
    connect_sides();
    assert_int_equal(send_blob_to(bob, 9000000), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    body = fake_runtime_only(&b.fake)->body;
    assert_int_equal(body->data.len, 9000000);
    assert_memory_equal(body->data.data, many_bytes(9000000), 9000000);
    assert_true(b.remote->arena.cap <= 1024 * 1024);
    assert_int_equal(b.remote->pieces, 0);
}

static void message_over_256_mib_is_refused(void **state)
{
    (void)state;
    connect_sides();
    assert_int_equal(send_blob_to(bob, THS_MESSAGE_MAX), THS_TOO_BIG);
    assert_true(thsi_outbox_is_empty(&a.peer->outbox));
}

static void large_message_that_the_receiver_has_no_memory_for_is_refused(void **state)
{
    struct thsi_outframe *frame;

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_gossip(b.remote, A, (const uint8_t *)"", 1, false), THS_OK);
    assert_int_equal(carry(&b, &a, true), THS_OK); /* which leaves a frame for the refusal */
    assert_int_equal(send_blob_to(bob, 1000000), THS_OK);
    for (unsigned i = 0; (frame = thsi_outbox_take(&a.peer->outbox, THSI_TAKE_ALL)) != NULL; i++) {
        env.fail_at = i == 5 ? env.calls + 1 : 0;
        assert_int_equal(thsi_remote_receive(b.remote, b.peer, thsi_outframe_payload(frame), frame->len), THS_OK);
        thsi_frames_put(a.frames, frame);
    }
    assert_int_equal(b.fake.count, 0);
    assert_int_equal(b.remote->pieces, 0);
    assert_int_equal(carry(&b, &a, true), THS_OK);
    assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REFUSED);
    assert_int_equal(a.fake.delivered[0].signal.err, THS_NOMEM);
    assert_true(ths_ref_equal(a.fake.delivered[0].signal.to, alice));
    assert_int_equal(send_blob_to(bob, 1000000), THS_OK); /* the link stays */
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 1);
}

static void large_request_that_the_receiver_has_no_memory_for_is_answered(void **state)
{
    const struct blob body = { .data = { many_bytes(100000), 100000 } };
    const struct thsi_signal ask = { .kind = THSI_ASK, .from = alice, .to = bob, .id = 6, .deadline_ns = UINT64_MAX,
                                     .type = &blob_type, .body = &body };
    struct thsi_signal passed_on = ask;

    (void)state;
    connect_sides();
    passed_on.from.node = 0xc;
    assert_int_equal(thsi_remote_send(a.remote, &ask), THS_OK);
    assert_int_equal(thsi_remote_send(a.remote, &passed_on), THS_OK); /* whose asker is not known yet when it is refused */
    b.remote->pieces = THSI_PIECES_MAX; /* as if others had taken all the room */
    assert_int_equal(carry(&a, &b, true), THS_OK);
    b.remote->pieces = 0;
    assert_int_equal(carry(&b, &a, true), THS_OK);
    assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REPLY);
    assert_int_equal(a.fake.delivered[0].signal.err, THS_FULL);
    assert_int_equal(a.fake.delivered[0].signal.id, 6);
}

static void large_request_without_the_right_is_answered_though_it_did_not_come_whole(void **state)
{
    const struct blob body = { .data = { many_bytes(100000), 100000 } };
    const struct thsi_signal ask = { .kind = THSI_ASK, .from = alice, .to = bob, .id = 6, .deadline_ns = UINT64_MAX,
                                     .type = &blob_type, .body = &body };

    (void)state;
    connect_sides();
    b.peer->rights = THSI_RIGHT_SEND;
    for (unsigned whole = 0; whole < 2; whole++) {
        assert_int_equal(thsi_remote_send(a.remote, &ask), THS_OK);
        b.remote->pieces = whole ? 0 : THSI_PIECES_MAX; /* as if others had taken all the room */
        assert_int_equal(carry(&a, &b, true), THS_OK);
        b.remote->pieces = 0;
        assert_int_equal(carry(&b, &a, true), THS_OK);
        assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REPLY);
        assert_int_equal(a.fake.delivered[0].signal.err, THS_FORBIDDEN);
        assert_int_equal(a.fake.delivered[0].signal.id, 6);
        assert_int_equal(b.fake.count, 0);
        fake_runtime_clear(&a.fake);
    }
}

static void lost_link_gives_up_what_came_in_part(void **state)
{
    struct thsi_outbox_loss loss;
    struct thsi_outframe *frame;

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(send_blob_to(bob, 200000), THS_OK);
    assert_int_equal(greet_bob(alice), THS_OK); /* waits behind it */
    for (unsigned i = 0; i < 2; i++) { /* the type, the first piece */
        frame = thsi_outbox_take(&a.peer->outbox, THSI_TAKE_ALL);
        assert_int_equal(thsi_remote_receive(b.remote, b.peer, thsi_outframe_payload(frame), frame->len), THS_OK);
        thsi_frames_put(a.frames, frame);
    }
    assert_true(b.remote->pieces > 0);
    assert_true(thsi_remote_link_down(a.remote, a.peer, &loss));
    thsi_outbox_loss_fini(&loss, &env.env);
    assert_int_equal(loss.messages, 1);
    assert_true(thsi_remote_link_down(b.remote, b.peer, &loss));
    assert_int_equal(b.remote->pieces, 0);
    connect_sides();
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 2);
}

static void large_message_that_was_parked_too_long_is_answered(void **state)
{
    (void)state;
    assert_int_equal(send_blob_to(bob, 200000), THS_OK);
    assert_int_equal(thsi_remote_parked(a.remote), 1);
    assert_int_equal(send_blob_to(bob, 2000000), THS_UNKNOWN_NODE); /* over what may be parked */
    env.now_ns += THSI_PARKED_NS;
    assert_true(thsi_remote_expire(a.remote, env.now_ns) == UINT64_MAX);
    assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REFUSED);
    assert_int_equal(a.fake.delivered[0].signal.err, THS_UNKNOWN_NODE);
    assert_int_equal(thsi_remote_parked(a.remote), 0);
}

static void kill_overtakes_a_large_message(void **state)
{
    const struct thsi_signal kill = { .kind = THSI_KILL, .from = alice, .to = bob };

    (void)state;
    connect_sides();
    assert_int_equal(send_blob_to(bob, 3000000), THS_OK);
    assert_int_equal(thsi_remote_send(a.remote, &kill), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 2);
    assert_int_equal(b.fake.delivered[0].signal.kind, THSI_KILL);
}

/* One FRAGMENT record with @bytes. */
static enum ths_err receive_piece(unsigned stream, unsigned piece, const void *bytes, size_t len)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_FRAGMENT, .stream = stream, .piece = piece,
                                            .bytes = bytes, .bytes_len = (uint32_t)len };
    uint8_t record[256];
    struct thsi_packer packer;

    thsi_packer_init(&packer, record, sizeof record);
    assert_int_equal(thsi_envelope_pack(&envelope, &packer), THS_OK);
    return thsi_remote_receive(b.remote, b.peer, record, packer.len);
}

static void forged_pieces_close_the_link(void **state)
{
    static const char monitor[] = "\x96\x07\x01\x01\x02\x03\x04", bye[] = "\x92\x24\x13";
    static const char nested[] = "\x94\x28\x00\x03\xc5\x00\x01\x00", whole[] = "\x97\x01\x01\x02\x03\x04\x05\x90";

    (void)state;
    connect_sides();
    assert_int_equal(receive_piece(0, 0, "x", 1), THS_MALFORMED);
    assert_int_equal(receive_piece(0, THSI_FRAGMENT_LAST, "x", 1), THS_MALFORMED);
    assert_int_equal(receive_piece(0, 3, monitor, sizeof monitor - 1), THS_MALFORMED);
    assert_int_equal(receive_piece(0, 3, bye, sizeof bye - 1), THS_MALFORMED);
    assert_int_equal(receive_piece(0, 3, nested, sizeof nested - 1), THS_MALFORMED);
    assert_int_equal(receive_piece(0, 3, whole, sizeof whole - 1), THS_MALFORMED); /* its type was never announced */
    assert_int_equal(receive_piece(0, 3, whole, 5), THS_MALFORMED);
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, (const uint8_t *)"\x94\x28\x10\x03\xc5\x00\x01\x00", 8),
                     THS_MALFORMED); /* stream 16 */
    assert_int_equal(receive_piece(1, THSI_FRAGMENT_FIRST, "x", 1), THS_OK);
    assert_int_equal(receive_piece(1, THSI_FRAGMENT_FIRST, "x", 1), THS_MALFORMED);
    assert_int_equal(b.fake.count, 0);
}

static void gossip_needs_a_link_and_goes_to_the_hook(void **state)
{
    (void)state;
    assert_int_equal(thsi_remote_gossip(a.remote, B, (const uint8_t *)"x", 1, false), THS_UNKNOWN_NODE);
    connect_sides();
    assert_int_equal(thsi_remote_gossip(a.remote, B, (const uint8_t *)"rumour", 6, false), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_string_equal(b.gossip, "rumour");
}

static void key_records_go_to_the_hook_whose_refusal_ends_the_frame(void **state)
{
    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, (const uint8_t *)"\x92\x25\xc4\x08" "12345678", 12), THS_OK);
    assert_int_equal(b.keys_len, 8);
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, (const uint8_t *)"\x92\x26\xc4\x08" "12345678", 12),
                     THS_BAD_KEY);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

static void refused_tells_from_outside_come_back_counted(void **state)
{
    const struct thsi_signal *got;

    (void)state;
    connect_sides();
    b.fake.result = THS_FULL;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(greet_bob((ths_ref){ A, 0, 0 }), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_true(ths_ref_is_nobody(b.fake.delivered[0].signal.from));
    assert_int_equal(carry(&b, &a, true), THS_OK);
    got = fake_runtime_only(&a.fake);
    assert_int_equal(got->kind, THSI_REFUSED);
    assert_int_equal(got->err, THS_FULL);
    assert_int_equal(got->id, 5);
    assert_true(ths_ref_equal(got->from, bob));
}

static void refused_tells_of_an_actor_come_back_to_it_gathered_by_pair_and_reason(void **state)
{
    (void)state;
    connect_sides();
    b.fake.result = THS_GONE;
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(greet_bob((ths_ref){ A, 7, 7 }), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(carry(&b, &a, true), THS_OK);
    assert_int_equal(a.fake.count, 2);
    assert_true(ths_ref_equal(a.fake.delivered[0].signal.to, alice));
    assert_int_equal(a.fake.delivered[0].signal.id, 2);
    assert_int_equal(a.fake.delivered[1].signal.id, 1);
}

/* Announce @name under the number that tick has at a. */
static void announce_tick_as(const char *name, uint64_t fingerprint)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_TYPE, .version = 1, .text = name,
                                            .type_number = thsi_type_intern(&tick_type)->id,
                                            .fingerprint = fingerprint };

    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_NODE, &envelope), THS_OK);
}

/* b learns a number of a's as something else than a means by it, as if its program were another. */
static void type_is_refused(const char *name, uint64_t fingerprint, enum ths_err expected)
{
    const struct tick body = { .n = 1 };
    const struct thsi_signal first = tell(alice, bob, &tick_type, &body);
    struct thsi_signal ask = { .kind = THSI_ASK, .from = alice, .to = bob, .id = 6, .deadline_ns = UINT64_MAX,
                               .type = &tick_type, .body = &body };

    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &first), THS_OK);
    announce_tick_as(name, fingerprint);
    assert_int_equal(thsi_remote_send(a.remote, &ask), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 0);
    assert_int_equal(carry(&b, &a, true), THS_OK);
    assert_int_equal(a.fake.count, 2);
    assert_int_equal(a.fake.delivered[0].signal.kind, THSI_REPLY);
    assert_int_equal(a.fake.delivered[0].signal.err, expected);
    assert_int_equal(a.fake.delivered[1].signal.kind, THSI_REFUSED);
    assert_int_equal(a.fake.delivered[1].signal.err, expected);
    /* From now on the sender's own node refuses, until it is worth another try. */
    assert_int_equal(thsi_remote_send(a.remote, &first), expected);
    env.now_ns += 2000000000;
    assert_int_equal(thsi_remote_send(a.remote, &first), THS_OK);
}

static void unknown_type_is_answered_and_then_refused_at_the_sender(void **state)
{
    (void)state;
    type_is_refused("test.remote.unheard_of", 1, THS_UNKNOWN_TYPE);
    assert_true(test_env_logged(&env, "b does not know message test.remote.tick version 1 of a"));
}

static void other_fields_are_answered_and_then_refused_with_both_sides_named(void **state)
{
    (void)state;
    type_is_refused("test.remote.tick", 1, THS_TYPE_MISMATCH);
    assert_true(test_env_logged(&env, "b declares test.remote.tick differently"));
}

static void type_that_was_never_announced_closes_the_link(void **state)
{
    const struct tick body = { .n = 1 };
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_TELL, .from = { 1, 1 }, .to = { 2, 3 },
                                            .type_number = 4000, .type = thsi_type_intern(&tick_type), .body = &body };

    (void)state;
    connect_sides();
    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_DATA, &envelope), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_MALFORMED);
}

static void reply_without_a_body_or_an_error_closes_the_link(void **state)
{
    const struct thsi_envelope refusal = { .kind = THSI_RECORD_REPLY, .from = { 1, 1 }, .to = { 2, 3 }, .id = 9,
                                           .err = THS_GONE };
    const struct thsi_envelope nothing = { .kind = THSI_RECORD_REPLY, .from = { 1, 1 }, .to = { 2, 3 }, .id = 9 };

    (void)state;
    connect_sides();
    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_DATA, &refusal), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(fake_runtime_only(&b.fake)->err, THS_GONE);
    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_DATA, &nothing), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_MALFORMED);
    assert_int_equal(b.fake.count, 1);
}

/* What reaches b when the other side sends a REPLY with this number of an error, and a DOWN with that of a reason. */
static enum ths_err err_that_arrives(uint32_t number)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_REPLY, .from = { 1, 1 }, .to = { 2, 3 }, .id = 9, .err = number };

    fake_runtime_clear(&b.fake);
    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_DATA, &envelope), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    return fake_runtime_only(&b.fake)->err;
}

static enum ths_reason reason_that_arrives(uint32_t number)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_DOWN, .number = b.peer->control_seen + 1, .from = { 1, 1 },
                                            .to = { 2, 3 }, .id = 9, .reason = number };

    fake_runtime_clear(&b.fake);
    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_DATA, &envelope), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    return fake_runtime_only(&b.fake)->reason;
}

static void every_error_and_reason_arrives_and_unknown_ones_as_refused_and_crashed(void **state)
{
    (void)state;
    connect_sides();
#define X(name, number, text) if ((number) != THS_OK) assert_int_equal(err_that_arrives(number), THS_##name);
    THS_ERR_LIST(X)
#undef X
#define X(name, number, text) assert_int_equal(reason_that_arrives(number), THS_REASON_##name);
    THS_REASON_LIST(X)
#undef X
    assert_int_equal(err_that_arrives(60000), THS_REFUSED);
    assert_int_equal(err_that_arrives(UINT32_MAX), THS_REFUSED);
    assert_int_equal(reason_that_arrives(60000), THS_REASON_CRASHED);
}

/* ---- Two declarations of one message --------------------------------------------------------- */

THS_MESSAGE(order, "test.remote.order", 1, string(item), u32(count), opt(string, gift))

/* What other programs may declare under the name of order. This process has one table of types, so they have names of their own
 * here, and are announced as what they are there. */
THS_MESSAGE(order_newer, "test.remote.order_newer", 2, string(item), u32(count), opt(string, gift), u64(price))
THS_MESSAGE(order_moved, "test.remote.order_moved", 3, u8(count), list(u32, sizes), string(item))
THS_MESSAGE(order_other, "test.remote.order_other", 1, string(item), string(count))

/* The fingerprint that @declared has under another name and version. */
static uint64_t fingerprint_as(const struct ths_type *declared, const char *name, uint32_t version)
{
    struct ths_type type = *declared;

    type.name = name;
    type.version = version;
    return thsi_type_fingerprint(&type);
}

static void announce_as_order(struct ths_type *declared)
{
    const struct thsi_envelope envelope = {
        .kind = THSI_RECORD_TYPE, .version = declared->version, .text = "test.remote.order", .type = thsi_type_intern(declared),
        .type_number = thsi_type_intern(declared)->id,
        .fingerprint = fingerprint_as(declared, "test.remote.order", declared->version),
    };

    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_NODE, &envelope), THS_OK);
}

/* a, whose program declares order so, tells one to bob. */
static void tell_order(struct ths_type *declared, const void *body)
{
    const struct thsi_signal signal = tell(alice, bob, declared, body);

    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_OK);
    announce_as_order(declared);
    assert_int_equal(carry(&a, &b, true), THS_OK);
}

static const struct order *order_that_came(void)
{
    const struct thsi_signal *got = fake_runtime_only(&b.fake);

    assert_ptr_equal(thsi_type_intern(got->type), thsi_type_intern(&order_type));
    return got->body;
}

static void newer_declaration_that_fits_is_read_as_ours(void **state)
{
    const struct order_newer sent = { .item = "pen", .count = 3, .gift = { "card", true }, .price = 12 };

    (void)state;
    (void)thsi_type_intern(&order_type);
    connect_sides();
    tell_order(&order_newer_type, &sent);
    assert_string_equal(order_that_came()->item, "pen");
    assert_int_equal(order_that_came()->count, 3);
    assert_string_equal(order_that_came()->gift.value, "card");
    assert_int_equal(b.peer->views_count, 0);
}

static void declaration_in_another_order_is_read_by_a_table_made_for_it(void **state)
{
    static const uint32_t sizes[] = { 1, 2 };
    const struct order_moved sent = { .item = "pen", .count = 3, .sizes = { sizes, 2 } };

    (void)state;
    (void)thsi_type_intern(&order_type);
    connect_sides();
    tell_order(&order_moved_type, &sent);
    assert_string_equal(order_that_came()->item, "pen");
    assert_int_equal(order_that_came()->count, 3);
    assert_false(order_that_came()->gift.present);
    assert_int_equal(b.peer->views_count, 1);
    fake_runtime_clear(&b.fake);
    tell_order(&order_moved_type, &sent); /* announced again, as on a new link */
    assert_int_equal(order_that_came()->count, 3);
    assert_int_equal(b.peer->views_count, 1);
}

static void declaration_that_does_not_fit_is_refused_and_nothing_arrives(void **state)
{
    const struct order_other sent = { .item = "pen", .count = "three" };

    (void)state;
    (void)thsi_type_intern(&order_type);
    connect_sides();
    tell_order(&order_other_type, &sent);
    assert_int_equal(b.fake.count, 0);
    assert_int_equal(b.peer->types_in[thsi_type_intern(&order_other_type)->id].err, THS_TYPE_MISMATCH);
}

static void tables_for_other_declarations_are_bounded(void **state)
{
    struct thsi_envelope envelope = { .kind = THSI_RECORD_TYPE, .version = 3, .text = "test.remote.order",
                                      .type = thsi_type_intern(&order_moved_type),
                                      .fingerprint = fingerprint_as(&order_moved_type, "test.remote.order", 3) };

    (void)state;
    (void)thsi_type_intern(&order_type);
    connect_sides();
    for (uint32_t number = 1; number <= 1030; number++) {
        envelope.type_number = number;
        assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_NODE, &envelope), THS_OK);
        assert_int_equal(carry(&a, &b, true), THS_OK);
    }
    assert_int_equal(b.peer->views_count, 1024);
    assert_non_null(b.peer->types_in[1024].info);
    assert_null(b.peer->types_in[1025].info);
    assert_int_equal(b.peer->types_in[1025].err, THS_TYPE_MISMATCH);
    assert_int_equal(carry(&b, NULL, true), THS_OK);
}

static void description_that_is_not_of_its_fingerprint_closes_the_link(void **state)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_TYPE, .version = 3, .text = "test.remote.order", .type_number = 1,
                                            .type = thsi_type_intern(&order_moved_type), .fingerprint = 1 };

    (void)state;
    (void)thsi_type_intern(&order_type);
    connect_sides();
    assert_int_equal(thsi_outbox_put(&a.peer->outbox, THSI_CLASS_NODE, &envelope), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_MALFORMED);
}

THS_MESSAGE(tick_other, "test.remote.tick_other", 2, string(n))

static void refusal_names_both_nodes_versions_and_the_first_field(void **state)
{
    const struct tick body = { .n = 1 };
    const struct thsi_signal signal = tell(alice, bob, &tick_type, &body);
    const struct thsi_envelope refusal = {
        .kind = THSI_RECORD_TYPE_REFUSED, .version = 2, .err = THS_TYPE_MISMATCH, .type = thsi_type_intern(&tick_other_type),
        .type_number = thsi_type_intern(&tick_type)->id, .fingerprint = fingerprint_as(&tick_other_type, "test.remote.tick", 2),
    };

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_OK);
    assert_int_equal(thsi_outbox_put(&b.peer->outbox, THSI_CLASS_NODE, &refusal), THS_OK);
    assert_int_equal(carry(&b, &a, true), THS_OK);
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_TYPE_MISMATCH);
    assert_true(test_env_logged(&env, "b declares test.remote.tick differently: version 2 "));
    assert_true(test_env_logged(&env, " there, version 1 "));
    assert_true(test_env_logged(&env, " on a; field 'n' is string on b and u64 on a"));
}

/* As ths.here.caller_start and its like, whose field is an address. */
THS_MESSAGE(local, "ths.here.test", 1, u64(address))

static void type_of_this_process_alone_is_unknown_to_all_others(void **state)
{
    const struct local body = { .address = 1 };
    const struct thsi_signal signal = tell(alice, bob, &local_type, &body);

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 0);
    assert_int_equal(carry(&b, &a, true), THS_OK);
    assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REFUSED);
    assert_int_equal(fake_runtime_only(&a.fake)->err, THS_UNKNOWN_TYPE);
}

/* What a node sends that does not keep the rule: @type announced as number 1, and a record of @kind with it. */
static void receive_forged(enum thsi_record_kind kind, struct ths_type *type, const void *body)
{
    static uint64_t control; /* numbers of control records only grow */
    const struct thsi_type_info *info = thsi_type_intern(type);
    const struct thsi_actor_id receiver = { bob.slot, bob.generation };
    const struct thsi_envelope announced = { .kind = THSI_RECORD_TYPE, .type_number = 1, .text = info->name,
                                             .version = info->version, .fingerprint = info->fingerprint };
    const struct thsi_envelope record = { .kind = kind, .from = { 1, 1 }, .to = receiver, .id = 7, .number = ++control,
                                          .receivers = &receiver, .receivers_count = 1, .text = "nothing",
                                          .remaining_ms = 1000, .type_number = 1, .type = info, .body = body };
    struct thsi_packer packer;
    uint8_t bytes[1024];

    thsi_packer_init(&packer, bytes, sizeof bytes);
    assert_int_equal(thsi_envelope_pack(&announced, &packer), THS_OK);
    assert_int_equal(thsi_envelope_pack(&record, &packer), THS_OK);
    assert_int_equal(thsi_packer_finish(&packer), THS_OK);
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, bytes, packer.len), THS_OK);
}

/* Refused by the node that sends, and by the one that hears it all the same. */
static void assert_never_told(struct ths_type *type, const void *body)
{
    static const enum thsi_record_kind kinds[] = { THSI_RECORD_TELL, THSI_RECORD_GROUP_TELL, THSI_RECORD_ASK,
                                                   THSI_RECORD_SPAWN };
    const struct thsi_signal signal = tell(alice, bob, type, body);
    const struct thsi_actor_id receiver = { bob.slot, bob.generation };

    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_REFUSED);
    assert_int_equal(thsi_remote_group_tell(a.remote, B, alice, &receiver, 1, type, body), THS_REFUSED);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fake_runtime_clear(&a.fake);
        receive_forged(kinds[i], type, body);
        assert_int_equal(b.fake.count, 0);
        assert_int_equal(carry(&b, &a, true), THS_OK);
        assert_int_equal(fake_runtime_only(&a.fake)->err, THS_REFUSED);
    }
    fake_runtime_clear(&a.fake);
}

static void what_a_runtime_tells_its_own_actors_is_refused_from_other_nodes(void **state)
{
    (void)state;
    connect_sides();
    assert_never_told(&ths_down_type, &(struct ths_down){ .who = bob, .monitor = 1, .text = "" });
    assert_never_told(&ths_exited_type, &(struct ths_exited){ .who = bob, .text = "" });
    assert_never_told(&ths_started_type, &(struct ths_started){ .incarnation = 9 });
    assert_never_told(&ths_stopping_type, &(struct ths_stopping){ .text = "" });
    assert_never_told(&ths_finally_type, &(struct ths_finally){ .text = "" });
    assert_never_told(&ths_idle_type, &(struct ths_idle){ .ms = 1 });
    assert_never_told(&ths_undelivered_type, &(struct ths_undelivered){ .to = alice, .count = 1 });
    assert_never_told(&ths_enter_type, &(struct ths_enter){ 0 });
    assert_never_told(&ths_leave_type, &(struct ths_leave){ 0 });
    assert_never_told(&ths_ask_cancelled_type, &(struct ths_ask_cancelled){ .asker = alice, .id = 1 });
    assert_never_told(&ths_crashed_type, &(struct ths_crashed){ .who = alice, .text = "" });
    assert_never_told(&ths_state_wanted_type, &(struct ths_state_wanted){ 0 });
    assert_never_told(&ths_member_type, &(struct ths_member){ .uid = 1, .name = "x", .roles = "" });
    assert_never_told(&ths_group_change_type, &(struct ths_group_change){ .who = alice, .group = "g" });
    assert_never_told(&ths_child_done_type, &(struct ths_child_done){ .who = alice, .name = "x" });
}

static void reply_of_the_runtime_arrives(void **state)
{
    (void)state;
    connect_sides();
    receive_forged(THSI_RECORD_REPLY, &ths_found_type, &(struct ths_found){ .who = alice });
    assert_int_equal(fake_runtime_only(&b.fake)->kind, THSI_REPLY);
    assert_int_equal(fake_runtime_only(&b.fake)->err, THS_OK);
}

static void news_of_a_supervisor_elsewhere_arrives(void **state)
{
    (void)state;
    connect_sides();
    receive_forged(THSI_RECORD_TELL, &ths_child_restarted_type,
                   &(struct ths_child_restarted){ .name = "x", .who = alice, .incarnation = 2 });
    assert_int_equal(fake_runtime_only(&b.fake)->kind, THSI_TELL);
}

static void garbage_closes_the_link(void **state)
{
    static const uint8_t garbage[] = { 0xc1, 0xff, 0x00, 0x93 };

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, garbage, sizeof garbage), THS_MALFORMED);
    assert_int_equal(b.fake.count, 0);
}

static void every_truncation_of_a_frame_is_refused_or_shorter(void **state)
{
    struct thsi_outframe *types, *frame;

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    types = thsi_outbox_take(&a.peer->outbox, THSI_TAKE_ALL);
    frame = thsi_outbox_take(&a.peer->outbox, THSI_TAKE_ALL);
    assert_int_equal(thsi_remote_receive(b.remote, b.peer, thsi_outframe_payload(types), types->len), THS_OK);
    for (size_t len = 1; len < frame->len; len++)
        assert_int_not_equal(thsi_remote_receive(b.remote, b.peer, thsi_outframe_payload(frame), len), THS_OK);
    assert_int_equal(b.fake.count, 0);
    thsi_frames_put(a.frames, types);
    thsi_frames_put(a.frames, frame);
}

static void invalid_body_is_refused_before_it_is_packed(void **state)
{
    const struct greet body = { .name = "\xff", .times = 1 };
    const struct thsi_signal signal = tell(alice, bob, &greet_type, &body);

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &signal), THS_MALFORMED);
    assert_true(thsi_outbox_is_empty(&a.peer->outbox));
}

static void full_outbox_refuses_data_but_not_control(void **state)
{
    static uint8_t bytes[900000];
    const struct blob body = { .data = { bytes, sizeof bytes } };
    const struct thsi_signal data = tell(alice, bob, &blob_type, &body);
    const struct thsi_signal control = { .kind = THSI_LINK, .from = alice, .to = bob };
    enum ths_err err = THS_OK;

    (void)state;
    connect_sides();
    for (unsigned i = 0; i < 12 && err == THS_OK; i++)
        err = thsi_remote_send(a.remote, &data);
    assert_int_equal(err, THS_FULL);
    assert_int_equal(thsi_remote_send(a.remote, &control), THS_OK);
}

/* ---- Links that are lost ------------------------------------------------------------------ */

static void control_is_repeated_on_the_next_link_and_acted_upon_once(void **state)
{
    const struct thsi_signal monitor = { .kind = THSI_MONITOR, .from = alice, .to = bob, .id = 1 };
    const struct thsi_signal down = { .kind = THSI_DOWN, .from = alice, .to = bob, .id = 2 };
    struct thsi_outbox_loss loss;

    (void)state;
    connect_sides();
    assert_int_equal(thsi_remote_send(a.remote, &monitor), THS_OK);
    assert_int_equal(carry(&a, &b, false), THS_OK); /* arrives, the acknowledgement does not */
    assert_int_equal(thsi_remote_send(a.remote, &down), THS_OK);
    assert_int_equal(carry(&a, NULL, false), THS_OK); /* lost */
    assert_true(thsi_remote_link_down(a.remote, a.peer, &loss));
    thsi_outbox_loss_fini(&loss, &env.env);
    assert_int_equal(loss.repeated, 2);
    assert_int_equal(thsi_remote_link_up(a.remote, a.peer), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 2);
    assert_int_equal(b.fake.delivered[0].signal.kind, THSI_MONITOR);
    assert_int_equal(b.fake.delivered[1].signal.kind, THSI_DOWN);
}

static void peer_that_acknowledges_nothing_is_given_up(void **state)
{
    struct thsi_outframe *frame;
    enum ths_err err = THS_OK;
    unsigned sent = 0;

    (void)state;
    connect_sides();
    for (; err == THS_OK && sent <= THSI_OUTBOX_UNACKED_MAX; sent += err == THS_OK) {
        assert_int_equal(thsi_remote_gossip(a.remote, B, (const uint8_t *)"", 1, false), THS_OK);
        frame = thsi_outbox_take(&a.peer->outbox, THSI_TAKE_ALL);
        err = thsi_outbox_sent(&a.peer->outbox, frame, a.counter++);
        thsi_frames_put(a.frames, frame);
    }
    assert_int_equal(err, THS_TOO_MANY);
    assert_int_equal(sent, THSI_OUTBOX_UNACKED_MAX);
}

static void lost_tells_are_counted_and_not_repeated(void **state)
{
    struct thsi_outbox_loss loss;

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(carry(&a, NULL, false), THS_OK);
    assert_true(thsi_remote_link_down(a.remote, a.peer, &loss));
    assert_int_equal(loss.messages, 2);
    assert_int_equal(loss.told_count, 1);
    assert_int_equal(loss.told[0].from.slot, alice.slot);
    assert_int_equal(loss.told[0].to.slot, bob.slot);
    assert_int_equal(loss.told[0].count, 2);
    thsi_outbox_loss_fini(&loss, &env.env);
    assert_int_equal(thsi_remote_link_up(a.remote, a.peer), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 0);
}

static void types_in_use_are_announced_again_on_the_next_link(void **state)
{
    struct thsi_outbox_loss loss;

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(carry(&a, NULL, false), THS_OK); /* the announcement is lost with it */
    assert_true(thsi_remote_link_down(a.remote, a.peer, &loss));
    thsi_outbox_loss_fini(&loss, &env.env);
    assert_int_equal(thsi_remote_link_up(a.remote, a.peer), THS_OK);
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 1);
}

/* ---- Unknown and buried nodes ------------------------------------------------------------- */

static void what_was_parked_leaves_when_the_node_becomes_a_member(void **state)
{
    (void)state;
    assert_int_equal(greet_bob(alice), THS_OK);
    assert_int_equal(thsi_remote_parked(a.remote), 1);
    connect_sides();
    assert_int_equal(thsi_remote_parked(a.remote), 0);
    assert_int_equal(carry(&a, &b, true), THS_OK);
    assert_int_equal(b.fake.count, 1);
}

static void what_was_parked_too_long_is_answered(void **state)
{
    const struct tick body = { .n = 1 };
    const struct thsi_signal ask = { .kind = THSI_ASK, .from = alice, .to = bob, .id = 6, .deadline_ns = UINT64_MAX,
                                     .type = &tick_type, .body = &body };
    const struct thsi_signal monitor = { .kind = THSI_MONITOR, .from = alice, .to = bob, .id = 8 };

    (void)state;
    assert_int_equal(thsi_remote_send(a.remote, &ask), THS_OK);
    assert_int_equal(thsi_remote_send(a.remote, &monitor), THS_OK);
    assert_true(thsi_remote_expire(a.remote, env.now_ns) == env.now_ns + THSI_PARKED_NS);
    env.now_ns += THSI_PARKED_NS;
    assert_true(thsi_remote_expire(a.remote, env.now_ns) == UINT64_MAX);
    assert_int_equal(a.fake.count, 2);
    assert_int_equal(a.fake.delivered[0].signal.kind, THSI_REPLY);
    assert_int_equal(a.fake.delivered[0].signal.err, THS_UNKNOWN_NODE);
    assert_int_equal(a.fake.delivered[0].signal.id, 6);
    assert_int_equal(a.fake.delivered[1].signal.kind, THSI_DOWN);
    assert_int_equal(thsi_remote_parked(a.remote), 0);
}

static void stop_that_was_parked_too_long_is_answered_to_who_asked(void **state)
{
    const struct thsi_signal asked = { .kind = THSI_STOP, .from = alice, .to = bob, .id = 7, .deadline_ns = UINT64_MAX };
    const struct thsi_signal order = { .kind = THSI_STOP, .from = alice, .to = bob, .deadline_ns = UINT64_MAX };

    (void)state;
    assert_int_equal(thsi_remote_send(a.remote, &order), THS_OK);
    assert_int_equal(thsi_remote_send(a.remote, &asked), THS_OK);
    env.now_ns += THSI_PARKED_NS;
    assert_true(thsi_remote_expire(a.remote, env.now_ns) == UINT64_MAX);
    assert_int_equal(fake_runtime_only(&a.fake)->kind, THSI_REPLY);
    assert_int_equal(a.fake.delivered[0].signal.err, THS_UNKNOWN_NODE);
    assert_int_equal(a.fake.delivered[0].signal.id, 7);
}

static void parking_is_bounded(void **state)
{
    unsigned parked = 0;

    (void)state;
    while (parked <= THSI_PARKED_MAX && greet_bob(alice) == THS_OK)
        parked++;
    assert_int_equal(parked, THSI_PARKED_MAX);
    assert_int_equal(greet_bob(alice), THS_UNKNOWN_NODE);
}

static void buried_node_is_refused_at_once(void **state)
{
    struct thsi_outbox_loss loss;

    (void)state;
    connect_sides();
    assert_int_equal(greet_bob(alice), THS_OK);
    thsi_remote_bury(a.remote, B, &loss);
    thsi_outbox_loss_fini(&loss, &env.env);
    assert_int_equal(loss.messages, 1);
    assert_int_equal(greet_bob(alice), THS_NODE_LOST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tell_arrives_with_sender_receiver_and_body),
        TEST(tells_of_a_pair_named_before_arrive_as_its),
        TEST(driver_is_woken_once_for_many_sends),
        TEST(every_field_of_an_ask_arrives_and_the_deadline_as_what_is_left),
        TEST(spawn_carries_all_that_the_other_node_needs),
        TEST(spawn_with_options_that_this_node_does_not_know_is_unsupported),
        TEST(spawn_with_an_urgent_type_that_was_never_announced_is_malformed),
        TEST(spawn_with_an_urgent_type_that_is_unknown_here_is_refused),
        TEST(spawn_that_cannot_be_packed_is_refused_at_its_sender),
        TEST(down_carries_reason_certainty_and_text),
        TEST(group_tell_reaches_every_receiver_with_one_record),
        TEST(sender_hears_full_while_the_mailbox_there_is),
        TEST(granted_places_are_used_once),
        TEST(mailbox_that_keeps_up_has_no_limit_again),
        TEST(limit_ends_with_the_actor_and_with_the_link),
        TEST(message_that_is_refused_for_itself_uses_its_place),
        TEST(mailboxes_beyond_the_table_refuse_one_by_one),
        TEST(large_body_comes_in_pieces),
        TEST(message_over_256_mib_is_refused),
        TEST(large_message_that_the_receiver_has_no_memory_for_is_refused),
        TEST(large_request_that_the_receiver_has_no_memory_for_is_answered),
        TEST(large_request_without_the_right_is_answered_though_it_did_not_come_whole),
        TEST(lost_link_gives_up_what_came_in_part),
        TEST(large_message_that_was_parked_too_long_is_answered),
        TEST(kill_overtakes_a_large_message),
        TEST(forged_pieces_close_the_link),
        TEST(gossip_needs_a_link_and_goes_to_the_hook),
        TEST(key_records_go_to_the_hook_whose_refusal_ends_the_frame),
        TEST(refused_tells_from_outside_come_back_counted),
        TEST(refused_tells_of_an_actor_come_back_to_it_gathered_by_pair_and_reason),
        TEST(unknown_type_is_answered_and_then_refused_at_the_sender),
        TEST(other_fields_are_answered_and_then_refused_with_both_sides_named),
        TEST(newer_declaration_that_fits_is_read_as_ours),
        TEST(declaration_in_another_order_is_read_by_a_table_made_for_it),
        TEST(declaration_that_does_not_fit_is_refused_and_nothing_arrives),
        TEST(tables_for_other_declarations_are_bounded),
        TEST(description_that_is_not_of_its_fingerprint_closes_the_link),
        TEST(refusal_names_both_nodes_versions_and_the_first_field),
        TEST(type_that_was_never_announced_closes_the_link),
        TEST(reply_without_a_body_or_an_error_closes_the_link),
        TEST(every_error_and_reason_arrives_and_unknown_ones_as_refused_and_crashed),
        TEST(type_of_this_process_alone_is_unknown_to_all_others),
        TEST(what_a_runtime_tells_its_own_actors_is_refused_from_other_nodes),
        TEST(reply_of_the_runtime_arrives),
        TEST(news_of_a_supervisor_elsewhere_arrives),
        TEST(garbage_closes_the_link),
        TEST(every_truncation_of_a_frame_is_refused_or_shorter),
        TEST(invalid_body_is_refused_before_it_is_packed),
        TEST(full_outbox_refuses_data_but_not_control),
        TEST(control_is_repeated_on_the_next_link_and_acted_upon_once),
        TEST(peer_that_acknowledges_nothing_is_given_up),
        TEST(lost_tells_are_counted_and_not_repeated),
        TEST(types_in_use_are_announced_again_on_the_next_link),
        TEST(what_was_parked_leaves_when_the_node_becomes_a_member),
        TEST(what_was_parked_too_long_is_answered),
        TEST(stop_that_was_parked_too_long_is_answered_to_who_asked),
        TEST(parking_is_bounded),
        TEST(buried_node_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
