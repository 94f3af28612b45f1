/* Timers of actors: a wheel entry and, once due, a message to its actor.
 *
 * A timer belongs to one incarnation, lives on the wheel of the seat where it was made, and is the actor's to cancel. One that
 * has fired is on its way through the mailbox; it is then only marked, and freed when it is taken out. */

#ifndef THSI_NODE_TIMERS_H
#define THSI_NODE_TIMERS_H

#include "node/node.h"

struct thsi_timer {
    struct thsi_message message;      /* first: what fires; kind THSI_TIMER */
    struct thsi_timer_entry entry;
    struct thsi_seat *home;           /* on whose wheel it was put */
    struct thsi_actor *actor;
    uint64_t id;                      /* in the set of its actor */
    uint64_t period_ns;               /* of one that repeats */
    uint64_t wall_ms;                 /* of one at a wall time */
    void (*rings)(struct ths_ctx *ctx, struct thsi_timer *timer); /* takes it when it has arrived; NULL: it is a message */
    bool cancelled;                   /* fired before it was cancelled */
    const struct thsi_type_info *info;
    /* the body of the message, aligned to 8, follows */
};

/* A timer of the running actor, which rings once. NULL: no memory, or the body is refused. */
struct thsi_timer *thsi_timer_start(struct ths_ctx *ctx, uint64_t delay_ns, struct ths_type *type, const void *body);

/* How long to sleep before the wall clock, which shows @wall_ms now, is looked at again for @until_ms. Pure. */
uint64_t thsi_timer_wall_wait_ns(uint64_t until_ms, uint64_t wall_ms);

/* Cancel @timer of the running actor; the pointer is dead afterwards. */
void thsi_timer_cancel(struct ths_ctx *ctx, struct thsi_timer *timer);

/* Have @timer of the running actor ring at @deadline_ns, which is earlier than it would. One that has fired is on its way. */
void thsi_timer_hasten(struct ths_ctx *ctx, struct thsi_timer *timer, uint64_t deadline_ns);

/* For one with `rings` that has arrived, and was not cancelled since: have it ring again / it is not needed any more (takes it). */
void thsi_timer_again(struct ths_ctx *ctx, struct thsi_timer *timer, uint64_t deadline_ns);
void thsi_timer_done(struct ths_ctx *ctx, struct thsi_timer *timer);

/* Its body. */
void *thsi_timer_body(struct thsi_timer *timer);

/* Cancel all timers of the running actor. */
void thsi_timers_drop(struct ths_ctx *ctx);

/* @due came out of the wheel of @ctx's worker: send them to their actors. */
void thsi_timers_fire(struct ths_ctx *ctx, struct thsi_timer_entry *due);

/* A timer came out of the mailbox of the running actor (taken). */
void thsi_timer_arrived(struct ths_ctx *ctx, struct thsi_timer *timer);

#endif /* THSI_NODE_TIMERS_H */
