/* Each way an ask can end. The handler of the answer runs exactly once in all of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <string.h>

enum { LONG_MS = 120000, SHORT_MS = 30 };

static void asks(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, question, puppet_heard, LONG_MS, .text = "x");
}

static void asks_a_secret(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, secret, puppet_heard, LONG_MS);
}

static void asks_a_secret_shortly(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, secret, puppet_heard, SHORT_MS);
}

static void asks_something_unheard(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, unheard, puppet_heard, LONG_MS);
}

struct errand {
    ths_ref to;
    struct puppet_todo todo;
};

static void asks_to_act(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    struct errand *errand = arg;

    (void)self;
    ths_ask(ctx, errand->to, act, puppet_heard, LONG_MS, .todo = (uint64_t)(uintptr_t)&errand->todo);
}

/* Two puppets, of which a asks. */
struct pair { ths_ref a, b; };

static struct pair pair_of(struct ths_node *node)
{
    struct pair pair = { puppet_spawn(node, "a", (struct ths_spawn_options){ 0 }), THS_NOBODY };

    pair.b = puppet_spawn(node, "b", (struct ths_spawn_options){ 0 });
    return pair;
}

static void answer_comes_to_the_handler(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks, &pair.b);
    assert_noted("a: heard OK answer{text=\"x\"}\n");
}

static void actor_may_ask_itself(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks, &pair.a);
    assert_noted("a: heard OK answer{text=\"x\"}\n");
}

static void asks_three_times(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, question, puppet_heard, LONG_MS, .text = "1");
    ths_ask(ctx, *(const ths_ref *)to, question, puppet_heard, LONG_MS, .text = "2");
    ths_ask(ctx, *(const ths_ref *)to, question, puppet_heard, LONG_MS, .text = "3");
}

static void open_asks_are_told_apart(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks_three_times, &pair.b);
    assert_noted("a: heard OK answer{text=\"1\"}\na: heard OK answer{text=\"2\"}\na: heard OK answer{text=\"3\"}\n");
}

static void unanswered_ask_ends_with_timeout(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks_a_secret_shortly, &pair.b);
    assert_noted("a: heard TIMEOUT\n");
}

static void ask_to_an_ended_actor_is_gone(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.b, puppet_stops, NULL);
    assert_ends(*state, pair.b, NORMAL);
    puppet_do(*state, pair.a, asks, &pair.b);
    assert_noted("a: heard GONE\n");
}

static void ask_in_the_mailbox_of_an_ending_actor_is_gone(void **state)
{
    struct pair pair = pair_of(*state);
    struct probe_gate gate = PROBE_GATE_INIT;

    puppet_hold(*state, pair.b, &gate);
    puppet_do(*state, pair.a, asks, &pair.b);
    ths_kill((struct ths_node *)*state, pair.b);
    probe_gate_open(&gate);
    assert_noted("a: heard GONE\n");
}

static void ask_to_a_ref_never_given_out_is_stale(void **state)
{
    struct pair pair = pair_of(*state);
    ths_ref never = { pair.b.node, pair.b.slot, pair.b.generation + 1000 };

    puppet_do(*state, pair.a, asks, &never);
    assert_noted("a: heard STALE\n");
}

static void ask_to_an_unknown_node_says_so(void **state)
{
    struct pair pair = pair_of(*state);
    ths_ref elsewhere = { pair.b.node ^ 1, pair.b.slot, pair.b.generation };

    puppet_do(*state, pair.a, asks, &elsewhere);
    assert_noted("a: heard UNKNOWN_NODE\n");
}

static void ask_to_a_full_mailbox_is_full(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ 0 });
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 2 });
    struct probe_gate gate = PROBE_GATE_INIT;

    puppet_hold(node, b, &gate);
    while (ths_try_tell(node, b, secret) == THS_OK)
        ;
    puppet_do(node, a, asks, &b);
    assert_noted("a: heard FULL\n");
    probe_gate_open(&gate);
}

static void ask_of_a_kind_not_accepted_is_refused(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks_something_unheard, &pair.b);
    assert_noted("a: heard REFUSED\n");
}

static void ask_whose_handler_fails_is_crashed(void **state)
{
    struct pair pair = pair_of(*state);
    static struct errand errand;

    errand = (struct errand){ pair.b, { puppet_fails, NULL } };
    puppet_do(*state, pair.a, asks_to_act, &errand);
    assert_noted("a: heard CRASHED\n");
}

static void expired_request_is_dropped_unhandled(void **state)
{
    struct pair pair = pair_of(*state);
    struct probe_gate gate = PROBE_GATE_INIT;
    struct ths_node_stats stats;

    puppet_hold(*state, pair.b, &gate);
    puppet_do(*state, pair.a, asks_a_secret_shortly, &pair.b);
    assert_noted("a: heard TIMEOUT\n");
    probe_gate_open(&gate);
    puppet_settle(*state, pair.b);
    ths_node_stats(*state, &stats);
    assert_int_equal(stats.dead_letters[THS_EXPIRED], 1);
    assert_noted("a: heard TIMEOUT\n");
}

