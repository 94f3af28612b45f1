/* Draining while others send from all sides: what was accepted is handled, on real threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "tests/lib/puppet.h"

enum { ROUNDS = 200, SENDERS = 4, BURST = 16 };

THS_MESSAGE(drop, "test.drop", 1)
THS_MESSAGE(pour, "test.pour", 1, ref(into))

static _Atomic uint64_t accepted, handled, others;

struct sink { uint64_t drops; };

THS_ON(sink, drop)
{
    self->drops++;
}

THS_ON(sink, ths_finally)
{
    atomic_fetch_add(&handled, self->drops);
}

THS_BEHAVIOUR(sink, drop, ths_finally)

/* Sends until it is refused for good. */
struct source { char none; };

THS_ON(source, pour)
{
    for (int i = 0; i < BURST; i++) {
        enum ths_err err = ths_try_tell(ctx, msg->into, drop);

        if (err == THS_OK) {
            atomic_fetch_add(&accepted, 1);
        } else if (err != THS_FULL) {
            if (err != THS_CLOSED && err != THS_GONE)
                atomic_fetch_add(&others, 1);
            ths_stop(ctx);
            return;
        }
    }
    ths_tell(ctx, ths_self(ctx), pour, .into = msg->into);
}

THS_BEHAVIOUR(source, pour)

static void all_that_a_draining_actor_accepted_is_handled(void **state)
{
    struct ths_node *node = *state;

    for (int round = 0; round < ROUNDS; round++) {
        ths_ref sink = ths_spawn(node, sink, .mailbox = round % 2 ? 8 : 1024), sources[SENDERS];
        uint64_t before = atomic_load(&accepted);

        for (int i = 0; i < SENDERS; i++) {
            sources[i] = ths_spawn(node, source);
            assert_err(ths_tell(node, sources[i], pour, .into = sink), OK);
        }
        while (atomic_load(&accepted) < before + 100)
            puppet_settle(node, puppet_spawn(node, "p", (struct ths_spawn_options){ 0 }));
        assert_err(ths_drain(node, sink), OK);
        assert_ends(node, sink, NORMAL);
        for (int i = 0; i < SENDERS; i++)
            assert_ends(node, sources[i], NORMAL);
        assert_true(atomic_load(&accepted) == atomic_load(&handled));
    }
    assert_true(atomic_load(&others) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(all_that_a_draining_actor_accepted_is_handled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
