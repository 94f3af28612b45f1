/* Supervisor: an actor that starts children, restarts them when they fail, and gives up when that does not help.
 *
 * A child names a registered behaviour, so the same specification starts it here or on another node. A child
 * that fails is restarted in place, on its node: it keeps its ref and mailbox, its incarnation rises. A child that
 * is lost with its node is started on another node that matches `.where`, with a new ref.
 *
 * A child may be a supervisor itself, and a whole tree one literal (THS_CHILDREN). It has started when its children have; it stops
 * them in order when it is stopped; when it gives up, that is a failure which its own supervisor deals with. It is then
 * started anew with the children of its specification: same name, new ref.
 *
 * A child is spawned with the options of ths_spawn, given in .spawn, wherever it runs:
 *
 *     { .name = "board", .behaviour = "board", .spawn = { .mailbox = 64, .when_full = THS_LATEST_BY_KEY, .key = "symbol" } }
 *
 * They hold in every incarnation. One that ends by .idle_ms ends NORMAL; one with .held is held once, for who gives that hold
 * back with ths_release. A behaviour that may block (sched.h) may so as a child, too.
 *
 * While it runs, children are added, restarted, stopped, removed and listed; a dynamic supervisor lives by that. */

#ifndef THIASOS_SUPERVISOR_H
#define THIASOS_SUPERVISOR_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ths_restart {
    THS_PERMANENT, /* always restarted */
    THS_TRANSIENT, /* restarted unless it ended NORMAL or SHUTDOWN */
    THS_TEMPORARY  /* never restarted */
};

enum ths_strategy {
    THS_ONE_FOR_ONE, /* the child that ended is restarted */
    THS_ONE_FOR_ALL, /* all are stopped in reverse order and restarted in order */
    THS_REST_FOR_ONE, /* so are those of the specifications after its own, and it before them */
    THS_DYNAMIC      /* one for one; the one specification is a template for children that are added at run time */
};

/* When significant children that ended by themselves, and are not restarted, take the supervisor along, with SHUTDOWN. */
enum ths_auto_shutdown {
    THS_SHUTDOWN_NEVER,
    THS_SHUTDOWN_ANY_SIGNIFICANT, /* with the first of them */
    THS_SHUTDOWN_ALL_SIGNIFICANT  /* with the last */
};

struct ths_supervisor_options;

struct ths_child {
    const char *name;          /* copied; unique in its supervisor. Local children get it as their name when .named */
    const char *behaviour;     /* copied; a behaviour registered there, see ths_register */
    enum ths_restart restart;
    struct ths_message start;  /* copied; kept for restarts */
    const char *where;         /* "role=R": on members with role R; NULL or "": on this node */
    unsigned count;            /* with .where: how many in all, kept evenly spread; 0 means 1 */
    bool named;                /* register the child under its name on its node (only with count <= 1) */
    bool significant;          /* see enum ths_auto_shutdown; not with THS_PERMANENT */
    bool at_most_one;          /* never two at a time; needs leases: refused as UNSUPPORTED so far */
    struct ths_spawn_options spawn; /* copied; without name, start, link and monitor. Of a supervisor: .mailbox alone */
    unsigned stop_ms;          /* how long it may take to stop; 0: 5,000, for a supervisor what its children may take */

    /* A child that is a supervisor, with these children: instead of behaviour, start and where. See THS_CHILDREN. */
    const struct ths_child *children;
    size_t children_count;
    const struct ths_supervisor_options *options; /* copied; without name and link. NULL: all defaults */
    char thsp_end;
};

#ifndef __cplusplus
/* A tree in one literal: { .name = "store", THS_CHILDREN({ .name = "index", ... }, { .name = "cache", ... }),
 * .options = &(struct ths_supervisor_options){ .strategy = THS_ONE_FOR_ALL } }. */
#define THS_CHILDREN(...)                                                                           \
    .children = (const struct ths_child[]){ __VA_ARGS__ },                                          \
    .children_count = sizeof((const struct ths_child[]){ __VA_ARGS__ }) / sizeof(struct ths_child)
#endif

struct ths_supervisor_options {
    const char *name;          /* copied */
    enum ths_strategy strategy;
    enum ths_auto_shutdown auto_shutdown;
    unsigned restarts;         /* more than this many within within_ms: stop all, end CRASHED. 0: 5 */
    unsigned within_ms;        /* 0: 10,000 */
    unsigned backoff_ms;       /* first delay before a restart, doubling, with jitter; 0: none at the first, then 50 */
    unsigned backoff_max_ms;   /* 0: 5,000 */
    unsigned children_max;     /* of it at a time, added ones included; 0: 1,024, which is the most */
    bool link;                 /* tie to the spawner; only from a handler */
    char thsp_end;
};

