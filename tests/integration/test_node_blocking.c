/* Actors that may block: of marked behaviours, and with threads of their own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "node/pool.h"
#include "tests/lib/os_env.h"
#include "tests/lib/puppet.h"

enum { MANY = 8 };

THS_MESSAGE(wait_here, "test.wait_here", 1, u64(gate))
THS_MESSAGE(say, "test.say", 1, string(text))
THS_MESSAGE(tell_on, "test.tell_on", 1, ref(to), u32(count))
THS_MESSAGE(ring_soon, "test.ring_soon", 1)

struct sleeper { uint64_t heard; };

static pthread_t on_thread; /* that a handler ran on last */

THS_ON(sleeper, wait_here)
{
    probe_gate_pass((struct probe_gate *)(uintptr_t)msg->gate);
}

THS_ON(sleeper, say)
{
    self->heard++;
    on_thread = pthread_self();
    probe_note("%s %llu", msg->text, (unsigned long long)self->heard);
}

THS_ON(sleeper, tell_on)
{
    for (uint32_t i = 0; i < msg->count; i++)
        (void)ths_tell(ctx, msg->to, word, .text = "told on");
}

THS_ON(sleeper, ring_soon)
{
    (void)ths_after(ctx, 1, say, .text = "rung");
}

THS_ON(sleeper, question)
{
    on_thread = pthread_self();
    (void)ths_reply(ctx, answer, .text = msg->text);
}

THS_ON(sleeper, secret)
{
    ths_fail(ctx, "on purpose");
}

THS_BLOCKING_BEHAVIOUR(sleeper, wait_here, say, tell_on, ring_soon, question, secret)

struct loner { uint64_t heard; };

THS_ON(loner, wait_here)
{
    probe_gate_pass((struct probe_gate *)(uintptr_t)msg->gate);
}

THS_ON(loner, question)
{
    on_thread = pthread_self();
    (void)ths_reply(ctx, answer, .text = msg->text);
}

THS_ON(loner, secret)
{
    ths_fail(ctx, "on purpose");
}

THS_BEHAVIOUR(loner, wait_here, question, secret)

/* The slice is so long that nobody stands in for a worker: what goes on does so without that. */
static int start_with(void **state, struct ths_node_options options)
{
    probe_reset();
    options.name = "test";
    options.slice_ms = PROBE_LIMIT_MS;
    *state = ths_node_start(&options);
    return *state ? 0 : -1;
}

static int one_worker_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 1 });
}

static int narrow_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 1, .blocking_max = 2 });
}

static int brief_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 1, .blocking_quiet_ms = 1 });
}

#define blocking_test(fact, setup) cmocka_unit_test_setup_teardown(fact, setup, puppet_node_teardown)

static struct probe_gate gates[MANY];

static void hold_at(struct ths_node *node, ths_ref who, struct probe_gate *gate)
{
    *gate = (struct probe_gate)PROBE_GATE_INIT;
    assert_err(ths_tell(node, who, wait_here, .gate = (uint64_t)(uintptr_t)gate), OK);
}

static uint32_t threads(struct ths_node *node)
{
    struct ths_node_stats stats;

    ths_node_stats(node, &stats);
    return stats.blocking_threads;
}

static void await_threads(struct ths_node *node, uint32_t count)
{
    while (threads(node) != count)
        (void)sched_yield();
}

static void settle(struct ths_node *node, ths_ref who)
{
    assert_err(ths_call(node, who, THS_MSG(question, .text = "?"), PROBE_LIMIT_MS, NULL, NULL), OK);
}

static void actors_that_may_block_hold_up_neither_workers_nor_each_other(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });
    struct ths_node_stats stats;

    for (unsigned i = 0; i < MANY; i++)
        hold_at(node, ths_spawn(node, sleeper), &gates[i]);
    for (unsigned i = 0; i < MANY; i++)
        probe_gate_reached(&gates[i]);
    puppet_settle(node, a);
    assert_int_equal(threads(node), MANY);
    ths_node_stats(node, &stats);
    assert_int_equal(stats.overruns, 0);
    for (unsigned i = 0; i < MANY; i++)
        probe_gate_open(&gates[i]);
}

