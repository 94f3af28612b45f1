/* Crash: records of crashes, who wants them, and the messages that were quarantined. */

#ifndef THSI_NODE_CRASH_H
#define THSI_NODE_CRASH_H

#include <pthread.h>

#include "node/message.h"
#include "thiasos/crash.h"

struct thsi_actor;

enum {
    THSI_CRASH_WATCHERS = 64,
    THSI_QUARANTINED_KEPT = 64, /* of a node, for showing */
    THSI_ASIDE_MAX = 8,         /* different messages of one actor that are remembered; the oldest goes */
    THSI_QUARANTINE_AFTER = 3
};

/* A message that crashed the actor. */
struct thsi_aside {
    struct thsi_message *message; /* a copy; NULL: free */
    uint32_t crashes;
    bool quarantined;
};

/* What a supervised actor remembers over its incarnations. Hangs from its rare part. Consumer's. */
struct thsi_traces {
    const struct thsi_type_info *last[THS_CRASH_LAST]; /* ring */
    uint32_t handled;                                  /* counts; last[handled % LAST] is the oldest */
    uint32_t quarantine_after;                         /* 0: never */
    uint32_t aside_next;
    struct thsi_aside aside[THSI_ASIDE_MAX];
};

struct thsi_quarantined_entry {
    ths_ref who;
    char behaviour[THS_NAME_SIZE], type[THS_NAME_SIZE], message[THS_CRASH_TEXT_SIZE];
    uint32_t crashes;
};

/* Of one node. */
struct thsi_crashes {
    pthread_mutex_t lock;
    ths_ref watchers[THSI_CRASH_WATCHERS];
    unsigned watchers_count;
    struct thsi_quarantined_entry *kept; /* ring; NULL until there is one */
    uint64_t quarantined;                /* in all */
};

void thsi_crashes_init(struct thsi_crashes *crashes);
void thsi_crashes_fini(struct thsi_crashes *crashes, struct ths_env *env);

/* The running actor crashed with @text; its state is still there. Write and send the record, set the message at hand aside. */
void thsi_crash_note(struct ths_ctx *ctx, const char *text);

/* Give a supervised @actor its traces. Without memory it has none, and nothing is quarantined. */
void thsi_traces_begin(struct ths_ctx *ctx, struct thsi_actor *actor);
void thsi_traces_free(struct ths_ctx *ctx, struct thsi_actor *actor);

/* An actor with THSI_HOOK_TRACED is about to handle @message. False: it is quarantined; it is not to be handled. */
bool thsi_traces_before(struct ths_ctx *ctx, const struct thsi_message *message);

/* Have the running actor say its state. @out is "" when its behaviour does not. */
void thsi_state_print(struct ths_ctx *ctx, char *out, size_t size);

#endif /* THSI_NODE_CRASH_H */
