/* Noise: see noise.h. Section numbers are of the Noise Protocol Framework, revision 34. */

#include "codec/noise.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "codec/aead.h"

static_assert(crypto_scalarmult_BYTES == THSI_KEY_SIZE, "a shared point is a key");
static_assert(crypto_auth_hmacsha256_BYTES == THSI_HASH_SIZE, "the HMAC is as long as the hash");

enum token { END, E, S, EE, ES, SE, SS, PSK };

/* What the library may leave of keys below the stack's end. */
#define STACK_USED 4096

#define MESSAGES_MAX 3
#define TOKENS_MAX 6

/* Section 7.5 and 9.4. Message 0, 2 are the initiator's, 1 the responder's; an unused message is empty. */
struct pattern {
    const char *name;
    uint8_t psk_count; /* with any psk, every e is mixed into the key as well (section 9.2) */
    bool has_static;
    uint8_t message_count;
    uint8_t messages[MESSAGES_MAX][TOKENS_MAX];
};

#define SUITE "_25519_ChaChaPoly_SHA256"

static const struct pattern patterns[THSI_NOISE_PATTERN_COUNT] = {
    [THSI_NOISE_NN] = {"Noise_NN" SUITE, 0, false, 2, {{E}, {E, EE}}},
    [THSI_NOISE_NNPSK0] = {"Noise_NNpsk0" SUITE, 1, false, 2, {{PSK, E}, {E, EE}}},
    [THSI_NOISE_NNPSK0_PSK2] = {"Noise_NNpsk0+psk2" SUITE, 2, false, 2, {{PSK, E}, {E, EE, PSK}}},
    [THSI_NOISE_XX] = {"Noise_XX" SUITE, 0, true, 3, {{E}, {E, EE, S, ES}, {S, SE}}},
    [THSI_NOISE_XXPSK3] = {"Noise_XXpsk3" SUITE, 1, true, 3, {{E}, {E, EE, S, ES}, {S, SE, PSK}}},
    [THSI_NOISE_XXPSK0_PSK2] = {"Noise_XXpsk0+psk2" SUITE, 2, true, 3, {{PSK, E}, {E, EE, S, ES, PSK}, {S, SE}}},
    [THSI_NOISE_XXPSK0_PSK3] = {"Noise_XXpsk0+psk3" SUITE, 2, true, 3, {{PSK, E}, {E, EE, S, ES}, {S, SE, PSK}}},
};

/* ---- Hash, key derivation and cipher (sections 4.3, 5.1, 5.2) ---- */

static void mix_hash(struct thsi_noise *noise, const uint8_t *data, size_t len)
{
    crypto_hash_sha256_state sha;

    crypto_hash_sha256_init(&sha);
    crypto_hash_sha256_update(&sha, noise->hash, sizeof(noise->hash));
    if (len > 0)
        crypto_hash_sha256_update(&sha, data, len);
    crypto_hash_sha256_final(&sha, noise->hash);
}

/* HKDF: @count outputs of HMAC-SHA256, each chained to the one before. @outputs may overlap @chaining_key. */
static void derive(const uint8_t *chaining_key, const uint8_t *input, size_t len, uint8_t *outputs[], size_t count)
{
    uint8_t secret[THSI_HASH_SIZE];
    uint8_t block[THSI_HASH_SIZE + 1];
    crypto_auth_hmacsha256_state hmac;

    crypto_auth_hmacsha256_init(&hmac, chaining_key, THSI_HASH_SIZE);
    if (len > 0)
        crypto_auth_hmacsha256_update(&hmac, input, len);
    crypto_auth_hmacsha256_final(&hmac, secret);
    for (size_t i = 0; i < count; i++) {
        size_t chained = i == 0 ? 0 : THSI_HASH_SIZE; /* the first block has no predecessor */
        block[chained] = (uint8_t)(i + 1);
        crypto_auth_hmacsha256(block, block, chained + 1, secret);
        memcpy(outputs[i], block, THSI_HASH_SIZE);
    }
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(block, sizeof(block));
    sodium_memzero(&hmac, sizeof(hmac));
}

static void take_key(struct thsi_noise *noise)
{
    noise->has_key = true;
    noise->nonce = 0;
}

static void mix_key(struct thsi_noise *noise, const uint8_t *input)
{
    uint8_t *outputs[] = {noise->chaining_key, noise->key};

    derive(noise->chaining_key, input, THSI_KEY_SIZE, outputs, 2);
    take_key(noise);
}

static void mix_key_and_hash(struct thsi_noise *noise, const uint8_t *input)
{
    uint8_t mixed[THSI_HASH_SIZE];
    uint8_t *outputs[] = {noise->chaining_key, mixed, noise->key};

    derive(noise->chaining_key, input, THSI_KEY_SIZE, outputs, 3);
    mix_hash(noise, mixed, sizeof(mixed));
    take_key(noise);
    sodium_memzero(mixed, sizeof(mixed));
}

