/* Blobs: bytes that many messages and actors share without copying.
 *
 *     THS_MESSAGE(picture, "demo.picture", 1, blob(pixels, .max = 500000))
 *
 *     struct ths_blob *pixels;
 *     if (ths_blob_new(ctx, data, len, &pixels) == THS_OK) {
 *         ths_tell(ctx, viewer, picture, .pixels = pixels);
 *         ths_blob_release(pixels);
 *     }
 *
 * A blob is written once, when it is made, and counts its references. Inside a node each copy of a message counts one and
 * gives it back when the message is freed; a handler that keeps the blob of its message counts one of its own. To another
 * node a blob goes as its bytes, and is a new blob there, which all receivers of a group tell share. NULL is an empty blob, and
 * an empty one may arrive as NULL.
 *
 * A blob may outlive the node that it was made on, but not that node's environment (env.h), whose memory it is; in the simulator a
 * crash ends that too. It is charged to no actor (memory.h), and what an actor keeps is not released by the actor's end: its
 * ths_finally does that. */

#ifndef THIASOS_BLOB_H
#define THIASOS_BLOB_H

#include "thiasos/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __cplusplus

/* ths_blob_new(where, data, len, &blob): copies @len bytes of @data. Gives one reference.
 * Errors: NOMEM, TOO_BIG (more than THS_MESSAGE_MAX), INVALID (a NULL @data with a length); *@out is NULL then. */
#define ths_blob_new(where, data, len, out) thsp_blob_new(THSP_WHERE(where), data, len, out)

#endif /* __cplusplus */

/* Count one more reference, and return @blob. Who calls holds one, or handles a message that does. Thread: any. */
THS_API struct ths_blob *ths_blob_ref(struct ths_blob *blob);

/* Give one back; with the last one the memory goes. NULL is ignored. Thread: any. */
THS_API void ths_blob_release(struct ths_blob *blob);

/* Lent as long as the caller holds a reference; never NULL, aligned to 8 unless empty. NULL: no bytes. Thread: any. */
THS_API const uint8_t *ths_blob_data(const struct ths_blob *blob);
THS_API uint32_t ths_blob_len(const struct ths_blob *blob);

/* What the macro calls. */
THS_MUST_CHECK THS_API enum ths_err thsp_blob_new(struct ths_ctx *ctx, const void *data, size_t len, struct ths_blob **out);

#ifdef __cplusplus
}
#endif

#endif /* THIASOS_BLOB_H */
