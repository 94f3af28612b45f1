/* Requests that are answered later, passed on and taken back: the same facts inside one node and over two and three. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/probe.h"

#include <stdio.h>

#include "thiasos/sim.h"

enum how { ANSWERS, DEFERS, FORGETS, FORWARDS, DELEGATES, REFUSES, FAILS, INHERITS };

THS_MESSAGE(job, "requests.job", 1, u8(how), u8(then), ref(next), string(text))
THS_MESSAGE(result, "requests.result", 1, string(by), string(text), u32(left_ms))
THS_MESSAGE(errand, "requests.errand", 1, ref(to), u8(how), u8(then), ref(next), u32(ms))
THS_MESSAGE(errands, "requests.errands", 1, list(ref, to, .max = 5000), u8(how), u32(ms))
THS_MESSAGE(finish, "requests.finish", 1)
THS_MESSAGE(call_off, "requests.call_off", 1)
THS_MESSAGE(end, "requests.end", 1, boolean(crash))
THS_MESSAGE(try_all, "requests.try_all", 1)
THS_MESSAGE(desk_start, "requests.desk_start", 1, string(label))
THS_MESSAGE(handed_over, "requests.handed_over", 1, ref(asker), u64(id))
THS_MESSAGE(hand_in, "requests.hand_in", 1, ref(asker), u64(id))
THS_MESSAGE(hand_on, "requests.hand_on", 1, ref(to))
THS_MESSAGE(hand_over, "requests.hand_over", 1, ref(to))
THS_MESSAGE(pass_on, "requests.pass_on", 1, ref(to))

/* ---- Who is asked ------------------------------------------------------------------------ */

struct desk {
    char label[8];
    struct ths_asked waiting;
};

static void answer(struct ths_ctx *ctx, const struct desk *self, const struct job *job)
{
    (void)ths_reply(ctx, result, .by = self->label, .text = job->text, .left_ms = ths_remaining_ms(ctx, NULL));
}

THS_ON_REPLY(desk, inherited, result)
{
    if (err == THS_OK)
        (void)ths_reply_to(ctx, &self->waiting, result, .by = reply->by, .left_ms = reply->left_ms);
    else
        (void)ths_refuse_to(ctx, &self->waiting, err);
}

THS_ON(desk, desk_start)
{
    (void)snprintf(self->label, sizeof self->label, "%s", msg->label);
}

THS_ON(desk, job)
{
    /* What was passed on comes with the same how; who is the last does the rest. */
    bool last = msg->how == FORWARDS && ths_ref_equal(msg->next, ths_self(ctx));

    switch ((enum how)(last ? msg->then : msg->how)) {
    case ANSWERS:
        answer(ctx, self, msg);
        break;
    case DEFERS:
        self->waiting = ths_defer(ctx);
        probe_note("%s: has it", self->label);
        break;
    case FORGETS:
        probe_note("%s: has it", self->label);
        break;
    case FORWARDS:
        (void)ths_forward(ctx, msg->next);
        break;
    case DELEGATES:
        self->waiting = ths_defer(ctx);
        (void)ths_delegate(ctx, &self->waiting, msg->next, job, .how = msg->then, .text = "delegated");
        break;
    case REFUSES:
        (void)ths_refuse(ctx, THS_NOT_FOUND);
        break;
    case FAILS:
        ths_fail(ctx, "as told");
        break;
    case INHERITS:
        ths_ask(ctx, msg->next, job, inherited, THS_INHERIT, .how = msg->then);
        self->waiting = ths_defer(ctx);
        break;
    }
}

THS_ON(desk, finish)
{
    probe_note("%s: cancelled %d", self->label, ths_cancelled(ctx, &self->waiting));
    (void)ths_reply_to(ctx, &self->waiting, result, .by = self->label, .text = "late");
}

THS_ON(desk, end)
{
    if (msg->crash)
        ths_fail(ctx, "as told");
    else
        ths_stop(ctx);
}

THS_ON(desk, hand_over)
{
    (void)ths_tell(ctx, msg->to, handed_over, .asker = self->waiting.asker, .id = self->waiting.id);
}

THS_ON(desk, pass_on)
{
    probe_note("%s: pass on %s", self->label, ths_err_name(ths_delegate(ctx, &self->waiting, msg->to, job, .how = ANSWERS)));
}

THS_ON(desk, handed_over)
{
    self->waiting = (struct ths_asked){ msg->asker, msg->id };
}

