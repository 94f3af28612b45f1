#include "codec/unpack.h"

#include "node/base/utf8.h"

#include <assert.h>
#include <float.h>
#include <math.h>

/* Lend the next @len bytes, or fail and lend NULL. The only place where the cursor moves by a length. */
static const uint8_t *take(struct thsi_unpacker *unpacker, size_t len)
{
    const uint8_t *taken = unpacker->at;

    if (len > thsi_unpack_left(unpacker)) {
        thsi_unpack_fail(unpacker, THS_MALFORMED);
        return NULL;
    }
    unpacker->at += len;
    return taken;
}

/* A big-endian number of @width bytes, 1 to 8. */
static uint64_t take_number(struct thsi_unpacker *unpacker, unsigned width)
{
    const uint8_t *bytes = take(unpacker, width);
    uint64_t number = 0;

    if (!bytes)
        return 0;
    for (unsigned i = 0; i < width; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The byte that says what comes; 0xc1, which msgpack never uses, at the end. */
static uint8_t take_head(struct thsi_unpacker *unpacker)
{
    const uint8_t *head = take(unpacker, 1);

    return head ? *head : 0xc1;
}

/* The signed number of a head 0xd0 to 0xd3: 8, 16, 32, 64 bits. */
static int64_t take_signed(struct thsi_unpacker *unpacker, uint8_t head)
{
    unsigned width = 1u << (head - 0xd0);
    uint64_t number = take_number(unpacker, width);
    unsigned unused_bits = 64 - 8 * width;

    return (int64_t)(number << unused_bits) >> unused_bits; /* an arithmetic shift on every compiler we support */
}

uint64_t thsi_unpack_u64_wide(struct thsi_unpacker *unpacker)
{
    uint8_t head = take_head(unpacker);

    if (head < 0x80)
        return head;
    if (head >= 0xcc && head <= 0xcf)
        return take_number(unpacker, 1u << (head - 0xcc));
    if (head >= 0xd0 && head <= 0xd3) {
        int64_t value = take_signed(unpacker, head);

        if (value >= 0)
            return (uint64_t)value;
    }
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

int64_t thsi_unpack_i64_wide(struct thsi_unpacker *unpacker)
{
    uint8_t head = take_head(unpacker);

    if (head < 0x80)
        return head;
    if (head >= 0xe0)
        return (int64_t)head - 0x100;
    if (head >= 0xd0 && head <= 0xd3)
        return take_signed(unpacker, head);
    if (head >= 0xcc && head <= 0xcf) {
        uint64_t value = take_number(unpacker, 1u << (head - 0xcc));

        if (value <= INT64_MAX)
            return (int64_t)value;
    }
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

double thsi_unpack_f64(struct thsi_unpacker *unpacker)
{
    uint8_t head = take_head(unpacker);

    if (head == 0xca) {
        uint32_t bits = (uint32_t)take_number(unpacker, 4);
        float value;

        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    if (head == 0xcb) {
        uint64_t bits = take_number(unpacker, 8);
        double value;

        memcpy(&value, &bits, sizeof value);
        return value;
    }
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

float thsi_unpack_f32(struct thsi_unpacker *unpacker)
{
    double value = thsi_unpack_f64(unpacker);

    if (isfinite(value) && (value > (double)FLT_MAX || value < -(double)FLT_MAX)) {
        thsi_unpack_fail(unpacker, THS_MALFORMED);
        return 0;
    }
    return (float)value;
}

uint32_t thsi_unpack_array(struct thsi_unpacker *unpacker)
{
    uint8_t head = take_head(unpacker);
    uint64_t count;

    if (head >= 0x90 && head <= 0x9f)
        count = head & 0x0f;
    else if (head == 0xdc || head == 0xdd)
        count = take_number(unpacker, head == 0xdc ? 2 : 4);
    else
        count = UINT64_MAX;
    if (count <= thsi_unpack_left(unpacker) && unpacker->err == THS_OK)
        return (uint32_t)count;
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

/* The common end of text and bytes: a length that was read, its bound, its bytes. */
static const uint8_t *take_bounded(struct thsi_unpacker *unpacker, uint64_t count, uint32_t max, uint32_t *len)
{
    static const uint8_t nothing[1] = { 0 };
    const uint8_t *bytes = NULL;

    *len = 0;
    if (unpacker->err == THS_OK && count > max && count <= thsi_unpack_left(unpacker))
        thsi_unpack_fail(unpacker, THS_TOO_BIG);
    else if (unpacker->err == THS_OK)
        bytes = take(unpacker, (size_t)count);
    if (!bytes)
        return nothing;
    *len = (uint32_t)count;
    return bytes;
}

const char *thsi_unpack_str(struct thsi_unpacker *unpacker, uint32_t max, uint32_t *len)
{
    uint8_t head = take_head(unpacker);
    uint64_t count = 0;

    if (head >= 0xa0 && head <= 0xbf)
        count = head & 0x1f;
    else if (head >= 0xd9 && head <= 0xdb)
        count = take_number(unpacker, 1u << (head - 0xd9));
    else
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    return (const char *)take_bounded(unpacker, count, max, len);
}

const uint8_t *thsi_unpack_bin(struct thsi_unpacker *unpacker, uint32_t max, uint32_t *len)
{
    uint8_t head = take_head(unpacker);
    uint64_t count = 0;

    if (head >= 0xc4 && head <= 0xc6)
        count = take_number(unpacker, 1u << (head - 0xc4));
    else
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    return take_bounded(unpacker, count, max, len);
}

void thsi_unpack_text(struct thsi_unpacker *unpacker, char *out, size_t size)
{
    uint32_t len;
    const char *text;

    assert(size > 0 && size <= UINT32_MAX);
    text = thsi_unpack_str(unpacker, (uint32_t)(size - 1), &len);
    if (!thsi_utf8_valid(text, len)) {
        thsi_unpack_fail(unpacker, THS_MALFORMED);
        len = 0;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

ths_ref thsi_unpack_ref(struct thsi_unpacker *unpacker)
{
    ths_ref ref;

    if (thsi_unpack_array(unpacker) != 3)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    ref.node = thsi_unpack_u64(unpacker);
    ref.slot = thsi_unpack_u32(unpacker);
    ref.generation = thsi_unpack_u32(unpacker);
    return unpacker->err == THS_OK ? ref : THS_NOBODY;
}

/* What follows the heads 0xc0 to 0xdf: how wide their length or count is, and the bytes beside those it counts. */
struct form {
    uint8_t length_width;
    uint8_t fixed;
};

static const struct form forms[32] = {
    /* c0 nil     */ { 0, 0 },  /* c1 unused  */ { 0, 0 },  /* c2 false  */ { 0, 0 },  /* c3 true   */ { 0, 0 },
    /* c4 bin 8   */ { 1, 0 },  /* c5 bin 16  */ { 2, 0 },  /* c6 bin 32 */ { 4, 0 },  /* c7 ext 8  */ { 1, 1 },
    /* c8 ext 16  */ { 2, 1 },  /* c9 ext 32  */ { 4, 1 },  /* ca f32    */ { 0, 4 },  /* cb f64    */ { 0, 8 },
    /* cc u8      */ { 0, 1 },  /* cd u16     */ { 0, 2 },  /* ce u32    */ { 0, 4 },  /* cf u64    */ { 0, 8 },
    /* d0 i8      */ { 0, 1 },  /* d1 i16     */ { 0, 2 },  /* d2 i32    */ { 0, 4 },  /* d3 i64    */ { 0, 8 },
    /* d4 fixext1 */ { 0, 2 },  /* d5 fixext2 */ { 0, 3 },  /* d6 ext 4  */ { 0, 5 },  /* d7 ext 8  */ { 0, 9 },
    /* d8 ext 16  */ { 0, 17 }, /* d9 str 8   */ { 1, 0 },  /* da str 16 */ { 2, 0 },  /* db str 32 */ { 4, 0 },
    /* dc array16 */ { 2, 0 },  /* dd array32 */ { 4, 0 },  /* de map 16 */ { 2, 0 },  /* df map 32 */ { 4, 0 },
};

/* Pass over one head and what belongs to it alone. Returns how many values it holds: 0 unless an array or map. */
static uint64_t skip_head(struct thsi_unpacker *unpacker)
{
    uint8_t head = take_head(unpacker);
    struct form form;
    uint64_t number;

    if (head < 0x80 || head >= 0xe0)
        return 0;
    if (head < 0x90)
        return 2u * (head & 0x0f);
    if (head < 0xa0)
        return head & 0x0f;
    if (head < 0xc0) {
        take(unpacker, head & 0x1f);
        return 0;
    }
    if (head == 0xc1)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    form = forms[head - 0xc0];
    number = form.length_width > 0 ? take_number(unpacker, form.length_width) : 0;
    if (head >= 0xdc)
        return head >= 0xde ? 2 * number : number;
    take(unpacker, (size_t)(number + form.fixed));
    return 0;
}

void thsi_unpack_skip(struct thsi_unpacker *unpacker)
{
    uint64_t open[THSI_UNPACK_DEPTH_MAX]; /* values still to come at each depth */
    unsigned depth = 0;

    do {
        uint64_t held = skip_head(unpacker);

        /* Each value takes a byte at least, so a count beyond what is left is a lie that need not be walked. */
        if (held > thsi_unpack_left(unpacker) || (held > 0 && depth == THSI_UNPACK_DEPTH_MAX)) {
            thsi_unpack_fail(unpacker, THS_MALFORMED);
            return;
        }
        if (held > 0)
            open[depth++] = held;
        else
            while (depth > 0 && --open[depth - 1] == 0)
                depth--;
    } while (depth > 0 && unpacker->err == THS_OK);
}

enum ths_err thsi_unpack_finish(const struct thsi_unpacker *unpacker)
{
    if (unpacker->err != THS_OK)
        return unpacker->err;
    return unpacker->at == unpacker->end ? THS_OK : THS_MALFORMED;
}
