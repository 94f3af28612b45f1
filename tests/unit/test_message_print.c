#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/base/message_table.h"

#include <math.h>

THS_MESSAGE(greet, "demo.hello.greet", 1, string(name), u32(times))
THS_MESSAGE(tick, "tick", 1)
THS_MESSAGE(numbers, "test.numbers", 1, boolean(flag), u8(a), u16(b), u32(c), u64(d), i8(e), i16(f), i32(g), i64(h),
            f32(x), f64(y))
THS_MESSAGE(shapes, "test.shapes", 1, ref(who), bytes(data), list(u64, ids), list(string, names), opt(string, nick))

/* The text of @body in a buffer that has room; its length must be what print says. */
#define assert_printed(expected, message, ...)                                                      \
    do {                                                                                            \
        char printed[1024];                                                                         \
        size_t printed_len = thsi_message_print(thsi_type_intern(&message##_type),                  \
                                                &(struct message){ __VA_ARGS__ }, printed, 1024);   \
        assert_string_equal(printed, expected);                                                     \
        assert_int_equal(printed_len, strlen(expected));                                            \
    } while (0)

static void head_is_the_last_part_of_the_wire_name(void **state)
{
    (void)state;
    assert_printed("greet{name=\"world\", times=2}", greet, .name = "world", .times = 2);
    assert_printed("tick{}", tick, 0);
}

static void every_width_prints_its_extremes(void **state)
{
    (void)state;
    assert_printed("numbers{flag=true, a=255, b=65535, c=4294967295, d=18446744073709551615, e=-128, f=-32768, "
                   "g=-2147483648, h=-9223372036854775808, x=0.5, y=-inf}",
                   numbers, .flag = true, .a = UINT8_MAX, .b = UINT16_MAX, .c = UINT32_MAX, .d = UINT64_MAX,
                   .e = INT8_MIN, .f = INT16_MIN, .g = INT32_MIN, .h = INT64_MIN, .x = 0.5f, .y = -INFINITY);
}

static void empty_shapes_are_visible(void **state)
{
    (void)state;
    assert_printed("shapes{who=nobody, data=<>, ids=[], names=[], nick=none}", shapes, .who = THS_NOBODY);
}

static void filled_shapes(void **state)
{
    (void)state;
    assert_printed("shapes{who=00000000000000ff.2.3, data=<00ff41>, ids=[1, 2], names=[\"a\", \"\"], nick=\"n\"}",
                   shapes, .who = { 255, 2, 3 }, .data = THS_BYTES("\0\xff" "A", 3), .ids = THS_ITEMS(uint64_t, 1, 2),
                   .names = THS_ITEMS(const char *, "a", NULL), .nick = THS_SOME("n"));
}

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_printed("greet{name=\"\\\"a\\\\b\\n\\t\\x01\\x7f\xc3\xbc\\\"\", times=0}", greet,
                   .name = "\"a\\b\n\t\x01\x7f\xc3\xbc\"");
}

static void long_bytes_and_lists_are_cut(void **state)
{
    uint8_t data[33] = { 0 };

    (void)state;
    assert_printed("shapes{who=nobody, data=<00000000000000000000000000000000000000000000000000000000000000"
                   "00... 33 bytes>, ids=[1, 2, 3, 4, 5, 6, 7, 8, ... 9 items], names=[], nick=none}",
                   shapes, .data = THS_BYTES(data, 33), .ids = THS_ITEMS(uint64_t, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

static void short_room_gets_the_beginning_and_the_whole_length(void **state)
{
    const struct thsi_type_info *info = thsi_type_intern(&greet_type);
    struct greet message = { .name = "world", .times = 2 };
    const char *whole = "greet{name=\"world\", times=2}";
    char out[40];

    (void)state;
    assert_int_equal(thsi_message_print(info, &message, NULL, 0), strlen(whole));
    for (size_t size = 1; size < sizeof out; size++) {
        size_t kept = size - 1 < strlen(whole) ? size - 1 : strlen(whole);

        memset(out, '#', sizeof out);
        assert_int_equal(thsi_message_print(info, &message, out, size), strlen(whole));
        assert_memory_equal(out, whole, kept);
        assert_int_equal(out[kept], '\0');
        if (size < sizeof out)
            assert_int_equal(out[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_is_the_last_part_of_the_wire_name),
        cmocka_unit_test(every_width_prints_its_extremes),
        cmocka_unit_test(empty_shapes_are_visible),
        cmocka_unit_test(filled_shapes),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(long_bytes_and_lists_are_cut),
        cmocka_unit_test(short_room_gets_the_beginning_and_the_whole_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
