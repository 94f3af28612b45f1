/* Asks between real threads: every ask has one ending, cycles are found however close the deadlines are, nothing is
 * allocated once all is warm, and without memory asks end at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/probe.h"

#include <stdatomic.h>

#include "node/pool.h"

/* ---- A web of actors that ask each other ------------------------------------------------- */

enum { WEB = 24, ROUNDS = 1500 };

THS_MESSAGE(web_start, "ask_threads.web_start", 1, u64(seed))
THS_MESSAGE(web_go, "ask_threads.web_go", 1)
THS_MESSAGE(web_ask, "ask_threads.web_ask", 1, u32(hops))
THS_MESSAGE(web_answer, "ask_threads.web_answer", 1, u64(n))

struct web {
    uint64_t random_state;
    struct ths_asked waiting;
    ths_ask_id last;
    uint32_t made;
};

static ths_ref web[WEB];
static _Atomic uint64_t asked, heard, taken_back, endings[32];

static uint64_t draw(struct web *self, uint64_t below)
{
    self->random_state = self->random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (self->random_state >> 33) % below;
}

static void end_one(struct ths_ctx *ctx, _Atomic uint64_t *counter, uint64_t how_many);

THS_ON_REPLY(web, web_heard, web_answer)
{
    (void)atomic_fetch_add(&endings[err], 1);
    end_one(ctx, &heard, 1);
}

THS_ON_RESULTS(web, web_heard_all, web_answer)
{
    (void)atomic_fetch_add(&endings[0], 1);
    end_one(ctx, &heard, 1);
}

static void end_one(struct ths_ctx *ctx, _Atomic uint64_t *counter, uint64_t how_many)
{
    (void)atomic_fetch_add(counter, how_many);
    (void)ths_tell(ctx, ths_self(ctx), web_go);
}

THS_ON(web, web_start)
{
    self->random_state = msg->seed;
    for (int i = 0; i < 4; i++)
        (void)ths_tell(ctx, ths_self(ctx), web_go);
}

static void ask_something(struct ths_ctx *ctx, struct web *self)
{
    const ths_ref some[] = { web[draw(self, WEB)], web[draw(self, WEB)], web[draw(self, WEB)] };

    (void)atomic_fetch_add(&asked, 1);
    if (draw(self, 5) == 0)
        self->last = ths_ask_all(ctx, some, 3, web_ask, web_heard_all, 1 + (unsigned)draw(self, 20), .hops = 2);
    else
        self->last = ths_ask(ctx, some[0], web_ask, web_heard, 1 + (unsigned)draw(self, 20), .hops = 3);
}

THS_ON(web, web_go)
{
    if (self->made++ == ROUNDS) {
        probe_note("done");
        return;
    }
    if (self->made > ROUNDS)
        return;
    if (draw(self, 8) == 0 && ths_ask_cancel(ctx, self->last)) {
        end_one(ctx, &taken_back, 1); /* for the one taken back */
        end_one(ctx, &taken_back, 0); /* for this turn */
        return;
    }
    ask_something(ctx, self);
}

THS_ON(web, web_ask)
{
    ths_ref to = web[draw(self, WEB)];

    switch (draw(self, 6)) {
    case 0:
        (void)ths_reply_to(ctx, &self->waiting, web_answer, .n = 1); /* of an earlier one, if there is */
        self->waiting = ths_defer(ctx);
        break;
    case 1:
        (void)(msg->hops > 0 ? ths_forward(ctx, to) : ths_refuse(ctx, THS_FULL));
        break;
    case 2:
        self->waiting = ths_defer(ctx);
        (void)ths_delegate(ctx, &self->waiting, to, web_ask, .hops = 0);
        break;
    case 3:
        break; /* forgotten */
    default:
        (void)ths_reply(ctx, web_answer, .n = 2);
    }
}

THS_ON(web, ths_ask_cancelled)
{
    self->random_state++;
}

THS_BEHAVIOUR(web, web_start, web_go, web_ask, ths_ask_cancelled)

