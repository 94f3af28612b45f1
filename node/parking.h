/* Parking: how a worker without work goes to sleep, and how whoever makes work wakes one.
 *
 * A worker that found nothing searches all queues for a while, then parks: it sets its bit in `idle`, looks at every queue
 * once more, and sleeps. A pusher makes its push visible and then looks at `idle`. Both with sequential consistency between
 * the two, so one of them sees the other (Dekker).
 *
 * At most one worker searches on account of a wake: a pusher wakes a parked worker only when nobody is searching.
 * So a search that ends with work looks whether there is more, and wakes the next.
 *
 * The functions are inline and get what differs as calls, so that tests/model/ runs them as they are. */

#ifndef THSI_NODE_PARKING_H
#define THSI_NODE_PARKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct thsi_actor;
struct thsi_worker;

struct thsi_parking {
    _Alignas(128) _Atomic uint64_t idle; /* a bit for each parked worker */
    _Atomic uint32_t searching;
    _Atomic bool stop;
};

/* What the protocol asks of a worker. All: that worker's thread. */
struct thsi_parking_calls {
    struct thsi_actor *(*look)(struct thsi_worker *worker); /* once at every queue but its own */
    bool (*has_backlog)(struct thsi_worker *worker);        /* whether some queue holds something; sequentially consistent loads */
    void (*sleep)(struct thsi_worker *worker);              /* while its word is 0; may return early */
};

/* Choose a parked worker to wake; the caller sets its word to 1 and wakes it. False: nobody is parked, or another searches. The
 * caller's push is visible: a sequentially consistent operation lies between it and this. Thread: any. */
static inline bool thsi_parking_choose(struct thsi_parking *parking, unsigned *index)
{
    uint64_t idle = atomic_load_explicit(&parking->idle, memory_order_seq_cst);

    while (idle) {
        *index = (unsigned)__builtin_ctzll(idle);
        if (atomic_load_explicit(&parking->searching, memory_order_seq_cst) > 0)
            return false;
        if (atomic_compare_exchange_weak_explicit(&parking->idle, &idle, idle & ~(UINT64_C(1) << *index),
                                                  memory_order_seq_cst, memory_order_seq_cst))
            return true;
    }
    return false;
}

static inline void thsi_parking_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Look at the other queues for @rounds; returns what was found. *@more: the caller is to wake another. `searching` rises
 * and falls sequentially consistent: a pusher that sees it risen leaves its push to this worker, whose looks come after, or
 * whose has_backlog does. `stop` relaxed: seen in the next round. */
static inline struct thsi_actor *thsi_parking_search(struct thsi_parking *parking, const struct thsi_parking_calls *calls,
                                                     struct thsi_worker *worker, unsigned rounds, bool *more)
{
    struct thsi_actor *actor = NULL;

    (void)atomic_fetch_add_explicit(&parking->searching, 1, memory_order_seq_cst);
    for (unsigned round = 0; !actor && round < rounds; round++) {
        if (atomic_load_explicit(&parking->stop, memory_order_relaxed))
            break;
        actor = calls->look(worker);
        thsi_parking_relax();
    }
    (void)atomic_fetch_sub_explicit(&parking->searching, 1, memory_order_seq_cst);
    *more = actor && calls->has_backlog(worker);
    return actor;
}

/* Sleep until woken; returns work that turned up in the last look. *@more: as above. @word: what the worker sleeps on; relaxed,
 * because nobody wakes it before its bit is set, and the one wake that needs no bit, of the node's stop, sets `stop` first,
 * which is looked at after. */
static inline struct thsi_actor *thsi_parking_park(struct thsi_parking *parking, const struct thsi_parking_calls *calls,
                                                   struct thsi_worker *worker, unsigned index, _Atomic uint32_t *word,
                                                   bool *more)
{
    uint64_t bit = UINT64_C(1) << index;
    struct thsi_actor *actor;

    atomic_store_explicit(word, 0, memory_order_relaxed);
    (void)atomic_fetch_or_explicit(&parking->idle, bit, memory_order_seq_cst);
    actor = calls->look(worker);
    if (!actor && !atomic_load_explicit(&parking->stop, memory_order_seq_cst))
        calls->sleep(worker);
    (void)atomic_fetch_and_explicit(&parking->idle, ~bit, memory_order_seq_cst);
    *more = actor && calls->has_backlog(worker);
    return actor;
}

#endif /* THSI_NODE_PARKING_H */
