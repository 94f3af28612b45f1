#include "tools/message_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NOBODY "nobody"

/* ---- Message to JSON -------------------------------------------------------------------- */

static json_t *json_of_u64(uint64_t value)
{
    char digits[24];

    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return json_string(digits);
}

static json_t *json_of_real(double value)
{
    if (isfinite(value))
        return json_real(value);
    return json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

static json_t *json_of_bytes(struct ths_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = (size_t)bytes.len * 2;
    char *hex = malloc(len + 1);
    json_t *text;

    if (!hex)
        return NULL;
    for (uint32_t i = 0; i < bytes.len; i++) {
        hex[2 * i] = digits[bytes.data[i] >> 4];
        hex[2 * i + 1] = digits[bytes.data[i] & 0x0f];
    }
    text = json_stringn(hex, len);
    free(hex);
    return text;
}

static json_t *json_of_ref(ths_ref ref)
{
    char text[THS_REF_TEXT_SIZE];

    return json_string(ths_ref_is_nobody(ref) ? NOBODY : ths_ref_print(ref, text));
}

static json_t *json_of_element(enum ths_kind kind, const void *at)
{
    switch (kind) {
    case THS_KIND_BOOLEAN: return json_boolean(*(const bool *)at);
    case THS_KIND_U8: return json_integer(*(const uint8_t *)at);
    case THS_KIND_U16: return json_integer(*(const uint16_t *)at);
    case THS_KIND_U32: return json_integer(*(const uint32_t *)at);
    case THS_KIND_U64: return json_of_u64(*(const uint64_t *)at);
    case THS_KIND_I8: return json_integer(*(const int8_t *)at);
    case THS_KIND_I16: return json_integer(*(const int16_t *)at);
    case THS_KIND_I32: return json_integer(*(const int32_t *)at);
    case THS_KIND_I64: return json_integer(*(const int64_t *)at);
    case THS_KIND_F32: return json_of_real((double)*(const float *)at);
    case THS_KIND_F64: return json_of_real(*(const double *)at);
    case THS_KIND_STRING: return json_string(*(const char *const *)at ? *(const char *const *)at : "");
    case THS_KIND_BYTES: return json_of_bytes(*(const struct ths_bytes *)at);
    case THS_KIND_BLOB: return json_of_bytes(thsi_blob_bytes(*(struct ths_blob *const *)at));
    case THS_KIND_REF: return json_of_ref(*(const ths_ref *)at);
    case THS_KIND_NONE:
    case THS_KIND_LIST:
    case THS_KIND_OPT: break;
    }
    return NULL;
}

static json_t *json_of_list(const struct thsi_field *field, const void *msg)
{
    const uint8_t *items = thsi_field_items(field, msg);
    uint32_t count = thsi_field_count(field, msg);
    json_t *list = json_array();

    /* Appending steals the item, and refuses a NULL one. */
    for (uint32_t i = 0; list && i < count; i++) {
        if (json_array_append_new(list, json_of_element(field->element, items + (size_t)i * field->element_size))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *thsi_json_from_message(const struct thsi_type_info *info, const void *msg)
{
    json_t *object = json_object();

    for (uint32_t i = 0; object && i < info->fields_count; i++) {
        const struct thsi_field *field = &info->fields[i];
        json_t *value;

        if (field->kind == THS_KIND_LIST)
            value = json_of_list(field, msg);
        else if (field->kind == THS_KIND_OPT && !thsi_field_present(field, msg))
            value = json_null();
        else
            value = json_of_element(field->element, thsi_field_at(field, msg));
        if (json_object_set_new(object, field->name, value)) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* ---- Words to JSON ---------------------------------------------------------------------- */

static const struct thsi_field *field_named(const struct thsi_type_info *info, const char *name, size_t len)
{
    for (uint32_t i = 0; i < info->fields_count; i++)
        if (strncmp(info->fields[i].name, name, len) == 0 && info->fields[i].name[len] == '\0')
            return &info->fields[i];
    return NULL;
}

/* One value. Numbers stay digits: the reader of JSON takes them so for every width. NULL when it is no value. */
static json_t *json_of_word(enum ths_kind kind, const char *text, size_t len)
{
    if (kind != THS_KIND_BOOLEAN)
        return json_stringn(text, len);
    if (len == 4 && memcmp(text, "true", len) == 0)
        return json_true();
    return len == 5 && memcmp(text, "false", len) == 0 ? json_false() : NULL;
}

/* ids=1,2,3 */
static json_t *json_of_commas(enum ths_kind kind, const char *text)
{
    json_t *list = json_array();

    while (list && *text != '\0') {
        size_t len = strcspn(text, ",");

        if (json_array_append_new(list, json_of_word(kind, text, len))) {
            json_decref(list);
            return NULL;
        }
        text += text[len] == ',' ? len + 1 : len;
    }
    return list;
}

static json_t *json_of_field_word(const struct thsi_field *field, const char *text)
{
    if (field->kind != THS_KIND_LIST)
        return json_of_word(field->element, text, strlen(text));
    return text[0] == '[' ? json_loads(text, 0, NULL) : json_of_commas(field->element, text);
}

/* What a field without a word is. */
static json_t *json_of_nothing(const struct thsi_field *field)
{
    if (field->kind == THS_KIND_LIST)
        return json_array();
    switch (field->element) {
    case THS_KIND_BOOLEAN: return json_false();
    case THS_KIND_STRING:
    case THS_KIND_BYTES:
    case THS_KIND_BLOB: return json_string("");
    case THS_KIND_REF: return json_string(NOBODY);
    default: return json_integer(0);
    }
}

static bool take_word(const struct thsi_type_info *info, json_t *object, const char *word, char *error)
{
    size_t name_len = strcspn(word, "=");
    const struct thsi_field *field = field_named(info, word, name_len);
    const char *why = NULL;

    if (word[name_len] == '\0')
        why = "is no name=value";
    else if (!field)
        why = "names no field of this message";
    else if (json_object_get(object, field->name))
        why = "names a field that was given before";
    else if (json_object_set_new(object, field->name, json_of_field_word(field, word + name_len + 1)))
        why = "is no value of its field";
    if (why)
        snprintf(error, THSI_JSON_ERROR_SIZE, "'%.100s' %s", word, why);
    return !why;
}

json_t *thsi_json_from_words(const struct thsi_type_info *info, int words_count, char *const *words,
                             char error[THSI_JSON_ERROR_SIZE])
{
    json_t *object = json_object();
    bool ok = object != NULL;

    snprintf(error, THSI_JSON_ERROR_SIZE, "%s", ths_err_text(object ? THS_OK : THS_NOMEM));
    for (int i = 0; ok && i < words_count; i++)
        ok = take_word(info, object, words[i], error);
    for (uint32_t i = 0; ok && i < info->fields_count; i++) {
        const struct thsi_field *field = &info->fields[i];

        if (field->kind != THS_KIND_OPT && !json_object_get(object, field->name))
            ok = json_object_set_new(object, field->name, json_of_nothing(field)) == 0;
    }
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}
