/* Cancels: requests from other nodes that were taken back and may still wait in a mailbox.
 *
 * A request of this node says for itself whether its asker still waits (ask_table.h). For one of another node the cancel comes
 * behind it through the same mailbox, too late to spare the work; so it is noted here, beside the queue, from when it
 * comes to this node until its actor takes it out. There is room for many at a time; what does not fit is handled in vain. */

#ifndef THSI_NODE_CANCELS_H
#define THSI_NODE_CANCELS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "thiasos/ref.h"

enum { THSI_CANCELS_MAX = 256 };

struct thsi_cancels {
    pthread_mutex_t lock;
    _Atomic uint32_t count; /* written under the lock */
    struct thsi_cancel {
        ths_ref asker;
        uint64_t id;
    } noted[THSI_CANCELS_MAX];
};

/* All calls: any thread. */
void thsi_cancels_note(struct thsi_cancels *cancels, ths_ref asker, uint64_t id);
void thsi_cancels_forget(struct thsi_cancels *cancels, ths_ref asker, uint64_t id);

bool thsi_cancels_has_slow(struct thsi_cancels *cancels, ths_ref asker, uint64_t id);

static inline bool thsi_cancels_has(struct thsi_cancels *cancels, ths_ref asker, uint64_t id)
{
    /* Relaxed: one that is just being noted may be missed, as one that comes a moment later is. */
    return atomic_load_explicit(&cancels->count, memory_order_relaxed) > 0 && thsi_cancels_has_slow(cancels, asker, id);
}

#endif /* THSI_NODE_CANCELS_H */
