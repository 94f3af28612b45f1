/* Root: what a node's cluster half is made of. Its API finds it through the runtime. */

#ifndef THSI_CLUSTER_ROOT_H
#define THSI_CLUSTER_ROOT_H

#include "cluster/control.h"
#include "cluster/credentials.h"
#include "cluster/driver.h"

struct thsi_cluster {
    struct thsi_router router; /* first: the runtime's way out */
    struct thsi_runtime *runtime;
    struct thsi_driver *driver;
    struct thsi_control *control; /* NULL: no socket */
    struct thsi_credential_files files;
    char endpoint[THSI_SEED_SIZE + 8];
    char *key_file;               /* NULL: none */
};

/* The cluster half of @node, or NULL. Lends until the node stops. Thread: any. */
static inline struct thsi_cluster *thsi_cluster_of(struct ths_node *node)
{
    struct thsi_runtime *runtime = ths_node_runtime(node);

    return runtime ? runtime->cluster : NULL;
}

/* Which keys the cluster half holds, the primary one first; how many links are up, and how many of them are not sealed with
 * that one both ways (keyring.c). Thread: any. */
struct thsi_keys_report {
    struct thsi_fingerprints fingerprints;
    uint32_t links, moving;
};

void thsi_keys_report(struct thsi_cluster *cluster, struct thsi_keys_report *report);

/* The routing table over @cluster's driver (router.c). */
void thsi_router_init(struct thsi_cluster *cluster);

#endif /* THSI_CLUSTER_ROOT_H */