/* Answers what was never asked under this id. */
THS_ON(desk, hand_in)
{
    struct ths_asked made_up = { msg->asker, msg->id };

    (void)ths_reply_to(ctx, &made_up, result, .by = self->label, .text = "not asked");
}

THS_ON(desk, ths_ask_cancelled)
{
    probe_note("%s: %s", self->label, msg->id == self->waiting.id && ths_cancelled(ctx, &self->waiting) ? "cancelled" : "?");
}

THS_ON(desk, try_all)
{
    struct ths_asked none = ths_defer(ctx);

    probe_note("defer %d", none.id != 0);
    probe_note("reply_to %s", ths_err_name(ths_reply_to(ctx, &none, result, .by = "")));
    probe_note("delegate %s", ths_err_name(ths_delegate(ctx, &none, ths_self(ctx), job)));
    probe_note("forward %s", ths_err_name(ths_forward(ctx, ths_self(ctx))));
    probe_note("refuse %s", ths_err_name(ths_refuse(ctx, THS_FULL)));
    probe_note("refuse_to %s", ths_err_name(ths_refuse_to(ctx, &none, THS_FULL)));
    probe_note("refuse with OK %s", ths_err_name(ths_refuse(ctx, THS_OK)));
    probe_note("refuse_to with OK %s", ths_err_name(ths_refuse_to(ctx, &none, THS_OK)));
    probe_note("cancelled %d %d", ths_cancelled(ctx, NULL), ths_cancelled(ctx, &none));
    probe_note("remaining %d", ths_remaining_ms(ctx, NULL) == THS_INHERIT);
    probe_note("ask_cancel %d", ths_ask_cancel(ctx, (ths_ask_id){ 1 }));
}

THS_BEHAVIOUR(desk, desk_start, try_all, job, finish, end, hand_over, pass_on, handed_over, hand_in, ths_ask_cancelled)

/* ---- Who asks ---------------------------------------------------------------------------- */

struct client {
    ths_ask_id ask;
    uint64_t asked_ms;
};

THS_ON_REPLY(client, heard, result)
{
    probe_note("%s %s %s", ths_err_name(err), reply ? reply->by : "-", reply ? reply->text : "-");
}

/* How much of the time was left where the request was handled, to a tenth of a second. */
THS_ON_REPLY(client, heard_left, result)
{
    probe_note("%s %s %u", ths_err_name(err), reply ? reply->by : "-", reply ? reply->left_ms / 100 : 0);
}

THS_ON(client, errand)
{
    const struct ths_reply_to handler = msg->how == INHERITS ? heard_left : heard;

    self->ask = ths_ask(ctx, msg->to, job, handler, msg->ms, .how = msg->how, .then = msg->then, .next = msg->next,
                        .text = "asked");
}

static void note_results(const struct ths_result *results, unsigned count)
{
    probe_note("all %u%s", count, results ? "" : " none");
    for (unsigned i = 0; i < count; i++) {
        const struct result *got = results[i].reply;
        probe_note("%u %s %s", i, ths_err_name(results[i].err), got ? got->by : "-");
    }
}

THS_ON_RESULTS(client, heard_all, result)
{
    note_results(results, count);
}

THS_ON_RESULTS(client, heard_all_wrongly, finish)
{
    note_results(results, count);
}

static void note_any_results(struct ths_ctx *ctx, void *self, const struct ths_result *results, unsigned count)
{
    const struct ths_message *any = results[0].reply;

    (void)ctx, (void)self;
    probe_note("any %u %s", count, any && any->type ? ((const struct result *)any->body)->by : "-");
}

THS_ON(client, errands)
{
    static const struct ths_results_to heard_any = { note_any_results, NULL };

    self->ask = ths_ask_all(ctx, msg->to.items, msg->to.count, job, heard_all, msg->ms, .how = msg->how, .text = "all");
    if (msg->how == REFUSES)
        (void)ths_ask_all(ctx, msg->to.items, msg->to.count, job, heard_all_wrongly, msg->ms, .how = ANSWERS);
    if (msg->how == FORGETS)
        (void)ths_ask_all(ctx, msg->to.items, 1, job, heard_any, msg->ms, .how = ANSWERS);
}

THS_ON(client, call_off)
{
    bool was_open = ths_ask_cancel(ctx, self->ask);

    probe_note("called off %d", was_open);
}

THS_ON(client, hand_on)
{
    (void)ths_tell(ctx, msg->to, hand_in, .asker = ths_self(ctx), .id = self->ask.value);
}

THS_ON(client, end)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(client, errand, errands, call_off, hand_on, end)

