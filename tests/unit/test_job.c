/* Job and staff: ranges given out, lost and given out again, each counted once; who did what. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/lib/test_env.h"
#include "tools/job.h"
#include "tools/staff.h"

#define ANN ((ths_ref){ 1, 1, 1 })
#define BOB ((ths_ref){ 2, 1, 1 })
#define KIB 1024u

static struct test_env env;
static struct thsi_job job;
static struct thsi_job_range range;
static struct thsi_staff staff;

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 11);
    thsi_job_init(&job, &env.env, (size_t)64 << 20);
    memset(&staff, 0, sizeof staff);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_job_fini(&job);
    test_env_assert_clean(&env);
    return 0;
}

static void add(const char *path, uint64_t size)
{
    assert_int_equal(thsi_job_add(&job, path, strlen(path), size, 7, THSI_FIT), THS_OK);
}

static enum thsi_job_answer answer_with(const struct thsi_job_range *to, const char *word, uint64_t count)
{
    return thsi_job_answer(&job, to->id, to->attempt, 0, true, THSI_FIT, &word, &count, 1);
}

static enum thsi_job_answer refuse(const struct thsi_job_range *to, enum thsi_left_out why)
{
    return thsi_job_answer(&job, to->id, to->attempt, 0, true, why, NULL, NULL, 0);
}

/* All that is left of the round, each range answered with one word. */
static void count_out(const char *word)
{
    while (thsi_job_take(&job, ANN, 100, &range))
        assert_int_equal(answer_with(&range, word, 1), THSI_ANSWER_DONE);
    assert_true(thsi_job_round_finished(&job));
}

static void files_are_cut_into_ranges_without_a_gap(void **state)
{
    static const struct {
        size_t file;
        uint64_t offset;
        uint32_t len;
    } expected[] = {
        /* 0 */ { 0, 0, KIB },
        /* 1 */ { 0, KIB, KIB },
        /* 2 */ { 0, 2 * KIB, 1 },
        /* 3 */ { 2, 0, 3 },
    };

    (void)state;
    add("a", 2 * KIB + 1);
    add("empty", 0);
    add("b", 3);
    assert_int_equal(thsi_job_add(&job, "c", 1, 99, 7, THSI_UNREADABLE), THS_OK);
    thsi_job_round_start(&job);
    assert_int_equal(job.bytes, 2 * KIB + 4);
    assert_int_equal(job.untouched, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(thsi_job_take(&job, ANN, 100, &range));
        assert_int_equal(range.file, expected[i].file);
        assert_int_equal(range.offset, expected[i].offset);
        assert_int_equal(range.len, expected[i].len);
        assert_int_equal(job.untouched, 3 - i);
    }
    assert_false(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(thsi_job_holds(&job, ANN), 4);
}

static void large_jobs_are_cut_into_ranges_of_one_mebibyte(void **state)
{
    (void)state;
    add("a", (uint64_t)1 << 40);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(range.len, THSI_RANGE_MAX);
}

static void a_round_ends_when_every_range_is_answered(void **state)
{
    const struct thsi_word *word;

    (void)state;
    add("a", 2 * KIB);
    thsi_job_round_start(&job);
    assert_false(thsi_job_round_finished(&job));
    count_out("x");
    assert_int_equal(job.files_done, 1);
    assert_int_equal(job.bytes_done, 2 * KIB);
    assert_true(thsi_job_round_end(&job, &word));
    assert_int_equal(thsi_words_get(&job.first, "x", 1), 2);
}

static void a_job_without_a_byte_is_over_at_once(void **state)
{
    (void)state;
    add("empty", 0);
    thsi_job_round_start(&job);
    assert_true(thsi_job_round_finished(&job));
    assert_int_equal(job.files_done, 1);
}

static void a_lost_range_is_given_again_and_counted_once(void **state)
{
    struct thsi_job_range lost;

    (void)state;
    add("a", KIB);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &lost));
    assert_int_equal(thsi_job_lose(&job, BOB), 0);
    assert_int_equal(thsi_job_lose(&job, ANN), 1);
    assert_int_equal(thsi_job_waiting(&job), 1);
    assert_true(thsi_job_take(&job, BOB, 100, &range));
    assert_int_equal(range.id, lost.id);
    assert_int_equal(range.attempt, 2);
    assert_int_equal(job.sent_again, 1);
    /* The first holder was only slow: its answer is that of an old attempt. */
    assert_int_equal(answer_with(&lost, "x", 1), THSI_ANSWER_STALE);
    assert_int_equal(answer_with(&range, "x", 1), THSI_ANSWER_DONE);
    assert_int_equal(answer_with(&range, "x", 1), THSI_ANSWER_STALE);
    assert_int_equal(job.stale_answers, 2);
    assert_int_equal(job.words.total, 1);
}

static void a_late_range_is_given_again(void **state)
{
    (void)state;
    add("a", 2 * KIB);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_true(thsi_job_take(&job, ANN, 101, &range));
    assert_int_equal(thsi_job_expire(&job, 99), 0);
    assert_int_equal(thsi_job_expire(&job, 100), 1);
    assert_int_equal(thsi_job_holds(&job, ANN), 1);
}

