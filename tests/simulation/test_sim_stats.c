/* Counters for each behaviour and message type. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/tally.h"
#include "tests/lib/counted.h"
#include "tests/lib/stage.h"

static const uint64_t MS = 1000000;

/* ---- Behaviours ------------------------------------------------------------------------- */

struct clerk { uint32_t unused; };

THS_ON(clerk, word) { (void)msg; }
THS_ON(clerk, question) { (void)ths_reply(ctx, answer, .text = msg->text); }
THS_ON(clerk, ths_down) { (void)msg; }
THS_ON(clerk, secret) { ths_fail(ctx, "as told"); }

THS_BEHAVIOUR(clerk, word, question, ths_down, secret)

struct glutton { uint32_t unused; };

THS_ON(glutton, ths_any) { (void)msg; }

THS_BEHAVIOUR(glutton, ths_any)

struct stillborn { uint32_t unused; };

THS_ON(stillborn, ths_started) { ths_fail(ctx, "never"); }

THS_BEHAVIOUR(stillborn, ths_started)

/* ---- What is counted -------------------------------------------------------------------- */

static void messages_are_counted_by_behaviour_and_type(void **state)
{
    struct ths_node *node = *state;
    ths_ref first = ths_spawn(node, clerk), second = ths_spawn(node, clerk), other = ths_spawn(node, glutton);

    for (int i = 0; i < 600; i++) {
        assert_err(ths_tell(node, i % 2 ? first : second, word), OK);
        stage_settle();
    }
    assert_err(ths_tell(node, first, question, .text = "?"), OK);
    assert_err(ths_tell(node, other, word), OK);
    stage_settle();
    assert_int_equal(counted(node, "clerk", "test.word").handled, 600);
    assert_int_equal(counted(node, "clerk", "test.question").handled, 1);
    assert_int_equal(counted(node, "clerk", "test.answer").handled, 0);
    assert_int_equal(counted(node, "glutton", "ths.any").handled, 1);
    assert_int_equal(counted(node, "glutton", "test.word").handled, 0);
}

static void asks(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    (void)self;
    (void)ths_ask(ctx, *(const ths_ref *)whom, question, puppet_heard, 1000, .text = "?");
}

static void replies_and_signals_are_counted_too(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk_ref = ths_spawn(node, clerk), puppet = puppet_spawn(node, "p", (struct ths_spawn_options){ 0 });

    puppet_do(node, puppet, asks, &clerk_ref);
    puppet_do(node, puppet, puppet_monitors, &clerk_ref);
    stage_settle();
    assert_int_equal(counted(node, "puppet", "test.answer").handled, 1);
    ths_kill(node, clerk_ref);
    stage_settle();
    assert_int_equal(counted(node, "puppet", "ths.down").handled, 1);
}

static void message_without_a_handler_is_counted_as_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref puppet = puppet_spawn(node, "p", (struct ths_spawn_options){ 0 });

    assert_err(ths_tell(node, puppet, unheard), OK);
    stage_settle();
    assert_int_equal(counted(node, "puppet", "test.unheard").refused, 1);
    assert_int_equal(counted(node, "puppet", "test.unheard").handled, 0);
}

static void asks_and_ends(struct ths_ctx *ctx, struct puppet *self, void *whom)
{
    asks(ctx, self, whom);
    ths_stop(ctx);
}

static void request_whose_asker_has_gone_is_counted_as_expired(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk_ref = ths_spawn(node, clerk), puppet = puppet_spawn(node, "p", (struct ths_spawn_options){ 0 });

    (void)puppet_try(node, puppet, asks_and_ends, &clerk_ref);
    stage_settle();
    assert_int_equal(counted(node, "clerk", "test.question").expired, 1);
}

static void crashes_are_counted_by_the_message_at_hand(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk_ref = ths_spawn(node, clerk);

    assert_err(ths_tell(node, clerk_ref, word), OK);
    assert_err(ths_tell(node, clerk_ref, secret), OK);
    (void)ths_spawn(node, stillborn);
    stage_settle();
    assert_int_equal(counted(node, "clerk", "test.secret").crashed, 1);
    assert_int_equal(counted(node, "clerk", "test.secret").handled, 1);
    assert_int_equal(counted(node, "clerk", "test.word").crashed, 0);
    assert_int_equal(counted(node, "stillborn", "ths.started").crashed, 1);
}

