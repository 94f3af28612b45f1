/* The word count on made-up texts: exact on a node alone, and on three nodes of which one crashes at a step drawn from the
 * seed, for 200 seeds. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thiasos/sim.h"
#include "thiasos/thiasos.h"
#include "tools/master.h"
#include "tools/wordcount.h"

#define SEEDS 200u
#define FILES_MAX 6u
#define TEXT_MAX 9000u
#define COUNTERS 6u
#define LIMIT_MS 300000u /* virtual */

/* ---- Memory that is counted and drawn from a seed ------------------------------------------------- */

/* A crashed node does not get to free what its counters held, so all blocks are on a list. */
struct block {
    struct block *next, **link;
    size_t size;
    max_align_t bytes[];
};

static struct block *blocks;
static uint64_t random_state;

static uint64_t draw(void)
{
    /* xorshift64*, of S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled". */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static void fill_random(struct ths_env *env, void *out, size_t len)
{
    (void)env;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)(draw() >> 56);
}

static void unlink_block(struct block *block)
{
    *block->link = block->next;
    if (block->next)
        block->next->link = block->link;
}

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    struct block *old = ptr ? (struct block *)(void *)((char *)ptr - offsetof(struct block, bytes)) : NULL;
    struct block *block = NULL;

    (void)env;
    if (size > 0) {
        block = malloc(sizeof *block + size);
        assert_non_null(block);
        block->size = size;
        block->next = blocks;
        block->link = &blocks;
        if (blocks)
            blocks->link = &block->next;
        blocks = block;
    }
    if (old) {
        if (block)
            memcpy(block->bytes, old->bytes, old->size < size ? old->size : size);
        unlink_block(old);
        free(old);
    }
    return block ? block->bytes : NULL;
}

static struct ths_env tables_env = { .random = fill_random, .memory = memory };

/* ---- Made-up texts ---------------------------------------------------------------------------------- */

struct text {
    char path[32];
    size_t len;
    uint8_t bytes[TEXT_MAX];
};

static struct text texts[FILES_MAX];
static unsigned texts_count;
static const char *vanished; /* a text that cannot be read any more */

/* Words of one to three letters of a few, so that many are equal; files of every size down to none. */
static void make_texts(void)
{
    static const char alphabet[] = "aAbBcC  \n-1\xe4";

    texts_count = 1 + (unsigned)(draw() % FILES_MAX);
    for (unsigned i = 0; i < texts_count; i++) {
        (void)snprintf(texts[i].path, sizeof texts[i].path, "dir%u/text%u", i / 2, i);
        texts[i].len = draw() % 4 == 0 ? draw() % 20 : draw() % TEXT_MAX;
        for (size_t at = 0; at < texts[i].len; at++)
            texts[i].bytes[at] = (uint8_t)alphabet[draw() % (sizeof alphabet - 1)];
    }
}

static bool list_texts(void *arg, const char *after, thsi_file_visit *visit, void *sink)
{
    (void)arg;
    for (unsigned i = 0; i < texts_count; i++)
        if (strcmp(texts[i].path, after) > 0 && !visit(sink, texts[i].path, texts[i].len, 7, THSI_FIT))
            return false;
    return true;
}

static enum thsi_left_out read_text(void *arg, const char *path, uint64_t offset, void *out, size_t len, uint64_t size,
                                    uint64_t changed_ns)
{
    (void)arg;
    for (unsigned i = 0; i < texts_count; i++) {
        if (strcmp(texts[i].path, path) != 0)
            continue;
        if (vanished && strcmp(vanished, path) == 0)
            return THSI_UNREADABLE;
        if (texts[i].len != size || changed_ns != 7)
            return THSI_CHANGED;
        memcpy(out, texts[i].bytes + offset, len);
        return THSI_FIT;
    }
    return THSI_UNREADABLE;
}

static const struct thsi_file_source source = { .list = list_texts, .read = read_text };

static uint64_t seed; /* of this run */

/* ---- The result against an oracle ------------------------------------------------------------------- */

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* How often @word is in all texts; NULL: how many words there are. */
static uint64_t oracle(const char *word)
{
    uint64_t found = 0;

    for (unsigned i = 0; i < texts_count; i++) {
        if (vanished && strcmp(vanished, texts[i].path) == 0)
            continue;
        for (size_t at = 0; at < texts[i].len;) {
            size_t start = at, same = 0;

            while (at < texts[i].len && is_letter(texts[i].bytes[at]))
                at++;
            while (word && same < at - start && word[same] == (texts[i].bytes[start + same] | 32))
                same++;
            found += at > start && (!word || (same == at - start && word[same] == '\0'));
            at += at == start;
        }
    }
    return found;
}

