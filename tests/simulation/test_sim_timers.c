/* The kinds of timers, on virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

THS_MESSAGE(ticker_start, "test.ticker_start", 1, u8(kind), u64(ms))
THS_MESSAGE(ticker_tick, "test.ticker_tick", 1)

struct ticker {
    uint64_t began_ms;
    ths_timer_id timer;
    uint32_t left; /* ticks until it cancels its timer; 0: never */
};

static uint32_t ticks_to_hear;

THS_ON(ticker, ticker_start)
{
    self->began_ms = ths_now_ms(ctx);
    self->left = ticks_to_hear;
    switch (msg->kind) {
    case THSP_EVERY:
        self->timer = ths_every(ctx, msg->ms, ticker_tick);
        break;
    case THSP_REPEAT:
        self->timer = ths_repeat(ctx, msg->ms, ticker_tick);
        break;
    case THSP_AT_WALL:
        self->timer = ths_at_wall(ctx, msg->ms, ticker_tick);
        break;
    default:
        self->timer = ths_after(ctx, msg->ms, ticker_tick);
        break;
    }
    if (self->timer.value == 0)
        probe_note("refused");
}

THS_ON(ticker, ticker_tick)
{
    probe_note("%llu", (unsigned long long)(ths_now_ms(ctx) - self->began_ms));
    if (self->left > 0 && --self->left == 0)
        ths_cancel(ctx, self->timer);
}

THS_ON(ticker, question)
{
    (void)ths_reply(ctx, answer, .text = "");
}

THS_BEHAVIOUR(ticker, ticker_start, ticker_tick, question)

static ths_ref tick(struct ths_node *node, enum thsp_timer_kind kind, uint64_t ms)
{
    ths_ref ref = ths_spawn(node, ticker, .start = THS_MSG(ticker_start, .kind = (uint8_t)kind, .ms = ms));

    assert_err(ths_call(node, ref, THS_MSG(question), 1000, NULL, NULL), OK); /* it has started */
    return ref;
}

/* The node gets no time for @ms, so what is due meanwhile comes late. */
static void pause_for(uint64_t ms)
{
    ths_sim_pause(stage, 1, true);
    stage_run(ms);
    ths_sim_pause(stage, 1, false);
}

static int start(void **state)
{
    ticks_to_hear = 0;
    return stage_alone_setup(state);
}

#define timer_test(fact) cmocka_unit_test_setup_teardown(fact, start, stage_teardown)

static void fixed_rate_keeps_its_beat_and_leaves_out_what_it_missed(void **state)
{
    (void)tick(*state, THSP_EVERY, 10);
    stage_run(25);
    pause_for(30); /* until 55: the ones of 30, 40 and 50 are one */
    stage_run(20);
    assert_noted("10\n20\n55\n60\n70\n");
}

static void fixed_pause_is_counted_from_the_last_one(void **state)
{
    (void)tick(*state, THSP_REPEAT, 10);
    stage_run(25);
    pause_for(30);
    stage_run(24);
    assert_noted("10\n21\n55\n66\n77\n"); /* a wheel rounds up to whole milliseconds */
}

static void repeated_timers_can_be_cancelled_in_their_own_handler(void **state)
{
    ticks_to_hear = 2;
    (void)tick(*state, THSP_EVERY, 10);
    (void)tick(*state, THSP_REPEAT, 10);
    stage_run(100);
    assert_int_equal(probe_count(), 4);
}

static void period_of_nothing_is_refused(void **state)
{
    (void)tick(*state, THSP_EVERY, 0);
    (void)tick(*state, THSP_REPEAT, 0);
    assert_noted("refused\nrefused\n");
}

static void time_beyond_all_time_is_refused(void **state)
{
    (void)tick(*state, THSP_AFTER, UINT64_MAX);
    (void)tick(*state, THSP_EVERY, UINT64_MAX);
    (void)tick(*state, THSP_REPEAT, UINT64_MAX);
    assert_noted("refused\nrefused\nrefused\n");
}

