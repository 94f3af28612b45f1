/* Actor: one slot of the actor table, and what happens to the actor that lives in it.
 *
 *              claim               start handlers            ends (not supervised, or FINISH)
 *     FREE ────────────▶ STARTING ───────────────▶ RUNNING ─────────────────────────────────▶ FREE
 *                            ▲                        │                                        ▲
 *                            │ RESTART                │ ends (supervised)                      │ FINISH
 *                            └──────── HALTED ◀───────┘                                        │
 *                                        └─────────────────────────────────────────────────────┘
 *
 * Invariant: whoever owns the mailbox's consumer side, and nobody else, reads and writes the consumer's
 * fields. A slot is never unmapped before its node stops; its generation rises when an actor comes to live in it
 * and when it ends, so a message for an earlier one is recognised wherever it turns up, and no ref names a later one. */

#ifndef THSI_NODE_ACTOR_H
#define THSI_NODE_ACTOR_H

#include "node/become.h"
#include "node/alloc.h"
#include "node/deadlines.h"
#include "node/dispatch.h"
#include "node/held.h"
#include "node/mailbox.h"
#include "node/orders.h"
#include "node/timer_set.h"
#include "node/relations.h"
#include "thiasos/actor.h"

enum thsi_phase {
    THSI_PHASE_FREE,     /* no actor; what arrives is for one that has ended */
    THSI_PHASE_STARTING, /* its start handlers have not run yet */
    THSI_PHASE_RUNNING,
    THSI_PHASE_HALTED    /* an incarnation ended; the supervisor decides. What the next is to hear waits in the inner queue */
};

/* Bits of thsi_actor.flags: set by any thread, read by the consumer. */
enum {
    THSI_FLAG_WAITED = 1,  /* a thread outside waits for its end, or may ask for its reason */
    THSI_FLAG_MARKED = 2,  /* the router wants actor_ended */
    THSI_FLAG_SERVES = 4,  /* works for a thread outside that waits for its end, whatever the reason */
    THSI_FLAG_DRAINS = 8,  /* refuses new work, if thsi_is_draining says so too */
    THSI_FLAG_HELD = 16,   /* spawned with .held: has an entry among the node's holds */
    THSI_FLAG_INBOX = 32,  /* its mailbox is under a lock (inboxes.h) */
    THSI_FLAG_ELSEWHERE = 64, /* is not run by the crew (blocking.h) */
    THSI_FLAG_INSPECTED = 128, /* somebody has a question (inspect.h) */
    THSI_FLAG_PRESSED = 256 /* the router wants has_room (room.h) */
};

enum {
    THSI_INLINE_STATE = 16,
    THSI_STATE_INLINE = 254
};

/* Bits of thsi_actor.hooks: what few actors have and the turn must not forget. Consumer's. While it is 0 a message takes
 * the short way; every bit has its line here. */
enum {
    THSI_HOOKS_NONE = 0,
    THSI_HOOK_QUIET = 1, /* a silence is waited for (quiet.h) */
    THSI_HOOK_DRAINS = 2, /* drained but for requests that it has not answered yet (life.h) */
    THSI_HOOK_TRACED = 4  /* supervised: what it handles is noted (crash.h) */
};

struct thsi_rare;

struct thsi_actor {
    /* The first cache line: what senders write, and what is rarely used. */
    struct thsi_mailbox mailbox;
    _Atomic uint32_t generation; /* odd: of the actor in it; even: FREE */
    _Atomic uint32_t queued;     /* data messages in the mailbox, handled ones of the present turn included */
    _Atomic uint32_t flags;
    uint32_t capacity;           /* data messages it may hold; written while FREE */
    uint32_t incarnation;        /* while FREE: the reason for which the last one ended */
    _Atomic uint32_t asks;       /* its newest open ask (ask.c), 0: none. The consumer's; others may glance */
    struct thsi_actor *run_next; /* in the injector's list */
    union {
        struct thsi_message *inner_head; /* messages that wait while HALTED, oldest first */
        struct thsi_actor *free_next;    /* while FREE, in a free list */
    };
    struct thsi_message *inner_tail;

    /* The second: the consumer's. Others may glance at dispatch, incarnation and phase, so these are written atomically. */
    _Alignas(64) struct thsi_message *tail; /* the mailbox's oldest */
    const struct thsi_dispatch *dispatch;
    void *state;
    struct thsi_rare *rare;      /* links, monitors, asks, timers, name, ...; NULL until one exists */
    uint32_t own_generation;     /* the consumer's copy */
    uint32_t slot;
    _Atomic uint32_t orders;     /* beside the queue: to end now, to take no new work (orders.h) */
    uint8_t phase;
    bool listed : 1;             /* in a free list, or about to be */
    bool trap_exits : 1;
    bool has_inner : 1;          /* inner_head is a message */
    uint8_t state_class;         /* pool class of `state`, THSI_STATE_INLINE when it lies in the slot */
    uint8_t hooks;
    _Alignas(16) uint8_t inline_state[THSI_INLINE_STATE];
};

_Static_assert(sizeof(struct thsi_actor) == 128, "two cache lines");

struct thsi_life;
struct thsi_traces;
struct thsi_timer;
struct thsi_worker;

/* The open asks of an actor, beside their list (ask.c). */
struct thsi_asking {
    struct thsi_deadline *first;      /* heap of their deadlines */
    struct thsi_timer *timer;         /* rings at timer_ns for the first of them; NULL: none is armed */
    uint64_t timer_ns;
    uint32_t count;
};

