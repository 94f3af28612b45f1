/* Node: what the parts of one node share. node.c puts it together and takes it apart.
 *
 * A context is where code runs: each worker has one, all threads outside share one, the network's
 * deliveries have one. It owns a pool and counters; a context that is shared has a lock, which public entry points take
 * (thsi_enter) and the functions below them rely on. Locks are taken in this order: context, then one of table, names,
 * holds, inboxes, foreign, shares, questions, waiters, injector, depot. None is held while a handler runs. */

#ifndef THSI_NODE_NODE_H
#define THSI_NODE_NODE_H

#include <stdarg.h>

#include "node/actor.h"
#include "node/crash.h"
#include "node/ask_cycle.h"
#include "node/ask_table.h"
#include "node/cancels.h"
#include "node/exec.h"
#include "node/holds.h"
#include "node/inboxes.h"
#include "node/inspect.h"
#include "node/names.h"
#include "node/pool.h"
#include "node/router.h"
#include "node/runtime.h"
#include "node/shares.h"
#include "node/supervisor_actor.h"
#include "node/table.h"
#include "node/tally.h"
#include "node/worker.h"

enum {
    THSI_ERRS = 64,           /* dead letters are counted by enum ths_err */
    THSI_WORKERS_MAX = 64,
    THSI_MAILBOX_DEFAULT = 1024,
    THSI_RELATIONS_MAX = 1 << 20,         /* links or watchers of one actor that others of its node may ask for */
    THSI_RELATIONS_ELSEWHERE_MAX = 65536, /* the same for all other nodes together */
    THSI_RELATIONS_SHARE_MAX = 1 << 18,   /* links and watchers of all actors that one other node may ask for */
    THSI_BLOCKING_DEFAULT = 64,
    THSI_STAMP_FIRST = 256,   /* messages of each thread that note when they were sent; then one in */
    THSI_STAMP_EVERY = 128,
    THSI_TURN_BUDGET = 200,   /* messages handled and signals sent in one turn */
    THSI_EVENTS_MAX = 1 << 20, /* that wait in all mailboxes together */
    THSI_EXITS_KEPT = 4096    /* reasons kept for threads that may still ask */
};

/* How the stopping handler of the running actor stands to its end. */
enum thsi_veto {
    THSI_VETO_NONE,  /* it was not called, or has no say */
    THSI_VETO_OPEN,  /* it is being called and may veto */
    THSI_VETO_CAST,  /* it has */
    THSI_VETO_ASKED  /* it has not: the end follows, and does not call it again */
};

/* Counters of one context. Written by its owner, read by anybody. */
struct thsi_stats {
    _Atomic uint64_t spawned, ended, crashed, restarted, messages, steals, parks, wakes;
    _Atomic uint64_t crash_records_lost;
    _Atomic uint64_t dead_letters[THSI_ERRS];
};

struct ths_ctx {
    struct ths_node *node;
    struct thsi_worker *worker;    /* NULL: not a worker */
    struct thsi_pool *pool;
    struct thsi_stats *stats;
    struct thsi_tally *tallies;    /* THSI_TALLIES of them; a worker's */
    pthread_mutex_t *lock;         /* of a shared context; NULL: a worker's */
    uint32_t until_stamp;          /* messages until one notes when it was sent */
    uint64_t stamped;              /* those that did */
    _Atomic uint32_t routing;      /* inside the router; see thsi_router_begin */
    struct thsi_free_asks free_asks; /* a worker's */

    /* A worker's only; the watchdog looks at these and at `actor` (watchdog.c). */
    _Atomic uint32_t beat;         /* odd: in a handler. Another number for each message */
    _Atomic uint32_t budget;       /* messages handled and signals sent in one turn */
    _Atomic(const struct thsi_type_info *) handling; /* type of the message at hand; NULL: another signal, or the start */

    /* Of the running actor; a worker's only. */
    char *state_out;               /* where ths_state_say writes; NULL: nobody wants to know */
    size_t state_size;
    struct thsi_actor *actor;      /* NULL: none. Written atomically */
    struct thsi_message *message;  /* at hand; NULL: none */
    struct thsi_tally *tally;      /* of the message that was handled last; NULL: none in the present turn */
    uint32_t sent;                 /* signals sent in the present turn, charged to its budget */
    uint64_t ask_id;               /* of the ask whose answer is being handled */
    const char *reply_text;        /* what is to be said of it; NULL: what its message says */
    bool answered;                 /* the request at hand was replied to */
    bool ending;                   /* ths_stop, ths_shutdown or ths_fail was called */
    uint8_t veto;                  /* enum thsi_veto */
    enum ths_reason end_reason;
    char end_text[THS_REASON_TEXT_SIZE];
};

