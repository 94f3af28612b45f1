/* Every refusal of the local node: its code, and that nothing else happened. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/os_env.h"
#include "tests/lib/puppet.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN ((struct ths_spawn_options){ 0 })
#define TRY_SPAWN(node, ...)                                                                        \
    ({ ths_ref ref_ = { 1, 1, 1 };                                                                  \
       enum ths_err err_ = ths_try_spawn(node, &ref_, box, __VA_ARGS__);                            \
       assert_int_equal(ths_ref_is_nobody(ref_), err_ != THS_OK);                                   \
       err_; })

/* An actor without any handler but one. */
struct box { char none; };

THS_ON(box, word)
{
}

THS_BEHAVIOUR(box, word)

static uint64_t dead_letters(struct ths_node *node, enum ths_err err)
{
    struct ths_node_stats stats;

    ths_node_stats(node, &stats);
    return stats.dead_letters[err];
}

/* ---- Tells ------------------------------------------------------------------------------- */

static void tell_to_an_ended_actor_is_gone(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    assert_err(ths_tell(node, a, word, .text = "x"), GONE);
}

static void tell_to_a_ref_never_given_out_is_stale(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, ((ths_ref){ a.node, a.slot, a.generation + 1000 }), word, .text = "x"), STALE);
    assert_err(ths_tell(node, ((ths_ref){ a.node, 0xfffffff0u, 1 }), word, .text = "x"), STALE);
    puppet_settle(node, a);
    assert_int_equal(probe_count(), 0);
}

/* Not even the ref that its place would seem to give out next. */
static void ref_of_the_next_actor_of_a_place_is_stale_and_its_kill_harms_nobody(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), next = { a.node, a.slot, a.generation + 1 };
    ths_ref others[300];

    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    assert_err(ths_tell(node, next, word, .text = "x"), STALE);
    ths_kill(node, next);
    for (unsigned i = 0; i < 300; i++)
        others[i] = puppet_spawn(node, "other", PLAIN);
    for (unsigned i = 0; i < 300; i++)
        puppet_settle(node, others[i]);
    assert_int_equal(probe_count(), 0);
}

static void tell_to_an_unknown_node_says_so(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, ((ths_ref){ a.node ^ 1, a.slot, a.generation }), word, .text = "x"), UNKNOWN_NODE);
}

static void tell_to_nobody_is_refused(void **state)
{
    struct ths_node *node = *state;

    assert_true(ths_tell(node, THS_NOBODY, word, .text = "x") != THS_OK);
}

static void full_mailbox_refuses_and_keeps_what_it_has(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .mailbox = 8 });
    struct probe_gate gate = PROBE_GATE_INIT;
    size_t accepted = 0;

    puppet_hold(node, a, &gate);
    while (accepted < 100 && ths_try_tell(node, a, word, .text = "kept") == THS_OK)
        accepted++;
    assert_in_range(accepted, 7, 8); /* the one at hand may count */
    assert_err(ths_tell(node, a, word, .text = "refused"), FULL);
    probe_gate_open(&gate);
    probe_wait(accepted);
    puppet_settle(node, a);
    assert_int_equal(probe_count(), accepted);
    assert_err(ths_tell(node, a, word, .text = "room again"), OK);
}

static void mailbox_is_bounded_by_default(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;
    size_t accepted = 0;

    puppet_hold(node, a, &gate);
    while (accepted < 10000 && ths_try_tell(node, a, secret) == THS_OK)
        accepted++;
    assert_in_range(accepted, 1023, 1024);
    probe_gate_open(&gate);
}

static void full_mailbox_still_takes_control_signals(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .mailbox = 2 }), b = puppet_spawn(node, "b", PLAIN);
    struct probe_gate gate = PROBE_GATE_INIT;

    puppet_hold(node, a, &gate);
    while (ths_try_tell(node, a, secret) == THS_OK)
        ;
    puppet_do(node, b, puppet_monitors, &a);
    ths_ask_to_stop(node, a);
    probe_gate_open(&gate);
    assert_noted("b: down a shutdown observed \"\"\n");
}

static void field_over_its_bound_is_too_big(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);
    size_t len = THS_BYTES_MAX_DEFAULT;
    char *text = malloc(len + 2);

    memset(text, 'x', len + 1);
    text[len + 1] = '\0';
    assert_err(ths_tell(node, a, word, .text = text), TOO_BIG);
    text[len] = '\0';
    assert_err(ths_tell(node, a, word, .text = text), OK);
    probe_wait(1);
    puppet_settle(node, a);
    assert_int_equal(probe_count(), 1);
    free(text);
}

THS_MESSAGE(heap, "test.heap", 1, list(bytes, parts, .max = 64, .element_max = 8u << 20))

