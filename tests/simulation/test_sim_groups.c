/* Groups and members as actors see them: what watchers hear, and whom picks give. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/stage.h"

/* ---- Who hears of changes -------------------------------------------------------------------- */

struct observer { uint32_t joined, left, up; };

THS_MESSAGE(watch_it, "test.watch_it", 1)
THS_MESSAGE(say_it, "test.say_it", 1)

THS_ON(observer, watch_it)
{
    (void)self;
    assert_err(ths_group_watch(ctx, "crowd"), OK);
    assert_err(ths_watch_members(ctx), OK);
}

THS_ON(observer, ths_group_change)
{
    assert_string_equal(msg->group, "crowd");
    assert_true(ths_ref_is_nobody(ths_sender(ctx)));
    self->joined += msg->joined;
    self->left += !msg->joined;
}

THS_ON(observer, ths_member)
{
    self->up += msg->state == THS_MEMBER_UP;
}

THS_ON(observer, say_it)
{
    probe_note("joined %u, left %u, up %u", self->joined, self->left, self->up);
}

THS_BEHAVIOUR(observer, watch_it, ths_group_change, ths_member, say_it)

enum { CHANGES = 50 };

struct crowd {
    ths_ref observer;
    enum ths_err then; /* what a tell to it meets after all the changes */
};

static void comes_and_goes(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const struct crowd *crowd = arg;

    (void)self;
    assert_err(ths_tell(ctx, crowd->observer, unheard), OK); /* its mailbox is full from here on */
    for (unsigned i = 0; i < CHANGES; i++) {
        assert_err(ths_group_join(ctx, "crowd", 1), OK);
        assert_err(ths_group_leave(ctx, "crowd"), OK);
    }
    assert_int_equal(ths_tell(ctx, crowd->observer, unheard), crowd->then);
}

static void all_changes_are_heard(struct ths_node *node, enum ths_when_full when_full, enum ths_err then)
{
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .mailbox = 0 });
    struct crowd crowd = { .then = then };

    crowd.observer = ths_spawn(node, observer, .mailbox = 1, .when_full = when_full);
    assert_err(ths_tell(node, crowd.observer, watch_it), OK);
    stage_settle();
    puppet_do(node, a, comes_and_goes, &crowd);
    stage_settle();
    assert_err(ths_tell(node, crowd.observer, say_it), OK);
    stage_settle();
    assert_noted("joined 50, left 50, up 2\n");
}

static void full_mailbox_takes_changes_of_groups_and_members(void **state)
{
    all_changes_are_heard(*state, THS_REFUSE, THS_FULL);
}

static void mailbox_that_drops_drops_no_changes(void **state)
{
    all_changes_are_heard(*state, THS_DROP_OLDEST, THS_OK);
}

/* ---- Whom picks give -------------------------------------------------------------------------- */

THS_MESSAGE(worker_start, "test.worker_start", 1, u32(number))

struct worker { uint32_t number; };

THS_ON(worker, worker_start)
{
    self->number = msg->number;
    assert_err(ths_group_join(ctx, "workers", 1), OK);
}

THS_ON(worker, word)
{
    (void)msg->text;
    ths_fail(ctx, "told to");
}

THS_BEHAVIOUR(worker, worker_start, word)

static unsigned count_picks(struct ths_node *node, ths_ref whom, enum ths_pick how)
{
    unsigned count = 0;

    for (unsigned i = 0; i < 100; i++)
        count += ths_ref_equal(ths_group_pick(node, "workers", how), whom);
    return count;
}

static void pick_passes_over_a_member_in_its_back_off(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = {
        { .name = "one", .behaviour = "worker", .named = true, .start = THS_MSG(worker_start, .number = 1) },
        { .name = "two", .behaviour = "worker", .named = true, .start = THS_MSG(worker_start, .number = 2) },
    };
    ths_ref one, two;

    assert_err(ths_register(node, worker), OK);
    (void)ths_supervise(node, children, .restarts = 100, .backoff_ms = 5000);
    one = ths_whereis(node, "one", 1000);
    two = ths_whereis(node, "two", 1000);
    stage_settle();
    assert_err(ths_tell(node, one, word), OK);
    stage_settle();
    for (enum ths_pick how = THS_PICK_RANDOM; how <= THS_PICK_ROUND_ROBIN; how++)
        assert_int_equal(count_picks(node, two, how), 100);
    assert_err(ths_tell(node, two, word), OK); /* now there is no other */
    stage_settle();
    assert_true(count_picks(node, one, THS_PICK_RANDOM) > 0);
    stage_run(20000);
    assert_int_equal(count_picks(node, one, THS_PICK_ROUND_ROBIN), 50);
    assert_int_equal(count_picks(node, two, THS_PICK_ROUND_ROBIN), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_pair_test(full_mailbox_takes_changes_of_groups_and_members),
        stage_pair_test(mailbox_that_drops_drops_no_changes),
        stage_pair_test(pick_passes_over_a_member_in_its_back_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
