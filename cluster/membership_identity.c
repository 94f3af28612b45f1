/* Identities and refusals as gossip and links carry them. */

#include "cluster/membership.h"

#include <assert.h>

#include "codec/codes.h"

#define IDENTITY_FIELDS 8u
#define REFUSAL_FIELDS 3u

static_assert(4 + 4 * 9 + 2 + THSI_NODE_ID_SIZE + 3 * 4 + THSI_NODE_NAME_SIZE + 3 * (THSI_IDENTITY_TEXT_MAX + 1) <=
                  THSI_IDENTITY_PACKED_MAX,
              "an identity fits");

static void pack_text(struct thsi_packer *packer, const char *text)
{
    thsi_pack_str(packer, text, (uint32_t)strlen(text));
}

void thsi_identity_pack(const struct thsi_identity *identity, struct thsi_packer *packer)
{
    thsi_pack_array(packer, IDENTITY_FIELDS);
    thsi_pack_u64(packer, identity->uid);
    thsi_pack_u64(packer, identity->boot);
    thsi_pack_bin(packer, identity->id, sizeof identity->id);
    pack_text(packer, identity->name);
    pack_text(packer, identity->address);
    pack_text(packer, identity->roles);
    pack_text(packer, identity->scopes);
    thsi_pack_u64(packer, identity->incarnation);
}

static void unpack_id(struct thsi_unpacker *unpacker, uint8_t *id)
{
    uint32_t len;
    const uint8_t *bytes = thsi_unpack_bin(unpacker, THSI_NODE_ID_SIZE, &len);

    if (len == THSI_NODE_ID_SIZE)
        memcpy(id, bytes, len);
    else
        thsi_unpack_fail(unpacker, THS_MALFORMED);
}

void thsi_identity_unpack(struct thsi_identity *identity, struct thsi_unpacker *unpacker)
{
    uint32_t more;

    *identity = (struct thsi_identity){ 0 };
    more = thsi_gossip_fields(unpacker, IDENTITY_FIELDS);
    identity->uid = thsi_unpack_u64(unpacker);
    identity->boot = thsi_unpack_u64(unpacker);
    unpack_id(unpacker, identity->id);
    thsi_unpack_text(unpacker, identity->name, sizeof identity->name);
    thsi_unpack_text(unpacker, identity->address, sizeof identity->address);
    thsi_unpack_text(unpacker, identity->roles, sizeof identity->roles);
    thsi_unpack_text(unpacker, identity->scopes, sizeof identity->scopes);
    identity->incarnation = thsi_unpack_u64_max(unpacker, THSI_INCARNATION_MAX);
    thsi_gossip_skip(unpacker, more);
    if (identity->uid == 0 || identity->name[0] == '\0')
        thsi_unpack_fail(unpacker, THS_MALFORMED);
}

void thsi_member_refusal_pack(const struct thsi_member_refusal *refusal, struct thsi_packer *packer)
{
    thsi_pack_array(packer, REFUSAL_FIELDS);
    thsi_pack_u64(packer, refusal->err);
    thsi_pack_u64(packer, refusal->boot);
    thsi_pack_u64(packer, refusal->members);
}

void thsi_member_refusal_unpack(struct thsi_member_refusal *refusal, struct thsi_unpacker *unpacker)
{
    uint32_t more = thsi_gossip_fields(unpacker, REFUSAL_FIELDS);
    uint64_t err = thsi_unpack_u64_max(unpacker, UINT16_MAX);

    refusal->err = thsi_refusal_of_code(err);
    refusal->boot = thsi_unpack_u64(unpacker);
    refusal->members = thsi_unpack_u64(unpacker);
    thsi_gossip_skip(unpacker, more);
}
