/* Wire: the constants of the link protocol, and its numbers as bytes.
 *
 * Everything a link carries is a frame: four bytes of length (big endian, of
 * what follows), one byte of type, and what the type defines. The files
 * in protocol/ draw every byte; the offsets here are the ones drawn there. */

#ifndef THSI_CODEC_WIRE_H
#define THSI_CODEC_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* First bytes of the clear part of a handshake: "THS1". Never changes; versions change instead. */
#define THSI_WIRE_MAGIC UINT32_C(0x54485331)

/* The protocol versions this code speaks, both ends included. */
#define THSI_VERSION_MIN 2
#define THSI_VERSION_MAX 2

enum thsi_frame_type {
    THSI_FRAME_HELLO1 = 1,  /* first handshake message, by the side that dialed */
    THSI_FRAME_HELLO2 = 2,  /* its answer */
    THSI_FRAME_REFUSAL = 3, /* clear text instead of an answer: why there will be no session */
    THSI_FRAME_NODE_HELLO1 = 4, /* the handshake between nodes that have node keys */
    THSI_FRAME_NODE_HELLO2 = 5,
    THSI_FRAME_NODE_HELLO3 = 6, /* the dialing side shows its key last */
    THSI_FRAME_SEALED = 16  /* everything after the handshake */
};

#define THSI_LENGTH_SIZE 4      /* the length field, which does not count itself */
#define THSI_FRAME_PREFIX_SIZE 5 /* length and type: what all frames begin with */
#define THSI_KEY_SIZE 32
#define THSI_TAG_SIZE 16
#define THSI_HASH_SIZE 32
#define THSI_NODE_ID_SIZE 16
#define THSI_KEY_ID_SIZE 8
#define THSI_CLUSTER_HASH_SIZE 16
#define THSI_LINK_NONCE_SIZE 16
#define THSI_NODE_NAME_SIZE 64 /* zero padded; at most 63 bytes of text */

/* A frame before the session is verified, prefix included: all that a stranger can make us hold. */
#define THSI_HANDSHAKE_FRAME_MAX 2048

/* Sealed frame: prefix, lane, key phase, counter, acknowledgement; payload; tag. */
#define THSI_SEALED_LANE_AT 5
#define THSI_SEALED_PHASE_AT 6
#define THSI_SEALED_COUNTER_AT 8
#define THSI_SEALED_ACK_AT 16
#define THSI_SEALED_HEADER_SIZE 24
#define THSI_SEALED_OVERHEAD (THSI_SEALED_HEADER_SIZE + THSI_TAG_SIZE)
#define THSI_SEALED_PAYLOAD_MAX (1024 * 1024)
#define THSI_SEALED_FRAME_MAX (THSI_SEALED_PAYLOAD_MAX + THSI_SEALED_OVERHEAD)

static_assert(THSI_FRAME_PREFIX_SIZE == THSI_LENGTH_SIZE + 1, "the type follows the length");
static_assert(THSI_SEALED_LANE_AT == THSI_FRAME_PREFIX_SIZE, "the lane follows the type");
static_assert(THSI_SEALED_ACK_AT + 8 == THSI_SEALED_HEADER_SIZE, "the acknowledgement ends the header");
static_assert(THSI_SEALED_HEADER_SIZE % 8 == 0, "payloads keep the alignment of their buffer");
/* The first byte of a length is therefore always zero, so text protocols (HTTP, TLS, SSH) fail at once. */
static_assert(THSI_SEALED_FRAME_MAX < 0x01000000, "three bytes hold every length");
static_assert(THSI_VERSION_MIN >= 1 && THSI_VERSION_MIN <= THSI_VERSION_MAX, "the version range is not empty");

/* Big-endian numbers at any alignment. Thread: any. */

static inline void thsi_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void thsi_put_u32(uint8_t *at, uint32_t value)
{
    thsi_put_u16(at, (uint16_t)(value >> 16));
    thsi_put_u16(at + 2, (uint16_t)value);
}

static inline void thsi_put_u64(uint8_t *at, uint64_t value)
{
    thsi_put_u32(at, (uint32_t)(value >> 32));
    thsi_put_u32(at + 4, (uint32_t)value);
}

/* What the frames of a handshake begin with. */
static inline void thsi_put_prefix(uint8_t *frame, enum thsi_frame_type type, size_t frame_len)
{
    thsi_put_u32(frame, (uint32_t)(frame_len - THSI_LENGTH_SIZE));
    frame[THSI_LENGTH_SIZE] = (uint8_t)type;
    thsi_put_u32(frame + THSI_FRAME_PREFIX_SIZE, THSI_WIRE_MAGIC);
}

static inline uint16_t thsi_get_u16(const uint8_t *at)
{
    return (uint16_t)(((unsigned)at[0] << 8) | at[1]);
}

static inline uint32_t thsi_get_u32(const uint8_t *at)
{
    return ((uint32_t)thsi_get_u16(at) << 16) | thsi_get_u16(at + 2);
}

static inline uint64_t thsi_get_u64(const uint8_t *at)
{
    return ((uint64_t)thsi_get_u32(at) << 32) | thsi_get_u32(at + 4);
}

#endif /* THSI_CODEC_WIRE_H */