#ifndef __cplusplus
/* ths_supervise(where, children, .strategy = THS_ONE_FOR_ALL): children is an array. Returns the supervisor's ref, or
 * THS_NOBODY (logged: UNSUPPORTED, INVALID, TOO_MANY children, NOMEM, NAME_TAKEN, those of a start message). Copies the
 * specifications. */
#define ths_supervise(where, ...) THSP_SUPERVISE(where, __VA_ARGS__, .thsp_end = 0)
#define THSP_SUPERVISE(where, children, ...)                                                        \
    thsp_supervise(THSP_WHERE(where), children, sizeof(children) / sizeof((children)[0]),           \
                   &(struct ths_supervisor_options){ __VA_ARGS__ }, NULL)
/* As ths_supervise, and says why not: ths_try_supervise(where, &err, children, ...). */
#define ths_try_supervise(where, err, ...) THSP_TRY_SUPERVISE(where, err, __VA_ARGS__, .thsp_end = 0)
#define THSP_TRY_SUPERVISE(where, err, children, ...)                                               \
    thsp_supervise(THSP_WHERE(where), children, sizeof(children) / sizeof((children)[0]),           \
                   &(struct ths_supervisor_options){ __VA_ARGS__ }, err)
#endif

THS_API ths_ref thsp_supervise(struct ths_ctx *ctx, const struct ths_child *children, size_t count,
                               const struct ths_supervisor_options *options, enum ths_err *err);

/* ---- Children at run time ---------------------------------------------------------------- */

/* Which child an order is about: the specification of this name, with all its instances, or one instance; one of both. In a
 * dynamic supervisor children have refs and no names. */
struct ths_child_which {
    const char *name;
    ths_ref who;
    char thsp_end;
};

#ifndef __cplusplus

/* The answer to an order: it was carried out. who is a child's actor, nobody when it has ended. */
THS_MESSAGE(ths_child_done, "ths.child_done", 1, string(name), ref(who))

/* For those who subscribed: a child has come back after it ended or its node was lost, and has started. In place, the ref is the
 * same and the incarnation higher; else the ref is new and the incarnation 1. reason: why the one before ended. */
THS_MESSAGE(ths_child_restarted, "ths.child_restarted", 1, string(name), ref(who), u32(incarnation), u8(reason))

/* Orders. Each has two forms: ths_child_..._then from a handler, whose reply handler hears a ths_child_done, and
 * ths_child_..._wait from any other thread but a worker. Their errors, beside those of an ask: NOT_FOUND (no such child), INVALID,
 * TOO_MANY, CLOSED (the supervisor is stopping), REFUSED (a newer order for the same child has taken its place).
 * Orders count as no failures.
 *
 *   ths_child_add_then(ctx, supervisor, reply_to, 500, .name = "extra", .behaviour = "worker")
 *   ths_child_add_wait(node, supervisor, &ref, 500, .start = THS_MSG(session_start, .id = 7))
 *     A specification more, at the end of the line, until it is removed, its supervisor ends, or, a temporary one, it ends
 *     itself. In a dynamic supervisor a child like the template, with this start message if it has one. Answered when it
 *     has started; when it does not, it is forgotten and the error is the answer. Also NAME_TAKEN, NOMEM, TOO_MANY
 *     (children_max), UNSUPPORTED (a supervisor of another node: ask an actor there), GONE.
 *   ths_child_stop_then(ctx, supervisor, reply_to, 500, .name = "extra")
 *     It ends in order and stays so until it is restarted by order. In a dynamic supervisor it is forgotten.
 *   ths_child_restart_wait(node, supervisor, 500, .who = ref)
 *     One that runs ends in order and begins again in place; one that waits for its restart begins at once; one that was
 *     stopped or has ended is started.
 *   ths_child_remove_wait(node, supervisor, 500, .name = "extra")
 *     It ends in order, and its specification is forgotten. */
#define ths_child_add_then(ctx, supervisor, reply_to, ...)                                          \
    THSP_CHILD_ADD_THEN(ctx, supervisor, reply_to, __VA_ARGS__, .thsp_end = 0)
#define THSP_CHILD_ADD_THEN(ctx, supervisor, reply_to, timeout_ms, ...)                             \
    thsp_child_add_then(ctx, supervisor, &(struct ths_child){ __VA_ARGS__ }, &(reply_to), timeout_ms)
#define ths_child_add_wait(node, supervisor, out, ...)                                              \
    THSP_CHILD_ADD_WAIT(node, supervisor, out, __VA_ARGS__, .thsp_end = 0)
#define THSP_CHILD_ADD_WAIT(node, supervisor, out, timeout_ms, ...)                                 \
    thsp_child_add_wait(node, supervisor, out, timeout_ms, &(struct ths_child){ __VA_ARGS__ })

