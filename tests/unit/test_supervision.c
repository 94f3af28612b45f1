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
static struct thsi_supervisors list;
static struct thsi_supervision *made;
static char why[160];

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 1);
    thsi_supervisors_init(&list);
    made = NULL;
    why[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_supervisors_fini(&list, &env.env);
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
    const struct thsi_supervision_wish wish = { children, count, options, 1, 0 };
    struct thsi_complaint complaint = { why, sizeof why };
    enum ths_err err = thsi_supervision_create(&list, &env.env, &wish, &(struct thsi_knows){ knows, NULL }, &complaint,
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
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ .strategy = (enum ths_strategy)5 }),
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
    assert_string_equal(made->specs[0]->role, "worker");
    assert_int_equal(made->core.children_count, 3);
    assert_non_null(made->members);
}

static void specifications_are_copied(void **state)
{
    char name[] = "a", behaviour[] = "known", what[] = "words", key[] = "what";
    struct ths_type *urgent[] = { &work_type, NULL };
    const struct ths_spawn_options *spawn;
    struct work body = { what, 7 };
    const struct ths_child child = { .name = name, .behaviour = behaviour,
                                     .start = { &work_type, &body },
                                     .spawn = { .mailbox = 9, .when_full = THS_LATEST_BY_KEY, .key = key, .urgent = urgent } };
    const struct work *kept;

    (void)state;
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
    memset(name, 'x', 1);
    memset(behaviour, 'x', 5);
    memset(what, 'x', 5);
    memset(key, 'x', 4);
    urgent[0] = NULL;
    body.n = 0;
    kept = made->specs[0]->start.body;
    assert_string_equal(made->specs[0]->name, "a");
    assert_string_equal(made->specs[0]->behaviour, "known");
    assert_string_equal(kept->what, "words");
    assert_int_equal(kept->n, 7);
    spawn = &made->specs[0]->spawn.options;
    assert_int_equal(spawn->mailbox, 9);
    assert_string_equal(spawn->key, "what");
    assert_ptr_equal(spawn->urgent[0], &work_type);
    assert_null(spawn->urgent[1]);
    assert_null(spawn->name);
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

    (void)state;
    assert_int_equal(create(&child, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
    assert_null(thsi_supervision_claim(&list, &env.env, made->token + 1, ref, THS_NOBODY));
    assert_ptr_equal(thsi_supervision_claim(&list, &env.env, made->token, ref, THS_NOBODY), made);
    assert_true(ths_ref_equal(made->ref, ref));
    assert_null(thsi_supervision_claim(&list, &env.env, made->token, ref, THS_NOBODY));
    thsi_supervision_leave(&list, &env.env, made);
    assert_null(list.first);
}

/* ---- Trees ---------------------------------------------------------------------------------- */

static const struct ths_child tree[] = {
    { .name = "low", .restart = THS_PERMANENT, THS_CHILDREN({ .name = "a", .behaviour = "known", .stop_ms = 100 },
                                                            { .name = "b", .behaviour = "known", .stop_ms = 200 }),
      .options = &(const struct ths_supervisor_options){ .strategy = THS_ONE_FOR_ALL, .restarts = 3 } },
    { .name = "c", .behaviour = "known", .start = { &work_type, &(const struct work){ "c", 1 } } },
};

static void tree_is_one_literal(void **state)
{
    const struct thsi_supervision *low;

    (void)state;
    assert_int_equal(create(tree, 2, &(struct ths_supervisor_options){ 0 }), THS_OK);
    low = made->base[0].tree;
    assert_string_equal(made->base[0].behaviour, THSI_SUPERVISOR_BEHAVIOUR);
    assert_true(made->plans[0].orderly);
    assert_int_equal(made->plans[0].stop_ms, 1000 + 2 * 100 + 2 * 200);
    assert_int_equal(low->base_count, 2);
    assert_int_equal(low->config.strategy, THS_ONE_FOR_ALL);
    assert_int_equal(low->config.restarts, 3);
    assert_string_equal(low->base[1].name, "b");
    assert_null(made->base[1].tree);
}

/* The supervision below is that of whoever is the child, again and again, and of nobody else. */
static void tree_is_claimed_again_as_it_was(void **state)
{
    static const ths_ref top = { 1, 1, 1 }, first = { 1, 2, 1 }, second = { 1, 3, 1 };
    struct thsi_supervision *low;

    (void)state;
    assert_int_equal(create(tree, 2, &(struct ths_supervisor_options){ 0 }), THS_OK);
    low = made->base[0].tree;
    assert_ptr_equal(thsi_supervision_claim(&list, &env.env, made->token, top, THS_NOBODY), made);
    assert_null(thsi_supervision_claim(&list, &env.env, low->token, first, second));
    assert_ptr_equal(thsi_supervision_claim(&list, &env.env, low->token, first, top), low);
    low->core.restarts = 7;
    thsi_supervision_leave(&list, &env.env, low);
    assert_ptr_equal(thsi_supervision_claim(&list, &env.env, low->token, second, top), low);
    assert_int_equal(low->core.restarts, 0);
    assert_int_equal(low->core.children_count, 2);
    thsi_supervision_leave(&list, &env.env, made); /* the one above is gone first */
    assert_ptr_equal(list.first, low);
    thsi_supervision_leave(&list, &env.env, low);
    assert_null(list.first);
}

static void wrong_tree_is_refused(void **state)
{
#define BELOW .children = tree + 1, .children_count = 1
    static const struct ths_supervisor_options named = { .name = "x" }, linked = { .link = true },
                                               strange = { .strategy = (enum ths_strategy)9 };
    const struct {
        struct ths_child child;
        enum ths_err err;
        const char *says;
    } rows[] = {
        { { .name = "t", .behaviour = "known", BELOW }, THS_INVALID, "no behaviour" },
        { { .name = "t", .start = { &work_type, &(struct work){ "x", 1 } }, BELOW }, THS_INVALID, "no start message" },
        { { .name = "t", .where = "role=x", BELOW }, THS_UNSUPPORTED, "on this node" },
        { { .name = "t", .count = 2, BELOW }, THS_UNSUPPORTED, "runs once" },
        { { .name = "t", .options = &named, BELOW }, THS_INVALID, "name of the child" },
        { { .name = "t", .options = &linked, BELOW }, THS_INVALID, "no link" },
        { { .name = "t", .options = &strange, BELOW }, THS_INVALID, "strategy" },
        { { .name = "t", .children_count = 1 }, THS_INVALID, "none is given" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(create(&rows[i].child, 1, &(struct ths_supervisor_options){ 0 }), rows[i].err);
        assert_non_null(strstr(why, rows[i].says));
        test_env_assert_clean(&env);
    }
}

static void tree_that_is_too_deep_is_refused(void **state)
{
    struct ths_child levels[20];

    (void)state;
    for (size_t i = 0; i < 20; i++)
        levels[i] = (struct ths_child){ .name = "n", .children = &levels[i + 1], .children_count = i < 19 };
    levels[19] = (struct ths_child){ .name = "leaf", .behaviour = "known" };
    assert_int_equal(create(levels, 1, &(struct ths_supervisor_options){ 0 }), THS_TOO_MANY);
    assert_int_equal(create(levels + 10, 1, &(struct ths_supervisor_options){ 0 }), THS_OK);
}

static void template_is_one_and_plain(void **state)
{
    static const struct ths_supervisor_options dynamic = { .strategy = THS_DYNAMIC, .children_max = 9 };
    const struct ths_child two[] = { { .name = "a", .behaviour = "known" }, { .name = "b", .behaviour = "known" } };
    const struct ths_child named = { .name = "a", .behaviour = "known", .named = true };

    (void)state;
    assert_int_equal(create(two, 2, &dynamic), THS_INVALID);
    assert_int_equal(create(two, 0, &dynamic), THS_INVALID);
    assert_int_equal(create(&named, 1, &dynamic), THS_INVALID);
    assert_int_equal(create(two, 1, &(struct ths_supervisor_options){ .children_max = THSI_CHILDREN_MAX + 1 }),
                     THS_INVALID);
    assert_int_equal(create(two, 1, &dynamic), THS_OK);
    assert_int_equal(made->core.children_count, 0);
}

static void tree_without_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, create(tree, 2, &(struct ths_supervisor_options){ 0 }) == THS_OK)
        test_env_assert_clean(&env);
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
        cmocka_unit_test_setup_teardown(tree_is_one_literal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tree_is_claimed_again_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_tree_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tree_that_is_too_deep_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(template_is_one_and_plain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tree_without_memory_leaves_nothing_behind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
