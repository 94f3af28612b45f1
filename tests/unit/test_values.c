/* The values that the whole API speaks of: errors, reasons, refs as text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "thiasos/reason.h"
#include "thiasos/ref.h"
#include "thiasos/supervisor.h"

#include <string.h>

static void every_error_has_a_number_of_its_own_a_name_and_a_sentence(void **state)
{
    static const struct { enum ths_err err; const char *name, *text; } rows[] = {
#define X(name, number, text) { THS_##name, #name, text },
        THS_ERR_LIST(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(rows[i].err, i); /* dense, in the order of the list */
        assert_string_equal(ths_err_name(rows[i].err), rows[i].name);
        assert_string_equal(ths_err_text(rows[i].err), rows[i].text);
    }
}

static void unknown_error_has_a_name_too(void **state)
{
    (void)state;
    assert_string_equal(ths_err_name((enum ths_err)9999), "UNKNOWN");
    assert_non_null(ths_err_text((enum ths_err)9999));
}

static void every_reason_has_its_text(void **state)
{
    static const struct { enum ths_reason reason; const char *text; } rows[] = {
#define X(name, number, text) { THS_REASON_##name, text },
        THS_REASON_LIST(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(rows[i].reason, i);
        assert_string_equal(ths_reason_text(rows[i].reason), rows[i].text);
    }
    assert_string_equal(ths_reason_text((enum ths_reason)9999), "unknown");
}

static void states_and_kinds_of_children_have_their_texts(void **state)
{
    (void)state;
    assert_string_equal(ths_child_state_text(THS_CHILD_WAITS), "waits");
    assert_string_equal(ths_child_state_text(THS_CHILD_STARTS), "starts");
    assert_string_equal(ths_child_state_text(THS_CHILD_RUNS), "runs");
    assert_string_equal(ths_child_state_text(THS_CHILD_STOPS), "stops");
    assert_string_equal(ths_child_state_text(THS_CHILD_ENDED), "ended");
    assert_string_equal(ths_child_state_text((enum ths_child_state)5), "unknown");
    assert_string_equal(ths_restart_text(THS_PERMANENT), "permanent");
    assert_string_equal(ths_restart_text(THS_TRANSIENT), "transient");
    assert_string_equal(ths_restart_text(THS_TEMPORARY), "temporary");
    assert_string_equal(ths_restart_text((enum ths_restart)3), "unknown");
}

static void ref_survives_its_text(void **state)
{
    static const ths_ref refs[] = { { 1, 0, 1 }, { UINT64_MAX, UINT32_MAX, UINT32_MAX }, { 0x0123456789abcdef, 7, 42 } };

    (void)state;
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++) {
        char text[THS_REF_TEXT_SIZE];
        ths_ref back;
        assert_ptr_equal(ths_ref_print(refs[i], text), text);
        assert_int_equal(ths_ref_parse(text, &back), THS_OK);
        assert_true(ths_ref_equal(back, refs[i]));
    }
}

static void ref_prints_as_its_header_says(void **state)
{
    char text[THS_REF_TEXT_SIZE];

    (void)state;
    assert_string_equal(ths_ref_print((ths_ref){ 0xab, 7, 42 }, text), "00000000000000ab.7.42");
}

static void text_that_is_no_ref_is_malformed(void **state)
{
    static const char *const texts[] = {
        "", ".", "ab.7.42", "00000000000000ab", "00000000000000ab.7", "00000000000000ab.7.", "00000000000000ab..42",
        "00000000000000ab.7.42 ", " 00000000000000ab.7.42", "00000000000000AB.7.42", "000000000000000ab.7.42",
        "00000000000000ab.-7.42", "00000000000000ab.7.4294967296", "00000000000000ab.99999999999999999999.1",
        "00000000000000ag.7.42", "00000000000000ab.7.42.1", "greeter@a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ths_ref ref = { 1, 1, 1 };
        assert_int_equal(ths_ref_parse(texts[i], &ref), THS_MALFORMED);
        assert_true(ths_ref_is_nobody(ref));
    }
}

static void refs_are_equal_in_all_three_parts_or_not_at_all(void **state)
{
    const ths_ref ref = { 1, 2, 3 };

    (void)state;
    assert_true(ths_ref_equal(ref, (ths_ref){ 1, 2, 3 }));
    assert_false(ths_ref_equal(ref, (ths_ref){ 2, 2, 3 }));
    assert_false(ths_ref_equal(ref, (ths_ref){ 1, 3, 3 }));
    assert_false(ths_ref_equal(ref, (ths_ref){ 1, 2, 4 }));
    assert_false(ths_ref_is_nobody(ref));
    assert_true(ths_ref_is_nobody(THS_NOBODY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_number_of_its_own_a_name_and_a_sentence),
        cmocka_unit_test(unknown_error_has_a_name_too),
        cmocka_unit_test(every_reason_has_its_text),
        cmocka_unit_test(states_and_kinds_of_children_have_their_texts),
        cmocka_unit_test(ref_survives_its_text),
        cmocka_unit_test(ref_prints_as_its_header_says),
        cmocka_unit_test(text_that_is_no_ref_is_malformed),
        cmocka_unit_test(refs_are_equal_in_all_three_parts_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
