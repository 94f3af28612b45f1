/* Keyring: the key file of a running node is read again (ths_cluster_reload_keys). */

#include "cluster/root.h"

#include <stdio.h>

#include "codec/keyring_file.h"
#include "thiasos/cluster.h"

#define TAKE_NS UINT64_C(3000000000)

static enum ths_err refuse(enum ths_err err, const char *text, char *why, size_t why_size)
{
    if (why && why_size > 0)
        (void)snprintf(why, why_size, "%s", text);
    return err;
}

void thsi_keys_report(struct thsi_cluster *cluster, struct thsi_keys_report *report)
{
    struct thsi_driver *driver = cluster->driver;

    (void)pthread_mutex_lock(&driver->mutex);
    report->fingerprints = driver->fingerprints;
    (void)pthread_mutex_unlock(&driver->mutex);
    report->links = atomic_load_explicit(&driver->links_up, memory_order_relaxed);
    report->moving = atomic_load_explicit(&driver->keys_moving, memory_order_relaxed);
}

/* Whether a key of @keys is one of those in use: else every link would break. */
static bool overlaps(struct thsi_cluster *cluster, const struct thsi_keyring *keys)
{
    struct thsi_keys_report in_use;
    bool found = false;

    thsi_keys_report(cluster, &in_use);
    for (unsigned i = 0; i < in_use.fingerprints.count && !found; i++)
        found = thsi_keyring_find(keys, in_use.fingerprints.of[i].at) != NULL;
    return found;
}

enum ths_err ths_cluster_reload_keys(struct ths_node *node, char *why, size_t why_size)
{
    struct thsi_cluster *cluster = thsi_cluster_of(node);
    char text[THSI_KEY_WHY_SIZE] = "";
    struct thsi_keyring keys;
    enum ths_err err;

    if (why && why_size > 0)
        *why = '\0';
    if (!cluster || !cluster->key_file)
        return refuse(THS_INVALID, "the node was started without a key file, so there is none to read again", why,
                      why_size);
    err = thsi_keyring_load(&keys, cluster->key_file, text, sizeof text);
    if (err != THS_OK)
        return refuse(err, text, why, why_size);
    if (overlaps(cluster, &keys))
        (void)thsi_driver_change_keys(cluster->driver, &keys, TAKE_NS); /* a driver that is stopping takes nothing up */
    else
        err = refuse(THS_BAD_KEY, "the key file holds none of the keys in use, so all links would break; install the "
                                  "new key beside the old one, and remove that when all nodes have the new", why,
                     why_size);
    thsi_keyring_wipe(&keys);
    return err;
}
