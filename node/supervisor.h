/* Supervisor: which children start, restart, move and stop, and when to give up. A pure decision.
 *
 * The core is told what happened to the children and which places there are, and answers with actions in
 * the order in which they must be carried out. It has no clock, no thread and no message of its own:
 * node/supervisor_actor.c turns messages into events and actions into signals, tests do the same with tables.
 *
 *                START                 started              failed                 due                   started
 *     PENDING ──────────▶ STARTING ─────────────▶ RUNNING ──────────▶ HALTED ───────────▶ BEGINNING ───────────▶ RUNNING
 *        ▲                   │ not started          │ │ not alone       ▲   RESTART, ref kept
 *        ├───────────────────┘                      │ └────▶ HALTING ───┘
 *        │            lost, or moved and ended      │ FINISH: not to be restarted, moved, or all are stopped
 *        └──────────────────────────────────────────┴────▶ STOPPING ──────▶ ENDED
 *
 * Rules. Specifications start in order: one waits until the instances of those before it have run their start handlers,
 * except for such as wait for a node. They stop in reverse, each instance with its deadline, after which it is killed. A
 * failure counts towards the window of restarts; the loss of a node, a move, and a place that could not start a child do
 * not. A start handler that fails does. One for all halts all with the one that failed, rest for one the specifications
 * after its own; both restart in order. A significant child that ends by itself, and is not restarted, may end all.
 * A specification that is spread keeps its instances on its places so that no place has two more than another: the
 * least loaded gets the next one, and the fullest give theirs up only when a move brings the two nearer. A place that
 * disappears from the list may just be silent: its children stay its own until their DOWN, but one that fails there is
 * moved rather than restarted.
 *
 * Orders. Specifications may be added (at the end of the line) and removed, children stopped, restarted and, in a dynamic
 * supervisor, whose one specification is a template, added and forgotten when they end. An order counts as no failure. Its ANSWER
 * is given when it is carried out; a newer order for the same child takes its place, which is answered REFUSED. */

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
    THSI_TREE_START_MS = 300000, /* the same of a supervisor: all below it has started then */
    THSI_HURRY_MS = 500          /* for children elsewhere to end when this node stops */
};

#define THSI_NO_CHILD UINT32_MAX

/* One specification, as far as the decision needs it. */
struct thsi_child_plan {
    enum ths_restart restart;
    uint32_t count;    /* instances, at least 1 */
    bool spread;       /* over the places of MEMBERS events; otherwise all on this node */
    bool significant;  /* not with PERMANENT */
    bool orderly;      /* itself a supervisor: asked to stop, and finished once it has halted */
    uint32_t stop_ms;  /* not 0 */
};

/* All resolved: no 0 stands for a default, except backoff_ms. */
struct thsi_supervisor_config {
    uint64_t self;             /* this node's uid */
    enum ths_strategy strategy;
    enum ths_auto_shutdown auto_shutdown;
    uint32_t children_max;     /* instances in all; 1 to THSI_CHILDREN_MAX */
    uint32_t restarts;         /* 1 to THSI_RESTARTS_MAX; one more within within_ms is too many */
    uint32_t within_ms;        /* also the quiet time after which the back-off begins anew */
    uint32_t backoff_ms;       /* 0: none at the first, then 50 */
    uint32_t backoff_max_ms;
    const struct thsi_child_plan *plans; /* copied; of a dynamic one: the template, its count is that of the first children */
    uint32_t plans_count;
};

enum thsi_child_state {
    THSI_CHILD_PENDING,  /* no actor; to be started once it is due, in order, and has a place */
    THSI_CHILD_STARTING, /* START was given */
    THSI_CHILD_RUNNING,
    THSI_CHILD_HALTING,  /* HALT was given */
    THSI_CHILD_HALTED,   /* an incarnation ended; ref and mailbox wait for RESTART */
    THSI_CHILD_BEGINNING, /* RESTART was given */
    THSI_CHILD_STOPPING, /* FINISH was given */
    THSI_CHILD_ENDED,
    THSI_CHILD_FREE      /* no child: its place may be taken by one that is added */
};

