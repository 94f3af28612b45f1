/* Session: see session.h. The frame's bytes are drawn in protocol/session.md. */

#include "codec/session.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#define NONCE_SIZE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == THSI_KEY_SIZE, "a Noise key is a cipher key");
static_assert(THSI_SEALED_OVERHEAD == 40, "protocol/session.md says forty bytes");

/* As in the handshake: four zero bytes and the counter, little endian. UINT64_MAX is the nonce that makes new keys. */
static void fill_nonce(uint8_t *nonce, uint64_t counter)
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> (8 * i));
}

/* Noise's Rekey: the first 32 bytes of sealing 32 zero bytes under the reserved nonce. @next may be @key. */
static void derive_next_key(const uint8_t *key, uint8_t *next)
{
    uint8_t zeros[THSI_KEY_SIZE] = {0};
    uint8_t sealed[THSI_KEY_SIZE + THSI_TAG_SIZE];
    uint8_t nonce[NONCE_SIZE];

    fill_nonce(nonce, UINT64_MAX);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, key);
    memcpy(next, sealed, THSI_KEY_SIZE);
    sodium_memzero(sealed, sizeof(sealed));
}

void thsi_session_init(struct thsi_session *session, const struct thsi_noise_keys *keys)
{
    memset(session, 0, sizeof(*session));
    memcpy(session->send.key, keys->send, THSI_KEY_SIZE);
    memcpy(session->receive.key, keys->receive, THSI_KEY_SIZE);
}

void thsi_session_fini(struct thsi_session *session)
{
    sodium_memzero(session, sizeof(*session));
}

enum ths_err thsi_session_seal(struct thsi_session *session, uint8_t lane, uint64_t ack, uint8_t *frame,
                               size_t payload_len)
{
    struct thsi_session_direction *send = &session->send;
    uint8_t nonce[NONCE_SIZE];
    uint8_t *payload = frame + THSI_SEALED_HEADER_SIZE;

    if (payload_len > THSI_SEALED_PAYLOAD_MAX)
        return THS_TOO_BIG;
    if (send->counter == UINT64_MAX)
        return THS_CLOSED;
    thsi_put_u32(frame, (uint32_t)(payload_len + THSI_SEALED_OVERHEAD - THSI_LENGTH_SIZE));
    frame[THSI_LENGTH_SIZE] = THSI_FRAME_SEALED;
    frame[THSI_SEALED_LANE_AT] = lane;
    thsi_put_u16(frame + THSI_SEALED_PHASE_AT, send->phase);
    thsi_put_u64(frame + THSI_SEALED_COUNTER_AT, send->counter);
    thsi_put_u64(frame + THSI_SEALED_ACK_AT, ack);
    fill_nonce(nonce, send->counter);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(payload, payload + payload_len, NULL, payload, payload_len,
                                                       frame, THSI_SEALED_HEADER_SIZE, NULL, nonce, send->key);
    send->counter++;
    return THS_OK;
}

/* The key for a frame of @phase: the one in use, or the next one, which then waits in @next. NULL: no such key. */
static const uint8_t *key_of_phase(const struct thsi_session_direction *receive, uint16_t phase, uint8_t *next)
{
    if (phase == receive->phase)
        return receive->key;
    if (receive->phase == UINT16_MAX || phase != receive->phase + 1)
        return NULL;
    derive_next_key(receive->key, next);
    return next;
}

/* Counters are judged only after authentication, so that a stranger cannot choose between the answers. */
static enum ths_err judge_counter(uint64_t expected, struct thsi_session_frame *opened)
{
    if (opened->counter < expected)
        return THS_REPLAYED;
    opened->missing = opened->counter - expected;
    return opened->missing > 0 ? THS_GAP : THS_OK;
}

/* Decrypt in place with the key of the frame's phase. */
static enum ths_err authenticate(const struct thsi_session_direction *receive, uint8_t *frame, size_t payload_len,
                                 uint8_t *next_key)
{
    const uint8_t *key = key_of_phase(receive, thsi_get_u16(frame + THSI_SEALED_PHASE_AT), next_key);
    uint8_t *payload = frame + THSI_SEALED_HEADER_SIZE;
    uint8_t nonce[NONCE_SIZE];

    if (key == NULL)
        return THS_FORGED;
    fill_nonce(nonce, thsi_get_u64(frame + THSI_SEALED_COUNTER_AT));
    if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(payload, NULL, payload, payload_len, payload + payload_len,
                                                           frame, THSI_SEALED_HEADER_SIZE, nonce, key) != 0)
        return THS_FORGED;
    return THS_OK;
}

enum ths_err thsi_session_open(struct thsi_session *session, uint8_t *frame, size_t frame_len,
                               struct thsi_session_frame *opened)
{
    struct thsi_session_direction *receive = &session->receive;
    uint8_t next_key[THSI_KEY_SIZE];

    if (frame_len < THSI_SEALED_OVERHEAD || frame_len > THSI_SEALED_FRAME_MAX)
        return THS_FORGED;
    if (thsi_get_u32(frame) != frame_len - THSI_LENGTH_SIZE || frame[THSI_LENGTH_SIZE] != THSI_FRAME_SEALED)
        return THS_FORGED;
    enum ths_err err = authenticate(receive, frame, frame_len - THSI_SEALED_OVERHEAD, next_key);
    if (err == THS_OK) {
        opened->lane = frame[THSI_SEALED_LANE_AT];
        opened->counter = thsi_get_u64(frame + THSI_SEALED_COUNTER_AT);
        opened->ack = thsi_get_u64(frame + THSI_SEALED_ACK_AT);
        opened->missing = 0;
        opened->payload = frame + THSI_SEALED_HEADER_SIZE;
        opened->payload_len = frame_len - THSI_SEALED_OVERHEAD;
        err = judge_counter(receive->counter, opened);
    }
    if (err == THS_OK) {
        uint16_t phase = thsi_get_u16(frame + THSI_SEALED_PHASE_AT);
        if (phase != receive->phase)
            memcpy(receive->key, next_key, THSI_KEY_SIZE);
        receive->phase = phase;
        receive->counter++;
    }
    sodium_memzero(next_key, sizeof(next_key));
    return err;
}

enum ths_err thsi_session_rekey(struct thsi_session *session)
{
    if (session->send.phase == UINT16_MAX)
        return THS_CLOSED;
    derive_next_key(session->send.key, session->send.key);
    session->send.phase++;
    return THS_OK;
}
