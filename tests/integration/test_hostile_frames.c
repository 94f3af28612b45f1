/* Peers that hold the cluster's key and break the protocol: frames that were touched on their way, records that are none. The
 * node closes the link and counts why. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"
#include "tests/lib/siege.h"

#include <string.h>

/* ---- Sealed frames that were touched on their way ------------------------------------------ */

static void write_bye(void)
{
    forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_BYE });
}

static void frame_with_one_bit_flipped_is_forged(void **state)
{
    size_t len;

    (void)state;
    siege_forger_joins();
    write_bye();
    len = forger_seal(siege.forger, THSI_LANE_SIGNALS);
    siege.forger->bytes[THSI_SEALED_HEADER_SIZE] ^= 4;
    (void)forger_send_bytes(siege.forger, len);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_FORGED, 1);
    siege_members_are_served();
}

static void frame_that_comes_twice_is_a_replay(void **state)
{
    size_t len;

    (void)state;
    siege_forger_joins();
    write_bye();
    len = forger_seal(siege.forger, THSI_LANE_SIGNALS);
    (void)forger_send_bytes(siege.forger, len);
    (void)forger_send_bytes(siege.forger, len);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_REPLAYED, 1);
    siege_members_are_served();
}

static void frame_that_was_skipped_is_a_gap(void **state)
{
    (void)state;
    siege_forger_joins();
    write_bye();
    (void)forger_seal(siege.forger, THSI_LANE_SIGNALS);
    write_bye();
    (void)forger_send(siege.forger);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_GAP, 1);
    siege_members_are_served();
}

static void frames_in_another_order_are_a_gap(void **state)
{
    static uint8_t first[256];
    size_t first_len, len;

    (void)state;
    siege_forger_joins();
    write_bye();
    first_len = forger_seal(siege.forger, THSI_LANE_SIGNALS);
    assert_true(first_len <= sizeof first);
    memcpy(first, siege.forger->bytes, first_len);
    write_bye();
    len = forger_seal(siege.forger, THSI_LANE_SIGNALS);
    (void)forger_send_bytes(siege.forger, len);
    memcpy(siege.forger->bytes, first, first_len);
    (void)forger_send_bytes(siege.forger, first_len);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_GAP, 1);
    siege_members_are_served();
}

/* It would make the node forget what it has to send again. */
static void acknowledgement_of_what_was_never_sent_is_malformed(void **state)
{
    size_t len;

    (void)state;
    siege_forger_joins();
    write_bye();
    len = siege.forger->payload.len;
    assert_int_equal(thsi_session_seal(&siege.forger->link.session, 0, THSI_LANE_SIGNALS, UINT64_MAX, siege.forger->bytes, len),
                     THS_OK);
    (void)forger_send_bytes(siege.forger, len + THSI_SEALED_OVERHEAD);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_MALFORMED, 1);
    siege_members_are_served();
}

/* Who says that its next frame has another key must use that. */
static void frame_of_the_old_key_behind_a_change_is_forged(void **state)
{
    struct thsi_keyring keys;
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    (void)state;
    siege_forger_joins();
    thsi_keyring_none(&keys);
    thsi_cluster_key_fingerprint(&keys.keys[0], fingerprint);
    forger_write(siege.forger, (struct thsi_envelope){ .kind = THSI_RECORD_KEY, .bytes = fingerprint,
                                                 .bytes_len = sizeof fingerprint });
    (void)forger_send(siege.forger);
    write_bye();
    (void)forger_send(siege.forger);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_FORGED, 1);
    siege_members_are_served();
}

/* ---- Records that break the protocol ------------------------------------------------------- */

struct breach {
    const char *what;
    size_t len;
    const char *bytes;
    enum ths_err err;
};

#define BREACH(what, bytes, err) { what, sizeof(bytes) - 1, bytes, err }

