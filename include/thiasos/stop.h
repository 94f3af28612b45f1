/* Stopping actors: asked in order, with a deadline, by force, or when their work is done.
 *
 *   ths_stop_actor   asks: ths_stopping is called, which may veto; then it ends SHUTDOWN
 *     .deadline_ms   has not ended by then: killed
 *     .force         no veto, and no trap
 *   ths_drain        takes no new work, works off what waits, then ends NORMAL
 *   ths_kill         (actor.h) at the end of the present handler, ahead of all that waits
 *
 * A stop keeps its place among the signals of its pair. An actor that traps exits gets ths_exited in its place and ends when
 * it likes, unless the stop has force. A supervisor that is stopped stops its children in order first. The end by a stop or
 * a drain is for good, also of a supervisor's child, and so is the kill at a stop's deadline: no restart in place follows. Its
 * supervisor does what it does about any end: a permanent child is started anew, with another ref; a transient one only if it
 * had to be killed. A ths_kill ends an incarnation as a crash does: a child that is not temporary is restarted in place (one that
 * is a supervisor itself, anew), and who waits for the end of what is restarted in place has TIMEOUT. To have a child stay away,
 * order that of its supervisor (ths_child_stop_then, supervisor.h).
 *
 * All of it but ths_hold works on actors of other nodes; a deadline is kept by the node of the actor. */

#ifndef THIASOS_STOP_H
#define THIASOS_STOP_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ths_stop_options {
    unsigned deadline_ms; /* from the moment it reaches the actor's node; 0: none */
    bool force;
    const char *text;     /* why: copied, cut to THS_REASON_TEXT_SIZE - 1 bytes; NULL: "" */
    char thsp_end;
};

#ifndef __cplusplus

/* ths_stop_actor(where, ref, .deadline_ms = 500, .text = "moving out"): ask it to stop. Returns what is known at once, as
 * ths_tell does; NOMEM or TOO_MANY also when the deadline could not be watched: nothing was asked then. */
#define ths_stop_actor(where, ...) THSP_STOP_ACTOR(where, __VA_ARGS__, .thsp_end = 0)
#define THSP_STOP_ACTOR(where, whom, ...) \
    thsp_stop_actor(THSP_WHERE(where), whom, &(struct ths_stop_options){ __VA_ARGS__ })

/* The same without options. */
#define ths_ask_to_stop(where, whom) ((void)ths_stop_actor(where, whom))

/* ths_stop_then(ctx, ref, client_stopped, 500, .force = true): ask it to stop, and have the answer in the reply handler: a
 * ths_stopped once it has ended, for whatever reason; REFUSED when it vetoed; GONE when it had ended before; TIMEOUT
 * after the given milliseconds, and other ends of an ask. Only from a handler. */
#define ths_stop_then(ctx, whom, reply_to, ...) THSP_STOP_THEN(ctx, whom, reply_to, __VA_ARGS__, .thsp_end = 0)
#define THSP_STOP_THEN(ctx, whom, reply_to, timeout_ms, ...) \
    thsp_stop_then(ctx, whom, &(reply_to), timeout_ms, &(struct ths_stop_options){ __VA_ARGS__ })

/* ths_stop_wait(node, ref, 500, .force = true): the same from outside of actors: OK once it has ended, else as above.
 * Thread: any but a worker. */
#define ths_stop_wait(node, whom, ...) THSP_STOP_WAIT(node, whom, __VA_ARGS__, .thsp_end = 0)
#define THSP_STOP_WAIT(node, whom, timeout_ms, ...) \
    thsp_stop_wait(node, whom, timeout_ms, &(struct ths_stop_options){ __VA_ARGS__ })

/* ths_drain(where, ref): from now on tells and asks to it are refused as CLOSED, its own included; when it has handled all
 * that it had accepted, and nobody waits for an answer that it deferred any more, it ends NORMAL. Answers, signals and
 * timers still come until then. A crash on the way is a crash, and a restarted incarnation goes on draining. Returns what
 * is known at once. An actor of another node refuses from the moment when the order reaches its node. */
#define ths_drain(where, whom) thsp_drain(THSP_WHERE(where), whom)

#endif /* __cplusplus */

/* From the ths_stopping handler: live on. Errors: REFUSED when this end has no veto: a stop by force, an end that is not a
 * stop (its own wish, a failure, a link, its supervisor, the node's stop), or not called from ths_stopping. */
THS_API enum ths_err ths_veto(struct ths_ctx *ctx);

/* ---- By the clock ----------------------------------------------------------------------- */

/* End the running actor @ms from now with NORMAL, SHUTDOWN or CRASHED, unless the timer is cancelled (ths_cancel) or this
 * incarnation ends before. 0: another reason, no memory, or not from a handler. */
THS_API ths_timer_id ths_exit_after(struct ths_ctx *ctx, uint64_t ms, enum ths_reason reason);

/* Have a ths_idle come when nothing came for @ms, and again after each @ms more. What comes is a tell, an ask, an answer, a
 * ths_down or ths_exited; timers do not count. Time runs from when the last one was taken up. A new call replaces the last;
 * 0 ends it, as does the end of this incarnation. With the spawn option .idle_ms the actor ends NORMAL in the same case.
 * Only from a handler. Errors: NOMEM, INVALID (not from a handler, or too long): then there is none. */
THS_API enum ths_err ths_receive_timeout(struct ths_ctx *ctx, uint64_t ms);

/* ---- Holds ------------------------------------------------------------------------------ */

/* An actor spawned with .held lives as long as somebody holds it: the spawner does, until it calls ths_release; ths_hold adds a
 * claim, from any thread, which a ths_release of any thread gives back. With the last one the actor is asked to stop, as
 * by ths_stop_actor. Refs are plain values and hold nothing. Errors: INVALID (not spawned with .held, or released more often
 * than held), CLOSED (ths_hold after the last release), TOO_MANY, GONE, STALE, UNSUPPORTED (ths_hold of an actor of another
 * node), NOMEM (it could not be asked to stop, and is held as before). A release reaches other nodes, for those who spawned
 * there: it then returns what is known at once, as ths_tell. */
#ifndef __cplusplus
#define ths_hold(where, whom) thsp_hold(THSP_WHERE(where), whom)
#define ths_release(where, whom) thsp_release(THSP_WHERE(where), whom)
#endif

/* ---- What the macros call --------------------------------------------------------------- */

THS_API enum ths_err thsp_stop_actor(struct ths_ctx *ctx, ths_ref whom, const struct ths_stop_options *options);
THS_API void thsp_stop_then(struct ths_ctx *ctx, ths_ref whom, const struct ths_reply_to *reply_to, unsigned timeout_ms,
                            const struct ths_stop_options *options);
THS_API enum ths_err thsp_stop_wait(struct ths_node *node, ths_ref whom, unsigned timeout_ms,
                                    const struct ths_stop_options *options);
THS_API enum ths_err thsp_drain(struct ths_ctx *ctx, ths_ref whom);
THS_MUST_CHECK THS_API enum ths_err thsp_hold(struct ths_ctx *ctx, ths_ref whom);
THS_API enum ths_err thsp_release(struct ths_ctx *ctx, ths_ref whom);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_STOP_H */
