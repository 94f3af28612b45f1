/* Many receivers: rings, a pool of workers, a broker, one after the other. */

#include "parity.h"

#include <stdlib.h>

THS_MESSAGE(token, "parity.token", 1, u64(left), bytes(load))
THS_MESSAGE(next, "parity.next", 1, ref(to))
THS_MESSAGE(job, "parity.job", 1, u64(n))
THS_MESSAGE(ready, "parity.ready", 1)
THS_MESSAGE(query, "parity.query", 1, u64(n))
THS_MESSAGE(answer, "parity.answer", 1, u64(n))
THS_MESSAGE(begin, "parity.begin", 1, u32(shape), u32(members), u64(count))

enum shape { POOL, MIXED, FAN_OUT, ROUND_ROBIN };
enum { MEMBERS_MAX = 1000 };

static uint64_t began_ns, took_ns;

static void finish(void)
{
    took_ns = bench_now_ns() - began_ns;
    bench_done();
}

/* ---- W12, W13: rings ------------------------------------------------------------------------------- */

static uint64_t tokens_left; /* only the first of a ring counts, so no two threads write it */

struct link {
    ths_ref to;
    bool first;
};

THS_ON(link, next) { self->to = msg->to; }

THS_ON(link, token)
{
    if (msg->left > 0)
        ths_tell(ctx, self->to, token, .left = msg->left - 1, .load = msg->load);
    else if (--tokens_left == 0) /* each token ends where it began: at the first */
        finish();
}

THS_BEHAVIOUR(link, next, token)

static void ring(const struct bench_options *options, const char *id, unsigned members, uint64_t rounds, unsigned tokens,
                 uint32_t bytes)
{
    static const uint8_t load[128];
    struct ths_node *node = bench_node(options, "ring");
    ths_ref first = ths_spawn(node, link), last = first;
    uint64_t hops = rounds * members;

    for (unsigned i = 1; i < members; i++) {
        ths_ref one = ths_spawn(node, link);

        ths_tell(node, one, next, .to = last);
        last = one;
    }
    ths_tell(node, first, next, .to = last);
    tokens_left = tokens;
    began_ns = bench_now_ns();
    for (unsigned i = 0; i < tokens; i++)
        ths_tell(node, first, token, .left = hops, .load = { load, bytes });
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row(id, hops * tokens, "hops", took_ns, "%u token%s of %u bytes, %llu rounds of %u actors", tokens,
               tokens == 1 ? "" : "s", bytes, (unsigned long long)rounds, members);
}

/* ---- One hub and its members ------------------------------------------------------------------------- */

struct member { uint64_t done; };

THS_ON(member, job)
{
    self->done++;
    ths_tell(ctx, ths_sender(ctx), ready);
}

THS_ON(member, query) { ths_reply(ctx, answer, .n = msg->n); }

THS_BEHAVIOUR(member, job, query)

/* It keeps jobs in its own count: a central queue, of which whoever is ready gets the next. */
struct hub {
    ths_ref *members;
    uint32_t members_count, shape;
    uint64_t left, waiting;
};

THS_ON_REPLY(hub, hub_answered, answer)
{
    if (err != THS_OK)
        bench_die("an ask of the mixed workload ended with %s", ths_err_name(err));
    if (--self->waiting == 0)
        finish();
}

/* A burst, so that no mailbox overflows; the answers bring the next. */
static void fan(struct ths_ctx *ctx, struct hub *self)
{
    for (uint32_t i = 0; i < self->members_count; i++)
        ths_tell(ctx, self->members[i], job, .n = self->left);
    self->left--;
    self->waiting = self->members_count;
}

THS_ON(hub, begin)
{
    self->members = calloc(msg->members, sizeof self->members[0]);
    if (!self->members)
        bench_die("no memory for %u members", msg->members);
    self->members_count = msg->members;
    self->shape = msg->shape;
    self->left = msg->count;
    for (uint32_t i = 0; i < msg->members; i++)
        self->members[i] = ths_spawn(ctx, member);
    began_ns = bench_now_ns();
    switch ((enum shape)msg->shape) {
    case FAN_OUT:
        fan(ctx, self);
        break;
    case MIXED: /* half tells, half asks */
        self->waiting = 2 * msg->count / 2;
        for (uint64_t i = 0; i < msg->count / 2; i++) {
            ths_tell(ctx, self->members[i % msg->members], job, .n = i);
            ths_ask(ctx, self->members[(i + 1) % msg->members], query, hub_answered, 60000, .n = i);
        }
        break;
    case POOL:
    case ROUND_ROBIN: /* as many on their way as there are members */
        self->waiting = msg->count;
        for (uint32_t i = 0; i < msg->members && self->left > 0; i++, self->left--)
            ths_tell(ctx, self->members[i], job, .n = self->left);
        break;
    }
}

THS_ON(hub, ready)
{
    if (--self->waiting == 0 && (self->shape != FAN_OUT || self->left == 0))
        finish();
    else if (self->shape == FAN_OUT && self->waiting == 0)
        fan(ctx, self);
    else if (self->shape == POOL && self->left > 0)
        ths_tell(ctx, ths_sender(ctx), job, .n = self->left--);
    else if (self->shape == ROUND_ROBIN && self->left > 0)
        ths_tell(ctx, self->members[self->left % self->members_count], job, .n = self->left--);
}

THS_ON(hub, ths_stopping) { free(self->members); }

THS_BEHAVIOUR(hub, begin, ready, ths_stopping)

static void hub_row(const struct bench_options *options, const char *id, enum shape shape, uint32_t members, uint64_t count,
                    const char *what)
{
    struct ths_node *node = bench_node(options, "hub");
    ths_ref ref = ths_spawn(node, hub, .mailbox = 16 * 1024);

    ths_tell(node, ref, begin, .shape = shape, .members = members, .count = count);
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row(id, shape == FAN_OUT ? count * members : count, "messages", took_ns, "%s: %u actors, %llu messages", what, members,
               (unsigned long long)count);
}

void parity_circles(const struct bench_options *options)
{
    hub_row(options, "W6", POOL, 100, bench_scale(options, 10000), "a pool with a central queue");
    hub_row(options, "W6", POOL, 1000, bench_scale(options, 10000), "a pool with a central queue");
    hub_row(options, "W9", MIXED, 100, bench_scale(options, 10000), "half tells, half asks");
    ring(options, "W12", 1000, bench_scale(options, 1000), 1, 0);
    for (unsigned tokens = 1; tokens <= 4; tokens *= 2) {
        ring(options, "W13", 11, bench_scale(options, 10000), tokens, 10);
        ring(options, "W13", 11, bench_scale(options, 10000), tokens, 100);
    }
    hub_row(options, "W14", FAN_OUT, 10, bench_scale(options, 10000), "a broker to all");
    hub_row(options, "W14", FAN_OUT, 100, bench_scale(options, 1000), "a broker to all");
    hub_row(options, "W14", FAN_OUT, MEMBERS_MAX, bench_scale(options, 100), "a broker to all");
    hub_row(options, "W15", ROUND_ROBIN, 100, bench_scale(options, 1000000), "one after the other");
    hub_row(options, "W25", FAN_OUT, 100, bench_scale(options, 1000), "an output port to all");
}
