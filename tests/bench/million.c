/* A million actors at once: what one costs to make and to keep, all in, with 16 bytes of state. */

#include "bench.h"

#include <stdio.h>
#include <unistd.h>

enum { MILLION = 1000000 };

struct idler {
    uint64_t state[2];
};

THS_MESSAGE(nudge, "bench.nudge", 1)
THS_MESSAGE(populate, "bench.populate", 1, u64(actors))

THS_ON(idler, nudge)
{
    self->state[0]++;
}

THS_BEHAVIOUR(idler, nudge)

struct founder { char none; };

/* Resident bytes of this process. */
static double resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total = 0, pages = 0;

    if (!file || fscanf(file, "%ld %ld", &total, &pages) != 2)
        bench_die("/proc/self/statm cannot be read");
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

THS_ON(founder, populate)
{
    double before = resident();
    uint64_t started_ns = bench_now_ns();
    uint64_t took_ns;

    for (uint64_t i = 0; i < msg->actors; i++)
        if (ths_ref_is_nobody(ths_spawn(ctx, idler)))
            bench_die("actor %llu could not be made", (unsigned long long)i);
    took_ns = bench_now_ns() - started_ns;
    bench_report("create_1m", (double)took_ns / (double)msg->actors, "ns");
    bench_report("idle_actor", (resident() - before) / (double)msg->actors, "bytes");
    bench_done();
}

THS_BEHAVIOUR(founder, populate)

void bench_million(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "million");
    ths_ref ref = ths_spawn(node, founder);

    /* A million even when quick: the figure per actor would not be one for a million otherwise. */
    ths_tell(node, ref, populate, .actors = MILLION);
    bench_wait();
    ths_node_stop(node, 60000);
}
