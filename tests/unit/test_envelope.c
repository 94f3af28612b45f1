#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/envelope.h"
#include "codec/schema_resolve.h"

#include <stdlib.h>
#include <string.h>

THS_MESSAGE(greet, "test.envelope.greet", 1, string(name, .max = 8), u32(times))

#define INFO thsi_type_intern(&greet_type)

/* One record as bytes, and where it is unpacked to. */
struct wire {
    uint8_t packed[65536 + 64];
    size_t len;
    uint64_t room[128];
    struct thsi_arena arena;
    struct thsi_unpacker unpacker;
    struct thsi_envelope envelope;
};

static const struct greet body = { .name = "world", .times = 2 };
static const struct thsi_spawn_wish everything = { .flags = UINT32_MAX, .when_full = UINT32_MAX, .idle_ms = UINT32_MAX,
                                                   .mailbox_bytes = UINT64_MAX, .memory_max = UINT64_MAX, .key = "symbol",
                                                   .urgent_count = 2, .urgent = { 1, UINT32_MAX } };
static const struct thsi_spawn_wish flags_alone = { .flags = THSI_SPAWN_TRAPS };
static const struct thsi_actor_id receivers[] = { { 1, 1 }, { 200, 70000 }, { UINT32_MAX, UINT32_MAX } };

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct wire));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static enum ths_err pack(struct wire *wire, const struct thsi_envelope *envelope)
{
    struct thsi_packer packer;
    enum ths_err err;

    thsi_packer_init(&packer, wire->packed, sizeof wire->packed);
    err = thsi_envelope_pack(envelope, &packer);
    wire->len = packer.len;
    return err == THS_OK ? thsi_packer_finish(&packer) : err;
}

static enum ths_err unpack(struct wire *wire)
{
    wire->arena = (struct thsi_arena){ .base = (uint8_t *)wire->room, .cap = sizeof wire->room };
    thsi_unpacker_init(&wire->unpacker, wire->packed, wire->len);
    return thsi_envelope_unpack(&wire->envelope, &wire->unpacker, &wire->arena);
}

static enum ths_err unpack_bytes(struct wire *wire, const void *bytes, size_t len)
{
    memcpy(wire->packed, bytes, len);
    wire->len = len;
    return unpack(wire);
}

#define UNPACK(wire, bytes) unpack_bytes(wire, bytes, sizeof(bytes) - 1)

static void assert_text(const char *got, const char *expected)
{
    assert_string_equal(got ? got : "", expected ? expected : "");
}

static void assert_same(const struct thsi_envelope *got, const struct thsi_envelope *expected)
{
    assert_int_equal(got->kind, expected->kind);
    assert_true(got->number == expected->number);
    assert_memory_equal(&got->from, &expected->from, sizeof got->from);
    assert_memory_equal(&got->to, &expected->to, sizeof got->to);
    assert_true(got->id == expected->id);
    assert_true(got->remaining_ms == expected->remaining_ms);
    assert_true(got->fence == expected->fence);
    assert_true(got->fingerprint == expected->fingerprint);
    assert_int_equal(got->version, expected->version);
    assert_int_equal(got->incarnation, expected->incarnation);
    assert_int_equal(got->child, expected->child);
    assert_int_equal(got->mailbox, expected->mailbox);
    assert_int_equal(got->err, expected->err);
    assert_int_equal(got->reason, expected->reason);
    assert_int_equal(got->certainty, expected->certainty);
    assert_text(got->text, expected->text);
    assert_text(got->name, expected->name);
    assert_int_equal(got->type_number, expected->type_number);
    assert_int_equal(got->receivers_count, expected->receivers_count);
    assert_int_equal(got->bytes_len, expected->bytes_len);
    if (expected->bytes_len > 0)
        assert_memory_equal(got->bytes, expected->bytes, expected->bytes_len);
}

/* What is behind the body. */
static void assert_wish(const struct thsi_spawn_wish *got, const struct thsi_spawn_wish *expected)
{
    assert_true(!got == !expected);
    if (!expected)
        return;
    assert_int_equal(got->flags, expected->flags);
    assert_int_equal(got->when_full, expected->when_full);
    assert_int_equal(got->idle_ms, expected->idle_ms);
    assert_true(got->mailbox_bytes == expected->mailbox_bytes);
    assert_true(got->memory_max == expected->memory_max);
    assert_text(got->key, expected->key);
    assert_int_equal(got->urgent_count, expected->urgent_count);
    for (uint32_t i = 0; i < expected->urgent_count; i++)
        assert_int_equal(got->urgent[i], expected->urgent[i]);
}

