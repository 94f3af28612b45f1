/* Words: what is a word, whose range it belongs to, and the table. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test_env.h"
#include "tools/words.h"

#define BYTES_MAX ((size_t)64 << 20)

static struct test_env env;
static struct thsi_words words;

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 7);
    thsi_words_init(&words, &env.env, BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_words_fini(&words);
    test_env_assert_clean(&env);
    return 0;
}

/* The window of the range [from, to) of a file, as a counter cuts it. */
static enum ths_err count_range(struct thsi_words *into, const void *file, size_t len, size_t from, size_t to)
{
    size_t before = from > 0 ? 1 : 0;
    size_t end = len - to > THSI_WORD_MAX ? to + THSI_WORD_MAX : len;
    struct thsi_window window = {
        .bytes = (const uint8_t *)file + from - before, .len = end - from + before, .before = before,
        .range_len = to - from, .ends = end == len,
    };

    return thsi_words_count(into, &window);
}

static uint64_t times(const char *word)
{
    return thsi_words_get(&words, word, strlen(word));
}

/* "a:2 b:1", by letters. */
static const char *print(const struct thsi_words *table)
{
    static char text[1024];
    const struct thsi_word **list = thsi_words_by_letters(table);
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < table->count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:%llu", i ? " " : "", list[i]->letters,
                                 (unsigned long long)list[i]->count);
    env.env.memory(&env.env, (void *)list, 0);
    return text;
}

static void a_word_is_a_run_of_letters_in_small(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *expected;
    } table[] = {
        /*  0 */ { "", 0, "" },
        /*  1 */ { "a", 1, "a:1" },
        /*  2 */ { "The the THE", 11, "the:3" },
        /*  3 */ { "don't", 5, "don:1 t:1" },
        /*  4 */ { "\n\n  \t--", 7, "" },
        /*  5 */ { "a1b2c3", 6, "a:1 b:1 c:1" },
        /*  6 */ { "a\0b", 3, "a:1 b:1" },
        /*  7 */ { "na\xc3\xafve", 6, "na:1 ve:1" },
        /*  8 */ { "@AZ[`az{", 8, "az:2" },
        /*  9 */ { "x_y", 3, "x:1 y:1" },
        /* 10 */ { "\xff\xfe\xe1", 3, "" },
        /* 11 */ { " end", 4, "end:1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct thsi_words found;

        thsi_words_init(&found, &env.env, BYTES_MAX);
        assert_int_equal(count_range(&found, table[i].bytes, table[i].len, 0, table[i].len), THS_OK);
        if (strcmp(print(&found), table[i].expected) != 0)
            fail_msg("row %zu: \"%s\" in place of \"%s\"", i, print(&found), table[i].expected);
        thsi_words_fini(&found);
    }
}

static void a_word_belongs_to_the_range_it_begins_in(void **state)
{
    static const char text[] = "one two";
    static const struct {
        size_t from, to;
        const char *expected;
    } table[] = {
        /* 0 */ { 0, 1, "one:1" },
        /* 1 */ { 1, 3, "" },
        /* 2 */ { 1, 4, "" },
        /* 3 */ { 1, 5, "two:1" },
        /* 4 */ { 4, 7, "two:1" },
        /* 5 */ { 5, 7, "" },
        /* 6 */ { 0, 7, "one:1 two:1" },
        /* 7 */ { 3, 3, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct thsi_words found;

        thsi_words_init(&found, &env.env, BYTES_MAX);
        assert_int_equal(count_range(&found, text, 7, table[i].from, table[i].to), THS_OK);
        if (strcmp(print(&found), table[i].expected) != 0)
            fail_msg("row %zu: \"%s\" in place of \"%s\"", i, print(&found), table[i].expected);
        thsi_words_fini(&found);
    }
}

static void every_cut_gives_the_table_of_the_whole(void **state)
{
    static const char *const texts[] = { "The quick, the QUICK; a fox", "aaaaaaaa", " x y z ", "a\0bb\344ccc d" };
    static const size_t lens[] = { 27, 8, 7, 10 };

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t a = 0; a <= lens[i]; a++)
            for (size_t b = a; b <= lens[i]; b++) {
                struct thsi_words whole, parts;

                thsi_words_init(&whole, &env.env, BYTES_MAX);
                thsi_words_init(&parts, &env.env, BYTES_MAX);
                assert_int_equal(count_range(&whole, texts[i], lens[i], 0, lens[i]), THS_OK);
                assert_int_equal(count_range(&parts, texts[i], lens[i], 0, a), THS_OK);
                assert_int_equal(count_range(&parts, texts[i], lens[i], a, b), THS_OK);
                assert_int_equal(count_range(&parts, texts[i], lens[i], b, lens[i]), THS_OK);
                assert_null(thsi_words_difference(&whole, &parts));
                assert_true(whole.total == parts.total);
                thsi_words_fini(&whole);
                thsi_words_fini(&parts);
            }
}