static void answers_late(struct ths_ctx *ctx, struct puppet *self, void *gate)
{
    probe_gate_pass(gate);
    probe_note("%s: reply %s", self->label, ths_err_name(ths_reply(ctx, answer, .text = "late")));
}

static void asks_to_act_shortly(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    struct errand *errand = arg;

    (void)self;
    ths_ask(ctx, errand->to, act, puppet_heard, 10 * SHORT_MS, .todo = (uint64_t)(uintptr_t)&errand->todo);
}

/* The first gate keeps the asker, whose timer must ring, off the worker that the second one holds up. */
static void answer_after_the_deadline_is_not_heard(void **state)
{
    struct pair pair = pair_of(*state);
    struct probe_gate first = PROBE_GATE_INIT, gate = PROBE_GATE_INIT;
    static struct errand errand;

    errand = (struct errand){ pair.b, { answers_late, &gate } };
    puppet_hold(*state, pair.b, &first);
    puppet_do(*state, pair.a, asks_to_act_shortly, &errand);
    probe_gate_open(&first);
    assert_noted("a: heard TIMEOUT\n");
    probe_gate_open(&gate);
    puppet_settle(*state, pair.b);
    puppet_settle(*state, pair.a);
    assert_noted("a: heard TIMEOUT\nb: reply EXPIRED\n");
}

/* It is refused to the replier and counted: had it entered the mailbox, it would be neither. */
static void late_reply_never_enters_a_mailbox(void **state)
{
    struct ths_node_stats stats;

    answer_after_the_deadline_is_not_heard(state);
    ths_node_stats(*state, &stats);
    assert_int_equal(stats.dead_letters[THS_EXPIRED], 1);
}

static ths_ask_id to_take_back;

static void asks_to_act_and_remembers(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    struct errand *errand = arg;

    (void)self;
    to_take_back = ths_ask(ctx, errand->to, act, puppet_heard, LONG_MS, .todo = (uint64_t)(uintptr_t)&errand->todo);
}

static void takes_it_back(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)arg;
    probe_note("%s: taken back %d", self->label, ths_ask_cancel(ctx, to_take_back));
}

static void looks_before_and_after(struct ths_ctx *ctx, struct puppet *self, void *gate)
{
    bool before = ths_cancelled(ctx, NULL);

    probe_gate_pass(gate);
    probe_note("%s: cancelled %d %d", self->label, before, ths_cancelled(ctx, NULL));
}

static void running_handler_can_see_that_its_request_was_taken_back(void **state)
{
    struct pair pair = pair_of(*state);
    struct probe_gate gate = PROBE_GATE_INIT;
    static struct errand errand;

    errand = (struct errand){ pair.b, { looks_before_and_after, &gate } };
    puppet_do(*state, pair.a, asks_to_act_and_remembers, &errand);
    probe_gate_reached(&gate);
    puppet_do(*state, pair.a, takes_it_back, NULL);
    probe_gate_open(&gate);
    puppet_settle(*state, pair.b);
    assert_noted("a: taken back 1\nb: cancelled 0 1\n");
}

static void asks_and_stops(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    asks_a_secret(ctx, self, to);
    ths_stop(ctx);
}

static void open_asks_of_an_ended_actor_are_void(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks_and_stops, &pair.b);
    assert_ends(*state, pair.a, NORMAL);
    puppet_settle(*state, pair.b);
    assert_int_equal(probe_count(), 0);
}

/* ---- Replies ----------------------------------------------------------------------------- */

static void replies(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)arg;
    probe_note("%s: reply %s", self->label, ths_err_name(ths_reply(ctx, answer, .text = "own")));
}

static void replies_twice(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    replies(ctx, self, arg);
    replies(ctx, self, arg);
}

static void second_reply_is_refused(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.b, replies_twice, NULL);
    assert_noted("b: reply OK\nb: reply NO_ASK\n");
}

static void reply_to_a_tell_is_refused(void **state)
{
    struct pair pair = pair_of(*state);
    static struct puppet_todo todo;

    todo = (struct puppet_todo){ replies, NULL };
    assert_err(ths_tell((struct ths_node *)*state, pair.b, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    assert_noted("b: reply NO_ASK\n");
}

static void replies_wrongly(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)arg;
    probe_note("%s: reply %s", self->label, ths_err_name(ths_reply(ctx, answer, .text = "\xff")));
    probe_note("%s: reply %s", self->label, ths_err_name(ths_reply(ctx, answer, .text = "\xce\xb1")));
}

static void refused_reply_tells_the_asker_why(void **state)
{
    struct pair pair = pair_of(*state);

    assert_err(puppet_try(*state, pair.b, replies_wrongly, NULL), MALFORMED);
    assert_noted("b: reply MALFORMED\nb: reply NO_ASK\n");
}

THS_ON_REPLY(puppet, typed_heard, answer)
{
    probe_note("%s: typed %s %s", self->label, ths_err_name(err), reply ? reply->text : "NULL");
}

static void asks_typed(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, question, typed_heard, LONG_MS, .text = "t");
}

