/* Poller: the network's work, done by a worker that has nothing to run.
 *
 * A message from another node would wake the network's thread, which wakes a worker: two wakes of some 20 us each. A worker
 * without work takes the network over instead of sleeping on its word, so that it runs itself what it received, and
 * sends itself what its actors sent. While all workers are busy the network's own thread does it (cluster/driver.c).
 *
 * A worker that waits for the network is parked like any other (parking.h), only that it sleeps in `wait`. Who wakes it sets
 * its word and then looks at `inside`; the worker sets `inside` to WAITS and then looks at its word. Both sequentially
 * consistent, so one of them sees the other (Dekker). */

#ifndef THSI_NODE_POLLER_H
#define THSI_NODE_POLLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct thsi_poller {
    /* Take the network over; false: another has it. With @insist it is asked to give it up soon, to one that parks.
     * Never blocks. */
    bool (*begin)(struct thsi_poller *poller, bool insist);

    /* Between begin and end: do what there is to do now. False: nothing; *@deadline_ns is when there will be something,
     * UINT64_MAX for never. */
    bool (*step)(struct thsi_poller *poller, uint64_t *deadline_ns);

    /* Between begin and end: wait for the network, for poke, or until @deadline_ns. */
    void (*wait)(struct thsi_poller *poller, uint64_t deadline_ns);

    void (*end)(struct thsi_poller *poller);

    /* Have the wait that runs or comes next return at once. Thread: any. */
    void (*poke)(struct thsi_poller *poller);
};

/* What one worker is doing with the poller: one of thsi_polling.inside. */
enum { THSI_POLLING_NOT, THSI_POLLING_STEPS, THSI_POLLING_WAITS };

struct thsi_polling {
    _Atomic uint32_t inside; /* written by the worker alone */
};

/* The poller in @place, begun, or NULL. Who takes the poller out of its place looks at `inside` after: sequentially
 * consistent, as with the router (send.h). Thread: the worker. */
static inline struct thsi_poller *thsi_polling_begin(struct thsi_polling *polling, _Atomic(struct thsi_poller *) *place,
                                                     bool insist)
{
    struct thsi_poller *poller;

    atomic_store_explicit(&polling->inside, THSI_POLLING_STEPS, memory_order_seq_cst);
    poller = atomic_load_explicit(place, memory_order_seq_cst);
    if (poller && poller->begin(poller, insist))
        return poller;
    atomic_store_explicit(&polling->inside, THSI_POLLING_NOT, memory_order_release);
    return NULL;
}

/* Release: who sees NOT sees that the calls are over. */
static inline void thsi_polling_end(struct thsi_polling *polling, struct thsi_poller *poller)
{
    poller->end(poller);
    atomic_store_explicit(&polling->inside, THSI_POLLING_NOT, memory_order_release);
}

#endif /* THSI_NODE_POLLER_H */
