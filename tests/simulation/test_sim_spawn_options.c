/* The options of a spawn mean the same whichever way an actor comes to be: by ths_spawn, as a child here or where a role is, by
 * ths_spawn_at here or on another node. Each test does one thing to five actors that were spawned with the same options. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"
#include "thiasos/lifecycle.h"
#include "thiasos/start.h"
#include "thiasos/supervisor.h"

enum way { SPAWNED, CHILD, CHILD_THERE, BY_NAME, BY_NAME_THERE, WAYS };

/* ---- The actor ----------------------------------------------------------------------------- */

THS_MESSAGE(quote, "test.options_quote", 1, string(symbol), u32(price))
THS_MESSAGE(alarm, "test.options_alarm", 1, string(text))
THS_MESSAGE(eat, "test.options_eat", 1, u64(bytes))
THS_MESSAGE(tie, "test.options_tie", 1, ref(to))
THS_MESSAGE(crash, "test.options_crash", 1)

struct sample { char none; };

THS_ON(sample, quote) { probe_note("%s %u", msg->symbol, msg->price); }
THS_ON(sample, alarm) { probe_note("alarm %s", msg->text); }
THS_ON(sample, tie) { ths_link(ctx, msg->to); }
THS_ON(sample, crash) { ths_fail(ctx, "as told"); }
THS_ON(sample, ths_exited) { probe_note("trapped %s", ths_reason_text((enum ths_reason)msg->reason)); }
THS_ON(sample, ths_finally) { probe_note("ended %s", ths_reason_text((enum ths_reason)msg->reason)); }

THS_ON(sample, eat)
{
    probe_note("%s", ths_alloc(ctx, (size_t)msg->bytes) ? "eaten" : "too much");
}

THS_BEHAVIOUR(sample, quote, alarm, tie, crash, eat, ths_exited, ths_finally)

/* ---- Five ways ------------------------------------------------------------------------------ */

static const char *roles(unsigned node)
{
    return node == 2 ? "far" : "";
}

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    assert_err(puppet_register(node), OK);
    assert_err(ths_register(node, sample), OK);
}

static struct ths_node *here, *there;

static int setup(void **state)
{
    probe_reset();
    stage = ths_sim_create(.seed = 1, .nodes = 2, .roles = roles, .setup = boot);
    if (!stage)
        return -1;
    stage_run(5000);
    *state = here = ths_sim_node(stage, 1);
    there = ths_sim_node(stage, 2);
    return 0;
}

static struct answer_of_spawn {
    const struct ths_spawn_options *options;
    const char *node;
    enum ths_err err;
    ths_ref who;
} spawning;

THS_ON_REPLY(puppet, spawn_heard, ths_spawned)
{
    spawning.err = err;
    spawning.who = reply ? reply->who : THS_NOBODY;
}

static void spawns_at(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    thsp_spawn_at(ctx, spawning.node, "sample", spawning.options, &spawn_heard, 1000);
}

static ths_ref puppet_of_the_test(void)
{
    static ths_ref one;

    if (!ths_ref_equal(one, ths_whereis(here, "boss", 0)) || ths_ref_is_nobody(one))
        one = puppet_spawn(here, "boss", (struct ths_spawn_options){ .name = "boss" });
    probe_name(one, "boss");
    return one;
}

static enum ths_err by_name(const char *node, const struct ths_spawn_options *options, ths_ref *out)
{
    spawning = (struct answer_of_spawn){ .options = options, .node = node, .err = THS_TIMEOUT };
    puppet_do(here, puppet_of_the_test(), spawns_at, NULL);
    stage_settle();
    *out = spawning.who;
    return spawning.err;
}

static void see_child(void *arg, const struct ths_child_info *child)
{
    *(ths_ref *)arg = child->who;
}

static enum ths_err child(const char *where, const struct ths_spawn_options *options, ths_ref *out)
{
    const struct ths_child children[] = { { .name = "c", .behaviour = "sample", .where = where, .restart = THS_TEMPORARY,
                                            .spawn = *options } };
    enum ths_err err;
    ths_ref supervisor = ths_try_supervise(here, &err, children);

    if (err != THS_OK)
        return err;
    stage_settle();
    return ths_children(here, supervisor, see_child, out);
}

