/* Credit: how many messages may still be sent to the mailboxes of another node that are under pressure.
 *
 * Each side of a link has a table of such mailboxes in each direction, bounded, and emptied with the link:
 *
 *     the sender's      CREDIT came: so many more messages, then its senders hear FULL; no entry: no limit
 *     the receiver's    what it granted and what of that has come
 *
 *                 refused FULL                  half of it is free: granted a share of the free places
 *     no entry ────────────────▶ WAITS, 0 left ────────────────────────────────────────▶ HAS some left
 *         ▲                          ▲                                                     │
 *         │ three quarters are free  └──────────── refused, or less than half is free ─────┤ the last has come
 *         └────────────────────────────────────────────────────────────────────────────────┘
 *
 * So a sender hears FULL when the receiver takes no more, and no limit is left on one that keeps up. An entry goes only when
 * the other side was told. Pure; the caller serialises. */

#ifndef THSI_CLUSTER_CREDIT_H
#define THSI_CLUSTER_CREDIT_H

#include "codec/envelope.h"

#define THSI_CREDITS_MAX 256u
#define THSI_CREDIT_HEADS 128u

struct thsi_credit {
    struct thsi_actor_id actor; /* generation 0: the entry is free */
    uint32_t left;              /* messages */
    uint16_t next;              /* in its list, one more than its place; 0: the last */
    bool waits;                 /* the receiver's: for room in the mailbox */
    bool owed;                  /* the receiver's: the other side could not be told yet what is in `left` */
};

struct thsi_credits {
    struct thsi_credit entries[THSI_CREDITS_MAX];
    uint16_t heads[THSI_CREDIT_HEADS];
    uint16_t free;              /* list of free entries */
    uint16_t count;
};

/* Empty. */
void thsi_credits_init(struct thsi_credits *credits);

/* The entry of @actor, or NULL. Lends until it is removed. */
struct thsi_credit *thsi_credits_find(struct thsi_credits *credits, struct thsi_actor_id actor);

/* A new entry of @actor, which has none, with nothing left. NULL when the table is full. */
struct thsi_credit *thsi_credits_add(struct thsi_credits *credits, struct thsi_actor_id actor);

void thsi_credits_remove(struct thsi_credits *credits, struct thsi_credit *credit);

/* The sender's: what CREDIT says, THSI_CREDIT_NO_LIMIT or a number. A limit that finds no place is forgotten: the receiver
 * refuses what is too much. */
void thsi_credits_set(struct thsi_credits *credits, struct thsi_actor_id actor, uint64_t places);

/* The receiver's: what to grant a mailbox of @capacity places, of which @places are free, at least half of them, when
 * @sharers nodes send to it; THSI_CREDIT_NO_LIMIT when it keeps up: it need not be waited for although all was used. */
uint64_t thsi_credit_grant(uint32_t places, uint32_t capacity, uint32_t sharers, bool waited);

/* Assert all that is believed about it. */
void thsi_credits_check(const struct thsi_credits *credits);

#endif /* THSI_CLUSTER_CREDIT_H */
