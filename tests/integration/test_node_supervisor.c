/* Supervisors whose children run on the same node. Spreading over nodes is shown by the tests of the cluster. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <stdio.h>

#define PLAIN ((struct ths_spawn_options){ 0 })
#define TRAPPING ((struct ths_spawn_options){ .trap_exits = true })
#define NOTES(what_label, what) THS_MSG(puppet_start, .label = what_label, .notes = (what))
#define CHILD(what_name, what_restart, what_notes)                                                  \
    { .name = what_name, .behaviour = "puppet", .restart = what_restart, .named = true,             \
      .start = NOTES(what_name, what_notes) }

static int setup(void **state)
{
    return puppet_node_setup(state) || puppet_register(*state) != THS_OK;
}

#define supervisor_test(fact) cmocka_unit_test_setup_teardown(fact, setup, puppet_node_teardown)

static ths_ref child_named(struct ths_node *node, const char *name)
{
    ths_ref ref = ths_whereis(node, name, PROBE_LIMIT_MS);

    assert_false(ths_ref_is_nobody(ref));
    puppet_settle(node, ref);
    return ref;
}

static ths_ref one_child(struct ths_node *node, enum ths_restart restart)
{
    const struct ths_child children[] = { CHILD("a", restart, PUPPET_NOTES_START) };
    ths_ref supervisor = ths_supervise(node, children, .name = "supervisor");

    assert_false(ths_ref_is_nobody(supervisor));
    assert_noted("a: started 1\n");
    return supervisor;
}

/* Wait until the counters of the supervisor say so: it works in its own time. */
static void assert_counters(struct ths_node *node, ths_ref supervisor, uint64_t restarts, uint32_t running)
{
    struct ths_supervisor_stats stats = { 0, 0, 0, 0 };
    ths_ref other = puppet_spawn(node, "other", PLAIN);

    for (unsigned tries = 0; tries < 1000000; tries++) {
        assert_err(ths_supervisor_stats(node, supervisor, &stats), OK);
        if (stats.restarts == restarts && stats.running == running)
            break;
        puppet_settle(node, other);
    }
    ths_kill(node, other);
    assert_int_equal(stats.restarts, restarts);
    assert_int_equal(stats.running, running);
}

/* ---- Kinds of children ------------------------------------------------------------------- */

static void permanent_child_is_restarted_after_every_end(void **state)
{
    ths_ref supervisor = one_child(*state, THS_PERMANENT), a = child_named(*state, "a");

    (void)puppet_try(*state, a, puppet_fails, "");
    assert_noted("a: started 1\na: started 2\n");
    puppet_do(*state, a, puppet_stops, NULL);
    assert_noted("a: started 1\na: started 2\na: started 3\n");
    ths_kill((struct ths_node *)*state, a);
    assert_noted("a: started 1\na: started 2\na: started 3\na: started 4\n");
    assert_counters(*state, supervisor, 3, 1);
}

static void transient_child_is_restarted_after_a_crash_only(void **state)
{
    ths_ref supervisor = one_child(*state, THS_TRANSIENT), a = child_named(*state, "a");

    (void)puppet_try(*state, a, puppet_fails, "");
    assert_noted("a: started 1\na: started 2\n");
    (void)puppet_watch(*state, "w", a);
    puppet_do(*state, a, puppet_stops, NULL);
    assert_counters(*state, supervisor, 1, 0);
    assert_noted("a: started 1\na: started 2\nw: down a normal observed \"\"\n");
}

static void temporary_child_is_never_restarted(void **state)
{
    ths_ref supervisor = one_child(*state, THS_TEMPORARY), a = child_named(*state, "a");

    (void)puppet_watch(*state, "w", a);
    (void)puppet_try(*state, a, puppet_fails, "");
    assert_counters(*state, supervisor, 0, 0);
    assert_noted("a: started 1\nw: down a crashed observed \"\"\n");
}

/* ---- Restart in place -------------------------------------------------------------------- */

