/* Handover: see handover.h. */

#include "cluster/handover.h"

#include <string.h>

static bool same(const struct thsi_fingerprint *a, const struct thsi_fingerprint *b)
{
    return memcmp(a->at, b->at, sizeof a->at) == 0;
}

static bool holds(const struct thsi_fingerprints *some, const struct thsi_fingerprint *one)
{
    for (unsigned i = 0; i < some->count; i++)
        if (same(&some->of[i], one))
            return true;
    return false;
}

/* Whether all of @some are in @others. */
static bool within(const struct thsi_fingerprints *some, const struct thsi_fingerprints *others)
{
    for (unsigned i = 0; i < some->count; i++)
        if (!holds(others, &some->of[i]))
            return false;
    return true;
}

char *thsi_fingerprint_print(const struct thsi_fingerprint *fingerprint, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < sizeof fingerprint->at; i++) {
        out[2 * i] = digits[fingerprint->at[i] >> 4];
        out[2 * i + 1] = digits[fingerprint->at[i] & 15];
    }
    out[2 * sizeof fingerprint->at] = '\0';
    return out;
}

struct thsi_fingerprints thsi_handover_fingerprints(const struct thsi_keyring *keyring)
{
    struct thsi_fingerprints own = { .count = keyring->count };

    for (unsigned i = 0; i < keyring->count; i++)
        thsi_cluster_key_fingerprint(&keyring->keys[i], own.of[i].at);
    return own;
}

void thsi_handover_begin(struct thsi_handover *handover, const uint8_t *fingerprint)
{
    memset(handover, 0, sizeof *handover);
    memcpy(handover->sending.at, fingerprint, THSI_KEY_ID_SIZE);
    handover->receiving = handover->sending;
    handover->told.of[0] = handover->sending;
    handover->told.count = 1;
    handover->heard = handover->told;
    handover->since_ns = UINT64_MAX;
}

/* The best key that both hold, or NULL. */
static const struct thsi_fingerprint *best(const struct thsi_fingerprints *own, const struct thsi_fingerprints *heard)
{
    for (unsigned i = 0; i < own->count; i++)
        if (holds(heard, &own->of[i]))
            return &own->of[i];
    return NULL;
}

enum thsi_handover_step thsi_handover_next(struct thsi_handover *handover, const struct thsi_fingerprints *own,
                                           uint64_t now_ns, struct thsi_fingerprint *target)
{
    const struct thsi_fingerprint *wanted = best(own, &handover->heard);

    /* The order of the keyring is this node's own affair. */
    if (!within(own, &handover->told) || !within(&handover->told, own))
        return THSI_HANDOVER_TELL;
    if (wanted && !same(wanted, &handover->sending)) {
        *target = *wanted;
        return THSI_HANDOVER_MOVE;
    }
    if (wanted && holds(own, &handover->receiving))
        handover->since_ns = UINT64_MAX;
    else if (handover->since_ns == UINT64_MAX)
        handover->since_ns = now_ns;
    return now_ns >= thsi_handover_deadline_ns(handover) ? THSI_HANDOVER_EXPIRE : THSI_HANDOVER_NOTHING;
}

void thsi_handover_told(struct thsi_handover *handover, const struct thsi_fingerprints *own)
{
    handover->told = *own;
}

void thsi_handover_moved(struct thsi_handover *handover, const struct thsi_fingerprint *target)
{
    handover->sending = *target;
}

enum ths_err thsi_handover_heard(struct thsi_handover *handover, const uint8_t *bytes, size_t len)
{
    if (len == 0 || len % THSI_KEY_ID_SIZE != 0 || len / THSI_KEY_ID_SIZE > THSI_KEYRING_MAX)
        return THS_MALFORMED;
    handover->heard.count = (unsigned)(len / THSI_KEY_ID_SIZE);
    for (unsigned i = 0; i < handover->heard.count; i++)
        memcpy(handover->heard.of[i].at, bytes + i * THSI_KEY_ID_SIZE, THSI_KEY_ID_SIZE);
    return THS_OK;
}

void thsi_handover_followed(struct thsi_handover *handover, const uint8_t *fingerprint)
{
    memcpy(handover->receiving.at, fingerprint, THSI_KEY_ID_SIZE);
}

bool thsi_handover_is_settled(const struct thsi_handover *handover, const struct thsi_fingerprints *own)
{
    return same(&handover->sending, &own->of[0]) && same(&handover->receiving, &own->of[0]);
}

uint64_t thsi_handover_deadline_ns(const struct thsi_handover *handover)
{
    return handover->since_ns == UINT64_MAX ? UINT64_MAX : handover->since_ns + THSI_HANDOVER_GRACE_NS;
}
