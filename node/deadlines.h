/* Deadlines: what is due first, of many that mostly go before they are due.
 *
 * A pairing heap whose nodes lie in what they limit, so it allocates nothing. Adding costs the same for any number of
 * nodes; taking one out costs the logarithm of it on average, and next to nothing where there are few. Pure: no clock, no
 * lock.
 *
 * Fredman, Sedgewick, Sleator and Tarjan: The pairing heap (1986). */

#ifndef THSI_NODE_DEADLINES_H
#define THSI_NODE_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

struct thsi_deadline {
    uint64_t ns;
    struct thsi_deadline *child; /* the first of those that hang below it; none of them is due before it */
    struct thsi_deadline *next;  /* sibling */
    struct thsi_deadline *prev;  /* the sibling before it; of a first child: what it hangs below. NULL: the root */
};

/* A heap is a pointer to its root, the node that is due first; NULL: empty. */

/* Add @node, whose ns is set and which is in no heap. */
void thsi_deadline_add(struct thsi_deadline **root, struct thsi_deadline *node);

/* Take out @node, which is in this heap. */
void thsi_deadline_remove(struct thsi_deadline **root, struct thsi_deadline *node);

#endif /* THSI_NODE_DEADLINES_H */
