/* How a thread of the crew runs actors: what it schedules, what it takes next, its loop. Waking and parking are in waking.c. */

#include "node/blocking.h"
#include "node/crew.h"
#include "node/timers.h"

enum {
    LIFO_IN_A_ROW = 48,     /* turns from the slot before others get one */
    CHECK_EVERY = 32        /* turns between looks at the clock, the injector and the network */
};

struct ths_ctx *thsi_worker_ctx(struct thsi_worker *worker)
{
    return &worker->ctx;
}

struct thsi_free_slots *thsi_worker_free_slots(struct thsi_worker *worker)
{
    return worker->blocks ? NULL : &worker->free_slots; /* what an idle thread of blocking.h kept would be missing for long */
}

/* ---- Scheduling ------------------------------------------------------------------------- */

static void push_to_ring(struct thsi_worker *worker, struct thsi_actor *actor)
{
    struct ths_node *node = thsi_node_of(worker);

    if (!thsi_ring_push(&worker->ring, actor))
        thsi_injector_push(&node->injector, actor);
    /* After the push, and both sequentially consistent: see parking.h. */
    if (atomic_load_explicit(&node->shared->idle, memory_order_seq_cst))
        thsi_wake_one(node, &worker->stats);
}

static void inject(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    thsi_injector_push(&ctx->node->injector, actor);
    thsi_wake_one(ctx->node, ctx->stats);
}

/* Whether what this thread schedules is for others. Relaxed: one that misses it is found by the watchdog's next look. */
static bool is_unseated(const struct thsi_worker *worker)
{
    return !worker || atomic_load_explicit(&worker->unseated, memory_order_relaxed);
}

/* Relaxed: set before anybody knew the actor, and who owns the consumer's side received it with that. */
static bool is_elsewhere(const struct thsi_actor *actor)
{
    return atomic_load_explicit(&actor->flags, memory_order_relaxed) & THSI_FLAG_ELSEWHERE;
}

void thsi_schedule(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct thsi_worker *worker = ctx->worker;
    struct thsi_actor *before;

    if (is_elsewhere(actor)) {
        thsi_blocking_schedule(ctx, actor);
        return;
    }
    if (is_unseated(worker)) {
        inject(ctx, actor);
        return;
    }
    /* Relaxed: only this thread puts one in. Others may take it out meanwhile (crew.h), hence the exchange. Release: passes the
     * actor on to who does. */
    before = atomic_load_explicit(&worker->lifo, memory_order_relaxed);
    if (before)
        before = atomic_exchange_explicit(&worker->lifo, actor, memory_order_acq_rel);
    else
        atomic_store_explicit(&worker->lifo, actor, memory_order_release);
    if (before)
        push_to_ring(worker, before);
}

void thsi_schedule_last(struct thsi_worker *worker, struct thsi_actor *actor)
{
    if (is_elsewhere(actor))
        thsi_blocking_schedule(&worker->ctx, actor);
    else if (is_unseated(worker))
        inject(&worker->ctx, actor);
    else
        push_to_ring(worker, actor);
}

/* ---- Timers ----------------------------------------------------------------------------- */

/* Under the wheel's lock. Relaxed: a hint, who reads it looks again under the lock. */
static void note_due(struct thsi_seat *seat)
{
    atomic_store_explicit(&seat->wheel_due_ns, thsi_wheel_deadline_ns(&seat->wheel), memory_order_relaxed);
}

struct thsi_seat *thsi_seat_of(struct thsi_worker *worker)
{
    return worker->seat;
}

void thsi_seat_add(struct ths_ctx *ctx, struct thsi_timer_entry *entry, uint64_t deadline_ns)
{
    struct thsi_seat *seat = ctx->worker->seat;
    uint64_t before_ns;

    (void)pthread_mutex_lock(&seat->wheel_lock);
    before_ns = thsi_seat_due_ns(seat);
    thsi_wheel_add(&seat->wheel, entry, deadline_ns);
    note_due(seat);
    (void)pthread_mutex_unlock(&seat->wheel_lock);
    /* Who sits there may sleep. If it sat down after this look, the barrier of the hand-over makes it see the timer. */
    if (deadline_ns < before_ns && is_unseated(ctx->worker))
        thsi_seat_wake(ctx->node, seat, ctx->stats);
}

