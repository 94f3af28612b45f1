/* The heap of deadlines, against a plain array that is searched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "node/deadlines.h"

enum { NODES = 300, STEPS = 50000 };

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static int start(void **state)
{
    const char *given = getenv("THIASOS_SEED");

    (void)state;
    random_state = given ? strtoull(given, NULL, 0) : 0x5eed5eed;
    print_message("seed %#llx\n", (unsigned long long)random_state);
    return 0;
}

static uint64_t take_first(struct thsi_deadline **root)
{
    uint64_t ns = (*root)->ns;

    thsi_deadline_remove(root, *root);
    return ns;
}

static void deadlines_come_out_in_their_order(void **state)
{
    static struct thsi_deadline nodes[NODES];
    struct thsi_deadline *root = NULL;
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < NODES; i++) {
        nodes[i].ns = draw(100); /* many are equal */
        thsi_deadline_add(&root, &nodes[i]);
    }
    for (int i = 0; i < NODES; i++) {
        uint64_t ns = take_first(&root);
        assert_true(ns >= last);
        last = ns;
    }
    assert_null(root);
}

static void one_alone_is_first_and_leaves_nothing(void **state)
{
    struct thsi_deadline node = { .ns = 7 }, *root = NULL;

    (void)state;
    thsi_deadline_add(&root, &node);
    assert_ptr_equal(root, &node);
    thsi_deadline_remove(&root, &node);
    assert_null(root);
}

static uint64_t least_of(const struct thsi_deadline *nodes, const bool *in)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < NODES; i++)
        if (in[i] && nodes[i].ns < least)
            least = nodes[i].ns;
    return least;
}

static void any_may_be_taken_out_and_the_first_stays_first(void **state)
{
    static struct thsi_deadline nodes[NODES];
    static bool in[NODES];
    struct thsi_deadline *root = NULL;

    (void)state;
    for (uint64_t step = 0; step < STEPS; step++) {
        uint64_t i = draw(NODES);
        if (in[i]) {
            thsi_deadline_remove(&root, &nodes[i]);
        } else {
            nodes[i].ns = step + draw(500);
            thsi_deadline_add(&root, &nodes[i]);
        }
        in[i] = !in[i];
        assert_int_equal(root ? root->ns : UINT64_MAX, least_of(nodes, in));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(deadlines_come_out_in_their_order, start),
        cmocka_unit_test_setup(one_alone_is_first_and_leaves_nothing, start),
        cmocka_unit_test_setup(any_may_be_taken_out_and_the_first_stays_first, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
