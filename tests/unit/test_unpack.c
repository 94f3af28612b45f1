#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/unpack.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>

/* What msgpack-c packs, and a cursor on it. */
struct packed {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
};

static void open_packed(struct packed *packed)
{
    msgpack_sbuffer_init(&packed->buffer);
    msgpack_packer_init(&packed->packer, &packed->buffer, msgpack_sbuffer_write);
}

static void close_packed(struct packed *packed)
{
    msgpack_sbuffer_destroy(&packed->buffer);
}

/* A cursor on the first @len bytes, in a block of just that size, so that a sanitizer sees a byte too many. */
static struct thsi_unpacker cut_cursor(uint8_t **block, const void *data, size_t len)
{
    struct thsi_unpacker unpacker;

    free(*block);
    *block = malloc(len > 0 ? len : 1);
    assert_non_null(*block);
    memcpy(*block, data, len);
    thsi_unpacker_init(&unpacker, *block, len);
    return unpacker;
}

static struct thsi_unpacker cursor(const void *data, size_t len)
{
    struct thsi_unpacker unpacker;

    thsi_unpacker_init(&unpacker, data, len);
    return unpacker;
}

#define CURSOR(bytes) cursor(bytes, sizeof(bytes) - 1)

/* ---- Who takes what ---------------------------------------------------------------------------- */

enum reader { U64, I64, BOOL, NIL, F64, F32, ARRAY, STR, BIN, READERS };

static enum ths_err read_one(enum reader reader, struct thsi_unpacker *unpacker)
{
    uint32_t len;

    switch (reader) {
    case U64: (void)thsi_unpack_u64(unpacker); break;
    case I64: (void)thsi_unpack_i64(unpacker); break;
    case BOOL: (void)thsi_unpack_bool(unpacker); break;
    case NIL: return thsi_unpack_nil_p(unpacker) ? THS_OK : THS_MALFORMED;
    case F64: (void)thsi_unpack_f64(unpacker); break;
    case F32: (void)thsi_unpack_f32(unpacker); break;
    case ARRAY: (void)thsi_unpack_array(unpacker); break;
    case STR: (void)thsi_unpack_str(unpacker, UINT32_MAX, &len); break;
    case BIN: (void)thsi_unpack_bin(unpacker, UINT32_MAX, &len); break;
    case READERS: break;
    }
    return unpacker->err;
}

/* Zeros follow the head: every number is 0, every length is 0 unless the head holds it. */
static bool should_take(enum reader reader, unsigned head)
{
    bool is_wide_integer = head >= 0xcc && head <= 0xd3;

    switch (reader) {
    case U64: return head < 0x80 || is_wide_integer;
    case I64: return head < 0x80 || head >= 0xe0 || is_wide_integer;
    case BOOL: return head == 0xc2 || head == 0xc3;
    case NIL: return head == 0xc0;
    case F64:
    case F32: return head == 0xca || head == 0xcb;
    case ARRAY: return (head >= 0x90 && head <= 0x9f) || head == 0xdc || head == 0xdd;
    case STR: return (head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb);
    case BIN: return head >= 0xc4 && head <= 0xc6;
    case READERS: break;
    }
    return false;
}

static void each_head_is_taken_by_its_own_readers_alone(void **state)
{
    (void)state;
    for (unsigned head = 0; head < 256; head++) {
        for (enum reader reader = U64; reader < READERS; reader++) {
            uint8_t bytes[64] = { (uint8_t)head };
            struct thsi_unpacker unpacker = cursor(bytes, sizeof bytes);
            enum ths_err expected = should_take(reader, head) ? THS_OK : THS_MALFORMED;

            if (read_one(reader, &unpacker) != expected)
                fail_msg("head %02x, reader %d", head, (int)reader);
        }
    }
}

static void end_of_the_buffer_is_malformed_for_every_reader(void **state)
{
    (void)state;
    for (enum reader reader = U64; reader < READERS; reader++) {
        struct thsi_unpacker unpacker = cursor(NULL, 0);

        assert_int_equal(read_one(reader, &unpacker), THS_MALFORMED);
    }
}

/* ---- msgpack-c as the oracle ------------------------------------------------------------------------ */

static void integers_at_every_boundary_are_read_as_msgpack_c_wrote_them(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int offset = -2; offset <= 2; offset++) {
            uint64_t natural = (UINT64_C(1) << bit) + (uint64_t)(int64_t)offset;
            int64_t integer = -(int64_t)(natural >> 1);
            struct packed packed;
            struct thsi_unpacker unpacker;

            open_packed(&packed);
            msgpack_pack_uint64(&packed.packer, natural);
            msgpack_pack_int64(&packed.packer, integer);
            unpacker = cursor(packed.buffer.data, packed.buffer.size);
            assert_true(thsi_unpack_u64(&unpacker) == natural);
            assert_true(thsi_unpack_i64(&unpacker) == integer);
            assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
            close_packed(&packed);
        }
    }
}

