/* Crashes: records, who hears of them, messages that are quarantined, handlers that return errors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/puppet.h"

#include <string.h>

#include "thiasos/thiasos.h"

#define PLAIN ((struct ths_spawn_options){ 0 })

THS_MESSAGE(dose, "test.dose", 1, string(text), list(u32, parts), opt(u64, weight), boolean(deadly))
THS_MESSAGE(settle, "test.settle", 1)
THS_MESSAGE(settled, "test.settled", 1)
THS_MESSAGE(patience, "test.patience", 1, u32(crashes))
THS_MESSAGE(decline, "test.decline", 1, boolean(own_words))

/* ---- One that fails ------------------------------------------------------------------------- */

struct taster {
    uint32_t doses;
};

THS_ON(taster, ths_started) { probe_note("taster started %u", msg->incarnation); }

THS_ON(taster, dose)
{
    self->doses++;
    if (msg->deadly)
        ths_fail(ctx, "poisoned by %s", msg->text);
}

THS_ON(taster, settle) { ths_reply(ctx, settled); }
THS_ON(taster, patience) { ths_quarantine_after(ctx, msg->crashes); }

THS_TRY_ON(taster, decline)
{
    if (msg->own_words)
        ths_fail(ctx, "no, thanks");
    return THS_INVALID;
}

THS_ON(taster, ths_state_wanted) { ths_state_say(ctx, "doses=%u", self->doses); }

THS_BEHAVIOUR(taster, ths_started, dose, settle, patience, decline, ths_state_wanted)

/* ---- One that hears of it --------------------------------------------------------------------- */

struct witness { bool watches; };

THS_ON(witness, ths_started)
{
    self->watches = ths_watch_crashes(ctx) == THS_OK && ths_watch_crashes(ctx) == THS_OK;
}

THS_ON(witness, settle)
{
    assert_true(self->watches);
    ths_reply(ctx, settled);
}

THS_ON(witness, ths_crashed)
{
    probe_note("%s '%s' %u: %s; %s; %s; last %u %s", msg->behaviour, msg->name, msg->incarnation, msg->text, msg->message,
               msg->state, msg->last.count, msg->last.count ? msg->last.items[0] : "-");
    assert_true(msg->wall_ms > 0);
}

THS_BEHAVIOUR(witness, ths_started, settle, ths_crashed)

/* ---- The stage ---------------------------------------------------------------------------------- */

static ths_ref supervised(struct ths_node *node)
{
    const struct ths_child children[] = { { .name = "taster", .behaviour = "taster", .named = true } };
    ths_ref ref;

    assert_err(ths_register(node, taster), OK);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children, .restarts = 100, .backoff_ms = 1, .backoff_max_ms = 1)));
    ref = ths_whereis(node, "taster", PROBE_LIMIT_MS);
    assert_false(ths_ref_is_nobody(ref));
    return ref;
}

/* Until it has handled what was sent before. */
static void await(struct ths_node *node, ths_ref ref)
{
    assert_err(ths_call(node, ref, THS_MSG(settle), PROBE_LIMIT_MS, NULL, NULL), OK);
}

static void witness_of(struct ths_node *node)
{
    await(node, ths_spawn(node, witness));
}

static void give(struct ths_node *node, ths_ref ref, const char *text, uint64_t weight, bool deadly)
{
    const uint32_t parts[] = { 1, 2, 3 };

    assert_err(ths_tell(node, ref, dose, .text = text, .parts = { parts, 3 }, .weight = { weight, weight != 0 },
                        .deadly = deadly), OK);
}

static enum ths_err offer(struct ths_node *node, ths_ref ref, const char *text)
{
    const uint32_t parts[] = { 1, 2, 3 };

    return ths_call(node, ref, THS_MSG(dose, .text = text, .parts = { parts, 3 }, .weight = { 5, true }, .deadly = true),
                    PROBE_LIMIT_MS, NULL, NULL);
}

/* ---- Facts ---------------------------------------------------------------------------------------- */

static void crash_is_told_to_watchers_with_message_state_and_last_types(void **state)
{
    struct ths_node *node = *state;
    ths_ref taster_ref = supervised(node);

    witness_of(node);
    give(node, taster_ref, "wine", 0, false);
    give(node, taster_ref, "hemlock", 5, true);
    await(node, taster_ref);
    probe_wait(3);
    assert_noted_in_any_order("taster started 1\n"
                              "taster 'taster' 1: poisoned by hemlock; dose{text=\"hemlock\", "
                              "parts=[1, 2, 3], weight=5, deadly=true}; "
                              "doses=2; last 2 test.dose\n"
                              "taster started 2\n");
}

static void crash_of_an_actor_without_supervisor_is_told_as_well(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = ths_spawn(node, taster);

    witness_of(node);
    give(node, ref, "hemlock", 0, true);
    probe_wait(2);
    assert_noted_in_any_order("taster started 1\n"
                              "taster '' 1: poisoned by hemlock; dose{text=\"hemlock\", "
                              "parts=[1, 2, 3], weight=none, deadly=true}; doses=1; "
                              "last 0 -\n");
}

