/* Crew: the threads that run actors, and the seats from which they do it.
 *
 * A node has as many seats as it has workers. A seat is what can be handed over while a handler runs: a wheel of timers, a bit of
 * the parked ones and the word to sleep on. A thread has what belongs to the running handler: its context with pool and
 * counters, its ring, its slot for the actor just messaged. Who sits in a seat looks for work, fires the seat's timers and
 * parks; so as many threads as there are workers do that at any time.
 *
 * When a handler does not return within its slice, the watchdog (watchdog.c) gives the seat of its thread to another, a stand-in,
 * which steals what lies in the first one's ring; what lies in its slot the watchdog puts into the injector. The thread
 * that comes back from such a handler finds that it has no seat, gives what it still has to the injector, and rests until
 * it is wanted as a stand-in itself.
 *
 * The hand-over decides between two threads without an instruction that the usual way would have to pay for:
 *
 *     the thread, after a turn           the watchdog
 *     beat = even                        unseated = 1
 *     (the compiler keeps the order)     barrier on all threads
 *     unseated?                          beat still the same odd number?
 *
 * The barrier (exec.h) makes either the thread see `unseated`, or the watchdog see the beat; if it does not, it takes `unseated`
 * back. A thread that has seen it takes the crew's lock, which the watchdog holds meanwhile. While a thread is unseated and
 * its beat odd, its handler may still put actors into slot and ring, but only others take them out. */

#ifndef THSI_NODE_CREW_H
#define THSI_NODE_CREW_H

#include "node/node.h"
#include "node/watch.h"

enum {
    THSI_STAND_INS_MAX = 64,
    THSI_CREW_MAX = THSI_WORKERS_MAX + THSI_STAND_INS_MAX
};

#define THSI_BARRIER_NS UINT64_C(1000000) /* waited where the system has no barrier: far longer than a store is on its way */

struct thsi_seat {
    _Alignas(128) _Atomic uint32_t park_word; /* 1: wake up */
    struct thsi_polling polling;              /* of who sits here */
    struct thsi_worker *taken_by;             /* under the crew's lock */
    unsigned index;                           /* its bit in thsi_parking.idle */
    int cpu;                                  /* to bind the first thread to, or -1 */
    pthread_mutex_t wheel_lock;               /* over the wheel; anybody may add and cancel */
    struct thsi_wheel wheel;
    _Atomic uint64_t wheel_due_ns;            /* no timer is due before; written under the lock */
};

struct thsi_worker {
    struct thsi_task task;            /* first: the exec knows the worker by it */
    struct ths_ctx ctx;
    struct thsi_pool pool;
    struct thsi_stats stats;
    struct thsi_tally tallies[THSI_TALLIES];
    struct thsi_ring ring;
    _Atomic(struct thsi_actor *) lifo; /* the actor just messaged; taken by others only from one that is unseated */
    _Atomic uint32_t unseated;        /* it has no seat, or is about to lose it: nothing goes into lifo and ring */
    struct thsi_seat *seat;           /* where it sits; unseated: the one whose wheel it puts timers into */
    unsigned lifo_in_a_row;
    unsigned turns;
    unsigned looks;
    unsigned index;                   /* in its crew */
    struct thsi_free_slots free_slots;
    bool blocks;                      /* one of blocking.h; the next four are such a one's */
    bool retired, joinable;           /* it has no thread, or one that ends / one to join */
    _Atomic(struct thsi_actor *) given; /* own thread: to be run */
    _Atomic bool own_over;            /* own thread: its actor has ended */
    uint64_t watched_cpu_ns;          /* CPU time it had used when the beat was seen first; under the watchdog's lock */
    struct thsi_watched watched;      /* under the watchdog's lock */
    struct thsi_worker *rest_next;
    _Atomic uint32_t rest_word;       /* 1: it has a seat again, or is to end */
    _Atomic bool own_sleeps;          /* a thread of an actor's own: sleeps on the word, or is about to */
    void *memory;                     /* as it was allocated */
    char name[16];
};

struct thsi_crew {
    struct thsi_parking parking;
    pthread_mutex_t lock;             /* over seats, resting and the growth of members */
    _Atomic uint32_t count;
    struct thsi_worker *members[THSI_CREW_MAX]; /* the first `count` exist until the node's end */
    struct thsi_worker *resting;
    unsigned stand_ins_max;
    struct thsi_seat seats[];
};

static inline struct ths_node *thsi_node_of(const struct thsi_worker *worker)
{
    return worker->ctx.node;
}

/* A thread of the node that is not started yet, in no list, unseated, for the wheel of @seat. NULL: no memory. */
struct thsi_worker *thsi_worker_create(struct ths_node *node, struct thsi_seat *seat);
/* Free it; after its thread. */
void thsi_worker_destroy(struct thsi_worker *worker);

/* The loop of the crew's threads (worker.c). */
void thsi_worker_main(struct thsi_task *task);
/* The simulator's step (worker.c). */
bool thsi_worker_step(struct thsi_task *task, uint64_t *deadline_ns);

/* It saw that it is unseated after a turn. Returns when it sits again, or when the node stops. Thread: @worker. */
void thsi_crew_came_back(struct thsi_worker *worker);

/* @worker has been in the handler of this odd @beat for too long: give its seat to a stand-in, and what lies in its slot
 * to others. False: it came back. *@taken_over: whether there was a stand-in. Thread: the watchdog's. */
bool thsi_crew_take_over(struct thsi_worker *worker, uint32_t beat, bool *taken_over);

/* When the next timer of the seat is due, or earlier. Relaxed: who sits there sees what it added itself, a cancel by another makes
 * it look once in vain, and who adds from elsewhere wakes it. */
static inline uint64_t thsi_seat_due_ns(const struct thsi_seat *seat)
{
    return atomic_load_explicit(&seat->wheel_due_ns, memory_order_relaxed);
}

/* ---- Waking and parking (waking.c) ------------------------------------------------------- */

/* Have who sits in the seat look around. Thread: any. */
void thsi_seat_wake(struct ths_node *node, struct thsi_seat *seat, struct thsi_stats *stats);

/* Wake one that is parked, none while another searches. The caller's push is visible: see thsi_parking_choose. Thread: any. */
void thsi_wake_one(struct ths_node *node, struct thsi_stats *stats);

/* Search, then park. Returns work that turned up. Thread: @worker, seated. */
struct thsi_actor *thsi_await_work(struct thsi_worker *worker);

/* One step of the network, if nobody has it. Returns whether there was something to do. Thread: @worker, seated. */
bool thsi_poll_once(struct thsi_worker *worker);

/* One look at the injector and the rings of others. Thread: @worker, seated. */
struct thsi_actor *thsi_next_elsewhere(struct thsi_worker *worker);

#endif /* THSI_NODE_CREW_H */
