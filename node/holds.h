/* Holds: how many have a claim on an actor that is to stop when nobody has.
 *
 * Kept beside the actors, under a lock: any thread may hold and release, and the actor may end meanwhile. Few actors are held. */

#ifndef THSI_NODE_HOLDS_H
#define THSI_NODE_HOLDS_H

#include <pthread.h>

#include "node/base/map.h"
#include "thiasos/err.h"
#include "thiasos/ref.h"

struct ths_ctx;

struct thsi_holds {
    pthread_mutex_t lock;
    struct thsi_map map; /* to struct thsi_hold, which holds its key */
};

void thsi_holds_init(struct thsi_holds *holds, struct ths_env *env);
void thsi_holds_fini(struct thsi_holds *holds);

/* @ref, a new actor, is held once. Errors: NOMEM. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_holds_put(struct thsi_holds *holds, ths_ref ref);

/* It is no more. Thread: any. */
void thsi_holds_remove(struct thsi_holds *holds, ths_ref ref);

/* One more. Errors: INVALID (it is not held at all), CLOSED (the last hold was released), TOO_MANY. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_holds_add(struct thsi_holds *holds, ths_ref ref);

/* One less. *@last: it was the last. Errors: INVALID (nobody holds it). Thread: any. */
THS_MUST_CHECK enum ths_err thsi_holds_take(struct thsi_holds *holds, ths_ref ref, bool *last);
/* The last was taken in vain: it is there again. */
void thsi_holds_restore(struct thsi_holds *holds, ths_ref ref);

/* A hold of an actor of this node is given back in the name of @by: with the last one it is asked to stop. Errors: INVALID, and
 * those of a stop. Thread: @ctx's, entered. */
enum ths_err thsi_holds_release(struct ths_ctx *ctx, ths_ref by, ths_ref whom);

#endif /* THSI_NODE_HOLDS_H */
