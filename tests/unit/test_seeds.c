/* Seeds: the list's syntax and the rounds. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cluster/seeds.h"

#define SECOND UINT64_C(1000000000)

static struct thsi_seeds seeds;
static char why[160];

static enum ths_err parse(const char *text)
{
    why[0] = '\0';
    return thsi_seeds_init(&seeds, text, why, sizeof why);
}

static void a_list_keeps_hosts_and_ports(void **state)
{
    (void)state;
    assert_int_equal(parse(" node-a:7401, node_b ,,[fe80::1%eth0]:80,10.0.0.1"), THS_OK);
    assert_int_equal(seeds.count, 4);
    assert_string_equal(seeds.address[0], "node-a:7401");
    assert_string_equal(seeds.address[1], "node_b:7400");
    assert_string_equal(seeds.address[2], "[fe80::1%eth0]:80");
    assert_string_equal(seeds.address[3], "10.0.0.1:7400");
}

static void no_text_is_no_seed(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL), THS_OK);
    assert_int_equal(seeds.count, 0);
    assert_int_equal(parse(" , "), THS_OK);
    assert_int_equal(seeds.count, 0);
    assert_false(thsi_seeds_step(&seeds, SECOND, true, 0));
    assert_true(thsi_seeds_deadline_ns(&seeds, true) == UINT64_MAX);
}

static void a_wrong_part_is_refused_by_name(void **state)
{
    static const char *const wrong[] = { ":7400", "a:0", "a:65536", "a:", "a:7x", "a b", "[::1", "[]:7400", "tcp://a:7400",
                                         "a:123456", "a;b" };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(parse(wrong[i]), THS_INVALID);
        assert_non_null(strstr(why, wrong[i]));
    }
}

static void a_host_longer_than_dns_allows_is_refused(void **state)
{
    char text[400];

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(parse(text), THS_INVALID);
}

static void more_than_the_bound_is_refused(void **state)
{
    char text[THSI_SEEDS_MAX * 2 + 3];

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i += 2)
        memcpy(text + i, "a,", 2);
    text[THSI_SEEDS_MAX * 2] = '\0';
    assert_int_equal(parse(text), THS_OK);
    memcpy(text + THSI_SEEDS_MAX * 2, "a", 2);
    assert_int_equal(parse(text), THS_TOO_MANY);
    assert_true(why[0] != '\0');
}

static void rounds_come_about_once_a_second_while_alone(void **state)
{
    (void)state;
    assert_int_equal(parse("a"), THS_OK);
    assert_true(thsi_seeds_step(&seeds, 5 * SECOND, true, 0));
    assert_true(thsi_seeds_deadline_ns(&seeds, true) == 5 * SECOND + SECOND * 4 / 5);
    assert_false(thsi_seeds_step(&seeds, 5 * SECOND + SECOND / 2, true, 0));
    assert_true(thsi_seeds_step(&seeds, 6 * SECOND, true, UINT64_MAX));
    assert_true(thsi_seeds_deadline_ns(&seeds, true) > 6 * SECOND + SECOND / 2);
    assert_true(thsi_seeds_deadline_ns(&seeds, true) < 6 * SECOND + SECOND * 6 / 5);
}

static void nobody_is_dialed_in_company(void **state)
{
    (void)state;
    assert_int_equal(parse("a"), THS_OK);
    assert_false(thsi_seeds_step(&seeds, SECOND, false, 0));
    assert_true(thsi_seeds_deadline_ns(&seeds, false) == UINT64_MAX);
}

static void own_addresses_are_remembered_up_to_a_bound(void **state)
{
    char address[64];

    (void)state;
    assert_int_equal(parse("a"), THS_OK);
    thsi_seeds_found_own(&seeds, "10.0.0.1:7400");
    thsi_seeds_found_own(&seeds, "10.0.0.1:7400");
    assert_true(thsi_seeds_is_own(&seeds, "10.0.0.1:7400"));
    assert_int_equal(seeds.own_count, 1);
    for (int i = 0; i < THSI_SEEDS_OWN_MAX; i++) {
        (void)snprintf(address, sizeof address, "10.0.1.%d:7400", i);
        thsi_seeds_found_own(&seeds, address);
    }
    assert_false(thsi_seeds_is_own(&seeds, "10.0.0.1:7400"));
    assert_true(thsi_seeds_is_own(&seeds, "10.0.1.0:7400"));
}

static void an_address_that_does_not_fit_is_refused(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(thsi_address_parse("abc:99", 6, out, sizeof out), THS_OK);
    assert_string_equal(out, "abc:99");
    assert_int_equal(thsi_address_parse("abcd:999", 8, out, sizeof out), THS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_keeps_hosts_and_ports),
        cmocka_unit_test(no_text_is_no_seed),
        cmocka_unit_test(a_wrong_part_is_refused_by_name),
        cmocka_unit_test(a_host_longer_than_dns_allows_is_refused),
        cmocka_unit_test(more_than_the_bound_is_refused),
        cmocka_unit_test(rounds_come_about_once_a_second_while_alone),
        cmocka_unit_test(nobody_is_dialed_in_company),
        cmocka_unit_test(own_addresses_are_remembered_up_to_a_bound),
        cmocka_unit_test(an_address_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
