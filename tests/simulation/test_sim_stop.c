/* Stopping on virtual time: asked, vetoed, by force, at a deadline, drained; here and on another node. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/life.h"
#include "tests/lib/stage.h"

#define PLAIN ((struct ths_spawn_options){ 0 })
#define NOTING(what) ((struct ths_spawn_options){ .start = THS_MSG(puppet_start, .notes = (what)) })

/* One that vetoes as long as it has a reason to. */
struct stayer { uint32_t vetoes; };

THS_MESSAGE(stayer_start, "test.stayer_start", 1, u32(vetoes))

THS_ON(stayer, stayer_start)
{
    self->vetoes = msg->vetoes;
}

THS_ON(stayer, ths_stopping)
{
    enum ths_err err = THS_OK;

    if (self->vetoes > 0) {
        self->vetoes--;
        err = ths_veto(ctx);
    }
    probe_note("stopping %s \"%s\"%s%s", ths_reason_text((enum ths_reason)msg->reason), msg->text,
               err == THS_OK ? "" : ", veto ", err == THS_OK ? "" : ths_err_name(err));
}

THS_ON(stayer, word)
{
    probe_note("veto in between: %s", ths_err_name(ths_veto(ctx)));
    ths_stop(ctx);
}

THS_BEHAVIOUR(stayer, stayer_start, ths_stopping, word)

static ths_ref spawn_stayer(struct ths_node *node, uint32_t vetoes)
{
    ths_ref ref = ths_spawn(node, stayer, .start = THS_MSG(stayer_start, .vetoes = vetoes));

    probe_name(ref, "stayer");
    return ref;
}

struct stop_order {
    ths_ref whom;
    struct ths_stop_options options;
};

static void stops_it(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const struct stop_order *order = arg;

    (void)self;
    thsp_stop_then(ctx, order->whom, &puppet_heard, 5000, &order->options);
}

/* Have a puppet ask it, and note what it hears. */
static ths_ref ask_to_end(struct ths_node *node, ths_ref whom, struct ths_stop_options options)
{
    ths_ref boss = puppet_spawn(node, "boss", PLAIN);
    struct stop_order order = { whom, options };

    puppet_do(node, boss, stops_it, &order);
    stage_settle();
    return boss;
}

/* ---- Stop and veto ---------------------------------------------------------------------- */

static void stop_says_why_and_is_answered_with_the_end(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(PUPPET_NOTES_STOPPING));

    (void)ask_to_end(*state, a, (struct ths_stop_options){ .text = "moving out" });
    assert_ends(*state, a, SHUTDOWN);
    assert_int_equal(probe_count(), 2);
}

static void stop_can_be_vetoed_and_the_asker_hears_of_it(void **state)
{
    ths_ref stayer = spawn_stayer(*state, 1);

    (void)ask_to_end(*state, stayer, (struct ths_stop_options){ .text = "please" });
    assert_noted("stopping shutdown \"please\"\nboss: heard REFUSED\n");
    assert_err(ths_stop_wait((struct ths_node *)*state, stayer, 1000, .text = "again"), OK);
    assert_ends(*state, stayer, SHUTDOWN);
    probe_wait(3);
}

static void stop_by_force_cannot_be_vetoed(void **state)
{
    struct ths_node *node = *state;
    ths_ref stayer = spawn_stayer(node, UINT32_MAX);

    assert_err(ths_stop_wait(node, stayer, 1000), REFUSED);
    assert_err(ths_stop_wait(node, stayer, 1000, .force = true), OK);
    assert_noted("stopping shutdown \"\"\nstopping shutdown \"\", veto REFUSED\n");
}

static void veto_is_for_stops_alone(void **state)
{
    struct ths_node *node = *state;
    ths_ref stayer = spawn_stayer(node, UINT32_MAX);

    assert_err(ths_tell(node, stayer, word), OK);
    stage_settle();
    assert_noted("veto in between: REFUSED\nstopping normal \"\", veto REFUSED\n");
    assert_ends(node, stayer, NORMAL);
}

static void stop_calls_the_stopping_handler_once(void **state)
{
    ths_ref stayer = spawn_stayer(*state, 0);

    ths_ask_to_stop((struct ths_node *)*state, stayer);
    assert_ends(*state, stayer, SHUTDOWN);
    assert_noted("stopping shutdown \"\"\n");
}

