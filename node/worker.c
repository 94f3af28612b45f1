#include "node/worker.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/timers.h"

enum {
    LIFO_IN_A_ROW = 48,     /* turns from the slot before others get one */
    CHECK_EVERY = 32,       /* turns between looks at the clock, the injector and the network */
    SEARCH_ROUNDS = 400,    /* looks at all queues before parking: some 20 us */
    POLL_EVERY = 16         /* of these, one at the network */
};

struct thsi_worker {
    struct thsi_task task;      /* first: the exec knows the worker by it */
    struct ths_ctx ctx;
    struct thsi_pool pool;
    struct thsi_stats stats;
    struct thsi_ring ring;
    struct thsi_actor *lifo;    /* the actor just messaged; nobody steals it */
    unsigned lifo_in_a_row;
    unsigned turns;
    unsigned index;
    struct thsi_free_slots free_slots;
    char name[16];
    pthread_mutex_t wheel_lock; /* over the wheel; other workers cancel in it */
    struct thsi_wheel wheel;
    _Atomic uint64_t wheel_due_ns; /* no timer is due before; written under the lock */
    unsigned looks;
    _Alignas(128) _Atomic uint32_t park_word; /* 1: wake up */
    struct thsi_polling polling;
};

struct ths_ctx *thsi_worker_ctx(struct thsi_worker *worker)
{
    return &worker->ctx;
}

struct thsi_free_slots *thsi_worker_free_slots(struct thsi_worker *worker)
{
    return &worker->free_slots;
}

struct thsi_worker *thsi_worker_at(struct ths_node *node, unsigned index)
{
    return &node->workers[index];
}

static struct ths_node *node_of(const struct thsi_worker *worker)
{
    return worker->ctx.node;
}

/* ---- Waking ----------------------------------------------------------------------------- */

static void unpark(struct ths_node *node, unsigned index, struct thsi_stats *stats)
{
    struct thsi_worker *worker = &node->workers[index];

    if (stats)
        thsi_count(&stats->wakes, 1);
    /* Sequentially consistent for the sake of one that waits for the network (poller.h). Acquired by nobody: what the woken one is
     * to find lies in the queues. The futex compares the word itself. */
    atomic_store_explicit(&worker->park_word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&worker->polling.inside, memory_order_seq_cst) == THSI_POLLING_WAITS)
        thsi_node_poke(node);
    else
        node->exec->wake(node->exec, &worker->park_word);
}

/* Wake one parked worker, none while another searches. The caller's push is visible: see thsi_parking_choose. */
static void wake_one(struct ths_node *node, struct thsi_stats *stats)
{
    unsigned index;

    if (thsi_parking_choose(node->shared, &index))
        unpark(node, index, stats);
}

/* ---- Scheduling ------------------------------------------------------------------------- */

static void push_to_ring(struct thsi_worker *worker, struct thsi_actor *actor)
{
    struct ths_node *node = node_of(worker);

    if (!thsi_ring_push(&worker->ring, actor))
        thsi_injector_push(&node->injector, actor);
    /* After the push, and both sequentially consistent: see parking.h. */
    if (atomic_load_explicit(&node->shared->idle, memory_order_seq_cst))
        wake_one(node, &worker->stats);
}

void thsi_schedule(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct thsi_worker *worker = ctx->worker;
    struct thsi_actor *before;

    if (!worker) {
        thsi_injector_push(&ctx->node->injector, actor);
        wake_one(ctx->node, ctx->stats);
        return;
    }
    before = worker->lifo;
    worker->lifo = actor;
    if (before)
        push_to_ring(worker, before);
}

void thsi_schedule_last(struct thsi_worker *worker, struct thsi_actor *actor)
{
    push_to_ring(worker, actor);
}

/* ---- Timers ----------------------------------------------------------------------------- */

