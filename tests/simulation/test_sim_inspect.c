/* What actors say of themselves when somebody asks. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/stage.h"
#include "thiasos/observe.h"

/* ---- A copy of what is said ---------------------------------------------------------------- */

struct said {
    unsigned visits;
    struct ths_inspection it; /* its pointers are dead but for those to names of types and behaviours */
    char state[64], name[THS_NAME_SIZE];
    ths_ref link, monitor, watcher;
    struct ths_inspected_timer timer;
    struct ths_inspected_ask ask;
    const char *last;
};

static void copy(void *arg, const struct ths_inspection *it)
{
    struct said *said = arg;

    said->visits++;
    said->it = *it;
    (void)snprintf(said->state, sizeof said->state, "%s", it->state ? it->state : "");
    (void)snprintf(said->name, sizeof said->name, "%s", it->name);
    said->link = it->links.shown > 0 ? it->links.refs[0] : THS_NOBODY;
    said->monitor = it->monitors.shown > 0 ? it->monitors.refs[0] : THS_NOBODY;
    said->watcher = it->watchers.shown > 0 ? it->watchers.refs[0] : THS_NOBODY;
    if (it->timers_shown > 0)
        said->timer = it->timers[0];
    if (it->asks_shown > 0)
        said->ask = it->asks[0];
    said->last = it->last_count > 0 ? it->last[0] : "";
}

static struct said inspect(struct ths_node *node, ths_ref who)
{
    struct said said = { .visits = 0 };

    assert_err(ths_inspect(node, who, 1000, copy, &said), OK);
    assert_int_equal(said.visits, 1);
    assert_true(said.it.answered);
    assert_true(ths_ref_equal(said.it.who, who));
    return said;
}

/* ---- A behaviour that says its state -------------------------------------------------------- */

struct shelf {
    uint64_t books;
};

THS_MESSAGE(book, "test.book", 1, u64(a), u64(b), u64(c))

THS_ON(shelf, book)
{
    (void)msg;
    self->books++;
}

THS_ON(shelf, secret)
{
    (void)msg;
    ths_fail(ctx, "no secrets");
}

THS_ON(shelf, question)
{
    (void)self, (void)msg;
    (void)ths_defer(ctx);
}

THS_ON(shelf, ths_state_wanted)
{
    (void)msg;
    ths_state_say(ctx, "books=%llu", (unsigned long long)self->books);
}

THS_BEHAVIOUR(shelf, book, secret, question, ths_state_wanted)

/* ---- Facts ---------------------------------------------------------------------------------- */

static void actor_says_its_state_in_its_own_words(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = ths_spawn(node, shelf, .name = "shelf", .mailbox = 10);
    struct said said;

    assert_err(ths_tell(node, ref, book), OK);
    stage_settle();
    said = inspect(node, ref);
    assert_string_equal(said.state, "books=1");
    assert_string_equal(said.name, "shelf");
    assert_string_equal(said.it.behaviour, "shelf");
    assert_int_equal(said.it.phase, THS_ACTOR_RUNS);
    assert_int_equal(said.it.incarnation, 1);
    assert_int_equal(said.it.capacity, 10);
    assert_int_equal(said.it.queued, 0);
    assert_int_equal(said.it.memory_max, 0);
    assert_true(ths_ref_is_nobody(said.it.supervisor));
    assert_int_equal(said.it.links.count + said.it.monitors.count + said.it.watchers.count + said.it.timers_count +
                     said.it.asks_count + said.it.last_count + said.it.stashed + said.it.requests, 0);
}

static void answer_comes_ahead_of_the_queue_and_counts_it(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = ths_spawn(node, shelf);
    uint64_t bytes;
    struct said said;

    stage_settle();
    for (int i = 0; i < 500; i++)
        assert_err(ths_tell(node, ref, book), OK);
    said = inspect(node, ref);
    assert_string_equal(said.state, "books=0");
    assert_int_equal(said.it.queued, 500);
    assert_int_equal(said.it.queued_bytes, 500 * 64);
    stage_settle();
    said = inspect(node, ref);
    assert_string_equal(said.state, "books=500");
    assert_int_equal(said.it.queued_bytes, 0);
    assert_err(ths_tell(node, ref, book), OK);
    assert_err(ths_mailbox_bytes(node, &ref, 1, 1000, &bytes), OK);
    assert_int_equal(bytes, 64);
}

static void ties_up(struct ths_ctx *ctx, struct puppet *self, void *arg)
{
    const ths_ref *refs = arg;

    (void)self;
    ths_link(ctx, refs[0]);
    (void)ths_monitor(ctx, refs[1]);
    (void)ths_every(ctx, 5000, word, .text = "tick");
    (void)ths_ask(ctx, refs[1], question, puppet_heard, 3000, .text = "?");
    assert_non_null(ths_alloc(ctx, 1000));
    assert_err(ths_memory_limit(ctx, 4000), OK);
    ths_trap_exits(ctx, true);
}

