/* Traffic: couriers on several nodes that tell and ask each other all the time, and count every message.
 *
 * A tell carries its number among those from one courier to another. A courier that hears another number than the next says
 * so in `wrong`; so do an ask that is answered with another number, and one that is not answered. */

#ifndef THS_TESTS_LIB_TRAFFIC_H
#define THS_TESTS_LIB_TRAFFIC_H

#include <stdatomic.h>

#include "thiasos/thiasos.h"

enum { TRAFFIC_NODES_MAX = 4 };

/* From courier to courier. Any thread may read. */
struct traffic {
    _Atomic uint64_t told[TRAFFIC_NODES_MAX][TRAFFIC_NODES_MAX], heard[TRAFFIC_NODES_MAX][TRAFFIC_NODES_MAX];
    _Atomic uint64_t asked, answered, wrong;
    _Atomic bool paused; /* nothing new is sent */
};

extern struct traffic traffic;

/* Begin anew. */
void traffic_reset(void);

/* Start a courier on each of @count nodes, and make them known to each other. */
void traffic_begin(struct ths_node *const *nodes, unsigned count);

/* Whether all that was sent has come, and is answered. Only when paused does that say much. */
bool traffic_has_arrived(void);

/* Of all pairs together. */
uint64_t traffic_heard(void);

#endif /* THS_TESTS_LIB_TRAFFIC_H */
