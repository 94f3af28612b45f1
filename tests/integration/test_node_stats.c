/* Counters of messages while real threads count. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/counted.h"
#include "tests/lib/puppet.h"

enum { SENDERS = 8, EACH = 20000 };

THS_MESSAGE(begin, "test.begin", 1, ref(to), u32(left))
THS_MESSAGE(token, "test.token", 1)

struct counting_sender { uint32_t unused; };

/* So many at a time, and itself again: nobody's mailbox overflows. */
THS_ON(counting_sender, begin)
{
    for (uint32_t i = 0; i < 20; i++)
        (void)ths_tell(ctx, msg->to, token);
    if (msg->left > 20)
        (void)ths_tell(ctx, ths_self(ctx), begin, .to = msg->to, .left = msg->left - 20);
}

THS_BEHAVIOUR(counting_sender, begin)

struct counting_taker {
    uint32_t got;
};

THS_ON(counting_taker, token)
{
    if (++self->got == SENDERS * EACH)
        ths_stop(ctx);
}

THS_BEHAVIOUR(counting_taker, token)

static void every_message_is_counted_once_whoever_handles_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref taker = ths_spawn(node, counting_taker, .mailbox = SENDERS * EACH + 1);
    struct ths_message_stats stats;
    uint64_t seen = 0;

    for (int i = 0; i < SENDERS; i++)
        assert_err(ths_tell(node, ths_spawn(node, counting_sender), begin, .to = taker, .left = EACH), OK);
    while (ths_join(node, taker, 1, NULL) == THS_TIMEOUT) {
        uint64_t now = counted(node, "counting_taker", "test.token").handled;
        assert_true(now >= seen && now <= SENDERS * EACH);
        seen = now;
    }
    stats = counted(node, "counting_taker", "test.token");
    assert_int_equal(stats.handled, SENDERS * EACH);
    assert_int_equal(counted(node, "counting_sender", "test.begin").handled, SENDERS * EACH / 20);
    assert_true(stats.busy_ns > 0 && stats.busy_max_ns > 0);
    assert_true(stats.waited > 0 && stats.waited_ns >= stats.waited_max_ns);
    assert_true(stats.waited_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(every_message_is_counted_once_whoever_handles_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
