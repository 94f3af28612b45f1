/* Link: one byte stream to one node, from its first byte to its last frame.
 *
 * Framer, handshake and session put together, and nothing else: bytes and time go in, frames and bytes to send
 * come out. Which node may be at the other end, and whether the pair has a link already, is decided by the caller,
 * between ASKED and accept or refuse (the side that was dialed) and at VERIFIED (both).
 *
 *     dialing side: init, start ... VERIFIED, seal a frame as proof, FRAME, FRAME ...
 *     dialed side:  init ... ASKED, accept or refuse ... VERIFIED, FRAME, FRAME ...
 *
 * With node keys the dialing side has another message to send when it is VERIFIED: it is in out, and leaves first.
 *
 * Acknowledgements ride on every sealed frame. The link says when one is due although nothing else leaves.
 *
 * Pure: randomness and time are arguments; memory is taken for the frames of verified peers only. One owner. */

#ifndef THSI_CLUSTER_LINK_H
#define THSI_CLUSTER_LINK_H

#include "codec/framer.h"
#include "codec/handshake.h"
#include "codec/session.h"

#define THSI_LINK_RANDOM_SIZE (THSI_LINK_NONCE_SIZE + THSI_KEY_SIZE)

/* An acknowledgement leaves by itself after this many bytes, or this long after the frame it is for. */
#define THSI_LINK_ACK_BYTES (256u * 1024)
#define THSI_LINK_ACK_SIGNALS_NS UINT64_C(20000000)
#define THSI_LINK_ACK_NODE_NS UINT64_C(500000000)

enum thsi_link_news_kind {
    THSI_NEWS_NONE,     /* all bytes are taken */
    THSI_NEWS_ASKED,    /* dialed side: core->handshake.peer is who it claims to be. Accept or refuse before the next
                         * feed */
    THSI_NEWS_VERIFIED, /* the session is up. Dialing side: seal a frame of at most 1 KiB at once, an empty one will
                         * do: it shows the other side that this is no recording */
    THSI_NEWS_FRAME     /* frame was opened */
};

struct thsi_link_news {
    enum thsi_link_news_kind kind;
    struct thsi_session_frame frame; /* FRAME: lent until the next feed */
};

struct thsi_link_core {
    struct ths_env *env;             /* borrowed; only its memory is used */
    bool initiator;
    bool verified;
    bool has_session;
    struct thsi_framer framer;
    struct thsi_handshake handshake; /* its peer and proof stay readable for the link's life */
    struct thsi_session_limits limits; /* the session's; may be changed until it begins */
    struct thsi_session session;
    uint64_t ack_due_ns;             /* when an acknowledgement must leave; UINT64_MAX: none is owed */
    size_t ack_bytes;                /* of payload, opened since the last one left */
    bool pending;                    /* a frame was opened by the call that said VERIFIED: the next feed gives it */
    struct thsi_session_frame pending_frame;
    size_t out_len;                  /* bytes to send now; the caller sends them and sets 0 */
    uint8_t out[THSI_HANDSHAKE_FRAME_MAX];
};

/* Begin. Borrows @env for the link's life, the others until the link is verified or ended. @credential NULL: no node key.
 * Errors: INVALID (@self is not fit to be sent). */
THS_MUST_CHECK
enum ths_err thsi_link_init(struct thsi_link_core *core, struct ths_env *env, bool initiator,
                            const struct thsi_keyring *keys, const char *cluster, const struct thsi_identity *self,
                            const struct thsi_credential *credential);

/* Wipe the secrets, release memory. May be called twice. */
void thsi_link_fini(struct thsi_link_core *core);

/* Dialing side, first: the first message, into out. @random: THSI_LINK_RANDOM_SIZE fresh bytes, wiped by the caller. */
THS_MUST_CHECK enum ths_err thsi_link_start(struct thsi_link_core *core, const uint8_t *random);

/* Dialed side, after ASKED: go on, or not. Both leave in out what is to be sent; after refuse the link is to be closed.
 * @random as above; only its last THSI_KEY_SIZE bytes are used. */
THS_MUST_CHECK enum ths_err thsi_link_accept(struct thsi_link_core *core, uint64_t now_ns, const uint8_t *random);
void thsi_link_refuse(struct thsi_link_core *core, enum ths_err code, const char *text);

/* Take bytes of the stream, moving @data and @len behind what was taken, up to the next news. Call until NONE.
 * After an error out may hold a refusal to send; the link is to be closed then.
 *
 * Errors: those of the framer, the handshake and thsi_session_open. REFUSED on the dialing side: see
 * core->handshake.refusal. */
THS_MUST_CHECK
enum ths_err thsi_link_feed(struct thsi_link_core *core, uint64_t now_ns, const uint8_t **data, size_t *len,
                            struct thsi_link_news *news);

/* Seal a frame in place, as thsi_session_seal does; it carries the acknowledgement that is owed. Only when verified.
 * Errors: CLOSED (keys and counters are used up: a new link is needed), TOO_BIG. */
THS_MUST_CHECK
enum ths_err thsi_link_seal(struct thsi_link_core *core, uint64_t now_ns, uint8_t lane, uint8_t *frame,
                            size_t payload_len);

#endif /* THSI_CLUSTER_LINK_H */
