/* Printing writes through one bounded sink that keeps counting when the room has ended, as snprintf does. */

#include "node/base/blob.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define SHOWN_BYTES_MAX 32u
#define SHOWN_ITEMS_MAX 8u

struct sink {
    char *out;
    size_t size;
    size_t len; /* of the whole text so far, written or not */
};

static void put_char(struct sink *sink, char character)
{
    if (sink->len + 1 < sink->size)
        sink->out[sink->len] = character;
    sink->len++;
}

static void put_text(struct sink *sink, const char *text)
{
    while (*text != '\0')
        put_char(sink, *text++);
}

/* For short pieces: numbers and refs. */
static void put_format(struct sink *sink, const char *format, ...) THS_PRINTF(2, 3);
static void put_format(struct sink *sink, const char *format, ...)
{
    char piece[64];
    va_list args;

    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    put_text(sink, piece);
}

static void put_string(struct sink *sink, const char *text)
{
    put_char(sink, '"');
    for (; text && *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\')
            put_format(sink, "\\%c", byte);
        else if (byte == '\n')
            put_text(sink, "\\n");
        else if (byte == '\t')
            put_text(sink, "\\t");
        else if (byte < 0x20 || byte == 0x7f)
            put_format(sink, "\\x%02x", byte);
        else
            put_char(sink, (char)byte); /* UTF-8 goes through as it is */
    }
    put_char(sink, '"');
}

static void put_bytes(struct sink *sink, struct ths_bytes bytes)
{
    put_char(sink, '<');
    for (uint32_t i = 0; i < bytes.len && i < SHOWN_BYTES_MAX; i++)
        put_format(sink, "%02x", bytes.data[i]);
    if (bytes.len > SHOWN_BYTES_MAX)
        put_format(sink, "... %" PRIu32 " bytes", bytes.len);
    put_char(sink, '>');
}

static void put_ref(struct sink *sink, const ths_ref *ref)
{
    if (ths_ref_is_nobody(*ref))
        put_text(sink, "nobody");
    else
        put_format(sink, "%016" PRIx64 ".%" PRIu32 ".%" PRIu32, ref->node, ref->slot, ref->generation);
}

static void put_element(struct sink *sink, enum ths_kind kind, const void *at)
{
    switch (kind) {
    case THS_KIND_BOOLEAN: put_text(sink, *(const bool *)at ? "true" : "false"); break;
    case THS_KIND_U8: put_format(sink, "%" PRIu8, *(const uint8_t *)at); break;
    case THS_KIND_U16: put_format(sink, "%" PRIu16, *(const uint16_t *)at); break;
    case THS_KIND_U32: put_format(sink, "%" PRIu32, *(const uint32_t *)at); break;
    case THS_KIND_U64: put_format(sink, "%" PRIu64, *(const uint64_t *)at); break;
    case THS_KIND_I8: put_format(sink, "%" PRId8, *(const int8_t *)at); break;
    case THS_KIND_I16: put_format(sink, "%" PRId16, *(const int16_t *)at); break;
    case THS_KIND_I32: put_format(sink, "%" PRId32, *(const int32_t *)at); break;
    case THS_KIND_I64: put_format(sink, "%" PRId64, *(const int64_t *)at); break;
    case THS_KIND_F32: put_format(sink, "%.9g", (double)*(const float *)at); break;
    case THS_KIND_F64: put_format(sink, "%.17g", *(const double *)at); break;
    case THS_KIND_STRING: put_string(sink, *(const char *const *)at); break;
    case THS_KIND_BYTES: put_bytes(sink, *(const struct ths_bytes *)at); break;
    case THS_KIND_BLOB: put_bytes(sink, thsi_blob_bytes(*(struct ths_blob *const *)at)); break;
    case THS_KIND_REF: put_ref(sink, at); break;
    case THS_KIND_NONE:
    case THS_KIND_LIST:
    case THS_KIND_OPT: break; /* no elements: interning asserts it */
    }
}

static void put_list(struct sink *sink, const struct thsi_field *field, const void *msg)
{
    const uint8_t *items = thsi_field_items(field, msg);
    uint32_t count = thsi_field_count(field, msg);

    put_char(sink, '[');
    for (uint32_t i = 0; i < count && i < SHOWN_ITEMS_MAX; i++) {
        if (i > 0)
            put_text(sink, ", ");
        put_element(sink, field->element, items + (size_t)i * field->element_size);
    }
    if (count > SHOWN_ITEMS_MAX)
        put_format(sink, ", ... %" PRIu32 " items", count);
    put_char(sink, ']');
}

static void put_field(struct sink *sink, const struct thsi_field *field, const void *msg)
{
    put_text(sink, field->name);
    put_char(sink, '=');
    if (field->kind == THS_KIND_LIST)
        put_list(sink, field, msg);
    else if (field->kind == THS_KIND_OPT && !thsi_field_present(field, msg))
        put_text(sink, "none");
    else
        put_element(sink, field->element, thsi_field_at(field, msg));
}

size_t thsi_message_print(const struct thsi_type_info *info, const void *msg, char *out, size_t size)
{
    struct sink sink = { .out = out, .size = size };
    const char *dot = strrchr(info->name, '.');

    put_text(&sink, dot ? dot + 1 : info->name);
    put_char(&sink, '{');
    for (uint32_t i = 0; i < info->fields_count; i++) {
        if (i > 0)
            put_text(&sink, ", ");
        put_field(&sink, &info->fields[i], msg);
    }
    put_char(&sink, '}');
    if (size > 0)
        out[sink.len < size ? sink.len : size - 1] = '\0';
    return sink.len;
}
