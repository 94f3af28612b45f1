/* Identity keys: see identity_key.h. */

#include "codec/identity_key.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

static_assert(crypto_sign_SEEDBYTES == THSI_KEY_SIZE && crypto_sign_PUBLICKEYBYTES == THSI_KEY_SIZE, "keys of one size");
static_assert(crypto_sign_BYTES == THSI_SIGNATURE_SIZE, "signatures of Ed25519");

const struct thsi_key_kind thsi_node_key_kind = {
    .head = "thiasos-node-key",
    .what = "node key",
    .remedy = "Make one for each node with `thiasos key new-node FILE`",
    .renew = "thiasos key new-node FILE",
};

const struct thsi_key_kind thsi_authority_key_kind = {
    .head = "thiasos-authority-key",
    .what = "authority's key",
    .remedy = "Make one with `thiasos key new-authority FILE`",
    .renew = "thiasos key new-authority FILE",
};

/* libsodium keeps the public half behind the secret one. */
static void expand(const uint8_t *secret, uint8_t *public_key, uint8_t *whole)
{
    (void)crypto_sign_seed_keypair(public_key, whole, secret);
}

void thsi_identity_key_of(struct thsi_identity_key *key, const uint8_t *secret)
{
    uint8_t whole[crypto_sign_SECRETKEYBYTES];

    memcpy(key->secret, secret, THSI_KEY_SIZE);
    expand(secret, key->public_key, whole);
    sodium_memzero(whole, sizeof whole);
}

enum ths_err thsi_identity_key_load(const struct thsi_key_kind *kind, struct thsi_identity_key *key, const char *path,
                                    char *why, size_t why_size)
{
    uint8_t secret[THSI_KEY_SIZE];
    enum ths_err err = thsi_key_file_load(kind, secret, path, why, why_size);

    thsi_identity_key_wipe(key);
    if (err == THS_OK)
        thsi_identity_key_of(key, secret);
    sodium_memzero(secret, sizeof secret);
    return err;
}

void thsi_identity_key_wipe(struct thsi_identity_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void thsi_identity_key_static(const struct thsi_identity_key *key, uint8_t *out)
{
    uint8_t whole[crypto_sign_SECRETKEYBYTES], public_key[THSI_KEY_SIZE];

    expand(key->secret, public_key, whole);
    (void)crypto_sign_ed25519_sk_to_curve25519(out, whole);
    sodium_memzero(whole, sizeof whole);
}

bool thsi_static_of(const uint8_t *public_key, uint8_t *out)
{
    return crypto_sign_ed25519_pk_to_curve25519(out, public_key) == 0;
}

void thsi_static_node_id(const uint8_t *static_public, uint8_t *out)
{
    static const char label[] = "thiasos node id";
    uint8_t hash[THSI_HASH_SIZE];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
    crypto_generichash_update(&state, static_public, THSI_KEY_SIZE);
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(out, hash, THSI_NODE_ID_SIZE);
}

void thsi_identity_key_sign(const struct thsi_identity_key *key, const void *bytes, size_t len, uint8_t *out)
{
    uint8_t whole[crypto_sign_SECRETKEYBYTES], public_key[THSI_KEY_SIZE];

    expand(key->secret, public_key, whole);
    (void)crypto_sign_detached(out, NULL, bytes, len, whole);
    sodium_memzero(whole, sizeof whole);
}

bool thsi_signature_is_good(const uint8_t *public_key, const void *bytes, size_t len, const uint8_t *signature)
{
    return crypto_sign_verify_detached(signature, bytes, len, public_key) == 0;
}
