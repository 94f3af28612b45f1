/* Gossip: the packets that the pure cores of two nodes exchange, and the list in which a core gives them to the driver.
 *
 * To everything below them packets are bytes inside GOSSIP records. A packet is one msgpack array whose first element
 * says what it is; fields are only ever appended. A batch belongs to one core, which empties it at the start of each
 * step, so what it holds is lent until the core's next step. */

#ifndef THSI_CLUSTER_GOSSIP_H
#define THSI_CLUSTER_GOSSIP_H

#include "codec/envelope.h"
#include "thiasos/env.h"

enum thsi_gossip_kind {
    THSI_GOSSIP_HEARTBEAT = 1,  /* membership: a sign of life, with what changed lately */
    THSI_GOSSIP_MEMBERS = 2,    /* membership: what the sender knows of some members */
    THSI_GOSSIP_LEAVING = 3,    /* membership: the sender leaves; nothing follows */
    THSI_GOSSIP_DELTA = 16,     /* groups: changes of the sender's own entries in a scope */
    THSI_GOSSIP_SNAPSHOT = 17,  /* groups: a part of all of them */
    THSI_GOSSIP_DIGEST = 18,    /* groups: what the receiver should hold of them */
    THSI_GOSSIP_REPAIR = 19     /* groups: send me a snapshot */
};

/* Which core a received packet is for: true for groups, false for membership (which also refuses what is neither). */
bool thsi_gossip_is_for_groups(const uint8_t *packet, size_t len);

/* One packet for one node. */
struct thsi_gossip_send {
    uint64_t uid;
    const uint8_t *packet; /* lent until the core's next step; several sends may share it */
    size_t len;            /* at most THSI_GOSSIP_MAX */
    bool ordered;          /* keeps its place among signals; else it goes before them */
};

/* Fields are for gossip.c; a core reads sends and count when it fills its update. */
struct thsi_gossip_batch {
    struct ths_env *env;   /* borrowed */
    struct thsi_gossip_send *sends;
    size_t count, cap;
    struct thsi_gossip_page *pages; /* the newest first */
    uint64_t dropped;      /* packets and sends for which there was no memory, since init */
};

/* Borrows @env for the batch's life. */
void thsi_gossip_batch_init(struct thsi_gossip_batch *batch, struct ths_env *env);
void thsi_gossip_batch_fini(struct thsi_gossip_batch *batch);

/* Forget all packets. */
void thsi_gossip_batch_reset(struct thsi_gossip_batch *batch);

/* Begin a packet with @room bytes of room, at most THSI_GOSSIP_MAX. One packet at a time.
 * False when memory is out (counted as dropped). */
THS_MUST_CHECK bool thsi_gossip_begin(struct thsi_gossip_batch *batch, struct thsi_packer *packer, size_t room);

/* Address the packet in @packer, begun last, to one more node. When memory is out, or the packet has overflowed, it is
 * dropped and counted: all gossip is repeated, so a lost packet costs time only. */
void thsi_gossip_send(struct thsi_gossip_batch *batch, const struct thsi_packer *packer, uint64_t uid, bool ordered);

/* An array whose length is known only after its items: open it, pack them, close it with their number. Up to 65,535. */
size_t thsi_gossip_array_open(struct thsi_packer *packer);
void thsi_gossip_array_close(struct thsi_packer *packer, size_t at, size_t count);

/* The head of an array of at least @fields items (else MALFORMED, sticky); returns how many more there are, which a
 * newer version appended and thsi_gossip_skip passes over. */
uint32_t thsi_gossip_fields(struct thsi_unpacker *unpacker, uint32_t fields);
void thsi_gossip_skip(struct thsi_unpacker *unpacker, uint32_t count);

static inline size_t thsi_packer_room(const struct thsi_packer *packer)
{
    return packer->cap - packer->len;
}

/* Spread the bits of @value over all 64: for digests and hash tables, not for secrets. */
static inline uint64_t thsi_mix(uint64_t value)
{
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    return value ^ (value >> 32);
}

#endif /* THSI_CLUSTER_GOSSIP_H */