static void type_record_carries_its_description(void **state)
{
    const enum thsi_record_kind kinds[] = { THSI_RECORD_TYPE, THSI_RECORD_TYPE_REFUSED };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct thsi_envelope envelope = { .kind = kinds[i], .type_number = 1, .text = "test.envelope.greet", .version = 1,
                                                .fingerprint = INFO->fingerprint, .type = INFO };
        struct thsi_description described;
        struct thsi_unpacker unpacker;
        struct thsi_packer packer;
        struct wire wire;
        uint8_t bytes[512];

        thsi_packer_init(&packer, bytes, sizeof bytes);
        assert_int_equal(thsi_envelope_pack(&envelope, &packer), THS_OK);
        assert_int_equal(unpack_bytes(&wire, bytes, packer.len), THS_OK);
        thsi_unpacker_init(&unpacker, wire.envelope.bytes, wire.envelope.bytes_len);
        assert_int_equal(thsi_description_unpack(&described, &unpacker, INFO->name, INFO->version, INFO->fingerprint), THS_OK);
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
        assert_int_equal(described.type.fields_count, INFO->fields_count);
    }
}

static void assert_body(struct wire *wire)
{
    struct greet *got;
    void *msg;

    assert_int_equal(thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, INFO, &wire->arena, &msg), THS_OK);
    got = msg;
    assert_non_null(got);
    assert_string_equal(got->name, "world");
    assert_int_equal(got->times, 2);
}

/* ---- Round trips ------------------------------------------------------------------------------ */

/* Every kind twice: all its fields at their largest, and hardly any. */
static void each_kind_comes_back_as_it_was(void **state)
{
    static const uint8_t gossip[] = { 1, 2, 3 };
    const struct thsi_actor_id from = { UINT32_MAX, 7 }, to = { 3, UINT32_MAX };
    const struct thsi_envelope rows[] = {
        { .kind = THSI_RECORD_TELL, .from = from, .to = to, .type_number = 9 },
        { .kind = THSI_RECORD_TELL, .to = to },
        { .kind = THSI_RECORD_ASK, .from = from, .to = to, .id = UINT64_MAX, .remaining_ms = 500, .type_number = 1 },
        { .kind = THSI_RECORD_ASK, .id = 1, .remaining_ms = THSI_REMAINING_NONE },
        { .kind = THSI_RECORD_ASK, .from = from, .to = to, .id = 1, .type_number = 1, .asker_node = UINT64_MAX },
        { .kind = THSI_RECORD_REPLY, .from = from, .to = to, .id = 1, .type_number = UINT32_MAX },
        { .kind = THSI_RECORD_REPLY, .from = from, .to = to, .id = 1, .err = THS_GONE },
        { .kind = THSI_RECORD_REPLY, .from = from, .to = to, .id = 1, .err = THS_CRASHED, .text = "no disk" },
        { .kind = THSI_RECORD_LOOKUP, .from = from, .id = 300, .remaining_ms = 70000, .text = "greeter" },
        { .kind = THSI_RECORD_LOOKUP, .from = from, .id = 300, .remaining_ms = THSI_REMAINING_NONE },
        { .kind = THSI_RECORD_SPAWN, .from = from, .to = to, .id = 5, .remaining_ms = 0, .text = "counter",
          .name = "c1", .mailbox = 1000, .child = 4, .incarnation = 6, .fence = UINT64_MAX, .type_number = 3 },
        { .kind = THSI_RECORD_SPAWN, .from = from, .id = 5, .remaining_ms = THSI_REMAINING_NONE, .text = "counter" },
        { .kind = THSI_RECORD_SPAWN, .from = from, .text = "counter", .wish = &everything },
        { .kind = THSI_RECORD_SPAWN, .from = from, .text = "counter", .wish = &everything, .type_number = 3 },
        { .kind = THSI_RECORD_SPAWN, .from = from, .text = "counter", .wish = &flags_alone, .type_number = 3 },
        { .kind = THSI_RECORD_REFUSED, .from = from, .to = to, .err = THS_FULL, .id = 12345 },
        { .kind = THSI_RECORD_TYPE, .type_number = 1, .text = "test.envelope.greet", .version = 1,
          .fingerprint = UINT64_MAX },
        { .kind = THSI_RECORD_TYPE_REFUSED, .type_number = 1, .err = THS_TYPE_MISMATCH, .version = 2,
          .fingerprint = 4 },
        { .kind = THSI_RECORD_GROUP_TELL, .from = from, .receivers = receivers, .receivers_count = 3,
          .type_number = 8 },
        { .kind = THSI_RECORD_GROUP_TELL, .from = from },
        { .kind = THSI_RECORD_GOSSIP, .bytes = gossip, .bytes_len = sizeof gossip },
        { .kind = THSI_RECORD_GOSSIP },
        { .kind = THSI_RECORD_BYE, .err = THS_CLOSED },
        { .kind = THSI_RECORD_KEYS, .bytes = (const uint8_t *)"12345678abcdefgh", .bytes_len = 16 },
        { .kind = THSI_RECORD_KEY, .bytes = (const uint8_t *)"12345678", .bytes_len = 8 },
        { .kind = THSI_RECORD_AGAIN, .again = 15, .type_number = 8 },
        { .kind = THSI_RECORD_CREDIT, .from = from, .id = 512 },
        { .kind = THSI_RECORD_CREDIT, .from = from, .id = THSI_CREDIT_NO_LIMIT },
        { .kind = THSI_RECORD_FRAGMENT, .stream = 3, .piece = THSI_FRAGMENT_LAST, .bytes = (const uint8_t *)"abc",
          .bytes_len = 3 },
    };
    struct wire *wire = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct thsi_envelope row = rows[i];
        bool with_body = row.type_number > 0 && row.kind != THSI_RECORD_TYPE && row.kind != THSI_RECORD_TYPE_REFUSED;

        row.type = with_body ? INFO : NULL;
        row.body = &body;
        assert_int_equal(pack(wire, &row), THS_OK);
        assert_int_equal(unpack(wire), THS_OK);
        assert_same(&wire->envelope, &row);
        if (with_body)
            assert_body(wire);
        assert_wish(wire->envelope.wish, row.wish);
        assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
    }
}