static void asks_typed_shortly(struct ths_ctx *ctx, struct puppet *self, void *to)
{
    (void)self;
    ths_ask(ctx, *(const ths_ref *)to, secret, typed_heard, SHORT_MS);
}

static void typed_handler_gets_its_struct(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks_typed, &pair.b);
    assert_noted("a: typed OK t\n");
}

static void typed_handler_gets_no_struct_with_an_error(void **state)
{
    struct pair pair = pair_of(*state);

    puppet_do(*state, pair.a, asks_typed_shortly, &pair.b);
    assert_noted("a: typed TIMEOUT NULL\n");
}

static void asks_to_act_typed(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    struct errand *errand = arg;

    (void)self;
    ths_ask(ctx, errand->to, act, typed_heard, LONG_MS, .todo = (uint64_t)(uintptr_t)&errand->todo);
}

static void does_nothing(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)ctx, (void)self, (void)arg;
}

static void reply_of_another_kind_never_reaches_a_typed_handler_as_its_struct(void **state)
{
    struct pair pair = pair_of(*state);
    static struct errand errand;

    errand = (struct errand){ pair.b, { does_nothing, NULL } }; /* answered with done, not answer */
    puppet_do(*state, pair.a, asks_to_act_typed, &errand);
    assert_noted("a: typed TYPE_MISMATCH NULL\n");
}

/* ---- Calls from outside ------------------------------------------------------------------ */

static void keep_text(void *arg, struct ths_message reply)
{
    char *out = arg;

    (void)strncpy(out, ((const struct answer *)reply.body)->text, 15);
}

static void call_lends_the_reply_to_its_visitor(void **state)
{
    struct pair pair = pair_of(*state);
    char text[16] = "";

    assert_err(ths_call(*state, pair.b, THS_MSG(question, .text = "outside"), LONG_MS, keep_text, text), OK);
    assert_string_equal(text, "outside");
}

static void call_without_answer_ends_with_timeout(void **state)
{
    struct pair pair = pair_of(*state);

    assert_err(ths_call(*state, pair.b, THS_MSG(secret), SHORT_MS, NULL, NULL), TIMEOUT);
}

static void call_is_refused_like_an_ask(void **state)
{
    struct ths_node *node = *state;
    struct pair pair = pair_of(node);
    ths_ref elsewhere = { pair.b.node ^ 1, 1, 1 };

    assert_err(ths_call(node, pair.b, THS_MSG(unheard), LONG_MS, NULL, NULL), REFUSED);
    assert_err(ths_call(node, elsewhere, THS_MSG(question), LONG_MS, NULL, NULL), UNKNOWN_NODE);
    assert_err(puppet_try(node, pair.b, puppet_fails, NULL), CRASHED);
    assert_ends(node, pair.b, CRASHED);
    assert_err(ths_call(node, pair.b, THS_MSG(question), LONG_MS, NULL, NULL), GONE);
}

static void kills_its_asker(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_kill(ctx, ths_sender(ctx));
}

/* A call is made by an actor, which others know and may kill. */
static void call_ends_when_whoever_made_it_is_killed(void **state)
{
    struct pair pair = pair_of(*state);

    assert_err(puppet_try(*state, pair.b, kills_its_asker, NULL), CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(answer_comes_to_the_handler),
        puppet_test(actor_may_ask_itself),
        puppet_test(open_asks_are_told_apart),
        puppet_test(unanswered_ask_ends_with_timeout),
        puppet_test(ask_to_an_ended_actor_is_gone),
        puppet_test(ask_in_the_mailbox_of_an_ending_actor_is_gone),
        puppet_test(ask_to_a_ref_never_given_out_is_stale),
        puppet_test(ask_to_an_unknown_node_says_so),
        puppet_test(ask_to_a_full_mailbox_is_full),
        puppet_test(ask_of_a_kind_not_accepted_is_refused),
        puppet_test(ask_whose_handler_fails_is_crashed),
        puppet_test(expired_request_is_dropped_unhandled),
        puppet_test(answer_after_the_deadline_is_not_heard),
        puppet_test(late_reply_never_enters_a_mailbox),
        puppet_test(running_handler_can_see_that_its_request_was_taken_back),
        puppet_test(open_asks_of_an_ended_actor_are_void),
        puppet_test(second_reply_is_refused),
        puppet_test(reply_to_a_tell_is_refused),
        puppet_test(refused_reply_tells_the_asker_why),
        puppet_test(typed_handler_gets_its_struct),
        puppet_test(typed_handler_gets_no_struct_with_an_error),
        puppet_test(reply_of_another_kind_never_reaches_a_typed_handler_as_its_struct),
        puppet_test(call_lends_the_reply_to_its_visitor),
        puppet_test(call_without_answer_ends_with_timeout),
        puppet_test(call_is_refused_like_an_ask),
        puppet_test(call_ends_when_whoever_made_it_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