/* ---- Where they are ---------------------------------------------------------------------- */

enum { NODES = 3, LONG_MS = 60000 };

/* On which node the asker, the one it asks, and the one behind that are. */
static const unsigned placements[][3] = { { 1, 1, 1 }, { 1, 2, 2 }, { 1, 1, 2 }, { 1, 2, 1 }, { 1, 2, 3 } };

enum { PLACEMENTS = sizeof placements / sizeof *placements };

static struct ths_sim *sim;
static struct ths_node *node; /* the asker's */
static ths_ref asker, a, b;
static const unsigned *place;

static void count_up(void *arg, const struct ths_member_info *member)
{
    *(unsigned *)arg += member->state == THS_MEMBER_UP;
}

static bool all_up(void *arg)
{
    (void)arg;
    for (unsigned i = 1; i <= NODES; i++) {
        unsigned up = 0;
        (void)ths_cluster_members(ths_sim_node(sim, i), count_up, &up);
        if (up != NODES)
            return false;
    }
    return true;
}

static int setup(void **state)
{
    (void)state;
    sim = ths_sim_create(.seed = 23, .nodes = NODES);
    return sim && ths_sim_run_until(sim, 20000, all_up, NULL) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    ths_sim_destroy(sim);
    return 0;
}

static void run(void)
{
    ths_sim_run_ms(sim, 50);
}

static void put(unsigned placement)
{
    probe_reset();
    place = placements[placement];
    node = ths_sim_node(sim, place[0]);
    asker = ths_spawn(node, client);
    a = ths_sim_spawn(sim, place[1], desk, .start = THS_MSG(desk_start, .label = "a"));
    b = ths_sim_spawn(sim, place[2], desk, .start = THS_MSG(desk_start, .label = "b"));
    run();
}

#define EACH_PLACEMENT(i) for (unsigned i = 0; i < PLACEMENTS && (put(i), true); i++)

static void ask_a(enum how how, enum how then, unsigned ms)
{
    assert_int_equal(ths_tell(node, asker, errand, .to = a, .how = (uint8_t)how, .then = (uint8_t)then, .next = b, .ms = ms),
                     THS_OK);
    run();
}

static void tell_finish(unsigned number, ths_ref whom)
{
    assert_int_equal(ths_tell(ths_sim_node(sim, number), whom, finish), THS_OK);
    run();
}

static void tell_end(unsigned number, ths_ref whom, bool crash)
{
    assert_int_equal(ths_tell(ths_sim_node(sim, number), whom, end, .crash = crash), THS_OK);
    run();
}

#define sim_test(fact) cmocka_unit_test_setup_teardown(fact, setup, teardown)

/* ---- Later ------------------------------------------------------------------------------- */

static void deferred_request_is_answered_later(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        assert_noted("a: has it\n");
        tell_finish(place[1], a);
        assert_noted("a: has it\na: cancelled 0\nOK a late\n");
        tell_finish(place[1], a); /* once: it was cleared */
        assert_noted("a: has it\na: cancelled 0\nOK a late\na: cancelled 1\n");
    }
}

static void deferred_request_may_be_answered_by_another_actor(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        assert_int_equal(ths_tell(ths_sim_node(sim, place[1]), a, hand_over, .to = b), THS_OK);
        run();
        tell_finish(place[2], b);
        assert_noted("a: has it\nb: cancelled 0\nOK b late\n");
    }
}

static void asker_is_told_when_the_actor_that_deferred_ends(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        tell_end(place[1], a, false);
        assert_noted("a: has it\nGONE - -\n");
    }
}

static void asker_is_told_when_the_actor_that_deferred_crashes(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        tell_end(place[1], a, true);
        assert_noted("a: has it\nCRASHED - -\n");
    }
}

static void asker_is_told_when_the_actor_that_forgot_its_request_ends(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(FORGETS, 0, LONG_MS);
        tell_end(place[1], a, false);
        assert_noted("a: has it\nGONE - -\n");
    }
}

static void deferred_request_that_is_not_answered_times_out(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, 500);
        ths_sim_run_ms(sim, 600);
        assert_noted("a: has it\nTIMEOUT - -\n");
        tell_finish(place[1], a);
        assert_noted("a: has it\nTIMEOUT - -\na: cancelled 1\n");
    }
}

static void request_may_be_refused_with_an_error(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(REFUSES, 0, LONG_MS);
        assert_noted("NOT_FOUND - -\n");
    }
}

/* ---- Passed on --------------------------------------------------------------------------- */

