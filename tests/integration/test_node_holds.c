/* Holds: who has a claim on an actor, and its end when nobody has. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "tests/lib/puppet.h"

#define HELD ((struct ths_spawn_options){ .held = true })
#define PLAIN ((struct ths_spawn_options){ 0 })

static void last_release_asks_the_actor_to_stop(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", HELD);

    assert_err(ths_hold(node, a), OK);
    assert_err(ths_hold(node, a), OK);
    assert_err(ths_release(node, a), OK);
    assert_err(ths_release(node, a), OK);
    puppet_settle(node, a);
    assert_err(ths_release(node, a), OK);
    assert_ends(node, a, SHUTDOWN);
}

static void release_too_many_is_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .held = true, .trap_exits = true });

    assert_err(ths_release(node, a), OK);
    assert_noted("a: exited nobody shutdown \"nobody holds it\"\n");
    assert_err(ths_release(node, a), INVALID);
    assert_err(ths_hold(node, a), CLOSED);
}

static void actor_that_is_not_held_has_no_holds(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_hold(node, a), INVALID);
    assert_err(ths_release(node, a), INVALID);
    puppet_settle(node, a);
}

static void holds_are_for_living_actors_of_this_node(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", HELD);
    ths_ref elsewhere = { ths_node_uid(node) + 1, a.slot, a.generation };
    ths_ref never = { a.node, a.slot, a.generation + 2 };

    assert_err(ths_hold(node, elsewhere), UNSUPPORTED);
    assert_err(ths_release(node, elsewhere), UNKNOWN_NODE);
    assert_err(ths_hold(node, never), STALE);
    assert_err(ths_hold(node, THS_NOBODY), GONE);
    ths_kill(node, a);
    assert_ends(node, a, KILLED);
    assert_err(ths_hold(node, a), GONE);
    assert_err(ths_release(node, a), GONE);
}

static void refused_spawn_is_not_held(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .name = "x" }), b;

    assert_true(ths_ref_is_nobody(puppet_spawn_in(thsp_of_node(node), "b",
                                                  (struct ths_spawn_options){ .name = "x", .held = true })));
    b = puppet_spawn(node, "b", PLAIN); /* may well live in the same slot */
    assert_err(ths_hold(node, b), INVALID);
    puppet_settle(node, a);
}

/* ---- From all sides --------------------------------------------------------------------------- */

enum { HOLDERS = 8, TIMES = 2000 };

static _Atomic unsigned refused;

static void holds_and_releases(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const ths_ref *ref = arg;

    (void)self;
    for (int i = 0; i < TIMES; i++) {
        if (ths_hold(ctx, *ref) != THS_OK)
            atomic_fetch_add(&refused, 1);
        if (ths_release(ctx, *ref) != THS_OK)
            atomic_fetch_add(&refused, 1);
    }
}

static void holds_are_counted_from_all_sides(void **state)
{
    struct ths_node *node = *state;
    ths_ref held = puppet_spawn(node, "held", HELD), holders[HOLDERS];
    struct puppet_todo todo = { holds_and_releases, &held };

    for (int i = 0; i < HOLDERS; i++) {
        holders[i] = puppet_spawn(node, "holder", PLAIN);
        assert_err(ths_tell(node, holders[i], act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    }
    for (int i = 0; i < HOLDERS; i++)
        puppet_settle(node, holders[i]);
    assert_int_equal(atomic_load(&refused), 0);
    puppet_settle(node, held);
    assert_err(ths_release(node, held), OK);
    assert_ends(node, held, SHUTDOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(last_release_asks_the_actor_to_stop),
        puppet_test(release_too_many_is_refused),
        puppet_test(actor_that_is_not_held_has_no_holds),
        puppet_test(holds_are_for_living_actors_of_this_node),
        puppet_test(refused_spawn_is_not_held),
        puppet_test(holds_are_counted_from_all_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
