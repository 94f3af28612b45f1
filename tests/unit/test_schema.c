#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/schema.h"

#include <math.h>
#include <stdlib.h>

THS_MESSAGE(greet, "test.schema.greet", 1, string(name, .max = 8), u32(times))
THS_MESSAGE(greet_longer, "test.schema.greet", 1, string(name, .max = 8), u32(times), list(u8, more), string(last))
THS_MESSAGE(tick, "test.schema.tick", 1)
THS_MESSAGE(numbers, "test.schema.numbers", 1, boolean(flag), u8(a), u16(b), u32(c), u64(d), i8(e), i16(f), i32(g),
            i64(h), f32(x), f64(y), ref(who))
THS_MESSAGE(shapes, "test.schema.shapes", 1, bytes(data, .max = 4), list(u16, ids, .max = 3),
            list(string, names, .element_max = 4), list(bytes, blobs), list(ref, refs), opt(u32, limit),
            opt(string, nick), opt(ref, who), opt(bytes, seal))

#define INFO(message) thsi_type_intern(&message##_type)

/* One packed message and the arena it is unpacked into. The arena is exactly as large as thsi_schema_room says. */
struct wire {
    uint8_t packed[4096];
    size_t len;
    struct thsi_arena arena;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct wire));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    struct wire *wire = *state;

    free(wire->arena.base);
    free(wire);
    return 0;
}

static void pack(struct wire *wire, const struct thsi_type_info *info, const void *msg)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, wire->packed, sizeof wire->packed);
    assert_int_equal(thsi_message_check(info, msg), THS_OK);
    assert_int_equal(thsi_schema_pack(info, msg, &packer), THS_OK);
    wire->len = packer.len;
}

static enum ths_err unpack_into(struct wire *wire, const struct thsi_type_info *info, size_t cap, void **msg)
{
    struct thsi_unpacker unpacker;

    free(wire->arena.base);
    wire->arena = (struct thsi_arena){ .base = malloc(cap > 0 ? cap : 1), .cap = cap };
    assert_non_null(wire->arena.base);
    thsi_unpacker_init(&unpacker, wire->packed, wire->len);
    return thsi_schema_unpack(info, &unpacker, &wire->arena, msg);
}

static void *unpack(struct wire *wire, const struct thsi_type_info *info)
{
    void *msg;

    assert_int_equal(unpack_into(wire, info, thsi_schema_room(info, wire->len), &msg), THS_OK);
    return msg;
}

static enum ths_err verdict_on(struct wire *wire, const struct thsi_type_info *info, const char *bytes, size_t len)
{
    void *msg = wire;
    enum ths_err err;

    memcpy(wire->packed, bytes, len);
    wire->len = len;
    err = unpack_into(wire, info, 4096, &msg);
    if (err != THS_OK) {
        assert_null(msg);
        assert_int_equal(wire->arena.used, 0);
    }
    return err;
}

static void message_is_an_array_of_its_fields(void **state)
{
    struct wire *wire = *state;

    pack(wire, INFO(greet), &(struct greet){ .name = "you", .times = 2 });
    assert_int_equal(wire->len, 6);
    assert_memory_equal(wire->packed, "\x92\xa3you\x02", 6);
    pack(wire, INFO(tick), &(struct tick){ 0 });
    assert_int_equal(wire->len, 1);
    assert_memory_equal(wire->packed, "\x90", 1);
    assert_non_null(unpack(wire, INFO(tick)));
}

static void null_string_is_packed_as_empty(void **state)
{
    struct greet *got;

    pack(*state, INFO(greet), &(struct greet){ .times = 2 });
    got = unpack(*state, INFO(greet));
    assert_string_equal(got->name, "");
}