/* A context that threads share: its pool, counters and lock in one. */
struct thsi_shared_ctx {
    struct ths_ctx ctx;
    struct thsi_pool pool;
    struct thsi_stats stats;
    pthread_mutex_t lock;
};

/* A thread outside that waits for something to become true. On its stack. */
struct thsi_waiter {
    struct thsi_waiter *next;
    ths_ref ref;
    _Atomic uint32_t word; /* 1: it has come */
    enum ths_reason reason;
};

/* A thread outside that waits for an actor to have started. On its stack. */
struct thsi_start_waiter {
    struct thsi_start_waiter *next;
    uint64_t id;
    _Atomic uint32_t word; /* 1: it has come */
    enum ths_err err;
    char text[THS_REASON_TEXT_SIZE];
};

struct thsi_exit {
    ths_ref ref;
    enum ths_reason reason;
    bool complete; /* all that belongs to its end is done */
};

struct thsi_foreign {
    struct thsi_actor *actor;
    uint32_t generation;
};

struct ths_node {
    char name[THS_NAME_SIZE];
    uint64_t uid;
    struct ths_env *env;
    struct thsi_exec *exec;
    struct thsi_depot depot;
    struct thsi_table table;
    struct thsi_ask_table asks;
    struct thsi_cancels cancels;
    struct thsi_cycles cycles;
    struct thsi_injector injector;
    struct thsi_names names;
    struct thsi_names behaviours;       /* registered ones, by name */
    struct thsi_holds holds;
    struct thsi_inboxes inboxes;
    struct thsi_supervisors supervisors;
    struct thsi_crashes crashes;
    struct thsi_questions questions;
    _Atomic(struct thsi_router *) router;
    _Atomic(struct thsi_poller *) poller; /* NULL: there is no network */
    _Atomic uint32_t poking;            /* threads that are about to poke it */
    struct thsi_runtime runtime;
    struct thsi_shared_ctx outside;
    struct thsi_shared_ctx network;

    struct thsi_shares shares;          /* of other nodes in the links and watchers of all actors */
    pthread_mutex_t foreign_lock;       /* over the list of actors with relations to other nodes */
    struct thsi_foreign *foreign;
    size_t foreign_count, foreign_cap;

    pthread_mutex_t waiters_lock;       /* over waiters, starts and exits */
    struct thsi_waiter *waiters;
    struct thsi_start_waiter *starts;
    uint64_t starts_id;                 /* of the last one */
    struct thsi_exit *exits;            /* ring of THSI_EXITS_KEPT */
    size_t exits_next;

    _Atomic uint32_t events;            /* that wait in mailboxes */
    _Atomic bool stopping;              /* no spawns any more */
    _Atomic bool killing;               /* every end is for good */
    _Atomic uint32_t ended_word;        /* rises with every end while stopping */
    unsigned workers_count;
    struct thsi_parking *shared;
    struct thsi_crew *crew;
    void *crew_memory;                  /* as it was allocated */
    struct thsi_blocking *blocking;     /* NULL: there are no such threads (the simulator) */
    struct thsi_watchdog *watchdog;     /* NULL: nobody watches (the simulator) */
};

static inline void thsi_enter(struct ths_ctx *ctx)
{
    if (ctx->lock)
        (void)pthread_mutex_lock(ctx->lock);
}

static inline void thsi_leave(struct ths_ctx *ctx)
{
    if (ctx->lock)
        (void)pthread_mutex_unlock(ctx->lock);
}

/* Relaxed: others only glance at it. */
static inline void thsi_ctx_set_actor(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    __atomic_store_n(&ctx->actor, actor, __ATOMIC_RELAXED);
}

/* A message is about to be handled. Release: who sees it sees that the actor was taken out of its queue. */
static inline void thsi_beat(struct ths_ctx *ctx, const struct thsi_type_info *type)
{
    uint32_t beat = atomic_load_explicit(&ctx->beat, memory_order_relaxed);

    atomic_store_explicit(&ctx->handling, type, memory_order_relaxed);
    atomic_store_explicit(&ctx->beat, (beat | 1) + 2, memory_order_release);
}

