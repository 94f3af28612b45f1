/* The half of message_json.h that reads. JSON is trusted no more than the wire is: every value is checked against its
 * field before it is laid into the arena. */

#include "tools/message_json.h"

#include "node/base/utf8.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NOBODY "nobody"

/* The reader of one object; @field is the one at hand, for the sentence. */
struct reader {
    struct thsi_arena *arena;
    const struct thsi_field *field;
    char *error;
};

static enum ths_err refuse(char *error, enum ths_err err, const char *format, ...) THS_PRINTF(3, 4);
static enum ths_err refuse(char *error, enum ths_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, THSI_JSON_ERROR_SIZE, format, args);
    va_end(args);
    return err;
}

static enum ths_err refuse_field(const struct reader *reader, enum ths_err err, const char *why)
{
    return refuse(reader->error, err, "field '%s': %s", reader->field->name, why);
}

/* Digits without anything around them, for integers beyond JSON's. */
static bool parse_u64(const char *text, uint64_t *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static bool parse_i64(const char *text, int64_t *value)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *end;

    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static enum ths_err read_u64(const struct reader *reader, const json_t *value, uint64_t max, uint64_t *out)
{
    *out = 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *out = (uint64_t)json_integer_value(value);
    else if (!json_is_string(value) || !parse_u64(json_string_value(value), out))
        return refuse_field(reader, THS_INVALID, "wants an integer that is not negative");
    return *out <= max ? THS_OK : refuse_field(reader, THS_INVALID, "the number is too large");
}

static enum ths_err read_i64(const struct reader *reader, const json_t *value, int64_t min, int64_t max, int64_t *out)
{
    *out = 0;
    if (json_is_integer(value))
        *out = json_integer_value(value);
    else if (!json_is_string(value) || !parse_i64(json_string_value(value), out))
        return refuse_field(reader, THS_INVALID, "wants an integer");
    return *out >= min && *out <= max ? THS_OK : refuse_field(reader, THS_INVALID, "the number is out of range");
}

static enum ths_err read_real(const struct reader *reader, const json_t *value, double *out)
{
    const char *text = json_string_value(value);
    char *end;

    if (json_is_number(value)) {
        *out = json_number_value(value);
        return THS_OK;
    }
    *out = text && *text != '\0' ? strtod(text, &end) : 0;
    if (!text || *text == '\0' || *end != '\0')
        return refuse_field(reader, THS_INVALID, "wants a number");
    return THS_OK;
}

static enum ths_err read_string(const struct reader *reader, const json_t *value, const char **out)
{
    size_t len = json_string_length(value);
    char *copy;

    if (!json_is_string(value))
        return refuse_field(reader, THS_INVALID, "wants a string");
    if (len > reader->field->element_max)
        return refuse_field(reader, THS_TOO_BIG, "the string is longer than its bound");
    if (!thsi_utf8_valid(json_string_value(value), len))
        return refuse_field(reader, THS_MALFORMED, "the string holds a NUL or is not UTF-8");
    copy = thsi_arena_allot(reader->arena, len + 1, 1);
    if (!copy)
        return refuse_field(reader, THS_TOO_BIG, "the message is too long");
    memcpy(copy, json_string_value(value), len + 1);
    *out = copy;
    return THS_OK;
}

/* 0 to 15, or -1. */
static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* How many bytes the hex digits of @value stand for. */
static enum ths_err measure_hex(const struct reader *reader, const json_t *value, uint32_t *len)
{
    size_t digits = json_string_length(value);

    if (!json_is_string(value) || digits % 2 != 0)
        return refuse_field(reader, THS_MALFORMED, "wants a string of pairs of hex digits");
    if (digits / 2 > reader->field->element_max)
        return refuse_field(reader, THS_TOO_BIG, "there are more bytes than its bound");
    *len = (uint32_t)(digits / 2);
    return THS_OK;
}

static enum ths_err read_hex(const struct reader *reader, const char *hex, uint32_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return refuse_field(reader, THS_MALFORMED, "wants hex digits");
        out[i] = (uint8_t)(high * 16 + low);
    }
    return THS_OK;
}

