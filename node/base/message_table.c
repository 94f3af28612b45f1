/* Entries are reached in two ways, by id and by the hash of the name. Both are written under the lock and
 * published with a release store; readers follow them with acquire loads and take no lock, because an entry
 * never changes and never goes. */

#include "node/base/message_table.h"

#include "node/base/blob.h"
#include "node/base/utf8.h"
#include "thiasos/blob.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 1024u

_Static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a bucket is chosen by masking the hash");

static struct {
    pthread_mutex_t lock; /* held while an entry is added */
    uint32_t count;       /* under the lock */
    /* [0] stays NULL. The pages that no id reaches are never touched, so the table costs what it holds. */
    const struct thsi_type_info *by_id[THSI_TYPES_MAX + 1];
    const struct thsi_type_info *buckets[BUCKETS]; /* by name, newest entry first */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- Fingerprint ------------------------------------------------------------------------ */

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * FNV_PRIME;
}

/* The NUL is hashed too, so that "ab","c" and "a","bc" differ. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = hash_byte(hash, (uint8_t)*text);
    while (*text++ != '\0');
    return hash;
}

uint64_t thsi_type_fingerprint(const struct ths_type *type)
{
    uint64_t hash = hash_text(FNV_START, type->name);

    for (unsigned shift = 0; shift < 32; shift += 8)
        hash = hash_byte(hash, (uint8_t)(type->version >> shift));
    for (uint32_t i = 0; i < type->fields_count; i++) {
        hash = hash_text(hash, type->fields[i].name);
        hash = hash_byte(hash, (uint8_t)type->fields[i].kind);
        hash = hash_byte(hash, (uint8_t)type->fields[i].element);
    }
    return hash;
}

/* ---- Interning -------------------------------------------------------------------------- */

/* By kind: the size of the C type, and the most bytes of its msgpack form (a string's own bytes not counted). */
static const struct {
    uint8_t size;
    uint8_t packed;
} element_facts[] = {
    [THS_KIND_BOOLEAN] = { sizeof(bool), 1 },  [THS_KIND_U8] = { 1, 2 },
    [THS_KIND_U16] = { 2, 3 },                 [THS_KIND_U32] = { 4, 5 },
    [THS_KIND_U64] = { 8, 9 },                 [THS_KIND_I8] = { 1, 2 },
    [THS_KIND_I16] = { 2, 3 },                 [THS_KIND_I32] = { 4, 5 },
    [THS_KIND_I64] = { 8, 9 },                 [THS_KIND_F32] = { sizeof(float), 5 },
    [THS_KIND_F64] = { sizeof(double), 9 },    [THS_KIND_STRING] = { sizeof(const char *), 5 },
    [THS_KIND_BYTES] = { sizeof(struct ths_bytes), 5 }, [THS_KIND_REF] = { sizeof(ths_ref), 20 },
    [THS_KIND_BLOB] = { sizeof(struct ths_blob *), 5 },
};

static bool has_bytes(enum ths_kind element)
{
    return element == THS_KIND_STRING || element == THS_KIND_BYTES || element == THS_KIND_BLOB;
}

static uint32_t or_default(uint32_t max, uint32_t standard)
{
    return max != 0 ? max : standard;
}

static struct thsi_field resolve_field(const struct ths_field *declared)
{
    bool is_list = declared->kind == THS_KIND_LIST;
    bool is_wrapped = is_list || declared->kind == THS_KIND_OPT;
    enum ths_kind element = is_wrapped ? declared->element : declared->kind;
    struct thsi_field field = {
        .name = declared->name,
        .kind = declared->kind,
        .element = element,
        .offset = declared->offset,
        .side_offset = declared->side_offset,
    };

    assert((element > THS_KIND_NONE && element < THS_KIND_LIST) || (element == THS_KIND_BLOB && !is_wrapped));
    field.element_size = element_facts[element].size;
    field.element_packed = element_facts[element].packed;
    if (has_bytes(element))
        field.element_max = or_default(is_list ? declared->element_max : declared->max, THS_BYTES_MAX_DEFAULT);
    field.max = is_list ? or_default(declared->max, THS_LIST_MAX_DEFAULT) : field.element_max;
    return field;
}

