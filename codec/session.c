/* Session: see session.h. The frame's bytes are drawn in protocol/session.md. */

#include "codec/session.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "codec/aead.h"

/* What the library may leave of keys below the stack's end. */
#define STACK_USED 1024

static_assert(THSI_SEALED_OVERHEAD == 40, "protocol/session.md says forty bytes");

/* ---- Keys that follow -------------------------------------------------------------------- */

/* The key that would follow, as key of a hash (BLAKE2b) of a label, its NUL and the secret. @next may be @key. */
static void derive_mixed_key(const uint8_t *key, const uint8_t *secret, uint8_t *next)
{
    static const char label[] = "thiasos session key";
    uint8_t plain[THSI_KEY_SIZE];
    crypto_generichash_state state;

    thsi_aead_next_key(key, plain);
    crypto_generichash_init(&state, plain, sizeof(plain), THSI_KEY_SIZE);
    crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label));
    crypto_generichash_update(&state, secret, THSI_KEY_SIZE);
    crypto_generichash_final(&state, next, THSI_KEY_SIZE);
    sodium_memzero(plain, sizeof(plain));
    sodium_memzero(&state, sizeof(state));
    sodium_stackzero(STACK_USED);
}

/* ---- Begin and end ----------------------------------------------------------------------- */

/* The sending key is new. */
static void begin_key(struct thsi_session *session, uint64_t now_ns)
{
    session->used = false;
    session->sealed_bytes = 0;
    session->rekey_due_ns =
        session->limits.age_ns < UINT64_MAX - now_ns ? now_ns + session->limits.age_ns : UINT64_MAX;
}

void thsi_session_init(struct thsi_session *session, const struct thsi_noise_keys *keys,
                       const struct thsi_session_limits *limits, uint64_t now_ns)
{
    memset(session, 0, sizeof(*session));
    memcpy(session->send.key, keys->send, THSI_KEY_SIZE);
    memcpy(session->receive.key, keys->receive, THSI_KEY_SIZE);
    session->limits = *limits;
    begin_key(session, now_ns);
}

void thsi_session_fini(struct thsi_session *session)
{
    sodium_memzero(session, sizeof(*session));
    sodium_stackzero(STACK_USED);
}

/* ---- Sending ----------------------------------------------------------------------------- */

void thsi_session_rekey(struct thsi_session *session, uint64_t now_ns)
{
    thsi_aead_next_key(session->send.key, session->send.key);
    session->send.phase++;
    begin_key(session, now_ns);
}

void thsi_session_rekey_with(struct thsi_session *session, const uint8_t *secret, uint64_t now_ns)
{
    derive_mixed_key(session->send.key, secret, session->send.key);
    session->send.phase++;
    begin_key(session, now_ns);
}

enum ths_err thsi_session_seal(struct thsi_session *session, uint64_t now_ns, uint8_t lane, uint64_t ack,
                               uint8_t *frame, size_t payload_len)
{
    struct thsi_session_direction *send = &session->send;
    uint8_t *payload = frame + THSI_SEALED_HEADER_SIZE;

    if (payload_len > THSI_SEALED_PAYLOAD_MAX)
        return THS_TOO_BIG;
    if (send->counter == THSI_COUNTER_RESERVED)
        return THS_CLOSED;
    if (session->used && (session->sealed_bytes >= session->limits.bytes || now_ns >= session->rekey_due_ns))
        thsi_session_rekey(session, now_ns);
    thsi_put_u32(frame, (uint32_t)(payload_len + THSI_SEALED_OVERHEAD - THSI_LENGTH_SIZE));
    frame[THSI_LENGTH_SIZE] = THSI_FRAME_SEALED;
    frame[THSI_SEALED_LANE_AT] = lane;
    thsi_put_u16(frame + THSI_SEALED_PHASE_AT, send->phase);
    thsi_put_u64(frame + THSI_SEALED_COUNTER_AT, send->counter);
    thsi_put_u64(frame + THSI_SEALED_ACK_AT, ack);
    thsi_aead_seal(send->key, send->counter, (struct thsi_aead_clear){frame, THSI_SEALED_HEADER_SIZE}, payload,
                   payload_len, payload);
    send->counter++;
    session->used = true;
    session->sealed_bytes += payload_len;
    return THS_OK;
}

/* ---- Receiving --------------------------------------------------------------------------- */

/* The key for a frame of @phase: the one in use, or the next one, which then waits in @next. NULL: no such key. */
static const uint8_t *key_of_phase(const struct thsi_session *session, uint16_t phase, uint8_t *next)
{
    const struct thsi_session_direction *receive = &session->receive;

    if (phase == receive->phase)
        return session->awaits ? NULL : receive->key;
    if (phase != (uint16_t)(receive->phase + 1))
        return NULL;
    if (session->awaits)
        memcpy(next, session->awaited, THSI_KEY_SIZE);
    else
        thsi_aead_next_key(receive->key, next);
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
static enum ths_err authenticate(const struct thsi_session *session, uint8_t *frame, size_t payload_len,
                                 uint8_t *next_key)
{
    const uint8_t *key = key_of_phase(session, thsi_get_u16(frame + THSI_SEALED_PHASE_AT), next_key);
    uint8_t *payload = frame + THSI_SEALED_HEADER_SIZE;

    if (key == NULL || !thsi_aead_open(key, thsi_get_u64(frame + THSI_SEALED_COUNTER_AT),
                                       (struct thsi_aead_clear){frame, THSI_SEALED_HEADER_SIZE}, payload, payload_len,
                                       payload))
        return THS_FORGED;
    return THS_OK;
}

/* The frame is authentic and expected. */
static void advance(struct thsi_session *session, uint16_t phase, const uint8_t *next_key)
{
    struct thsi_session_direction *receive = &session->receive;

    if (phase != receive->phase) {
        memcpy(receive->key, next_key, THSI_KEY_SIZE);
        session->awaits = false;
        sodium_memzero(session->awaited, sizeof(session->awaited));
    }
    receive->phase = phase;
    receive->counter++;
}

enum ths_err thsi_session_open(struct thsi_session *session, uint8_t *frame, size_t frame_len,
                               struct thsi_session_frame *opened)
{
    uint8_t next_key[THSI_KEY_SIZE];

    if (frame_len < THSI_SEALED_OVERHEAD || frame_len > THSI_SEALED_FRAME_MAX)
        return THS_FORGED;
    if (thsi_get_u32(frame) != frame_len - THSI_LENGTH_SIZE || frame[THSI_LENGTH_SIZE] != THSI_FRAME_SEALED)
        return THS_FORGED;
    enum ths_err err = authenticate(session, frame, frame_len - THSI_SEALED_OVERHEAD, next_key);
    if (err == THS_OK) {
        opened->lane = frame[THSI_SEALED_LANE_AT];
        opened->counter = thsi_get_u64(frame + THSI_SEALED_COUNTER_AT);
        opened->ack = thsi_get_u64(frame + THSI_SEALED_ACK_AT);
        opened->missing = 0;
        opened->payload = frame + THSI_SEALED_HEADER_SIZE;
        opened->payload_len = frame_len - THSI_SEALED_OVERHEAD;
        err = judge_counter(session->receive.counter, opened);
    }
    if (err == THS_OK)
        advance(session, thsi_get_u16(frame + THSI_SEALED_PHASE_AT), next_key);
    sodium_memzero(next_key, sizeof(next_key));
    return err;
}

void thsi_session_await(struct thsi_session *session, const uint8_t *secret)
{
    derive_mixed_key(session->receive.key, secret, session->awaited);
    session->awaits = true;
}
