/* The crew's life: who sits where, who stands in for whom. */

#include "node/crew.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "node/blocking.h"
#include "node/watchdog.h"

enum { LINE = 128 };

static struct thsi_worker *member(const struct thsi_crew *crew, unsigned index)
{
    return crew->members[index];
}

/* ---- Threads ---------------------------------------------------------------------------- */

struct thsi_worker *thsi_worker_create(struct ths_node *node, struct thsi_seat *seat)
{
    void *memory = node->env->memory(node->env, NULL, sizeof(struct thsi_worker) + LINE);
    struct thsi_worker *worker;

    if (!memory)
        return NULL;
    worker = (struct thsi_worker *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    memset((void *)worker, 0, sizeof *worker);
    worker->memory = memory;
    worker->seat = seat;
    atomic_init(&worker->unseated, 1);
    thsi_pool_init(&worker->pool, &node->depot);
    atomic_init(&worker->ctx.budget, THSI_TURN_BUDGET);
    worker->ctx.node = node;
    worker->ctx.worker = worker;
    worker->ctx.pool = &worker->pool;
    worker->ctx.stats = &worker->stats;
    worker->ctx.tallies = worker->tallies;
    worker->ctx.until_stamp = 1;
    return worker;
}

void thsi_worker_destroy(struct thsi_worker *worker)
{
    struct ths_env *env = worker->ctx.node->env;

    thsi_ask_give_all(&worker->ctx.node->asks, &worker->ctx.free_asks);
    thsi_pool_fini(&worker->pool);
    (void)env->memory(env, worker->memory, 0);
}

/* Wait for a seat, or for the node's stop. Acquire: receives the seat. `stop` sequentially consistent, as the word's writers:
 * who stops the node sets it and then the word. Thread: @worker, which is in the list of those that rest, or was never seated. */
static void rest(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);

    while (!atomic_load_explicit(&worker->rest_word, memory_order_acquire) &&
           !atomic_load_explicit(&node->shared->stop, memory_order_seq_cst))
        node->exec->park(node->exec, &worker->rest_word, 0, 0, UINT64_MAX);
}

static void member_main(struct thsi_task *task)
{
    rest((struct thsi_worker *)task);
    thsi_worker_main(task);
}

/* Under the lock, or before anybody else runs. */
static void sit_down(struct ths_node *node, struct thsi_worker *worker, struct thsi_seat *seat)
{
    worker->seat = seat;
    seat->taken_by = worker;
    atomic_store_explicit(&worker->unseated, 0, memory_order_relaxed);
    /* Release: passes the seat on. */
    atomic_store_explicit(&worker->rest_word, 1, memory_order_release);
    node->exec->wake(node->exec, &worker->rest_word);
}

/* One more member, seated at @seat. Under the lock, or before anybody else runs. */
static enum ths_err grow(struct ths_node *node, struct thsi_seat *seat, const char *name, int cpu)
{
    struct thsi_crew *crew = node->crew;
    unsigned index = atomic_load_explicit(&crew->count, memory_order_relaxed);
    struct thsi_worker *worker = thsi_worker_create(node, seat);
    enum ths_err err;

    if (!worker)
        return THS_NOMEM;
    worker->index = index;
    worker->task = (struct thsi_task){ .name = worker->name, .main = member_main, .step = thsi_worker_step, .cpu = cpu };
    (void)snprintf(worker->name, sizeof worker->name, "%s-%u", name, index % 1000);
    err = node->exec->start(node->exec, &worker->task);
    if (err != THS_OK) {
        thsi_worker_destroy(worker);
        return err;
    }
    crew->members[index] = worker;
    /* Release: publishes the member to thieves, before it has anything to steal. */
    atomic_store_explicit(&crew->count, index + 1, memory_order_release);
    sit_down(node, worker, seat);
    return THS_OK;
}

/* ---- Taking over ------------------------------------------------------------------------ */

