/* Message table: one entry for each message type of the process, and what is done by its fields.
 *
 * The same message may be declared in many files, each giving a struct ths_type of its own. Interning maps equal
 * declarations (wire name, version, fingerprint) to one thsi_type_info, whose address and dense id then stand for
 * the type: two messages are of one type exactly when their infos are the same pointer. Entries are never removed, so
 * readers need no lock.
 *
 * This is the only process-wide state of the library; it grows with the types that the program declares and uses,
 * never with what the network sends, and is bounded at THSI_TYPES_MAX. A process must hold one table: the functions
 * that touch it are exported by libthiasos, and libthiasos-cluster calls those. */

#ifndef THSI_NODE_BASE_MESSAGE_TABLE_H
#define THSI_NODE_BASE_MESSAGE_TABLE_H

#include <string.h>

#include "thiasos/message.h"

#define THSI_TYPES_MAX 65536u

/* One field, with its bounds resolved. */
struct thsi_field {
    const char *name;
    enum ths_kind kind;
    enum ths_kind element;     /* of LIST and OPT; otherwise the same as kind */
    uint32_t offset;
    uint32_t side_offset;      /* of a LIST's count and an OPT's present */
    uint32_t max;              /* items of a LIST; otherwise bytes of a STRING, BYTES or BLOB; otherwise 0 */
    uint32_t element_max;      /* bytes of each STRING, BYTES or BLOB, in whatever form; otherwise 0 */
    uint32_t element_size;     /* sizeof the element's C type */
    uint32_t element_packed;   /* most bytes that one element takes packed, without the bytes of its string */
};

/* One type. Immutable once interned; lent for the life of the process. */
struct thsi_type_info {
    uint32_t id;               /* dense, from 1; of this process only */
    uint32_t size;             /* of the struct */
    uint64_t fingerprint;
    struct ths_type *type;     /* the first declaration, for handing out */
    const char *name;
    uint32_t version;
    uint32_t fields_count;
    bool flat;                 /* no pointers inside: memcpy copies it and nothing needs checking */
    bool reply_only;           /* another node may bring it as a reply, and in no other way: see THSI_TYPE_OURS */
    bool has_blobs;            /* a copy holds references: whoever drops one calls thsi_message_release (blob.h) */
    const struct thsi_type_info *next_in_bucket;
    struct thsi_field fields[];
};

/* ---- Types ------------------------------------------------------------------------------ */

/* 64-bit FNV-1a over name, version, and name, kind and element of each field in order. Bounds do not enter. Pure. */
THS_API uint64_t thsi_type_fingerprint(const struct ths_type *type);

/* What thsi_type_intern calls the first time. */
THS_API const struct thsi_type_info *thsi_type_intern_slow(struct ths_type *type);

/* The entry of @type; makes it at the first call. Returns NULL when memory is out or the table is full.
 * The bounds of the first of several equal declarations hold for all. Thread: any. */
static inline const struct thsi_type_info *thsi_type_intern(struct ths_type *type)
{
    /* Acquire: receives the entry that the slow path wrote before it released its address here. */
    const struct thsi_type_info *info = __atomic_load_n(&type->info, __ATOMIC_ACQUIRE);

    return info ? info : thsi_type_intern_slow(type);
}

/* The entry with this id, or NULL. Thread: any. */
THS_API const struct thsi_type_info *thsi_type_by_id(uint32_t id);

/* The newest version with this wire name, or NULL. Thread: any. */
THS_API const struct thsi_type_info *thsi_type_by_name(const char *name);

/* Names of types that never leave the process begin so: they hold addresses, or are believed without question. */
#define THSI_TYPE_HERE "ths.here."

/* Names of the runtime's own types begin so. A handler believes such a message without question, so another node may bring
 * one as a reply alone, where the asker knows whom it asked: reply_only is set of all but the few that nodes tell each other.
 * Whoever wants to tell another node of a ths_down or a ths_member puts what it says into a message of its own. */
#define THSI_TYPE_OURS "ths."

/* The entry that a peer means.
 * Errors: UNKNOWN_TYPE (no such name, or one of THSI_TYPE_HERE), TYPE_MISMATCH (name known, but not with this version
 * and fingerprint).
 * *@out is the entry when OK, the newest of that name for TYPE_MISMATCH, else NULL. Thread: any. */
