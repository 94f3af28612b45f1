#include "codec/schema_resolve.h"

#include <assert.h>
#include <stdio.h>

/* ---- Descriptions ----------------------------------------------------------------------- */

static bool is_wrapped(enum ths_kind kind)
{
    return kind == THS_KIND_LIST || kind == THS_KIND_OPT;
}

/* Letters, digits and underscores: what THS_MESSAGE takes, and what may be printed without a thought. */
static bool is_identifier(const char *name, size_t len)
{
    if (len == 0 || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

static bool is_kind(enum ths_kind kind, enum ths_kind element)
{
    if (is_wrapped(kind))
        return element > THS_KIND_NONE && element < THS_KIND_LIST;
    return element == THS_KIND_NONE && ((kind > THS_KIND_NONE && kind < THS_KIND_LIST) || kind == THS_KIND_BLOB);
}

static uint8_t find_field(const struct ths_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->fields_count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return (uint8_t)i;
    return THSI_FIELD_NONE;
}

bool thsi_type_is_describable(const struct ths_type *type)
{
    for (uint32_t i = 0; i < type->fields_count; i++) {
        size_t len = strnlen(type->fields[i].name, THSI_FIELD_NAME_MAX + 1);

        if (len > THSI_FIELD_NAME_MAX || !is_identifier(type->fields[i].name, len))
            return false;
    }
    return true;
}

void thsi_description_pack(const struct ths_type *type, struct thsi_packer *packer)
{
    thsi_pack_array(packer, type->fields_count * 3);
    for (uint32_t i = 0; i < type->fields_count; i++) {
        const struct ths_field *field = &type->fields[i];

        thsi_pack_str(packer, field->name, (uint32_t)strlen(field->name));
        thsi_pack_u64(packer, (uint64_t)field->kind);
        thsi_pack_u64(packer, (uint64_t)field->element);
    }
}

static void unpack_described(struct thsi_description *out, struct thsi_unpacker *unpacker)
{
    uint32_t index = out->type.fields_count, len;
    const char *name = thsi_unpack_str(unpacker, THSI_FIELD_NAME_MAX, &len);
    enum ths_kind kind = (enum ths_kind)thsi_unpack_u64_max(unpacker, THS_KIND_BLOB);
    enum ths_kind element = (enum ths_kind)thsi_unpack_u64_max(unpacker, THS_KIND_BLOB);

    if (unpacker->err != THS_OK)
        return;
    if (!is_identifier(name, len) || !is_kind(kind, element)) {
        thsi_unpack_fail(unpacker, THS_MALFORMED);
        return;
    }
    memcpy(out->names[index], name, len);
    out->names[index][len] = '\0';
    if (find_field(&out->type, out->names[index]) != THSI_FIELD_NONE)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    out->fields[index] = (struct ths_field){ .name = out->names[index], .kind = kind, .element = element };
    out->type.fields_count++;
}

enum ths_err thsi_description_unpack(struct thsi_description *out, struct thsi_unpacker *unpacker, const char *name,
                                     uint32_t version, uint64_t fingerprint)
{
    uint32_t count = thsi_unpack_array(unpacker);

    out->type = (struct ths_type){ .name = name, .version = version, .fields = out->fields };
    if (count % 3 != 0 || count / 3 > THS_FIELDS_MAX)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    for (uint32_t i = 0; i < count / 3 && unpacker->err == THS_OK; i++)
        unpack_described(out, unpacker);
    if (unpacker->err == THS_OK && thsi_type_fingerprint(&out->type) != fingerprint)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    return unpacker->err;
}

/* ---- Resolution ------------------------------------------------------------------------- */

/* The values that an element may have, as msgpack carries them: signed ones from -2^(bits - 1), all to 2^magnitude - 1. */
struct range {
    uint8_t form;      /* only equal forms can hold each other; 0: none */
    uint8_t negative;  /* bits of the least value, 0: none is negative */
    uint8_t magnitude; /* bits of the largest */
};

static struct range range_of(enum ths_kind element)
{
    static const struct range ranges[] = {
        [THS_KIND_BOOLEAN] = { 1, 0, 1 }, [THS_KIND_U8] = { 2, 0, 8 },    [THS_KIND_U16] = { 2, 0, 16 },
        [THS_KIND_U32] = { 2, 0, 32 },    [THS_KIND_U64] = { 2, 0, 64 },  [THS_KIND_I8] = { 2, 7, 7 },
        [THS_KIND_I16] = { 2, 15, 15 },   [THS_KIND_I32] = { 2, 31, 31 }, [THS_KIND_I64] = { 2, 63, 63 },
        [THS_KIND_F32] = { 3, 0, 32 },    [THS_KIND_F64] = { 3, 0, 64 },  [THS_KIND_STRING] = { 4, 0, 0 },
        [THS_KIND_BYTES] = { 5, 0, 0 },   [THS_KIND_BLOB] = { 5, 0, 0 },  [THS_KIND_REF] = { 6, 0, 0 },
    };

    return ranges[element];
}

static bool holds(enum ths_kind reader, enum ths_kind writer)
{
    struct range ours = range_of(reader), theirs = range_of(writer);

    return ours.form == theirs.form && ours.negative >= theirs.negative && ours.magnitude >= theirs.magnitude;
}

/* A list reads a list. An opt reads what is always there, but not the other way round: what is absent has no value. */
static bool kind_fits(const struct ths_field *reader, const struct ths_field *writer)
{
    enum ths_kind ours = is_wrapped(reader->kind) ? reader->element : reader->kind;
    enum ths_kind theirs = is_wrapped(writer->kind) ? writer->element : writer->kind;

    if ((reader->kind == THS_KIND_LIST) != (writer->kind == THS_KIND_LIST))
        return false;
    if (writer->kind == THS_KIND_OPT && reader->kind != THS_KIND_OPT)
        return false;
    return holds(ours, theirs);
}

/* Of two declarations of which one was appended to, the shorter is the beginning of the longer. */
static bool may_be_missing(const struct ths_type *reader, uint32_t index, const struct ths_type *writer)
{
    return is_wrapped(reader->fields[index].kind) || index >= writer->fields_count;
}

static enum thsi_field_fit fit_of(const struct ths_type *reader, uint32_t index, const struct ths_type *writer, uint8_t from)
{
    if (from == THSI_FIELD_NONE)
        return may_be_missing(reader, index, writer) ? THSI_FIT_OK : THSI_FIT_MISSING;
    return kind_fits(&reader->fields[index], &writer->fields[from]) ? THSI_FIT_OK : THSI_FIT_KIND;
}

struct thsi_resolution thsi_schema_resolve(const struct ths_type *reader, const struct ths_type *writer)
{
    struct thsi_resolution out = { .compatible = true, .positional = true, .first = THSI_FIELD_NONE };

    assert(reader->fields_count <= THS_FIELDS_MAX && writer->fields_count <= THS_FIELDS_MAX);
    memset(out.to, THSI_FIELD_NONE, sizeof out.to);
    memset(out.from, THSI_FIELD_NONE, sizeof out.from);
    for (uint32_t i = 0; i < reader->fields_count; i++) {
        uint8_t from = find_field(writer, reader->fields[i].name);
        enum thsi_field_fit fit = fit_of(reader, i, writer, from);

        out.from[i] = from;
        out.fits[i] = (uint8_t)fit;
        if (from != THSI_FIELD_NONE)
            out.to[from] = (uint8_t)i;
        if (from != i && i < writer->fields_count)
            out.positional = false;
        if (fit == THSI_FIT_OK)
            continue;
        out.compatible = false;
        out.first = out.first == THSI_FIELD_NONE ? (uint8_t)i : out.first;
    }
    return out;
}

/* ---- For people ------------------------------------------------------------------------- */

static const char *kind_name(enum ths_kind kind)
{
    static const char *const names[] = {
        [THS_KIND_NONE] = "none",   [THS_KIND_BOOLEAN] = "boolean", [THS_KIND_U8] = "u8",     [THS_KIND_U16] = "u16",
        [THS_KIND_U32] = "u32",     [THS_KIND_U64] = "u64",         [THS_KIND_I8] = "i8",     [THS_KIND_I16] = "i16",
        [THS_KIND_I32] = "i32",     [THS_KIND_I64] = "i64",         [THS_KIND_F32] = "f32",   [THS_KIND_F64] = "f64",
        [THS_KIND_STRING] = "string", [THS_KIND_BYTES] = "bytes",   [THS_KIND_REF] = "ref",   [THS_KIND_LIST] = "list",
        [THS_KIND_OPT] = "opt",     [THS_KIND_BLOB] = "blob",
    };

    return names[kind];
}

char *thsi_kind_print(enum ths_kind kind, enum ths_kind element, char *out)
{
    if (is_wrapped(kind))
        (void)snprintf(out, THSI_KIND_TEXT_SIZE, "%s(%s)", kind_name(kind), kind_name(element));
    else
        (void)snprintf(out, THSI_KIND_TEXT_SIZE, "%s", kind_name(kind));
    return out;
}

char *thsi_resolution_print(const struct thsi_resolution *resolution, const struct ths_type *reader, const char *reader_node,
                            const struct ths_type *writer, const char *writer_node, char *out, size_t size)
{
    char ours[THSI_KIND_TEXT_SIZE], theirs[THSI_KIND_TEXT_SIZE];
    const struct ths_field *field, *other;

    if (resolution->compatible) {
        (void)snprintf(out, size, "every field of %s fits", reader_node);
        return out;
    }
    field = &reader->fields[resolution->first];
    (void)thsi_kind_print(field->kind, field->element, ours);
    if (resolution->fits[resolution->first] == THSI_FIT_MISSING) {
        (void)snprintf(out, size, "field '%s' (%s) of %s is not there on %s, and is neither optional nor appended", field->name,
                       ours, reader_node, writer_node);
        return out;
    }
    other = &writer->fields[resolution->from[resolution->first]];
    (void)snprintf(out, size, "field '%s' is %s on %s and %s on %s", field->name, ours, reader_node,
                   thsi_kind_print(other->kind, other->element, theirs), writer_node);
    return out;
}

/* ---- Views ------------------------------------------------------------------------------ */

size_t thsi_schema_view_size(const struct ths_type *reader, const struct ths_type *writer)
{
    return sizeof(struct thsi_type_info) + (reader->fields_count + writer->fields_count) * sizeof(struct thsi_field);
}

/* A place that is skipped has the element NONE. Behind the writer's fields stand the reader's that it lacks, so that they
 * are filled like those of any shorter array. */
void thsi_schema_view_init(struct thsi_type_info *memory, const struct thsi_type_info *reader,
                           const struct ths_type *writer, const struct thsi_resolution *resolution)
{
    struct thsi_field *field = memory->fields;

    *memory = *reader;
    memory->next_in_bucket = NULL;
    for (uint32_t i = 0; i < writer->fields_count; i++)
        *field++ = resolution->to[i] == THSI_FIELD_NONE ? (struct thsi_field){ .name = "" } : reader->fields[resolution->to[i]];
    for (uint32_t i = 0; i < reader->fields_count; i++)
        if (resolution->from[i] == THSI_FIELD_NONE)
            *field++ = reader->fields[i];
    memory->fields_count = (uint32_t)(field - memory->fields);
}
