#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/cli.h"
#include "tools/socket_path.h"

#include <string.h>

static bool flag;
static const char *text;
static unsigned number;

static const struct thsi_option options[] = {
    { "flag", THSI_OPTION_FLAG, &flag, 0, 0, NULL, "a flag" },
    { "text", THSI_OPTION_TEXT, &text, 0, 0, "TEXT", "a text" },
    { "number", THSI_OPTION_NUMBER, &number, 2, 20, "N", "a number" },
};

static const struct thsi_command command = {
    .name = "try", .usage = "[OPTION...] WORD [WORD]", .about = "Try.", .examples = "  thiasos try x",
    .options = options, .options_count = 3, .words_min = 1, .words_max = 2,
};

static int first, status;

/* Parse "try" and up to four words. */
static bool parse(const char *a, const char *b, const char *c, const char *d)
{
    static char copies[5][64];
    static char *argv[6];
    const char *words[] = { "try", a, b, c, d };
    int argc = 0;

    flag = false;
    text = NULL;
    number = 0;
    status = -1;
    while (argc < 5 && words[argc]) {
        strcpy(copies[argc], words[argc]);
        argv[argc] = copies[argc];
        argc++;
    }
    argv[argc] = NULL;
    return thsi_cli_parse(&command, argc, argv, &first, &status);
}

static void options_are_taken_wherever_they_stand(void **state)
{
    (void)state;
    assert_true(parse("--text=x", "word", "--flag", "--number=20"));
    assert_string_equal(text, "x");
    assert_true(flag);
    assert_int_equal(number, 20);
    assert_true(parse("--text", "-y", "word", NULL));
    assert_string_equal(text, "-y");
    assert_true(parse("--", "--flag", NULL, NULL));
    assert_false(flag);
}

static void unknown_option_is_wrong_usage(void **state)
{
    (void)state;
    assert_false(parse("--txt", "x", NULL, NULL));
    assert_int_equal(status, THSI_EXIT_USAGE);
    assert_false(parse("-x", "word", NULL, NULL));
    assert_int_equal(status, THSI_EXIT_USAGE);
    assert_false(parse("--flag=1", "word", NULL, NULL));
    assert_int_equal(status, THSI_EXIT_USAGE);
}

static void bad_and_missing_values_are_wrong_usage(void **state)
{
    static const char *const bad[] = { "--number=1", "--number=21", "--number=", "--number=2x", "--number=-3",
                                       "--number=99999999999999999999" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(parse(bad[i], "word", NULL, NULL));
        assert_int_equal(status, THSI_EXIT_USAGE);
    }
    assert_false(parse("word", "--text", NULL, NULL));
    assert_int_equal(status, THSI_EXIT_USAGE);
}

static void number_of_words_is_checked(void **state)
{
    (void)state;
    assert_false(parse(NULL, NULL, NULL, NULL));
    assert_int_equal(status, THSI_EXIT_USAGE);
    assert_false(parse("a", "b", "c", NULL));
    assert_int_equal(status, THSI_EXIT_USAGE);
    assert_true(parse("a", "b", NULL, NULL));
}

static void help_is_no_error(void **state)
{
    (void)state;
    assert_false(parse("--help", NULL, NULL, NULL));
    assert_int_equal(status, THSI_EXIT_OK);
}

static void nearest_name_is_offered_only_if_it_is_near(void **state)
{
    static const char *const names[] = { "members", "groups", "actors" };

    (void)state;
    assert_string_equal(thsi_cli_nearest("member", names, 3), "members");
    assert_string_equal(thsi_cli_nearest("actor", names, 3), "actors");
    assert_null(thsi_cli_nearest("xyzzy", names, 3));
}

static void socket_directory_is_the_users(void **state)
{
    char path[THSI_SOCKET_PATH_SIZE];

    (void)state;
    assert_int_equal(thsi_socket_directory("/run/user/7", 7, path, sizeof path), THS_OK);
    assert_string_equal(path, "/run/user/7/thiasos");
    assert_int_equal(thsi_socket_directory(NULL, 7, path, sizeof path), THS_OK);
    assert_string_equal(path, "/tmp/thiasos-7");
    assert_int_equal(thsi_socket_directory("not/absolute", 7, path, sizeof path), THS_OK);
    assert_string_equal(path, "/tmp/thiasos-7");
    assert_int_equal(thsi_socket_directory("/long", 7, path, 10), THS_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken_wherever_they_stand),
        cmocka_unit_test(unknown_option_is_wrong_usage),
        cmocka_unit_test(bad_and_missing_values_are_wrong_usage),
        cmocka_unit_test(number_of_words_is_checked),
        cmocka_unit_test(help_is_no_error),
        cmocka_unit_test(nearest_name_is_offered_only_if_it_is_near),
        cmocka_unit_test(socket_directory_is_the_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
