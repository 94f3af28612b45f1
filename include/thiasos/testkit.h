/* Test kit: probes, which are actors that a test drives, on the simulator's clock.
 *
 * A probe takes every message that comes to it and keeps them, in order, until the test asks for them. The actors under test
 * do not know that they talk to one. Whatever waits here does so on virtual time, at most as long as the test says, and takes no
 * real time; the simulator runs meanwhile.
 *
 *     struct ths_probe *probe = ths_probe_create(sim, 1, "probe");
 *     ths_probe_tell(probe, greeter, greet, .name = "world");
 *     const struct greeting *got = ths_probe_expect(probe, 100, greeting);
 *
 * What is not as expected fails the test: a text says what was expected and what came instead. It is handed to the
 * function of ths_probe_on_failure; without one it is printed, and the program aborts. Messages of the runtime are
 * messages like any other: a probe expects a ths_down of what it monitors, and a ths_exited of what it is linked to,
 * since it traps exits.
 *
 * All calls: the simulator's thread, outside of handlers. A pointer to a message is lent until the next call for its probe. */

#ifndef THIASOS_TESTKIT_H
#define THIASOS_TESTKIT_H

#include "thiasos/ask.h"
#include "thiasos/lifecycle.h"
#include "thiasos/sim.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ths_probe;

/* Spawn a probe on node @number under the name @name (copied; NULL: none). Gives; released by ths_probe_destroy, before the
 * simulator is. NULL when memory is out, the name is taken, or the node is crashed. */
THS_API struct ths_probe *ths_probe_create(struct ths_sim *sim, unsigned number, const char *name);

/* The probe's actor ends KILLED. NULL is ignored. */
THS_API void ths_probe_destroy(struct ths_probe *probe);

/* To hand out. */
THS_API ths_ref ths_probe_ref(const struct ths_probe *probe);

/* Call @fail with the text (lent for the call) and @arg where a test fails, in place of the abort. When it returns, so
 * does the call that failed, as its comment says. */
THS_API void ths_probe_on_failure(struct ths_probe *probe, void (*fail)(const char *why, void *arg), void *arg);

/* ---- What comes ------------------------------------------------------------------------- */

/* ths_probe_ignore(probe, tick): messages of this type are dropped from now on, and those that wait.
 * Errors: INVALID (it ignores 16 types already). */
#define ths_probe_ignore(probe, message) thsp_probe_ignore(probe, &message##_type)

/* ths_probe_expect(probe, 100, greeting): the next message that is not ignored must be a greeting, and be here within
 * 100 ms. Returns it. NULL: another came (and is taken), an ask of the probe's own ended without a reply, or nothing came. */
#define ths_probe_expect(probe, within_ms, message) \
    ((const struct message *)thsp_probe_expect(probe, within_ms, &message##_type))

/* The next one, of whatever type, which is NULL when nothing came. */
THS_API struct ths_message ths_probe_expect_any(struct ths_probe *probe, unsigned within_ms);

/* Nothing that is not ignored comes for @for_ms. False: something did (it waits to be expected). */
THS_API bool ths_probe_expect_none(struct ths_probe *probe, unsigned for_ms);

/* The next thing is that an ask of the probe's own ends with @err. False: it was something else. */
THS_API bool ths_probe_expect_err(struct ths_probe *probe, unsigned within_ms, enum ths_err err);

/* Who sent the message expected last. Nobody before the first, and for messages of the runtime. */
THS_API ths_ref ths_probe_sender(const struct ths_probe *probe);

/* ---- What it does ----------------------------------------------------------------------- */

#ifndef __cplusplus

/* ths_probe_tell(probe, to, greet, .name = "world"): as ths_tell, from the probe. */
#define ths_probe_tell(probe, to, ...) \
    thsp_probe_tell(probe, to, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

/* ths_probe_ask(probe, to, get_balance, 500, .account = 7): the reply is a message to be expected like any other. */
#define ths_probe_ask(probe, to, message, ...)                                                      \
    thsp_probe_ask(probe, to, &message##_type, THSP_LITERAL_TAIL_V(message, __VA_ARGS__), THSP_HEAD(__VA_ARGS__))

/* ths_probe_reply(probe, balance, .amount = 5): answers the request that was expected last, at any time after.
 * Errors: NO_ASK (it was no request, or was answered), EXPIRED (the asker waits no more), and those of ths_tell. */
#define ths_probe_reply(probe, ...) \
    thsp_probe_reply(probe, THSP_TYPE_V(__VA_ARGS__), THSP_LITERAL_V(__VA_ARGS__))

#endif /* __cplusplus */

/* Watch @whom. / Tie the two. */
THS_API ths_monitor_id ths_probe_monitor(struct ths_probe *probe, ths_ref whom);
THS_API void ths_probe_link(struct ths_probe *probe, ths_ref whom);

/* Call @act in a handler of the probe, where every call of actor.h is allowed. Returns when it has returned. False, a failure: the
 * probe's actor has ended, or its node gets no time. */
THS_API bool ths_probe_do(struct ths_probe *probe, void (*act)(struct ths_ctx *ctx, void *arg), void *arg);

/* ---- What the macros call --------------------------------------------------------------- */

THS_API enum ths_err thsp_probe_ignore(struct ths_probe *probe, struct ths_type *type);
THS_API const void *thsp_probe_expect(struct ths_probe *probe, unsigned within_ms, struct ths_type *type);
THS_API enum ths_err thsp_probe_tell(struct ths_probe *probe, ths_ref to, struct ths_type *type, const void *body);
THS_API void thsp_probe_ask(struct ths_probe *probe, ths_ref to, struct ths_type *type, const void *body, unsigned timeout_ms);
THS_API enum ths_err thsp_probe_reply(struct ths_probe *probe, struct ths_type *type, const void *body);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_TESTKIT_H */