static void restart_keeps_the_ref_and_the_name(void **state)
{
    ths_ref a;

    (void)one_child(*state, THS_PERMANENT);
    a = child_named(*state, "a");
    (void)puppet_try(*state, a, puppet_fails, "");
    probe_wait(2);
    puppet_settle(*state, a);
    assert_true(ths_ref_equal(ths_whereis(*state, "a", 0), a));
}

static void waits_and_fails(struct ths_ctx *ctx, struct puppet *self, void *gate)
{
    probe_gate_pass(gate);
    puppet_will_fail(ctx, self, "at the gate");
}

static void restart_keeps_the_mailbox_in_order(void **state)
{
    struct ths_node *node = *state;
    struct probe_gate gate = PROBE_GATE_INIT;
    struct puppet_todo todo = { waits_and_fails, &gate };
    ths_ref a;

    (void)one_child(node, THS_PERMANENT);
    a = child_named(node, "a");
    assert_err(ths_tell(node, a, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    probe_gate_reached(&gate);
    assert_err(ths_tell(node, a, word, .text = "one"), OK);
    assert_err(ths_tell(node, a, word, .text = "two"), OK);
    probe_gate_open(&gate);
    assert_noted("a: started 1\na: started 2\na: one\na: two\n");
}

static void asks(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, question, puppet_heard, PROBE_LIMIT_MS, .text = "x");
}

static void queued_ask_survives_a_restart(void **state)
{
    struct ths_node *node = *state;
    struct probe_gate gate = PROBE_GATE_INIT;
    struct puppet_todo todo = { waits_and_fails, &gate };
    ths_ref a, b = puppet_spawn(node, "b", PLAIN);

    (void)one_child(node, THS_PERMANENT);
    a = child_named(node, "a");
    assert_err(ths_tell(node, a, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    probe_gate_reached(&gate);
    puppet_do(node, b, asks, &a);
    probe_gate_open(&gate);
    assert_noted("a: started 1\na: started 2\nb: heard OK answer{text=\"x\"}\n");
}

static void message_that_crashed_it_is_set_aside_and_its_asker_told(void **state)
{
    ths_ref a;

    (void)one_child(*state, THS_PERMANENT);
    a = child_named(*state, "a");
    assert_err(puppet_try(*state, a, puppet_fails, ""), CRASHED);
    puppet_settle(*state, a);
    assert_noted("a: started 1\na: started 2\n"); /* handled again it would have failed again */
}

static void counts(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)ctx, (void)arg;
    probe_note("counter %u", (unsigned)++self->counter);
}

/* ---- Between two incarnations ------------------------------------------------------------ */

/* A child that waits @backoff_ms after its first failure. */
static ths_ref patient_child(struct ths_node *node, unsigned backoff_ms)
{
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, PUPPET_NOTES_START) };

    assert_false(ths_ref_is_nobody(ths_supervise(node, children, .backoff_ms = backoff_ms,
                                                 .backoff_max_ms = backoff_ms)));
    return child_named(node, "a");
}

static void mailbox_is_bounded_while_a_restart_is_waited_for(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = patient_child(node, 600000), other = puppet_spawn(node, "other", PLAIN);
    unsigned taken = 0;

    (void)puppet_try(node, a, puppet_fails, "");
    for (unsigned i = 0; i < 5000; i++) {
        taken += ths_tell(node, a, word, .text = "x") == THS_OK;
        if (i % 50 == 0)
            puppet_settle(node, other); /* time to move what came */
    }
    assert_int_equal(taken, 1024);
}

static void waiting_messages_give_their_places_back_after_the_restart(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = patient_child(node, 200);
    unsigned taken = 0;

    (void)puppet_try(node, a, puppet_fails, "");
    while (ths_tell(node, a, secret) == THS_OK)
        taken++;
    /* Places are given back in batches, so some fewer for a moment; more when the restart was quicker. */
    assert_true(taken >= 1024 - 64);
    probe_wait(2);
    while (ths_try_tell(node, a, word, .text = "room again") != THS_OK) {
    }
    assert_noted("a: started 1\na: started 2\na: room again\n");
}

