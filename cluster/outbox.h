/* Outbox: what waits to leave for one node, packed already.
 *
 * Whoever sends packs its record straight into the frame that is being filled, so the order of packing is the order
 * of a pair's signals. The driver takes frames from the other end, seals and sends them. Two lanes: records of the
 * node itself (membership, types, acknowledgements) never wait behind signals. Messages that are too large to share
 * a frame lie beside the lanes and leave in turn with them (bulk.h).
 *
 * At most once for data, exactly once for control: a data message that was on a lost link is lost, counted, and told to its sender;
 * control records (links, monitors, exits, supervision) are numbered, kept until the other node acknowledged the
 * frame they were in, and packed again when the link is replaced. The receiver drops numbers it has seen.
 *
 * Bounds: data is refused beyond THSI_OUTBOX_DATA_MAX queued bytes, control has a reserve of its own, bulk its own bounds.
 *
 * Pure but for memory. The caller serialises all calls for one outbox. */

#ifndef THSI_CLUSTER_OUTBOX_H
#define THSI_CLUSTER_OUTBOX_H

#include "cluster/bulk.h"
#include "cluster/senders.h"

#define THSI_OUTBOX_DATA_MAX (8u << 20)     /* bytes queued beyond which data is refused */
#define THSI_OUTBOX_CONTROL_MAX (4u << 20)  /* bytes of control records not acknowledged yet */
#define THSI_OUTBOX_WINDOW (8u << 20)       /* bytes sent and not acknowledged beyond which nothing is sent */
#define THSI_OUTBOX_BULK_WINDOW (1u << 20)  /* of which of bulk messages: what a small one may find before it */
#define THSI_OUTBOX_UNACKED_MAX (1u << 16)  /* frames sent and not acknowledged: who reads so many answers some */

enum thsi_lane {
    THSI_LANE_NODE = 0,   /* goes first */
    THSI_LANE_SIGNALS = 1,
    THSI_LANE_COUNT
};

struct thsi_unacked {
    uint64_t counter;      /* of the frame */
    uint64_t control_last;
    size_t len;
    uint32_t messages, senders;
    bool bulk;
};

/* Which frames the driver has room for. */
enum thsi_take {
    THSI_TAKE_NODE = 1u,    /* lane NODE */
    THSI_TAKE_FULL = 2u,    /* lane SIGNALS: full ones */
    THSI_TAKE_PARTIAL = 4u, /* one that may still be filled: so batches grow by themselves while others are on their way */
    THSI_TAKE_BULK = 8u,
    THSI_TAKE_ALL = 15u
};

struct thsi_outbox {
    struct ths_env *env;        /* borrowed */
    struct thsi_frames *frames; /* borrowed */
    struct thsi_outframe *head[THSI_LANE_COUNT], *tail[THSI_LANE_COUNT];
    size_t queued;              /* bytes of payload waiting, bulk not counted */
    uint64_t queued_messages;
    struct thsi_bulk bulk;
    uint64_t placed, taken;     /* ordinary frames of lane SIGNALS: appended, given to the driver */
    bool bulk_next;             /* whose turn it is */
    bool plain;                 /* no AGAIN: whoever takes the frames reads their records one by one */

    uint64_t epoch;             /* raised when a link is lost: frames of an earlier one count no more */
    struct thsi_unacked *unacked; /* ring, oldest first */
    size_t unacked_start, unacked_count, unacked_cap;
    size_t unacked_bytes, unacked_bulk;
    uint64_t taken_messages;    /* in frames that were taken and are not acknowledged */
    uint64_t taken_control;     /* number of the last control record in frames that were taken */
    struct thsi_senders senders, senders_bulk; /* whose messages are in ordinary frames; in bulk ones that were taken */

    uint64_t control_number;    /* of the last control record */
    size_t control_held;        /* control records that wait behind bulk messages, not numbered yet */
    uint8_t *control;           /* records not acknowledged: number, length, bytes; again and again */
    size_t control_start, control_end, control_cap;
};

/* What a lost link took with it. */
struct thsi_outbox_loss {
    uint64_t frames, messages; /* sent, not acknowledged: nobody knows whether they arrived */
    uint64_t repeated;         /* control records queued again */
    struct thsi_sender *told; /* of whom the messages were that somebody is told of; thsi_outbox_loss_fini */
    size_t told_count;
};

static inline void thsi_outbox_loss_fini(struct thsi_outbox_loss *loss, struct ths_env *env)
{
    loss->told = env->memory(env, loss->told, 0);
    loss->told_count = 0;
}

/* Borrows both for the outbox's life. */
void thsi_outbox_init(struct thsi_outbox *outbox, struct ths_env *env, struct thsi_frames *frames);
void thsi_outbox_fini(struct thsi_outbox *outbox);

/* Append a record, not larger than THSI_BULK_RECORD; @record is borrowed for the call, a control record's number is given to
 * it here. After an error the outbox is as before.
 * Errors: FULL (over the budget of its class), TOO_BIG (over one frame), NOMEM, and those of thsi_envelope_pack. */
THS_MUST_CHECK
enum ths_err thsi_outbox_put(struct thsi_outbox *outbox, enum thsi_record_class class, const struct thsi_envelope *record);

/* Append a bulk message (bulk.h). Takes it on OK. Errors: FULL. */
THS_MUST_CHECK enum ths_err thsi_outbox_put_bulk(struct thsi_outbox *outbox, struct thsi_bulk_item *item);

/* The next frame to send, of those that @what (enum thsi_take) allows, or NULL; also while a window is full, but for lane
 * NODE. Ordinary and bulk frames have equal turns. One that is never sent is lost with the link. Gives. */
struct thsi_outframe *thsi_outbox_take(struct thsi_outbox *outbox, unsigned what);

/* Whether nothing waits. */
bool thsi_outbox_is_empty(const struct thsi_outbox *outbox);

/* All bytes that wait. */
size_t thsi_outbox_bytes(const struct thsi_outbox *outbox);

/* @frame was sealed with @counter; its numbers are kept until acknowledged.
 * Errors: NOMEM, TOO_MANY (the other side acknowledges nothing): close the link. */
THS_MUST_CHECK
enum ths_err thsi_outbox_sent(struct thsi_outbox *outbox, struct thsi_outframe *frame, uint64_t counter);

/* The other side opened every frame with a smaller counter than @ack. Returns whether anything was new. */
bool thsi_outbox_acked(struct thsi_outbox *outbox, uint64_t ack);

/* The link is gone: forget what was on its way, queue its control records again, in front. Frames of lane NODE go
 * too: they meant that link; so does the rest of bulk messages that were half through. Errors: NOMEM, and control
 * records are then lost (the caller says so). Gives what is in @loss in any case. */
THS_MUST_CHECK
enum ths_err thsi_outbox_link_lost(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss);

/* Forget everything: the node is gone for good. @loss counts what was queued too. Gives what is in it. */
void thsi_outbox_clear(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss);

/* Assert all that is believed about it. For tests and debug builds. */
void thsi_outbox_check(const struct thsi_outbox *outbox);

#endif /* THSI_CLUSTER_OUTBOX_H */
