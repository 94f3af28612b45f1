/* Keys: see keys.h. */

#include "codec/keys.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

/* ---- The keyring ------------------------------------------------------------------------- */

void thsi_keyring_none(struct thsi_keyring *keyring)
{
    static const char text[] = "thiasos: no cluster key, loopback only";

    memset(keyring, 0, sizeof *keyring);
    crypto_generichash(keyring->keys[0].secret, THSI_KEY_SIZE, (const uint8_t *)text, sizeof text - 1, NULL, 0);
    keyring->count = 1;
}

void thsi_cluster_key_wipe(struct thsi_cluster_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void thsi_keyring_wipe(struct thsi_keyring *keyring)
{
    sodium_memzero(keyring, sizeof *keyring);
}

const struct thsi_cluster_key *thsi_keyring_find(const struct thsi_keyring *keyring, const uint8_t *fingerprint)
{
    uint8_t own[THSI_KEY_ID_SIZE];

    for (unsigned i = 0; i < keyring->count; i++) {
        thsi_cluster_key_fingerprint(&keyring->keys[i], own);
        if (memcmp(own, fingerprint, sizeof own) == 0)
            return &keyring->keys[i];
    }
    return NULL;
}

enum ths_err thsi_keyring_install(struct thsi_keyring *keyring, const struct thsi_cluster_key *key)
{
    for (unsigned i = 0; i < keyring->count; i++)
        if (sodium_memcmp(keyring->keys[i].secret, key->secret, THSI_KEY_SIZE) == 0)
            return THS_INVALID;
    if (keyring->count == THSI_KEYRING_MAX)
        return THS_TOO_MANY;
    keyring->keys[keyring->count++] = *key;
    return THS_OK;
}

void thsi_keyring_promote(struct thsi_keyring *keyring, unsigned index)
{
    struct thsi_cluster_key promoted = keyring->keys[index];

    assert(index < keyring->count);
    for (unsigned i = index; i > 0; i--)
        keyring->keys[i] = keyring->keys[i - 1];
    keyring->keys[0] = promoted;
    thsi_cluster_key_wipe(&promoted);
}

enum ths_err thsi_keyring_remove(struct thsi_keyring *keyring, unsigned index)
{
    assert(index < keyring->count);
    if (index == 0)
        return THS_INVALID;
    for (unsigned i = index; i + 1 < keyring->count; i++)
        keyring->keys[i] = keyring->keys[i + 1];
    thsi_cluster_key_wipe(&keyring->keys[--keyring->count]);
    return THS_OK;
}

/* ---- Derived values ---------------------------------------------------------------------- */

/* What a hash is of: label, NUL, text, nonce. Labels hold no NUL and nonces are of one length, so no two inputs meet. */
struct derivation {
    const char *label, *text;
    const uint8_t *nonce; /* or NULL */
};

/* What the library may leave of a hash below the stack's end. */
#define STACK_USED 1024

/* Keyed with @key, if there is one. Each use takes the first bytes. */
static void derive(const struct thsi_cluster_key *key, struct derivation of, uint8_t *out, size_t size)
{
    uint8_t hash[THSI_HASH_SIZE];
    crypto_generichash_state state;

    assert(size <= sizeof hash);
    crypto_generichash_init(&state, key ? key->secret : NULL, key ? sizeof key->secret : 0, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)of.label, strlen(of.label) + 1);
    crypto_generichash_update(&state, (const uint8_t *)of.text, strlen(of.text));
    if (of.nonce)
        crypto_generichash_update(&state, of.nonce, THSI_LINK_NONCE_SIZE);
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(out, hash, size);
    sodium_memzero(hash, sizeof hash);
    sodium_memzero(&state, sizeof state);
    sodium_stackzero(STACK_USED);
}

void thsi_cluster_key_psk(const struct thsi_cluster_key *key, uint8_t *out)
{
    derive(key, (struct derivation){ "thiasos psk", "", NULL }, out, THSI_KEY_SIZE);
}

void thsi_cluster_key_fingerprint(const struct thsi_cluster_key *key, uint8_t *out)
{
    derive(key, (struct derivation){ "thiasos key fingerprint", "", NULL }, out, THSI_KEY_ID_SIZE);
}

void thsi_cluster_key_id(const struct thsi_cluster_key *key, const uint8_t *nonce, uint8_t *out)
{
    derive(key, (struct derivation){ "thiasos key id", "", nonce }, out, THSI_KEY_ID_SIZE);
}

void thsi_cluster_key_cluster_hash(const struct thsi_cluster_key *key, const char *cluster, const uint8_t *nonce,
                                   uint8_t *out)
{
    derive(key, (struct derivation){ "thiasos cluster", cluster, nonce }, out, THSI_CLUSTER_HASH_SIZE);
}

void thsi_cluster_node_id(const char *cluster, const char *node, uint8_t *out)
{
    struct thsi_cluster_key scope; /* no secret */

    derive(NULL, (struct derivation){ "thiasos cluster", cluster, NULL }, scope.secret, sizeof scope.secret);
    derive(&scope, (struct derivation){ "thiasos node id", node, NULL }, out, THSI_NODE_ID_SIZE);
}
