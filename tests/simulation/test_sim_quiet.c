/* Ends and messages after a time of silence, on virtual time. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>

#include "tests/lib/stage.h"

/* Says what it hears, and when. */
THS_MESSAGE(listener_start, "test.listener_start", 1, u64(timeout_ms), u64(tick_ms))
THS_MESSAGE(listener_tick, "test.listener_tick", 1)
THS_MESSAGE(listen_for, "test.listen_for", 1, u64(ms))
THS_MESSAGE(exit_in, "test.exit_in", 1, u64(ms), u8(reason), u8(cancel))

static uint64_t began_ms;

struct listener { char none; };

static uint64_t ms_since_start(struct ths_ctx *ctx)
{
    return ths_now_ms(ctx) - began_ms;
}

THS_ON(listener, listener_start)
{
    began_ms = ths_now_ms(ctx);
    if (msg->timeout_ms > 0)
        assert_err(ths_receive_timeout(ctx, msg->timeout_ms), OK);
    if (msg->tick_ms > 0)
        (void)ths_every(ctx, msg->tick_ms, listener_tick);
}

THS_ON(listener, listener_tick)
{
    (void)self;
}

THS_ON(listener, word)
{
    (void)msg->text;
}

THS_ON(listener, question)
{
    (void)ths_reply(ctx, answer);
}

THS_ON(listener, listen_for)
{
    assert_err(ths_receive_timeout(ctx, msg->ms), OK);
}

THS_ON(listener, exit_in)
{
    ths_timer_id timer = ths_exit_after(ctx, msg->ms, (enum ths_reason)msg->reason);

    if (msg->cancel)
        ths_cancel(ctx, timer);
    if (timer.value == 0)
        probe_note("refused");
}

THS_ON(listener, ths_idle)
{
    probe_note("idle %" PRIu64 " at %" PRIu64, msg->ms, ms_since_start(ctx));
}

THS_ON(listener, ths_finally)
{
    probe_note("%s \"%s\" at %" PRIu64, ths_reason_text((enum ths_reason)msg->reason), msg->text, ms_since_start(ctx));
}

THS_BEHAVIOUR(listener, listener_start, listener_tick, word, question, listen_for, exit_in, ths_idle, ths_finally)

#define SPAWN(node, ...) ths_spawn(node, listener, .start = THS_MSG(listener_start, .timeout_ms = 0), __VA_ARGS__)
#define LISTENER(node, timeout) ths_spawn(node, listener, .start = THS_MSG(listener_start, .timeout_ms = (timeout)))

/* ---- Receive timeout ----------------------------------------------------------------------- */

static void silence_is_told_and_told_again(void **state)
{
    (void)LISTENER((struct ths_node *)*state, 100);
    stage_run(350);
    assert_noted("idle 100 at 100\nidle 100 at 200\nidle 100 at 300\n");
}

static void message_puts_the_silence_off(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = LISTENER(node, 100);

    for (int i = 0; i < 5; i++) {
        stage_run(60);
        assert_err(ths_tell(node, listener, word), OK);
    }
    stage_run(99);
    assert_int_equal(probe_count(), 0);
    stage_run(3);
    assert_noted("idle 100 at 400\n");
}

static void timers_do_not_count_as_something_that_came(void **state)
{
    (void)ths_spawn((struct ths_node *)*state, listener,
                    .start = THS_MSG(listener_start, .timeout_ms = 100, .tick_ms = 7));
    stage_run(150);
    assert_noted("idle 100 at 100\n");
}

static void new_timeout_replaces_the_last_and_zero_ends_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = LISTENER(node, 100);

    assert_err(ths_tell(node, listener, listen_for, .ms = 300), OK);
    stage_run(299);
    assert_int_equal(probe_count(), 0);
    stage_run(5);
    assert_noted("idle 300 at 300\n");
    assert_err(ths_tell(node, listener, listen_for, .ms = 0), OK);
    stage_run(100000);
    assert_int_equal(probe_count(), 1);
}

static void receive_timeout_is_for_handlers(void **state)
{
    struct ths_ctx *outside = thsp_of_node(*state);

    assert_err(ths_receive_timeout(outside, 100), INVALID);
    assert_true(ths_exit_after(outside, 100, THS_REASON_NORMAL).value == 0);
}

/* ---- Idle timeout --------------------------------------------------------------------------- */

static void idle_actor_ends_normal(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = SPAWN(node, .idle_ms = 500);

    stage_run(400);
    assert_err(ths_tell(node, listener, word), OK);
    assert_ends(node, listener, NORMAL);
    assert_noted("normal \"idle\" at 900\n");
}

static void idle_actor_may_have_a_receive_timeout_too(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = SPAWN(node, .idle_ms = 250);

    assert_err(ths_tell(node, listener, listen_for, .ms = 100), OK);
    assert_ends(node, listener, NORMAL);
    assert_noted("idle 100 at 100\nidle 100 at 200\nnormal \"idle\" at 250\n");
}

static void actor_without_handlers_for_its_start_can_be_idle(void **state)
{
    struct ths_node *node = *state;
    ths_ref idler = puppet_spawn(node, "a", (struct ths_spawn_options){ .idle_ms = 20 });

    assert_ends(node, idler, NORMAL);
}

/* ---- Exit after ------------------------------------------------------------------------------ */

static void exit_comes_after_its_time_with_its_reason(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = LISTENER(node, 0);

    assert_err(ths_tell(node, listener, exit_in, .ms = 300, .reason = THS_REASON_SHUTDOWN), OK);
    assert_ends(node, listener, SHUTDOWN);
    assert_noted("shutdown \"its time was up\" at 300\n");
}

static void exit_that_is_cancelled_does_not_come(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = LISTENER(node, 0);

    assert_err(ths_tell(node, listener, exit_in, .ms = 300, .cancel = true), OK);
    stage_run(1000);
    assert_err(ths_call(node, listener, THS_MSG(question), 1000, NULL, NULL), OK);
}

static void exit_for_a_reason_that_is_not_ones_own_is_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref listener = LISTENER(node, 0);

    assert_err(ths_tell(node, listener, exit_in, .ms = 1, .reason = THS_REASON_KILLED), OK);
    stage_run(100);
    assert_noted("refused\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(silence_is_told_and_told_again),
        stage_test(message_puts_the_silence_off),
        stage_test(timers_do_not_count_as_something_that_came),
        stage_test(new_timeout_replaces_the_last_and_zero_ends_it),
        stage_test(receive_timeout_is_for_handlers),
        stage_test(idle_actor_ends_normal),
        stage_test(idle_actor_may_have_a_receive_timeout_too),
        stage_test(actor_without_handlers_for_its_start_can_be_idle),
        stage_test(exit_comes_after_its_time_with_its_reason),
        stage_test(exit_that_is_cancelled_does_not_come),
        stage_test(exit_for_a_reason_that_is_not_ones_own_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