static enum ths_err read_bytes(const struct reader *reader, const json_t *value, struct ths_bytes *out)
{
    uint32_t len = 0;
    enum ths_err err = measure_hex(reader, value, &len);
    uint8_t *copy = err == THS_OK ? thsi_arena_allot(reader->arena, len, 1) : NULL;

    if (err != THS_OK)
        return err;
    if (!copy)
        return refuse_field(reader, THS_TOO_BIG, "the message is too long");
    *out = (struct ths_bytes){ copy, len };
    return read_hex(reader, json_string_value(value), len, copy);
}

static enum ths_err read_blob(const struct reader *reader, const json_t *value, struct ths_blob **out)
{
    uint32_t len = 0;
    enum ths_err err = measure_hex(reader, value, &len);

    if (err != THS_OK)
        return err;
    err = thsi_arena_blob(reader->arena, len, out);
    if (err != THS_OK)
        return refuse_field(reader, err, ths_err_text(err));
    return *out ? read_hex(reader, json_string_value(value), len, (*out)->data) : THS_OK;
}

static enum ths_err read_ref(const struct reader *reader, const json_t *value, ths_ref *out)
{
    const char *text = json_string_value(value);

    *out = THS_NOBODY;
    if (text && strcmp(text, NOBODY) == 0)
        return THS_OK;
    if (!text || ths_ref_parse(text, out) != THS_OK)
        return refuse_field(reader, THS_MALFORMED, "wants a ref such as 0123456789abcdef.1.1, or nobody");
    return THS_OK;
}

static enum ths_err read_unsigned(const struct reader *reader, const json_t *value, void *at)
{
    uint64_t max = UINT64_MAX >> (64 - 8 * reader->field->element_size);
    uint64_t number;
    enum ths_err err = read_u64(reader, value, max, &number);

    if (err != THS_OK)
        return err;
    switch (reader->field->element) {
    case THS_KIND_U8: *(uint8_t *)at = (uint8_t)number; break;
    case THS_KIND_U16: *(uint16_t *)at = (uint16_t)number; break;
    case THS_KIND_U32: *(uint32_t *)at = (uint32_t)number; break;
    default: *(uint64_t *)at = number; break;
    }
    return THS_OK;
}

static enum ths_err read_signed(const struct reader *reader, const json_t *value, void *at)
{
    int64_t max = INT64_MAX >> (64 - 8 * reader->field->element_size);
    int64_t number;
    enum ths_err err = read_i64(reader, value, -max - 1, max, &number);

    if (err != THS_OK)
        return err;
    switch (reader->field->element) {
    case THS_KIND_I8: *(int8_t *)at = (int8_t)number; break;
    case THS_KIND_I16: *(int16_t *)at = (int16_t)number; break;
    case THS_KIND_I32: *(int32_t *)at = (int32_t)number; break;
    default: *(int64_t *)at = number; break;
    }
    return THS_OK;
}

static enum ths_err read_float(const struct reader *reader, const json_t *value, void *at)
{
    double number;
    enum ths_err err = read_real(reader, value, &number);

    if (err != THS_OK)
        return err;
    if (reader->field->element == THS_KIND_F64) {
        *(double *)at = number;
        return THS_OK;
    }
    if (isfinite(number) && fabs(number) > (double)FLT_MAX)
        return refuse_field(reader, THS_INVALID, "the number is too large");
    *(float *)at = (float)number;
    return THS_OK;
}