/* Zeros at the end are left out, so what asks for nothing is what it was before there were wishes. */
static void wishes_of_a_spawn_come_back_with_each_number_of_fields(void **state)
{
    struct wire *wire = *state;
    struct thsi_spawn_wish wish = { .flags = 0 };

    for (unsigned fields = 14; fields <= 21; fields++) {
        const struct thsi_envelope row = { .kind = THSI_RECORD_SPAWN, .text = "b", .wish = &wish };

        wish.flags = fields == 15 ? THSI_SPAWN_HELD : wish.flags;
        wish.when_full = fields == 16 ? THS_DROP_OLDEST : wish.when_full;
        wish.idle_ms = fields == 17 ? 70000 : wish.idle_ms;
        wish.mailbox_bytes = fields == 18 ? 300 : wish.mailbox_bytes;
        wish.memory_max = fields == 19 ? 1 : wish.memory_max;
        wish.key = fields == 20 ? "k" : wish.key;
        wish.urgent_count = fields == 21 ? THS_URGENT_MAX : 0;
        assert_int_equal(pack(wire, &row), THS_OK);
        if (fields <= 15)
            assert_int_equal(wire->packed[0], 0x90 + fields);
        else
            assert_int_equal(wire->packed[0] << 16 | wire->packed[1] << 8 | wire->packed[2], 0xdc0000 + fields);
        assert_int_equal(unpack(wire), THS_OK);
        assert_wish(wire->envelope.wish, fields == 14 ? NULL : &wish);
        assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
    }
    wish.urgent_count = THS_URGENT_MAX + 1;
    assert_int_equal(pack(wire, &(struct thsi_envelope){ .kind = THSI_RECORD_SPAWN, .text = "b", .wish = &wish }), THS_TOO_BIG);
}

static void each_control_kind_comes_back_with_each_number_of_fields(void **state)
{
    struct wire *wire = *state;
    unsigned kinds = 0;

    for (unsigned kind = 0; kind < 64; kind++) {
        struct thsi_envelope row = { .kind = (enum thsi_record_kind)kind, .number = 1, .from = { 1, 2 },
                                     .to = { 3, 4 } };

        if (!thsi_envelope_is_control(row.kind))
            continue;
        kinds++;
        for (unsigned fields = 6; fields <= 14; fields++) {
            row.id = fields == 7 ? 300 : row.id;
            row.reason = fields == 8 ? 5 : row.reason;
            row.certainty = fields == 9 ? 2 : row.certainty;
            row.text = fields == 10 ? "why" : row.text;
            row.child = fields == 11 ? UINT32_MAX : row.child;
            row.incarnation = fields == 12 ? 9 : row.incarnation;
            row.fence = fields == 13 ? UINT64_MAX : row.fence;
            row.remaining_ms = fields == 14 ? 500 : row.remaining_ms;
            assert_int_equal(pack(wire, &row), THS_OK);
            assert_int_equal(wire->packed[0], 0x90 + fields); /* zeros at the end are left out */
            assert_int_equal(unpack(wire), THS_OK);
            assert_same(&wire->envelope, &row);
            assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
        }
    }
    assert_int_equal(kinds, 15);
}