static void extremes_survive(void **state)
{
    const struct numbers low = {
        .e = INT8_MIN, .f = INT16_MIN, .g = INT32_MIN, .h = INT64_MIN, .x = -0.5f, .y = -1e300,
    };
    const struct numbers high = {
        .flag = true, .a = UINT8_MAX, .b = UINT16_MAX, .c = UINT32_MAX, .d = UINT64_MAX, .e = INT8_MAX, .f = INT16_MAX,
        .g = INT32_MAX, .h = INT64_MAX, .x = INFINITY, .y = 1e-300, .who = { UINT64_MAX, UINT32_MAX, 1 },
    };
    const struct numbers *sent[] = { &low, &high };

    for (size_t i = 0; i < 2; i++) {
        const struct numbers *got;

        pack(*state, INFO(numbers), sent[i]);
        got = unpack(*state, INFO(numbers));
        assert_int_equal(got->flag, sent[i]->flag);
        assert_int_equal(got->a, sent[i]->a);
        assert_int_equal(got->b, sent[i]->b);
        assert_int_equal(got->c, sent[i]->c);
        assert_int_equal(got->d, sent[i]->d);
        assert_int_equal(got->e, sent[i]->e);
        assert_int_equal(got->f, sent[i]->f);
        assert_int_equal(got->g, sent[i]->g);
        assert_int_equal(got->h, sent[i]->h);
        assert_true(got->x == sent[i]->x && got->y == sent[i]->y);
        assert_true(ths_ref_equal(got->who, sent[i]->who));
    }
}

static void shapes_survive(void **state)
{
    const struct shapes *got;

    pack(*state, INFO(shapes), THSP_LITERAL_V(shapes,
         .data = THS_BYTES("\0\xff", 2), .ids = THS_ITEMS(uint16_t, 1, 65535),
         .names = THS_ITEMS(const char *, "a", NULL, "\xc3\xbc"),
         .blobs = THS_ITEMS(struct ths_bytes, THS_BYTES("", 0), THS_BYTES("xyz", 3)),
         .refs = THS_ITEMS(ths_ref, { 1, 2, 3 }), .limit = THS_SOME(9), .nick = THS_SOME("n"),
         .who = THS_SOME({ 4, 5, 6 }), .seal = THS_SOME(THS_BYTES("s", 1))));
    got = unpack(*state, INFO(shapes));
    assert_int_equal(got->data.len, 2);
    assert_memory_equal(got->data.data, "\0\xff", 2);
    assert_int_equal(got->ids.count, 2);
    assert_int_equal(got->ids.items[1], 65535);
    assert_int_equal(got->names.count, 3);
    assert_string_equal(got->names.items[0], "a");
    assert_string_equal(got->names.items[1], "");
    assert_string_equal(got->names.items[2], "\xc3\xbc");
    assert_int_equal(got->blobs.count, 2);
    assert_memory_equal(got->blobs.items[1].data, "xyz", 3);
    assert_true(ths_ref_equal(got->refs.items[0], (ths_ref){ 1, 2, 3 }));
    assert_true(got->limit.present && got->limit.value == 9);
    assert_true(got->nick.present);
    assert_string_equal(got->nick.value, "n");
    assert_true(got->who.present && got->who.value.slot == 5);
    assert_true(got->seal.present && got->seal.value.len == 1);
}

static void absent_opts_are_nil(void **state)
{
    struct wire *wire = *state;
    const struct shapes *got;

    pack(wire, INFO(shapes), THSP_LITERAL_V(shapes));
    assert_int_equal(wire->len, 11);
    assert_memory_equal(wire->packed, "\x99\xc4\0\x90\x90\x90\x90\xc0\xc0\xc0\xc0", 11);
    got = unpack(wire, INFO(shapes));
    assert_false(got->limit.present || got->nick.present || got->who.present || got->seal.present);
    assert_int_equal(got->ids.count + got->names.count + got->blobs.count + got->refs.count, 0);
}

static void older_senders_fields_arrive_and_the_rest_is_empty(void **state)
{
    const struct greet_longer *got;

    pack(*state, INFO(greet), &(struct greet){ .name = "you", .times = 2 });
    got = unpack(*state, INFO(greet_longer));
    assert_string_equal(got->name, "you");
    assert_int_equal(got->times, 2);
    assert_int_equal(got->more.count, 0);
    assert_string_equal(got->last, "");
}

static void newer_senders_fields_are_skipped(void **state)
{
    const struct greet *got;

    pack(*state, INFO(greet_longer), THSP_LITERAL_V(greet_longer, .name = "you", .more = THS_ITEMS(uint8_t, 1, 2)));
    got = unpack(*state, INFO(greet));
    assert_string_equal(got->name, "you");
}