bool thsi_seat_cancel(struct thsi_seat *seat, struct thsi_timer_entry *entry)
{
    bool was_in;

    (void)pthread_mutex_lock(&seat->wheel_lock);
    was_in = thsi_wheel_cancel(&seat->wheel, entry);
    note_due(seat);
    (void)pthread_mutex_unlock(&seat->wheel_lock);
    return was_in;
}

/* Fire what is due. Returns whether anything was. */
static bool expire(struct thsi_worker *worker, uint64_t now_ns)
{
    struct thsi_seat *seat = worker->seat;
    struct thsi_timer_entry *due;

    if (thsi_seat_due_ns(seat) > now_ns)
        return false;
    (void)pthread_mutex_lock(&seat->wheel_lock);
    due = thsi_wheel_expire(&seat->wheel, now_ns);
    note_due(seat);
    (void)pthread_mutex_unlock(&seat->wheel_lock);
    if (!due)
        return false;
    thsi_timers_fire(&worker->ctx, due);
    return true;
}

/* ---- Looking for work ------------------------------------------------------------------- */

/* Between turns nobody else takes from the slot (crew.h), hence relaxed. */
static struct thsi_actor *take_lifo(struct thsi_worker *worker)
{
    struct thsi_actor *actor = atomic_load_explicit(&worker->lifo, memory_order_relaxed);

    if (actor)
        atomic_store_explicit(&worker->lifo, NULL, memory_order_relaxed);
    return actor;
}

static struct thsi_actor *next_own(struct thsi_worker *worker)
{
    struct thsi_actor *actor = worker->lifo_in_a_row < LIFO_IN_A_ROW ? take_lifo(worker) : NULL;

    if (actor) {
        worker->lifo_in_a_row++;
        return actor;
    }
    worker->lifo_in_a_row = 0;
    actor = thsi_ring_pop(&worker->ring);
    return actor ? actor : take_lifo(worker);
}

/* Every so many turns: timers that are due, and the injector before the own queues, so that neither starves. */
static struct thsi_actor *next_in_turn(struct thsi_worker *worker)
{
    struct ths_node *node = thsi_node_of(worker);

    if (++worker->turns % CHECK_EVERY == 0) {
        struct thsi_actor *actor;

        if (thsi_seat_due_ns(worker->seat) != UINT64_MAX)
            (void)expire(worker, thsi_now_ns(node));
        (void)thsi_poll_once(worker);
        actor = thsi_injector_pop(&node->injector);
        if (actor)
            return actor;
    }
    return next_own(worker);
}

/* ---- The loop --------------------------------------------------------------------------- */

void thsi_worker_main(struct thsi_task *task)
{
    struct thsi_worker *worker = (struct thsi_worker *)task;
    struct ths_node *node = thsi_node_of(worker);

    while (!atomic_load_explicit(&node->shared->stop, memory_order_relaxed)) {
        struct thsi_actor *actor = next_in_turn(worker);

        if (!actor && !expire(worker, thsi_seat_due_ns(worker->seat) != UINT64_MAX ? thsi_now_ns(node) : 0))
            actor = thsi_await_work(worker);
        if (!actor)
            continue;
        thsi_actor_turn(worker, actor);
        thsi_beat_end(&worker->ctx);
        atomic_signal_fence(memory_order_seq_cst); /* the other half is the watchdog's barrier, see crew.h */
        /* Acquire: what the watchdog took out of the slot before it let this thread keep its seat. */
        if (atomic_load_explicit(&worker->unseated, memory_order_acquire))
            thsi_crew_came_back(worker);
    }
}

/* Timers that are due, or one turn. */
bool thsi_worker_step(struct thsi_task *task, uint64_t *deadline_ns)
{
    struct thsi_worker *worker = (struct thsi_worker *)task;
    struct thsi_actor *actor;

    if (expire(worker, thsi_now_ns(thsi_node_of(worker))))
        return true;
    actor = next_in_turn(worker);
    if (!actor)
        actor = thsi_next_elsewhere(worker);
    if (actor)
        thsi_actor_turn(worker, actor);
    *deadline_ns = thsi_seat_due_ns(worker->seat);
    return actor != NULL;
}