static void records_follow_each_other_in_one_payload(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(UNPACK(wire, "\x92\x24\x13\x96\x01\x01\x02\x03\x04\x00"), THS_OK);
    assert_int_equal(wire->envelope.kind, THSI_RECORD_BYE);
    assert_int_equal(thsi_envelope_unpack(&wire->envelope, &wire->unpacker, &wire->arena), THS_OK);
    assert_int_equal(wire->envelope.kind, THSI_RECORD_TELL);
    assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
}

static void receivers_of_a_group_tell_come_in_order(void **state)
{
    struct wire *wire = *state;
    struct thsi_actor_id receiver;

    assert_int_equal(pack(wire, &(struct thsi_envelope){ .kind = THSI_RECORD_GROUP_TELL, .receivers = receivers,
                                                         .receivers_count = 3, .type_number = 1, .type = INFO,
                                                         .body = &body }), THS_OK);
    assert_int_equal(unpack(wire), THS_OK);
    assert_body(wire); /* the list stays readable after the body was taken */
    for (size_t i = 0; i < 3; i++) {
        assert_true(thsi_envelope_next_receiver(&wire->envelope, &receiver));
        assert_memory_equal(&receiver, &receivers[i], sizeof receiver);
    }
    assert_false(thsi_envelope_next_receiver(&wire->envelope, &receiver));
}

static void unknown_type_is_skipped_by_its_length(void **state)
{
    struct wire *wire = *state;
    void *msg = wire;

    assert_int_equal(pack(wire, &(struct thsi_envelope){ .kind = THSI_RECORD_TELL, .to = { 1, 1 }, .type_number = 5,
                                                         .type = INFO, .body = &body }), THS_OK);
    assert_int_equal(unpack(wire), THS_OK);
    assert_int_equal(thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, NULL, &wire->arena, &msg), THS_OK);
    assert_null(msg);
    assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
}

/* ---- Golden bytes: the examples of protocol/records.md --------------------------------------------------- */

static void assert_packs_to(struct wire *wire, const struct thsi_envelope *envelope, const char *bytes, size_t len)
{
    assert_int_equal(pack(wire, envelope), THS_OK);
    assert_int_equal(wire->len, len);
    assert_memory_equal(wire->packed, bytes, len);
}

#define ASSERT_PACKS_TO(bytes, ...) \
    assert_packs_to(*state, &(struct thsi_envelope){ __VA_ARGS__ }, bytes, sizeof(bytes) - 1)

