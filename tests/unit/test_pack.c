#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/pack.h"
#include "codec/unpack.h"

#include <msgpack.h>

#define ROUNDS 20000

/* A fixed sequence (SplitMix64), so that a failure comes again. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t value = *seed += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* Numbers of all magnitudes rather than mostly large ones. */
static uint64_t random_u64(uint64_t *seed)
{
    uint64_t bits = next_random(seed) % 65;

    return bits == 0 ? 0 : next_random(seed) >> (64 - bits);
}

static struct thsi_unpacker reader_of(const void *data, size_t len)
{
    struct thsi_unpacker unpacker;

    thsi_unpacker_init(&unpacker, data, len);
    return unpacker;
}

static struct thsi_packer packer_on(uint8_t *data, size_t cap)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, data, cap);
    return packer;
}

/* ---- msgpack-c as the oracle: both directions, valid buffers only ------------------------ */

static void what_we_pack_msgpack_c_reads(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t natural = random_u64(&seed);
        int64_t integer = (int64_t)random_u64(&seed) * (natural & 1 ? -1 : 1);
        uint32_t len = (uint32_t)(next_random(&seed) % 300);
        char text[300];
        uint8_t data[1024];
        struct thsi_packer packer = packer_on(data, sizeof data);
        msgpack_unpacked result;
        const msgpack_object *items;

        memset(text, 'a', sizeof text);
        thsi_pack_array(&packer, 7);
        thsi_pack_u64(&packer, natural);
        thsi_pack_i64(&packer, integer);
        thsi_pack_bool(&packer, natural & 1);
        thsi_pack_nil(&packer);
        thsi_pack_f64(&packer, (double)integer / 3);
        thsi_pack_str(&packer, text, len);
        thsi_pack_bin(&packer, text, len);
        assert_int_equal(thsi_packer_finish(&packer), THS_OK);

        msgpack_unpacked_init(&result);
        assert_int_equal(msgpack_unpack_next(&result, (const char *)data, packer.len, NULL), MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(result.data.type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(result.data.via.array.size, 7);
        items = result.data.via.array.ptr;
        assert_int_equal(items[0].via.u64, natural);
        assert_int_equal(items[1].via.i64, integer);
        assert_int_equal(items[2].via.boolean, natural & 1);
        assert_int_equal(items[3].type, MSGPACK_OBJECT_NIL);
        assert_true(items[4].via.f64 == (double)integer / 3);
        assert_int_equal(items[5].type, MSGPACK_OBJECT_STR);
        assert_int_equal(items[5].via.str.size, len);
        assert_memory_equal(items[5].via.str.ptr, text, len);
        assert_int_equal(items[6].type, MSGPACK_OBJECT_BIN);
        assert_int_equal(items[6].via.bin.size, len);
        msgpack_unpacked_destroy(&result);
    }
}

/* One random value of any type, nested up to @depth, by msgpack-c. */
static void pack_anything(msgpack_packer *packer, uint64_t *seed, int depth)
{
    uint64_t pick = next_random(seed) % (depth > 0 ? 10 : 8);
    size_t count = (size_t)(next_random(seed) % 20);
    static const char text[300];

    switch (pick) {
    case 0: msgpack_pack_uint64(packer, random_u64(seed)); break;
    case 1: msgpack_pack_int64(packer, -(int64_t)(random_u64(seed) >> 1)); break;
    case 2: msgpack_pack_nil(packer); break;
    case 3: msgpack_pack_true(packer); break;
    case 4: msgpack_pack_float(packer, 1.5f); break;
    case 5: msgpack_pack_str_with_body(packer, text, count * 15); break;
    case 6: msgpack_pack_bin_with_body(packer, text, count * 15); break;
    case 7: msgpack_pack_ext_with_body(packer, text, count * 15, 4); break;
    case 8:
        msgpack_pack_array(packer, count);
        for (size_t i = 0; i < count; i++)
            pack_anything(packer, seed, depth - 1);
        break;
    default:
        msgpack_pack_map(packer, count);
        for (size_t i = 0; i < 2 * count; i++)
            pack_anything(packer, seed, depth - 1);
    }
}

static void skip_ends_where_msgpack_c_ends(void **state)
{
    uint64_t seed = 2;

    (void)state;
    for (int round = 0; round < ROUNDS / 10; round++) {
        msgpack_sbuffer buffer;
        msgpack_packer packer;
        struct thsi_unpacker unpacker;
        msgpack_unpacked result;
        size_t first_len = 0;

        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        pack_anything(&packer, &seed, 3);
        pack_anything(&packer, &seed, 0);
        msgpack_unpacked_init(&result);
        assert_true(msgpack_unpack_next(&result, buffer.data, buffer.size, &first_len) > 0);
        unpacker = reader_of(buffer.data, buffer.size);
        thsi_unpack_skip(&unpacker);
        assert_int_equal(buffer.size - thsi_unpack_left(&unpacker), first_len);
        thsi_unpack_skip(&unpacker);
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
        msgpack_unpacked_destroy(&result);
        msgpack_sbuffer_destroy(&buffer);
    }
}

static void what_msgpack_c_packs_we_read(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t natural = random_u64(&seed);
        int64_t integer = natural & 1 ? (int64_t)random_u64(&seed) : -(int64_t)(random_u64(&seed) >> 1);
        size_t len = (size_t)(next_random(&seed) % 300);
        static const char body[300];
        uint32_t got;
        msgpack_sbuffer buffer;
        msgpack_packer packer;
        struct thsi_unpacker unpacker;

        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        msgpack_pack_array(&packer, 6);
        msgpack_pack_uint64(&packer, natural);
        msgpack_pack_int64(&packer, integer);
        msgpack_pack_double(&packer, (double)integer / 7);
        msgpack_pack_float(&packer, (float)natural);
        msgpack_pack_str_with_body(&packer, body, len);
        msgpack_pack_bin_with_body(&packer, body, len);
        unpacker = reader_of(buffer.data, buffer.size);
        assert_int_equal(thsi_unpack_array(&unpacker), 6);
        assert_int_equal(thsi_unpack_u64(&unpacker), natural);
        assert_int_equal(thsi_unpack_i64(&unpacker), integer);
        assert_true(thsi_unpack_f64(&unpacker) == (double)integer / 7);
        assert_true(thsi_unpack_f32(&unpacker) == (float)natural);
        thsi_unpack_str(&unpacker, 300, &got);
        assert_int_equal(got, len);
        thsi_unpack_bin(&unpacker, 300, &got);
        assert_int_equal(got, len);
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
        msgpack_sbuffer_destroy(&buffer);
    }
}

