/* Keyring: the key files of a running node are read again (ths_cluster_reload_keys). */

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

static enum ths_err reload_keyring(struct thsi_cluster *cluster, char *text)
{
    struct thsi_keyring keys;
    enum ths_err err;

    if (!cluster->key_file)
        return THS_OK;
    err = thsi_keyring_load(&keys, cluster->key_file, text, THSI_KEY_WHY_SIZE);
    if (err != THS_OK)
        return err;
    if (overlaps(cluster, &keys))
        (void)thsi_driver_change_keys(cluster->driver, &keys, TAKE_NS); /* a driver that is stopping takes nothing up */
    else
        err = refuse(THS_BAD_KEY, "the key file holds none of the keys in use, so all links would break; install the "
                                  "new key beside the old one, and remove that when all nodes have the new", text,
                     THSI_KEY_WHY_SIZE);
    thsi_keyring_wipe(&keys);
    return err;
}

/* What belongs to the node key, into @trust and @credential, in which the key itself is as it was. */
static enum ths_err read_trust(struct thsi_cluster *cluster, struct thsi_credential *credential, struct thsi_trust *trust,
                               char *text)
{
    struct thsi_driver *driver = cluster->driver;

    *credential = driver->credential;
    return thsi_credentials_load(&cluster->files, driver->runtime->env, thsi_membership_self(driver->membership), false,
                                 credential, trust, text);
}

enum ths_err ths_cluster_reload_keys(struct ths_node *node, char *why, size_t why_size)
{
    struct thsi_cluster *cluster = thsi_cluster_of(node);
    char text[THSI_KEY_WHY_SIZE] = "";
    struct thsi_credential credential = { 0 };
    struct thsi_trust trust = { 0 };
    enum ths_err err = THS_OK;
    bool with_trust;

    if (why && why_size > 0)
        *why = '\0';
    if (!cluster || (!cluster->key_file && !thsi_credential_files_given(&cluster->files)))
        return refuse(THS_INVALID, "the node was started without a key file, so there is none to read again", why,
                      why_size);
    with_trust = thsi_credential_files_given(&cluster->files);
    if (with_trust)
        err = read_trust(cluster, &credential, &trust, text);
    if (err == THS_OK)
        err = reload_keyring(cluster, text);
    if (err == THS_OK && with_trust)
        thsi_driver_change_trust(cluster->driver, &trust, credential.proof.certificate, credential.proof.certificate_len);
    thsi_identity_key_wipe(&credential.key);
    thsi_trust_fini(&trust);
    return err == THS_OK ? THS_OK : refuse(err, text, why, why_size);
}
