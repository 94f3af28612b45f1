/* Model test: how the tests of this folder tell what an exploration showed. cmocka is included by the test. */

#ifndef THS_TESTS_MODEL_MODEL_TEST_H
#define THS_TESTS_MODEL_MODEL_TEST_H

#include <stdio.h>

#include "tests/model/explorer.h"

/* Every interleaving is explored, and the properties hold in all. */
static inline void assert_holds(const struct model *model)
{
    static struct model_result result;

    model_explore(model, NULL, &result);
    if (result.violated)
        printf("%s", result.path); /* more than cmocka takes */
    if (result.violated)
        fail_msg("%s", result.why);
    if (!result.complete)
        fail_msg("more than %llu states", (unsigned long long)model->states_max);
    assert_true(result.ends > 0);
    printf("    %llu states, %llu ends, depth %zu\n", (unsigned long long)result.states, (unsigned long long)result.ends,
           result.depth);
}

/* Each of the changes is found by one of the models. */
static inline void assert_finds(const struct model *models, size_t models_count, const struct model_mutant *mutants,
                                size_t mutants_count)
{
    static struct model_result result;
    static const char *const mutations[] = { "relaxed", "split in two", "left out" };
    size_t missed = 0;

    for (size_t i = 0; i < mutants_count; i++) {
        const struct model_mutant *mutant = &mutants[i];
        bool found = false;

        for (size_t k = 0; k < models_count && !found; k++) {
            model_explore(&models[k], mutant, &result);
            found = result.violated;
        }
        printf("    %s: %s %s: %s\n", mutant->function, mutant->operation, mutations[mutant->mutation],
               found ? result.why : "NOT FOUND");
        missed += !found;
    }
    assert_int_equal(missed, 0);
}

#endif /* THS_TESTS_MODEL_MODEL_TEST_H */
