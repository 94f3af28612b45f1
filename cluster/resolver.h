/* Resolver: names of hosts to addresses, beside the driver, because DNS may take its time.
 *
 * A task of its own takes requests in order and puts the answers where the driver finds them. A lookup that hangs when
 * the node stops is not waited for: its thread then finishes alone and takes the resolver with it. */

#ifndef THSI_CLUSTER_RESOLVER_H
#define THSI_CLUSTER_RESOLVER_H

#include "cluster/seeds.h"
#include "cluster/transport.h"
#include "node/runtime.h"

#define THSI_RESOLVER_QUEUE 64u
#define THSI_RESOLVED_MAX 16u

struct thsi_resolver;

/* What was asked, and after it was looked up, what was found. */
struct thsi_resolution {
    uint64_t uid;                           /* of the node to dial there; 0: a seed */
    char address[THSI_SEED_SIZE];           /* as asked */
    size_t count;                           /* 0: it does not resolve (yet) */
    char found[THSI_RESOLVED_MAX][64];
};

/* Borrows all; @wake(@wake_arg) is called after each answer (thread: the resolver's). Starts the task.
 * Gives; thsi_resolver_stop. NULL when memory or threads are out. */
struct thsi_resolver *thsi_resolver_start(struct thsi_runtime *runtime, struct thsi_transport *transport,
                                          void (*wake)(void *arg), void *wake_arg);

/* Wake is called no more afterwards. NULL is ignored. */
void thsi_resolver_stop(struct thsi_resolver *resolver);

/* Queue a request; @address is copied. Errors: FULL. Thread: the driver's. */
THS_MUST_CHECK enum ths_err thsi_resolver_ask(struct thsi_resolver *resolver, uint64_t uid, const char *address);

/* The next answer, copied to @out. Thread: the driver's. */
bool thsi_resolver_next(struct thsi_resolver *resolver, struct thsi_resolution *out);

/* Whether there is one. Thread: any. */
bool thsi_resolver_ready(struct thsi_resolver *resolver);

#endif /* THSI_CLUSTER_RESOLVER_H */
