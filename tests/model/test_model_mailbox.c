/* The mailbox, in every interleaving: producers that push, the worker that runs the actor, somebody who claims the mailbox
 * of an idle one, and one who leaves an order beside the queue and nudges. Each fiber that comes to own the consumer's side
 * runs the actor, as in node/actor.c. */

#include "tests/model/atomics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "node/mailbox.h"
#include "tests/model/model_test.h"

enum { PRODUCERS_MAX = 3, MESSAGES_MAX = 2 };

struct parcel {
    _Atomic(struct thsi_message *) next; /* as in struct thsi_message, which is all that the mailbox knows of it */
    _Atomic uint32_t payload;
};

/* The payload is written relaxed, and the actor's state is handed on relaxed: the mailbox's own orders must publish them. */
static struct {
    struct thsi_mailbox mailbox;
    _Atomic(struct thsi_message *) tail;
    struct parcel parcels[PRODUCERS_MAX][MESSAGES_MAX];
    bool owned;
    _Atomic uint32_t received[PRODUCERS_MAX], handled, order, obeyed;
    struct plan {
        unsigned producers, messages;
        bool claims, nudges;
    } plan;
} world;

static void init(const void *plan)
{
    struct thsi_message *tail;

    world.plan = *(const struct plan *)plan;
    /* Outside of any fiber: nothing is explored yet. */
    world.mailbox.stub_next = NULL;
    tail = thsi_mailbox_stub(&world.mailbox);
    world.mailbox.head = thsi_mailbox_tagged(tail);
    world.tail = tail;
}

static void receive(const struct parcel *parcel)
{
    uint32_t payload = atomic_load_explicit(&parcel->payload, memory_order_relaxed);
    uint32_t producer = payload / 16, number = payload % 16, before;

    if (payload == 0)
        model_fail("a message arrives without its contents");
    before = atomic_load_explicit(&world.received[producer], memory_order_relaxed);
    if (number != before + 1)
        model_fail("message %u of producer %u comes after %u", number, producer, before);
    atomic_store_explicit(&world.received[producer], number, memory_order_relaxed);
    before = atomic_load_explicit(&world.handled, memory_order_relaxed);
    atomic_store_explicit(&world.handled, before + 1, memory_order_relaxed);
}

static void run_actor(void)
{
    struct thsi_message *tail, *message;

    if (world.owned)
        model_fail("two workers run the actor");
    world.owned = true;
    tail = atomic_load_explicit(&world.tail, memory_order_relaxed);
    for (;;) {
        if (world.plan.nudges && atomic_load_explicit(&world.order, memory_order_relaxed))
            atomic_store_explicit(&world.obeyed, 1, memory_order_relaxed);
        message = thsi_mailbox_pop(&world.mailbox, &tail);
        if (message) {
            receive((const struct parcel *)(void *)message);
            continue;
        }
        if (tail != thsi_mailbox_stub(&world.mailbox))
            continue; /* mark_idle would refuse */
        /* What the next owner needs is written before the mark is tried. */
        atomic_store_explicit(&world.tail, tail, memory_order_relaxed);
        world.owned = false;
        if (thsi_mailbox_mark_idle(&world.mailbox, tail))
            return;
        world.owned = true;
    }
}

static void produce(unsigned fiber)
{
    for (unsigned i = 0; i < world.plan.messages; i++) {
        struct parcel *parcel = &world.parcels[fiber][i];

        atomic_store_explicit(&parcel->payload, fiber * 16 + i + 1, memory_order_relaxed);
        if (thsi_mailbox_push(&world.mailbox, (struct thsi_message *)(void *)parcel))
            run_actor();
    }
}

static void body(unsigned fiber)
{
    if (fiber < world.plan.producers) {
        produce(fiber);
    } else if (world.plan.nudges) {
        atomic_store_explicit(&world.order, 1, memory_order_relaxed);
        if (thsi_mailbox_nudge(&world.mailbox))
            run_actor();
    } else if (thsi_mailbox_claim(&world.mailbox)) {
        run_actor();
    }
}

static const char *end(void)
{
    if (world.owned)
        return "nobody runs the actor, and it is not idle";
    for (unsigned i = 0; i < world.plan.producers; i++)
        if (world.received[i] != world.plan.messages) /* outside of fibers: a plain read */
            return "a message is lost";
    if (world.plan.nudges && !world.obeyed)
        return "the order beside the queue is not seen";
    if (world.handled != world.plan.producers * world.plan.messages)
        return "the actor's state is not handed on";
    if (!((uintptr_t)world.mailbox.head & 1))
        return "the mailbox is empty and not marked idle";
    return NULL;
}

static struct model make(const struct plan *plan)
{
    return (struct model){ &world, sizeof world, init, plan,
                           plan->producers + (plan->claims || plan->nudges), body, end, MODEL_WEAK, 4000000, NULL };
}

static void two_producers_of_two_messages(void **state)
{
    const struct model model = make(&(struct plan){ 2, 2, false, false });

    (void)state;
    assert_holds(&model);
}

static void three_producers_of_one_message(void **state)
{
    const struct model model = make(&(struct plan){ 3, 1, false, false });

    (void)state;
    assert_holds(&model);
}

static void a_claim_among_two_producers(void **state)
{
    const struct model model = make(&(struct plan){ 2, 1, true, false });

    (void)state;
    assert_holds(&model);
}

static void a_nudge_among_two_producers(void **state)
{
    const struct model model = make(&(struct plan){ 2, 1, false, true });

    (void)state;
    assert_holds(&model);
}

static void a_nudge_while_two_messages_come(void **state)
{
    const struct model model = make(&(struct plan){ 1, 2, false, true });

    (void)state;
    assert_holds(&model);
}

/* Not among them: a relaxed store of the link. Where a store becomes visible to all at once, as in this model, the exchange alone
 * publishes the message; the release is for memory where it does not. */
static void changes_of_the_mailbox_are_found(void **state)
{
    static const struct model_mutant mutants[] = {
        { "thsi_mailbox_push", "exchange", MODEL_SPLIT },
        { "thsi_mailbox_push", "exchange", MODEL_RELAX },
        { "thsi_mailbox_push", "store", MODEL_SKIP },
        { "thsi_mailbox_mark_idle", "cas", MODEL_SPLIT },
        { "thsi_mailbox_mark_idle", "cas", MODEL_RELAX },
        { "thsi_mailbox_claim", "cas", MODEL_SPLIT },
    };
    const struct model model = make(&(struct plan){ 2, 1, true, false });

    (void)state;
    assert_finds(&model, 1, mutants, sizeof mutants / sizeof mutants[0]);
}

static void changes_of_the_nudge_are_found(void **state)
{
    static const struct model_mutant mutants[] = {
        { "thsi_mailbox_nudge", "cas", MODEL_SPLIT },
        { "thsi_mailbox_nudge", "cas", MODEL_RELAX },
        { "thsi_mailbox_mark_idle", "cas", MODEL_SPLIT },
    };
    const struct model models[] = { make(&(struct plan){ 2, 1, false, true }), make(&(struct plan){ 1, 2, false, true }) };

    (void)state;
    assert_finds(models, 2, mutants, sizeof mutants / sizeof mutants[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_producers_of_two_messages),
        cmocka_unit_test(three_producers_of_one_message),
        cmocka_unit_test(a_claim_among_two_producers),
        cmocka_unit_test(a_nudge_among_two_producers),
        cmocka_unit_test(a_nudge_while_two_messages_come),
        cmocka_unit_test(changes_of_the_mailbox_are_found),
        cmocka_unit_test(changes_of_the_nudge_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
