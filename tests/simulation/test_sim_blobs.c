/* Blobs on virtual time: whatever way a message goes and wherever it ends, it gives its references back once. The one reference
 * of the test itself is all that is left at the end of each. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/base/blob.h"
#include "tests/lib/stage.h"

#include <stdio.h>
#include <string.h>

enum todo { LOOK, KEEP, DROP, FAIL, STASH, UNSTASH, AFTER, EVERY, CANCEL, DEFER, ANSWER, JOIN };

THS_MESSAGE(parcel, "test.blob_parcel", 1, u8(todo), blob(load, .max = 1000))
THS_MESSAGE(order, "test.blob_order", 1, u8(todo), blob(load))
THS_MESSAGE(delivery, "test.blob_delivery", 1, blob(load), blob(second))
THS_MESSAGE(errand, "test.blob_errand", 1, list(ref, to), u8(todo), blob(load))
THS_MESSAGE(keyed, "test.blob_keyed", 1, blob(key), u32(n))

static struct ths_blob *load;        /* of this process's memory: no node owns it */
static struct ths_blob *last_kept;   /* by whichever keeper kept last */
static struct ths_blob *first_kept;

/* ---- The actors ------------------------------------------------------------------------------ */

struct keeper {
    struct ths_blob *kept;
    struct ths_asked asked;
    ths_timer_id timer;
};

static void keep(struct keeper *self, struct ths_blob *blob)
{
    ths_blob_release(self->kept);
    self->kept = ths_blob_ref(blob);
    first_kept = last_kept;
    last_kept = blob;
}

static void put_off(struct ths_ctx *ctx, struct keeper *self, enum todo todo, struct ths_blob *blob)
{
    if (todo == CANCEL)
        ths_cancel(ctx, self->timer);
    else if (todo == AFTER)
        self->timer = ths_after(ctx, 1000, parcel, .todo = LOOK, .load = blob);
    else
        self->timer = ths_every(ctx, 1000, parcel, .todo = LOOK, .load = blob);
}

static void carry_out(struct ths_ctx *ctx, struct keeper *self, enum todo todo, struct ths_blob *blob)
{
    probe_note("%u: %.*s", (unsigned)todo, (int)ths_blob_len(blob), (const char *)ths_blob_data(blob));
    switch (todo) {
    case LOOK: break;
    case KEEP: keep(self, blob); break;
    case DROP: keep(self, NULL); break;
    case FAIL: ths_fail(ctx, "it fell"); break;
    case STASH: assert_err(ths_stash(ctx), OK); break;
    case UNSTASH: (void)ths_unstash(ctx); break;
    case AFTER:
    case EVERY:
    case CANCEL: put_off(ctx, self, todo, blob); break;
    case DEFER: self->asked = ths_defer(ctx); keep(self, blob); break;
    case ANSWER: assert_err(ths_reply_to(ctx, &self->asked, delivery, .load = self->kept, .second = self->kept), OK); break;
    case JOIN: assert_err(ths_group_join(ctx, "keepers", 0), OK); break;
    }
}

THS_ON(keeper, parcel)
{
    carry_out(ctx, self, (enum todo)msg->todo, msg->load);
}

THS_ON(keeper, order)
{
    if (msg->todo == LOOK)
        assert_err(ths_reply(ctx, delivery, .load = msg->load), OK);
    else
        carry_out(ctx, self, (enum todo)msg->todo, msg->load);
}

THS_ON(keeper, keyed)
{
    probe_note("keyed %u", msg->n);
}

static void note_delivery(enum ths_err err, const struct delivery *got)
{
    probe_note("%s %u %u", ths_err_name(err), got ? ths_blob_len(got->load) : 0, got ? ths_blob_len(got->second) : 0);
}

THS_ON_REPLY(keeper, heard, delivery)
{
    note_delivery(err, reply);
}

THS_ON_RESULTS(keeper, heard_all, delivery)
{
    for (unsigned i = 0; i < count; i++)
        note_delivery(results[i].err, results[i].reply);
}

THS_ON(keeper, errand)
{
    if (msg->to.count == 1)
        (void)ths_ask(ctx, msg->to.items[0], order, heard, 1000, .todo = msg->todo, .load = msg->load);
    else
        (void)ths_ask_all(ctx, msg->to.items, msg->to.count, order, heard_all, 1000, .todo = msg->todo, .load = msg->load);
}

