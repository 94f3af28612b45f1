#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/certificate.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct thsi_identity_key authority, node;
static struct thsi_certificate good;
static char text[THSI_CERTIFICATE_MAX + 1];
static size_t len;

static int set_up(void **state)
{
    static const uint8_t secrets[2][THSI_KEY_SIZE] = { { 1 }, { 2 } };

    (void)state;
    thsi_identity_key_of(&authority, secrets[0]);
    thsi_identity_key_of(&node, secrets[1]);
    good = (struct thsi_certificate){ .serial = 17, .names = "a,b", .roles = "web", .not_before_ms = 1000000000000,
                                      .not_after_ms = 2000000000000, .rights = THSI_RIGHT_SEND | THSI_RIGHT_ASK };
    memcpy(good.node, node.public_key, THSI_KEY_SIZE);
    memset(text, 0, sizeof text);
    assert_int_equal(thsi_certificate_sign(&good, &authority, text, &len), THS_OK);
    return 0;
}

static void what_was_signed_is_read_again(void **state)
{
    struct thsi_certificate got;

    (void)state;
    assert_int_equal(thsi_certificate_parse(&got, text, len), THS_OK);
    assert_true(thsi_certificate_is_signed(&got, text));
    assert_true(got.serial == 17);
    assert_memory_equal(got.node, node.public_key, THSI_KEY_SIZE);
    assert_memory_equal(got.authority, authority.public_key, THSI_KEY_SIZE);
    assert_string_equal(got.names, "a,b");
    assert_string_equal(got.roles, "web");
    assert_int_equal(got.rights, THSI_RIGHT_SEND | THSI_RIGHT_ASK);
    assert_true(got.not_before_ms == good.not_before_ms && got.not_after_ms == good.not_after_ms);
    assert_non_null(strstr(text, "not-before 2001-09-09T01:46:40Z\nnot-after 2033-05-18T03:33:20Z\n"));
}

static void every_flipped_bit_is_malformed_or_not_signed(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct thsi_certificate got;

        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        if (thsi_certificate_parse(&got, text, len) == THS_OK) {
            /* The case of a digit of the signature is the one thing that may differ. */
            bool is_letter = text[bit / 8] >= 'A' && text[bit / 8] <= 'F' && bit / 8 > got.signed_len;
            assert_int_equal(thsi_certificate_is_signed(&got, text), is_letter);
        }
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
    }
}

static void cut_or_longer_text_is_malformed(void **state)
{
    struct thsi_certificate got;
    char longer[THSI_CERTIFICATE_MAX + 2];

    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(thsi_certificate_parse(&got, text, cut), THS_MALFORMED);
    memcpy(longer, text, len);
    longer[len] = '\n';
    assert_int_equal(thsi_certificate_parse(&got, longer, len + 1), THS_MALFORMED);
    memset(longer, 'x', sizeof longer);
    assert_int_equal(thsi_certificate_parse(&got, longer, THSI_CERTIFICATE_MAX + 1), THS_TOO_BIG);
}

static void longest_certificate_fits(void **state)
{
    struct thsi_certificate got;

    (void)state;
    good.serial = UINT64_MAX;
    memset(good.names, 'n', THSI_CERTIFICATE_LIST_MAX);
    memset(good.roles, 'r', THSI_CERTIFICATE_LIST_MAX);
    good.rights = THSI_RIGHTS_ALL & ~(uint32_t)THSI_RIGHT_ASK;
    good.not_after_ms = UINT64_C(253402300799000);
    assert_int_equal(thsi_certificate_sign(&good, &authority, text, &len), THS_OK);
    assert_int_equal(thsi_certificate_parse(&got, text, len), THS_OK);
    assert_true(got.serial == UINT64_MAX);
    assert_string_equal(got.names, good.names);
}

