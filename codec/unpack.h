/* Unpacking msgpack from a bounded buffer that may hold anything.
 *
 * A cursor with a sticky error: after the first problem every function returns zero or empty and the cursor stands
 * at the end, so a record of ten fields is read in ten plain lines and asked about once, with thsi_unpack_finish.
 * Every length is compared with what is left before it is used, nothing is allocated, and strings are lent from the
 * buffer. Integers are taken in any of msgpack's forms, shortest or not. Pure; one cursor belongs to one thread. */

#ifndef THSI_CODEC_UNPACK_H
#define THSI_CODEC_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "thiasos/err.h"
#include "thiasos/ref.h"

/* How deep arrays and maps may nest in a value that is skipped. */
#define THSI_UNPACK_DEPTH_MAX 16u

struct thsi_unpacker {
    const uint8_t *at;
    const uint8_t *end;
    enum ths_err err; /* OK, or the first problem: MALFORMED, TOO_BIG */
};

static inline void thsi_unpacker_init(struct thsi_unpacker *unpacker, const void *data, size_t len)
{
    const uint8_t *at = (const uint8_t *)data;

    *unpacker = (struct thsi_unpacker){ .at = at, .end = len > 0 ? at + len : at, .err = THS_OK };
}

static inline size_t thsi_unpack_left(const struct thsi_unpacker *unpacker)
{
    return (size_t)(unpacker->end - unpacker->at);
}

/* Set the error, unless there is one already. Nothing is read any more. */
static inline void thsi_unpack_fail(struct thsi_unpacker *unpacker, enum ths_err err)
{
    if (unpacker->err == THS_OK)
        unpacker->err = err;
    unpacker->at = unpacker->end;
}

/* The general forms, for what the inline functions below do not meet often. */
uint64_t thsi_unpack_u64_wide(struct thsi_unpacker *unpacker);
int64_t thsi_unpack_i64_wide(struct thsi_unpacker *unpacker);

/* An integer that is not negative. */
static inline uint64_t thsi_unpack_u64(struct thsi_unpacker *unpacker)
{
    if (unpacker->at < unpacker->end && *unpacker->at < 0x80)
        return *unpacker->at++;
    return thsi_unpack_u64_wide(unpacker);
}

static inline int64_t thsi_unpack_i64(struct thsi_unpacker *unpacker)
{
    if (unpacker->at < unpacker->end && *unpacker->at < 0x80)
        return *unpacker->at++;
    return thsi_unpack_i64_wide(unpacker);
}

/* An integer from 0 to @max; a larger one is MALFORMED. */
static inline uint64_t thsi_unpack_u64_max(struct thsi_unpacker *unpacker, uint64_t max)
{
    uint64_t value = thsi_unpack_u64(unpacker);

    if (value <= max)
        return value;
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

/* As above, for the widest use of it. */
static inline uint32_t thsi_unpack_u32(struct thsi_unpacker *unpacker)
{
    return (uint32_t)thsi_unpack_u64_max(unpacker, UINT32_MAX);
}

static inline bool thsi_unpack_bool(struct thsi_unpacker *unpacker)
{
    uint8_t head = unpacker->at < unpacker->end ? *unpacker->at : 0;

    if (head == 0xc2 || head == 0xc3) {
        unpacker->at++;
        return head == 0xc3;
    }
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return false;
}

/* Whether a nil comes next; takes it if so. Anything else, the end included, stays and is no error. */
static inline bool thsi_unpack_nil_p(struct thsi_unpacker *unpacker)
{
    if (unpacker->at == unpacker->end || *unpacker->at != 0xc0)
        return false;
    unpacker->at++;
    return true;
}

/* A float of either width; an integer is not one. As f32, a number beyond its range is MALFORMED, infinity is not, and
 * one between two floats is rounded. */
double thsi_unpack_f64(struct thsi_unpacker *unpacker);
float thsi_unpack_f32(struct thsi_unpacker *unpacker);

/* The head of an array. No more items than bytes are left, each taking one at least. */
uint32_t thsi_unpack_array(struct thsi_unpacker *unpacker);

/* Text or bytes of at most @max; longer ones are TOO_BIG. Lends a pointer into the buffer, never NULL, and not ended
 * by a NUL. The text's UTF-8 is not checked here. */
const char *thsi_unpack_str(struct thsi_unpacker *unpacker, uint32_t max, uint32_t *len);
const uint8_t *thsi_unpack_bin(struct thsi_unpacker *unpacker, uint32_t max, uint32_t *len);

/* Text into @out of @size bytes with its NUL. MALFORMED unless it is UTF-8 without NUL, TOO_BIG when it has no room. */
void thsi_unpack_text(struct thsi_unpacker *unpacker, char *out, size_t size);

/* An array of three: node, slot, generation. */
ths_ref thsi_unpack_ref(struct thsi_unpacker *unpacker);

/* Pass over one value of any type. MALFORMED when it nests deeper than THSI_UNPACK_DEPTH_MAX. Takes a time that is
 * linear in the bytes passed over. */
void thsi_unpack_skip(struct thsi_unpacker *unpacker);

/* The verdict: the first problem, or MALFORMED when bytes are left over. */
THS_MUST_CHECK enum ths_err thsi_unpack_finish(const struct thsi_unpacker *unpacker);

#endif /* THSI_CODEC_UNPACK_H */