static void records_have_these_bytes(void **state)
{
    const struct thsi_actor_id one = { 1, 2 }, two = { 3, 200 };

    ASSERT_PACKS_TO("\x97\x01\x01\x02\x03\xcc\xc8\x05\x92\xa5world\x02", .kind = THSI_RECORD_TELL, .from = one,
                    .to = two, .type_number = 5, .type = INFO, .body = &body);
    ASSERT_PACKS_TO("\x98\x02\x01\x02\x03\xcc\xc8\x07\xcd\x01\xf4\x00", .kind = THSI_RECORD_ASK, .from = one, .to = two,
                    .id = 7, .remaining_ms = 500);
    ASSERT_PACKS_TO("\x98\x02\x01\x02\x03\xcc\xc8\x07\xc0\x00", .kind = THSI_RECORD_ASK, .from = one, .to = two,
                    .id = 7, .remaining_ms = THSI_REMAINING_NONE);
    ASSERT_PACKS_TO("\x98\x03\x01\x02\x03\xcc\xc8\x07\x04\x00", .kind = THSI_RECORD_REPLY, .from = one, .to = two,
                    .id = 7, .err = THS_GONE);
    ASSERT_PACKS_TO("\x99\x03\x01\x02\x03\xcc\xc8\x07\x08\x00\xa2no", .kind = THSI_RECORD_REPLY, .from = one,
                    .to = two, .id = 7, .err = THS_CRASHED, .text = "no");
    ASSERT_PACKS_TO("\x96\x07\x01\x01\x02\x03\xcc\xc8", .kind = THSI_RECORD_MONITOR, .number = 1, .from = one,
                    .to = two);
    ASSERT_PACKS_TO("\x9a\x09\x02\x01\x02\x03\xcc\xc8\x07\x00\x00\xa4gone", .kind = THSI_RECORD_DOWN, .number = 2,
                    .from = one, .to = two, .id = 7, .text = "gone");
    ASSERT_PACKS_TO("\x98\x0b\x01\x02\x00\x00\x07\xc0\xa7greeter", .kind = THSI_RECORD_LOOKUP, .from = one, .id = 7,
                    .remaining_ms = THSI_REMAINING_NONE, .text = "greeter");
    ASSERT_PACKS_TO("\x9e\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00", .kind = THSI_RECORD_SPAWN,
                    .from = one, .id = 7, .remaining_ms = 100, .text = "b", .mailbox = 16, .child = 1,
                    .incarnation = 2, .fence = 3);
    ASSERT_PACKS_TO("\xdc\x00\x15\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00\x05\x03\xcd\x01\xf4\x00\xcd"
                    "\x10\x00\xa1k\x92\x05\x06", .kind = THSI_RECORD_SPAWN, .from = one, .id = 7, .remaining_ms = 100, .text = "b",
                    .mailbox = 16, .child = 1, .incarnation = 2, .fence = 3,
                    .wish = &(struct thsi_spawn_wish){ .flags = THSI_SPAWN_TRAPS | THSI_SPAWN_HELD,
                                                       .when_full = THS_LATEST_BY_KEY, .idle_ms = 500, .memory_max = 4096,
                                                       .key = "k", .urgent_count = 2, .urgent = { 5, 6 } });
    ASSERT_PACKS_TO("\xdc\x00\x10\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x00\x00\x00\x00\x05\x92\xa5world\x02\x02",
                    .kind = THSI_RECORD_SPAWN, .from = one, .id = 7, .remaining_ms = 100, .text = "b", .type_number = 5,
                    .type = INFO, .body = &body, .wish = &(struct thsi_spawn_wish){ .flags = THSI_SPAWN_OWN_THREAD });
    ASSERT_PACKS_TO("\x97\x11\x01\x02\x03\xcc\xc8\x03\x0a", .kind = THSI_RECORD_REFUSED, .from = one, .to = two,
                    .err = THS_FULL, .id = 10);
    ASSERT_PACKS_TO("\x9e\x12\x03\x01\x02\x03\xcc\xc8\x07\x01\x00\xa3now\x01\x00\x00\xcd\x01\xf4", .kind = THSI_RECORD_STOP,
                    .number = 3, .from = one, .to = two, .id = 7, .reason = 1, .text = "now",
                    .child = 1, .remaining_ms = 500);
    ASSERT_PACKS_TO("\x96\x13\x04\x01\x02\x03\xcc\xc8", .kind = THSI_RECORD_DRAIN, .number = 4, .from = one, .to = two);
    ASSERT_PACKS_TO("\x97\x14\x05\x01\x02\x03\xcc\xc8\x07", .kind = THSI_RECORD_CANCEL, .number = 5, .from = one, .to = two,
                    .id = 7);
    ASSERT_PACKS_TO("\x9a\x15\x06\x01\x02\x03\xcc\xc8\x07\x00\x00\xb4" "00000000000000ff.1.3", .kind = THSI_RECORD_MOVED,
                    .number = 6, .from = one, .to = two, .id = 7, .text = "00000000000000ff.1.3");
    ASSERT_PACKS_TO("\x9a\x02\x01\x02\x03\xcc\xc8\x07\xcd\x01\xf4\x05\x92\xa5world\x02\xcc\xff", .kind = THSI_RECORD_ASK,
                    .from = one, .to = two, .id = 7, .remaining_ms = 500, .type_number = 5, .type = INFO, .body = &body,
                    .asker_node = 255);
    ASSERT_PACKS_TO("\x95\x20\x01\xa1t\x02\x03", .kind = THSI_RECORD_TYPE, .type_number = 1, .text = "t", .version = 2,
                    .fingerprint = 3);
    ASSERT_PACKS_TO("\x95\x21\x01\x0f\x02\x03", .kind = THSI_RECORD_TYPE_REFUSED, .type_number = 1,
                    .err = THS_UNKNOWN_TYPE, .version = 2, .fingerprint = 3);
    ASSERT_PACKS_TO("\x95\x22\x01\x02\x92\x03\xcc\xc8\x00", .kind = THSI_RECORD_GROUP_TELL, .from = one,
                    .receivers = &two, .receivers_count = 1);
    ASSERT_PACKS_TO("\x92\x23\xc4\x02hi", .kind = THSI_RECORD_GOSSIP, .bytes = (const uint8_t *)"hi", .bytes_len = 2);
    ASSERT_PACKS_TO("\x92\x24\x13", .kind = THSI_RECORD_BYE, .err = THS_CLOSED);
    ASSERT_PACKS_TO("\x92\x25\xc4\x10" "8 bytes.and more", .kind = THSI_RECORD_KEYS,
                    .bytes = (const uint8_t *)"8 bytes.and more", .bytes_len = 16);
    ASSERT_PACKS_TO("\x92\x26\xc4\x08" "8 bytes.", .kind = THSI_RECORD_KEY, .bytes = (const uint8_t *)"8 bytes.",
                    .bytes_len = 8);
    ASSERT_PACKS_TO("\x93\x2a\x03\x00", .kind = THSI_RECORD_AGAIN, .again = 3);
    ASSERT_PACKS_TO("\x94\x29\x01\x02\xcd\x02\x00", .kind = THSI_RECORD_CREDIT, .from = { 1, 2 }, .id = 512);
    ASSERT_PACKS_TO("\x94\x29\x01\x02\xc0", .kind = THSI_RECORD_CREDIT, .from = { 1, 2 }, .id = THSI_CREDIT_NO_LIMIT);
    ASSERT_PACKS_TO("\x94\x28\x0f\x01\xc5\x00\x02hi", .kind = THSI_RECORD_FRAGMENT, .stream = 15,
                    .piece = THSI_FRAGMENT_FIRST, .bytes = (const uint8_t *)"hi", .bytes_len = 2);
}

