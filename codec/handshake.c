/* Handshake: see handshake.h. The bytes are drawn in protocol/handshake.md. */

#include "codec/handshake.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>


/* HELLO1: the clear part has this layout in every version, so that any two of them can tell each other why not. */
#define MAGIC_AT THSI_FRAME_PREFIX_SIZE
#define VERSION_MIN_AT (MAGIC_AT + 4)
#define VERSION_MAX_AT (VERSION_MIN_AT + 2)
#define KEY_ID_AT (VERSION_MAX_AT + 2)
#define CLUSTER_HASH_AT (KEY_ID_AT + THSI_KEY_ID_SIZE)
#define NONCE_AT (CLUSTER_HASH_AT + THSI_CLUSTER_HASH_SIZE)
#define HELLO1_CLEAR_SIZE (NONCE_AT + THSI_LINK_NONCE_SIZE)

/* HELLO2: what is clear in it was clear in HELLO1. */
#define ANSWER_NONCE_AT (MAGIC_AT + 4)
#define HELLO2_CLEAR_SIZE (ANSWER_NONCE_AT + THSI_LINK_NONCE_SIZE)

/* HELLO3 has a prefix and the magic alone. */
#define HELLO3_CLEAR_SIZE (MAGIC_AT + 4)

/* What Noise adds to a payload. */
#define EPHEMERAL_OVERHEAD (THSI_KEY_SIZE + THSI_TAG_SIZE) /* an e, and the payload's tag */
#define STATIC_OVERHEAD (THSI_KEY_SIZE + THSI_TAG_SIZE)    /* a sealed s */

static_assert(HELLO1_CLEAR_SIZE == 53, "protocol/handshake.md says 53 clear bytes");
static_assert(HELLO2_CLEAR_SIZE <= HELLO1_CLEAR_SIZE, "the bound of HELLO1 holds for HELLO2");
static_assert(HELLO1_CLEAR_SIZE + EPHEMERAL_OVERHEAD + STATIC_OVERHEAD + THSI_PAYLOAD_MAX <= THSI_HANDSHAKE_FRAME_MAX,
              "the longest identity and proof fit a handshake frame");

/* ---- What messages say ------------------------------------------------------------------- */

/* The payload of the peer's next message, from Noise. */
static enum ths_err read_payload(struct thsi_handshake *handshake, const uint8_t *message, size_t len,
                                 struct thsi_identity *identity, struct thsi_proof *proof)
{
    uint8_t payload[THSI_HANDSHAKE_FRAME_MAX];
    size_t payload_len;
    enum ths_err err = thsi_noise_read(&handshake->noise, message, len, payload, sizeof payload, &payload_len);

    return err == THS_OK ? thsi_payload_unpack(identity, proof, payload, payload_len) : err;
}

/* Whether the key that the peer shows is the one that Noise has proved, and @id is the one of that. */
static bool is_proved(const struct thsi_handshake *handshake, const struct thsi_proof *proof, const uint8_t *id)
{
    uint8_t static_public[THSI_KEY_SIZE], own[THSI_NODE_ID_SIZE];

    if (!thsi_static_of(proof->public_key, static_public) ||
        sodium_memcmp(static_public, handshake->noise.peer_static, THSI_KEY_SIZE) != 0)
        return false;
    thsi_static_node_id(static_public, own);
    return sodium_memcmp(own, id, sizeof own) == 0;
}

static bool is_id_of_name(const struct thsi_handshake *handshake, const struct thsi_identity *identity)
{
    uint8_t id[THSI_NODE_ID_SIZE];

    thsi_cluster_node_id(handshake->cluster, identity->name, id);
    return sodium_memcmp(id, identity->id, sizeof id) == 0;
}

/* Read the peer's message, and believe it only when all of it is right. With node keys the initiator's id is proved
 * later, by HELLO3. */
static enum ths_err read_identity(struct thsi_handshake *handshake, const uint8_t *message, size_t len)
{
    bool node_keys = handshake->credential != NULL, shows_proof = node_keys && handshake->initiator;
    struct thsi_identity identity = { 0 };
    struct thsi_proof proof = { 0 };
    enum ths_err err = read_payload(handshake, message, len, &identity, shows_proof ? &proof : NULL);

