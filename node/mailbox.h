/* Mailbox: the queue into one actor, and the right to run it.
 *
 * An intrusive queue of many producers and one consumer after D. Vyukov ("Intrusive MPSC node-based queue",
 * 1024cores.net), with Pony's addition: the low bit of `head` marks a mailbox that is empty and whose
 * actor nobody runs. The push that finds the mark, and only that one, must
 * schedule the actor. So the mark is the ownership of the consumer's side: whoever takes it away (a push that then
 * schedules, or a claim) hands it to exactly one worker, and the worker gives it back with mark_idle.
 *
 * A nudge has the actor look at what lies beside the queue (orders.h), without a message and so without memory. Where somebody
 * runs the actor already it leaves a bit at `head`, with which the mailbox cannot be marked idle; a push that takes the
 * place of the bit does as much, since its message is yet to be popped.
 *
 * The consumer's end, `tail` (the oldest message), is kept by the actor away from the producers' cache line.
 *
 * Memory order. push: the exchange releases the message's contents and acquires what the consumer wrote before it marked
 * the mailbox idle, because the pusher may go on to run the actor itself. The store to `next` releases the
 * contents again for a consumer that reaches the message through the link and not through `head`. pop
 * acquires `next`. mark_idle, claim and nudge are compare-and-swaps with acquire and release: they pass the consumer's side on,
 * or, of a nudge, what was written before it, to who takes the bit away. */

#ifndef THSI_NODE_MAILBOX_H
#define THSI_NODE_MAILBOX_H

#include "node/message.h"

struct thsi_mailbox {
    _Atomic(struct thsi_message *) head;      /* newest, and a bit: idle, or nudged. Producers */
    _Atomic(struct thsi_message *) stub_next; /* the stub is a message of which only `next` exists */
};

static inline struct thsi_message *thsi_mailbox_stub(struct thsi_mailbox *mailbox)
{
    return (struct thsi_message *)(void *)&mailbox->stub_next;
}

static inline struct thsi_message *thsi_mailbox_tagged(struct thsi_message *message)
{
    return (struct thsi_message *)((uintptr_t)message | 1);
}

static inline struct thsi_message *thsi_mailbox_nudged(struct thsi_message *message)
{
    return (struct thsi_message *)((uintptr_t)message | 2);
}

static inline struct thsi_message *thsi_mailbox_untagged(struct thsi_message *message)
{
    return (struct thsi_message *)((uintptr_t)message & ~(uintptr_t)3);
}

/* Empty and idle. Thread: the only one that knows the mailbox. */
static inline void thsi_mailbox_init(struct thsi_mailbox *mailbox, struct thsi_message **tail)
{
    atomic_store_explicit(&mailbox->stub_next, NULL, memory_order_relaxed);
    *tail = thsi_mailbox_stub(mailbox);
    atomic_store_explicit(&mailbox->head, thsi_mailbox_tagged(thsi_mailbox_stub(mailbox)), memory_order_release);
}

/* Append @message (taken). Returns true when the caller must schedule the actor. Thread: any. */
static inline bool thsi_mailbox_push(struct thsi_mailbox *mailbox, struct thsi_message *message)
{
    struct thsi_message *before;

    atomic_store_explicit(&message->next, NULL, memory_order_relaxed);
    before = atomic_exchange_explicit(&mailbox->head, message, memory_order_acq_rel);
    atomic_store_explicit(&thsi_mailbox_untagged(before)->next, message, memory_order_release);
    return (uintptr_t)before & 1;
}

/* Take the oldest message (given), or NULL when there is none, or when a producer has exchanged head but not yet
 * linked its message (mark_idle then fails: try again later). Thread: the consumer. */
static inline struct thsi_message *thsi_mailbox_pop(struct thsi_mailbox *mailbox, struct thsi_message **tail)
{
    struct thsi_message *stub = thsi_mailbox_stub(mailbox);
    struct thsi_message *oldest = *tail;
    struct thsi_message *next = atomic_load_explicit(&oldest->next, memory_order_acquire);

    if (oldest == stub) {
        if (!next)
            return NULL;
        *tail = oldest = next;
        next = atomic_load_explicit(&oldest->next, memory_order_acquire);
    }
    if (!next) {
        /* The last one: put the stub behind it, so that the queue never runs empty of nodes. */
        if (thsi_mailbox_untagged(atomic_load_explicit(&mailbox->head, memory_order_acquire)) == oldest)
            (void)thsi_mailbox_push(mailbox, stub);
        next = atomic_load_explicit(&oldest->next, memory_order_acquire);
        if (!next)
            return NULL;
    }
    *tail = next;
    return oldest;
}

/* Give the consumer's side back when the mailbox is empty. False: a message or a nudge came; look at what lies beside the queue
 * and go on popping. Thread: the consumer. */
static inline bool thsi_mailbox_mark_idle(struct thsi_mailbox *mailbox, const struct thsi_message *tail)
{
    struct thsi_message *stub = thsi_mailbox_stub(mailbox);
    struct thsi_message *expected = stub;

    if (tail != stub)
        return false;
    if (atomic_compare_exchange_strong_explicit(&mailbox->head, &expected, thsi_mailbox_tagged(stub), memory_order_acq_rel,
                                                memory_order_relaxed))
        return true;
    if (expected == thsi_mailbox_nudged(stub))
        (void)atomic_compare_exchange_strong_explicit(&mailbox->head, &expected, stub, memory_order_acq_rel,
                                                      memory_order_relaxed);
    return false;
}

/* Take the consumer's side of an idle mailbox. False: somebody else has it. Thread: any. */
static inline bool thsi_mailbox_claim(struct thsi_mailbox *mailbox)
{
    struct thsi_message *expected = thsi_mailbox_tagged(thsi_mailbox_stub(mailbox));

    return atomic_compare_exchange_strong_explicit(&mailbox->head, &expected, thsi_mailbox_stub(mailbox),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* Have the actor look at what lies beside the queue, soon and at the latest before it is idle. Returns true when the caller must
 * schedule it. Thread: any. */
static inline bool thsi_mailbox_nudge(struct thsi_mailbox *mailbox)
{
    struct thsi_message *stub = thsi_mailbox_stub(mailbox);
    struct thsi_message *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed), *wanted;

    do {
        wanted = head == thsi_mailbox_tagged(stub) ? stub : thsi_mailbox_nudged(head);
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, wanted, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return wanted == stub;
}

#endif /* THSI_NODE_MAILBOX_H */
