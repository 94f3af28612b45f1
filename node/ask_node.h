/* Asks to nodes, not to actors. */

#ifndef THSI_NODE_ASK_NODE_H
#define THSI_NODE_ASK_NODE_H

#include "node/node.h"

/* The uid behind @node (NULL, "" or this node's name: this node). Errors: NOT_FOUND. Thread: @ctx's, which is entered or in a
 * handler. */
THS_MUST_CHECK enum ths_err thsi_ask_node_resolve(struct ths_ctx *ctx, const char *node, uint64_t *uid);

#endif /* THSI_NODE_ASK_NODE_H */
