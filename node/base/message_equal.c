/* Equality of messages by their fields. */

#include "node/base/blob.h"

static bool strings_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool bytes_equal(struct ths_bytes a, struct ths_bytes b)
{
    return a.len == b.len && (a.len == 0 || a.data == b.data || memcmp(a.data, b.data, a.len) == 0);
}

static bool elements_equal(const struct thsi_field *field, const void *a, const void *b)
{
    if (field->element == THS_KIND_STRING)
        return strings_equal(*(const char *const *)a, *(const char *const *)b);
    if (field->element == THS_KIND_BYTES)
        return bytes_equal(*(const struct ths_bytes *)a, *(const struct ths_bytes *)b);
    if (field->element == THS_KIND_BLOB)
        return bytes_equal(thsi_blob_bytes(*(struct ths_blob *const *)a), thsi_blob_bytes(*(struct ths_blob *const *)b));
    if (field->element == THS_KIND_REF)
        return ths_ref_equal(*(const ths_ref *)a, *(const ths_ref *)b);
    return memcmp(a, b, field->element_size) == 0; /* numbers; a NaN equals itself here */
}

static bool lists_equal(const struct thsi_field *field, const void *a, const void *b)
{
    uint32_t count = thsi_field_count(field, a);
    const uint8_t *left = thsi_field_items(field, a), *right = thsi_field_items(field, b);

    if (count != thsi_field_count(field, b))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!elements_equal(field, left + i * field->element_size, right + i * field->element_size))
            return false;
    return true;
}

static bool fields_equal(const struct thsi_field *field, const void *a, const void *b)
{
    if (field->kind == THS_KIND_LIST)
        return lists_equal(field, a, b);
    if (field->kind == THS_KIND_OPT) {
        bool present = thsi_field_present(field, a);

        if (present != thsi_field_present(field, b) || !present)
            return present == thsi_field_present(field, b);
    }
    return elements_equal(field, thsi_field_at(field, a), thsi_field_at(field, b));
}

bool thsi_message_equal(const struct thsi_type_info *info, const void *a, const void *b)
{
    for (uint32_t i = 0; i < info->fields_count; i++)
        if (!fields_equal(&info->fields[i], a, b))
            return false;
    return true;
}