/* New types of ours are refused unless they are listed here. Those of THSI_TYPE_HERE have a stricter rule of their own. */
static bool is_reply_only(const char *name)
{
    static const char *const between_nodes[] = {
        "ths.child_order",     /* asked of a supervisor elsewhere */
        "ths.child_restarted", /* told to its subscribers elsewhere */
        "ths.describe", "ths.relay", "ths.relayed", /* of types actors, for the command */
    };

    if (strncmp(name, THSI_TYPE_OURS, sizeof THSI_TYPE_OURS - 1) != 0 ||
        strncmp(name, THSI_TYPE_HERE, sizeof THSI_TYPE_HERE - 1) == 0)
        return false;
    for (size_t i = 0; i < sizeof between_nodes / sizeof between_nodes[0]; i++)
        if (strcmp(name, between_nodes[i]) == 0)
            return false;
    return true;
}

static struct thsi_type_info *make_info(struct ths_type *type, uint64_t fingerprint)
{
    struct thsi_type_info *info = calloc(1, sizeof *info + type->fields_count * sizeof info->fields[0]);

    if (!info)
        return NULL;
    info->type = type;
    info->name = type->name;
    info->version = type->version;
    info->size = type->size;
    info->fingerprint = fingerprint;
    info->fields_count = type->fields_count;
    info->flat = true;
    info->reply_only = is_reply_only(type->name);
    for (uint32_t i = 0; i < type->fields_count; i++) {
        info->fields[i] = resolve_field(&type->fields[i]);
        if (info->fields[i].kind == THS_KIND_LIST || has_bytes(info->fields[i].element))
            info->flat = false;
        if (info->fields[i].kind == THS_KIND_BLOB)
            info->has_blobs = true;
    }
    return info;
}

static const struct thsi_type_info **bucket_of(const char *name)
{
    uint64_t hash = hash_text(FNV_START, name);

    return &table.buckets[(hash ^ hash >> 32) & (BUCKETS - 1)];
}

/* Acquire: receives the fields of the entry, which were written before its address was released. */
static const struct thsi_type_info *first_in(const struct thsi_type_info *const *bucket)
{
    return __atomic_load_n(bucket, __ATOMIC_ACQUIRE);
}

static const struct thsi_type_info *find_exact(const char *name, uint32_t version, uint64_t fingerprint)
{
    for (const struct thsi_type_info *info = first_in(bucket_of(name)); info; info = info->next_in_bucket)
        if (info->fingerprint == fingerprint && info->version == version && strcmp(info->name, name) == 0)
            return info;
    return NULL;
}

/* Under the lock. */
static const struct thsi_type_info *add_locked(struct ths_type *type, uint64_t fingerprint)
{
    const struct thsi_type_info **bucket = bucket_of(type->name);
    struct thsi_type_info *info = table.count < THSI_TYPES_MAX ? make_info(type, fingerprint) : NULL;

    if (!info)
        return NULL;
    info->id = ++table.count;
    info->next_in_bucket = *bucket;
    /* Release: publishes the whole entry to readers that find it by id or by name. */
    __atomic_store_n(&table.by_id[info->id], info, __ATOMIC_RELEASE);
    __atomic_store_n(bucket, info, __ATOMIC_RELEASE);
    return info;
}

const struct thsi_type_info *thsi_type_intern_slow(struct ths_type *type)
{
    const struct thsi_type_info *info;
    uint64_t fingerprint;

    assert(type->name && type->name[0] != '\0');
    assert(type->fields_count <= THS_FIELDS_MAX);
    fingerprint = thsi_type_fingerprint(type);

    pthread_mutex_lock(&table.lock);
    info = find_exact(type->name, type->version, fingerprint);
    if (!info)
        info = add_locked(type, fingerprint);
    pthread_mutex_unlock(&table.lock);

    if (!info)
        return NULL;
    assert(info->size == type->size); /* equal fields in equal order have one layout */
    /* Release: whoever reads the slot without the lock also sees the entry. */
    __atomic_store_n(&type->info, info, __ATOMIC_RELEASE);
    return info;
}

