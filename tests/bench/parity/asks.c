/* Asks, one after the other. */

#include "parity.h"

THS_MESSAGE(query, "parity.query", 1, u64(n))
THS_MESSAGE(answer, "parity.answer", 1, u64(n))
THS_MESSAGE(begin, "parity.begin_asks", 1, ref(to), u64(count), boolean(bare))
THS_MESSAGE(bare_query, "parity.bare_query", 1, u64(n))

static uint64_t began_ns, took_ns;

struct oracle { char none; };

THS_ON(oracle, query) { ths_reply(ctx, answer, .n = msg->n); }
THS_ON(oracle, bare_query) { ths_tell(ctx, ths_sender(ctx), answer, .n = msg->n); }

THS_BEHAVIOUR(oracle, query, bare_query)

struct pilgrim {
    ths_ref to;
    uint64_t left;
};

static bool is_over(struct pilgrim *self)
{
    if (--self->left > 0)
        return false;
    took_ns = bench_now_ns() - began_ns;
    bench_done();
    return true;
}

static void ask_again(struct ths_ctx *ctx, struct pilgrim *self);

THS_ON_REPLY(pilgrim, pilgrim_heard, answer)
{
    if (err != THS_OK)
        bench_die("an ask ended with %s", ths_err_name(err));
    if (!is_over(self))
        ask_again(ctx, self);
}

static void ask_again(struct ths_ctx *ctx, struct pilgrim *self)
{
    ths_ask(ctx, self->to, query, pilgrim_heard, 60000, .n = self->left);
}

THS_ON(pilgrim, begin)
{
    self->to = msg->to;
    self->left = msg->count;
    began_ns = bench_now_ns();
    if (msg->bare)
        ths_tell(ctx, self->to, bare_query, .n = self->left);
    else
        ask_again(ctx, self);
}

THS_ON(pilgrim, answer)
{
    if (!is_over(self))
        ths_tell(ctx, self->to, bare_query, .n = self->left);
}

THS_BEHAVIOUR(pilgrim, begin, answer)

static void between_actors(const struct bench_options *options, const char *id, bool bare, const char *what)
{
    struct ths_node *node = bench_node(options, "asks");
    ths_ref to = ths_spawn(node, oracle), from = ths_spawn(node, pilgrim);
    uint64_t count = bench_scale(options, 100000);

    ths_tell(node, from, begin, .to = to, .count = count, .bare = bare);
    bench_wait();
    ths_node_stop(node, 1000);
    parity_row(id, count, "asks", took_ns, "%s", what);
}

static void from_outside(const struct bench_options *options)
{
    struct ths_node *node = bench_node(options, "calls");
    ths_ref to = ths_spawn(node, oracle);
    uint64_t count = bench_scale(options, 20000), begun = bench_now_ns();

    for (uint64_t i = 0; i < count; i++)
        if (ths_call(node, to, THS_MSG(query, .n = i), 60000, NULL, NULL) != THS_OK)
            bench_die("a call from outside failed");
    took_ns = bench_now_ns() - begun;
    ths_node_stop(node, 1000);
    parity_row("W16", count, "asks", took_ns, "asks from a thread outside, one after the other");
}

void parity_asks(const struct bench_options *options)
{
    between_actors(options, "W16", false, "asks between actors, one after the other");
    from_outside(options);
    between_actors(options, "W17", true, "the same as two tells: what an ask adds is the difference");
}