static void parts_count_when_the_last_is_there(void **state)
{
    const char *word = "x";
    uint64_t one = 1;

    (void)state;
    add("a", KIB);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(thsi_job_answer(&job, range.id, 1, 0, false, THSI_FIT, &word, &one, 1), THSI_ANSWER_MORE);
    assert_int_equal(thsi_job_answer(&job, range.id, 1, 0, false, THSI_FIT, &word, &one, 1), THSI_ANSWER_STALE);
    assert_int_equal(job.words.total, 0);
    /* Lost half-way: what came is forgotten. */
    assert_int_equal(thsi_job_lose(&job, ANN), 1);
    assert_true(thsi_job_take(&job, BOB, 100, &range));
    assert_int_equal(thsi_job_answer(&job, range.id, 2, 0, false, THSI_FIT, &word, &one, 1), THSI_ANSWER_MORE);
    assert_int_equal(thsi_job_answer(&job, range.id, 2, 1, true, THSI_FIT, &word, &one, 1), THSI_ANSWER_DONE);
    assert_int_equal(job.words.total, 2);
}

static void what_is_no_word_is_dropped(void **state)
{
    static const char *const wrong[] = { "", "A", "a b", "a1", "\xc3\xa4" };

    (void)state;
    add("a", KIB);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(answer_with(&range, wrong[i], 1), THSI_ANSWER_STALE);
    assert_int_equal(answer_with(&range, "a", 0), THSI_ANSWER_STALE);
    assert_int_equal(thsi_job_holds(&job, ANN), 1);
}

static void an_unfit_file_leaves_no_trace(void **state)
{
    struct thsi_job_range first, second;

    (void)state;
    add("long", 3 * KIB);
    add("b", KIB);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &first));
    assert_int_equal(answer_with(&first, "x", 1), THSI_ANSWER_DONE);
    assert_true(thsi_job_take(&job, ANN, 100, &first));
    assert_true(thsi_job_take(&job, BOB, 100, &second));
    assert_int_equal(second.file, 0);
    assert_int_equal(refuse(&first, THSI_WORD_TOO_LONG), THSI_ANSWER_DONE);
    assert_int_equal(job.untouched, 1);
    assert_int_equal(answer_with(&second, "x", 1), THSI_ANSWER_STALE);
    count_out("y");
    assert_int_equal(job.files[0].left_out, THSI_WORD_TOO_LONG);
    assert_int_equal(job.words.total, 1);
    assert_int_equal(job.bytes, KIB);
    assert_int_equal(job.bytes_done, KIB);
}

static void an_unfit_file_takes_its_uncut_ranges_with_it(void **state)
{
    (void)state;
    add("a", 10 * KIB);
    add("b", KIB);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(job.untouched, 10);
    assert_int_equal(refuse(&range, THSI_UNREADABLE), THSI_ANSWER_DONE);
    assert_int_equal(job.untouched, 1);
    count_out("x");
}

static void a_range_that_fails_too_often_gives_its_file_up(void **state)
{
    (void)state;
    add("a", KIB);
    thsi_job_round_start(&job);
    for (unsigned i = 1; i < THSI_JOB_ATTEMPTS_MAX; i++) {
        assert_true(thsi_job_take(&job, ANN, 100, &range));
        assert_int_equal(refuse(&range, THSI_TRY_AGAIN), THSI_ANSWER_AGAIN);
    }
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(refuse(&range, THSI_TRY_AGAIN), THSI_ANSWER_AGAIN);
    assert_true(thsi_job_round_finished(&job));
    assert_int_equal(job.files[0].left_out, THSI_GIVEN_UP);
}

static void a_round_that_differs_from_the_first_is_told(void **state)
{
    const struct thsi_word *word;

    (void)state;
    add("a", KIB);
    thsi_job_round_start(&job);
    count_out("x");
    assert_true(thsi_job_round_end(&job, &word));
    thsi_job_round_start(&job);
    count_out("x");
    assert_true(thsi_job_round_end(&job, &word));
    thsi_job_round_start(&job);
    count_out("y");
    assert_false(thsi_job_round_end(&job, &word));
    assert_string_equal(word->letters, "x");
}

static void a_file_that_drops_out_later_makes_its_round_the_first(void **state)
{
    const struct thsi_word *word;

    (void)state;
    add("a", KIB);
    add("b", KIB);
    thsi_job_round_start(&job);
    count_out("x");
    assert_true(thsi_job_round_end(&job, &word));
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(refuse(&range, THSI_CHANGED), THSI_ANSWER_DONE);
    count_out("x");
    assert_true(thsi_job_round_end(&job, &word));
    assert_int_equal(job.first.total, 1);
}

