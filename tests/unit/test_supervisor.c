/* Supervisor: what it decides, as stories of events and actions.
 *
 * Each step of a story is an event and the actions expected of it: "start 0@1" starts child 0 on place 1,
 * "restart 0", "halt 0", "finish 0", "drain 0", "kill 0", "abandon 0", "wait p0" (specification 0 has no place),
 * "give up 0", "done shutdown". Place 1 is the supervisor's own node. Times are milliseconds. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/supervisor.h"
#include "tests/lib/test_env.h"

#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

static struct test_env env;
static struct thsi_supervisor sup;
static uint64_t now_ms;
static char got[2048];

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 7);
    now_ms = 1000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_supervisor_fini(&sup);
    test_env_assert_clean(&env);
    return 0;
}

/* ---- The story's grammar ---------------------------------------------------------------- */

#define PLAN(kind, number) { .restart = THS_##kind, .count = number, .stop_ms = 100 }
#define SPREAD(kind, number) { .restart = THS_##kind, .count = number, .stop_ms = 100, .spread = true }
#define set(strategy_, ...) set_with((struct thsi_supervisor_config){ .strategy = strategy_ },                  \
        (const struct thsi_child_plan[]){ __VA_ARGS__ },                                                        \
        sizeof((const struct thsi_child_plan[]){ __VA_ARGS__ }) / sizeof(struct thsi_child_plan))

static void set_with(struct thsi_supervisor_config config, const struct thsi_child_plan *plans, size_t count)
{
    config.self = 1;
    config.restarts = config.restarts ? config.restarts : 5;
    config.within_ms = config.within_ms ? config.within_ms : 10000;
    config.children_max = config.children_max ? config.children_max : THSI_CHILDREN_MAX;
    config.backoff_max_ms = config.backoff_max_ms ? config.backoff_max_ms : 5000;
    config.plans = plans;
    config.plans_count = (uint32_t)count;
    assert_int_equal(thsi_supervisor_init(&sup, &env.env, &config), THS_OK);
}

static void write_action(const struct thsi_supervisor_action *action)
{
    static const char *const verbs[] = { "start", "restart", "halt", "ask", "finish", "drain", "kill",
                                         "abandon", "wait", "give up", "answer", "forget", "done" };
    size_t used = strlen(got);
    char *at = got + used;
    size_t room = sizeof got - used;
    const char *comma = used ? ", " : "";

    if (action->type == THSI_SUPERVISOR_START)
        (void)snprintf(at, room, "%sstart %u@%u", comma, action->child, (unsigned)action->node);
    else if (action->type == THSI_SUPERVISOR_WAIT)
        (void)snprintf(at, room, "%swait p%u", comma, action->plan);
    else if (action->type == THSI_SUPERVISOR_ANSWER)
        (void)snprintf(at, room, "%sanswer %u %s", comma, action->order_id, ths_err_name(action->err));
    else if (action->type == THSI_SUPERVISOR_FORGET && action->child == THSI_NO_CHILD)
        (void)snprintf(at, room, "%sforget p%u", comma, action->plan);
    else if (action->type == THSI_SUPERVISOR_DONE)
        (void)snprintf(at, room, "%sdone %s", comma, action->reason == THS_REASON_SHUTDOWN ? "shutdown" : "crashed");
    else if (action->child == THSI_NO_CHILD)
        (void)snprintf(at, room, "%s%s stray", comma, verbs[action->type]);
    else
        (void)snprintf(at, room, "%s%s %u", comma, verbs[action->type], action->child);
}

static void step(struct thsi_supervisor_event event)
{
    struct thsi_supervisor_update update;

    event.now_ns = now_ms * MS;
    env.env.random(&env.env, &event.random, sizeof event.random);
    thsi_supervisor_step(&sup, &event, &update);
    thsi_supervisor_check(&sup);
    got[0] = '\0';
    for (size_t i = 0; i < update.actions_count; i++)
        write_action(&update.actions[i]);
}

/* Time passes to @ms. */
static void at(uint64_t ms)
{
    now_ms = ms;
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_TIME_PASSED });
}

/* The actor that @child has, or the one that its latest start made. */
static ths_ref actor(uint32_t child)
{
    if (!ths_ref_is_nobody(sup.children[child].who))
        return sup.children[child].who;
    return (ths_ref){ sup.children[child].place, child + 1, sup.children[child].start_id };
}

static void started(uint32_t child)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STARTED, .child = child, .who = actor(child),
                                         .start_id = sup.children[child].start_id });
}

static void not_started(uint32_t child, enum ths_err err)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_START_FAILED, .child = child, .err = err,
                                         .start_id = sup.children[child].start_id });
}

static void halted(uint32_t child, enum ths_reason reason)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_HALTED, .child = child, .who = actor(child),
                                         .reason = reason });
}

static void down(uint32_t child, enum ths_reason reason)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_DOWN, .who = actor(child), .reason = reason });
}

static void stop(void)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STOP });
}

#define members(plan_index, ...) members_of(plan_index, (const uint64_t[]){ __VA_ARGS__ },                      \
                                            sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void members_of(uint32_t plan, const uint64_t *places, size_t count)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_MEMBERS, .plan = plan, .places = places,
                                         .places_count = (uint32_t)count });
}

#define expect(text) assert_string_equal(got, text)
#define then(event, text)                                                                           \
    do {                                                                                            \
        event;                                                                                      \
        expect(text);                                                                               \
    } while (0)

/* Begin, and answer every start as soon as it is given. */
static void start_all(void)
{
    at(now_ms);
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < sup.children_count; i++) {
            if (sup.children[i].state == THSI_CHILD_STARTING || sup.children[i].state == THSI_CHILD_BEGINNING) {
                started(i);
                again = true;
            }
        }
    }
}

static unsigned load(uint64_t place)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < sup.children_count; i++)
        count += sup.children[i].place == place && sup.children[i].state == THSI_CHILD_RUNNING;
    return count;
}

static struct ths_supervisor_stats stats(void)
{
    struct ths_supervisor_stats out;

    thsi_supervisor_stats(&sup, &out);
    return out;
}

/* ---- Starting and stopping in order ------------------------------------------------------ */

static void children_start_one_after_the_other(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), PLAN(TRANSIENT, 2), PLAN(TEMPORARY, 1));
    then(at(1000), "start 0@1");
    then(started(0), "start 1@1, start 2@1");
    then(started(2), "");
    then(started(1), "start 3@1");
    then(started(3), "");
    assert_int_equal(stats().running, 4);
    assert_int_equal(stats().wanted, 4);
    assert_int_equal(stats().restarts, 0);
    assert_true(thsi_supervisor_deadline_ns(&sup) == UINT64_MAX);
}

static void children_stop_in_reverse_order(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 2), PLAN(PERMANENT, 1));
    start_all();
    then(stop(), "finish 3");
    then(down(3, THS_REASON_SHUTDOWN), "finish 1, finish 2");
    then(down(2, THS_REASON_SHUTDOWN), "");
    then(stop(), "");
    then(down(1, THS_REASON_SHUTDOWN), "finish 0");
    then(down(0, THS_REASON_SHUTDOWN), "done shutdown");
    assert_int_equal(stats().wanted, 0);
}

