/* How actors end, and who is told: reasons, links, monitors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#define PLAIN ((struct ths_spawn_options){ 0 })
#define TRAPPING ((struct ths_spawn_options){ .trap_exits = true })
#define NOTING(what) ((struct ths_spawn_options){ .start = THS_MSG(puppet_start, .notes = PUPPET_NOTES_##what) })

/* ---- Reasons ----------------------------------------------------------------------------- */

static void stop_ends_normal(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(STOPPING));

    puppet_do(*state, a, puppet_stops, NULL);
    assert_ends(*state, a, NORMAL);
    assert_noted("a: stopping normal \"\"\n");
}

static void shutdown_ends_shutdown(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(STOPPING));

    puppet_do(*state, a, puppet_shuts_down, NULL);
    assert_ends(*state, a, SHUTDOWN);
    assert_noted("a: stopping shutdown \"\"\n");
}

static void fail_ends_crashed_with_its_text(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(STOPPING));

    assert_err(puppet_try(*state, a, puppet_fails, "out of cheese"), CRASHED);
    assert_ends(*state, a, CRASHED);
    assert_noted("a: stopping crashed \"out of cheese\"\n");
}

static void kill_ends_killed_without_asking(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(STOPPING));

    puppet_do(*state, a, puppet_traps, NULL);
    ths_kill((struct ths_node *)*state, a);
    assert_ends(*state, a, KILLED);
    assert_int_equal(probe_count(), 0);
}

static void kill_comes_ahead_of_the_queue(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;

    puppet_hold(node, a, &gate);
    assert_err(ths_tell(node, a, word, .text = "never heard"), OK);
    ths_kill(node, a);
    probe_gate_open(&gate);
    assert_ends(node, a, KILLED);
    assert_int_equal(probe_count(), 0);
}

static void kill_of_an_ended_actor_is_ignored(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), b;

    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    b = puppet_spawn(node, "b", PLAIN); /* may well live in the same slot */
    ths_kill(node, a);
    ths_ask_to_stop(node, a);
    puppet_settle(node, b);
}

static void ask_to_stop_ends_shutdown(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NOTING(STOPPING));

    ths_ask_to_stop((struct ths_node *)*state, a);
    assert_ends(*state, a, SHUTDOWN);
    assert_noted("a: stopping shutdown \"\"\n");
}

static void ask_to_stop_keeps_the_order_of_its_pair(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;

    puppet_hold(node, a, &gate);
    assert_err(ths_tell(node, a, word, .text = "before"), OK);
    ths_ask_to_stop(node, a);
    (void)ths_tell(node, a, word, .text = "after");
    probe_gate_open(&gate);
    assert_ends(node, a, SHUTDOWN);
    assert_noted("a: before\n");
}

static void asks_to_stop(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    ths_ask_to_stop(ctx, *(const ths_ref *)ref);
}

static void ask_to_stop_can_be_trapped(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), b = puppet_spawn(*state, "b", TRAPPING);

    puppet_do(*state, a, asks_to_stop, &b);
    assert_noted("b: exited a shutdown \"\"\n");
    puppet_settle(*state, b);
}

static void queue_of_an_ended_actor_becomes_dead_letters(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), other = puppet_spawn(node, "b", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;
    struct ths_node_stats stats;

    puppet_hold(node, a, &gate);
    for (unsigned i = 0; i < 3; i++)
        assert_err(ths_tell(node, a, word, .text = "never heard"), OK);
    ths_kill(node, a);
    probe_gate_open(&gate);
    assert_ends(node, a, KILLED);
    for (unsigned tries = 0; tries < 1000000; tries++) { /* a rest of the queue may still be under way */
        ths_node_stats(node, &stats);
        if (stats.dead_letters[THS_GONE] == 3)
            break;
        puppet_settle(node, other);
    }
    assert_int_equal(stats.dead_letters[THS_GONE], 3);
    assert_int_equal(probe_count(), 0);
}

static void says_goodbye(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    (void)ths_tell(ctx, *(const ths_ref *)ref, word, .text = "goodbye");
    ths_stop(ctx);
    (void)ths_tell(ctx, *(const ths_ref *)ref, word, .text = "really");
}

static void handler_that_stops_runs_to_its_end(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), b = puppet_spawn(*state, "b", PLAIN);

    puppet_do(*state, a, says_goodbye, &b);
    assert_noted("b: goodbye\nb: really\n");
}

struct leaver { ths_ref heir; };

THS_MESSAGE(inherit, "test.inherit", 1, ref(heir))

THS_ON(leaver, inherit)
{
    self->heir = msg->heir;
    ths_stop(ctx);
}

