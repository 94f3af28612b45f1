/* Identity: who a node is, as it says itself, and what proves it, as the messages of a handshake carry them.
 *
 * Pure. Thread: any. */

#ifndef THSI_CODEC_IDENTITY_H
#define THSI_CODEC_IDENTITY_H

#include "codec/certificate.h"
#include "codec/identity_key.h"
#include "codec/wire.h"
#include "thiasos/err.h"

#define THSI_IDENTITY_TEXT_MAX 255u
#define THSI_INCARNATION_MAX (UINT64_C(1) << 62) /* of a membership: a larger one could not be told on */

/* Who a node is, as it says itself. The name is of [A-Za-z0-9_.-], the other texts are UTF-8 without control
 * characters; name and address are not empty. All are NUL-terminated. */
struct thsi_identity {
    uint64_t uid;         /* of the running node; never 0 */
    uint64_t boot;        /* larger than any earlier one of this id */
    uint64_t incarnation; /* of its membership */
    uint16_t version;     /* chosen by the responder for this link; in HELLO1 the initiator's highest */
    uint8_t id[THSI_NODE_ID_SIZE]; /* thsi_cluster_node_id of name, or with node keys thsi_static_node_id; proved */
    char name[THSI_NODE_NAME_SIZE];
    char address[THSI_IDENTITY_TEXT_MAX + 1]; /* "HOST:PORT" where it can be dialed, as it believes */
    char roles[THSI_IDENTITY_TEXT_MAX + 1];   /* "counter,web" */
    char scopes[THSI_IDENTITY_TEXT_MAX + 1];  /* of groups: "default" */
};

/* What a node with a node key shows. */
struct thsi_proof {
    uint8_t public_key[THSI_KEY_SIZE]; /* Ed25519 */
    uint16_t certificate_len;          /* 0: it has none */
    char certificate[THSI_CERTIFICATE_MAX];
};

/* A node's own key, secret: wipe it. proof.public_key is that of key. */
struct thsi_credential {
    struct thsi_identity_key key;
    struct thsi_proof proof;
};

/* Whether @identity may be sent and believed: what its comment says of its texts, and a uid that is not 0.
 * Errors: INVALID. */
THS_MUST_CHECK
enum ths_err thsi_identity_check(const struct thsi_identity *identity);

/* ---- Payloads of the handshake's messages --------------------------------------------------- */

/* Heads, version, three numbers, id, name and three texts, key and certificate, each in its longest form. */
#define THSI_PAYLOAD_MAX                                                                                      \
    (1 + 3 + 3 * 9 + 2 + THSI_NODE_ID_SIZE + 2 + (THSI_NODE_NAME_SIZE - 1) + 3 * (2 + THSI_IDENTITY_TEXT_MAX) + \
     2 + THSI_KEY_SIZE + 3 + THSI_CERTIFICATE_MAX)

/* Pack @identity (NULL: not) with @version and @id in place of its own, and @proof (NULL: not), into @out of
 * THSI_PAYLOAD_MAX bytes. At least one of them. Both borrowed, and good. Returns the length. */
size_t thsi_payload_pack(const struct thsi_identity *identity, uint16_t version, const uint8_t *id,
                         const struct thsi_proof *proof, uint8_t *out);

/* Read what pack wrote: what is NULL is not expected. What a newer version appended is skipped. id is only read, not
 * checked. Errors: MALFORMED. */
THS_MUST_CHECK
enum ths_err thsi_payload_unpack(struct thsi_identity *identity, struct thsi_proof *proof, const uint8_t *data,
                                 size_t len);

#endif /* THSI_CODEC_IDENTITY_H */