static enum ths_err spawn(enum way way, const struct ths_spawn_options *options, ths_ref *out)
{
    *out = THS_NOBODY;
    switch (way) {
    case SPAWNED:
        return thsp_try_spawn(thsp_of_node(here), &sample_behaviour, options, out);
    case CHILD:
    case CHILD_THERE:
        return child(way == CHILD ? NULL : "role=far", options, out);
    default:
        return by_name(way == BY_NAME ? "" : "n2", options, out);
    }
}

static struct ths_node *home_of(ths_ref ref)
{
    return ref.node == ths_node_uid(here) ? here : there;
}

/* Have @act done to one actor of each way, by its own node, and the lines be the same each time. */
static void each_way(const struct ths_spawn_options *options, void (*act)(struct ths_node *home, ths_ref ref),
                     const char *expected)
{
    for (unsigned way = 0; way < WAYS; way++) {
        ths_ref ref;

        probe_reset();
        assert_err(spawn((enum way)way, options, &ref), OK);
        assert_false(ths_ref_is_nobody(ref));
        assert_true((way == CHILD_THERE || way == BY_NAME_THERE) == (home_of(ref) == there));
        stage_settle();
        act(home_of(ref), ref);
        stage_settle();
        assert_noted(expected);
    }
}

/* ---- Mailboxes ------------------------------------------------------------------------------ */

static void say_five(struct ths_node *home, ths_ref ref)
{
    for (unsigned i = 1; i <= 5; i++)
        (void)ths_tell(home, ref, quote, .symbol = "q", .price = i);
}

static void size_of_the_mailbox_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .mailbox = 2 }, say_five, "q 1\nq 2\n");
}

static void what_a_full_mailbox_does_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .mailbox = 2, .when_full = THS_DROP_OLDEST }, say_five, "q 4\nq 5\n");
    each_way(&(struct ths_spawn_options){ .mailbox = 3, .when_full = THS_DROP_NEWEST }, say_five, "q 1\nq 2\nq 3\n");
}

static void say_two_symbols(struct ths_node *home, ths_ref ref)
{
    for (unsigned i = 1; i <= 4; i++)
        (void)ths_tell(home, ref, quote, .symbol = i % 2 ? "x" : "y", .price = i);
}

static void key_of_the_latest_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .when_full = THS_LATEST_BY_KEY, .key = "symbol" }, say_two_symbols, "x 3\ny 4\n");
}

static void say_alarm_last(struct ths_node *home, ths_ref ref)
{
    (void)ths_tell(home, ref, quote, .symbol = "q", .price = 1);
    (void)ths_tell(home, ref, quote, .symbol = "q", .price = 2);
    (void)ths_tell(home, ref, alarm, .text = "fire");
}

static void urgent_types_are_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .urgent = THS_URGENT(eat, alarm) }, say_alarm_last, "alarm fire\nq 1\nq 2\n");
}

static void bytes_of_the_mailbox_are_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .mailbox_bytes = 150 }, say_five, "q 1\nq 2\n");
}

/* ---- The rest ------------------------------------------------------------------------------- */

static void eat_much(struct ths_node *home, ths_ref ref)
{
    (void)ths_tell(home, ref, eat, .bytes = 3000);
    (void)ths_tell(home, ref, eat, .bytes = 3000);
}

static void memory_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .memory_max = 4096 }, eat_much, "eaten\ntoo much\nended quota\n");
    each_way(&(struct ths_spawn_options){ .memory_max = 0 }, eat_much, "eaten\neaten\n");
}

static void link_it_to_one_that_fails(struct ths_node *home, ths_ref ref)
{
    ths_ref other = ths_spawn(home, sample);

    (void)ths_tell(home, ref, tie, .to = other);
    stage_settle();
    probe_reset();
    (void)ths_tell(home, other, crash);
}

static void trapping_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .trap_exits = true }, link_it_to_one_that_fails, "ended crashed\ntrapped crashed\n");
    each_way(&(struct ths_spawn_options){ .trap_exits = false }, link_it_to_one_that_fails, "ended crashed\nended crashed\n");
}

static void keep_silent(struct ths_node *home, ths_ref ref)
{
    stage_run(300);
    (void)ths_tell(home, ref, quote, .symbol = "q", .price = 1);
    stage_run(300);
    probe_note("a while");
    stage_run(500);
}

