/* Two declarations of one message: which of them reads the other, why not, and what arrives. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/schema.h"
#include "codec/schema_resolve.h"

#include <string.h>

THS_MESSAGE(first, "test.resolve.first", 1, string(item, .max = 16), u32(count), opt(string, gift), u8(rush))
THS_MESSAGE(appended, "test.resolve.appended", 2, string(item), u32(count), opt(string, gift), u8(rush), u64(price),
            string(note), list(u32, sizes))
THS_MESSAGE(without_gift, "test.resolve.without_gift", 3, string(item), u32(count), u8(rush), opt(u64, price))
THS_MESSAGE(without_count, "test.resolve.without_count", 1, string(item), opt(string, gift), u8(rush))
THS_MESSAGE(moved, "test.resolve.moved", 1, u8(rush), u32(count), string(item), opt(string, gift))
THS_MESSAGE(renamed, "test.resolve.renamed", 1, string(item), u32(amount), opt(string, gift), u8(rush))
THS_MESSAGE(renamed_last, "test.resolve.renamed_last", 1, string(item), u32(count), opt(string, gift), u8(urgent))
THS_MESSAGE(nothing, "test.resolve.nothing", 1)
THS_MESSAGE(widest, "test.resolve.widest", 1, blob(a), list(bytes, b), opt(ref, c), f64(d), boolean(e))

/* ---- Which kinds hold which ------------------------------------------------------------- */

static bool reads_field(enum ths_kind kind, enum ths_kind element, enum ths_kind from, enum ths_kind from_element)
{
    const struct ths_field ours = { .name = "x", .kind = kind, .element = element };
    const struct ths_field theirs = { .name = "x", .kind = from, .element = from_element };
    const struct ths_type reader = { .name = "t", .fields = &ours, .fields_count = 1 };
    const struct ths_type writer = { .name = "t", .fields = &theirs, .fields_count = 1 };

    return thsi_schema_resolve(&reader, &writer).compatible;
}

/* Beside itself, what each kind holds: all other pairs do not fit. */
static const struct {
    enum ths_kind reader, writer;
} wider[] = {
    { THS_KIND_U16, THS_KIND_U8 },  { THS_KIND_U32, THS_KIND_U8 },  { THS_KIND_U32, THS_KIND_U16 }, { THS_KIND_U64, THS_KIND_U8 },
    { THS_KIND_U64, THS_KIND_U16 }, { THS_KIND_U64, THS_KIND_U32 }, { THS_KIND_I16, THS_KIND_I8 },  { THS_KIND_I32, THS_KIND_I8 },
    { THS_KIND_I32, THS_KIND_I16 }, { THS_KIND_I64, THS_KIND_I8 },  { THS_KIND_I64, THS_KIND_I16 }, { THS_KIND_I64, THS_KIND_I32 },
    { THS_KIND_I16, THS_KIND_U8 },  { THS_KIND_I32, THS_KIND_U8 },  { THS_KIND_I32, THS_KIND_U16 }, { THS_KIND_I64, THS_KIND_U8 },
    { THS_KIND_I64, THS_KIND_U16 }, { THS_KIND_I64, THS_KIND_U32 }, { THS_KIND_F64, THS_KIND_F32 },
    { THS_KIND_BYTES, THS_KIND_BLOB }, { THS_KIND_BLOB, THS_KIND_BYTES },
};

static bool is_wider(enum ths_kind reader, enum ths_kind writer)
{
    for (size_t i = 0; i < sizeof wider / sizeof wider[0]; i++)
        if (wider[i].reader == reader && wider[i].writer == writer)
            return true;
    return reader == writer;
}

static void kind_reads_itself_and_what_it_holds_and_nothing_else(void **state)
{
    (void)state;
    for (int ours = THS_KIND_BOOLEAN; ours <= THS_KIND_BLOB; ours++)
        for (int theirs = THS_KIND_BOOLEAN; theirs <= THS_KIND_BLOB; theirs++) {
            enum ths_kind reader = (enum ths_kind)ours, writer = (enum ths_kind)theirs;
            bool plain = ours != THS_KIND_LIST && ours != THS_KIND_OPT && theirs != THS_KIND_LIST && theirs != THS_KIND_OPT;

            if (plain && reads_field(reader, THS_KIND_NONE, writer, THS_KIND_NONE) != is_wider(reader, writer))
                fail_msg("kind %d from %d", ours, theirs);
        }
}

static void opt_reads_what_is_always_there_but_not_the_other_way_round(void **state)
{
    (void)state;
    assert_true(reads_field(THS_KIND_OPT, THS_KIND_U32, THS_KIND_U32, THS_KIND_NONE));
    assert_true(reads_field(THS_KIND_OPT, THS_KIND_U32, THS_KIND_U8, THS_KIND_NONE));
    assert_true(reads_field(THS_KIND_OPT, THS_KIND_U32, THS_KIND_OPT, THS_KIND_U32));
    assert_false(reads_field(THS_KIND_U32, THS_KIND_NONE, THS_KIND_OPT, THS_KIND_U32));
    assert_false(reads_field(THS_KIND_OPT, THS_KIND_U8, THS_KIND_U32, THS_KIND_NONE));
}

