/* Turns: nobody keeps a worker for longer than its budget. One worker, and a slice that never ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

THS_MESSAGE(talk, "test.talk", 1, ref(to), u32(times))

struct talker { char none; };

THS_ON(talker, talk)
{
    probe_note("talks");
    for (uint32_t i = 0; i < msg->times; i++)
        (void)ths_tell(ctx, msg->to, secret);
}

THS_BEHAVIOUR(talker, talk)

static int one_worker_setup(void **state)
{
    probe_reset();
    *state = ths_node_start(&(struct ths_node_options){ .name = "test", .workers = 1, .slice_ms = PROBE_LIMIT_MS });
    return *state ? 0 : -1;
}

#define fairness_test(fact) cmocka_unit_test_setup_teardown(fact, one_worker_setup, puppet_node_teardown)

struct crowd {
    ths_ref greedy, other, sink;
    uint32_t messages, times, places;
};

/* The greedy one runs first, and were it not for its budget, to its end. */
static void feeds(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const struct crowd *crowd = arg;

    (void)self;
    for (uint32_t i = 0; i < crowd->messages; i++)
        (void)ths_tell(ctx, crowd->greedy, talk, .to = crowd->sink, .times = crowd->times);
    (void)ths_tell(ctx, crowd->other, word, .text = "heard");
}

/* How often the greedy one had talked when the other heard its word. */
static size_t talks_before_the_other(struct ths_node *node, struct crowd crowd)
{
    ths_ref feeder = puppet_spawn(node, "feeder", (struct ths_spawn_options){ 0 });

    crowd.greedy = ths_spawn(node, talker, .mailbox = crowd.messages);
    crowd.other = puppet_spawn(node, "other", (struct ths_spawn_options){ 0 });
    crowd.sink = puppet_spawn(node, "sink", (struct ths_spawn_options){ .mailbox = crowd.places });
    puppet_settle(node, crowd.other);
    puppet_settle(node, crowd.sink);
    puppet_do(node, feeder, feeds, &crowd);
    probe_wait(crowd.messages + 1);
    return probe_find("other: heard");
}

static void turn_ends_when_its_budget_is_spent(void **state)
{
    assert_in_range(talks_before_the_other(*state, (struct crowd){ .messages = 1000, .places = 1 }), 1, 200);
}

static void what_an_actor_sends_is_charged_to_its_turn(void **state)
{
    assert_in_range(talks_before_the_other(*state, (struct crowd){ .messages = 20, .times = 100, .places = 2000 }), 1, 2);
}

static void turn_ends_when_a_mailbox_refuses(void **state)
{
    assert_in_range(talks_before_the_other(*state, (struct crowd){ .messages = 1000, .times = 1, .places = 1 }), 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fairness_test(turn_ends_when_its_budget_is_spent),
        fairness_test(what_an_actor_sends_is_charged_to_its_turn),
        fairness_test(turn_ends_when_a_mailbox_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