THS_ON(keeper, ths_finally)
{
    ths_blob_release(self->kept);
}

THS_BEHAVIOUR(keeper, parcel, order, keyed, errand, ths_finally)

/* ---- The stage ------------------------------------------------------------------------------- */

static int start(void **state, int (*stage_setup)(void **state))
{
    load = thsi_blob_create(ths_env_os(), 5);
    first_kept = last_kept = NULL;
    if (!load)
        return -1;
    memcpy(load->data, "cargo", 5);
    return stage_setup(state) || ths_register((struct ths_node *)*state, keeper) != THS_OK;
}

static int alone_setup(void **state)
{
    return start(state, stage_alone_setup);
}

static int pair_setup(void **state)
{
    return start(state, stage_pair_setup) || ths_register(ths_sim_node(stage, 2), keeper) != THS_OK;
}

/* References of others than the test. */
static uint32_t shares(const struct ths_blob *blob)
{
    return atomic_load(&blob->refs) - (blob == load);
}

static int teardown(void **state)
{
    int result = stage_teardown(state);

    if (shares(load) != 0)
        print_error("%u references are left\n", shares(load));
    result |= shares(load) != 0;
    ths_blob_release(load);
    return result;
}

#define alone_test(fact) cmocka_unit_test_setup_teardown(fact, alone_setup, teardown)
#define pair_test(fact) cmocka_unit_test_setup_teardown(fact, pair_setup, teardown)

static void give(struct ths_node *node, ths_ref to, enum todo todo)
{
    assert_err(ths_tell(node, to, parcel, .todo = (uint8_t)todo, .load = load), OK);
}

/* ---- Making ---------------------------------------------------------------------------------- */

static void what_is_made_holds_a_copy_or_says_why_not(void **state)
{
    struct ths_node *node = *state;
    char bytes[] = "bytes";
    struct ths_blob *blob;

    assert_err(ths_blob_new(node, bytes, 5, &blob), OK);
    bytes[0] = 'x';
    assert_int_equal(ths_blob_len(blob), 5);
    assert_memory_equal(ths_blob_data(blob), "bytes", 5);
    assert_ptr_equal(ths_blob_ref(blob), blob);
    ths_blob_release(blob);
    assert_memory_equal(ths_blob_data(blob), "bytes", 5);
    ths_blob_release(blob);
    assert_err(ths_blob_new(node, bytes, THS_MESSAGE_MAX + 1, &blob), TOO_BIG);
    assert_null(blob);
    assert_err(ths_blob_new(node, NULL, 1, &blob), INVALID);
    assert_err(ths_blob_new(node, NULL, 0, &blob), OK);
    assert_int_equal(ths_blob_len(blob), 0);
    ths_blob_release(blob);
    ths_blob_release(NULL);
    assert_null(ths_blob_ref(NULL));
    assert_int_equal(ths_blob_len(NULL), 0);
    assert_non_null(ths_blob_data(NULL));
}

static void blob_may_outlive_its_node(void **state)
{
    struct ths_blob *blob;
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "brief", .workers = 1 });

    (void)state;
    assert_non_null(node);
    assert_err(ths_blob_new(node, "bytes", 5, &blob), OK);
    ths_node_stop(node, 1000);
    assert_memory_equal(ths_blob_data(blob), "bytes", 5);
    ths_blob_release(blob);
}

/* ---- On one node ----------------------------------------------------------------------------- */

static void message_holds_its_blob_until_it_was_handled(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper);

    give(node, a, LOOK);
    give(node, a, LOOK);
    assert_int_equal(shares(load), 2);
    stage_settle();
    assert_noted("0: cargo\n0: cargo\n");
    assert_int_equal(shares(load), 0);
}

static void receivers_share_the_bytes_without_copying(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper), b = ths_spawn(node, keeper);

    give(node, a, KEEP);
    give(node, b, KEEP);
    stage_settle();
    assert_int_equal(shares(load), 2);
    assert_ptr_equal(first_kept, load);
    assert_ptr_equal(last_kept, load);
    give(node, a, DROP);
    ths_kill(node, b);
    stage_settle();
    assert_int_equal(shares(load), 0);
}

static void null_is_an_empty_blob(void **state)
{
    struct ths_node *node = *state;

    assert_err(ths_tell(node, ths_spawn(node, keeper), parcel, .todo = LOOK), OK);
    stage_settle();
    assert_noted("0: \n");
}

