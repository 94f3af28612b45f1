/* How threads of the crew find work elsewhere, sleep without it, and are woken; the protocols are in parking.h, poller.h. */

#include "node/crew.h"
#include "node/watchdog.h"

#ifndef THSI_SEARCH_ROUNDS /* the exhaustive check has fewer */
#define THSI_SEARCH_ROUNDS 400
#define THSI_POLL_EVERY 16
#endif

enum {
    SEARCH_ROUNDS = THSI_SEARCH_ROUNDS, /* looks at all queues before parking: some 20 us */
    POLL_EVERY = THSI_POLL_EVERY        /* of these, one at the network */
};

/* ---- Waking ----------------------------------------------------------------------------- */

void thsi_seat_wake(struct ths_node *node, struct thsi_seat *seat, struct thsi_stats *stats)
{
    if (stats)
        thsi_count(&stats->wakes, 1);
    /* Sequentially consistent for the sake of one that waits for the network (poller.h). Acquired by nobody: what the woken one is
     * to find lies in the queues. The futex compares the word itself. */
    atomic_store_explicit(&seat->park_word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&seat->polling.inside, memory_order_seq_cst) == THSI_POLLING_WAITS)
        thsi_node_poke(node);
    else
        node->exec->wake(node->exec, &seat->park_word);
}

void thsi_wake_one(struct ths_node *node, struct thsi_stats *stats)
{
    unsigned index;

    if (thsi_parking_choose(node->shared, &index))
        thsi_seat_wake(node, &node->crew->seats[index], stats);
}

/* ---- Looking around --------------------------------------------------------------------- */

struct thsi_actor *thsi_next_elsewhere(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_crew *crew = node->crew;
    /* Acquire: receives the members. */
    unsigned count = atomic_load_explicit(&crew->count, memory_order_acquire);
    struct thsi_actor *actor = thsi_injector_pop(&node->injector);

    for (unsigned i = 1; !actor && i < count; i++) {
        actor = thsi_ring_steal(&crew->members[(worker->index + i) % count]->ring, &worker->ring);
        if (actor)
            thsi_count(&worker->stats.steals, 1);
    }
    return actor;
}

bool thsi_poll_once(struct thsi_worker *worker)
{
    struct thsi_poller *poller;
    uint64_t deadline_ns;
    bool any;

    /* Relaxed: without one nothing is to be done, and who sets it does not wait for workers. */
    if (!atomic_load_explicit(&thsi_node_of(worker)->poller, memory_order_relaxed))
        return false;
    poller = thsi_polling_begin(&worker->seat->polling, &thsi_node_of(worker)->poller, false);
    if (!poller)
        return false;
    any = poller->step(poller, &deadline_ns);
    thsi_polling_end(&worker->seat->polling, poller);
    return any;
}

/* A look of the search: at the queues, sometimes at the network, from where the next work may come. */
static struct thsi_actor *look_around(struct thsi_worker *worker)
{
    struct thsi_actor *actor = thsi_next_elsewhere(worker);

    if (!actor && worker->looks++ % POLL_EVERY == 0 && thsi_poll_once(worker))
        actor = thsi_next_elsewhere(worker);
    return actor;
}

/* ---- Parking ---------------------------------------------------------------------------- */

/* Sequentially consistent: after `searching` fell, so that a push which met a searcher is seen here. */
static bool has_backlog(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);
    const struct thsi_crew *crew = node->crew;

    if (atomic_load_explicit(&node->injector.count, memory_order_seq_cst) > 0)
        return true;
    for (unsigned i = 0; i < atomic_load_explicit(&crew->count, memory_order_acquire); i++)
        if (atomic_load_explicit(&crew->members[i]->ring.tail, memory_order_seq_cst) !=
            atomic_load_explicit(&crew->members[i]->ring.head, memory_order_seq_cst))
            return true;
    return false;
}

/* A step on behalf of the search protocol: pushers leave to this worker what the step itself brings, and what they push
 * meanwhile; it looks when the step is over. */
static bool step_searching(struct thsi_worker *worker, struct thsi_poller *poller, uint64_t *deadline_ns)
{
    struct thsi_parking *shared = thsi_node_of(worker)->shared;
    bool any;

    /* Sequentially consistent, both: see thsi_parking_search. */
    (void)atomic_fetch_add_explicit(&shared->searching, 1, memory_order_seq_cst);
    any = poller->step(poller, deadline_ns);
    (void)atomic_fetch_sub_explicit(&shared->searching, 1, memory_order_seq_cst);
    return any || has_backlog(worker);
}

/* Wait for the network in place of the word, until woken, until something came, or until a timer is due. */
static void sleep_polling(struct thsi_worker *worker, struct thsi_poller *poller)
{
    struct ths_node *node = thsi_node_of(worker);
    uint64_t deadline_ns, timer_ns;

    while (!step_searching(worker, poller, &deadline_ns)) {
        timer_ns = thsi_seat_due_ns(worker->seat);
        /* Sequentially consistent, all: see poller.h; the place, because who empties it pokes after. */
        atomic_store_explicit(&worker->seat->polling.inside, THSI_POLLING_WAITS, memory_order_seq_cst);
        if (atomic_load_explicit(&worker->seat->park_word, memory_order_seq_cst) == 0 &&
            atomic_load_explicit(&node->poller, memory_order_seq_cst) == poller)
            poller->wait(poller, deadline_ns < timer_ns ? deadline_ns : timer_ns);
        atomic_store_explicit(&worker->seat->polling.inside, THSI_POLLING_STEPS, memory_order_relaxed);
        /* Relaxed: what it was woken for lies in the queues, and is looked for. */
        if (atomic_load_explicit(&worker->seat->park_word, memory_order_relaxed) != 0 || timer_ns <= thsi_now_ns(node) ||
            atomic_load_explicit(&node->poller, memory_order_relaxed) != poller)
            return;
    }
}

static void sleep_parked(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_poller *poller;

    thsi_count(&worker->stats.parks, 1);
    poller = thsi_polling_begin(&worker->seat->polling, &node->poller, true);
    if (!poller) {
        node->exec->park(node->exec, &worker->seat->park_word, 0, thsi_now_ns(node), thsi_seat_due_ns(worker->seat));
        return;
    }
    sleep_polling(worker, poller);
    thsi_polling_end(&worker->seat->polling, poller);
}

struct thsi_actor *thsi_await_work(struct thsi_worker *worker)
{
    static const struct thsi_parking_calls calls = { look_around, has_backlog, sleep_parked };
    struct thsi_parking *shared = thsi_node_of(worker)->shared;
    struct thsi_seat *seat = worker->seat;
    bool more;
    struct thsi_actor *actor = thsi_parking_search(shared, &calls, worker, SEARCH_ROUNDS, &more);

    if (!actor) {
        actor = thsi_parking_park(shared, &calls, worker, seat->index, &seat->park_word, &more);
        thsi_watchdog_rouse(thsi_node_of(worker));
    }
    if (more)
        thsi_wake_one(thsi_node_of(worker), &worker->stats);
    return actor;
}

