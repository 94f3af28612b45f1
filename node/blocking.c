#include "node/blocking.h"

#include <stdio.h>
#include <string.h>

#include "node/crew.h"
#include "node/watchdog.h"

enum kind { POOL, OWN, KINDS };

enum { OWN_LOOKS = 400 }; /* of an own thread at its word before it sleeps: some 10 us */

struct thsi_blocking {
    pthread_mutex_t lock;          /* over all that is not atomic */
    struct thsi_actor *head, *tail; /* wait for a thread of the pool */
    struct thsi_worker *resting;   /* threads of the pool without work */
    struct thsi_worker *members[KINDS * THSI_BLOCKING_MAX]; /* the first `count` exist until the node's end */
    _Atomic uint32_t count;
    _Atomic uint32_t threads[KINDS]; /* that have not ended; written under the lock */
    _Atomic uint32_t active;       /* turns that are being run */
    unsigned max;                  /* of each kind */
    uint64_t quiet_ns;
};

static bool must_stop(const struct ths_node *node)
{
    return atomic_load_explicit(&node->shared->stop, memory_order_seq_cst);
}

static void wake(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);

    /* Sequentially consistent for the sake of the stop (rest in crew.c); it passes on what was written for the thread. */
    atomic_store_explicit(&worker->rest_word, 1, memory_order_seq_cst);
    node->exec->wake(node->exec, &worker->rest_word);
}

/* The same for a thread of an actor's own, which looks for a while before it sleeps: while it does the system need not be
 * called. It sets own_sleeps and then looks at its word; both sequentially consistent, so one of the two sees the other
 * (Dekker). */
static void wake_own(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);

    atomic_store_explicit(&worker->rest_word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&worker->own_sleeps, memory_order_seq_cst))
        node->exec->wake(node->exec, &worker->rest_word);
}

static void run(struct thsi_worker *worker, struct thsi_actor *actor)
{
    struct ths_node *node = thsi_node_of(worker);

    /* Sequentially consistent: the watchdog looks at it before it sleeps. */
    (void)atomic_fetch_add_explicit(&node->blocking->active, 1, memory_order_seq_cst);
    thsi_watchdog_rouse(node);
    thsi_actor_turn(worker, actor);
    thsi_beat_end(&worker->ctx);
    (void)atomic_fetch_sub_explicit(&node->blocking->active, 1, memory_order_relaxed);
}

/* ---- Threads ---------------------------------------------------------------------------- */

/* The lock is held; @worker's thread touches nothing of it any more once it is given up. */
static void retire(struct thsi_blocking *blocking, struct thsi_worker *worker, enum kind kind)
{
    worker->retired = true;
    (void)atomic_fetch_sub_explicit(&blocking->threads[kind], 1, memory_order_relaxed);
}

/* A member without a thread: one that has ended, or a new one. NULL: no memory, or all are in use. Under the lock. */
static struct thsi_worker *find_member(struct ths_node *node)
{
    struct thsi_blocking *blocking = node->blocking;
    uint32_t count = atomic_load_explicit(&blocking->count, memory_order_relaxed);
    struct thsi_worker *worker;

    for (uint32_t i = 0; i < count; i++) {
        worker = blocking->members[i];
        if (!worker->retired)
            continue;
        if (worker->joinable)
            node->exec->join(node->exec, &worker->task);
        worker->joinable = false;
        return worker;
    }
    if (count == KINDS * THSI_BLOCKING_MAX)
        return NULL;
    worker = thsi_worker_create(node, &node->crew->seats[count % node->workers_count]);
    if (!worker)
        return NULL;
    (void)snprintf(worker->name, sizeof worker->name, "ths-block-%u", count % 1000);
    worker->blocks = true;
    worker->retired = true;
    blocking->members[count] = worker;
    /* Release: publishes the member to those who visit it. */
    atomic_store_explicit(&blocking->count, count + 1, memory_order_release);
    return worker;
}

/* Under the lock. Errors: TOO_MANY, NOMEM, IO. */
static enum ths_err start(struct ths_node *node, enum kind kind, void (*task_main)(struct thsi_task *), struct thsi_worker **out)
{
    struct thsi_blocking *blocking = node->blocking;
    struct thsi_worker *worker;
    enum ths_err err;

    if (atomic_load_explicit(&blocking->threads[kind], memory_order_relaxed) >= blocking->max)
        return THS_TOO_MANY;
    worker = find_member(node);
    if (!worker)
        return THS_NOMEM;
    worker->task = (struct thsi_task){ .name = worker->name, .main = task_main, .cpu = -1 };
    /* Relaxed: published by the start. */
    atomic_store_explicit(&worker->own_over, false, memory_order_relaxed);
    atomic_store_explicit(&worker->rest_word, 0, memory_order_relaxed);
    err = node->exec->start(node->exec, &worker->task);
    if (err != THS_OK)
        return err;
    worker->joinable = true;
    worker->retired = false;
    (void)atomic_fetch_add_explicit(&blocking->threads[kind], 1, memory_order_relaxed);
    *out = worker;
    return THS_OK;
}