static void timers_are_for_handlers_alone(void **state)
{
    struct ths_ctx *outside = thsp_of_node(*state);

    assert_int_equal(ths_after(outside, 1, ticker_tick).value, 0);
    assert_int_equal(ths_every(outside, 1, ticker_tick).value, 0);
    assert_int_equal(ths_repeat(outside, 1, ticker_tick).value, 0);
    assert_int_equal(ths_at_wall(outside, 1, ticker_tick).value, 0);
    ths_cancel(outside, (ths_timer_id){ 1 });
}

static uint64_t wall_now_ms(struct ths_node *node)
{
    return ths_wall_ms(thsp_of_node(node));
}

static void wall_time_is_met(void **state)
{
    uint64_t now_ms = wall_now_ms(*state);

    (void)tick(*state, THSP_AT_WALL, now_ms + 5000);
    stage_run(4999);
    assert_int_equal(probe_count(), 0);
    stage_run(2);
    assert_int_equal(probe_count(), 1);
    stage_run(100000);
    assert_int_equal(probe_count(), 1);
}

static void wall_time_that_has_passed_rings_at_once(void **state)
{
    (void)tick(*state, THSP_AT_WALL, 1);
    stage_run(2);
    assert_int_equal(probe_count(), 1);
}

static void wall_time_can_be_far_away(void **state)
{
    ths_ref a = tick(*state, THSP_AT_WALL, UINT64_MAX);

    stage_run(3600000);
    assert_int_equal(probe_count(), 0);
    ths_kill((struct ths_node *)*state, a);
    assert_ends((struct ths_node *)*state, a, KILLED);
}

static void starts_one_and_stops(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_after(ctx, 0, word, .text = "of one that has ended");
    (void)ths_every(ctx, 1, word, .text = "of one that has ended");
    ths_stop(ctx);
}

static void timers_of_one_that_ended_never_reach_who_comes_after_it(void **state)
{
    struct ths_node *node = *state;

    for (unsigned i = 0; i < 50; i++) { /* most of them in the place of the one before */
        ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });

        puppet_do(node, a, starts_one_and_stops, NULL);
        assert_ends(node, a, NORMAL);
        stage_run(i % 3);
    }
    stage_run(100);
    assert_int_equal(probe_count(), 0);
}

enum { TIMERS = 3000 };

static void starts_many_and_cancels_most(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    static ths_timer_id ids[TIMERS];

    (void)self, (void)arg;
    for (unsigned i = 0; i < TIMERS; i++)
        ids[i] = ths_after(ctx, 1 + i % 50, word, .text = "of many");
    for (unsigned i = 0; i < TIMERS; i++)
        if (i % 100 != 0)
            ths_cancel(ctx, ids[i]);
    for (unsigned i = 0; i < TIMERS; i++)
        if (i % 100 != 0)
            ths_cancel(ctx, ids[i]); /* again */
}

static void of_many_timers_those_ring_that_were_not_cancelled(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ 0 });

    puppet_do(*state, a, starts_many_and_cancels_most, NULL);
    stage_run(200);
    assert_int_equal(probe_count(), TIMERS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        timer_test(fixed_rate_keeps_its_beat_and_leaves_out_what_it_missed),
        timer_test(fixed_pause_is_counted_from_the_last_one),
        timer_test(repeated_timers_can_be_cancelled_in_their_own_handler),
        timer_test(period_of_nothing_is_refused),
        timer_test(time_beyond_all_time_is_refused),
        timer_test(timers_are_for_handlers_alone),
        timer_test(wall_time_is_met),
        timer_test(wall_time_that_has_passed_rings_at_once),
        timer_test(wall_time_can_be_far_away),
        timer_test(timers_of_one_that_ended_never_reach_who_comes_after_it),
        timer_test(of_many_timers_those_ring_that_were_not_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