THS_ON(leaver, ths_stopping)
{
    (void)ths_tell(ctx, self->heir, word, .text = "testament");
}

THS_BEHAVIOUR(leaver, inherit, ths_stopping)

static void stopping_handler_may_still_send(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), leaver = ths_spawn(node, leaver);

    assert_err(ths_tell(node, leaver, inherit, .heir = a), OK);
    assert_noted("a: testament\n");
}

/* ---- Waiting for an end from outside ----------------------------------------------------- */

static void join_of_a_living_actor_times_out(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    assert_err(ths_join(*state, a, 0, NULL), TIMEOUT);
    assert_err(ths_join(*state, a, 10, NULL), TIMEOUT);
}

static void reason_is_kept_for_a_later_join(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    (void)puppet_try(*state, a, puppet_fails, "x");
    assert_ends(*state, a, CRASHED);
    assert_ends(*state, a, CRASHED);
}

static void wait_answers_an_exit_status(void **state)
{
    static const struct { puppet_act *act; int status; } rows[] = {
        { puppet_stops, 0 }, { puppet_shuts_down, 0 }, { puppet_fails, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "short", .workers = 2 });
        ths_ref a = puppet_spawn(node, "a", PLAIN);
        (void)puppet_try(node, a, rows[i].act, NULL);
        assert_int_equal(ths_wait(node, a), rows[i].status);
    }
}

/* ---- Links ------------------------------------------------------------------------------- */

struct couple { ths_ref a, b; };

static struct couple linked(struct ths_node *node, struct ths_spawn_options a, struct ths_spawn_options b)
{
    struct couple couple = { puppet_spawn(node, "a", a), THS_NOBODY };

    couple.b = puppet_spawn(node, "b", b);
    puppet_do(node, couple.a, puppet_links, &couple.b);
    puppet_settle(node, couple.b);
    return couple;
}

static void crash_takes_the_linked_along(void **state)
{
    struct couple couple = linked(*state, PLAIN, NOTING(STOPPING));

    (void)puppet_try(*state, couple.a, puppet_fails, "tired");
    assert_ends(*state, couple.b, CRASHED);
    assert_noted("b: stopping crashed \"tired\"\n");
}

static void link_works_both_ways(void **state)
{
    struct couple couple = linked(*state, PLAIN, PLAIN);

    (void)puppet_try(*state, couple.b, puppet_fails, "tired");
    assert_ends(*state, couple.a, CRASHED);
}

static void kill_takes_the_linked_along(void **state)
{
    struct couple couple = linked(*state, PLAIN, PLAIN);

    ths_kill((struct ths_node *)*state, couple.a);
    assert_ends(*state, couple.b, KILLED);
}

static void shutdown_takes_the_linked_along(void **state)
{
    struct couple couple = linked(*state, PLAIN, PLAIN);

    puppet_do(*state, couple.a, puppet_shuts_down, NULL);
    assert_ends(*state, couple.b, SHUTDOWN);
}

static void normal_end_spares_the_linked(void **state)
{
    struct couple couple = linked(*state, PLAIN, PLAIN);

    puppet_do(*state, couple.a, puppet_stops, NULL);
    assert_ends(*state, couple.a, NORMAL);
    puppet_settle(*state, couple.b);
    assert_err(ths_join(*state, couple.b, 0, NULL), TIMEOUT);
}

static void trapped_exit_is_a_message(void **state)
{
    struct couple couple = linked(*state, PLAIN, TRAPPING);

    (void)puppet_try(*state, couple.a, puppet_fails, "tired");
    assert_noted("b: exited a crashed \"tired\"\n");
    puppet_settle(*state, couple.b);
}

static void trapping_hears_of_a_normal_end_too(void **state)
{
    struct couple couple = linked(*state, PLAIN, TRAPPING);

    puppet_do(*state, couple.a, puppet_stops, NULL);
    assert_noted("b: exited a normal \"\"\n");
}

static void links_twice(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    puppet_links(ctx, self, ref);
    puppet_links(ctx, self, ref);
}

static void linking_twice_is_one_link(void **state)
{
    struct couple couple = linked(*state, PLAIN, TRAPPING);

    puppet_do(*state, couple.a, links_twice, &couple.b);
    (void)puppet_try(*state, couple.a, puppet_fails, "");
    assert_noted("b: exited a crashed \"\"\n");
    puppet_settle(*state, couple.b);
    assert_noted("b: exited a crashed \"\"\n");
}

static void unlinks(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    ths_unlink(ctx, *(const ths_ref *)ref);
}

