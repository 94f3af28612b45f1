/* A supervisor and its children on one node, on virtual time. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

#include <stdio.h>
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

/* ---- Trees ---------------------------------------------------------------------------------- */

#define TREE(...)                                                                                   \
    PERMANENT("a"),                                                                                 \
    { .name = "low", .restart = THS_PERMANENT, .named = true, THS_CHILDREN(PERMANENT("b"), PERMANENT("c")), __VA_ARGS__ }, \
    PERMANENT("d")

static void tree_starts_and_stops_in_order(void **state)
{
    const struct ths_child children[] = { TREE(.options = NULL) };
    ths_ref supervisor = ths_supervise((struct ths_node *)*state, children);

    stage_settle();
    ths_ask_to_stop((struct ths_node *)*state, supervisor);
    assert_ends(*state, supervisor, SHUTDOWN);
    assert_noted("a started 1\nb started 1\nc started 1\nd started 1\n"
                 "d ends shutdown\nc ends shutdown\nb ends shutdown\na ends shutdown\n");
}

static void supervisor_that_gives_up_is_its_supervisors_matter(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        TREE(.options = &(struct ths_supervisor_options){ .restarts = 1 }),
    };
    ths_ref supervisor = ths_supervise(node, children), low = ths_whereis(node, "low", 1000);

    from_here();
    tell(node, "b", "fail");
    tell(node, "b", "fail");
    assert_noted("b ends crashed\nb started 2\nb ends crashed\nc ends shutdown\nb started 1\nc started 1\n");
    assert_false(ths_ref_equal(ths_whereis(node, "low", 1000), low));
    ths_ask_to_stop(node, supervisor);
    assert_ends(node, supervisor, SHUTDOWN);
}

static void killed_supervisor_below_is_started_anew_with_its_children(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { TREE(.options = NULL) };

    (void)ths_supervise(node, children);
    from_here();
    ths_kill(node, ths_whereis(node, "low", 1000));
    stage_run(1000);
    assert_noted_in_any_order("b ends shutdown\nc ends shutdown\nb started 1\nc started 1\n");
}

static void one_for_all_takes_a_supervisor_below_along(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { TREE(.options = NULL) };

    (void)ths_supervise(node, children, .strategy = THS_ONE_FOR_ALL);
    from_here();
    tell(node, "a", "fail");
    assert_noted("a ends crashed\nd ends shutdown\nc ends shutdown\nb ends shutdown\n"
                 "a started 2\nb started 1\nc started 1\nd started 2\n");
}

/* ---- Children at run time -------------------------------------------------------------------- */

static char listed[512];

static void list_one(void *arg, const struct ths_child_info *child)
{
    size_t used = strlen(listed);

    (void)arg;
    (void)snprintf(listed + used, sizeof listed - used, "%s %s %u%s\n", child->name, ths_child_state_text(child->state),
                   child->incarnation, child->is_supervisor ? " +" : "");
}

#define assert_children(node, supervisor, expected)                                                 \
    do {                                                                                            \
        listed[0] = '\0';                                                                           \
        assert_err(ths_children(node, supervisor, list_one, NULL), OK);                             \
        assert_string_equal(listed, expected);                                                      \
    } while (0)

static void children_are_listed_in_order(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { TREE(.options = NULL), CHILD("t", THS_TEMPORARY, 0, .count = 0) };
    ths_ref supervisor = ths_supervise(node, children);

    assert_children(node, supervisor, "a waits 0\nlow waits 0 +\nd waits 0\nt waits 0\n");
    stage_settle();
    tell(node, "a", "fail");
    tell(node, "t", "stop");
    assert_children(node, supervisor, "a runs 2\nlow runs 1 +\nd runs 1\nt ended 1\n");
    assert_children(node, ths_whereis(node, "low", 1000), "b runs 1\nc runs 1\n");
}

