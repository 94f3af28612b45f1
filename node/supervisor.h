/* Supervisor: which children start, restart, move and stop, and when to give up. A pure decision.
 *
 * The core is told what happened to the children and which places there are, and answers with actions in
 * the order in which they must be carried out. It has no clock, no thread and no message of its own:
 * node/supervisor_actor.c turns messages into events and actions into signals, tests do the same with tables.
 *
 *                START                 started              failed                 due
 *     PENDING ──────────▶ STARTING ─────────────▶ RUNNING ──────────▶ HALTED ───────────────▶ RUNNING
 *        ▲                   │ not started          │ │ one for all     ▲   RESTART, ref kept
 *        ├───────────────────┘                      │ └────▶ HALTING ───┘
 *        │            lost, or moved and ended      │ FINISH: not to be restarted, moved, or all are stopped
 *        └──────────────────────────────────────────┴────▶ STOPPING ──────▶ ENDED
 *
 * Rules. Specifications start in order: one waits for the instances of those before it, except for
 * such as wait for a node. They stop in reverse, each instance with its deadline, after which it is killed. A failure
 * counts towards the window of restarts; the loss of a node, a move, and a place that could not start a child do not.
 * A specification that is spread keeps its instances on its places so that no place has two more than another: the
 * least loaded gets the next one, and the fullest give theirs up only when a move brings the two nearer. A place that
 * disappears from the list may just be silent: its children stay its own until their DOWN, but one that fails there is
 * moved rather than restarted. */

#ifndef THSI_NODE_SUPERVISOR_H
#define THSI_NODE_SUPERVISOR_H

#include "thiasos/env.h"
#include "thiasos/reason.h"
#include "thiasos/supervisor.h"

enum {
    THSI_CHILDREN_MAX = 1024,    /* instances of one supervisor */
    THSI_PLACES_MAX = 256,       /* members that one specification spreads over */
    THSI_RESTARTS_MAX = 1000,    /* of the window */
    THSI_STARTING_MAX = 32,      /* starts under way at a time */
    THSI_START_MS = 5000,        /* for a start to be answered */
    THSI_HURRY_MS = 500          /* for children elsewhere to end when this node stops */
};

#define THSI_NO_CHILD UINT32_MAX

/* One specification, as far as the decision needs it. */
struct thsi_child_plan {
    enum ths_restart restart;
    uint32_t count;    /* instances, at least 1 */
    bool spread;       /* over the places of MEMBERS events; otherwise all on this node */
    bool significant;
    uint32_t stop_ms;  /* not 0 */
};

/* All resolved: no 0 stands for a default, except backoff_ms. */
struct thsi_supervisor_config {
    uint64_t self;             /* this node's uid */
    enum ths_strategy strategy;
    uint32_t restarts;         /* 1 to THSI_RESTARTS_MAX; one more within within_ms is too many */
    uint32_t within_ms;        /* also the quiet time after which the back-off begins anew */
    uint32_t backoff_ms;       /* 0: none at the first, then 50 */
    uint32_t backoff_max_ms;
    enum ths_auto_shutdown auto_shutdown;
    const struct thsi_child_plan *plans; /* copied */
    uint32_t plans_count;
};

enum thsi_child_state {
    THSI_CHILD_PENDING,  /* no actor; to be started once it is due, in order, and has a place */
    THSI_CHILD_STARTING, /* START was given */
    THSI_CHILD_RUNNING,
    THSI_CHILD_HALTING,  /* HALT was given */
    THSI_CHILD_HALTED,   /* an incarnation ended; ref and mailbox wait for RESTART */
    THSI_CHILD_STOPPING, /* FINISH was given */
    THSI_CHILD_ENDED
};

struct thsi_child_status {
    enum thsi_child_state state;
    uint32_t plan;         /* index of its specification */
    uint64_t place;        /* uid of the node it is at, or was at last; 0: never had one */
    ths_ref who;           /* from STARTED on, until it has ended */
    uint32_t start_id;     /* of the latest START */
    uint32_t attempts;     /* failures without quiet between, for the back-off */
    uint64_t since_ns;     /* when it came to run */
    uint64_t due_ns;       /* PENDING, HALTED: not before; STARTING, HALTING, STOPPING: deadline */
    bool ordered;          /* what comes after it waits for it to run */
    bool killed;           /* KILL was given */
    bool move;             /* STOPPING in order to start elsewhere */
    bool done;             /* it ended by itself, for good */
    bool restart;          /* PENDING: the start is a restart, not a first start or a move */
    bool lost;             /* of a restart: its node was lost */
};

enum thsi_supervisor_event_type {
    THSI_SUPERVISOR_TIME_PASSED,  /* the deadline has come; also the first event, which starts the children */
    THSI_SUPERVISOR_STARTED,      /* child, start_id, who */
    THSI_SUPERVISOR_START_FAILED, /* child, start_id, err */
    THSI_SUPERVISOR_HALTED,       /* child, who, reason */
    THSI_SUPERVISOR_DOWN,         /* who, reason */
    THSI_SUPERVISOR_MEMBERS,      /* plan, places, places_count: where that specification may run, in a fixed order */
    THSI_SUPERVISOR_STOP          /* stop all in reverse order; the end is SHUTDOWN. hurry: this node stops, so children
                                   * elsewhere, which end without their supervisor anyway, are not waited for long */
};

