/* Schema: a message to msgpack and back, by its field table.
 *
 * A message is an array of its fields in their order. An absent opt is nil, a ref an array of three. The array
 * may be shorter than the table (an older sender: the rest is zero, empty, absent) or longer (a newer one: the rest is
 * skipped). What arrives is bounded three times over: by the bytes left, by the field's own bound, by the arena.
 * Pure. */

#ifndef THSI_CODEC_SCHEMA_H
#define THSI_CODEC_SCHEMA_H

#include "codec/pack.h"
#include "codec/unpack.h"
#include "node/base/blob.h"

/* Memory of the caller that is handed out upwards and never grows. @base is aligned to 8. */
struct thsi_arena {
    uint8_t *base;
    size_t cap;
    size_t used;
    struct ths_env *env;    /* blobs are made of its memory; NULL: a message with blobs is refused as UNSUPPORTED */
    struct ths_blob *blobs; /* made so far: one reference each, held until thsi_arena_release */
};

/* Room in the arena, or NULL. @align is a power of two, at most 8. */
void *thsi_arena_allot(struct thsi_arena *arena, size_t size, size_t align);

/* A blob of @len bytes to be written, held by the arena; *@blob is NULL for 0 bytes. Errors: NOMEM, UNSUPPORTED. */
THS_MUST_CHECK enum ths_err thsi_arena_blob(struct thsi_arena *arena, uint32_t len, struct ths_blob **blob);

/* Give the references to its blobs back; its messages are not to be read any more. */
void thsi_arena_release(struct thsi_arena *arena);

/* Append @msg. It was checked before (thsi_message_check): a NULL string is packed as "", bounds are not looked at.
 * Errors: TOO_BIG (the packer's room). Borrows @msg. */
THS_MUST_CHECK enum ths_err thsi_schema_pack(const struct thsi_type_info *info, const void *msg,
                                             struct thsi_packer *packer);

/* Take one message. *@msg is the struct, at the arena's first free place; it and all it points to lie in the arena.
 * Strings end in NUL, are UTF-8 and hold no other NUL; integers fit their fields.
 * Its blobs are the arena's: a copy that is to stay counts its own references.
 * Errors: MALFORMED, TOO_BIG (a bound or the arena), NOMEM and UNSUPPORTED (blobs). *@msg is then NULL and the arena's
 * bytes as they were; what follows in @unpacker is lost. An arena of thsi_schema_room bytes is always enough. */
THS_MUST_CHECK enum ths_err thsi_schema_unpack(const struct thsi_type_info *info, struct thsi_unpacker *unpacker,
                                               struct thsi_arena *arena, void **msg);

/* Arena bytes that suffice for any message of this type that takes @packed_len bytes on the wire. */
size_t thsi_schema_room(const struct thsi_type_info *info, size_t packed_len);

#endif /* THSI_CODEC_SCHEMA_H */
