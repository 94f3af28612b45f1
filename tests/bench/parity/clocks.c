/* Many timers at once. */

#include "parity.h"

THS_MESSAGE(wind_up, "parity.wind_up", 1, u64(count))
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

THS_ON(belfry, rang)
{
    if (--self->left > 0)
        return;
    took_ns = bench_now_ns() - began_ns;
    bench_done();
}

THS_BEHAVIOUR(belfry, wind_up, rang)

void parity_clocks(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "clocks");
    uint64_t count = bench_scale(options, 10000);

    ths_tell(node, ths_spawn(node, belfry), wind_up, .count = count);
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row("W20", count, "timers", took_ns, "%llu timers of 1 ms started and fired", (unsigned long long)count);
}
