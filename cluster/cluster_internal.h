/* Cluster, inside: how the simulator joins a node over a transport of its own. */

#ifndef THSI_CLUSTER_CLUSTER_INTERNAL_H
#define THSI_CLUSTER_CLUSTER_INTERNAL_H

#include "cluster/transport.h"
#include "thiasos/cluster.h"

/* As ths_cluster_join, over @transport (taken on OK; the cluster destroys it when the node stops). Options are used as
 * given: no text is taken from the process's environment variables. The rest, @why and errors: as there. */
THS_MUST_CHECK
enum ths_err thsi_cluster_join_on(struct ths_node *node, const struct ths_cluster_options *options,
                                  struct thsi_transport *transport /* takes */, char *why, size_t why_size);

#endif /* THSI_CLUSTER_CLUSTER_INTERNAL_H */
