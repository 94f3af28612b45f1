/* Senders: of whom the messages are that leave for one node, so that a lost link is told to those who sent.
 *
 * Entries lie in the order in which their messages leave. A row of messages of one pair is one entry, so a sender that is
 * alone costs a comparison a message. What there is no memory for is in no entry: it is lost without a name.
 *
 *     add ... the frame leaves: take ... acknowledged: forget, or lost: copy and forget
 *
 * Pure but for memory. The caller serialises all calls for one of them. */

#ifndef THSI_CLUSTER_SENDERS_H
#define THSI_CLUSTER_SENDERS_H

#include <assert.h>

#include "codec/envelope.h"
#include "thiasos/env.h"

#define THSI_SENDERS_RECENT 4u     /* entries of a frame that are looked at for the same pair */
#define THSI_SENDERS_RECEIVERS 64u /* entries that one sender is told of at most */

struct thsi_sender {
    struct thsi_actor_id from, to; /* to {0, 0}: several */
    uint32_t count;
};

struct thsi_senders {
    struct thsi_sender *entries;
    size_t start, end, cap;
    size_t taken;                /* the first so many have left */
};

void thsi_senders_fini(struct thsi_senders *senders, struct ths_env *env);

/* Count a message from @from to @to behind all others; @own of the last entries are of the same frame. Returns how many
 * entries that made: 0 or 1. */
uint32_t thsi_senders_add(struct thsi_senders *senders, struct ths_env *env, struct thsi_actor_id from,
                          struct thsi_actor_id to, uint32_t own);

/* The next @count entries leave. */
static inline void thsi_senders_take(struct thsi_senders *senders, size_t count)
{
    senders->taken += count;
    assert(senders->taken <= senders->end - senders->start);
}

/* The first @count, which have left, are done with. */
void thsi_senders_forget(struct thsi_senders *senders, size_t count);

/* Order @entries by sender and receiver and join those of one pair; of what is beyond THSI_SENDERS_RECEIVERS of one sender the
 * rest is one entry, to several. Returns how many are left. */
size_t thsi_senders_gather(struct thsi_sender *entries, size_t count);

#endif /* THSI_CLUSTER_SENDERS_H */
