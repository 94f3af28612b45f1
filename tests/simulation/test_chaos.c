/* Random histories of actors, each checked from outside (tests/lib/checker.h says for what).
 *
 *     test_chaos                         what fits into a test run
 *     test_chaos SEEDS [FIRST [NODES]]   that many, from the seed FIRST on */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/aead_recorder.h"
#include "tests/lib/checker.h"
#include "tests/lib/sanitized.h"

/* SEEDS_OF_CLUSTERS: of two nodes, and as many of three. */
enum { OPERATIONS = 1000, SEEDS = SANITIZED ? 100 : 4000, SEEDS_LONG = 100000,
       SEEDS_OF_CLUSTERS = SANITIZED ? 20 : 200 };

static struct history history;
static uint64_t sights[CHECKER_SIGHTS_COUNT];

/* Whether no key sealed twice with one nonce. Programs that record nothing have nothing to complain of. */
static bool nonces_are_fresh(uint64_t seed)
{
    if (aead_recorder_repeats() > 0)
        (void)fprintf(stderr, "seed %llu: a key was used twice with the same nonce\n", (unsigned long long)seed);
#ifdef THSI_AEAD_RECORDED
    return aead_recorder_repeats() == 0 && aead_recorder_seals() > 0;
#else
    return aead_recorder_repeats() == 0;
#endif
}

/* Returns whether the history of @seed keeps what is promised; prints what is wrong. */
static bool run(uint64_t seed, unsigned nodes)
{
    const struct chaos_options options = { .seed = seed, .nodes = nodes, .operations = OPERATIONS };
    struct checker_verdict verdict;
    struct chaos_end end;
    uint32_t lives[2] = { 0, 0 };
    unsigned lives_count = 0;

    aead_recorder_reset();
    if (!chaos_run(&options, &history, &end)) {
        (void)fprintf(stderr, "no memory\n");
        return false;
    }
    checker_check(&history, &end, nodes > 1, sights, &verdict);
    if (!verdict.broken) {
        chaos_stop();
        return nonces_are_fresh(seed);
    }
    (void)fprintf(stderr, "seed %llu, %u nodes, event %zu of %zu: %s\n", (unsigned long long)seed, nodes, verdict.at,
                  history.count, verdict.why);
    /* "... life 3 ... life 7": what these two did. */
    for (const char *at = verdict.why; lives_count < 2 && (at = strstr(at, "life ")) != NULL; at++)
        lives[lives_count++] = (uint32_t)strtoul(at + 5, NULL, 10);
    history_print(&history, verdict.at < history.count ? verdict.at + 1 : history.count, lives[0], lives[1]);
    return false;
}

static bool run_all(uint64_t first, uint64_t count, unsigned nodes)
{
    for (uint64_t seed = first; seed < first + count; seed++)
        if (!run(seed, nodes))
            return false;
    return true;
}

static bool is_long(void)
{
    return getenv("THIASOS_TEST_LONG") != NULL;
}

static void histories_of_one_node_keep_what_is_promised(void **state)
{
    (void)state;
    assert_true(run_all(1, is_long() ? SEEDS_LONG : SEEDS, 1));
}

static void histories_between_nodes_keep_what_is_promised(void **state)
{
    (void)state;
    for (unsigned nodes = 2; nodes <= 3; nodes++)
        assert_true(run_all(1, is_long() ? 10 * SEEDS_OF_CLUSTERS : SEEDS_OF_CLUSTERS, nodes));
}

static void every_interesting_state_was_reached(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* fewer histories: not all are in them */
    for (unsigned i = 0; i < CHECKER_SIGHTS_COUNT; i++) {
        printf("    %-40s %llu\n", checker_sight_names[i], (unsigned long long)sights[i]);
        if (sights[i] == 0)
            fail_msg("%s was never seen", checker_sight_names[i]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_of_one_node_keep_what_is_promised),
        cmocka_unit_test(histories_between_nodes_keep_what_is_promised),
        cmocka_unit_test(every_interesting_state_was_reached),
    };
    int failed;

    if (argc > 1)
        failed = !run_all(argc > 2 ? strtoull(argv[2], NULL, 10) : 1, strtoull(argv[1], NULL, 10),
                          argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1);
    else
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    history_free(&history);
    return failed;
}
