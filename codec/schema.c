#include "codec/schema.h"

#include "node/base/utf8.h"
#include "thiasos/blob.h"

#include <assert.h>

/* ---- Pack ------------------------------------------------------------------------------- */

static void pack_string(struct thsi_packer *packer, const char *text)
{
    thsi_pack_str(packer, text, text ? (uint32_t)strlen(text) : 0);
}

static void pack_element(struct thsi_packer *packer, enum ths_kind kind, const void *at)
{
    switch (kind) {
    case THS_KIND_BOOLEAN: thsi_pack_bool(packer, *(const bool *)at); break;
    case THS_KIND_U8: thsi_pack_u64(packer, *(const uint8_t *)at); break;
    case THS_KIND_U16: thsi_pack_u64(packer, *(const uint16_t *)at); break;
    case THS_KIND_U32: thsi_pack_u64(packer, *(const uint32_t *)at); break;
    case THS_KIND_U64: thsi_pack_u64(packer, *(const uint64_t *)at); break;
    case THS_KIND_I8: thsi_pack_i64(packer, *(const int8_t *)at); break;
    case THS_KIND_I16: thsi_pack_i64(packer, *(const int16_t *)at); break;
    case THS_KIND_I32: thsi_pack_i64(packer, *(const int32_t *)at); break;
    case THS_KIND_I64: thsi_pack_i64(packer, *(const int64_t *)at); break;
    case THS_KIND_F32: thsi_pack_f32(packer, *(const float *)at); break;
    case THS_KIND_F64: thsi_pack_f64(packer, *(const double *)at); break;
    case THS_KIND_STRING: pack_string(packer, *(const char *const *)at); break;
    case THS_KIND_BYTES: {
        const struct ths_bytes *bytes = at;

        thsi_pack_bin(packer, bytes->data, bytes->len);
        break;
    }
    case THS_KIND_BLOB: {
        struct ths_bytes bytes = thsi_blob_bytes(*(struct ths_blob *const *)at);

        thsi_pack_bin(packer, bytes.data, bytes.len);
        break;
    }
    case THS_KIND_REF: thsi_pack_ref(packer, *(const ths_ref *)at); break;
    case THS_KIND_NONE:
    case THS_KIND_LIST:
    case THS_KIND_OPT: break; /* no elements: interning asserts it */
    }
}

static void pack_list(struct thsi_packer *packer, const struct thsi_field *field, const void *msg)
{
    const uint8_t *items = thsi_field_items(field, msg);
    uint32_t count = thsi_field_count(field, msg);

    thsi_pack_array(packer, count);
    for (uint32_t i = 0; i < count && !packer->overflow; i++)
        pack_element(packer, field->element, items + (size_t)i * field->element_size);
}

enum ths_err thsi_schema_pack(const struct thsi_type_info *info, const void *msg, struct thsi_packer *packer)
{
    thsi_pack_array(packer, info->fields_count);
    for (uint32_t i = 0; i < info->fields_count; i++) {
        const struct thsi_field *field = &info->fields[i];

        if (field->kind == THS_KIND_LIST)
            pack_list(packer, field, msg);
        else if (field->kind == THS_KIND_OPT && !thsi_field_present(field, msg))
            thsi_pack_nil(packer);
        else
            pack_element(packer, field->element, thsi_field_at(field, msg));
    }
    return thsi_packer_finish(packer);
}

/* ---- Arena ------------------------------------------------------------------------------ */

void *thsi_arena_allot(struct thsi_arena *arena, size_t size, size_t align)
{
    size_t start = (arena->used + align - 1) & ~(align - 1);

    if (start > arena->cap || size > arena->cap - start)
        return NULL;
    arena->used = start + size;
    return arena->base + start;
}

enum ths_err thsi_arena_blob(struct thsi_arena *arena, uint32_t len, struct ths_blob **blob)
{
    *blob = NULL;
    if (!arena->env)
        return THS_UNSUPPORTED;
    if (len == 0)
        return THS_OK;
    *blob = thsi_blob_create(arena->env, len);
    if (!*blob)
        return THS_NOMEM;
    (*blob)->next_unpacked = arena->blobs;
    arena->blobs = *blob;
    return THS_OK;
}