static void forwarded_request_is_answered_by_the_other(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(FORWARDS, ANSWERS, LONG_MS);
        assert_noted("OK b asked\n");
    }
}

static void delegated_request_is_answered_by_the_other(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DELEGATES, ANSWERS, LONG_MS);
        assert_noted("OK b delegated\n");
    }
}

static void request_passed_on_to_an_actor_that_has_ended_is_gone(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        tell_end(place[2], b, false);
        ask_a(FORWARDS, ANSWERS, LONG_MS);
        assert_noted("GONE - -\n");
    }
}

static void request_passed_on_to_nobody_is_gone(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        b = THS_NOBODY;
        ask_a(FORWARDS, ANSWERS, LONG_MS);
        assert_noted("GONE - -\n");
    }
}

static void request_passed_on_to_one_that_crashes_is_crashed(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(FORWARDS, FAILS, LONG_MS);
        assert_noted("CRASHED - -\n");
    }
}

static void end_of_who_passed_a_request_on_is_no_concern_of_it(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(FORWARDS, DEFERS, LONG_MS);
        tell_end(place[1], a, true);
        tell_finish(place[2], b);
        assert_noted("b: has it\nb: cancelled 0\nOK b late\n");
    }
}

static void loss_of_the_node_that_has_the_request_now_ends_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PLACEMENTS; i++) {
        if (placements[i][2] != 3)
            continue;
        put(i);
        ask_a(FORWARDS, DEFERS, LONG_MS);
        ths_sim_crash(sim, 3);
        ths_sim_run_ms(sim, 20000);
        assert_noted("b: has it\nNODE_LOST - -\n");
    }
}

/* ---- Time -------------------------------------------------------------------------------- */

static void time_that_is_left_travels_with_a_request_passed_on(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(FORWARDS, DEFERS, 500);
        ths_sim_run_ms(sim, 600);
        tell_finish(place[2], b);
        assert_noted("b: has it\nTIMEOUT - -\nb: cancelled 1\n");
    }
}

static void asks_made_for_a_request_can_inherit_its_deadline(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(INHERITS, ANSWERS, 2050);
        assert_noted("OK b 20\n");
    }
}

static void inherited_deadline_ends_both_asks(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(INHERITS, FORGETS, 500);
        ths_sim_run_ms(sim, 600);
        assert_noted("b: has it\nTIMEOUT - 0\n");
        tell_finish(place[1], a);
        assert_noted("b: has it\nTIMEOUT - 0\na: cancelled 1\n");
    }
}

/* ---- Taken back -------------------------------------------------------------------------- */

static void call_it_off(void)
{
    assert_int_equal(ths_tell(node, asker, call_off), THS_OK);
    run();
}

static void cancel_reaches_who_has_deferred_the_request(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        call_it_off();
        assert_noted("a: has it\ncalled off 1\na: cancelled\n");
        tell_finish(place[1], a);
        ths_sim_run_ms(sim, LONG_MS);
        assert_noted("a: has it\ncalled off 1\na: cancelled\na: cancelled 1\n");
    }
}

static void cancel_follows_a_request_that_was_passed_on(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(FORWARDS, DEFERS, LONG_MS);
        call_it_off();
        assert_noted("b: has it\ncalled off 1\nb: cancelled\n");
    }
}

static bool is_noted(void *arg)
{
    (void)arg;
    return probe_count() > 0;
}

/* The asker waits no more while the news that another has its request are still on their way. */
static void ask_a_until_b_has_it(void)
{
    assert_int_equal(ths_tell(node, asker, errand, .to = a, .how = FORWARDS, .then = DEFERS, .next = b, .ms = LONG_MS), THS_OK);
    assert_true(ths_sim_run_until(sim, LONG_MS, is_noted, NULL));
}

static void cancel_that_crosses_the_news_of_a_move_follows_it(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a_until_b_has_it();
        call_it_off();
        assert_noted("b: has it\ncalled off 1\nb: cancelled\n");
    }
}

static void end_of_the_asker_that_crosses_the_news_of_a_move_cancels_too(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a_until_b_has_it();
        tell_end(place[0], asker, false);
        assert_noted("b: has it\nb: cancelled\n");
    }
}

/* Who deferred it learns by the refusal that there is no more use in it. */
static void request_that_was_taken_back_is_not_passed_on(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        call_it_off();
        probe_reset();
        assert_int_equal(ths_tell(ths_sim_node(sim, place[1]), a, pass_on, .to = b), THS_OK);
        run();
        assert_noted("a: pass on EXPIRED\n");
    }
}