/* A second opinion on random bytes, with one state and no table. */
static uint64_t oracle(const uint8_t *bytes, size_t len, const char *word)
{
    size_t word_len = strlen(word), at = 0;
    uint64_t found = 0;

    while (at < len) {
        size_t start = at;

        while (at < len && ((bytes[at] >= 'A' && bytes[at] <= 'Z') || (bytes[at] >= 'a' && bytes[at] <= 'z')))
            at++;
        if (at - start == word_len) {
            size_t same = 0;

            while (same < word_len && (bytes[start + same] | 32) == word[same])
                same++;
            found += same == word_len;
        }
        if (at == start)
            at++;
    }
    return found;
}

static void random_bytes_agree_with_the_oracle(void **state)
{
    static const char alphabet[] = "abAB \xe4\n";
    uint8_t bytes[3000];
    size_t at = 0;
    const struct thsi_word *word;

    (void)state;
    env.env.random(&env.env, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)alphabet[bytes[i] % 7];
    for (size_t from = 0, len; from < sizeof bytes; from += len) {
        len = 1 + bytes[from] % 97;
        len = len < sizeof bytes - from ? len : sizeof bytes - from;
        assert_int_equal(count_range(&words, bytes, sizeof bytes, from, from + len), THS_OK);
    }
    assert_true(words.count > 50);
    while ((word = thsi_words_next(&words, &at)))
        assert_int_equal(word->count, oracle(bytes, sizeof bytes, word->letters));
}

static void the_longest_word_is_64_kib(void **state)
{
    static char file[3 * THSI_WORD_MAX];

    (void)state;
    memset(file, 'q', sizeof file);
    file[9] = ' ';
    file[10 + THSI_WORD_MAX] = ' ';
    assert_int_equal(count_range(&words, file, sizeof file, 0, 11), THS_OK);
    assert_int_equal(words.count, 2);
    file[10 + THSI_WORD_MAX] = 'q';
    assert_int_equal(count_range(&words, file, sizeof file, 0, 11), THS_TOO_BIG);
    /* Only the range in which it begins says so. */
    assert_int_equal(count_range(&words, file, sizeof file, 11, 20), THS_OK);
    assert_int_equal(count_range(&words, file, sizeof file, 70000, sizeof file), THS_OK);
    assert_int_equal(words.count, 2);
}

static void a_window_that_is_cut_in_a_word_is_refused(void **state)
{
    static const uint8_t bytes[] = "ab cd";
    struct thsi_window window = { .bytes = bytes, .len = 5, .range_len = 4, .ends = false };

    (void)state;
    assert_int_equal(thsi_words_count(&words, &window), THS_INVALID);
    window.range_len = 3;
    assert_int_equal(thsi_words_count(&words, &window), THS_OK);
}

