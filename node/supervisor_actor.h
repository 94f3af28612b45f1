/* Supervisor actor: carries out what the decision of node/supervisor.h says.
 *
 * A supervision is one supervisor's specifications and its actor's working state. It is in the node's list, so that its
 * counters and children can be read from any thread; the actor claims it at its first message, and from then on the working
 * state is the actor's, which changes under the list's lock what others may read. One whose actor is a child of
 * another supervisor is held by the specification there: its actor's next incarnation claims it again, as it was at first.
 *
 *     supervisor_spec.c      specifications, checked and copied
 *     supervision.c          the supervision, the list
 *     supervisor_actor.c     messages in, decisions out
 *     supervisor_orders.c    orders of users: taken, answered
 *     supervise.c, supervise_orders.c    what users call */

#ifndef THSI_NODE_SUPERVISOR_ACTOR_H
#define THSI_NODE_SUPERVISOR_ACTOR_H

#include <pthread.h>

#include "node/router.h"
#include "node/spawn_options.h"
#include "node/supervisor.h"
#include "thiasos/ask.h"
#include "thiasos/lifecycle.h"

/* What the runtime makes of a HALTED signal: an incarnation of child number `child` has ended. */
THS_MESSAGE(ths_child_halted, "ths.here.child_halted", 1, u32(child), ref(who), u8(reason), u32(incarnation), string(text))

/* The start message of a supervisor: which supervision it claims. */
THS_MESSAGE(ths_supervise_start, "ths.here.supervise_start", 1, u64(token))

/* An order: enum thsi_child_order; the child by its name, else by its ref; of START the wish with this token. */
THS_MESSAGE(ths_child_order, "ths.child_order", 1, u8(order), string(name), ref(who), u64(token))

#define THSI_SUPERVISOR_BEHAVIOUR "ths_supervisor"

enum {
    THSI_ROLE_SIZE = 64,
    THSI_WANTED_MAX = 1024,    /* children whose addition is on its way to one supervisor */
    THSI_ORDERS_MAX = 1024,    /* orders it works on */
    THSI_SUBSCRIBERS_MAX = 64
};

struct thsi_supervision;
struct thsi_supervisors;

/* ---- Specifications (supervisor_spec.c) ---------------------------------------------------- */

/* One, copied. */
struct thsi_child_spec {
    char name[THS_NAME_SIZE];
    char behaviour[THS_NAME_SIZE];
    char role[THSI_ROLE_SIZE];     /* of "role=R"; "": on this node */
    struct ths_message start;      /* body in a block of its own */
    struct thsi_kept_options spawn; /* with the name when it is to be registered */
    struct thsi_supervision *tree; /* of a child that is a supervisor: held; NULL: it is none */
};

/* What is wrong, for the log. */
struct thsi_complaint {
    char *text;
    size_t size;
};

enum ths_err thsi_complain(struct thsi_complaint *why, enum ths_err err, const char *format, ...) THS_PRINTF(3, 4);

/* Tells whether this node has a behaviour of that name. */
struct thsi_knows {
    bool (*behaviour)(void *arg, const char *name);
    void *arg;
};

/* Errors: INVALID, UNSUPPORTED. */
THS_MUST_CHECK enum ths_err thsi_child_spec_check(const struct ths_child *child, const struct thsi_knows *knows,
                                                  struct thsi_complaint *why);

/* Of one that was checked, with all that is below it; @depth is that of its supervisor, 0 for a root. On failure @spec holds
 * nothing. Errors: those of thsi_supervision_create. */
THS_MUST_CHECK enum ths_err thsi_child_spec_copy(struct thsi_supervisors *supervisors, struct ths_env *env, uint64_t self,
                                                 const struct ths_child *child, unsigned depth,
                                                 const struct thsi_knows *knows, struct thsi_complaint *why,
                                                 struct thsi_child_spec *spec, struct thsi_child_plan *plan);
void thsi_child_spec_fini(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_child_spec *spec);

/* A deep copy in one block of @env's memory. Errors: NOMEM, those of a message's check. / Free it. */
THS_MUST_CHECK enum ths_err thsi_child_copy_start(struct ths_env *env, struct ths_message from, struct ths_message *to);
void thsi_child_free_start(struct ths_env *env, struct ths_message *start);

/* ---- Supervisions (supervision.c) ---------------------------------------------------------- */

/* A start or restart whose answer is out. */
struct thsi_start_entry {
    uint64_t ask; /* 0: free */
    uint32_t child, start_id;
    bool in_place; /* a restart that keeps the ref */
    bool again;    /* a restart of either kind */
};

/* What the actor knows of a child beside the decision. */
struct thsi_kid {
    ths_monitor_id monitor;
    struct ths_message start; /* of one that was added to a template with one of its own */
    uint32_t incarnation;     /* 0: of none that has started */
    uint32_t restarts;        /* that have started */
    uint8_t reason;           /* why the last one ended */
};

/* A child that is to be added, until the order for it is taken. */
struct thsi_wanted {
    struct thsi_wanted *next;
    uint64_t token;
    uint64_t deadline_ns;          /* nobody waits for it any more */
    struct thsi_child_spec *spec;  /* of a template only `start` counts */
    struct thsi_child_plan plan;
};

/* An order that was taken and not answered yet. */
struct thsi_open_order {
    struct thsi_open_order *next;
    uint32_t id;
    struct ths_asked asked;
};

struct thsi_supervision {
    struct thsi_supervision *next;       /* in the node's list */
    uint64_t token;                      /* by which its actor claims it */

