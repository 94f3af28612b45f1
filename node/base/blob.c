#include "node/base/blob.h"

#include "thiasos/blob.h"

struct ths_blob *thsi_blob_create(struct ths_env *env, uint32_t len)
{
    struct ths_blob *blob = env->memory(env, NULL, sizeof *blob + len);

    if (!blob)
        return NULL;
    blob->env = env;
    blob->next_unpacked = NULL;
    atomic_init(&blob->refs, 1);
    blob->len = len;
    return blob;
}

struct ths_blob *ths_blob_ref(struct ths_blob *blob)
{
    /* Relaxed: the caller's own reference keeps it, and the bytes were published with the pointer. */
    if (blob)
        (void)atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void ths_blob_release(struct ths_blob *blob)
{
    /* Release: what the holder read of it was read before the count went down. Acquire: the last one frees after all that. */
    if (blob && atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1)
        (void)blob->env->memory(blob->env, blob, 0);
}

const uint8_t *ths_blob_data(const struct ths_blob *blob)
{
    static const uint8_t nothing[1] = { 0 };

    return blob && blob->len > 0 ? blob->data : nothing;
}

uint32_t ths_blob_len(const struct ths_blob *blob)
{
    return blob ? blob->len : 0;
}

/* ---- Of messages ------------------------------------------------------------------------ */

/* Lists and opts hold none. */
static struct ths_blob *blob_at(const struct thsi_field *field, const void *msg)
{
    return field->kind == THS_KIND_BLOB ? *(struct ths_blob *const *)thsi_field_at(field, msg) : NULL;
}

void thsi_message_release(const struct thsi_type_info *info, const void *msg)
{
    for (uint32_t i = 0; i < info->fields_count; i++)
        ths_blob_release(blob_at(&info->fields[i], msg));
}

size_t thsi_message_shared_size(const struct thsi_type_info *info, const void *msg)
{
    size_t size = 0;

    for (uint32_t i = 0; i < info->fields_count; i++)
        size += ths_blob_len(blob_at(&info->fields[i], msg));
    return size;
}
