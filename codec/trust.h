/* Trust: which nodes are admitted, by their node keys, and with which rights.
 *
 * Two files of text. The allow list names nodes by their public keys, and authorities whose certificates count:
 *
 *     thiasos-allow 1
 *     # what follows a '#' is for people
 *     node <64 hexadecimal digits> name=a roles=counter,web rights=send,ask
 *     authority <64 hexadecimal digits> rights=send,ask,monitor
 *
 * What a node's line leaves out is not limited; what an authority's certificate gives is cut to the line's rights. The
 * revocation list takes back what others gave:
 *
 *     thiasos-revoked 1
 *     serial 7405862043398016611
 *     key <64 hexadecimal digits>
 *
 * Pure; memory through the environment. One owner, who serialises. */

#ifndef THSI_CODEC_TRUST_H
#define THSI_CODEC_TRUST_H

#include "codec/certificate.h"
#include "thiasos/env.h"

#define THSI_TRUST_FILE_MAX (1024u * 1024) /* bytes of either list */
#define THSI_TRUST_NODES_MAX 4096u
#define THSI_TRUST_AUTHORITIES_MAX 16u
#define THSI_TRUST_REVOKED_MAX 16384u
#define THSI_TRUST_REASON_SIZE 128

/* An entry of the allow list. */
struct thsi_trusted {
    uint8_t key[THSI_KEY_SIZE]; /* Ed25519 */
    char name[THSI_NODE_NAME_SIZE];            /* a node's; "": any */
    char roles[THSI_CERTIFICATE_LIST_MAX + 1]; /* a node's; "*": any */
    uint32_t rights;
};

struct thsi_revoked {
    bool is_key;
    uint64_t serial;
    uint8_t node_id[THSI_NODE_ID_SIZE]; /* of the key */
};

struct thsi_trust {
    struct ths_env *env; /* borrowed; only its memory is used */
    struct thsi_trusted *nodes;
    size_t nodes_count, nodes_cap;
    struct thsi_trusted authorities[THSI_TRUST_AUTHORITIES_MAX];
    size_t authorities_count;
    struct thsi_revoked *revoked;
    size_t revoked_count, revoked_cap;
};

/* What a node shows when it asks to be admitted. All borrowed. */
struct thsi_applicant {
    const uint8_t *public_key;   /* its node key's, proved by the handshake */
    const char *name, *roles;    /* what it says of itself */
    const char *certificate;     /* NULL: none */
    size_t certificate_len;
};

struct thsi_verdict {
    bool admitted;
    uint32_t rights;
    uint64_t until_ms; /* since 1970, when the certificate expires; UINT64_MAX: never */
    const char *why;   /* of a refusal, "its certificate has expired". Lends a constant; "" when admitted */
};

/* Nobody is trusted. Borrows @env until fini. */
void thsi_trust_init(struct thsi_trust *trust, struct ths_env *env);

/* May be called twice. */
void thsi_trust_fini(struct thsi_trust *trust);

/* Read an allow list or a revocation list into an empty @trust, or one that has the other list. @text is borrowed.
 * @reason gets what is wrong, with the line's number.
 * Errors: MALFORMED, TOO_BIG (more entries than there may be), NOMEM. @trust then is to be ended. */
THS_MUST_CHECK
enum ths_err thsi_trust_read_allowed(struct thsi_trust *trust, const char *text, size_t len, char *reason);
THS_MUST_CHECK
enum ths_err thsi_trust_read_revoked(struct thsi_trust *trust, const char *text, size_t len, char *reason);

/* Decide. An entry of the allow list decides alone; else the certificate does. What is revoked is refused in any case. */
void thsi_trust_judge(const struct thsi_trust *trust, const struct thsi_applicant *applicant, uint64_t wall_ms,
                      struct thsi_verdict *verdict);

#endif /* THSI_CODEC_TRUST_H */