static void no_child_is_stopped_at_once(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .strategy = THS_ONE_FOR_ALL }, NULL, 0);
    then(at(1000), "");
    then(stop(), "done shutdown");
}

static void child_that_does_not_stop_is_killed_then_abandoned(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(stop(), "finish 1");
    assert_true(thsi_supervisor_deadline_ns(&sup) == 1100 * MS);
    then(at(1099), "");
    then(at(1100), "kill 1");
    then(down(1, THS_REASON_KILLED), "finish 0");
    then(at(1200), "kill 0");
    then(at(1299), "");
    then(at(1300), "abandon 0, done shutdown");
}

static void stop_waits_for_a_start_under_way(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    then(at(1000), "start 0@1");
    then(stop(), "");
    then(started(0), "finish 0");
    then(down(0, THS_REASON_SHUTDOWN), "done shutdown");
}

static void stop_does_not_wait_for_a_start_elsewhere_and_ends_what_comes_of_it(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), SPREAD(PERMANENT, 1));
    members(1, 2);
    then(started(0), "start 1@2");
    then(stop(), "finish 0");
    then(started(1), "finish stray");
    then(down(0, THS_REASON_SHUTDOWN), "done shutdown");
}

static void node_that_stops_does_not_wait_long_for_children_elsewhere(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1),
        { .restart = THS_PERMANENT, .count = 2, .stop_ms = 60000, .spread = true });
    members(1, 2, 1);
    start_all();
    then(step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STOP, .hurry = true }), "finish 1, finish 2");
    then(at(1000 + THSI_HURRY_MS), "abandon 1");
    then(down(2, THS_REASON_SHUTDOWN), "finish 0");
}

static void node_that_stops_hurries_a_stop_under_way(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, { .restart = THS_PERMANENT, .count = 1, .stop_ms = 60000, .spread = true });
    members(0, 2);
    start_all();
    then(stop(), "finish 0");
    now_ms = 2000;
    then(step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STOP, .hurry = true }), "");
    then(at(2000 + THSI_HURRY_MS), "abandon 0, done shutdown");
}

/* ---- One for one ------------------------------------------------------------------------- */

static void who_is_restarted_after_what(void **state)
{
    static const struct {
        enum ths_restart restart;
        enum ths_reason reason;
        const char *verdict;
    } rows[] = {
        { THS_PERMANENT, THS_REASON_NORMAL, "restart 0" },   { THS_PERMANENT, THS_REASON_SHUTDOWN, "restart 0" },
        { THS_PERMANENT, THS_REASON_KILLED, "restart 0" },   { THS_PERMANENT, THS_REASON_CRASHED, "restart 0" },
        { THS_TRANSIENT, THS_REASON_NORMAL, "finish 0" },    { THS_TRANSIENT, THS_REASON_SHUTDOWN, "finish 0" },
        { THS_TRANSIENT, THS_REASON_KILLED, "restart 0" },   { THS_TRANSIENT, THS_REASON_CRASHED, "restart 0" },
        { THS_TRANSIENT, THS_REASON_SIGNAL, "restart 0" },   { THS_TEMPORARY, THS_REASON_NORMAL, "finish 0" },
        { THS_TEMPORARY, THS_REASON_CRASHED, "finish 0" },   { THS_TEMPORARY, THS_REASON_KILLED, "finish 0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(THS_ONE_FOR_ONE, { .restart = rows[i].restart, .count = 1, .stop_ms = 100 });
        start_all();
        then(halted(0, rows[i].reason), rows[i].verdict);
        if (strcmp(rows[i].verdict, "finish 0") == 0) {
            then(down(0, rows[i].reason), "");
            assert_int_equal(stats().wanted, 0);
        } else {
            assert_int_equal(stats().restarts, 1);
        }
        thsi_supervisor_fini(&sup);
    }
}

static void crash_of_one_leaves_the_others(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(1, THS_REASON_CRASHED), "restart 1");
    assert_int_equal(stats().running, 3);
}

static void child_whose_actor_is_gone_is_started_anew(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    then(down(0, THS_REASON_NO_ACTOR), "start 0@1");
    then(started(0), "");
    assert_int_equal(stats().restarts, 1);
    assert_int_equal(stats().failovers, 0);
}

static void old_news_change_nothing(void **state)
{
    ths_ref before;

    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    before = actor(0);
    then(down(0, THS_REASON_CRASHED), "start 0@1");
    then(started(0), "");
    then(step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_DOWN, .who = before }), "");
    then(step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_HALTED, .who = before }), "");
    then(step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_DOWN }), "");
    then(not_started(0, THS_NOMEM), "");
    then(started(0), "");
    assert_int_equal(stats().running, 1);
}

static void child_may_halt_before_its_start_is_answered(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    then(at(1000), "start 0@1");
    then(halted(0, THS_REASON_CRASHED), "restart 0, start 1@1");
    then(started(0), "");
}

/* ---- Back-off and intensity --------------------------------------------------------------- */

