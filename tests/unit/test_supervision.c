/* Supervision: which specifications are refused, with which words, and what is copied. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/supervisor_actor.h"
#include "tests/lib/test_env.h"

#include <string.h>

THS_MESSAGE(work, "test.supervision.work", 1, string(what, .max = 8), u32(n))

static struct test_env env;
static struct thsi_supervision *made;
static char why[160];

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    made = NULL;
    why[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_supervision_destroy(&env.env, made);
    test_env_assert_clean(&env);
    return 0;
}

static bool knows(void *arg, const char *behaviour)
{
    (void)arg;
    return strcmp(behaviour, "known") == 0;
}

static enum ths_err create(const struct ths_child *children, size_t count, const struct ths_supervisor_options *options)
{
    enum ths_err err = thsi_supervision_create(&env.env, 1, children, count, options, knows, NULL, why, sizeof why,
                                               &made);

    assert_true((err == THS_OK) == (made != NULL));
    assert_true(err == THS_OK || why[0]);
    return err;
}

static void wrong_child_is_refused_with_the_reason(void **state)
{
    const struct {
        struct ths_child child;
        enum ths_err err;
        const char *says;
    } rows[] = {
        { { .behaviour = "known" }, THS_INVALID, "no name" },
        { { .name = "", .behaviour = "known" }, THS_INVALID, "no name" },
        { { .name = "a b", .behaviour = "known" }, THS_INVALID, "other characters" },
        { { .name = "a" }, THS_INVALID, "names no behaviour" },
        { { .name = "a", .behaviour = "unknown" }, THS_INVALID, "no behaviour \"unknown\" is registered" },
        { { .name = "a", .behaviour = "known", .restart = (enum ths_restart)7 }, THS_INVALID, "restart rule" },
        { { .name = "a", .behaviour = "known", .significant = true }, THS_INVALID, "significant" },
        { { .name = "a", .behaviour = "known", .at_most_one = true }, THS_UNSUPPORTED, "leases" },
        { { .name = "a", .behaviour = "known", .where = "counter" }, THS_INVALID, "role=NAME" },
        { { .name = "a", .behaviour = "known", .where = "role=" }, THS_INVALID, "role=NAME" },
        { { .name = "a", .behaviour = "known", .where = "role=a,b" }, THS_INVALID, "role=NAME" },
        { { .name = "a", .behaviour = "known", .where = "node=a" }, THS_INVALID, "role=NAME" },
        { { .name = "a", .behaviour = "known", .named = true, .count = 2 }, THS_INVALID, "named" },
        { { .name = "a", .behaviour = "known", .count = THSI_CHILDREN_MAX + 1 }, THS_TOO_MANY, "1024" },
        { { .name = "a", .behaviour = "known", .start = { &work_type, &(struct work){ "too long a word", 1 } } },
          THS_TOO_BIG, "start message" },
        { { .name = "b", .behaviour = "known" }, THS_INVALID, "two children are named \"b\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ths_child children[] = { { .name = "b", .behaviour = "known" }, rows[i].child };
        assert_int_equal(create(children, 2, &(struct ths_supervisor_options){ 0 }), rows[i].err);
        assert_non_null(strstr(why, rows[i].says));
        test_env_assert_clean(&env);
    }
}

static void wrong_option_is_refused(void **state)
{
    const struct ths_child child = { .name = "a", .behaviour = "known" };

    (void)state;
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ .strategy = (enum ths_strategy)4 }),
                     THS_INVALID);
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ .auto_shutdown = (enum ths_auto_shutdown)3 }),
                     THS_INVALID);
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ .restarts = THSI_RESTARTS_MAX + 1 }),
                     THS_INVALID);
    assert_non_null(strstr(why, "restarts"));
}

static void defaults_are_those_of_the_header(void **state)
{
    const struct ths_child child = { .name = "a", .behaviour = "known" };

    (void)state;
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
    assert_int_equal(made->core.config.restarts, 5);
    assert_int_equal(made->core.config.within_ms, 10000);
    assert_int_equal(made->core.config.backoff_ms, 0);
    assert_int_equal(made->core.config.backoff_max_ms, 5000);
    assert_int_equal(made->core.plans[0].plan.stop_ms, 5000);
    assert_int_equal(made->core.plans[0].plan.count, 1);
    assert_int_equal(made->stats.wanted, 1);
    assert_null(made->members);
}

static void behaviour_of_other_nodes_need_not_be_known_here(void **state)
{
    const struct ths_child child = { .name = "a", .behaviour = "elsewhere", .where = "role=worker", .count = 3 };

    (void)state;
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
    assert_string_equal(made->specs[0].role, "worker");
    assert_int_equal(made->core.children_count, 3);
    assert_non_null(made->members);
}

static void specifications_are_copied(void **state)
{
    char name[] = "a", behaviour[] = "known", what[] = "words";
    struct work body = { what, 7 };
    const struct ths_child child = { .name = name, .behaviour = behaviour,
                                     .start = { &work_type, &body }, .mailbox = 9 };
    const struct work *kept;

    (void)state;
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
    memset(name, 'x', 1);
    memset(behaviour, 'x', 5);
    memset(what, 'x', 5);
    body.n = 0;
    kept = made->specs[0].start.body;
    assert_string_equal(made->specs[0].name, "a");
    assert_string_equal(made->specs[0].behaviour, "known");
    assert_string_equal(kept->what, "words");
    assert_int_equal(kept->n, 7);
    assert_int_equal(made->specs[0].mailbox, 9);
}

static void without_memory_nothing_is_left_behind(void **state)
{
    const struct ths_child children[] = {
        { .name = "a", .behaviour = "known", .start = { &work_type, &(struct work){ "x", 1 } } },
        { .name = "b", .behaviour = "known", .where = "role=w", .start = { &work_type, &(struct work){ "y", 1 } } },
    };

    (void)state;
    TEST_ENV_EACH_FAILURE(&env, create(children, 2, &(struct ths_supervisor_options){ 0 }) == THS_OK)
        test_env_assert_clean(&env);
}

static void token_is_good_for_one_claim(void **state)
{
    static const ths_ref ref = { 1, 2, 3 };
    const struct ths_child child = { .name = "a", .behaviour = "known" };
    struct thsi_supervisors list;

    (void)state;
    thsi_supervisors_init(&list);
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
    made->token = list.next_token++;
    list.first = made;
    assert_null(thsi_supervision_claim(&list, made->token + 1, ref));
    assert_ptr_equal(thsi_supervision_claim(&list, made->token, ref), made);
    assert_true(ths_ref_equal(made->ref, ref));
    assert_null(thsi_supervision_claim(&list, made->token, ref));
    made = NULL;
    thsi_supervisors_fini(&list, &env.env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_child_is_refused_with_the_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_option_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults_are_those_of_the_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(behaviour_of_other_nodes_need_not_be_known_here, set_up, tear_down),
        cmocka_unit_test_setup_teardown(specifications_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_left_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(token_is_good_for_one_claim, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
