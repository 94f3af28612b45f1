/* Spawning, and what a node tells about itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <string.h>

#define PLAIN ((struct ths_spawn_options){ 0 })

THS_MESSAGE(birth, "test.birth", 1, string(name))

struct child { unsigned steps; };

THS_ON(child, ths_started)
{
    probe_note("started %u as step %u", msg->incarnation, ++self->steps);
}

THS_ON(child, birth)
{
    probe_note("born %s as step %u, sender %s", msg->name, ++self->steps, probe_label(ths_sender(ctx)));
}

THS_ON(child, word)
{
    probe_note("word %s as step %u", msg->text, ++self->steps);
}

THS_BEHAVIOUR(child, ths_started, birth, word)

static void start_message_comes_before_all_others(void **state)
{
    struct ths_node *node = *state;
    ths_ref child = ths_spawn(node, child, .start = THS_MSG(birth, .name = "x"));

    assert_err(ths_tell(node, child, word, .text = "w"), OK);
    assert_noted("started 1 as step 1\nborn x as step 2, sender nobody\nword w as step 3\n");
}

static void start_message_is_copied(void **state)
{
    struct ths_node *node = *state;
    char name[] = "kept";

    (void)ths_spawn(node, child, .start = THS_MSG(birth, .name = name));
    memset(name, 'z', sizeof name - 1);
    assert_noted("started 1 as step 1\nborn kept as step 2, sender nobody\n");
}

struct large { uint8_t bytes[4000]; };

THS_ON(large, word)
{
    unsigned sum = 0;

    for (size_t i = 0; i < sizeof self->bytes; i++)
        sum += self->bytes[i];
    memset(self->bytes, 0xaa, sizeof self->bytes);
    probe_note("%s: %u", msg->text, sum);
}

THS_BEHAVIOUR(large, word)

static void state_is_zeroed(void **state)
{
    struct ths_node *node = *state;

    for (unsigned i = 0; i < 20; i++) { /* memory of the ended ones is used again */
        ths_ref large = ths_spawn(node, large);
        assert_err(ths_tell(node, large, word, .text = "sum"), OK);
        assert_noted("sum: 0\n");
        ths_kill(node, large);
        assert_ends(node, large, KILLED);
        probe_reset();
    }
}

static void spawns_linked(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    *(ths_ref *)ref = puppet_spawn_in(ctx, "new", (struct ths_spawn_options){ .link = true });
}

static void spawns_watched(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    *(ths_ref *)ref = puppet_spawn_in(ctx, "new", (struct ths_spawn_options){ .monitor = true });
}

static void spawn_with_link_ties_both(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), child;

    puppet_do(*state, a, spawns_linked, &child);
    (void)puppet_try(*state, child, puppet_fails, "");
    assert_ends(*state, a, CRASHED);
    a = puppet_spawn(*state, "a", PLAIN);
    puppet_do(*state, a, spawns_linked, &child);
    (void)puppet_watch(*state, "w", child);
    (void)puppet_try(*state, a, puppet_fails, "");
    assert_noted("w: down new crashed observed \"\"\n");
}

static void spawn_with_monitor_watches(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN), child;

    puppet_do(*state, a, spawns_watched, &child);
    puppet_do(*state, child, puppet_stops, NULL);
    assert_noted("a: down new normal observed \"\"\n");
}

struct stillborn { char none; };

THS_ON(stillborn, ths_started)
{
    ths_fail(ctx, "never");
}

THS_BEHAVIOUR(stillborn, ths_started)

static void spawns_stillborn(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    ths_ref ref = ths_spawn(ctx, stillborn, .monitor = true);

    (void)self, (void)arg;
    probe_name(ref, "stillborn");
}

static void spawn_with_monitor_misses_nothing(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    puppet_do(*state, a, spawns_stillborn, NULL);
    assert_noted("a: down stillborn crashed observed \"never\"\n");
}

static void refs_are_never_used_again(void **state)
{
    enum { LIVES = 300 };
    struct ths_node *node = *state;
    ths_ref refs[LIVES];

    for (unsigned i = 0; i < LIVES; i++) {
        refs[i] = puppet_spawn(node, "a", PLAIN);
        ths_kill(node, refs[i]);
        assert_ends(node, refs[i], KILLED);
        for (unsigned k = 0; k < i; k++)
            assert_false(ths_ref_equal(refs[i], refs[k]));
        assert_err(ths_try_tell(node, refs[i / 2], word, .text = "x"), GONE);
    }
}

/* ---- Started by name ----------------------------------------------------------------------- */

static void spawns_by_name(struct ths_ctx *ctx, struct puppet *self, void *behaviour)
{
    (void)self;
    ths_spawn_at(ctx, puppet_heard, PROBE_LIMIT_MS, "", behaviour,
                 .start = THS_MSG(puppet_start, .label = "made", .notes = PUPPET_NOTES_START));
}

static void registered_behaviour_is_started_by_name(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);
    char behaviour[] = "puppet";

    assert_err(puppet_register(*state), OK);
    puppet_do(*state, a, spawns_by_name, behaviour);
    assert_noted_in_any_order("made: started 1\na: heard OK spawned\n");
}

static void unregistered_behaviour_is_refused(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);
    char behaviour[] = "nothing";

    puppet_do(*state, a, spawns_by_name, behaviour);
    assert_noted("a: heard UNKNOWN_BEHAVIOUR\n");
}