/* Each ask and each taking back is followed by one word to go on, so all come to an end only if none ends twice or never. */
static void every_ask_has_one_ending(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "web", .workers = 4 });

    (void)state;
    probe_reset();
    asked = heard = taken_back = 0;
    for (uint64_t i = 0; i < WEB; i++)
        web[i] = ths_spawn(node, web);
    for (uint64_t i = 0; i < WEB; i++)
        assert_int_equal(ths_tell(node, web[i], web_start, .seed = i + 1), THS_OK);
    probe_wait(WEB);
    /* The last asks of each end by their deadline at the latest. */
    while (atomic_load(&heard) + atomic_load(&taken_back) < atomic_load(&asked))
        (void)ths_call(node, web[0], THS_MSG(web_ask), 5, NULL, NULL);
    assert_int_equal(atomic_load(&heard) + atomic_load(&taken_back), atomic_load(&asked));
    assert_true(atomic_load(&endings[THS_OK]) > 0);
    assert_true(atomic_load(&endings[THS_TIMEOUT]) > 0);
    assert_true(atomic_load(&taken_back) > 0);
    ths_node_stop(node, 1000);
}

/* ---- Cycles ------------------------------------------------------------------------------ */

enum { PAIRS = 64, CYCLE_MS = 2000 };

THS_MESSAGE(tie, "ask_threads.tie", 1, ref(to), u32(pair))
THS_MESSAGE(tug, "ask_threads.tug", 1)

struct knot {
    uint32_t pair;
};

static _Atomic unsigned named[PAIRS];

THS_ON_REPLY(knot, loose, tug)
{
    if (ths_reply_text(ctx)[0])
        (void)atomic_fetch_add(&named[self->pair], 1);
    probe_note("loose");
}

THS_ON(knot, tie)
{
    self->pair = msg->pair;
    ths_ask(ctx, msg->to, tug, loose, CYCLE_MS);
}

THS_ON(knot, tug)
{
    (void)ths_defer(ctx);
}

THS_BEHAVIOUR(knot, tie, tug)

static void cycles_are_found_when_all_deadlines_come_together(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "knots", .workers = 4 });

    (void)state;
    probe_reset();
    for (uint32_t i = 0; i < PAIRS; i++) {
        ths_ref a = ths_spawn(node, knot), b = ths_spawn(node, knot);
        assert_int_equal(ths_tell(node, a, tie, .to = b, .pair = i), THS_OK);
        assert_int_equal(ths_tell(node, b, tie, .to = a, .pair = i), THS_OK);
    }
    probe_wait(2 * (size_t)PAIRS);
    for (unsigned i = 0; i < PAIRS; i++)
        assert_true(atomic_load(&named[i]) > 0);
    ths_node_stop(node, 1000);
}

/* ---- Memory ------------------------------------------------------------------------------ */

enum { WARM = 20000, MEASURED = 200000, WINDOW = 30 };

/* However slow the machine, no thread stands in for a worker: that one would allocate. */
enum { NO_SLICE_MS = 1000000 };

static _Atomic uint64_t allocations;
static _Atomic bool memory_is_out;
static struct ths_env counting;

static void *count_memory(struct ths_env *env, void *ptr, size_t size)
{
    if (size > 0) {
        (void)atomic_fetch_add(&allocations, 1);
        if (atomic_load(&memory_is_out))
            return NULL;
    }
    return ths_env_os()->memory(env, ptr, size);
}

THS_MESSAGE(steady_go, "ask_threads.steady_go", 1, ref(to))
THS_MESSAGE(steady_ask, "ask_threads.steady_ask", 1, u64(n))
THS_MESSAGE(steady_answer, "ask_threads.steady_answer", 1, u64(n))

struct steady {
    ths_ref to;
    uint64_t made, answered, at_start;
    struct ths_asked waiting;
};

static void ask_once(struct ths_ctx *ctx, struct steady *self);

static void one_more(struct ths_ctx *ctx, struct steady *self)
{
    if (++self->answered == WARM)
        self->at_start = atomic_load(&allocations);
    if (self->answered == WARM + MEASURED)
        probe_note("%u allocations", (unsigned)(atomic_load(&allocations) - self->at_start));
    if (self->made < WARM + MEASURED)
        ask_once(ctx, self);
}

THS_ON_REPLY(steady, steady_heard, steady_answer)
{
    one_more(ctx, self);
}

THS_ON_RESULTS(steady, steady_heard_all, steady_answer)
{
    one_more(ctx, self);
}

