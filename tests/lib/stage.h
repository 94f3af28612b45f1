/* Stage: a simulator for the puppets of a test, so that time is virtual and nothing happens but while the test runs it or
 * waits in a call of its own. One for the process. */

#ifndef THS_TESTS_LIB_STAGE_H
#define THS_TESTS_LIB_STAGE_H

#include "tests/lib/puppet.h"
#include "thiasos/sim.h"

extern struct ths_sim *stage;

/* Setup of a test: *state is a node that is alone / the first of two that have joined. Puppets are registered on each. */
int stage_alone_setup(void **state);
int stage_pair_setup(void **state);
int stage_teardown(void **state);
#define stage_test(fact) cmocka_unit_test_setup_teardown(fact, stage_alone_setup, stage_teardown)
#define stage_pair_test(fact) cmocka_unit_test_setup_teardown(fact, stage_pair_setup, stage_teardown)

/* Let @ms virtual milliseconds pass. */
void stage_run(uint64_t ms);

/* Let everything happen that can happen now or after a message between nodes. */
void stage_settle(void);

/* A puppet on the second node, as known on the first. */
ths_ref stage_remote_puppet(const char *name);

#endif /* THS_TESTS_LIB_STAGE_H */
