/* Calls that block, and timers, many at once. */

#include "parity.h"

#include <time.h>

THS_MESSAGE(wind_up, "parity.wind_up", 1, u64(count))
THS_MESSAGE(expect_rings, "parity.expect_rings", 1, u64(count))
THS_MESSAGE(rang, "parity.rang", 1)

static uint64_t began_ns, took_ns;

struct belfry { uint64_t left; };

THS_ON(belfry, wind_up)
{
    self->left = msg->count;
    began_ns = bench_now_ns();
    for (uint64_t i = 0; i < msg->count; i++)
        if (ths_after(ctx, 1, rang).value == 0)
            bench_die("no memory for a timer");
}

THS_ON(belfry, expect_rings) { self->left = msg->count; }

THS_ON(belfry, rang)
{
    if (--self->left > 0)
        return;
    took_ns = bench_now_ns() - began_ns;
    bench_done();
}

THS_BEHAVIOUR(belfry, wind_up, expect_rings, rang)

/* ---- W19: calls that block ---------------------------------------------------------------------- */

THS_MESSAGE(nap, "parity.nap", 1, ref(to))

struct sleeper { char none; };

THS_ON(sleeper, nap)
{
    const struct timespec millisecond = { .tv_nsec = 1000000 };

    (void)nanosleep(&millisecond, NULL);
    ths_tell(ctx, msg->to, rang);
    ths_stop(ctx);
}

THS_BLOCKING_BEHAVIOUR(sleeper, nap)

static void blocking_row(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "sleepers");
    uint64_t count = bench_scale(options, 10000);
    ths_ref to = ths_spawn(node, belfry, .mailbox = (uint32_t)count);

    ths_tell(node, to, expect_rings, .count = count);
    began_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        (void)ths_spawn(node, sleeper, .start = THS_MSG(nap, .to = to));
    bench_wait();
    ths_node_stop(node, 60000);
    parity_row("W19", count, "calls", took_ns, "%llu calls that block for 1 ms, on a pool of 64 threads",
               (unsigned long long)count);
}

void parity_clocks(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "clocks");
    uint64_t count = bench_scale(options, 10000);

    blocking_row(options);
    ths_tell(node, ths_spawn(node, belfry, .mailbox = (uint32_t)count), wind_up, .count = count);
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row("W20", count, "timers", took_ns, "%llu timers of 1 ms started and fired", (unsigned long long)count);
}