const struct thsi_type_info *thsi_type_by_id(uint32_t id)
{
    /* Acquire: as in first_in. */
    return id <= THSI_TYPES_MAX ? __atomic_load_n(&table.by_id[id], __ATOMIC_ACQUIRE) : NULL;
}

const struct thsi_type_info *thsi_type_by_name(const char *name)
{
    const struct thsi_type_info *newest = NULL;

    /* Later entries come first: with >= the earliest of equal versions wins. */
    for (const struct thsi_type_info *info = first_in(bucket_of(name)); info; info = info->next_in_bucket)
        if (strcmp(info->name, name) == 0 && (!newest || info->version >= newest->version))
            newest = info;
    return newest;
}

enum ths_err thsi_type_find(const char *name, uint32_t version, uint64_t fingerprint,
                            const struct thsi_type_info **out)
{
    *out = NULL;
    if (strncmp(name, THSI_TYPE_HERE, sizeof THSI_TYPE_HERE - 1) == 0)
        return THS_UNKNOWN_TYPE;
    *out = find_exact(name, version, fingerprint);
    if (*out)
        return THS_OK;
    *out = thsi_type_by_name(name);
    return *out ? THS_TYPE_MISMATCH : THS_UNKNOWN_TYPE;
}

/* ---- Measure ---------------------------------------------------------------------------- */

/* Two sums go on in parallel: bytes of the copy, and the most bytes of the packed form. */
struct measure {
    size_t copied;
    size_t packed;
};

