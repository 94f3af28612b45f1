/* Relations: the links of an actor, its monitors, and who watches it; three sets of the same kind.
 *
 * A set is a list until it grows; then a table of chains as well, so that 100,000 watchers come and go in linear time. Monitors are
 * found by their id, which their actor has drawn; the others by actor and id, which others have chosen: so the hash is keyed.
 * Without memory for a larger table the chains get longer, and nothing is refused.
 *
 * A relation is a block of the pool in which a message of a signal without text has room: when memory is out at the very end,
 * the block itself carries the DOWN or EXIT (thsi_relation_become). So none is lost. */

#ifndef THSI_NODE_RELATIONS_H
#define THSI_NODE_RELATIONS_H

#include "node/pool.h"
#include "thiasos/ref.h"

struct thsi_message;
struct thsi_signal;

struct thsi_relation {
    struct thsi_relation *next;      /* in the set's list, newest first */
    struct thsi_relation **at;       /* what points to it there */
    bool shared;                     /* counted among those that its node has asked for (shares.h) */
    uint8_t size_class;              /* where a block has it (pool.h) */
    uint32_t asked, heard;           /* of a link: number of the last LINK sent and taken, 0: none (links.c) */
    struct thsi_relation *following; /* in its chain */
    ths_ref other;
    uint64_t id;                     /* of a monitor; 0: a link, or the monitor of a child's supervisor */
};

struct thsi_chains;

struct thsi_relations {
    struct thsi_relation *first;
    struct thsi_chains *chains;    /* NULL: few */
    uint32_t count;
    uint32_t elsewhere;            /* of those: with actors of other nodes */
    bool by_id;                    /* ids are unique: monitors */
};

/* A relation to be put in, or freed with thsi_relation_free; NULL: no memory. Thread, all: the pool's. */
struct thsi_relation *thsi_relation_new(struct thsi_pool *pool);

/* Put @relation (taken) in. Never fails. */
void thsi_relations_put(struct thsi_relations *set, struct thsi_pool *pool, uint64_t self, struct thsi_relation *relation,
                        ths_ref other, uint64_t id);

/* Both. Errors: NOMEM. */
THS_MUST_CHECK enum ths_err thsi_relations_add(struct thsi_relations *set, struct thsi_pool *pool, uint64_t self, ths_ref other,
                                               uint64_t id);

/* The one with this other and id; of a set by id also with NOBODY as other. NULL: there is none. Lent until it is taken. */
struct thsi_relation *thsi_relations_find(const struct thsi_relations *set, ths_ref other, uint64_t id);

/* Take it out of the set; then the caller's, who frees it with thsi_relation_free. */
void thsi_relations_take(struct thsi_relations *set, uint64_t self, struct thsi_relation *relation);
void thsi_relation_free(struct thsi_pool *pool, struct thsi_relation *relation);

/* Free the table of chains; the set is empty. */
void thsi_relations_fini(struct thsi_relations *set, struct thsi_pool *pool);

/* Make a message of @signal without its text out of the block of @relation, which no set holds (taken). Gives the message. */
struct thsi_message *thsi_relation_become(struct thsi_relation *relation, const struct thsi_signal *signal);

#endif /* THSI_NODE_RELATIONS_H */
