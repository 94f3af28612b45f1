/* Timers: not before their time, at most once each, and no longer than their incarnation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>

#include "tests/lib/puppet.h"

THS_MESSAGE(wait_for, "test.wait_for", 1, u64(delay_ms))
THS_MESSAGE(rung, "test.rung", 1, u64(not_before_ms))

struct clock_watcher { char none; };

THS_ON(clock_watcher, wait_for)
{
    (void)ths_after(ctx, msg->delay_ms, rung, .not_before_ms = ths_now_ms(ctx) + msg->delay_ms);
}

THS_ON(clock_watcher, rung)
{
    probe_note("%s, from %s", ths_now_ms(ctx) < msg->not_before_ms ? "too early" : "rung", probe_label(ths_sender(ctx)));
}

THS_BEHAVIOUR(clock_watcher, wait_for, rung)

static void timer_rings_not_before_its_time(void **state)
{
    static const uint64_t delays_ms[] = { 0, 1, 2, 7, 20, 65, 130 };
    struct ths_node *node = *state;
    ths_ref watcher = ths_spawn(node, clock_watcher);

    for (size_t i = 0; i < sizeof delays_ms / sizeof delays_ms[0]; i++) {
        assert_err(ths_tell(node, watcher, wait_for, .delay_ms = delays_ms[i]), OK);
        assert_noted("rung, from nobody\n");
        probe_reset();
    }
}

static void sets_three(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_after(ctx, 90, word, .text = "third");
    (void)ths_after(ctx, 30, word, .text = "first");
    (void)ths_after(ctx, 60, word, .text = "second");
}

static void timers_of_one_actor_ring_in_the_order_of_their_time(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, sets_three, NULL);
    assert_noted("a: first\na: second\na: third\n");
}

static ths_timer_id timer;

static void sets_one(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    timer = ths_after(ctx, 20, word, .text = "rung");
}

static void cancels(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_cancel(ctx, timer);
}

static void sets_a_later_one(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_after(ctx, 60, word, .text = "later");
}

static void cancelled_timer_does_not_ring(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, sets_one, NULL);
    assert_int_not_equal(timer.value, 0);
    puppet_do(*state, a, cancels, NULL);
    puppet_do(*state, a, sets_a_later_one, NULL);
    assert_noted("a: later\n");
}

/* Holds the actor until another's timer of the same time has rung: this one's message is then due or in the mailbox. */
static void cancels_after_the_gate(struct ths_ctx *ctx, struct puppet *self, void *gate)
{
    sets_one(ctx, self, NULL);
    probe_gate_pass(gate);
    ths_cancel(ctx, timer);
}

static void opens(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_after(ctx, 40, word, .text = "now");
}

static void timer_that_rang_into_the_mailbox_is_withdrawn_by_cancel(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ 0 });
    struct probe_gate gate = PROBE_GATE_INIT;
    struct puppet_todo todo = { cancels_after_the_gate, &gate };

    assert_err(ths_tell(node, a, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    probe_gate_reached(&gate);
    puppet_do(node, b, opens, NULL);
    probe_wait(1);
    probe_gate_open(&gate);
    puppet_settle(node, a);
    puppet_do(node, a, sets_a_later_one, NULL);
    assert_noted("b: now\na: later\n");
}

static void cancel_of_a_timer_that_rang_is_ignored(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, sets_one, NULL);
    probe_wait(1);
    puppet_do(*state, a, cancels, NULL);
    puppet_do(*state, a, cancels, NULL);
    timer.value = 0;
    puppet_do(*state, a, cancels, NULL);
    assert_noted("a: rung\n");
}

static void sets_every(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    timer = ths_every(ctx, 5, word, .text = "again");
}

static void repeated_timer_rings_until_it_is_cancelled(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });
    size_t rung;

    puppet_do(*state, a, sets_every, NULL);
    probe_wait(5);
    puppet_do(*state, a, cancels, NULL);
    rung = probe_count();
    puppet_do(*state, a, sets_a_later_one, NULL);
    probe_wait(rung + 1);
    puppet_settle(*state, a);
    assert_int_equal(probe_count(), rung + 1);
}

static void sets_one_and_stops(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    sets_one(ctx, self, arg);
    ths_stop(ctx);
}

static void timers_end_with_their_actor(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });
    ths_ref b = puppet_spawn(*state, "b", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, sets_one_and_stops, NULL);
    assert_ends(*state, a, NORMAL);
    puppet_do(*state, b, sets_a_later_one, NULL);
    assert_noted("b: later\n");
}

static void sets_many(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    for (unsigned i = 0; i < 1000; i++)
        (void)ths_after(ctx, i % 50, word, .text = "one of many");
}

static void thousand_timers_ring_once_each(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ .mailbox = 2000 });

    puppet_do(*state, a, sets_many, NULL);
    probe_wait(1000);
    puppet_do(*state, a, sets_a_later_one, NULL);
    probe_wait(1001);
    puppet_settle(*state, a);
    assert_int_equal(probe_count(), 1001);
}

/* A wall clock that the test sets. */
static struct ths_env set_env;
static _Atomic int64_t set_by_ms;
static _Atomic unsigned looks;

static uint64_t set_wall_ms(struct ths_env *env)
{
    (void)env;
    atomic_fetch_add(&looks, 1);
    return ths_env_os()->wall_ms(ths_env_os()) + (uint64_t)atomic_load(&set_by_ms);
}

static int set_clock_setup(void **state)
{
    probe_reset();
    atomic_store(&set_by_ms, 0);
    set_env = *ths_env_os();
    set_env.wall_ms = set_wall_ms;
    *state = ths_node_start(&(struct ths_node_options){ .name = "test", .workers = 1, .env = &set_env });
    return *state ? 0 : -1;
}

enum { HOUR_MS = 3600000 };

static void sets_one_in_an_hour(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_at_wall(ctx, ths_wall_ms(ctx) + HOUR_MS, word, .text = "rung");
}

static void wall_clock_that_is_set_forward_rings_its_timers(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, sets_one_in_an_hour, NULL);
    atomic_store(&set_by_ms, HOUR_MS);
    assert_noted("a: rung\n");
}

static void sets_one_soon(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_at_wall(ctx, ths_wall_ms(ctx) + 100, word, .text = "rung");
    atomic_store(&set_by_ms, -HOUR_MS);
    atomic_store(&looks, 0);
}

static void wall_clock_that_is_set_back_holds_its_timers_up(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, sets_one_soon, NULL);
    while (atomic_load(&looks) < 2)
        (void)sched_yield();
    puppet_settle(*state, a);
    assert_int_equal(probe_count(), 0);
    atomic_store(&set_by_ms, 0);
    assert_noted("a: rung\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(timer_rings_not_before_its_time),
        puppet_test(timers_of_one_actor_ring_in_the_order_of_their_time),
        puppet_test(cancelled_timer_does_not_ring),
        puppet_test(timer_that_rang_into_the_mailbox_is_withdrawn_by_cancel),
        puppet_test(cancel_of_a_timer_that_rang_is_ignored),
        puppet_test(repeated_timer_rings_until_it_is_cancelled),
        puppet_test(timers_end_with_their_actor),
        puppet_test(thousand_timers_ring_once_each),
        cmocka_unit_test_setup_teardown(wall_clock_that_is_set_forward_rings_its_timers, set_clock_setup,
                                        puppet_node_teardown),
        cmocka_unit_test_setup_teardown(wall_clock_that_is_set_back_holds_its_timers_up, set_clock_setup,
                                        puppet_node_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
