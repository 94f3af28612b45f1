#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/base/message_table.h"
#include "node/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

THS_MESSAGE(plain, "test.plain", 1, u32(number), boolean(flag), ref(who), opt(f64, ratio))
THS_MESSAGE(nothing, "test.nothing", 1)
THS_MESSAGE(rich, "test.rich", 1, string(name, .max = 8), bytes(data, .max = 4), list(u64, ids, .max = 3),
            list(string, names, .max = 2, .element_max = 5), list(bytes, blobs), opt(string, nick, .max = 3))

/* As another file would declare the same message, and variants of it. */
THS_MESSAGE(plain_again, "test.plain", 1, u32(number), boolean(flag), ref(who), opt(f64, ratio))
THS_MESSAGE(plain_newer, "test.plain", 2, u32(number), boolean(flag), ref(who), opt(f64, ratio), u8(more))
THS_MESSAGE(plain_other_kind, "test.plain", 1, u64(number), boolean(flag), ref(who), opt(f64, ratio))
THS_MESSAGE(plain_other_name, "test.plain", 1, u32(count), boolean(flag), ref(who), opt(f64, ratio))
THS_MESSAGE(plain_other_form, "test.plain", 1, u32(number), boolean(flag), ref(who), list(f64, ratio))
THS_MESSAGE(bound_a, "test.bound", 1, string(text, .max = 5))
THS_MESSAGE(bound_b, "test.bound", 1, string(text, .max = 9))
THS_MESSAGE(huge, "test.huge", 1, list(bytes, blobs), list(u64, numbers, .max = 40000000))

static const struct thsi_type_info *intern(struct ths_type *type)
{
    const struct thsi_type_info *info = thsi_type_intern(type);

    assert_non_null(info);
    return info;
}

static void equal_declarations_are_one_type(void **state)
{
    const struct thsi_type_info *first = intern(&plain_type);

    (void)state;
    assert_ptr_equal(intern(&plain_again_type), first);
    assert_ptr_equal(first->type, &plain_type);
}

static void first_declaration_sets_the_bounds(void **state)
{
    const struct thsi_type_info *first = intern(&bound_a_type);

    (void)state;
    assert_ptr_equal(intern(&bound_b_type), first);
    assert_int_equal(first->fields[0].max, 5);
}

static void any_difference_in_name_kind_or_form_is_another_fingerprint(void **state)
{
    uint64_t fingerprint = thsi_type_fingerprint(&plain_type);

    (void)state;
    assert_int_equal(thsi_type_fingerprint(&plain_again_type), fingerprint);
    assert_int_not_equal(thsi_type_fingerprint(&plain_newer_type), fingerprint);
    assert_int_not_equal(thsi_type_fingerprint(&plain_other_kind_type), fingerprint);
    assert_int_not_equal(thsi_type_fingerprint(&plain_other_name_type), fingerprint);
    assert_int_not_equal(thsi_type_fingerprint(&plain_other_form_type), fingerprint);
    assert_int_equal(thsi_type_fingerprint(&bound_a_type), thsi_type_fingerprint(&bound_b_type));
}

static void fingerprint_is_the_same_in_every_release(void **state)
{
    (void)state;
    assert_int_equal(thsi_type_fingerprint(&nothing_type), UINT64_C(0x3efa886bc71fd483));
    assert_int_equal(thsi_type_fingerprint(&plain_type), UINT64_C(0xa6457931f1c3eee4));
}

static void ids_are_dense_and_find_their_type(void **state)
{
    uint32_t id = intern(&rich_type)->id;

    (void)state;
    assert_true(id >= 1);
    for (uint32_t i = 1; i <= id; i++)
        assert_int_equal(thsi_type_by_id(i)->id, i);
    assert_ptr_equal(thsi_type_by_id(id), intern(&rich_type));
    assert_null(thsi_type_by_id(0));
    assert_null(thsi_type_by_id(THSI_TYPES_MAX));
    assert_null(thsi_type_by_id(UINT32_MAX));
}

static void name_finds_the_newest_version(void **state)
{
    (void)state;
    intern(&plain_type);
    intern(&plain_newer_type);
    intern(&plain_other_kind_type);
    assert_ptr_equal(thsi_type_by_name("test.plain"), intern(&plain_newer_type));
    assert_null(thsi_type_by_name("test.plai"));
    assert_null(thsi_type_by_name(""));
}

static void find_tells_unknown_from_mismatch(void **state)
{
    const struct thsi_type_info *info = intern(&plain_type);
    const struct thsi_type_info *found;

    (void)state;
    assert_int_equal(thsi_type_find("test.plain", 1, info->fingerprint, &found), THS_OK);
    assert_ptr_equal(found, info);
    assert_int_equal(thsi_type_find("test.plain", 1, info->fingerprint + 1, &found), THS_TYPE_MISMATCH);
    assert_non_null(found);
    assert_int_equal(thsi_type_find("test.plain", 7, info->fingerprint, &found), THS_TYPE_MISMATCH);
    assert_int_equal(thsi_type_find("test.unheard", 1, info->fingerprint, &found), THS_UNKNOWN_TYPE);
    assert_null(found);
}

