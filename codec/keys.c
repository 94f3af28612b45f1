/* Keys: see keys.h. */

#include "codec/keys.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

static const struct thsi_key_kind kind = {
    .head = "thiasos-cluster-key",
    .what = "key file",
    .remedy = "Make a key with `thiasos key new FILE` and give every node of the cluster a copy of it",
    .renew = "thiasos key new FILE",
};

/* ---- The file ---------------------------------------------------------------------------- */

enum ths_err thsi_cluster_key_create(const char *path, const uint8_t *secret, char *why, size_t why_size)
{
    return thsi_key_file_create(&kind, path, secret, why, why_size);
}

enum ths_err thsi_cluster_key_load(struct thsi_cluster_key *key, const char *path, char *why, size_t why_size)
{
    enum ths_err err = thsi_key_file_load(&kind, key->secret, path, why, why_size);

    key->is_given = err == THS_OK;
    return err;
}

/* ---- The key ----------------------------------------------------------------------------- */

void thsi_cluster_key_none(struct thsi_cluster_key *key)
{
    static const char text[] = "thiasos: no cluster key, loopback only";

    crypto_generichash(key->secret, sizeof key->secret, (const uint8_t *)text, sizeof text - 1, NULL, 0);
    key->is_given = false;
}

void thsi_cluster_key_wipe(struct thsi_cluster_key *key)
{
    sodium_memzero(key, sizeof *key);
}

/* The keyed hash of label, NUL, text: labels hold no NUL, so no two inputs meet. Each use takes its first bytes. */
static void derive(const struct thsi_cluster_key *key, const char *label, const char *text, uint8_t *out, size_t size)
{
    uint8_t hash[THSI_HASH_SIZE];
    crypto_generichash_state state;

    assert(size <= sizeof hash);
    crypto_generichash_init(&state, key->secret, sizeof key->secret, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_update(&state, (const uint8_t *)text, strlen(text));
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(out, hash, size);
    sodium_memzero(hash, sizeof hash);
    sodium_memzero(&state, sizeof state);
}

void thsi_cluster_key_psk(const struct thsi_cluster_key *key, uint8_t *out)
{
    derive(key, "thiasos psk", "", out, THSI_KEY_SIZE);
}

void thsi_cluster_key_id(const struct thsi_cluster_key *key, uint8_t *out)
{
    derive(key, "thiasos key id", "", out, THSI_KEY_ID_SIZE);
}

void thsi_cluster_key_cluster_hash(const struct thsi_cluster_key *key, const char *cluster, uint8_t *out)
{
    derive(key, "thiasos cluster", cluster, out, THSI_CLUSTER_HASH_SIZE);
}

void thsi_cluster_key_node_id(const struct thsi_cluster_key *key, const char *node, uint8_t *out)
{
    derive(key, "thiasos node id", node, out, THSI_NODE_ID_SIZE);
}