/* Give @seat to one that rests, or to a new thread. False: there is none. Under the lock. */
static bool find_stand_in(struct ths_node *node, struct thsi_seat *seat)
{
    struct thsi_crew *crew = node->crew;
    struct thsi_worker *worker = crew->resting;

    if (!worker)
        return atomic_load_explicit(&crew->count, memory_order_relaxed) < node->workers_count + crew->stand_ins_max &&
               grow(node, seat, "ths-standin", -1) == THS_OK;
    crew->resting = worker->rest_next;
    sit_down(node, worker, seat);
    return true;
}

bool thsi_crew_take_over(struct thsi_worker *worker, uint32_t beat, bool *taken_over)
{
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_crew *crew = node->crew;
    struct thsi_actor *actor;
    bool seated, still;

    *taken_over = false;
    (void)pthread_mutex_lock(&crew->lock);
    seated = worker->seat->taken_by == worker;
    atomic_store_explicit(&worker->unseated, 1, memory_order_seq_cst);
    if (!node->exec->barrier(node->exec)) {
        _Atomic uint32_t never = 0;

        node->exec->park(node->exec, &never, 0, 0, THSI_BARRIER_NS);
    }
    /* Acquire: what its thread did before the handler. */
    still = atomic_load_explicit(&worker->ctx.beat, memory_order_acquire) == beat;
    if (still && seated)
        *taken_over = find_stand_in(node, worker->seat);
    actor = still ? atomic_exchange_explicit(&worker->lifo, NULL, memory_order_acq_rel) : NULL;
    if (seated && !*taken_over) /* release: passes on that the slot is empty */
        atomic_store_explicit(&worker->unseated, 0, memory_order_release);
    (void)pthread_mutex_unlock(&crew->lock);
    if (actor) {
        thsi_injector_push(&node->injector, actor);
        thsi_wake_one(node, NULL);
    }
    return still;
}

/* Give everything that waits for it to others. */
static void hand_over(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_actor *actor = atomic_exchange_explicit(&worker->lifo, NULL, memory_order_acq_rel);
    bool any = actor != NULL;

    if (actor)
        thsi_injector_push(&node->injector, actor);
    while ((actor = thsi_ring_pop(&worker->ring)) != NULL) {
        thsi_injector_push(&node->injector, actor);
        any = true;
    }
    if (any)
        thsi_wake_one(node, &worker->stats);
}

void thsi_crew_came_back(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_crew *crew = node->crew;
    bool seated;

    (void)pthread_mutex_lock(&crew->lock);
    seated = worker->seat->taken_by == worker;
    if (!seated)
        atomic_store_explicit(&worker->rest_word, 0, memory_order_seq_cst);
    (void)pthread_mutex_unlock(&crew->lock);
    if (seated)
        return; /* nobody could stand in for it */
    hand_over(worker);
    (void)pthread_mutex_lock(&crew->lock);
    worker->rest_next = crew->resting;
    crew->resting = worker;
    (void)pthread_mutex_unlock(&crew->lock);
    rest(worker);
}

/* ---- Life ------------------------------------------------------------------------------- */

static struct thsi_crew *create(struct ths_node *node, unsigned count, bool pin)
{
    struct ths_env *env = node->env;
    size_t size = sizeof(struct thsi_crew) + count * sizeof(struct thsi_seat);
    struct thsi_crew *crew;

