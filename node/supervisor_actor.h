/* Supervisor actor: carries out what the decision of node/supervisor.h says.
 *
 * A supervision is one supervisor's specifications and its actor's working state. It is made by ths_supervise, kept in
 * the node's list so that its counters can be read from any thread, claimed by the actor at its first message,
 * and from then on, counters aside, the actor's alone. */

#ifndef THSI_NODE_SUPERVISOR_ACTOR_H
#define THSI_NODE_SUPERVISOR_ACTOR_H

#include <pthread.h>

#include "node/router.h"
#include "node/supervisor.h"
#include "thiasos/lifecycle.h"

/* What the runtime makes of a HALTED signal: an incarnation of child number `child` has ended. */
THS_MESSAGE(ths_child_halted, "ths.child_halted", 1, u32(child), ref(who), u8(reason), u32(incarnation), string(text))

enum { THSI_ROLE_SIZE = 64 };

/* One specification, copied. */
struct thsi_child_spec {
    char name[THS_NAME_SIZE];
    char behaviour[THS_NAME_SIZE];
    char role[THSI_ROLE_SIZE];   /* of "role=R"; "": on this node */
    struct ths_message start;    /* body in a block of its own */
    uint32_t mailbox;
    bool named;
};

/* A start whose answer is out. */
struct thsi_start_entry {
    uint64_t ask; /* 0: free */
    uint32_t child, start_id;
    bool in_place; /* it is a restart */
};

struct thsi_supervision {
    struct thsi_supervision *next;       /* in the node's list */
    uint64_t token;                      /* by which its actor claims it */
    bool claimed;
    ths_ref ref;                         /* of its actor */
    struct ths_supervisor_stats stats;   /* under the list's lock */

    /* The actor's. */
    struct thsi_child_spec *specs;
    uint32_t specs_count;
    struct thsi_supervisor core;
    ths_monitor_id *monitors;            /* one for each child */
    struct thsi_start_entry starts[2 * THSI_STARTING_MAX];
    struct thsi_router_member *members;         /* the last ones seen, for their names; NULL: nothing is spread */
    size_t members_count;
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

void thsi_supervisors_init(struct thsi_supervisors *supervisors);
/* Frees what supervisors left that were killed. After all actors have ended. */
void thsi_supervisors_fini(struct thsi_supervisors *supervisors, struct ths_env *env);

/* The supervision with this token, once; then NULL. Thread: any. */
struct thsi_supervision *thsi_supervision_claim(struct thsi_supervisors *supervisors, uint64_t token, ths_ref ref);

/* Take it out of the list and free it. Thread: the one that owns it. */
void thsi_supervision_release(struct thsi_supervisors *supervisors, struct ths_env *env,
                              struct thsi_supervision *supervision);

/* Copy the specifications into a new supervision, not listed yet. On failure *@out is NULL and @why says in a line
 * what is wrong. Errors: INVALID, UNSUPPORTED, TOO_MANY, NOMEM, and those of a message's check.
 * @knows tells whether this node has a behaviour of that name. */
THS_MUST_CHECK
enum ths_err thsi_supervision_create(struct ths_env *env, uint64_t self, const struct ths_child *children, size_t count,
                                     const struct ths_supervisor_options *options,
                                     bool (*knows)(void *arg, const char *behaviour), void *arg, char *why,
                                     size_t why_size, struct thsi_supervision **out);

/* The reverse of create, of one that is not listed. NULL is ignored. */
void thsi_supervision_destroy(struct ths_env *env, struct thsi_supervision *supervision);

/* Spawn the actor that will claim the supervision with this token. Errors: those of a spawn. */
THS_MUST_CHECK
enum ths_err thsi_supervisor_spawn(struct ths_ctx *ctx, const char *name, bool link, uint64_t token, ths_ref *out);

#endif /* THSI_NODE_SUPERVISOR_ACTOR_H */
