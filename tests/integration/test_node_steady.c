/* Steady state: a node that has warmed up takes no memory from its environment, whatever its actors do. Tells, asks, timers,
 * memory of handlers, actors that come and go with state and start message, on several workers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "node/pool.h"
#include "tests/lib/os_env.h"
#include "tests/lib/puppet.h"

#define MESSAGES UINT64_C(10000000)
#define WARM_UP UINT64_C(1000000)
enum { TIMERS = 8, HOARD = 500, SIZES = 5 }; /* blocks of 64 to 1,024 bytes */
enum { MILLS = 16, WORKERS = 3, ROUNDS_MAX = 30 };

/* ---- Memory that counts ----------------------------------------------------------------- */

static _Atomic uint64_t allocations;

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size > 0)
        (void)atomic_fetch_add(&allocations, 1);
    return ths_env_os()->memory(ths_env_os(), ptr, size);
}

static struct ths_env counting;

/* ---- Actors ----------------------------------------------------------------------------- */

THS_MESSAGE(grain, "test.grain", 1, u32(n))
THS_MESSAGE(sack, "test.sack", 1, string(text))
THS_MESSAGE(weigh, "test.weigh", 1, u32(n))
THS_MESSAGE(weight, "test.weight", 1, u32(n))
THS_MESSAGE(bell, "test.bell", 1)
THS_MESSAGE(hoard, "test.hoard", 1)
THS_MESSAGE(mayfly_start, "test.mayfly_start", 1, string(text))
THS_MESSAGE(mill_start, "test.mill_start", 1, u32(at))

struct mill {
    uint32_t at, turns;
    void **hoarded;
    bool asks, waits, rings; /* an ask, a mayfly, a timer is under way: never two of a kind */
};

static ths_ref mills[MILLS];
static atomic_bool over;

struct mayfly { uint8_t wings[200]; };

THS_ON(mayfly, mayfly_start)
{
    char *text = ths_alloc(ctx, 100);

    if (text)
        (void)snprintf(text, 100, "%s", msg->text);
    self->wings[199] = 1;
    ths_stop(ctx);
}

THS_BEHAVIOUR(mayfly, mayfly_start)

THS_ON_REPLY(mill, mill_weighed, weight)
{
    self->asks = false;
}

THS_ON(mill, mill_start)
{
    self->at = msg->at;
}

/* More blocks of each size, and more actors, than will ever be needed at once: what a burst would leave behind. They are
 * given back by the next hoard. */
THS_ON(mill, hoard)
{
    ths_timer_id timers[TIMERS];

    for (unsigned i = 0; i < TIMERS; i++)
        timers[i] = ths_after(ctx, 60000, bell);
    for (unsigned i = 0; i < TIMERS; i++)
        ths_cancel(ctx, timers[i]);
    for (unsigned i = 0; i < HOARD && self->hoarded; i++)
        for (unsigned size = 0; size < SIZES; size++)
            ths_free(ctx, self->hoarded[i * SIZES + size]);
    if (self->hoarded) {
        ths_free(ctx, self->hoarded);
        self->hoarded = NULL;
    } else {
        self->hoarded = ths_alloc(ctx, HOARD * SIZES * sizeof *self->hoarded);
        assert_non_null(self->hoarded);
        for (unsigned i = 0; i < HOARD; i++) {
            (void)ths_spawn(ctx, mayfly, .start = THS_MSG(mayfly_start, .text = "spring"));
            for (unsigned size = 0; size < SIZES; size++) {
                self->hoarded[i * SIZES + size] = ths_alloc(ctx, (32u << size) - 16);
                assert_non_null(self->hoarded[i * SIZES + size]);
            }
        }
    }
    (void)ths_reply(ctx, weight);
}

/* Each grain goes round for ever; what else a turn does depends on its number. */
THS_ON(mill, grain)
{
    ths_ref next = mills[(self->at + 1 + msg->n % (MILLS - 1)) % MILLS];
    uint32_t turn = self->turns++;

    if (atomic_load_explicit(&over, memory_order_relaxed))
        return;
    ths_tell(ctx, next, grain, .n = msg->n + 1);
    if (turn % 8 == 0)
        ths_tell(ctx, next, sack, .text = "a text that does not fit into the first block of sixty-four bytes");
    if (turn % 16 == 0 && !self->asks) {
        self->asks = true;
        ths_ask(ctx, next, weigh, mill_weighed, 60000, .n = turn);
    }
    if (turn % 64 == 0 && !self->waits) {
        self->waits = true;
        if (ths_ref_is_nobody(ths_spawn(ctx, mayfly, .monitor = true, .start = THS_MSG(mayfly_start, .text = "spring"))))
            self->waits = false;
    }
    if (turn % 128 == 0 && !self->rings) {
        self->rings = true;
        (void)ths_after(ctx, turn % 3, bell);
    }
}

THS_ON(mill, sack)
{
    void *bytes = ths_alloc(ctx, strlen(msg->text) + 1);

    if (bytes)
        memcpy(bytes, msg->text, strlen(msg->text) + 1);
    ths_free(ctx, bytes);
}

THS_ON(mill, weigh)
{
    (void)ths_reply(ctx, weight, .n = msg->n);
}

THS_ON(mill, ths_down)
{
    self->waits = false;
}

THS_ON(mill, bell)
{
    self->rings = false;
}

THS_BEHAVIOUR(mill, mill_start, hoard, grain, sack, weigh, ths_down, bell)

/* ---- The test --------------------------------------------------------------------------- */

/* Wait until @count more messages were handled; returns how often memory was taken meanwhile. */
static uint64_t grind(struct ths_node *node, uint64_t count)
{
    uint64_t before = atomic_load(&allocations);
    struct ths_node_stats stats;
    uint64_t goal;

    ths_node_stats(node, &stats);
    goal = stats.messages + count;
    while (ths_node_stats(node, &stats), stats.messages < goal)
        assert_err(ths_call(node, mills[0], THS_MSG(weigh), PROBE_LIMIT_MS, NULL, NULL), OK);
    return atomic_load(&allocations) - before;
}

static void node_that_is_warm_takes_no_memory(void **state)
{
    struct ths_node *node;
    unsigned rounds = 0;
    uint64_t taken;

    (void)state;
    if (THSI_POOL_SINGLE)
        skip(); /* under the address sanitizer each block is allocated by itself */
    node = ths_node_start(&(struct ths_node_options){ .name = "steady", .workers = WORKERS, .env = &counting,
                                                       .slice_ms = 60000 /* no stand-in for a thread that waits for its CPU */ });
    assert_non_null(node);
    for (uint32_t i = 0; i < MILLS; i++) {
        mills[i] = ths_spawn(node, mill, .start = THS_MSG(mill_start, .at = i));
        assert_false(ths_ref_is_nobody(mills[i]));
    }
    for (uint32_t i = 0; i < 2 * MILLS; i++)
        assert_err(ths_call(node, mills[i % MILLS], THS_MSG(hoard), PROBE_LIMIT_MS, NULL, NULL), OK);
    for (uint32_t i = 0; i < 4 * MILLS; i++)
        assert_err(ths_tell(node, mills[i % MILLS], grain, .n = i), OK);
    while (grind(node, WARM_UP) > 0 && ++rounds < ROUNDS_MAX) {
    }
    assert_true(rounds < ROUNDS_MAX);
    taken = grind(node, MESSAGES);
    atomic_store(&over, true);
    ths_node_stop(node, PROBE_LIMIT_MS);
    assert_int_equal(taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(node_that_is_warm_takes_no_memory) };

    counting = os_env_with(memory);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