static void refused_message_holds_nothing(void **state)
{
    struct ths_node *node = *state;
    ths_ref small = ths_spawn(node, keeper, .mailbox = 1), gone = ths_spawn(node, keeper),
            roomy = ths_spawn(node, keeper);
    struct ths_blob *large;

    give(node, small, LOOK);
    assert_err(ths_tell(node, small, parcel, .load = load), FULL);
    ths_kill(node, gone);
    stage_settle();
    assert_err(ths_tell(node, gone, parcel, .load = load), GONE);
    assert_err(ths_tell(node, roomy, delivery, .load = load, .second = load), OK); /* it has no handler */
    assert_err(ths_blob_new(node, (const char[1001]){ 0 }, 1001, &large), OK);
    assert_err(ths_tell(node, roomy, parcel, .load = large), TOO_BIG);
    assert_int_equal(shares(large), 1);
    ths_blob_release(large);
    stage_settle();
    assert_int_equal(shares(load), 0);
}

static void what_waited_at_the_end_is_given_back(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper);

    stage_settle();
    for (int i = 0; i < 10; i++)
        give(node, a, LOOK);
    assert_int_equal(shares(load), 10);
    ths_kill(node, a);
    stage_settle();
    assert_int_equal(shares(load), 0);
}

static void what_waits_when_the_node_stops_is_given_back(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper, .start = THS_MSG(parcel, .todo = KEEP, .load = load));
    ths_ref b = ths_spawn(node, keeper, .when_full = THS_DROP_OLDEST);

    give(node, a, STASH);
    give(node, a, EVERY);
    stage_settle();
    give(node, a, LOOK);
    give(node, b, LOOK);
    assert_true(shares(load) >= 5);
} /* the teardown counts */

static void dropped_and_replaced_messages_give_theirs_back(void **state)
{
    struct ths_node *node = *state;
    ths_ref newest = ths_spawn(node, keeper, .mailbox = 2, .when_full = THS_DROP_NEWEST);
    ths_ref oldest = ths_spawn(node, keeper, .mailbox = 2, .when_full = THS_DROP_OLDEST, .urgent = THS_URGENT(order));
    ths_ref latest = ths_spawn(node, keeper, .mailbox = 2, .when_full = THS_LATEST_BY_KEY, .key = "key");

    stage_settle();
    for (uint32_t i = 1; i <= 5; i++) {
        give(node, newest, LOOK);
        give(node, oldest, LOOK);
        assert_err(ths_tell(node, latest, keyed, .key = load, .n = i), OK);
    }
    assert_int_equal(shares(load), 6); /* of one key the first, whose place it is, and the last */
    assert_err(ths_tell(node, latest, keyed, .n = 6), OK);
    assert_err(ths_tell(node, latest, keyed, .n = 7), OK);
    stage_settle();
    assert_noted_in_any_order("0: cargo\n0: cargo\n0: cargo\n0: cargo\nkeyed 5\nkeyed 7\n");
    assert_int_equal(shares(load), 0);
}

static void bytes_of_blobs_count_for_a_mailbox_that_is_bounded_in_bytes(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper, .mailbox_bytes = 2000);
    struct ths_blob *large;

    assert_err(ths_blob_new(node, (const char[1000]){ 0 }, 1000, &large), OK);
    assert_err(ths_tell(node, a, parcel, .load = large), OK);
    assert_err(ths_tell(node, a, parcel, .load = large), FULL);
    stage_settle();
    assert_err(ths_tell(node, a, parcel, .load = large), OK);
    stage_settle();
    assert_int_equal(shares(large), 1);
    ths_blob_release(large);
}

static void stashed_messages_hold_theirs(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper);

    give(node, a, STASH);
    stage_settle();
    assert_int_equal(shares(load), 1);
    assert_err(ths_tell(node, a, parcel, .todo = UNSTASH), OK);
    stage_settle();
    assert_int_equal(shares(load), 1); /* put aside again */
    ths_kill(node, a);
    stage_settle();
    assert_int_equal(shares(load), 0);
}