static void list_reads_lists_of_what_its_element_holds(void **state)
{
    (void)state;
    assert_true(reads_field(THS_KIND_LIST, THS_KIND_U64, THS_KIND_LIST, THS_KIND_U8));
    assert_false(reads_field(THS_KIND_LIST, THS_KIND_U8, THS_KIND_LIST, THS_KIND_U64));
    assert_false(reads_field(THS_KIND_LIST, THS_KIND_U8, THS_KIND_U8, THS_KIND_NONE));
    assert_false(reads_field(THS_KIND_U8, THS_KIND_NONE, THS_KIND_LIST, THS_KIND_U8));
    assert_false(reads_field(THS_KIND_OPT, THS_KIND_U8, THS_KIND_LIST, THS_KIND_U8));
}

/* ---- Which fields may be missing ---------------------------------------------------------- */

static const struct {
    const char *name;
    const struct ths_type *reader, *writer;
    bool compatible, positional;
    const char *why;
} cases[] = {
    { "the same", &first_type, &first_type, true, true, "" },
    { "older sender", &appended_type, &first_type, true, true, "" },
    { "newer sender", &first_type, &appended_type, true, true, "" },
    { "all appended", &first_type, &nothing_type, true, true, "" },
    { "all removed", &nothing_type, &first_type, true, true, "" },
    { "optional field removed, optional one appended", &without_gift_type, &first_type, true, false, "" },
    { "sender without an optional field", &first_type, &without_gift_type, true, false, "" },
    { "field removed here", &without_count_type, &first_type, true, false, "" },
    { "sender without a field", &first_type, &without_count_type, false, false,
      "field 'count' (u32) of b is not there on a, and is neither optional nor appended" },
    { "in another order", &moved_type, &first_type, true, false, "" },
    { "renamed", &first_type, &renamed_type, false, false,
      "field 'count' (u32) of b is not there on a, and is neither optional nor appended" },
    { "the last one renamed", &renamed_last_type, &first_type, false, false,
      "field 'urgent' (u8) of b is not there on a, and is neither optional nor appended" },
};

static void fields_may_be_missing_when_they_are_optional_or_appended(void **state)
{
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct thsi_resolution got = thsi_schema_resolve(cases[i].reader, cases[i].writer);

        if (got.compatible != cases[i].compatible || got.positional != cases[i].positional)
            fail_msg("%s: compatible %d, positional %d", cases[i].name, got.compatible, got.positional);
        if (!got.compatible)
            assert_string_equal(thsi_resolution_print(&got, cases[i].reader, "b", cases[i].writer, "a", why, sizeof why),
                                cases[i].why);
    }
}

static void other_kind_is_named_with_both_sides(void **state)
{
    static const struct ths_field one[] = { { .name = "ok", .kind = THS_KIND_U8 },
                                            { .name = "ids", .kind = THS_KIND_LIST, .element = THS_KIND_U32 } };
    static const struct ths_field other[] = { { .name = "ids", .kind = THS_KIND_STRING } };
    const struct ths_type reader = { .name = "t", .fields = one, .fields_count = 2 };
    const struct ths_type writer = { .name = "t", .fields = other, .fields_count = 1 };
    struct thsi_resolution got = thsi_schema_resolve(&reader, &writer);
    char why[256];

    (void)state;
    assert_int_equal(got.first, 0); /* "ok" stands where the sender has something */
    assert_int_equal(got.fits[0], THSI_FIT_MISSING);
    assert_int_equal(got.fits[1], THSI_FIT_KIND);
    got.first = 1;
    assert_string_equal(thsi_resolution_print(&got, &reader, "here", &writer, "there", why, sizeof why),
                        "field 'ids' is list(u32) on here and string on there");
}

/* ---- What arrives ------------------------------------------------------------------------- */

static uint8_t room[4096] __attribute__((aligned(8)));
static uint8_t view_memory[sizeof(struct thsi_type_info) + 64 * sizeof(struct thsi_field)] __attribute__((aligned(8)));

