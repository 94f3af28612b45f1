/* Live nodes with node keys: what each of two refuses the other, over real sockets and the real clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "tests/lib/kept_log.h"
#include "tests/lib/node_keys.h"
#include "tests/lib/os_env.h"
#include "tests/lib/puppet.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { LONG_MS = 60000 };

#define PLAIN ((struct ths_spawn_options){ 0 })

static struct ths_env *logging;
static struct ths_node *nodes[3]; /* [1] and [2] */
static char why[512];

static void await_members(struct ths_node *node, size_t count)
{
    uint64_t until_ms = os_now_ms() + LONG_MS;

    while (ths_cluster_members(node, NULL, NULL) != count) {
        if (os_now_ms() > until_ms)
            fail_msg("there never were %zu members:\n%s", count, kept_log_text());
        (void)sched_yield();
    }
}

static int set_up(void **state)
{
    (void)state;
    probe_reset();
    node_keys_begin();
    logging = kept_log_begin();
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2\n");
    node_keys_write("allow.2", "thiasos-allow 1\n%1\n%2\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 2; i > 0; i--) {
        if (nodes[i])
            ths_node_stop(nodes[i], 1000);
        nodes[i] = NULL;
    }
    node_keys_end();
    return 0;
}

/* Start node "n1" or "n2", which has the first for its seed. */
static void start(unsigned number, bool with_key, const char *roles)
{
    struct ths_cluster_options options = { .bind = "tcp://127.0.0.1:0", .roles = roles };
    char name[8], list[16], seeds[80];

    (void)snprintf(name, sizeof name, "n%u", number);
    (void)snprintf(list, sizeof list, "allow.%u", number);
    nodes[number] = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1, .env = logging });
    assert_non_null(nodes[number]);
    assert_err(puppet_register(nodes[number]), OK);
    if (with_key)
        node_keys_options(number, list, &options);
    if (number == 2) {
        (void)snprintf(seeds, sizeof seeds, "%s", ths_cluster_endpoint(nodes[1]) + strlen("tcp://"));
        options.seeds = seeds;
    }
    if (ths_cluster_join(nodes[number], &options, why, sizeof why) != THS_OK)
        fail_msg("%s does not join: %s", name, why);
}

static void start_both(void)
{
    start(1, true, "");
    start(2, true, "");
}

static void together(void)
{
    await_members(nodes[1], 2);
    await_members(nodes[2], 2);
}

/* ---- Admission ---------------------------------------------------------------------------- */

static void stranger_is_refused(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n");
    start_both();
    await_line("n1: refused n2 at ");
    await_line("refuses this one: the other node does not admit this node's key or certificate: its node key is not on the");
    assert_int_equal(ths_cluster_members(nodes[1], NULL, NULL), 1);
    assert_int_equal(ths_cluster_members(nodes[2], NULL, NULL), 1);
}

static void node_without_a_key_is_refused(void **state)
{
    (void)state;
    start(1, true, "");
    start(2, false, "");
    await_line("it has no node key, which all nodes of this cluster need");
    await_line("refuses this one: it has a node key, and this one has none");
    assert_int_equal(ths_cluster_members(nodes[1], NULL, NULL), 1);
}

static void claimed_role_is_refused(void **state)
{
    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 roles=web\n");
    start(1, true, "");
    start(2, true, "db");
    await_line("it claims a role that the allow list does not give its node key");
    assert_int_equal(ths_cluster_members(nodes[1], NULL, NULL), 1);
}

static void expiring_certificate_ends_the_link(void **state)
{
    uint64_t wall_ms = ths_env_os()->wall_ms(ths_env_os());

    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%a\n");
    node_keys_sign(2, (struct thsi_certificate){ .serial = 1, .names = "n2", .rights = THSI_RIGHTS_ALL,
                                                 .not_before_ms = wall_ms - 60000, .not_after_ms = wall_ms + 4000 });
    start_both();
    await_line("n1: closed the link with n2: its certificate has expired");
    await_line("n2: n1 closes the link with this node: its certificate has expired");
    await_members(nodes[1], 1);
}