static void assert_exact(const struct thsi_outcome *outcome)
{
    const struct thsi_word *word;
    size_t at = 0;

    if (!outcome->exact)
        fail_msg("seed %llu: %s", (unsigned long long)seed, outcome->trouble);
    if (outcome->job->first.total != oracle(NULL))
        fail_msg("seed %llu: %llu words in place of %llu", (unsigned long long)seed,
                 (unsigned long long)outcome->job->first.total, (unsigned long long)oracle(NULL));
    while ((word = thsi_words_next(&outcome->job->first, &at)))
        if (word->count != oracle(word->letters))
            fail_msg("seed %llu: \"%s\" %llu times in place of %llu", (unsigned long long)seed, word->letters,
                     (unsigned long long)word->count, (unsigned long long)oracle(word->letters));
}

/* ---- One run ---------------------------------------------------------------------------------------- */

static struct ths_sim *sim;
static struct thsi_outcome *outcome;
static struct thsi_progress progress;
static struct thsi_master_options options;
static bool alone;

static void take_progress(void *arg, const struct thsi_progress *now)
{
    (void)arg;
    progress = *now;
}

static bool asked[THSI_EVENT_START + 1]; /* what the master asked for, not yet done */

static void take_event(void *arg, enum thsi_master_event event, const char *text)
{
    (void)arg;
    (void)text;
    asked[event] = true;
}

static void take_outcome(void *arg, struct thsi_outcome *given)
{
    (void)arg;
    outcome = given;
}

static const struct thsi_master_hooks hooks = {
    .env = &tables_env, .progress = take_progress, .event = take_event, .finished = take_outcome,
};

static const char *roles(unsigned node)
{
    return node == 1 ? "" : "counter";
}

static void start_own_counters(struct ths_node *node, ths_ref master)
{
    const struct counter_args args = { .master = master };
    const struct ths_child children[] = {
        { .name = "counter-1", .behaviour = "counter", .named = true, .start = { &counter_args_type, &args } },
        { .name = "counter-2", .behaviour = "counter", .named = true, .start = { &counter_args_type, &args } },
    };

    assert_false(ths_ref_is_nobody(ths_supervise(node, children, .name = "supervisor")));
}

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    static const struct ths_child children[] = {
        { .name = "counter", .behaviour = "counter", .where = "role=counter", .count = COUNTERS },
    };
    ths_ref master;

    (void)arg;
    assert_int_equal(thsi_counter_register(node), THS_OK);
    if (number != 1)
        return;
    master = thsi_master_spawn(node, &options, &hooks);
    assert_false(ths_ref_is_nobody(master));
    if (alone)
        start_own_counters(node, master);
    else
        assert_false(ths_ref_is_nobody(ths_supervise(node, children, .name = "supervisor", .restarts = 1000)));
}

static bool is_over(void *arg)
{
    (void)arg;
    return outcome != NULL;
}

static void begin(uint64_t with_seed, unsigned nodes)
{
    seed = with_seed;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    outcome = NULL;
    progress = (struct thsi_progress){ 0 };
    make_texts();
    sim = ths_sim_create(.seed = seed, .nodes = nodes, .alone = nodes == 1, .roles = roles, .setup = boot);
    assert_non_null(sim);
}

static void end(void)
{
    thsi_outcome_destroy(outcome);
    outcome = NULL;
    ths_sim_destroy(sim);
    sim = NULL;
    while (blocks)
        memory(&tables_env, blocks->bytes, 0);
}

static int set_up(void **state)
{
    (void)state;
    options = (struct thsi_master_options){ .counters = COUNTERS, .rounds = 3 };
    alone = false;
    vanished = NULL;
    memset(asked, 0, sizeof asked);
    thsi_counter_source(&source, &tables_env);
    return 0;
}

/* Run to the end. Returns the steps it took. */
static uint64_t run_out(void)
{
    uint64_t steps = 0;

    while (!outcome && ths_sim_now_ms(sim) < LIMIT_MS && ths_sim_step(sim))
        steps++;
    if (!outcome)
        fail_msg("seed %llu: not over after %llu virtual ms: round %u, %llu of %llu bytes\n%s",
                 (unsigned long long)seed, (unsigned long long)ths_sim_now_ms(sim), progress.round,
                 (unsigned long long)progress.bytes_done,
                 (unsigned long long)progress.bytes, ths_sim_story(sim));
    return steps;
}

/* ---- Tests ------------------------------------------------------------------------------------------ */