/* Read what @writer's program packed of @msg as @reader. */
static const void *carry(struct ths_type *writer, const void *msg, struct ths_type *reader)
{
    struct thsi_resolution resolution = thsi_schema_resolve(reader, writer);
    const struct thsi_type_info *info = thsi_type_intern(reader);
    struct thsi_type_info *view = (struct thsi_type_info *)(void *)view_memory;
    struct thsi_arena arena = { .base = room, .cap = sizeof room };
    struct thsi_unpacker unpacker;
    struct thsi_packer packer;
    uint8_t bytes[256];
    void *out;

    assert_true(resolution.compatible);
    assert_true(thsi_schema_view_size(reader, writer) <= sizeof view_memory);
    thsi_packer_init(&packer, bytes, sizeof bytes);
    assert_int_equal(thsi_schema_pack(thsi_type_intern(writer), msg, &packer), THS_OK);
    thsi_schema_view_init(view, info, writer, &resolution);
    arena.cap = thsi_schema_room(view, packer.len);
    assert_true(arena.cap <= sizeof room);
    thsi_unpacker_init(&unpacker, bytes, packer.len);
    assert_int_equal(thsi_schema_unpack(view, &unpacker, &arena, &out), THS_OK);
    assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
    return out;
}

static void view_skips_removed_fields_and_finds_the_others_where_the_sender_has_them(void **state)
{
    const struct first sent = { .item = "pen", .count = 3, .gift = { "card", true }, .rush = 7 };
    const struct without_gift *got = carry(&first_type, &sent, &without_gift_type);
    const struct moved *other = NULL;

    (void)state;
    assert_string_equal(got->item, "pen");
    assert_int_equal(got->count, 3);
    assert_int_equal(got->rush, 7);
    assert_false(got->price.present);
    other = carry(&first_type, &sent, &moved_type);
    assert_int_equal(other->rush, 7);
    assert_int_equal(other->count, 3);
    assert_string_equal(other->item, "pen");
    assert_string_equal(other->gift.value, "card");
}

static void view_leaves_missing_optional_fields_absent(void **state)
{
    const struct without_gift sent = { .item = "pen", .count = 3, .rush = 7, .price = { 12, true } };
    const struct first *got = carry(&without_gift_type, &sent, &first_type);

    (void)state;
    assert_string_equal(got->item, "pen");
    assert_int_equal(got->count, 3);
    assert_int_equal(got->rush, 7);
    assert_false(got->gift.present);
}

static void appended_fields_arrive_empty_from_an_older_sender(void **state)
{
    const struct first sent = { .item = "pen", .count = 3, .rush = 7 };
    const struct appended *got = carry(&first_type, &sent, &appended_type);

    (void)state;
    assert_int_equal(got->rush, 7);
    assert_int_equal(got->price, 0);
    assert_string_equal(got->note, "");
    assert_int_equal(got->sizes.count, 0);
}

static void bounds_of_a_view_are_the_readers(void **state)
{
    const struct without_gift sent = { .item = "seventeen letters" };
    struct thsi_resolution resolution = thsi_schema_resolve(&first_type, &without_gift_type);
    struct thsi_type_info *view = (struct thsi_type_info *)(void *)view_memory;
    struct thsi_arena arena = { .base = room, .cap = sizeof room };
    struct thsi_unpacker unpacker;
    struct thsi_packer packer;
    uint8_t bytes[256];
    void *out;

    (void)state;
    thsi_packer_init(&packer, bytes, sizeof bytes);
    assert_int_equal(thsi_schema_pack(thsi_type_intern(&without_gift_type), &sent, &packer), THS_OK);
    thsi_schema_view_init(view, thsi_type_intern(&first_type), &without_gift_type, &resolution);
    thsi_unpacker_init(&unpacker, bytes, packer.len);
    assert_int_equal(thsi_schema_unpack(view, &unpacker, &arena, &out), THS_TOO_BIG);
}

/* ---- Descriptions ------------------------------------------------------------------------- */

static struct thsi_description described;

static enum ths_err read_bytes(const void *bytes, size_t len, uint64_t fingerprint)
{
    struct thsi_unpacker unpacker;
    enum ths_err err;

    thsi_unpacker_init(&unpacker, bytes, len);
    err = thsi_description_unpack(&described, &unpacker, "t", 1, fingerprint);
    return err == THS_OK ? thsi_unpack_finish(&unpacker) : err;
}

static void description_says_the_names_and_kinds_of_all_fields(void **state)
{
    const struct ths_type *types[] = { &first_type, &widest_type, &nothing_type, &appended_type };

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        struct thsi_unpacker unpacker;
        struct thsi_packer packer;
        uint8_t bytes[512];

        assert_true(thsi_type_is_describable(types[t]));
        thsi_packer_init(&packer, bytes, sizeof bytes);
        thsi_description_pack(types[t], &packer);
        assert_int_equal(thsi_packer_finish(&packer), THS_OK);
        thsi_unpacker_init(&unpacker, bytes, packer.len);
        assert_int_equal(thsi_description_unpack(&described, &unpacker, types[t]->name, types[t]->version,
                                                 thsi_type_fingerprint(types[t])), THS_OK);
        assert_int_equal(thsi_unpack_finish(&unpacker), THS_OK);
        assert_int_equal(described.type.fields_count, types[t]->fields_count);
        for (uint32_t i = 0; i < types[t]->fields_count; i++) {
            assert_string_equal(described.fields[i].name, types[t]->fields[i].name);
            assert_int_equal(described.fields[i].kind, types[t]->fields[i].kind);
            assert_int_equal(described.fields[i].element, types[t]->fields[i].element);
        }
    }
}