static void beyond_the_most_threads_actors_that_block_wait_for_each_other(void **state)
{
    struct ths_node *node = *state;
    ths_ref third = ths_spawn(node, sleeper);

    for (unsigned i = 0; i < 2; i++) {
        hold_at(node, ths_spawn(node, sleeper), &gates[i]);
        probe_gate_reached(&gates[i]);
    }
    assert_err(ths_tell(node, third, say, .text = "third"), OK);
    puppet_settle(node, puppet_spawn(node, "a", (struct ths_spawn_options){ 0 }));
    assert_int_equal(probe_count(), 0);
    assert_int_equal(threads(node), 2);
    probe_gate_open(&gates[0]);
    assert_noted("third 1\n");
    probe_gate_open(&gates[1]);
}

static void pool_grows_with_need_and_shrinks_after_a_quiet_time(void **state)
{
    struct ths_node *node = *state;

    assert_int_equal(threads(node), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++)
            hold_at(node, ths_spawn(node, sleeper), &gates[i]);
        for (unsigned i = 0; i < MANY; i++)
            probe_gate_reached(&gates[i]);
        assert_int_equal(threads(node), MANY);
        for (unsigned i = 0; i < MANY; i++)
            probe_gate_open(&gates[i]);
        await_threads(node, 0);
    }
}

static void actor_that_may_block_keeps_the_order_of_its_messages(void **state)
{
    struct ths_node *node = *state;
    static char expected[300 * 16];
    char text[16];
    ths_ref a = ths_spawn(node, sleeper);
    size_t len = 0;

    for (unsigned i = 1; i <= 300; i++) { /* more than a turn */
        (void)snprintf(text, sizeof text, "say%u", i);
        assert_err(ths_tell(node, a, say, .text = text), OK);
        len += (size_t)snprintf(expected + len, sizeof expected - len, "say%u %u\n", i, i);
    }
    assert_noted(expected);
}

static void actor_that_may_block_sends_sets_timers_and_ends_as_any_other(void **state)
{
    struct ths_node *node = *state;
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ 0 });
    ths_ref a = ths_spawn(node, sleeper);

    assert_err(ths_tell(node, a, tell_on, .to = b, .count = 3), OK);
    assert_noted("b: told on\nb: told on\nb: told on\n");
    probe_reset();
    assert_err(ths_tell(node, a, ring_soon), OK);
    assert_noted("rung 1\n");
    assert_err(ths_tell(node, a, secret), OK);
    assert_ends(node, a, CRASHED);
    assert_err(ths_tell(node, a, secret), GONE);
}

static void slot_of_an_actor_that_could_block_may_be_any_others(void **state)
{
    struct ths_node *node = *state;

    for (unsigned i = 0; i < 200; i++) {
        ths_ref a = ths_spawn(node, sleeper);

        settle(node, a);
        assert_err(ths_tell(node, a, secret), OK);
        assert_ends(node, a, CRASHED);
        a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });
        puppet_settle(node, a);
        puppet_do(node, a, puppet_stops, NULL);
        assert_ends(node, a, NORMAL);
    }
}

static void actor_with_a_thread_of_its_own_is_always_on_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, loner, .own_thread = true), b = ths_spawn(node, loner, .own_thread = true);
    pthread_t thread_a, thread_b;

    settle(node, a);
    thread_a = on_thread;
    settle(node, b);
    thread_b = on_thread;
    assert_false(pthread_equal(thread_a, thread_b));
    for (unsigned i = 0; i < 100; i++) {
        settle(node, a);
        assert_true(pthread_equal(on_thread, thread_a));
        settle(node, b);
        assert_true(pthread_equal(on_thread, thread_b));
    }
    assert_int_equal(threads(node), 2);
}

