/* Keys: the one secret that the nodes of a cluster share, its file, and what is derived from it.
 *
 * The secret itself goes nowhere: the handshake's pre-shared key, the key's public id, the hash of the cluster's name
 * and node ids are keyed hashes (BLAKE2b) of it, each under a label of its own. So none of them tells anything about
 * the secret or about another.
 *
 * Its file: key_file.h. Thread of all functions: any. */

#ifndef THSI_CODEC_KEYS_H
#define THSI_CODEC_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/key_file.h"
#include "thiasos/err.h"

/* Secret: wipe it with thsi_cluster_key_wipe. */
struct thsi_cluster_key {
    uint8_t secret[THSI_KEY_SIZE];
    bool is_given; /* from a file; false: the published stand-in, which protects nothing */
};

/* The key of a cluster that has none: a constant that everybody can compute. It keeps one code path for all links and
 * nothing else; whoever uses it must not leave loopback (the caller's duty). */
void thsi_cluster_key_none(struct thsi_cluster_key *key);

/* Make and read the cluster's key file: as thsi_key_file_create and _load. @key is wiped on every error. */
THS_MUST_CHECK
enum ths_err thsi_cluster_key_create(const char *path, const uint8_t *secret, char *why, size_t why_size);
THS_MUST_CHECK
enum ths_err thsi_cluster_key_load(struct thsi_cluster_key *key, const char *path, char *why, size_t why_size);

/* May be called twice. */
void thsi_cluster_key_wipe(struct thsi_cluster_key *key);

/* ---- Derived values. @out is borrowed, of the size named ---------------------------------- */

/* The pre-shared key of the handshake, THSI_KEY_SIZE bytes. Secret: the caller wipes it. */
void thsi_cluster_key_psk(const struct thsi_cluster_key *key, uint8_t *out);

/* What names the key in clear, THSI_KEY_ID_SIZE bytes. */
void thsi_cluster_key_id(const struct thsi_cluster_key *key, uint8_t *out);

/* What names the cluster in clear without telling its name, THSI_CLUSTER_HASH_SIZE bytes. Borrows @cluster. */
void thsi_cluster_key_cluster_hash(const struct thsi_cluster_key *key, const char *cluster, uint8_t *out);

/* The id of the node called @node, THSI_NODE_ID_SIZE bytes: the same for every boot of it. Every holder of the
 * key can compute it, so with one cluster key a member can pose as another. */
void thsi_cluster_key_node_id(const struct thsi_cluster_key *key, const char *node, uint8_t *out);

#endif /* THSI_CODEC_KEYS_H */
