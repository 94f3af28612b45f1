#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/reassembly.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/test_env.h"

enum { FIRST = THSI_FRAGMENT_FIRST, LAST = THSI_FRAGMENT_LAST };

static struct test_env env;
static struct thsi_reassembly pieces;
static uint8_t *bytes; /* THSI_FRAGMENT_MAX of them */

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 3);
    thsi_reassembly_init(&pieces, &env.env);
    bytes = calloc(1, THSI_FRAGMENT_MAX);
    assert_non_null(bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_reassembly_check(&pieces);
    thsi_reassembly_fini(&pieces);
    free(bytes);
    test_env_assert_clean(&env);
    return 0;
}

static enum ths_err add(unsigned stream, unsigned piece, const char *text, bool *whole)
{
    enum ths_err err = thsi_reassembly_add(&pieces, stream, piece, (const uint8_t *)text, strlen(text), whole);

    thsi_reassembly_check(&pieces);
    return err;
}

static void assert_whole(unsigned stream, const char *text)
{
    assert_int_equal(pieces.streams[stream].len, strlen(text));
    assert_memory_equal(pieces.streams[stream].bytes, text, strlen(text));
    thsi_reassembly_done(&pieces, stream, true);
}

static void pieces_of_several_records_come_in_turn(void **state)
{
    bool whole;

    (void)state;
    assert_int_equal(add(3, FIRST, "one ", &whole), THS_OK);
    assert_int_equal(add(0, FIRST, "two ", &whole), THS_OK);
    assert_int_equal(add(3, 0, "and ", &whole), THS_OK);
    assert_false(whole);
    assert_int_equal(add(0, LAST, "too", &whole), THS_OK);
    assert_true(whole);
    assert_whole(0, "two too");
    assert_int_equal(add(3, LAST, "only", &whole), THS_OK);
    assert_true(whole);
    assert_whole(3, "one and only");
    assert_int_equal(pieces.bytes, 0);
}

static void one_piece_may_be_all(void **state)
{
    bool whole;

    (void)state;
    assert_int_equal(add(15, FIRST | LAST, "all", &whole), THS_OK);
    assert_true(whole);
    assert_whole(15, "all");
}

static void piece_that_is_not_due_is_malformed(void **state)
{
    bool whole;

    (void)state;
    assert_int_equal(add(1, 0, "x", &whole), THS_MALFORMED);
    assert_int_equal(add(1, LAST, "x", &whole), THS_MALFORMED);
    assert_int_equal(add(1, FIRST, "", &whole), THS_MALFORMED);
    assert_int_equal(add(1, FIRST, "x", &whole), THS_OK);
    assert_int_equal(add(1, FIRST, "x", &whole), THS_MALFORMED);
    assert_int_equal(add(1, FIRST | LAST, "x", &whole), THS_MALFORMED);
}

static void bytes_of_all_are_bounded_together(void **state)
{
    enum ths_err err = THS_OK;
    uint64_t count = 0;
    bool whole;

    (void)state;
    for (unsigned i = 0; i < THSI_STREAMS_MAX; i++)
        assert_int_equal(thsi_reassembly_add(&pieces, i, FIRST, bytes, THSI_FRAGMENT_MAX, &whole), THS_OK);
    for (count = THSI_STREAMS_MAX; err == THS_OK; count += err == THS_OK)
        err = thsi_reassembly_add(&pieces, (unsigned)(count % 3), 0, bytes, THSI_FRAGMENT_MAX, &whole);
    assert_int_equal(err, THS_TOO_BIG);
    assert_int_equal(count, THSI_STREAMED_MAX / THSI_FRAGMENT_MAX);
}

static void record_without_memory_is_passed_over_alone(void **state)
{
    bool whole;

    (void)state;
    assert_int_equal(add(1, FIRST, "one ", &whole), THS_OK);
    env.fail_at = env.calls + 1;
    assert_int_equal(add(2, FIRST, "lost", &whole), THS_NOMEM);
    env.fail_at = 0;
    thsi_reassembly_done(&pieces, 2, false);
    assert_int_equal(add(2, FIRST, "x", &whole), THS_MALFORMED);
    assert_int_equal(add(2, 0, "lost", &whole), THS_OK);
    assert_int_equal(add(2, LAST, "lost", &whole), THS_OK);
    assert_false(whole);
    assert_int_equal(add(2, FIRST, "new", &whole), THS_OK);
    assert_int_equal(add(1, LAST, "more", &whole), THS_OK);
    assert_whole(1, "one more");
}

static void record_that_loses_its_memory_on_the_way_keeps_what_came(void **state)
{
    bool whole;

    (void)state;
    assert_int_equal(add(1, FIRST, "head", &whole), THS_OK);
    env.fail_at = env.calls + 1;
    assert_int_equal(thsi_reassembly_add(&pieces, 1, 0, bytes, THSI_FRAGMENT_MAX, &whole), THS_NOMEM);
    env.fail_at = 0;
    assert_int_equal(pieces.streams[1].len, 4);
    thsi_reassembly_done(&pieces, 1, true);
    assert_int_equal(add(1, FIRST | LAST, "next", &whole), THS_OK);
    assert_whole(1, "next");
}

static void memory_grows_with_what_came(void **state)
{
    bool whole;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(thsi_reassembly_add(&pieces, 0, i ? 0 : FIRST, bytes, THSI_FRAGMENT_MAX, &whole), THS_OK);
        assert_true(pieces.streams[0].cap <= 2 * pieces.streams[0].len);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(pieces_of_several_records_come_in_turn),
        TEST(one_piece_may_be_all),
        TEST(piece_that_is_not_due_is_malformed),
        TEST(bytes_of_all_are_bounded_together),
        TEST(record_without_memory_is_passed_over_alone),
        TEST(record_that_loses_its_memory_on_the_way_keeps_what_came),
        TEST(memory_grows_with_what_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
