/* Three nodes of one process over loopback: join, everything that crosses nodes, leave, loss. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <stdio.h>
#include <string.h>

#include "cluster/root.h"

enum { LONG_MS = 120000, NODES = 3 };

static struct ths_node *nodes[NODES];
static const char *const names[NODES] = { "a", "b", "c" };

/* ---- Watching members and groups ---------------------------------------------------------- */

struct lookout { char label[32]; };
THS_MESSAGE(lookout_start, "test.lookout_start", 1, string(label), string(group))

THS_ON(lookout, lookout_start)
{
    (void)snprintf(self->label, sizeof self->label, "%s", msg->label);
    assert_int_equal(*msg->group ? ths_group_watch(ctx, msg->group) : ths_watch_members(ctx), THS_OK);
}

THS_ON(lookout, ths_member)
{
    if (msg->state != THS_MEMBER_JOINING && msg->state != THS_MEMBER_SUSPECT)
        probe_note("%s: %s %s", self->label, msg->name, ths_member_state_text((enum ths_member_state)msg->state));
}

THS_ON(lookout, ths_group_change)
{
    probe_note("%s: %s %s %s", self->label, probe_label(msg->who), msg->joined ? "joined" : "left", msg->group);
}

THS_BEHAVIOUR(lookout, lookout_start, ths_member, ths_group_change)

static ths_ref look_out(struct ths_node *node, const char *label, const char *group)
{
    return ths_spawn(node, lookout, .start = THS_MSG(lookout_start, .label = label, .group = group));
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static struct ths_node *start_node(const char *name, const char *seeds, unsigned suspect_ms)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });
    char why[256];

    assert_non_null(node);
    assert_int_equal(puppet_register(node), THS_OK);
    assert_int_equal(ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0",
                                                                           .seeds = seeds,
                                                                           .roles = name,
                                                                           .heartbeat_ms = 100,
                                                                           .suspect_ms = suspect_ms,
                                                                           .bury_ms = 500 },
                                      why, sizeof why),
                     THS_OK);
    return node;
}

static const char *seed_of(struct ths_node *node)
{
    return ths_cluster_endpoint(node) + strlen("tcp://");
}

/* Nodes a, b and c that all know each other. */
static int set_up(void **state)
{
    ths_ref lookouts[NODES];

    (void)state;
    probe_reset();
    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = start_node(names[i], i > 0 ? seed_of(nodes[0]) : "", 2000);
    for (unsigned i = 0; i < NODES; i++)
        lookouts[i] = look_out(nodes[i], names[i], "");
    assert_noted_in_any_order("a: a up\na: b up\na: c up\nb: a up\nb: b up\nb: c up\nc: a up\nc: b up\nc: c up\n");
    for (unsigned i = 0; i < NODES; i++) {
        ths_kill(nodes[i], lookouts[i]);
        assert_int_equal(ths_join(nodes[i], lookouts[i], LONG_MS, NULL), THS_OK);
    }
    probe_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = NODES; i-- > 0;)
        ths_node_stop(nodes[i], 1000);
    return 0;
}

static void stop(unsigned number)
{
    ths_node_stop(nodes[number], 1000);
    nodes[number] = NULL;
}

/* ---- What puppets do ---------------------------------------------------------------------- */

static void says_hundred_words(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    char text[16];

    (void)self;
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof text, "%u", i);
        (void)ths_tell(ctx, *(const ths_ref *)to, word, .text = text);
    }
}

static void asks(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, question, puppet_heard, LONG_MS, .text = "x");
}

static void asks_a_secret(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, secret, puppet_heard, LONG_MS);
}

static void asks_something_unheard(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, unheard, puppet_heard, LONG_MS);
}

static void monitors(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    (void)ths_monitor(ctx, *(const ths_ref *)to);
}

static void links(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_link(ctx, *(const ths_ref *)to);
}

static void fails(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self;
    (void)arg;
    ths_fail(ctx, "broken");
}

