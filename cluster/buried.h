/* Buried: the end of a process whose node was declared dead while it lived.
 *
 * Others have taken over what it did, so it must not go on: its actors are stopped in order, then the process exits
 * with a status of its own, whatever the program's main would return. Its container or service manager starts a new
 * boot. */

#ifndef THSI_CLUSTER_BURIED_H
#define THSI_CLUSTER_BURIED_H

#include "node/runtime.h"

#define THSI_BURIED_STATUS 75

/* Begin the end, on a task of its own. Does nothing in the simulator, where a process is not one node's.
 * Thread: any. */
void thsi_buried_start(struct thsi_runtime *runtime);

/* The node is being stopped by somebody else: wait until the task does not touch it any more. The status stays. */
void thsi_buried_stop(struct thsi_runtime *runtime);

#endif /* THSI_CLUSTER_BURIED_H */
