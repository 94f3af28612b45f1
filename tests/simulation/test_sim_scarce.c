/* Memory that runs out: a scenario of everything that actors do, in which the n-th allocation fails, n running over it;
 * alone, with the next ones, or with all until there is memory again. Every block is allocated by itself here (THSI_POOL_SINGLE).
 *
 * Whatever fails: nothing is used after it was freed and nothing is lost, each ask is answered once, each monitor tells of an
 * end once, each actor can be ended, the node works when there is memory again, and stops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "tests/lib/stage.h"

_Static_assert(THSI_POOL_SINGLE, "each block can fail");

/* ---- Memory ----------------------------------------------------------------------------- */

static void *(*plenty)(struct ths_env *env, void *ptr, size_t size);

static struct {
    unsigned asked;        /* allocations since it was armed; 0 again when it is disarmed */
    unsigned first, count; /* of these, `count` from the one with this number on fail; first 0: none */
    unsigned failed;
    long blocks;           /* made less freed since the node runs */
} scarce;

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    void *block;

    if (size > 0 && scarce.first > 0 && ++scarce.asked >= scarce.first && scarce.asked - scarce.first < scarce.count) {
        scarce.failed++;
        return NULL;
    }
    block = plenty(env, ptr, size);
    if (size == 0)
        scarce.blocks -= ptr != NULL;
    else
        scarce.blocks += block && !ptr;
    return block;
}

/* ---- Actors ----------------------------------------------------------------------------- */

THS_MESSAGE(step, "test.step", 1, u32(number))
THS_MESSAGE(clock_tick, "test.clock_tick", 1)
THS_MESSAGE(helper_start, "test.helper_start", 1, string(text))

struct witness { char none; };
struct helper { uint8_t state[100]; };

/* What the witness began, and what it heard of it. */
static struct {
    unsigned asks, answers, monitors, downs, steps;
    bool ended;
    ths_ref self, helper, linked;
} seen;

THS_ON(helper, helper_start)
{
    self->state[0] = 1;
    (void)ths_after(ctx, 20, clock_tick);
}

THS_ON(helper, clock_tick)
{
    self->state[1]++;
}

THS_ON(helper, question)
{
    char *copy = ths_alloc(ctx, 40);

    if (copy)
        (void)snprintf(copy, 40, "%s", msg->text);
    (void)ths_reply(ctx, answer, .text = copy ? copy : "no memory");
}

THS_ON(helper, secret)
{
    ths_fail(ctx, "told");
}

THS_BEHAVIOUR(helper, helper_start, clock_tick, question, secret)

THS_ON_REPLY(witness, witness_heard, answer)
{
    seen.answers++;
}

THS_ON_REPLY(witness, witness_found, ths_found)
{
    seen.answers++;
}

static void ask_all_kinds(struct ths_ctx *ctx, ths_ref whom)
{
    seen.asks += 4;
    (void)ths_ask(ctx, whom, question, witness_heard, 500, .text = "how?");
    (void)ths_ask(ctx, whom, unheard, witness_heard, 500);
    (void)ths_ask(ctx, whom, secret, witness_heard, 500);
    ths_lookup(ctx, "child-1", witness_found, 100);
}

static ths_ref named(struct ths_ctx *ctx, const char *name)
{
    ths_ref ref = THS_NOBODY;

    (void)thsi_names_get(&ths_node_of(ctx)->names, name, &ref, NULL);
    return ref;
}

static void watch(struct ths_ctx *ctx, ths_ref whom)
{
    if (ths_monitor(ctx, whom).value != 0)
        seen.monitors++;
}

static void begin(struct ths_ctx *ctx)
{
    seen.helper = ths_spawn(ctx, helper, .name = "helper", .mailbox = 4, .start = THS_MSG(helper_start, .text = "a start"));
    seen.linked = ths_spawn(ctx, helper, .link = true, .start = THS_MSG(helper_start, .text = "another"));
    watch(ctx, seen.helper);
    watch(ctx, seen.linked);
    (void)ths_every(ctx, 10, clock_tick);
    ths_cancel(ctx, ths_after(ctx, 30, clock_tick));
    for (unsigned i = 0; i < 8; i++) /* more than it takes */
        ths_tell(ctx, seen.helper, word, .text = "a long text, so that it takes more than the smallest of the blocks there are");
}

THS_ON(witness, step)
{
    seen.steps++;
    if (msg->number == 0)
        begin(ctx);
    else if (msg->number == 1)
        ask_all_kinds(ctx, seen.helper);
    else if (msg->number == 2)
        ask_all_kinds(ctx, named(ctx, "child-1"));
    else if (msg->number == 3)
        ths_kill(ctx, seen.linked);
    (void)ths_reply(ctx, done);
}

THS_ON(witness, clock_tick)
{
}

THS_ON(witness, ths_started)
{
    ths_trap_exits(ctx, true);
    seen.self = ths_self(ctx);
}

THS_ON(witness, ths_exited)
{
}

THS_ON(witness, ths_down)
{
    seen.downs++;
}

THS_ON(witness, ths_stopping)
{
    seen.ended = true;
}

THS_BEHAVIOUR(witness, step, clock_tick, ths_started, ths_exited, ths_down, ths_stopping)

/* ---- The scenario ----------------------------------------------------------------------- */

enum { STEPS = 4, RECOVERY_MS = 30000, BURST = 5 };