/* Each failure's delay lies between half of and all of its row. */
static void delays_double_up_to_the_most(void **state)
{
    static const struct {
        uint32_t first_ms, most_ms;
        uint32_t delays_ms[8];
    } rows[] = {
        { 0, 5000, { 0, 50, 100, 200, 400, 800, 1600, 3200 } },
        { 0, 120, { 0, 50, 100, 120, 120, 120, 120, 120 } },
        { 10, 1000, { 10, 20, 40, 80, 160, 320, 640, 1000 } },
        { 700, 500, { 500, 500, 500, 500, 500, 500, 500, 500 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_with((struct thsi_supervisor_config){ .restarts = 100, .within_ms = 60000, .backoff_ms = rows[i].first_ms,
                                                  .backoff_max_ms = rows[i].most_ms },
                 (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1) }, 1);
        start_all();
        for (size_t n = 0; n < 8; n++) {
            uint64_t delay_ns = 0;
            halted(0, THS_REASON_CRASHED);
            if (rows[i].delays_ms[n]) {
                expect("");
                delay_ns = thsi_supervisor_deadline_ns(&sup) - now_ms * MS;
                at(now_ms + delay_ns / MS + 1);
            }
            expect("restart 0");
            assert_in_range(delay_ns, rows[i].delays_ms[n] * MS / 2, rows[i].delays_ms[n] * MS);
        }
        thsi_supervisor_fini(&sup);
    }
}

static void quiet_time_resets_the_delay(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    then(halted(0, THS_REASON_CRASHED), "restart 0");
    then(halted(0, THS_REASON_CRASHED), "");
    then(at(1051), "restart 0");
    now_ms = 1051 + 9999;
    then(halted(0, THS_REASON_CRASHED), "");
    then(at(12000), "restart 0");
    now_ms = 22000;
    then(halted(0, THS_REASON_CRASHED), "restart 0");
}

static void one_restart_too_many_within_the_window_stops_all(void **state)
{
    static const struct {
        uint32_t restarts, within_ms;
        uint32_t gap_ms;      /* between failures */
        unsigned survived;    /* failures that were restarted; 100: all */
    } rows[] = {
        { 5, 10000, 0, 5 },    { 5, 10000, 1000, 5 },   { 5, 10000, 2000, 5 }, { 5, 10000, 2001, 100 },
        { 1, 1000, 500, 1 },   { 1, 1000, 1000, 1 },    { 1, 1000, 1001, 100 }, { 3, 300, 100, 3 },
        { 3, 300, 101, 100 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned survived = 0;
        set_with((struct thsi_supervisor_config){ .restarts = rows[i].restarts, .within_ms = rows[i].within_ms,
                                                  .backoff_max_ms = 1 },
                 (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), PLAN(PERMANENT, 1) }, 2);
        now_ms = 1000;
        start_all();
        while (survived < 100) {
            halted(survived % 2, THS_REASON_CRASHED); /* the window is the supervisor's, not the child's */
            if (strncmp(got, "give up", 7) == 0)
                break;
            sup.children[survived % 2].due_ns = now_ms * MS; /* the delay is another test's */
            at(now_ms);
            survived++;
            now_ms += rows[i].gap_ms;
        }
        assert_int_equal(survived, rows[i].survived);
        thsi_supervisor_fini(&sup);
    }
}

static void giving_up_stops_in_reverse_and_ends_crashed(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .restarts = 1 },
             (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1) }, 3);
    start_all();
    then(halted(1, THS_REASON_CRASHED), "restart 1");
    then(halted(1, THS_REASON_CRASHED), "give up 1, finish 2");
    then(down(2, THS_REASON_SHUTDOWN), "finish 1");
    then(down(1, THS_REASON_CRASHED), "finish 0");
    then(halted(0, THS_REASON_CRASHED), "");
    then(down(0, THS_REASON_CRASHED), "done crashed");
}

/* Its own node is there: it was linked to an actor of another, and would end so again and again. */
static void end_by_the_loss_of_a_linked_actors_node_is_a_failure(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .restarts = 1 }, (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1) }, 1);
    start_all();
    then(halted(0, THS_REASON_NODE_LOST), "restart 0");
    then(halted(0, THS_REASON_NODE_LOST), "give up 0, finish 0");
    then(down(0, THS_REASON_NODE_LOST), "done crashed");
}

static void failure_to_start_here_is_tried_again_later_and_counts(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .restarts = 2 },
             (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), PLAN(PERMANENT, 1) }, 2);
    then(at(1000), "start 0@1");
    then(not_started(0, THS_NAME_TAKEN), "");
    assert_in_range(thsi_supervisor_deadline_ns(&sup), 1025 * MS, 1050 * MS);
    then(at(1050), "start 0@1");
    then(not_started(0, THS_NAME_TAKEN), "");
    then(at(1150), "start 0@1");
    then(not_started(0, THS_NAME_TAKEN), "give up 0, done crashed");
}

static void start_without_an_answer_is_tried_again_and_its_late_actor_ended(void **state)
{
    ths_ref late;

    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, 1));
    then(members(0, 2, 3), "start 0@2");
    late = actor(0);
    assert_true(thsi_supervisor_deadline_ns(&sup) == (1000 + THSI_START_MS) * MS);
    then(at(1000 + THSI_START_MS), "");
    then(at(1100 + THSI_START_MS), "start 0@2");
    then(step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STARTED, .start_id = 1, .who = late }),
         "finish stray");
    then(started(0), "");
    assert_int_equal(stats().running, 1);
}

/* ---- One for all --------------------------------------------------------------------------- */

static void crash_of_one_halts_all_in_reverse_and_restarts_in_order(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 2), PLAN(PERMANENT, 1));
    start_all();
    then(halted(1, THS_REASON_CRASHED), "halt 3");
    then(halted(3, THS_REASON_SHUTDOWN), "halt 2");
    then(halted(2, THS_REASON_SHUTDOWN), "halt 0");
    then(halted(0, THS_REASON_SHUTDOWN), "restart 0");
    then(started(0), "restart 1, restart 2");
    then(started(2), "");
    then(started(1), "restart 3");
    then(started(3), "");
    assert_int_equal(stats().restarts, 4);
    assert_int_equal(sup.window_count, 1);
}

static void restart_that_takes_long_is_waited_for_no_more(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    halted(0, THS_REASON_CRASHED);
    then(halted(1, THS_REASON_SHUTDOWN), "restart 0");
    then(at(999 + THSI_START_MS), "");
    then(at(1000 + THSI_START_MS), "restart 1");
    then(started(0), "");
}

static void one_for_all_waits_between_failures(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    halted(0, THS_REASON_CRASHED);
    then(halted(1, THS_REASON_SHUTDOWN), "restart 0");
    then(started(0), "restart 1");
    then(started(1), "");
    then(halted(1, THS_REASON_CRASHED), "halt 0");
    then(halted(0, THS_REASON_SHUTDOWN), "");
    assert_in_range(thsi_supervisor_deadline_ns(&sup), 1025 * MS, 1050 * MS);
    then(at(1050), "restart 0");
    then(started(0), "restart 1");
}

static void crash_while_others_are_halted_is_the_same_failure(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(0, THS_REASON_CRASHED), "halt 2");
    then(halted(1, THS_REASON_CRASHED), "");
    then(halted(2, THS_REASON_CRASHED), "restart 0");
    then(started(0), "restart 1");
    then(started(1), "restart 2");
    assert_int_equal(sup.window_count, 1);
}

static void transient_end_leaves_all_but_it_comes_back_with_all(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(TRANSIENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(0, THS_REASON_NORMAL), "finish 0");
    then(down(0, THS_REASON_NORMAL), "");
    then(halted(1, THS_REASON_CRASHED), "start 0@1");
    then(started(0), "restart 1");
}

static void temporary_child_ends_with_all_and_stays_away(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(TEMPORARY, 1));
    start_all();
    then(halted(0, THS_REASON_CRASHED), "finish 1");
    then(down(1, THS_REASON_SHUTDOWN), "restart 0");
    assert_int_equal(stats().wanted, 1);
}

static void child_that_does_not_halt_is_killed_then_replaced(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(0, THS_REASON_CRASHED), "halt 1");
    then(at(1100), "kill 1");
    then(halted(1, THS_REASON_KILLED), "restart 0");
    then(started(0), "restart 1");
    then(started(1), "");
    halted(0, THS_REASON_CRASHED);
    expect("halt 1");
    then(at(1200), "kill 1");
    then(at(1300), "abandon 1");
    then(at(1400), "restart 0");
    then(started(0), "start 1@1");
}

static void stop_overtakes_a_restart_of_all(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(0, THS_REASON_CRASHED), "halt 1");
    then(stop(), "");
    then(halted(1, THS_REASON_SHUTDOWN), "finish 1");
    then(down(1, THS_REASON_SHUTDOWN), "finish 0");
    then(down(0, THS_REASON_SHUTDOWN), "done shutdown");
}