    if (err != THS_OK)
        return err;
    if (shows_proof ? !is_proved(handshake, &proof, identity.id) : !node_keys && !is_id_of_name(handshake, &identity))
        return THS_FORGED;
    handshake->peer = identity;
    handshake->proof = proof;
    return THS_OK;
}

/* ---- Begin and end ----------------------------------------------------------------------- */

static void wipe(struct thsi_handshake *handshake, enum thsi_handshake_state state)
{
    thsi_noise_fini(&handshake->noise);
    handshake->keys = NULL;
    handshake->cluster = NULL;
    handshake->self = NULL;
    handshake->credential = NULL;
    handshake->state = state;
}

/* The id that this node proves. */
static void take_own_id(struct thsi_handshake *handshake, const struct thsi_handshake_config *config)
{
    uint8_t static_public[THSI_KEY_SIZE];

    if (!config->credential)
        thsi_cluster_node_id(config->cluster, config->self->name, handshake->self_id);
    else if (thsi_static_of(config->credential->key.public_key, static_public))
        thsi_static_node_id(static_public, handshake->self_id);
}

static enum ths_err fail(struct thsi_handshake *handshake, enum ths_err err)
{
    wipe(handshake, THSI_HANDSHAKE_FAILED);
    return err;
}

enum ths_err thsi_handshake_init(struct thsi_handshake *handshake, const struct thsi_handshake_config *config)
{
    memset(handshake, 0, sizeof *handshake);
    handshake->initiator = config->initiator;
    handshake->version_min = config->version_min > 0 ? config->version_min : THSI_VERSION_MIN;
    handshake->version_max = config->version_max > 0 ? config->version_max : THSI_VERSION_MAX;
    if (handshake->version_min > handshake->version_max || thsi_identity_check(config->self) != THS_OK)
        return fail(handshake, THS_INVALID);
    handshake->state = config->initiator ? THSI_HANDSHAKE_IDLE : THSI_HANDSHAKE_WAITING;
    handshake->self = config->self;
    handshake->keys = config->keys;
    handshake->cluster = config->cluster;
    handshake->credential = config->credential;
    take_own_id(handshake, config);
    return THS_OK;
}

void thsi_handshake_fini(struct thsi_handshake *handshake)
{
    wipe(handshake, handshake->state == THSI_HANDSHAKE_FINISHED ? THSI_HANDSHAKE_FINISHED : THSI_HANDSHAKE_FAILED);
}

enum ths_err thsi_handshake_finish(struct thsi_handshake *handshake, struct thsi_noise_keys *keys)
{
    enum ths_err err;

    if (handshake->state != THSI_HANDSHAKE_DONE)
        return THS_INVALID;
    err = thsi_noise_split(&handshake->noise, keys);
    assert(err == THS_OK);
    wipe(handshake, THSI_HANDSHAKE_FINISHED);
    return err;
}

/* ---- Messages ---------------------------------------------------------------------------- */

static enum thsi_frame_type hello(const struct thsi_handshake *handshake, enum thsi_frame_type without_node_key)
{
    return handshake->credential ? without_node_key + (THSI_FRAME_NODE_HELLO1 - THSI_FRAME_HELLO1) : without_node_key;
}

/* Begin Noise with @key over the clear part of HELLO1, which both sides have at hand now. */
static enum ths_err begin_noise(struct thsi_handshake *handshake, const struct thsi_cluster_key *key,
                                const uint8_t *clear)
{
    struct thsi_noise_config config = { .pattern = THSI_NOISE_NNPSK0, .initiator = handshake->initiator,
                                        .prologue = clear, .prologue_len = HELLO1_CLEAR_SIZE };
    uint8_t psks[2][THSI_KEY_SIZE], static_secret[THSI_KEY_SIZE];
    enum ths_err err;

    thsi_cluster_key_fingerprint(key, handshake->fingerprint);
    thsi_cluster_key_psk(key, psks[0]);
    memcpy(psks[1], psks[0], THSI_KEY_SIZE);
    config.psks = (const uint8_t(*)[THSI_KEY_SIZE])psks;
    if (handshake->credential) {
        config.pattern = THSI_NOISE_XXPSK0_PSK3;
        config.static_secret = static_secret;
        thsi_identity_key_static(&handshake->credential->key, static_secret);
    }
    err = thsi_noise_init(&handshake->noise, &config);
    sodium_memzero(psks, sizeof psks);
    sodium_memzero(static_secret, sizeof static_secret);
    return err;
}

