/* Framer: whole frames from the pieces of a byte stream.
 *
 * Before the session is verified a framer holds at most one handshake frame, in
 * a slot of its own, and allocates nothing: that is all a stranger can make us
 * keep. A length beyond the bound is refused by its first four bytes, a type
 * that is not due by the fifth, so HTTP, TLS or noise on the port end at once.
 *
 * Afterwards the buffer grows with the bytes that really came, never with the
 * length that was claimed, and is given back when a large frame is done. */

#ifndef THSI_CODEC_FRAMER_H
#define THSI_CODEC_FRAMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/wire.h"
#include "thiasos/env.h"
#include "thiasos/err.h"

/* A whole frame, length and type included. */
struct thsi_frame {
    enum thsi_frame_type type;
    uint8_t *data; /* lent until the next feed or fini; may be altered in place */
    size_t len;
};

/* What the next frame may be. */
enum thsi_framer_due {
    THSI_DUE_HANDSHAKE, /* a frame of the handshake, in the slot */
    THSI_DUE_PROOF,     /* a sealed frame, still in the slot: whoever sends it has to prove that he holds the keys */
    THSI_DUE_SEALED     /* sealed frames of any size */
};

struct thsi_framer {
    struct ths_env *env; /* borrowed; only its memory is used */
    enum ths_err broken; /* the first refusal, repeated from then on */
    enum thsi_framer_due due;
    size_t used;         /* bytes of the frame at hand */
    size_t frame_len;    /* its length as announced; 0: not known yet */
    uint8_t *buffer;     /* NULL: the slot is in use */
    size_t buffer_size;
    uint8_t slot[THSI_HANDSHAKE_FRAME_MAX];
};

/* Borrows @env until fini. Cannot fail. Thread: the owner of @framer. */
void thsi_framer_init(struct thsi_framer *framer, struct ths_env *env);

/* Release memory. May be called twice. */
void thsi_framer_fini(struct thsi_framer *framer);

/* From the next frame on, sealed frames are due that fit the slot. For the responder, after HELLO2: its peer may
 * be somebody who replays a HELLO1 and holds no keys. Call when thsi_framer_verified may be called. */
void thsi_framer_proof_due(struct thsi_framer *framer);

/* From the next frame on, sealed frames (and only those) are due. Call between two frames, while the last frame of
 * the handshake is at hand: the frames behind it in the same piece are then read with the new bounds. */
void thsi_framer_verified(struct thsi_framer *framer);

/* Take bytes from @data (borrowed), moving @data and @len behind what was taken, up to the end of one frame.
 * Returns THS_OK with @frame filled, or with frame->data NULL when all bytes are taken and the frame is not whole yet.
 * Call until @len is 0. After an error the stream cannot be read on: close the link.
 *
 * Errors:
 *   THS_TOO_BIG    a length beyond the bound
 *   THS_MALFORMED  a length below any frame's, or a type that is not due
 *   THS_NOMEM      no memory for a verified peer's frame */
THS_MUST_CHECK
enum ths_err thsi_framer_feed(struct thsi_framer *framer, const uint8_t **data, size_t *len, struct thsi_frame *frame);

#endif /* THSI_CODEC_FRAMER_H */
