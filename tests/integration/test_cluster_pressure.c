/* A consumer that stands still while others on another node go on sending: they hear FULL, nothing grows, and whatever was
 * taken arrives or is reported. Then it goes on, and so do they. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "tests/lib/puppet.h"

#include <sched.h>
#include <string.h>

enum { LONG_MS = 120000, PLACES = 500, ENOUGH = 20000, TRIES_A_TURN = 50 };

THS_MESSAGE(item, "test.pressure.item", 1, u64(n), bytes(data, .max = 1000))
THS_MESSAGE(go, "test.pressure.go", 1, ref(to))
THS_MESSAGE(again, "test.pressure.again", 1)
THS_MESSAGE(probe_ask, "test.pressure.ask", 1)

static struct ths_node *a, *b;
static struct probe_gate gate = PROBE_GATE_INIT;
static _Atomic uint64_t taken, full, refused_in_a_row, consumed;
static _Atomic bool enough;

/* ---- Actors --------------------------------------------------------------------------------- */

struct consumer { uint64_t last; };

THS_ON(consumer, item)
{
    (void)ctx;
    if (msg->n == 1)
        probe_gate_pass(&gate);
    if (msg->n <= self->last)
        probe_note("%u after %u", (unsigned)msg->n, (unsigned)self->last);
    self->last = msg->n;
    consumed++;
}

THS_ON(consumer, probe_ask)
{
    (void)self, (void)msg;
    ths_reply(ctx, again);
}

THS_BEHAVIOUR(consumer, item, probe_ask)

/* Sends whatever is taken, again and again, until it has sent enough. */
struct producer { ths_ref to; };

static void produce(struct ths_ctx *ctx, struct producer *self)
{
    static const uint8_t data[1000];

    for (unsigned i = 0; i < TRIES_A_TURN; i++) {
        enum ths_err err = ths_try_tell(ctx, self->to, item, .n = taken + 1, .data = { data, sizeof data });
        if (err != THS_OK) {
            full += err == THS_FULL;
            refused_in_a_row++;
            (void)ths_after(ctx, 1, again);
            return;
        }
        taken++;
        refused_in_a_row = 0;
    }
    if (!enough)
        ths_tell(ctx, ths_self(ctx), again);
}

THS_ON(producer, go)
{
    self->to = msg->to;
    produce(ctx, self);
}

THS_ON(producer, again)
{
    (void)msg;
    if (!enough)
        produce(ctx, self);
}

THS_BEHAVIOUR(producer, go, again)

/* ---- Nodes ---------------------------------------------------------------------------------- */

static struct ths_node *start_node(const char *name, const char *seeds)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 2, .slice_ms = LONG_MS });

    assert_non_null(node);
    assert_int_equal(ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .seeds = seeds,
                                                                           .suspect_ms = LONG_MS, .bury_ms = LONG_MS },
                                      NULL, 0),
                     THS_OK);
    return node;
}

static int set_up(void **state)
{
    (void)state;
    probe_reset();
    taken = full = refused_in_a_row = consumed = 0;
    enough = false;
    a = start_node("a", "");
    b = start_node("b", ths_cluster_endpoint(a) + strlen("tcp://"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ths_node_stop(b, 1000);
    ths_node_stop(a, 1000);
    return 0;
}

static void await(bool (*holds)(void))
{
    uint64_t until_ns = ths_env_os()->now_ns(ths_env_os()) + (uint64_t)LONG_MS * 1000000;

    while (!holds()) {
        if (ths_env_os()->now_ns(ths_env_os()) > until_ns)
            fail_msg("%u taken, %u FULL, %u consumed", (unsigned)taken, (unsigned)full, (unsigned)consumed);
        sched_yield();
    }
}

static bool hears_full(void)
{
    return refused_in_a_row >= 100;
}

static bool has_enough(void)
{
    return consumed >= ENOUGH;
}

/* FULL that came back from b, after it was taken. */
static uint64_t reported(void)
{
    struct ths_node_stats stats;

    ths_node_stats(a, &stats);
    return stats.dead_letters[THS_FULL];
}

static bool all_arrived_or_reported(void)
{
    return consumed + reported() == taken;
}

static size_t waiting_for(struct ths_node *node, ths_ref whom)
{
    struct thsi_peer *peer = thsi_remote_lock(thsi_cluster_of(node)->driver->remote, whom.node);
    size_t bytes;

    assert_non_null(peer);
    bytes = thsi_outbox_bytes(&peer->outbox);
    (void)pthread_mutex_unlock(&peer->mutex);
    return bytes;
}

static void consumer_that_stands_still_makes_remote_senders_hear_full(void **state)
{
    ths_ref consumer = ths_spawn(b, consumer, .name = "consumer", .mailbox = PLACES), producer = ths_spawn(a, producer);
    uint64_t refused_then;

    (void)state;
    assert_true(ths_ref_equal(ths_whereis(a, "consumer@b", LONG_MS), consumer));
    assert_int_equal(ths_try_tell(a, producer, go, .to = consumer), THS_OK);
    probe_gate_reached(&gate);
    await(hears_full);
    refused_then = taken;
    assert_true(full > 0);
    assert_true(waiting_for(a, consumer) < 1u << 20); /* nothing waits: it is not taken in the first place */
    probe_gate_open(&gate);
    await(has_enough);
    enough = true;
    await(all_arrived_or_reported);
    assert_true(taken > refused_then);
    assert_int_equal(probe_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(consumer_that_stands_still_makes_remote_senders_hear_full, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