static void message_over_the_whole_bound_is_too_big(void **state)
{
    enum { PARTS = 33 };
    static uint8_t part[8u << 20];
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);
    struct ths_bytes parts[PARTS];

    for (unsigned i = 0; i < PARTS; i++)
        parts[i] = (struct ths_bytes){ part, sizeof part };
    assert_err(ths_tell(node, a, heap, .parts = { parts, PARTS }), TOO_BIG);
}

static void invalid_utf8_is_malformed(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, a, word, .text = "\xc0\xaf"), MALFORMED);
    assert_err(ths_tell(node, a, word, .text = "cut \xe2\x82"), MALFORMED);
    puppet_settle(node, a);
    assert_int_equal(probe_count(), 0);
}

static void refused_tells_are_counted_by_reason(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN), elsewhere = { a.node ^ 1, 1, 1 };

    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    (void)ths_tell(node, a, word, .text = "x");
    (void)ths_tell(node, a, word, .text = "x");
    (void)ths_tell(node, elsewhere, word, .text = "x");
    assert_int_equal(dead_letters(node, THS_GONE), 2);
    assert_int_equal(dead_letters(node, THS_UNKNOWN_NODE), 1);
}

static void refusal_of_try_tell_is_not_counted(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    puppet_do(node, a, puppet_stops, NULL);
    assert_ends(node, a, NORMAL);
    assert_err(ths_try_tell(node, a, word, .text = "x"), GONE);
    assert_int_equal(dead_letters(node, THS_GONE), 0);
}

static void message_without_handler_is_a_refused_dead_letter(void **state)
{
    struct ths_node *node = *state;
    ths_ref a = puppet_spawn(node, "a", PLAIN);

    assert_err(ths_tell(node, a, unheard), OK);
    puppet_settle(node, a);
    for (unsigned tries = 0; tries < 1000000 && dead_letters(node, THS_REFUSED) == 0; tries++)
        puppet_settle(node, a);
    assert_int_equal(dead_letters(node, THS_REFUSED), 1);
}

/* ---- Memory ------------------------------------------------------------------------------ */

static _Atomic bool memory_is_out;

static void *memory_that_may_be_out(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size > 0 && atomic_load(&memory_is_out))
        return NULL;
    return ths_env_os()->memory(ths_env_os(), ptr, size);
}

static struct ths_env poor_env;

static void without_memory_tells_and_spawns_are_refused_and_nothing_breaks(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "poor", .workers = 2, .env = &poor_env });
    ths_ref a = puppet_spawn(node, "a", PLAIN);
    static char text[40000];
    ths_ref ref;
    enum ths_err err = THS_OK;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    puppet_settle(node, a);
    atomic_store(&memory_is_out, true);
    assert_err(ths_tell(node, a, word, .text = text), NOMEM);
    for (unsigned i = 0; i < 100000 && err == THS_OK; i++) /* until what was set aside is used up */
        err = ths_try_spawn(node, &ref, box);
    assert_err(err, NOMEM);
    atomic_store(&memory_is_out, false);
    assert_err(ths_tell(node, a, word, .text = "rich again"), OK);
    assert_noted("a: rich again\n");
    ths_node_stop(node, PROBE_LIMIT_MS);
}

struct rock { char none; };

THS_ON(rock, hold)
{
    probe_gate_pass((struct probe_gate *)(uintptr_t)msg->gate);
}

THS_BEHAVIOUR(rock, hold)

static void link_and_monitor_that_the_other_has_no_memory_for_are_answered(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "narrow", .workers = 2,
                                                                       .env = &poor_env });
    struct probe_gate gate = PROBE_GATE_INIT;
    ths_ref b = ths_spawn(node, rock), a;

    (void)state;
    probe_name(b, "b");
    assert_err(ths_tell(node, b, hold, .gate = (uint64_t)(uintptr_t)&gate), OK);
    probe_gate_reached(&gate); /* its worker has done nothing else, and so has no block to spare */
    a = puppet_spawn(node, "a", (struct ths_spawn_options){ .trap_exits = true });
    puppet_do(node, a, puppet_monitors, &b);
    puppet_do(node, a, puppet_links, &b);
    atomic_store(&memory_is_out, true);
    probe_gate_open(&gate);
    probe_wait(2);
    atomic_store(&memory_is_out, false);
    assert_noted("a: down b refused assumed \"\"\n"
                 "a: exited b refused \"\"\n");
    ths_kill(node, a); /* it traps exits */
    ths_node_stop(node, PROBE_LIMIT_MS);
}

