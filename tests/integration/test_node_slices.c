/* Handlers that take long: nobody else waits for them, and they are named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "node/runtime.h"
#include "tests/lib/puppet.h"

#define PLAIN ((struct ths_spawn_options){ 0 })

enum { BLOCKED = 6 };

static struct ths_env counting_env;

/* Lines of the watchdog about a handler of test.hold, and others. */
static _Atomic unsigned overran_lines, stuck_lines, other_lines;

static void count_line(struct ths_env *env, const struct ths_log_line *line)
{
    (void)env;
    if (strcmp(line->component, "watchdog") != 0)
        return;
    if (strncmp(line->text, "puppet (", 8) == 0 && strstr(line->text, ") overran its slice: handling test.hold for "))
        atomic_fetch_add(&overran_lines, 1);
    else if (strncmp(line->text, "puppet (", 8) == 0 && strstr(line->text, ") is stuck: handling test.hold for "))
        atomic_fetch_add(&stuck_lines, 1);
    else
        atomic_fetch_add(&other_lines, 1);
}

static int start_with(void **state, struct ths_node_options options)
{
    probe_reset();
    options.name = "test";
    options.slice_ms = options.slice_ms ? options.slice_ms : 2;
    *state = ths_node_start(&options);
    return *state ? 0 : -1;
}

static int two_workers_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 2 });
}

static int one_worker_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 1 });
}

static int start_counting(void **state, unsigned stuck_ms)
{
    overran_lines = stuck_lines = other_lines = 0;
    counting_env = *ths_env_os();
    counting_env.log = count_line;
    return start_with(state, (struct ths_node_options){ .workers = 1, .stuck_ms = stuck_ms, .env = &counting_env });
}

static int patient_setup(void **state)
{
    return start_counting(state, PROBE_LIMIT_MS);
}

static int impatient_setup(void **state)
{
    return start_counting(state, 4);
}

static int narrow_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 1, .blocking_max = 1 });
}

#define slice_test(fact, setup) cmocka_unit_test_setup_teardown(fact, setup, puppet_node_teardown)

/* Actors that wait at their gates, each in a handler. */
static struct probe_gate gates[BLOCKED];
static ths_ref blocked[BLOCKED];

static void block(struct ths_node *node, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        gates[i] = (struct probe_gate)PROBE_GATE_INIT;
        blocked[i] = puppet_spawn(node, "blocked", PLAIN);
        puppet_hold(node, blocked[i], &gates[i]);
    }
}

static void let_go(struct ths_node *node, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        probe_gate_open(&gates[i]);
    for (unsigned i = 0; i < count; i++)
        puppet_settle(node, blocked[i]);
}

static void handlers_that_block_in_every_worker_hold_up_nobody_else(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    block(node, BLOCKED);
    puppet_settle(node, a);
    let_go(node, BLOCKED);
}

static void threads_that_come_back_work_on(void **state)
{
    struct ths_node *node = *state;
    struct ths_node_stats stats;

    for (unsigned round = 0; round < 20; round++) {
        block(node, BLOCKED);
        let_go(node, BLOCKED);
    }
    ths_node_stats(node, &stats);
    assert_true(stats.overruns >= 20 * (BLOCKED - 2));
    assert_true(stats.takeovers >= 20 * (BLOCKED - 2));
}

static void rings_every(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_every(ctx, 1, word, .text = "again");
}

static void timers_ring_while_every_worker_is_blocked(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), b = puppet_spawn(node, "b", PLAIN);
    size_t before;

    puppet_do(node, a, rings_every, NULL);
    puppet_do(node, b, rings_every, NULL);
    block(node, BLOCKED);
    before = probe_count();
    probe_wait(before + 20);
    let_go(node, BLOCKED);
}

struct told {
    ths_ref first, second;
    struct probe_gate gate, second_gate;
};

static void tells_two_and_blocks(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    struct told *told = arg;

    (void)self;
    (void)ths_tell(ctx, told->first, word, .text = "told before");
    (void)ths_tell(ctx, told->second, word, .text = "told before");
    probe_gate_pass(&told->gate);
}

static void those_who_were_told_before_the_handler_blocked_do_not_wait_for_it(void **state)
{
    struct ths_node *node = *state;
    struct told told = { puppet_spawn(node, "b", PLAIN), puppet_spawn(node, "c", PLAIN), PROBE_GATE_INIT, PROBE_GATE_INIT };
    struct puppet_todo todo = { tells_two_and_blocks, &told };
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, a, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    assert_noted_in_any_order("b: told before\nc: told before\n");
    probe_gate_open(&told.gate);
    puppet_settle(node, a);
}

