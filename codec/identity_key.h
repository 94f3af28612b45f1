/* Identity keys: the key by which one node proves who it is, and that of an authority that signs for nodes.
 *
 * An Ed25519 key. Its public half names the node to people, in allow lists and certificates; the handshake proves the
 * X25519 key that is derived from it, and the node's id is a hash of that: who does not hold the key cannot have the id,
 * whatever the cluster key. Its file: key_file.h. Thread: any. */

#ifndef THSI_CODEC_IDENTITY_KEY_H
#define THSI_CODEC_IDENTITY_KEY_H

#include <stdbool.h>

#include "codec/key_file.h"

#define THSI_SIGNATURE_SIZE 64

/* Secret: wipe it. */
struct thsi_identity_key {
    uint8_t secret[THSI_KEY_SIZE];     /* as in the file */
    uint8_t public_key[THSI_KEY_SIZE]; /* Ed25519 */
};

extern const struct thsi_key_kind thsi_node_key_kind;      /* "thiasos-node-key" */
extern const struct thsi_key_kind thsi_authority_key_kind; /* "thiasos-authority-key" */

/* The key of @secret, THSI_KEY_SIZE random bytes (borrowed). */
void thsi_identity_key_of(struct thsi_identity_key *key, const uint8_t *secret);

/* As thsi_key_file_load. @key is wiped on every error. */
THS_MUST_CHECK
enum ths_err thsi_identity_key_load(const struct thsi_key_kind *kind, struct thsi_identity_key *key, const char *path,
                                    char *why, size_t why_size);

/* May be called twice. */
void thsi_identity_key_wipe(struct thsi_identity_key *key);

/* The secret that the handshake uses, THSI_KEY_SIZE bytes; the caller wipes it. */
void thsi_identity_key_static(const struct thsi_identity_key *key, uint8_t *out);

/* The public half of that, of the public half of an identity key. False: @public_key is none. Two public keys that differ
 * in the sign of their point alone give one: compare nodes by this or by their ids. */
THS_MUST_CHECK bool thsi_static_of(const uint8_t *public_key, uint8_t *out);

/* The id, THSI_NODE_ID_SIZE bytes, of the node that proves @static_public in the handshake. */
void thsi_static_node_id(const uint8_t *static_public, uint8_t *out);

/* Sign, into THSI_SIGNATURE_SIZE bytes. */
void thsi_identity_key_sign(const struct thsi_identity_key *key, const void *bytes, size_t len, uint8_t *out);

THS_MUST_CHECK bool thsi_signature_is_good(const uint8_t *public_key, const void *bytes, size_t len,
                                           const uint8_t *signature);

#endif /* THSI_CODEC_IDENTITY_KEY_H */
