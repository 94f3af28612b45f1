/* Packing msgpack into a bounded buffer.
 *
 * The forms are those of msgpack-c, through its template; the buffer is ours: it never grows, and what does not fit
 * sets a flag that stays. So a caller packs a whole record and asks once, at the end, whether it fitted. Integers
 * always take their shortest form. What is too large for one buffer may be packed over many: `more` then takes what
 * does not fit. Pure; one packer belongs to one thread at a time. */

#ifndef THSI_CODEC_PACK_H
#define THSI_CODEC_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <msgpack/timestamp.h>

#include "thiasos/err.h"
#include "thiasos/ref.h"

struct thsi_packer {
    uint8_t *data; /* the caller's; borrowed while the packer is used */
    size_t len;    /* packed so far */
    size_t cap;
    bool overflow; /* something did not fit; len then says nothing */
    /* Takes all @len bytes, which do not fit, changing data, len and cap; false: they do not fit anywhere. NULL: none do. */
    bool (*more)(struct thsi_packer *packer, const void *bytes, size_t len);
};

static inline void thsi_packer_init(struct thsi_packer *packer, void *data, size_t cap)
{
    *packer = (struct thsi_packer){ .data = (uint8_t *)data, .cap = cap };
}

/* What thsi_packer_append calls for what does not fit. */
void thsi_packer_append_more(struct thsi_packer *packer, const void *bytes, size_t len);

/* After the first refusal everything is refused, so that a later short piece cannot hide the gap. */
static inline void thsi_packer_append(struct thsi_packer *packer, const void *bytes, size_t len)
{
    if (packer->overflow || len > packer->cap - packer->len) {
        thsi_packer_append_more(packer, bytes, len);
        return;
    }
    if (len > 0)
        memcpy(packer->data + packer->len, bytes, len);
    packer->len += len;
}

/* OK, or TOO_BIG when something did not fit. */
THS_MUST_CHECK
static inline enum ths_err thsi_packer_finish(const struct thsi_packer *packer)
{
    return packer->overflow ? THS_TOO_BIG : THS_OK;
}

#include <msgpack/pack_define.h>

#define msgpack_pack_inline_func(name) static inline __attribute__((unused)) void thsi_template##name
#define msgpack_pack_inline_func_cint(name) static inline __attribute__((unused)) void thsi_template##name
#define msgpack_pack_user struct thsi_packer *
#define msgpack_pack_append_buffer(packer, bytes, len) thsi_packer_append(packer, bytes, len)
#define msgpack_pack_ext thsi_template_ext /* the template's timestamp calls its neighbour by its usual name */
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext

static inline void thsi_pack_u64(struct thsi_packer *packer, uint64_t value)
{
    thsi_template_uint64(packer, value);
}

static inline void thsi_pack_i64(struct thsi_packer *packer, int64_t value)
{
    thsi_template_int64(packer, value);
}

static inline void thsi_pack_bool(struct thsi_packer *packer, bool value)
{
    if (value)
        thsi_template_true(packer);
    else
        thsi_template_false(packer);
}

static inline void thsi_pack_nil(struct thsi_packer *packer)
{
    thsi_template_nil(packer);
}

static inline void thsi_pack_f32(struct thsi_packer *packer, float value)
{
    thsi_template_float(packer, value);
}

static inline void thsi_pack_f64(struct thsi_packer *packer, double value)
{
    thsi_template_double(packer, value);
}

/* The head of an array; its @count items follow. */
static inline void thsi_pack_array(struct thsi_packer *packer, uint32_t count)
{
    thsi_template_array(packer, count);
}

static inline void thsi_pack_str(struct thsi_packer *packer, const char *text, uint32_t len)
{
    thsi_template_str(packer, len);
    thsi_packer_append(packer, text, len);
}

static inline void thsi_pack_bin(struct thsi_packer *packer, const void *data, uint32_t len)
{
    thsi_template_bin(packer, len);
    thsi_packer_append(packer, data, len);
}

/* A ref is an array of three: node, slot, generation. */
static inline void thsi_pack_ref(struct thsi_packer *packer, ths_ref ref)
{
    thsi_pack_array(packer, 3);
    thsi_pack_u64(packer, ref.node);
    thsi_pack_u64(packer, ref.slot);
    thsi_pack_u64(packer, ref.generation);
}

#endif /* THSI_CODEC_PACK_H */
