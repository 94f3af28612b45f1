/* Inspect: questions that a thread outside puts to actors, for include/thiasos/observe.h.
 *
 * A question waits in the node's list, and the actor is given a flag and a message that says no more than that: so an idle one
 * is run, and one that has a queue answers at its next turn, ahead of it. It is answered by the actor's own worker, between two
 * messages, where everything may be read; the answer is copied under the list's lock. Who asks leaves with its questions,
 * under the lock too, when its time is up: then the actor is in a handler, or waits behind others that are. */

#ifndef THSI_NODE_INSPECT_H
#define THSI_NODE_INSPECT_H

#include <pthread.h>
#include <stdatomic.h>

#include "thiasos/crash.h"
#include "thiasos/observe.h"

struct ths_ctx;
struct ths_node;
struct thsi_actor;

/* What an actor says of itself. The pointers in `said` are set by who asked (the answer is copied). */
struct thsi_inspected {
    struct ths_inspection said;
    char name[THS_NAME_SIZE];
    char state[THS_CRASH_TEXT_SIZE];
    ths_ref links[THS_INSPECT_MAX], monitors[THS_INSPECT_MAX], watchers[THS_INSPECT_MAX];
    struct ths_inspected_timer timers[THS_INSPECT_MAX];
    struct ths_inspected_ask asks[THS_INSPECT_MAX];
    const char *last[THS_CRASH_LAST];
};

/* Questions asked together, on the asker's stack. Under the list's lock but for the word. */
struct thsi_inquiry {
    uint32_t open;         /* not answered yet */
    _Atomic uint32_t word; /* 1: none is */
};

struct thsi_question {
    struct thsi_question *next;
    struct thsi_inquiry *inquiry;
    ths_ref who;
    struct thsi_inspected *inspected; /* where everything goes; NULL: only the bytes are wanted */
    uint64_t bytes;
    enum ths_err err;                 /* TIMEOUT until it is answered */
};

struct thsi_questions {
    pthread_mutex_t lock;
    struct thsi_question *first;
};

void thsi_questions_init(struct thsi_questions *questions);
void thsi_questions_fini(struct thsi_questions *questions);

/* Answer the questions for the running actor, if there are any. Thread: its worker, between two messages. */
void thsi_inspect_answer(struct ths_ctx *ctx);

/* The message of a question for @who was found when it had ended. Thread: any. */
void thsi_inspect_gone(struct ths_node *node, ths_ref who);

/* What the running actor says of itself (inspect_say.c). Thread: its worker. */
void thsi_inspect_say(struct ths_ctx *ctx, struct thsi_inspected *inspected);
/* The bytes of the messages that wait for the running actor, and how many there are. */
uint64_t thsi_inspect_bytes(struct ths_ctx *ctx, uint32_t *count);

#endif /* THSI_NODE_INSPECT_H */
