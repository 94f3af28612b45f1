/* Orders to one supervisor from several threads at once, while others look at it. What orders do is shown in the simulator. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 50 };

static struct ths_node *node;
static ths_ref supervisor;
static _Atomic unsigned bad;

static int setup(void **state)
{
    int result = puppet_node_setup(state);

    node = *state;
    bad = 0;
    return result || puppet_register(node) != THS_OK;
}

static void expect(enum ths_err err)
{
    if (err != THS_OK)
        bad++;
}

static void count_one(void *arg, const struct ths_child_info *child)
{
    if (child->name[0] == '\0')
        bad++;
    ++*(unsigned *)arg;
}

static unsigned count(void)
{
    unsigned children = 0;

    expect(ths_children(node, supervisor, count_one, &children));
    return children;
}

static void *adds_and_removes(void *arg)
{
    char name[16];

    for (unsigned i = 0; i < ROUNDS; i++) {
        ths_ref who;
        (void)snprintf(name, sizeof name, "n%u-%u", *(unsigned *)arg, i);
        expect(ths_child_add_wait(node, supervisor, &who, PROBE_LIMIT_MS, .name = name, .behaviour = "puppet"));
        if (count() == 0)
            bad++;
        expect(ths_child_restart_wait(node, supervisor, PROBE_LIMIT_MS, .who = who));
        expect(ths_child_remove_wait(node, supervisor, PROBE_LIMIT_MS, .name = name));
    }
    return NULL;
}

static void *adds_and_stops(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        ths_ref who;
        expect(ths_child_add_wait(node, supervisor, &who, PROBE_LIMIT_MS, .start = THS_MSG(puppet_start, .label = "x")));
        if (count() > THREADS)
            bad++;
        expect(ths_child_stop_wait(node, supervisor, PROBE_LIMIT_MS, .who = who));
    }
    return NULL;
}

static void run_threads(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, body, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(bad, 0);
}

static void threads_order_one_supervisor_at_once(void **state)
{
    const struct ths_child children[] = { { .name = "a", .behaviour = "puppet" } };

    (void)state;
    supervisor = ths_supervise(node, children);
    run_threads(adds_and_removes);
    assert_int_equal(count(), 1);
}

static void threads_fill_and_empty_a_dynamic_supervisor(void **state)
{
    const struct ths_child template[] = { { .name = "x", .behaviour = "puppet" } };

    (void)state;
    supervisor = ths_supervise(node, template, .strategy = THS_DYNAMIC, .children_max = THREADS);
    run_threads(adds_and_stops);
    assert_int_equal(count(), 0);
}

/* Children that were added with trees below them go with the node. */
static void node_stops_with_trees_that_were_added(void **state)
{
    const struct ths_child children[] = { { .name = "a", .behaviour = "puppet" } };

    (void)state;
    supervisor = ths_supervise(node, children);
    for (unsigned i = 0; i < 10; i++) {
        char name[] = { 't', (char)('0' + i), '\0' };
        assert_err(ths_child_add_wait(node, supervisor, NULL, PROBE_LIMIT_MS, .name = name,
                                      THS_CHILDREN({ .name = "b", .behaviour = "puppet" })), OK);
    }
    assert_int_equal(count(), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_order_one_supervisor_at_once, setup, puppet_node_teardown),
        cmocka_unit_test_setup_teardown(threads_fill_and_empty_a_dynamic_supervisor, setup, puppet_node_teardown),
        cmocka_unit_test_setup_teardown(node_stops_with_trees_that_were_added, setup, puppet_node_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
