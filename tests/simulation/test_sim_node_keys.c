/* Nodes with node keys on virtual time: who is admitted, what each may do on the other, and what happens when a
 * certificate expires or a list changes. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/node_keys.h"
#include "tests/lib/stage.h"

#include <stdio.h>
#include <string.h>

#define PLAIN ((struct ths_spawn_options){ 0 })
#define EPOCH_MS UINT64_C(1767225600000) /* when all stories begin */

static const char *roles_of[NODE_KEYS_MAX + 1];
static unsigned without_key; /* this node has none */

static const char *roles(unsigned node)
{
    return roles_of[node];
}

/* Each has its own allow list: "allow.1", "allow.2". */
static void joins(unsigned node, struct ths_cluster_options *options)
{
    char list[16];

    (void)snprintf(list, sizeof list, "allow.%u", node);
    if (node != without_key)
        node_keys_options(node, list, options);
}

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    assert_err(puppet_register(node), OK);
}

static int set_up(void **state)
{
    (void)state;
    probe_reset();
    node_keys_begin();
    memset(roles_of, 0, sizeof roles_of);
    without_key = 0;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2\n");
    node_keys_write("allow.2", "thiasos-allow 1\n%1\n%2\n");
    return 0;
}

static int tear_down(void **state)
{
    ths_sim_destroy(stage);
    stage = NULL;
    node_keys_end();
    (void)state;
    return 0;
}

static void start(void)
{
    stage = ths_sim_create(.seed = 1, .nodes = 2, .roles = roles, .joins = joins, .setup = boot);
    assert_non_null(stage);
    stage_run(5000);
}

static struct ths_node *n(unsigned number)
{
    return ths_sim_node(stage, number);
}

static size_t members_of(unsigned number)
{
    return ths_cluster_members(n(number), NULL, NULL);
}

static void assert_told(const char *line)
{
    if (!strstr(ths_sim_story(stage), line))
        fail_msg("nobody said \"%s\":\n%s", line, ths_sim_story(stage));
}

static void assert_strangers(void)
{
    assert_int_equal(members_of(1), 1);
    assert_int_equal(members_of(2), 1);
}

static void assert_together(void)
{
    assert_int_equal(members_of(1), 2);
    assert_int_equal(members_of(2), 2);
}

/* ---- Admission ---------------------------------------------------------------------------- */

static void nodes_that_list_each_other_meet(void **state)
{
    (void)state;
    start();
    assert_together();
    assert_err(ths_tell(n(2), puppet_spawn(n(1), "a", PLAIN), word, .text = "hi"), OK);
    stage_settle();
    assert_noted("a: hi\n");
}

static void node_that_is_not_listed_is_refused_and_both_say_why(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n");
    start();
    assert_strangers();
    assert_told(" n1 link: refused n2 at 127.0.0.2:7400: its node key is not on the allow list, and it shows no certificate");
    assert_told(" n2 link: the node at 127.0.0.1 refuses this one: the other node does not admit this node's key or "
                "certificate: its node key is not on the allow list, and it shows no certificate");
}

static void node_with_a_key_and_node_without_refuse_each_other_and_both_say_why(void **state)
{
    (void)state;
    without_key = 2;
    start();
    assert_strangers();
    assert_told(" n1 link: closed the link with 127.0.0.2:");
    assert_told("it has no node key, which all nodes of this cluster need");
    assert_told("refuses this one: it has a node key, and this one has none");
    assert_told(" n2 link: closed the link with 127.0.0.1:");
    assert_told("refuses this one: it has no node key, and this one has; give");
}

static void role_that_the_list_does_not_give_is_refused(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 roles=web\n");
    roles_of[2] = "web,db";
    start();
    assert_strangers();
    assert_told("refused n2 at 127.0.0.2:7400: it claims a role that the allow list does not give its node key");
}

static void name_of_another_key_is_refused(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 name=n3\n");
    start();
    assert_strangers();
    assert_told("refused n2 at 127.0.0.2:7400: its node key belongs to another name on the allow list");
}

static struct thsi_certificate certificate_until(uint64_t ms)
{
    return (struct thsi_certificate){ .serial = 7, .names = "n2", .roles = "web", .rights = THSI_RIGHTS_ALL,
                                      .not_before_ms = EPOCH_MS - 1000, .not_after_ms = EPOCH_MS + ms };
}

static void certificate_of_a_listed_authority_admits(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%a\n");
    node_keys_sign(2, certificate_until(3600000));
    roles_of[2] = "web";
    start();
    assert_together();
}

/* ---- Time, and lists that change ------------------------------------------------------------ */

