/* The test kit: probes, and the handler for any message that they are made of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "thiasos/testkit.h"
#include "thiasos/thiasos.h"

THS_MESSAGE(greet, "test.greet", 1, string(name))
THS_MESSAGE(greeting, "test.greeting", 1, string(text))
THS_MESSAGE(noise, "test.noise", 1, u32(n))
THS_MESSAGE(price, "test.price", 1, u32(of))
THS_MESSAGE(amount, "test.amount", 1, u32(of))
THS_MESSAGE(ask_for, "test.ask_for", 1, ref(whom))
THS_MESSAGE(leave, "test.leave", 1)

static struct ths_sim *sim;
static struct ths_probe *probe;
static char why[2048];

/* Greets back after 20 ms, asks whom it is told to ask, and tells what it heard. */
struct greeter {
    ths_ref guest;
};

THS_ON(greeter, greet)
{
    self->guest = ths_sender(ctx);
    (void)ths_after(ctx, 20, greeting, .text = msg->name);
}

THS_ON(greeter, greeting)
{
    ths_tell(ctx, self->guest, greeting, .text = msg->text);
}

THS_ON_REPLY(greeter, got_amount, amount)
{
    ths_tell(ctx, self->guest, noise, .n = reply ? reply->of : 1000 + (uint32_t)err);
}

THS_ON(greeter, ask_for)
{
    self->guest = msg->whom;
    ths_ask(ctx, msg->whom, price, got_amount, 500, .of = 7);
}

THS_ON(greeter, price)
{
    if (msg->of != 13)
        (void)ths_reply(ctx, amount, .of = 2 * msg->of);
}

THS_ON(greeter, leave)
{
    ths_fail(ctx, "had enough");
}

THS_BEHAVIOUR(greeter, greet, greeting, ask_for, price, leave)

static void keep_why(const char *text, void *arg)
{
    (void)arg;
    (void)snprintf(why, sizeof why, "%s", text);
}

static int setup(void **state)
{
    (void)state;
    ths_env_os_log(THS_LOG_ERROR, false);
    why[0] = '\0';
    sim = ths_sim_create(.seed = 1, .nodes = 1, .alone = true);
    probe = sim ? ths_probe_create(sim, 1, "probe") : NULL;
    if (!probe)
        return -1;
    ths_probe_on_failure(probe, keep_why, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ths_probe_destroy(probe);
    ths_sim_destroy(sim);
    probe = NULL;
    sim = NULL;
    return 0;
}

#define assert_why(part)                                                                            \
    do {                                                                                            \
        if (!strstr(why, part))                                                                     \
            fail_msg("\"%s\" says nothing of \"%s\"", why, part);                                   \
    } while (0)

static void expected_messages_come_in_order_with_their_sender(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);
    const struct greeting *got;

    (void)state;
    assert_int_equal(ths_probe_tell(probe, greeter, greet, .name = "a"), THS_OK);
    assert_int_equal(ths_probe_tell(probe, greeter, greet, .name = "b"), THS_OK);
    got = ths_probe_expect(probe, 100, greeting);
    assert_non_null(got);
    assert_string_equal(got->text, "a");
    assert_true(ths_ref_equal(ths_probe_sender(probe), greeter));
    got = ths_probe_expect(probe, 100, greeting);
    assert_non_null(got);
    assert_string_equal(got->text, "b");
    assert_string_equal(why, "");
}

static void expectation_says_what_came_instead(void **state)
{
    (void)state;
    ths_tell(ths_sim_node(sim, 1), ths_probe_ref(probe), noise, .n = 3);
    assert_null(ths_probe_expect(probe, 100, greeting));
    assert_why("probe probe");
    assert_why("expected test.greeting, but noise{n=3} came");
}

static void expectation_gives_up_when_its_virtual_time_is_over(void **state)
{
    uint64_t begin_ms = ths_sim_now_ms(sim);

    (void)state;
    assert_null(ths_probe_expect(probe, 250, greeting));
    assert_why("expected test.greeting within 250 ms, but nothing came");
    assert_true(ths_sim_now_ms(sim) - begin_ms >= 250);
    assert_true(ths_sim_now_ms(sim) - begin_ms <= 251);
}

static void message_within_its_time_is_not_waited_for_longer(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);
    uint64_t begin_ms = ths_sim_now_ms(sim);

    (void)state;
    ths_probe_tell(probe, greeter, greet, .name = "a");
    assert_non_null(ths_probe_expect(probe, 10000, greeting));
    assert_true(ths_sim_now_ms(sim) - begin_ms < 30);
}

