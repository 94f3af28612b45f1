#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/type_names.h"

THS_MESSAGE(greet, "test.names.greet", 1, string(name))
THS_MESSAGE(greet_2, "test.names.greet", 2, string(name), u32(times))
THS_MESSAGE(apple_size, "test.apple.size", 1, u32(value))
THS_MESSAGE(pear_size, "test.pear.size", 1, u32(value))
THS_MESSAGE(plain, "plain", 1)
THS_MESSAGE(internal, "ths.test_internal", 1)

static const struct thsi_type_info *info;
static struct thsi_near_names near_names;

static int set_up(void **state)
{
    struct ths_type *const types[] = { &greet_type, &greet_2_type, &apple_size_type, &pear_size_type, &plain_type,
                                       &internal_type };

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_non_null(thsi_type_intern(types[i]));
    return 0;
}

static enum ths_err look_up(const char *name)
{
    return thsi_type_lookup(name, 0, 0, &info, &near_names);
}

static void full_name_means_the_newest_version(void **state)
{
    (void)state;
    assert_int_equal(look_up("test.names.greet"), THS_OK);
    assert_int_equal(info->version, 2);
    assert_int_equal(look_up("plain"), THS_OK);
    assert_string_equal(info->name, "plain");
}

static void last_part_is_enough_when_one_type_has_it(void **state)
{
    (void)state;
    assert_int_equal(look_up("greet"), THS_OK);
    assert_string_equal(info->name, "test.names.greet");
    assert_int_equal(info->version, 2);
}

static void last_part_of_several_types_offers_them(void **state)
{
    (void)state;
    assert_int_equal(look_up("size"), THS_INVALID);
    assert_int_equal(near_names.count, 2);
    assert_string_equal(near_names.names[0], "test.apple.size");
    assert_string_equal(near_names.names[1], "test.pear.size");
}

static void misspelt_name_offers_the_like(void **state)
{
    (void)state;
    assert_int_equal(look_up("gret"), THS_UNKNOWN_TYPE);
    assert_int_equal(near_names.count, 1);
    assert_string_equal(near_names.names[0], "test.names.greet");
}

static void strange_name_offers_what_is_known_but_not_the_librarys(void **state)
{
    (void)state;
    assert_int_equal(look_up("xyzzyxyzzyxyzzy"), THS_UNKNOWN_TYPE);
    assert_int_equal(near_names.count, 4);
}

static void fingerprint_asks_for_that_very_version(void **state)
{
    const struct thsi_type_info *first = thsi_type_intern(&greet_type);

    (void)state;
    assert_int_equal(thsi_type_lookup("test.names.greet", 1, first->fingerprint, &info, &near_names), THS_OK);
    assert_ptr_equal(info, first);
    assert_int_equal(thsi_type_lookup("test.names.greet", 1, 99, &info, &near_names), THS_TYPE_MISMATCH);
    assert_int_equal(thsi_type_lookup("greet", 1, first->fingerprint, &info, &near_names), THS_UNKNOWN_TYPE);
}

static void edit_distance_counts_letters(void **state)
{
    char longer[4 * THSI_TYPE_NAME_MAX];

    (void)state;
    assert_int_equal(thsi_edit_distance("", ""), 0);
    assert_int_equal(thsi_edit_distance("greet", "greet"), 0);
    assert_int_equal(thsi_edit_distance("greet", "gret"), 1);
    assert_int_equal(thsi_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(thsi_edit_distance("", "abc"), 3);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(thsi_edit_distance(longer, ""), THSI_TYPE_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_name_means_the_newest_version),
        cmocka_unit_test(last_part_is_enough_when_one_type_has_it),
        cmocka_unit_test(last_part_of_several_types_offers_them),
        cmocka_unit_test(misspelt_name_offers_the_like),
        cmocka_unit_test(strange_name_offers_what_is_known_but_not_the_librarys),
        cmocka_unit_test(fingerprint_asks_for_that_very_version),
        cmocka_unit_test(edit_distance_counts_letters),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