enum thsi_child_order {
    THSI_CHILD_ORDER_NONE,
    THSI_CHILD_ORDER_START,   /* one that was just added; when it does not start it is forgotten */
    THSI_CHILD_ORDER_RESTART, /* one that runs: halted, then begun again; one that has ended: started */
    THSI_CHILD_ORDER_STOP,    /* until an order to restart it; in a dynamic supervisor as REMOVE */
    THSI_CHILD_ORDER_REMOVE   /* stop it and forget its specification */
};

struct thsi_child_status {
    enum thsi_child_state state;
    uint32_t plan;         /* index of its specification */
    uint64_t place;        /* uid of the node it is at, or was at last; 0: never had one */
    ths_ref who;           /* from STARTED on, until it has ended */
    uint32_t start_id;     /* of the latest START or RESTART */
    uint32_t attempts;     /* failures without quiet between, for the back-off */
    uint64_t since_ns;     /* when it came to run */
    uint64_t due_ns;       /* PENDING, HALTED: not before; STARTING, BEGINNING, HALTING, STOPPING: deadline */
    bool ordered;          /* what comes after it waits for it to run */
    bool killed;           /* KILL was given */
    bool move;             /* STOPPING in order to start elsewhere */
    bool restart;          /* PENDING: the start is a restart, not a first start or a move */
    bool lost;             /* of a restart: its node was lost */
    bool stopped;          /* by order: not to be started but by order */
    bool again;            /* HALTING by order: to be restarted at once, without a failure */
    bool fresh;            /* started by order: a start that fails ends it */
    uint8_t order;         /* enum thsi_child_order: the open one */
    bool order_for_all;    /* it was given to all instances of the specification */
    uint32_t order_id;
    enum ths_err order_err; /* why it could not be carried out */
};

enum thsi_supervisor_event_type {
    THSI_SUPERVISOR_TIME_PASSED,  /* the deadline has come; also the first event, which starts the children */
    THSI_SUPERVISOR_STARTED,      /* child, start_id, who */
    THSI_SUPERVISOR_START_FAILED, /* child, start_id, err */
    THSI_SUPERVISOR_HALTED,       /* child, who, reason */
    THSI_SUPERVISOR_DOWN,         /* who, reason */
    THSI_SUPERVISOR_MEMBERS,      /* plan, places, places_count: where that specification may run, in a fixed order */
    THSI_SUPERVISOR_ORDER,        /* order, order_id, and child, or with THSI_NO_CHILD all of plan. Not in a phase that stops */
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
    enum thsi_child_order order;
    uint32_t order_id;       /* not 0 */
    ths_ref who;
    enum ths_err err;
    enum ths_reason reason;
    const uint64_t *places;  /* borrowed */
    uint32_t places_count;   /* those beyond THSI_PLACES_MAX are left out */
};

enum thsi_supervisor_action_type {
    THSI_SUPERVISOR_START,   /* child, node, start_id: spawn it there; answer STARTED or START_FAILED */
    THSI_SUPERVISOR_RESTART, /* child, who, start_id: begin its next incarnation; answer STARTED when it has, or HALTED */
    THSI_SUPERVISOR_HALT,    /* child, who: end its incarnation; answer HALTED */
    THSI_SUPERVISOR_ASK,     /* child, who: an orderly one; ask it to stop; answer HALTED or DOWN */
    THSI_SUPERVISOR_FINISH,  /* child (THSI_NO_CHILD: one that started too late), who: end it; answer DOWN */
    THSI_SUPERVISOR_DRAIN,   /* child, who: as FINISH, in order to start it elsewhere */
    THSI_SUPERVISOR_KILL,    /* child, who: its deadline has passed */
    THSI_SUPERVISOR_ABANDON, /* child, who: not even the kill was answered; watch it no more */
    THSI_SUPERVISOR_WAIT,    /* plan: MEMBERS named no place for it; said once until there is one again */
    THSI_SUPERVISOR_GIVE_UP, /* child: its failure was one too many; all are being stopped */
    THSI_SUPERVISOR_ANSWER,  /* order_id, err, child, who: the order was carried out, or why not */
    THSI_SUPERVISOR_FORGET,  /* child, plan: has ended and left; THSI_NO_CHILD: the specification has */
    THSI_SUPERVISOR_DONE     /* reason: all have ended; end with this reason */
};