static void ignored_kinds_are_passed_over(void **state)
{
    struct ths_node *node = ths_sim_node(sim, 1);

    (void)state;
    ths_tell(node, ths_probe_ref(probe), noise, .n = 1);
    ths_sim_run_ms(sim, 1);
    assert_int_equal(ths_probe_ignore(probe, noise), THS_OK);
    ths_tell(node, ths_probe_ref(probe), noise, .n = 2);
    ths_tell(node, ths_probe_ref(probe), greeting, .text = "x");
    assert_non_null(ths_probe_expect(probe, 10, greeting));
    ths_tell(node, ths_probe_ref(probe), noise, .n = 3);
    assert_true(ths_probe_expect_none(probe, 100));
}

static void nothing_may_come_while_nothing_is_expected(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);

    (void)state;
    ths_probe_tell(probe, greeter, greet, .name = "a");
    assert_true(ths_probe_expect_none(probe, 10));
    assert_false(ths_probe_expect_none(probe, 100));
    assert_why("expected nothing for 100 ms, but greeting{text=\"a\"} came");
    assert_non_null(ths_probe_expect(probe, 0, greeting));
}

static void any_message_can_be_expected(void **state)
{
    struct ths_message got;

    (void)state;
    ths_tell(ths_sim_node(sim, 1), ths_probe_ref(probe), noise, .n = 4);
    got = ths_probe_expect_any(probe, 10);
    assert_string_equal(got.type->name, "test.noise");
    assert_int_equal(((const struct noise *)got.body)->n, 4);
    assert_null(ths_probe_expect_any(probe, 10).type);
    assert_why("expected a message within 10 ms");
}

static void request_is_answered_when_the_test_wants(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);
    const struct noise *heard;

    (void)state;
    ths_probe_tell(probe, greeter, ask_for, .whom = ths_probe_ref(probe));
    assert_non_null(ths_probe_expect(probe, 10, price));
    ths_sim_run_ms(sim, 100);
    assert_int_equal(ths_probe_reply(probe, amount, .of = 99), THS_OK);
    assert_int_equal(ths_probe_reply(probe, amount, .of = 100), THS_NO_ASK);
    heard = ths_probe_expect(probe, 10, noise);
    assert_non_null(heard);
    assert_int_equal(heard->n, 99);
    assert_int_equal(ths_probe_reply(probe, amount, .of = 100), THS_NO_ASK);
}

static void request_that_is_not_answered_times_out(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);
    const struct noise *heard;

    (void)state;
    ths_probe_tell(probe, greeter, ask_for, .whom = ths_probe_ref(probe));
    assert_non_null(ths_probe_expect(probe, 10, price));
    heard = ths_probe_expect(probe, 1000, noise);
    assert_non_null(heard);
    assert_int_equal(heard->n, 1000 + THS_TIMEOUT);
}

static void reply_to_an_ask_of_the_probe_is_a_message(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);
    const struct amount *got;

    (void)state;
    ths_probe_ask(probe, greeter, price, 500, .of = 21);
    got = ths_probe_expect(probe, 10, amount);
    assert_non_null(got);
    assert_int_equal(got->of, 42);
}

static void ask_of_the_probe_may_be_expected_to_fail(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);

    (void)state;
    ths_probe_ask(probe, greeter, price, 500, .of = 13);
    assert_true(ths_probe_expect_err(probe, 1000, THS_TIMEOUT));
    ths_probe_ask(probe, greeter, price, 500, .of = 13);
    assert_null(ths_probe_expect(probe, 1000, amount));
    assert_why("expected test.amount, but an ask of its own ended TIMEOUT");
    assert_false(ths_probe_expect_err(probe, 10, THS_TIMEOUT));
    assert_why("expected an ask to end TIMEOUT within 10 ms, but nothing came");
}

static void end_of_a_watched_and_of_a_linked_actor_is_a_message(void **state)
{
    ths_ref greeter = ths_sim_spawn(sim, 1, greeter);
    const struct ths_exited *exited;
    const struct ths_down *down;

    (void)state;
    assert_true(ths_probe_monitor(probe, greeter).value != 0);
    ths_probe_link(probe, greeter);
    ths_probe_tell(probe, greeter, leave);
    exited = ths_probe_expect(probe, 10, ths_exited);
    assert_non_null(exited);
    assert_int_equal(exited->reason, THS_REASON_CRASHED);
    down = ths_probe_expect(probe, 10, ths_down);
    assert_non_null(down);
    assert_string_equal(down->text, "had enough");
    assert_true(ths_ref_equal(down->who, greeter));
}

