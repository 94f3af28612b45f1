/* The layout is the one that the C compiler gives the struct of THS_MESSAGE: fields in their order, each at the next
 * multiple of its alignment. Interning asserts that it comes out the same when the type is compiled in, too. */

#include "tools/dynamic_type.h"

#include "codec/schema_resolve.h"

#include <stdio.h>
#include <stdlib.h>

struct shape {
    uint32_t size, align;
};

/* An element's C type. Size 0: no element. */
static struct shape element_shape(uint8_t kind)
{
    switch (kind) {
    case THS_KIND_BOOLEAN: return (struct shape){ sizeof(bool), _Alignof(bool) };
    case THS_KIND_U8:
    case THS_KIND_I8: return (struct shape){ 1, 1 };
    case THS_KIND_U16:
    case THS_KIND_I16: return (struct shape){ 2, _Alignof(uint16_t) };
    case THS_KIND_U32:
    case THS_KIND_I32: return (struct shape){ 4, _Alignof(uint32_t) };
    case THS_KIND_U64:
    case THS_KIND_I64: return (struct shape){ 8, _Alignof(uint64_t) };
    case THS_KIND_F32: return (struct shape){ sizeof(float), _Alignof(float) };
    case THS_KIND_F64: return (struct shape){ sizeof(double), _Alignof(double) };
    case THS_KIND_STRING: return (struct shape){ sizeof(char *), _Alignof(char *) };
    case THS_KIND_BYTES: return (struct shape){ sizeof(struct ths_bytes), _Alignof(struct ths_bytes) };
    case THS_KIND_BLOB: return (struct shape){ sizeof(struct ths_blob *), _Alignof(struct ths_blob *) };
    case THS_KIND_REF: return (struct shape){ sizeof(ths_ref), _Alignof(ths_ref) };
    default: return (struct shape){ 0, 1 };
    }
}

static uint32_t align_up(uint32_t at, uint32_t align)
{
    return (at + align - 1) / align * align;
}

/* What a LIST and an OPT are in a struct. */
struct listed {
    const void *items;
    uint32_t count;
};

/* Place @field behind @used bytes; returns the bytes used then, and raises *@align. 0: no such kind. */
static uint32_t place(struct ths_field *field, uint32_t used, uint32_t *align)
{
    bool is_list = field->kind == THS_KIND_LIST;
    bool is_opt = field->kind == THS_KIND_OPT;
    struct shape element = element_shape((uint8_t)(is_list || is_opt ? field->element : field->kind));
    struct shape shape = element;

    if (element.size == 0 || ((is_list || is_opt) && field->element == THS_KIND_BLOB))
        return 0;
    if (is_list)
        shape = (struct shape){ sizeof(struct listed), _Alignof(struct listed) };
    else if (is_opt)
        shape.size = align_up(element.size + (uint32_t)sizeof(bool), element.align);
    field->offset = align_up(used, shape.align);
    if (is_list)
        field->side_offset = field->offset + (uint32_t)offsetof(struct listed, count);
    else if (is_opt)
        field->side_offset = field->offset + element.size;
    if (shape.align > *align)
        *align = shape.align;
    return field->offset + shape.size;
}

static bool is_wrapped(uint8_t kind)
{
    return kind == THS_KIND_LIST || kind == THS_KIND_OPT;
}

/* The field tables of @described: names are copied. Returns the struct's size, 0 when something is wrong. */
static uint32_t lay_out(const struct ths_described *described, struct ths_field *fields)
{
    uint32_t used = 0, align = 1;

    for (uint32_t i = 0; i < described->fields.count; i++) {
        uint8_t kind = described->kinds.items[i];
        bool is_list = kind == THS_KIND_LIST;

        for (uint32_t j = 0; j < i; j++)
            if (strcmp(fields[j].name, described->fields.items[i]) == 0)
                return 0;
        fields[i] = (struct ths_field){
            .name = strdup(described->fields.items[i]),
            .kind = (enum ths_kind)kind,
            .element = is_wrapped(kind) ? (enum ths_kind)described->elements.items[i] : THS_KIND_NONE,
            .max = is_list ? described->maxes.items[i] : described->element_maxes.items[i],
            .element_max = is_list ? described->element_maxes.items[i] : 0,
        };
        used = fields[i].name && fields[i].name[0] ? place(&fields[i], used, &align) : 0;
        if (used == 0)
            return 0;
    }
    return used > 0 ? align_up(used, align) : 1; /* a message without fields has one unused byte */
}

static bool is_complete(const struct ths_described *described)
{
    uint32_t count = described->fields.count;

    return described->name[0] != '\0' && count <= THS_FIELDS_MAX && described->kinds.count == count &&
           described->elements.count == count && described->maxes.count == count &&
           described->element_maxes.count == count;
}

static void destroy(struct ths_type *type, struct ths_field *fields, uint32_t count)
{
    for (uint32_t i = 0; fields && i < count; i++)
        free((char *)(uintptr_t)fields[i].name);
    free(fields);
    if (type)
        free((char *)(uintptr_t)type->name);
    free(type);
}

enum ths_err thsi_dynamic_type(const struct ths_described *described, const struct thsi_type_info **out)
{
    uint32_t count = described->fields.count;
    struct ths_field *fields = calloc(count + 1, sizeof *fields);
    struct ths_type *type = calloc(1, sizeof *type);
    enum ths_err err = THS_NOMEM;

    *out = NULL;
    if (fields && type) {
        *type = (struct ths_type){ .name = strdup(described->name), .version = described->version, .fields = fields,
                                   .fields_count = count };
        err = is_complete(described) ? THS_OK : THS_MALFORMED;
    }
    if (err == THS_OK) {
        type->size = lay_out(described, fields);
        if (type->size == 0 || thsi_type_fingerprint(type) != described->fingerprint)
            err = THS_MALFORMED;
    }
    if (err == THS_OK) {
        *out = thsi_type_intern(type);
        err = *out ? THS_OK : THS_NOMEM;
    }
    /* One that was known before does not need this description of it. */
    if (err != THS_OK || (*out)->type != type)
        destroy(type, fields, count);
    return err;
}

/* ---- For people ------------------------------------------------------------------------------ */

char *thsi_type_fields_text(const struct thsi_type_info *info, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < info->fields_count && used < size; i++) {
        const struct thsi_field *field = &info->fields[i];
        const char *before = i > 0 ? ", " : "";
        char kind[THSI_KIND_TEXT_SIZE];

        used += (size_t)snprintf(out + used, size - used, "%s%s %s", before, field->name,
                                 thsi_kind_print(field->kind, field->element, kind));
    }
    if (info->fields_count == 0)
        (void)snprintf(out, size, "none");
    return out;
}