static void start_message_is_held_for_restarts(void **state)
{
    struct ths_node *node = *state;
    struct ths_child children[] = { { .name = "a", .behaviour = "keeper", .named = true,
                                      .start = THS_MSG(parcel, .todo = LOOK, .load = load) } };
    ths_ref alone = ths_spawn(node, keeper, .start = THS_MSG(parcel, .todo = LOOK, .load = load));
    ths_ref supervisor = ths_supervise(node, children);
    uint32_t held;

    stage_settle();
    assert_noted("0: cargo\n0: cargo\n");
    held = shares(load);
    assert_true(held >= 1); /* the specification, and what a restart needs */
    ths_kill(node, alone);
    stage_settle();
    assert_int_equal(shares(load), held);
    give(node, ths_whereis(node, "a", 0), FAIL);
    stage_run(1000);
    assert_noted("0: cargo\n0: cargo\n3: cargo\n0: cargo\n");
    assert_int_equal(shares(load), held + 1); /* what crashed it is kept, to know it again */
    assert_err(ths_stop_actor(node, supervisor), OK);
    stage_run(1000);
    assert_int_equal(shares(load), 0);
}

static void quarantined_message_is_held_by_the_actor(void **state)
{
    struct ths_node *node = *state;
    struct ths_child children[] = { { .name = "a", .behaviour = "keeper", .named = true } };
    ths_ref supervisor = ths_supervise(node, children);

    stage_settle();
    for (int i = 0; i < 4; i++) {
        give(node, ths_whereis(node, "a", 0), FAIL);
        stage_run(1000);
    }
    assert_noted("3: cargo\n3: cargo\n3: cargo\n"); /* the fourth is not handled */
    assert_int_equal(shares(load), 1);
    assert_err(ths_stop_actor(node, supervisor), OK);
    stage_run(1000);
    assert_int_equal(shares(load), 0);
}

static void timer_holds_its_blob_until_it_is_over(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper), b = ths_spawn(node, keeper);

    give(node, a, AFTER);
    give(node, b, EVERY);
    stage_settle();
    assert_int_equal(shares(load), 2);
    stage_run(1100);
    assert_int_equal(shares(load), 1);
    give(node, b, CANCEL);
    give(node, a, EVERY);
    stage_settle();
    assert_int_equal(shares(load), 1);
    ths_kill(node, a);
    stage_settle();
    assert_int_equal(shares(load), 0);
}

static void run_errands(struct ths_node *node, ths_ref a, ths_ref b)
{
    ths_ref asker = ths_spawn(node, keeper);

    assert_err(ths_tell(node, asker, errand, .to = THS_ITEMS(ths_ref, a), .todo = LOOK, .load = load), OK);
    stage_run(500);
    assert_noted("OK 5 0\n");
    assert_err(ths_tell(node, asker, errand, .to = THS_ITEMS(ths_ref, a), .todo = DEFER, .load = load), OK);
    stage_run(500);
    give(node, a, ANSWER);
    stage_run(500);
    assert_noted("OK 5 0\n9: cargo\n10: cargo\nOK 5 5\n");
    give(node, a, DROP);
    stage_run(500);
    assert_int_equal(shares(load), 0);
    probe_reset();
    assert_err(ths_tell(node, asker, errand, .to = THS_ITEMS(ths_ref, a, b, THS_NOBODY), .todo = LOOK, .load = load), OK);
    stage_run(500);
    assert_noted("OK 5 0\nOK 5 0\nGONE 0 0\n");
    assert_int_equal(shares(load), 0);
    assert_err(ths_tell(node, asker, errand, .to = THS_ITEMS(ths_ref, a, b), .todo = KEEP, .load = load), OK);
    stage_run(500);
    ths_kill(node, asker); /* with both asks open */
    stage_run(2000);
    ths_kill(node, a);
    ths_kill(node, b);
    stage_run(2000);
    assert_int_equal(shares(load), 0);
}

static void requests_and_answers_carry_blobs(void **state)
{
    struct ths_node *node = *state;

    run_errands(node, ths_spawn(node, keeper), ths_spawn(node, keeper));
}

static void one_of_several_answers_is_held_until_all_came(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, keeper), b = ths_spawn(node, keeper), asker = ths_spawn(node, keeper);

    stage_settle();
    assert_err(ths_tell(node, asker, errand, .to = THS_ITEMS(ths_ref, a, b), .todo = DEFER, .load = load), OK);
    stage_settle();
    assert_int_equal(shares(load), 2);
    give(node, a, ANSWER);
    stage_settle();
    assert_int_equal(shares(load), 4); /* two in the answer that is kept */
    ths_kill(node, asker);
    ths_kill(node, a);
    ths_kill(node, b);
    stage_settle();
    assert_int_equal(shares(load), 0);
}