static void idle_time_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .idle_ms = 500 }, keep_silent, "q 1\na while\nended normal\n");
}

/* The hold is the spawner's, who is on the first node. */
static void hold_and_release(struct ths_node *home, ths_ref ref)
{
    assert_err(ths_hold(home, ref), OK);
    assert_err(ths_release(here, ref), OK);
    stage_settle();
    probe_note("held once");
    assert_err(ths_release(home, ref), OK);
}

static void hold_is_an_option_of_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .held = true }, hold_and_release, "held once\nended shutdown\n");
}

static void do_nothing(struct ths_node *home, ths_ref ref)
{
    (void)home, (void)ref;
}

static void all_options_together_are_taken_by_each(void **state)
{
    (void)state;
    each_way(&(struct ths_spawn_options){ .mailbox = 9, .trap_exits = true, .own_thread = true, .idle_ms = 100000, .held = true,
                                          .when_full = THS_LATEST_BY_KEY, .key = "symbol", .urgent = THS_URGENT(alarm),
                                          .mailbox_bytes = 1 << 20, .memory_max = 1 << 20 }, do_nothing, "");
}

/* ---- Incarnations --------------------------------------------------------------------------- */

static void each_incarnation_of_a_child_has_its_options(void **state)
{
    const struct ths_child children[] = { { .name = "c", .behaviour = "sample",
                                            .spawn = { .memory_max = 4096, .trap_exits = true, .idle_ms = 500, .mailbox = 2,
                                                       .when_full = THS_DROP_OLDEST } } };
    ths_ref supervisor = ths_supervise(here, children), ref = THS_NOBODY;

    (void)state;
    stage_settle();
    assert_err(ths_children(here, supervisor, see_child, &ref), OK);
    (void)ths_tell(here, ref, crash);
    stage_settle();
    probe_reset();
    link_it_to_one_that_fails(here, ref);
    stage_settle();
    say_five(here, ref);
    stage_settle();
    assert_noted("ended crashed\ntrapped crashed\nq 4\nq 5\n");
    probe_reset();
    eat_much(here, ref);
    stage_settle();
    assert_noted("eaten\ntoo much\nended quota\n");
    stage_run(600);
    assert_noted("eaten\ntoo much\nended quota\nended normal\n");
}

/* ---- Spawner and spawned, on two nodes ------------------------------------------------------ */

static void name_is_registered_where_it_is_spawned(void **state)
{
    ths_ref ref, again;

    (void)state;
    assert_err(by_name("n2", &(struct ths_spawn_options){ .name = "far" }, &ref), OK);
    assert_true(ths_ref_equal(ref, ths_whereis(there, "far", 0)));
    assert_err(by_name("n2", &(struct ths_spawn_options){ .name = "far" }, &again), NAME_TAKEN);
    assert_err(by_name("", &(struct ths_spawn_options){ .name = "far" }, &again), OK);
}

static void one_that_is_linked_by_its_spawn_ends_with_its_spawner(void **state)
{
    ths_ref near, far;

    (void)state;
    assert_err(by_name("", &(struct ths_spawn_options){ .link = true }, &near), OK);
    assert_err(by_name("n2", &(struct ths_spawn_options){ .link = true }, &far), OK);
    (void)puppet_try(here, puppet_of_the_test(), puppet_fails, "");
    stage_settle();
    assert_noted("ended crashed\nended crashed\n");
}

static void spawner_ends_with_one_that_is_linked_by_its_spawn(void **state)
{
    static const char *const nodes[] = { "", "n2" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        ths_ref boss = puppet_of_the_test(), ref;

        probe_reset();
        (void)puppet_watch(here, "watcher", boss);
        assert_err(by_name(nodes[i], &(struct ths_spawn_options){ .link = true }, &ref), OK);
        (void)ths_tell(home_of(ref), ref, crash);
        stage_settle();
        assert_noted("ended crashed\nwatcher: down boss crashed observed \"as told\"\n");
    }
}