static size_t sealed_len(const struct thsi_noise *noise, size_t len)
{
    return len + (size_t)(noise->has_key ? THSI_TAG_SIZE : 0);
}

/* @out may be @plain. Writes sealed_len bytes. */
static void encrypt_and_hash(struct thsi_noise *noise, const uint8_t *plain, size_t len, uint8_t *out)
{
    const struct thsi_aead_clear hash = {noise->hash, sizeof(noise->hash)};
    size_t out_len = sealed_len(noise, len);

    if (noise->has_key)
        thsi_aead_seal(noise->key, noise->nonce++, hash, plain, len, out);
    else if (len > 0)
        memmove(out, plain, len);
    mix_hash(noise, out, out_len);
}

static enum ths_err decrypt_and_hash(struct thsi_noise *noise, const uint8_t *sealed, size_t len, uint8_t *out)
{
    const struct thsi_aead_clear hash = {noise->hash, sizeof(noise->hash)};

    if (noise->has_key) {
        if (len < THSI_TAG_SIZE || !thsi_aead_open(noise->key, noise->nonce++, hash, sealed, len - THSI_TAG_SIZE, out))
            return THS_FORGED;
    } else if (len > 0) {
        memcpy(out, sealed, len);
    }
    mix_hash(noise, sealed, len);
    return THS_OK;
}

/* ---- Tokens that both directions treat alike ---- */

/* libsodium answers non-zero for a shared point of zeros, which a peer can force by sending a point of low order. */
static enum ths_err mix_shared_point(struct thsi_noise *noise, const uint8_t *secret, const uint8_t *point)
{
    uint8_t shared[THSI_KEY_SIZE];
    enum ths_err err = THS_FORGED;

    if (crypto_scalarmult(shared, secret, point) == 0) {
        mix_key(noise, shared);
        err = THS_OK;
    }
    sodium_memzero(shared, sizeof(shared));
    return err;
}

/* The first letter of a token names the initiator's key, the second the responder's. */
static enum ths_err mix_token(struct thsi_noise *noise, enum token token)
{
    bool own_static = token == SS || token == (noise->initiator ? SE : ES);
    bool peer_static = token == SS || token == (noise->initiator ? ES : SE);

    if (token == PSK) {
        assert(noise->psks_used < patterns[noise->pattern].psk_count);
        mix_key_and_hash(noise, noise->psks[noise->psks_used++]);
        return THS_OK;
    }
    assert(token == EE || token == ES || token == SE || token == SS);
    return mix_shared_point(noise, own_static ? noise->static_secret : noise->ephemeral_secret,
                            peer_static ? noise->peer_static : noise->peer_ephemeral);
}

static void mix_ephemeral(struct thsi_noise *noise, const uint8_t *public_key)
{
    mix_hash(noise, public_key, THSI_KEY_SIZE);
    if (patterns[noise->pattern].psk_count > 0)
        mix_key(noise, public_key);
}

/* How long the next message is with a payload of @payload_len bytes. */
static size_t message_len(const struct thsi_noise *noise, size_t payload_len)
{
    const struct pattern *pattern = &patterns[noise->pattern];
    bool has_key = noise->has_key;
    size_t len = payload_len;

    for (unsigned i = 0; i < TOKENS_MAX && pattern->messages[noise->step][i] != END; i++) {
        enum token token = (enum token)pattern->messages[noise->step][i];

        if (token == E)
            len += THSI_KEY_SIZE;
        else if (token == S)
            len += (size_t)(THSI_KEY_SIZE + (has_key ? THSI_TAG_SIZE : 0));
        has_key = has_key || (token == E ? pattern->psk_count > 0 : token != S);
    }
    return len + (size_t)(has_key ? THSI_TAG_SIZE : 0);
}

static bool is_turn(const struct thsi_noise *noise, bool writing)
{
    bool initiators = noise->step % 2 == 0;

    if (noise->failed || noise->step >= patterns[noise->pattern].message_count)
        return false;
    return writing == (initiators == noise->initiator);
}

static enum ths_err fail(struct thsi_noise *noise, enum ths_err err)
{
    thsi_noise_fini(noise);
    return err;
}

/* ---- Public ---- */

const char *thsi_noise_pattern_name(enum thsi_noise_pattern pattern)
{
    assert(pattern < THSI_NOISE_PATTERN_COUNT);
    return patterns[pattern].name;
}

enum ths_err thsi_noise_init(struct thsi_noise *noise, const struct thsi_noise_config *config)
{
    assert(config->pattern < THSI_NOISE_PATTERN_COUNT);
    const struct pattern *pattern = &patterns[config->pattern];
    size_t name_len = strlen(pattern->name);

