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
    uint32_t messages, times;
};

/* The greedy one runs first, then the other, were it not for its budget. */
static void feeds(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const struct crowd *crowd = arg;

    (void)self;
    (void)ths_tell(ctx, crowd->other, word, .text = "heard");
    for (uint32_t i = 0; i < crowd->messages; i++)
        (void)ths_tell(ctx, crowd->greedy, talk, .to = crowd->sink, .times = crowd->times);
}

/* How often the greedy one had talked when the other heard its word. */
static size_t talks_before_the_other(struct ths_node *node, uint32_t messages, uint32_t times)
{
    struct crowd crowd = { .messages = messages, .times = times };
    ths_ref feeder = puppet_spawn(node, "feeder", (struct ths_spawn_options){ 0 });

    crowd.greedy = ths_spawn(node, talker, .mailbox = messages);
    crowd.other = puppet_spawn(node, "other", (struct ths_spawn_options){ 0 });
    crowd.sink = puppet_spawn(node, "sink", (struct ths_spawn_options){ .mailbox = 100000 });
    puppet_settle(node, crowd.other);
    puppet_settle(node, crowd.sink);
    puppet_do(node, feeder, feeds, &crowd);
    probe_wait(messages + 1);
    return probe_find("other: heard");
}

static void turn_ends_when_its_budget_is_spent(void **state)
{
    assert_in_range(talks_before_the_other(*state, 1000, 0), 0, 200);
}

static void what_an_actor_sends_is_charged_to_its_turn(void **state)
{
    assert_in_range(talks_before_the_other(*state, 20, 100), 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fairness_test(turn_ends_when_its_budget_is_spent),
        fairness_test(what_an_actor_sends_is_charged_to_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