/* ---- Rest for one --------------------------------------------------------------------------- */

static void rest_for_one_halts_those_after_it(void **state)
{
    static const struct {
        uint32_t fails;
        const char *first, *second, *then, *last;
    } rows[] = {
        { 0, "halt 3", "halt 1, halt 2", "restart 0", "restart 1, restart 2" },
        { 1, "halt 3", NULL, "restart 1", "restart 3" },
        { 2, "halt 3", NULL, "restart 2", "restart 3" },
        { 3, NULL, NULL, "restart 3", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(THS_REST_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 2), PLAN(PERMANENT, 1));
        start_all();
        halted(rows[i].fails, THS_REASON_CRASHED);
        if (rows[i].first) {
            expect(rows[i].first);
            halted(3, THS_REASON_SHUTDOWN);
        }
        if (rows[i].second) {
            expect(rows[i].second);
            halted(1, THS_REASON_SHUTDOWN);
            halted(2, THS_REASON_SHUTDOWN);
        }
        expect(rows[i].then);
        then(started(rows[i].fails), rows[i].last);
        assert_int_equal(sup.window_count, 1);
        thsi_supervisor_fini(&sup);
    }
}

static void rest_waits_for_the_delay_of_the_one_that_failed(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .strategy = THS_REST_FOR_ONE, .backoff_ms = 100 },
             (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1) }, 3);
    start_all();
    then(halted(1, THS_REASON_CRASHED), "halt 2");
    then(halted(2, THS_REASON_SHUTDOWN), "");
    then(at(1049), "");
    then(at(1100), "restart 1");
    then(started(1), "restart 2");
    assert_int_equal(stats().restarts, 2);
}

static void failure_before_the_rest_while_it_halts_is_one_of_its_own(void **state)
{
    (void)state;
    set(THS_REST_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(1, THS_REASON_CRASHED), "halt 2");
    then(halted(0, THS_REASON_CRASHED), "");
    then(halted(2, THS_REASON_CRASHED), "restart 0");
    then(started(0), "restart 1");
    then(started(1), "restart 2");
    assert_int_equal(sup.window_count, 2);
}

static void rest_for_one_starts_a_lost_child_elsewhere_before_the_rest(void **state)
{
    (void)state;
    set(THS_REST_FOR_ONE, SPREAD(PERMANENT, 2), PLAN(PERMANENT, 1));
    members(0, 2, 3);
    start_all();
    members(0, 3);
    then(down(0, THS_REASON_NODE_LOST), "halt 2");
    then(halted(2, THS_REASON_SHUTDOWN), "start 0@3");
    then(started(0), "restart 2");
    assert_int_equal(sup.window_count, 0);
}

static void normal_end_before_the_rest_leaves_it_alone(void **state)
{
    (void)state;
    set(THS_REST_FOR_ONE, PLAN(TRANSIENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(halted(0, THS_REASON_NORMAL), "finish 0");
    then(halted(1, THS_REASON_CRASHED), "halt 2");
    then(down(0, THS_REASON_NORMAL), "");
    then(halted(2, THS_REASON_SHUTDOWN), "restart 1");
    assert_int_equal(stats().wanted, 2);
}

static void rest_for_one_starts_anew_what_is_gone(void **state)
{
    (void)state;
    set(THS_REST_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(TEMPORARY, 1));
    start_all();
    then(down(0, THS_REASON_KILLED), "finish 2");
    then(down(2, THS_REASON_SHUTDOWN), "halt 1");
    then(halted(1, THS_REASON_SHUTDOWN), "start 0@1");
    then(started(0), "restart 1");
    assert_int_equal(stats().wanted, 2);
}

/* ---- Starts that fail, significant children ---------------------------------------------------- */

static void failed_start_handler_is_a_failure_wherever(void **state)
{
    static const struct {
        struct thsi_child_plan plan;
        unsigned failures;
    } rows[] = {
        { PLAN(PERMANENT, 1), 1 }, { PLAN(TRANSIENT, 1), 1 }, { SPREAD(PERMANENT, 1), 1 },
        { PLAN(TEMPORARY, 1), 0 }, { SPREAD(TEMPORARY, 1), 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(THS_ONE_FOR_ONE, rows[i].plan);
        members(0, 1);
        then(not_started(0, THS_CRASHED), "");
        assert_int_equal(sup.window_count, rows[i].failures);
        assert_int_equal(stats().wanted, rows[i].failures);
        then(at(now_ms + 5000), rows[i].failures ? "start 0@1" : "");
        assert_int_equal(stats().restarts, rows[i].failures);
        thsi_supervisor_fini(&sup);
    }
}

#define SIGNIFICANT(kind) { .restart = THS_##kind, .count = 1, .stop_ms = 100, .significant = true }

static void significant_children_may_take_all_along(void **state)
{
    static const struct {
        enum ths_auto_shutdown when;
        enum ths_reason first, second; /* of children 1 and 2 */
        const char *after_first, *after_second;
    } rows[] = {
        { THS_SHUTDOWN_NEVER, THS_REASON_NORMAL, THS_REASON_NORMAL, "finish 1", "finish 2" },
        { THS_SHUTDOWN_ANY_SIGNIFICANT, THS_REASON_NORMAL, THS_REASON_NORMAL, "finish 1, finish 3", NULL },
        { THS_SHUTDOWN_ANY_SIGNIFICANT, THS_REASON_CRASHED, THS_REASON_NORMAL, "restart 1", "finish 2, finish 3" },
        { THS_SHUTDOWN_ANY_SIGNIFICANT, THS_REASON_CRASHED, THS_REASON_CRASHED, "restart 1", "finish 2, finish 3" },
        { THS_SHUTDOWN_ALL_SIGNIFICANT, THS_REASON_NORMAL, THS_REASON_NORMAL, "finish 1", "finish 2, finish 3" },
        { THS_SHUTDOWN_ALL_SIGNIFICANT, THS_REASON_NORMAL, THS_REASON_CRASHED, "finish 1", "finish 2, finish 3" },
        { THS_SHUTDOWN_ALL_SIGNIFICANT, THS_REASON_CRASHED, THS_REASON_NORMAL, "restart 1", "finish 2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_with((struct thsi_supervisor_config){ .auto_shutdown = rows[i].when },
                 (const struct thsi_child_plan[]){ PLAN(TRANSIENT, 1), SIGNIFICANT(TRANSIENT), SIGNIFICANT(TEMPORARY),
                                                   PLAN(PERMANENT, 1) }, 4);
        start_all();
        then(halted(0, THS_REASON_NORMAL), "finish 0"); /* not significant */
        then(down(0, THS_REASON_NORMAL), "");
        then(halted(1, rows[i].first), rows[i].after_first);
        if (rows[i].after_second)
            then(halted(2, rows[i].second), rows[i].after_second);
        thsi_supervisor_fini(&sup);
    }
}

static void automatic_shutdown_ends_shutdown(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .auto_shutdown = THS_SHUTDOWN_ANY_SIGNIFICANT },
             (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), SIGNIFICANT(TRANSIENT) }, 2);
    start_all();
    then(halted(1, THS_REASON_NORMAL), "finish 1");
    then(down(1, THS_REASON_NORMAL), "finish 0");
    then(down(0, THS_REASON_SHUTDOWN), "done shutdown");
}