static void down_that_comes_before_a_restart_is_heard_after_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = patient_child(node, 200), b = puppet_spawn(node, "b", PLAIN);

    puppet_do(node, a, puppet_monitors, &b);
    (void)puppet_try(node, a, puppet_fails, "");
    ths_kill(node, b);
    assert_noted("a: started 1\na: started 2\na: down b killed observed \"\"\n");
}

static void trapped_exit_that_comes_before_a_restart_is_heard_after_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = patient_child(node, 200), b = puppet_spawn(node, "b", PLAIN);

    puppet_do(node, a, puppet_traps, NULL);
    puppet_do(node, a, puppet_links, &b);
    puppet_settle(node, b);
    (void)puppet_try(node, a, puppet_fails, "");
    ths_kill(node, b);
    assert_noted("a: started 1\na: started 2\na: exited b killed \"\"\n");
}

static void child_killed_while_it_waits_for_a_restart_ends(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = patient_child(node, 600000);

    (void)puppet_watch(node, "w", a);
    (void)puppet_try(node, a, puppet_fails, "");
    ths_kill(node, a);
    assert_noted("a: started 1\nw: down a killed observed \"\"\n");
}

static void restart_zeroes_the_state(void **state)
{
    ths_ref a;

    (void)one_child(*state, THS_PERMANENT);
    a = child_named(*state, "a");
    puppet_do(*state, a, counts, NULL);
    puppet_do(*state, a, counts, NULL);
    (void)puppet_try(*state, a, puppet_fails, "");
    puppet_do(*state, a, counts, NULL);
    assert_noted("a: started 1\ncounter 1\ncounter 2\na: started 2\ncounter 1\n");
}

static void sets_a_timer_and_fails(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)arg;
    (void)ths_after(ctx, 20, word, .text = "of the dead");
    puppet_will_fail(ctx, self, "x");
}

static void sets_a_later_timer(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    (void)ths_after(ctx, 60, word, .text = "of the living");
}

static void timers_of_an_earlier_incarnation_are_void(void **state)
{
    ths_ref a;

    (void)one_child(*state, THS_PERMANENT);
    a = child_named(*state, "a");
    (void)puppet_try(*state, a, sets_a_timer_and_fails, NULL);
    puppet_do(*state, a, sets_a_later_timer, NULL);
    assert_noted("a: started 1\na: started 2\na: of the living\n");
}

static void asks_and_fails(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    asks(ctx, self, to);
    puppet_will_fail(ctx, self, "x");
}

static void asks_of_an_earlier_incarnation_are_void(void **state)
{
    ths_ref a, b = puppet_spawn(*state, "b", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;

    (void)one_child(*state, THS_PERMANENT);
    a = child_named(*state, "a");
    puppet_hold(*state, b, &gate);
    (void)puppet_try(*state, a, asks_and_fails, &b);
    probe_wait(2);
    probe_gate_open(&gate);
    puppet_settle(*state, b);
    puppet_settle(*state, a);
    assert_noted("a: started 1\na: started 2\n");
}

static void restart_is_no_exit_for_links_and_monitors(void **state)
{
    ths_ref a, linked = puppet_spawn(*state, "linked", TRAPPING), watcher = puppet_spawn(*state, "watcher", PLAIN);

    (void)one_child(*state, THS_TRANSIENT);
    a = child_named(*state, "a");
    puppet_do(*state, linked, puppet_links, &a);
    puppet_do(*state, watcher, puppet_monitors, &a);
    puppet_settle(*state, a);
    (void)puppet_try(*state, a, puppet_fails, "");
    assert_noted("a: started 1\na: started 2\n");
    puppet_do(*state, a, puppet_stops, NULL);
    assert_noted_in_any_order("a: started 1\na: started 2\nlinked: exited a normal \"\"\n"
                              "watcher: down a normal observed \"\"\n");
}

static void stopping_handler_runs_for_each_incarnation(void **state)
{
    const struct ths_child children[] = {
        CHILD("a", THS_TRANSIENT, PUPPET_NOTES_START | PUPPET_NOTES_STOPPING),
    };
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children, .name = "supervisor");
    ths_ref a = child_named(*state, "a");

    assert_false(ths_ref_is_nobody(supervisor));
    (void)puppet_try(*state, a, puppet_fails, "x");
    puppet_do(*state, a, puppet_stops, NULL);
    assert_noted("a: started 1\na: stopping crashed \"x\"\na: started 2\na: stopping normal \"\"\n");
}

