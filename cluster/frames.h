/* Frames: the buffers that leaving records are packed into, sealed in and sent from, without a copy between.
 *
 * A frame begins its life with whoever packs records (any thread, under its outbox's lock), goes to the driver, which
 * seals it in place, then to the transport, which gives it back from a thread of its own. Given back frames wait
 * in the pool until the driver collects them, so all accounting stays with the driver. The pool outlives its owner
 * for as long as a transport holds frames: the last one to come back frees it. */

#ifndef THSI_CLUSTER_FRAMES_H
#define THSI_CLUSTER_FRAMES_H

#include "cluster/transport.h"
#include "codec/envelope.h"
#include "codec/wire.h"
#include "thiasos/env.h"

/* Payload of an ordinary frame: a body of 64 KiB with its envelope still fits. */
#define THSI_FRAME_PAYLOAD (64u * 1024 + 512)

struct thsi_frames;

/* Sender and receiver of a tell: slot and generation of each. */
struct thsi_frame_pair {
    struct thsi_actor_id from, to;
};

struct thsi_outframe {
    struct thsi_chunk chunk;    /* first: the transport gives this back */
    struct thsi_frames *frames; /* where it came from */
    struct thsi_outframe *next;
    const void *owner;          /* its outbox; compared only, never followed: the outbox may be gone */
    uint64_t epoch;             /* of the owner when it was sent */
    uint64_t control_last;      /* number of the last control record in it; 0: none */
    size_t cap;                 /* bytes of payload it has room for */
    size_t len;                 /* bytes of payload in it */
    uint64_t place;             /* among its lane's ordinary frames, from 1; 0: none */
    uint32_t messages;          /* data messages in it: what is lost if it is lost */
    uint32_t senders;           /* entries of its owner's senders that say whose they are */
    uint8_t lane;
    uint8_t pairs_count;        /* of the TELLs in it, as far as AGAIN may speak of them */
    bool pairs_closed;          /* no more of them: others than the outbox knows may follow */
    bool bulk;                  /* of a message that is sent beside the ordinary frames (bulk.h) */
    struct thsi_frame_pair pairs[THSI_FRAME_PAIRS_MAX];
    uint8_t bytes[];            /* header, payload, tag */
};

static inline uint8_t *thsi_outframe_payload(struct thsi_outframe *frame)
{
    return frame->bytes + THSI_SEALED_HEADER_SIZE;
}

/* Make a pool. Borrows @env for the pool's life, which must be longer than the transport's that gets its frames.
 * @wake(@wake_arg) is called once after thsi_frames_want when a frame came back; any thread, must not block.
 * Gives; thsi_frames_close. NULL when memory is out. */
struct thsi_frames *thsi_frames_create(struct ths_env *env, void (*wake)(void *arg), void *wake_arg);

/* The owner needs no more: frames that come back later are freed at once, wake is called no more. */
void thsi_frames_close(struct thsi_frames *frames);

/* An empty frame with room for @cap bytes of payload. Gives; thsi_frames_put. NULL when memory is out. Thread: any. */
struct thsi_outframe *thsi_frames_get(struct thsi_frames *frames, size_t cap);

/* Takes @frame, which was not sent or was collected. NULL is ignored. Thread: any. */
void thsi_frames_put(struct thsi_frames *frames, struct thsi_outframe *frame);

/* The frames that the transport gave back since the last call, linked by next; the caller puts them.
 * Thread: the driver's. */
struct thsi_outframe *thsi_frames_collect(struct thsi_frames *frames);

/* Call wake when the next frame comes back, or at once if some wait already. Thread: the driver's. */
void thsi_frames_want(struct thsi_frames *frames);

#endif /* THSI_CLUSTER_FRAMES_H */