/* What few actors have. Allocated on first use, kept until the actor ends. Consumer's. */
struct thsi_rare {
    struct thsi_relations links;
    struct thsi_relations monitors;   /* this actor watches other */
    struct thsi_relations watchers;   /* other watches this actor */
    struct thsi_timer_set timers;
    struct thsi_asking asking;
    struct thsi_become become;        /* another behaviour, and what was put aside */
    struct thsi_held_table held;      /* requests that it has taken and not answered */
    uint64_t next_id;                 /* of monitors, timers */
    ths_ref supervisor;               /* nobody: none */
    uint32_t child;                   /* index there */
    bool one_life;                    /* it never halts for it: every end is for good */
    bool holds_start;                 /* it says itself when it has started (start.h) */
    uint32_t foreign_at;              /* place in node->foreign; under its lock */
    bool relations_refused;           /* that was said in the log */
    bool is_foreign;                  /* has or had to do with other nodes: listed in node->foreign */
    struct thsi_worker *own_thread;   /* runs this actor and no other; NULL: none does (blocking.h) */
    struct thsi_message *start;       /* start message, kept for restarts */
    struct thsi_traces *traces;       /* of a supervised one; NULL: no memory (crash.h) */
    struct thsi_life *life;           /* NULL: nothing special about its beginning or end (life.h) */
    struct thsi_heap heap;            /* what its handlers allocated */
    char name[THS_NAME_SIZE];         /* "" none */
    enum ths_reason halted_reason;    /* why the last incarnation ended */
    char halted_text[THS_REASON_TEXT_SIZE];
};

struct thsi_worker;
struct ths_node;

/* Relaxed: changed by the consumer alone; others compare it with what a message carries. */
static inline uint32_t thsi_actor_generation(const struct thsi_actor *actor)
{
    return atomic_load_explicit(&actor->generation, memory_order_relaxed);
}

/* Whether a generation is that of an actor. */
static inline bool thsi_generation_lives(uint32_t generation)
{
    return generation & 1;
}

/* Relaxed: the consumer's; others only glance at it, and decide nothing by it. */
static inline void thsi_actor_set_phase(struct thsi_actor *actor, enum thsi_phase phase)
{
    __atomic_store_n(&actor->phase, (uint8_t)phase, __ATOMIC_RELAXED);
}

/* What another thread sees of an actor at a glance; its parts need not be of the same moment. */
struct thsi_glance {
    const char *behaviour;
    uint32_t generation, incarnation, queued;
};

/* False: nobody lives in the slot. Thread: any. */
bool thsi_actor_glance(struct thsi_actor *actor, struct thsi_glance *glance);

/* Run @actor until its mailbox is empty or its budget is spent. Thread: @worker, which owns the consumer's side; it has
 * given it back, or put the actor into a run queue again, when this returns. */
void thsi_actor_turn(struct thsi_worker *worker, struct thsi_actor *actor);

/* The caller owns the consumer's side of @actor, which has nothing to do: let it wait for messages. */
void thsi_actor_idle(struct ths_ctx *ctx, struct thsi_actor *actor);

/* The same for a FREE one: its slot may be given out again. */
void thsi_actor_release(struct ths_ctx *ctx, struct thsi_actor *actor);

/* The rare part, made on first use; NULL when memory is out. / Give it back, when what hangs from it is freed; NULL is ignored.
 * Thread: @ctx's; a shared context is entered. */
struct thsi_rare *thsi_actor_rare(struct ths_ctx *ctx, struct thsi_actor *actor);
void thsi_actor_free_rare(struct ths_ctx *ctx, struct thsi_actor *actor);

/* Take the oldest message out of the inner queue (given), or NULL. */
struct thsi_message *thsi_actor_take_inner(struct thsi_actor *actor);

/* Handle @message (taken), which came out of the mailbox. */
void thsi_actor_handle(struct ths_ctx *ctx, struct thsi_message *message);

/* Take a signal of another kind than TELL out of the mailbox (takes @message). actor_signal.c */
void thsi_actor_signal(struct ths_ctx *ctx, struct thsi_message *message);

/* Whether this signal becomes a message to the behaviour: a DOWN, an exit that is trapped. actor_signal.c */
bool thsi_actor_is_heard(const struct thsi_actor *actor, struct thsi_message *message);

/* Answer or count a message that reached nobody (takes @message). */
void thsi_actor_undeliverable(struct ths_ctx *ctx, struct thsi_message *message, enum ths_err err);

/* Call the handler of @info in the running actor, if it has one. Returns whether it had. */
bool thsi_actor_call(struct ths_ctx *ctx, const struct thsi_type_info *info, const void *body);

/* End the present incarnation, or the actor when it has no supervisor or @for_good. actor_end.c */
void thsi_actor_end(struct ths_ctx *ctx, enum ths_reason reason, const char *text, bool for_good);

/* A zeroed state for @actor; false: no memory. / Give it back. */
bool thsi_actor_new_state(struct ths_ctx *ctx, struct thsi_actor *actor);
void thsi_actor_free_state(struct ths_ctx *ctx, struct thsi_actor *actor);

/* Tell the supervisor of the running, halted actor that it has halted. */
void thsi_actor_tell_halted(struct ths_ctx *ctx);

/* Begin an incarnation: state zeroed, start handlers run. */
void thsi_actor_begin(struct ths_ctx *ctx);

#endif /* THSI_NODE_ACTOR_H */