static void look_for_incarnation(void *arg, const struct ths_actor_info *actor)
{
    if (actor->name[0] == 'a')
        *(unsigned *)arg = actor->incarnation;
}

static void list_of_actors_shows_the_incarnation(void **state)
{
    unsigned incarnation = 0;
    ths_ref a;

    (void)one_child(*state, THS_PERMANENT);
    a = child_named(*state, "a");
    (void)puppet_try(*state, a, puppet_fails, "");
    puppet_settle(*state, a);
    ths_node_actors(*state, 1000, look_for_incarnation, &incarnation);
    assert_int_equal(incarnation, 2);
}

/* ---- Strategies and order ---------------------------------------------------------------- */

#define THREE(notes)                                                                                \
    { CHILD("a", THS_PERMANENT, notes), CHILD("b", THS_PERMANENT, notes), CHILD("c", THS_PERMANENT, notes) }

static void children_start_in_order(void **state)
{
    const struct ths_child children[] = THREE(PUPPET_NOTES_START);

    (void)ths_supervise((struct ths_node *)*state, children);
    assert_noted_in_any_order("a: started 1\nb: started 1\nc: started 1\n");
}

static void one_for_one_restarts_only_the_one(void **state)
{
    const struct ths_child children[] = THREE(PUPPET_NOTES_START);
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children, .strategy = THS_ONE_FOR_ONE);

    probe_wait(3);
    (void)puppet_try(*state, child_named(*state, "b"), puppet_fails, "");
    assert_noted_in_any_order("a: started 1\nb: started 1\nc: started 1\nb: started 2\n");
    assert_counters(*state, supervisor, 1, 3);
}

static void one_for_all_restarts_all(void **state)
{
    const struct ths_child children[] = THREE(PUPPET_NOTES_START);
    ths_ref a, c;

    (void)ths_supervise((struct ths_node *)*state, children, .strategy = THS_ONE_FOR_ALL);
    probe_wait(3);
    a = child_named(*state, "a");
    c = child_named(*state, "c");
    (void)puppet_try(*state, child_named(*state, "b"), puppet_fails, "");
    assert_noted_in_any_order("a: started 1\nb: started 1\nc: started 1\na: started 2\nb: started 2\nc: started 2\n");
    assert_true(ths_ref_equal(child_named(*state, "a"), a));
    assert_true(ths_ref_equal(child_named(*state, "c"), c));
}

static void one_for_all_stops_the_others_in_reverse(void **state)
{
    const struct ths_child children[] = THREE(PUPPET_NOTES_STOPPING);

    (void)ths_supervise((struct ths_node *)*state, children, .strategy = THS_ONE_FOR_ALL);
    (void)child_named(*state, "c");
    (void)child_named(*state, "b");
    (void)puppet_try(*state, child_named(*state, "a"), puppet_fails, "x");
    assert_noted("a: stopping crashed \"x\"\nc: stopping shutdown \"\"\nb: stopping shutdown \"\"\n");
}

static void stopped_supervisor_stops_its_children_in_reverse(void **state)
{
    const struct ths_child children[] = THREE(PUPPET_NOTES_STOPPING);
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children, .name = "supervisor");

    (void)child_named(*state, "a");
    (void)child_named(*state, "b");
    (void)child_named(*state, "c");
    ths_ask_to_stop((struct ths_node *)*state, supervisor);
    assert_ends(*state, supervisor, SHUTDOWN);
    assert_noted("c: stopping shutdown \"\"\nb: stopping shutdown \"\"\na: stopping shutdown \"\"\n");
}