static void spawner_hears_of_the_end_of_one_that_it_watches(void **state)
{
    static const char *const nodes[] = { "", "n2" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        ths_ref ref;

        probe_reset();
        assert_err(by_name(nodes[i], &(struct ths_spawn_options){ .monitor = true }, &ref), OK);
        probe_name(ref, "it");
        (void)ths_tell(home_of(ref), ref, crash);
        stage_settle();
        assert_noted("ended crashed\nboss: down it crashed observed \"as told\"\n");
    }
}

/* The answer, of which nobody knows, comes too late; the end does not. */
static void spawner_hears_of_an_end_although_it_had_given_up_the_start(void **state)
{
    const struct ths_spawn_options options = { .monitor = true, .idle_ms = 100 };

    (void)state;
    spawning = (struct answer_of_spawn){ .options = &options, .node = "n2", .err = THS_OK };
    ths_sim_pause(stage, 2, true);
    puppet_do(here, puppet_of_the_test(), spawns_at, NULL);
    stage_run(1100);
    assert_err(spawning.err, TIMEOUT);
    ths_sim_pause(stage, 2, false);
    stage_run(1000);
    assert_noted("ended normal\nboss: down stranger normal observed \"idle\"\n");
}

static void loss_of_the_node_is_the_end_of_one_that_is_watched(void **state)
{
    ths_ref ref;

    (void)state;
    assert_err(by_name("n2", &(struct ths_spawn_options){ .monitor = true }, &ref), OK);
    probe_name(ref, "it");
    ths_sim_crash(stage, 2);
    stage_run(20000);
    assert_noted("boss: down it node_lost assumed \"its node was declared dead\"\n");
}

/* ---- Refused -------------------------------------------------------------------------------- */

static bool key_of_nothing(const struct ths_message *msg, uint64_t *key)
{
    (void)msg, (void)key;
    return false;
}

static void assert_refused(const struct ths_spawn_options *options, enum ths_err expected, enum ths_err expected_there)
{
    for (unsigned way = 0; way < WAYS; way++) {
        ths_ref ref;
        enum ths_err err = spawn((enum way)way, options, &ref);
        bool far = way == CHILD_THERE || way == BY_NAME_THERE;

        assert_string_equal(ths_err_name(err), ths_err_name(far ? expected_there : expected));
        assert_true(ths_ref_is_nobody(ref) == (err != THS_OK));
    }
}

static void options_that_contradict_each_other_are_refused_by_each_way(void **state)
{
    struct ths_type *many[THS_URGENT_MAX + 2] = { NULL };
    struct ths_type *most[THS_URGENT_MAX + 1] = { NULL };

    (void)state;
    for (unsigned i = 0; i <= THS_URGENT_MAX; i++)
        many[i] = &alarm_type;
    for (unsigned i = 0; i < THS_URGENT_MAX; i++)
        most[i] = &alarm_type;
    assert_refused(&(struct ths_spawn_options){ .when_full = (enum ths_when_full)17 }, THS_INVALID, THS_INVALID);
    assert_refused(&(struct ths_spawn_options){ .when_full = THS_LATEST_BY_KEY }, THS_INVALID, THS_INVALID);
    assert_refused(&(struct ths_spawn_options){ .key = "symbol" }, THS_INVALID, THS_INVALID);
    assert_refused(&(struct ths_spawn_options){ .urgent = many }, THS_INVALID, THS_INVALID);
    assert_refused(&(struct ths_spawn_options){ .urgent = most }, THS_OK, THS_OK);
}

static void function_for_keys_is_refused_where_it_cannot_go(void **state)
{
    (void)state;
    assert_refused(&(struct ths_spawn_options){ .when_full = THS_LATEST_BY_KEY, .key_of = key_of_nothing }, THS_OK,
                   THS_UNSUPPORTED);
}

static void what_a_child_has_already_is_no_spawn_option_of_it(void **state)
{
    const struct ths_spawn_options rows[] = { { .name = "x" }, { .start = THS_MSG(crash) }, { .link = true },
                                              { .monitor = true } };
    ths_ref ref;

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_err(child(NULL, &rows[i], &ref), INVALID);
        assert_err(child("role=far", &rows[i], &ref), INVALID);
    }
}