static size_t align_8(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static enum ths_err measure_string(struct measure *sum, const char *text, uint32_t max)
{
    size_t len = text ? strnlen(text, (size_t)max + 1) : 0;

    if (len > max)
        return THS_TOO_BIG;
    if (!thsi_utf8_valid(text, len))
        return THS_MALFORMED;
    sum->copied += len + 1;
    sum->packed += len;
    return THS_OK;
}

static enum ths_err measure_bytes(struct measure *sum, const struct ths_bytes *bytes, uint32_t max)
{
    if (bytes->len > max)
        return THS_TOO_BIG;
    if (bytes->len > 0 && !bytes->data)
        return THS_INVALID;
    sum->copied += bytes->len;
    sum->packed += bytes->len;
    return THS_OK;
}

/* Its bytes are not copied, but travel to another node. */
static enum ths_err measure_blob(struct measure *sum, const struct ths_blob *blob, uint32_t max)
{
    uint32_t len = ths_blob_len(blob);

    if (len > max)
        return THS_TOO_BIG;
    sum->packed += len;
    return THS_OK;
}

/* What the element at @at adds beyond its own C type. */
static enum ths_err measure_element(struct measure *sum, const struct thsi_field *field, const void *at)
{
    if (field->element == THS_KIND_STRING)
        return measure_string(sum, *(const char *const *)at, field->element_max);
    if (field->element == THS_KIND_BYTES)
        return measure_bytes(sum, at, field->element_max);
    if (field->element == THS_KIND_BLOB)
        return measure_blob(sum, *(struct ths_blob *const *)at, field->element_max);
    return THS_OK;
}

static enum ths_err measure_list(struct measure *sum, const struct thsi_field *field, const void *msg)
{
    const uint8_t *items = thsi_field_items(field, msg);
    uint32_t count = thsi_field_count(field, msg);
    enum ths_err err = THS_OK;

    if (count > field->max)
        return THS_TOO_BIG;
    if (count > 0 && !items)
        return THS_INVALID;
    sum->copied = align_8(sum->copied) + (size_t)count * field->element_size;
    sum->packed += 5 + (size_t)count * field->element_packed;
    if (!has_bytes(field->element))
        return THS_OK;
    for (uint32_t i = 0; i < count && err == THS_OK; i++) {
        err = measure_element(sum, field, items + (size_t)i * field->element_size);
        if (sum->packed > THS_MESSAGE_MAX)
            return THS_TOO_BIG;
    }
    return err;
}

static enum ths_err measure_field(struct measure *sum, const struct thsi_field *field, const void *msg)
{
    if (field->kind == THS_KIND_LIST)
        return measure_list(sum, field, msg);
    sum->packed += field->element_packed;
    if (field->kind == THS_KIND_OPT && !thsi_field_present(field, msg))
        return THS_OK;
    return measure_element(sum, field, thsi_field_at(field, msg));
}

static enum ths_err measure(struct measure *sum, const struct thsi_type_info *info, const void *msg)
{
    *sum = (struct measure){ .copied = info->size, .packed = 3 };
    for (uint32_t i = 0; i < info->fields_count; i++) {
        enum ths_err err = measure_field(sum, &info->fields[i], msg);

        if (err != THS_OK)
            return err;
    }
    return sum->packed > THS_MESSAGE_MAX ? THS_TOO_BIG : THS_OK;
}

enum ths_err thsi_message_measure_deep(const struct thsi_type_info *info, const void *msg, size_t *size)
{
    struct measure sum;
    enum ths_err err = measure(&sum, info, msg);

    *size = err == THS_OK ? align_8(sum.copied) : 0;
    return err;
}

enum ths_err thsi_message_weigh(const struct thsi_type_info *info, const void *msg, size_t *packed)
{
    struct measure sum;
    enum ths_err err = measure(&sum, info, msg);

    *packed = err == THS_OK ? sum.packed : 0;
    return err;
}

/* ---- Copy: the same walk as measure, in the same order ---------------------------------- */

static uint8_t *copy_string(uint8_t *free_at, const char **text)
{
    size_t len = *text ? strlen(*text) : 0;

    if (len > 0)
        memcpy(free_at, *text, len);
    free_at[len] = '\0';
    *text = (const char *)free_at;
    return free_at + len + 1;
}

static uint8_t *copy_bytes(uint8_t *free_at, struct ths_bytes *bytes)
{
    if (bytes->len > 0)
        memcpy(free_at, bytes->data, bytes->len);
    bytes->data = free_at;
    return free_at + bytes->len;
}

/* The element at @at was copied flat; give it its own bytes. Returns where free room begins now. */
static uint8_t *copy_element(uint8_t *free_at, const struct thsi_field *field, void *at)
{
    if (field->element == THS_KIND_STRING)
        return copy_string(free_at, at);
    if (field->element == THS_KIND_BYTES)
        return copy_bytes(free_at, at);
    if (field->element == THS_KIND_BLOB)
        (void)ths_blob_ref(*(struct ths_blob **)at);
    return free_at;
}

static uint8_t *copy_list(uint8_t *free_at, const struct thsi_field *field, void *block)
{
    uint8_t *copied = free_at;
    uint32_t count = thsi_field_count(field, block);
    size_t len = (size_t)count * field->element_size;
    const uint8_t *items = count > 0 ? copied : NULL;

    if (len > 0)
        memcpy(copied, thsi_field_items(field, block), len);
    memcpy((uint8_t *)block + field->offset, &items, sizeof items);
    free_at += len;
    if (has_bytes(field->element))
        for (uint32_t i = 0; i < count; i++)
            free_at = copy_element(free_at, field, copied + (size_t)i * field->element_size);
    return free_at;
}

void thsi_message_copy_deep(const struct thsi_type_info *info, void *block, const void *msg)
{
    uint8_t *base = block;
    uint8_t *free_at = base + info->size;

    assert(((uintptr_t)block & 7) == 0);
    memcpy(block, msg, info->size);
    for (uint32_t i = 0; i < info->fields_count; i++) {
        const struct thsi_field *field = &info->fields[i];
        void *at = base + field->offset;

        if (field->kind == THS_KIND_LIST)
            free_at = copy_list(base + align_8((size_t)(free_at - base)), field, block);
        else if (field->kind == THS_KIND_OPT && !thsi_field_present(field, block))
            memset(at, 0, field->element_size); /* no pointer of the sender's memory travels on */
        else
            free_at = copy_element(free_at, field, at);
    }
}
