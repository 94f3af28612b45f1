/* Benches of one node: round trips, fan-in, a ring, short lives. */

#include "bench.h"

THS_MESSAGE(ball, "bench.ball", 1, u64(left))
THS_MESSAGE(serve, "bench.serve", 1, ref(to), u64(times))

/* ---- ping_pong: a round trip between two actors, ns; pinned: each on a thread of its own -- */

static const char *ping_pong_name;

struct ponger { char none; };

THS_ON(ponger, ball)
{
    ths_tell(ctx, ths_sender(ctx), ball, .left = msg->left);
}

THS_BEHAVIOUR(ponger, ball)

struct pinger {
    ths_ref to;
    uint64_t started_ns, times, warm_up;
};

THS_ON(pinger, serve)
{
    self->to = msg->to;
    self->times = msg->times;
    self->warm_up = msg->times / 10;
    ths_tell(ctx, self->to, ball, .left = self->times + self->warm_up);
}

THS_ON(pinger, ball)
{
    if (msg->left == self->times)
        self->started_ns = bench_now_ns();
    if (msg->left == 0) {
        bench_report(ping_pong_name, (double)(bench_now_ns() - self->started_ns) / (double)self->times, "ns");
        bench_done();
    } else {
        ths_tell(ctx, self->to, ball, .left = msg->left - 1);
    }
}

THS_BEHAVIOUR(pinger, serve, ball)

static void ping_pong(const struct bench_options *options, const char *name, bool own_threads, uint64_t times)
{
    struct ths_node *node = bench_node(options, "ping-pong");
    ths_ref ponger_ref = ths_spawn(node, ponger, .own_thread = own_threads);
    ths_ref pinger_ref = ths_spawn(node, pinger, .own_thread = own_threads);

    ping_pong_name = name;
    ths_tell(node, pinger_ref, serve, .to = ponger_ref, .times = bench_scale(options, times));
    bench_wait();
    ths_node_stop(node, 1000);
}

void bench_ping_pong(const struct bench_options *options)
{
    ping_pong(options, "ping_pong", false, 5000000);
}

void bench_ping_pong_pinned(const struct bench_options *options)
{
    ping_pong(options, "ping_pong_pinned", true, 500000);
}

/* ---- fan_in_4: four actors send to one, bounded mailbox, messages a second -------------- */

enum { SENDERS = 4, BURST = 100 };

THS_MESSAGE(item, "bench.item", 1, u64(n))
THS_MESSAGE(go_on, "bench.go_on", 1)

struct sink {
    uint64_t got, wanted, started_ns;
};

static const char *fan_in_name;

THS_ON(sink, serve)
{
    self->wanted = msg->times;
    self->started_ns = bench_now_ns();
}

THS_ON(sink, item)
{
    if (++self->got < self->wanted)
        return;
    bench_report(fan_in_name, (double)self->got * 1e9 / (double)(bench_now_ns() - self->started_ns), "msg/s");
    bench_done();
}

THS_BEHAVIOUR(sink, serve, item)

struct sender {
    ths_ref to;
    uint64_t left;
};

/* A burst at a time; a full mailbox ends it, and the rest is sent in a later turn. */
static void send_burst(struct ths_ctx *ctx, struct sender *self)
{
    for (int i = 0; i < BURST && self->left > 0; i++) {
        if (ths_try_tell(ctx, self->to, item, .n = self->left) != THS_OK)
            break;
        self->left--;
    }
    if (self->left > 0)
        ths_tell(ctx, ths_self(ctx), go_on);
}

THS_ON(sender, serve)
{
    self->to = msg->to;
    self->left = msg->times;
    send_burst(ctx, self);
}

THS_ON(sender, go_on)
{
    send_burst(ctx, self);
}

THS_BEHAVIOUR(sender, serve, go_on)

static void fan_in(const struct bench_options *options, const char *name)
{
    struct ths_node *node = bench_node(options, "fan-in");
    uint64_t times = bench_scale(options, 20000000) / SENDERS;
    ths_ref to = ths_spawn(node, sink, .mailbox = 1024);

    fan_in_name = name;
    ths_tell(node, to, serve, .times = times * SENDERS);
    for (int i = 0; i < SENDERS; i++) {
        ths_ref from = ths_spawn(node, sender);
        ths_tell(node, from, serve, .to = to, .times = times);
    }
    bench_wait();
    ths_node_stop(node, 1000);
}

void bench_fan_in_4(const struct bench_options *options)
{
    fan_in(options, "fan_in_4");
}

void bench_fan_in_one(const struct bench_options *options)
{
    struct bench_options one = *options;

    one.workers = 1;
    fan_in(&one, "fan_in_4_one_worker");
}

/* ---- ring_503: a ball around a ring of actors, ns a hop --------------------------------- */

enum { RING = 503 };

struct hopper {
    ths_ref next;
};

static uint64_t ring_started_ns, ring_hops;

THS_ON(hopper, serve)
{
    self->next = msg->to;
}

THS_ON(hopper, ball)
{
    if (msg->left > 0) {
        ths_tell(ctx, self->next, ball, .left = msg->left - 1);
        return;
    }
    bench_report("ring_503", (double)(bench_now_ns() - ring_started_ns) / (double)ring_hops, "ns");
    bench_done();
}

THS_BEHAVIOUR(hopper, serve, ball)

void bench_ring_503(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "ring");
    ths_ref first = ths_spawn(node, hopper), next = first;

    for (int i = 1; i < RING; i++) {
        ths_ref hop = ths_spawn(node, hopper);
        ths_tell(node, hop, serve, .to = next);
        next = hop;
    }
    ths_tell(node, first, serve, .to = next);
    ring_hops = bench_scale(options, 5000000);
    ring_started_ns = bench_now_ns();
    ths_tell(node, first, ball, .left = ring_hops);
    bench_wait();
    ths_node_stop(node, 1000);
}

/* ---- spawn_exit: spawn, one message, exit, told by the message; ns each ----------------- */

enum { LIVES_AT_ONCE = 1000 };

THS_MESSAGE(live, "bench.live", 1, ref(parent))
THS_MESSAGE(died, "bench.died", 1)

struct mayfly { char none; };

THS_ON(mayfly, live)
{
    ths_tell(ctx, msg->parent, died);
    ths_stop(ctx);
}

THS_BEHAVIOUR(mayfly, live)

struct brood {
    uint64_t left, times, started_ns;
    unsigned alive;
};

static void hatch(struct ths_ctx *ctx, struct brood *self)
{
    for (; self->alive < LIVES_AT_ONCE && self->left > 0; self->left--) {
        ths_ref child = ths_spawn(ctx, mayfly);
        ths_tell(ctx, child, live, .parent = ths_self(ctx));
        self->alive++;
    }
}

THS_ON(brood, serve)
{
    self->left = self->times = msg->times;
    self->started_ns = bench_now_ns();
    hatch(ctx, self);
}

THS_ON(brood, died)
{
    if (--self->alive > 0)
        return;
    hatch(ctx, self);
    if (self->alive > 0)
        return;
    bench_report("spawn_exit", (double)(bench_now_ns() - self->started_ns) / (double)self->times, "ns");
    bench_done();
}

THS_BEHAVIOUR(brood, serve, died)

void bench_spawn_exit(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "spawn-exit");
    ths_ref ref = ths_spawn(node, brood, .mailbox = 2 * LIVES_AT_ONCE);

    ths_tell(node, ref, serve, .times = bench_scale(options, 2000000));
    bench_wait();
    ths_node_stop(node, 1000);
}