static void message_without_pointers_is_flat(void **state)
{
    struct plain message = { .number = 7, .who = { 1, 2, 3 } };
    struct plain copy;
    size_t size;

    (void)state;
    assert_true(intern(&plain_type)->flat);
    assert_true(intern(&nothing_type)->flat);
    assert_false(intern(&rich_type)->flat);
    assert_int_equal(thsi_message_measure(intern(&plain_type), &message, &size), THS_OK);
    assert_int_equal(size, sizeof message);
    thsi_message_copy(intern(&plain_type), &copy, &message);
    assert_int_equal(copy.number, 7);
    assert_true(ths_ref_equal(copy.who, message.who));
}

/* A copy in a block of exactly the measured size, so that a sanitizer sees every byte too many. */
static struct rich *copy_of(const struct rich *message)
{
    size_t size = thsi_message_size(intern(&rich_type), message);
    struct rich *copy = malloc(size);

    assert_true(size >= sizeof *message);
    assert_int_equal(size % 8, 0);
    assert_non_null(copy);
    thsi_message_copy(intern(&rich_type), copy, message);
    return copy;
}

static void deep_copy_shares_nothing_with_the_original(void **state)
{
    char name[] = "name", nick[] = "nik", item[] = "two";
    uint8_t data[] = { 1, 2, 3 };
    uint64_t ids[] = { 10, 20, 30 };
    const char *names[] = { "one", item };
    struct rich message = {
        .name = name, .data = { data, 3 }, .ids = { ids, 3 }, .names = { names, 2 },
        .blobs = THS_ITEMS(struct ths_bytes, THS_BYTES("ab", 2), THS_BYTES("", 0)), .nick = THS_SOME(nick),
    };
    struct rich *copy = copy_of(&message);

    (void)state;
    name[0] = nick[0] = item[0] = 'X';
    data[0] = 99;
    ids[0] = 99;
    names[0] = "other";
    assert_string_equal(copy->name, "name");
    assert_int_equal(copy->data.data[0], 1);
    assert_int_equal(copy->ids.items[0], 10);
    assert_int_equal(copy->ids.items[2], 30);
    assert_string_equal(copy->names.items[0], "one");
    assert_string_equal(copy->names.items[1], "two");
    assert_int_equal(copy->blobs.count, 2);
    assert_memory_equal(copy->blobs.items[0].data, "ab", 2);
    assert_true(copy->nick.present);
    assert_string_equal(copy->nick.value, "nik");
    free(copy);
}

static void copy_turns_null_strings_into_empty_ones(void **state)
{
    struct rich message = { .names = THS_ITEMS(const char *, NULL, "b"), .nick = { "stale", false } };
    struct rich *copy = copy_of(&message);

    (void)state;
    assert_string_equal(copy->name, "");
    assert_string_equal(copy->names.items[0], "");
    assert_string_equal(copy->names.items[1], "b");
    assert_null(copy->ids.items);
    assert_null(copy->nick.value); /* what is absent is not copied */
    free(copy);
}

#define assert_refused(expected, ...)                                                               \
    do {                                                                                            \
        size_t refused_size = 1;                                                                    \
        assert_int_equal(thsi_message_measure(intern(&rich_type), &(struct rich){ __VA_ARGS__ },    \
                                              &refused_size), expected);                            \
        assert_int_equal(refused_size, 0);                                                          \
    } while (0)

static void field_over_its_bound_is_too_big(void **state)
{
    (void)state;
    assert_int_equal(thsi_message_check(intern(&rich_type), &(struct rich){ .name = "12345678" }), THS_OK);
    assert_refused(THS_TOO_BIG, .name = "123456789");
    assert_refused(THS_TOO_BIG, .data = THS_BYTES("12345", 5));
    assert_refused(THS_TOO_BIG, .ids = THS_ITEMS(uint64_t, 1, 2, 3, 4));
    assert_refused(THS_TOO_BIG, .names = THS_ITEMS(const char *, "a", "b", "c"));
    assert_refused(THS_TOO_BIG, .names = THS_ITEMS(const char *, "a", "123456"));
    assert_refused(THS_TOO_BIG, .nick = THS_SOME("1234"));
}

static void string_that_is_not_utf8_is_malformed(void **state)
{
    (void)state;
    assert_refused(THS_MALFORMED, .name = "a\xff");
    assert_refused(THS_MALFORMED, .names = THS_ITEMS(const char *, "\xc0\xaf"));
    assert_refused(THS_MALFORMED, .nick = THS_SOME("\xe2\x82"));
}

static void null_with_a_length_is_invalid(void **state)
{
    (void)state;
    assert_refused(THS_INVALID, .data = { NULL, 1 });
    assert_refused(THS_INVALID, .ids = { NULL, 1 });
}

