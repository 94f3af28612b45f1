/* Control frame: one message on the control socket, and both ends' way to read and write it.
 *
 *     length   4 bytes, big endian, of what follows; at most THSI_CONTROL_FRAME_MAX
 *     name     msgpack str  \
 *     version  msgpack uint  } of the message's type; a reader takes exactly the types that it lists
 *     print    msgpack uint /  its fingerprint
 *     body     the message by its schema
 *
 * A link belongs to one thread. Reading and writing block, but never beyond the deadline given. */

#ifndef THSI_CLUSTER_CONTROL_FRAME_H
#define THSI_CLUSTER_CONTROL_FRAME_H

#include "codec/schema.h"
#include "thiasos/env.h"

#define THSI_CONTROL_FRAME_MAX (1u << 20)
#define THSI_CONTROL_FRAME_MS 10000u /* for the rest of a frame that has begun */

struct thsi_control_link {
    struct ths_env *env;
    int fd;                  /* non-blocking */
    uint8_t *buffer;         /* one frame, to or from the other side */
    struct thsi_arena arena; /* the message read last */
};

/* Use @fd from now on (takes it, also when NOMEM is returned). Errors: NOMEM, IO. */
THS_MUST_CHECK enum ths_err thsi_control_link_init(struct thsi_control_link *link, struct ths_env *env, int fd);

/* Close and free. */
void thsi_control_link_close(struct thsi_control_link *link);

/* Write one message. Errors: those of thsi_message_check, TOO_BIG (no frame holds it), TIMEOUT (the other side does not
 * read), CLOSED, IO. After the last three the link is of no use any more. */
THS_MUST_CHECK enum ths_err thsi_control_write(struct thsi_control_link *link, struct ths_type *type, const void *msg);

/* Read one message of one of the @types. It may take @timeout_ms until its first byte is there. *@got is its type's
 * entry, *@msg is lent until the next read.
 * Errors: TIMEOUT, CLOSED (orderly, between frames), MALFORMED, TOO_BIG, UNKNOWN_TYPE (none of @types), TYPE_MISMATCH
 * (one of them, with other fields), NOMEM, IO. After UNKNOWN_TYPE and TYPE_MISMATCH the link may go on. */
THS_MUST_CHECK enum ths_err thsi_control_read(struct thsi_control_link *link, struct ths_type *const *types,
                                              size_t types_count, unsigned timeout_ms,
                                              const struct thsi_type_info **got, void **msg);

/* The pure half: a frame into @out, length and all; and the other way, without the length. */
THS_MUST_CHECK enum ths_err thsi_control_pack(struct ths_type *type, const void *msg, uint8_t *out, size_t cap,
                                              size_t *len);
THS_MUST_CHECK enum ths_err thsi_control_unpack_head(struct thsi_unpacker *unpacker, struct ths_type *const *types,
                                                     size_t types_count, const struct thsi_type_info **got);

#endif /* THSI_CLUSTER_CONTROL_FRAME_H */