/* ---- Packing: room ---------------------------------------------------------------------- */

static void overflow_stays_and_writes_nothing_beyond(void **state)
{
    uint8_t data[4] = { 0, 0, 0, 0x55 };
    struct thsi_packer packer = packer_on(data, 3);

    (void)state;
    thsi_pack_u64(&packer, 1);
    thsi_pack_u64(&packer, 70000);
    thsi_pack_u64(&packer, 2);
    assert_int_equal(thsi_packer_finish(&packer), THS_TOO_BIG);
    assert_int_equal(packer.len, 1);
    assert_int_equal(data[3], 0x55);
}

static void ref_is_three_integers(void **state)
{
    uint8_t data[32];
    struct thsi_packer packer = packer_on(data, sizeof data);
    ths_ref ref = { UINT64_MAX, 7, UINT32_MAX };
    struct thsi_unpacker unpacker;

    (void)state;
    thsi_pack_ref(&packer, ref);
    unpacker = reader_of(data, packer.len);
    assert_true(ths_ref_equal(thsi_unpack_ref(&unpacker), ref));
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    unpacker = reader_of("\x92\x01\x02", 3);
    assert_true(ths_ref_is_nobody(thsi_unpack_ref(&unpacker)));
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_MALFORMED);
}

/* ---- Unpacking: refusals ---------------------------------------------------------------- */

