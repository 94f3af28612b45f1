/* AEAD: ChaCha20-Poly1305 (RFC 8439), the one cipher of handshakes and sessions, with its nonce as Noise has it.
 *
 * All of a link's sealing and opening goes through here. So a test build can see every key with every nonce: compiled
 * with THSI_AEAD_RECORDED, each sealing is told to a recorder first (tests/lib/aead_recorder.h). */

#ifndef THSI_CODEC_AEAD_H
#define THSI_CODEC_AEAD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sodium.h>

#include "codec/wire.h"

static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == THSI_KEY_SIZE, "a Noise key is a cipher key");
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == THSI_TAG_SIZE, "the tag on the wire is the cipher's");

#define THSI_NONCE_SIZE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

#ifdef THSI_AEAD_RECORDED
void thsi_aead_record(const uint8_t *key, uint64_t counter);
#endif

/* Clear bytes that are authenticated with what is sealed. Borrowed. */
struct thsi_aead_clear {
    const uint8_t *at;
    size_t len;
};

/* Of the nonce that makes new keys; nothing else is sealed with it. */
#define THSI_COUNTER_RESERVED UINT64_MAX

/* Four zero bytes and the counter, little endian. */
static inline void thsi_aead_nonce(uint8_t *nonce, uint64_t counter)
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> (8 * i));
}

/* Seal @len bytes at @plain to @out, which may be the same; the tag follows them. @counter is not the reserved one.
 * Thread: any. */
static inline void thsi_aead_seal(const uint8_t *key, uint64_t counter, struct thsi_aead_clear clear,
                                  const uint8_t *plain, size_t len, uint8_t *out)
{
    uint8_t nonce[THSI_NONCE_SIZE];

#ifdef THSI_AEAD_RECORDED
    thsi_aead_record(key, counter);
#endif
    thsi_aead_nonce(nonce, counter);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, out + len, NULL, plain, len, clear.at, clear.len, NULL,
                                                       nonce, key);
}

/* Open @len bytes at @sealed, the tag behind them, to @out, which may be the same. False: not authentic. Thread: any. */
static inline bool thsi_aead_open(const uint8_t *key, uint64_t counter, struct thsi_aead_clear clear,
                                  const uint8_t *sealed, size_t len, uint8_t *out)
{
    uint8_t nonce[THSI_NONCE_SIZE];

    thsi_aead_nonce(nonce, counter);
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(out, NULL, sealed, len, sealed + len, clear.at,
                                                              clear.len, nonce, key) == 0;
}

/* Noise's Rekey: the first 32 bytes of sealing 32 zero bytes under the reserved nonce. Both sides do it, with the same
 * result, so nobody is told of it. @next may be @key. Thread: any. */
static inline void thsi_aead_next_key(const uint8_t *key, uint8_t *next)
{
    uint8_t sealed[THSI_KEY_SIZE] = {0}, tag[THSI_TAG_SIZE], nonce[THSI_NONCE_SIZE];

    thsi_aead_nonce(nonce, THSI_COUNTER_RESERVED);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(sealed, tag, NULL, sealed, sizeof(sealed), NULL, 0, NULL, nonce,
                                                       key);
    memcpy(next, sealed, THSI_KEY_SIZE);
    sodium_memzero(sealed, sizeof(sealed));
}

#endif /* THSI_CODEC_AEAD_H */