struct thsi_supervisor_event {
    enum thsi_supervisor_event_type type;
    uint64_t now_ns;
    uint64_t random;         /* 64 fresh bits, for jitter */
    uint32_t child;
    uint32_t start_id;
    uint32_t plan;
    bool hurry;
    ths_ref who;
    enum ths_err err;
    enum ths_reason reason;
    const uint64_t *places;  /* borrowed */
    uint32_t places_count;   /* those beyond THSI_PLACES_MAX are left out */
};

enum thsi_supervisor_action_type {
    THSI_SUPERVISOR_START,   /* child, node, start_id: spawn it there; answer STARTED or START_FAILED */
    THSI_SUPERVISOR_RESTART, /* child, who: begin its next incarnation */
    THSI_SUPERVISOR_HALT,    /* child, who: end its incarnation; answer HALTED */
    THSI_SUPERVISOR_FINISH,  /* child (THSI_NO_CHILD: one that started too late), who: end it; answer DOWN */
    THSI_SUPERVISOR_DRAIN,   /* child, who: as FINISH, in order to start it elsewhere */
    THSI_SUPERVISOR_KILL,    /* child, who: its deadline has passed */
    THSI_SUPERVISOR_ABANDON, /* child, who: not even the kill was answered; watch it no more */
    THSI_SUPERVISOR_WAIT,    /* plan: MEMBERS named no place for it; said once until there is one again */
    THSI_SUPERVISOR_GIVE_UP, /* child: its failure was one too many; all are being stopped */
    THSI_SUPERVISOR_DONE     /* reason: all have ended; end with this reason */
};

struct thsi_supervisor_action {
    enum thsi_supervisor_action_type type;
    uint32_t child;
    uint32_t plan;
    uint32_t start_id;
    uint64_t node;
    ths_ref who;
    enum ths_reason reason;
};

/* Lent until the next step. */
struct thsi_supervisor_update {
    const struct thsi_supervisor_action *actions;
    size_t actions_count;
};

enum thsi_supervisor_phase {
    THSI_SUPERVISOR_RUNS,
    THSI_SUPERVISOR_HALTS, /* one for all, rest for one: those from halt_from on are being halted */
    THSI_SUPERVISOR_STOPS,
    THSI_SUPERVISOR_IS_DONE
};

struct thsi_supervisor_plan {
    struct thsi_child_plan plan;
    uint32_t first;          /* index of its first instance */
    bool informed;           /* of where it may run */
    bool waiting;            /* WAIT was said */
    uint64_t *places;        /* of a spread one: THSI_PLACES_MAX */
    uint32_t places_count;
};

struct thsi_supervisor {
    struct ths_env *env;
    struct thsi_supervisor_config config; /* without plans */
    enum thsi_supervisor_phase phase;
    enum ths_reason reason;               /* of the end, once it stops */
    uint32_t halt_from;                   /* HALTS: the first specification whose running instances are halted */
    bool hurry;
    uint64_t now_ns;                      /* of the last step */
    uint64_t random;
    struct thsi_supervisor_plan *plans;
    uint32_t plans_count;
    struct thsi_child_status *children;
    uint32_t children_count;
    uint64_t *window;                     /* ring of the times of the last config.restarts failures */
    uint32_t window_count, window_next;
    uint32_t attempts;                    /* one for all, rest for one: as of a child */
    uint64_t failed_ns;                   /* one for all, rest for one: when the last one failed */
    struct thsi_supervisor_action *actions;
    size_t actions_count, actions_cap;
    uint64_t restarts, failovers;
};

/* All children pending. Borrows @env until fini. Errors: NOMEM, TOO_MANY (over THSI_CHILDREN_MAX). */
THS_MUST_CHECK enum ths_err thsi_supervisor_init(struct thsi_supervisor *supervisor, struct ths_env *env,
                                                 const struct thsi_supervisor_config *config);
void thsi_supervisor_fini(struct thsi_supervisor *supervisor);

/* Take @event (borrowed) into account and say what to do. Events that do not fit the state of their child are old news
 * and change nothing. */
void thsi_supervisor_step(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event,
                          struct thsi_supervisor_update *update);

/* When the next TIME_PASSED is due, or UINT64_MAX. */
uint64_t thsi_supervisor_deadline_ns(const struct thsi_supervisor *supervisor);

void thsi_supervisor_stats(const struct thsi_supervisor *supervisor, struct ths_supervisor_stats *out);

/* Assert everything believed about it. For tests and the simulator. */
void thsi_supervisor_check(const struct thsi_supervisor *supervisor);

#endif /* THSI_NODE_SUPERVISOR_H */