/* ---- Older and newer peers -------------------------------------------------------------------------- */

static void missing_fields_are_zero(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(UNPACK(wire, "\x91\x01"), THS_OK);
    assert_same(&wire->envelope, &(struct thsi_envelope){ .kind = THSI_RECORD_TELL });
    assert_int_equal(UNPACK(wire, "\x93\x02\x05\x06"), THS_OK);
    assert_same(&wire->envelope, &(struct thsi_envelope){ .kind = THSI_RECORD_ASK, .from = { 5, 6 },
                                                          .remaining_ms = THSI_REMAINING_NONE });
    assert_int_equal(UNPACK(wire, "\x91\x0c"), THS_OK);
    assert_int_equal(UNPACK(wire, "\x91\x22"), THS_OK);
    assert_int_equal(wire->envelope.receivers_count, 0);
    assert_int_equal(UNPACK(wire, "\x91\x23"), THS_OK);
    assert_int_equal(wire->envelope.bytes_len, 0);
    assert_int_equal(UNPACK(wire, "\x92\x07\x01"), THS_OK);
    assert_same(&wire->envelope, &(struct thsi_envelope){ .kind = THSI_RECORD_MONITOR, .number = 1 });
}

static void appended_fields_are_skipped(void **state)
{
    struct wire *wire = *state;
    void *msg;

    assert_int_equal(UNPACK(wire, "\x95\x24\x13\xa0\x93\x01\xa1x\x81\x01\x02\xc0"), THS_OK);
    assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
    assert_int_equal(UNPACK(wire, "\x98\x01\x01\x02\x03\x04\x05\x92\xa5world\x02\xa3new"), THS_OK);
    assert_int_equal(thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, INFO, &wire->arena, &msg), THS_OK);
    assert_non_null(msg);
    assert_int_equal(thsi_unpack_finish(&wire->unpacker), THS_OK);
}

/* ---- Malformed -------------------------------------------------------------------------------------- */

static void malformed_records_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
#define ROW(bytes) { bytes, sizeof(bytes) - 1 }
        ROW(""), ROW("\x90"), ROW("\xc0"), ROW("\x01"), ROW("\x91\x00"), ROW("\x91\x1e"), ROW("\x91\x1f"),
        ROW("\x91\x27"), ROW("\x91\xce\xff\xff\xff\xff"), ROW("\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x01"),
        ROW("\x91\xff"), ROW("\x91\xa1t"),
        ROW("\x96\x01\x01\x02\x03\x04"),                 /* shorter than it says */
        ROW("\x97\x01\x01\x02\x03\x04\x05"),             /* a body announced and not there */
        ROW("\x96\x01\x01\x02\x03\x04\x05"),             /* a type and no room for a body */
        ROW("\x93\x01\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x02"), /* slot beyond 32 bits */
        ROW("\x92\x07\x00"), ROW("\x91\x07"),            /* a control record without a number */
        ROW("\x98\x0b\x01\x02\x00\x00\x07\xc0\xa2\xc3\x28"), /* not UTF-8 */
        ROW("\x98\x0b\x01\x02\x00\x00\x07\xc0\xa2x\x00"),    /* NUL in a name */
        ROW("\x98\x0b\x01\x02\x00\x00\x07\xa1x\xa1x"),   /* text for a time */
        ROW("\x95\x22\x01\x02\x93\x03\x04\x05\x00"),     /* half a receiver */
        ROW("\x95\x22\x01\x02\x92\x03\xa1x\x00"),        /* text for a generation */
        ROW("\x95\x22\x01\x02\xdd\xff\xff\xff\xff\x00"), /* more receivers than bytes */
        ROW("\x9f\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00"),           /* a wish announced, not there */
        ROW("\x9f\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00\xa1x"),      /* text for flags */
        ROW("\xdc\x00\x14\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00\x00\x00\x00\x00\x00\xa1"
            "\x00"), /* NUL in a key */
        ROW("\xdc\x00\x15\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00\x00\x00\x00\x00\x00\xc0"
            "\x05"), /* no list */
        ROW("\xdc\x00\x15\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00\x00\x00\x00\x00\x00\xc0\xdd\xff\xff\xff\xff"),
        ROW("\xdc\x00\x15\x0c\x01\x02\x00\x00\x07\x64\xa1" "b\xc0\x10\x01\x02\x03\x00\x00\x00\x00\x00\x00\xc0\xdc\x00\x11"
            "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"), /* one urgent type too many */
        ROW("\x92\x23\xa2hi"),                           /* text for bytes */
        ROW("\x92\x23\xc6\xff\xff\xff\xffhi"),
        ROW("\xdd\xff\xff\xff\xff\x01"),
