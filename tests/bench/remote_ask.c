/* Round trips between two processes of thiasos: asks alone and beside a stream of large messages, a spawn on the other
 * node, and from the order to end until DOWN. */

#include "remote.h"

#include <stdlib.h>

/* ---- Asks, one after the other ------------------------------------------------------------ */

struct asker {
    ths_ref to;
    uint64_t left, count, started_ns, asked_ns;
};

static const char *mean_name, *p99_name; /* of the figures; NULL: not reported */
static uint64_t *times_ns;               /* of each ask, for the percentile */

static int by_value(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

static void report(const struct asker *self)
{
    if (mean_name)
        bench_report(mean_name, (double)(bench_now_ns() - self->started_ns) / 1000.0 / (double)self->count, "us");
    qsort(times_ns, self->count, sizeof *times_ns, by_value);
    if (p99_name)
        bench_report(p99_name, (double)times_ns[self->count * 99 / 100] / 1000.0, "us");
}

static void ask_next(struct ths_ctx *ctx, struct asker *self);

/* The link was full: the time goes on. */
THS_MESSAGE(try_again, "bench.try_again", 1)

THS_ON_REPLY(asker, answered, cargo)
{
    if (err == THS_FULL) {
        (void)ths_after(ctx, 1, try_again);
        return;
    }
    if (err != THS_OK)
        bench_die("an ask ended with %s", ths_err_name(err));
    self->left--;
    if (self->left < self->count)
        times_ns[self->left] = bench_now_ns() - self->asked_ns;
    if (self->left == self->count)
        self->started_ns = bench_now_ns();
    if (self->left > 0) {
        ask_next(ctx, self);
        return;
    }
    report(self);
    bench_done();
    ths_stop(ctx);
}

THS_ON(asker, try_again)
{
    ths_ask(ctx, self->to, cargo, answered, REMOTE_WAIT_MS, .seq = self->left, .data = { remote_payload, 64 });
}

static void ask_next(struct ths_ctx *ctx, struct asker *self)
{
    self->asked_ns = bench_now_ns();
    ths_ask(ctx, self->to, cargo, answered, REMOTE_WAIT_MS, .seq = self->left, .data = { remote_payload, 64 });
}

THS_ON(asker, begin)
{
    self->to = msg->to;
    self->count = msg->count;
    self->left = msg->count + msg->count / 10;
    ask_next(ctx, self);
}

THS_BEHAVIOUR(asker, begin, try_again)

static void ask(struct ths_node *node, uint64_t count, const char *mean, const char *p99)
{
    mean_name = mean;
    p99_name = p99;
    times_ns = calloc(count, sizeof *times_ns);
    if (!times_ns)
        bench_die("no memory");
    ths_tell(node, ths_spawn(node, asker), begin, .to = remote_find(node, "answerer@bench-server"), .count = count);
    bench_wait();
    free(times_ns);
}

/* ---- A stream of 64 KiB messages that is there until it is killed --------------------------- */

THS_MESSAGE(flow, "bench.flow", 1)

struct streamer {
    ths_ref to;
    uint64_t sent;
};

THS_ON(streamer, flow)
{
    enum ths_err err = ths_try_tell(ctx, self->to, cargo, .seq = self->sent,
                                    .data = { remote_payload, REMOTE_PAYLOAD_MAX });

    self->sent += err == THS_OK;
    if (err == THS_OK)
        ths_tell(ctx, ths_self(ctx), flow);
    else
        (void)ths_after(ctx, 1, flow);
}

THS_ON(streamer, begin)
{
    self->to = msg->to;
    ths_tell(ctx, self->to, expect, .count = UINT64_MAX);
    ths_tell(ctx, ths_self(ctx), flow);
}

THS_BEHAVIOUR(streamer, begin, flow)

/* ---- A remote spawn; the end of an actor there ------------------------------------------------ */

struct nurse {
    uint64_t left, count;
    uint64_t asked_ns, spawn_ns, down_ns; /* sums but for the first */
};

static void next_child(struct ths_ctx *ctx, struct nurse *self);

THS_ON_REPLY(nurse, born, ths_spawned)
{
    if (err != THS_OK)
        bench_die("a remote spawn ended with %s", ths_err_name(err));
    self->spawn_ns += bench_now_ns() - self->asked_ns;
    (void)ths_monitor(ctx, reply->who);
    self->asked_ns = bench_now_ns();
    ths_tell(ctx, reply->who, leave);
}

static void next_child(struct ths_ctx *ctx, struct nurse *self)
{
    if (self->left == self->count)
        self->spawn_ns = self->down_ns = 0;
    self->asked_ns = bench_now_ns();
    ths_spawn_at(ctx, born, REMOTE_WAIT_MS, "bench-server", "mayfly");
}

THS_ON(nurse, ths_down)
{
    if (msg->reason != THS_REASON_NORMAL)
        bench_die("an actor ended with %s", ths_reason_text((enum ths_reason)msg->reason));
    self->down_ns += bench_now_ns() - self->asked_ns;
    if (--self->left > 0) {
        next_child(ctx, self);
        return;
    }
    bench_report("remote_spawn", (double)self->spawn_ns / 1000.0 / (double)self->count, "us");
    bench_report("remote_down", (double)self->down_ns / 1000.0 / (double)self->count, "us");
    bench_done();
    ths_stop(ctx);
}

THS_ON(nurse, begin)
{
    self->count = msg->count;
    self->left = msg->count + msg->count / 10;
    next_child(ctx, self);
}

THS_BEHAVIOUR(nurse, begin, ths_down)

/* ---- Together ----------------------------------------------------------------------------- */

void remote_ask_benches(struct ths_node *node, const struct bench_options *options)
{
    ths_ref stream;

    ask(node, bench_scale(options, 50000), "remote_ask_64", "small_ask_p99_unloaded");
    ths_tell(node, ths_spawn(node, nurse), begin, .count = bench_scale(options, 20000));
    bench_wait();
    stream = ths_spawn(node, streamer);
    ths_tell(node, stream, begin, .to = remote_find(node, "receiver@bench-server"));
    ask(node, bench_scale(options, 1000), NULL, "small_ask_p99_loaded");
    ths_kill(node, stream);
}
