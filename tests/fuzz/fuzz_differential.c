/* Whatever bytes arrive, ours and msgpack-c's own unpacker agree: on whether a value stands there, where it ends, and what
 * it is. Two differences are meant: ours refuses what nests deeper than THSI_UNPACK_DEPTH_MAX, and a count of more items
 * than bytes are left, which msgpack-c finds out only when the bytes run out. */

#include "codec/unpack.h"

#include <msgpack.h>
#include <stdlib.h>

/* msgpack-c allocates by the announced count; a larger one is not shown to it. */
#define COUNT_MAX 65536u

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Whether any byte could be the head of an array or map of more than COUNT_MAX items. */
static bool may_announce_many(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i + 4 < len; i++)
        if ((data[i] == 0xdd || data[i] == 0xdf) && (data[i + 1] != 0 || data[i + 2] > COUNT_MAX >> 16))
            return true;
    return false;
}

/* How deep arrays and maps that hold something nest. */
static unsigned depth_of(const msgpack_object *object)
{
    unsigned deepest = 0;

    if (object->type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            unsigned depth = 1 + depth_of(&object->via.array.ptr[i]);

            deepest = depth > deepest ? depth : deepest;
        }
    if (object->type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            unsigned key = 1 + depth_of(&object->via.map.ptr[i].key);
            unsigned value = 1 + depth_of(&object->via.map.ptr[i].val);
            unsigned depth = key > value ? key : value;

            deepest = depth > deepest ? depth : deepest;
        }
    return deepest;
}

static void must_be_bytes(struct thsi_unpacker *unpacker, const void *bytes, uint32_t size, bool is_text)
{
    uint32_t len;
    const void *ours = is_text ? (const void *)thsi_unpack_str(unpacker, UINT32_MAX, &len)
                               : (const void *)thsi_unpack_bin(unpacker, UINT32_MAX, &len);

    must(unpacker->err == THS_OK && len == size && (len == 0 || memcmp(ours, bytes, len) == 0));
}

static void must_be_double(struct thsi_unpacker *unpacker, double theirs)
{
    double ours = thsi_unpack_f64(unpacker);

    must(ours == theirs || (ours != ours && theirs != theirs));
}

/* Our readers, in the order of the value's own parts, give what msgpack-c found. */
static void must_be_equal(struct thsi_unpacker *unpacker, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        must(thsi_unpack_nil_p(unpacker));
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        must(thsi_unpack_bool(unpacker) == object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        must(thsi_unpack_u64(unpacker) == object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        must(thsi_unpack_i64(unpacker) == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        must_be_double(unpacker, object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        must_be_bytes(unpacker, object->via.str.ptr, object->via.str.size, true);
        break;
    case MSGPACK_OBJECT_BIN:
        must_be_bytes(unpacker, object->via.bin.ptr, object->via.bin.size, false);
        break;
    case MSGPACK_OBJECT_ARRAY:
        must(thsi_unpack_array(unpacker) == object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++)
            must_be_equal(unpacker, &object->via.array.ptr[i]);
        break;
    default: /* maps and extensions: no message has them, they are passed over */
        thsi_unpack_skip(unpacker);
        break;
    }
    must(unpacker->err == THS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct thsi_unpacker unpacker;
    msgpack_unpacked theirs;
    msgpack_unpack_return verdict;
    size_t taken = 0;

    thsi_unpacker_init(&unpacker, data, len);
    thsi_unpack_skip(&unpacker);
    if (unpacker.err != THS_OK && may_announce_many(data, len))
        return 0;
    msgpack_unpacked_init(&theirs);
    verdict = msgpack_unpack_next(&theirs, (const char *)data, len, &taken);
    if (unpacker.err == THS_OK) {
        must(verdict == MSGPACK_UNPACK_SUCCESS || verdict == MSGPACK_UNPACK_EXTRA_BYTES);
        must(taken == (size_t)(unpacker.at - data));
        thsi_unpacker_init(&unpacker, data, len);
        must_be_equal(&unpacker, &theirs.data);
        must(taken == (size_t)(unpacker.at - data));
    } else {
        must((verdict != MSGPACK_UNPACK_SUCCESS && verdict != MSGPACK_UNPACK_EXTRA_BYTES) ||
             depth_of(&theirs.data) > THSI_UNPACK_DEPTH_MAX);
    }
    msgpack_unpacked_destroy(&theirs);
    return 0;
}