    node->crew_memory = env->memory(env, NULL, size + LINE);
    if (!node->crew_memory)
        return NULL;
    crew = (struct thsi_crew *)(((uintptr_t)node->crew_memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    memset((void *)crew, 0, size);
    (void)pthread_mutex_init(&crew->lock, NULL);
    for (unsigned i = 0; i < count; i++) {
        struct thsi_seat *seat = &crew->seats[i];

        seat->index = i;
        seat->cpu = pin ? (int)i : -1;
        (void)pthread_mutex_init(&seat->wheel_lock, NULL);
        thsi_wheel_init(&seat->wheel, thsi_now_ns(node));
        atomic_init(&seat->wheel_due_ns, UINT64_MAX);
    }
    return crew;
}

enum ths_err thsi_workers_start(struct ths_node *node, const struct thsi_workers_options *options)
{
    unsigned count = options->count;
    enum ths_err err = thsi_watchdog_create(node, options->slice_ms, options->stuck_ms);

    if (err == THS_OK)
        err = thsi_blocking_create(node, options->blocking_max, options->blocking_quiet_ms);
    node->crew = err == THS_OK ? create(node, count, options->pin) : NULL;
    if (!node->crew) {
        thsi_blocking_destroy(node);
        thsi_watchdog_destroy(node);
        return THS_NOMEM;
    }
    node->shared = &node->crew->parking;
    node->workers_count = count;
    node->crew->stand_ins_max = options->blocking_max < THSI_STAND_INS_MAX ? options->blocking_max : THSI_STAND_INS_MAX;
    for (unsigned i = 0; i < count && err == THS_OK; i++)
        err = grow(node, &node->crew->seats[i], "ths-worker", node->crew->seats[i].cpu);
    if (err == THS_OK)
        err = thsi_watchdog_start(node);
    if (err == THS_OK)
        return THS_OK;
    thsi_workers_join(node);
    thsi_workers_fini(node);
    return err;
}

void thsi_workers_join(struct ths_node *node)
{
    struct thsi_crew *crew = node->crew;
    unsigned count;

    atomic_store_explicit(&node->shared->stop, true, memory_order_seq_cst);
    thsi_watchdog_join(node); /* first: it starts threads */
    thsi_blocking_join(node);
    count = atomic_load_explicit(&crew->count, memory_order_acquire);
    for (unsigned i = 0; i < node->workers_count; i++)
        thsi_seat_wake(node, &crew->seats[i], NULL);
    for (unsigned i = 0; i < count; i++) {
        atomic_store_explicit(&member(crew, i)->rest_word, 1, memory_order_seq_cst);
        node->exec->wake(node->exec, &member(crew, i)->rest_word);
    }
    for (unsigned i = 0; i < count; i++)
        node->exec->join(node->exec, &member(crew, i)->task);
}

void thsi_workers_fini(struct ths_node *node)
{
    struct thsi_crew *crew = node->crew;

    for (unsigned i = 0; i < atomic_load_explicit(&crew->count, memory_order_relaxed); i++)
        thsi_worker_destroy(member(crew, i));
    for (unsigned i = 0; i < node->workers_count; i++)
        (void)pthread_mutex_destroy(&crew->seats[i].wheel_lock);
    (void)pthread_mutex_destroy(&crew->lock);
    thsi_blocking_destroy(node);
    thsi_watchdog_destroy(node);
    (void)node->env->memory(node->env, node->crew_memory, 0);
}

void thsi_workers_leave_poller(struct ths_node *node)
{
    for (unsigned i = 0; i < node->workers_count; i++) {
        /* Sequentially consistent: see thsi_polling_begin; it also acquires what the worker did inside. */
        while (atomic_load_explicit(&node->crew->seats[i].polling.inside, memory_order_seq_cst) != THSI_POLLING_NOT)
            (void)sched_yield();
    }
    /* Sequentially consistent: see thsi_node_poke. */
    while (atomic_load_explicit(&node->poking, memory_order_seq_cst) != 0)
        (void)sched_yield();
}

void thsi_workers_nudge(struct ths_node *node)
{
    thsi_wake_one(node, NULL);
}

void thsi_workers_each(const struct ths_node *node, void (*visit)(void *arg, struct ths_ctx *ctx), void *arg)
{
    /* Acquire: receives the members. */
    unsigned count = atomic_load_explicit(&node->crew->count, memory_order_acquire);

    for (unsigned i = 0; i < count; i++)
        visit(arg, &member(node->crew, i)->ctx);
    thsi_blocking_each(node, visit, arg);
}