static void actor_says_what_it_is_tied_to(void **state)
{
    struct ths_node *node = *state;
    const ths_ref refs[2] = { puppet_spawn(node, "linked", (struct ths_spawn_options){ 0 }), ths_spawn(node, shelf) };
    ths_ref puppet = puppet_spawn(node, "p", (struct ths_spawn_options){ 0 });
    struct said said;

    puppet_do(node, puppet, ties_up, (void *)refs);
    stage_run(1000);
    said = inspect(node, puppet);
    assert_int_equal(said.it.links.count, 1);
    assert_true(ths_ref_equal(said.link, refs[0]));
    assert_true(ths_ref_equal(said.monitor, refs[1]));
    assert_int_equal(said.it.timers_count, 1);
    assert_string_equal(said.timer.type, "test.word");
    assert_int_equal(said.timer.period_ms, 5000);
    assert_in_range(said.timer.due_ms, 3900, 4000);
    assert_int_equal(said.it.asks_count, 1);
    assert_true(ths_ref_equal(said.ask.to, refs[1]));
    assert_in_range(said.ask.left_ms, 1900, 2000);
    assert_int_equal(said.it.memory_used, 1000);
    assert_int_equal(said.it.memory_max, 4000);
    assert_true(said.it.traps_exits);
    said = inspect(node, refs[1]);
    assert_true(ths_ref_equal(said.watcher, puppet));
    assert_int_equal(said.it.requests, 1);
}

static void supervised_actor_says_by_whom_and_what_it_handled(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child children[] = { { .name = "shelf", .behaviour = "shelf", .named = true } };
    ths_ref supervisor, ref;
    struct said said;

    assert_err(ths_register(node, shelf), OK);
    supervisor = ths_supervise(node, children);
    ref = ths_whereis(node, "shelf", 1000);
    assert_err(ths_tell(node, ref, secret), OK);
    stage_run(1000);
    assert_err(ths_tell(node, ref, book), OK);
    stage_settle();
    said = inspect(node, ref);
    assert_true(ths_ref_equal(said.it.supervisor, supervisor));
    assert_int_equal(said.it.incarnation, 2);
    assert_string_equal(said.last, "test.book");
}

static void question_is_no_message_to_the_actor(void **state)
{
    struct ths_node *node = *state;
    ths_ref idle = ths_spawn(node, shelf, .idle_ms = 1000);

    stage_run(600);
    (void)inspect(node, idle);
    stage_run(600);
    assert_err(ths_inspect(node, idle, 1000, copy, &(struct said){ 0 }), GONE);
}

static void actor_with_a_mailbox_of_its_own_kind_answers_too(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = ths_spawn(node, shelf, .mailbox_bytes = 1000);
    struct said said;

    stage_settle();
    assert_err(ths_tell(node, ref, book), OK);
    assert_err(ths_tell(node, ref, book), OK);
    said = inspect(node, ref);
    assert_int_equal(said.it.capacity, 0);
    assert_int_equal(said.it.queued, 2);
    assert_int_equal(said.it.queued_bytes, 128);
    stage_settle();
    assert_string_equal(inspect(node, ref).state, "books=2");
}

static void actor_that_gets_no_time_is_seen_from_outside(void **state)
{
    struct ths_node *node = *state;
    ths_ref ref = ths_spawn(node, shelf, .name = "slow");
    struct said said = { .visits = 0 };
    uint64_t bytes = 0;

    stage_settle();
    assert_err(ths_tell(node, ref, book), OK);
    ths_sim_pause(stage, 1, true);
    assert_err(ths_inspect(node, ref, 50, copy, &said), TIMEOUT);
    assert_int_equal(said.visits, 1);
    assert_false(said.it.answered);
    assert_string_equal(said.name, "slow");
    assert_string_equal(said.it.behaviour, "shelf");
    assert_int_equal(said.it.queued, 1);
    assert_null(said.it.handling);
    assert_err(ths_mailbox_bytes(node, &ref, 1, 50, &bytes), OK);
    assert_true(bytes == THS_BYTES_UNKNOWN);
    ths_sim_pause(stage, 1, false);
    stage_settle(); /* the old questions are nobody's */
    assert_string_equal(inspect(node, ref).state, "books=1");
}

static void questions_to_nobody_are_refused(void **state)
{
    struct ths_node *node = *state;
    ths_ref ended = ths_spawn(node, shelf), never = ended;
    struct said said = { .visits = 0 };
    uint64_t bytes[2];

    ths_kill(node, ended);
    stage_settle();
    assert_err(ths_inspect(node, ended, 100, copy, &said), GONE);
    never.slot = 100000;
    assert_err(ths_inspect(node, never, 100, copy, &said), STALE);
    never.node++;
    assert_err(ths_inspect(node, never, 100, copy, &said), UNSUPPORTED);
    assert_err(ths_mailbox_bytes(node, (const ths_ref[]){ ended, never }, 2, 100, bytes), OK);
    assert_true(bytes[0] == THS_BYTES_UNKNOWN && bytes[1] == THS_BYTES_UNKNOWN);
    assert_err(ths_mailbox_bytes(node, NULL, 0, 100, NULL), OK);
    assert_int_equal(said.visits, 0);
}