/* The turn is over. Release: as what the handlers did. */
static inline void thsi_beat_end(struct ths_ctx *ctx)
{
    uint32_t beat = atomic_load_explicit(&ctx->beat, memory_order_relaxed);

    atomic_store_explicit(&ctx->beat, (beat | 1) + 1, memory_order_release);
}

/* Add to a counter that one thread at a time writes: no locked instruction. Release: who reads that an actor has ended
 * also reads all spawns that it made (ths_node_stats, on which the node's stop relies). */
static inline void thsi_count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_release);
}

static inline void thsi_count_dead_letter(struct ths_ctx *ctx, enum ths_err err, uint64_t count)
{
    thsi_count(&ctx->stats->dead_letters[(unsigned)err < THSI_ERRS ? (unsigned)err : 0], count);
}

/* An event waits no more. Relaxed: only the number matters. */
static inline void thsi_event_over(struct ths_ctx *ctx)
{
    (void)atomic_fetch_sub_explicit(&ctx->node->events, 1, memory_order_relaxed);
}

static inline ths_ref thsi_actor_ref(const struct ths_node *node, const struct thsi_actor *actor)
{
    return (ths_ref){ node->uid, actor->slot, thsi_actor_generation(actor) };
}

static inline uint64_t thsi_now_ns(const struct ths_node *node)
{
    return node->env->now_ns(node->env);
}

/* Have the worker that waits for the network look at its word. Sequentially consistent: who empties the place looks at `poking`
 * after, so either this finds none, or is waited for. */
static inline void thsi_node_poke(struct ths_node *node)
{
    struct thsi_poller *poller;

    (void)atomic_fetch_add_explicit(&node->poking, 1, memory_order_seq_cst);
    poller = atomic_load_explicit(&node->poller, memory_order_seq_cst);
    if (poller) /* else who emptied the place pokes it */
        poller->poke(poller);
    (void)atomic_fetch_sub_explicit(&node->poking, 1, memory_order_release);
}

/* Write one line to the log. Thread: any. */
void thsi_log(struct ths_node *node, enum ths_log_level level, const char *component, const char *format, ...)
    THS_PRINTF(4, 5);
void thsi_vlog(struct ths_node *node, enum ths_log_level level, const char *component, const char *format,
               va_list args);

/* The actor that @ref names if it lives, else NULL with why: GONE, or STALE for a ref this boot never gave out.
 * @ref.node is this node. */
static inline struct thsi_actor *thsi_actor_find(struct ths_node *node, ths_ref ref, enum ths_err *err)
{
    struct thsi_actor *actor = thsi_table_at(&node->table, ref.slot);
    uint32_t generation = actor ? thsi_actor_generation(actor) : 0;

    if (actor && generation == ref.generation && thsi_generation_lives(generation))
        return actor;
    *err = ref.generation < generation && thsi_generation_lives(ref.generation) ? THS_GONE : THS_STALE;
    return NULL;
}

/* The waiting of threads outside (node_outside.c). */

/* @ref is about to end and its reason will be asked for: keep it. Before its generation rises. Thread: a worker. */
void thsi_outside_ending(struct ths_node *node, ths_ref ref, enum ths_reason reason);

/* Its end is complete: tell who waits, if its @flags say that somebody may. Thread: a worker. */
void thsi_outside_ended(struct ths_node *node, ths_ref ref, enum ths_reason reason, uint32_t flags);

/* Wait until @word is not 0, at most until @deadline_ns. */
void thsi_outside_wait(struct ths_node *node, _Atomic uint32_t *word, uint64_t deadline_ns);

/* Let it go on. */
void thsi_outside_wake(struct ths_node *node, _Atomic uint32_t *word);

/* The start that a thread outside waits for under @id is over. Thread: a worker. */
void thsi_outside_started(struct ths_node *node, uint64_t id, enum ths_err err, const char *text);

/* The node stops: tell @whom to end. @ctx is entered. */
void thsi_tell_stopping(struct ths_ctx *ctx, ths_ref whom);

/* As ths_stop and the like: the running actor is to end after this handler. */
void thsi_wish_end(struct ths_ctx *ctx, enum ths_reason reason, const char *text);

/* Fill node->runtime (runtime.c). */
void thsi_runtime_init(struct ths_node *node);

#endif /* THSI_NODE_NODE_H */
