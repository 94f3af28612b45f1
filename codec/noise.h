/* Noise: the handshake core, after the Noise Protocol Framework (revision 34).
 *
 * One interpreter runs every pattern as a table of tokens, for the functions
 * 25519, ChaChaPoly and SHA256. A link uses NNpsk0 (one cluster key) or
 * XXpsk0+psk3 (and node keys); the others exist to be compared with published
 * vectors.
 *
 * Pure: ephemeral secrets are arguments, nothing is allocated, nothing blocks.
 * A message that fails to read leaves the state failed and wiped: all later
 * calls are refused, so nobody can continue half a handshake. With psk0 a
 * message 1 of somebody without the key is refused before any curve operation. */

#ifndef THSI_CODEC_NOISE_H
#define THSI_CODEC_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/wire.h"
#include "thiasos/err.h"

enum thsi_noise_pattern {
    THSI_NOISE_NN,
    THSI_NOISE_NNPSK0,
    THSI_NOISE_NNPSK0_PSK2,
    THSI_NOISE_XX,
    THSI_NOISE_XXPSK3,
    THSI_NOISE_XXPSK0_PSK2,
    THSI_NOISE_XXPSK0_PSK3,
    THSI_NOISE_PATTERN_COUNT
};

#define THSI_NOISE_PSK_MAX 2

/* Both pointers of keys are borrowed by init, which copies what they point to. */
struct thsi_noise_config {
    enum thsi_noise_pattern pattern;
    bool initiator;
    const uint8_t *prologue; /* clear bytes both sides must agree about */
    size_t prologue_len;
    const uint8_t (*psks)[THSI_KEY_SIZE]; /* in the order the pattern uses them; as many as it names */
    const uint8_t *static_secret;         /* THSI_KEY_SIZE bytes; NULL in patterns without s */
};

/* What a finished handshake yields, seen from this side. Wipe after use. */
struct thsi_noise_keys {
    uint8_t send[THSI_KEY_SIZE];
    uint8_t receive[THSI_KEY_SIZE];
    uint8_t hash[THSI_HASH_SIZE]; /* the same on both sides, of this handshake alone: channel binding */
    uint8_t peer_static[THSI_KEY_SIZE]; /* the other side's static public key; zeros in patterns without s */
};

struct thsi_noise {
    enum thsi_noise_pattern pattern;
    bool initiator;
    bool failed;
    bool has_key;      /* key holds a key: payloads are sealed */
    uint8_t step;      /* messages done */
    uint8_t psks_used;
    uint64_t nonce;    /* of the next sealing under key */
    uint8_t chaining_key[THSI_HASH_SIZE];
    uint8_t hash[THSI_HASH_SIZE];
    uint8_t key[THSI_KEY_SIZE];
    uint8_t psks[THSI_NOISE_PSK_MAX][THSI_KEY_SIZE];
    uint8_t static_secret[THSI_KEY_SIZE];
    uint8_t static_public[THSI_KEY_SIZE];
    uint8_t ephemeral_secret[THSI_KEY_SIZE];
    uint8_t ephemeral_public[THSI_KEY_SIZE];
    uint8_t peer_static[THSI_KEY_SIZE];
    uint8_t peer_ephemeral[THSI_KEY_SIZE];
};

/* "Noise_NNpsk0_25519_ChaChaPoly_SHA256" and so on. Lends a constant. Thread: any. */
const char *thsi_noise_pattern_name(enum thsi_noise_pattern pattern);

/* Begin a handshake. Copies everything of @config; end it with thsi_noise_fini. Thread: the owner of @noise.
 *
 * Errors:
 *   THS_INVALID  the pattern needs a key that @config lacks; @noise is wiped and refuses all calls */
THS_MUST_CHECK
enum ths_err thsi_noise_init(struct thsi_noise *noise, const struct thsi_noise_config *config);

/* Wipe all secrets. May be called twice and in every state. */
void thsi_noise_fini(struct thsi_noise *noise);

/* Write the next message, which must be this side's, with @payload inside, to @out (borrowed, @size bytes).
 * @ephemeral_secret: THSI_KEY_SIZE fresh random bytes, borrowed; used if the message has an e (else NULL will do).
 *
 * Errors:
 *   THS_INVALID  not this side's turn, done, or failed before
 *   THS_TOO_BIG  the message does not fit @size; nothing has changed */
THS_MUST_CHECK
enum ths_err thsi_noise_write(struct thsi_noise *noise, const uint8_t *ephemeral_secret, const uint8_t *payload,
                              size_t payload_len, uint8_t *out, size_t size, size_t *len);

/* Read the other side's next message; its payload goes to @payload (borrowed, @size bytes).
 * After THS_MALFORMED and THS_FORGED the state is failed, whatever comes later.
 *
 * Errors:
 *   THS_INVALID    not the other side's turn, done, or failed before
 *   THS_TOO_BIG    the payload does not fit @size; nothing has changed
 *   THS_MALFORMED  shorter than the pattern's fields
 *   THS_FORGED     another key, prologue or history, or altered bytes */
THS_MUST_CHECK
enum ths_err thsi_noise_read(struct thsi_noise *noise, const uint8_t *message, size_t message_size, uint8_t *payload,
                             size_t size, size_t *payload_len);

/* All messages of the pattern are written and read, and none failed. */
bool thsi_noise_is_done(const struct thsi_noise *noise);

/* Give the keys of both directions and wipe @noise. Once, when done.
 *
 * Errors:
 *   THS_INVALID  not done */
THS_MUST_CHECK
enum ths_err thsi_noise_split(struct thsi_noise *noise, struct thsi_noise_keys *keys);

#endif /* THSI_CODEC_NOISE_H */
