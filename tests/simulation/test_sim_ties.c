/* Links that are made and undone at the same time by both sides: either both are tied afterwards, or neither. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "thiasos/sim.h"
#include "thiasos/thiasos.h"

THS_MESSAGE(meet, "ties.meet", 1, ref(other))
THS_MESSAGE(tie, "ties.tie", 1)
THS_MESSAGE(untie, "ties.untie", 1)
THS_MESSAGE(fail_now, "ties.fail_now", 1)

static unsigned exits; /* heard by either */

struct partner { ths_ref other; };

THS_ON(partner, meet)
{
    self->other = msg->other;
    ths_trap_exits(ctx, true);
}

THS_ON(partner, tie)
{
    ths_link(ctx, self->other);
}

THS_ON(partner, untie)
{
    ths_unlink(ctx, self->other);
}

THS_ON(partner, fail_now)
{
    ths_fail(ctx, "as told");
}

THS_ON(partner, ths_exited)
{
    if (ths_ref_equal(msg->who, self->other))
        exits++;
}

THS_BEHAVIOUR(partner, meet, tie, untie, fail_now, ths_exited)

static struct ths_sim *sim;
static ths_ref a, b; /* on nodes 1 and 2 */

static bool is_met(void *arg)
{
    (void)arg;
    return ths_cluster_members(ths_sim_node(sim, 1), NULL, NULL) == 2;
}

static void begin(uint64_t seed)
{
    sim = ths_sim_create(.seed = seed, .nodes = 2);
    assert_non_null(sim);
    assert_true(ths_sim_run_until(sim, 60000, is_met, NULL));
    exits = 0;
    a = ths_sim_spawn(sim, 1, partner);
    b = ths_sim_spawn(sim, 2, partner);
    ths_tell(ths_sim_node(sim, 1), a, meet, .other = b);
    ths_tell(ths_sim_node(sim, 2), b, meet, .other = a);
    ths_tell(ths_sim_node(sim, 1), a, tie);
    ths_sim_run_ms(sim, 100);
}

static void end_of(unsigned node, ths_ref who)
{
    ths_tell(ths_sim_node(sim, node), who, fail_now);
    ths_sim_run_ms(sim, 1000);
}

/* How many exits the other hears of when the partner on @first ends, after both did something in the same moment. */
static unsigned exits_after(uint64_t seed, bool second_ties, unsigned first)
{
    begin(seed);
    ths_tell(ths_sim_node(sim, 1), a, untie);
    if (second_ties)
        ths_tell(ths_sim_node(sim, 2), b, tie);
    ths_sim_run_ms(sim, 100);
    end_of(first, first == 1 ? a : b);
    ths_sim_destroy(sim);
    return exits;
}

static void an_unlink_that_a_link_crosses_leaves_both_tied(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_int_equal(exits_after(seed, true, 1), 1);
        assert_int_equal(exits_after(seed, true, 2), 1);
    }
}

static void an_unlink_alone_leaves_neither_tied(void **state)
{
    (void)state;
    assert_int_equal(exits_after(1, false, 1), 0);
    assert_int_equal(exits_after(1, false, 2), 0);
}

static void links_and_unlinks_of_both_sides_end_in_one_view(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        unsigned heard[2];

        for (unsigned first = 1; first <= 2; first++) {
            begin(seed);
            for (unsigned i = 0; i < 12; i++) {
                unsigned node = 1 + (unsigned)ths_sim_random(sim, 2);
                ths_ref who = node == 1 ? a : b;

                if (ths_sim_random(sim, 2))
                    ths_tell(ths_sim_node(sim, node), who, tie);
                else
                    ths_tell(ths_sim_node(sim, node), who, untie);
                ths_sim_run_ms(sim, ths_sim_random(sim, 3));
            }
            ths_sim_run_ms(sim, 100);
            end_of(first, first == 1 ? a : b);
            heard[first - 1] = exits;
            ths_sim_destroy(sim);
        }
        assert_int_equal(heard[0], heard[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unlink_that_a_link_crosses_leaves_both_tied),
        cmocka_unit_test(an_unlink_alone_leaves_neither_tied),
        cmocka_unit_test(links_and_unlinks_of_both_sides_end_in_one_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
