/* A cluster changes its key under load, in the simulator: in orders and at moments that are drawn from seeds, with keys of
 * sessions that are replaced all the time. Every message is counted, and no key seals twice with one nonce. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cluster/root.h"
#include "tests/lib/aead_recorder.h"
#include "tests/lib/sanitized.h"
#include "tests/lib/traffic.h"
#include "thiasos/sim.h"

enum { NODES = 3, SEEDS = SANITIZED ? 3 : 12, STAGES = 3, LONG_MS = 60000 };

static struct ths_sim *sim;
static struct ths_node *nodes[NODES];
static struct thsi_keyring keys[NODES];

static const struct thsi_cluster_key new_key = { .secret = { 7, 7, 7 } };

static struct thsi_driver *driver_of(unsigned node)
{
    return thsi_cluster_of(nodes[node])->driver;
}

static void begin(uint64_t seed)
{
    aead_recorder_reset();
    traffic_reset();
    sim = ths_sim_create(.seed = seed, .nodes = NODES);
    assert_non_null(sim);
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] = ths_sim_node(sim, i + 1);
        thsi_keyring_none(&keys[i]);
        /* Before the first link: so keys are replaced by volume and by age, many times a second. */
        driver_of(i)->rekey = (struct thsi_session_limits){ .bytes = 2000, .age_ns = 50000000 };
    }
    traffic_begin(nodes, NODES);
    ths_sim_run_ms(sim, 3000);
    assert_true(traffic_heard() > 0);
}

static void end(void)
{
    ths_sim_destroy(sim);
    sim = NULL;
    assert_true(aead_recorder_seals() > 0);
    assert_int_equal(aead_recorder_repeats(), 0);
}

static void change(unsigned node)
{
    assert_true(thsi_driver_change_keys(driver_of(node), &keys[node], LONG_MS * UINT64_C(1000000)));
}

/* What an operator does next on @node: install, promote, remove. */
static void advance(unsigned node, unsigned stage)
{
    if (stage == 0)
        assert_int_equal(thsi_keyring_install(&keys[node], &new_key), THS_OK);
    else if (stage == 1)
        thsi_keyring_promote(&keys[node], 1);
    else
        assert_int_equal(thsi_keyring_remove(&keys[node], 1), THS_OK);
    change(node);
}

/* One stage on all nodes, in an order and with pauses of the seed's choice. */
static void advance_all(unsigned stage)
{
    unsigned first = (unsigned)ths_sim_random(sim, NODES), step = 1 + (unsigned)ths_sim_random(sim, 2);

    for (unsigned i = 0; i < NODES; i++) {
        ths_sim_run_ms(sim, ths_sim_random(sim, 40));
        advance((first + i * step) % NODES, stage);
    }
}

static bool all_settled(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < NODES; i++)
        if (atomic_load(&driver_of(i)->keys_moving) != 0)
            return false;
    return true;
}

static bool all_arrived(void *arg)
{
    (void)arg;
    return traffic_has_arrived();
}

static uint64_t links_closed(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < NODES; i++)
        for (unsigned err = 0; err < 32; err++)
            sum += atomic_load(&driver_of(i)->closed_for[err]);
    return sum;
}

static void assert_all_arrives(void)
{
    atomic_store(&traffic.paused, true);
    assert_true(ths_sim_run_until(sim, LONG_MS, all_arrived, NULL));
    assert_int_equal(atomic_load(&traffic.wrong), 0);
}

static void key_changes_under_load_and_each_message_comes_once_and_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t closed, before;

        begin(seed);
        closed = links_closed();
        for (unsigned stage = 0; stage < STAGES; stage++)
            advance_all(stage);
        assert_true(ths_sim_run_until(sim, LONG_MS, all_settled, NULL));
        before = traffic_heard();
        ths_sim_run_ms(sim, 500);
        assert_true(traffic_heard() > before);
        assert_all_arrives();
        assert_int_equal(links_closed(), closed); /* all of it over the links there were */
        end();
    }
}

/* Replaced keys and changed ones, at the same time, on links that are cut and made anew. */
static void no_nonce_is_used_twice_while_links_are_lost_as_well(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(1000 + seed);
        for (unsigned stage = 0; stage < STAGES; stage++) {
            unsigned victim = 1 + (unsigned)ths_sim_random(sim, NODES);

            advance_all(stage);
            ths_sim_crash(sim, victim);
            ths_sim_run_ms(sim, 100);
            ths_sim_restart(sim, victim);
            nodes[victim - 1] = ths_sim_node(sim, victim);
            change(victim - 1); /* it began without a key */
            ths_sim_run_ms(sim, 2000);
        }
        end();
    }
}

static bool links_of_third_are_closed(void *arg)
{
    (void)arg;
    return atomic_load(&driver_of(0)->closed_for[THS_BAD_KEY]) > 0 && atomic_load(&driver_of(1)->closed_for[THS_BAD_KEY]) > 0;
}

static void node_that_missed_the_change_is_left_out_after_the_grace(void **state)
{
    uint64_t closed;

    (void)state;
    begin(77);
    closed = links_closed();
    for (unsigned stage = 0; stage < STAGES; stage++)
        for (unsigned node = 0; node < 2; node++)
            advance(node, stage);
    ths_sim_run_ms(sim, THSI_HANDOVER_GRACE_NS / 1000000 - 1000);
    assert_int_equal(links_closed(), closed); /* until then its administrator may still come */
    assert_true(ths_sim_run_until(sim, LONG_MS, links_of_third_are_closed, NULL));
    assert_non_null(strstr(ths_sim_story(sim), "no cluster key is left that both nodes hold"));
    ths_sim_run_ms(sim, LONG_MS);
    assert_non_null(strstr(ths_sim_story(sim), "it holds another cluster key"));
    assert_int_equal(atomic_load(&driver_of(0)->keys_moving) + atomic_load(&driver_of(1)->keys_moving), 0);
    end();
}

/* The recorder itself: it must not be blind. */
static void recorder_sees_a_pair_that_is_used_twice(void **state)
{
    const struct thsi_session_limits limits = THSI_SESSION_LIMITS_DEFAULT;
    const struct thsi_noise_keys same = { .send = { 1 } };
    struct thsi_session one, two;
    uint8_t frame[THSI_SEALED_OVERHEAD];

    (void)state;
    aead_recorder_reset();
    thsi_session_init(&one, &same, &limits, 0);
    two = one;
    assert_int_equal(thsi_session_seal(&one, 0, 0, 0, frame, 0), THS_OK);
    assert_int_equal(aead_recorder_repeats(), 0);
    assert_int_equal(thsi_session_seal(&two, 0, 0, 0, frame, 0), THS_OK);
    assert_int_equal(aead_recorder_repeats(), 1);
    assert_int_equal(aead_recorder_seals(), 2);
}

static int tear_down(void **state)
{
    (void)state;
    ths_sim_destroy(sim);
    sim = NULL;
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(key_changes_under_load_and_each_message_comes_once_and_in_order),
        TEST(no_nonce_is_used_twice_while_links_are_lost_as_well),
        TEST(node_that_missed_the_change_is_left_out_after_the_grace),
        TEST(recorder_sees_a_pair_that_is_used_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
