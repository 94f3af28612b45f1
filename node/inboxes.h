/* Inboxes: the mailboxes under a lock of the few actors that have one (inbox.h), and how messages come in and out.
 *
 * They lie beside the actors, found by ref under one of a few locks: any thread may send, and the actor may end
 * meanwhile. `capacity` of such an actor is 0, so that its senders leave the way of all others where a full mailbox does. A
 * token in its plain mailbox stands for an inbox that is not empty: whoever takes it out takes one message, and puts it
 * back while there are more. The token is in the mailbox, in the inbox, or in the consumer's hand. */

#ifndef THSI_NODE_INBOXES_H
#define THSI_NODE_INBOXES_H

#include <pthread.h>

#include "node/inbox.h"
#include "node/runtime.h"

struct thsi_actor;
struct ths_node;
struct ths_ctx;

enum { THSI_INBOX_SHARDS = 16 };

struct thsi_inboxes {
    struct thsi_inbox_shard {
        pthread_mutex_t lock;
        struct thsi_map map; /* to struct entry (inboxes.c), which holds its key */
    } shards[THSI_INBOX_SHARDS];
};

void thsi_inboxes_init(struct thsi_inboxes *inboxes);
/* All actors have ended. */
void thsi_inboxes_fini(struct thsi_inboxes *inboxes);

/* Give @actor, which nobody knows yet, an inbox. Errors: INVALID, NOMEM. Thread: the spawner's, entered. */
THS_MUST_CHECK enum ths_err thsi_inboxes_open(struct ths_ctx *ctx, struct thsi_actor *actor,
                                              const struct thsi_inbox_options *options);

/* @ref, of which @actor is the place, is no more: what waited is undeliverable. Thread: its worker, or who spawned it in vain. */
void thsi_inboxes_close(struct ths_ctx *ctx, struct thsi_actor *actor, ths_ref ref);

/* A tell or request for @actor, which has an inbox. Errors: FULL, CLOSED, GONE, and those of thsi_message_create.
 * Thread: @ctx's, entered. */
THS_MUST_CHECK enum ths_err thsi_inboxes_send(struct ths_ctx *ctx, struct thsi_actor *actor,
                                              const struct thsi_signal *signal);

/* A signal that keeps its place among the messages of its pair (takes @message). Thread: @ctx's, entered. */
void thsi_inboxes_post(struct ths_ctx *ctx, struct thsi_actor *actor, struct thsi_message *message);

/* The token came (takes it): the next message, of a HALTED actor the next signal that does not wait, or NULL.
 * Thread: the running actor's worker. */
struct thsi_message *thsi_inboxes_take(struct ths_ctx *ctx, struct thsi_message *token);

/* The room in the inbox of @ref, whose place is @actor; where it is bounded in bytes, the smaller share of the two. None when it
 * has no inbox. Thread: any. */
struct thsi_room thsi_inboxes_room(struct ths_node *node, struct thsi_actor *actor, ths_ref ref);

/* Bytes that wait for @ref; 0 when it has no inbox. Thread: any. */
uint64_t thsi_inboxes_bytes(struct ths_node *node, ths_ref ref);

#endif /* THSI_NODE_INBOXES_H */