static void what_could_not_be_read_again_is_not_signed(void **state)
{
    struct thsi_certificate bad;

    (void)state;
    for (int i = 0; i < 6; i++) {
        bad = good;
        if (i == 0)
            strcpy(bad.names, "");
        else if (i == 1)
            strcpy(bad.names, "a,,b");
        else if (i == 2)
            strcpy(bad.names, "a\nroles *");
        else if (i == 3)
            strcpy(bad.roles, "w b");
        else if (i == 4)
            bad.not_after_ms = bad.not_before_ms;
        else
            strcpy(bad.roles, ",");
        assert_int_equal(thsi_certificate_sign(&bad, &authority, text, &len), THS_INVALID);
    }
}

static void no_roles_are_not_any_roles(void **state)
{
    struct thsi_certificate got;

    (void)state;
    good.roles[0] = '\0';
    assert_int_equal(thsi_certificate_sign(&good, &authority, text, &len), THS_OK);
    assert_non_null(strstr(text, "\nroles -\n"));
    assert_int_equal(thsi_certificate_parse(&got, text, len), THS_OK);
    assert_string_equal(got.roles, "");
    assert_false(thsi_words_cover(got.roles, "web"));
    assert_true(thsi_words_cover(got.roles, ""));
}

static void claims_are_covered_word_by_word(void **state)
{
    static const struct {
        const char *allowed, *claimed;
        bool covered;
    } rows[] = {
        { "*", "anything, at all", true }, { "a,b", "a", true },    { "a,b", "b,a", true },   { "a,b", " a , b ", true },
        { "a,b", "a,c", false },           { "a,b", "ab", false },  { "ab", "a", false },     { "a", "ab", false },
        { "a,b", "a,,b", true },           { "", "", true },        { "", "a", false },       { "a,b", "a b", false },
        { "a", "*", false },               { "a", "A", false },     { "a", " ", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(thsi_words_cover(rows[i].allowed, rows[i].claimed), rows[i].covered);
}

static void times_are_dates_of_the_calendar(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t ms;
    } rows[] = {
        { "1970-01-01T00:00:00Z", true, 0 },
        { "2024-02-29T23:59:59Z", true, UINT64_C(1709251199000) },
        { "9999-12-31T23:59:59Z", true, UINT64_C(253402300799000) },
        { "2023-02-29T00:00:00Z", false, 0 }, { "2023-13-01T00:00:00Z", false, 0 },
        { "2023-00-01T00:00:00Z", false, 0 }, { "2023-01-32T00:00:00Z", false, 0 },
        { "2023-01-01T24:00:00Z", false, 0 }, { "2023-01-01T00:60:00Z", false, 0 },
        { "2023-01-01T00:00:60Z", false, 0 }, { "1969-12-31T23:59:59Z", false, 0 },
        { "2023-01-01 00:00:00Z", false, 0 }, { "2023-01-01T00:00:00+", false, 0 },
        { "2023-1-01T00:00:000Z", false, 0 }, { "+023-01-01T00:00:00Z", false, 0 },
        { "2023-01-01T00:00:00", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t ms = 0;

        assert_int_equal(thsi_time_parse(rows[i].text, strlen(rows[i].text), &ms), rows[i].good);
        if (rows[i].good)
            assert_true(ms == rows[i].ms);
    }
}

static void numbers_have_one_form_and_a_bound(void **state)
{
    static const char *const bad[] = { "", "00", "01", "-1", "+1", "1x", " 1", "18446744073709551616", "99999999999999999999" };
    uint64_t got;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(thsi_number_parse(bad[i], strlen(bad[i]), &got));
    assert_true(thsi_number_parse("0", 1, &got) && got == 0);
    assert_true(thsi_number_parse("18446744073709551615", 20, &got) && got == UINT64_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(what_was_signed_is_read_again),
        TEST(every_flipped_bit_is_malformed_or_not_signed),
        TEST(cut_or_longer_text_is_malformed),
        TEST(longest_certificate_fits),
        TEST(what_could_not_be_read_again_is_not_signed),
        TEST(no_roles_are_not_any_roles),
        TEST(claims_are_covered_word_by_word),
        TEST(times_are_dates_of_the_calendar),
        TEST(numbers_have_one_form_and_a_bound),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
