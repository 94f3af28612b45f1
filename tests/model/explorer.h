/* Explorer: runs a few fibers through every interleaving of their atomic operations.
 *
 * The code under test is the product's own, compiled with tests/model/atomics.h, which turns each atomic operation, lock and futex
 * call into a point where the explorer chooses who goes on. A state is the world (one static object of the test), the stacks and
 * registers of the fibers and their store buffers; states that were seen before are not entered again, so endless loops of
 * retries end and the search is complete (up to collisions of a 64-bit hash). At the end it looks for livelocks too: from every
 * state some way must lead to an end, where all fibers are done or sleep.
 *
 * MODEL_SC: every operation takes effect at once. MODEL_WEAK: stores wait in a buffer of their fiber until the explorer lets them
 * out, also past later loads and, if relaxed, past later stores to other places:
 *
 *   store, read-modify-write   a relaxed one leaves the buffer in any order with those to other places; a release one after all
 *                              that were before it. A read-modify-write holds its place against others until it is out.
 *   load                       sees its own fiber's newest store, else memory; a sequentially consistent one waits until its
 *                              fiber's sequentially consistent stores are out
 *   lock                       takes effect at once
 *   unlock                     a release store
 *   futex wait, wake           wait until the buffer is empty
 *   barrier on all threads     waits until all buffers are empty
 *
 * That is more than x86 does and what ARM does to stores. Loads are never early: that an acquire is there where one is needed
 * is argued beside the code, not shown here.
 *
 * What fibers share without atomics is written to the world at once. Payloads that are published are therefore written
 * with relaxed atomics by the tests. */

#ifndef THS_TESTS_MODEL_EXPLORER_H
#define THS_TESTS_MODEL_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

enum { MODEL_FIBERS_MAX = 4 };

enum model_memory { MODEL_SC, MODEL_WEAK };

/* A change to the code under test that the explorer is to find. */
enum model_mutation {
    MODEL_RELAX, /* the operation's order is relaxed */
    MODEL_SPLIT, /* the read-modify-write is a load and a store; a compare-and-swap compares at the load */
    MODEL_SKIP   /* the store, or the storing half of a read-modify-write that returns nothing of use, is left out */
};

struct model_mutant {
    const char *function;  /* where; NULL: nothing is changed */
    const char *operation; /* "load", "store", "exchange", "cas", "add", "sub", "or", "and", "barrier" */
    enum model_mutation mutation;
};

/* A part of the world that lies elsewhere: in a large struct of which the rest never changes. */
struct model_region {
    void *at;
    size_t size;
};

struct model {
    void *world;
    size_t world_size;
    void (*init)(const void *plan);  /* fill the zeroed world */
    const void *plan;                /* what differs between the cases of one test */
    unsigned fibers;
    void (*body)(unsigned fiber);
    const char *(*end)(void);        /* nobody can go on: what is wrong, or NULL */
    enum model_memory memory;
    uint64_t states_max;             /* more fail the exploration: it would not be exhaustive */
    const struct model_region *also; /* borrowed; ends with one of size 0. NULL: none */
};

struct model_result {
    bool complete, violated;
    uint64_t states, ends;
    size_t depth;
    uint32_t at;                     /* the explorer's number of the state that violates */
    char why[256];
    char path[8192];                 /* of the violation: one step a line, "1: thsi_mailbox_push exchange" */
};

void model_explore(const struct model *model, const struct model_mutant *mutant, struct model_result *result);

/* Within a body: the property does not hold. Does not return. */
_Noreturn void model_fail(const char *format, ...) THS_PRINTF(1, 2);

/* Within a body: sleep while *word == expected, until a wake / wake who sleeps on it. */
void model_sleep(const volatile void *word, uint32_t expected);
void model_wake(const volatile void *word);

/* Within a body, in @function: a barrier on all threads (membarrier): whatever a fiber stored before it is out after it. */
void model_barrier(const char *function);

/* Whether a fiber sleeps. For `end`. */
bool model_sleeps(unsigned fiber);

/* What atomics.h calls. */
uint64_t model_load(const volatile void *at, size_t size, int order, const char *function);
void model_store(volatile void *at, size_t size, uint64_t value, int order, const char *function);
uint64_t model_update(volatile void *at, size_t size, const char *operation, uint64_t operand, int order, const char *function);
bool model_cas(volatile void *at, size_t size, uint64_t *expected, uint64_t desired, int order, const char *function);
int model_lock(void *mutex, const char *function);
int model_unlock(void *mutex, const char *function);

#endif /* THS_TESTS_MODEL_EXPLORER_H */
