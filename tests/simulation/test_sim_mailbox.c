/* Actors whose mailboxes drop, replace or prefer messages, on virtual time: what is sent while nothing runs waits. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/node.h"
#include "tests/lib/stage.h"

THS_MESSAGE(quote, "test.mailbox_quote", 1, string(symbol), u32(price))

struct board { char none; };

THS_ON(board, quote)
{
    probe_note("%s %u", msg->symbol, msg->price);
}

THS_BEHAVIOUR(board, quote)

static uint64_t dead_letters(struct ths_node *node, enum ths_err err)
{
    struct ths_node_stats stats;

    ths_node_stats(node, &stats);
    return stats.dead_letters[err];
}

static ths_ref spawn(struct ths_node *node, struct ths_spawn_options options)
{
    return puppet_spawn(node, "a", options);
}

static void say(struct ths_node *node, ths_ref to, const char *const *words)
{
    for (; *words; words++)
        assert_err(ths_tell(node, to, word, .text = *words), OK);
}

#define SAY(node, to, ...) say(node, to, (const char *const[]){ __VA_ARGS__, NULL })

static void full_mailbox_drops_the_newest(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 3, .when_full = THS_DROP_NEWEST });

    stage_settle();
    SAY(node, a, "1", "2", "3", "4", "5");
    assert_int_equal(dead_letters(node, THS_DROPPED), 2);
    stage_settle();
    assert_noted("a: 1\na: 2\na: 3\n");
    SAY(node, a, "6");
    stage_settle();
    assert_noted("a: 1\na: 2\na: 3\na: 6\n");
}

static void full_mailbox_drops_the_oldest(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 3, .when_full = THS_DROP_OLDEST });

    stage_settle();
    SAY(node, a, "1", "2", "3", "4", "5");
    assert_int_equal(dead_letters(node, THS_DROPPED), 2);
    stage_settle();
    assert_noted("a: 3\na: 4\na: 5\n");
}

static void asks_three(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    (void)ths_ask(ctx, *(ths_ref *)to, question, puppet_heard, 1000, .text = "1");
    (void)ths_tell(ctx, *(ths_ref *)to, word, .text = "2");
    (void)ths_ask(ctx, *(ths_ref *)to, question, puppet_heard, 1000, .text = "3");
    (void)ths_tell(ctx, *(ths_ref *)to, word, .text = "4");
    (void)ths_ask(ctx, *(ths_ref *)to, question, puppet_heard, 1000, .text = "5");
}

static void request_that_is_dropped_is_answered_full(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 2, .when_full = THS_DROP_OLDEST });
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });

    stage_settle();
    puppet_do(node, b, asks_three, &a);
    stage_settle();
    assert_noted_in_any_order("b: heard FULL\nb: heard FULL\nb: heard OK answer{text=\"5\"}\na: 4\n");
}

static void request_to_one_that_drops_the_newest_is_answered_full(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 1, .when_full = THS_DROP_NEWEST });
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });

    stage_settle();
    puppet_do(node, b, asks_three, &a);
    stage_settle();
    assert_noted_in_any_order("b: heard FULL\nb: heard FULL\nb: heard OK answer{text=\"1\"}\n");
    assert_int_equal(dead_letters(node, THS_DROPPED), 2);
}

static void quotes(struct ths_node *node, ths_ref board)
{
    assert_err(ths_tell(node, board, quote, .symbol = "A", .price = 1), OK);
    assert_err(ths_tell(node, board, quote, .symbol = "B", .price = 2), OK);
    assert_err(ths_tell(node, board, quote, .symbol = "A", .price = 3), OK);
    assert_err(ths_tell(node, board, quote, .symbol = "C", .price = 4), FULL);
    assert_err(ths_tell(node, board, quote, .symbol = "A", .price = 5), OK);
}

static void latest_of_a_key_takes_the_place_of_the_one_that_waits(void **state)
{
    struct ths_node *node = *state;
    ths_ref board = ths_spawn(node, board, .mailbox = 2, .when_full = THS_LATEST_BY_KEY, .key = "symbol");

    quotes(node, board);
    stage_settle();
    assert_noted("A 5\nB 2\n");
    assert_int_equal(dead_letters(node, THS_DROPPED), 2);
    quotes(node, board);
    stage_settle();
    assert_noted("A 5\nB 2\nA 5\nB 2\n");
}

static void urgent_messages_come_before_those_that_wait(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .urgent = THS_URGENT(word) });
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });

    stage_settle();
    puppet_do(node, b, asks_three, &a);
    stage_settle();
    assert_noted("a: 2\na: 4\nb: heard OK answer{text=\"1\"}\nb: heard OK answer{text=\"3\"}\nb: heard OK answer{text=\"5\"}\n");
}

/* One that prefers alerts, as if it had been spawned so: what a supervisor starts has no such mailbox of its own. */
struct ward { char none; };

THS_MESSAGE(prefer_alerts, "test.mailbox_prefer", 1)
THS_MESSAGE(routine, "test.mailbox_routine", 1, u32(number))
THS_MESSAGE(alert, "test.mailbox_alert", 1, u32(number))

THS_ON(ward, prefer_alerts)
{
    const struct thsi_inbox_options options = { .capacity = 10, .urgent = THS_URGENT(alert) };

    assert_err(thsi_inboxes_open(ctx, ctx->actor, &options), OK);
}

THS_ON(ward, routine)
{
    probe_note("routine %u", msg->number);
}

THS_ON(ward, alert)
{
    probe_note("alert %u", msg->number);
}

