#include "tools/declaration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- From a node ------------------------------------------------------------------------ */

static bool is_complete(const struct ths_described *described)
{
    uint32_t count = described->fields.count;

    return described->name[0] != '\0' && strlen(described->name) <= THSI_TYPE_NAME_MAX && count <= THS_FIELDS_MAX &&
           described->kinds.count == count && described->elements.count == count && described->maxes.count == count &&
           described->element_maxes.count == count;
}

/* By way of the bytes that nodes send each other: so the rules of what is a declaration are in one place. */
enum ths_err thsi_declaration_init(struct thsi_declaration *declaration, const struct ths_described *described)
{
    struct ths_field fields[THS_FIELDS_MAX] = { { .name = NULL } };
    const struct ths_type type = { .fields = fields, .fields_count = described->fields.count };
    uint8_t bytes[THS_FIELDS_MAX * (THSI_FIELD_NAME_MAX + 8) + 8];
    struct thsi_unpacker unpacker;
    struct thsi_packer packer;
    enum ths_err err;

    if (!is_complete(described))
        return THS_MALFORMED;
    for (uint32_t i = 0; i < type.fields_count; i++) {
        enum ths_kind kind = (enum ths_kind)described->kinds.items[i];
        bool is_wrapped = kind == THS_KIND_LIST || kind == THS_KIND_OPT;

        fields[i] = (struct ths_field){ .name = described->fields.items[i], .kind = kind,
                                        .element = is_wrapped ? (enum ths_kind)described->elements.items[i] : THS_KIND_NONE };
    }
    thsi_packer_init(&packer, bytes, sizeof bytes);
    thsi_description_pack(&type, &packer);
    if (thsi_packer_finish(&packer) != THS_OK)
        return THS_MALFORMED;
    (void)snprintf(declaration->name, sizeof declaration->name, "%s", described->name);
    thsi_unpacker_init(&unpacker, bytes, packer.len);
    err = thsi_description_unpack(&declaration->description, &unpacker, declaration->name, described->version,
                                  described->fingerprint);
    for (uint32_t i = 0; i < type.fields_count && err == THS_OK; i++) {
        declaration->description.fields[i].max = described->maxes.items[i];
        declaration->description.fields[i].element_max = described->element_maxes.items[i];
    }
    return err == THS_OK ? THS_OK : THS_MALFORMED;
}

/* ---- Files ------------------------------------------------------------------------------ */

json_t *thsi_declaration_to_json(const struct thsi_declaration *declaration)
{
    const struct ths_type *type = &declaration->description.type;
    json_t *fields = json_array();
    char kind[THSI_KIND_TEXT_SIZE], fingerprint[17];

    for (uint32_t i = 0; i < type->fields_count; i++) {
        const struct ths_field *field = &type->fields[i];
        json_t *json = json_pack("{s:s,s:s}", "name", field->name, "kind", thsi_kind_print(field->kind, field->element, kind));

        if (field->max > 0)
            (void)json_object_set_new(json, "max", json_integer(field->max));
        if (field->kind == THS_KIND_LIST && field->element_max > 0)
            (void)json_object_set_new(json, "element_max", json_integer(field->element_max));
        (void)json_array_append_new(fields, json);
    }
    (void)snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, thsi_type_fingerprint(type));
    return json_pack("{s:s,s:I,s:s,s:o}", "type", type->name, "version", (json_int_t)type->version, "fingerprint", fingerprint,
                     "fields", fields);
}

/* The kind and element that are printed as @text. */
static bool read_kind(const char *text, uint8_t *kind, uint8_t *element)
{
    char printed[THSI_KIND_TEXT_SIZE];

    for (*kind = THS_KIND_BOOLEAN; *kind <= THS_KIND_BLOB; ++*kind)
        for (*element = THS_KIND_NONE; *element < THS_KIND_LIST; ++*element)
            if (strcmp(thsi_kind_print((enum ths_kind)*kind, (enum ths_kind)*element, printed), text) == 0)
                return true;
    return false;
}

static bool read_max(const json_t *field, const char *key, uint32_t *out)
{
    const json_t *value = json_object_get(field, key);
    json_int_t number = value ? json_integer_value(value) : 0;

    *out = (uint32_t)number;
    return !value || (json_is_integer(value) && number > 0 && number <= UINT32_MAX);
}

enum ths_err thsi_declaration_from_json(struct thsi_declaration *declaration, const json_t *object, char *why)
{
    const char *names[THS_FIELDS_MAX];
    uint8_t kinds[THS_FIELDS_MAX], elements[THS_FIELDS_MAX];
    uint32_t maxes[THS_FIELDS_MAX], element_maxes[THS_FIELDS_MAX];
    const json_t *fields = json_object_get(object, "fields"), *field;
    const char *type = json_string_value(json_object_get(object, "type"));
    const char *fingerprint = json_string_value(json_object_get(object, "fingerprint"));
    json_int_t version = json_integer_value(json_object_get(object, "version"));
    uint32_t count = (uint32_t)json_array_size(fields);
    size_t index;