static void looks_up(struct ths_ctx *ctx, struct puppet *self, void *name)
{
    (void)self;
    ths_lookup(ctx, name, puppet_heard, LONG_MS);
}

static void spawns_on_b(struct ths_ctx *ctx, struct puppet *self, void *behaviour)
{
    (void)self;
    ths_spawn_at(ctx, puppet_heard, LONG_MS, "b", behaviour, .start = THS_MSG(puppet_start, .label = "child"));
}

static void joins(struct ths_ctx *ctx, struct puppet *self, void *group)
{
    (void)self;
    assert_int_equal(ths_group_join(ctx, group, 0), THS_OK);
}

static void leaves(struct ths_ctx *ctx, struct puppet *self, void *group)
{
    (void)self;
    assert_int_equal(ths_group_leave(ctx, group), THS_OK);
}

static ths_ref puppet_on(unsigned node, const char *label)
{
    return puppet_spawn(nodes[node], label, (struct ths_spawn_options){ .name = label });
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void tells_across_nodes_arrive_in_order(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");
    char expected[100 * 16] = "";
    size_t len = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        len += (size_t)snprintf(expected + len, sizeof expected - len, "bob: %u\n", i);
    puppet_do(nodes[0], alice, says_hundred_words, &bob);
    assert_noted(expected);
}

static void tell_from_outside_of_actors_crosses_nodes(void **state)
{
    ths_ref bob = puppet_on(1, "bob");

    (void)state;
    assert_int_equal(ths_tell(nodes[0], bob, word, .text = "hello"), THS_OK);
    assert_noted("bob: hello\n");
}

static void ask_across_nodes_is_answered(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    puppet_do(nodes[0], alice, asks, &bob);
    assert_noted("alice: heard OK answer{text=\"x\"}\n");
}

static void ask_of_a_remote_actor_that_ended_is_answered_gone(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    ths_kill(nodes[1], bob);
    assert_int_equal(ths_join(nodes[1], bob, LONG_MS, NULL), THS_OK);
    puppet_do(nodes[0], alice, asks, &bob);
    assert_noted("alice: heard GONE\n");
}

static void ask_that_the_remote_actor_does_not_accept_is_refused(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    puppet_do(nodes[0], alice, asks_something_unheard, &bob);
    assert_noted("alice: heard REFUSED\n");
}

static void ask_of_a_node_that_nobody_knows_is_answered(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), nowhere = { 0x1234, 1, 1 };

    (void)state;
    puppet_do(nodes[0], alice, asks, &nowhere);
    assert_noted("alice: heard UNKNOWN_NODE\n");
}

static void ask_whose_node_leaves_ends(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    puppet_do(nodes[0], alice, asks_a_secret, &bob);
    stop(1);
    probe_wait(1);
    assert_int_equal(probe_count(), 1);
}

static void monitor_of_a_remote_actor_fires_when_it_crashes(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    puppet_do(nodes[0], alice, monitors, &bob);
    puppet_do(nodes[0], alice, asks, &bob); /* behind the monitor: when it is answered, bob is watched */
    assert_noted("alice: heard OK answer{text=\"x\"}\n");
    (void)puppet_try(nodes[1], bob, fails, NULL);
    assert_noted("alice: heard OK answer{text=\"x\"}\nalice: down bob crashed observed \"broken\"\n");
}

static void monitor_of_a_remote_actor_that_is_not_there_answers_at_once(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    ths_kill(nodes[1], bob);
    assert_int_equal(ths_join(nodes[1], bob, LONG_MS, NULL), THS_OK);
    puppet_do(nodes[0], alice, monitors, &bob);
    assert_noted("alice: down bob no_actor observed \"the actor has ended\"\n");
}

static void link_across_nodes_takes_the_other_along(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    puppet_do(nodes[0], alice, links, &bob);
    puppet_do(nodes[0], alice, asks, &bob);
    assert_noted("alice: heard OK answer{text=\"x\"}\n");
    (void)puppet_try(nodes[1], bob, fails, NULL);
    assert_ends(nodes[0], alice, CRASHED);
}

