/* The run queues: rings of workers and the injector for all. */

#include "node/worker.h"

void thsi_injector_init(struct thsi_injector *injector)
{
    *injector = (struct thsi_injector){ .head = NULL };
    (void)pthread_mutex_init(&injector->lock, NULL);
}

void thsi_injector_push(struct thsi_injector *injector, struct thsi_actor *actor)
{
    actor->run_next = NULL;
    (void)pthread_mutex_lock(&injector->lock);
    if (injector->tail)
        injector->tail->run_next = actor;
    else
        injector->head = actor;
    injector->tail = actor;
    /* Sequentially consistent: the pusher looks at `idle` next (parking.h). */
    (void)atomic_fetch_add_explicit(&injector->count, 1, memory_order_seq_cst);
    (void)pthread_mutex_unlock(&injector->lock);
}

struct thsi_actor *thsi_injector_pop(struct thsi_injector *injector)
{
    struct thsi_actor *actor;

    /* Sequentially consistent: the last look of a worker that parks. */
    if (atomic_load_explicit(&injector->count, memory_order_seq_cst) == 0)
        return NULL;
    (void)pthread_mutex_lock(&injector->lock);
    actor = injector->head;
    if (actor) {
        injector->head = actor->run_next;
        if (!injector->head)
            injector->tail = NULL;
        (void)atomic_fetch_sub_explicit(&injector->count, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&injector->lock);
    return actor;
}

/* head and tail only rise; their difference is the number of places in use. Acquire on head: the place we are about to
 * write was read by whoever moved head past it. Tail publishes the place; sequentially consistent, since the pusher looks
 * at `idle` next (parking.h). */
bool thsi_ring_push(struct thsi_ring *ring, struct thsi_actor *actor)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    if (tail - head >= THSI_RING)
        return false;
    atomic_store_explicit(&ring->places[tail % THSI_RING], actor, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_seq_cst);
    return true;
}

/* The compare-and-swap on head decides between the owner and thieves; it releases that the place was read. */
struct thsi_actor *thsi_ring_pop(struct thsi_ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    while (head != atomic_load_explicit(&ring->tail, memory_order_relaxed)) {
        struct thsi_actor *actor = atomic_load_explicit(&ring->places[head % THSI_RING], memory_order_relaxed);

        if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return actor;
    }
    return NULL;
}

/* What is read before the compare-and-swap counts only if it succeeds: head had not moved, so the places were not
 * written again. Tail may be read later than head, hence the check of their distance. */
struct thsi_actor *thsi_ring_steal(struct thsi_ring *from, struct thsi_ring *own)
{
    struct thsi_actor *taken[THSI_RING / 2];
    uint32_t head = atomic_load_explicit(&from->head, memory_order_seq_cst);

    for (;;) {
        uint32_t waiting = atomic_load_explicit(&from->tail, memory_order_seq_cst) - head;
        uint32_t count = waiting - waiting / 2;

        if (count == 0)
            return NULL;
        if (count > THSI_RING / 2) {
            head = atomic_load_explicit(&from->head, memory_order_acquire);
            continue;
        }
        for (uint32_t i = 0; i < count; i++)
            taken[i] = atomic_load_explicit(&from->places[(head + i) % THSI_RING], memory_order_relaxed);
        if (!atomic_compare_exchange_strong_explicit(&from->head, &head, head + count, memory_order_acq_rel,
                                                     memory_order_acquire))
            continue;
        for (uint32_t i = 1; i < count; i++)
            (void)thsi_ring_push(own, taken[i]); /* a thief's own ring is empty: there is room for half of another */
        return taken[0];
    }
}