struct thsi_wheel *thsi_worker_wheel_lock(struct thsi_worker *worker)
{
    (void)pthread_mutex_lock(&worker->wheel_lock);
    return &worker->wheel;
}

void thsi_worker_wheel_unlock(struct thsi_worker *worker)
{
    /* Relaxed: a hint for the owner, who looks again under the lock. */
    atomic_store_explicit(&worker->wheel_due_ns, thsi_wheel_deadline_ns(&worker->wheel), memory_order_relaxed);
    (void)pthread_mutex_unlock(&worker->wheel_lock);
}

/* Relaxed: the owner's own adds it sees; a cancel by another makes it look once in vain. */
static uint64_t next_timer_ns(const struct thsi_worker *worker)
{
    return atomic_load_explicit(&worker->wheel_due_ns, memory_order_relaxed);
}

/* Fire what is due. Returns whether anything was. */
static bool expire(struct thsi_worker *worker, uint64_t now_ns)
{
    struct thsi_timer_entry *due;

    if (next_timer_ns(worker) > now_ns)
        return false;
    due = thsi_wheel_expire(thsi_worker_wheel_lock(worker), now_ns);
    thsi_worker_wheel_unlock(worker);
    if (!due)
        return false;
    thsi_timers_fire(&worker->ctx, due);
    return true;
}

/* ---- Looking for work ------------------------------------------------------------------- */

static struct thsi_actor *next_own(struct thsi_worker *worker)
{
    struct thsi_actor *actor = worker->lifo;

    if (actor && worker->lifo_in_a_row < LIFO_IN_A_ROW) {
        worker->lifo = NULL;
        worker->lifo_in_a_row++;
        return actor;
    }
    worker->lifo_in_a_row = 0;
    actor = thsi_ring_pop(&worker->ring);
    if (!actor) {
        actor = worker->lifo;
        worker->lifo = NULL;
    }
    return actor;
}

static struct thsi_actor *next_elsewhere(struct thsi_worker *worker)
{
    struct ths_node *node = node_of(worker);
    struct thsi_actor *actor = thsi_injector_pop(&node->injector);

    for (unsigned i = 1; !actor && i < node->workers_count; i++) {
        actor = thsi_ring_steal(&node->workers[(worker->index + i) % node->workers_count].ring, &worker->ring);
        if (actor)
            thsi_count(&worker->stats.steals, 1);
    }
    return actor;
}

/* One step of the network, if nobody has it. Returns whether there was something to do. */
static bool poll_once(struct thsi_worker *worker)
{
    struct thsi_poller *poller;
    uint64_t deadline_ns;
    bool any;

    /* Relaxed: without one nothing is to be done, and who sets it does not wait for workers. */
    if (!atomic_load_explicit(&node_of(worker)->poller, memory_order_relaxed))
        return false;
    poller = thsi_polling_begin(&worker->polling, &node_of(worker)->poller, false);
    if (!poller)
        return false;
    any = poller->step(poller, &deadline_ns);
    thsi_polling_end(&worker->polling, poller);
    return any;
}

/* A look of the search: at the queues, sometimes at the network, from where the next work may come. */
static struct thsi_actor *look_around(struct thsi_worker *worker)
{
    struct thsi_actor *actor = next_elsewhere(worker);

    if (!actor && worker->looks++ % POLL_EVERY == 0 && poll_once(worker))
        actor = next_elsewhere(worker);
    return actor;
}

/* Every so many turns: timers that are due, and the injector before the own queues, so that neither starves. */
static struct thsi_actor *next_in_turn(struct thsi_worker *worker)
{
    struct ths_node *node = node_of(worker);

    if (++worker->turns % CHECK_EVERY == 0) {
        struct thsi_actor *actor;

        if (next_timer_ns(worker) != UINT64_MAX)
            (void)expire(worker, thsi_now_ns(node));
        (void)poll_once(worker);
        actor = thsi_injector_pop(&node->injector);
        if (actor)
            return actor;
    }
    return next_own(worker);
}

