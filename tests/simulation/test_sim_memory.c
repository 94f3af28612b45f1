/* Memory that handlers allocate: what it is charged to, what its limit does, and when it is gone. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/lib/stage.h"

/* ---- A behaviour that allocates --------------------------------------------------------- */

THS_MESSAGE(wants, "test.wants", 1, u64(bytes)) /* answered with done when it is asked, whether it got them or not */

struct eater { char none; };

THS_ON(eater, ths_started)
{
    probe_note("started %u with %zu", (unsigned)msg->incarnation, ths_memory_used(ctx));
}

THS_ON(eater, wants)
{
    void *bytes = ths_alloc(ctx, (size_t)msg->bytes);

    if (bytes)
        memset(bytes, 1, (size_t)msg->bytes);
    probe_note("%s, has %zu", bytes ? "got" : "refused", ths_memory_used(ctx));
    (void)ths_reply(ctx, done);
}

THS_ON(eater, question)
{
    probe_note("%s", ths_alloc(ctx, 2000) ? "got" : "refused");
}

THS_ON(eater, ths_finally)
{
    probe_note("%s \"%s\" with %zu", ths_reason_text((enum ths_reason)msg->reason), msg->text, ths_memory_used(ctx));
}

THS_BEHAVIOUR(eater, ths_started, wants, question, ths_finally)

/* ---- Blocks ----------------------------------------------------------------------------- */

static void resizes(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    uint8_t *first = ths_alloc(ctx, 100), *second = ths_alloc(ctx, 50), *third = ths_alloc(ctx, 0);

    (void)self, (void)arg;
    assert_true(first && second && third);
    assert_int_equal((uintptr_t)first % _Alignof(max_align_t), 0);
    assert_int_equal(ths_memory_used(ctx), 151);
    memset(second, 7, 50);
    second = ths_realloc(ctx, second, 5000);
    assert_non_null(second);
    assert_true(second[0] == 7 && second[49] == 7);
    assert_int_equal(ths_memory_used(ctx), 5101);
    second = ths_realloc(ctx, second, 10);
    assert_int_equal(ths_memory_used(ctx), 111);
    ths_free(ctx, NULL);
    ths_free(ctx, second);
    ths_free(ctx, first);
    assert_int_equal(ths_memory_used(ctx), 1);
    ths_free(ctx, third);
    assert_int_equal(ths_memory_used(ctx), 0);
    first = ths_realloc(ctx, NULL, 8);
    assert_non_null(first); /* left to the end of the actor */
    assert_null(ths_alloc(ctx, SIZE_MAX));
    assert_int_equal(ths_memory_used(ctx), 8);
}

static void blocks_are_charged_resized_and_freed(void **state)
{
    struct ths_node *node = *state;
    ths_ref eater = puppet_spawn(node, "eater", (struct ths_spawn_options){ 0 });

    puppet_do(node, eater, resizes, NULL);
    puppet_do(node, eater, puppet_stops, NULL);
    assert_ends(node, eater, NORMAL);
}

/* ---- Limits ----------------------------------------------------------------------------- */

static void breach_of_the_limit_ends_the_actor_after_its_handler(void **state)
{
    struct ths_node *node = *state;
    ths_ref eater = ths_spawn(node, eater, .memory_max = 1000);

    assert_err(ths_tell(node, eater, wants, .bytes = 600), OK);
    assert_err(ths_tell(node, eater, wants, .bytes = 400), OK);
    assert_err(ths_tell(node, eater, wants, .bytes = 1), OK);
    assert_ends(node, eater, QUOTA);
    assert_noted("started 1 with 0\ngot, has 600\ngot, has 1000\nrefused, has 1000\n"
                 "quota \"wants 1 bytes beside 1000, has a limit of 1000\" with 1000\n");
}

static void asks(struct ths_ctx *ctx, struct puppet *self, void *ref)
{
    (void)self;
    ths_ask(ctx, *(ths_ref *)ref, question, puppet_heard, 1000, .text = "bread");
}