/* ---- Placement ------------------------------------------------------------------------------ */

static void spread_children_wait_for_a_place_and_hold_nobody_up(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, 2), PLAN(PERMANENT, 1));
    then(at(1000), "start 2@1");
    then(members_of(0, NULL, 0), "wait p0");
    then(started(2), "");
    then(members_of(0, NULL, 0), "");
    then(members(0, 5), "start 0@5, start 1@5");
    assert_int_equal(stats().wanted, 3);
}

static void instances_are_dealt_out_evenly(void **state)
{
    static const struct {
        unsigned count, places;
    } rows[] = { { 6, 2 }, { 6, 3 }, { 5, 3 }, { 1, 4 }, { 64, 7 }, { 3, 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const uint64_t places[] = { 2, 3, 4, 5, 6, 7, 8 };
        set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, rows[i].count));
        members_of(0, places, rows[i].places);
        start_all();
        for (unsigned p = 0; p < rows[i].places; p++)
            assert_in_range(load(places[p]), rows[i].count / rows[i].places,
                            (rows[i].count + rows[i].places - 1) / rows[i].places);
        thsi_supervisor_fini(&sup);
    }
}

static void share_of_a_lost_place_starts_elsewhere_at_once_and_does_not_count(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .restarts = 1 },
             (const struct thsi_child_plan[]){ SPREAD(PERMANENT, 6) }, 1);
    members(0, 2, 3);
    start_all();
    then(down(1, THS_REASON_NODE_LOST), "start 1@3");
    then(members(0, 2), "");
    then(down(3, THS_REASON_NODE_LOST), "start 3@2");
    then(not_started(1, THS_NODE_LOST), "start 1@2");
    then(down(5, THS_REASON_NODE_LOST), "start 5@2");
    start_all();
    assert_int_equal(load(2), 6);
    assert_int_equal(sup.window_count, 0);
    assert_int_equal(stats().restarts, 3);
    assert_int_equal(stats().failovers, 2);
}

static void share_of_a_joining_place_is_drained_from_the_fullest(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(TRANSIENT, 6));
    members(0, 2);
    start_all();
    then(members(0, 2, 3), "drain 5, drain 4, drain 3");
    then(down(4, THS_REASON_SHUTDOWN), "start 4@3");
    then(started(4), "");
    then(down(5, THS_REASON_SHUTDOWN), "start 5@3");
    then(halted(3, THS_REASON_SHUTDOWN), "");
    then(down(3, THS_REASON_SHUTDOWN), "start 3@3");
    start_all();
    assert_int_equal(load(2), 3);
    assert_int_equal(load(3), 3);
    then(members(0, 2, 3, 4), "drain 5, drain 2");
    assert_int_equal(sup.window_count, 0);
    assert_int_equal(stats().restarts, 0);
}

static void spread_within_one_moves_nothing(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, 2));
    members(0, 2, 3);
    start_all();
    then(members(0, 2, 3, 4), "");
    then(members(0, 4, 3, 2), "");
    assert_int_equal(load(2), 1);
}

static void place_that_falls_silent_keeps_its_children(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, 4));
    members(0, 2, 3);
    start_all();
    then(members(0, 2), "");
    then(members(0, 2, 3), "");
}

static void child_that_fails_on_a_silent_place_is_moved(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(TRANSIENT, 4));
    members(0, 2, 3);
    start_all();
    members(0, 2);
    then(halted(1, THS_REASON_CRASHED), "drain 1");
    then(down(1, THS_REASON_CRASHED), "start 1@2");
    assert_int_equal(sup.window_count, 0);
}

static void child_of_a_leaving_place_moves_though_it_was_shut_down(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(TRANSIENT, 2));
    members(0, 2, 3);
    start_all();
    members(0, 2);
    then(down(1, THS_REASON_SHUTDOWN), "start 1@2");
}

static void last_place_lost_leaves_children_waiting(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, 2));
    members(0, 2);
    start_all();
    members_of(0, NULL, 0);
    then(down(0, THS_REASON_NODE_LOST), "wait p0");
    then(down(1, THS_REASON_NODE_LOST), "");
    then(members(0, 9), "start 0@9, start 1@9");
}

static void temporary_children_are_neither_moved_nor_replaced(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(TEMPORARY, 4));
    members(0, 2);
    start_all();
    then(members(0, 2, 3), "");
    then(down(0, THS_REASON_NODE_LOST), "");
    assert_int_equal(stats().wanted, 3);
}

static void drained_child_that_does_not_stop_is_killed(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(PERMANENT, 2));
    members(0, 2);
    start_all();
    then(members(0, 2, 3), "drain 1");
    then(at(1100), "kill 1");
    then(at(1200), "abandon 1, start 1@3");
}

static void drained_child_that_had_finished_its_work_does_not_come_back(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, SPREAD(TRANSIENT, 2));
    members(0, 2);
    start_all();
    then(members(0, 2, 3), "drain 1");
    then(halted(1, THS_REASON_NORMAL), "");
    then(down(1, THS_REASON_NORMAL), "");
    assert_int_equal(stats().wanted, 1);
}

static void place_that_cannot_start_a_child_does_not_end_the_supervisor(void **state)
{
    (void)state;
    set_with((struct thsi_supervisor_config){ .restarts = 1 },
             (const struct thsi_child_plan[]){ SPREAD(PERMANENT, 1) }, 1);
    then(members(0, 2), "start 0@2");
    for (int i = 0; i < 20; i++) {
        then(not_started(0, THS_UNKNOWN_BEHAVIOUR), "");
        then(at(now_ms + 5000), "start 0@2");
    }
    then(started(0), "");
}

static void loss_of_a_place_restarts_all_of_one_for_all(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, SPREAD(PERMANENT, 2), PLAN(PERMANENT, 1));
    members(0, 2, 3);
    start_all();
    then(members(0, 3), "");
    then(down(0, THS_REASON_NODE_LOST), "halt 2");
    then(halted(2, THS_REASON_SHUTDOWN), "halt 1");
    then(halted(1, THS_REASON_SHUTDOWN), "start 0@3, restart 1");
    then(started(0), "");
    then(started(1), "restart 2");
    assert_int_equal(sup.window_count, 0);
}

