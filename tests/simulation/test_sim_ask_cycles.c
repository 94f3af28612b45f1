/* Actors that wait for each other: found when the first deadline comes, named, logged once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/probe.h"

#include <stdio.h>
#include <string.h>

#include "thiasos/sim.h"

THS_MESSAGE(knot_start, "cycles.knot_start", 1, string(label))
THS_MESSAGE(tie, "cycles.tie", 1, ref(to), u32(ms), boolean(among_others))
THS_MESSAGE(tug, "cycles.tug", 1)

/* Asks when it is told to, and never answers. */
struct knot {
    char label[8];
};

THS_ON(knot, knot_start)
{
    (void)snprintf(self->label, sizeof self->label, "%s", msg->label);
}

THS_ON_REPLY(knot, loose, tug)
{
    probe_note("%s: %s %s", self->label, ths_err_name(err), ths_reply_text(ctx));
}

THS_ON_RESULTS(knot, all_loose, tug)
{
    probe_note("%s: %u of several %s", self->label, count, ths_reply_text(ctx));
}

THS_ON(knot, tie)
{
    const ths_ref both[] = { ths_self(ctx), msg->to };

    if (msg->among_others)
        (void)ths_ask_all(ctx, both + 1, 1, tug, all_loose, msg->ms);
    else
        ths_ask(ctx, msg->to, tug, loose, msg->ms);
}

THS_ON(knot, tug)
{
    (void)ths_defer(ctx);
}

THS_BEHAVIOUR(knot, knot_start, tie, tug)

static struct ths_sim *sim;
static struct ths_node *node;

static int setup(void **state)
{
    (void)state;
    probe_reset();
    sim = ths_sim_create(.seed = 5, .nodes = 1, .alone = true);
    node = sim ? ths_sim_node(sim, 1) : NULL;
    return sim ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    ths_sim_destroy(sim);
    return 0;
}

#define sim_test(fact) cmocka_unit_test_setup_teardown(fact, setup, teardown)

static ths_ref make(const char *label, const char *name)
{
    return ths_spawn(node, knot, .name = name, .start = THS_MSG(knot_start, .label = label));
}

static void ties(ths_ref from, ths_ref to, unsigned ms)
{
    assert_int_equal(ths_tell(node, from, tie, .to = to, .ms = ms), THS_OK);
}

static unsigned lines_about_cycles(void)
{
    const char *at = ths_sim_story(sim);
    unsigned lines = 0;

    while ((at = strstr(at, "asks wait for each other")) != NULL) {
        lines++;
        at++;
    }
    return lines;
}

static void two_that_wait_for_each_other_are_named(void **state)
{
    ths_ref a = make("a", "anna"), b = make("b", "bert");

    (void)state;
    ties(a, b, 100);
    ties(b, a, 200);
    ths_sim_run_ms(sim, 300);
    assert_noted("a: TIMEOUT anna -> bert -> anna\nb: TIMEOUT \n");
    assert_non_null(strstr(ths_sim_story(sim), "asks wait for each other: anna -> bert -> anna"));
}

static void equal_deadlines_are_found_too(void **state)
{
    ths_ref a = make("a", "anna"), b = make("b", "bert");

    (void)state;
    ties(a, b, 100);
    ties(b, a, 100);
    ths_sim_run_ms(sim, 300);
    assert_int_equal(probe_count(), 2);
    assert_int_equal(lines_about_cycles(), 1);
}

static void one_that_waits_for_itself_is_named(void **state)
{
    ths_ref a = make("a", "anna");

    (void)state;
    ties(a, a, 100);
    ths_sim_run_ms(sim, 300);
    assert_noted("a: TIMEOUT anna -> anna\n");
}

static void cycle_is_found_among_other_asks(void **state)
{
    ths_ref a = make("a", "anna"), b = make("b", NULL), c = make("c", "carl"), d = make("d", "dora");
    char expected[128];

    (void)state;
    ties(b, d, 900);
    ties(b, c, 900);
    ties(b, d, 900);
    ties(c, d, 900);
    ties(c, a, 900);
    ths_sim_run_ms(sim, 1);
    assert_int_equal(ths_tell(node, a, tie, .to = b, .ms = 100, .among_others = true), THS_OK);
    ths_sim_run_ms(sim, 200);
    (void)snprintf(expected, sizeof expected, "a: 1 of several anna -> knot %u.%u -> carl -> anna\n", (unsigned)b.slot,
                   (unsigned)b.generation);
    assert_noted(expected);
}

static void those_that_only_wait_are_no_cycle(void **state)
{
    ths_ref a = make("a", "anna"), b = make("b", "bert"), c = make("c", "carl");

    (void)state;
    ties(b, c, 900);
    ties(c, b, 900);
    ties(a, b, 100); /* waits for those in a cycle, is not in it */
    ths_sim_run_ms(sim, 200);
    assert_noted("a: TIMEOUT \n");
    assert_int_equal(lines_about_cycles(), 0);
}

static void cycle_is_logged_once_however_often_it_comes_back(void **state)
{
    ths_ref a = make("a", "anna"), b = make("b", "bert");

    (void)state;
    for (int i = 0; i < 5; i++) {
        ties(a, b, 100);
        ties(b, a, 101 + (unsigned)i);
        ths_sim_run_ms(sim, 300);
    }
    assert_int_equal(probe_count(), 10);
    assert_int_equal(lines_about_cycles(), 1);
}

static void long_cycle_is_named_up_to_a_bound(void **state)
{
    static const char *const names[] = { "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10" };
    ths_ref knots[10];

    (void)state;
    for (unsigned length = 9; length <= 10; length++) {
        for (unsigned i = 0; i < length; i++)
            knots[i] = make(names[i], length == 9 ? names[i] : NULL);
        for (unsigned i = 0; i < length; i++)
            ties(knots[i], knots[(i + 1) % length], 100 + 50 * i);
        ths_sim_run_ms(sim, 1000);
        assert_int_equal(lines_about_cycles(), 1); /* of ten, it is not followed to its end */
    }
    assert_non_null(strstr(ths_sim_story(sim), "k1 -> k2 -> k3 -> k4 -> k5 -> k6 -> k7 -> k8 -> k9 -> k1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        sim_test(two_that_wait_for_each_other_are_named),
        sim_test(equal_deadlines_are_found_too),
        sim_test(one_that_waits_for_itself_is_named),
        sim_test(cycle_is_found_among_other_asks),
        sim_test(those_that_only_wait_are_no_cycle),
        sim_test(cycle_is_logged_once_however_often_it_comes_back),
        sim_test(long_cycle_is_named_up_to_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
