/* Tables: a look into the tables of a node that stands still. */

#ifndef THS_TESTS_LIB_TABLES_H
#define THS_TESTS_LIB_TABLES_H

#include "thiasos/thiasos.h"

struct tables_left {
    uint32_t dangling;  /* links, monitors, watchers and names that belong to actors which are gone */
};

/* @nodes: all there are, so that refs to others can be followed; what leads to any other node dangles. Thread: the only one. */
void tables_look(struct ths_node *node, struct ths_node *const nodes[], unsigned nodes_count, struct tables_left *left);

#endif /* THS_TESTS_LIB_TABLES_H */
