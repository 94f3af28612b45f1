/* Supervisor: an actor that starts children, restarts them when they fail, and gives up when that does not help.
 *
 * A child names a registered behaviour, so the same specification starts it here or on another node. A child
 * that fails here is restarted in place: it keeps its ref and mailbox, its incarnation rises. A child that
 * is lost with its node is started on another node that matches `.where`, with a new ref. */

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

struct ths_child {
    const char *name;          /* copied; unique in its supervisor. Local children get it as their name when .named */
    const char *behaviour;     /* copied; a registered behaviour */
    enum ths_restart restart;
    struct ths_message start;  /* copied; kept for restarts */
    const char *where;         /* "role=R": on members with role R; NULL or "": on this node */
    unsigned count;            /* with .where: how many in all, kept evenly spread; 0 means 1 */
    bool named;                /* register the child under its name on its node (only with count <= 1) */
    bool significant;          /* see enum ths_auto_shutdown; not with THS_PERMANENT */
    bool at_most_one;          /* never two at a time; needs leases: refused as UNSUPPORTED so far */
    uint32_t mailbox;          /* see struct ths_spawn_options */
    unsigned stop_ms;          /* how long it may take to stop; 0: 5,000 */
};

struct ths_supervisor_options {
    const char *name;          /* copied */
    enum ths_strategy strategy;
    enum ths_auto_shutdown auto_shutdown;
    unsigned restarts;         /* more than this many within within_ms: stop all, end CRASHED. 0: 5 */
    unsigned within_ms;        /* 0: 10,000 */
    unsigned backoff_ms;       /* first delay before a restart, doubling, with jitter; 0: none at the first, then 50 */
    unsigned backoff_max_ms;   /* 0: 5,000 */
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
#define ths_try_supervise(where, err, ...) THSP_TRY_SUPERVISE(where, err, __VA_ARGS__, .thsp_end = 0)
#define THSP_TRY_SUPERVISE(where, err, children, ...)                                               \
    thsp_supervise(THSP_WHERE(where), children, sizeof(children) / sizeof((children)[0]),           \
                   &(struct ths_supervisor_options){ __VA_ARGS__ }, err)
#endif

THS_API ths_ref thsp_supervise(struct ths_ctx *ctx, const struct ths_child *children, size_t count,
                               const struct ths_supervisor_options *options, enum ths_err *err);

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