static void child_is_added_stopped_restarted_removed(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a") };
    ths_ref supervisor = ths_supervise(node, children), b;
    char label[] = "b";

    from_here();
    assert_err(ths_child_add_wait(node, supervisor, &b, 1000, .name = label, .behaviour = "fragile", .named = true,
                                  .restart = THS_PERMANENT, .start = THS_MSG(fragile_start, .label = label)), OK);
    label[0] = 'x';
    assert_true(ths_ref_equal(b, ths_whereis(node, "b", 0)));
    tell(node, "b", "fail");
    assert_noted("b started 1\nb ends crashed\nb started 2\n");
    assert_err(ths_child_restart_wait(node, supervisor, 1000, .name = "b"), OK);
    assert_err(ths_child_restart_wait(node, supervisor, 1000, .who = b), OK);
    assert_children(node, supervisor, "a runs 1\nb runs 4\n");
    from_here();
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .name = "b"), OK);
    assert_children(node, supervisor, "a runs 1\nb ended 4\n");
    assert_err(ths_child_restart_wait(node, supervisor, 1000, .name = "b"), OK);
    assert_err(ths_child_remove_wait(node, supervisor, 1000, .name = "b"), OK);
    assert_children(node, supervisor, "a runs 1\n");
    assert_noted("b ends shutdown\nb started 1\nb ends shutdown\n");
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .name = "b"), NOT_FOUND);
}

static void added_child_that_fails_to_start_is_not_kept(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a") };
    ths_ref supervisor = ths_supervise(node, children), b = supervisor;

    from_here();
    assert_err(ths_child_add_wait(node, supervisor, &b, 1000, .name = "b", .behaviour = "fragile",
                                  .start = THS_MSG(fragile_start, .label = "b", .fails = 1)), CRASHED);
    assert_true(ths_ref_is_nobody(b));
    stage_run(10000);
    assert_children(node, supervisor, "a runs 1\n");
}

static void tree_is_added_and_removed(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a") };
    ths_ref supervisor = ths_supervise(node, children), low;

    from_here();
    assert_err(ths_child_add_wait(node, supervisor, &low, 1000, .name = "low", THS_CHILDREN(PERMANENT("b"))), OK);
    stage_settle();
    assert_children(node, supervisor, "a runs 1\nlow runs 1 +\n");
    assert_children(node, low, "b runs 1\n");
    assert_err(ths_child_remove_wait(node, supervisor, 1000, .name = "low"), OK);
    assert_noted("b started 1\nb ends shutdown\n");
}

static ths_ref pool(struct ths_node *node, unsigned most)
{
    const struct ths_child template[] = {
        { .name = "session", .behaviour = "fragile", .restart = THS_TRANSIENT,
          .start = THS_MSG(fragile_start, .label = "default") },
    };

    return ths_supervise(node, template, .strategy = THS_DYNAMIC, .children_max = most);
}

static void dynamic_children_come_and_go(void **state)
{
    struct ths_node *node = *state;
    ths_ref supervisor = pool(node, 2), one, two, three;

    assert_children(node, supervisor, "");
    assert_err(ths_child_add_wait(node, supervisor, &one, 1000, .start = THS_MSG(fragile_start, .label = "one")), OK);
    assert_err(ths_child_add_wait(node, supervisor, &two, 1000, .count = 0), OK);
    assert_err(ths_child_add_wait(node, supervisor, &three, 1000, .count = 0), TOO_MANY);
    assert_err(ths_tell(node, one, word, .text = "fail"), OK);
    stage_settle();
    assert_noted("one started 1\ndefault started 1\none ends crashed\none started 2\n");
    assert_children(node, supervisor, "session runs 2\nsession runs 1\n");
    assert_err(ths_tell(node, one, word, .text = "stop"), OK);
    stage_settle();
    assert_children(node, supervisor, "session runs 1\n");
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .who = two), OK);
    assert_children(node, supervisor, "");
    assert_err(ths_child_add_wait(node, supervisor, &three, 1000, .start = THS_MSG(fragile_start, .label = "three")), OK);
    ths_ask_to_stop(node, supervisor);
    assert_ends(node, supervisor, SHUTDOWN);
}

