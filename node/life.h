/* Life: what an actor with a special beginning or end carries. Hangs from its rare part; NULL until one needs it.
 *
 * All functions: the running actor's worker, unless they say otherwise. */

#ifndef THSI_NODE_LIFE_H
#define THSI_NODE_LIFE_H

#include "node/node.h"

enum { THSI_STOP_ASKERS_MAX = 64 };

/* One who asked the actor to stop and wants to hear of its end. */
struct thsi_stop_asker {
    struct thsi_stop_asker *next;
    ths_ref from;
    uint64_t id; /* of the ask */
};

/* One who waits for an actor to have started: an actor, or nobody for a thread outside (thsi_outside_started). */
struct thsi_awaiter {
    ths_ref by;
    uint64_t id; /* of the ask; 0: nobody waits */
};

/* A silence that is waited for. */
struct thsi_quiet {
    uint64_t limit_ns;        /* 0: none */
    uint64_t since_ns;        /* when it was set, or last came true */
    struct thsi_timer *timer; /* of this incarnation */
};

struct thsi_life {
    struct thsi_quiet idle;         /* ends the actor; limit_ns is of all incarnations */
    struct thsi_quiet receive;      /* is told to it */
    uint64_t heard_ns;              /* when the last message was taken up, while either is waited for */
    struct thsi_message *drain;     /* a DRAIN that waits for requests to be answered; with THSI_HOOK_DRAINS */
    struct thsi_timer *drain_timer; /* rings when the last of them expires; NULL: none has a deadline */
    struct thsi_awaiter awaiter;    /* until the start is over */
    struct thsi_stop_asker *askers; /* oldest first */
    ths_ref guard;                  /* of the first deadline of the stops that it has taken and outlived; or nobody */
    uint64_t guard_ns;
};

/* The life of @actor, made on first use; NULL when memory is out. */
struct thsi_life *thsi_life_of(struct ths_ctx *ctx, struct thsi_actor *actor);

/* The running actor, which was @self, has ended for good: answer who waits for that. */
void thsi_life_ended(struct ths_ctx *ctx, ths_ref self, enum ths_reason reason, const char *text);

/* Free @actor's, whatever it holds. Thread: who owns @actor. */
void thsi_life_free(struct ths_ctx *ctx, struct thsi_actor *actor);

/* ---- Stopping (stop.c) ------------------------------------------------------------------- */

/* Bits of the `child` of a STOP. RELEASE: a hold is given back, and only if it was the last the actor is asked to stop. */
enum { THSI_STOP_FORCE = 1, THSI_STOP_RELEASE = 2 };

/* Whether @actor refuses new work: it drains. Called when THSI_FLAG_DRAINS was seen. Thread: any. */
bool thsi_is_draining(const struct thsi_actor *actor, uint32_t generation);

/* A DRAIN is about to be put into the mailbox of @actor: refuse new work from here on. Thread: any. */
void thsi_drain_mark(struct thsi_actor *actor, uint32_t generation);

/* Put the STOP @signal into the mailbox of @actor and have its deadline watched. @ctx is entered. Errors: NOMEM, TOO_MANY. */
enum ths_err thsi_stop_deliver(struct ths_ctx *ctx, struct thsi_actor *actor, const struct thsi_signal *signal);

/* A STOP was taken out of the mailbox of the running actor (borrowed). */
void thsi_stop_came(struct ths_ctx *ctx, struct thsi_message *message, const struct thsi_control *control);

/* A DRAIN was (taken). */
void thsi_drain_came(struct ths_ctx *ctx, struct thsi_message *message);

/* Something is about to be handled by an actor with THSI_HOOK_DRAINS, or its incarnation ends: look again after that. */
void thsi_drain_again(struct ths_ctx *ctx);

#endif /* THSI_NODE_LIFE_H */