#undef ROW
    };
    struct wire *wire = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (unpack_bytes(wire, rows[i].bytes, rows[i].len) != THS_MALFORMED)
            fail_msg("row %zu answered %s", i, ths_err_name(wire->unpacker.err));
}

static void record_cut_anywhere_is_malformed(void **state)
{
    struct wire *wire = *state;
    uint8_t whole[128];
    size_t len;

    assert_int_equal(pack(wire, &(struct thsi_envelope){ .kind = THSI_RECORD_SPAWN, .from = { 1000, 7 }, .id = 70000,
                                                         .remaining_ms = 300, .text = "behaviour", .name = "name",
                                                         .wish = &everything,
                                                         .fence = UINT64_MAX, .type_number = 1, .type = INFO,
                                                         .body = &body }), THS_OK);
    len = wire->len;
    assert_true(len <= sizeof whole);
    memcpy(whole, wire->packed, len);
    for (size_t cut = 0; cut < len; cut++) {
        void *msg;
        enum ths_err err = unpack_bytes(wire, whole, cut);

        if (err == THS_OK)
            err = thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, INFO, &wire->arena, &msg);
        assert_int_equal(err, THS_MALFORMED);
    }
}

static void body_that_breaks_its_bounds_is_refused(void **state)
{
    struct wire *wire = *state;
    void *msg = wire;

    assert_int_equal(UNPACK(wire, "\x97\x01\x01\x02\x03\x04\x05\x92\xa9too long!\x02"), THS_OK);
    assert_int_equal(thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, INFO, &wire->arena, &msg),
                     THS_TOO_BIG);
    assert_null(msg);
    assert_int_equal(UNPACK(wire, "\x97\x01\x01\x02\x03\x04\x05\x02"), THS_OK);
    assert_int_equal(thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, INFO, &wire->arena, &msg),
                     THS_MALFORMED);
    assert_null(msg);
    assert_int_equal(UNPACK(wire, "\x98\x01\x01\x02\x03\x04\x05\x92\xa5world\x02\xc1"), THS_OK);
    assert_int_equal(thsi_envelope_unpack_body(&wire->envelope, &wire->unpacker, INFO, &wire->arena, &msg),
                     THS_MALFORMED);
    assert_null(msg); /* the body was good, what follows was not */
}

static void skipped_field_too_deep_is_malformed(void **state)
{
    struct wire *wire = *state;
    uint8_t bytes[64] = { 0x93, 0x24, 0x13 };

    memset(bytes + 3, 0x91, 40);
    assert_int_equal(unpack_bytes(wire, bytes, 44), THS_MALFORMED);
}

/* ---- Bounds ------------------------------------------------------------------------------------------ */

