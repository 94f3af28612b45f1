/* One receiver: from outside, from itself, from another actor, by size of the message. */

#include "parity.h"

#include <semaphore.h>

THS_MESSAGE(tiny, "parity.tiny", 1, u64(a))
THS_MESSAGE(two, "parity.two", 1, u64(a), u64(b))
THS_MESSAGE(four, "parity.four", 1, u64(a), u64(b), u64(c), u64(d))
THS_MESSAGE(number, "parity.number", 1, u32(value))
THS_MESSAGE(bulk, "parity.bulk", 1, bytes(data))
THS_MESSAGE(await, "parity.await", 1, u64(count))
THS_MESSAGE(stream, "parity.stream", 1, ref(to), u64(count), u32(size))
THS_MESSAGE(more, "parity.more", 1)
THS_MESSAGE(hold, "parity.hold", 1)

static uint64_t began_ns, took_ns;

/* ---- The receiver ------------------------------------------------------------------------------- */

struct receiver { uint64_t left; };

static void got(struct receiver *self)
{
    if (--self->left > 0)
        return;
    took_ns = bench_now_ns() - began_ns;
    bench_done();
}

THS_ON(receiver, await) { self->left = msg->count; }
THS_ON(receiver, tiny) { got(self); }
THS_ON(receiver, two) { got(self); }
THS_ON(receiver, four) { got(self); }
THS_ON(receiver, bulk) { got(self); }

THS_BEHAVIOUR(receiver, await, tiny, two, four, bulk)

/* Messages of @size bytes: numbers while they are small, then bytes. */
static enum ths_err send_sized(struct ths_ctx *ctx, ths_ref to, uint32_t size)
{
    static const uint8_t zeros[65536];

    switch (size) {
    case 8: return ths_try_tell(ctx, to, tiny, .a = 1);
    case 16: return ths_try_tell(ctx, to, two, .a = 1);
    case 32: return ths_try_tell(ctx, to, four, .a = 1);
    default: return ths_try_tell(ctx, to, bulk, .data = { zeros, size });
    }
}

/* ---- W4, W23: a thread outside sends --------------------------------------------------------------- */

static void from_outside(const struct bench_options *options, const char *id, uint32_t size, uint64_t count)
{
    struct ths_node *node = bench_node(options, "outside");
    ths_ref to = ths_spawn(node, receiver, .mailbox = 65536);

    ths_tell(node, to, await, .count = count);
    began_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        while (send_sized(thsp_of_node(node), to, size) == THS_FULL) {
        }
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row(id, count, "messages", took_ns, "a thread outside tells an actor, %u bytes", size);
}

/* ---- W18: an actor sends ------------------------------------------------------------------------------ */

struct source {
    ths_ref to;
    uint64_t left;
    uint32_t size;
};

static void pour(struct ths_ctx *ctx, struct source *self)
{
    for (int i = 0; i < 100 && self->left > 0 && send_sized(ctx, self->to, self->size) == THS_OK; i++)
        self->left--;
    if (self->left > 0)
        ths_tell(ctx, ths_self(ctx), more);
}

THS_ON(source, stream)
{
    *self = (struct source){ msg->to, msg->count, msg->size };
    began_ns = bench_now_ns();
    pour(ctx, self);
}

THS_ON(source, more) { pour(ctx, self); }

THS_BEHAVIOUR(source, stream, more)

static void from_actor(const struct bench_options *options, uint32_t size, uint64_t count)
{
    struct ths_node *node = bench_node(options, "actor");
    ths_ref to = ths_spawn(node, receiver, .mailbox = 4096), from = ths_spawn(node, source);

    ths_tell(node, to, await, .count = count);
    ths_tell(node, from, stream, .to = to, .count = count, .size = size);
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row("W18", count, "messages", took_ns, "an actor tells another, %u bytes, %llu times", size,
               (unsigned long long)count);
}

/* ---- W3, W21: an actor sends to itself ------------------------------------------------------------------ */

struct solo { uint64_t left; };

THS_ON(solo, await)
{
    self->left = msg->count;
    began_ns = bench_now_ns();
    ths_tell(ctx, ths_self(ctx), more);
}

THS_ON(solo, more)
{
    if (--self->left > 0) {
        ths_tell(ctx, ths_self(ctx), more);
        return;
    }
    took_ns = bench_now_ns() - began_ns;
    bench_done();
}

THS_BEHAVIOUR(solo, await, more)

static void to_itself(const struct bench_options *options, const char *id, uint64_t count)
{
    struct ths_node *node = bench_node(options, "solo");

    ths_tell(node, ths_spawn(node, solo), await, .count = count);
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row(id, count, "messages", took_ns, "an actor tells itself, %llu times", (unsigned long long)count);
}

/* ---- W11: what a backlog costs ------------------------------------------------------------------------------ */

static sem_t gate; /* the holder stands still until it is opened */

struct holder { uint64_t seen; };

THS_ON(holder, hold)
{
    bench_done();
    (void)sem_wait(&gate);
}

THS_ON(holder, number) { self->seen++; }

THS_BEHAVIOUR(holder, hold, number)

static void backlog(const struct bench_options *options)
{
    enum { BACKLOG = 1000000 };
    struct ths_node *node = bench_node(options, "backlog");
    ths_ref to = ths_spawn(node, holder, .mailbox = BACKLOG + 1);
    double before;

    (void)sem_init(&gate, 0, 0);
    ths_tell(node, to, hold);
    bench_wait();
    before = bench_resident();
    for (uint32_t i = 0; i < BACKLOG; i++)
        if (ths_try_tell(node, to, number, .value = i) != THS_OK)
            bench_die("message %u of the backlog is refused", i);
    parity_bytes("W11", BACKLOG, "message", bench_resident() - before, "%d messages of a u32 wait for a busy actor", BACKLOG);
    (void)sem_post(&gate);
    ths_node_stop(node, 60000);
}

void parity_streams(const struct bench_options *options)
{
    static const uint32_t sizes[] = { 32, 256, 1024, 4096 };

    to_itself(options, "W3", bench_scale(options, 100000));
    from_outside(options, "W4", 8, bench_scale(options, 10000));
    from_outside(options, "W4", 16, bench_scale(options, 10000));
    from_outside(options, "W4", 32, bench_scale(options, 10000));
    from_outside(options, "W4", 64, 1000);
    from_outside(options, "W4", 256, 1000);
    backlog(options);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        from_actor(options, sizes[i], bench_scale(options, 100000));
    to_itself(options, "W21", bench_scale(options, 10000000));
    from_outside(options, "W23", 8, bench_scale(options, 1000000));
}