static void ask_once(struct ths_ctx *ctx, struct steady *self)
{
    const ths_ref both[] = { self->to, self->to };

    if (++self->made % 8 == 0)
        (void)ths_ask_all(ctx, both, 2, steady_ask, steady_heard_all, 60000, .n = self->made);
    else
        ths_ask(ctx, self->to, steady_ask, steady_heard, 50000 + (unsigned)(self->made * 7919 % 10000), .n = self->made);
}

THS_ON(steady, steady_go)
{
    self->to = msg->to;
    for (int i = 0; i < WINDOW; i++)
        ask_once(ctx, self);
}

/* Every other request is deferred until the next. */
THS_ON(steady, steady_ask)
{
    if (self->waiting.id) {
        (void)ths_reply_to(ctx, &self->waiting, steady_answer, .n = 1);
        (void)ths_reply(ctx, steady_answer, .n = 2);
    } else {
        self->waiting = ths_defer(ctx);
    }
}

THS_BEHAVIOUR(steady, steady_go, steady_ask)

static void asks_allocate_nothing_once_all_is_warm(void **state)
{
    struct ths_node *node;
    ths_ref asker, asked_one;

    (void)state;
    if (THSI_POOL_SINGLE)
        skip(); /* there every block is allocated by itself */
    counting = *ths_env_os();
    counting.memory = count_memory;
    probe_reset();
    node = ths_node_start(&(struct ths_node_options){ .name = "steady", .workers = 1, .env = &counting,
                                                      .slice_ms = NO_SLICE_MS });
    asked_one = ths_spawn(node, steady);
    asker = ths_spawn(node, steady);
    assert_int_equal(ths_tell(node, asker, steady_go, .to = asked_one), THS_OK);
    assert_noted("0 allocations\n");
    ths_node_stop(node, 1000);
}

/* ---- None left --------------------------------------------------------------------------- */

THS_MESSAGE(poor_go, "ask_threads.poor_go", 1)
THS_MESSAGE(poor_ask, "ask_threads.poor_ask", 1, u64(n))
THS_MESSAGE(poor_check, "ask_threads.poor_check", 1)

struct poor {
    struct ths_asked waiting;
    unsigned heard;
};

THS_ON_REPLY(poor, poor_heard, poor_ask)
{
    self->heard++;
    probe_note("heard %s", ths_err_name(err));
}

THS_ON_RESULTS(poor, poor_heard_all, poor_ask)
{
    probe_note("heard all %u%s", count, results ? "" : " none");
}

/* The first asks of the node: there is not even a table for them. */
THS_ON(poor, poor_go)
{
    const ths_ref self_ref = ths_self(ctx);
    ths_ask_id id, all;

    atomic_store(&memory_is_out, true);
    id = ths_ask(ctx, self_ref, poor_ask, poor_heard, 60000, .n = 1);
    all = ths_ask_all(ctx, &self_ref, 1, poor_ask, poor_heard_all, 60000, .n = 1);
    atomic_store(&memory_is_out, false);
    probe_note("ids %d %d", id.value != 0, all.value != 0);
    ths_ask(ctx, self_ref, poor_ask, poor_heard, 60000, .n = 2);
}

THS_ON(poor, poor_ask)
{
    self->waiting = ths_defer(ctx);
    (void)ths_tell(ctx, ths_self(ctx), poor_check);
}

THS_ON(poor, poor_check)
{
    (void)ths_reply_to(ctx, &self->waiting, poor_ask, .n = 3);
}

THS_BEHAVIOUR(poor, poor_go, poor_ask, poor_check)

static void asks_without_memory_end_at_once(void **state)
{
    struct ths_node *node;
    ths_ref ref;

    (void)state;
    counting = *ths_env_os();
    counting.memory = count_memory;
    probe_reset();
    node = ths_node_start(&(struct ths_node_options){ .name = "poor", .workers = 1, .env = &counting,
                                                      .slice_ms = NO_SLICE_MS });
    ref = ths_spawn(node, poor);
    assert_int_equal(ths_tell(node, ref, poor_go), THS_OK);
    assert_noted("heard TOO_MANY\nheard all 0 none\nids 0 0\nheard OK\n");
    ths_node_stop(node, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ask_has_one_ending),
        cmocka_unit_test(cycles_are_found_when_all_deadlines_come_together),
        cmocka_unit_test(asks_allocate_nothing_once_all_is_warm),
        cmocka_unit_test(asks_without_memory_end_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
