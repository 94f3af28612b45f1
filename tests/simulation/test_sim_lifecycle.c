/* Lifecycle on virtual time: how actors begin, are asked to end, and end. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

#define PLAIN ((struct ths_spawn_options){ 0 })
#define NOTING(what) ((struct ths_spawn_options){ .start = THS_MSG(puppet_start, .notes = (what)) })
#define TO_THE_END (PUPPET_NOTES_STOPPING | PUPPET_NOTES_FINALLY)

/* ---- The finaliser ---------------------------------------------------------------------- */

static void finaliser_runs_last_on_every_end(void **state)
{
    struct ths_node *node = *state;
    ths_ref stops = puppet_spawn(node, "stops", NOTING(TO_THE_END));
    ths_ref shuts = puppet_spawn(node, "shuts", NOTING(TO_THE_END));
    ths_ref fails = puppet_spawn(node, "fails", NOTING(TO_THE_END));
    ths_ref killed = puppet_spawn(node, "killed", NOTING(TO_THE_END));

    puppet_do(node, stops, puppet_stops, NULL);
    puppet_do(node, shuts, puppet_shuts_down, NULL);
    assert_err(puppet_try(node, fails, puppet_fails, "torn"), CRASHED);
    puppet_settle(node, killed);
    ths_kill(node, killed);
    stage_settle();
    assert_noted("stops: stopping normal \"\"\nstops: finally normal \"\"\n"
                 "shuts: stopping shutdown \"\"\nshuts: finally shutdown \"\"\n"
                 "fails: stopping crashed \"torn\"\nfails: finally crashed \"torn\"\n"
                 "killed: finally killed \"\"\n");
}

struct clinger { bool failed; };

THS_MESSAGE(clinger_tick, "test.clinger_tick", 1)

THS_ON(clinger, word)
{
    ths_stop(ctx);
}

THS_ON(clinger, clinger_tick)
{
    probe_note("it still ticks");
}

THS_ON(clinger, ths_finally)
{
    (void)ths_after(ctx, 1, clinger_tick);
    ths_tell(ctx, ths_self(ctx), clinger_tick);
    ths_fail(ctx, "not yet");
}

THS_BEHAVIOUR(clinger, word, clinger_tick, ths_finally)

static void finaliser_cannot_change_the_end(void **state)
{
    struct ths_node *node = *state;
    ths_ref clinger = ths_spawn(node, clinger);

    assert_err(ths_tell(node, clinger, word, .text = "go"), OK);
    assert_ends(node, clinger, NORMAL);
    stage_settle();
    assert_int_equal(probe_count(), 0);
}

static void finaliser_runs_for_each_incarnation(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "child", .behaviour = "puppet", .restart = THS_PERMANENT, .named = true,
          .start = THS_MSG(puppet_start, .label = "child", .notes = PUPPET_NOTES_START | PUPPET_NOTES_FINALLY) },
    };
    ths_ref supervisor = ths_supervise(node, children);
    ths_ref child = ths_whereis(node, "child", 1000);

    assert_err(puppet_try(node, child, puppet_fails, "once"), CRASHED);
    stage_run(1000);
    ths_ask_to_stop(node, supervisor);
    assert_ends(node, supervisor, SHUTDOWN);
    assert_noted("child: started 1\nchild: finally crashed \"once\"\nchild: started 2\nchild: finally shutdown \"\"\n");
}

static void finaliser_runs_when_the_node_kills(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(TO_THE_END));

    puppet_do(*state, a, puppet_traps, NULL);
    ths_sim_destroy(stage); /* stops the node without much grace */
    stage = NULL;
    assert_noted("a: exited nobody shutdown \"the node stops\"\na: finally killed \"\"\n");
}

static void killed_before_it_began_has_nothing_to_release(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", NOTING(PUPPET_NOTES_START | TO_THE_END));

    ths_kill(node, a);
    assert_ends(node, a, KILLED);
    assert_int_equal(probe_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(finaliser_runs_last_on_every_end),
        stage_test(finaliser_cannot_change_the_end),
        stage_test(finaliser_runs_for_each_incarnation),
        stage_test(finaliser_runs_when_the_node_kills),
        stage_test(killed_before_it_began_has_nothing_to_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