#define ths_child_restart_then(ctx, supervisor, reply_to, ...)                                      \
    THSP_CHILD_ORDER_THEN(2, ctx, supervisor, reply_to, __VA_ARGS__)
#define ths_child_stop_then(ctx, supervisor, reply_to, ...)                                         \
    THSP_CHILD_ORDER_THEN(3, ctx, supervisor, reply_to, __VA_ARGS__)
#define ths_child_remove_then(ctx, supervisor, reply_to, ...)                                       \
    THSP_CHILD_ORDER_THEN(4, ctx, supervisor, reply_to, __VA_ARGS__)
#define THSP_CHILD_ORDER_THEN(what, ctx, supervisor, reply_to, timeout_ms, ...)                     \
    thsp_child_order_then(ctx, supervisor, what, &(struct ths_child_which){ __VA_ARGS__ }, &(reply_to), timeout_ms)

#define ths_child_restart_wait(node, supervisor, ...) THSP_CHILD_ORDER_WAIT(2, node, supervisor, __VA_ARGS__)
#define ths_child_stop_wait(node, supervisor, ...) THSP_CHILD_ORDER_WAIT(3, node, supervisor, __VA_ARGS__)
#define ths_child_remove_wait(node, supervisor, ...) THSP_CHILD_ORDER_WAIT(4, node, supervisor, __VA_ARGS__)
#define THSP_CHILD_ORDER_WAIT(what, node, supervisor, timeout_ms, ...)                              \
    thsp_child_order_wait(node, supervisor, what, timeout_ms, &(struct ths_child_which){ __VA_ARGS__ })

#endif /* __cplusplus */

enum ths_child_state {
    THS_CHILD_WAITS,  /* for its turn, a place or the end of its back-off */
    THS_CHILD_STARTS,
    THS_CHILD_RUNS,
    THS_CHILD_STOPS,
    THS_CHILD_ENDED
};

/* "waits", "runs", ... / "permanent", ... Lends a constant; "unknown" for a number outside the list. Thread: any. */
THS_API const char *ths_child_state_text(enum ths_child_state state);
THS_API const char *ths_restart_text(enum ths_restart restart);

struct ths_child_info {
    const char *name, *behaviour; /* lent for the call of the visitor */
    ths_ref who;                  /* nobody: it has no actor now */
    enum ths_child_state state;
    enum ths_restart restart;
    uint32_t incarnation;         /* of its actor; 0: it has never started */
    bool is_supervisor;           /* and can be listed in turn */
    uint32_t restarts;            /* how often it came back after it ended or its node was lost */
};

/* Visit the children of a supervisor of this node, in the order of their start, as they are at one moment. Errors: GONE,
 * UNSUPPORTED (of another node), INVALID (no supervisor), NOMEM. Thread: any. */
THS_API enum ths_err ths_children(struct ths_node *node, ths_ref supervisor,
                                  void (*visit)(void *arg, const struct ths_child_info *child), void *arg);

/* Have @who, anywhere, told of restarts with ths_child_restarted, or not any more. It ends with the actor, and lasts as long as
 * the supervisor, restarts of it included. Errors: those of ths_children without NOMEM; TOO_MANY (64). Thread: any. */
THS_API enum ths_err ths_supervisor_subscribe(struct ths_node *node, ths_ref supervisor, ths_ref who, bool on);

THS_API void thsp_child_add_then(struct ths_ctx *ctx, ths_ref supervisor, const struct ths_child *child,
                                 const struct ths_reply_to *reply_to, unsigned timeout_ms);
THS_API void thsp_child_order_then(struct ths_ctx *ctx, ths_ref supervisor, int what, const struct ths_child_which *which,
                                   const struct ths_reply_to *reply_to, unsigned timeout_ms);
THS_MUST_CHECK THS_API enum ths_err thsp_child_add_wait(struct ths_node *node, ths_ref supervisor, ths_ref *out,
                                                        unsigned timeout_ms, const struct ths_child *child);
THS_MUST_CHECK THS_API enum ths_err thsp_child_order_wait(struct ths_node *node, ths_ref supervisor, int what,
                                                          unsigned timeout_ms, const struct ths_child_which *which);

/* ---- Counters ------------------------------------------------------------------------------ */

/* What a supervisor has done so far. Errors: GONE, INVALID (not a supervisor of this node). Thread: any. */
struct ths_supervisor_stats {
    uint64_t restarts;      /* in place and elsewhere; moves that keep the spread even are none */
    uint64_t failovers;     /* of those: on another node */
    uint32_t running;       /* children that run now */
    uint32_t wanted;
};
THS_API enum ths_err ths_supervisor_stats(struct ths_node *node, ths_ref supervisor, struct ths_supervisor_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_SUPERVISOR_H */