static enum ths_err read_element(const struct reader *reader, const json_t *value, void *at)
{
    switch (reader->field->element) {
    case THS_KIND_BOOLEAN:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? THS_OK : refuse_field(reader, THS_INVALID, "wants true or false");
    case THS_KIND_U8:
    case THS_KIND_U16:
    case THS_KIND_U32:
    case THS_KIND_U64: return read_unsigned(reader, value, at);
    case THS_KIND_I8:
    case THS_KIND_I16:
    case THS_KIND_I32:
    case THS_KIND_I64: return read_signed(reader, value, at);
    case THS_KIND_F32:
    case THS_KIND_F64: return read_float(reader, value, at);
    case THS_KIND_STRING: return read_string(reader, value, at);
    case THS_KIND_BYTES: return read_bytes(reader, value, at);
    case THS_KIND_BLOB: return read_blob(reader, value, at);
    case THS_KIND_REF: return read_ref(reader, value, at);
    case THS_KIND_NONE:
    case THS_KIND_LIST:
    case THS_KIND_OPT: break;
    }
    return refuse_field(reader, THS_UNSUPPORTED, "has no JSON form");
}

static enum ths_err read_list(const struct reader *reader, const json_t *value, uint8_t *msg)
{
    const struct thsi_field *field = reader->field;
    size_t count = json_array_size(value);
    uint32_t stored = (uint32_t)count;
    enum ths_err err = THS_OK;
    uint8_t *items;

    if (!json_is_array(value))
        return refuse_field(reader, THS_INVALID, "wants an array");
    if (count > field->max)
        return refuse_field(reader, THS_TOO_BIG, "there are more items than its bound");
    if (count == 0)
        return THS_OK;
    items = thsi_arena_allot(reader->arena, count * field->element_size, 8);
    if (!items)
        return refuse_field(reader, THS_TOO_BIG, "the message is too long");
    for (size_t i = 0; i < count && err == THS_OK; i++)
        err = read_element(reader, json_array_get(value, i), items + i * field->element_size);
    memcpy(msg + field->offset, &items, sizeof items);
    memcpy(msg + field->side_offset, &stored, sizeof stored);
    return err;
}

static enum ths_err read_field(const struct reader *reader, const json_t *value, uint8_t *msg)
{
    const struct thsi_field *field = reader->field;

    if (field->kind == THS_KIND_OPT) {
        if (!value || json_is_null(value))
            return THS_OK;
        *(bool *)(msg + field->side_offset) = true;
    }
    if (!value)
        return refuse_field(reader, THS_INVALID, "is missing");
    if (field->kind == THS_KIND_LIST)
        return read_list(reader, value, msg);
    return read_element(reader, value, msg + field->offset);
}

static bool has_field(const struct thsi_type_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->fields_count; i++)
        if (strcmp(info->fields[i].name, name) == 0)
            return true;
    return false;
}

static enum ths_err refuse_unknown_fields(const struct thsi_type_info *info, const json_t *object, char *error)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return refuse(error, THS_INVALID, "a message is an object of its fields");
    /* jansson iterates without const, and changes nothing. */
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
        if (!has_field(info, name))
            return refuse(error, THS_INVALID, "field '%.100s': the message has no such field", name);
    return THS_OK;
}

enum ths_err thsi_json_to_message(const struct thsi_type_info *info, const json_t *object, struct thsi_arena *arena,
                                  void **msg, char error[THSI_JSON_ERROR_SIZE])
{
    struct reader reader = { .arena = arena, .error = error };
    size_t used_before = arena->used;
    enum ths_err err = refuse_unknown_fields(info, object, error);
    uint8_t *body = err == THS_OK ? thsi_arena_allot(arena, info->size, 8) : NULL;

    *msg = NULL;
    if (err == THS_OK && !body)
        return refuse(error, THS_TOO_BIG, "the message is too long");
    if (body)
        memset(body, 0, info->size);
    for (uint32_t i = 0; i < info->fields_count && err == THS_OK; i++) {
        reader.field = &info->fields[i];
        err = read_field(&reader, json_object_get(object, reader.field->name), body);
    }
    if (err != THS_OK) {
        arena->used = used_before;
        return err;
    }
    error[0] = '\0';
    *msg = body;
    return THS_OK;
}