static void trapped_stop_is_a_message_and_force_is_not_trapped(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .trap_exits = true });

    assert_err(ths_stop_actor(node, a, .text = "please"), OK);
    puppet_settle(node, a);
    assert_noted("a: exited nobody shutdown \"please\"\n");
    assert_err(ths_stop_actor(node, a, .force = true), OK);
    assert_ends(node, a, SHUTDOWN);
}

static void trapping_actor_answers_its_stop_when_it_ends(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ .trap_exits = true });

    (void)ask_to_end(*state, a, (struct ths_stop_options){ 0 });
    probe_reset();
    probe_name(a, "a");
    puppet_do(*state, a, puppet_stops, NULL);
    stage_settle();
    assert_int_equal(probe_count(), 1);
}

static void stop_of_one_that_ended_is_answered_gone(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    assert_err(ths_stop_wait(node, a, 1000), GONE);
    assert_err(ths_stop_actor(node, a), GONE);
    assert_err(ths_stop_wait(node, THS_NOBODY, 1000), GONE);
}

/* ---- Deadlines --------------------------------------------------------------------------- */

static void stop_past_its_deadline_is_a_kill(void **state)
{
    struct ths_node *node = *state;
    ths_ref stayer = spawn_stayer(node, UINT32_MAX);
    enum ths_reason reason;

    assert_err(ths_stop_actor(node, stayer, .deadline_ms = 200), OK);
    assert_err(ths_join(node, stayer, 199, &reason), TIMEOUT);
    assert_err(ths_join(node, stayer, 3, &reason), OK);
    assert_int_equal(reason, THS_REASON_KILLED);
}

static void deadline_of_one_that_stops_in_time_is_forgotten(void **state)
{
    struct ths_node *node = *state;
    struct ths_node_stats stats;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_stop_actor(node, a, .deadline_ms = 1000000), OK);
    assert_ends(node, a, SHUTDOWN);
    stage_settle();
    ths_node_stats(node, &stats);
    assert_int_equal(stats.actors, 0);
}

static unsigned count_actors(struct ths_node *node)
{
    struct ths_node_stats stats;

    stage_settle();
    ths_node_stats(node, &stats);
    return (unsigned)stats.actors;
}

static void stops_that_an_actor_outlives_leave_one_guard(void **state)
{
    struct ths_node *node = *state;
    ths_ref stayer = spawn_stayer(node, UINT32_MAX);
    ths_ref trapper = puppet_spawn(node, "a", (struct ths_spawn_options){ .trap_exits = true });

    for (unsigned i = 0; i < 100; i++) {
        assert_err(ths_stop_actor(node, stayer, .deadline_ms = 1000000 + i), OK);
        assert_err(ths_stop_actor(node, trapper, .deadline_ms = 1000000 - i), OK);
    }
    assert_int_equal(count_actors(node), 4);
    puppet_do(node, trapper, puppet_stops, NULL);
    assert_int_equal(count_actors(node), 2);
}

/* Whether the near one comes first or last. */
static void first_of_several_deadlines_is_kept(void **state)
{
    struct ths_node *node = *state;
    enum ths_reason reason;

    for (unsigned i = 0; i < 2; i++) {
        ths_ref stayer = spawn_stayer(node, UINT32_MAX);

        assert_err(ths_stop_actor(node, stayer, .deadline_ms = i == 0 ? 200 : 5000), OK);
        assert_err(ths_stop_actor(node, stayer, .deadline_ms = i == 0 ? 5000 : 200), OK);
        assert_err(ths_join(node, stayer, 199, &reason), TIMEOUT);
        assert_err(ths_join(node, stayer, 3, &reason), OK);
        assert_int_equal(reason, THS_REASON_KILLED);
        assert_int_equal(count_actors(node), 0);
    }
}

/* ---- Children of supervisors -------------------------------------------------------------- */

/* One that hears of a stop and does nothing about it. */
struct deaf { char none; };

THS_ON(deaf, ths_started)
{
    ths_trap_exits(ctx, true);
}

THS_BEHAVIOUR(deaf, ths_started)