enum ths_err thsi_handshake_start(struct thsi_handshake *handshake, const uint8_t *nonce,
                                  const uint8_t *ephemeral_secret, uint8_t *frame, size_t size, size_t *len)
{
    const struct thsi_cluster_key *key;
    uint8_t payload[THSI_PAYLOAD_MAX];
    size_t payload_len, message_len;
    enum ths_err err;

    if (handshake->state != THSI_HANDSHAKE_IDLE)
        return THS_INVALID;
    key = &handshake->keys->keys[0];
    payload_len = thsi_payload_pack(handshake->self, handshake->version_max, handshake->self_id, NULL, payload);
    *len = HELLO1_CLEAR_SIZE + EPHEMERAL_OVERHEAD + payload_len;
    if (*len > size)
        return THS_TOO_BIG;
    memcpy(handshake->nonce, nonce, THSI_LINK_NONCE_SIZE);
    thsi_put_prefix(frame, hello(handshake, THSI_FRAME_HELLO1), *len);
    thsi_put_u16(frame + VERSION_MIN_AT, handshake->version_min);
    thsi_put_u16(frame + VERSION_MAX_AT, handshake->version_max);
    thsi_cluster_key_id(key, nonce, frame + KEY_ID_AT);
    thsi_cluster_key_cluster_hash(key, handshake->cluster, nonce, frame + CLUSTER_HASH_AT);
    memcpy(frame + NONCE_AT, nonce, THSI_LINK_NONCE_SIZE);
    err = begin_noise(handshake, key, frame);
    if (err == THS_OK)
        err = thsi_noise_write(&handshake->noise, ephemeral_secret, payload, payload_len, frame + HELLO1_CLEAR_SIZE,
                               size - HELLO1_CLEAR_SIZE, &message_len);
    if (err != THS_OK)
        return fail(handshake, err);
    assert(HELLO1_CLEAR_SIZE + message_len == *len);
    handshake->state = THSI_HANDSHAKE_WAITING;
    return THS_OK;
}

/* The highest version that both speak; 0: none. */
static uint16_t common_version(const struct thsi_handshake *handshake, uint16_t min, uint16_t max)
{
    uint16_t highest = max < handshake->version_max ? max : handshake->version_max;

    return min <= max && highest >= min && highest >= handshake->version_min ? highest : 0;
}

/* The key that HELLO1 names, or NULL. */
static const struct thsi_cluster_key *named_key(const struct thsi_keyring *keys, const uint8_t *frame)
{
    const struct thsi_cluster_key *named = NULL;
    uint8_t id[THSI_KEY_ID_SIZE];

    for (unsigned i = 0; i < keys->count; i++) {
        thsi_cluster_key_id(&keys->keys[i], frame + NONCE_AT, id);
        if (sodium_memcmp(frame + KEY_ID_AT, id, sizeof id) == 0)
            named = &keys->keys[i];
    }
    return named;
}

/* Versions before keys before names: what is asked first decides which hint a stranger gets. Whether it has a node key comes
 * behind the cluster's: only who holds that need know. */