static void expired_certificate_closes_the_link_and_both_say_why(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%a\n");
    node_keys_sign(2, certificate_until(20000));
    start();
    assert_together();
    stage_run(13000);
    assert_together();
    stage_run(3000);
    assert_told(" n1 link: closed the link with n2: its certificate has expired");
    assert_told(" n2 link: n1 closes the link with this node: its certificate has expired");
    assert_told(" n1 link: refused n2 at 127.0.0.2:7400: its certificate has expired"); /* nor does it come back */
    stage_run(10000);
    assert_strangers();
}

static void certificate_that_was_renewed_in_time_leaves_the_node_a_member(void **state)
{
    char why[512];

    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%a\n");
    node_keys_sign(2, certificate_until(20000));
    start();
    node_keys_sign(2, certificate_until(3600000));
    assert_err(ths_cluster_reload_keys(n(2), why, sizeof why), OK);
    stage_run(60000);
    assert_together();
    assert_null(strstr(ths_sim_story(stage), "is dead"));
}

static void revoked_key_ends_the_link_at_the_next_reading(void **state)
{
    char why[512];

    (void)state;
    node_keys_write("revoked", "thiasos-revoked 1\n");
    start();
    assert_together();
    (void)snprintf(why, sizeof why, "thiasos-revoked 1\nkey %s\n", node_keys_public(2));
    node_keys_write("revoked", why);
    assert_err(ths_cluster_reload_keys(n(1), why, sizeof why), OK);
    stage_run(1000);
    assert_told(" n1 link: closed the link with n2: its node key is revoked");
    assert_told(" n2 link: n1 closes the link with this node: its node key is revoked");
    stage_run(10000);
    assert_int_equal(members_of(1), 1);
}

static void list_that_cannot_be_read_changes_nothing(void **state)
{
    char why[512];

    (void)state;
    start();
    node_keys_write("allow.1", "thiasos-allow 1\nnode 12\n");
    assert_err(ths_cluster_reload_keys(n(1), why, sizeof why), BAD_KEY);
    assert_non_null(strstr(why, "line 2"));
    stage_run(10000);
    assert_together();
}

/* ---- Rights ------------------------------------------------------------------------------- */

static void asks(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    thsp_ask(ctx, *(ths_ref *)whom, &question_type, &(struct question){ .text = "?" }, &puppet_heard, 5000);
}

static void looks_up(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_lookup(ctx, "there@n1", puppet_heard, 5000);
}

static void spawns(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_spawn_at(ctx, puppet_heard, 5000, "n1", "puppet", .start = THS_MSG(puppet_start, .label = "spawned"));
}

static void tells(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    ths_tell(ctx, *(ths_ref *)whom, word, .text = "told");
}

static void kills(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    ths_kill(ctx, *(ths_ref *)whom);
}

static void asks_to_stop(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    ths_ask_to_stop(ctx, *(ths_ref *)whom);
}

static void stops_then(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    const struct ths_stop_options options = { 0 };

    (void)self;
    thsp_stop_then(ctx, *(ths_ref *)whom, &puppet_heard, 5000, &options);
}

static void drains(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    ths_drain(ctx, *(ths_ref *)whom);
}

static uint64_t forbidden_letters(unsigned number)
{
    struct ths_node_stats stats;

    ths_node_stats(n(number), &stats);
    return stats.dead_letters[THS_FORBIDDEN];
}

/* Have a puppet on n2 do it to one on n1, "there"; what becomes of it is noted. Returns the puppet on n1. */
static ths_ref try_it(puppet_act *act)
{
    ths_ref there = puppet_spawn(n(1), "there", (struct ths_spawn_options){ .name = "there" });
    ths_ref here = puppet_spawn(n(2), "here", (struct ths_spawn_options){ .trap_exits = true });

    puppet_do(n(2), here, act, &there);
    stage_run(1000);
    return there;
}

static void without_rights(void)
{
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 rights=none\n");
    start();
    assert_together();
}

static void assert_forbidden(puppet_act *act, const char *noted, uint64_t letters)
{
    ths_ref there;

    without_rights();
    there = try_it(act);
    assert_noted(noted);
    assert_int_equal(forbidden_letters(2), letters);
    assert_told(" n1 rights: refused what n2 sent: it has no right to ");
    puppet_settle(n(1), there); /* it lives */
}

static void tell_without_the_right_is_reported_to_its_sender(void **state)
{
    (void)state;
    assert_forbidden(tells, "", 1);
}

static void tells_three_times(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    for (unsigned i = 0; i < 3; i++)
        tells(ctx, self, whom);
}

/* The second and third name no pair any more. */
static void tells_of_one_frame_without_the_right_are_all_refused_and_the_link_stays(void **state)
{
    (void)state;
    assert_forbidden(tells_three_times, "", 3);
    assert_together();
    assert_null(strstr(ths_sim_story(stage), "closed the link"));
}

static void ask_without_the_right_is_answered(void **state)
{
    (void)state;
    assert_forbidden(asks, "here: heard FORBIDDEN\n", 0);
}