static void message_over_the_limit_is_too_big(void **state)
{
    struct ths_bytes blob;
    static struct ths_bytes blobs[THS_LIST_MAX_DEFAULT]; /* of 64 KiB each: with their heads more than 256 MiB */
    struct huge message = { .blobs = { blobs, THS_LIST_MAX_DEFAULT - 1 } };

    (void)state;
    blob.data = calloc(1, THS_BYTES_MAX_DEFAULT);
    blob.len = THS_BYTES_MAX_DEFAULT;
    assert_non_null(blob.data);
    for (size_t i = 0; i < THS_LIST_MAX_DEFAULT; i++)
        blobs[i] = blob;
    assert_int_equal(thsi_message_check(intern(&huge_type), &message), THS_OK);
    message.blobs.count = THS_LIST_MAX_DEFAULT;
    assert_int_equal(thsi_message_check(intern(&huge_type), &message), THS_TOO_BIG);
    free((void *)(uintptr_t)blob.data);
}

static void list_of_numbers_over_the_limit_is_too_big(void **state)
{
    uint64_t *numbers = calloc(40000000, sizeof *numbers);
    struct huge message = { .numbers = { numbers, 40000000 } };

    (void)state;
    assert_int_equal(thsi_message_check(intern(&huge_type), &message), THS_TOO_BIG);
    free(numbers);
}

static void utf8_verdicts(void **state)
{
    static const struct { const char *text; size_t len; bool valid; } rows[] = {
        { "", 0, true },                       { "plain text, longer than eight bytes", 35, true },
        { "12345678\0", 9, false },            { "\0", 1, false },
        { "1234\0005678", 9, false },          { "gr\xc3\xbc\xc3\x9f", 6, true },
        { "\xe2\x82\xac", 3, true },           { "\xf0\x9f\x8e\xad", 4, true },
        { "\x80", 1, false },                  { "\xc1\xbf", 2, false },
        { "\xe0\x9f\xbf", 3, false },          { "\xed\xa0\x80", 3, false },
        { "\xed\x9f\xbf", 3, true },           { "\xf0\x8f\xbf\xbf", 4, false },
        { "\xf4\x8f\xbf\xbf", 4, true },       { "\xf4\x90\x80\x80", 4, false },
        { "\xf5\x80\x80\x80", 4, false },      { "1234567\xc3", 8, false },
        { "\xe2\x82", 2, false },              { "\xf0\x9f\x8e", 3, false },
    };

    (void)state;
    assert_true(thsi_utf8_valid(NULL, 0));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (thsi_utf8_valid(rows[i].text, rows[i].len) != rows[i].valid)
            fail_msg("row %zu", i);
}

static void utf8_is_mended_byte_by_byte(void **state)
{
    static const struct { const char *text, *mended; } rows[] = {
        { "", "" }, { "plain", "plain" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xff\xc3", "??" }, { "a\xed\xa0\x80z", "a???z" }, { "cut \xf0\x9f\x8e", "cut ???" },
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(text, sizeof text, "%s", rows[i].text);
        thsi_utf8_mend(text);
        assert_string_equal(text, rows[i].mended);
    }
}

/* Last: it fills the table of this process. */
static void table_refuses_types_beyond_its_bound(void **state)
{
    static struct ths_type types[THSI_TYPES_MAX];
    static char names[THSI_TYPES_MAX][16];
    const struct thsi_type_info *last = NULL;
    size_t made = 0;

    (void)state;
    for (; made < THSI_TYPES_MAX; made++) {
        snprintf(names[made], sizeof names[made], "test.%zu", made);
        types[made] = (struct ths_type){ .name = names[made], .version = 1, .size = 1 };
        if (!thsi_type_intern(&types[made]))
            break;
        last = types[made].info;
    }
    assert_true(made < THSI_TYPES_MAX);
    assert_int_equal(last->id, THSI_TYPES_MAX);
    assert_ptr_equal(thsi_type_by_id(THSI_TYPES_MAX), last);
    assert_null(thsi_type_intern(&types[made]));
    assert_ptr_equal(thsi_type_intern(&types[0]), types[0].info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_declarations_are_one_type),
        cmocka_unit_test(first_declaration_sets_the_bounds),
        cmocka_unit_test(any_difference_in_name_kind_or_form_is_another_fingerprint),
        cmocka_unit_test(fingerprint_is_the_same_in_every_release),
        cmocka_unit_test(ids_are_dense_and_find_their_type),
        cmocka_unit_test(name_finds_the_newest_version),
        cmocka_unit_test(find_tells_unknown_from_mismatch),
        cmocka_unit_test(message_without_pointers_is_flat),
        cmocka_unit_test(deep_copy_shares_nothing_with_the_original),
        cmocka_unit_test(copy_turns_null_strings_into_empty_ones),
        cmocka_unit_test(field_over_its_bound_is_too_big),
        cmocka_unit_test(string_that_is_not_utf8_is_malformed),
        cmocka_unit_test(null_with_a_length_is_invalid),
        cmocka_unit_test(message_over_the_limit_is_too_big),
        cmocka_unit_test(list_of_numbers_over_the_limit_is_too_big),
        cmocka_unit_test(utf8_verdicts),
        cmocka_unit_test(utf8_is_mended_byte_by_byte),
        cmocka_unit_test(table_refuses_types_beyond_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