static void long_forms_of_small_integers_are_taken(void **state)
{
    static const struct { const char *bytes; size_t len; int64_t value; } rows[] = {
        { "\xcc\x05", 2, 5 },         { "\xcd\0\x05", 3, 5 },          { "\xce\0\0\0\x05", 5, 5 },
        { "\xcf\0\0\0\0\0\0\0\x05", 9, 5 }, { "\xd0\x05", 2, 5 },      { "\xd1\0\x05", 3, 5 },
        { "\xd3\0\0\0\0\0\0\0\x05", 9, 5 }, { "\xff", 1, -1 },         { "\xd0\xff", 2, -1 },
        { "\xd2\xff\xff\xff\xff", 5, -1 },  { "\xe0", 1, -32 },        { "\xd1\x80\0", 3, -32768 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct thsi_unpacker as_integer = reader_of(rows[i].bytes, rows[i].len);
        struct thsi_unpacker as_natural = reader_of(rows[i].bytes, rows[i].len);

        assert_int_equal(thsi_unpack_i64(&as_integer), rows[i].value);
        assert_int_equal(thsi_unpack_finish(&as_integer), THS_OK);
        assert_int_equal(thsi_unpack_u64(&as_natural), rows[i].value < 0 ? 0 : rows[i].value);
        assert_int_equal(thsi_unpack_finish(&as_natural), rows[i].value < 0 ? THS_MALFORMED : THS_OK);
    }
}

static void integer_beyond_its_bound_is_malformed(void **state)
{
    struct thsi_unpacker unpacker = reader_of("\xcd\x01\0", 3);

    (void)state;
    assert_int_equal(thsi_unpack_u64_max(&unpacker, 255), 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
    unpacker = reader_of("\xcf\x80\0\0\0\0\0\0\0", 9);
    assert_int_equal(thsi_unpack_i64(&unpacker), 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
    unpacker = reader_of("\xcf\0\0\0\x01\0\0\0\0", 9);
    assert_int_equal(thsi_unpack_u32(&unpacker), 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
}

static void first_error_stays(void **state)
{
    struct thsi_unpacker unpacker = reader_of("\xa4" "abcd\x01\x02", 7);
    uint32_t len;

    (void)state;
    assert_non_null(thsi_unpack_str(&unpacker, 3, &len));
    assert_int_equal(len, 0);
    assert_int_equal(unpacker.err, THS_TOO_BIG);
    assert_int_equal(thsi_unpack_u64(&unpacker), 0);
    assert_int_equal(thsi_unpack_array(&unpacker), 0);
    assert_false(thsi_unpack_bool(&unpacker));
    assert_false(thsi_unpack_nil_p(&unpacker));
    assert_true(thsi_unpack_f64(&unpacker) == 0);
    thsi_unpack_skip(&unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_TOO_BIG);
}

static void lengths_beyond_the_buffer_are_malformed(void **state)
{
    static const struct { const char *bytes; size_t len; } rows[] = {
        { "\xdb\xff\xff\xff\xff" "abc", 8 }, { "\xc6\xff\xff\xff\xff" "abc", 8 }, { "\xdd\xff\xff\xff\xff" "abc", 8 },
        { "\xdf\xff\xff\xff\xff" "abc", 8 }, { "\xc9\xff\xff\xff\xff" "abc", 8 }, { "\xa2" "a", 2 }, { "\x92\x01", 2 },
        { "\x81\x01", 2 }, { "\xcd\x01", 2 }, { "\xcb\0\0", 3 }, { "\xda\0", 2 }, { "\xc1", 1 }, { "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct thsi_unpacker skipped = reader_of(rows[i].bytes, rows[i].len);
        struct thsi_unpacker read = skipped;
        uint32_t len;

        thsi_unpack_skip(&skipped);
        assert_int_equal(thsi_unpack_finish(&skipped), THS_MALFORMED);
        thsi_unpack_str(&read, UINT32_MAX, &len);
        assert_int_equal(thsi_unpack_finish(&read), THS_MALFORMED);
        read = reader_of(rows[i].bytes, rows[i].len);
        thsi_unpack_bin(&read, UINT32_MAX, &len);
        assert_int_equal(thsi_unpack_finish(&read), THS_MALFORMED);
    }
}

static void nesting_beyond_the_bound_is_malformed(void **state)
{
    char nested[THSI_UNPACK_DEPTH_MAX + 2];
    struct thsi_unpacker unpacker;

    (void)state;
    memset(nested, '\x91', sizeof nested);
    nested[THSI_UNPACK_DEPTH_MAX] = 1;
    unpacker = reader_of(nested, THSI_UNPACK_DEPTH_MAX + 1);
    thsi_unpack_skip(&unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    nested[THSI_UNPACK_DEPTH_MAX] = '\x91';
    nested[THSI_UNPACK_DEPTH_MAX + 1] = 1;
    unpacker = reader_of(nested, THSI_UNPACK_DEPTH_MAX + 2);
    thsi_unpack_skip(&unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_MALFORMED);
}

static void text_is_bounded_and_checked(void **state)
{
    static const struct { const char *bytes; size_t len; enum ths_err err; const char *text; } rows[] = {
        { "\xa3" "abc", 4, THS_OK, "abc" },         { "\xa0", 1, THS_OK, "" },
        { "\xa4" "abcd", 5, THS_TOO_BIG, "" },      { "\xa2" "a\0", 3, THS_MALFORMED, "" },
        { "\xa2" "a\xff", 3, THS_MALFORMED, "" },   { "\xc4\x01" "a", 3, THS_MALFORMED, "" },
    };
    char text[4];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct thsi_unpacker unpacker = reader_of(rows[i].bytes, rows[i].len);

        thsi_unpack_text(&unpacker, text, sizeof text);
        assert_int_equal(thsi_unpack_finish(&unpacker), rows[i].err);
        assert_string_equal(text, rows[i].text);
    }
}

static void left_over_bytes_are_malformed(void **state)
{
    struct thsi_unpacker unpacker = reader_of("\x01\x02", 2);

    (void)state;
    assert_int_equal(thsi_unpack_u64(&unpacker), 1);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_MALFORMED);
}

static void float_beyond_its_width_is_malformed(void **state)
{
    struct thsi_unpacker unpacker = reader_of("\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", 9);

    (void)state;
    assert_true(thsi_unpack_f32(&unpacker) == 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
    unpacker = reader_of("\x01", 1);
    assert_true(thsi_unpack_f64(&unpacker) == 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_pack_msgpack_c_reads),
        cmocka_unit_test(what_msgpack_c_packs_we_read),
        cmocka_unit_test(skip_ends_where_msgpack_c_ends),
        cmocka_unit_test(overflow_stays_and_writes_nothing_beyond),
        cmocka_unit_test(ref_is_three_integers),
        cmocka_unit_test(long_forms_of_small_integers_are_taken),
        cmocka_unit_test(integer_beyond_its_bound_is_malformed),
        cmocka_unit_test(first_error_stays),
        cmocka_unit_test(lengths_beyond_the_buffer_are_malformed),
        cmocka_unit_test(nesting_beyond_the_bound_is_malformed),
        cmocka_unit_test(text_is_bounded_and_checked),
        cmocka_unit_test(left_over_bytes_are_malformed),
        cmocka_unit_test(float_beyond_its_width_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