    (void)snprintf(why, THSI_DECLARATION_WHY_SIZE, "it is not what thiasos schema show --json prints");
    if (!type || !fingerprint || !json_is_array(fields) || json_array_size(fields) > THS_FIELDS_MAX || version < 0 ||
        version > UINT32_MAX)
        return THS_MALFORMED;
    json_array_foreach(fields, index, field) {
        const char *kind = json_string_value(json_object_get(field, "kind"));

        names[index] = json_string_value(json_object_get(field, "name"));
        if (!names[index] || !kind || !read_kind(kind, &kinds[index], &elements[index]) ||
            !read_max(field, "max", &maxes[index]) || !read_max(field, "element_max", &element_maxes[index])) {
            (void)snprintf(why, THSI_DECLARATION_WHY_SIZE, "its field number %zu has no name, kind or bound", index + 1);
            return THS_MALFORMED;
        }
    }
    return thsi_declaration_init(declaration, &(struct ths_described){
        .name = type, .version = (uint32_t)version, .fingerprint = strtoull(fingerprint, NULL, 16), .fields = { names, count },
        .kinds = { kinds, count }, .elements = { elements, count }, .maxes = { maxes, count },
        .element_maxes = { element_maxes, count } });
}

char *thsi_bounded_print(const struct ths_field *field, char *out)
{
    char kind[THSI_KIND_TEXT_SIZE];

    (void)thsi_kind_print(field->kind, field->element, kind);
    if (field->kind == THS_KIND_LIST && field->element_max > 0)
        (void)snprintf(out, THSI_BOUNDED_TEXT_SIZE, "%s, %" PRIu32 " of %" PRIu32 " bytes", kind, field->max, field->element_max);
    else if (field->max > 0)
        (void)snprintf(out, THSI_BOUNDED_TEXT_SIZE, "%s, %" PRIu32 " %s", kind, field->max,
                       field->kind == THS_KIND_LIST ? "items" : "bytes");
    else
        (void)snprintf(out, THSI_BOUNDED_TEXT_SIZE, "%s", kind);
    return out;
}

/* ---- Comparing -------------------------------------------------------------------------- */

/* One way: @reader is the declaration of the nodes called @of. False: the field does not fit. */
static bool fits(struct thsi_change *change, const struct thsi_resolution *resolution, uint8_t index, const char *of,
                 const char *from)
{
    switch ((enum thsi_field_fit)resolution->fits[index]) {
    case THSI_FIT_OK:
        return true;
    case THSI_FIT_MISSING:
        (void)snprintf(change->why, sizeof change->why,
                       "%s nodes refuse messages of %s ones: it is neither optional nor at the end", of, from);
        return false;
    case THSI_FIT_KIND:
        (void)snprintf(change->why, sizeof change->why, "%s nodes refuse messages of %s ones: its kind does not hold the other's",
                       of, from);
        return false;
    }
    return false;
}

static void judge_bounds(struct thsi_change *change)
{
    const struct ths_field *before = change->before, *after = change->after;

    if (after->max < before->max || after->element_max < before->element_max) {
        change->is_safe = false;
        (void)snprintf(change->why, sizeof change->why, "new nodes refuse longer ones of old ones, TOO_BIG");
    } else if (after->max > before->max || after->element_max > before->element_max) {
        (void)snprintf(change->why, sizeof change->why, "old nodes refuse longer ones, TOO_BIG: send these when none is left");
    }
}

static bool same_form(const struct ths_field *a, const struct ths_field *b)
{
    return a->kind == b->kind && a->element == b->element;
}

static void judge(struct thsi_change *change, const struct thsi_resolution *old_reads, uint8_t old_index,
                  const struct thsi_resolution *new_reads, uint8_t new_index)
{
    change->is_safe = (!change->after || fits(change, new_reads, new_index, "new", "old")) &&
                      (!change->before || fits(change, old_reads, old_index, "old", "new"));
    if (change->is_safe && change->before && change->after && same_form(change->before, change->after))
        judge_bounds(change);
}

void thsi_declarations_compare(const struct thsi_declaration *before, const struct thsi_declaration *after,
                               struct thsi_changes *out)
{
    const struct ths_type *a = &before->description.type, *b = &after->description.type;
    struct thsi_resolution old_reads = thsi_schema_resolve(a, b), new_reads = thsi_schema_resolve(b, a);

    *out = (struct thsi_changes){ .is_safe = strcmp(a->name, b->name) == 0 };
    for (uint32_t i = 0; i < b->fields_count; i++) {
        uint8_t from = new_reads.from[i];
        struct thsi_change *change = &out->of[out->count++];

        *change = (struct thsi_change){ .before = from == THSI_FIELD_NONE ? NULL : &a->fields[from], .after = &b->fields[i] };
        judge(change, &old_reads, from, &new_reads, (uint8_t)i);
    }
    for (uint32_t i = 0; i < a->fields_count; i++) {
        struct thsi_change *change = &out->of[out->count];

        if (old_reads.from[i] != THSI_FIELD_NONE)
            continue;
        out->count++;
        *change = (struct thsi_change){ .before = &a->fields[i] };
        judge(change, &old_reads, (uint8_t)i, &new_reads, THSI_FIELD_NONE);
    }
    for (uint32_t i = 0; i < out->count; i++)
        out->is_safe = out->is_safe && out->of[i].is_safe;
}