static void actor_with_a_thread_of_its_own_holds_nobody_up(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, loner, .own_thread = true);

    hold_at(node, a, &gates[0]);
    probe_gate_reached(&gates[0]);
    puppet_settle(node, puppet_spawn(node, "a", (struct ths_spawn_options){ 0 }));
    probe_gate_open(&gates[0]);
}

static void own_thread_ends_with_its_actor(void **state)
{
    struct ths_node *node = *state;

    for (unsigned i = 0; i < 100; i++) { /* more than there may be at a time */
        ths_ref a = ths_spawn(node, loner, .own_thread = true);

        assert_false(ths_ref_is_nobody(a));
        assert_err(ths_tell(node, a, secret), OK);
        assert_ends(node, a, CRASHED);
        await_threads(node, 0);
    }
}

static void spawns_loner(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_spawn_at(ctx, puppet_heard, PROBE_LIMIT_MS, "", "loner", .own_thread = true);
}

static void see_child(void *arg, const struct ths_child_info *child)
{
    *(struct ths_child_info *)arg = *child;
}

static struct ths_child_info await_child(struct ths_node *node, ths_ref supervisor, uint32_t incarnation)
{
    struct ths_child_info info = { .state = THS_CHILD_WAITS };

    while (info.state != THS_CHILD_RUNS || info.incarnation != incarnation) {
        assert_err(ths_children(node, supervisor, see_child, &info), OK);
        (void)sched_yield();
    }
    return info;
}

/* Through its restarts in place it keeps the thread; when it has ended, the thread has. */
static void child_may_have_a_thread_of_its_own(void **state)
{
    const struct ths_child children[] = { { .name = "a", .behaviour = "loner", .spawn = { .own_thread = true } } };
    struct ths_node *node = *state;
    struct ths_child_info child;
    pthread_t thread;
    ths_ref supervisor;

    assert_err(ths_register(node, loner), OK);
    supervisor = ths_supervise(node, children);
    child = await_child(node, supervisor, 1);
    settle(node, child.who);
    thread = on_thread;
    for (uint32_t incarnation = 2; incarnation <= 4; incarnation++) {
        assert_err(ths_tell(node, child.who, secret), OK);
        assert_true(ths_ref_equal(await_child(node, supervisor, incarnation).who, child.who));
        settle(node, child.who);
        assert_true(pthread_equal(on_thread, thread));
    }
    assert_int_equal(threads(node), 1);
    assert_err(ths_child_remove_wait(node, supervisor, PROBE_LIMIT_MS, .name = "a"), OK);
    await_threads(node, 0);
}

static void own_thread_beyond_the_most_is_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, loner, .own_thread = true), b = ths_spawn(node, loner, .own_thread = true), c;

    assert_err(ths_try_spawn(node, &c, loner, .own_thread = true), TOO_MANY);
    assert_true(ths_ref_is_nobody(c));
    assert_err(ths_try_spawn(node, &c, loner), OK);
    settle(node, a);
    settle(node, c);
    ths_kill(node, b);
    assert_ends(node, b, KILLED);
    await_threads(node, 1);
    assert_err(ths_try_spawn(node, &b, loner, .own_thread = true), OK);
    assert_err(ths_register(node, loner), OK);
    puppet_do(node, puppet_spawn(node, "a", (struct ths_spawn_options){ 0 }), spawns_loner, NULL);
    assert_noted("a: heard TOO_MANY\n");
}

static void spawn_that_is_refused_gives_its_thread_back(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, loner, .name = "one"), b;

    assert_false(ths_ref_is_nobody(a));
    assert_err(ths_try_spawn(node, &b, loner, .name = "one", .own_thread = true), NAME_TAKEN);
    await_threads(node, 0);
}

