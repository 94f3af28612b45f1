/* Test environment: a clock that stands until it is moved, random bytes from a seed, memory that counts and fails on
 * demand, a log that is kept.
 *
 * The table is the first member, so `&env.env` is what the product gets. Not for several threads at once. */

#ifndef THS_TESTS_LIB_TEST_ENV_H
#define THS_TESTS_LIB_TEST_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/env.h"

struct test_env {
    struct ths_env env;
    uint64_t now_ns;       /* moved by the test */
    uint64_t step_ns;      /* added at each reading of the clock; 0: it stands */
    uint64_t random_state; /* the seed, then what became of it */
    size_t blocks;         /* live ones */
    size_t calls;          /* allocations asked for so far, refused ones included */
    size_t fail_at;        /* this call of `calls`, counted from 1, and all after it fail; 0: none */
    size_t lines;          /* of the log */
    char log[8192];        /* "warn supervisor: text\n"..., the oldest lines dropped when full */
};

/* Time 1 s, wall time 2025-01-01, nothing allocated, no line. */
void test_env_init(struct test_env *env, uint64_t seed);

/* Whether a line of the log contains @text. */
bool test_env_logged(const struct test_env *env, const char *text);

/* Nothing is allocated any more (a cmocka assertion). */
void test_env_assert_clean(const struct test_env *env);

/* Where the allocations of `statement` are failed one after the other until it gets through:
 *
 *     TEST_ENV_EACH_FAILURE(&env, thsi_map_put(&map, "k", 1, v) == THS_OK) { assert_int_equal(map.count, 0); }
 *
 * The block runs after each failed try. */
#define TEST_ENV_EACH_FAILURE(test_env, succeeds)                                                   \
    for (size_t nth_ = 1;                                                                           \
         ((test_env)->calls = 0, (test_env)->fail_at = nth_, !(succeeds)) || ((test_env)->fail_at = 0); nth_++)

#endif /* THS_TESTS_LIB_TEST_ENV_H */