static void waits_and_fails(struct ths_ctx *ctx, struct puppet *self, void *gate)
{
    static const char text[] = "a text that is so long that a message needs a block of 256 bytes for it, and there is none";

    (void)self;
    probe_gate_pass(gate);
    while (ths_try_tell(ctx, ths_self(ctx), word, .text = text) == THS_OK) {
    } /* until what was set aside is used up */
    ths_fail(ctx, "%s", text);
}

static void down_and_exit_come_without_their_text_when_memory_is_out(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "poor", .workers = 2, .env = &poor_env });
    struct probe_gate gate = PROBE_GATE_INIT;
    struct puppet_todo todo = { waits_and_fails, &gate };
    ths_ref a = puppet_spawn(node, "a", (struct ths_spawn_options){ .trap_exits = true });
    ths_ref b = puppet_spawn(node, "b", (struct ths_spawn_options){ .mailbox = 1000000 });

    (void)state;
    puppet_do(node, a, puppet_monitors, &b);
    puppet_do(node, a, puppet_links, &b);
    puppet_settle(node, b);
    assert_err(ths_tell(node, b, act, .todo = (uint64_t)(uintptr_t)&todo), OK);
    probe_gate_reached(&gate);
    atomic_store(&memory_is_out, true);
    probe_gate_open(&gate);
    probe_wait(2);
    atomic_store(&memory_is_out, false);
    assert_noted_in_any_order("a: down b crashed observed \"\"\na: exited b crashed \"\"\n");
    ths_kill(node, a); /* it traps exits */
    ths_node_stop(node, PROBE_LIMIT_MS);
}

static void node_does_not_start_without_memory(void **state)
{
    (void)state;
    atomic_store(&memory_is_out, true);
    assert_null(ths_node_start(&(struct ths_node_options){ .name = "poor", .workers = 2, .env = &poor_env }));
    atomic_store(&memory_is_out, false);
}

/* ---- Spawns ------------------------------------------------------------------------------ */

static void name_in_use_is_taken(void **state)
{
    struct ths_node *node = *state;

    assert_err(TRY_SPAWN(node, .name = "one"), OK);
    assert_err(TRY_SPAWN(node, .name = "one"), NAME_TAKEN);
    assert_true(ths_ref_is_nobody(ths_spawn(node, box, .name = "one")));
}

static void name_against_the_rules_is_invalid(void **state)
{
    static const char *const names[] = { "with space", "at@sign", "tab\t", "\xcf\x80", "semi;colon" };
    struct ths_node *node = *state;
    char longest[THS_NAME_SIZE + 1];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_err(TRY_SPAWN(node, .name = names[i]), INVALID);
    memset(longest, 'n', sizeof longest);
    longest[THS_NAME_SIZE] = '\0';
    assert_err(TRY_SPAWN(node, .name = longest), INVALID);
    longest[THS_NAME_SIZE - 1] = '\0';
    assert_err(TRY_SPAWN(node, .name = longest), OK);
}

static void link_and_monitor_need_a_spawner(void **state)
{
    struct ths_node *node = *state;

    assert_err(TRY_SPAWN(node, .link = true), INVALID);
    assert_err(TRY_SPAWN(node, .monitor = true), INVALID);
}

static void start_message_is_checked(void **state)
{
    struct ths_node *node = *state;

    assert_err(TRY_SPAWN(node, .start = THS_MSG(word, .text = "\xff")), MALFORMED);
}

static void full_table_refuses_spawns(void **state)
{
    enum { MOST = 4096 };
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "small", .workers = 2, .actors_max = MOST });
    static ths_ref refs[MOST + 1];
    enum ths_err err = THS_OK;
    unsigned count = 0;
    ths_ref ref;

    (void)state;
    while (count <= MOST && (err = ths_try_spawn(node, &ref, box)) == THS_OK)
        refs[count++] = ref;
    assert_err(err, TOO_MANY);
    assert_in_range(count, MOST / 2, MOST);
    for (unsigned i = 0; i < count; i++)
        ths_kill(node, refs[i]);
    for (unsigned i = 0; i < count; i++)
        assert_ends(node, refs[i], KILLED);
    for (unsigned tries = 0; tries < 1000000 && err != THS_OK; tries++) /* slots come back in a moment */
        err = ths_try_spawn(node, &ref, box);
    assert_err(err, OK);
    ths_node_stop(node, PROBE_LIMIT_MS);
}

struct late_parent { char none; };

THS_ON(late_parent, ths_stopping)
{
    ths_ref ref;

    probe_note("%s", ths_err_name(ths_try_spawn(ctx, &ref, box)));
}

THS_BEHAVIOUR(late_parent, ths_stopping)

static void stopping_node_refuses_spawns(void **state)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "brief", .workers = 2 });

    (void)state;
    (void)ths_spawn(node, late_parent);
    ths_node_stop(node, PROBE_LIMIT_MS);
    assert_noted("CLOSED\n");
}