    memset(noise, 0, sizeof(*noise));
    if ((pattern->psk_count > 0 && config->psks == NULL) || (pattern->has_static && config->static_secret == NULL))
        return fail(noise, THS_INVALID);
    noise->pattern = config->pattern;
    noise->initiator = config->initiator;
    if (name_len <= THSI_HASH_SIZE)
        memcpy(noise->hash, pattern->name, name_len);
    else
        crypto_hash_sha256(noise->hash, (const uint8_t *)pattern->name, name_len);
    memcpy(noise->chaining_key, noise->hash, THSI_HASH_SIZE);
    mix_hash(noise, config->prologue, config->prologue_len);
    if (pattern->psk_count > 0)
        memcpy(noise->psks, config->psks, (size_t)pattern->psk_count * THSI_KEY_SIZE);
    if (pattern->has_static) {
        memcpy(noise->static_secret, config->static_secret, THSI_KEY_SIZE);
        crypto_scalarmult_base(noise->static_public, noise->static_secret);
    }
    return THS_OK;
}

void thsi_noise_fini(struct thsi_noise *noise)
{
    sodium_memzero(noise, sizeof(*noise));
    sodium_stackzero(STACK_USED);
    noise->failed = true;
}

enum ths_err thsi_noise_write(struct thsi_noise *noise, const uint8_t *ephemeral_secret, const uint8_t *payload,
                              size_t payload_len, uint8_t *out, size_t size, size_t *len)
{
    uint8_t *at = out;
    enum ths_err err = THS_OK;

    if (!is_turn(noise, true))
        return THS_INVALID;
    if (payload_len > size || message_len(noise, payload_len) > size)
        return THS_TOO_BIG;
    const uint8_t *tokens = patterns[noise->pattern].messages[noise->step];
    for (unsigned i = 0; i < TOKENS_MAX && tokens[i] != END && err == THS_OK; i++) {
        if (tokens[i] == E) {
            memcpy(noise->ephemeral_secret, ephemeral_secret, THSI_KEY_SIZE);
            crypto_scalarmult_base(noise->ephemeral_public, ephemeral_secret);
            memcpy(at, noise->ephemeral_public, THSI_KEY_SIZE);
            mix_ephemeral(noise, at);
            at += THSI_KEY_SIZE;
        } else if (tokens[i] == S) {
            size_t static_len = sealed_len(noise, THSI_KEY_SIZE);
            encrypt_and_hash(noise, noise->static_public, THSI_KEY_SIZE, at);
            at += static_len;
        } else {
            err = mix_token(noise, (enum token)tokens[i]);
        }
    }
    if (err != THS_OK)
        return fail(noise, err);
    *len = (size_t)(at - out) + sealed_len(noise, payload_len);
    encrypt_and_hash(noise, payload, payload_len, at);
    noise->step++;
    return THS_OK;
}

/* One token of a message that is long enough for all its fields. */
static enum ths_err read_token(struct thsi_noise *noise, enum token token, const uint8_t **at)
{
    if (token == E) {
        memcpy(noise->peer_ephemeral, *at, THSI_KEY_SIZE);
        mix_ephemeral(noise, *at);
        *at += THSI_KEY_SIZE;
        return THS_OK;
    }
    if (token == S) {
        size_t len = sealed_len(noise, THSI_KEY_SIZE);
        enum ths_err err = decrypt_and_hash(noise, *at, len, noise->peer_static);
        *at += len;
        return err;
    }
    return mix_token(noise, token);
}

enum ths_err thsi_noise_read(struct thsi_noise *noise, const uint8_t *message, size_t message_size, uint8_t *payload,
                             size_t size, size_t *payload_len)
{
    const uint8_t *at = message;
    enum ths_err err = THS_OK;

    if (!is_turn(noise, false))
        return THS_INVALID;
    size_t fields_len = message_len(noise, 0);
    if (message_size < fields_len)
        return fail(noise, THS_MALFORMED);
    if (message_size - fields_len > size)
        return THS_TOO_BIG;
    const uint8_t *tokens = patterns[noise->pattern].messages[noise->step];
    for (unsigned i = 0; i < TOKENS_MAX && tokens[i] != END && err == THS_OK; i++)
        err = read_token(noise, (enum token)tokens[i], &at);
    if (err == THS_OK)
        err = decrypt_and_hash(noise, at, message_size - (size_t)(at - message), payload);
    if (err != THS_OK)
        return fail(noise, err);
    *payload_len = message_size - fields_len;
    noise->step++;
    return THS_OK;
}

bool thsi_noise_is_done(const struct thsi_noise *noise)
{
    return !noise->failed && noise->step == patterns[noise->pattern].message_count;
}

enum ths_err thsi_noise_split(struct thsi_noise *noise, struct thsi_noise_keys *keys)
{
    if (!thsi_noise_is_done(noise))
        return THS_INVALID;
    /* The first key is for what the initiator sends (section 5.2, Split). */
    uint8_t *outputs[] = {noise->initiator ? keys->send : keys->receive, noise->initiator ? keys->receive : keys->send};

    derive(noise->chaining_key, NULL, 0, outputs, 2);
    memcpy(keys->hash, noise->hash, THSI_HASH_SIZE);
    memcpy(keys->peer_static, noise->peer_static, THSI_KEY_SIZE);
    thsi_noise_fini(noise);
    return THS_OK;
}