/* A handler that does not return cannot be interrupted; the supervisor has gone by then. */
static void child_that_does_not_stop_is_killed(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "a", .behaviour = "puppet", .named = true, .stop_ms = 30, .start = NOTES("a", PUPPET_NOTES_STOPPING) },
    };
    ths_ref supervisor = ths_supervise(node, children), a = child_named(node, "a");
    struct probe_gate gate = PROBE_GATE_INIT;

    (void)puppet_watch(node, "w", a);
    puppet_hold(node, a, &gate);
    ths_ask_to_stop(node, supervisor);
    assert_ends(node, supervisor, SHUTDOWN);
    probe_gate_open(&gate);
    assert_noted("w: down a killed observed \"\"\n");
}

/* ---- Giving up --------------------------------------------------------------------------- */

static void too_many_restarts_end_the_supervisor(void **state)
{
    const struct ths_child children[] = {
        CHILD("a", THS_PERMANENT, PUPPET_NOTES_START), CHILD("b", THS_PERMANENT, PUPPET_NOTES_STOPPING),
    };
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children, .restarts = 2, .within_ms = 600000);
    ths_ref a = child_named(*state, "a"), b = child_named(*state, "b");

    (void)puppet_watch(*state, "w", a);
    (void)puppet_watch(*state, "w", b);
    for (unsigned i = 0; i < 3; i++)
        (void)puppet_try(*state, a, puppet_fails, "");
    assert_ends(*state, supervisor, CRASHED);
    assert_noted_in_any_order("a: started 1\na: started 2\na: started 3\nb: stopping shutdown \"\"\n"
                              "w: down a crashed observed \"\"\nw: down b shutdown observed \"\"\n");
}

static void supervises_linked(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, 0) };

    (void)self;
    *(ths_ref *)ref = ths_supervise(ctx, children, .link = true, .restarts = 1);
}

static void linked_supervisor_takes_its_spawner_along(void **state)
{
    ths_ref boss = puppet_spawn(*state, "boss", PLAIN), supervisor, a;

    puppet_do(*state, boss, supervises_linked, &supervisor);
    a = child_named(*state, "a");
    (void)puppet_try(*state, a, puppet_fails, "");
    puppet_settle(*state, a);
    (void)puppet_try(*state, a, puppet_fails, "");
    assert_ends(*state, boss, CRASHED);
}

static void killed_supervisor_takes_its_children_along(void **state)
{
    ths_ref supervisor = one_child(*state, THS_PERMANENT), a = child_named(*state, "a");
    enum ths_reason reason;

    ths_kill((struct ths_node *)*state, supervisor);
    assert_ends(*state, supervisor, KILLED);
    assert_err(ths_join(*state, a, PROBE_LIMIT_MS, &reason), OK);
    assert_noted("a: started 1\n");
}

/* ---- Refusals ---------------------------------------------------------------------------- */

static void wrong_specifications_are_refused(void **state)
{
    static const struct { struct ths_child children[2]; enum ths_err err; } rows[] = {
        { { { .name = "a", .behaviour = "puppet", .at_most_one = true }, { .name = "b", .behaviour = "puppet" } },
          THS_UNSUPPORTED },
        { { { .name = "a", .behaviour = "puppet" }, { .name = "a", .behaviour = "puppet" } }, THS_INVALID },
        { { { .name = "a" }, { .name = "b", .behaviour = "puppet" } }, THS_INVALID },
        { { { .behaviour = "puppet" }, { .name = "b", .behaviour = "puppet" } }, THS_INVALID },
        { { { .name = "a", .behaviour = "puppet", .where = "nonsense" }, { .name = "b", .behaviour = "puppet" } },
          THS_INVALID },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ths_child children[2] = { rows[i].children[0], rows[i].children[1] };
        enum ths_err err = THS_OK;
        ths_ref supervisor = ths_try_supervise((struct ths_node *)*state, &err, children);
        assert_string_equal(ths_err_name(err), ths_err_name(rows[i].err));
        assert_true(ths_ref_is_nobody(supervisor));
    }
}

