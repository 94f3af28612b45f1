/* Cycles of asks: actors of this node that wait for each other.
 *
 * When the deadline of an ask has come, and before the ask is closed, its actor looks whether the one it asked waits for
 * it: it walks over the open asks of others at a glance (ask_table.h). That finds every cycle whose asks are all open when
 * the first deadline comes: whoever closes the first of them walks before, while the others still stand. For that a walk
 * acquires what closing releases: it cannot be that each of two sees the other's ask closed. A list that changes under the
 * walk is looked at again, a few times.
 *
 * Asks of other nodes are not followed, nor more than THSI_CYCLE_MAX actors in a row. */

#ifndef THSI_NODE_ASK_CYCLE_H
#define THSI_NODE_ASK_CYCLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thiasos/actor.h"

enum {
    THSI_CYCLE_MAX = 8,    /* actors */
    THSI_CYCLE_TEXT = 704, /* room for all their names */
    THSI_CYCLES_KEPT = 32  /* cycles that are not logged again */
};

struct thsi_cycles {
    pthread_mutex_t lock;
    uint64_t seen[THSI_CYCLES_KEPT]; /* hashes of their members, oldest overwritten */
    uint32_t next;
};

/* Whether @target waits for the running actor, itself or through others. Then @text says who waits for whom, and it is
 * logged unless that was done before. Thread: the running actor's worker. */
bool thsi_ask_find_cycle(struct ths_ctx *ctx, ths_ref target, char text[THSI_CYCLE_TEXT]);

#endif /* THSI_NODE_ASK_CYCLE_H */
