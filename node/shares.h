/* Shares: how many links and monitors the actors of each other node have asked for here, all actors of this node together.
 *
 * One actor's bound is no bound for a node: with a million actors a peer could ask each of them. The count falls when the
 * relation ends, for whatever reason. An entry for each node that has any; without relations to other nodes there is none. */

#ifndef THSI_NODE_SHARES_H
#define THSI_NODE_SHARES_H

#include <pthread.h>

#include "node/base/map.h"
#include "thiasos/err.h"

struct thsi_shares {
    pthread_mutex_t lock;
    struct thsi_map map; /* of entries by uid */
};

/* Borrows @env until fini. */
void thsi_shares_init(struct thsi_shares *shares, struct ths_env *env);
void thsi_shares_fini(struct thsi_shares *shares);

/* One more for the node @uid, of at most @max. *@first: it is refused for the first time. Errors: TOO_MANY, NOMEM. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_shares_take(struct thsi_shares *shares, uint64_t uid, uint32_t max, bool *first);

/* One less; it was taken before. Thread: any. */
void thsi_shares_give_back(struct thsi_shares *shares, uint64_t uid);

#endif /* THSI_NODE_SHARES_H */
