/* Names: one actor each, free again before anybody hears of its end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#define NAMED(what) ((struct ths_spawn_options){ .name = what })
#define PLAIN ((struct ths_spawn_options){ 0 })

static void named_actor_is_found(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NAMED("some.name_1:x/y-z"));

    assert_true(ths_ref_equal(ths_whereis(*state, "some.name_1:x/y-z", 0), a));
}

static void name_with_this_node_is_found(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NAMED("greeter"));

    assert_true(ths_ref_equal(ths_whereis(*state, "greeter@test", 0), a));
}

static void unknown_name_is_nobody(void **state)
{
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "nobody.here", 0)));
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "nobody.here", 10)));
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "nobody.here@elsewhere", 10)));
}

static void *spawns_later(void *node)
{
    (void)puppet_spawn_in(thsp_of_node(node), "a", NAMED("late"));
    return NULL;
}

static void whereis_waits_for_the_name(void **state)
{
    pthread_t thread;
    ths_ref found;

    assert_int_equal(pthread_create(&thread, NULL, spawns_later, *state), 0);
    found = ths_whereis(*state, "late", PROBE_LIMIT_MS);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(probe_label(found), "a");
}

static void name_is_free_after_the_end(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", NAMED("greeter")), b;

    puppet_do(*state, a, puppet_stops, NULL);
    assert_ends(*state, a, NORMAL);
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "greeter", 0)));
    b = puppet_spawn(*state, "b", NAMED("greeter"));
    assert_true(ths_ref_equal(ths_whereis(*state, "greeter", 0), b));
    assert_false(ths_ref_equal(a, b));
}

struct heir { char none; };

THS_MESSAGE(succeed, "test.succeed", 1, ref(whom))

THS_ON(heir, succeed)
{
    (void)ths_monitor(ctx, msg->whom);
}

THS_ON(heir, ths_down)
{
    ths_ref next = puppet_spawn_in(ctx, "next", NAMED("throne"));

    probe_note("the name is %s", ths_ref_is_nobody(next) ? "still taken" : "free");
}

THS_BEHAVIOUR(heir, succeed, ths_down)

static void name_is_free_when_down_comes(void **state)
{
    struct ths_node *node = *state;

    for (unsigned i = 0; i < 200; i++) {
        ths_ref king = puppet_spawn(node, "king", NAMED("throne")), heir = ths_spawn(node, heir), next;
        assert_err(ths_tell(node, heir, succeed, .whom = king), OK);
        ths_kill(node, king);
        assert_noted("the name is free\n");
        next = ths_whereis(node, "throne", 0);
        ths_kill(node, next);
        assert_err(ths_join(node, next, PROBE_LIMIT_MS, NULL), OK);
        probe_reset();
    }
}

/* ---- Lookup from a handler ---------------------------------------------------------------- */

static void looks_up(struct ths_ctx *ctx, struct puppet *self, void *name)
{
    (void)self;
    ths_lookup(ctx, name, puppet_heard, PROBE_LIMIT_MS);
}

static void lookup_answers_with_the_ref(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);
    char name[] = "b.name", at[] = "b.name@test";

    (void)puppet_spawn(*state, "b", NAMED("b.name"));
    puppet_do(*state, a, looks_up, name);
    assert_noted("a: heard OK found b\n");
    puppet_do(*state, a, looks_up, at);
    assert_noted("a: heard OK found b\na: heard OK found b\n");
}

static void lookup_of_an_unknown_name_is_not_found(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);
    char name[] = "nobody.here";

    puppet_do(*state, a, looks_up, name);
    assert_noted("a: heard NOT_FOUND\n");
}

static void lookup_on_an_unknown_node_is_not_found(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);
    char name[] = "nobody.here@elsewhere";

    puppet_do(*state, a, looks_up, name);
    assert_noted("a: heard NOT_FOUND\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(named_actor_is_found),
        puppet_test(name_with_this_node_is_found),
        puppet_test(unknown_name_is_nobody),
        puppet_test(whereis_waits_for_the_name),
        puppet_test(name_is_free_after_the_end),
        puppet_test(name_is_free_when_down_comes),
        puppet_test(lookup_answers_with_the_ref),
        puppet_test(lookup_of_an_unknown_name_is_not_found),
        puppet_test(lookup_on_an_unknown_node_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
