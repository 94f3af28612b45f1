/* Stops of actors that are busy, on real threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#define PLAIN ((struct ths_spawn_options){ 0 })

/* Wait until no more than @count actors are left. */
static void await_actors(struct ths_node *node, ths_ref other, uint64_t count)
{
    struct ths_node_stats stats;

    do {
        puppet_settle(node, other);
        ths_node_stats(node, &stats);
    } while (stats.actors > count);
}

static void deadline_of_a_stop_is_kept_though_it_waits_behind_a_queue(void **state)
{
    struct ths_node *node = *state;
    ths_ref busy = puppet_spawn(node, "busy", PLAIN), other = puppet_spawn(node, "other", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;

    puppet_hold(node, busy, &gate);
    for (int i = 0; i < 10; i++)
        assert_err(ths_tell(node, busy, word, .text = "never heard"), OK);
    assert_err(ths_stop_actor(node, busy, .deadline_ms = 1), OK);
    await_actors(node, other, 2); /* who watched the deadline has done its work */
    probe_gate_open(&gate);
    assert_ends(node, busy, KILLED);
    assert_int_equal(probe_count(), 0);
}

/* ---- Many that ask ---------------------------------------------------------------------------- */

enum { MANY = 65 }; /* one more than it remembers */

static struct ths_node *present;

static void traps_and_is_silent(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_trap_exits(ctx, true);
}

static void asks_again_and_again(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    for (int i = 0; i < MANY; i++)
        ths_stop_then(ctx, *(const ths_ref *)whom, puppet_heard, PROBE_LIMIT_MS, .text = "please");
}

static void those_who_gave_up_keep_nobody_from_stopping_an_actor(void **state)
{
    ths_ref stubborn;

    present = *state;
    stubborn = puppet_spawn(present, "stubborn", PLAIN);
    puppet_do(present, stubborn, traps_and_is_silent, NULL);
    for (int i = 0; i < MANY; i++)
        assert_err(ths_stop_wait(present, stubborn, 1), TIMEOUT);
    assert_err(ths_stop_wait(present, stubborn, PROBE_LIMIT_MS, .force = true), OK);
}

static void of_too_many_that_wait_for_an_end_the_first_is_told_so(void **state)
{
    ths_ref stubborn, client;

    present = *state;
    stubborn = puppet_spawn(present, "stubborn", PLAIN);
    client = puppet_spawn(present, "client", PLAIN);
    puppet_do(present, stubborn, traps_and_is_silent, NULL);
    puppet_do(present, client, asks_again_and_again, &stubborn);
    puppet_settle(present, stubborn);
    puppet_settle(present, client);
    assert_int_equal(probe_count(), MANY + 1); /* it was asked so often, and one is told */
    (void)probe_find("client: heard TOO_MANY"); /* it is there */
    assert_err(ths_stop_wait(present, stubborn, PROBE_LIMIT_MS, .force = true), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(deadline_of_a_stop_is_kept_though_it_waits_behind_a_queue),
        puppet_test(those_who_gave_up_keep_nobody_from_stopping_an_actor),
        puppet_test(of_too_many_that_wait_for_an_end_the_first_is_told_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
