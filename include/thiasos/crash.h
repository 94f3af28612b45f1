/* Crashes: handlers that fail, what is known of it, and messages that crash whoever handles them.
 *
 * A handler fails by ths_fail (actor.h), by wanting more memory than its actor may have (memory.h), or, written with THS_TRY_ON,
 * by returning an error. The incarnation ends; a supervised actor is restarted with its ref and mailbox, and without the message
 * at hand, which is set aside: its asker has heard CRASHED.
 *
 * Of each crash there is a record: in the log, and for actors that called ths_watch_crashes as a ths_crashed message. A behaviour
 * that lists ths_state_wanted adds its state in words:
 *
 *     THS_ON(counter, ths_state_wanted)
 *     {
 *         ths_state_say(ctx, "files=%u words=%llu", self->files, (unsigned long long)self->words);
 *     }
 *
 * A message equal to one that has crashed a supervised actor three times (ths_quarantine_after) is quarantined: that actor
 * handles it no more, in whatever incarnation; it is a dead letter, and an asker hears QUARANTINED. */

#ifndef THIASOS_CRASH_H
#define THIASOS_CRASH_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define THS_CRASH_TEXT_SIZE 512 /* of the printed message and of the state, with their NUL; longer ones are cut */
#define THS_CRASH_LAST 8        /* types of the last messages */

#ifndef __cplusplus

/* THS_TRY_ON(bank, pay) { ...; return THS_OK; }: as THS_ON, and returns enum ths_err; anything but OK is ths_fail with its name. */
#define THS_TRY_ON(behaviour, message)                                                              \
    static enum ths_err behaviour##_try_##message(struct ths_ctx *ctx, struct behaviour *self,      \
                                                  const struct message *msg);                       \
    THS_ON(behaviour, message)                                                                      \
    {                                                                                               \
        enum ths_err thsp_err = behaviour##_try_##message(ctx, self, msg);                          \
        if (thsp_err != THS_OK)                                                                     \
            ths_fail(ctx, "%s: %s", #message, ths_err_name(thsp_err));                              \
    }                                                                                               \
    static enum ths_err behaviour##_try_##message(struct ths_ctx *ctx __attribute__((unused)),      \
                                                  struct behaviour *self __attribute__((unused)),   \
                                                  const struct message *msg __attribute__((unused)))

/* A crash of an actor of this node. `message` is the one at hand, printed, "" for none; `state` is what ths_state_wanted said;
 * `last` are the names of the types that it handled last, the newest first (of supervised actors only). */
THS_MESSAGE(ths_crashed, "ths.crashed", 1, ref(who), string(behaviour), string(name), u32(incarnation), string(text),
            string(message), string(state), list(string, last, .max = THS_CRASH_LAST), u64(wall_ms))

/* The runtime wants the state in words: for a crash record, or for who looks at the actor. Call ths_state_say, change nothing. */
THS_MESSAGE(ths_state_wanted, "ths.state_wanted", 1)

#endif /* __cplusplus */

/* In a ths_state_wanted handler: append to the text; elsewhere it does nothing. */
THS_API void ths_state_say(struct ths_ctx *ctx, const char *format, ...) THS_PRINTF(2, 3);

/* Have the running actor told of every crash on its node, as ths_crashed, until it ends. Records that its mailbox does not take are
 * lost, and counted. Watching twice is watching once. Errors: TOO_MANY (64 actors watch), NOMEM, INVALID (not from a handler). */
THS_API enum ths_err ths_watch_crashes(struct ths_ctx *ctx);

/* Quarantine messages that crashed the running actor @crashes times; 0: never. Holds for later incarnations as well. For
 * actors without a supervisor, which have no second incarnation, it does nothing. */
THS_API void ths_quarantine_after(struct ths_ctx *ctx, unsigned crashes);

/* A message that was quarantined. */
struct ths_quarantined {
    ths_ref who;
    const char *behaviour, *type; /* lent for the call of the visitor, as is message */
    const char *message;          /* printed */
    uint32_t crashes;
};

/* Visit the last 64 messages that were quarantined on this node, the newest first. Returns how many there have been in all.
 * Thread: any. */
THS_API uint64_t ths_quarantine(struct ths_node *node, void (*visit)(void *arg, const struct ths_quarantined *message), void *arg);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_CRASH_H */
