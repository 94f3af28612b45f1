/* Worker: a thread that runs actors.
 *
 * An actor is in at most one run queue and is run by at most one worker: being scheduled is owning the consumer's side of
 * its mailbox (mailbox.h). A worker (crew.h) looks for work in its slot for the actor just messaged (LIFO, capped so
 * that a pair cannot starve the rest), in its own ring, in the injector that threads outside and full rings use, and in
 * the rings of other workers, of which it steals half. When there is none it searches a while, then parks (parking.h).
 */

#ifndef THSI_NODE_WORKER_H
#define THSI_NODE_WORKER_H

#include "node/exec.h"
#include "node/parking.h"
#include "node/poller.h"
#include "node/pool.h"
#include "node/table.h"
#include "node/timer_wheel.h"

#ifndef THSI_RING_PLACES /* the exhaustive check has fewer */
#define THSI_RING_PLACES 1024
#endif
enum { THSI_RING = THSI_RING_PLACES };

/* Bounded deque: its owner pushes at the tail and takes from the head, thieves take half from the head. */
struct thsi_ring {
    _Alignas(128) _Atomic uint32_t head;
    _Alignas(128) _Atomic uint32_t tail;
    _Atomic(struct thsi_actor *) places[THSI_RING];
};

/* The queue for all, under a lock. */
struct thsi_injector {
    pthread_mutex_t lock;
    struct thsi_actor *head, *tail;
    _Atomic uint32_t count;
};

struct thsi_worker;
struct thsi_seat;

void thsi_injector_init(struct thsi_injector *injector);
void thsi_injector_push(struct thsi_injector *injector, struct thsi_actor *actor);
struct thsi_actor *thsi_injector_pop(struct thsi_injector *injector);

/* False: the ring is full. Thread: its owner. */
bool thsi_ring_push(struct thsi_ring *ring, struct thsi_actor *actor);
/* Thread: its owner. */
struct thsi_actor *thsi_ring_pop(struct thsi_ring *ring);
/* Take up to half of @from: returns one, puts the rest into @own. NULL: nothing there. Thread: @own's owner. */
struct thsi_actor *thsi_ring_steal(struct thsi_ring *from, struct thsi_ring *own);

struct thsi_workers_options {
    unsigned count;
    bool pin;              /* worker i to CPU i */
    unsigned blocking_max; /* threads that stand in for others; of the pool; of an actor's own */
    unsigned slice_ms, stuck_ms, blocking_quiet_ms; /* 0: the default */
};

/* Start the node's workers / end all threads that run actors. Errors: NOMEM, IO; nothing is left running then. */
THS_MUST_CHECK enum ths_err thsi_workers_start(struct ths_node *node, const struct thsi_workers_options *options);
void thsi_workers_join(struct ths_node *node);
/* Free what they own; after all contexts are idle. */
void thsi_workers_fini(struct ths_node *node);

/* The context of each thread that runs actors; of one that is added meanwhile perhaps not. Thread: any. */
void thsi_workers_each(const struct ths_node *node, void (*visit)(void *arg, struct ths_ctx *ctx), void *arg);

/* Wait until no worker is inside a poller that is in its place no more, and that was poked, and nobody pokes it any more.
 * Thread: not a worker. */
void thsi_workers_leave_poller(struct ths_node *node);
/* Wake a worker, if one is parked and none searches, so that it may take the network over. Thread: any. */
void thsi_workers_nudge(struct ths_node *node);

struct ths_ctx *thsi_worker_ctx(struct thsi_worker *worker);
/* NULL: it keeps none. */
struct thsi_free_slots *thsi_worker_free_slots(struct thsi_worker *worker);

/* The caller owns the consumer's side of @actor's mailbox: have it run. Thread: @ctx's. */
void thsi_schedule(struct ths_ctx *ctx, struct thsi_actor *actor);

/* The same for an actor that used up its turn: behind all others. Thread: @worker. */
void thsi_schedule_last(struct thsi_worker *worker, struct thsi_actor *actor);

/* Where the timers of the running actor go. */
struct thsi_seat *thsi_seat_of(struct thsi_worker *worker);
/* Add to the wheel there. Thread: @ctx's, a worker. */
void thsi_seat_add(struct ths_ctx *ctx, struct thsi_timer_entry *entry, uint64_t deadline_ns);
/* Take out of the wheel of @seat; false: it is not in. Thread: any. */
bool thsi_seat_cancel(struct thsi_seat *seat, struct thsi_timer_entry *entry);

#endif /* THSI_NODE_WORKER_H */
