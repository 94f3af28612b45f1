/* Handover: how a link that is up goes from one cluster key to another.
 *
 * A node tells the other side which keys it holds, by their fingerprints, as soon as these are not just the one of the
 * handshake, and again whenever its keyring changes. Each side then seals with the best key that both hold: the first
 * of its own keyring that the other side has told of. It changes to it between two frames, so all that is on its way
 * arrives. Nothing has to be asked or agreed upon, the directions do not wait for each other, and whatever the order in
 * which keyrings change, the last word of both leads to the same end.
 *
 * A link whose sides hold no key together, or that the other side goes on using with a key that was removed here, is
 * given THSI_HANDOVER_GRACE_NS to change that, and is due to be closed then.
 *
 * Pure. One owner. */

#ifndef THSI_CLUSTER_HANDOVER_H
#define THSI_CLUSTER_HANDOVER_H

#include "codec/keys.h"

#define THSI_HANDOVER_GRACE_NS UINT64_C(10000000000)

struct thsi_fingerprint {
    uint8_t at[THSI_KEY_ID_SIZE];
};

/* In the order of a keyring. */
struct thsi_fingerprints {
    struct thsi_fingerprint of[THSI_KEYRING_MAX];
    unsigned count;
};

struct thsi_handover {
    struct thsi_fingerprint sending, receiving; /* what each direction is sealed with */
    struct thsi_fingerprints told, heard;       /* what the other side knows of this one, and this one of it */
    uint64_t since_ns;                          /* when the link began to lack a common key; UINT64_MAX: it does not */
};

enum thsi_handover_step {
    THSI_HANDOVER_NOTHING,
    THSI_HANDOVER_TELL,  /* send the fingerprints of the keyring, then say thsi_handover_told */
    THSI_HANDOVER_MOVE,  /* send *target, change the key behind that frame, then say thsi_handover_moved */
    THSI_HANDOVER_EXPIRE /* close the link */
};

#define THSI_FINGERPRINT_TEXT_SIZE (THSI_KEY_ID_SIZE * 2 + 1)

/* In hexadecimal, as people see it, to @out of THSI_FINGERPRINT_TEXT_SIZE bytes. Returns @out. */
char *thsi_fingerprint_print(const struct thsi_fingerprint *fingerprint, char *out);

/* The fingerprints of @keyring (borrowed). */
struct thsi_fingerprints thsi_handover_fingerprints(const struct thsi_keyring *keyring);

/* A link is up, after a handshake with the key that has this fingerprint (THSI_KEY_ID_SIZE bytes, borrowed). */
void thsi_handover_begin(struct thsi_handover *handover, const uint8_t *fingerprint);

/* What is to be done, now that this node holds @own. */
enum thsi_handover_step thsi_handover_next(struct thsi_handover *handover, const struct thsi_fingerprints *own,
                                           uint64_t now_ns, struct thsi_fingerprint *target);
void thsi_handover_told(struct thsi_handover *handover, const struct thsi_fingerprints *own);
void thsi_handover_moved(struct thsi_handover *handover, const struct thsi_fingerprint *target);

/* The other side says what it holds (@len bytes, borrowed). Errors: MALFORMED (none, too many, or half a fingerprint). */
THS_MUST_CHECK enum ths_err thsi_handover_heard(struct thsi_handover *handover, const uint8_t *bytes, size_t len);

/* The other side has moved. */
void thsi_handover_followed(struct thsi_handover *handover, const uint8_t *fingerprint);

/* Whether both directions are sealed with the primary key of @own. */
bool thsi_handover_is_settled(const struct thsi_handover *handover, const struct thsi_fingerprints *own);

/* When next is to be asked although nothing has happened; UINT64_MAX: never. */
uint64_t thsi_handover_deadline_ns(const struct thsi_handover *handover);

#endif /* THSI_CLUSTER_HANDOVER_H */
