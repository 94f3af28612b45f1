/* Actors that may block, in the simulator: the one thread runs them like all others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

THS_MESSAGE(work, "test.work", 1)

struct toiler { uint64_t done; };

THS_ON(toiler, work)
{
    probe_note("worked %llu", (unsigned long long)++self->done);
    if (self->done < 3)
        (void)ths_after(ctx, 10, work);
    else
        ths_stop(ctx);
}

THS_BLOCKING_BEHAVIOUR(toiler, work)

static void actors_that_may_block_run_in_the_simulator(void **state)
{
    struct ths_node *node = *state;
    struct ths_node_stats stats;
    ths_ref a = ths_spawn(node, toiler), b = ths_spawn(node, toiler, .own_thread = true);

    assert_err(ths_tell(node, a, work), OK);
    assert_err(ths_tell(node, b, work), OK);
    stage_run(50);
    assert_ends(node, a, NORMAL);
    assert_ends(node, b, NORMAL);
    assert_noted_in_any_order("worked 1\nworked 1\nworked 2\nworked 2\nworked 3\nworked 3\n");
    ths_node_stats(node, &stats);
    assert_int_equal(stats.blocking_threads, 0);
    assert_int_equal(ths_node_overruns(node, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(actors_that_may_block_run_in_the_simulator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