static ths_ref spawn_deaf_child(struct ths_node *node, enum ths_restart restart)
{
    const struct ths_child children[] = { { .name = "child", .behaviour = "deaf", .restart = restart, .named = true } };

    assert_err(ths_register(node, deaf), OK);
    (void)ths_supervise(node, children, .name = "boss", .backoff_ms = 100);
    return ths_whereis(node, "child", 1000);
}

/* As an exit(Pid, shutdown) in OTP: the end is no business of the supervisor's but for what it does about ends. */
static void child_past_its_deadline_has_ended_for_good(void **state)
{
    struct ths_node *node = *state;
    ths_ref child = spawn_deaf_child(node, THS_PERMANENT), next;

    assert_err(ths_stop_wait(node, child, 1000, .deadline_ms = 200), OK);
    assert_err(ths_tell(node, child, word), GONE);
    next = ths_whereis(node, "child", 1000);
    assert_false(ths_ref_is_nobody(next));
    assert_false(ths_ref_equal(next, child));
}

static void temporary_child_past_its_deadline_stays_away(void **state)
{
    struct ths_node *node = *state;
    ths_ref child = spawn_deaf_child(node, THS_TEMPORARY);

    assert_err(ths_stop_wait(node, child, 1000, .deadline_ms = 200), OK);
    assert_true(ths_ref_is_nobody(ths_whereis(node, "child", 1000)));
}

/* By its own end a transient child stays away; a kill is no end of its own. */
static void transient_child_comes_back_only_if_it_had_to_be_killed(void **state)
{
    struct ths_node *node = *state;
    ths_ref child = spawn_deaf_child(node, THS_TRANSIENT), next;

    assert_err(ths_stop_wait(node, child, 1000, .deadline_ms = 200), OK);
    next = ths_whereis(node, "child", 1000);
    assert_false(ths_ref_is_nobody(next));
    assert_err(ths_stop_wait(node, next, 1000, .deadline_ms = 200, .force = true), OK);
    assert_true(ths_ref_is_nobody(ths_whereis(node, "child", 1000)));
}

/* ---- Drain ------------------------------------------------------------------------------- */

static void drain_works_off_the_backlog_and_refuses_new_work(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, a, word, .text = "one"), OK);
    assert_err(ths_tell(node, a, word, .text = "two"), OK);
    assert_err(ths_drain(node, a), OK);
    assert_err(ths_tell(node, a, word, .text = "three"), CLOSED);
    assert_err(ths_call(node, a, THS_MSG(question), 1000, NULL, NULL), CLOSED);
    assert_ends(node, a, NORMAL);
    assert_noted("a: one\na: two\n");
}

static void full_and_draining_mailbox_is_closed(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .mailbox = 1 });

    assert_err(ths_tell(node, a, word, .text = "one"), OK);
    assert_err(ths_tell(node, a, word, .text = "two"), FULL);
    assert_err(ths_drain(node, a), OK);
    assert_err(ths_tell(node, a, word, .text = "three"), CLOSED);
}

static void drain_of_one_with_nothing_to_do_ends_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", NOTING(PUPPET_NOTES_STOPPING));

    assert_err(ths_drain(node, a), OK);
    assert_ends(node, a, NORMAL);
    assert_noted("a: stopping normal \"drained\"\n");
    assert_err(ths_drain(node, a), GONE);
}

static void crash_while_draining_goes_on_in_the_next_incarnation(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "child", .behaviour = "puppet", .restart = THS_TRANSIENT, .named = true,
          .start = THS_MSG(puppet_start, .label = "child", .notes = PUPPET_NOTES_START) },
    };
    struct puppet_todo fails = { puppet_fails, "torn" };
    ths_ref supervisor = ths_supervise(node, children);
    ths_ref child = ths_whereis(node, "child", 1000);

    assert_err(ths_tell(node, child, act, .todo = (uint64_t)(uintptr_t)&fails), OK);
    assert_err(ths_tell(node, child, word, .text = "behind"), OK);
    assert_err(ths_drain(node, child), OK);
    stage_settle();
    assert_err(ths_tell(node, child, word, .text = "late"), GONE);
    assert_noted("child: started 1\nchild: started 2\nchild: behind\n");
    ths_ask_to_stop(node, supervisor);
}

/* Answers later, or never. */
struct clerk {
    struct ths_asked asked;
    bool fails;
};