/* ---- The pool --------------------------------------------------------------------------- */

/* Under the lock. */
static void append(struct thsi_blocking *blocking, struct thsi_actor *actor)
{
    actor->run_next = NULL;
    if (blocking->tail)
        blocking->tail->run_next = actor;
    else
        blocking->head = actor;
    blocking->tail = actor;
}

/* Under the lock. */
static struct thsi_actor *take(struct thsi_blocking *blocking)
{
    struct thsi_actor *actor = blocking->head;

    if (actor)
        blocking->head = actor->run_next;
    if (!blocking->head)
        blocking->tail = NULL;
    return actor;
}

/* Under the lock. */
static void unlist(struct thsi_blocking *blocking, const struct thsi_worker *worker)
{
    struct thsi_worker **at = &blocking->resting;

    while (*at != worker)
        at = &(*at)->rest_next;
    *at = worker->rest_next;
}

/* Rest until there is work; false: for long enough. The lock is held before and after. Who wakes it has unlisted it. */
static bool rest(struct thsi_blocking *blocking, struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);
    uint64_t now_ns = thsi_now_ns(node), until_ns = now_ns + blocking->quiet_ns;

    atomic_store_explicit(&worker->rest_word, 0, memory_order_relaxed); /* under the lock, as who sets it finds it in the list */
    worker->rest_next = blocking->resting;
    blocking->resting = worker;
    (void)pthread_mutex_unlock(&blocking->lock);
    while (!atomic_load_explicit(&worker->rest_word, memory_order_acquire) && (now_ns = thsi_now_ns(node)) < until_ns)
        node->exec->park(node->exec, &worker->rest_word, 0, now_ns, until_ns);
    (void)pthread_mutex_lock(&blocking->lock);
    if (atomic_load_explicit(&worker->rest_word, memory_order_relaxed))
        return true;
    unlist(blocking, worker);
    return false;
}

static void pool_main(struct thsi_task *task)
{
    struct thsi_worker *worker = (struct thsi_worker *)task;
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_blocking *blocking = node->blocking;
    struct thsi_actor *actor;

    (void)pthread_mutex_lock(&blocking->lock);
    while ((actor = take(blocking)) != NULL || (!must_stop(node) && rest(blocking, worker))) {
        if (!actor)
            continue;
        (void)pthread_mutex_unlock(&blocking->lock);
        run(worker, actor);
        (void)pthread_mutex_lock(&blocking->lock);
    }
    retire(blocking, worker, POOL);
    (void)pthread_mutex_unlock(&blocking->lock);
}

/* There is no thread at all for those that wait: the crew is to run them. Under the lock. */
static void give_to_crew(struct ths_node *node)
{
    struct thsi_actor *actor;

    while ((actor = take(node->blocking)) != NULL)
        thsi_injector_push(&node->injector, actor);
}

/* ---- Own threads ------------------------------------------------------------------------ */

/* Look for a while, then sleep, until the word is set or the node stops. Acquire: receives `given` and own_over. */
static void await_word(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);

    for (unsigned i = 0; i < OWN_LOOKS; i++) {
        if (atomic_load_explicit(&worker->rest_word, memory_order_acquire) || must_stop(node))
            return;
        thsi_parking_relax();
    }
    atomic_store_explicit(&worker->own_sleeps, true, memory_order_seq_cst);
    while (!atomic_load_explicit(&worker->rest_word, memory_order_seq_cst) && !must_stop(node))
        node->exec->park(node->exec, &worker->rest_word, 0, 0, UINT64_MAX);
    atomic_store_explicit(&worker->own_sleeps, false, memory_order_relaxed); /* who still sees it set wakes in vain */
}

/* Who schedules its actor hands it over in `given` and sets the word. */
static void own_main(struct thsi_task *task)
{
    struct thsi_worker *worker = (struct thsi_worker *)task;
    struct ths_node *node = thsi_node_of(worker);
    struct thsi_blocking *blocking = node->blocking;
    bool over = false;

    while (!over) {
        struct thsi_actor *actor;

        await_word(worker);
        atomic_store_explicit(&worker->rest_word, 0, memory_order_seq_cst); /* as in crew.c: before the look at `stop` */
        actor = atomic_exchange_explicit(&worker->given, NULL, memory_order_acq_rel);
        if (actor)
            run(worker, actor);
        over = atomic_load_explicit(&worker->own_over, memory_order_acquire) || must_stop(node);
    }
    (void)pthread_mutex_lock(&blocking->lock);
    retire(blocking, worker, OWN);
    (void)pthread_mutex_unlock(&blocking->lock);
}

