/* Between the two files of what users call of a supervisor. */

#ifndef THSI_NODE_SUPERVISE_H
#define THSI_NODE_SUPERVISE_H

#include "node/node.h"

struct thsi_knows thsi_supervise_knows(struct ths_node *node);

/* The supervision of living actor @supervisor, with the list's lock held until unlock. On failure *@out is NULL and no lock
 * is held. Errors: UNSUPPORTED (of another node), GONE, INVALID (no supervisor). Thread: any. */
enum ths_err thsi_supervise_lock(struct ths_node *node, ths_ref supervisor, struct thsi_supervision **out);
void thsi_supervise_unlock(struct ths_node *node);

/* What is shown of child @index but its name and behaviour, which are its specification's. Under the lock. */
void thsi_supervise_child(const struct thsi_supervision *it, uint32_t index, struct ths_child_info *out);

#endif /* THSI_NODE_SUPERVISE_H */
