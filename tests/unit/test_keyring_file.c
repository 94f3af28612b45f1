#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/keyring_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECOND "0200000000000000000000000000000000000000000000000000000000000000\n"
#define THIRD "0300000000000000000000000000000000000000000000000000000000000000\n"
#define GOOD "thiasos-cluster-key 1\n" HEX "\n"

/* A directory of its own for each test. */
struct place {
    char directory[64];
    char path[96];
    char why[THSI_KEY_WHY_SIZE];
    struct thsi_keyring keys;
};

static uint8_t secret[THSI_KEY_SIZE];

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    if (place == NULL)
        return -1;
    for (unsigned i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)i;
    strcpy(place->directory, "/tmp/thiasos-test-keys-XXXXXX");
    *state = place;
    if (mkdtemp(place->directory) == NULL)
        return -1;
    (void)snprintf(place->path, sizeof place->path, "%s/cluster.key", place->directory);
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    (void)unlink(place->path);
    (void)rmdir(place->path);
    (void)rmdir(place->directory);
    free(place);
    return 0;
}

static void put_file(const struct place *place, const char *text, size_t len, mode_t mode)
{
    FILE *file;

    (void)unlink(place->path);
    file = fopen(place->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(place->path, mode), 0);
}

static enum ths_err load(struct place *place)
{
    memset(&place->keys, 0xee, sizeof place->keys);
    return thsi_keyring_load(&place->keys, place->path, place->why, sizeof place->why);
}

/* Refused, the key wiped, and the message says what, why, and what to do. */
static void assert_refused(struct place *place, enum ths_err err, const char *reason, const char *remedy)
{
    assert_int_equal(load(place), err);
    assert_true(sodium_is_zero((const uint8_t *)&place->keys, sizeof place->keys));
    assert_non_null(strstr(place->why, "cannot use the key file"));
    assert_non_null(strstr(place->why, place->path));
    if (strstr(place->why, reason) == NULL || strstr(place->why, remedy) == NULL)
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", place->why, reason, remedy);
}

static void new_key_is_private_and_loads_again(void **state)
{
    struct place *place = *state;
    mode_t mask = umask(0777); /* even this one must not make it unreadable for its owner */
    enum ths_err err = thsi_keyring_create(place->path, secret, place->why, sizeof place->why);
    struct stat file;

    (void)umask(mask);
    assert_int_equal(err, THS_OK);
    assert_string_equal(place->why, "");
    assert_int_equal(stat(place->path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0400);
    assert_int_equal(load(place), THS_OK);
    assert_string_equal(place->why, "");
    assert_int_equal(place->keys.count, 1);
    assert_memory_equal(place->keys.keys[0].secret, secret, sizeof secret);
}

static void file_is_two_lines_of_text(void **state)
{
    struct place *place = *state;
    char text[128] = "";
    FILE *file;

    assert_int_equal(thsi_keyring_create(place->path, secret, place->why, sizeof place->why), THS_OK);
    file = fopen(place->path, "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), strlen(GOOD));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, GOOD);
}

static void existing_file_is_never_overwritten(void **state)
{
    struct place *place = *state;
    uint8_t other[THSI_KEY_SIZE] = { 99 };

    assert_int_equal(thsi_keyring_create(place->path, secret, place->why, sizeof place->why), THS_OK);
    assert_int_equal(thsi_keyring_create(place->path, other, place->why, sizeof place->why), THS_INVALID);
    assert_non_null(strstr(place->why, "something is there already"));
    assert_non_null(strstr(place->why, "Choose another name"));
    assert_int_equal(load(place), THS_OK);
    assert_memory_equal(place->keys.keys[0].secret, secret, sizeof secret);
}

static void dangling_link_is_not_followed_by_create(void **state)
{
    struct place *place = *state;

    assert_int_equal(symlink("/nonexistent/target", place->path), 0);
    assert_int_equal(thsi_keyring_create(place->path, secret, place->why, sizeof place->why), THS_INVALID);
}

static void missing_directory_is_told(void **state)
{
    struct place *place = *state;

    assert_int_equal(thsi_keyring_create("/nonexistent/cluster.key", secret, place->why, sizeof place->why),
                     THS_IO);
    assert_non_null(strstr(place->why, "cannot create the key file '/nonexistent/cluster.key'"));
    assert_non_null(strstr(place->why, strerror(ENOENT)));
    assert_non_null(strstr(place->why, "Choose a directory"));
}

static void missing_file_is_refused_with_the_command_that_makes_one(void **state)
{
    assert_refused(*state, THS_BAD_KEY, "there is no such file", "thiasos key new FILE");
}

static void file_open_to_others_is_refused(void **state)
{
    static const mode_t modes[] = { 0440, 0404, 0420, 0402, 0644, 0666, 0410, 0401 };
    struct place *place = *state;

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char mode[8];

        (void)snprintf(mode, sizeof mode, "%04o", (unsigned)modes[i]);
        put_file(place, GOOD, strlen(GOOD), modes[i]);
        assert_refused(place, THS_BAD_KEY, mode, "chmod 0400");
    }
    put_file(place, GOOD, strlen(GOOD), 0600);
    assert_int_equal(load(place), THS_OK);
}

static void wrong_length_is_refused(void **state)
{
    struct place *place = *state;

    put_file(place, "", 0, 0400);
    assert_refused(place, THS_BAD_KEY, "too short", "thiasos key new FILE");
    put_file(place, GOOD, strlen(GOOD) - 2, 0400);
    assert_refused(place, THS_BAD_KEY, "too short", "thiasos key new FILE");
    put_file(place, GOOD SECOND THIRD "\n", strlen(GOOD SECOND THIRD) + 1, 0400);
    assert_refused(place, THS_BAD_KEY, "too long", "thiasos key new FILE");
    put_file(place, GOOD "\n", strlen(GOOD) + 1, 0400);
    assert_refused(place, THS_BAD_KEY, "hexadecimal", "thiasos key new FILE");
    put_file(place, GOOD SECOND, strlen(GOOD SECOND) - 2, 0400);
    assert_refused(place, THS_BAD_KEY, "hexadecimal", "thiasos key new FILE");
}

static void missing_last_newline_is_forgiven(void **state)
{
    struct place *place = *state;

    put_file(place, GOOD, strlen(GOOD) - 1, 0400);
    assert_int_equal(load(place), THS_OK);
    assert_memory_equal(place->keys.keys[0].secret, secret, sizeof secret);
}

static void bad_syntax_is_refused(void **state)
{
    static const struct {
        size_t at;
        char byte;
        const char *reason;
    } rows[] = {
        { 0, 'T', "does not begin with" },    { 19, '_', "does not begin with" }, { 20, '2', "another version" },
        { 21, ' ', "another version" },       { 22, 'g', "hexadecimal" },         { 85, ' ', "hexadecimal" },
        { 50, '\0', "hexadecimal" },          { 86, 'x', "hexadecimal" },
    };
    struct place *place = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[] = GOOD;

        text[rows[i].at] = rows[i].byte;
        put_file(place, text, strlen(GOOD), 0400);
        assert_refused(place, THS_BAD_KEY, rows[i].reason, "thiasos key new FILE");
    }
}

