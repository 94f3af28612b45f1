/* Two nodes that reach each other only through proxies, which the test cuts: the link is lost and made again, the nodes
 * live on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "tests/lib/os_env.h"
#include "tests/lib/proxy.h"
#include "tests/lib/puppet.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 120000, AGAIN_MS = 500, CUTS = 10 };

static unsigned patience_ms = 20000;

static struct ths_node *a, *b;
static struct proxy *to_a, *to_b;
static ths_ref alice, bob;

static struct ths_node *start_node(const char *name, struct proxy *proxy, const char *seeds)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });
    char advertise[64];

    assert_non_null(node);
    (void)snprintf(advertise, sizeof advertise, "127.0.0.1:%u", proxy_port(proxy));
    assert_int_equal(ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0",
                                                                           .advertise = advertise,
                                                                           .seeds = seeds,
                                                                           .heartbeat_ms = 50,
                                                                           .suspect_ms = patience_ms,
                                                                           .bury_ms = patience_ms },
                                      NULL, 0),
                     THS_OK);
    proxy_lead_to(proxy, (unsigned)atoi(strrchr(ths_cluster_endpoint(node), ':') + 1));
    return node;
}

/* A question may be on a link that is cut, so it is asked again. */
static void finds(struct ths_node *node, const char *name, ths_ref whom)
{
    for (unsigned i = 0; i < LONG_MS / AGAIN_MS; i++)
        if (ths_ref_equal(ths_whereis(node, name, AGAIN_MS), whom))
            return;
    fail_msg("%s is not found any more", name);
}

static void whole_way_works(void)
{
    finds(a, "bob@b", bob);
    finds(b, "alice@a", alice);
}

static int set_up(void **state)
{
    char seeds[64];

    (void)state;
    probe_reset();
    to_a = proxy_start();
    to_b = proxy_start();
    a = start_node("a", to_a, "");
    (void)snprintf(seeds, sizeof seeds, "127.0.0.1:%u", proxy_port(to_a));
    b = start_node("b", to_b, seeds);
    alice = puppet_spawn(a, "alice", (struct ths_spawn_options){ .name = "alice", .mailbox = 100000 });
    bob = puppet_spawn(b, "bob", (struct ths_spawn_options){ .name = "bob", .mailbox = 100000 });
    whole_way_works();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ths_node_stop(b, 1000);
    ths_node_stop(a, 1000);
    proxy_stop(to_a);
    proxy_stop(to_b);
    return 0;
}

static void cut(void)
{
    (void)proxy_cut(to_a);
    (void)proxy_cut(to_b);
}

static void monitors(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    (void)ths_monitor(ctx, *(const ths_ref *)to);
}

static void fails(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self;
    (void)arg;
    ths_fail(ctx, "broken");
}

/* Hears numbers, which must rise. */
struct listener { uint64_t last; };
THS_MESSAGE(number, "test.number", 1, u64(n), boolean(is_last))

THS_ON(listener, number)
{
    if (msg->n <= self->last)
        probe_note("%u after %u", (unsigned)msg->n, (unsigned)self->last);
    if (msg->is_last)
        probe_note("the last, %u", (unsigned)msg->n);
    self->last = msg->n;
}

THS_BEHAVIOUR(listener, number)

static void says_thousand_numbers(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    for (unsigned i = 0; i < 1000; i++)
        (void)ths_tell(ctx, *(const ths_ref *)to, number, .n = ++self->counter, .is_last = false);
}

static void says_the_last_number(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)ths_tell(ctx, *(const ths_ref *)to, number, .n = ++self->counter, .is_last = true);
}

static void monitors_survive_lost_links_and_fire_once(void **state)
{
    (void)state;
    puppet_do(a, alice, monitors, &bob);
    for (unsigned i = 0; i < CUTS; i++) {
        cut();
        whole_way_works();
    }
    assert_int_equal(probe_count(), 0);
    cut();
    (void)puppet_try(b, bob, fails, NULL);
    assert_noted("alice: down bob crashed observed \"broken\"\n");
}

/* Monitors of many actors that are set, and of which half fire, while the link is cut again and again. */
static void control_signals_arrive_exactly_once_whatever_is_cut(void **state)
{
    enum { WATCHED = 50 };
    static char expected[WATCHED * 64];
    ths_ref watched[WATCHED];
    char label[16];
    size_t len = 0;

    (void)state;
    for (unsigned i = 0; i < WATCHED; i++) {
        (void)snprintf(label, sizeof label, "w%u", i);
        watched[i] = puppet_spawn(b, label, (struct ths_spawn_options){ 0 });
    }
    for (unsigned i = 0; i < WATCHED; i++) {
        if (i % 5 == 2)
            cut();
        puppet_do(a, alice, monitors, &watched[i]);
    }
    whole_way_works();
    for (unsigned i = 0; i < WATCHED; i++) {
        if (i % 5 == 4)
            cut();
        (void)puppet_try(b, watched[i], fails, NULL);
        len += (size_t)snprintf(expected + len, sizeof expected - len, "alice: down w%u crashed observed \"broken\"\n",
                                i);
    }
    probe_wait(WATCHED);
    assert_noted_in_any_order(expected);
}

static void tells_are_lost_but_never_doubled_or_out_of_order(void **state)
{
    ths_ref ears = ths_spawn(b, listener, .mailbox = 100000);

    (void)state;
    for (unsigned i = 0; i < CUTS; i++) {
        puppet_do(a, alice, says_thousand_numbers, &ears);
        cut();
        puppet_do(a, alice, says_thousand_numbers, &ears);
        whole_way_works();
    }
    puppet_do(a, alice, says_the_last_number, &ears);
    assert_noted("the last, 20001\n");
}

/* ---- Both bury each other ----------------------------------------------------------------- */

static int set_up_impatient(void **state)
{
    patience_ms = 500;
    return set_up(state);
}

static int tear_down_impatient(void **state)
{
    patience_ms = 20000;
    return tear_down(state);
}

static unsigned port_of(struct ths_node *node)
{
    return (unsigned)atoi(strrchr(ths_cluster_endpoint(node), ':') + 1);
}

static bool has_left(struct ths_node *node)
{
    return thsi_driver_phase_now(thsi_cluster_of(node)->driver) == THSI_DRIVER_LEFT;
}

/* Only b has a seed, so it alone dials; which of the two has to yield depends on their uids, which are drawn. */
static void of_two_nodes_that_buried_each_other_one_stays(void **state)
{
    uint64_t until_ms = os_now_ms() + LONG_MS;

    (void)state;
    proxy_lead_to(to_a, 1); /* where nobody listens */
    proxy_lead_to(to_b, 1);
    cut();
    while (ths_cluster_members(a, NULL, NULL) + ths_cluster_members(b, NULL, NULL) > 2 && os_now_ms() < until_ms)
        (void)sched_yield();
    proxy_lead_to(to_a, port_of(a));
    proxy_lead_to(to_b, port_of(b));
    while (!has_left(a) && !has_left(b) && os_now_ms() < until_ms)
        (void)sched_yield();
    assert_true(has_left(a) != has_left(b));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(monitors_survive_lost_links_and_fire_once),
        TEST(control_signals_arrive_exactly_once_whatever_is_cut),
        TEST(tells_are_lost_but_never_doubled_or_out_of_order),
#define BURIED(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, tear_down_impatient)
        BURIED(of_two_nodes_that_buried_each_other_one_stays),
        BURIED(of_two_nodes_that_buried_each_other_one_stays),
        BURIED(of_two_nodes_that_buried_each_other_one_stays),
        BURIED(of_two_nodes_that_buried_each_other_one_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