/* ---- Without a cluster ------------------------------------------------------------------- */

static void uses_a_cluster(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    probe_note("join %s", ths_err_name(ths_group_join(ctx, "workers", 1)));
    probe_note("leave %s", ths_err_name(ths_group_leave(ctx, "workers")));
    probe_note("watch %s", ths_err_name(ths_group_watch(ctx, "workers")));
    probe_note("members %s", ths_err_name(ths_watch_members(ctx)));
    probe_note("pick %s", probe_label(ths_group_pick(ctx, "workers", THS_PICK_RANDOM)));
    probe_note("told %zu", ths_group_tell(ctx, "workers", word, .text = "x"));
}

static void node_without_a_cluster_refuses_what_needs_one(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    puppet_do(*state, a, uses_a_cluster, NULL);
    assert_noted("join UNSUPPORTED\nleave UNSUPPORTED\nwatch UNSUPPORTED\nmembers UNSUPPORTED\npick nobody\ntold 0\n");
}

static void spawns_elsewhere(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    (void)self, (void)arg;
    ths_spawn_at(ctx, puppet_heard, PROBE_LIMIT_MS, "elsewhere", "puppet");
}

static void spawn_on_an_unknown_node_is_not_found(void **state)
{
    ths_ref a = puppet_spawn(*state, "a", PLAIN);

    puppet_do(*state, a, spawns_elsewhere, NULL);
    assert_noted("a: heard NOT_FOUND\n");
}

/* ---- Nodes ------------------------------------------------------------------------------- */

static void node_with_a_bad_name_does_not_start(void **state)
{
    static const char *const names[] = { "a b", "a@b", "a/b", "\xcf\x80",
        "0123456789012345678901234567890123456789012345678901234567890123" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_null(ths_node_start(&(struct ths_node_options){ .name = names[i], .workers = 1 }));
}

static void node_without_name_takes_the_variable_or_the_host(void **state)
{
    struct ths_node *node;

    (void)state;
    assert_int_equal(setenv("THIASOS_NAME", "from.variable", 1), 0);
    node = ths_node_start(&(struct ths_node_options){ .workers = 1 });
    assert_string_equal(ths_node_name(node), "from.variable");
    ths_node_stop(node, 0);
    assert_int_equal(unsetenv("THIASOS_NAME"), 0);
    node = ths_node_start(&(struct ths_node_options){ .workers = 1 });
    assert_non_null(node);
    assert_true(ths_node_name(node)[0] != '\0');
    ths_node_stop(node, 0);
}

static void nameless_is_nobody(void **state)
{
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "no such name", 0)));
    assert_true(ths_ref_is_nobody(ths_whereis(*state, "", 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        puppet_test(tell_to_an_ended_actor_is_gone),
        puppet_test(tell_to_a_ref_never_given_out_is_stale),
        puppet_test(ref_of_the_next_actor_of_a_place_is_stale_and_its_kill_harms_nobody),
        puppet_test(tell_to_an_unknown_node_says_so),
        puppet_test(tell_to_nobody_is_refused),
        puppet_test(full_mailbox_refuses_and_keeps_what_it_has),
        puppet_test(mailbox_is_bounded_by_default),
        puppet_test(full_mailbox_still_takes_control_signals),
        puppet_test(field_over_its_bound_is_too_big),
        puppet_test(message_over_the_whole_bound_is_too_big),
        puppet_test(invalid_utf8_is_malformed),
        puppet_test(refused_tells_are_counted_by_reason),
        puppet_test(refusal_of_try_tell_is_not_counted),
        puppet_test(message_without_handler_is_a_refused_dead_letter),
        puppet_test(without_memory_tells_and_spawns_are_refused_and_nothing_breaks),
        puppet_test(link_and_monitor_that_the_other_has_no_memory_for_are_answered),
        puppet_test(down_and_exit_come_without_their_text_when_memory_is_out),
        puppet_test(node_does_not_start_without_memory),
        puppet_test(name_in_use_is_taken),
        puppet_test(name_against_the_rules_is_invalid),
        puppet_test(link_and_monitor_need_a_spawner),
        puppet_test(start_message_is_checked),
        puppet_test(full_table_refuses_spawns),
        puppet_test(stopping_node_refuses_spawns),
        puppet_test(node_without_a_cluster_refuses_what_needs_one),
        puppet_test(spawn_on_an_unknown_node_is_not_found),
        puppet_test(node_with_a_bad_name_does_not_start),
        puppet_test(node_without_name_takes_the_variable_or_the_host),
        puppet_test(nameless_is_nobody),
    };

    poor_env = os_env_with(memory_that_may_be_out);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
