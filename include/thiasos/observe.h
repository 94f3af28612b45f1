/* Observing: what a running node does, at a cost that it does not notice.
 *
 * Counters for each behaviour and message type (ths_message_stats). They are kept by each thread that runs actors for itself, and
 * are added up when somebody asks. Times are sampled: of each behaviour and type the first 256 messages of each thread and
 * then one in 256 are timed; of the messages that a thread sends the first 256 and then one in 128 note when they were sent.
 *
 * `thiasos stats` shows the same of a node that runs. All times are in nanoseconds of the node's clock, which in the simulator is
 * virtual: there handlers take no time. */

#ifndef THIASOS_OBSERVE_H
#define THIASOS_OBSERVE_H

#include "thiasos/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the messages of one type have cost the actors of one behaviour, since the start of the node.
 *
 * Counted are messages, replies (as the type that was asked for, else as what came; type "" for the error of an ask for any), and
 * what the runtime tells an actor, but for ths_started, ths_stopping, ths_finally, ths_enter and ths_leave. What a ths_any handler
 * takes is counted as ths.any. The first 511 pairs of a behaviour and a type that a process comes upon have a row of their own;
 * all others share one whose behaviour and type are "". */
struct ths_message_stats {
    const char *behaviour, *type;        /* lent for the call of the visitor */
    uint64_t handled;                    /* taken up by a handler */
    uint64_t busy_ns;                    /* in these handlers, in all: an estimate, one that was timed stands for 256 or for
                                          * itself */
    uint64_t busy_max_ns;                /* the longest of those that were timed */
    uint64_t waited;                     /* messages that noted when they were sent; replies and timers never do */
    uint64_t waited_ns, waited_max_ns;   /* from there until they were taken up: in all, and the longest */
    uint64_t refused;                    /* not handled: no handler for it, or quarantined. (What a full mailbox refuses is told to
                                          * its sender, and never comes to be counted here) */
    uint64_t expired;                    /* requests whose deadline had passed, or whose asker had gone, when their turn came */
    uint64_t crashed;                    /* handlers that failed; type "": without a message */
};

/* Visit the rows in which something was counted, in no order. Rows, and counters of a row, need not be of the same moment; what
 * a thread counted is seen by who was told, directly or not, of something that it did later. Thread: any. */
THS_API void ths_message_stats(const struct ths_node *node, void (*visit)(void *arg, const struct ths_message_stats *stats),
                               void *arg);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_OBSERVE_H */
