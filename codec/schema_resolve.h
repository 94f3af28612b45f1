/* Schema resolution: two declarations of one message, and whether a message of the one can be read as the other.
 *
 * Programs of a cluster are replaced one by one, so for a while a writer and a reader declare a message differently. Fields
 * are matched by name. The reader skips what it does not have; what the writer does not have arrives zero, empty or
 * absent, and may only be missing if it is optional or was appended: a reader that gained a field in the middle, or renamed
 * one, is refused rather than given zeros. A field that both have must be of a kind that holds every value of the
 * writer's. Bounds are the reader's own and play no part: what is over one is refused alone.
 *
 * A description is what travels of a declaration: its fields' names, kinds and elements. All here is pure. */

#ifndef THSI_CODEC_SCHEMA_RESOLVE_H
#define THSI_CODEC_SCHEMA_RESOLVE_H

#include "codec/pack.h"
#include "codec/unpack.h"
#include "node/base/message_table.h"

#define THSI_FIELD_NAME_MAX 127u   /* bytes; a field name is a C identifier */
#define THSI_FIELD_NONE UINT8_MAX

/* ---- Descriptions ----------------------------------------------------------------------- */

/* A declaration that was read from a description: it has no layout, so no message can be made by it. */
struct thsi_description {
    struct ths_type type; /* points into the rest; name is the caller's */
    struct ths_field fields[THS_FIELDS_MAX];
    char names[THS_FIELDS_MAX][THSI_FIELD_NAME_MAX + 1];
};

/* Whether @type can be described: its fields' names are plain identifiers, and not too long. */
bool thsi_type_is_describable(const struct ths_type *type);

/* Append the description of @type, which is describable: an array of name, kind, element for each field. */
void thsi_description_pack(const struct ths_type *type, struct thsi_packer *packer);

/* Read the description of a type named @name (borrowed for the life of @out).
 * Errors: MALFORMED (no array of that form, a name twice or no identifier, an unknown kind, or not the declaration that
 * @fingerprint was made of), TOO_BIG (a name). */
THS_MUST_CHECK enum ths_err thsi_description_unpack(struct thsi_description *out, struct thsi_unpacker *unpacker,
                                                    const char *name, uint32_t version, uint64_t fingerprint);

/* ---- Resolution ------------------------------------------------------------------------- */

enum thsi_field_fit {
    THSI_FIT_OK,
    THSI_FIT_MISSING, /* the writer lacks it, and it is neither optional nor appended */
    THSI_FIT_KIND     /* its kind here does not hold all values that it may have there */
};

struct thsi_resolution {
    bool compatible;              /* every field of the reader fits */
    bool positional;              /* the same fields at the same places, so that the reader's own table reads it */
    uint8_t first;                /* the reader's first field that does not fit, or THSI_FIELD_NONE */
    uint8_t to[THS_FIELDS_MAX];   /* for each field of the writer: which of the reader's, or THSI_FIELD_NONE: skipped */
    uint8_t from[THS_FIELDS_MAX]; /* for each field of the reader: which of the writer's, or THSI_FIELD_NONE: missing */
    uint8_t fits[THS_FIELDS_MAX]; /* for each field of the reader: enum thsi_field_fit */
};

/* How @reader reads messages of @writer. Both have at most THS_FIELDS_MAX fields, no name twice. */
struct thsi_resolution thsi_schema_resolve(const struct ths_type *reader, const struct ths_type *writer);

/* Why @resolution is not compatible, as the end of a sentence: "field 'times' is u32 on a and string on b". Writes at most
 * @size bytes, NUL included; returns @out. */
char *thsi_resolution_print(const struct thsi_resolution *resolution, const struct ths_type *reader, const char *reader_node,
                            const struct ths_type *writer, const char *writer_node, char *out, size_t size);

/* The kind of a field as it is declared: "u32", "list(string)". Writes into @out of THSI_KIND_TEXT_SIZE bytes; returns it. */
#define THSI_KIND_TEXT_SIZE 16u
char *thsi_kind_print(enum ths_kind kind, enum ths_kind element, char *out);

/* ---- Views ------------------------------------------------------------------------------ */

/* Bytes of a view; see below. */
size_t thsi_schema_view_size(const struct ths_type *reader, const struct ths_type *writer);

/* Make of @memory, of that size, what thsi_schema_unpack reads the writer's messages by: the struct is the reader's,
 * the order of the fields the writer's. For reading only. Borrows nothing but what @reader lends. */
void thsi_schema_view_init(struct thsi_type_info *memory, const struct thsi_type_info *reader,
                           const struct ths_type *writer, const struct thsi_resolution *resolution);

#endif /* THSI_CODEC_SCHEMA_RESOLVE_H */
