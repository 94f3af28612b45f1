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

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(deadline_of_a_stop_is_kept_though_it_waits_behind_a_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