    /* Under the list's lock. */
    uint32_t holds;                      /* by its actor, and by the specification of which it is the tree */
    bool nested;                         /* there is one above */
    bool claimed;
    bool begun;                          /* its working state is there */
    ths_ref ref;                         /* of its actor, or the last one */
    ths_ref above;                       /* of the supervisor above, or the last one */
    struct ths_supervisor_stats stats;
    struct thsi_wanted *inbox;
    uint32_t inbox_count;
    ths_ref subscribers[THSI_SUBSCRIBERS_MAX];
    uint32_t subscribers_count;

    /* What it begins with. */
    struct thsi_supervisor_config config; /* without plans */
    struct thsi_child_spec *base;
    struct thsi_child_plan *plans;
    uint32_t base_count;

    /* The actor's: changed under the lock, read by the actor without. */
    struct thsi_child_spec **specs;      /* by number of plan: of `base`, or a block of its own; NULL: none */
    uint32_t specs_cap;
    struct thsi_supervisor core;
    struct thsi_kid *kids;               /* by number of child */
    uint32_t kids_cap;

    /* The actor's alone. */
    struct thsi_start_entry starts[2 * THSI_STARTING_MAX];
    struct thsi_open_order *open;
    uint32_t open_count, last_order;
    struct thsi_router_member *members;  /* the last ones seen, for their names; NULL: nothing is spread */
    size_t members_count;
    bool up;                             /* the children of the beginning have started */
    bool watches;                        /* the router tells of changes */
    uint64_t armed_ns;                   /* deadline of the timer; UINT64_MAX: none */
    ths_timer_id timer;
    enum ths_reason exit_reason;         /* CRASHED: ends so because the actor it is linked to did */
};

/* The list of one node. */
struct thsi_supervisors {
    pthread_mutex_t lock;
    struct thsi_supervision *first;
    uint64_t next_token;
};

/* What a supervision is made of. All borrowed. */
struct thsi_supervision_wish {
    const struct ths_child *children;
    size_t count;
    const struct ths_supervisor_options *options;
    uint64_t self;  /* this node */
    unsigned depth; /* supervisors above it */
};

void thsi_supervisors_init(struct thsi_supervisors *supervisors);
/* Frees what is left. After all actors have ended. */
void thsi_supervisors_fini(struct thsi_supervisors *supervisors, struct ths_env *env);

/* Copy the specifications, and all below them, into a new supervision, which is listed and held once. On failure *@out is
 * NULL and @why says in a line what is wrong. Errors: INVALID, UNSUPPORTED, TOO_MANY, NOMEM, and those of a message's check. */
THS_MUST_CHECK enum ths_err thsi_supervision_create(struct thsi_supervisors *supervisors, struct ths_env *env,
                                                    const struct thsi_supervision_wish *wish,
                                                    const struct thsi_knows *knows, struct thsi_complaint *why,
                                                    struct thsi_supervision **out);

/* Give a hold back: the last one frees it. Thread: any. */
void thsi_supervision_drop(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it);

/* The one whose actor is or was @ref, or NULL. Under the lock. */
struct thsi_supervision *thsi_supervision_find(struct thsi_supervisors *supervisors, ths_ref ref);

/* The supervision with this token, as it is at first, held for its actor @ref, whose own supervisor is @above; NULL when it
 * has an actor, is that of another supervisor's child, or memory is out. Thread: any. */
struct thsi_supervision *thsi_supervision_claim(struct thsi_supervisors *supervisors, struct ths_env *env, uint64_t token,
                                                ths_ref ref, ths_ref above);

/* The end of an incarnation that claimed it. Thread: the actor's. */
void thsi_supervision_leave(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it);

/* Room for what the decision has room for; false: no memory. Under the lock. */
bool thsi_supervision_reserve(struct ths_env *env, struct thsi_supervision *it);

/* Specification @index is no more. Returns its block, to be freed; NULL when what it begins with has it. Under the lock. */
struct thsi_child_spec *thsi_supervision_take_spec(struct thsi_supervision *it, uint32_t index);

/* ---- The actor (supervisor_actor.c) -------------------------------------------------------- */

/* Spawn the actor that will claim the supervision with this token. Errors: those of a spawn. */
THS_MUST_CHECK
enum ths_err thsi_supervisor_spawn(struct ths_ctx *ctx, const char *name, bool link, uint64_t token, ths_ref *out);

/* Have it known under THSI_SUPERVISOR_BEHAVIOUR, for those that are children. Errors: NOMEM. */
THS_MUST_CHECK enum ths_err thsi_supervisor_register(struct ths_node *node);

/* Step the decision with @event, do what it says, and keep timer and counters up to date. */
void thsi_supervisor_decide(struct ths_ctx *ctx, struct thsi_supervision *it, struct thsi_supervisor_event event);

/* Have the members of all specifications read again. */
void thsi_supervisor_members_changed(struct ths_ctx *ctx, struct thsi_supervision *it);

/* "worker", or "worker/2" for the third of several. */
const char *thsi_supervisor_label(const struct thsi_supervision *it, uint32_t child, char *out, size_t size);

/* ---- Orders (supervisor_orders.c) ---------------------------------------------------------- */

/* The request at hand is an order. */
void thsi_supervisor_take_order(struct ths_ctx *ctx, struct thsi_supervision *it, const struct ths_child_order *order);

/* Carry out an ANSWER / a FORGET. */
void thsi_supervisor_answer(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action);
void thsi_supervisor_forget(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action);

/* Child @index has come back: count it, and tell the subscribers. */
void thsi_supervisor_came_back(struct ths_ctx *ctx, struct thsi_supervision *it, uint32_t child);

/* Free one that is in no list. Thread: any. */
void thsi_wanted_free(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_wanted *wanted);

#endif /* THSI_NODE_SUPERVISOR_ACTOR_H */
