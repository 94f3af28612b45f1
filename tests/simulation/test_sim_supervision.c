/* Supervision across simulated nodes: the supervisor lives on n1, its children where the role is, on n2 and n3. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thiasos/sim.h"
#include "thiasos/supervisor.h"
#include "thiasos/thiasos.h"

enum { NODES = 3, CHILDREN = 6, LIMIT_MS = 60000 };

THS_MESSAGE(job_start, "sim.job_start", 1, u32(n))
THS_MESSAGE(job_fail, "sim.job_fail", 1, u8(unused))

/* What the children say of themselves. One thread runs them all. */
static unsigned alive[NODES + 1];      /* by number of node */
static unsigned begun, restarted;      /* incarnations; those after the first */
static ths_ref children[2 * CHILDREN]; /* those that are alive */

struct job {
    unsigned node;
};

static void replace(ths_ref from, ths_ref to)
{
    size_t i = 0;

    while (i < 2 * CHILDREN - 1 && !ths_ref_equal(children[i], from))
        i++;
    children[i] = to;
}

THS_ON(job, ths_started)
{
    self->node = (unsigned)atoi(ths_node_name(ths_node_of(ctx)) + 1);
    alive[self->node]++;
    begun++;
    restarted += msg->incarnation > 1;
    replace(THS_NOBODY, ths_self(ctx));
}

THS_ON(job, job_start)
{
    assert_int_equal(msg->n, 7);
}

THS_ON(job, job_fail)
{
    ths_fail(ctx, "told to");
}

THS_ON(job, ths_stopping)
{
    alive[self->node]--;
    replace(ths_self(ctx), THS_NOBODY);
}

THS_BEHAVIOUR(job, ths_started, job_start, job_fail, ths_stopping)

static struct ths_sim *sim;
static ths_ref supervisor;

static const char *roles(unsigned node)
{
    return node == 1 ? "" : "job";
}

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)arg;
    alive[number] = 0;
    assert_int_equal(ths_register(node, job), THS_OK);
    if (number == 1) {
        const struct ths_child specs[] = {
            { .name = "job", .behaviour = "job", .restart = THS_PERMANENT, .where = "role=job", .count = CHILDREN,
              .start = THS_MSG(job_start, .n = 7) },
        };
        supervisor = ths_supervise(node, specs, .name = "supervisor");
        assert_false(ths_ref_is_nobody(supervisor));
    }
}

static void create(uint64_t seed)
{
    memset(alive, 0, sizeof alive);
    begun = restarted = 0;
    memset(children, 0, sizeof children);
    sim = ths_sim_create(.seed = seed, .nodes = NODES, .roles = roles, .setup = boot);
    assert_non_null(sim);
}

static int set_up(void **state)
{
    (void)state;
    create(5);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ths_sim_destroy(sim);
    return 0;
}

static bool spread_evenly(void *arg)
{
    (void)arg;
    return alive[2] == CHILDREN / 2 && alive[3] == CHILDREN / 2;
}

static bool all_on_2(void *arg)
{
    (void)arg;
    return alive[2] == CHILDREN;
}

static bool none_left(void *arg)
{
    (void)arg;
    return alive[2] == 0 && alive[3] == 0;
}

static bool one_restarted(void *arg)
{
    (void)arg;
    return restarted == 1;
}

static void run_until(bool (*until)(void *arg))
{
    if (ths_sim_run_until(sim, LIMIT_MS, until, NULL))
        return;
    (void)fputs(ths_sim_story(sim), stderr); /* longer than what cmocka prints */
    fail();
}

static struct ths_supervisor_stats stats(void)
{
    struct ths_supervisor_stats out;

    assert_int_equal(ths_supervisor_stats(ths_sim_node(sim, 1), supervisor, &out), THS_OK);
    return out;
}

static void children_are_spread_over_the_nodes_with_the_role(void **state)
{
    (void)state;
    run_until(spread_evenly);
    ths_sim_run_ms(sim, 5000);
    assert_true(spread_evenly(NULL));
    assert_int_equal(alive[1], 0);
    assert_int_equal(stats().running, CHILDREN);
    assert_int_equal(stats().failovers, 0);
}