static void unlinked_actors_do_not_share_their_end(void **state)
{
    struct couple couple = linked(*state, PLAIN, PLAIN);

    puppet_do(*state, couple.b, unlinks, &couple.a);
    (void)puppet_try(*state, couple.a, puppet_fails, "");
    assert_ends(*state, couple.a, CRASHED);
    puppet_settle(*state, couple.b);
}

static void traps_no_more(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_trap_exits(ctx, false);
}

static void trapping_can_be_ended(void **state)
{
    struct couple couple = linked(*state, PLAIN, TRAPPING);

    puppet_do(*state, couple.b, traps_no_more, NULL);
    (void)puppet_try(*state, couple.a, puppet_fails, "");
    assert_ends(*state, couple.b, CRASHED);
}

static void link_to_an_ended_actor_acts_at_once(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), b = puppet_spawn(*state, "b", PLAIN);
    ths_ref trapping = puppet_spawn(*state, "c", TRAPPING);

    puppet_do(*state, a, puppet_stops, NULL);
    assert_ends(*state, a, NORMAL);
    puppet_do(*state, trapping, puppet_links, &a);
    assert_noted("c: exited a no_actor \"the actor has ended\"\n");
    puppet_do(*state, b, puppet_links, &a);
    assert_ends(*state, b, NO_ACTOR);
}

static void exit_spreads_through_a_chain_of_links(void **state)
{
    struct couple couple = linked(*state, PLAIN, PLAIN);
    ths_ref c = puppet_spawn(*state, "c", TRAPPING);

    puppet_do(*state, couple.b, puppet_links, &c);
    puppet_settle(*state, c);
    (void)puppet_try(*state, couple.a, puppet_fails, "tired");
    assert_noted("c: exited b crashed \"tired\"\n");
}

/* ---- Monitors ---------------------------------------------------------------------------- */

static struct couple watched(struct ths_node *node)
{
    struct couple couple = { puppet_spawn(node, "a", PLAIN), puppet_spawn(node, "b", PLAIN) };

    puppet_do(node, couple.b, puppet_monitors, &couple.a);
    puppet_settle(node, couple.a);
    return couple;
}

static void down_says_who_and_why(void **state)
{
    static const struct { puppet_act *act; const char *line; } rows[] = {
        { puppet_stops, "b: down a normal observed \"\"\n" },
        { puppet_shuts_down, "b: down a shutdown observed \"\"\n" },
        { puppet_fails, "b: down a crashed observed \"why\"\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct couple couple = watched(*state);
        (void)puppet_try(*state, couple.a, rows[i].act, "why");
        assert_noted(rows[i].line);
        probe_reset();
    }
}

static void down_of_a_killed_actor(void **state)
{
    struct couple couple = watched(*state);

    ths_kill((struct ths_node *)*state, couple.a);
    assert_noted("b: down a killed observed \"\"\n");
}

static void down_comes_once(void **state)
{
    struct couple couple = watched(*state);

    puppet_do(*state, couple.a, puppet_stops, NULL);
    probe_wait(1);
    ths_kill((struct ths_node *)*state, couple.a);
    puppet_settle(*state, couple.b);
    assert_noted("b: down a normal observed \"\"\n");
}

static void each_monitor_has_its_own_down(void **state)
{
    struct couple couple = watched(*state);

    puppet_do(*state, couple.b, puppet_monitors, &couple.a);
    puppet_settle(*state, couple.a);
    puppet_do(*state, couple.a, puppet_stops, NULL);
    assert_noted("b: down a normal observed \"\"\nb: down a normal observed \"\"\n");
}

static void down_comes_after_what_the_dead_one_sent(void **state)
{
    struct couple couple = watched(*state);

    puppet_do(*state, couple.a, says_goodbye, &couple.b);
    assert_noted("b: goodbye\nb: really\nb: down a normal observed \"\"\n");
}

static void monitor_of_an_ended_actor_answers_at_once(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), b = puppet_spawn(*state, "b", PLAIN);

    puppet_do(*state, a, puppet_stops, NULL);
    assert_ends(*state, a, NORMAL);
    puppet_do(*state, b, puppet_monitors, &a);
    assert_noted("b: down a no_actor observed \"the actor has ended\"\n");
}

static void monitor_of_a_ref_never_given_out_answers_at_once(void **state)
{
    ths_ref b = puppet_spawn(*state, "b", PLAIN);
    ths_ref never = { b.node, b.slot, b.generation + 1000 };

    puppet_do(*state, b, puppet_monitors, &never);
    assert_noted("b: down stranger stale observed \"the ref is of an earlier boot of its node\"\n");
}

static ths_monitor_id monitor_id;

static void monitors_and_keeps_the_id(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    monitor_id = ths_monitor(ctx, *(const ths_ref *)ref);
}