static void texts_and_lists_beyond_their_bounds_are_not_packed(void **state)
{
    struct wire *wire = *state;
    char text[THSI_ENVELOPE_TYPE_NAME_MAX + 2];
    struct thsi_envelope envelope = { .kind = THSI_RECORD_TYPE, .text = text, .type_number = 1 };

    memset(text, 't', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(pack(wire, &envelope), THS_TOO_BIG);
    text[THSI_ENVELOPE_TYPE_NAME_MAX] = '\0';
    assert_int_equal(pack(wire, &envelope), THS_OK);
    envelope = (struct thsi_envelope){ .kind = THSI_RECORD_LOOKUP, .text = text };
    text[THSI_ENVELOPE_TEXT_MAX + 1] = '\0';
    assert_int_equal(pack(wire, &envelope), THS_TOO_BIG);
    envelope = (struct thsi_envelope){ .kind = THSI_RECORD_SPAWN, .text = "b", .name = text };
    assert_int_equal(pack(wire, &envelope), THS_TOO_BIG);
    envelope = (struct thsi_envelope){ .kind = THSI_RECORD_DOWN, .number = 1, .text = text };
    assert_int_equal(pack(wire, &envelope), THS_TOO_BIG);
    text[THSI_ENVELOPE_TEXT_MAX] = '\0';
    assert_int_equal(pack(wire, &envelope), THS_OK);
    envelope = (struct thsi_envelope){ .kind = THSI_RECORD_GROUP_TELL, .receivers_count = THSI_GROUP_TELL_MAX + 1 };
    assert_int_equal(pack(wire, &envelope), THS_TOO_BIG);
    envelope = (struct thsi_envelope){ .kind = THSI_RECORD_GOSSIP, .bytes = wire->packed,
                                       .bytes_len = THSI_GOSSIP_MAX + 1 };
    assert_int_equal(pack(wire, &envelope), THS_TOO_BIG);
}

static void texts_and_lists_beyond_their_bounds_are_not_taken(void **state)
{
    struct wire *wire = *state;
    uint8_t bytes[65536] = { 0x98, 0x0b, 0x01, 0x02, 0x00, 0x00, 0x07, 0xc0, 0xd9, THSI_ENVELOPE_TEXT_MAX + 1 };

    memset(bytes + 10, 't', THSI_ENVELOPE_TEXT_MAX + 1);
    assert_int_equal(unpack_bytes(wire, bytes, 10 + THSI_ENVELOPE_TEXT_MAX + 1), THS_TOO_BIG);
    memcpy(bytes, "\x92\x23\xc5\xf0\x01", 5); /* one byte more than a packet may have */
    assert_int_equal(unpack_bytes(wire, bytes, 5 + THSI_GOSSIP_MAX + 1), THS_TOO_BIG);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x95\x22\x01\x02\xdc\x20\x02", 7); /* one receiver too many */
    assert_int_equal(unpack_bytes(wire, bytes, 7 + 0x2002 + 1), THS_MALFORMED);
    memcpy(bytes, "\x95\x22\x01\x02\xdc\x20\x00", 7);
    assert_int_equal(unpack_bytes(wire, bytes, 7 + 0x2000 + 1), THS_OK);
    assert_int_equal(wire->envelope.receivers_count, THSI_GROUP_TELL_MAX);
}

static void full_arena_is_too_big(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(UNPACK(wire, "\x98\x0b\x01\x02\x00\x00\x07\xc0\xa7greeter"), THS_OK);
    for (size_t cap = 0; cap < 10; cap++) {
        wire->arena = (struct thsi_arena){ .base = (uint8_t *)wire->room, .cap = cap };
        thsi_unpacker_init(&wire->unpacker, wire->packed, wire->len);
        assert_int_equal(thsi_envelope_unpack(&wire->envelope, &wire->unpacker, &wire->arena),
                         cap < sizeof "greeter" ? THS_TOO_BIG : THS_OK);
        assert_true(wire->arena.used <= cap);
    }
}

static void overflow_of_the_packer_shows_at_its_end(void **state)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_TELL, .type_number = 1, .type = INFO, .body = &body };
    struct thsi_packer packer;
    uint8_t data[64];

    (void)state;
    for (size_t cap = 0; cap <= 15; cap++) {
        enum ths_err err;

        thsi_packer_init(&packer, data, cap);
        err = thsi_envelope_pack(&envelope, &packer);
        if (err == THS_OK)
            err = thsi_packer_finish(&packer);
        assert_int_equal(err, cap < 15 ? THS_TOO_BIG : THS_OK);
    }
}

static void unknown_kind_is_not_packed(void **state)
{
    struct wire *wire = *state;

    assert_int_equal(pack(wire, &(struct thsi_envelope){ .kind = (enum thsi_record_kind)31 }), THS_MALFORMED);
    assert_int_equal(pack(wire, &(struct thsi_envelope){ .kind = (enum thsi_record_kind)63 }), THS_MALFORMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_comes_back_as_it_was),
        TEST(wishes_of_a_spawn_come_back_with_each_number_of_fields),
        TEST(type_record_carries_its_description),
        TEST(each_control_kind_comes_back_with_each_number_of_fields),
        TEST(records_follow_each_other_in_one_payload),
        TEST(receivers_of_a_group_tell_come_in_order),
        TEST(unknown_type_is_skipped_by_its_length),
        TEST(records_have_these_bytes),
        TEST(missing_fields_are_zero),
        TEST(appended_fields_are_skipped),
        TEST(malformed_records_are_refused),
        TEST(record_cut_anywhere_is_malformed),
        TEST(body_that_breaks_its_bounds_is_refused),
        TEST(skipped_field_too_deep_is_malformed),
        TEST(texts_and_lists_beyond_their_bounds_are_not_packed),
        TEST(texts_and_lists_beyond_their_bounds_are_not_taken),
        TEST(full_arena_is_too_big),
        TEST(overflow_of_the_packer_shows_at_its_end),
        TEST(unknown_kind_is_not_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
