/* The simulator: actors on nodes of their own, virtual time, cut and crash, and the same trace for the same seed. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "thiasos/sim.h"
#include "thiasos/thiasos.h"

/* ---- Actors: one counts and answers, one asks it once a second ------------------------------------------------------ */

THS_MESSAGE(count_up, "sim.count_up", 1, u32(by))
THS_MESSAGE(count_ask, "sim.count_ask", 1, u8(unused))
THS_MESSAGE(count_now, "sim.count_now", 1, u64(count))
THS_MESSAGE(client_start, "sim.client_start", 1, ref(counter))
THS_MESSAGE(client_tick, "sim.client_tick", 1, u8(unused))

struct counter {
    uint64_t count;
};

THS_ON(counter, count_up)
{
    self->count += msg->by;
}

THS_ON(counter, count_ask)
{
    (void)ths_reply(ctx, count_now, .count = self->count);
}

THS_BEHAVIOUR(counter, count_up, count_ask)

static uint64_t seen, downs, ticks;
static enum ths_reason down_reason;

struct client {
    ths_ref counter;
};

THS_ON_REPLY(client, client_got, count_now)
{
    if (err == THS_OK)
        seen = reply->count;
}

THS_ON(client, client_start)
{
    self->counter = msg->counter;
    (void)ths_monitor(ctx, self->counter);
    (void)ths_every(ctx, 1000, client_tick, .unused = 0);
}

THS_ON(client, client_tick)
{
    ticks++;
    (void)ths_tell(ctx, self->counter, count_up, .by = 3);
    ths_ask(ctx, self->counter, count_ask, client_got, 900, .unused = 0);
}

THS_ON(client, ths_down)
{
    downs++;
    down_reason = (enum ths_reason)msg->reason;
}

THS_BEHAVIOUR(client, client_start, client_tick, ths_down)

static struct ths_sim *sim;

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number;
    (void)arg;
    (void)ths_spawn(node, counter, .name = "counter");
}

static void forget(void)
{
    seen = downs = ticks = 0;
}

static int teardown(void **state)
{
    (void)state;
    ths_sim_destroy(sim);
    sim = NULL;
    return 0;
}

static void count_up_members(void *arg, const struct ths_member_info *member)
{
    *(unsigned *)arg += member->state == THS_MEMBER_UP;
}

/* Whether every node sees as many as *@arg members up. */
static bool all_up(void *arg)
{
    unsigned nodes = *(unsigned *)arg, up;

    for (unsigned i = 1; i <= nodes; i++) {
        up = 0;
        (void)ths_cluster_members(ths_sim_node(sim, i), count_up_members, &up);
        if (up != nodes)
            return false;
    }
    return true;
}

/* A cluster of three whose members have met; a client on n1 of the counter on n2. */
static void three(uint64_t seed)
{
    unsigned nodes = 3;
    ths_ref counter;

    forget();
    sim = ths_sim_create(.seed = seed, .nodes = nodes, .setup = boot);
    assert_non_null(sim);
    assert_true(ths_sim_run_until(sim, 10000, all_up, &nodes));
    counter = ths_whereis(ths_sim_node(sim, 1), "counter@n2", 5000);
    assert_false(ths_ref_is_nobody(counter));
    (void)ths_sim_spawn(sim, 1, client, .start = THS_MSG(client_start, .counter = counter));
}

/* ---- One node ------------------------------------------------------------------------------------------------------- */

static void an_actor_runs_on_virtual_time(void **state)
{
    ths_ref counter;

    (void)state;
    forget();
    sim = ths_sim_create(.seed = 1, .nodes = 1, .alone = true, .setup = boot);
    assert_non_null(sim);
    counter = ths_whereis(ths_sim_node(sim, 1), "counter", 1000);
    assert_false(ths_ref_is_nobody(counter));
    (void)ths_sim_spawn(sim, 1, client, .start = THS_MSG(client_start, .counter = counter));
    ths_sim_run_ms(sim, 3600 * 1000 + 500);
    assert_int_equal(ticks, 3600);
    assert_int_equal(seen, 3 * 3600);
    ths_kill(ths_sim_node(sim, 1), counter);
    ths_sim_run_ms(sim, 10);
    assert_int_equal(downs, 1);
    assert_int_equal(down_reason, THS_REASON_KILLED);
}

static void blocking_calls_drive_the_simulation(void **state)
{
    enum ths_reason reason;
    ths_ref counter;

    (void)state;
    sim = ths_sim_create(.seed = 1, .nodes = 1, .alone = true, .setup = boot);
    counter = ths_whereis(ths_sim_node(sim, 1), "counter", 1000);
    assert_int_equal(ths_join(ths_sim_node(sim, 1), counter, 5000, &reason), THS_TIMEOUT);
    assert_true(ths_sim_now_ms(sim) >= 5000);
    ths_ask_to_stop(ths_sim_node(sim, 1), counter);
    assert_int_equal(ths_join(ths_sim_node(sim, 1), counter, 5000, &reason), THS_OK);
    assert_int_equal(reason, THS_REASON_SHUTDOWN);
}

