/* Probe: what the actors of a test saw, as lines of text in the order in which they were noted.
 *
 * One for the process, since tests run one after the other. Any thread may note; the test's own thread resets, waits and
 * asserts. Whatever waits here gives up after PROBE_LIMIT_MS and fails the test with the lines so far: a test
 * never waits for a duration, only for something to happen. */

#ifndef THS_TESTS_LIB_PROBE_H
#define THS_TESTS_LIB_PROBE_H

#include <pthread.h>

#include "thiasos/thiasos.h"

#ifndef PROBE_LIMIT_MS
#define PROBE_LIMIT_MS 60000u /* generous: reached only when something is broken */
#endif

/* Forget all lines and labels. */
void probe_reset(void);

void probe_note(const char *format, ...) THS_PRINTF(1, 2);

/* From now on @ref is written as @label (copied) in lines that use probe_label. */
void probe_name(ths_ref ref, const char *label);

/* The label of @ref, "nobody", or "stranger". Lends until probe_reset. */
const char *probe_label(ths_ref ref);

/* Wait until there are @lines lines. */
void probe_wait(size_t lines);

/* How many lines there are now. */
size_t probe_count(void);

/* How many lines stand before the first that is @line; it is there. */
size_t probe_find(const char *line);

/* Wait for as many lines as @expected has; they must be these, in this order, and no more: "a: x\nb: y\n". */
void assert_noted(const char *expected);

/* The same, but where no order is promised between the lines. */
void assert_noted_in_any_order(const char *expected);

/* Gate: holds a handler until the test lets it go on. */
struct probe_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached, open;
    unsigned inside;
};

#define PROBE_GATE_INIT { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false, 0 }

/* Wait at the gate. Thread: a worker. */
void probe_gate_pass(struct probe_gate *gate);

/* Wait until somebody waits at the gate. Thread: the test's. */
void probe_gate_reached(struct probe_gate *gate);

/* Let them pass, now and later. When it returns, nobody who waited here uses the gate any more. Thread: any. */
void probe_gate_open(struct probe_gate *gate);

#endif /* THS_TESTS_LIB_PROBE_H */
