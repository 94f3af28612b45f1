/* Watchdog: a thread that looks whether handlers return. See watch.h for how it judges and crew.h for what it does.
 *
 * It looks twice in each slice while threads of the node work. When they have been asleep for a while it sleeps too, and the first
 * that wakes up wakes it. A thread that is late because the system gives it no CPU is not taken for one that blocks. There is
 * none in the simulator, where no time passes inside a handler. */

#ifndef THSI_NODE_WATCHDOG_H
#define THSI_NODE_WATCHDOG_H

#include "node/node.h"

enum {
    THSI_SLICE_MS = 10,    /* default of ths_node_options.slice_ms */
    THSI_STUCK_MS = 5000   /* default of ths_node_options.stuck_ms */
};

/* Before the crew's threads. 0: the default. Errors: NOMEM. */
THS_MUST_CHECK enum ths_err thsi_watchdog_create(struct ths_node *node, unsigned slice_ms, unsigned stuck_ms);
/* Start its thread, if there is to be one. Errors: NOMEM, IO. */
THS_MUST_CHECK enum ths_err thsi_watchdog_start(struct ths_node *node);
/* End its thread. `stop` is set. */
void thsi_watchdog_join(struct ths_node *node);
void thsi_watchdog_destroy(struct ths_node *node);

/* A thread has something to do after it slept: see that it is watched. Its bit in `idle` was taken back before, sequentially
 * consistent. Thread: any. */
void thsi_watchdog_rouse(struct ths_node *node);

/* Add what it counted. Thread: any. */
void thsi_watchdog_stats(const struct ths_node *node, struct ths_node_stats *sum);

#endif /* THSI_NODE_WATCHDOG_H */