struct thsi_supervisor_action {
    enum thsi_supervisor_action_type type;
    uint32_t child;
    uint32_t plan;
    uint32_t start_id;
    uint32_t order_id;
    bool again;              /* START, RESTART: after a failure, a loss or an order, not for the first time or to move */
    uint64_t node;
    ths_ref who;
    enum ths_err err;
    enum ths_reason reason;
};

/* Lent until the next step. */
struct thsi_supervisor_update {
    const struct thsi_supervisor_action *actions;
    size_t actions_count;
};

enum thsi_supervisor_phase {
    THSI_SUPERVISOR_RUNS,
    THSI_SUPERVISOR_HALTS, /* one for all, rest for one: others are being halted */
    THSI_SUPERVISOR_STOPS,
    THSI_SUPERVISOR_IS_DONE
};

struct thsi_supervisor_plan {
    struct thsi_child_plan plan;
    uint32_t first;          /* index of its first instance */
    uint32_t room;           /* how many may be from there on; 0: nobody's */
    uint32_t position;       /* in the line */
    bool passing;            /* added, and temporary */
    bool leaves;             /* is forgotten when its instances have ended */
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
    bool hurry;
    uint64_t now_ns;                      /* of the last step */
    uint64_t random;
    uint32_t halt_from;                   /* position from which all are halted or stopped, unless phase is RUNS */
    struct thsi_supervisor_plan *plans;
    uint32_t plans_count, plans_cap;      /* removed ones included */
    uint32_t *line;                       /* indices of plans in the order of their start */
    uint32_t line_count;
    struct thsi_child_status *children;
    uint32_t children_count, children_cap; /* free ones included */
    uint32_t orders;                      /* children with one */
    uint64_t *window;                     /* ring of the times of the last config.restarts failures */
    uint32_t window_count, window_next;
    uint32_t attempts;                    /* one for all: as of a child */
    uint64_t failed_ns;                   /* one for all: when the last one failed */
    struct thsi_supervisor_action *actions;
    size_t actions_count, actions_cap;
    uint64_t restarts, failovers;
};

/* All children pending. Borrows @env until fini. Errors: NOMEM, TOO_MANY (over children_max). */
THS_MUST_CHECK enum ths_err thsi_supervisor_init(struct thsi_supervisor *supervisor, struct ths_env *env,
                                                 const struct thsi_supervisor_config *config);
void thsi_supervisor_fini(struct thsi_supervisor *supervisor);

/* Add a specification at the end of the line, or with @plan NULL an instance of the template; both wait for an ORDER to START.
 * *@index is that of the plan, or of the child. Not in a phase that stops. Errors: NOMEM, TOO_MANY (over children_max). */
THS_MUST_CHECK enum ths_err thsi_supervisor_add(struct thsi_supervisor *supervisor, const struct thsi_child_plan *plan,
                                                uint32_t *index);

/* Undo an addition for which no ORDER was given. */
void thsi_supervisor_take_back(struct thsi_supervisor *supervisor, uint32_t index);

/* Take @event (borrowed) into account and say what to do. Events that do not fit the state of their child are old news
 * and change nothing. */
void thsi_supervisor_step(struct thsi_supervisor *supervisor, const struct thsi_supervisor_event *event,
                          struct thsi_supervisor_update *update);

/* When the next TIME_PASSED is due, or UINT64_MAX. */
uint64_t thsi_supervisor_deadline_ns(const struct thsi_supervisor *supervisor);

/* Whether nobody waits any more in the order of starts. */
bool thsi_supervisor_is_up(const struct thsi_supervisor *supervisor);

void thsi_supervisor_stats(const struct thsi_supervisor *supervisor, struct ths_supervisor_stats *out);

/* Assert everything believed about it. For tests and the simulator. */
void thsi_supervisor_check(const struct thsi_supervisor *supervisor);

#endif /* THSI_NODE_SUPERVISOR_H */