/* The fingerprint of what is read, so that only the form can be what is refused. */
static enum ths_err read_form(const void *bytes, size_t len)
{
    (void)read_bytes(bytes, len, 0);
    return read_bytes(bytes, len, thsi_type_fingerprint(&described.type));
}

#define FORM(bytes) read_form(bytes, sizeof(bytes) - 1)

static void description_that_is_none_is_malformed(void **state)
{
    uint8_t many[2 + 33 * 5 + 1] = { 0xdc, 0, 99 };

    (void)state;
    assert_int_equal(FORM("\x93\xa1x\x02\x00"), THS_OK);
    assert_int_equal(FORM("\x93\xa1x\x0f\x0c"), THS_OK);
    assert_int_equal(read_bytes("\x93\xa1x\x02\x00", 5, 1), THS_MALFORMED);      /* another fingerprint */
    assert_int_equal(FORM("\x92\xa1x\x02"), THS_MALFORMED);                       /* two elements */
    assert_int_equal(FORM("\x93\xa1x\x02"), THS_MALFORMED);                       /* cut short */
    assert_int_equal(FORM("\x93\xa0\x02\x00"), THS_MALFORMED);                    /* no name */
    assert_int_equal(FORM("\x93\xa2" "1x\x02\x00"), THS_MALFORMED);               /* no identifier */
    assert_int_equal(FORM("\x93\xa2x\n\x02\x00"), THS_MALFORMED);
    assert_int_equal(FORM("\x96\xa1x\x02\x00\xa1x\x02\x00"), THS_MALFORMED);      /* twice */
    assert_int_equal(FORM("\x93\xa1x\x00\x00"), THS_MALFORMED);                   /* kinds that are none */
    assert_int_equal(FORM("\x93\xa1x\x12\x00"), THS_MALFORMED);
    assert_int_equal(FORM("\x93\xa1x\x02\x02"), THS_MALFORMED);
    assert_int_equal(FORM("\x93\xa1x\x0f\x00"), THS_MALFORMED);
    assert_int_equal(FORM("\x93\xa1x\x0f\x0f"), THS_MALFORMED);
    assert_int_equal(FORM("\x93\xa1x\x10\x11"), THS_MALFORMED);
    assert_int_equal(FORM("\xc0"), THS_MALFORMED);
    for (unsigned i = 0; i < 33; i++)
        memcpy(many + 3 + i * 5, (uint8_t[]){ 0xa2, (uint8_t)('a' + i % 26), (uint8_t)('a' + i / 26), 2, 0 }, 5);
    assert_int_equal(read_form(many, sizeof many), THS_MALFORMED);                /* 33 fields */
    many[2] = 96;
    assert_int_equal(read_form(many, sizeof many - 5), THS_OK);
}

static void field_with_a_name_that_is_too_long_is_not_described(void **state)
{
    char name[THSI_FIELD_NAME_MAX + 2];
    const struct ths_field field = { .name = name, .kind = THS_KIND_U8 };
    const struct ths_type type = { .name = "t", .fields = &field, .fields_count = 1 };

    (void)state;
    memset(name, 'x', sizeof name);
    name[THSI_FIELD_NAME_MAX] = '\0';
    assert_true(thsi_type_is_describable(&type));
    name[THSI_FIELD_NAME_MAX] = 'x';
    name[THSI_FIELD_NAME_MAX + 1] = '\0';
    assert_false(thsi_type_is_describable(&type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kind_reads_itself_and_what_it_holds_and_nothing_else),
        cmocka_unit_test(opt_reads_what_is_always_there_but_not_the_other_way_round),
        cmocka_unit_test(list_reads_lists_of_what_its_element_holds),
        cmocka_unit_test(fields_may_be_missing_when_they_are_optional_or_appended),
        cmocka_unit_test(other_kind_is_named_with_both_sides),
        cmocka_unit_test(view_skips_removed_fields_and_finds_the_others_where_the_sender_has_them),
        cmocka_unit_test(view_leaves_missing_optional_fields_absent),
        cmocka_unit_test(appended_fields_arrive_empty_from_an_older_sender),
        cmocka_unit_test(bounds_of_a_view_are_the_readers),
        cmocka_unit_test(description_says_the_names_and_kinds_of_all_fields),
        cmocka_unit_test(description_that_is_none_is_malformed),
        cmocka_unit_test(field_with_a_name_that_is_too_long_is_not_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
