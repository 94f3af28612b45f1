/* Whatever bytes arrive and in whatever order the readers are called, the cursor stays inside the buffer, what it lends
 * lies inside too, and the first error stays. The first byte says how many of the next bytes choose readers. */

#include "codec/unpack.h"

#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Text and bytes: lent from the buffer, unless there are none. */
static void read_lent(struct thsi_unpacker *unpacker, bool is_text, uint32_t max, const uint8_t *begin)
{
    uint32_t len;
    const uint8_t *lent = is_text ? (const uint8_t *)thsi_unpack_str(unpacker, max, &len)
                                  : thsi_unpack_bin(unpacker, max, &len);

    must(lent != NULL && len <= max);
    must(len == 0 || (unpacker->err == THS_OK && lent >= begin && lent + len == unpacker->at));
}

static void read_text(struct thsi_unpacker *unpacker, size_t size)
{
    char text[64];

    thsi_unpack_text(unpacker, text, size);
    must(strnlen(text, size) < size);
}

static void read_one(uint8_t choice, struct thsi_unpacker *unpacker, const uint8_t *begin)
{
    uint32_t size = choice >> 4;

    switch (choice & 0x0f) {
    case 0: (void)thsi_unpack_u64(unpacker); break;
    case 1: (void)thsi_unpack_i64(unpacker); break;
    case 2: must(thsi_unpack_u64_max(unpacker, size * 100) <= size * 100); break;
    case 3: (void)thsi_unpack_u32(unpacker); break;
    case 4: (void)thsi_unpack_bool(unpacker); break;
    case 5: (void)thsi_unpack_nil_p(unpacker); break;
    case 6: (void)thsi_unpack_f64(unpacker); break;
    case 7: (void)thsi_unpack_f32(unpacker); break;
    case 8: must(thsi_unpack_array(unpacker) <= thsi_unpack_left(unpacker)); break;
    case 9: read_lent(unpacker, true, size * 64, begin); break;
    case 10: read_lent(unpacker, false, size * 64, begin); break;
    case 11: read_text(unpacker, size + 1); break;
    case 12: (void)thsi_unpack_ref(unpacker); break;
    default: thsi_unpack_skip(unpacker); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t choices = len > 0 ? data[0] % 32 : 0;
    struct thsi_unpacker unpacker;
    enum ths_err err = THS_OK;
    const uint8_t *begin;

    if (len < 1 + choices)
        return 0;
    begin = data + 1 + choices;
    thsi_unpacker_init(&unpacker, begin, len - 1 - choices);
    for (size_t i = 0; i < choices; i++) {
        const uint8_t *before = unpacker.at;

        read_one(data[1 + i], &unpacker, begin);
        must(unpacker.at >= before && unpacker.at <= unpacker.end && unpacker.end == data + len);
        must(err == THS_OK || unpacker.err == err);
        err = unpacker.err;
        must(err == THS_OK || unpacker.at == unpacker.end);
    }
    must(thsi_unpack_finish(&unpacker) != THS_OK || unpacker.at == data + len);
    return 0;
}