static void supervisors_below_and_children_of_templates_have_no_options_of_their_own(void **state)
{
    const struct ths_child tree[] = { { .name = "t", .spawn = { .idle_ms = 5 },
                                        THS_CHILDREN({ .name = "a", .behaviour = "sample" }) } };
    const struct ths_child sized[] = { { .name = "t", .spawn = { .mailbox = 50 },
                                         THS_CHILDREN({ .name = "a", .behaviour = "sample" }) } };
    const struct ths_child template[] = { { .name = "a", .behaviour = "sample", .spawn = { .memory_max = 4096 } } };
    enum ths_err err;
    ths_ref supervisor, ref;

    (void)state;
    (void)ths_try_supervise(here, &err, tree);
    assert_err(err, INVALID);
    (void)ths_try_supervise(here, &err, sized);
    assert_err(err, OK);
    supervisor = ths_supervise(here, template, .strategy = THS_DYNAMIC);
    assert_err(ths_child_add_wait(here, supervisor, &ref, 1000, .spawn = { .held = true }), INVALID);
    assert_err(ths_child_add_wait(here, supervisor, &ref, 1000), OK);
    eat_much(here, ref); /* its options are the template's */
    stage_settle();
    assert_noted("eaten\ntoo much\nended quota\n");
}

static void child_that_is_added_has_options(void **state)
{
    const struct ths_child children[] = { { .name = "a", .behaviour = "sample" } };
    ths_ref supervisor = ths_supervise(here, children), ref;

    (void)state;
    assert_err(ths_child_add_wait(here, supervisor, &ref, 1000, .name = "b", .behaviour = "sample", .restart = THS_TEMPORARY,
                                  .spawn = { .held = true, .mailbox = 2, .when_full = THS_DROP_OLDEST }), OK);
    say_five(here, ref);
    stage_settle();
    assert_err(ths_release(here, ref), OK);
    stage_settle();
    assert_noted("q 4\nq 5\nended shutdown\n");
    assert_err(ths_child_add_wait(here, supervisor, &ref, 1000, .name = "c", .behaviour = "sample",
                                  .spawn = { .when_full = THS_LATEST_BY_KEY }), INVALID);
}

static void release_of_one_that_nobody_holds_does_nothing(void **state)
{
    ths_ref near, far;

    (void)state;
    assert_err(by_name("", &(struct ths_spawn_options){ .mailbox = 0 }, &near), OK);
    assert_err(by_name("n2", &(struct ths_spawn_options){ .mailbox = 0 }, &far), OK);
    assert_err(ths_release(here, near), INVALID);
    assert_err(ths_release(here, far), OK); /* on its way: there is nobody to tell */
    assert_err(ths_hold(here, far), UNSUPPORTED);
    assert_err(ths_release(here, THS_NOBODY), GONE);
    stage_settle();
    assert_noted("");
    say_five(there, far);
    stage_settle();
    assert_int_equal(probe_count(), 5);
}

#define options_test(fact) cmocka_unit_test_setup_teardown(fact, setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        options_test(size_of_the_mailbox_is_an_option_of_each),
        options_test(what_a_full_mailbox_does_is_an_option_of_each),
        options_test(key_of_the_latest_is_an_option_of_each),
        options_test(urgent_types_are_an_option_of_each),
        options_test(bytes_of_the_mailbox_are_an_option_of_each),
        options_test(memory_is_an_option_of_each),
        options_test(trapping_is_an_option_of_each),
        options_test(idle_time_is_an_option_of_each),
        options_test(hold_is_an_option_of_each),
        options_test(all_options_together_are_taken_by_each),
        options_test(each_incarnation_of_a_child_has_its_options),
        options_test(name_is_registered_where_it_is_spawned),
        options_test(one_that_is_linked_by_its_spawn_ends_with_its_spawner),
        options_test(spawner_ends_with_one_that_is_linked_by_its_spawn),
        options_test(spawner_hears_of_the_end_of_one_that_it_watches),
        options_test(spawner_hears_of_an_end_although_it_had_given_up_the_start),
        options_test(loss_of_the_node_is_the_end_of_one_that_is_watched),
        options_test(options_that_contradict_each_other_are_refused_by_each_way),
        options_test(function_for_keys_is_refused_where_it_cannot_go),
        options_test(what_a_child_has_already_is_no_spawn_option_of_it),
        options_test(supervisors_below_and_children_of_templates_have_no_options_of_their_own),
        options_test(child_that_is_added_has_options),
        options_test(release_of_one_that_nobody_holds_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
