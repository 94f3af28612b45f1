/* Handshake: from the first byte of a link to the keys of its session.
 *
 * Two messages of Noise NNpsk0, each in one frame; with node keys three of XXpsk0+psk3. The side that dialed is the
 * initiator:
 *
 *     initiator                                   responder
 *     init, start        ── HELLO1 ──▶            init, receive: OK, and who it claims to be
 *                        ◀── HELLO2 ──            accept, finish
 *     receive
 *     (prove             ── HELLO3 ──▶            receive, with node keys)
 *     finish             ── first sealed frame ─▶ opens: now verified
 *                        ◀── REFUSAL ──           or refuse: code and text in clear, then close
 *     receive: REFUSED
 *
 * The clear part of HELLO1 (protocol versions, key id, cluster, link nonce) is the prologue of Noise, so neither side
 * can be shown another one; both identities travel sealed. The initiator uses its primary key; the responder compares
 * the key id with each of its few keys and opens the message with the one that it names, or with none.
 * protocol/handshake.md draws the bytes.
 *
 * What each side may believe, and when:
 * - The initiator, after receive answered OK: the peer holds the key and took part just now. It must send a sealed
 *   frame of at most THSI_HANDSHAKE_FRAME_MAX bytes at once (an empty one will do), because until then the responder
 *   cannot tell it from an echo.
 * - The responder, after receive answered OK: somebody who holds the key once made this HELLO1. It may be a recording.
 *   The session counts as verified only when the first sealed frame of the initiator opens. Until then nothing may
 *   follow from peer: no other link is closed for it, no member is made of it, nothing is kept but the half-open slot.
 *   A replayed HELLO1 so gains one HELLO2 that its sender cannot read.
 *   The framer keeps to this: after HELLO2 the responder calls thsi_framer_proof_due, which takes sealed frames of the
 *   slot's size only, and thsi_framer_verified when one has opened. The initiator calls the latter after HELLO2.
 * - A REFUSAL is not authenticated: a hint for the log and for when to dial again, never a reason to end anything.
 *
 * With node keys both sides prove one: the responder in HELLO2, the initiator in HELLO3, so that it shows its key to none
 * that does not hold the cluster's. Then the peer's id is that of its key, and proof holds the key and the certificate it
 * shows; whether they are good for anything is the caller's question (trust.h). A node that has a node key and one that
 * has none refuse each other by the type of the first frame.
 *
 * Identities are not secret in the long run: HELLO1's payload is sealed by the cluster key alone, so who steals the key
 * can read recorded ones. Sessions are safe from that, as they depend on both ephemeral keys.
 *
 * Pure: nonce and ephemeral secrets are arguments, nothing is allocated. After every error but THS_INVALID and
 * THS_TOO_BIG the handshake is failed: only refuse and fini do anything then. Thread: the owner of the handshake. */

#ifndef THSI_CODEC_HANDSHAKE_H
#define THSI_CODEC_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/identity.h"
#include "codec/keys.h"
#include "codec/noise.h"
#include "codec/refusal.h"
#include "codec/wire.h"
#include "thiasos/err.h"

struct thsi_handshake_config {
    bool initiator;
    const struct thsi_keyring *keys;  /* borrowed until the first message is made or taken; it may change before that */
    const char *cluster;              /* name of the cluster; borrowed until finish or fini */
    const struct thsi_identity *self; /* borrowed until finish or fini; id and version in it are ignored */
    const struct thsi_credential *credential; /* borrowed likewise; NULL: this node has no node key */
    uint16_t version_min, version_max;  /* 0, 0: THSI_VERSION_MIN and _MAX */
};

enum thsi_handshake_state {
    THSI_HANDSHAKE_IDLE,     /* initiator: start is due */
    THSI_HANDSHAKE_WAITING,  /* receive is due */
    THSI_HANDSHAKE_ASKED,    /* responder: accept or refuse is due */
    THSI_HANDSHAKE_ANSWERED, /* initiator with a node key: prove is due */
    THSI_HANDSHAKE_PROOF,    /* responder with a node key: receive is due again */
    THSI_HANDSHAKE_DONE,     /* finish is due */
    THSI_HANDSHAKE_FINISHED, /* the keys are given */
    THSI_HANDSHAKE_FAILED
};

struct thsi_handshake {
    enum thsi_handshake_state state;
    bool initiator;
    uint16_t version_min, version_max;
    const struct thsi_identity *self;
    const struct thsi_keyring *keys;
    const char *cluster;
    const struct thsi_credential *credential;
    struct thsi_noise noise;
    uint8_t fingerprint[THSI_KEY_ID_SIZE]; /* of the key, once the first message was made or taken; stays readable */
    uint8_t nonce[THSI_LINK_NONCE_SIZE];
    uint8_t self_id[THSI_NODE_ID_SIZE];
    struct thsi_identity peer;      /* after receive answered OK; stays readable after finish and fini */
    struct thsi_proof proof;        /* with node keys, likewise: of the responder after HELLO2, of the initiator after HELLO3 */
    struct thsi_refusal refusal;    /* initiator: after receive answered REFUSED */
};

