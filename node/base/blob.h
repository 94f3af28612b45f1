/* Blob: the inside of blob.h, and the references that a message holds.
 *
 * The block is of an environment, not of a pool: whoever releases it last may be on any thread of any node. */

#ifndef THSI_NODE_BASE_BLOB_H
#define THSI_NODE_BASE_BLOB_H

#include <stdatomic.h>

#include "node/base/message_table.h"
#include "thiasos/env.h"

struct ths_blob {
    struct ths_env *env;
    struct ths_blob *next_unpacked; /* of the arena that it was unpacked with, which alone looks at it */
    _Atomic uint32_t refs;
    uint32_t len;
    uint8_t data[];
};

/* One reference, and @len bytes that the caller writes before anybody else knows of it. NULL: no memory. Thread: any. */
THS_API struct ths_blob *thsi_blob_create(struct ths_env *env, uint32_t len);

static inline struct ths_bytes thsi_blob_bytes(const struct ths_blob *blob)
{
    return blob ? (struct ths_bytes){ blob->data, blob->len } : (struct ths_bytes){ NULL, 0 };
}

/* For copies of a message whose type has blobs: give back what thsi_message_copy counted. Once for each copy. */
THS_API void thsi_message_release(const struct thsi_type_info *info, const void *msg);

/* Bytes of the blobs of a message whose type has some. */
THS_API size_t thsi_message_shared_size(const struct thsi_type_info *info, const void *msg);

#endif /* THSI_NODE_BASE_BLOB_H */