THS_MESSAGE(clerk_due, "test.clerk_due", 1)

THS_ON(clerk, question)
{
    self->asked = ths_defer(ctx);
    self->fails = msg->text[0] != '\0';
    (void)ths_after(ctx, 200, clerk_due);
}

THS_ON(clerk, secret)
{
    (void)ths_defer(ctx);
}

THS_ON(clerk, clerk_due)
{
    if (self->fails)
        ths_fail(ctx, "torn");
    else
        (void)ths_reply_to(ctx, &self->asked, answer, .text = "at last");
}

THS_ON(clerk, ths_finally)
{
    probe_note("clerk ends %s", ths_reason_text((enum ths_reason)msg->reason));
}

THS_BEHAVIOUR(clerk, question, secret, clerk_due, ths_finally)

static void asks_clerk(struct ths_ctx *ctx, struct puppet *self, void *clerk)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)clerk, question, puppet_heard, 1000);
}

static void asks_clerk_in_vain(struct ths_ctx *ctx, struct puppet *self, void *clerk)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)clerk, secret, puppet_heard, 500);
}

static void drain_waits_for_requests_that_were_deferred(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk = ths_spawn(node, clerk), a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, asks_clerk, &clerk);
    stage_settle();
    assert_err(ths_drain(node, clerk), OK);
    assert_err(ths_drain(node, clerk), OK);
    stage_settle();
    assert_int_equal(probe_count(), 0);
    stage_run(200);
    assert_noted_in_any_order("clerk ends normal\na: heard OK answer{text=\"at last\"}\n");
}

static void drain_does_not_wait_for_askers_that_have_given_up(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk = ths_spawn(node, clerk), a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, asks_clerk_in_vain, &clerk);
    stage_settle();
    assert_err(ths_drain(node, clerk), OK);
    stage_run(400);
    assert_int_equal(probe_count(), 0);
    stage_run(200);
    assert_ends(node, clerk, NORMAL);
    assert_noted_in_any_order("a: heard TIMEOUT\nclerk ends normal\n");
}

static void asks_clerk_to_fail(struct ths_ctx *ctx, struct puppet *self, void *clerk)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)clerk, question, puppet_heard, 1000, .text = "fail");
}

static void crash_of_a_drained_actor_that_waits_goes_on_in_the_next_incarnation(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "clerk", .behaviour = "clerk", .restart = THS_TRANSIENT, .named = true },
    };
    ths_ref a = puppet_spawn(node, "a", PLAIN), clerk;

    assert_err(ths_register(node, clerk), OK);
    (void)ths_supervise(node, children);
    clerk = ths_whereis(node, "clerk", 1000);
    puppet_do(node, a, asks_clerk_to_fail, &clerk);
    stage_settle();
    assert_err(ths_drain(node, clerk), OK);
    stage_run(1000);
    assert_noted_in_any_order("clerk ends crashed\na: heard CRASHED\nclerk ends normal\n");
    assert_err(ths_tell(node, clerk, word), GONE);
}

static void slot_of_a_drained_actor_takes_work_again(void **state)
{
    struct ths_node *node = *state;

    for (int i = 0; i < 100; i++) {
        ths_ref a = puppet_spawn(node, "a", PLAIN);

        puppet_settle(node, a);
        assert_err(ths_drain(node, a), OK);
        assert_ends(node, a, NORMAL);
    }
}

/* One who looked an actor up to drain it goes on when another lives in its place, which is then killed and begins anew. */
static void drain_that_comes_too_late_harms_nobody_who_came_after(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "child", .behaviour = "puppet", .named = true, .start = THS_MSG(puppet_start, .label = "child") },
    };
    ths_ref boss, child;
    enum ths_err err;

    for (unsigned i = 0; i < 10; i++) { /* so that places have been used */
        ths_ref a = puppet_spawn(node, "a", PLAIN);

        puppet_do(node, a, puppet_stops, NULL);
        assert_ends(node, a, NORMAL);
    }
    boss = ths_supervise(node, children, .backoff_ms = 1);
    child = ths_whereis(node, "child", 1000);
    assert_true(child.generation > 2);
    thsi_drain_mark(thsi_actor_find(node, child, &err), child.generation - 2);
    assert_err(ths_tell(node, child, word, .text = "first"), OK);
    stage_settle();
    ths_kill(node, child);
    stage_run(1000);
    assert_err(ths_tell(node, child, word, .text = "again"), OK);
    assert_err(ths_stop_wait(node, boss, 1000), OK);
    assert_noted("child: first\nchild: again\n");
}

