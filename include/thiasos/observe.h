/* Observing: what a running node does, at a cost that it does not notice.
 *
 * Counters for each behaviour and message type (ths_message_stats). They are kept by each thread that runs actors for itself, and
 * are added up when somebody asks. Times are sampled: of each behaviour and type the first 256 messages of each thread and
 * then one in 256 are timed; of the messages that a thread sends the first 256 and then one in 128 note when they were sent.
 *
 * The inside of one actor, as it says itself between two messages (ths_inspect), and the trees of supervisors (ths_tree).
 *
 * `thiasos stats`, `actor` and `tree` show the same of a node that runs. All times are those of the node's clock, which in the
 * simulator is virtual: there handlers take no time. */

#ifndef THIASOS_OBSERVE_H
#define THIASOS_OBSERVE_H

#include "thiasos/node.h"
#include "thiasos/supervisor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Counters ------------------------------------------------------------------------------- */

/* What the messages of one type have cost the actors of one behaviour, since the start of the node.
 *
 * Counted are messages, replies (as the type that was asked for, else as what came; type "" for the error of an ask for any), and
 * what the runtime tells an actor, but for ths_started, ths_stopping, ths_finally, ths_enter and ths_leave. What a ths_any handler
 * takes is counted as ths.any. The first 511 pairs of a behaviour and a type that a process comes upon have a row of their own;
 * all others share one whose behaviour and type are "". */
struct ths_message_stats {
    const char *behaviour, *type;        /* lent for the call of the visitor */
    uint64_t handled;                    /* taken up by a handler */
    uint64_t busy_ns;                    /* in these handlers, in all: an estimate, one that was timed stands for 256 or for
                                          * itself */
    uint64_t busy_max_ns;                /* the longest of those that were timed */
    uint64_t waited;                     /* messages that noted when they were sent; replies and timers never do */
    uint64_t waited_ns, waited_max_ns;   /* from there until they were taken up: in all, and the longest */
    uint64_t refused;                    /* not handled: no handler for it, or quarantined. (What a full mailbox refuses is told to
                                          * its sender, and never comes to be counted here) */
    uint64_t expired;                    /* requests whose deadline had passed, or whose asker had gone, when their turn came */
    uint64_t crashed;                    /* handlers that failed; type "": without a message */
};

/* Visit the rows in which something was counted, in no order. Rows, and counters of a row, need not be of the same moment; what
 * a thread counted is seen by who was told, directly or not, of something that it did later. Thread: any. */
THS_API void ths_message_stats(const struct ths_node *node, void (*visit)(void *arg, const struct ths_message_stats *stats),
                               void *arg);

/* ---- One actor ------------------------------------------------------------------------------ */

#define THS_INSPECT_MAX 32          /* entries of each list; there may be more */
#define THS_INSPECT_QUEUE_MAX 65536 /* messages of a mailbox that are looked at */

enum ths_actor_phase {
    THS_ACTOR_STARTS, /* its start handlers have not run */
    THS_ACTOR_RUNS,
    THS_ACTOR_HALTED  /* an incarnation ended, its supervisor has not begun the next */
};

struct ths_inspected_refs {
    uint32_t count, shown; /* shown of them are here, the newest */
    const ths_ref *refs;
};

/* A timer that will send a message. */
struct ths_inspected_timer {
    const char *type;
    uint64_t due_ms;    /* from now; 0: it is due, or on its way */
    uint64_t period_ms; /* 0: once */
};

/* A request of its own that is not answered. */
struct ths_inspected_ask {
    ths_ref to;         /* of a lookup or a spawn: its node alone */
    const char *type;   /* of the reply that it waits for; "": any */
    uint64_t left_ms;   /* UINT64_MAX: one of several that share a deadline */
};

struct ths_inspection {
    ths_ref who;
    const char *behaviour, *name;    /* name: "" if none. All pointers here are lent for the call of the visitor */
    uint32_t incarnation;
    uint32_t queued;                 /* messages in the mailbox */
    uint64_t queued_bytes;           /* of these, as blocks of memory; not answered: 0 unless the mailbox is bounded in bytes */
    bool answered;                   /* it spoke for itself */
    const char *handling;            /* not answered: the type whose handler it is in ("": a start, an answer, another signal);
                                      * NULL: none, so it waits for a thread */
    uint64_t handling_ms;            /* for so long, if the watchdog has seen that (sched.h); else 0 */

    /* Only of one that answered. */
    enum ths_actor_phase phase;
    const char *state;               /* what its ths_state_wanted says (crash.h), "" if it has none */
    uint32_t capacity;               /* of the mailbox; 0: one with bounds and rules of its own (mailbox.h) */
    bool traps_exits, drains, may_block, own_thread;
    uint32_t stashed;                /* messages put aside */
    uint32_t requests;               /* taken and not answered, but for the one at hand */
    size_t memory_used, memory_max;  /* of ths_alloc; memory_max 0: no limit */
    ths_ref supervisor;
    struct ths_inspected_refs links, monitors, watchers; /* monitors: whom it watches; watchers: who watches it */
    uint32_t timers_count, timers_shown, asks_count, asks_shown, last_count;
    const struct ths_inspected_timer *timers;
    const struct ths_inspected_ask *asks; /* newest first */
    const char *const *last;         /* the types that it handled last, newest first; of supervised ones only */
};

/* Ask @who, an actor of this node, about itself, and visit what it says. Its own thread answers, after the handler that runs
 * now and ahead of the queue; with TIMEOUT it has not done so in @timeout_ms, and what can be seen from outside is visited. For
 * the actor it is no message: nothing is counted or put off by it.
 * Errors: TIMEOUT, GONE, STALE, UNSUPPORTED (of another node), NOMEM; but for the first nothing is visited.
 * Thread: any but a worker. */
THS_MUST_CHECK THS_API enum ths_err ths_inspect(struct ths_node *node, ths_ref who, unsigned timeout_ms,
                                                void (*visit)(void *arg, const struct ths_inspection *inspection), void *arg);

/* The bytes that wait in the mailboxes of @count actors of this node, as each of them says within @timeout_ms in all; of those that
 * do not, or have ended, THS_BYTES_UNKNOWN. Plain mailboxes count only their messages, so this costs each a walk over its queue.
 * Errors: NOMEM. Thread: any but a worker. */
#define THS_BYTES_UNKNOWN UINT64_MAX
THS_MUST_CHECK THS_API enum ths_err ths_mailbox_bytes(struct ths_node *node, const ths_ref *who, size_t count,
                                                      unsigned timeout_ms, uint64_t *bytes);

/* ---- Trees of supervisors ---------------------------------------------------------------------- */

struct ths_tree_row {
    unsigned depth;                       /* 0: a supervisor that has none above it */
    struct ths_child_info child;          /* who is of another node: it runs there. A root has no restarts of its own */
    bool is_supervisor;
    enum ths_strategy strategy;           /* of a supervisor, as the next */
    struct ths_supervisor_stats children;
};

/* Visit the supervisors of this node and their children, as they are at one moment: each supervisor before its children, which
 * come in the order of their start. Children here of supervisors on other nodes are shown there. Errors: NOMEM. Thread: any. */
THS_MUST_CHECK THS_API enum ths_err ths_tree(struct ths_node *node, void (*visit)(void *arg, const struct ths_tree_row *row),
                                             void *arg);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_OBSERVE_H */