THS_BEHAVIOUR(ward, prefer_alerts, routine, alert)

static void urgent_messages_come_first_after_a_restart_too(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { { .name = "ward", .behaviour = "ward", .named = true } };
    ths_ref ward;

    assert_err(ths_register(node, ward), OK);
    (void)ths_supervise(node, children, .backoff_ms = 1000);
    ward = ths_whereis(node, "ward", 1000);
    assert_err(ths_tell(node, ward, prefer_alerts), OK);
    stage_settle();
    ths_kill(node, ward);
    stage_settle(); /* from here on it waits for its restart */
    for (uint32_t i = 1; i <= 3; i++) {
        assert_err(ths_tell(node, ward, routine, .number = i), OK);
        stage_settle();
        assert_err(ths_tell(node, ward, alert, .number = i), OK);
        stage_settle();
    }
    assert_int_equal(probe_count(), 0);
    stage_run(5000);
    assert_noted("alert 1\nalert 2\nalert 3\nroutine 1\nroutine 2\nroutine 3\n");
}

static void down_comes_after_what_the_dead_one_sent_here_too(void **state)
{
    struct ths_node *node = *state;
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 0 });
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 6, .when_full = THS_DROP_OLDEST });

    probe_name(b, "b");
    puppet_do(node, a, puppet_monitors, &b);
    stage_settle();
    puppet_do(node, b, asks_three, &a);
    ths_kill(node, b);
    stage_settle();
    assert_noted("a: 2\na: 4\na: down b killed observed \"\"\n");
}

static void note_bytes(void *arg, const struct ths_actor_info *info)
{
    *(uint64_t *)arg = info->mailbox_bytes;
}

static void bytes_that_wait_are_bounded_and_shown(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = ths_spawn(node, board, .mailbox_bytes = 3 * 64);
    uint64_t bytes = 0;

    assert_false(ths_ref_is_nobody(a));
    for (uint32_t i = 0; i < 3; i++)
        assert_err(ths_tell(node, a, quote, .symbol = "", .price = i), OK);
    assert_err(ths_tell(node, a, quote, .symbol = "", .price = 4), FULL);
    ths_node_actors(node, 100, note_bytes, &bytes);
    assert_int_equal(bytes, 3 * 64);
    stage_settle();
    ths_node_actors(node, 100, note_bytes, &bytes);
    assert_int_equal(bytes, 0);
    assert_int_equal(probe_count(), 3);
}

static void what_an_ending_actor_leaves_becomes_dead_letters(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 3, .when_full = THS_DROP_OLDEST });

    stage_settle();
    SAY(node, a, "1", "2", "3");
    ths_kill(node, a);
    stage_settle();
    assert_int_equal(probe_count(), 0);
    assert_int_equal(dead_letters(node, THS_GONE), 3);
    assert_err(ths_tell(node, a, word, .text = "late"), GONE);
}

static void drain_works_off_what_waits_and_refuses_more(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = spawn(node, (struct ths_spawn_options){ .mailbox = 3, .when_full = THS_DROP_OLDEST });

    stage_settle();
    SAY(node, a, "1", "2", "3", "4");
    assert_err(ths_drain(node, a), OK);
    assert_err(ths_tell(node, a, word, .text = "5"), CLOSED);
    stage_settle();
    assert_noted("a: 2\na: 3\na: 4\n");
    assert_ends(node, a, NORMAL);
}

static void senders_of_another_node_meet_the_same_mailbox(void **state)
{
    struct ths_node *here = *state, *there = ths_sim_node(stage, 2);
    ths_ref a = puppet_spawn(here, "a", (struct ths_spawn_options){ .name = "a", .mailbox = 1, .urgent = THS_URGENT(hold),
                                                                    .when_full = THS_DROP_OLDEST });
    ths_ref from_there = ths_whereis(there, "a@n1", 5000);

    assert_true(ths_ref_equal(a, from_there));
    for (int i = 0; i < 100; i++)
        assert_err(ths_tell(there, from_there, word, .text = i < 99 ? "" : "last"), OK);
    stage_settle();
    assert_true(dead_letters(here, THS_DROPPED) + probe_count() == 100);
    assert_int_equal(dead_letters(here, THS_FULL), 0);
}

static void options_of_mailboxes_are_checked(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref;

    assert_err(ths_try_spawn(node, &ref, board, .when_full = (enum ths_when_full)17), INVALID);
    assert_err(ths_try_spawn(node, &ref, board, .when_full = THS_LATEST_BY_KEY), INVALID);
    assert_err(ths_try_spawn(node, &ref, board, .key = "symbol"), INVALID);
    assert_true(ths_ref_is_nobody(ref));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(full_mailbox_drops_the_newest),
        stage_test(full_mailbox_drops_the_oldest),
        stage_test(request_that_is_dropped_is_answered_full),
        stage_test(request_to_one_that_drops_the_newest_is_answered_full),
        stage_test(latest_of_a_key_takes_the_place_of_the_one_that_waits),
        stage_test(urgent_messages_come_before_those_that_wait),
        stage_test(urgent_messages_come_first_after_a_restart_too),
        stage_test(down_comes_after_what_the_dead_one_sent_here_too),
        stage_test(bytes_that_wait_are_bounded_and_shown),
        stage_test(what_an_ending_actor_leaves_becomes_dead_letters),
        stage_test(drain_works_off_what_waits_and_refuses_more),
        stage_pair_test(senders_of_another_node_meet_the_same_mailbox),
        stage_test(options_of_mailboxes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
