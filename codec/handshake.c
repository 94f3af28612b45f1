/* Handshake: see handshake.h. The bytes are drawn in protocol/handshake.md. */

#include "codec/handshake.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "codec/codes.h"
#include "codec/pack.h"
#include "codec/unpack.h"
#include "node/base/utf8.h"

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

#define REFUSAL_CODE_AT (VERSION_MAX_AT + 2)
#define REFUSAL_TEXT_AT (REFUSAL_CODE_AT + 2) /* to the end of the frame */

/* Array head, version, three numbers, id, name and three texts, each in its longest form. */
#define IDENTITY_FIELDS 9
#define IDENTITY_PACKED_MAX (1 + 3 + 3 * 9 + 2 + THSI_NODE_ID_SIZE + 2 + (THSI_NODE_NAME_SIZE - 1) + \
                             3 * (2 + THSI_IDENTITY_TEXT_MAX))
#define NOISE_OVERHEAD (THSI_KEY_SIZE + THSI_TAG_SIZE) /* of both messages of NNpsk0 */

static_assert(HELLO1_CLEAR_SIZE == 53, "protocol/handshake.md says 53 clear bytes");
static_assert(HELLO2_CLEAR_SIZE <= HELLO1_CLEAR_SIZE, "the bound of HELLO1 holds for HELLO2");
static_assert(HELLO1_CLEAR_SIZE + NOISE_OVERHEAD + IDENTITY_PACKED_MAX <= THSI_HANDSHAKE_FRAME_MAX,
              "the longest identity fits a handshake frame");
static_assert(REFUSAL_TEXT_AT + THSI_REFUSAL_TEXT_MAX <= THSI_HANDSHAKE_FRAME_MAX, "the longest refusal fits");
static_assert(THSI_IDENTITY_TEXT_MAX <= UINT8_MAX, "a text takes two bytes of head at most");