static void texts_and_bytes_of_every_width_are_read_as_msgpack_c_wrote_them(void **state)
{
    static const uint32_t lens[] = { 0, 1, 31, 32, 255, 256, 65535, 65536 };
    static char text[65536];

    (void)state;
    memset(text, 't', sizeof text);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct packed packed;
        struct thsi_unpacker unpacker;
        const void *got;
        uint32_t len;

        open_packed(&packed);
        msgpack_pack_str_with_body(&packed.packer, text, lens[i]);
        msgpack_pack_bin_with_body(&packed.packer, text, lens[i]);
        unpacker = cursor(packed.buffer.data, packed.buffer.size);
        got = thsi_unpack_str(&unpacker, lens[i], &len);
        assert_int_equal(len, lens[i]);
        assert_memory_equal(got, text, len);
        got = thsi_unpack_bin(&unpacker, lens[i], &len);
        assert_int_equal(len, lens[i]);
        assert_memory_equal(got, text, len);
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
        close_packed(&packed);
    }
}

static void floats_are_read_as_msgpack_c_wrote_them(void **state)
{
    static const double values[] = { 0, -0.0, 1, -1.5, 1e300, 5e-324, INFINITY, -INFINITY, 3.4028234663852886e38 };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct packed packed;
        struct thsi_unpacker unpacker;
        double got;

        open_packed(&packed);
        msgpack_pack_double(&packed.packer, values[i]);
        msgpack_pack_float(&packed.packer, 0.25f);
        msgpack_pack_double(&packed.packer, (double)NAN);
        unpacker = cursor(packed.buffer.data, packed.buffer.size);
        got = thsi_unpack_f64(&unpacker);
        assert_memory_equal(&got, &values[i], sizeof got);
        assert_true(thsi_unpack_f32(&unpacker) == 0.25f);
        assert_true(isnan(thsi_unpack_f32(&unpacker)));
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
        close_packed(&packed);
    }
}

/* One value of each form, nested a little, for cutting and skipping. */
static void pack_everything(msgpack_packer *packer)
{
    static const char text[300];

    msgpack_pack_array(packer, 16);
    msgpack_pack_int(packer, 5);
    msgpack_pack_int(packer, -5);
    msgpack_pack_uint64(packer, UINT64_MAX);
    msgpack_pack_int64(packer, INT64_MIN);
    msgpack_pack_true(packer);
    msgpack_pack_nil(packer);
    msgpack_pack_float(packer, 1.5f);
    msgpack_pack_double(packer, 2.5);
    msgpack_pack_str_with_body(packer, text, 5);
    msgpack_pack_str_with_body(packer, text, 200);
    msgpack_pack_bin_with_body(packer, text, 300);
    msgpack_pack_ext_with_body(packer, text, 16, 1);
    msgpack_pack_ext_with_body(packer, text, 17, 1);
    msgpack_pack_map(packer, 2);
    for (int i = 0; i < 2; i++) {
        msgpack_pack_int(packer, i);
        msgpack_pack_array(packer, 1);
        msgpack_pack_array(packer, 0);
    }
    msgpack_pack_array(packer, 20);
    for (int i = 0; i < 20; i++)
        msgpack_pack_int(packer, i);
    msgpack_pack_map(packer, 0);
}

static void value_cut_anywhere_is_malformed(void **state)
{
    struct packed packed;
    uint8_t *block = NULL;
    struct thsi_unpacker unpacker;

    (void)state;
    open_packed(&packed);
    pack_everything(&packed.packer);
    for (size_t len = 0; len < packed.buffer.size; len++) {
        unpacker = cut_cursor(&block, packed.buffer.data, len);
        thsi_unpack_skip(&unpacker);
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_MALFORMED);
    }
    unpacker = cut_cursor(&block, packed.buffer.data, packed.buffer.size);
    thsi_unpack_skip(&unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    free(block);
    close_packed(&packed);
}

/* ---- Lies ------------------------------------------------------------------------------------------- */

static void counts_and_lengths_beyond_the_buffer_cost_nothing(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        { "\xdd\xff\xff\xff\xff", 5 },     { "\xdf\xff\xff\xff\xff", 5 }, { "\xdc\xff\xff\x01", 4 },
        { "\xdf\x80\x00\x00\x00\x01", 6 }, /* twice this count is zero in 32 bits */
        { "\xc6\xff\xff\xff\xff", 5 },     { "\xdb\xff\xff\xff\xff", 5 }, { "\xc9\xff\xff\xff\xff", 5 },
        { "\x9f\x01", 2 },                 { "\x8f\x01", 2 },             { "\xc1", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct thsi_unpacker unpacker = cursor(rows[i].bytes, rows[i].len);

        thsi_unpack_skip(&unpacker);
        assert_int_equal(unpacker.err, THS_MALFORMED);
        assert_ptr_equal(unpacker.at, unpacker.end);
    }
}