/* Sequentially consistent: after `searching` fell, so that a push which met a searcher is seen here. */
static bool has_backlog(struct thsi_worker *worker)
{
    struct ths_node *node = node_of(worker);

    if (atomic_load_explicit(&node->injector.count, memory_order_seq_cst) > 0)
        return true;
    for (unsigned i = 0; i < node->workers_count; i++)
        if (atomic_load_explicit(&node->workers[i].ring.tail, memory_order_seq_cst) !=
            atomic_load_explicit(&node->workers[i].ring.head, memory_order_seq_cst))
            return true;
    return false;
}

/* A step on behalf of the search protocol: pushers leave to this worker what the step itself brings, and what they push
 * meanwhile; it looks when the step is over. */
static bool step_searching(struct thsi_worker *worker, struct thsi_poller *poller, uint64_t *deadline_ns)
{
    struct thsi_parking *shared = node_of(worker)->shared;
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
    struct ths_node *node = node_of(worker);
    uint64_t deadline_ns, timer_ns;

    while (!step_searching(worker, poller, &deadline_ns)) {
        timer_ns = next_timer_ns(worker);
        /* Sequentially consistent, all: see poller.h; the place, because who empties it pokes after. */
        atomic_store_explicit(&worker->polling.inside, THSI_POLLING_WAITS, memory_order_seq_cst);
        if (atomic_load_explicit(&worker->park_word, memory_order_seq_cst) == 0 &&
            atomic_load_explicit(&node->poller, memory_order_seq_cst) == poller)
            poller->wait(poller, deadline_ns < timer_ns ? deadline_ns : timer_ns);
        atomic_store_explicit(&worker->polling.inside, THSI_POLLING_STEPS, memory_order_relaxed);
        /* Relaxed: what it was woken for lies in the queues, and is looked for. */
        if (atomic_load_explicit(&worker->park_word, memory_order_relaxed) != 0 || timer_ns <= thsi_now_ns(node) ||
            atomic_load_explicit(&node->poller, memory_order_relaxed) != poller)
            return;
    }
}

static void sleep_parked(struct thsi_worker *worker)
{
    struct ths_node *node = node_of(worker);

    struct thsi_poller *poller;

    thsi_count(&worker->stats.parks, 1);
    poller = thsi_polling_begin(&worker->polling, &node->poller, true);
    if (!poller) {
        node->exec->park(node->exec, &worker->park_word, 0, thsi_now_ns(node), next_timer_ns(worker));
        return;
    }
    sleep_polling(worker, poller);
    thsi_polling_end(&worker->polling, poller);
}

/* Search, then park. Returns work that turned up. */
static struct thsi_actor *await_work(struct thsi_worker *worker)
{
    static const struct thsi_parking_calls calls = { look_around, has_backlog, sleep_parked };
    struct thsi_parking *shared = node_of(worker)->shared;
    bool more;
    struct thsi_actor *actor = thsi_parking_search(shared, &calls, worker, SEARCH_ROUNDS, &more);

    if (!actor)
        actor = thsi_parking_park(shared, &calls, worker, worker->index, &worker->park_word, &more);
    if (more)
        wake_one(node_of(worker), &worker->stats);
    return actor;
}

static void main_loop(struct thsi_task *task)
{
    struct thsi_worker *worker = (struct thsi_worker *)task;
    struct ths_node *node = node_of(worker);

    while (!atomic_load_explicit(&node->shared->stop, memory_order_relaxed)) {
        struct thsi_actor *actor = next_in_turn(worker);

        if (!actor && !expire(worker, next_timer_ns(worker) != UINT64_MAX ? thsi_now_ns(node) : 0))
            actor = await_work(worker);
        if (actor)
            thsi_actor_turn(worker, actor);
    }
}

