#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/senders.h"

#include <string.h>

#include "node/base/prng.h"
#include "tests/lib/test_env.h"

static struct test_env env;
static struct thsi_senders senders;

static int set_up(void **state)
{
    (void)state;
    test_env_init(&env, 3);
    memset(&senders, 0, sizeof senders);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_senders_fini(&senders, &env.env);
    test_env_assert_clean(&env);
    return 0;
}

static struct thsi_actor_id actor(unsigned slot)
{
    return (struct thsi_actor_id){ slot, 1 };
}

static uint32_t add(unsigned from, unsigned to, uint32_t own)
{
    return thsi_senders_add(&senders, &env.env, actor(from), actor(to), own);
}

static void row_of_one_pair_is_one_entry(void **state)
{
    uint32_t own = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        own += add(1, 2, own);
    assert_int_equal(own, 1);
    assert_int_equal(senders.entries[0].count, 1000);
}

static void pairs_that_take_turns_share_few_entries(void **state)
{
    uint32_t own = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        own += add(1 + i % THSI_SENDERS_RECENT, 2, own);
    assert_int_equal(own, THSI_SENDERS_RECENT);
}

static void entries_of_another_frame_are_left_alone(void **state)
{
    (void)state;
    assert_int_equal(add(1, 2, 0), 1);
    thsi_senders_take(&senders, 1);
    assert_int_equal(add(1, 2, 0), 1); /* the next frame */
    thsi_senders_forget(&senders, 1);
    assert_int_equal(senders.end - senders.start, 1);
    assert_int_equal(senders.entries[senders.start].count, 1);
}

static void without_memory_there_is_no_entry_and_the_next_has_one(void **state)
{
    (void)state;
    env.fail_at = env.calls + 1;
    assert_int_equal(add(1, 2, 0), 0);
    env.fail_at = 0;
    assert_int_equal(add(1, 2, 0), 1);
}

static void memory_is_used_again(void **state)
{
    size_t cap;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(add(i, 2, 0), 1);
    cap = senders.cap;
    for (unsigned i = 0; i < 100000; i++) {
        thsi_senders_take(&senders, 1);
        thsi_senders_forget(&senders, 1);
        assert_int_equal(add(i, 2, 0), 1);
    }
    assert_int_equal(senders.cap, 2 * cap); /* once, to leave room for the moving of what is used */
}

/* What is told is what was counted, whatever the order, once for each pair and bounded for each sender. */
static void gathering_keeps_all_counts(void **state)
{
    enum { SENDERS = 5, RECEIVERS = 100, ENTRIES = 3000 };
    static struct thsi_sender entries[ENTRIES];
    uint64_t counts[SENDERS] = { 0 }, told[SENDERS] = { 0 }, rows[SENDERS] = { 0 }, pairs[SENDERS][RECEIVERS] = { 0 };
    struct thsi_prng prng;
    size_t count;

    (void)state;
    thsi_prng_init(&prng, 9, 0);
    for (unsigned i = 0; i < ENTRIES; i++) {
        unsigned from = (unsigned)thsi_prng_below(&prng, SENDERS), to = (unsigned)thsi_prng_below(&prng, from == 0 ? RECEIVERS : 7);
        entries[i] = (struct thsi_sender){ actor(from), actor(to), 1 + i % 5 };
        counts[from] += entries[i].count;
        pairs[from][to] += entries[i].count;
    }
    count = thsi_senders_gather(entries, ENTRIES);
    for (size_t i = 0; i < count; i++) {
        unsigned from = entries[i].from.slot, to = entries[i].to.slot;
        told[from] += entries[i].count;
        rows[from]++;
        if (entries[i].to.generation == 0)
            assert_int_equal(rows[from], THSI_SENDERS_RECEIVERS); /* several: the last one of a sender with many */
        else
            assert_int_equal(entries[i].count, pairs[from][to]);
    }
    assert_memory_equal(told, counts, sizeof told);
    assert_int_equal(rows[0], THSI_SENDERS_RECEIVERS);
    for (unsigned from = 1; from < SENDERS; from++)
        assert_int_equal(rows[from], 7);
    assert_int_equal(thsi_senders_gather(entries, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(row_of_one_pair_is_one_entry),
        TEST(pairs_that_take_turns_share_few_entries),
        TEST(entries_of_another_frame_are_left_alone),
        TEST(without_memory_there_is_no_entry_and_the_next_has_one),
        TEST(memory_is_used_again),
        TEST(gathering_keeps_all_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
