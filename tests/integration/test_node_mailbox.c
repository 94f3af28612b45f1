/* Mailboxes that drop, replace or prefer messages under many senders at once: whatever the threads do, each pair keeps its
 * order, nothing comes twice, what did not come is counted, and little waits. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <stdatomic.h>

enum { SENDERS = 8, ROUNDS = 100, BATCH = 50, PLACES = 16 };

THS_MESSAGE(push, "test.mailbox_push", 1, ref(to), u32(from), u32(left))
THS_MESSAGE(item, "test.mailbox_item", 1, u32(from), u32(seq))
THS_MESSAGE(urgent_item, "test.mailbox_urgent", 1, u32(from), u32(seq))

static struct {
    uint32_t last[SENDERS], last_urgent[SENDERS];
    uint64_t got;
    _Atomic bool wrong;
} seen;

static _Atomic uint64_t accepted, refused;

struct taker { char none; };

static void take(uint32_t *last, uint32_t seq)
{
    if (seq <= *last)
        atomic_store(&seen.wrong, true);
    *last = seq;
    seen.got++;
}

THS_ON(taker, item)
{
    take(&seen.last[msg->from], msg->seq);
}

THS_ON(taker, urgent_item)
{
    take(&seen.last_urgent[msg->from], msg->seq);
}

THS_BEHAVIOUR(taker, item, urgent_item)

struct pusher { uint32_t seq; };

static void count(enum ths_err err)
{
    (void)atomic_fetch_add(err == THS_OK ? &accepted : &refused, 1);
}

THS_ON(pusher, push)
{
    for (int i = 0; i < BATCH; i++) {
        self->seq++;
        count(ths_try_tell(ctx, msg->to, item, .from = msg->from, .seq = self->seq));
        if (i % 8 == 0)
            count(ths_try_tell(ctx, msg->to, urgent_item, .from = msg->from, .seq = self->seq));
    }
    if (msg->left > 0) {
        (void)ths_tell(ctx, ths_self(ctx), push, .to = msg->to, .from = msg->from, .left = msg->left - 1);
        return;
    }
    ths_stop(ctx);
}

THS_BEHAVIOUR(pusher, push)

static uint64_t dead_letters(struct ths_node *node, enum ths_err err)
{
    struct ths_node_stats stats;

    ths_node_stats(node, &stats);
    return stats.dead_letters[err];
}

/* All push at once; then the taker is drained: each message was taken or counted. */
static void push_all(struct ths_node *node, ths_ref taker)
{
    ths_ref pushers[SENDERS];

    seen.got = 0;
    for (int i = 0; i < SENDERS; i++)
        seen.last[i] = seen.last_urgent[i] = 0;
    atomic_store(&seen.wrong, false);
    atomic_store(&accepted, 0);
    atomic_store(&refused, 0);
    for (uint32_t i = 0; i < SENDERS; i++)
        pushers[i] = ths_spawn(node, pusher);
    for (uint32_t i = 0; i < SENDERS; i++)
        assert_err(ths_tell(node, pushers[i], push, .to = taker, .from = i, .left = ROUNDS - 1), OK);
    for (uint32_t i = 0; i < SENDERS; i++)
        assert_ends(node, pushers[i], NORMAL);
    assert_err(ths_drain(node, taker), OK);
    assert_ends(node, taker, NORMAL);
    assert_false(atomic_load(&seen.wrong));
    assert_int_equal(atomic_load(&accepted) + atomic_load(&refused), SENDERS * ROUNDS * (BATCH + 7));
    assert_int_equal(seen.got + dead_letters(node, THS_DROPPED), atomic_load(&accepted));
    assert_int_equal(dead_letters(node, THS_GONE), 0);
}

static void dropping_the_newest_under_many_senders(void **state)
{
    push_all(*state, ths_spawn((struct ths_node *)*state, taker, .mailbox = PLACES, .when_full = THS_DROP_NEWEST));
    assert_int_equal(atomic_load(&refused), 0);
}

static void dropping_the_oldest_under_many_senders(void **state)
{
    push_all(*state, ths_spawn((struct ths_node *)*state, taker, .mailbox = PLACES, .when_full = THS_DROP_OLDEST,
                               .urgent = THS_URGENT(urgent_item)));
    assert_int_equal(atomic_load(&refused), 0);
    for (int i = 0; i < SENDERS; i++)
        assert_true(seen.last[i] > 0 || seen.got > 0);
}

static void replacing_under_many_senders(void **state)
{
    push_all(*state, ths_spawn((struct ths_node *)*state, taker, .mailbox = 2 * SENDERS, .when_full = THS_LATEST_BY_KEY,
                               .key = "from"));
    assert_int_equal(atomic_load(&refused), 0); /* as many places as keys */
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(seen.last[i], ROUNDS * BATCH);
}

static void preferring_under_many_senders(void **state)
{
    push_all(*state, ths_spawn((struct ths_node *)*state, taker, .mailbox = PLACES, .urgent = THS_URGENT(urgent_item),
                               .mailbox_bytes = PLACES * 64));
    assert_int_equal(dead_letters(*state, THS_DROPPED), 0);
}

/* Takers are killed while all send: the places are used again, and nobody finds what is gone. */
static void takers_end_while_others_send(void **state)
{
    struct ths_node *node = *state;
    ths_ref pushers[SENDERS];

    for (int round = 0; round < 20; round++) {
        ths_ref taker = ths_spawn(node, taker, .mailbox = PLACES, .when_full = THS_DROP_OLDEST);

        for (uint32_t i = 0; i < SENDERS; i++) {
            pushers[i] = ths_spawn(node, pusher);
            assert_err(ths_tell(node, pushers[i], push, .to = taker, .from = i, .left = 5), OK);
        }
        ths_kill(node, taker);
        assert_ends(node, taker, KILLED);
        for (uint32_t i = 0; i < SENDERS; i++)
            assert_ends(node, pushers[i], NORMAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(dropping_the_newest_under_many_senders),
        puppet_test(dropping_the_oldest_under_many_senders),
        puppet_test(replacing_under_many_senders),
        puppet_test(preferring_under_many_senders),
        puppet_test(takers_end_while_others_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