static void orders_are_refused_for_a_reason(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a") };
    ths_ref supervisor = ths_supervise(node, children), dynamic = pool(node, 1), out;
    ths_ref plain = puppet_spawn(node, "plain", (struct ths_spawn_options){ 0 });
    const ths_ref elsewhere = { supervisor.node + 1, 1, 1 };

#define B .name = "b", .behaviour = "fragile"
    assert_err(ths_child_add_wait(node, supervisor, &out, 1000, .name = "a", .behaviour = "fragile"), NAME_TAKEN);
    assert_err(ths_child_add_wait(node, supervisor, &out, 1000, .name = "b", .behaviour = "nobody's"), INVALID);
    assert_err(ths_child_add_wait(node, supervisor, &out, 1000, B, .count = 1024), TOO_MANY);
    assert_err(ths_child_add_wait(node, supervisor, &out, 1000, B, .at_most_one = true), UNSUPPORTED);
    assert_err(ths_child_add_wait(node, dynamic, &out, 1000, B), INVALID);
    assert_err(ths_child_add_wait(node, plain, &out, 1000, B), INVALID);
    assert_err(ths_child_add_wait(node, elsewhere, &out, 1000, B), UNSUPPORTED);
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .name = "b"), NOT_FOUND);
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .who = plain), NOT_FOUND);
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .name = "a", .who = plain), INVALID);
    assert_err(ths_child_restart_wait(node, supervisor, 1000, .name = ""), INVALID);
    assert_err(ths_child_remove_wait(node, dynamic, 1000, .name = "session"), NOT_FOUND);
    assert_err(ths_child_remove_wait(node, plain, 1000, .name = "a"), REFUSED);
    assert_err(ths_child_remove_wait(node, elsewhere, 1000, .name = "a"), UNKNOWN_NODE);
    assert_err(ths_children(node, plain, list_one, NULL), INVALID);
    assert_err(ths_children(node, elsewhere, list_one, NULL), UNSUPPORTED);
    ths_ask_to_stop(node, supervisor);
    assert_ends(node, supervisor, SHUTDOWN);
    assert_err(ths_child_add_wait(node, supervisor, &out, 1000, B), GONE);
    assert_err(ths_child_stop_wait(node, supervisor, 1000, .name = "a"), GONE);
    assert_err(ths_children(node, supervisor, list_one, NULL), GONE);
}

static void adds_from_a_handler(struct ths_ctx *ctx, struct puppet *self, void *supervisor)
{
    (void)self;
    ths_child_add_then(ctx, *(const ths_ref *)supervisor, puppet_heard, 1000, .name = "b", .behaviour = "fragile",
                       .start = THS_MSG(fragile_start, .fails = 0));
    ths_child_stop_then(ctx, *(const ths_ref *)supervisor, puppet_heard, 1000, .name = "a");
    ths_child_restart_then(ctx, *(const ths_ref *)supervisor, puppet_heard, 1000, .name = "nobody");
    ths_child_remove_then(ctx, *(const ths_ref *)supervisor, puppet_heard, 1000, .name = "a");
}

static void note_ref(void *arg, const struct ths_child_info *child)
{
    *(ths_ref *)arg = child->who;
}

static void orders_come_from_handlers_too(void **state)
{
    char expected[512], ref[THS_REF_TEXT_SIZE];
    ths_ref b = THS_NOBODY;
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a") };
    ths_ref supervisor = ths_supervise(node, children), boss = puppet_spawn(node, "boss", (struct ths_spawn_options){ 0 });

    from_here();
    probe_name(boss, "boss");
    puppet_do(node, boss, adds_from_a_handler, &supervisor);
    stage_settle();
    assert_err(ths_children(node, supervisor, note_ref, &b), OK);
    (void)snprintf(expected, sizeof expected,
                   "a ends shutdown\nboss: heard REFUSED\nboss: heard NOT_FOUND\n started 1\n"
                   "boss: heard OK child_done{name=\"b\", who=%s}\n"
                   "boss: heard OK child_done{name=\"a\", who=nobody}\n", ths_ref_print(b, ref));
    assert_noted_in_any_order(expected);
    assert_children(node, supervisor, "b runs 1\n");
}