enum ths_err thsi_own_thread_start(struct ths_node *node, struct thsi_worker **worker)
{
    enum ths_err err;

    (void)pthread_mutex_lock(&node->blocking->lock);
    err = start(node, OWN, own_main, worker);
    (void)pthread_mutex_unlock(&node->blocking->lock);
    return err;
}

void thsi_own_thread_over(struct thsi_worker *worker)
{
    atomic_store_explicit(&worker->own_over, true, memory_order_release);
    wake(worker);
}

/* ---- Scheduling ------------------------------------------------------------------------- */

void thsi_blocking_schedule(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct ths_node *node = ctx->node;
    struct thsi_blocking *blocking = node->blocking;
    struct thsi_worker *worker = actor->rare ? actor->rare->own_thread : NULL;
    bool alone = false;

    if (worker) {
        atomic_store_explicit(&worker->given, actor, memory_order_release);
        wake_own(worker);
        return;
    }
    (void)pthread_mutex_lock(&blocking->lock);
    append(blocking, actor);
    worker = blocking->resting;
    if (worker) {
        blocking->resting = worker->rest_next;
        wake(worker);
    } else if (start(node, POOL, pool_main, &worker) != THS_OK) {
        alone = atomic_load_explicit(&blocking->threads[POOL], memory_order_relaxed) == 0;
    }
    if (alone)
        give_to_crew(node);
    (void)pthread_mutex_unlock(&blocking->lock);
    if (alone)
        thsi_wake_one(node, ctx->stats);
}

/* ---- Life ------------------------------------------------------------------------------- */

bool thsi_blocking_works(const struct ths_node *node)
{
    return node->blocking != NULL;
}

enum ths_err thsi_blocking_create(struct ths_node *node, unsigned max, unsigned quiet_ms)
{
    struct thsi_blocking *blocking;

    if (node->exec->drive)
        return THS_OK;
    blocking = node->env->memory(node->env, NULL, sizeof *blocking);
    if (!blocking)
        return THS_NOMEM;
    memset((void *)blocking, 0, sizeof *blocking);
    (void)pthread_mutex_init(&blocking->lock, NULL);
    blocking->max = max < THSI_BLOCKING_MAX ? max : THSI_BLOCKING_MAX;
    blocking->quiet_ns = UINT64_C(1000000) * (quiet_ms ? quiet_ms : THSI_BLOCKING_QUIET_MS);
    node->blocking = blocking;
    return THS_OK;
}

void thsi_blocking_join(struct ths_node *node)
{
    struct thsi_blocking *blocking = node->blocking;
    uint32_t count;

    if (!blocking)
        return;
    /* Those that look at `stop` under the lock from here on see it; the others are woken. */
    (void)pthread_mutex_lock(&blocking->lock);
    count = atomic_load_explicit(&blocking->count, memory_order_relaxed);
    blocking->resting = NULL;
    for (uint32_t i = 0; i < count; i++)
        wake(blocking->members[i]);
    (void)pthread_mutex_unlock(&blocking->lock);
    for (uint32_t i = 0; i < count; i++)
        if (blocking->members[i]->joinable)
            node->exec->join(node->exec, &blocking->members[i]->task);
}

void thsi_blocking_destroy(struct ths_node *node)
{
    struct thsi_blocking *blocking = node->blocking;

    if (!blocking)
        return;
    for (uint32_t i = 0; i < atomic_load_explicit(&blocking->count, memory_order_relaxed); i++)
        thsi_worker_destroy(blocking->members[i]);
    (void)pthread_mutex_destroy(&blocking->lock);
    (void)node->env->memory(node->env, blocking, 0);
    node->blocking = NULL;
}

void thsi_blocking_each(const struct ths_node *node, void (*visit)(void *arg, struct ths_ctx *ctx), void *arg)
{
    const struct thsi_blocking *blocking = node->blocking;
    /* Acquire: receives the members. */
    uint32_t count = blocking ? atomic_load_explicit(&blocking->count, memory_order_acquire) : 0;

    for (uint32_t i = 0; i < count; i++)
        visit(arg, &blocking->members[i]->ctx);
}

bool thsi_blocking_is_active(const struct ths_node *node)
{
    return node->blocking && atomic_load_explicit(&node->blocking->active, memory_order_seq_cst) > 0;
}

void thsi_blocking_stats(const struct ths_node *node, struct ths_node_stats *sum)
{
    for (int kind = 0; node->blocking && kind < KINDS; kind++)
        sum->blocking_threads += atomic_load_explicit(&node->blocking->threads[kind], memory_order_relaxed);
}