static void name_on_another_node_is_found(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    assert_true(ths_ref_equal(ths_whereis(nodes[0], "bob@b", LONG_MS), bob));
    puppet_do(nodes[0], alice, looks_up, "bob@b");
    assert_noted("alice: heard OK found bob\n");
    puppet_do(nodes[0], alice, looks_up, "nobody@b");
    assert_noted("alice: heard OK found bob\nalice: heard NOT_FOUND\n");
}

/* Workers without work look after the network; b's only one has none to spare now. */
static void network_is_looked_after_while_every_worker_is_busy(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");
    struct probe_gate gate = PROBE_GATE_INIT;

    (void)state;
    puppet_hold(nodes[1], bob, &gate);
    puppet_do(nodes[0], alice, looks_up, "bob@b");
    assert_noted("alice: heard OK found bob\n");
    puppet_do(nodes[0], alice, looks_up, "nobody@b");
    assert_noted("alice: heard OK found bob\nalice: heard NOT_FOUND\n");
    probe_gate_open(&gate);
}

static void registered_behaviour_is_spawned_on_another_node(void **state)
{
    ths_ref alice = puppet_on(0, "alice");

    (void)state;
    puppet_do(nodes[0], alice, spawns_on_b, "puppet");
    probe_wait(1);
    assert_int_equal(probe_count(), 1);
    puppet_do(nodes[0], alice, spawns_on_b, "no such thing");
    probe_wait(2);
}

static void spawns_with_a_thread_on_b(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_spawn_at(ctx, puppet_heard, LONG_MS, "b", "puppet", .name = "loner", .own_thread = true,
                 .start = THS_MSG(puppet_start, .label = "loner"));
}

static void actor_on_another_node_may_have_a_thread_of_its_own(void **state)
{
    struct ths_node_stats stats;
    ths_ref loner;

    (void)state;
    puppet_do(nodes[0], puppet_on(0, "alice"), spawns_with_a_thread_on_b, NULL);
    probe_wait(1);
    loner = ths_whereis(nodes[1], "loner", LONG_MS);
    puppet_settle(nodes[1], loner);
    ths_node_stats(nodes[1], &stats);
    assert_int_equal(stats.blocking_threads, 1);
    ths_node_stats(nodes[0], &stats);
    assert_int_equal(stats.blocking_threads, 0);
}

static void group_spans_nodes_and_is_told_with_one_call(void **state)
{
    ths_ref bob = puppet_on(1, "bob"), carl = puppet_on(2, "carl"), dora = puppet_on(2, "dora");

    (void)state;
    look_out(nodes[0], "a", "workers");
    puppet_do(nodes[1], bob, joins, "workers");
    puppet_do(nodes[2], carl, joins, "workers");
    puppet_do(nodes[2], dora, joins, "workers");
    assert_noted_in_any_order("a: bob joined workers\na: carl joined workers\na: dora joined workers\n");
    probe_reset();
    probe_name(bob, "bob");
    assert_int_equal(ths_group_tell(nodes[0], "workers", word, .text = "all"), 3);
    assert_noted_in_any_order("bob: all\ncarl: all\ndora: all\n");
    assert_int_equal(ths_group_members(nodes[0], "workers", NULL, 0), 3);
    puppet_do(nodes[1], bob, leaves, "workers");
    assert_noted_in_any_order("bob: all\ncarl: all\ndora: all\na: bob left workers\n");
}

static void entries_of_a_lost_node_go_before_its_downs_and_the_member_event(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), carl = puppet_on(2, "carl");

    (void)state;
    puppet_do(nodes[2], carl, joins, "workers");
    look_out(nodes[0], "a", "workers");
    assert_noted("a: carl joined workers\n");
    puppet_do(nodes[0], alice, monitors, &carl);
    puppet_do(nodes[0], alice, asks, &carl);
    probe_wait(2);
    look_out(nodes[0], "members", "");
    probe_wait(5);
    thsi_driver_order(thsi_cluster_of(nodes[2])->driver, THSI_ORDER_DROP);
    assert_noted_in_any_order("a: carl joined workers\nalice: heard OK answer{text=\"x\"}\nmembers: a up\n"
                              "members: b up\nmembers: c up\na: carl left workers\n"
                              "alice: down carl node_lost assumed \"its node was declared dead\"\nmembers: c dead\n");
}