static void probes_of_two_nodes_talk(void **state)
{
    struct ths_sim *two = ths_sim_create(.seed = 5, .nodes = 2);
    struct ths_probe *a, *b;

    (void)state;
    ths_sim_run_ms(two, 3000);
    a = ths_probe_create(two, 1, "a");
    b = ths_probe_create(two, 2, "b");
    assert_int_equal(ths_probe_tell(a, ths_probe_ref(b), greet, .name = "far"), THS_OK);
    assert_string_equal(ths_probe_expect(b, 100, greet)->name, "far");
    assert_true(ths_ref_equal(ths_probe_sender(b), ths_probe_ref(a)));
    ths_probe_ask(a, ths_probe_ref(b), price, 500, .of = 1);
    assert_non_null(ths_probe_expect(b, 100, price));
    assert_int_equal(ths_probe_reply(b, amount, .of = 5), THS_OK);
    assert_int_equal(ths_probe_expect(a, 100, amount)->of, 5);
    ths_probe_on_failure(b, keep_why, NULL);
    ths_sim_crash(two, 2);
    assert_null(ths_probe_expect(b, 10, greet));
    assert_why("its node has crashed");
    assert_int_equal(ths_probe_tell(b, ths_probe_ref(a), greet, .name = "x"), THS_GONE);
    assert_null(ths_probe_create(two, 2, "c"));
    ths_probe_destroy(b);
    ths_probe_destroy(a);
    ths_sim_destroy(two);
}

static void probe_that_ended_says_so(void **state)
{
    (void)state;
    ths_kill(ths_sim_node(sim, 1), ths_probe_ref(probe));
    assert_null(ths_probe_expect(probe, 10, greet));
    assert_why("its actor has ended");
    assert_int_equal(ths_probe_tell(probe, ths_probe_ref(probe), greet, .name = "x"), THS_GONE);
    assert_why("expected to act");
}

static void taken_name_refuses_a_probe(void **state)
{
    (void)state;
    assert_null(ths_probe_create(sim, 1, "probe"));
}

static void kinds_to_ignore_are_bounded(void **state)
{
    static struct ths_type types[17];
    static char names[17][16];

    (void)state;
    for (unsigned i = 0; i < 17; i++) {
        (void)snprintf(names[i], sizeof names[i], "test.kind%u", i);
        types[i] = (struct ths_type){ .name = names[i], .version = 1, .size = 1 };
        assert_int_equal(thsp_probe_ignore(probe, &types[i]), i < 16 ? THS_OK : THS_INVALID);
    }
    assert_int_equal(thsp_probe_ignore(probe, &types[3]), THS_OK);
}

/* ---- ths_any ------------------------------------------------------------------------------------------------------- */

struct collector {
    unsigned greets, others;
    char last[64];
};

THS_ON(collector, greet)
{
    self->greets++;
}

THS_ON(collector, ths_any)
{
    self->others++;
    (void)snprintf(self->last, sizeof self->last, "%s", msg->message.type->name);
}

THS_ON(collector, price)
{
    (void)ths_reply(ctx, amount, .of = self->greets * 100 + self->others);
}

THS_BEHAVIOUR(collector, greet, ths_any, price)

static void handler_of_any_takes_what_no_other_entry_takes(void **state)
{
    ths_ref collector = ths_sim_spawn(sim, 1, collector);
    struct ths_node_stats stats;

    (void)state;
    ths_probe_tell(probe, collector, greet, .name = "x");
    ths_probe_tell(probe, collector, noise, .n = 1);
    ths_probe_tell(probe, collector, greeting, .text = "x");
    ths_probe_ask(probe, collector, price, 100, .of = 0);
    assert_int_equal(ths_probe_expect(probe, 10, amount)->of, 102);
    ths_node_stats(ths_sim_node(sim, 1), &stats);
    assert_int_equal(stats.dead_letters[THS_REFUSED], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fact) cmocka_unit_test_setup_teardown(fact, setup, teardown)
        TEST(expected_messages_come_in_order_with_their_sender),
        TEST(expectation_says_what_came_instead),
        TEST(expectation_gives_up_when_its_virtual_time_is_over),
        TEST(message_within_its_time_is_not_waited_for_longer),
        TEST(ignored_kinds_are_passed_over),
        TEST(nothing_may_come_while_nothing_is_expected),
        TEST(any_message_can_be_expected),
        TEST(request_is_answered_when_the_test_wants),
        TEST(request_that_is_not_answered_times_out),
        TEST(reply_to_an_ask_of_the_probe_is_a_message),
        TEST(ask_of_the_probe_may_be_expected_to_fail),
        TEST(end_of_a_watched_and_of_a_linked_actor_is_a_message),
        TEST(probes_of_two_nodes_talk),
        TEST(probe_that_ended_says_so),
        TEST(taken_name_refuses_a_probe),
        TEST(kinds_to_ignore_are_bounded),
        TEST(handler_of_any_takes_what_no_other_entry_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