/* ---- Several keys ------------------------------------------------------------------------ */

static struct thsi_keyring three_keys(void)
{
    struct thsi_keyring keyring = { .keys = { [1] = { .secret = { 2 } }, [2] = { .secret = { 3 } } }, .count = 3 };

    memcpy(keyring.keys[0].secret, secret, sizeof secret);
    return keyring;
}

static void three_keys_are_read_in_their_order(void **state)
{
    const struct thsi_keyring expected = three_keys();
    struct place *place = *state;

    put_file(place, GOOD SECOND THIRD, strlen(GOOD SECOND THIRD), 0400);
    assert_int_equal(load(place), THS_OK);
    assert_memory_equal(&place->keys, &expected, sizeof expected);
    put_file(place, GOOD SECOND, strlen(GOOD SECOND) - 1, 0400);
    assert_int_equal(load(place), THS_OK);
    assert_int_equal(place->keys.count, 2);
}

static void same_key_twice_is_refused(void **state)
{
    struct place *place = *state;

    put_file(place, GOOD SECOND SECOND, strlen(GOOD SECOND SECOND), 0400);
    assert_refused(place, THS_BAD_KEY, "one key twice", "thiasos key new FILE");
}

static void replaced_file_is_private_whole_and_loads_again(void **state)
{
    const struct thsi_keyring keyring = three_keys();
    struct place *place = *state;
    struct stat file;

    assert_int_equal(thsi_keyring_create(place->path, secret, place->why, sizeof place->why), THS_OK);
    assert_int_equal(thsi_keyring_save(&keyring, place->path, place->why, sizeof place->why), THS_OK);
    assert_string_equal(place->why, "");
    assert_int_equal(load(place), THS_OK);
    assert_memory_equal(&place->keys, &keyring, sizeof keyring);
    assert_int_equal(stat(place->path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0400);
}

static void change_that_fails_is_told_and_changes_nothing(void **state)
{
    const struct thsi_keyring keyring = three_keys();
    struct place *place = *state;
    char path[sizeof place->path + 8];

    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_int_equal(thsi_keyring_save(&keyring, place->path, place->why, sizeof place->why), THS_IO);
    assert_non_null(strstr(place->why, place->path));
    assert_int_equal(rmdir(place->path), 0); /* nothing was left in it */
    (void)snprintf(path, sizeof path, "%s/nowhere", place->path);
    assert_int_equal(thsi_keyring_save(&keyring, path, place->why, sizeof place->why), THS_IO);
    assert_non_null(strstr(place->why, "as they were"));
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
    struct place *place = *state;

    assert_int_equal(mkfifo(place->path, 0400), 0);
    assert_refused(place, THS_BAD_KEY, "not a regular file", "thiasos key new FILE");
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_refused(place, THS_BAD_KEY, "not a regular file", "thiasos key new FILE");
}

static void long_path_is_cut_in_the_message(void **state)
{
    struct place *place = *state;
    char path[2000], why[40];
    enum ths_err err;

    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    err = thsi_keyring_load(&place->keys, path, why, sizeof why);
    assert_true(err == THS_IO || err == THS_BAD_KEY); /* some file systems say "no such file" of a name that is too long */
    assert_int_equal(strlen(why), sizeof why - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_key_is_private_and_loads_again),
        TEST(file_is_two_lines_of_text),
        TEST(existing_file_is_never_overwritten),
        TEST(dangling_link_is_not_followed_by_create),
        TEST(missing_directory_is_told),
        TEST(missing_file_is_refused_with_the_command_that_makes_one),
        TEST(file_open_to_others_is_refused),
        TEST(wrong_length_is_refused),
        TEST(missing_last_newline_is_forgiven),
        TEST(bad_syntax_is_refused),
        TEST(three_keys_are_read_in_their_order),
        TEST(same_key_twice_is_refused),
        TEST(replaced_file_is_private_whole_and_loads_again),
        TEST(change_that_fails_is_told_and_changes_nothing),
        TEST(what_is_no_file_is_refused_without_waiting),
        TEST(long_path_is_cut_in_the_message),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
