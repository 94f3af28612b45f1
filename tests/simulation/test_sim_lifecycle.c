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

/* ---- Starts that may fail ------------------------------------------------------------------ */

THS_MESSAGE(opener_start, "test.opener_start", 1, u32(how))

enum { OPENS, FAILS, STOPS };

struct opener { char none; };

THS_ON(opener, opener_start)
{
    if (msg->how == FAILS)
        ths_fail(ctx, "no such file");
    else if (msg->how == STOPS)
        ths_stop(ctx);
    else
        probe_note("opened for %s", probe_label(ths_sender(ctx)));
}

THS_ON(opener, ths_finally)
{
    probe_note("closed: %s", ths_reason_text((enum ths_reason)msg->reason));
}

THS_BEHAVIOUR(opener, opener_start, ths_finally)

static void heard_start(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply)
{
    (void)self, (void)reply;
    probe_note("heard %s \"%s\"", ths_err_name(err), ths_reply_text(ctx));
}

static const struct ths_reply_to opener_heard = { heard_start, &ths_spawned_type };

static void opens(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    ths_ref ref = ths_spawn_then(ctx, opener_heard, 1000, opener, .name = "opener", .monitor = true,
                                 .start = THS_MSG(opener_start, .how = *(const uint32_t *)arg));

    (void)self;
    probe_name(ref, "opener");
}

static void start_that_fails_tells_the_spawner_why_and_leaves_nothing(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, opens, &(uint32_t){ FAILS });
    stage_settle();
    assert_noted("closed: crashed\nheard CRASHED \"no such file\"\na: down opener crashed observed \"no such file\"\n");
    assert_true(ths_ref_is_nobody(ths_whereis(node, "opener", 0)));
}

static void start_that_succeeds_is_answered_when_it_is_over(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    puppet_do(*state, a, opens, &(uint32_t){ OPENS });
    stage_settle();
    assert_noted("opened for a\nheard OK \"\"\n");
}

static void start_that_stops_has_started(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    puppet_do(*state, a, opens, &(uint32_t){ STOPS });
    stage_settle();
    assert_noted("closed: normal\nheard OK \"\"\na: down opener normal observed \"\"\n");
}

static void start_that_is_refused_is_answered_too(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    puppet_do(*state, a, opens, &(uint32_t){ OPENS });
    puppet_do(*state, a, opens, &(uint32_t){ OPENS });
    stage_settle();
    assert_noted("opened for a\nheard OK \"\"\nheard NAME_TAKEN \"\"\n");
}

static void thread_outside_waits_for_a_start(void **state)
{
    struct ths_node *node = *state;
    char why[THS_REASON_TEXT_SIZE];
    ths_ref ref;

    assert_err(ths_spawn_wait(node, &ref, why, 1000, opener, .name = "x",
                              .start = THS_MSG(opener_start, .how = FAILS)), CRASHED);
    assert_true(ths_ref_is_nobody(ref));
    assert_string_equal(why, "no such file");
    assert_err(ths_spawn_wait(node, &ref, why, 1000, opener, .name = "x", .start = THS_MSG(opener_start)), OK);
    assert_string_equal(why, "");
    assert_true(ths_ref_equal(ref, ths_whereis(node, "x", 0)));
    assert_err(ths_spawn_wait(node, &ref, NULL, 1000, opener, .name = "x"), NAME_TAKEN);
    assert_err(ths_spawn_wait(node, &ref, NULL, 1000, opener, .link = true), INVALID);
    assert_noted("closed: crashed\nopened for nobody\n");
    assert_err(ths_stop_wait(node, ths_whereis(node, "x", 0), 1000), OK);
    assert_ends(node, ref = ths_spawn(node, opener, .start = THS_MSG(opener_start, .how = FAILS)), CRASHED);
}

static void opens_there(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self;
    ths_spawn_at(ctx, opener_heard, 1000, "n2", "opener", .start = THS_MSG(opener_start, .how = *(const uint32_t *)arg));
}