/* Nodes come, go, fall silent and return, children crash; when the dust has settled the spread is even. */
static void random_changes_settle_to_an_even_spread(void **state)
{
    enum { PLACES = 6, COUNT = 13 };

    (void)state;
    set_with((struct thsi_supervisor_config){ .restarts = 1000, .within_ms = 1 },
             (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), SPREAD(PERMANENT, COUNT) }, 2);
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t bits, places[PLACES];
        uint32_t count = 0;
        env.env.random(&env.env, &bits, sizeof bits);
        for (unsigned p = 0; p < PLACES; p++) {
            if (p == 0 || bits >> p & 1)
                places[count++] = 100 + p;
        }
        members_of(1, places, count);
        for (uint32_t i = 1; i <= COUNT; i++) {
            bool listed = false;
            env.env.random(&env.env, &bits, sizeof bits);
            for (uint32_t p = 0; p < count; p++)
                listed |= places[p] == sup.children[i].place;
            if (sup.children[i].state == THSI_CHILD_STARTING && bits % 3)
                started(i);
            else if (sup.children[i].state == THSI_CHILD_STARTING)
                not_started(i, listed ? THS_FULL : THS_NODE_LOST);
            else if (sup.children[i].state == THSI_CHILD_BEGINNING && bits % 3)
                started(i);
            else if (sup.children[i].state == THSI_CHILD_STOPPING)
                down(i, THS_REASON_SHUTDOWN);
            else if (sup.children[i].state == THSI_CHILD_RUNNING && !listed && bits % 2)
                down(i, THS_REASON_NODE_LOST);
            else if (sup.children[i].state == THSI_CHILD_RUNNING && bits % 16 == 0)
                halted(i, THS_REASON_CRASHED);
        }
        at(now_ms + bits % 200);
        if (round % 100 == 99) {
            for (unsigned turn = 0; turn < 20; turn++) {
                for (uint32_t i = 0; i <= COUNT; i++) {
                    bool listed = i == 0;
                    for (uint32_t p = 0; p < count; p++)
                        listed |= places[p] == sup.children[i].place;
                    if (sup.children[i].state == THSI_CHILD_STOPPING)
                        down(i, THS_REASON_SHUTDOWN);
                    else if (sup.children[i].state == THSI_CHILD_STARTING ||
                             sup.children[i].state == THSI_CHILD_BEGINNING)
                        started(i);
                    else if (sup.children[i].state == THSI_CHILD_RUNNING && !listed)
                        down(i, THS_REASON_NODE_LOST);
                }
                at(now_ms + 5000);
            }
            assert_int_equal(stats().running, COUNT + 1);
            for (uint32_t p = 0; p < count; p++)
                assert_in_range(load(places[p]), COUNT / count, (COUNT + count - 1) / count);
        }
    }
}

/* ---- Orders --------------------------------------------------------------------------------- */

static void give(enum thsi_child_order order, uint32_t plan, uint32_t child, uint32_t id)
{
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_ORDER, .order = order, .plan = plan, .child = child,
                                         .order_id = id });
}

#define of_plan(index) (index), THSI_NO_CHILD
#define of_child(index) UINT32_MAX, (index)

static enum ths_err add(struct thsi_child_plan plan, uint32_t *index)
{
    return thsi_supervisor_add(&sup, sup.config.strategy == THS_DYNAMIC ? NULL : &plan, index);
}

static void order_by_state(void **state)
{
    /* What is given to child 1 of three that run, after the event before it. */
    static const struct {
        enum thsi_child_order order;
        enum ths_reason halted; /* before; STALE: it runs */
        const char *at_once;
        enum ths_reason then_halted, then_down; /* STALE: not */
        const char *after_halted, *after_down;
        unsigned wanted;
    } rows[] = {
        { THSI_CHILD_ORDER_STOP, THS_REASON_STALE, "finish 1", THS_REASON_STALE, THS_REASON_SHUTDOWN, "", "answer 7 OK", 2 },
        { THSI_CHILD_ORDER_REMOVE, THS_REASON_STALE, "finish 1", THS_REASON_STALE, THS_REASON_SHUTDOWN, "",
          "answer 7 OK, forget p1", 2 },
        { THSI_CHILD_ORDER_RESTART, THS_REASON_STALE, "halt 1", THS_REASON_SHUTDOWN, THS_REASON_STALE, "restart 1", "", 3 },
        { THSI_CHILD_ORDER_RESTART, THS_REASON_STALE, "halt 1", THS_REASON_STALE, THS_REASON_KILLED, "", "start 1@1", 3 },
        { THSI_CHILD_ORDER_STOP, THS_REASON_CRASHED, "finish 1", THS_REASON_STALE, THS_REASON_CRASHED, "", "answer 7 OK", 2 },
        { THSI_CHILD_ORDER_RESTART, THS_REASON_CRASHED, "restart 1", THS_REASON_STALE, THS_REASON_STALE, "", "", 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_with((struct thsi_supervisor_config){ .backoff_ms = 100 },
                 (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1) }, 3);
        start_all();
        if (rows[i].halted != THS_REASON_STALE)
            then(halted(1, rows[i].halted), "");
        then(give(rows[i].order, of_plan(1), 7), rows[i].at_once);
        if (rows[i].then_halted != THS_REASON_STALE)
            then(halted(1, rows[i].then_halted), rows[i].after_halted);
        if (rows[i].then_down != THS_REASON_STALE)
            then(down(1, rows[i].then_down), rows[i].after_down);
        if (rows[i].wanted == 3)
            then(started(1), "answer 7 OK");
        assert_int_equal(stats().wanted, rows[i].wanted);
        assert_int_equal(sup.window_count, rows[i].halted != THS_REASON_STALE);
        thsi_supervisor_fini(&sup);
    }
}

static void child_that_was_stopped_comes_back_by_order_only(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    then(give(THSI_CHILD_ORDER_STOP, of_plan(1), 1), "finish 1");
    then(down(1, THS_REASON_SHUTDOWN), "answer 1 OK");
    then(give(THSI_CHILD_ORDER_STOP, of_plan(1), 2), "answer 2 OK");
    then(halted(0, THS_REASON_CRASHED), "restart 0");
    then(started(0), "");
    then(give(THSI_CHILD_ORDER_RESTART, of_plan(1), 3), "start 1@1");
    then(started(1), "answer 3 OK");
    assert_int_equal(stats().running, 2);
}

static void start_by_order_that_fails_is_not_tried_again(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    give(THSI_CHILD_ORDER_STOP, of_plan(0), 1);
    down(0, THS_REASON_SHUTDOWN);
    then(give(THSI_CHILD_ORDER_RESTART, of_plan(0), 2), "start 0@1");
    then(not_started(0, THS_CRASHED), "answer 2 CRASHED");
    assert_int_equal(sup.window_count, 0);
    assert_int_equal(stats().wanted, 0);
    then(at(60000), "");
}

static void newer_order_takes_the_place_of_the_older(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 2));
    start_all();
    then(give(THSI_CHILD_ORDER_RESTART, of_plan(0), 1), "halt 0, halt 1");
    then(halted(0, THS_REASON_SHUTDOWN), "restart 0");
    then(started(0), "");
    then(give(THSI_CHILD_ORDER_STOP, of_plan(0), 2), "answer 1 REFUSED, finish 0, finish 1");
    then(down(0, THS_REASON_SHUTDOWN), "");
    then(down(1, THS_REASON_SHUTDOWN), "answer 2 OK");
}

