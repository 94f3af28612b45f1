/* Actors that come and go. */

#include "parity.h"

THS_MESSAGE(here, "parity.here", 1)
THS_MESSAGE(work, "parity.work", 1, ref(to))
THS_MESSAGE(raise_all, "parity.raise_all", 1, u32(kind), u64(count))

enum kind { INIT, INIT_AND_EXIT, ONE_MESSAGE, STOP_INSIDE_INIT, HEAVY };

static uint64_t began_ns, took_ns; /* of the round that ran last; written by the parent before it is done */

/* ---- Children -------------------------------------------------------------------------------- */

struct newcomer { ths_ref parent; };

THS_ON(newcomer, work)
{
    ths_tell(ctx, msg->to, here);
}

THS_BEHAVIOUR(newcomer, work)

/* Its start message is its only one: it ends inside its start. */
struct ephemeral { char none; };

THS_ON(ephemeral, work)
{
    ths_tell(ctx, msg->to, here);
    ths_stop(ctx);
}

THS_BEHAVIOUR(ephemeral, work)

struct heavy {
    uint8_t bulk[400 * 1024];
};

THS_ON(heavy, work)
{
    self->bulk[sizeof self->bulk - 1]++;
    ths_tell(ctx, msg->to, here);
}

THS_BEHAVIOUR(heavy, work)

/* ---- Their parent ----------------------------------------------------------------------------- */

struct parent {
    uint64_t waiting, kind;
};

static void spawn_one(struct ths_ctx *ctx, enum kind kind)
{
    ths_ref child;

    switch (kind) {
    case INIT:
        (void)ths_spawn(ctx, newcomer, .start = THS_MSG(work, .to = ths_self(ctx)));
        break;
    case INIT_AND_EXIT:
    case STOP_INSIDE_INIT:
        (void)ths_spawn(ctx, ephemeral, .start = THS_MSG(work, .to = ths_self(ctx)), .monitor = kind == INIT_AND_EXIT);
        break;
    case ONE_MESSAGE:
        child = ths_spawn(ctx, newcomer);
        ths_tell(ctx, child, work, .to = ths_self(ctx));
        break;
    case HEAVY:
        break;
    }
}

THS_ON(parent, raise_all)
{
    self->kind = msg->kind;
    self->waiting = msg->count * (msg->kind == INIT_AND_EXIT ? 2 : 1);
    began_ns = bench_now_ns();
    if (msg->kind == HEAVY) {
        ths_ref one = ths_spawn(ctx, heavy);

        for (uint64_t i = 0; i < msg->count; i++)
            ths_tell(ctx, one, work, .to = ths_self(ctx));
        return;
    }
    for (uint64_t i = 0; i < msg->count; i++)
        spawn_one(ctx, (enum kind)msg->kind);
}

static void one_less(struct parent *self)
{
    if (--self->waiting > 0)
        return;
    took_ns = bench_now_ns() - began_ns;
    bench_done();
}

THS_ON(parent, here)
{
    one_less(self);
}

THS_ON(parent, ths_down)
{
    one_less(self);
}

THS_BEHAVIOUR(parent, raise_all, here, ths_down)

/* A round in a node of its own, and @rounds of them; their mean. */
static uint64_t raise_round(const struct bench_options *options, enum kind kind, uint64_t count, unsigned rounds)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < rounds; i++) {
        struct ths_node *node = bench_node(options, "lives");
        ths_ref ref = ths_spawn(node, parent, .mailbox = (uint32_t)count + 16);

        ths_tell(node, ref, raise_all, .kind = kind, .count = count);
        bench_wait();
        sum += took_ns;
        ths_node_stop(node, 60000);
    }
    return sum / rounds;
}

static void raise_row(const struct bench_options *options, const char *id, enum kind kind, uint64_t count, const char *what)
{
    unsigned rounds = options->quick ? 1 : 10;

    parity_row(id, count, "actors", raise_round(options, kind, count, rounds), "%llu %s", (unsigned long long)count, what);
}

/* ---- W10 -------------------------------------------------------------------------------------------- */

static void idle_rows(const struct bench_options *options)
{
    enum { IDLE = 100000 };
    struct ths_node *node = bench_node(options, "idle");
    double before = bench_resident();

    for (int i = 0; i < IDLE; i++)
        (void)ths_spawn(node, newcomer);
    parity_bytes("W10", IDLE, "actor", bench_resident() - before, "%d idle actors", IDLE);
    ths_node_stop(node, 60000);
}

void parity_lives(const struct bench_options *options)
{
    raise_row(options, "W1", INIT, 100, "actors made, each has run its start");
    raise_row(options, "W1", INIT, 1000, "actors made, each has run its start");
    raise_row(options, "W1", INIT, 10000, "actors made, each has run its start");
    raise_row(options, "W1", INIT_AND_EXIT, 10000, "actors made, each has run its start and ended");
    raise_row(options, "W2", ONE_MESSAGE, 100, "actors each handle a message");
    raise_row(options, "W2", ONE_MESSAGE, 1000, "actors each handle a message");
    raise_row(options, "W5", STOP_INSIDE_INIT, 10, "actors that stop inside their start");
    raise_row(options, "W5", STOP_INSIDE_INIT, 100, "actors that stop inside their start");
    raise_row(options, "W5", STOP_INSIDE_INIT, 1000, "actors that stop inside their start");
    raise_row(options, "W7", HEAVY, 50, "messages to an actor with 400 KB of state, made with it");
    idle_rows(options);
    raise_row(options, "W24", ONE_MESSAGE, 1, "actor made, told, answered");
    raise_row(options, "W24", ONE_MESSAGE, 10, "actors made, told, answered");
}