static void at_most_one_is_unsupported(void **state)
{
    const struct ths_child children[] = { { .name = "a", .behaviour = "puppet", .at_most_one = true } };
    enum ths_err err = THS_OK;

    assert_true(ths_ref_is_nobody(ths_try_supervise((struct ths_node *)*state, &err, children)));
    assert_err(err, UNSUPPORTED);
}

static void supervisor_name_in_use_is_taken(void **state)
{
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, 0) };
    enum ths_err err = THS_OK;

    (void)puppet_spawn(*state, "x", (struct ths_spawn_options){ .name = "boss" });
    assert_true(ths_ref_is_nobody(ths_try_supervise((struct ths_node *)*state, &err, children, .name = "boss")));
    assert_err(err, NAME_TAKEN);
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "a", 0)));
}

static void counters_of_what_is_no_supervisor_are_refused(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);
    struct ths_supervisor_stats stats;

    assert_err(ths_supervisor_stats(*state, a, &stats), INVALID);
    puppet_do(*state, a, puppet_stops, NULL);
    assert_ends(*state, a, NORMAL);
    assert_err(ths_supervisor_stats(*state, a, &stats), GONE);
}

static void node_stop_stops_supervisors_first(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "brief", .workers = 2 });
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, PUPPET_NOTES_STOPPING | PUPPET_NOTES_START) };

    (void)state;
    assert_err(puppet_register(node), OK);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children)));
    (void)child_named(node, "a");
    ths_node_stop(node, PROBE_LIMIT_MS);
    assert_noted("a: started 1\na: stopping shutdown \"\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        supervisor_test(permanent_child_is_restarted_after_every_end),
        supervisor_test(transient_child_is_restarted_after_a_crash_only),
        supervisor_test(temporary_child_is_never_restarted),
        supervisor_test(restart_keeps_the_ref_and_the_name),
        supervisor_test(restart_keeps_the_mailbox_in_order),
        supervisor_test(queued_ask_survives_a_restart),
        supervisor_test(message_that_crashed_it_is_set_aside_and_its_asker_told),
        supervisor_test(mailbox_is_bounded_while_a_restart_is_waited_for),
        supervisor_test(waiting_messages_give_their_places_back_after_the_restart),
        supervisor_test(down_that_comes_before_a_restart_is_heard_after_it),
        supervisor_test(trapped_exit_that_comes_before_a_restart_is_heard_after_it),
        supervisor_test(child_killed_while_it_waits_for_a_restart_ends),
        supervisor_test(restart_zeroes_the_state),
        supervisor_test(timers_of_an_earlier_incarnation_are_void),
        supervisor_test(asks_of_an_earlier_incarnation_are_void),
        supervisor_test(restart_is_no_exit_for_links_and_monitors),
        supervisor_test(stopping_handler_runs_for_each_incarnation),
        supervisor_test(list_of_actors_shows_the_incarnation),
        supervisor_test(children_start_in_order),
        supervisor_test(one_for_one_restarts_only_the_one),
        supervisor_test(one_for_all_restarts_all),
        supervisor_test(one_for_all_stops_the_others_in_reverse),
        supervisor_test(stopped_supervisor_stops_its_children_in_reverse),
        supervisor_test(child_that_does_not_stop_is_killed),
        supervisor_test(too_many_restarts_end_the_supervisor),
        supervisor_test(linked_supervisor_takes_its_spawner_along),
        supervisor_test(killed_supervisor_takes_its_children_along),
        supervisor_test(wrong_specifications_are_refused),
        supervisor_test(at_most_one_is_unsupported),
        supervisor_test(supervisor_name_in_use_is_taken),
        supervisor_test(counters_of_what_is_no_supervisor_are_refused),
        supervisor_test(node_stop_stops_supervisors_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