static void node_that_leaves_is_told_to_all_and_its_actors_downs_come_first(void **state)
{
    ths_ref alice = puppet_on(0, "alice"), bob = puppet_on(1, "bob");

    (void)state;
    look_out(nodes[0], "a", "");
    probe_wait(3);
    puppet_do(nodes[0], alice, monitors, &bob);
    puppet_do(nodes[0], alice, asks, &bob);
    probe_wait(4);
    probe_reset();
    probe_name(bob, "bob");
    probe_name(alice, "alice");
    stop(1);
    assert_noted_in_any_order("alice: down bob shutdown observed \"the node stops\"\na: b leaving\na: b left\n");
}

static void node_that_left_lives_on_alone(void **state)
{
    ths_ref bob = puppet_on(1, "bob"), carl = puppet_on(2, "carl");

    (void)state;
    puppet_do(nodes[2], carl, monitors, &bob);
    ths_cluster_leave(nodes[2]);
    assert_noted("carl: down bob node_lost assumed \"its node was declared dead\"\n");
    assert_int_equal(ths_cluster_members(nodes[2], NULL, NULL), 1);
    assert_int_equal(ths_tell(nodes[2], bob, word, .text = "x"), THS_CLOSED);
    ths_cluster_leave(nodes[2]); /* once more does nothing */
    assert_non_null(ths_cluster_endpoint(nodes[2]));
}

static void lost_node_is_seen_by_all_others(void **state)
{
    (void)state;
    look_out(nodes[0], "a", "");
    look_out(nodes[1], "b", "");
    probe_wait(6);
    thsi_driver_order(thsi_cluster_of(nodes[2])->driver, THSI_ORDER_DROP);
    assert_noted_in_any_order("a: a up\na: b up\na: c up\nb: a up\nb: b up\nb: c up\na: c dead\nb: c dead\n");
}

struct count { unsigned up, self; };

static void count_member(void *arg, const struct ths_member_info *member)
{
    struct count *count = arg;

    count->up += member->state == THS_MEMBER_UP;
    count->self += member->self;
}

static void members_are_listed_with_this_node_first(void **state)
{
    struct count count = { 0 };

    (void)state;
    assert_int_equal(ths_cluster_members(nodes[0], count_member, &count), 3);
    assert_int_equal(count.up, 3);
    assert_int_equal(count.self, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(members_are_listed_with_this_node_first),
        TEST(tells_across_nodes_arrive_in_order),
        TEST(tell_from_outside_of_actors_crosses_nodes),
        TEST(ask_across_nodes_is_answered),
        TEST(ask_of_a_remote_actor_that_ended_is_answered_gone),
        TEST(ask_that_the_remote_actor_does_not_accept_is_refused),
        TEST(ask_of_a_node_that_nobody_knows_is_answered),
        TEST(ask_whose_node_leaves_ends),
        TEST(monitor_of_a_remote_actor_fires_when_it_crashes),
        TEST(monitor_of_a_remote_actor_that_is_not_there_answers_at_once),
        TEST(link_across_nodes_takes_the_other_along),
        TEST(name_on_another_node_is_found),
        TEST(network_is_looked_after_while_every_worker_is_busy),
        TEST(registered_behaviour_is_spawned_on_another_node),
        TEST(actor_on_another_node_may_have_a_thread_of_its_own),
        TEST(group_spans_nodes_and_is_told_with_one_call),
        TEST(entries_of_a_lost_node_go_before_its_downs_and_the_member_event),
        TEST(node_that_leaves_is_told_to_all_and_its_actors_downs_come_first),
        TEST(node_that_left_lives_on_alone),
        TEST(lost_node_is_seen_by_all_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