static void cancel_of_an_ask_that_has_ended_does_nothing(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(REFUSES, 0, LONG_MS);
        call_it_off();
        assert_noted("NOT_FOUND - -\ncalled off 0\n");
    }
}

static void end_of_the_asker_cancels_too(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_a(DEFERS, 0, LONG_MS);
        tell_end(place[0], asker, false);
        assert_noted("a: has it\na: cancelled\n");
    }
}

/* The request waits behind others that are handled later than the cancel comes: the scheduler's picks decide, so many tries. */
static void cancelled_request_in_the_mailbox_is_dropped_and_counted(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        struct ths_node *theirs = ths_sim_node(sim, place[1]);
        struct ths_node_stats before, after;

        ths_node_stats(theirs, &before);
        ths_sim_pause(sim, place[1], place[1] != place[0]); /* on another node all of it comes in one go */
        for (unsigned n = 0; n < 40; n++) {
            assert_int_equal(ths_tell(node, asker, errand, .to = a, .how = FORGETS, .ms = LONG_MS), THS_OK);
            assert_int_equal(ths_tell(node, asker, call_off), THS_OK);
        }
        run();
        ths_sim_pause(sim, place[1], false);
        run();
        ths_node_stats(theirs, &after);
        assert_true(after.dead_letters[THS_EXPIRED] > before.dead_letters[THS_EXPIRED]);
    }
}

/* ---- Several at once --------------------------------------------------------------------- */

static void ask_all(enum how how, unsigned ms, ths_ref first, ths_ref second, ths_ref third)
{
    assert_int_equal(ths_tell(node, asker, errands, .to = THS_ITEMS(ths_ref, first, second, third), .how = (uint8_t)how,
                              .ms = ms), THS_OK);
    run();
}

static void each_of_several_has_its_result_in_the_order_asked(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_all(ANSWERS, LONG_MS, b, a, b);
        assert_noted("all 3\n0 OK b\n1 OK a\n2 OK b\n");
    }
}

static void those_of_several_that_fail_say_why(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        tell_end(place[1], a, false);
        ask_all(ANSWERS, LONG_MS, a, THS_NOBODY, b);
        assert_noted("all 3\n0 GONE -\n1 GONE -\n2 OK b\n");
    }
}

static void reply_of_another_kind_is_no_result(void **state)
{
    (void)state;
    put(0);
    ask_all(REFUSES, LONG_MS, a, b, a);
    assert_noted("all 3\n0 NOT_FOUND -\n1 NOT_FOUND -\n2 NOT_FOUND -\n"
                 "all 3\n0 TYPE_MISMATCH -\n1 TYPE_MISMATCH -\n2 TYPE_MISMATCH -\n");
}

static void several_share_one_deadline_and_what_came_before_counts(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_all(DEFERS, 500, a, b, THS_NOBODY);
        assert_noted_in_any_order("a: has it\nb: has it\n");
        tell_finish(place[2], b);
        ths_sim_run_ms(sim, 500);
        assert_noted_in_any_order("a: has it\nb: has it\nb: cancelled 0\nall 3\n0 TIMEOUT -\n1 OK b\n2 GONE -\n");
        tell_finish(place[1], a);
        assert_noted_in_any_order("a: has it\nb: has it\nb: cancelled 0\nall 3\n0 TIMEOUT -\n1 OK b\n2 GONE -\na: cancelled 1\n");
    }
}

static void reply_to_all_of_several_is_no_result(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_all(DEFERS, LONG_MS, a, b, THS_NOBODY);
        assert_int_equal(ths_tell(node, asker, hand_on, .to = b), THS_OK);
        run();
        assert_noted_in_any_order("a: has it\nb: has it\n");
        tell_finish(place[1], a);
        tell_finish(place[2], b);
        assert_noted_in_any_order("a: has it\nb: has it\na: cancelled 0\nb: cancelled 0\nall 3\n0 OK a\n1 OK b\n2 GONE -\n");
    }
}

static void handler_of_any_replies_gets_messages(void **state)
{
    (void)state;
    put(0);
    ask_all(FORGETS, 500, a, a, a);
    assert_noted("a: has it\na: has it\na: has it\nany 1 a\n");
}

static void asking_nobody_at_all_is_answered_with_nothing(void **state)
{
    (void)state;
    put(0);
    assert_int_equal(ths_tell(node, asker, errands, .how = ANSWERS, .ms = LONG_MS), THS_OK);
    run();
    assert_noted("all 0\n");
}