static void table_grows_and_keeps_every_count(void **state)
{
    char word[8];

    (void)state;
    for (unsigned round = 1; round <= 2; round++)
        for (unsigned i = 0; i < 5000; i++) {
            int len = snprintf(word, sizeof word, "%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);

            assert_int_equal(thsi_words_add(&words, word, (size_t)len, i + 1), THS_OK);
            assert_int_equal(times(word), (i + 1) * round);
        }
    assert_int_equal(words.count, 5000);
    assert_int_equal(words.total, 2 * 5000 * 5001 / 2);
    assert_int_equal(times("zzzz"), 0);
}

static void tables_merge_and_compare(void **state)
{
    struct thsi_words other;

    (void)state;
    thsi_words_init(&other, &env.env, BYTES_MAX);
    assert_null(thsi_words_difference(&words, &other));
    assert_int_equal(thsi_words_add(&words, "a", 1, 2), THS_OK);
    assert_string_equal(thsi_words_difference(&words, &other)->letters, "a");
    assert_string_equal(thsi_words_difference(&other, &words)->letters, "a");
    assert_int_equal(thsi_words_merge(&other, &words), THS_OK);
    assert_null(thsi_words_difference(&words, &other));
    assert_int_equal(thsi_words_add(&other, "a", 1, 1), THS_OK);
    assert_string_equal(thsi_words_difference(&words, &other)->letters, "a");
    thsi_words_fini(&other);
}

static void lists_are_by_letters_and_the_top_by_count(void **state)
{
    const struct thsi_word *top[3];

    (void)state;
    assert_int_equal(thsi_words_top(&words, top, 3), 0);
    assert_null(thsi_words_by_letters(&words));
    assert_int_equal(thsi_words_add(&words, "b", 1, 2), THS_OK);
    assert_int_equal(thsi_words_add(&words, "c", 1, 9), THS_OK);
    assert_int_equal(thsi_words_top(&words, top, 3), 2);
    assert_int_equal(thsi_words_add(&words, "a", 1, 2), THS_OK);
    assert_int_equal(thsi_words_add(&words, "d", 1, 1), THS_OK);
    assert_string_equal(print(&words), "a:2 b:2 c:9 d:1");
    assert_int_equal(thsi_words_top(&words, top, 3), 3);
    assert_string_equal(top[0]->letters, "c");
    assert_string_equal(top[1]->letters, "a");
    assert_string_equal(top[2]->letters, "b");
    assert_int_equal(thsi_words_top(&words, top, 0), 0);
}

static void a_table_at_its_bound_refuses_and_keeps_what_it_has(void **state)
{
    static const char letters[] = "bcdefghijklmnopqrstuvwxyzbcdefghijklmnopqrstuvwxyz";
    struct thsi_words small;

    (void)state;
    thsi_words_init(&small, &env.env, 100);
    assert_int_equal(thsi_words_add(&small, "a", 1, 1), THS_TOO_MANY);
    assert_int_equal(small.count, 0);
    small.bytes_max = 80 << 10;
    assert_int_equal(thsi_words_add(&small, "a", 1, 1), THS_OK);
    small.bytes_max = small.bytes;
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(thsi_words_add(&small, &letters[i], 50 - i, 1), THS_OK);
    assert_int_equal(thsi_words_get(&small, "a", 1), 1);
    while (small.count < small.cap / 4 * 3) {
        char word[2] = { 'x', (char)('a' + small.count % 26) };

        if (thsi_words_add(&small, word, 2, 1) != THS_OK)
            break;
    }
    assert_int_equal(thsi_words_add(&small, "qqqqq", 5, 1), THS_TOO_MANY);
    assert_int_equal(thsi_words_get(&small, "qqqqq", 5), 0);
    thsi_words_fini(&small);
}

static void failed_memory_leaves_the_table_as_it_was(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, thsi_words_add(&words, "a", 1, 1) == THS_OK)
    {
        assert_int_equal(words.count, 0);
        assert_int_equal(times("a"), 0);
    }
    assert_int_equal(times("a"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_word_is_a_run_of_letters_in_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_word_belongs_to_the_range_it_begins_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_cut_gives_the_table_of_the_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_agree_with_the_oracle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_word_is_64_kib, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_window_that_is_cut_in_a_word_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(table_grows_and_keeps_every_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_merge_and_compare, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_are_by_letters_and_the_top_by_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_at_its_bound_refuses_and_keeps_what_it_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failed_memory_leaves_the_table_as_it_was, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