static void a_node_alone_takes_its_counters_from_its_supervisor(void **state)
{
    (void)state;
    alone = true;
    for (uint64_t next = 1; next <= 20; next++) {
        begin(next, 1);
        (void)run_out();
        assert_exact(outcome);
        assert_int_equal(outcome->rounds, oracle(NULL) == 0 && outcome->job->bytes == 0 ? 1 : 3);
        end();
    }
}

static void three_nodes_share_the_work(void **state)
{
    size_t boots = 0;

    (void)state;
    begin(3, 3);
    (void)run_out();
    assert_exact(outcome);
    for (size_t i = 0; i < outcome->staff.boots_count; i++)
        boots += thsi_staff_sum(&outcome->staff, outcome->staff.boots[i].uid).finished > 0;
    assert_int_equal(boots, 2);
    end();
}

/* The steps of a run without a crash: where a crash can hit. */
static uint64_t count_steps(uint64_t with_seed)
{
    uint64_t steps;

    begin(with_seed, 3);
    steps = run_out();
    assert_exact(outcome);
    end();
    return steps;
}

/* One run with a crash of node 2 or 3 at a step drawn from the seed, and its return some time later. */
static void run_with_crash(uint64_t with_seed, uint64_t steps, char hash[17])
{
    unsigned victim;

    begin(with_seed, 3);
    victim = 2 + (unsigned)ths_sim_random(sim, 2);
    for (uint64_t left = ths_sim_random(sim, steps); left > 0 && !outcome; left--)
        (void)ths_sim_step(sim);
    ths_sim_crash(sim, victim);
    (void)ths_sim_run_until(sim, ths_sim_random(sim, 6000), is_over, NULL);
    ths_sim_restart(sim, victim);
    (void)run_out();
    assert_exact(outcome);
    (void)snprintf(hash, 17, "%s", ths_sim_trace_hash(sim));
    end();
}

static void a_crash_at_any_step_leaves_the_count_exact(void **state)
{
    uint64_t steps = count_steps(1);
    char hash[17];

    (void)state;
    for (uint64_t next = 1; next <= SEEDS; next++)
        run_with_crash(next, steps, hash);
}

static void the_same_seed_tells_the_same_story(void **state)
{
    uint64_t steps = count_steps(5);
    char first[17], second[17];

    (void)state;
    run_with_crash(5, steps, first);
    run_with_crash(5, steps, second);
    assert_string_equal(first, second);
}

static void a_text_that_vanishes_is_left_out_of_every_round(void **state)
{
    (void)state;
    options.rounds = 100; /* the news of a round comes late */
    begin(3, 3);
    assert_true(texts_count > 1);
    while (progress.round < 2)
        assert_true(ths_sim_step(sim));
    vanished = texts[1].path;
    (void)run_out();
    assert_exact(outcome);
    assert_int_equal(outcome->job->files[1].left_out, THSI_UNREADABLE);
    end();
}

/* As the master declares it. */
THS_MESSAGE(paused, "wordcount.paused", 1, string(node, .max = 63))

static bool is_asked(void *arg)
{
    return asked[*(enum thsi_master_event *)arg];
}

static void wait_for(enum thsi_master_event event)
{
    if (!ths_sim_run_until(sim, LIMIT_MS, is_asked, &event))
        fail_msg("seed %llu: event %d never came\n%s", (unsigned long long)seed, (int)event, ths_sim_story(sim));
}

static void a_victim_returns_also_when_no_other_node_is_left(void **state)
{
    (void)state;
    options.victim = "n3";
    begin(3, 3);
    wait_for(THSI_EVENT_PAUSE);
    ths_tell(ths_sim_node(sim, 1), ths_whereis(ths_sim_node(sim, 1), "master", 1000), paused, .node = "n3");
    wait_for(THSI_EVENT_KILL);
    ths_sim_crash(sim, 3);
    ths_sim_crash(sim, 2);
    wait_for(THSI_EVENT_START);
    ths_sim_restart(sim, 3);
    (void)run_out();
    assert_exact(outcome);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_node_alone_takes_its_counters_from_its_supervisor, set_up),
        cmocka_unit_test_setup(three_nodes_share_the_work, set_up),
        cmocka_unit_test_setup(a_crash_at_any_step_leaves_the_count_exact, set_up),
        cmocka_unit_test_setup(the_same_seed_tells_the_same_story, set_up),
        cmocka_unit_test_setup(a_victim_returns_also_when_no_other_node_is_left, set_up),
        cmocka_unit_test_setup(a_text_that_vanishes_is_left_out_of_every_round, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
