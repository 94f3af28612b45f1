/* Orders: what an actor was told beside its queue, in one word of its slot: to end now, to take no new work.
 *
 * The word holds the life that is meant, which is half of its generation, and below it what was ordered. Lives only rise, so an
 * order that comes too late, when another actor lives in the slot already, changes nothing; and one for the present actor
 * finds what was left of an earlier one in the way of nothing.
 *
 * Who orders an end has the actor look at the word by thsi_mailbox_nudge, which takes no memory. */

#ifndef THSI_NODE_ORDERS_H
#define THSI_NODE_ORDERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    THSI_ORDER_DRAIN = 1,    /* take no new work; stays until the actor has ended for good */
    THSI_ORDER_KILL = 2,     /* end, ahead of the queue */
    THSI_ORDER_FOR_GOOD = 4, /* with KILL: no restart in place follows */
    THSI_ORDER_BITS = 3
};

/* Generations are below this: their halves must have room above the bits. A slot that has used them up is not used again. */
#define THSI_GENERATIONS (UINT32_C(1) << (33 - THSI_ORDER_BITS))

/* Whether @bit was ordered of the actor of @generation. Relaxed: a glance. Once for each message: the bit first. */
static inline bool thsi_orders_has(const _Atomic uint32_t *word, uint32_t generation, uint32_t bit)
{
    uint32_t known = atomic_load_explicit(word, memory_order_relaxed);

    return known & bit && known >> THSI_ORDER_BITS == generation >> 1;
}

/* Add @bits to what is ordered of the actor of @generation, unless a later one has come. Release: with what the caller had done
 * before. Thread: any. */
static inline void thsi_orders_add(_Atomic uint32_t *word, uint32_t generation, uint32_t bits)
{
    uint32_t life = generation >> 1, known = atomic_load_explicit(word, memory_order_relaxed), wanted;

    do {
        if (known >> THSI_ORDER_BITS > life)
            return;
        wanted = (known >> THSI_ORDER_BITS == life ? known : life << THSI_ORDER_BITS) | bits;
    } while (!atomic_compare_exchange_weak_explicit(word, &known, wanted, memory_order_release, memory_order_relaxed));
}

/* The order to end is being obeyed: take it back. Returns whether it was for good. Acquire: what its sender had done before is
 * seen. Thread: the consumer. */
static inline bool thsi_orders_obey(_Atomic uint32_t *word)
{
    return atomic_fetch_and_explicit(word, ~(uint32_t)(THSI_ORDER_KILL | THSI_ORDER_FOR_GOOD), memory_order_acquire) &
           THSI_ORDER_FOR_GOOD;
}

#endif /* THSI_NODE_ORDERS_H */