/* Begin. End it with thsi_handshake_fini.
 *
 * Errors:
 *   THS_INVALID  @config->self does not pass thsi_identity_check, or the version range is empty */
THS_MUST_CHECK
enum ths_err thsi_handshake_init(struct thsi_handshake *handshake, const struct thsi_handshake_config *config);

/* Wipe all secrets. May be called twice. Not before init. */
void thsi_handshake_fini(struct thsi_handshake *handshake);

/* Initiator: make HELLO1 in @frame (borrowed, @size bytes; THSI_HANDSHAKE_FRAME_MAX always suffice).
 * @nonce: THSI_LINK_NONCE_SIZE fresh random bytes. @ephemeral_secret: THSI_KEY_SIZE of them, wiped by the caller.
 *
 * Errors:
 *   THS_INVALID  not in IDLE
 *   THS_TOO_BIG  no room; nothing has changed */
THS_MUST_CHECK
enum ths_err thsi_handshake_start(struct thsi_handshake *handshake, const uint8_t *nonce,
                                  const uint8_t *ephemeral_secret, uint8_t *frame, size_t size, size_t *len);

/* Take one whole frame (borrowed) from the framer: the responder HELLO1 and, with node keys, HELLO3; the initiator HELLO2
 * or REFUSAL. On OK peer is filled: the responder decides between accept and refuse, the initiator goes on to prove or
 * finish. After HELLO3 the responder goes on to finish.
 *
 * Errors, of the responder with the refusal that they deserve (thsi_handshake_deserves_refusal):
 *   THS_MALFORMED    another frame than is due, a wrong magic, or an identity that breaks its bounds: close
 *   THS_BAD_VERSION  no common protocol version
 * THS_BAD_KEY      a cluster key that is not on the keyring
 *   THS_NO_NODE_KEY  one of the two has a node key and the other has none
 *   THS_REFUSED      responder: another cluster's name; initiator: the peer refused, see handshake->refusal
 *   THS_FORGED       altered, or made with another key under our key's id: close
 *   THS_INVALID      receive is not due */
THS_MUST_CHECK
enum ths_err thsi_handshake_receive(struct thsi_handshake *handshake, const uint8_t *frame, size_t frame_len);

/* Whether the responder should answer this error of receive with a REFUSAL before it closes. The others get silence:
 * who causes them does not speak this protocol, or is up to something. */
static inline bool thsi_handshake_deserves_refusal(enum ths_err err)
{
    return err == THS_BAD_VERSION || err == THS_BAD_KEY || err == THS_NO_NODE_KEY || err == THS_REFUSED;
}

/* Responder: make HELLO2. As start. Errors: INVALID (not in ASKED), TOO_BIG, FORGED (the peer's point is a trap). */
THS_MUST_CHECK
enum ths_err thsi_handshake_accept(struct thsi_handshake *handshake, const uint8_t *ephemeral_secret, uint8_t *frame,
                                   size_t size, size_t *len);

/* Initiator with a node key, after receive: make HELLO3. Errors: INVALID (not in ANSWERED), TOO_BIG. */
THS_MUST_CHECK
enum ths_err thsi_handshake_prove(struct thsi_handshake *handshake, uint8_t *frame, size_t size, size_t *len);

/* Responder, instead of accept: make a REFUSAL with @code and @text (borrowed; NULL: the code's sentence; cut at
 * THSI_REFUSAL_TEXT_MAX bytes, and what is not printable ASCII becomes '?'). In any state before DONE, failed ones
 * included; the handshake is failed afterwards.
 * Codes in use: BAD_KEY, NO_NODE_KEY, BAD_VERSION, REFUSED (another cluster's name), NAME_TAKEN (a living node has this name),
 * SUPERSEDED (a newer boot is known), CLOSED (shutting down, or the pair has a link already), TOO_MANY.
 *
 * Errors:
 *   THS_INVALID  the initiator, or HELLO2 was made already
 *   THS_TOO_BIG  no room (THSI_HANDSHAKE_FRAME_MAX always suffice) */
THS_MUST_CHECK
enum ths_err thsi_handshake_refuse(struct thsi_handshake *handshake, enum ths_err code, const char *text,
                                   uint8_t *frame, size_t size, size_t *len);

/* Give the session's keys, which the caller wipes, and wipe all secrets here. Once, in DONE.
 * Errors: INVALID. */
THS_MUST_CHECK
enum ths_err thsi_handshake_finish(struct thsi_handshake *handshake, struct thsi_noise_keys *keys);

#endif /* THSI_CODEC_HANDSHAKE_H */