static void what_follows_the_message_is_left_alone(void **state)
{
    struct wire *wire = *state;
    struct thsi_unpacker unpacker;
    void *msg;

    pack(wire, INFO(greet), &(struct greet){ .name = "you", .times = 2 });
    wire->packed[wire->len] = 77;
    unpack(wire, INFO(greet));
    wire->arena.used = 0;
    thsi_unpacker_init(&unpacker, wire->packed, wire->len + 1);
    assert_int_equal(thsi_schema_unpack(INFO(greet), &unpacker, &wire->arena, &msg), THS_OK);
    assert_int_equal(thsi_unpack_u64(&unpacker), 77);
}

static void wrong_fields_are_refused(void **state)
{
    static const struct { const char *bytes; size_t len; enum ths_err err; } rows[] = {
        { "\x92\xa3you\x02", 6, THS_OK },
        { "\x92\xa8" "12345678\x02", 11, THS_OK },
        { "\x92\xa9" "123456789\x02", 12, THS_TOO_BIG },   /* over the field's bound */
        { "\x92\xa3" "y\0u\x02", 6, THS_MALFORMED },       /* a NUL inside */
        { "\x92\xa3" "y\xffu\x02", 6, THS_MALFORMED },     /* not UTF-8 */
        { "\x92\xc4\x01" "a\x02", 5, THS_MALFORMED },      /* bytes for a string */
        { "\x92\xc0\x02", 3, THS_MALFORMED },              /* nil for what is not optional */
        { "\x92\xa1" "a\xff", 4, THS_MALFORMED },          /* a negative u32 */
        { "\x92\xa1" "a\xcf\0\0\0\x01\0\0\0\0", 12, THS_MALFORMED },
        { "\x92\xa1" "a", 3, THS_MALFORMED },              /* an item that is not there */
        { "\x93\xa1" "a\x01", 4, THS_MALFORMED },
        { "\x81\xa1" "a\x01", 4, THS_MALFORMED },          /* a map */
        { "\xdd\xff\xff\xff\xff\xa1" "a\x01", 8, THS_MALFORMED },
        { "", 0, THS_MALFORMED },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (verdict_on(*state, INFO(greet), rows[i].bytes, rows[i].len) != rows[i].err)
            fail_msg("row %zu", i);
}

static void wrong_shapes_are_refused(void **state)
{
    static const struct { const char *bytes; size_t len; enum ths_err err; } rows[] = {
        { "\x92\xc4\0\x93\x01\x02\x03", 7, THS_OK },
        { "\x92\xc4\0\x94\x01\x02\x03\x04", 8, THS_TOO_BIG },               /* too many items */
        { "\x91\xc4\x05" "12345", 8, THS_TOO_BIG },
        { "\x92\xc4\0\x91\xce\0\x01\0\0", 9, THS_MALFORMED },               /* 65536 for a u16 */
        { "\x92\xc4\0\xdd\xff\xff\xff\xff\x01", 9, THS_MALFORMED },         /* more items than bytes */
        { "\x93\xc4\0\x90\x91\xa5" "12345", 11, THS_TOO_BIG },              /* element_max */
        { "\x93\xc4\0\x90\x91\x91\x01", 7, THS_MALFORMED },                 /* a list in a list */
        { "\x95\xc4\0\x90\x90\x90\x91\x92\x01\x02", 10, THS_MALFORMED },    /* a ref of two */
        { "\x96\xc4\0\x90\x90\x90\x90\xa1" "a", 10, THS_MALFORMED },        /* text for opt(u32) */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (verdict_on(*state, INFO(shapes), rows[i].bytes, rows[i].len) != rows[i].err)
            fail_msg("row %zu", i);
}

static void integers_must_fit_their_width(void **state)
{
    static const struct { const char *bytes; size_t len; } rows[] = {
        { "\x91\x01", 2 },                                   /* 1 for a boolean */
        { "\x92\xc2\xcd\x01\0", 5 },                         /* 256 for u8 */
        { "\x96\xc2\0\0\0\0\xcc\x80", 8 },                   /* 128 for i8 */
        { "\x96\xc2\0\0\0\0\xd1\xff\x7f", 9 },               /* -129 for i8 */
        { "\x97\xc2\0\0\0\0\0\xcd\x80\0", 10 },              /* 32768 for i16 */
        { "\x99\xc2\0\0\0\0\0\0\0\xcf\x80\0\0\0\0\0\0\0", 18 }, /* 2^63 for i64 */
        { "\x9a\xc2\0\0\0\0\0\0\0\0\x01", 11 },              /* an integer for f32 */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (verdict_on(*state, INFO(numbers), rows[i].bytes, rows[i].len) != THS_MALFORMED)
            fail_msg("row %zu", i);
}

static void skipped_field_may_not_nest_too_deep(void **state)
{
    char bytes[40] = "\x93\xa1" "a\x01";

    memset(bytes + 4, '\x91', THSI_UNPACK_DEPTH_MAX);
    bytes[4 + THSI_UNPACK_DEPTH_MAX] = 1;
    assert_int_equal(verdict_on(*state, INFO(greet), bytes, 5 + THSI_UNPACK_DEPTH_MAX), THS_OK);
    memset(bytes + 4, '\x91', THSI_UNPACK_DEPTH_MAX + 1);
    bytes[5 + THSI_UNPACK_DEPTH_MAX] = 1;
    assert_int_equal(verdict_on(*state, INFO(greet), bytes, 6 + THSI_UNPACK_DEPTH_MAX), THS_MALFORMED);
}

static void every_arena_that_is_too_small_is_too_big(void **state)
{
    struct wire *wire = *state;
    size_t needed;
    void *msg;

    pack(wire, INFO(shapes), THSP_LITERAL_V(shapes, .data = THS_BYTES("abc", 3), .ids = THS_ITEMS(uint16_t, 1, 2, 3),
                                            .names = THS_ITEMS(const char *, "a", "b")));
    unpack(wire, INFO(shapes));
    needed = wire->arena.used;
    for (size_t cap = 0; cap < needed; cap++) {
        assert_int_equal(unpack_into(wire, INFO(shapes), cap, &msg), THS_TOO_BIG);
        assert_null(msg);
        assert_int_equal(wire->arena.used, 0);
    }
    assert_int_equal(unpack_into(wire, INFO(shapes), needed, &msg), THS_OK);
}

static void every_packer_that_is_too_small_is_too_big(void **state)
{
    struct wire *wire = *state;
    size_t whole;

    pack(wire, INFO(greet), &(struct greet){ .name = "world", .times = 70000 });
    whole = wire->len;
    for (size_t cap = 0; cap < whole; cap++) {
        struct thsi_packer packer;

        thsi_packer_init(&packer, wire->packed, cap);
        assert_int_equal(thsi_schema_pack(INFO(greet), &(struct greet){ .name = "world", .times = 70000 }, &packer),
                         THS_TOO_BIG);
    }
}

static void every_truncation_is_malformed(void **state)
{
    struct wire *wire = *state;
    size_t whole;
    void *msg;

    pack(wire, INFO(numbers), &(struct numbers){ .d = UINT64_MAX, .y = 1.5, .who = { 99999, 2, 3 } });
    whole = wire->len;
    for (wire->len = 0; wire->len < whole; wire->len++)
        assert_int_equal(unpack_into(wire, INFO(numbers), 4096, &msg), THS_MALFORMED);
}

#define test(fact) cmocka_unit_test_setup_teardown(fact, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(message_is_an_array_of_its_fields),
        test(null_string_is_packed_as_empty),
        test(extremes_survive),
        test(shapes_survive),
        test(absent_opts_are_nil),
        test(older_senders_fields_arrive_and_the_rest_is_empty),
        test(newer_senders_fields_are_skipped),
        test(what_follows_the_message_is_left_alone),
        test(wrong_fields_are_refused),
        test(wrong_shapes_are_refused),
        test(integers_must_fit_their_width),
        test(skipped_field_may_not_nest_too_deep),
        test(every_arena_that_is_too_small_is_too_big),
        test(every_packer_that_is_too_small_is_too_big),
        test(every_truncation_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
