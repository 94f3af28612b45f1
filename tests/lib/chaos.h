/* Chaos: actors in the simulator that do random things to each other, and write down what they did and what happened to them.
 *
 * One run is one seed. All is drawn from it, so a seed that fails fails again. */

#ifndef THS_TESTS_LIB_CHAOS_H
#define THS_TESTS_LIB_CHAOS_H

#include "tests/lib/history.h"
#include "thiasos/sim.h"

struct chaos_options {
    uint64_t seed;
    unsigned nodes;      /* 1: one alone; more: in a cluster, and everything also happens between nodes */
    unsigned operations;
};

/* What is left when all has settled. */
struct chaos_end {
    uint32_t queued;     /* messages that mailboxes claim to hold */
    uint32_t dangling;   /* links, monitors and names of actors that are gone */
    uint32_t actors_lost;  /* alive by the history, and not in the nodes' lists */
};

/* Run, and fill @history (borrowed; reset first). False: memory was out. / Stop the nodes of a run that kept its promises. */
bool chaos_run(const struct chaos_options *options, struct history *history, struct chaos_end *end);
void chaos_stop(void);

#endif /* THS_TESTS_LIB_CHAOS_H */