static enum ths_err receive_hello1(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    const struct thsi_cluster_key *key;
    uint8_t cluster_hash[THSI_CLUSTER_HASH_SIZE];
    uint16_t version;
    enum ths_err err;

    if (frame_len < HELLO1_CLEAR_SIZE)
        return THS_MALFORMED;
    version = common_version(handshake, thsi_get_u16(frame + VERSION_MIN_AT), thsi_get_u16(frame + VERSION_MAX_AT));
    if (version == 0)
        return THS_BAD_VERSION;
    key = named_key(handshake->keys, frame);
    if (!key)
        return THS_BAD_KEY;
    thsi_cluster_key_cluster_hash(key, handshake->cluster, frame + NONCE_AT, cluster_hash);
    if (sodium_memcmp(frame + CLUSTER_HASH_AT, cluster_hash, sizeof cluster_hash) != 0)
        return THS_REFUSED;
    if (frame[THSI_LENGTH_SIZE] != (uint8_t)hello(handshake, THSI_FRAME_HELLO1))
        return THS_NO_NODE_KEY;
    memcpy(handshake->nonce, frame + NONCE_AT, THSI_LINK_NONCE_SIZE);
    err = begin_noise(handshake, key, frame);
    if (err == THS_OK)
        err = read_identity(handshake, frame + HELLO1_CLEAR_SIZE, frame_len - HELLO1_CLEAR_SIZE);
    if (err != THS_OK)
        return err;
    handshake->peer.version = version;
    handshake->state = THSI_HANDSHAKE_ASKED;
    return THS_OK;
}

static enum ths_err receive_hello2(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    enum ths_err err;

    if (frame_len < HELLO2_CLEAR_SIZE ||
        sodium_memcmp(frame + ANSWER_NONCE_AT, handshake->nonce, THSI_LINK_NONCE_SIZE) != 0)
        return THS_MALFORMED;
    err = read_identity(handshake, frame + HELLO2_CLEAR_SIZE, frame_len - HELLO2_CLEAR_SIZE);
    if (err != THS_OK)
        return err;
    if (handshake->peer.version < handshake->version_min || handshake->peer.version > handshake->version_max)
        return THS_BAD_VERSION;
    handshake->state = handshake->credential ? THSI_HANDSHAKE_ANSWERED : THSI_HANDSHAKE_DONE;
    return THS_OK;
}

static enum ths_err receive_hello3(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    struct thsi_proof proof = { 0 };
    enum ths_err err = read_payload(handshake, frame + HELLO3_CLEAR_SIZE, frame_len - HELLO3_CLEAR_SIZE, NULL, &proof);

    if (err != THS_OK)
        return err;
    if (!is_proved(handshake, &proof, handshake->peer.id))
        return THS_FORGED;
    handshake->proof = proof;
    handshake->state = THSI_HANDSHAKE_DONE;
    return THS_OK;
}

static enum ths_err receive_due(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    enum thsi_frame_type type = (enum thsi_frame_type)frame[THSI_LENGTH_SIZE];

    if (handshake->state == THSI_HANDSHAKE_PROOF)
        return type == THSI_FRAME_NODE_HELLO3 ? receive_hello3(handshake, frame, frame_len) : THS_MALFORMED;
    if (!handshake->initiator)
        return type == THSI_FRAME_HELLO1 || type == THSI_FRAME_NODE_HELLO1 ? receive_hello1(handshake, frame, frame_len)
                                                                           : THS_MALFORMED;
    if (type == hello(handshake, THSI_FRAME_HELLO2))
        return receive_hello2(handshake, frame, frame_len);
    if (type != THSI_FRAME_REFUSAL || thsi_refusal_read(&handshake->refusal, frame, frame_len) != THS_OK)
        return THS_MALFORMED;
    return THS_REFUSED;
}

enum ths_err thsi_handshake_receive(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    enum ths_err err = THS_MALFORMED;

    if (handshake->state != THSI_HANDSHAKE_WAITING && handshake->state != THSI_HANDSHAKE_PROOF)
        return THS_INVALID;
    if (frame_len >= MAGIC_AT + 4 && frame_len <= THSI_HANDSHAKE_FRAME_MAX &&
        thsi_get_u32(frame) == frame_len - THSI_LENGTH_SIZE && thsi_get_u32(frame + MAGIC_AT) == THSI_WIRE_MAGIC)
        err = receive_due(handshake, frame, frame_len);
    return err == THS_OK ? THS_OK : fail(handshake, err);
}

