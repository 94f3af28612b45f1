/* Actors that change: another behaviour with the same state, states of a machine, messages put aside for later.
 *
 *     struct door { uint32_t knocks; };
 *
 *     THS_IN(door, closed, open_it)  { ths_become(ctx, door_opened); }
 *     THS_IN(door, closed, walk)     { (void)ths_stash(ctx); }
 *     THS_IN(door, opened, ths_enter) { (void)ths_unstash(ctx); }
 *     THS_IN(door, opened, walk)     { ... }
 *
 *     THS_STATE(door, closed, open_it, walk)
 *     THS_STATE(door, opened, ths_enter, walk)
 *
 *     ths_spawn(node, door_closed);
 *
 * Each incarnation begins with the behaviour of the spawn; for a supervisor or ths_spawn_at, that one is registered
 * (ths_register(node, door_closed), and the child's .behaviour is "door.closed"); the others need not be.
 *
 * Entries of the lifecycle (ths_stopping, ths_finally, ths_any, ...) count for the behaviour that lists them.
 * The calls are for handlers; all errors are returned, and change nothing. */

#ifndef THIASOS_BECOME_H
#define THIASOS_BECOME_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __cplusplus

/* Never sent: the entry for it is called when the behaviour is changed for this one / for another. */
THS_MESSAGE(ths_enter, "ths.enter", 1)
THS_MESSAGE(ths_leave, "ths.leave", 1)

/* THS_IN(door, closed, walk) { ... }: the handler of message walk in the state closed of door. In scope: ctx, struct door *self,
 * const struct walk *msg. */
#define THS_IN(machine, state, message)                                                             \
    static void machine##_##state##_on_##message(struct ths_ctx *ctx __attribute__((unused)),       \
                                                 struct machine *self __attribute__((unused)),      \
                                                 const struct message *msg __attribute__((unused)))

/* THS_STATE(door, closed, walk, ...): the behaviour door_closed, "door.closed" by name, whose state is struct door. Messages that
 * a state does not list are refused while it lasts. Write all states below all handlers that name them, and THS_STATES(door,
 * closed, opened) above the first that does. */
#define THS_STATE(machine, state, ...)                                                              \
    THSP_FOR_EACH_WITH(THSP_STATE_THUNK, (machine, state), __VA_ARGS__)                             \
    static const struct ths_entry machine##_##state##_entries[] = {                                 \
        THSP_FOR_EACH_WITH(THSP_STATE_ENTRY, (machine, state), __VA_ARGS__)                         \
    };                                                                                              \
    static struct ths_behaviour machine##_##state##_behaviour __attribute__((unused)) = {           \
        #machine "." #state, sizeof(struct machine), machine##_##state##_entries,                   \
        sizeof machine##_##state##_entries / sizeof machine##_##state##_entries[0], 0, false        \
    };

#define THS_STATES(machine, ...) THSP_FOR_EACH_WITH(THSP_STATE_DECLARE, machine, __VA_ARGS__)
#define THSP_STATE_DECLARE(machine, state) static struct ths_behaviour machine##_##state##_behaviour;

#define THSP_PAIR_FIRST(a, b) a
#define THSP_PAIR_SECOND(a, b) b
#define THSP_STATE_THUNK(pair, message) \
    THSP_STATE_EXPAND(THSP_STATE_THUNK_OF, THSP_PAIR_FIRST pair, THSP_PAIR_SECOND pair, message)
#define THSP_STATE_ENTRY(pair, message) \
    THSP_STATE_EXPAND(THSP_STATE_ENTRY_OF, THSP_PAIR_FIRST pair, THSP_PAIR_SECOND pair, message)
#define THSP_STATE_EXPAND(macro, machine, state, message) THSP_STATE_CALL(macro, (machine, state, message))
#define THSP_STATE_CALL(macro, arguments) macro arguments
#define THSP_STATE_THUNK_OF(machine, state, message)                                                \
    static void machine##_##state##_thunk_##message(struct ths_ctx *ctx, void *self, const void *msg) \
    {                                                                                               \
        machine##_##state##_on_##message(ctx, (struct machine *)self, (const struct message *)msg); \
    }
#define THSP_STATE_ENTRY_OF(machine, state, message) { &message##_type, machine##_##state##_thunk_##message },

/* From the next message on the actor has this behaviour; its state stays as it is. Calls the ths_leave of the present behaviour
 * and the ths_enter of the new one before it returns, also when they are the same.
 * Errors: INVALID (not in a handler, or in a ths_leave; or the states are not of one size), NOMEM. */
#define ths_become(ctx, behaviour) thsp_become(ctx, &behaviour##_behaviour)

#endif /* __cplusplus */

THS_API enum ths_err thsp_become(struct ths_ctx *ctx, struct ths_behaviour *behaviour);

/* Put the tell or request at hand aside: it is not answered yet, and no message at hand any more. A request keeps its
 * deadline: when that has passed it is dropped once it would be its turn, and counted as EXPIRED. As many may lie there as
 * the mailbox holds (1,024 if that has options of mailbox.h). What lies there when the
 * incarnation ends is what the next one hears first, or dead letters when there is none; a drain does not wait for it.
 * Errors: INVALID (no message of an actor is at hand, or it is answered or the start message), FULL, NOMEM. */
THS_API enum ths_err ths_stash(struct ths_ctx *ctx);

/* All that was put aside comes next, before the mailbox and in the order in which it was put aside. Returns how many, requests
 * included that nobody waits for any more. */
THS_API uint32_t ths_unstash(struct ths_ctx *ctx);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_BECOME_H */
