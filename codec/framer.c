/* Framer: see framer.h. Invariant: used <= frame_len once that is known; the used bytes are in slot or buffer. */

#include "codec/framer.h"

#include <assert.h>
#include <string.h>

/* The least and the largest buffer that is kept between frames. Frames under load are 8 to 64 KiB. */
#define BUFFER_SIZE_MIN ((size_t)16 * 1024)
#define BUFFER_SIZE_KEPT ((size_t)128 * 1024)

static_assert(THSI_HANDSHAKE_FRAME_MAX >= THSI_FRAME_PREFIX_SIZE, "a prefix always fits the slot");
static_assert(BUFFER_SIZE_MIN >= THSI_HANDSHAKE_FRAME_MAX, "the slot's bytes fit the buffer they move to");

void thsi_framer_init(struct thsi_framer *framer, struct ths_env *env)
{
    memset(framer, 0, sizeof(*framer));
    framer->env = env;
    framer->broken = THS_OK;
}

static void release_buffer(struct thsi_framer *framer)
{
    if (framer->buffer != NULL)
        framer->env->memory(framer->env, framer->buffer, 0);
    framer->buffer = NULL;
    framer->buffer_size = 0;
}

void thsi_framer_fini(struct thsi_framer *framer)
{
    release_buffer(framer);
    framer->used = 0;
    framer->frame_len = 0;
    framer->broken = THS_CLOSED;
}

void thsi_framer_proof_due(struct thsi_framer *framer)
{
    assert(framer->used == framer->frame_len);
    assert(framer->due == THSI_DUE_HANDSHAKE);
    framer->due = THSI_DUE_PROOF;
}

void thsi_framer_verified(struct thsi_framer *framer)
{
    assert(framer->used == framer->frame_len);
    framer->due = THSI_DUE_SEALED;
}

static uint8_t *bytes(struct thsi_framer *framer)
{
    return framer->buffer != NULL ? framer->buffer : framer->slot;
}

static size_t room(const struct thsi_framer *framer)
{
    return framer->buffer != NULL ? framer->buffer_size : sizeof(framer->slot);
}

/* Make room for @needed bytes, doubling so that a frame in small pieces is not copied for each. */
static enum ths_err reserve(struct thsi_framer *framer, size_t needed)
{
    if (needed <= room(framer))
        return THS_OK;
    assert(framer->due == THSI_DUE_SEALED);
    assert(needed <= framer->frame_len);
    size_t size = framer->buffer_size * 2;

    if (size < needed)
        size = needed;
    /* Below the minimum there is room for smaller frames to come; above it no more than this frame needs. */
    if (size > framer->frame_len)
        size = framer->frame_len;
    if (size < BUFFER_SIZE_MIN)
        size = BUFFER_SIZE_MIN;
    uint8_t *grown = framer->env->memory(framer->env, framer->buffer, size);
    if (grown == NULL)
        return THS_NOMEM;
    if (framer->buffer == NULL)
        memcpy(grown, framer->slot, framer->used);
    framer->buffer = grown;
    framer->buffer_size = size;
    return THS_OK;
}

/* Move up to @wanted - used bytes from the stream into the frame at hand. */
static enum ths_err take(struct thsi_framer *framer, size_t wanted, const uint8_t **data, size_t *len)
{
    size_t count = wanted - framer->used;

    if (count > *len)
        count = *len;
    if (count == 0)
        return THS_OK;
    enum ths_err err = reserve(framer, framer->used + count);
    if (err != THS_OK)
        return err;
    memcpy(bytes(framer) + framer->used, *data, count);
    framer->used += count;
    *data += count;
    *len -= count;
    return THS_OK;
}

static enum ths_err check_length(struct thsi_framer *framer)
{
    uint64_t frame_len = (uint64_t)thsi_get_u32(bytes(framer)) + THSI_LENGTH_SIZE;
    uint64_t most = framer->due == THSI_DUE_SEALED ? THSI_SEALED_FRAME_MAX : THSI_HANDSHAKE_FRAME_MAX;
    uint64_t least = framer->due == THSI_DUE_HANDSHAKE ? THSI_FRAME_PREFIX_SIZE : THSI_SEALED_OVERHEAD;

    if (frame_len > most)
        return THS_TOO_BIG;
    if (frame_len < least)
        return THS_MALFORMED;
    framer->frame_len = (size_t)frame_len;
    return THS_OK;
}

static bool is_type_due(const struct thsi_framer *framer, uint8_t type)
{
    if (framer->due != THSI_DUE_HANDSHAKE)
        return type == THSI_FRAME_SEALED;
    return type >= THSI_FRAME_HELLO1 && type <= THSI_FRAME_NODE_HELLO3;
}

/* Length first, then type, each judged as soon as it is there. */
static enum ths_err take_prefix(struct thsi_framer *framer, const uint8_t **data, size_t *len)
{
    enum ths_err err = THS_OK;

    if (framer->used < THSI_LENGTH_SIZE) {
        err = take(framer, THSI_LENGTH_SIZE, data, len);
        if (err == THS_OK && framer->used == THSI_LENGTH_SIZE)
            err = check_length(framer);
    }
    if (err == THS_OK && framer->used == THSI_LENGTH_SIZE && *len > 0) {
        err = take(framer, THSI_FRAME_PREFIX_SIZE, data, len);
        if (err == THS_OK && !is_type_due(framer, bytes(framer)[THSI_LENGTH_SIZE]))
            err = THS_MALFORMED;
    }
    return err;
}

/* The frame lent by the last call is done with. */
static void begin_next_frame(struct thsi_framer *framer)
{
    framer->used = 0;
    framer->frame_len = 0;
    if (framer->buffer_size > BUFFER_SIZE_KEPT)
        release_buffer(framer);
}

enum ths_err thsi_framer_feed(struct thsi_framer *framer, const uint8_t **data, size_t *len, struct thsi_frame *frame)
{
    frame->data = NULL;
    frame->len = 0;
    if (framer->broken != THS_OK)
        return framer->broken;
    if (framer->frame_len > 0 && framer->used == framer->frame_len)
        begin_next_frame(framer);
    enum ths_err err = take_prefix(framer, data, len);
    if (err == THS_OK && framer->used >= THSI_FRAME_PREFIX_SIZE)
        err = take(framer, framer->frame_len, data, len);
    if (err != THS_OK) {
        framer->broken = err;
        return err;
    }
    if (framer->used >= THSI_FRAME_PREFIX_SIZE && framer->used == framer->frame_len) {
        frame->type = (enum thsi_frame_type)bytes(framer)[THSI_LENGTH_SIZE];
        frame->data = bytes(framer);
        frame->len = framer->frame_len;
    }
    return THS_OK;
}
