/* Outbox: what waits to leave for one node, packed already.
 *
 * Whoever sends packs its record straight into the frame that is being filled, so the order of packing is the order
 * of a pair's signals. The driver takes frames from the other end, seals and sends them. Two lanes: records of the
 * node itself (membership, types, acknowledgements) never wait behind signals.
 *
 * At most once for data, exactly once for control: a data message that was on a lost link is lost and counted;
 * control records (links, monitors, exits, supervision) are numbered, kept until the other node acknowledged the
 * frame they were in, and packed again when the link is replaced. The receiver drops numbers it has seen.
 *
 * Bounds: data is refused beyond THSI_OUTBOX_DATA_MAX queued bytes, control has a reserve of its own.
 *
 * Pure but for memory. The caller serialises all calls for one outbox. */

#ifndef THSI_CLUSTER_OUTBOX_H
#define THSI_CLUSTER_OUTBOX_H

#include "cluster/frames.h"
#include "codec/pack.h"

#define THSI_OUTBOX_DATA_MAX (8u << 20)     /* bytes queued beyond which data is refused */
#define THSI_OUTBOX_CONTROL_MAX (4u << 20)  /* bytes of control records not acknowledged yet */
#define THSI_OUTBOX_WINDOW (8u << 20)       /* bytes sent and not acknowledged beyond which nothing is sent */
#define THSI_OUTBOX_UNACKED_MAX (1u << 16)  /* frames sent and not acknowledged: who reads so many answers some */

enum thsi_lane {
    THSI_LANE_NODE = 0,   /* goes first */
    THSI_LANE_SIGNALS = 1,
    THSI_LANE_COUNT
};

enum thsi_record_class {
    THSI_CLASS_NODE,     /* lane NODE; not counted, not repeated */
    THSI_CLASS_DATA,     /* lane SIGNALS; counted when lost */
    THSI_CLASS_ANSWER,   /* lane SIGNALS; as DATA, from control's reserve: replies and refusals */
    THSI_CLASS_CONTROL,  /* lane SIGNALS; numbered and repeated */
    THSI_CLASS_ORDERED   /* lane SIGNALS; node's own records that keep their place among signals */
};

/* Pack one record at the end of @packer. @number is the control record's number, 0 for others. May run several times
 * for one record. An overflow is no error: it is seen in the packer. */
typedef enum ths_err thsi_pack_record(const void *record, uint64_t number, struct thsi_packer *packer);

struct thsi_unacked {
    uint64_t counter;      /* of the frame */
    uint64_t control_last;
    size_t len;
    uint32_t messages;
};

struct thsi_outbox {
    struct ths_env *env;        /* borrowed */
    struct thsi_frames *frames; /* borrowed */
    struct thsi_outframe *head[THSI_LANE_COUNT], *tail[THSI_LANE_COUNT];
    size_t queued;              /* bytes of payload waiting */
    uint64_t queued_messages;

    uint64_t epoch;             /* raised when a link is lost: frames of an earlier one count no more */
    struct thsi_unacked *unacked; /* ring, oldest first */
    size_t unacked_start, unacked_count, unacked_cap;
    size_t unacked_bytes;

    uint64_t control_number;    /* of the last control record */
    uint8_t *control;           /* records not acknowledged: number, length, bytes; again and again */
    size_t control_start, control_end, control_cap;
};

/* What a lost link took with it. */
struct thsi_outbox_loss {
    uint64_t frames, messages; /* sent, not acknowledged: nobody knows whether they arrived */
    uint64_t repeated;         /* control records queued again */
};

/* Borrows both for the outbox's life. */
void thsi_outbox_init(struct thsi_outbox *outbox, struct ths_env *env, struct thsi_frames *frames);
void thsi_outbox_fini(struct thsi_outbox *outbox);

/* Append a record; @record is borrowed for the call. After an error the outbox is as before.
 * Errors: FULL (over the budget of its class), TOO_BIG (over one frame), NOMEM, and what @pack returned. */
THS_MUST_CHECK
enum ths_err thsi_outbox_put(struct thsi_outbox *outbox, enum thsi_record_class class, thsi_pack_record *pack,
                             const void *record);

/* The next frame to send, or NULL. A frame that may still be filled is given only with @partial: so batches grow by
 * themselves while earlier ones are on their way. NULL too while the window is full, but for lane NODE. Gives. */
struct thsi_outframe *thsi_outbox_take(struct thsi_outbox *outbox, bool partial);

/* Whether there is a frame that is full, or for lane NODE. */
bool thsi_outbox_is_empty(const struct thsi_outbox *outbox);

/* @frame was sealed with @counter; its numbers are kept until acknowledged.
 * Errors: NOMEM, TOO_MANY (the other side acknowledges nothing): close the link. */
THS_MUST_CHECK
enum ths_err thsi_outbox_sent(struct thsi_outbox *outbox, struct thsi_outframe *frame, uint64_t counter);

/* The other side opened every frame with a smaller counter than @ack. Returns whether anything was new. */
bool thsi_outbox_acked(struct thsi_outbox *outbox, uint64_t ack);

/* The link is gone: forget what was on its way, queue its control records again, in front. Frames of lane NODE go
 * too: they meant that link. Errors: NOMEM, and control records are then lost (the caller says so). */
THS_MUST_CHECK
enum ths_err thsi_outbox_link_lost(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss);

/* Forget everything: the node is gone for good. @loss counts what was queued too. */
void thsi_outbox_clear(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss);

/* Assert all that is believed about it. For tests and debug builds. */
void thsi_outbox_check(const struct thsi_outbox *outbox);

#endif /* THSI_CLUSTER_OUTBOX_H */