static const struct breach breaches[] = {
    BREACH("no record", "\xc1", THS_MALFORMED),
    BREACH("no kind", "\x90", THS_MALFORMED),
    BREACH("unknown kind", "\x91\x7f", THS_MALFORMED),
    BREACH("kind beyond 32 bits", "\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x01", THS_MALFORMED),
    BREACH("more elements than bytes", "\xdd\xff\xff\xff\xff\x01", THS_MALFORMED),
    BREACH("cut", "\x97\x01\x01\x02", THS_MALFORMED),
    BREACH("tell without a body", "\x96\x01\x01\x02\x03\x04\x00", THS_MALFORMED),
    BREACH("type never announced", "\x97\x01\x01\x02\x03\x04\x05\x90", THS_MALFORMED),
    BREACH("type number zero", "\x95\x20\x00\xa1x\x01\x01", THS_MALFORMED),
    BREACH("type number too large", "\x95\x20\xce\x00\x01\x00\x01\xa1x\x01\x01", THS_MALFORMED),
    BREACH("type refused that was never announced", "\x95\x21\xcd\xff\xff\x01\x01\x01", THS_MALFORMED),
    BREACH("too deep", "\x92\x24\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x00",
           THS_MALFORMED),
    BREACH("skipped field too deep",
           "\x93\x24\x00\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x00",
           THS_MALFORMED),
    BREACH("name that is not UTF-8", "\x98\x0b\x01\x02\x03\x04\x05\xc0\xa2\xc3\x28", THS_MALFORMED),
    BREACH("name with a NUL", "\x98\x0b\x01\x02\x03\x04\x05\xc0\xa2x\x00", THS_MALFORMED),
    BREACH("control record number zero", "\x96\x07\x00\x01\x02\x03\x04", THS_MALFORMED),
    BREACH("odd receivers", "\x95\x22\x01\x02\x93\x03\x04\x05\x00", THS_MALFORMED),
    BREACH("slot beyond 32 bits", "\x97\x01\x01\x02\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x04\x05\x90", THS_MALFORMED),
    BREACH("packet that is no bytes", "\x92\x23\xa1x", THS_MALFORMED),
    BREACH("packet of an unknown kind", "\x92\x23\xc4\x02\x91\x7f", THS_MALFORMED),
    BREACH("empty packet", "\x92\x23\xc4\x00", THS_MALFORMED),
    BREACH("group packet of no scope of ours", "\x92\x23\xc4\x05\x92\x13\xa2no", THS_MALFORMED),
    BREACH("group packet with generation zero",
           "\x92\x23\xc4\x11\x97\x10\xa7" "default\x01\xa1g\x05\x00\x01", THS_MALFORMED),
    BREACH("no fingerprint", "\x92\x25\xc4\x00", THS_MALFORMED),
    BREACH("half a fingerprint", "\x92\x25\xc4\x0c" "12345678" "1234", THS_MALFORMED),
    BREACH("more fingerprints than keys", "\x92\x25\xc4\x20" "12345678" "12345678" "12345678" "12345678", THS_TOO_BIG),
    BREACH("change to no key", "\x92\x26\xa1x", THS_MALFORMED),
    BREACH("change to two keys", "\x92\x26\xc4\x10" "12345678" "12345678", THS_MALFORMED),
    BREACH("change to a key that is not held", "\x92\x26\xc4\x08" "12345678", THS_BAD_KEY),
};

static void records_that_break_the_protocol_close_the_link(void **state)
{
    uint64_t counts[32] = { 0 }; /* by error */

    (void)state;
    for (size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        print_message("%s\n", breaches[i].what);
        siege_forger_joins();
        forger_write_bytes(siege.forger, breaches[i].bytes, breaches[i].len);
        (void)forger_send(siege.forger);
        forger_await_close(siege.forger);
        forger_fini(siege.forger);
        siege_await_closed_for(breaches[i].err, ++counts[breaches[i].err]);
    }
    siege_members_are_served();
}

static void too_long_name_closes_the_link(void **state)
{
    static const uint8_t lookup[] = { 0x98, 0x0b, 1, 2, 3, 4, 5, 0xc0, 0xd9, 200 };
    char name[200];

    (void)state;
    memset(name, 'x', sizeof name);
    siege_forger_joins();
    forger_write_bytes(siege.forger, lookup, sizeof lookup);
    forger_write_bytes(siege.forger, name, sizeof name);
    (void)forger_send(siege.forger);
    forger_await_close(siege.forger);
    siege_await_closed_for(THS_TOO_BIG, 1);
    siege_members_are_served();
}

/* Every kind with all its numbers as large as they can be, to an actor that lives and to slots that never were. */
static void numbers_at_their_limits_do_no_harm(void **state)
{
    static const struct thsi_actor_id nowhere[] = { { UINT32_MAX, UINT32_MAX }, { 0, 0 }, { 0, UINT32_MAX } };
    const struct thsi_actor_id here = { siege.alice.slot, siege.alice.generation };

    (void)state;
    siege_forger_joins();
    for (unsigned kind = THSI_RECORD_ASK; kind <= THSI_RECORD_REFUSED; kind++) {
        struct thsi_envelope most = { .kind = (enum thsi_record_kind)kind, .from = { UINT32_MAX, UINT32_MAX },
                                      .id = UINT64_MAX, .remaining_ms = UINT64_MAX - 1, .fence = UINT64_MAX,
                                      .incarnation = UINT32_MAX, .child = UINT32_MAX, .mailbox = UINT32_MAX,
                                      .err = UINT32_MAX, .reason = UINT32_MAX, .certainty = UINT32_MAX,
                                      .text = "x", .name = "y" };
        if (kind == THSI_RECORD_ASK || kind == THSI_RECORD_KILL || kind == THSI_RECORD_EXIT)
            continue; /* an ask needs a body; the others are the right of any member */
        most.to = here;
        forger_write(siege.forger, most);
        most.from.generation = 0;
        forger_write(siege.forger, most);
        for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
            most.to = nowhere[i];
            forger_write(siege.forger, most);
        }
    }
    assert_true(forger_send(siege.forger));
    assert_true(forger_listen(siege.forger, true)); /* the answers: it read all of it */
    puppet_settle(siege.node, siege.alice);
    siege_members_are_served();
    assert_int_equal(siege_closed_for(THS_MALFORMED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        siege_test(frame_with_one_bit_flipped_is_forged),
        siege_test(frame_that_comes_twice_is_a_replay),
        siege_test(frame_that_was_skipped_is_a_gap),
        siege_test(frames_in_another_order_are_a_gap),
        siege_test(acknowledgement_of_what_was_never_sent_is_malformed),
        siege_test(frame_of_the_old_key_behind_a_change_is_forged),
        siege_test(records_that_break_the_protocol_close_the_link),
        siege_test(too_long_name_closes_the_link),
        siege_test(numbers_at_their_limits_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