THS_MUST_CHECK THS_API enum ths_err thsi_type_find(const char *name, uint32_t version, uint64_t fingerprint,
                                                   const struct thsi_type_info **out);

/* ---- Messages: measure, copy -------------------------------------------------------------- */

/* What the two below call for messages that hold pointers. */
THS_MUST_CHECK THS_API enum ths_err thsi_message_measure_deep(const struct thsi_type_info *info, const void *msg,
                                                              size_t *size);
THS_API void thsi_message_copy_deep(const struct thsi_type_info *info, void *block, const void *msg);

/* Check @msg and say how many bytes a deep copy of it takes in one block: the struct, then what it points to.
 * Errors: TOO_BIG (a field or the whole is over its bound), MALFORMED (a string is not UTF-8), INVALID (a NULL pointer
 * with a length). *@size is 0 then. Borrows @msg. Thread: any. */
THS_MUST_CHECK
static inline enum ths_err thsi_message_measure(const struct thsi_type_info *info, const void *msg, size_t *size)
{
    if (info->flat) {
        *size = info->size;
        return THS_OK;
    }
    return thsi_message_measure_deep(info, msg, size);
}

/* Check @msg as above and say how many bytes it takes packed, at most. *@packed is 0 after an error. Thread: any. */
THS_MUST_CHECK THS_API enum ths_err thsi_message_weigh(const struct thsi_type_info *info, const void *msg, size_t *packed);

/* Copy @msg into @block, which is aligned to 8 and has the bytes that thsi_message_measure gave for this @msg.
 * Pointers of the copy point into @block; its strings end in NUL and are never NULL. Its blobs are those of @msg, each with
 * one more reference. Thread: any. */
static inline void thsi_message_copy(const struct thsi_type_info *info, void *block, const void *msg)
{
    if (info->flat)
        memcpy(block, msg, info->size);
    else
        thsi_message_copy_deep(info, block, msg);
}

/* Whether two messages of the type say the same: field by field, so that gaps of the struct do not count. Both were
 * checked. Thread: any. */
THS_API bool thsi_message_equal(const struct thsi_type_info *info, const void *a, const void *b);

/* Only the size, of a message that was checked before; 0 for one that would be refused. */
static inline size_t thsi_message_size(const struct thsi_type_info *info, const void *msg)
{
    size_t size;

    return thsi_message_measure(info, msg, &size) == THS_OK ? size : 0;
}

/* Only the check. */
THS_MUST_CHECK
static inline enum ths_err thsi_message_check(const struct thsi_type_info *info, const void *msg)
{
    size_t size;

    return thsi_message_measure(info, msg, &size);
}

/* ---- Reading a message by its fields ------------------------------------------------------ */

static inline const void *thsi_field_at(const struct thsi_field *field, const void *msg)
{
    return (const uint8_t *)msg + field->offset;
}

static inline bool thsi_field_present(const struct thsi_field *field, const void *msg)
{
    return *(const bool *)((const uint8_t *)msg + field->side_offset);
}

static inline uint32_t thsi_field_count(const struct thsi_field *field, const void *msg)
{
    uint32_t count;

    memcpy(&count, (const uint8_t *)msg + field->side_offset, sizeof count);
    return count;
}

/* The items of a LIST. By memcpy, since the pointer's type in the struct is not that of any one reader. */
static inline const uint8_t *thsi_field_items(const struct thsi_field *field, const void *msg)
{
    const uint8_t *items;

    memcpy(&items, thsi_field_at(field, msg), sizeof items);
    return items;
}

/* ---- Printing (message_print.c) --------------------------------------------------------- */

/* Print like snprintf: greet{name="world", times=2}, the head being the last part of the wire name.
 * Strings are escaped, bytes are hex cut after 32 bytes, lists are cut after 8 items.
 * Writes at most @size bytes, NUL included; @out may be NULL when @size is 0.
 * Returns the length that the whole text has without its NUL. Borrows. Thread: any. */
THS_API size_t thsi_message_print(const struct thsi_type_info *info, const void *msg, char *out, size_t size);

#endif /* THSI_NODE_BASE_MESSAGE_TABLE_H */
