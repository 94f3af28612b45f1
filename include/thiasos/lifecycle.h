/* Messages that the runtime sends. A behaviour that wants one lists it like any other. */

#ifndef THIASOS_LIFECYCLE_H
#define THIASOS_LIFECYCLE_H

#include "thiasos/message.h"

#ifndef __cplusplus

/* The first message of every incarnation, before its start message. incarnation is 1, then 2, ... */
THS_MESSAGE(ths_started, "ths.started", 1, u32(incarnation))

/* An incarnation that has begun is about to end, for any reason but KILLED: take leave. Sending still works. Against a
 * stop there is ths_veto (stop.h). */
THS_MESSAGE(ths_stopping, "ths.stopping", 1, u8(reason), string(text))

/* The very last call of an incarnation that has begun, whatever ends it, a kill or a failed start included: release what
 * the state holds (what was not acquired yet is zero). Nothing said here stops or changes the end. */
THS_MESSAGE(ths_finally, "ths.finally", 1, u8(reason), string(text))

/* A watched actor has ended (enum ths_reason, enum ths_certainty). */
THS_MESSAGE(ths_down, "ths.down", 1, ref(who), u64(monitor), u8(reason), u8(certainty), string(text))

/* A linked actor has ended, and this actor traps exits. */
THS_MESSAGE(ths_exited, "ths.exited", 1, ref(who), u8(reason), string(text))

/* Answers of ths_lookup and ths_spawn_at. */
THS_MESSAGE(ths_found, "ths.found", 1, ref(who))
THS_MESSAGE(ths_spawned, "ths.spawned", 1, ref(who))

/* Answer of ths_stop_then: it has ended (enum ths_reason). */
THS_MESSAGE(ths_stopped, "ths.stopped", 1, ref(who), u8(reason), string(text))

/* Nothing came for so long: see ths_receive_timeout. */
THS_MESSAGE(ths_idle, "ths.idle", 1, u64(ms))

/* Tells of this actor to `to` that another node refused, gathered: `count` of them, for the reason err (enum ths_err); or, with
 * NODE_LOST, that a lost link, or the loss of the node, took with it: nobody knows which of them arrived. Comes before any later
 * tell to `to` arrives. `to` has slot 0 for several actors of to.node: of a group, or when more than 64 are concerned. They are
 * counted as dead letters here, too. */
THS_MESSAGE(ths_undelivered, "ths.undelivered", 1, ref(to), u32(err), u64(count))

/* Not sent by anybody: a behaviour that lists it takes with its handler whatever no other entry takes, the messages above
 * included (but for ths_started, ths_stopping and ths_finally). message.body is of message.type; both lent for the call. */
struct ths_any {
    struct ths_message message;
};
static struct ths_type ths_any_type __attribute__((unused)) = { "ths.any", 1, sizeof(struct ths_any), NULL, 0, NULL };

#endif /* __cplusplus */

#endif /* THIASOS_LIFECYCLE_H */
