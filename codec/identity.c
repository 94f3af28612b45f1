/* Identity: see identity.h. */

#include "codec/identity.h"

#include <assert.h>
#include <string.h>

#include "codec/pack.h"
#include "codec/unpack.h"
#include "node/base/utf8.h"

#define IDENTITY_FIELDS 9u
#define PROOF_FIELDS 2u

static_assert(THSI_IDENTITY_TEXT_MAX <= UINT8_MAX, "a text takes two bytes of head at most");
static_assert(IDENTITY_FIELDS + PROOF_FIELDS <= 15, "the array's head is one byte");

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

/* ---- Packing ----------------------------------------------------------------------------- */

static void pack_text(const char *text, struct thsi_packer *packer)
{
    thsi_pack_str(packer, text, (uint32_t)strlen(text));
}

size_t thsi_payload_pack(const struct thsi_identity *identity, uint16_t version, const uint8_t *id,
                         const struct thsi_proof *proof, uint8_t *out)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, out, THSI_PAYLOAD_MAX);
    thsi_pack_array(&packer, (identity ? IDENTITY_FIELDS : 0) + (proof ? PROOF_FIELDS : 0));
    if (identity) {
        thsi_pack_u64(&packer, version);
        thsi_pack_u64(&packer, identity->uid);
        thsi_pack_u64(&packer, identity->boot);
        thsi_pack_u64(&packer, identity->incarnation);
        thsi_pack_bin(&packer, id, THSI_NODE_ID_SIZE);
        pack_text(identity->name, &packer);
        pack_text(identity->address, &packer);
        pack_text(identity->roles, &packer);
        pack_text(identity->scopes, &packer);
    }
    if (proof) {
        thsi_pack_bin(&packer, proof->public_key, THSI_KEY_SIZE);
        thsi_pack_bin(&packer, (const uint8_t *)proof->certificate, proof->certificate_len);
    }
    assert(!packer.overflow);
    return packer.len;
}

/* ---- Unpacking --------------------------------------------------------------------------- */

/* Exactly @size bytes. */
static void unpack_bytes(struct thsi_unpacker *unpacker, uint8_t *out, uint32_t size)
{
    uint32_t len;
    const uint8_t *bytes = thsi_unpack_bin(unpacker, size, &len);

    if (unpacker->err == THS_OK && len == size)
        memcpy(out, bytes, size);
    else
        thsi_unpack_fail(unpacker, THS_MALFORMED);
}

static void unpack_identity(struct thsi_unpacker *unpacker, struct thsi_identity *identity)
{
    identity->version = (uint16_t)thsi_unpack_u64_max(unpacker, UINT16_MAX);
    identity->uid = thsi_unpack_u64(unpacker);
    identity->boot = thsi_unpack_u64(unpacker);
    identity->incarnation = thsi_unpack_u64_max(unpacker, THSI_INCARNATION_MAX);
    unpack_bytes(unpacker, identity->id, THSI_NODE_ID_SIZE);
    thsi_unpack_text(unpacker, identity->name, sizeof identity->name);
    thsi_unpack_text(unpacker, identity->address, sizeof identity->address);
    thsi_unpack_text(unpacker, identity->roles, sizeof identity->roles);
    thsi_unpack_text(unpacker, identity->scopes, sizeof identity->scopes);
}

static void unpack_proof(struct thsi_unpacker *unpacker, struct thsi_proof *proof)
{
    const uint8_t *certificate;
    uint32_t len;

    unpack_bytes(unpacker, proof->public_key, THSI_KEY_SIZE);
    certificate = thsi_unpack_bin(unpacker, THSI_CERTIFICATE_MAX, &len);
    if (unpacker->err != THS_OK)
        return;
    proof->certificate_len = (uint16_t)len;
    if (len > 0)
        memcpy(proof->certificate, certificate, len);
}

enum ths_err thsi_payload_unpack(struct thsi_identity *identity, struct thsi_proof *proof, const uint8_t *data,
                                 size_t len)
{
    uint32_t known = (identity ? IDENTITY_FIELDS : 0) + (proof ? PROOF_FIELDS : 0), fields;
    struct thsi_unpacker unpacker;

    thsi_unpacker_init(&unpacker, data, len);
    fields = thsi_unpack_array(&unpacker);
    if (fields < known)
        return THS_MALFORMED;
    if (identity)
        unpack_identity(&unpacker, identity);
    if (proof)
        unpack_proof(&unpacker, proof);
    for (uint32_t i = known; i < fields && unpacker.err == THS_OK; i++)
        thsi_unpack_skip(&unpacker); /* what a newer version appended */
    if (thsi_unpack_finish(&unpacker) != THS_OK || (identity && thsi_identity_check(identity) != THS_OK))
        return THS_MALFORMED;
    return THS_OK;
}