static void watcher_that_ended_is_told_nothing_more(void **state)
{
    struct ths_node *node = *state;
    ths_ref watcher = ths_spawn(node, witness), ref = ths_spawn(node, taster);
    struct ths_node_stats stats;

    await(node, watcher);
    ths_kill(node, watcher);
    assert_err(ths_join(node, watcher, PROBE_LIMIT_MS, NULL), OK);
    give(node, ref, "hemlock", 0, true);
    assert_err(ths_join(node, ref, PROBE_LIMIT_MS, NULL), OK);
    ths_node_stats(node, &stats);
    assert_int_equal(stats.crash_records_lost, 0);
    assert_noted("taster started 1\n");
}

static void watches(struct ths_ctx *ctx, struct puppet *self, void *err)
{
    (void)self;
    *(enum ths_err *)err = ths_watch_crashes(ctx);
}

static void watchers_are_bounded(void **state)
{
    struct ths_node *node = *state;
    enum ths_err err = THS_OK;
    unsigned count = 0;

    while (err == THS_OK && count <= 64) {
        puppet_do(node, puppet_spawn(node, "w", PLAIN), watches, &err);
        count += err == THS_OK;
    }
    assert_err(err, TOO_MANY);
    assert_int_equal(count, 64);
    assert_err(ths_watch_crashes(thsp_of_node(node)), INVALID); /* a thread outside has no mailbox */
}

static void note_quarantined(void *arg, const struct ths_quarantined *message)
{
    (void)arg;
    probe_note("quarantined %s %s %u: %.26s", message->behaviour, message->type, message->crashes, message->message);
}

static void message_that_crashed_it_three_times_is_quarantined(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = supervised(node);
    struct ths_node_stats stats;

    for (unsigned i = 0; i < 3; i++)
        assert_err(offer(node, ref, "hemlock"), CRASHED);
    assert_err(offer(node, ref, "hemlock"), QUARANTINED);
    assert_err(offer(node, ref, "hemlock"), QUARANTINED);
    assert_err(offer(node, ref, "foxglove"), CRASHED); /* another one is another matter */
    await(node, ref);
    ths_node_stats(node, &stats);
    assert_int_equal(stats.dead_letters[THS_QUARANTINED], 2);
    assert_int_equal(stats.crashed, 4);
    assert_int_equal(ths_quarantine(node, note_quarantined, NULL), 1);
    assert_noted("taster started 1\ntaster started 2\ntaster started 3\ntaster started 4\ntaster started 5\n"
                 "quarantined taster test.dose 3: dose{text=\"hemlock\", parts\n");
}

static void messages_are_equal_when_all_their_fields_are(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = supervised(node);

    assert_err(ths_tell(node, ref, patience, .crashes = 1), OK);
    assert_err(offer(node, ref, "a"), CRASHED);
    assert_err(offer(node, ref, "a"), QUARANTINED);
    assert_err(offer(node, ref, "aa"), CRASHED);
    give(node, ref, "a", 5, false); /* deadly differs: it is handled */
    give(node, ref, "a", 6, true);  /* weight differs: it crashes */
    await(node, ref);
    assert_noted("taster started 1\ntaster started 2\ntaster started 3\ntaster started 4\n");
}

static void quarantine_can_be_off(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = supervised(node);

    assert_err(ths_tell(node, ref, patience, .crashes = 0), OK);
    for (unsigned i = 0; i < 5; i++)
        assert_err(offer(node, ref, "hemlock"), CRASHED);
    await(node, ref);
    assert_int_equal(ths_quarantine(node, note_quarantined, NULL), 0);
}

static void many_bad_messages_are_remembered_up_to_a_bound(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = supervised(node);
    char text[2] = "a";

    assert_err(ths_tell(node, ref, patience, .crashes = 1), OK);
    for (unsigned i = 0; i < 20; i++, text[0]++)
        assert_err(offer(node, ref, text), CRASHED);
    assert_err(offer(node, ref, "t"), QUARANTINED); /* the last one */
    assert_err(offer(node, ref, "a"), CRASHED);     /* long forgotten */
}

static void handler_that_returns_an_error_has_failed(void **state)
{
    struct ths_node *node = *state;
    ths_ref one = ths_spawn(node, taster), other = ths_spawn(node, taster);

    witness_of(node);
    assert_err(ths_tell(node, one, decline), OK);
    assert_err(ths_join(node, one, PROBE_LIMIT_MS, NULL), OK);
    assert_err(ths_tell(node, other, decline, .own_words = true), OK);
    probe_wait(4);
    assert_noted_in_any_order("taster started 1\ntaster started 1\n"
                              "taster '' 1: decline: INVALID; decline{own_words=false}; doses=0; last 0 -\n"
                              "taster '' 1: no, thanks; decline{own_words=true}; doses=0; last 0 -\n");
}

static void state_is_said_to_nobody_out_of_place(void **state)
{
    ths_state_say(thsp_of_node(*state), "%s", "nobody hears this");
    ths_quarantine_after(thsp_of_node(*state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(crash_is_told_to_watchers_with_message_state_and_last_types),
        puppet_test(crash_of_an_actor_without_supervisor_is_told_as_well),
        puppet_test(watcher_that_ended_is_told_nothing_more),
        puppet_test(watchers_are_bounded),
        puppet_test(message_that_crashed_it_three_times_is_quarantined),
        puppet_test(messages_are_equal_when_all_their_fields_are),
        puppet_test(quarantine_can_be_off),
        puppet_test(many_bad_messages_are_remembered_up_to_a_bound),
        puppet_test(handler_that_returns_an_error_has_failed),
        puppet_test(state_is_said_to_nobody_out_of_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