void thsi_arena_release(struct thsi_arena *arena)
{
    while (arena->blobs) {
        struct ths_blob *blob = arena->blobs;

        arena->blobs = blob->next_unpacked;
        ths_blob_release(blob);
    }
}

/* ---- Unpack ----------------------------------------------------------------------------- */

/* The reader of one message. Both have sticky errors; the cursor's is the one that is reported. */
struct reader {
    struct thsi_unpacker *unpacker;
    struct thsi_arena *arena;
};

/* Room in the arena, or NULL and the sticky TOO_BIG. @align is a power of two, at most 8. */
static void *allot(const struct reader *reader, size_t size, size_t align)
{
    void *room = thsi_arena_allot(reader->arena, size, align);

    if (!room)
        thsi_unpack_fail(reader->unpacker, THS_TOO_BIG);
    return room;
}

static const char *unpack_string(const struct reader *reader, uint32_t max)
{
    uint32_t len;
    const char *text = thsi_unpack_str(reader->unpacker, max, &len);
    char *copy;

    if (!thsi_utf8_valid(text, len)) {
        thsi_unpack_fail(reader->unpacker, THS_MALFORMED);
        return "";
    }
    copy = allot(reader, (size_t)len + 1, 1);
    if (!copy)
        return "";
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static struct ths_bytes unpack_bytes(const struct reader *reader, uint32_t max)
{
    struct ths_bytes bytes;
    const uint8_t *data = thsi_unpack_bin(reader->unpacker, max, &bytes.len);
    uint8_t *copy = allot(reader, bytes.len, 1);

    if (!copy)
        return (struct ths_bytes){ NULL, 0 };
    memcpy(copy, data, bytes.len);
    bytes.data = copy;
    return bytes;
}

static struct ths_blob *unpack_blob(const struct reader *reader, uint32_t max)
{
    uint32_t len;
    const uint8_t *data = thsi_unpack_bin(reader->unpacker, max, &len);
    struct ths_blob *blob;
    enum ths_err err = reader->unpacker->err == THS_OK ? thsi_arena_blob(reader->arena, len, &blob) : THS_OK;

    if (err != THS_OK)
        thsi_unpack_fail(reader->unpacker, err);
    if (reader->unpacker->err != THS_OK)
        return NULL;
    if (blob)
        memcpy(blob->data, data, len);
    return blob;
}

/* An integer from @min to @max; another is MALFORMED. */
static int64_t unpack_between(struct thsi_unpacker *unpacker, int64_t min, int64_t max)
{
    int64_t value = thsi_unpack_i64(unpacker);

    if (value >= min && value <= max)
        return value;
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

static void unpack_element(const struct reader *reader, const struct thsi_field *field, void *at)
{
    struct thsi_unpacker *unpacker = reader->unpacker;

    switch (field->element) {
    case THS_KIND_BOOLEAN: *(bool *)at = thsi_unpack_bool(unpacker); break;
    case THS_KIND_U8: *(uint8_t *)at = (uint8_t)thsi_unpack_u64_max(unpacker, UINT8_MAX); break;
    case THS_KIND_U16: *(uint16_t *)at = (uint16_t)thsi_unpack_u64_max(unpacker, UINT16_MAX); break;
    case THS_KIND_U32: *(uint32_t *)at = thsi_unpack_u32(unpacker); break;
    case THS_KIND_U64: *(uint64_t *)at = thsi_unpack_u64(unpacker); break;
    case THS_KIND_I8: *(int8_t *)at = (int8_t)unpack_between(unpacker, INT8_MIN, INT8_MAX); break;
    case THS_KIND_I16: *(int16_t *)at = (int16_t)unpack_between(unpacker, INT16_MIN, INT16_MAX); break;
    case THS_KIND_I32: *(int32_t *)at = (int32_t)unpack_between(unpacker, INT32_MIN, INT32_MAX); break;
    case THS_KIND_I64: *(int64_t *)at = thsi_unpack_i64(unpacker); break;
    case THS_KIND_F32: *(float *)at = thsi_unpack_f32(unpacker); break;
    case THS_KIND_F64: *(double *)at = thsi_unpack_f64(unpacker); break;
    case THS_KIND_STRING: *(const char **)at = unpack_string(reader, field->element_max); break;
    case THS_KIND_BYTES: *(struct ths_bytes *)at = unpack_bytes(reader, field->element_max); break;
    case THS_KIND_BLOB: *(struct ths_blob **)at = unpack_blob(reader, field->element_max); break;
    case THS_KIND_REF: *(ths_ref *)at = thsi_unpack_ref(unpacker); break;
    case THS_KIND_NONE: thsi_unpack_skip(unpacker); break; /* of a view: a field that the struct does not have */
    case THS_KIND_LIST:
    case THS_KIND_OPT: break; /* no elements: interning asserts it */
    }
}

static void unpack_list(const struct reader *reader, const struct thsi_field *field, uint8_t *msg)
{
    uint32_t count = thsi_unpack_array(reader->unpacker);
    uint8_t *items;

    if (count > field->max)
        thsi_unpack_fail(reader->unpacker, THS_TOO_BIG);
    if (count == 0 || reader->unpacker->err != THS_OK)
        return;
    items = allot(reader, (size_t)count * field->element_size, 8);
    if (!items)
        return;
    for (uint32_t i = 0; i < count && reader->unpacker->err == THS_OK; i++)
        unpack_element(reader, field, items + (size_t)i * field->element_size);
    memcpy(msg + field->offset, &items, sizeof items);
    memcpy(msg + field->side_offset, &count, sizeof count);
}

static void unpack_field(const struct reader *reader, const struct thsi_field *field, uint8_t *msg)
{
    if (field->kind == THS_KIND_LIST) {
        unpack_list(reader, field, msg);
        return;
    }
    if (field->kind == THS_KIND_OPT) {
        if (thsi_unpack_nil_p(reader->unpacker))
            return;
        *(bool *)(msg + field->side_offset) = true;
    }
    unpack_element(reader, field, msg + field->offset);
}

/* What an older sender did not send. The struct is zero already; only a string is never NULL. */
static void fill_missing(const struct thsi_field *field, uint8_t *msg)
{
    if (field->kind == THS_KIND_STRING)
        *(const char **)(void *)(msg + field->offset) = "";
}

enum ths_err thsi_schema_unpack(const struct thsi_type_info *info, struct thsi_unpacker *unpacker,
                                struct thsi_arena *arena, void **msg)
{
    struct reader reader = { .unpacker = unpacker, .arena = arena };
    size_t used_before = arena->used;
    uint32_t count = thsi_unpack_array(unpacker);
    uint8_t *body = allot(&reader, info->size, 8);

    assert(((uintptr_t)arena->base & 7) == 0);
    *msg = NULL;
    if (body)
        memset(body, 0, info->size);
    for (uint32_t i = 0; i < info->fields_count && unpacker->err == THS_OK; i++) {
        if (i < count)
            unpack_field(&reader, &info->fields[i], body);
        else
            fill_missing(&info->fields[i], body);
    }
    for (uint32_t i = info->fields_count; i < count && unpacker->err == THS_OK; i++)
        thsi_unpack_skip(unpacker);
    if (unpacker->err != THS_OK) {
        arena->used = used_before;
        return unpacker->err;
    }
    *msg = body;
    return THS_OK;
}

/* Strings and bytes take no more than they took packed: a string's head makes room for its NUL. What grows are the
 * items of lists, from one byte at least to their C type, as far as the bounds of both let them. Blobs lie elsewhere. */
size_t thsi_schema_room(const struct thsi_type_info *info, size_t packed_len)
{
    uint64_t bytes = 0, items = 0, widest = 0;

    for (uint32_t i = 0; i < info->fields_count; i++) {
        const struct thsi_field *field = &info->fields[i];
        bool has_bytes = field->element == THS_KIND_STRING || field->element == THS_KIND_BYTES;

        if (has_bytes)
            bytes += field->kind == THS_KIND_LIST ? packed_len : (uint64_t)field->element_max + 1;
        if (field->kind != THS_KIND_LIST)
            continue;
        items += (uint64_t)field->max * field->element_size;
        widest = field->element_size > widest ? field->element_size : widest;
    }
    bytes = bytes < packed_len ? bytes : packed_len;
    items = items < widest * packed_len ? items : widest * packed_len;
    return 8 + info->size + 8 * (size_t)info->fields_count + (size_t)(bytes + items);
}