/* ---- What a node tells ------------------------------------------------------------------- */

static void node_has_name_and_uid(void **state)
{
    struct ths_node *node = *state;

    assert_string_equal(ths_node_name(node), "test");
    assert_true(ths_node_uid(node) != 0);
    assert_true(puppet_spawn(node, "a", PLAIN).node == ths_node_uid(node));
}

static void each_boot_has_its_own_uid(void **state)
{
    struct ths_node *again = ths_node_start(&(struct ths_node_options){ .name = "test", .workers = 1 });

    assert_non_null(again);
    assert_true(ths_node_uid(again) != ths_node_uid(*state));
    ths_node_stop(again, 0);
}

static void ref_of_another_boot_reaches_nobody(void **state)
{
    struct ths_node *again = ths_node_start(&(struct ths_node_options){ .name = "test", .workers = 1 });
    ths_ref old = puppet_spawn(*state, "old", PLAIN);

    (void)puppet_spawn(again, "new", PLAIN);
    assert_err(ths_try_tell(again, old, word, .text = "x"), UNKNOWN_NODE);
    ths_node_stop(again, 0);
    assert_int_equal(probe_count(), 0);
}

static void statistics_count_what_happened(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), b = puppet_spawn(node, "b", PLAIN);
    struct ths_node_stats before, after;
    struct puppet_todo todo = { puppet_fails, NULL };

    assert_err(ths_tell(node, a, word, .text = "x"), OK);
    assert_err(ths_tell(node, b, word, .text = "x"), OK);
    probe_wait(2);
    ths_node_stats(node, &before);
    assert_err(ths_tell(node, b, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    assert_ends(node, b, CRASHED);
    ths_node_stats(node, &after);
    assert_int_equal(before.spawned, 2);
    assert_int_equal(before.actors, 2);
    assert_int_equal(after.spawned, 2);
    assert_int_equal(after.ended, 1);
    assert_int_equal(after.crashed, 1);
    assert_int_equal(after.actors, 1);
    for (unsigned tries = 0; tries < 1000000 && after.messages == before.messages; tries++) { /* counted by the turn */
        puppet_settle(node, a);
        ths_node_stats(node, &after);
    }
    assert_true(after.messages > before.messages);
}

static void look(void *arg, const struct ths_actor_info *actor)
{
    ths_ref *seen = arg;

    if (strcmp(actor->name, "named") != 0)
        return;
    assert_string_equal(actor->behaviour, "puppet");
    assert_int_equal(actor->incarnation, 1);
    *seen = actor->ref;
}

static void list_of_actors_has_names_and_behaviours(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", (struct ths_spawn_options){ .name = "named" }), seen = THS_NOBODY;

    (void)puppet_spawn(*state, "b", PLAIN);
    puppet_settle(*state, a);
    ths_node_actors(*state, 1000, look, &seen);
    assert_true(ths_ref_equal(seen, a));
}

static void count_one(void *arg, const struct ths_actor_info *actor)
{
    (void)actor;
    ++*(unsigned *)arg;
}

static void list_of_actors_is_bounded(void **state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < 20; i++)
        (void)puppet_spawn(*state, "a", PLAIN);
    ths_node_actors(*state, 7, count_one, &count);
    assert_int_equal(count, 7);
}

/* ---- Stopping a node --------------------------------------------------------------------- */

static void node_stop_asks_actors_to_stop(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "brief", .workers = 2 });

    (void)state;
    (void)puppet_spawn(node, "a", (struct ths_spawn_options){
                                      .start = THS_MSG(puppet_start, .notes = PUPPET_NOTES_STOPPING) });
    ths_node_stop(node, PROBE_LIMIT_MS);
    assert_noted("a: stopping shutdown \"the node stops\"\n");
}

static void node_stop_kills_what_does_not_end(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "brief", .workers = 2 });

    (void)state;
    (void)puppet_spawn(node, "a", (struct ths_spawn_options){ .trap_exits = true });
    ths_node_stop(node, 50); /* returns at all */
    assert_int_equal(probe_count() <= 1, 1);
}

static void stopping_nothing_is_allowed(void **state)
{
    (void)state;
    ths_node_stop(NULL, 0);
}

static void busy_node_stops(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "brief", .workers = 4 });

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        ths_ref a = puppet_spawn(node, "a", PLAIN);
        (void)ths_tell(node, a, secret);
        (void)ths_tell(node, a, secret);
    }
    ths_node_stop(node, PROBE_LIMIT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(start_message_comes_before_all_others),
        puppet_test(start_message_is_copied),
        puppet_test(state_is_zeroed),
        puppet_test(spawn_with_link_ties_both),
        puppet_test(spawn_with_monitor_watches),
        puppet_test(spawn_with_monitor_misses_nothing),
        puppet_test(refs_are_never_used_again),
        puppet_test(registered_behaviour_is_started_by_name),
        puppet_test(unregistered_behaviour_is_refused),
        puppet_test(node_has_name_and_uid),
        puppet_test(each_boot_has_its_own_uid),
        puppet_test(ref_of_another_boot_reaches_nobody),
        puppet_test(statistics_count_what_happened),
        puppet_test(list_of_actors_has_names_and_behaviours),
        puppet_test(list_of_actors_is_bounded),
        puppet_test(node_stop_asks_actors_to_stop),
        puppet_test(node_stop_kills_what_does_not_end),
        puppet_test(stopping_nothing_is_allowed),
        puppet_test(busy_node_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