/* ---- Times ------------------------------------------------------------------------------ */

static void time_in_the_mailbox_is_that_of_the_nodes_clock(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk_ref = ths_spawn(node, clerk);
    struct ths_message_stats stats;

    stage_settle();
    ths_sim_pause(stage, 1, true);
    assert_err(ths_tell(node, clerk_ref, word), OK);
    stage_run(30);
    assert_err(ths_tell(node, clerk_ref, word), OK);
    stage_run(10);
    ths_sim_pause(stage, 1, false);
    stage_settle();
    stats = counted(node, "clerk", "test.word");
    assert_int_equal(stats.waited, 2);
    assert_int_equal(stats.waited_max_ns / MS, 40);
    assert_int_equal(stats.waited_ns / MS, 50);
    assert_int_equal(stats.busy_ns, 0); /* no time passes in handlers here */
}

static void of_many_messages_some_note_when_they_were_sent(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk_ref = ths_spawn(node, clerk);
    uint64_t waited;

    for (int i = 0; i < 300; i++) {
        assert_err(ths_tell(node, clerk_ref, word), OK);
        stage_settle();
    }
    waited = counted(node, "clerk", "test.word").waited;
    assert_in_range(waited, 200, 299);
    for (int i = 0; i < 12800; i++) {
        assert_err(ths_tell(node, clerk_ref, word), OK);
        stage_settle();
    }
    assert_in_range(counted(node, "clerk", "test.word").waited - waited, 99, 101);
}

static void note_bytes(void *arg, const struct ths_actor_info *info)
{
    if (strcmp(info->behaviour, "clerk") == 0)
        *(uint64_t *)arg = info->mailbox_bytes;
}

/* Its 24 bytes fill the block of a message; with a time beside them they take the next size. */
THS_MESSAGE(triple, "test.triple", 1, u64(a), u64(b), u64(c))

static void bytes_of_a_bounded_mailbox_do_not_depend_on_the_samples(void **state)
{
    struct ths_node *node = *state;
    ths_ref clerk_ref = ths_spawn(node, clerk, .mailbox_bytes = 2 * 64);
    uint64_t bytes = 0;

    assert_err(ths_try_tell(node, clerk_ref, triple, .a = 1), OK);
    assert_err(ths_try_tell(node, clerk_ref, triple, .a = 2), OK);
    assert_err(ths_try_tell(node, clerk_ref, triple, .a = 3), FULL);
    ths_node_actors(node, 100, note_bytes, &bytes);
    assert_int_equal(bytes, 2 * 64);
}

/* ---- The bound: last, since the numbers of the process are used up after it ---------------- */

struct latecomer { uint32_t unused; };

THS_ON(latecomer, word) { (void)msg; }

THS_BEHAVIOUR(latecomer, word)

static void pairs_beyond_the_bound_share_a_row(void **state)
{
    static struct thsi_dispatch fillers[THSI_TALLIES];
    static struct ths_behaviour filler = { .name = "filler" };
    struct ths_node *node = *state;
    ths_ref late = ths_spawn(node, latecomer), clerk_ref = ths_spawn(node, clerk);

    for (uint32_t i = 0; i < THSI_TALLIES; i++) {
        fillers[i].behaviour = &filler;
        (void)thsi_tally_number(&fillers[i], NULL);
    }
    for (int i = 0; i < 1000; i++) {
        assert_err(ths_tell(node, late, word), OK);
        stage_settle();
    }
    assert_err(ths_tell(node, clerk_ref, word), OK);
    stage_settle();
    assert_int_equal(counted(node, "latecomer", "test.word").handled, 0);
    assert_true(counted(node, "", "").handled >= 1000);
    assert_int_equal(counted(node, "clerk", "test.word").handled, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(messages_are_counted_by_behaviour_and_type),
        stage_test(replies_and_signals_are_counted_too),
        stage_test(message_without_a_handler_is_counted_as_refused),
        stage_test(request_whose_asker_has_gone_is_counted_as_expired),
        stage_test(crashes_are_counted_by_the_message_at_hand),
        stage_test(time_in_the_mailbox_is_that_of_the_nodes_clock),
        stage_test(of_many_messages_some_note_when_they_were_sent),
        stage_test(bytes_of_a_bounded_mailbox_do_not_depend_on_the_samples),
        stage_test(pairs_beyond_the_bound_share_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