enum ths_err thsi_handshake_accept(struct thsi_handshake *handshake, const uint8_t *ephemeral_secret, uint8_t *frame,
                                   size_t size, size_t *len)
{
    const struct thsi_proof *proof = handshake->credential ? &handshake->credential->proof : NULL;
    uint8_t payload[THSI_PAYLOAD_MAX];
    size_t payload_len, message_len;
    enum ths_err err;

    if (handshake->state != THSI_HANDSHAKE_ASKED)
        return THS_INVALID;
    payload_len = thsi_payload_pack(handshake->self, handshake->peer.version, handshake->self_id, proof, payload);
    *len = HELLO2_CLEAR_SIZE + EPHEMERAL_OVERHEAD + (proof ? (size_t)STATIC_OVERHEAD : 0) + payload_len;
    if (*len > size)
        return THS_TOO_BIG;
    thsi_put_prefix(frame, hello(handshake, THSI_FRAME_HELLO2), *len);
    memcpy(frame + ANSWER_NONCE_AT, handshake->nonce, THSI_LINK_NONCE_SIZE);
    err = thsi_noise_write(&handshake->noise, ephemeral_secret, payload, payload_len, frame + HELLO2_CLEAR_SIZE,
                           size - HELLO2_CLEAR_SIZE, &message_len);
    if (err != THS_OK)
        return fail(handshake, err); /* an ephemeral point of low order: the peer's doing */
    assert(HELLO2_CLEAR_SIZE + message_len == *len);
    handshake->state = proof ? THSI_HANDSHAKE_PROOF : THSI_HANDSHAKE_DONE;
    return THS_OK;
}

enum ths_err thsi_handshake_prove(struct thsi_handshake *handshake, uint8_t *frame, size_t size, size_t *len)
{
    uint8_t payload[THSI_PAYLOAD_MAX];
    size_t payload_len, message_len;
    enum ths_err err;

    if (handshake->state != THSI_HANDSHAKE_ANSWERED)
        return THS_INVALID;
    payload_len = thsi_payload_pack(NULL, 0, NULL, &handshake->credential->proof, payload);
    *len = HELLO3_CLEAR_SIZE + STATIC_OVERHEAD + THSI_TAG_SIZE + payload_len;
    if (*len > size)
        return THS_TOO_BIG;
    thsi_put_prefix(frame, THSI_FRAME_NODE_HELLO3, *len);
    err = thsi_noise_write(&handshake->noise, NULL, payload, payload_len, frame + HELLO3_CLEAR_SIZE,
                           size - HELLO3_CLEAR_SIZE, &message_len);
    if (err != THS_OK)
        return fail(handshake, err);
    assert(HELLO3_CLEAR_SIZE + message_len == *len);
    handshake->state = THSI_HANDSHAKE_DONE;
    return THS_OK;
}

/* For whoever reads the log of the other node, which may be of any version. */
static const char *print_versions(const struct thsi_handshake *handshake, char *out, size_t size)
{
    (void)snprintf(out, size, "it speaks protocol versions %u to %u; update the older node", (unsigned)handshake->version_min,
                   (unsigned)handshake->version_max);
    return out;
}

enum ths_err thsi_handshake_refuse(struct thsi_handshake *handshake, enum ths_err code, const char *text,
                                   uint8_t *frame, size_t size, size_t *len)
{
    char versions[80];

    if (handshake->initiator || handshake->state == THSI_HANDSHAKE_DONE ||
        handshake->state == THSI_HANDSHAKE_PROOF || handshake->state == THSI_HANDSHAKE_FINISHED)
        return THS_INVALID;
    if (text == NULL)
        text = code == THS_BAD_VERSION ? print_versions(handshake, versions, sizeof versions) : ths_err_text(code);
    *len = thsi_refusal_write(code, text, handshake->version_min, handshake->version_max, frame, size);
    return *len > 0 ? fail(handshake, THS_OK) : THS_TOO_BIG;
}
