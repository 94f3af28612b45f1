/* Names: what is registered on this node, by name. Two of them: actors, and behaviours that may be started from afar. */

#ifndef THSI_NODE_NAMES_H
#define THSI_NODE_NAMES_H

#include <pthread.h>

#include "node/base/map.h"
#include "thiasos/actor.h"

struct thsi_names {
    pthread_mutex_t lock;
    struct thsi_map map; /* to struct thsi_name, which holds its key */
};

void thsi_names_init(struct thsi_names *names, struct ths_env *env);
void thsi_names_fini(struct thsi_names *names);

/* Whether @name is 1 to THS_NAME_SIZE - 1 of [A-Za-z0-9_.:/-]. Pure. */
bool thsi_name_valid(const char *name);

/* Register @ref or @behaviour under @name (copied). Errors: INVALID, NAME_TAKEN, NOMEM. Thread: any. */
THS_MUST_CHECK enum ths_err thsi_names_put(struct thsi_names *names, const char *name, ths_ref ref,
                                           struct ths_behaviour *behaviour);

/* False: nothing has that name. @ref and @behaviour may be NULL. Thread: any. */
bool thsi_names_get(struct thsi_names *names, const char *name, ths_ref *ref, struct ths_behaviour **behaviour);

/* The name of @ref, or "", to @out of THS_NAME_SIZE bytes. Looks at every name. Thread: any. */
void thsi_names_of(struct thsi_names *names, ths_ref ref, char *out);

/* Release @name if @ref holds it. Thread: any. */
void thsi_names_remove(struct thsi_names *names, const char *name, ths_ref ref);

#endif /* THSI_NODE_NAMES_H */
