/* Control: the socket through which the user's own commands (thiasos members, tell, ask ...) reach a running node.
 *
 * A Unix socket in the file system, mode 0600, that answers only processes of the node's own user (asked of the kernel
 * for each connection). Requests and answers are the messages of control_messages.h in the frames of control_frame.h.
 * Each client has a task of its own, so one that waits for an answer holds up nobody; their number, the length of a
 * frame and the time that half a frame may take are bounded, and a client that breaks the format is closed. Nothing of
 * it runs in the simulator, where there are no files. */

#ifndef THSI_CLUSTER_CONTROL_H
#define THSI_CLUSTER_CONTROL_H

#include <stddef.h>

#include "thiasos/node.h"

#define THSI_CONTROL_CLIENTS_MAX 16u

struct thsi_control;

/* Listen on @path (copied), whose directory exists. The socket that a dead process left there is replaced; one on which
 * a process still answers is not. Also starts the types actor of @node (types_actor.h) if it is not there yet. Gives
 * *@out; thsi_control_stop. On an error @why (of @why_size bytes, may be NULL) is a sentence.
 * Errors: INVALID (path empty or too long), NAME_TAKEN (another process listens there), IO, NOMEM, UNSUPPORTED (in the
 * simulator). Thread: any but a worker. */
THS_MUST_CHECK enum ths_err thsi_control_start(struct ths_node *node, const char *path, struct thsi_control **out,
                                               char *why, size_t why_size);

/* Close all clients, end the tasks, remove the socket. Waits at most for a lookup on another node (2 s); asks that are
 * under way are given up at once. NULL is ignored. Call it while the node still runs (runtime->stopping).
 * Thread: any but a worker. */
void thsi_control_stop(struct thsi_control *control);

#endif /* THSI_CLUSTER_CONTROL_H */