static void expired_certificate_does_not_start(void **state)
{
    struct ths_cluster_options options = { .bind = "tcp://127.0.0.1:0" };

    (void)state;
    node_keys_sign(1, (struct thsi_certificate){ .serial = 1, .names = "n1", .rights = THSI_RIGHTS_ALL,
                                                 .not_before_ms = 1000, .not_after_ms = 2000 });
    node_keys_options(1, "allow.1", &options);
    nodes[1] = ths_node_start(&(struct ths_node_options){ .name = "n1", .workers = 1, .env = logging });
    assert_err(ths_cluster_join(nodes[1], &options, why, sizeof why), BAD_KEY);
    assert_non_null(strstr(why, "it has expired"));
}

static void revoked_key_ends_the_link(void **state)
{
    char text[128];

    (void)state;
    node_keys_write("revoked", "thiasos-revoked 1\n");
    start_both();
    together();
    (void)snprintf(text, sizeof text, "thiasos-revoked 1\nkey %s\n", node_keys_public(2));
    node_keys_write("revoked", text);
    assert_err(ths_cluster_reload_keys(nodes[1], why, sizeof why), OK);
    await_line("n1: closed the link with n2: its node key is revoked");
    await_line("n2: n1 closes the link with this node: its node key is revoked");
    await_members(nodes[1], 1);
}

static void reload_without_a_node_key_is_refused(void **state)
{
    (void)state;
    start(1, false, "");
    assert_err(ths_cluster_reload_keys(nodes[1], why, sizeof why), INVALID);
}

/* ---- Rights ------------------------------------------------------------------------------- */

static void tries_all(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const struct ths_stop_options options = { 0 };
    ths_ref there = *(ths_ref *)arg;

    (void)self;
    ths_tell(ctx, there, word, .text = "told");
    thsp_ask(ctx, there, &question_type, &(struct question){ .text = "?" }, &puppet_heard, LONG_MS);
    ths_lookup(ctx, "there@n1", puppet_heard, LONG_MS);
    ths_spawn_at(ctx, puppet_heard, LONG_MS, "n1", "puppet", .start = THS_MSG(puppet_start, .label = "spawned"));
    (void)ths_monitor(ctx, there);
    ths_link(ctx, there);
    ths_kill(ctx, there);
    ths_ask_to_stop(ctx, there);
    ths_drain(ctx, there);
    thsp_stop_then(ctx, there, &puppet_heard, LONG_MS, &options);
}

static void each_verb_without_its_right_is_refused(void **state)
{
    struct ths_node_stats stats;
    ths_ref there, here;
    uint64_t until_ms;

    (void)state;
    node_keys_write("allow.1", "thiasos-allow 1\n%1\n%2 rights=none\n");
    start_both();
    together();
    there = puppet_spawn(nodes[1], "there", (struct ths_spawn_options){ .name = "there" });
    here = puppet_spawn(nodes[2], "here", (struct ths_spawn_options){ .trap_exits = true });
    puppet_do(nodes[2], here, tries_all, &there);
    assert_noted_in_any_order("here: heard FORBIDDEN\nhere: heard FORBIDDEN\nhere: heard FORBIDDEN\nhere: heard FORBIDDEN\n"
                              "here: down there refused assumed \"no right to monitor on this node\"\n"
                              "here: exited there refused \"no right to monitor on this node\"\n");
    puppet_settle(nodes[1], there); /* it lives, and was told nothing */
    until_ms = os_now_ms() + LONG_MS;
    do {
        ths_node_stats(nodes[2], &stats);
        assert_true(os_now_ms() < until_ms);
    } while (stats.dead_letters[THS_FORBIDDEN] < 4); /* tell, kill, exit, drain */
    assert_int_equal(stats.dead_letters[THS_FORBIDDEN], 4);
    assert_int_equal(atomic_load(&thsi_cluster_of(nodes[1])->driver->remote->forbidden), 10);
    await_line("n1: refused what n2 sent: it has no right to ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(stranger_is_refused),
        TEST(node_without_a_key_is_refused),
        TEST(claimed_role_is_refused),
        TEST(expiring_certificate_ends_the_link),
        TEST(expired_certificate_does_not_start),
        TEST(revoked_key_ends_the_link),
        TEST(reload_without_a_node_key_is_refused),
        TEST(each_verb_without_its_right_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
