/* The handshake between nodes with node keys, the keys, and a certificate. */

#include "tests/lib/vectors.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct side {
    struct thsi_credential credential;
    struct thsi_identity identity;
    struct thsi_handshake handshake;
    uint8_t ephemeral[THSI_KEY_SIZE];
};

struct frame {
    uint8_t at[THSI_HANDSHAKE_FRAME_MAX];
    size_t len;
};

static void must(enum ths_err err)
{
    if (err != THS_OK)
        abort();
}

static void make_certificate(struct thsi_proof *proof)
{
    struct thsi_certificate certificate = { .serial = 17, .names = "a", .roles = "counter,web",
                                            .rights = THSI_RIGHT_SEND | THSI_RIGHT_ASK | THSI_RIGHT_MONITOR,
                                            .not_before_ms = UINT64_C(1767225600000),
                                            .not_after_ms = UINT64_C(1798761600000) };
    struct thsi_identity_key authority;
    uint8_t secret[THSI_KEY_SIZE];
    size_t len;

    memset(secret, 0x88, sizeof secret);
    thsi_identity_key_of(&authority, secret);
    memcpy(certificate.node, proof->public_key, THSI_KEY_SIZE);
    must(thsi_certificate_sign(&certificate, &authority, proof->certificate, &len));
    proof->certificate_len = (uint16_t)len;
}

static void begin(struct side *side, bool initiator, const struct thsi_keyring *keys)
{
    const struct thsi_handshake_config config = { .initiator = initiator, .keys = keys, .cluster = "thiasos",
                                                  .self = &side->identity, .credential = &side->credential,
                                                  .version_min = 2, .version_max = 2 };
    uint8_t secret[THSI_KEY_SIZE];

    memset(secret, initiator ? 0x66 : 0x77, sizeof secret);
    memset(side->ephemeral, initiator ? 0x44 : 0x55, sizeof side->ephemeral);
    side->identity = vectors_identity(initiator ? "a" : "b");
    memset(&side->credential, 0, sizeof side->credential);
    thsi_identity_key_of(&side->credential.key, secret);
    memcpy(side->credential.proof.public_key, side->credential.key.public_key, THSI_KEY_SIZE);
    if (initiator)
        make_certificate(&side->credential.proof);
    must(thsi_handshake_init(&side->handshake, &config));
}

static json_t *about(const struct side *side)
{
    const struct thsi_proof *proof = &side->credential.proof;
    uint8_t static_secret[THSI_KEY_SIZE], static_public[THSI_KEY_SIZE];

    thsi_identity_key_static(&side->credential.key, static_secret);
    if (!thsi_static_of(proof->public_key, static_public))
        abort();
    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:s#}", "name", side->identity.name, "ephemeral_secret",
                     vectors_hex(side->ephemeral, THSI_KEY_SIZE), "node_key",
                     vectors_hex(side->credential.key.secret, THSI_KEY_SIZE), "public_key",
                     vectors_hex(proof->public_key, THSI_KEY_SIZE), "static_secret",
                     vectors_hex(static_secret, THSI_KEY_SIZE), "static_public", vectors_hex(static_public, THSI_KEY_SIZE),
                     "node_id", vectors_hex(side->handshake.self_id, THSI_NODE_ID_SIZE), "certificate", proof->certificate,
                     (int)proof->certificate_len);
}

json_t *vectors_node_handshake(const struct thsi_keyring *keys, const uint8_t *link_nonce)
{
    struct side a, b;
    struct frame hello1, hello2, hello3;
    struct thsi_noise_keys ours, theirs;
    json_t *all;

    begin(&a, true, keys);
    begin(&b, false, keys);
    must(thsi_handshake_start(&a.handshake, link_nonce, a.ephemeral, hello1.at, sizeof hello1.at, &hello1.len));
    must(thsi_handshake_receive(&b.handshake, hello1.at, hello1.len));
    must(thsi_handshake_accept(&b.handshake, b.ephemeral, hello2.at, sizeof hello2.at, &hello2.len));
    must(thsi_handshake_receive(&a.handshake, hello2.at, hello2.len));
    must(thsi_handshake_prove(&a.handshake, hello3.at, sizeof hello3.at, &hello3.len));
    must(thsi_handshake_receive(&b.handshake, hello3.at, hello3.len));
    all = json_pack("{s:s,s:o,s:o,s:o,s:o,s:o}", "noise", thsi_noise_pattern_name(THSI_NOISE_XXPSK0_PSK3), "initiator",
                    about(&a), "responder", about(&b), "node_hello1", vectors_hex(hello1.at, hello1.len), "node_hello2",
                    vectors_hex(hello2.at, hello2.len), "node_hello3", vectors_hex(hello3.at, hello3.len));
    must(thsi_handshake_finish(&a.handshake, &ours));
    must(thsi_handshake_finish(&b.handshake, &theirs));
    if (memcmp(ours.send, theirs.receive, THSI_KEY_SIZE) != 0)
        abort();
    (void)json_object_set_new(all, "initiator_sends_with", vectors_hex(ours.send, THSI_KEY_SIZE));
    (void)json_object_set_new(all, "responder_sends_with", vectors_hex(ours.receive, THSI_KEY_SIZE));
    (void)json_object_set_new(all, "hash", vectors_hex(ours.hash, THSI_HASH_SIZE));
    return all;
}
