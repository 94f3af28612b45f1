/* Benches of one node with many actors in one conversation: chameneos and skynet. */

#include "bench.h"

/* ---- chameneos: a hundred creatures meet in pairs at one broker, ns a meeting ------------- */

enum { CREATURES = 100, COLOURS = 3 };

THS_MESSAGE(roam, "bench.roam", 1, ref(broker), u32(colour))
THS_MESSAGE(meet, "bench.meet", 1, u32(colour))
THS_MESSAGE(met, "bench.met", 1, u32(colour))
THS_MESSAGE(open_mall, "bench.open_mall", 1, u64(meetings))

struct creature {
    ths_ref broker;
    uint32_t colour;
};

THS_ON(creature, roam)
{
    self->broker = msg->broker;
    self->colour = msg->colour;
    ths_tell(ctx, self->broker, meet, .colour = self->colour);
}

THS_ON(creature, met)
{
    self->colour = (self->colour + msg->colour) % COLOURS;
    ths_tell(ctx, self->broker, meet, .colour = self->colour);
}

THS_BEHAVIOUR(creature, roam, met)

struct mall {
    ths_ref waiting;
    uint32_t waiting_colour;
    uint64_t left, meetings, started_ns;
};

THS_ON(mall, open_mall)
{
    self->left = self->meetings = msg->meetings;
    self->started_ns = bench_now_ns();
}

THS_ON(mall, meet)
{
    ths_ref comer = ths_sender(ctx);

    if (self->left == 0)
        return; /* closed: nobody is told, all stand still */
    if (ths_ref_is_nobody(self->waiting)) {
        self->waiting = comer;
        self->waiting_colour = msg->colour;
        return;
    }
    ths_tell(ctx, self->waiting, met, .colour = msg->colour);
    ths_tell(ctx, comer, met, .colour = self->waiting_colour);
    self->waiting = THS_NOBODY;
    if (--self->left > 0)
        return;
    bench_report("chameneos", (double)(bench_now_ns() - self->started_ns) / (double)self->meetings, "ns");
    bench_done();
}

THS_BEHAVIOUR(mall, open_mall, meet)

void bench_chameneos(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "chameneos");
    ths_ref broker = ths_spawn(node, mall);

    ths_tell(node, broker, open_mall, .meetings = bench_scale(options, 2000000));
    for (uint32_t i = 0; i < CREATURES; i++) {
        ths_ref one = ths_spawn(node, creature);
        ths_tell(node, one, roam, .broker = broker, .colour = i % COLOURS);
    }
    bench_wait();
    ths_node_stop(node, 1000);
}

/* ---- skynet_1m: a tree of ten children each, a million leaves, summed, ms ------------------ */

enum { LEAVES = 1000000, CHILDREN = 10 };
#define SUM UINT64_C(499999500000)

THS_MESSAGE(grow, "bench.grow", 1, ref(parent), u64(number), u64(size))
THS_MESSAGE(sum, "bench.sum", 1, u64(value))

struct twig {
    ths_ref parent;
    uint64_t sum;
    uint32_t left;
};

extern struct ths_behaviour *const twig_self; /* a twig spawns twigs */

THS_ON(twig, grow)
{
    uint64_t size = msg->size / CHILDREN;

    if (msg->size == 1) {
        ths_tell(ctx, msg->parent, sum, .value = msg->number);
        ths_stop(ctx);
        return;
    }
    self->parent = msg->parent;
    self->left = CHILDREN;
    for (uint64_t i = 0; i < CHILDREN; i++) {
        ths_ref child = thsp_spawn(ctx, twig_self, &(struct ths_spawn_options){ .mailbox = 16 }, NULL);
        ths_tell(ctx, child, grow, .parent = ths_self(ctx), .number = msg->number + i * size, .size = size);
    }
}

THS_ON(twig, sum)
{
    self->sum += msg->value;
    if (--self->left > 0)
        return;
    ths_tell(ctx, self->parent, sum, .value = self->sum);
    ths_stop(ctx);
}

THS_BEHAVIOUR(twig, grow, sum)
struct ths_behaviour *const twig_self = &twig_behaviour;

struct root { uint64_t started_ns; };

THS_ON(root, grow)
{
    ths_ref child = ths_spawn(ctx, twig);

    self->started_ns = bench_now_ns();
    ths_tell(ctx, child, grow, .parent = ths_self(ctx), .number = 0, .size = msg->size);
}

THS_ON(root, sum)
{
    if (msg->value != SUM)
        bench_die("skynet: the sum is %llu", (unsigned long long)msg->value);
    bench_report("skynet_1m", (double)(bench_now_ns() - self->started_ns) / 1e6, "ms");
    bench_done();
}

THS_BEHAVIOUR(root, grow, sum)

void bench_skynet(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "skynet");
    ths_ref top = ths_spawn(node, root);

    ths_tell(node, top, grow, .size = LEAVES);
    bench_wait();
    ths_node_stop(node, 60000);
}