static void request_at_hand_is_answered_crashed(void **state)
{
    struct ths_node *node = *state;
    ths_ref eater = ths_spawn(node, eater, .memory_max = 1000);
    ths_ref asker = puppet_spawn(node, "asker", (struct ths_spawn_options){ 0 });

    puppet_do(node, asker, asks, &eater);
    stage_settle();
    assert_noted("started 1 with 0\nrefused\nquota \"wants 2000 bytes beside 0, has a limit of 1000\" with 0\n"
                 "asker: heard CRASHED\n");
}

static void limits_itself(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    uint8_t *bytes = ths_alloc(ctx, 100);

    (void)self, (void)arg;
    assert_non_null(bytes);
    bytes[99] = 5;
    assert_err(ths_memory_limit(ctx, 50), OK);
    assert_null(ths_realloc(ctx, bytes, 101));
    assert_int_equal(bytes[99], 5); /* as it was */
    bytes = ths_realloc(ctx, bytes, 10);
    assert_non_null(bytes);
    assert_int_equal(ths_memory_used(ctx), 10);
}

static void limit_can_be_set_from_within_and_below_what_there_is(void **state)
{
    struct ths_node *node = *state;
    ths_ref eater = puppet_spawn(node, "eater", (struct ths_spawn_options){ 0 });

    (void)puppet_try(node, eater, limits_itself, NULL);
    assert_ends(node, eater, QUOTA);
}

/* A stop does not hide it. */
static void stops_and_wants(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_stop(ctx);
    assert_err(ths_memory_limit(ctx, 1), OK);
    assert_null(ths_alloc(ctx, 2));
    ths_fail(ctx, "later");
}

static void breach_overrides_a_stop_and_comes_before_a_later_failure(void **state)
{
    struct ths_node *node = *state;
    ths_ref eater = puppet_spawn(node, "eater", (struct ths_spawn_options){ 0 });

    (void)puppet_try(node, eater, stops_and_wants, NULL);
    assert_ends(node, eater, QUOTA);
}

/* ---- Incarnations ----------------------------------------------------------------------- */

struct limited { char none; };

THS_ON(limited, ths_started)
{
    assert_err(ths_memory_limit(ctx, 1000), OK);
    probe_note("started %u with %zu", (unsigned)msg->incarnation, ths_memory_used(ctx));
}

THS_ON(limited, wants)
{
    probe_note("%s", ths_alloc(ctx, (size_t)msg->bytes) ? "got" : "refused");
}

THS_BEHAVIOUR(limited, ths_started, wants)

static void next_incarnation_begins_with_nothing(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "limited", .behaviour = "limited", .restart = THS_TRANSIENT, .named = true },
    };
    ths_ref limited;

    assert_err(ths_register(node, limited), OK);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children)));
    limited = ths_whereis(node, "limited", 1000);
    assert_err(ths_tell(node, limited, wants, .bytes = 900), OK);
    assert_err(ths_tell(node, limited, wants, .bytes = 900), OK);
    assert_err(ths_tell(node, limited, wants, .bytes = 900), OK);
    stage_run(1000);
    assert_noted("started 1 with 0\ngot\nrefused\nstarted 2 with 0\ngot\n");
}

static void start_that_wants_too_much_has_failed(void **state)
{
    char why[THS_REASON_TEXT_SIZE];
    ths_ref ref;

    assert_err(ths_spawn_wait((struct ths_node *)*state, &ref, why, 1000, eater, .memory_max = 10,
                              .start = THS_MSG(wants, .bytes = 11)), CRASHED);
    assert_string_equal(why, "wants 11 bytes beside 0, has a limit of 10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(blocks_are_charged_resized_and_freed),
        stage_test(breach_of_the_limit_ends_the_actor_after_its_handler),
        stage_test(request_at_hand_is_answered_crashed),
        stage_test(limit_can_be_set_from_within_and_below_what_there_is),
        stage_test(breach_overrides_a_stop_and_comes_before_a_later_failure),
        stage_test(next_incarnation_begins_with_nothing),
        stage_test(start_that_wants_too_much_has_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