/* ---- Three nodes ---------------------------------------------------------------------------------------------------- */

static void nodes_meet_and_talk(void **state)
{
    (void)state;
    three(1);
    ths_sim_run_ms(sim, 60500);
    assert_int_equal(ticks, 60);
    assert_int_equal(seen, 3 * 60);
    assert_int_equal(downs, 0);
}

static bool is_down(void *arg)
{
    (void)arg;
    return downs > 0;
}

static void a_crashed_node_is_noticed_and_may_come_back(void **state)
{
    unsigned nodes = 3;

    (void)state;
    three(2);
    ths_sim_run_ms(sim, 5000);
    ths_sim_crash(sim, 2);
    assert_null(ths_sim_node(sim, 2));
    assert_true(ths_sim_run_until(sim, 10000, is_down, NULL));
    assert_int_equal(down_reason, THS_REASON_NODE_LOST);
    ths_sim_restart(sim, 2);
    assert_non_null(ths_sim_node(sim, 2));
    ths_sim_run_ms(sim, 10000);
    (void)nodes;
    assert_int_equal(downs, 1);
    assert_false(ths_ref_is_nobody(ths_whereis(ths_sim_node(sim, 1), "counter@n2", 5000)));
}

static void a_short_cut_loses_nothing_but_time(void **state)
{
    (void)state;
    three(3);
    ths_sim_run_ms(sim, 5000);
    ths_sim_cut(sim, 1, 2);
    ths_sim_run_ms(sim, 300);
    ths_sim_heal(sim, 1, 2);
    ths_sim_run_ms(sim, 20000);
    assert_int_equal(downs, 0);
    assert_int_equal(seen, 3 * ticks);
}

static void a_node_cut_off_from_all_is_declared_dead(void **state)
{
    (void)state;
    three(4);
    ths_sim_cut(sim, 1, 2);
    ths_sim_cut(sim, 3, 2);
    assert_true(ths_sim_run_until(sim, 60000, is_down, NULL));
    assert_int_equal(down_reason, THS_REASON_NODE_LOST);
}

static void a_paused_node_gets_no_time(void **state)
{
    (void)state;
    three(5);
    ths_sim_run_ms(sim, 5000);
    ths_sim_pause(sim, 1, true);
    ths_sim_run_ms(sim, 500);
    assert_true(ticks <= 5);
    ths_sim_pause(sim, 1, false);
    ths_sim_run_ms(sim, 5000);
    assert_true(ticks >= 10);
    assert_int_equal(downs, 0);
}

static void story(uint64_t seed, char hash[17], char **text)
{
    three(seed);
    ths_sim_run_ms(sim, 3000);
    ths_sim_crash(sim, 3);
    ths_sim_run_ms(sim, 5000);
    ths_sim_restart(sim, 3);
    ths_sim_run_ms(sim, 3000);
    memcpy(hash, ths_sim_trace_hash(sim), 17);
    *text = strdup(ths_sim_story(sim));
    (void)teardown(NULL);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    char first[17], again[17], other[17];
    char *texts[3];

    (void)state;
    story(6, first, &texts[0]);
    story(6, again, &texts[1]);
    story(7, other, &texts[2]);
    assert_string_equal(texts[0], texts[1]);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    for (int i = 0; i < 3; i++)
        free(texts[i]);
}

static void steps_can_be_counted_and_draws_come_from_the_seed(void **state)
{
    uint64_t steps = 0, draw;

    (void)state;
    sim = ths_sim_create(.seed = 8, .nodes = 2, .setup = boot);
    while (ths_sim_now_ms(sim) < 3000 && ths_sim_step(sim))
        steps++;
    assert_true(steps > 20);
    draw = ths_sim_random(sim, 1000000);
    (void)teardown(NULL);
    sim = ths_sim_create(.seed = 8, .nodes = 2, .setup = boot);
    assert_int_equal(ths_sim_random(sim, 1000000), draw);
}

static void log_lines_are_the_story(void **state)
{
    (void)state;
    three(9);
    ths_sim_run_ms(sim, 1000);
    assert_non_null(strstr(ths_sim_story(sim), "] n1 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
        TEST(an_actor_runs_on_virtual_time),
        TEST(blocking_calls_drive_the_simulation),
        TEST(nodes_meet_and_talk),
        TEST(a_crashed_node_is_noticed_and_may_come_back),
        TEST(a_short_cut_loses_nothing_but_time),
        TEST(a_node_cut_off_from_all_is_declared_dead),
        TEST(a_paused_node_gets_no_time),
        TEST(the_same_seed_gives_the_same_trace),
        TEST(steps_can_be_counted_and_draws_come_from_the_seed),
        TEST(log_lines_are_the_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