static void too_many_at_once_are_not_asked(void **state)
{
    static ths_ref many[THS_ASK_ALL_MAX + 1];

    (void)state;
    put(0);
    for (unsigned i = 0; i <= THS_ASK_ALL_MAX; i++)
        many[i] = a;
    assert_int_equal(ths_tell(node, asker, errands, .to = { many, THS_ASK_ALL_MAX + 1 }, .ms = LONG_MS), THS_OK);
    run();
    assert_noted("all 0 none\n");
}

static void several_are_called_off_together(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_all(DEFERS, LONG_MS, a, b, THS_NOBODY);
        call_it_off();
        assert_noted_in_any_order("a: has it\nb: has it\ncalled off 1\na: cancelled\nb: cancelled\n");
        call_it_off();
        ths_sim_run_ms(sim, LONG_MS);
        assert_noted_in_any_order("a: has it\nb: has it\ncalled off 1\na: cancelled\nb: cancelled\ncalled off 0\n");
    }
}

static void end_of_the_asker_cancels_several_too(void **state)
{
    (void)state;
    EACH_PLACEMENT(i) {
        ask_all(DEFERS, LONG_MS, a, b, b);
        tell_end(place[0], asker, false);
        assert_noted_in_any_order("a: has it\nb: has it\nb: has it\na: cancelled\nb: ?\nb: cancelled\n");
    }
}

/* ---- Refusals ---------------------------------------------------------------------------- */

static void without_a_request_there_is_nothing_to_answer_or_pass_on(void **state)
{
    (void)state;
    put(0);
    assert_int_equal(ths_tell(node, a, try_all), THS_OK);
    run();
    assert_noted("defer 0\nreply_to NO_ASK\ndelegate NO_ASK\nforward NO_ASK\nrefuse NO_ASK\nrefuse_to NO_ASK\n"
                 "refuse with OK INVALID\nrefuse_to with OK INVALID\ncancelled 1 1\nremaining 1\nask_cancel 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        sim_test(deferred_request_is_answered_later),
        sim_test(deferred_request_may_be_answered_by_another_actor),
        sim_test(asker_is_told_when_the_actor_that_deferred_ends),
        sim_test(asker_is_told_when_the_actor_that_deferred_crashes),
        sim_test(asker_is_told_when_the_actor_that_forgot_its_request_ends),
        sim_test(deferred_request_that_is_not_answered_times_out),
        sim_test(request_may_be_refused_with_an_error),
        sim_test(forwarded_request_is_answered_by_the_other),
        sim_test(delegated_request_is_answered_by_the_other),
        sim_test(request_passed_on_to_an_actor_that_has_ended_is_gone),
        sim_test(request_passed_on_to_nobody_is_gone),
        sim_test(request_passed_on_to_one_that_crashes_is_crashed),
        sim_test(end_of_who_passed_a_request_on_is_no_concern_of_it),
        sim_test(loss_of_the_node_that_has_the_request_now_ends_it),
        sim_test(time_that_is_left_travels_with_a_request_passed_on),
        sim_test(asks_made_for_a_request_can_inherit_its_deadline),
        sim_test(inherited_deadline_ends_both_asks),
        sim_test(cancel_reaches_who_has_deferred_the_request),
        sim_test(cancel_follows_a_request_that_was_passed_on),
        sim_test(cancel_that_crosses_the_news_of_a_move_follows_it),
        sim_test(end_of_the_asker_that_crosses_the_news_of_a_move_cancels_too),
        sim_test(request_that_was_taken_back_is_not_passed_on),
        sim_test(cancel_of_an_ask_that_has_ended_does_nothing),
        sim_test(end_of_the_asker_cancels_too),
        sim_test(cancelled_request_in_the_mailbox_is_dropped_and_counted),
        sim_test(each_of_several_has_its_result_in_the_order_asked),
        sim_test(those_of_several_that_fail_say_why),
        sim_test(reply_of_another_kind_is_no_result),
        sim_test(several_share_one_deadline_and_what_came_before_counts),
        sim_test(reply_to_all_of_several_is_no_result),
        sim_test(handler_of_any_replies_gets_messages),
        sim_test(asking_nobody_at_all_is_answered_with_nothing),
        sim_test(too_many_at_once_are_not_asked),
        sim_test(several_are_called_off_together),
        sim_test(end_of_the_asker_cancels_several_too),
        sim_test(without_a_request_there_is_nothing_to_answer_or_pass_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