static void nesting_is_bounded_at_sixteen(void **state)
{
    uint8_t bytes[THSI_UNPACK_DEPTH_MAX + 2];
    struct thsi_unpacker unpacker;

    (void)state;
    memset(bytes, 0x91, sizeof bytes);
    bytes[THSI_UNPACK_DEPTH_MAX] = 0xc0;
    unpacker = cursor(bytes, THSI_UNPACK_DEPTH_MAX + 1);
    thsi_unpack_skip(&unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    bytes[THSI_UNPACK_DEPTH_MAX] = 0x91;
    bytes[THSI_UNPACK_DEPTH_MAX + 1] = 0xc0;
    unpacker = cursor(bytes, sizeof bytes);
    thsi_unpack_skip(&unpacker);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_MALFORMED);
}

static void sign_and_range_are_kept_apart(void **state)
{
    struct thsi_unpacker unpacker = CURSOR("\xff");

    (void)state;
    assert_true(thsi_unpack_u64(&unpacker) == 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
    unpacker = CURSOR("\xd3\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_true(thsi_unpack_u64(&unpacker) == 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
    unpacker = CURSOR("\xcf\x80\x00\x00\x00\x00\x00\x00\x00");
    assert_true(thsi_unpack_i64(&unpacker) == 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
    unpacker = CURSOR("\xd0\x05\xcc\x05");
    assert_true(thsi_unpack_u64(&unpacker) == 5); /* a signed form of a natural number */
    assert_true(thsi_unpack_i64(&unpacker) == 5);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    unpacker = CURSOR("\x07");
    assert_true(thsi_unpack_u64_max(&unpacker, 6) == 0);
    assert_int_equal(unpacker.err, THS_MALFORMED);
}

static void text_over_its_bound_is_too_big_only_if_it_is_there(void **state)
{
    struct thsi_unpacker unpacker = CURSOR("\xa3" "abc");
    uint32_t len = 1;

    (void)state;
    assert_non_null(thsi_unpack_str(&unpacker, 2, &len));
    assert_int_equal(unpacker.err, THS_TOO_BIG);
    assert_int_equal(len, 0);
    unpacker = CURSOR("\xa3" "ab");
    assert_non_null(thsi_unpack_str(&unpacker, 2, &len));
    assert_int_equal(unpacker.err, THS_MALFORMED);
}

static void after_an_error_everything_reads_as_nothing(void **state)
{
    struct thsi_unpacker unpacker = CURSOR("\xc1\x05\xa1x\xc3\x93\x01\x02\x03");
    char text[4] = "abc";
    uint32_t len = 9;

    (void)state;
    assert_true(thsi_unpack_u64(&unpacker) == 0);
    assert_true(thsi_unpack_u64(&unpacker) == 0);
    assert_false(thsi_unpack_bool(&unpacker));
    assert_false(thsi_unpack_nil_p(&unpacker));
    assert_int_equal(thsi_unpack_array(&unpacker), 0);
    assert_non_null(thsi_unpack_bin(&unpacker, 10, &len));
    assert_int_equal(len, 0);
    thsi_unpack_text(&unpacker, text, sizeof text);
    assert_string_equal(text, "");
    assert_true(ths_ref_equal(thsi_unpack_ref(&unpacker), THS_NOBODY));
    thsi_unpack_skip(&unpacker);
    thsi_unpack_fail(&unpacker, THS_TOO_BIG);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_head_is_taken_by_its_own_readers_alone),
        cmocka_unit_test(end_of_the_buffer_is_malformed_for_every_reader),
        cmocka_unit_test(integers_at_every_boundary_are_read_as_msgpack_c_wrote_them),
        cmocka_unit_test(texts_and_bytes_of_every_width_are_read_as_msgpack_c_wrote_them),
        cmocka_unit_test(floats_are_read_as_msgpack_c_wrote_them),
        cmocka_unit_test(value_cut_anywhere_is_malformed),
        cmocka_unit_test(counts_and_lengths_beyond_the_buffer_cost_nothing),
        cmocka_unit_test(nesting_is_bounded_at_sixteen),
        cmocka_unit_test(sign_and_range_are_kept_apart),
        cmocka_unit_test(text_over_its_bound_is_too_big_only_if_it_is_there),
        cmocka_unit_test(after_an_error_everything_reads_as_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