static void order_for_one_instance_leaves_the_others(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 3));
    start_all();
    then(give(THSI_CHILD_ORDER_STOP, of_child(1), 1), "finish 1");
    then(down(1, THS_REASON_SHUTDOWN), "answer 1 OK");
    assert_int_equal(stats().running, 2);
}

static void added_child_starts_and_comes_last(void **state)
{
    uint32_t index;

    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    assert_int_equal(add((struct thsi_child_plan)PLAN(PERMANENT, 2), &index), THS_OK);
    assert_int_equal(index, 1);
    then(give(THSI_CHILD_ORDER_START, of_plan(1), 4), "start 1@1, start 2@1");
    then(started(1), "");
    then(started(2), "answer 4 OK");
    then(stop(), "finish 1, finish 2");
}

static void added_child_that_does_not_start_is_forgotten(void **state)
{
    uint32_t index;

    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    assert_int_equal(add((struct thsi_child_plan)PLAN(PERMANENT, 1), &index), THS_OK);
    then(give(THSI_CHILD_ORDER_START, of_plan(1), 4), "start 1@1");
    then(not_started(1, THS_NAME_TAKEN), "answer 4 NAME_TAKEN, forget p1");
    assert_int_equal(sup.line_count, 1);
    assert_int_equal(sup.window_count, 0);
}

static void temporary_child_that_was_added_is_forgotten_when_it_ends(void **state)
{
    uint32_t index;

    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    assert_int_equal(add((struct thsi_child_plan)PLAN(TEMPORARY, 1), &index), THS_OK);
    give(THSI_CHILD_ORDER_START, of_plan(1), 4);
    started(1);
    then(halted(1, THS_REASON_CRASHED), "finish 1");
    then(down(1, THS_REASON_CRASHED), "forget p1");
}

/* The place of one that was removed is taken again, so adding and removing goes on for ever. */
static void places_of_removed_children_are_used_again(void **state)
{
    uint32_t index;

    (void)state;
    set_with((struct thsi_supervisor_config){ .children_max = 4 },
             (const struct thsi_child_plan[]){ PLAN(PERMANENT, 1), PLAN(PERMANENT, 1) }, 2);
    start_all();
    for (unsigned round = 0; round < 100; round++) {
        assert_int_equal(add((struct thsi_child_plan)PLAN(PERMANENT, 1 + round % 2), &index), THS_OK);
        give(THSI_CHILD_ORDER_START, of_plan(index), 4);
        start_all();
        if (round % 2)
            assert_int_equal(add((struct thsi_child_plan)PLAN(PERMANENT, 1), &(uint32_t){ 0 }), THS_TOO_MANY);
        give(THSI_CHILD_ORDER_REMOVE, of_plan(index), 5);
        for (uint32_t i = 0; i < sup.children_count; i++) {
            if (sup.children[i].state == THSI_CHILD_STOPPING)
                down(i, THS_REASON_SHUTDOWN);
        }
        assert_int_equal(sup.line_count, 2);
    }
    assert_in_range(sup.children_count, 3, 8);
    then(halted(1, THS_REASON_CRASHED), "restart 1");
}

static void removed_child_keeps_the_order_of_the_others(void **state)
{
    uint32_t index;

    (void)state;
    set(THS_REST_FOR_ONE, PLAN(PERMANENT, 1), PLAN(PERMANENT, 1), PLAN(PERMANENT, 1));
    start_all();
    give(THSI_CHILD_ORDER_REMOVE, of_plan(0), 1);
    then(down(0, THS_REASON_SHUTDOWN), "answer 1 OK, forget p0");
    assert_int_equal(add((struct thsi_child_plan)PLAN(PERMANENT, 1), &index), THS_OK);
    assert_int_equal(index, 0); /* the first place, but the last in the line */
    give(THSI_CHILD_ORDER_START, of_plan(0), 2);
    start_all();
    then(halted(2, THS_REASON_CRASHED), "halt 0");
    then(halted(0, THS_REASON_SHUTDOWN), "restart 2");
    then(started(2), "restart 0");
}

static void template_has_children_by_order(void **state)
{
    uint32_t index;

    (void)state;
    set_with((struct thsi_supervisor_config){ .strategy = THS_DYNAMIC, .children_max = 3 },
             (const struct thsi_child_plan[]){ PLAN(TRANSIENT, 0) }, 1);
    then(at(1000), "");
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(add((struct thsi_child_plan)PLAN(TRANSIENT, 1), &index), THS_OK);
        assert_int_equal(index, i);
        give(THSI_CHILD_ORDER_START, of_child(i), 10 + i);
    }
    assert_int_equal(add((struct thsi_child_plan)PLAN(TRANSIENT, 1), &index), THS_TOO_MANY);
    then(started(1), "answer 11 OK");
    then(not_started(2, THS_CRASHED), "answer 12 CRASHED, forget 2");
    then(started(0), "answer 10 OK");
    then(halted(0, THS_REASON_CRASHED), "restart 0");
    then(started(0), "");
    then(halted(1, THS_REASON_NORMAL), "finish 1");
    then(down(1, THS_REASON_NORMAL), "forget 1");
    assert_int_equal(add((struct thsi_child_plan)PLAN(TRANSIENT, 1), &index), THS_OK);
    assert_int_equal(index, 1);
    give(THSI_CHILD_ORDER_START, of_child(1), 13);
    then(started(1), "answer 13 OK");
    then(give(THSI_CHILD_ORDER_STOP, of_child(0), 14), "finish 0");
    then(down(0, THS_REASON_SHUTDOWN), "answer 14 OK, forget 0");
    then(stop(), "finish 1");
    then(down(1, THS_REASON_SHUTDOWN), "done shutdown, forget 1");
}

static void children_of_a_template_are_spread(void **state)
{
    uint32_t index;

    (void)state;
    set_with((struct thsi_supervisor_config){ .strategy = THS_DYNAMIC },
             (const struct thsi_child_plan[]){ SPREAD(PERMANENT, 0) }, 1);
    members(0, 2, 3);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(add((struct thsi_child_plan)SPREAD(PERMANENT, 1), &index), THS_OK);
        give(THSI_CHILD_ORDER_START, of_child(index), 1 + i);
        started(index);
    }
    assert_int_equal(load(2), 3);
    assert_int_equal(load(3), 3);
}

static void supervisor_below_is_asked_and_finished_once_it_halted(void **state)
{
    (void)state;
    set(THS_ONE_FOR_ALL, PLAN(PERMANENT, 1), { .restart = THS_PERMANENT, .count = 1, .stop_ms = 100, .orderly = true });
    start_all();
    then(halted(0, THS_REASON_CRASHED), "ask 1");
    then(down(1, THS_REASON_SHUTDOWN), "restart 0");
    then(started(0), "start 1@1");
    then(started(1), "");
    then(stop(), "ask 1");
    then(halted(1, THS_REASON_SHUTDOWN), "finish 1");
    then(down(1, THS_REASON_SHUTDOWN), "finish 0");
}