/* ---- On another node ---------------------------------------------------------------------- */

static void stop_crosses_nodes_with_its_answer(void **state)
{
    ths_ref a = stage_remote_puppet("a");

    (void)ask_to_end(*state, a, (struct ths_stop_options){ .text = "from afar" });
    probe_wait(1);
    assert_err(ths_stop_wait((struct ths_node *)*state, a, 1000), GONE);
}

static void veto_crosses_nodes(void **state)
{
    ths_ref stayer = spawn_stayer(ths_sim_node(stage, 2), 1);

    assert_err(ths_stop_wait((struct ths_node *)*state, stayer, 1000, .text = "from afar"), REFUSED);
    assert_noted("stopping shutdown \"from afar\"\n");
    assert_err(ths_stop_wait((struct ths_node *)*state, stayer, 1000, .force = true), OK);
}

static void deadline_is_kept_by_the_node_of_the_actor(void **state)
{
    struct ths_node *node = *state;
    ths_ref stayer = spawn_stayer(ths_sim_node(stage, 2), UINT32_MAX);
    enum ths_reason reason;

    assert_err(ths_stop_actor(node, stayer, .deadline_ms = 300), OK);
    stage_run(100); /* it has arrived */
    ths_sim_cut(stage, 1, 2);
    assert_err(ths_join(ths_sim_node(stage, 2), stayer, 100, &reason), TIMEOUT);
    assert_err(ths_join(ths_sim_node(stage, 2), stayer, 300, &reason), OK);
    assert_int_equal(reason, THS_REASON_KILLED);
}

static void drain_crosses_nodes(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = stage_remote_puppet("a");

    assert_err(ths_tell(node, a, word, .text = "one"), OK);
    assert_err(ths_drain(node, a), OK);
    assert_err(ths_call(node, a, THS_MSG(question), 1000, NULL, NULL), CLOSED);
    assert_noted("a: one\n");
    assert_ends(ths_sim_node(stage, 2), a, NORMAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(stop_says_why_and_is_answered_with_the_end),
        stage_test(stop_can_be_vetoed_and_the_asker_hears_of_it),
        stage_test(stop_by_force_cannot_be_vetoed),
        stage_test(veto_is_for_stops_alone),
        stage_test(stop_calls_the_stopping_handler_once),
        stage_test(trapped_stop_is_a_message_and_force_is_not_trapped),
        stage_test(trapping_actor_answers_its_stop_when_it_ends),
        stage_test(stop_of_one_that_ended_is_answered_gone),
        stage_test(stop_past_its_deadline_is_a_kill),
        stage_test(deadline_of_one_that_stops_in_time_is_forgotten),
        stage_test(stops_that_an_actor_outlives_leave_one_guard),
        stage_test(first_of_several_deadlines_is_kept),
        stage_test(child_past_its_deadline_has_ended_for_good),
        stage_test(temporary_child_past_its_deadline_stays_away),
        stage_test(transient_child_comes_back_only_if_it_had_to_be_killed),
        stage_test(drain_works_off_the_backlog_and_refuses_new_work),
        stage_test(full_and_draining_mailbox_is_closed),
        stage_test(drain_of_one_with_nothing_to_do_ends_it),
        stage_test(crash_while_draining_goes_on_in_the_next_incarnation),
        stage_test(drain_waits_for_requests_that_were_deferred),
        stage_test(drain_does_not_wait_for_askers_that_have_given_up),
        stage_test(crash_of_a_drained_actor_that_waits_goes_on_in_the_next_incarnation),
        stage_test(slot_of_a_drained_actor_takes_work_again),
        stage_test(drain_that_comes_too_late_harms_nobody_who_came_after),
        stage_pair_test(stop_crosses_nodes_with_its_answer),
        stage_pair_test(veto_crosses_nodes),
        stage_pair_test(deadline_is_kept_by_the_node_of_the_actor),
        stage_pair_test(drain_crosses_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
