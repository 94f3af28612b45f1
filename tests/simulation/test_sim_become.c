/* Actors that change their behaviour and put messages aside, on virtual time. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

THS_MESSAGE(open_it, "test.door_open", 1)
THS_MESSAGE(close_it, "test.door_close", 1)
THS_MESSAGE(walk, "test.door_walk", 1, u32(who))
THS_MESSAGE(break_it, "test.door_break", 1)

THS_MESSAGE(jam, "test.door_jam", 1, boolean(takes_up))

struct door { uint32_t opened; char rest[40]; };

THS_STATES(door, closed, opened)

THS_IN(door, closed, open_it)
{
    self->opened++;
    assert_err(ths_become(ctx, door_opened), OK);
}

THS_IN(door, closed, walk)
{
    enum ths_err err = ths_stash(ctx);

    if (err != THS_OK)
        probe_note("walk %u %s", msg->who, ths_err_name(err));
}

THS_IN(door, closed, question)
{
    (void)msg->text;
    assert_err(ths_stash(ctx), OK);
    assert_err(ths_stash(ctx), INVALID); /* it is at hand no more */
    assert_err(ths_reply(ctx, answer, .text = "early"), NO_ASK);
}

THS_IN(door, closed, break_it)
{
    ths_fail(ctx, "broken");
}

THS_IN(door, closed, jam)
{
    assert_err(ths_stash(ctx), OK);
    if (msg->takes_up)
        assert_int_equal(ths_unstash(ctx), 2);
    ths_fail(ctx, "jammed");
}

THS_IN(door, closed, ths_leave)
{
    probe_note("leave closed");
    assert_err(ths_become(ctx, door_opened), INVALID);
}

THS_IN(door, opened, ths_enter)
{
    probe_note("enter opened, put aside %u", ths_unstash(ctx));
}

THS_IN(door, opened, walk)
{
    probe_note("walk %u through door %u", msg->who, self->opened);
}

THS_IN(door, opened, question)
{
    assert_err(ths_reply(ctx, answer, .text = msg->text), OK);
}

THS_IN(door, opened, close_it)
{
    assert_err(ths_become(ctx, door_closed), OK);
}

THS_IN(door, opened, break_it)
{
    ths_fail(ctx, "broken");
}

THS_STATE(door, closed, open_it, walk, question, break_it, jam, ths_leave)
THS_STATE(door, opened, ths_enter, walk, question, close_it, break_it)

/* Tries what is refused. */
struct stranger { char none; };

THS_ON(stranger, open_it)
{
    assert_err(ths_stash(ctx), INVALID); /* the start message */
    assert_err(ths_become(ctx, door_opened), INVALID);
    assert_int_equal(ths_unstash(ctx), 0);
    probe_note("refused");
}

THS_ON(stranger, question)
{
    (void)msg->text;
    assert_err(ths_reply(ctx, answer), OK);
    assert_err(ths_stash(ctx), INVALID);
}

THS_BEHAVIOUR(stranger, open_it, question)

static void walks(struct ths_node *node, ths_ref door, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i <= to; i++)
        assert_err(ths_tell(node, door, walk, .who = i), OK);
}

static void what_was_put_aside_comes_first_and_in_its_order(void **state)
{
    struct ths_node *node = *state;
    ths_ref door = ths_spawn(node, door_closed);

    walks(node, door, 1, 2);
    assert_err(ths_tell(node, door, open_it), OK);
    walks(node, door, 3, 3);
    stage_settle();
    assert_noted("leave closed\nenter opened, put aside 2\nwalk 1 through door 1\nwalk 2 through door 1\nwalk 3 through door 1\n");
}

static void behaviour_changes_back_and_the_state_stays(void **state)
{
    struct ths_node *node = *state;
    ths_ref door = ths_spawn(node, door_closed);

    for (int i = 0; i < 2; i++) {
        assert_err(ths_tell(node, door, open_it), OK);
        assert_err(ths_tell(node, door, close_it), OK);
    }
    assert_err(ths_tell(node, door, open_it), OK);
    walks(node, door, 1, 1);
    stage_settle();
    assert_int_equal(probe_count(), 7);
    probe_reset();
    walks(node, door, 2, 2);
    stage_settle();
    assert_noted("walk 2 through door 3\n");
}

static void message_that_a_state_does_not_list_is_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref door = ths_spawn(node, door_closed);
    struct ths_node_stats stats;

    assert_err(ths_tell(node, door, close_it), OK);
    stage_settle();
    ths_node_stats(node, &stats);
    assert_int_equal(stats.dead_letters[THS_REFUSED], 1);
}

static void no_more_is_put_aside_than_the_mailbox_holds(void **state)
{
    struct ths_node *node = *state;
    ths_ref door = ths_spawn(node, door_closed, .mailbox = 2);

    for (uint32_t i = 1; i <= 3; i++) {
        walks(node, door, i, i);
        stage_settle();
    }
    assert_noted("walk 3 FULL\n");
}

static void asks(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    (void)ths_ask(ctx, *(ths_ref *)to, question, puppet_heard, 1000, .text = "in time");
    (void)ths_ask(ctx, *(ths_ref *)to, question, puppet_heard, 100, .text = "too late");
}