static void blocks_and_tells_two(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    struct told *told = arg;

    (void)self;
    probe_gate_pass(&told->gate);
    (void)ths_tell(ctx, told->first, word, .text = "told after");
    (void)ths_tell(ctx, told->second, word, .text = "told after");
    (void)ths_after(ctx, 1, word, .text = "rung");
    probe_gate_pass(&told->second_gate);
}

/* Wait until the watchdog has found @count handlers over their slice. */
static void await_overruns(struct ths_node *node, size_t count)
{
    while (ths_node_overruns(node, NULL, 0) < count)
        (void)sched_yield();
}

static void handler_that_lost_its_worker_sends_and_sets_timers_as_ever(void **state)
{
    struct ths_node *node = *state;
    struct told told = { puppet_spawn(node, "b", PLAIN), puppet_spawn(node, "c", PLAIN), PROBE_GATE_INIT, PROBE_GATE_INIT };
    struct puppet_todo todo = { blocks_and_tells_two, &told };
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, a, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    probe_gate_reached(&told.gate);
    await_overruns(node, 1);
    probe_gate_open(&told.gate);
    assert_noted_in_any_order("b: told after\nc: told after\n");
    probe_gate_open(&told.second_gate);
    assert_noted_in_any_order("a: rung\nb: told after\nc: told after\n");
}

static void overrun_is_listed_with_actor_and_message_until_it_returns(void **state)
{
    struct ths_node *node = *state;
    struct ths_overrun overrun;

    assert_int_equal(ths_node_overruns(node, &overrun, 1), 0);
    block(node, 1);
    await_overruns(node, 1);
    assert_int_equal(ths_node_overruns(node, &overrun, 1), 1);
    assert_true(ths_ref_equal(overrun.who, blocked[0]));
    assert_string_equal(overrun.behaviour, "puppet");
    assert_string_equal(overrun.message, "test.hold");
    assert_int_equal(ths_node_overruns(node, NULL, 0), 1);
    let_go(node, 1);
    assert_int_equal(ths_node_overruns(node, NULL, 0), 0);
}

static void overrun_of_the_same_kind_is_logged_once(void **state)
{
    for (unsigned round = 0; round < 3; round++) {
        block(*state, 2);
        await_overruns(*state, 2);
        let_go(*state, 2);
    }
    assert_int_equal(overran_lines, 1);
    assert_int_equal(stuck_lines + other_lines, 0);
}

static void stuck_handler_is_logged_again_and_again(void **state)
{
    block(*state, 1);
    while (atomic_load(&stuck_lines) < 3)
        (void)sched_yield();
    let_go(*state, 1);
    assert_int_equal(other_lines, 0);
}

static void tells_one(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    (void)ths_tell(ctx, *(ths_ref *)ref, word, .text = "told");
}

static void without_a_thread_to_stand_in_others_wait_and_nothing_is_lost(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), b = puppet_spawn(node, "b", PLAIN);
    struct puppet_todo todo = { tells_one, &b };

    block(node, 2); /* the worker, and the one that may stand in for it */
    await_overruns(node, 2);
    assert_err(ths_tell(node, a, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    let_go(node, 2);
    assert_noted("b: told\n");
}

static bool no_barrier(struct thsi_exec *exec)
{
    (void)exec;
    return false;
}

static void take_over_works_where_the_system_has_no_barrier(void **state)
{
    struct thsi_exec plain = *thsi_exec_os();
    struct ths_node *node;

    (void)state;
    plain.barrier = no_barrier;
    node = ths_node_start_on(&plain, &(struct ths_node_options){ .name = "plain", .workers = 1, .slice_ms = 2 });
    for (unsigned round = 0; round < 5; round++) {
        block(node, 3);
        let_go(node, 3);
    }
    ths_node_stop(node, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        slice_test(handlers_that_block_in_every_worker_hold_up_nobody_else, two_workers_setup),
        slice_test(threads_that_come_back_work_on, two_workers_setup),
        slice_test(timers_ring_while_every_worker_is_blocked, two_workers_setup),
        slice_test(those_who_were_told_before_the_handler_blocked_do_not_wait_for_it, one_worker_setup),
        slice_test(handler_that_lost_its_worker_sends_and_sets_timers_as_ever, one_worker_setup),
        slice_test(overrun_is_listed_with_actor_and_message_until_it_returns, one_worker_setup),
        slice_test(overrun_of_the_same_kind_is_logged_once, patient_setup),
        slice_test(stuck_handler_is_logged_again_and_again, impatient_setup),
        slice_test(without_a_thread_to_stand_in_others_wait_and_nothing_is_lost, narrow_setup),
        cmocka_unit_test(take_over_works_where_the_system_has_no_barrier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