static _Atomic bool memory_is_out;
static struct ths_env poor_env;

static void *memory_that_may_be_out(struct ths_env *env, void *ptr, size_t size)
{
    return size > 0 && atomic_load(&memory_is_out) ? NULL : ths_env_os()->memory(env, ptr, size);
}

static int poor_setup(void **state)
{
    atomic_store(&memory_is_out, false);
    poor_env = os_env_with(memory_that_may_be_out);
    return start_with(state, (struct ths_node_options){ .workers = 1, .env = &poor_env });
}

static void without_memory_for_a_thread_actors_that_may_block_run_on_the_workers(void **state)
{
    struct ths_node *node = *state;
    ths_ref a;

    if (THSI_POOL_SINGLE)
        skip(); /* there every message takes memory, too */
    puppet_settle(node, puppet_spawn(node, "warm", (struct ths_spawn_options){ 0 }));
    a = ths_spawn(node, sleeper);
    atomic_store(&memory_is_out, true);
    assert_err(ths_tell(node, a, say, .text = "heard"), OK);
    assert_noted("heard 1\n");
    assert_int_equal(threads(node), 0);
    atomic_store(&memory_is_out, false);
    settle(node, a);
    assert_int_equal(threads(node), 1);
}

static void own_thread_without_memory_is_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref a;

    atomic_store(&memory_is_out, true);
    assert_err(ths_try_spawn(node, &a, loner, .own_thread = true), NOMEM);
    atomic_store(&memory_is_out, false);
    assert_int_equal(threads(node), 0);
    assert_err(ths_try_spawn(node, &a, loner, .own_thread = true), OK);
    settle(node, a);
}

static int impatient_setup(void **state)
{
    return start_with(state, (struct ths_node_options){ .workers = 1, .stuck_ms = 2 });
}

static void handler_that_blocks_for_long_is_listed_but_no_overrun(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, sleeper);
    struct ths_overrun stuck;
    struct ths_node_stats stats;

    hold_at(node, a, &gates[0]);
    probe_gate_reached(&gates[0]);
    while (ths_node_overruns(node, &stuck, 1) == 0)
        (void)sched_yield();
    assert_true(ths_ref_equal(stuck.who, a));
    assert_string_equal(stuck.behaviour, "sleeper");
    assert_string_equal(stuck.message, "test.wait_here");
    ths_node_stats(node, &stats);
    assert_int_equal(stats.overruns, 0);
    probe_gate_open(&gates[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        blocking_test(actors_that_may_block_hold_up_neither_workers_nor_each_other, one_worker_setup),
        blocking_test(beyond_the_most_threads_actors_that_block_wait_for_each_other, narrow_setup),
        blocking_test(pool_grows_with_need_and_shrinks_after_a_quiet_time, brief_setup),
        blocking_test(actor_that_may_block_keeps_the_order_of_its_messages, one_worker_setup),
        blocking_test(actor_that_may_block_sends_sets_timers_and_ends_as_any_other, one_worker_setup),
        blocking_test(slot_of_an_actor_that_could_block_may_be_any_others, one_worker_setup),
        blocking_test(actor_with_a_thread_of_its_own_is_always_on_it, one_worker_setup),
        blocking_test(actor_with_a_thread_of_its_own_holds_nobody_up, one_worker_setup),
        blocking_test(own_thread_ends_with_its_actor, one_worker_setup),
        blocking_test(child_may_have_a_thread_of_its_own, one_worker_setup),
        blocking_test(own_thread_beyond_the_most_is_refused, narrow_setup),
        blocking_test(spawn_that_is_refused_gives_its_thread_back, one_worker_setup),
        blocking_test(without_memory_for_a_thread_actors_that_may_block_run_on_the_workers, poor_setup),
        blocking_test(own_thread_without_memory_is_refused, poor_setup),
        blocking_test(handler_that_blocks_for_long_is_listed_but_no_overrun, impatient_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