/* The simulator's step: timers that are due, or one turn. */
static bool step(struct thsi_task *task, uint64_t *deadline_ns)
{
    struct thsi_worker *worker = (struct thsi_worker *)task;
    struct thsi_actor *actor;

    if (expire(worker, thsi_now_ns(node_of(worker))))
        return true;
    actor = next_in_turn(worker);
    if (!actor)
        actor = next_elsewhere(worker);
    if (actor)
        thsi_actor_turn(worker, actor);
    *deadline_ns = next_timer_ns(worker);
    return actor != NULL;
}

/* ---- Life ------------------------------------------------------------------------------- */

static void init(struct thsi_worker *worker, struct ths_node *node, unsigned index, bool pin)
{
    memset((void *)worker, 0, sizeof *worker);
    worker->index = index;
    (void)snprintf(worker->name, sizeof worker->name, "ths-worker-%u", index % 100);
    worker->task = (struct thsi_task){ .name = worker->name, .main = main_loop, .step = step,
                                       .cpu = pin ? (int)index : -1 };
    thsi_pool_init(&worker->pool, &node->depot);
    worker->ctx.node = node;
    worker->ctx.worker = worker;
    worker->ctx.pool = &worker->pool;
    worker->ctx.stats = &worker->stats;
    (void)pthread_mutex_init(&worker->wheel_lock, NULL);
    thsi_wheel_init(&worker->wheel, thsi_now_ns(node));
    atomic_init(&worker->wheel_due_ns, UINT64_MAX);
}

void thsi_workers_leave_poller(struct ths_node *node)
{
    for (unsigned i = 0; i < node->workers_count; i++) {
        /* Sequentially consistent: see thsi_polling_begin; it also acquires what the worker did inside. */
        while (atomic_load_explicit(&node->workers[i].polling.inside, memory_order_seq_cst) != THSI_POLLING_NOT)
            (void)sched_yield();
    }
    /* Sequentially consistent: see thsi_node_poke. */
    while (atomic_load_explicit(&node->poking, memory_order_seq_cst) != 0)
        (void)sched_yield();
}

void thsi_workers_nudge(struct ths_node *node)
{
    wake_one(node, NULL);
}

enum ths_err thsi_workers_start(struct ths_node *node, unsigned count, bool pin)
{
    struct ths_env *env = node->env;
    size_t size = sizeof *node->shared + count * sizeof node->workers[0];
    uintptr_t at;
    unsigned started = 0;
    enum ths_err err = THS_OK;

    node->workers_memory = env->memory(env, NULL, size + 128);
    if (!node->workers_memory)
        return THS_NOMEM;
    at = ((uintptr_t)node->workers_memory + 127) & ~(uintptr_t)127;
    node->shared = (struct thsi_parking *)at;
    node->workers = (struct thsi_worker *)(node->shared + 1);
    memset((void *)node->shared, 0, sizeof *node->shared);
    for (unsigned i = 0; i < count; i++)
        init(&node->workers[i], node, i, pin);
    node->workers_count = count;
    while (started < count && (err = node->exec->start(node->exec, &node->workers[started].task)) == THS_OK)
        started++;
    if (err == THS_OK)
        return THS_OK;
    node->workers_count = started;
    thsi_workers_join(node);
    node->workers_count = count;
    thsi_workers_fini(node);
    return err;
}

void thsi_workers_join(struct ths_node *node)
{
    atomic_store_explicit(&node->shared->stop, true, memory_order_seq_cst);
    for (unsigned i = 0; i < node->workers_count; i++)
        unpark(node, i, NULL);
    for (unsigned i = 0; i < node->workers_count; i++)
        node->exec->join(node->exec, &node->workers[i].task);
}

void thsi_workers_fini(struct ths_node *node)
{
    for (unsigned i = 0; i < node->workers_count; i++) {
        thsi_pool_fini(&node->workers[i].pool);
        (void)pthread_mutex_destroy(&node->workers[i].wheel_lock);
    }
    (void)node->env->memory(node->env, node->workers_memory, 0);
}
