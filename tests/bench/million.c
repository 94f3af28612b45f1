/* A million actors at once: what one costs to make, to keep and to ask, all in, with 16 bytes of state. */

#include "bench.h"

#include <stdlib.h>

enum { MILLION = 1000000 };

struct idler {
    uint64_t state[2];
};

THS_MESSAGE(nudge, "bench.nudge", 1)
THS_MESSAGE(nudged, "bench.nudged", 1)
THS_MESSAGE(go_round, "bench.go_round", 1)
THS_MESSAGE(populate, "bench.populate", 1, u64(actors))

THS_ON(idler, nudge)
{
    self->state[0]++;
    ths_tell(ctx, ths_sender(ctx), nudged);
}

THS_BEHAVIOUR(idler, nudge)

enum { ROUND = 1000 }; /* messages sent in a turn */

struct founder {
    ths_ref *actors;
    uint64_t count, sent, answered, started_ns;
};

THS_ON(founder, populate)
{
    double before;
    uint64_t took_ns;

    self->actors = calloc(msg->actors, sizeof self->actors[0]);
    if (!self->actors)
        bench_die("no memory for the list of actors");
    for (uint64_t i = 0; i < msg->actors; i++)
        self->actors[i] = THS_NOBODY; /* the list's own pages do not count */
    before = bench_resident();
    self->started_ns = bench_now_ns();
    for (; self->count < msg->actors; self->count++) {
        self->actors[self->count] = ths_spawn(ctx, idler);
        if (ths_ref_is_nobody(self->actors[self->count]))
            bench_die("actor %llu could not be made", (unsigned long long)self->count);
    }
    took_ns = bench_now_ns() - self->started_ns;
    bench_report("create_1m", (double)took_ns / (double)msg->actors, "ns");
    bench_report("idle_actor", (bench_resident() - before) / (double)msg->actors, "bytes");
    self->started_ns = bench_now_ns();
    ths_tell(ctx, ths_self(ctx), go_round);
}

THS_ON(founder, go_round)
{
    for (unsigned i = 0; i < ROUND && self->sent < self->count; i++)
        ths_tell(ctx, self->actors[self->sent++], nudge);
}

/* The next thousand goes out when this one is answered. */
THS_ON(founder, nudged)
{
    if (++self->answered < self->sent)
        return;
    if (self->answered < self->count) {
        ths_tell(ctx, ths_self(ctx), go_round);
        return;
    }
    bench_report("message_1m", (double)(bench_now_ns() - self->started_ns) / (double)self->count, "ns");
    free(self->actors);
    bench_done();
}

THS_BEHAVIOUR(founder, populate, go_round, nudged)

void bench_million(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "million");
    ths_ref ref = ths_spawn(node, founder, .mailbox = 2 * ROUND);

    /* A million even when quick: the figure per actor would not be one for a million otherwise. */
    ths_tell(node, ref, populate, .actors = MILLION);
    bench_wait();
    ths_node_stop(node, 60000);
}
