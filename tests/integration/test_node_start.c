/* Starts that take too long, on real threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

/* Waits at a gate while it starts. */
THS_MESSAGE(sleeper_start, "test.sleeper_start", 1, u64(gate))

struct sleeper { char none; };

THS_ON(sleeper, sleeper_start)
{
    probe_gate_pass((struct probe_gate *)(uintptr_t)msg->gate);
}

THS_ON(sleeper, ths_finally)
{
    probe_note("%s", ths_reason_text((enum ths_reason)msg->reason));
}

THS_BEHAVIOUR(sleeper, sleeper_start, ths_finally)

static void start_past_its_time_is_killed(void **state)
{
    struct probe_gate gate = PROBE_GATE_INIT;
    ths_ref ref;

    assert_err(ths_spawn_wait((struct ths_node *)*state, &ref, NULL, 5, sleeper,
                              .start = THS_MSG(sleeper_start, .gate = (uint64_t)(uintptr_t)&gate)), TIMEOUT);
    assert_true(ths_ref_is_nobody(ref));
    probe_gate_open(&gate);
    assert_noted("killed\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(start_past_its_time_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
