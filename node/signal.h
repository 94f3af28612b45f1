/* Signal: what travels between actors, inside a node and between nodes.
 *
 * One value type describes all of them, so that the router (out), the runtime (in), the
 * simulator and the wire speak of the same thing. All pointers are borrowed for the call that
 * the signal is handed to. Numbers cross the wire and never change meaning. */

#ifndef THSI_NODE_SIGNAL_H
#define THSI_NODE_SIGNAL_H

#include "thiasos/actor.h"

enum thsi_signal_kind {
    THSI_TELL = 1,       /* type, body */
    THSI_ASK = 2,        /* type, body, id (of the asker), deadline_ns */
    THSI_REPLY = 3,      /* id, err; with err == OK type and body, else text */
    THSI_LINK = 4,       /* from and to are tied */
    THSI_UNLINK = 5,
    THSI_EXIT = 6,       /* from ended or was told to say so: reason, text */
    THSI_MONITOR = 7,    /* from watches to: id */
    THSI_DEMONITOR = 8,  /* id */
    THSI_DOWN = 9,       /* from ended, to watched it: id, reason, certainty, text */
    THSI_KILL = 10,      /* inside a node child: THSI_ORDER_FOR_GOOD or 0 */
    THSI_LOOKUP = 11,    /* to.node is asked for the actor named text: id (answered by REPLY with ths_found) */
    THSI_SPAWN = 12,     /* to.node starts behaviour text: id (answered by REPLY with ths_spawned), type and body of
                          * the start message or NULL, supervisor and child when supervised, options; incarnation: bits
                          * of start.h. With AWAIT a start that fails is answered CRASHED with its text */
    THSI_HALTED = 13,    /* child to supervisor: an incarnation ended: child, reason, text, incarnation */
    THSI_RESTART = 14,   /* supervisor to halted child: begin the next incarnation; id: answered as an awaited SPAWN */
    THSI_HALT = 15,      /* supervisor to child: end this incarnation, answer HALTED, wait */
    THSI_FINISH = 16,    /* supervisor to child: end for good, after halting if need be */
    THSI_REFUSED = 17,   /* to's tells to `from` were refused: err, count (id) */
    THSI_STOP = 18,      /* to is to end in order: text, deadline_ns, child (THSI_STOP_FORCE); id: from wants to hear of it */
    THSI_DRAIN = 19,     /* to is to take no more, to handle what it has, and to end */
    THSI_CANCEL = 20,    /* from waits no more for the answer of to: id */
    THSI_MOVED = 21      /* from has passed on the request of to: id, text: the ref of who has it now */
};

struct thsi_signal {
    enum thsi_signal_kind kind;
    ths_ref from;
    ths_ref to;
    uint64_t id;
    uint64_t deadline_ns;        /* of an ask or a stop, on this node's clock; UINT64_MAX: none */
    uint64_t fence;              /* of a supervised child: lease and incarnation field, 0 until leases exist */
    uint32_t incarnation;        /* HALTED; SPAWN: THSI_SPAWN_SUPERVISED when `from` supervises it, THSI_SPAWN_AWAIT */
    uint32_t child;              /* index in its supervisor: SPAWN, HALTED */
    enum ths_err err;            /* REPLY, REFUSED */
    enum ths_reason reason;      /* EXIT, DOWN, HALTED */
    enum ths_certainty certainty;
    const char *text;            /* reason text, name or behaviour; NULL: "" */
    const struct ths_spawn_options *options; /* SPAWN: all but start, which is type and body; NULL: defaults */
    struct ths_type *type;       /* body's type, NULL: none */
    const void *body;
};

#endif /* THSI_NODE_SIGNAL_H */
