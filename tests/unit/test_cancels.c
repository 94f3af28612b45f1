/* Cancels that wait beside the queue. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/cancels.h"

static struct thsi_cancels cancels;
static const ths_ref asker = { 7, 1, 1 }, other = { 7, 2, 1 };

static int set_up(void **state)
{
    (void)state;
    cancels = (struct thsi_cancels){ .lock = PTHREAD_MUTEX_INITIALIZER };
    return 0;
}

static void cancel_is_known_until_it_is_forgotten(void **state)
{
    (void)state;
    assert_false(thsi_cancels_has(&cancels, asker, 1));
    thsi_cancels_note(&cancels, asker, 1);
    thsi_cancels_note(&cancels, asker, 2);
    assert_true(thsi_cancels_has(&cancels, asker, 1));
    assert_true(thsi_cancels_has(&cancels, asker, 2));
    thsi_cancels_forget(&cancels, asker, 1);
    assert_false(thsi_cancels_has(&cancels, asker, 1));
    assert_true(thsi_cancels_has(&cancels, asker, 2));
}

static void askers_and_their_requests_are_told_apart(void **state)
{
    (void)state;
    thsi_cancels_note(&cancels, asker, 1);
    assert_false(thsi_cancels_has(&cancels, other, 1));
    assert_false(thsi_cancels_has(&cancels, asker, 3));
    thsi_cancels_forget(&cancels, other, 1);
    assert_true(thsi_cancels_has(&cancels, asker, 1));
}

static void those_beyond_the_bound_are_not_known_and_do_no_harm(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= THSI_CANCELS_MAX + 10; id++)
        thsi_cancels_note(&cancels, asker, id);
    assert_true(thsi_cancels_has(&cancels, asker, THSI_CANCELS_MAX));
    assert_false(thsi_cancels_has(&cancels, asker, THSI_CANCELS_MAX + 1));
    for (uint64_t id = 1; id <= THSI_CANCELS_MAX + 10; id++)
        thsi_cancels_forget(&cancels, asker, id);
    thsi_cancels_note(&cancels, asker, 1000);
    assert_true(thsi_cancels_has(&cancels, asker, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cancel_is_known_until_it_is_forgotten, set_up),
        cmocka_unit_test_setup(askers_and_their_requests_are_told_apart, set_up),
        cmocka_unit_test_setup(those_beyond_the_bound_are_not_known_and_do_no_harm, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