static void start_on_another_node_is_answered_when_it_is_over(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    assert_err(ths_register(ths_sim_node(stage, 2), opener), OK);
    puppet_do(*state, a, opens_there, &(uint32_t){ FAILS });
    stage_settle();
    puppet_do(*state, a, opens_there, &(uint32_t){ OPENS });
    stage_settle();
    assert_noted("closed: crashed\nheard CRASHED \"no such file\"\nopened for a\nheard OK \"\"\n");
}

/* ---- Joining ------------------------------------------------------------------------------ */

static void spawns_one_that_fails(struct ths_ctx *ctx, struct puppet *self, void *child)
{
    static const struct puppet_todo fails = { puppet_fails, "" };

    (void)self;
    *(ths_ref *)child = puppet_spawn_in(ctx, "child", PLAIN);
    ths_tell(ctx, *(ths_ref *)child, act, .todo = (uint64_t)(uintptr_t)&fails);
}

static void uses_places(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    for (int i = 0; i < 300; i++)
        (void)ths_spawn(ctx, clinger);
}

static void reason_of_an_actors_child_is_known_until_its_place_is_used_again(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), child;
    enum ths_reason reason = THS_REASON_CRASHED;

    puppet_do(node, a, spawns_one_that_fails, &child);
    stage_settle();
    assert_ends(node, child, CRASHED);
    for (int i = 0; i < 100 && reason == THS_REASON_CRASHED; i++) { /* until it ran on the worker that has the place */
        puppet_do(node, a, uses_places, NULL);
        assert_err(ths_join(node, child, 0, &reason), OK);
    }
    assert_int_equal(reason, THS_REASON_NO_ACTOR);
}

static void actor_of_another_node_can_be_joined(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(ths_sim_node(stage, 2), "a", (struct ths_spawn_options){ .idle_ms = 700 });
    enum ths_reason reason;

    assert_err(ths_join(node, a, 500, &reason), TIMEOUT);
    assert_ends(node, a, NORMAL);
    assert_ends(node, a, NO_ACTOR);
}

static void join_ends_with_the_node_of_the_actor(void **state)
{
    ths_ref a = stage_remote_puppet("a");

    ths_sim_crash(stage, 2);
    assert_ends((struct ths_node *)*state, a, NODE_LOST);
}

/* ---- Reasons on the wire --------------------------------------------------------------------- */

static void text_that_is_not_utf8_is_mended_on_its_way(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), b = stage_remote_puppet("b");

    probe_name(b, "b");
    puppet_do(node, a, puppet_monitors, &b);
    stage_settle();
    assert_err(puppet_try(ths_sim_node(stage, 2), b, puppet_fails, "caf\xc3\xa9 \xff\xc3"), CRASHED);
    stage_settle();
    assert_noted("a: down b crashed observed \"caf\xc3\xa9 ??\"\n");
}

static void heard_lookup(struct ths_ctx *ctx, struct puppet *self, void *name)
{
    (void)self;
    ths_lookup(ctx, name, puppet_heard, 1000);
}

static void name_that_is_not_utf8_is_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, heard_lookup, "caf\xe9@n2");
    stage_settle();
    assert_noted("a: heard MALFORMED\n");
    assert_false(ths_ref_is_nobody(stage_remote_puppet("b"))); /* the link is not the worse for it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(finaliser_runs_last_on_every_end),
        stage_test(finaliser_cannot_change_the_end),
        stage_test(finaliser_runs_for_each_incarnation),
        stage_test(finaliser_runs_when_the_node_kills),
        stage_test(killed_before_it_began_has_nothing_to_release),
        stage_test(start_that_fails_tells_the_spawner_why_and_leaves_nothing),
        stage_test(start_that_succeeds_is_answered_when_it_is_over),
        stage_test(start_that_stops_has_started),
        stage_test(start_that_is_refused_is_answered_too),
        stage_test(thread_outside_waits_for_a_start),
        stage_test(reason_of_an_actors_child_is_known_until_its_place_is_used_again),
        stage_pair_test(actor_of_another_node_can_be_joined),
        stage_pair_test(join_ends_with_the_node_of_the_actor),
        stage_pair_test(text_that_is_not_utf8_is_mended_on_its_way),
        stage_pair_test(name_that_is_not_utf8_is_refused),
        stage_pair_test(start_on_another_node_is_answered_when_it_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
