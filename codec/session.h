/* Session: the two directions of a link after its handshake, frame by frame.
 *
 * A frame is sealed with ChaCha20-Poly1305; the nonce is the frame's counter
 * and the clear header is authenticated with it. A direction has one counter
 * over all lanes, which no new key sets back, so no nonce is used twice.
 *
 * The sender of a direction replaces its key when it is old or has sealed much;
 * the header says which key in the row a frame is sealed with. It may also mix
 * in a secret that both sides hold, once it has told the other side which: then
 * who has the present key, but not that secret, is left behind.
 *
 * The receiver expects every counter exactly once and in order, because a link
 * is a byte stream: what differs is told apart, and only a frame that is
 * authentic *and* expected changes the session. Pure: no clock, no allocation. */

#ifndef THSI_CODEC_SESSION_H
#define THSI_CODEC_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/noise.h"
#include "codec/wire.h"
#include "thiasos/err.h"

struct thsi_session_direction {
    uint8_t key[THSI_KEY_SIZE];
    uint64_t counter; /* of the next frame; also how many frames went this way */
    uint16_t phase;   /* how often the key was replaced; wraps */
};

/* When a sending key is replaced: after this much of either. */
struct thsi_session_limits {
    uint64_t bytes; /* of payload */
    uint64_t age_ns;
};

#define THSI_SESSION_LIMITS_DEFAULT { .bytes = UINT64_C(1) << 30, .age_ns = UINT64_C(3600) * 1000000000 }

/* Used by the link's owner only. Holds keys: end it with thsi_session_fini. */
struct thsi_session {
    struct thsi_session_direction send;
    struct thsi_session_direction receive;
    struct thsi_session_limits limits;
    bool used;                       /* the present sending key has sealed a frame */
    uint64_t sealed_bytes;           /* with it */
    uint64_t rekey_due_ns;
    bool awaits;                     /* the next frame must be sealed with this: */
    uint8_t awaited[THSI_KEY_SIZE];
};

/* What an opened frame says. */
struct thsi_session_frame {
    uint8_t lane;
    uint64_t counter;
    uint64_t ack;     /* the other side has opened every frame of ours with a smaller counter */
    uint64_t missing; /* with THS_GAP: how many frames should have come before this one */
    uint8_t *payload; /* lent: inside the buffer that was opened */
    size_t payload_len;
};

/* Copies all; the caller wipes its own keys. Thread: the owner of @session. */
void thsi_session_init(struct thsi_session *session, const struct thsi_noise_keys *keys,
                       const struct thsi_session_limits *limits, uint64_t now_ns);

/* Wipe the keys. A finished session must not be used. May be called twice. */
void thsi_session_fini(struct thsi_session *session);

/* Seal one frame in place, with a new key if the present one is at its limits. @frame (borrowed) has
 * THSI_SEALED_HEADER_SIZE bytes of room, then @payload_len bytes of payload, then THSI_TAG_SIZE bytes of room; afterwards
 * all of it is the frame, THSI_SEALED_OVERHEAD longer than the payload. @ack: normally thsi_session_received(session).
 *
 * Errors:
 *   THS_TOO_BIG  more than THSI_SEALED_PAYLOAD_MAX; nothing has changed
 *   THS_CLOSED   the last counter is used up: only a new handshake helps */
THS_MUST_CHECK
enum ths_err thsi_session_seal(struct thsi_session *session, uint64_t now_ns, uint8_t lane, uint64_t ack,
                               uint8_t *frame, size_t payload_len);

/* Open one whole frame in place, as the framer lends it. Fills @opened on THS_OK, THS_GAP and THS_REPLAYED.
 * Only THS_OK advances the session; after every other answer it is as before, and the buffer's contents are undefined.
 *
 * Errors:
 *   THS_FORGED    not authentic: altered, of another session, of another key than is due, or no sealed frame at all
 *   THS_GAP       authentic, but @opened->missing frames were skipped
 *   THS_REPLAYED  authentic, but its counter was opened before */
THS_MUST_CHECK
enum ths_err thsi_session_open(struct thsi_session *session, uint8_t *frame, size_t frame_len,
                               struct thsi_session_frame *opened);

/* Replace the sending key by one derived from it; the next sealed frame carries the next key phase, and opening it
 * makes the other side follow. A key that is stolen afterwards opens no earlier frame. Done by seal at the limits, and
 * only when a frame was sealed with the present key: the other side follows one key at a time. */
void thsi_session_rekey(struct thsi_session *session, uint64_t now_ns);

/* The same, and @secret (THSI_KEY_SIZE bytes, borrowed) goes into the new key. The frame sealed last must have told the
 * other side, which then awaits it. */
void thsi_session_rekey_with(struct thsi_session *session, const uint8_t *secret, uint64_t now_ns);

/* The frame opened last told of it: the next one must be sealed with the next key, with @secret in it. */
void thsi_session_await(struct thsi_session *session, const uint8_t *secret);

/* The acknowledgement to send: every frame with a smaller counter was opened. */
static inline uint64_t thsi_session_received(const struct thsi_session *session)
{
    return session->receive.counter;
}

/* The counter that the next sealed frame will have. */
static inline uint64_t thsi_session_sent(const struct thsi_session *session)
{
    return session->send.counter;
}

#endif /* THSI_CODEC_SESSION_H */
