/* A supervisor and its children on one node, on virtual time. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

#include <string.h>

/* ---- Children that note what they do ------------------------------------------------------- */

THS_MESSAGE(fragile_start, "test.fragile_start", 1, string(label), u32(fails)) /* bit n: the nth start */

/* Notes "LABEL started INCARNATION", or "LABEL fails INCARNATION", and "LABEL ends REASON". */
struct fragile {
    uint32_t incarnation;
    char label[16];
};

static unsigned starts;

THS_ON(fragile, ths_started)
{
    self->incarnation = msg->incarnation;
}

THS_ON(fragile, fragile_start)
{
    strncpy(self->label, msg->label, sizeof self->label - 1);
    probe_name(ths_self(ctx), self->label);
    if (msg->fails != 0 && msg->fails >> starts++ & 1) {
        probe_note("%s fails %u", self->label, self->incarnation);
        ths_fail(ctx, "told to");
        return;
    }
    probe_note("%s started %u", self->label, self->incarnation);
}

THS_ON(fragile, word)
{
    if (strcmp(msg->text, "fail") == 0)
        ths_fail(ctx, "told to");
    else if (strcmp(msg->text, "stop") == 0)
        ths_stop(ctx);
    else
        probe_note("%s: %s", self->label, msg->text);
}

THS_ON(fragile, ths_stopping)
{
    probe_note("%s ends %s", self->label, ths_reason_text((enum ths_reason)msg->reason));
}

THS_BEHAVIOUR(fragile, ths_started, fragile_start, word, ths_stopping)

#define CHILD(what_name, what_restart, what_fails, ...)                                             \
    { .name = what_name, .behaviour = "fragile", .restart = what_restart, .named = true,            \
      .start = THS_MSG(fragile_start, .label = what_name, .fails = what_fails), __VA_ARGS__ }
#define PERMANENT(name) CHILD(name, THS_PERMANENT, 0, .count = 0)

static int set_up(void **state)
{
    starts = 0;
    return stage_alone_setup(state) || ths_register((struct ths_node *)*state, fragile) != THS_OK;
}

#define supervisor_test(fact) cmocka_unit_test_setup_teardown(fact, set_up, stage_teardown)

/* Forget what was noted so far. */
static void from_here(void)
{
    stage_settle();
    probe_reset();
}

static void tell(struct ths_node *node, const char *name, const char *text)
{
    assert_err(ths_tell(node, ths_whereis(node, name, 1000), word, .text = text), OK);
    stage_settle();
}

/* ---- Order -------------------------------------------------------------------------------- */

static void next_child_starts_when_the_one_before_has_started(void **state)
{
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, 3, .count = 0), PERMANENT("b") };

    (void)ths_supervise((struct ths_node *)*state, children);
    stage_run(1000);
    assert_noted("a fails 1\na ends crashed\na fails 1\na ends crashed\na started 1\nb started 1\n");
}

static void next_child_restarts_when_the_one_before_has_started(void **state)
{
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, 2, .count = 0), PERMANENT("b") };

    (void)ths_supervise((struct ths_node *)*state, children, .strategy = THS_ONE_FOR_ALL);
    from_here();
    tell(*state, "a", "fail");
    stage_run(1000);
    assert_noted("a ends crashed\nb ends shutdown\na fails 2\na ends crashed\na started 3\nb started 2\n");
}

static void rest_for_one_restarts_the_one_and_those_after_it(void **state)
{
    const struct ths_child children[] = { PERMANENT("a"), PERMANENT("b"), PERMANENT("c"), PERMANENT("d") };

    (void)ths_supervise((struct ths_node *)*state, children, .strategy = THS_REST_FOR_ONE);
    from_here();
    tell(*state, "b", "fail");
    assert_noted("b ends crashed\nd ends shutdown\nc ends shutdown\nb started 2\nc started 2\nd started 2\n");
}

/* ---- Ends ----------------------------------------------------------------------------------- */

static void start_that_fails_is_tried_again(void **state)
{
    struct ths_supervisor_stats stats;
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, 1, .count = 0),
                                          CHILD("t", THS_TEMPORARY, 16 + 8 + 4, .count = 0) };
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children);

    stage_run(10000);
    assert_noted("a fails 1\na ends crashed\na started 1\nt fails 1\nt ends crashed\n");
    assert_err(ths_supervisor_stats(*state, supervisor, &stats), OK);
    assert_int_equal(stats.restarts, 1);
    assert_int_equal(stats.wanted, 1);
}

static void starts_that_fail_again_and_again_end_the_supervisor(void **state)
{
    const struct ths_child children[] = { CHILD("a", THS_PERMANENT, UINT32_MAX, .count = 0) };
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children, .restarts = 2);

    assert_ends(*state, supervisor, CRASHED);
    assert_int_equal(starts, 3);
}

static void supervisor_ends_with_its_significant_child(void **state)
{
    const struct ths_child children[] = { PERMANENT("a"), CHILD("b", THS_TRANSIENT, 0, .significant = true) };
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children, .auto_shutdown = THS_SHUTDOWN_ANY_SIGNIFICANT);

    from_here();
    tell(*state, "b", "fail");
    tell(*state, "b", "stop");
    assert_ends(*state, supervisor, SHUTDOWN);
    assert_noted("b ends crashed\nb started 2\nb ends normal\na ends shutdown\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        supervisor_test(next_child_starts_when_the_one_before_has_started),
        supervisor_test(next_child_restarts_when_the_one_before_has_started),
        supervisor_test(rest_for_one_restarts_the_one_and_those_after_it),
        supervisor_test(start_that_fails_is_tried_again),
        supervisor_test(starts_that_fail_again_and_again_end_the_supervisor),
        supervisor_test(supervisor_ends_with_its_significant_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