static void request_put_aside_keeps_its_deadline(void **state)
{
    struct ths_node *node = *state;
    ths_ref door = ths_spawn(node, door_closed);
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });

    puppet_do(node, b, asks, &door);
    stage_run(200);
    assert_err(ths_tell(node, door, open_it), OK);
    stage_settle();
    assert_noted("b: heard TIMEOUT\nleave closed\nenter opened, put aside 2\nb: heard OK answer{text=\"in time\"}\n");
}

static void request_put_aside_is_answered_when_the_actor_ends(void **state)
{
    struct ths_node *node = *state;
    ths_ref door = ths_spawn(node, door_closed);
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });

    puppet_do(node, b, asks, &door);
    stage_run(10);
    ths_kill(node, door);
    stage_run(10);
    assert_noted("b: heard GONE\nb: heard GONE\n");
}

static void next_incarnation_begins_anew_and_hears_what_was_put_aside(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { { .name = "door", .behaviour = "door.closed", .named = true } };
    ths_ref door;

    assert_err(ths_register(node, door_closed), OK);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children)));
    stage_settle();
    door = ths_whereis(node, "door", 1000);
    walks(node, door, 1, 2);
    assert_err(ths_tell(node, door, break_it), OK);
    walks(node, door, 3, 3);
    assert_err(ths_tell(node, door, open_it), OK);
    stage_run(1000);
    assert_noted("leave closed\nenter opened, put aside 3\nwalk 1 through door 1\nwalk 2 through door 1\nwalk 3 through door 1\n");
    assert_err(ths_tell(node, door, break_it), OK);
    assert_err(ths_tell(node, door, open_it), OK); /* closed again, or it would be refused */
    probe_reset();
    stage_run(1000);
    assert_noted("leave closed\nenter opened, put aside 0\n");
}

/* In the stash, or taken up again and in the queue: what the failing handler put aside is the message that crashed it. */
static void message_put_aside_by_a_handler_that_fails_is_not_handled_again(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { { .name = "door", .behaviour = "door.closed", .named = true } };
    struct ths_node_stats stats;
    ths_ref door;

    assert_err(ths_register(node, door_closed), OK);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children, .restarts = 100, .backoff_ms = 1, .backoff_max_ms = 1)));
    stage_settle();
    door = ths_whereis(node, "door", 1000);
    for (unsigned i = 0; i < 8; i++) {
        walks(node, door, i, i);
        assert_int_equal(ths_call(node, door, THS_MSG(jam, .takes_up = i % 2), 1000, NULL, NULL),
                         i < 6 ? THS_CRASHED : THS_QUARANTINED);
        stage_run(10);
        ths_node_stats(node, &stats);
        assert_int_equal(stats.crashed, i < 6 ? i + 1 : 6);
        assert_err(ths_tell(node, door, open_it), OK);
        stage_settle();
        assert_err(ths_tell(node, door, close_it), OK);
        stage_settle();
    }
}

static void ask_at_length(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    self->counter = ths_ask(ctx, *(ths_ref *)to, question, puppet_heard, 60000, .text = "back").value;
}

static void takes_it_back(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)arg;
    assert_true(ths_ask_cancel(ctx, (ths_ask_id){ self->counter }));
}

static void take_back_what_lies_aside(struct ths_node *asking, struct ths_node *asked)
{
    ths_ref door = ths_spawn(asked, door_closed);
    ths_ref b = puppet_spawn(asking, "b", (struct ths_spawn_options){ .mailbox = 0 });
    struct ths_node_stats stats;

    assert_err(ths_tell(asked, door, walk, .who = 1), OK);
    stage_settle();
    puppet_do(asking, b, ask_at_length, &door);
    stage_settle();
    assert_err(ths_tell(asked, door, walk, .who = 2), OK);
    puppet_do(asking, b, takes_it_back, NULL);
    stage_settle();
    ths_node_stats(asked, &stats);
    assert_int_equal(stats.dead_letters[THS_EXPIRED], 1);
    walks(asked, door, 3, 3);
    assert_err(ths_tell(asked, door, open_it), OK);
    stage_settle();
    assert_noted("leave closed\nenter opened, put aside 3\nwalk 1 through door 1\nwalk 2 through door 1\nwalk 3 through door 1\n");
}

static void request_put_aside_is_dropped_when_it_is_taken_back(void **state)
{
    take_back_what_lies_aside(*state, *state);
}

static void request_of_another_node_put_aside_is_dropped_too(void **state)
{
    take_back_what_lies_aside(*state, ths_sim_node(stage, 2));
}

static void changes_that_cannot_be_are_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref stranger = ths_spawn(node, stranger, .start = THS_MSG(open_it));
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });

    puppet_do(node, b, asks, &stranger);
    stage_settle();
    assert_int_equal(probe_count(), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(what_was_put_aside_comes_first_and_in_its_order),
        stage_test(behaviour_changes_back_and_the_state_stays),
        stage_test(message_that_a_state_does_not_list_is_refused),
        stage_test(no_more_is_put_aside_than_the_mailbox_holds),
        stage_test(request_put_aside_keeps_its_deadline),
        stage_test(request_put_aside_is_answered_when_the_actor_ends),
        stage_test(next_incarnation_begins_anew_and_hears_what_was_put_aside),
        stage_test(message_put_aside_by_a_handler_that_fails_is_not_handled_again),
        stage_test(request_put_aside_is_dropped_when_it_is_taken_back),
        stage_pair_test(request_of_another_node_put_aside_is_dropped_too),
        stage_test(changes_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