static void demonitors(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_demonitor(ctx, monitor_id);
}

static void demonitored_end_is_not_told(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), b = puppet_spawn(*state, "b", PLAIN);

    puppet_do(*state, b, monitors_and_keeps_the_id, &a);
    assert_int_not_equal(monitor_id.value, 0);
    puppet_do(*state, b, demonitors, NULL);
    puppet_do(*state, a, puppet_stops, NULL);
    assert_ends(*state, a, NORMAL);
    puppet_settle(*state, b);
    assert_int_equal(probe_count(), 0);
}

/* The watched one ends while this handler runs, so that its DOWN is in the mailbox when the monitor is withdrawn. */
static void demonitors_late(struct ths_ctx *ctx, struct puppet *self, void *gate)
{
    (void)self;
    probe_gate_pass(gate);
    ths_demonitor(ctx, monitor_id);
}

static void demonitor_withdraws_a_down_that_is_on_its_way(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), b = puppet_spawn(node, "b", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;
    static struct puppet_todo todo;

    puppet_do(node, b, monitors_and_keeps_the_id, &a);
    todo = (struct puppet_todo){ demonitors_late, &gate };
    assert_err(ths_tell(node, b, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    probe_gate_reached(&gate);
    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    probe_gate_open(&gate);
    puppet_settle(node, b);
    assert_int_equal(probe_count(), 0);
}

struct checker { ths_monitor_id id; };

THS_MESSAGE(check_on, "test.check_on", 1, ref(who))

THS_ON(checker, check_on)
{
    self->id = ths_monitor(ctx, msg->who);
}

THS_ON(checker, ths_down)
{
    probe_note("id %s", msg->monitor == self->id.value ? "fits" : "differs");
}

THS_BEHAVIOUR(checker, check_on, ths_down)

static void down_carries_the_id_of_its_monitor(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), checker = ths_spawn(node, checker);

    assert_err(ths_tell(node, checker, check_on, .who = a), OK);
    puppet_do(node, a, puppet_stops, NULL);
    assert_noted("id fits\n");
}

static void end_of_the_watcher_is_no_concern_of_the_watched(void **state)
{
    struct couple couple = watched(*state);

    (void)puppet_try(*state, couple.b, puppet_fails, "");
    assert_ends(*state, couple.b, CRASHED);
    puppet_settle(*state, couple.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(stop_ends_normal),
        puppet_test(shutdown_ends_shutdown),
        puppet_test(fail_ends_crashed_with_its_text),
        puppet_test(kill_ends_killed_without_asking),
        puppet_test(kill_comes_ahead_of_the_queue),
        puppet_test(kill_of_an_ended_actor_is_ignored),
        puppet_test(ask_to_stop_ends_shutdown),
        puppet_test(ask_to_stop_keeps_the_order_of_its_pair),
        puppet_test(ask_to_stop_can_be_trapped),
        puppet_test(queue_of_an_ended_actor_becomes_dead_letters),
        puppet_test(handler_that_stops_runs_to_its_end),
        puppet_test(stopping_handler_may_still_send),
        puppet_test(join_of_a_living_actor_times_out),
        puppet_test(reason_is_kept_for_a_later_join),
        puppet_test(wait_answers_an_exit_status),
        puppet_test(crash_takes_the_linked_along),
        puppet_test(link_works_both_ways),
        puppet_test(kill_takes_the_linked_along),
        puppet_test(shutdown_takes_the_linked_along),
        puppet_test(normal_end_spares_the_linked),
        puppet_test(trapped_exit_is_a_message),
        puppet_test(trapping_hears_of_a_normal_end_too),
        puppet_test(linking_twice_is_one_link),
        puppet_test(unlinked_actors_do_not_share_their_end),
        puppet_test(trapping_can_be_ended),
        puppet_test(link_to_an_ended_actor_acts_at_once),
        puppet_test(exit_spreads_through_a_chain_of_links),
        puppet_test(down_says_who_and_why),
        puppet_test(down_of_a_killed_actor),
        puppet_test(down_comes_once),
        puppet_test(each_monitor_has_its_own_down),
        puppet_test(down_comes_after_what_the_dead_one_sent),
        puppet_test(monitor_of_an_ended_actor_answers_at_once),
        puppet_test(monitor_of_a_ref_never_given_out_answers_at_once),
        puppet_test(demonitored_end_is_not_told),
        puppet_test(demonitor_withdraws_a_down_that_is_on_its_way),
        puppet_test(down_carries_the_id_of_its_monitor),
        puppet_test(end_of_the_watcher_is_no_concern_of_the_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
