/* Keys: the secrets that the nodes of a cluster share, and what is derived from them.
 *
 * A node holds a keyring of up to three. With the first, its primary key, it begins handshakes; it accepts those that
 * are begun with any. So a cluster can change its key while it works: install the new one everywhere, make it the
 * primary everywhere, remove the old one everywhere.
 *
 * A secret itself goes nowhere: the handshake's pre-shared key, the marks in its clear part and the fingerprint that
 * people see are keyed hashes (BLAKE2b) of it, each under a label of its own. So none of them tells anything about the
 * secret or about another. A node's id depends on no key: it stays when the key changes.
 *
 * The file that holds a keyring: keyring_file.h. Pure; thread of all functions: any. */

#ifndef THSI_CODEC_KEYS_H
#define THSI_CODEC_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/wire.h"
#include "thiasos/err.h"

#define THSI_KEYRING_MAX 3u /* also how many keys a stranger's first message is compared with */

/* Secret: wipe it with thsi_cluster_key_wipe. */
struct thsi_cluster_key {
    uint8_t secret[THSI_KEY_SIZE];
};

/* Secret: wipe it with thsi_keyring_wipe. Holds at least one key, no two alike; the first is the primary. */
struct thsi_keyring {
    struct thsi_cluster_key keys[THSI_KEYRING_MAX];
    unsigned count;
};

/* The keyring of a cluster that has no key: one constant that everybody can compute. It keeps one code path for all
 * links and nothing else; whoever uses it must not leave loopback (the caller's duty). */
void thsi_keyring_none(struct thsi_keyring *keyring);

/* May be called twice. */
void thsi_cluster_key_wipe(struct thsi_cluster_key *key);
void thsi_keyring_wipe(struct thsi_keyring *keyring);

/* Which key of @keyring has this fingerprint (THSI_KEY_ID_SIZE bytes, borrowed); NULL: none. Lends. */
const struct thsi_cluster_key *thsi_keyring_find(const struct thsi_keyring *keyring, const uint8_t *fingerprint);

/* Add @key (copied) behind the others. Errors: INVALID (it is there), TOO_MANY. */
THS_MUST_CHECK enum ths_err thsi_keyring_install(struct thsi_keyring *keyring, const struct thsi_cluster_key *key);

/* Make key number @index the primary; the others keep their order. */
void thsi_keyring_promote(struct thsi_keyring *keyring, unsigned index);

/* Remove and wipe key number @index. Errors: INVALID (it is the primary: promote another first). */
THS_MUST_CHECK enum ths_err thsi_keyring_remove(struct thsi_keyring *keyring, unsigned index);

/* ---- Derived values. @out is borrowed, of the size named ---------------------------------- */

/* The pre-shared key of the handshake, THSI_KEY_SIZE bytes. Secret: the caller wipes it. */
void thsi_cluster_key_psk(const struct thsi_cluster_key *key, uint8_t *out);

/* What names the key for those who hold it and for people, THSI_KEY_ID_SIZE bytes. Goes over links only sealed. */
void thsi_cluster_key_fingerprint(const struct thsi_cluster_key *key, uint8_t *out);

/* What names the key in the clear part of the handshake with @nonce (THSI_LINK_NONCE_SIZE bytes), THSI_KEY_ID_SIZE
 * bytes. As it differs from one handshake to the next, who does not hold the key learns nothing from it, not even
 * whether two nodes use the same. */
void thsi_cluster_key_id(const struct thsi_cluster_key *key, const uint8_t *nonce, uint8_t *out);

/* In the same way what names the cluster there, THSI_CLUSTER_HASH_SIZE bytes. Borrows @cluster. */
void thsi_cluster_key_cluster_hash(const struct thsi_cluster_key *key, const char *cluster, const uint8_t *nonce,
                                   uint8_t *out);

/* The id of the node called @node in @cluster, THSI_NODE_ID_SIZE bytes: the same for every boot of it and with every
 * key. Everybody can compute it, so with cluster keys alone a member can pose as another. */
void thsi_cluster_node_id(const char *cluster, const char *node, uint8_t *out);

#endif /* THSI_CODEC_KEYS_H */