static void lookup_without_any_right_is_answered(void **state)
{
    (void)state;
    assert_forbidden(looks_up, "here: heard FORBIDDEN\n", 0);
}

static void spawn_without_the_right_is_answered_and_starts_nothing(void **state)
{
    (void)state;
    assert_forbidden(spawns, "here: heard FORBIDDEN\n", 0);
}

static void monitor_without_the_right_is_down_at_once(void **state)
{
    (void)state;
    assert_forbidden(puppet_monitors, "here: down there refused assumed \"no right to monitor on this node\"\n", 0);
}

static void link_without_the_right_is_an_exit_at_once(void **state)
{
    (void)state;
    assert_forbidden(puppet_links, "here: exited there refused \"no right to monitor on this node\"\n", 0);
}

static void kill_without_the_right_is_reported_to_its_sender(void **state)
{
    (void)state;
    assert_forbidden(kills, "", 1);
}

static void exit_without_the_right_is_reported_to_its_sender(void **state)
{
    (void)state;
    assert_forbidden(asks_to_stop, "", 1);
}

static void stop_without_the_right_is_answered(void **state)
{
    (void)state;
    assert_forbidden(stops_then, "here: heard FORBIDDEN\n", 0);
}

static void drain_without_the_right_is_reported_to_its_sender(void **state)
{
    (void)state;
    assert_forbidden(drains, "", 1);
}

static void one_right_is_not_another(void **state)
{
    ths_ref there;

    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 rights=ask,monitor\n");
    start();
    there = try_it(asks);
    assert_noted("here: heard OK answer{text=\"?\"}\n");
    puppet_do(n(2), puppet_spawn(n(2), "second", PLAIN), tells, &there);
    puppet_do(n(2), puppet_spawn(n(2), "third", PLAIN), puppet_monitors, &there);
    puppet_do(n(2), puppet_spawn(n(2), "fourth", PLAIN), kills, &there);
    stage_run(1000);
    assert_int_equal(forbidden_letters(2), 2);
    ths_kill(n(1), there);
    stage_run(1000);
    assert_noted("here: heard OK answer{text=\"?\"}\nthird: down there killed observed \"\"\n");
}

static void rights_of_one_node_do_not_bind_the_other(void **state)
{
    ths_ref there;

    (void)state;
    without_rights(); /* of n2 on n1; n1 has all of them on n2 */
    there = puppet_spawn(n(2), "there", PLAIN);
    puppet_do(n(1), puppet_spawn(n(1), "asker", PLAIN), asks, &there);
    stage_run(1000);
    assert_noted("asker: heard OK answer{text=\"?\"}\n"); /* and its answer needs none */
}

static void rights_that_a_list_takes_back_are_gone_at_the_next_reading(void **state)
{
    ths_ref there;
    char why[512];

    (void)state;
    start();
    there = try_it(tells);
    assert_noted("there: told\n");
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 rights=monitor\n");
    assert_err(ths_cluster_reload_keys(n(1), why, sizeof why), OK);
    stage_run(1000);
    puppet_do(n(2), puppet_spawn(n(2), "second", PLAIN), tells, &there);
    stage_run(1000);
    assert_int_equal(forbidden_letters(2), 1);
    assert_together();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nodes_that_list_each_other_meet),
        TEST(node_that_is_not_listed_is_refused_and_both_say_why),
        TEST(node_with_a_key_and_node_without_refuse_each_other_and_both_say_why),
        TEST(role_that_the_list_does_not_give_is_refused),
        TEST(name_of_another_key_is_refused),
        TEST(certificate_of_a_listed_authority_admits),
        TEST(expired_certificate_closes_the_link_and_both_say_why),
        TEST(certificate_that_was_renewed_in_time_leaves_the_node_a_member),
        TEST(revoked_key_ends_the_link_at_the_next_reading),
        TEST(list_that_cannot_be_read_changes_nothing),
        TEST(tell_without_the_right_is_reported_to_its_sender),
        TEST(tells_of_one_frame_without_the_right_are_all_refused_and_the_link_stays),
        TEST(ask_without_the_right_is_answered),
        TEST(lookup_without_any_right_is_answered),
        TEST(spawn_without_the_right_is_answered_and_starts_nothing),
        TEST(monitor_without_the_right_is_down_at_once),
        TEST(link_without_the_right_is_an_exit_at_once),
        TEST(kill_without_the_right_is_reported_to_its_sender),
        TEST(exit_without_the_right_is_reported_to_its_sender),
        TEST(stop_without_the_right_is_answered),
        TEST(drain_without_the_right_is_reported_to_its_sender),
        TEST(one_right_is_not_another),
        TEST(rights_of_one_node_do_not_bind_the_other),
        TEST(rights_that_a_list_takes_back_are_gone_at_the_next_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
