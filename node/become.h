/* Become: what an actor carries that changes its behaviour or puts messages aside. In its rare part. Consumer's. */

#ifndef THSI_NODE_BECOME_H
#define THSI_NODE_BECOME_H

#include "node/dispatch.h"
#include "node/message.h"

struct thsi_become {
    const struct thsi_dispatch *first; /* of the spawn; NULL: it never changed */
    struct thsi_message *head, *tail;  /* put aside, oldest first; head NULL: none */
    uint32_t count;
    bool leaving;                      /* a ths_leave is being called */
};

/* Nobody waits any more for request @id of @asker: drop it if it lies aside. */
void thsi_stash_cancelled(struct ths_ctx *ctx, ths_ref asker, uint64_t id);

/* Give @message back, which the handler at hand of the running actor has put aside, and then failed. */
struct thsi_message *thsi_stash_undo(struct ths_ctx *ctx, struct thsi_message *message);

/* The incarnation of the running actor has ended: what is put aside is for the next one, which begins as the first did. */
void thsi_become_end(struct ths_ctx *ctx);

#endif /* THSI_NODE_BECOME_H */