/* ---- Identities -------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t len = strnlen(name, THSI_NODE_NAME_SIZE);

    return len > 0 && len < THSI_NODE_NAME_SIZE && strspn(name, allowed) == len;
}

/* Fit for a line of a log: nothing that moves a cursor or ends the line. */
static bool is_plain_text(const char *text)
{
    size_t len = strnlen(text, THSI_IDENTITY_TEXT_MAX + 1);

    if (len > THSI_IDENTITY_TEXT_MAX || !thsi_utf8_valid(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

enum ths_err thsi_identity_check(const struct thsi_identity *identity)
{
    bool ok = identity->uid != 0 && is_name(identity->name) && is_plain_text(identity->address) &&
              identity->address[0] != '\0' && is_plain_text(identity->roles) && is_plain_text(identity->scopes);

    return ok ? THS_OK : THS_INVALID;
}

static void pack_text(const char *text, struct thsi_packer *packer)
{
    thsi_pack_str(packer, text, (uint32_t)strlen(text));
}

/* An identity that passed its check always fits IDENTITY_PACKED_MAX. */
static size_t pack_identity(const struct thsi_handshake *handshake, uint16_t version, uint8_t *out)
{
    const struct thsi_identity *self = handshake->self;
    struct thsi_packer packer;

    thsi_packer_init(&packer, out, IDENTITY_PACKED_MAX);
    thsi_pack_array(&packer, IDENTITY_FIELDS);
    thsi_pack_u64(&packer, version);
    thsi_pack_u64(&packer, self->uid);
    thsi_pack_u64(&packer, self->boot);
    thsi_pack_u64(&packer, self->incarnation);
    thsi_pack_bin(&packer, handshake->self_id, THSI_NODE_ID_SIZE);
    pack_text(self->name, &packer);
    pack_text(self->address, &packer);
    pack_text(self->roles, &packer);
    pack_text(self->scopes, &packer);
    assert(!packer.overflow);
    return packer.len;
}

static enum ths_err unpack_identity(struct thsi_identity *identity, const uint8_t *data, size_t len)
{
    struct thsi_unpacker unpacker;
    uint32_t fields, id_len;
    const uint8_t *id;

    thsi_unpacker_init(&unpacker, data, len);
    fields = thsi_unpack_array(&unpacker);
    if (fields < IDENTITY_FIELDS)
        return THS_MALFORMED;
    identity->version = (uint16_t)thsi_unpack_u64_max(&unpacker, UINT16_MAX);
    identity->uid = thsi_unpack_u64(&unpacker);
    identity->boot = thsi_unpack_u64(&unpacker);
    identity->incarnation = thsi_unpack_u64_max(&unpacker, THSI_INCARNATION_MAX);
    id = thsi_unpack_bin(&unpacker, THSI_NODE_ID_SIZE, &id_len);
    if (id_len != THSI_NODE_ID_SIZE)
        return THS_MALFORMED;
    memcpy(identity->id, id, THSI_NODE_ID_SIZE);
    thsi_unpack_text(&unpacker, identity->name, sizeof identity->name);
    thsi_unpack_text(&unpacker, identity->address, sizeof identity->address);
    thsi_unpack_text(&unpacker, identity->roles, sizeof identity->roles);
    thsi_unpack_text(&unpacker, identity->scopes, sizeof identity->scopes);
    for (uint32_t i = IDENTITY_FIELDS; i < fields && unpacker.err == THS_OK; i++)
        thsi_unpack_skip(&unpacker); /* what a newer version appended */
    if (thsi_unpack_finish(&unpacker) != THS_OK || thsi_identity_check(identity) != THS_OK)
        return THS_MALFORMED;
    return THS_OK;
}

/* Read the peer's message, and believe it only when all of it is right. */
static enum ths_err read_identity(struct thsi_handshake *handshake, const uint8_t *message, size_t len)
{
    struct thsi_identity identity = { 0 };
    uint8_t payload[THSI_HANDSHAKE_FRAME_MAX];
    uint8_t id[THSI_NODE_ID_SIZE];
    size_t payload_len;
    enum ths_err err;

    err = thsi_noise_read(&handshake->noise, message, len, payload, sizeof payload, &payload_len);
    if (err != THS_OK)
        return err;
    err = unpack_identity(&identity, payload, payload_len);
    if (err != THS_OK)
        return err;
    thsi_cluster_node_id(handshake->cluster, identity.name, id);
    if (sodium_memcmp(id, identity.id, sizeof id) != 0)
        return THS_FORGED;
    handshake->peer = identity;
    return THS_OK;
}

/* ---- Begin and end ----------------------------------------------------------------------- */

static void wipe(struct thsi_handshake *handshake, enum thsi_handshake_state state)
{
    thsi_noise_fini(&handshake->noise);
    handshake->keys = NULL;
    handshake->cluster = NULL;
    handshake->self = NULL;
    handshake->state = state;
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
    thsi_cluster_node_id(config->cluster, config->self->name, handshake->self_id);
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

static void put_prefix(uint8_t *frame, enum thsi_frame_type type, size_t frame_len)
{
    thsi_put_u32(frame, (uint32_t)(frame_len - THSI_LENGTH_SIZE));
    frame[THSI_LENGTH_SIZE] = (uint8_t)type;
    thsi_put_u32(frame + MAGIC_AT, THSI_WIRE_MAGIC);
}

/* Begin Noise with @key over the clear part of HELLO1, which both sides have at hand now. */
static enum ths_err begin_noise(struct thsi_handshake *handshake, const struct thsi_cluster_key *key,
                                const uint8_t *clear)
{
    struct thsi_noise_config config = { .pattern = THSI_NOISE_NNPSK0, .initiator = handshake->initiator,
                                        .prologue = clear, .prologue_len = HELLO1_CLEAR_SIZE };
    uint8_t psk[1][THSI_KEY_SIZE];
    enum ths_err err;

    thsi_cluster_key_fingerprint(key, handshake->fingerprint);
    thsi_cluster_key_psk(key, psk[0]);
    config.psks = (const uint8_t(*)[THSI_KEY_SIZE])psk;
    err = thsi_noise_init(&handshake->noise, &config);
    sodium_memzero(psk, sizeof psk);
    return err;
}

enum ths_err thsi_handshake_start(struct thsi_handshake *handshake, const uint8_t *nonce,
                                  const uint8_t *ephemeral_secret, uint8_t *frame, size_t size, size_t *len)
{
    const struct thsi_cluster_key *key;
    uint8_t payload[IDENTITY_PACKED_MAX];
    size_t payload_len, message_len;
    enum ths_err err;

    if (handshake->state != THSI_HANDSHAKE_IDLE)
        return THS_INVALID;
    key = &handshake->keys->keys[0];
    payload_len = pack_identity(handshake, handshake->version_max, payload);
    *len = HELLO1_CLEAR_SIZE + NOISE_OVERHEAD + payload_len;
    if (*len > size)
        return THS_TOO_BIG;
    memcpy(handshake->nonce, nonce, THSI_LINK_NONCE_SIZE);
    put_prefix(frame, THSI_FRAME_HELLO1, *len);
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

/* Versions before keys before names: what is asked first decides which hint a stranger gets. */
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
    handshake->state = THSI_HANDSHAKE_DONE;
    return THS_OK;
}

static bool is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f;
}

static enum ths_err receive_refusal(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    struct thsi_refusal *refusal = &handshake->refusal;
    size_t text_len;

    if (frame_len < REFUSAL_TEXT_AT || frame_len > REFUSAL_TEXT_AT + THSI_REFUSAL_TEXT_MAX)
        return THS_MALFORMED;
    text_len = frame_len - REFUSAL_TEXT_AT;
    refusal->version_min = thsi_get_u16(frame + VERSION_MIN_AT);
    refusal->version_max = thsi_get_u16(frame + VERSION_MAX_AT);
    refusal->code = thsi_refusal_of_code(thsi_get_u16(frame + REFUSAL_CODE_AT));
    for (size_t i = 0; i < text_len; i++)
        refusal->text[i] = is_printable(frame[REFUSAL_TEXT_AT + i]) ? (char)frame[REFUSAL_TEXT_AT + i] : '?';
    refusal->text[text_len] = '\0';
    return THS_REFUSED;
}

enum ths_err thsi_handshake_receive(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len)
{
    enum ths_err err = THS_MALFORMED;

    if (handshake->state != THSI_HANDSHAKE_WAITING)
        return THS_INVALID;
    if (frame_len < MAGIC_AT + 4 || frame_len > THSI_HANDSHAKE_FRAME_MAX ||
        thsi_get_u32(frame) != frame_len - THSI_LENGTH_SIZE || thsi_get_u32(frame + MAGIC_AT) != THSI_WIRE_MAGIC)
        return fail(handshake, THS_MALFORMED);
    if (!handshake->initiator && frame[THSI_LENGTH_SIZE] == THSI_FRAME_HELLO1)
        err = receive_hello1(handshake, frame, frame_len);
    else if (handshake->initiator && frame[THSI_LENGTH_SIZE] == THSI_FRAME_HELLO2)
        err = receive_hello2(handshake, frame, frame_len);
    else if (handshake->initiator && frame[THSI_LENGTH_SIZE] == THSI_FRAME_REFUSAL)
        err = receive_refusal(handshake, frame, frame_len);
    return err == THS_OK ? THS_OK : fail(handshake, err);
}

enum ths_err thsi_handshake_accept(struct thsi_handshake *handshake, const uint8_t *ephemeral_secret, uint8_t *frame,
                                   size_t size, size_t *len)
{
    uint8_t payload[IDENTITY_PACKED_MAX];
    size_t payload_len, message_len;
    enum ths_err err;

    if (handshake->state != THSI_HANDSHAKE_ASKED)
        return THS_INVALID;
    payload_len = pack_identity(handshake, handshake->peer.version, payload);
    *len = HELLO2_CLEAR_SIZE + NOISE_OVERHEAD + payload_len;
    if (*len > size)
        return THS_TOO_BIG;
    put_prefix(frame, THSI_FRAME_HELLO2, *len);
    memcpy(frame + ANSWER_NONCE_AT, handshake->nonce, THSI_LINK_NONCE_SIZE);
    err = thsi_noise_write(&handshake->noise, ephemeral_secret, payload, payload_len, frame + HELLO2_CLEAR_SIZE,
                           size - HELLO2_CLEAR_SIZE, &message_len);
    if (err != THS_OK)
        return fail(handshake, err); /* an ephemeral point of low order: the peer's doing */
    assert(HELLO2_CLEAR_SIZE + message_len == *len);
    handshake->state = THSI_HANDSHAKE_DONE;
    return THS_OK;
}

enum ths_err thsi_handshake_refuse(struct thsi_handshake *handshake, enum ths_err code, const char *text,
                                   uint8_t *frame, size_t size, size_t *len)
{
    size_t text_len;

    if (handshake->initiator || handshake->state == THSI_HANDSHAKE_DONE ||
        handshake->state == THSI_HANDSHAKE_FINISHED)
        return THS_INVALID;
    if (text == NULL)
        text = ths_err_text(code);
    text_len = strnlen(text, THSI_REFUSAL_TEXT_MAX);
    *len = REFUSAL_TEXT_AT + text_len;
    if (*len > size)
        return THS_TOO_BIG;
    put_prefix(frame, THSI_FRAME_REFUSAL, *len);
    thsi_put_u16(frame + VERSION_MIN_AT, handshake->version_min);
    thsi_put_u16(frame + VERSION_MAX_AT, handshake->version_max);
    thsi_put_u16(frame + REFUSAL_CODE_AT, (uint16_t)code);
    for (size_t i = 0; i < text_len; i++)
        frame[REFUSAL_TEXT_AT + i] = is_printable((uint8_t)text[i]) ? (uint8_t)text[i] : (uint8_t)'?';
    return fail(handshake, THS_OK);
}