static void share_of_a_lost_node_moves_and_comes_back(void **state)
{
    (void)state;
    run_until(spread_evenly);
    ths_sim_run_ms(sim, 1000);
    alive[3] = 0;
    ths_sim_crash(sim, 3);
    run_until(all_on_2);
    ths_sim_run_ms(sim, 1000);
    assert_int_equal(stats().failovers, CHILDREN / 2);
    assert_int_equal(stats().running, CHILDREN);
    ths_sim_restart(sim, 3);
    run_until(spread_evenly);
    ths_sim_run_ms(sim, 5000);
    assert_true(spread_evenly(NULL));
    assert_int_equal(stats().failovers, CHILDREN / 2);
    assert_int_equal(stats().running, CHILDREN);
}

static void child_that_crashes_there_is_restarted_in_place(void **state)
{
    size_t i = 0;

    (void)state;
    run_until(spread_evenly);
    ths_sim_run_ms(sim, 1000);
    begun = 0;
    while (ths_ref_is_nobody(children[i]))
        i++;
    assert_int_equal(ths_tell(ths_sim_node(sim, 1), children[i], job_fail, .unused = 0), THS_OK);
    run_until(one_restarted);
    ths_sim_run_ms(sim, 5000);
    assert_true(spread_evenly(NULL));
    assert_int_equal(begun, 1);
    assert_int_equal(stats().restarts, 1);
}

static void children_end_when_the_node_of_their_supervisor_is_lost(void **state)
{
    (void)state;
    run_until(spread_evenly);
    ths_sim_crash(sim, 1);
    run_until(none_left);
}

static void stopped_supervisor_stops_its_children_everywhere(void **state)
{
    (void)state;
    run_until(spread_evenly);
    ths_sim_run_ms(sim, 1000);
    ths_ask_to_stop(ths_sim_node(sim, 1), supervisor);
    run_until(none_left);
    ths_sim_run_ms(sim, 5000);
    assert_true(none_left(NULL));
}

/* At whatever moment it is lost: before the members have met, while children start, while they are moved. */
static void share_moves_and_comes_back_whenever_the_node_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        ths_sim_destroy(sim);
        create(seed);
        ths_sim_run_ms(sim, 1 + ths_sim_random(sim, 40));
        alive[3] = 0;
        ths_sim_crash(sim, 3);
        run_until(all_on_2);
        ths_sim_run_ms(sim, ths_sim_random(sim, 3000));
        ths_sim_restart(sim, 3);
        run_until(spread_evenly);
        ths_sim_run_ms(sim, 5000);
        assert_true(spread_evenly(NULL));
        assert_int_equal(stats().running, CHILDREN);
    }
}

/* ---- Orders ----------------------------------------------------------------------------------- */

static bool two_more(void *arg)
{
    (void)arg;
    return alive[2] == CHILDREN / 2 + 1 && alive[3] == CHILDREN / 2 + 1;
}

/* Added on the supervisor's node; stopped and removed by who is on another one. */
static void orders_reach_children_and_supervisors_of_other_nodes(void **state)
{
    struct ths_node *home, *other;
    ths_ref who;

    (void)state;
    run_until(spread_evenly);
    ths_sim_run_ms(sim, 1000);
    home = ths_sim_node(sim, 1);
    other = ths_sim_node(sim, 2);
    assert_int_equal(ths_child_add_wait(home, supervisor, &who, 5000, .name = "extra", .behaviour = "job", .count = 2,
                                        .where = "role=job", .start = THS_MSG(job_start, .n = 7)), THS_OK);
    assert_true(two_more(NULL));
    assert_int_equal(ths_child_restart_wait(other, supervisor, 5000, .who = who), THS_OK);
    assert_int_equal(restarted, 1);
    assert_int_equal(ths_child_stop_wait(other, supervisor, 5000, .name = "extra"), THS_OK);
    assert_true(spread_evenly(NULL));
    assert_int_equal(ths_child_restart_wait(other, supervisor, 5000, .name = "extra"), THS_OK);
    assert_true(two_more(NULL));
    assert_int_equal(ths_child_remove_wait(other, supervisor, 5000, .name = "extra"), THS_OK);
    assert_true(spread_evenly(NULL));
    assert_int_equal(ths_child_add_wait(other, supervisor, &who, 5000, .name = "more", .behaviour = "job"), THS_UNSUPPORTED);
}

#define story(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        story(children_are_spread_over_the_nodes_with_the_role),
        story(share_of_a_lost_node_moves_and_comes_back),
        story(share_moves_and_comes_back_whenever_the_node_is_lost),
        story(child_that_crashes_there_is_restarted_in_place),
        story(children_end_when_the_node_of_their_supervisor_is_lost),
        story(stopped_supervisor_stops_its_children_everywhere),
        story(orders_reach_children_and_supervisors_of_other_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
