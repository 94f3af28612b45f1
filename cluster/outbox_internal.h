/* Between outbox.c, which packs and gives frames away, and outbox_loss.c, which knows what became of them. */

#ifndef THSI_CLUSTER_OUTBOX_INTERNAL_H
#define THSI_CLUSTER_OUTBOX_INTERNAL_H

#include "cluster/outbox.h"

/* A control record in the log: this, then its bytes. */
struct control_entry {
    uint64_t number;
    size_t len;
};

/* A small record that waits behind a bulk message takes more than its bytes. */
static inline size_t held_bytes(const struct thsi_bulk_item *item)
{
    return item->bytes + sizeof *item + sizeof *item->head;
}

static inline struct thsi_unacked *unacked_at(const struct thsi_outbox *outbox, size_t index)
{
    return &outbox->unacked[(outbox->unacked_start + index) % outbox->unacked_cap];
}

/* Put the frames of a lane back. */
void thsi_outbox_drop_lane(struct thsi_outbox *outbox, enum thsi_lane lane);

/* Drop items that are in no list any more. Returns how many of them were messages. */
uint64_t thsi_outbox_drop_items(struct thsi_outbox *outbox, struct thsi_bulk_item *item);

/* A bulk message of @pair leaves or is given up: who is told if it is lost. Returns how many entries that made. */
uint32_t thsi_outbox_tell_bulk(struct thsi_outbox *outbox, const struct thsi_pair *pair);

/* Put again what waited behind a message that is through, or that never will be. */
void thsi_outbox_put_again(struct thsi_outbox *outbox, struct thsi_bulk_item *item);

#endif /* THSI_CLUSTER_OUTBOX_INTERNAL_H */