static void held_ranges_are_bounded(void **state)
{
    (void)state;
    add("a", (uint64_t)1 << 40);
    thsi_job_round_start(&job);
    for (unsigned i = 0; i < THSI_JOB_HELD_MAX; i++)
        assert_true(thsi_job_take(&job, i % 2 ? ANN : BOB, 100, &range));
    assert_false(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(thsi_job_lose(&job, ANN), THSI_JOB_HELD_MAX / 2);
    assert_int_equal(thsi_job_lose(&job, BOB), THSI_JOB_HELD_MAX / 2);
    for (unsigned i = 0; i < THSI_JOB_HELD_MAX; i++)
        assert_true(thsi_job_take(&job, ANN, 100, &range));
    assert_int_equal(range.attempt, 2);
}

static void failed_memory_is_told_and_loses_nothing(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, thsi_job_add(&job, "a", 1, KIB, 7, THSI_FIT) == THS_OK)
        assert_int_equal(job.files_count, 0);
    assert_int_equal(job.files_count, 1);
    thsi_job_round_start(&job);
    assert_true(thsi_job_take(&job, ANN, 100, &range));
    env.calls = 0;
    env.fail_at = 1;
    assert_int_equal(answer_with(&range, "x", 1), THSI_ANSWER_FAILED);
    env.fail_at = 0;
}

/* ---- Staff ------------------------------------------------------------------------------ */

static void a_counter_is_hired_once(void **state)
{
    (void)state;
    assert_non_null(thsi_staff_hire(&staff, ANN));
    assert_null(thsi_staff_hire(&staff, ANN));
    thsi_staff_find(&staff, ANN)->alive = false;
    assert_null(thsi_staff_hire(&staff, ANN));
    assert_non_null(thsi_staff_hire(&staff, BOB));
    assert_int_equal(thsi_staff_alive(&staff), 1);
    assert_int_equal(thsi_staff_alive_on(&staff, ANN.node), 0);
}

static void a_restarted_counter_begins_again_and_nothing_is_lost(void **state)
{
    struct thsi_counter_row *ann = thsi_staff_hire(&staff, ANN);

    (void)state;
    thsi_staff_said(ann, 3, 300);
    thsi_staff_said(ann, 5, 500);
    thsi_staff_said(ann, 1, 10);
    assert_int_equal(thsi_staff_sum(&staff, ANN.node).finished, 6);
    assert_int_equal(thsi_staff_sum(&staff, ANN.node).finished_bytes, 510);
    assert_int_equal(thsi_staff_sum(&staff, BOB.node).counters, 0);
}

static void an_orphan_is_adopted_by_who_finishes_it(void **state)
{
    (void)state;
    assert_non_null(thsi_staff_hire(&staff, BOB));
    thsi_staff_orphan(&staff, 42);
    thsi_staff_orphan(&staff, 43);
    thsi_staff_credit(&staff, BOB.node, 41);
    assert_int_equal(thsi_staff_boot(&staff, BOB.node)->adopted, 0);
    thsi_staff_credit(&staff, BOB.node, 42);
    thsi_staff_credit(&staff, BOB.node, 42);
    assert_int_equal(thsi_staff_boot(&staff, BOB.node)->adopted, 1);
    assert_int_equal(thsi_staff_boot(&staff, BOB.node)->credited, 3);
    assert_int_equal(staff.orphans_count, 1);
    assert_int_equal(staff.held_at_death, 2);
}

static void a_node_is_found_by_name_while_it_is_up_and_has_counters(void **state)
{
    struct thsi_boot_row *boot = thsi_staff_boot(&staff, BOB.node);

    (void)state;
    strcpy(boot->name, "bob");
    boot->up = true;
    assert_null(thsi_staff_named(&staff, "bob"));
    assert_non_null(thsi_staff_hire(&staff, BOB));
    assert_ptr_equal(thsi_staff_named(&staff, "bob"), boot);
    assert_null(thsi_staff_named(&staff, "ann"));
    boot->up = false;
    assert_null(thsi_staff_named(&staff, "bob"));
}

static void full_tables_refuse(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < THSI_COUNTERS_MAX; i++)
        assert_non_null(thsi_staff_hire(&staff, (ths_ref){ 9, i, 1 }));
    assert_null(thsi_staff_hire(&staff, (ths_ref){ 9, THSI_COUNTERS_MAX, 1 }));
    for (uint64_t uid = 100; staff.boots_count < THSI_BOOTS_MAX; uid++)
        assert_non_null(thsi_staff_boot(&staff, uid));
    assert_null(thsi_staff_boot(&staff, 99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_cut_into_ranges_without_a_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_jobs_are_cut_into_ranges_of_one_mebibyte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_round_ends_when_every_range_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_without_a_byte_is_over_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_range_is_given_again_and_counted_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_range_is_given_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_count_when_the_last_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_word_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unfit_file_leaves_no_trace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unfit_file_takes_its_uncut_ranges_with_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_range_that_fails_too_often_gives_its_file_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_round_that_differs_from_the_first_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_drops_out_later_makes_its_round_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(held_ranges_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failed_memory_is_told_and_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_counter_is_hired_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restarted_counter_begins_again_and_nothing_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_orphan_is_adopted_by_who_finishes_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_is_found_by_name_while_it_is_up_and_has_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_tables_refuse, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