static void live(struct ths_node *node)
{
    const struct ths_child children[] = {
        { .name = "child-1", .behaviour = "helper", .named = true, .start = THS_MSG(helper_start, .text = "first") },
        { .name = "child-2", .behaviour = "helper", .named = true, .start = THS_MSG(helper_start, .text = "second") },
    };
    ths_ref supervisor = ths_supervise(node, children, .strategy = THS_ONE_FOR_ALL, .backoff_ms = 1), witness, ref;

    witness = ths_spawn(node, witness, .name = "witness", .trap_exits = true);
    stage_run(20);
    for (uint32_t i = 0; i < STEPS; i++) {
        (void)ths_tell(node, witness, step, .number = i);
        stage_run(30);
    }
    (void)ths_call(node, witness, THS_MSG(step, .number = STEPS), 50, NULL, NULL);
    if (ths_spawn_wait(node, &ref, NULL, 50, helper, .start = THS_MSG(helper_start, .text = "awaited")) == THS_OK)
        (void)ths_stop_wait(node, ref, 50);
    (void)ths_drain(node, seen.helper);
    (void)ths_stop_wait(node, supervisor, 50, .deadline_ms = 20);
    stage_run(30);
}

static void check(struct ths_node *node)
{
    ths_ref ref;

    assert_err(ths_spawn_wait(node, &ref, NULL, 1000, helper, .start = THS_MSG(helper_start, .text = "new")), OK);
    assert_err(ths_call(node, ref, THS_MSG(question, .text = "and now?"), 1000, NULL, NULL), OK);
    ths_kill(node, ref);
    assert_ends(node, ref, KILLED);
    if (ths_ref_is_nobody(seen.self) || seen.ended)
        return;
    ths_kill(node, seen.helper);
    ths_kill(node, seen.linked);
    stage_run(RECOVERY_MS);
    assert_int_equal(seen.answers, seen.asks);
    assert_int_equal(seen.downs, seen.monitors);
    assert_err(ths_call(node, seen.self, THS_MSG(step, .number = STEPS), 1000, NULL, NULL), OK);
    ths_kill(node, seen.self);
    assert_ends(node, seen.self, KILLED);
}

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    assert_err(ths_register(node, helper), OK);
}

/* Returns whether something failed. scarce.blocks is what the node had left to free when it began to count. */
static bool run(unsigned first, unsigned count)
{
    struct ths_node *node;

    memset(&seen, 0, sizeof seen);
    memset(&scarce, 0, sizeof scarce);
    stage = ths_sim_create(.seed = 7, .nodes = 1, .alone = true, .setup = boot);
    assert_non_null(stage);
    node = ths_sim_node(stage, 1);
    plenty = node->env->memory;
    node->env->memory = memory;
    scarce.first = first;
    scarce.count = count;
    live(node);
    scarce.first = 0;
    stage_run(RECOVERY_MS);
    check(node);
    ths_sim_destroy(stage);
    stage = NULL;
    return scarce.failed > 0;
}

static void each_failure(unsigned count)
{
    long blocks;

    (void)run(0, 0);
    assert_int_equal(seen.asks, 8);
    assert_int_equal(seen.answers, 8);
    assert_int_equal(seen.monitors, 2);
    blocks = scarce.blocks;
    for (unsigned first = 1; run(first, count); first++)
        if (scarce.blocks != blocks)
            fail_msg("allocation %u: %ld blocks are left", first, scarce.blocks - blocks);
}

/* ---- Spawns ----------------------------------------------------------------------------- */

struct parent { char none; };

static struct { unsigned answers; enum ths_err err; ths_ref child; } born;

THS_ON_REPLY(parent, parent_heard, ths_spawned)
{
    (void)self;
    born.answers++;
    born.err = err;
    assert_true(err != THS_OK || ths_ref_equal(reply->who, born.child));
}

THS_ON(parent, step)
{
    (void)msg->number;
    memset(&born, 0, sizeof born);
    scarce.asked = 0;
    scarce.count = UINT32_MAX;
    born.child = ths_spawn_then(ctx, parent_heard, 1000, helper, .link = true, .monitor = true,
                                .start = THS_MSG(helper_start, .text = "a start"));
    scarce.first = 0;
}

THS_ON(parent, ths_down)
{
}

THS_BEHAVIOUR(parent, step, ths_down)

/* What is refused was never there: its start cannot be answered twice, and nobody need end it. */
static void spawn_that_is_refused_for_memory_has_spawned_nobody(void **state)
{
    struct ths_node_stats before, after;
    struct ths_node *node;
    ths_ref parent;

    (void)state;
    memset(&scarce, 0, sizeof scarce);
    stage = ths_sim_create(.seed = 7, .nodes = 1, .alone = true, .setup = boot);
    node = ths_sim_node(stage, 1);
    plenty = node->env->memory;
    node->env->memory = memory;
    parent = ths_spawn(node, parent, .trap_exits = true);
    for (unsigned first = 1; first == 1 || born.err != THS_OK; first++) {
        ths_node_stats(node, &before);
        scarce.first = 0;
        assert_err(ths_tell(node, parent, step), OK);
        scarce.first = first;
        scarce.count = 0; /* until the handler says so */
        stage_run(10);
        ths_node_stats(node, &after);
        assert_int_equal(born.answers, 1);
        assert_true(ths_ref_is_nobody(born.child) == (born.err != THS_OK));
        assert_int_equal(after.spawned - before.spawned, born.err == THS_OK);
    }
    ths_sim_destroy(stage);
    stage = NULL;
}

static void one_allocation_that_fails_is_survived(void **state)
{
    (void)state;
    each_failure(1);
}

static void some_that_fail_are_survived(void **state)
{
    (void)state;
    each_failure(BURST);
}

static void end_of_memory_is_survived_until_there_is_some_again(void **state)
{
    (void)state;
    each_failure(UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spawn_that_is_refused_for_memory_has_spawned_nobody),
        cmocka_unit_test(one_allocation_that_fails_is_survived),
        cmocka_unit_test(some_that_fail_are_survived),
        cmocka_unit_test(end_of_memory_is_survived_until_there_is_some_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