/* ---- Between nodes ------------------------------------------------------------------------------ */

static ths_ref remote_keeper(const char *name)
{
    char at[THS_NAME_SIZE];
    ths_ref ref;

    (void)ths_spawn(ths_sim_node(stage, 2), keeper, .name = name);
    (void)snprintf(at, sizeof at, "%s@n2", name);
    ref = ths_whereis(ths_sim_node(stage, 1), at, 5000);
    assert_false(ths_ref_is_nobody(ref));
    return ref;
}

static void blob_of_another_node_is_a_new_one_there(void **state)
{
    struct ths_node *node = *state;
    ths_ref far = remote_keeper("far");

    give(node, far, KEEP);
    assert_int_equal(shares(load), 0); /* its bytes are on their way */
    stage_settle();
    assert_noted("1: cargo\n");
    assert_ptr_not_equal(last_kept, load);
    assert_int_equal(shares(last_kept), 1);
    assert_memory_equal(ths_blob_data(last_kept), "cargo", 5);
    assert_err(ths_tell(node, far, parcel, .todo = LOOK), OK);
    stage_settle();
    assert_noted("1: cargo\n0: \n");
}

static void members_of_a_group_on_one_node_share_what_came(void **state)
{
    struct ths_node *node = *state, *second = ths_sim_node(stage, 2);
    ths_ref members[3] = { ths_spawn(second, keeper), ths_spawn(second, keeper), ths_spawn(node, keeper) };

    for (int i = 0; i < 3; i++)
        assert_err(ths_tell(i < 2 ? second : node, members[i], parcel, .todo = JOIN), OK);
    stage_run(5000);
    assert_int_equal(ths_group_tell(node, "keepers", parcel, .todo = KEEP, .load = load), 3);
    ths_kill(node, members[2]);
    stage_run(1000);
    assert_ptr_equal(first_kept, last_kept);
    assert_int_equal(shares(last_kept), 2);
    assert_int_equal(shares(load), 0);
}

static void requests_between_nodes_carry_blobs(void **state)
{
    ths_ref a = remote_keeper("a"), b = remote_keeper("b");

    run_errands(*state, a, b);
}

static void spawn_far_away(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_spawn_at(ctx, puppet_heard, 1000, "n2", "keeper", .start = THS_MSG(parcel, .todo = KEEP, .load = load));
}

static void start_message_of_another_node_carries_a_blob(void **state)
{
    struct ths_node *node = *state;

    puppet_do(node, puppet_spawn(node, "p", (struct ths_spawn_options){ .mailbox = 0 }), spawn_far_away, NULL);
    stage_run(1000);
    assert_non_null(last_kept);
    assert_ptr_not_equal(last_kept, load);
    assert_memory_equal(ths_blob_data(last_kept), "cargo", 5);
    assert_int_equal(shares(last_kept), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        alone_test(what_is_made_holds_a_copy_or_says_why_not),
        alone_test(blob_may_outlive_its_node),
        alone_test(message_holds_its_blob_until_it_was_handled),
        alone_test(receivers_share_the_bytes_without_copying),
        alone_test(null_is_an_empty_blob),
        alone_test(refused_message_holds_nothing),
        alone_test(what_waited_at_the_end_is_given_back),
        alone_test(what_waits_when_the_node_stops_is_given_back),
        alone_test(dropped_and_replaced_messages_give_theirs_back),
        alone_test(bytes_of_blobs_count_for_a_mailbox_that_is_bounded_in_bytes),
        alone_test(stashed_messages_hold_theirs),
        alone_test(start_message_is_held_for_restarts),
        alone_test(quarantined_message_is_held_by_the_actor),
        alone_test(timer_holds_its_blob_until_it_is_over),
        alone_test(requests_and_answers_carry_blobs),
        alone_test(one_of_several_answers_is_held_until_all_came),
        pair_test(blob_of_another_node_is_a_new_one_there),
        pair_test(members_of_a_group_on_one_node_share_what_came),
        pair_test(requests_between_nodes_carry_blobs),
        pair_test(start_message_of_another_node_carries_a_blob),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