/* ---- News -------------------------------------------------------------------------------------- */

struct listener { char unused; };

THS_ON(listener, ths_child_restarted)
{
    probe_note("%s came back %u, %s", msg->name, msg->incarnation, ths_reason_text((enum ths_reason)msg->reason));
}

THS_BEHAVIOUR(listener, ths_child_restarted)

static void subscribers_hear_of_restarts(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a"), PERMANENT("b") };
    ths_ref supervisor = ths_supervise(node, children), listener = ths_spawn(node, listener), ended;

    from_here();
    assert_err(ths_supervisor_subscribe(node, supervisor, listener, true), OK);
    assert_err(ths_supervisor_subscribe(node, supervisor, listener, true), OK);
    tell(node, "a", "fail");
    ths_kill(node, ths_whereis(node, "b", 1000));
    stage_settle();
    assert_noted("a ends crashed\na started 2\na came back 2, crashed\nb started 2\nb came back 2, killed\n");
    assert_err(ths_supervisor_subscribe(node, supervisor, listener, false), OK);
    tell(node, "a", "stop");
    stage_run(1000);
    assert_int_equal(probe_count(), 7);
    assert_err(ths_supervisor_subscribe(node, supervisor, THS_NOBODY, true), INVALID);
    assert_err(ths_supervisor_subscribe(node, listener, listener, true), INVALID);
    ended = listener;
    for (unsigned i = 0; i < 64; i++) {
        assert_err(ths_supervisor_subscribe(node, supervisor, ended, true), OK);
        ended = ths_spawn(node, listener);
    }
    assert_err(ths_supervisor_subscribe(node, supervisor, ended, true), TOO_MANY);
    ths_kill(node, listener);
    stage_settle();
    tell(node, "b", "stop"); /* its news find that the listener is gone */
    stage_run(1000);
    assert_err(ths_supervisor_subscribe(node, supervisor, ended, true), OK);
}

/* ---- Signals that are none --------------------------------------------------------------------- */

/* The same type as the supervisor's own. */
THS_MESSAGE(made_up, "ths.here.child_halted", 1, u32(child), ref(who), u8(reason), u32(incarnation), string(text))

static void supervisor_believes_signals_alone(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { PERMANENT("a") };
    ths_ref supervisor = ths_supervise(node, children), a;
    struct ths_supervisor_stats stats;
    struct ths_node_stats counters;

    from_here();
    a = ths_whereis(node, "a", 1000);
    assert_err(ths_tell(node, supervisor, made_up, .who = a, .reason = THS_REASON_CRASHED, .incarnation = 1), OK);
    assert_err(ths_tell(node, supervisor, ths_down, .who = a, .reason = THS_REASON_CRASHED), OK);
    assert_err(ths_tell(node, supervisor, ths_exited, .who = a, .reason = THS_REASON_CRASHED), OK);
    stage_run(1000);
    assert_int_equal(probe_count(), 0);
    assert_err(ths_supervisor_stats(node, supervisor, &stats), OK);
    assert_int_equal(stats.restarts, 0);
    assert_children(node, supervisor, "a runs 1\n");
    ths_node_stats(node, &counters);
    assert_int_equal(counters.dead_letters[THS_REFUSED], 3);
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
        supervisor_test(tree_starts_and_stops_in_order),
        supervisor_test(supervisor_that_gives_up_is_its_supervisors_matter),
        supervisor_test(killed_supervisor_below_is_started_anew_with_its_children),
        supervisor_test(one_for_all_takes_a_supervisor_below_along),
        supervisor_test(children_are_listed_in_order),
        supervisor_test(supervisor_believes_signals_alone),
        supervisor_test(child_is_added_stopped_restarted_removed),
        supervisor_test(added_child_that_fails_to_start_is_not_kept),
        supervisor_test(tree_is_added_and_removed),
        supervisor_test(dynamic_children_come_and_go),
        supervisor_test(orders_are_refused_for_a_reason),
        supervisor_test(orders_come_from_handlers_too),
        supervisor_test(subscribers_hear_of_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