static void adding_without_memory_changes_nothing(void **state)
{
    uint32_t index;

    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 1));
    start_all();
    TEST_ENV_EACH_FAILURE(&env, add((struct thsi_child_plan)SPREAD(PERMANENT, 30), &index) == THS_OK) {
        assert_int_equal(sup.line_count, 1);
        thsi_supervisor_check(&sup);
    }
    thsi_supervisor_take_back(&sup, index);
    assert_int_equal(sup.line_count, 1);
    thsi_supervisor_check(&sup);
}

/* ---- Bounds --------------------------------------------------------------------------------- */

static void starts_under_way_are_bounded(void **state)
{
    unsigned starting = 0;

    (void)state;
    set(THS_ONE_FOR_ONE, PLAN(PERMANENT, 100));
    at(1000);
    for (uint32_t i = 0; i < sup.children_count; i++)
        starting += sup.children[i].state == THSI_CHILD_STARTING;
    assert_int_equal(starting, THSI_STARTING_MAX);
    start_all();
    assert_int_equal(stats().running, 100);
}

static void too_many_children_are_refused(void **state)
{
    static const struct thsi_child_plan plans[] = { PLAN(PERMANENT, THSI_CHILDREN_MAX), PLAN(PERMANENT, 1) };
    struct thsi_supervisor_config config = { .self = 1, .restarts = 1, .within_ms = 1, .backoff_max_ms = 1,
                                             .children_max = THSI_CHILDREN_MAX,
                                             .plans = plans, .plans_count = 2 };

    (void)state;
    assert_int_equal(thsi_supervisor_init(&sup, &env.env, &config), THS_TOO_MANY);
    thsi_supervisor_fini(&sup);
    config.plans_count = 1;
    assert_int_equal(thsi_supervisor_init(&sup, &env.env, &config), THS_OK);
}

static void init_without_memory_leaves_nothing_behind(void **state)
{
    static const struct thsi_child_plan plans[] = { SPREAD(PERMANENT, 3), PLAN(PERMANENT, 1) };
    const struct thsi_supervisor_config config = { .self = 1, .restarts = 1, .within_ms = 1, .backoff_max_ms = 1,
                                             .children_max = THSI_CHILDREN_MAX,
                                                   .plans = plans, .plans_count = 2 };

    (void)state;
    TEST_ENV_EACH_FAILURE(&env, thsi_supervisor_init(&sup, &env.env, &config) == THS_OK)
        test_env_assert_clean(&env);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(children_start_one_after_the_other),
        STORY(children_stop_in_reverse_order),
        STORY(no_child_is_stopped_at_once),
        STORY(child_that_does_not_stop_is_killed_then_abandoned),
        STORY(stop_waits_for_a_start_under_way),
        STORY(stop_does_not_wait_for_a_start_elsewhere_and_ends_what_comes_of_it),
        STORY(node_that_stops_does_not_wait_long_for_children_elsewhere),
        STORY(node_that_stops_hurries_a_stop_under_way),
        STORY(who_is_restarted_after_what),
        STORY(crash_of_one_leaves_the_others),
        STORY(child_whose_actor_is_gone_is_started_anew),
        STORY(old_news_change_nothing),
        STORY(child_may_halt_before_its_start_is_answered),
        STORY(delays_double_up_to_the_most),
        STORY(quiet_time_resets_the_delay),
        STORY(one_restart_too_many_within_the_window_stops_all),
        STORY(giving_up_stops_in_reverse_and_ends_crashed),
        STORY(end_by_the_loss_of_a_linked_actors_node_is_a_failure),
        STORY(failure_to_start_here_is_tried_again_later_and_counts),
        STORY(start_without_an_answer_is_tried_again_and_its_late_actor_ended),
        STORY(crash_of_one_halts_all_in_reverse_and_restarts_in_order),
        STORY(restart_that_takes_long_is_waited_for_no_more),
        STORY(one_for_all_waits_between_failures),
        STORY(crash_while_others_are_halted_is_the_same_failure),
        STORY(transient_end_leaves_all_but_it_comes_back_with_all),
        STORY(temporary_child_ends_with_all_and_stays_away),
        STORY(child_that_does_not_halt_is_killed_then_replaced),
        STORY(stop_overtakes_a_restart_of_all),
        STORY(rest_for_one_halts_those_after_it),
        STORY(rest_waits_for_the_delay_of_the_one_that_failed),
        STORY(failure_before_the_rest_while_it_halts_is_one_of_its_own),
        STORY(rest_for_one_starts_a_lost_child_elsewhere_before_the_rest),
        STORY(normal_end_before_the_rest_leaves_it_alone),
        STORY(rest_for_one_starts_anew_what_is_gone),
        STORY(failed_start_handler_is_a_failure_wherever),
        STORY(significant_children_may_take_all_along),
        STORY(automatic_shutdown_ends_shutdown),
        STORY(spread_children_wait_for_a_place_and_hold_nobody_up),
        STORY(instances_are_dealt_out_evenly),
        STORY(share_of_a_lost_place_starts_elsewhere_at_once_and_does_not_count),
        STORY(share_of_a_joining_place_is_drained_from_the_fullest),
        STORY(spread_within_one_moves_nothing),
        STORY(place_that_falls_silent_keeps_its_children),
        STORY(child_that_fails_on_a_silent_place_is_moved),
        STORY(child_of_a_leaving_place_moves_though_it_was_shut_down),
        STORY(last_place_lost_leaves_children_waiting),
        STORY(temporary_children_are_neither_moved_nor_replaced),
        STORY(drained_child_that_does_not_stop_is_killed),
        STORY(drained_child_that_had_finished_its_work_does_not_come_back),
        STORY(place_that_cannot_start_a_child_does_not_end_the_supervisor),
        STORY(loss_of_a_place_restarts_all_of_one_for_all),
        STORY(random_changes_settle_to_an_even_spread),
        STORY(order_by_state),
        STORY(child_that_was_stopped_comes_back_by_order_only),
        STORY(start_by_order_that_fails_is_not_tried_again),
        STORY(newer_order_takes_the_place_of_the_older),
        STORY(order_for_one_instance_leaves_the_others),
        STORY(added_child_starts_and_comes_last),
        STORY(added_child_that_does_not_start_is_forgotten),
        STORY(temporary_child_that_was_added_is_forgotten_when_it_ends),
        STORY(places_of_removed_children_are_used_again),
        STORY(removed_child_keeps_the_order_of_the_others),
        STORY(template_has_children_by_order),
        STORY(children_of_a_template_are_spread),
        STORY(supervisor_below_is_asked_and_finished_once_it_halted),
        STORY(adding_without_memory_changes_nothing),
        STORY(starts_under_way_are_bounded),
        STORY(too_many_children_are_refused),
        STORY(init_without_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