/* ---- Trees ------------------------------------------------------------------------------------ */

struct tree {
    char text[2000];
    bool where;
    uint64_t here;
};

static void draw(void *arg, const struct ths_tree_row *row)
{
    static const char *const strategies[] = { "one_for_one", "one_for_all", "rest_for_one", "dynamic" };
    struct tree *tree = arg;
    size_t used = strlen(tree->text);

    (void)snprintf(tree->text + used, sizeof tree->text - used, "%*s%s %s %s restarts=%u%s%s%s\n", (int)(2 * row->depth), "",
                   row->child.name, row->child.behaviour, ths_child_state_text(row->child.state), (unsigned)row->child.restarts,
                   row->is_supervisor ? " " : "", row->is_supervisor ? strategies[row->strategy] : "",
                   tree->where && row->child.who.node != tree->here ? " elsewhere" : "");
}

static void tree_shows_each_supervisor_before_its_children(void **state)
{
    struct ths_node *node = *state;
    const struct ths_child below[] = {
        { .name = "left", .behaviour = "shelf" },
        { .name = "right", .behaviour = "shelf" },
    };
    const struct ths_child children[] = {
        { .name = "first", .behaviour = "shelf", .restart = THS_TEMPORARY, .named = true },
        { .name = "store", .children = below, .children_count = 2,
          .options = &(struct ths_supervisor_options){ .strategy = THS_REST_FOR_ONE } },
    };
    struct tree tree = { .where = false };

    assert_err(ths_register(node, shelf), OK);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children, .name = "top", .strategy = THS_ONE_FOR_ALL)));
    assert_false(ths_ref_is_nobody(ths_supervise(node, below, .name = "second")));
    assert_err(ths_tell(node, ths_whereis(node, "first", 1000), secret), OK);
    stage_run(1000);
    assert_err(ths_tree(node, draw, &tree), OK);
    assert_string_equal(tree.text, "top ths_supervisor runs restarts=0 one_for_all\n"
                                   "  first shelf ended restarts=0\n"
                                   "  store ths_supervisor runs restarts=0 rest_for_one\n"
                                   "    left shelf runs restarts=0\n"
                                   "    right shelf runs restarts=0\n"
                                   "second ths_supervisor runs restarts=0 one_for_one\n"
                                   "  left shelf runs restarts=0\n"
                                   "  right shelf runs restarts=0\n");
}

static const char *roles_of(unsigned number)
{
    return number == 2 ? "away" : "";
}

static void registers(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    assert_err(ths_register(node, shelf), OK);
}

static void tree_counts_restarts_and_shows_children_elsewhere(void **state)
{
    const struct ths_child children[] = {
        { .name = "here", .behaviour = "shelf", .named = true },
        { .name = "there", .behaviour = "shelf", .where = "role=away" },
    };
    struct ths_sim *sim = ths_sim_create(.seed = 1, .nodes = 2, .roles = roles_of, .setup = registers);
    struct ths_node *node = ths_sim_node(sim, 1);
    struct tree tree = { .where = true, .here = ths_node_uid(node) };

    (void)state;
    ths_sim_run_ms(sim, 5000);
    assert_false(ths_ref_is_nobody(ths_supervise(node, children, .name = "top")));
    ths_sim_run_ms(sim, 2000);
    assert_err(ths_tell(node, ths_whereis(node, "here", 1000), secret), OK);
    ths_sim_run_ms(sim, 2000);
    assert_err(ths_tree(node, draw, &tree), OK);
    assert_string_equal(tree.text, "top ths_supervisor runs restarts=0 one_for_one\n"
                                   "  here shelf runs restarts=1\n"
                                   "  there shelf runs restarts=0 elsewhere\n");
    ths_sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(actor_says_its_state_in_its_own_words),
        stage_test(answer_comes_ahead_of_the_queue_and_counts_it),
        stage_test(actor_says_what_it_is_tied_to),
        stage_test(supervised_actor_says_by_whom_and_what_it_handled),
        stage_test(question_is_no_message_to_the_actor),
        stage_test(actor_with_a_mailbox_of_its_own_kind_answers_too),
        stage_test(actor_that_gets_no_time_is_seen_from_outside),
        stage_test(questions_to_nobody_are_refused),
        stage_test(tree_shows_each_supervisor_before_its_children),
        cmocka_unit_test(tree_counts_restarts_and_shows_children_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
