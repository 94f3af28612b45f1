#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/control_frame.h"
#include "codec/wire.h"

THS_MESSAGE(greet, "test.frame.greet", 1, string(name, .max = 100), u32(times))
THS_MESSAGE(tick, "test.frame.tick", 1)
THS_MESSAGE(blob, "test.frame.blob", 1, bytes(data, .max = THS_MESSAGE_MAX))

static uint8_t frame[4 + THSI_CONTROL_FRAME_MAX];

static enum ths_err read_head(size_t len, struct ths_type *type, const struct thsi_type_info **got,
                              struct thsi_unpacker *unpacker)
{
    struct ths_type *const types[] = { &tick_type, type };

    thsi_unpacker_init(unpacker, frame + 4, len - 4);
    return thsi_control_unpack_head(unpacker, types, 2, got);
}

static void packed_message_is_read_back(void **state)
{
    _Alignas(8) uint8_t room[512];
    struct thsi_arena arena = { .base = room, .cap = sizeof room };
    struct greet greet = { .name = "world", .times = 2 };
    const struct thsi_type_info *got;
    struct thsi_unpacker unpacker;
    size_t len;
    void *msg;

    (void)state;
    assert_int_equal(thsi_control_pack(&greet_type, &greet, frame, sizeof frame, &len), THS_OK);
    assert_int_equal(thsi_get_u32(frame), len - 4);
    assert_int_equal(read_head(len, &greet_type, &got, &unpacker), THS_OK);
    assert_ptr_equal(got, thsi_type_intern(&greet_type));
    assert_int_equal(thsi_schema_unpack(got, &unpacker, &arena, &msg), THS_OK);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    assert_string_equal(((struct greet *)msg)->name, "world");
    assert_int_equal(((struct greet *)msg)->times, 2);
}

static void type_that_is_not_listed_is_refused(void **state)
{
    const struct thsi_type_info *got;
    struct thsi_unpacker unpacker;
    size_t len;

    (void)state;
    assert_int_equal(thsi_control_pack(&greet_type, &(struct greet){ 0 }, frame, sizeof frame, &len), THS_OK);
    assert_int_equal(read_head(len, &blob_type, &got, &unpacker), THS_UNKNOWN_TYPE);
    assert_null(got);
}

static void other_version_and_other_fields_are_a_mismatch(void **state)
{
    static struct ths_type newer = { "test.frame.tick", 2, sizeof(struct tick), NULL, 0, NULL };
    const struct thsi_type_info *got;
    struct thsi_unpacker unpacker;
    size_t len;

    (void)state;
    assert_int_equal(thsi_control_pack(&newer, &(struct tick){ 0 }, frame, sizeof frame, &len), THS_OK);
    assert_int_equal(read_head(len, &greet_type, &got, &unpacker), THS_TYPE_MISMATCH);
    assert_null(got);
}

static void cut_and_senseless_heads_are_malformed(void **state)
{
    const struct thsi_type_info *got;
    struct thsi_unpacker unpacker;
    size_t len;

    (void)state;
    assert_int_equal(thsi_control_pack(&tick_type, &(struct tick){ 0 }, frame, sizeof frame, &len), THS_OK);
    for (size_t cut = 4; cut < len - 1; cut++) /* the last byte is the body */
        assert_int_equal(read_head(cut, &greet_type, &got, &unpacker), THS_MALFORMED);
    memset(frame + 4, 0xc1, 64);
    assert_int_equal(read_head(68, &greet_type, &got, &unpacker), THS_MALFORMED);
    memcpy(frame + 4, "\xdb\xff\xff\xff\xff", 5); /* a name of 4 GiB */
    assert_int_equal(read_head(68, &greet_type, &got, &unpacker), THS_MALFORMED);
}

static void message_that_no_frame_holds_is_too_big(void **state)
{
    static uint8_t data[THS_MESSAGE_MAX + 1];
    struct blob blob = { .data = { data, THS_MESSAGE_MAX + 1 } };
    size_t len;

    (void)state;
    assert_int_equal(thsi_control_pack(&blob_type, &blob, frame, sizeof frame, &len), THS_TOO_BIG);
    blob.data.len = 4000;
    assert_int_equal(thsi_control_pack(&blob_type, &blob, frame, 4000, &len), THS_TOO_BIG);
    assert_int_equal(thsi_control_pack(&blob_type, &blob, frame, 3, &len), THS_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_message_is_read_back),
        cmocka_unit_test(type_that_is_not_listed_is_refused),
        cmocka_unit_test(other_version_and_other_fields_are_a_mismatch),
        cmocka_unit_test(cut_and_senseless_heads_are_malformed),
        cmocka_unit_test(message_that_no_frame_holds_is_too_big),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
