/* Messages: a C struct declared once.
 *
 *     THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
 *
 * makes `struct greet`, its field table and `greet_type`, from which the library copies, checks, packs, unpacks,
 * prints and fingerprints it. The three heads are the C name, the name on the wire and the version. A message may be
 * declared again in any number of files: the same declaration is the same type. All that it makes is static.
 *
 * Fields, and what they are in the struct:
 *
 *   boolean(x) u8(x) u16(x) u32(x) u64(x) i8(x) i16(x) i32(x) i64(x) f32(x) f64(x)    the C type of that width
 *   string(x)    const char *x                                   NUL-terminated UTF-8; NULL is sent as ""
 *   bytes(x)     struct ths_bytes x                              { data, len }
 *   blob(x)      struct ths_blob *x                              bytes that are shared, see blob.h
 *   ref(x)       ths_ref x
 *   list(T, x)   struct { const T *items; uint32_t count; } x    of any of the above but blob: list(u64, ids)
 *   opt(T, x)    struct { T value; bool present; } x             of the same: opt(string, nick)
 *
 * Bounds: string(x, .max = 100), bytes and blob in bytes, list(u64, x, .max = 100) in items and
 * list(string, x, .element_max = 100) in bytes of each. A message has at most THS_FIELDS_MAX fields and
 * THS_MESSAGE_MAX bytes when packed.
 *
 * Programs with different declarations of one name understand each other as far as the fields fit, by name: new fields are added
 * at the end (an older receiver skips them, and what an older sender does not know arrives as zero, empty or absent), opts and
 * lists may go, fields may move and become wider. All else is TYPE_MISMATCH: `thiasos schema diff` tells beforehand. What means
 * something else gets another name. */

#ifndef THIASOS_MESSAGE_H
#define THIASOS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thiasos/macros.h"
#include "thiasos/ref.h"

#ifdef __cplusplus
extern "C" {
#endif

#define THS_FIELDS_MAX 32
#define THS_MESSAGE_MAX (256u << 20)              /* 256 MiB; large ones are cheapest as blobs (blob.h) */
#define THS_BYTES_MAX_DEFAULT 65536u              /* of a string, bytes or blob field without .max */
#define THS_LIST_MAX_DEFAULT 4096u                /* of a list without .max */

struct ths_bytes {
    const uint8_t *data;
    uint32_t len;
};

struct ths_blob;

/* What a field is. The numbers enter the fingerprint, so they never change. */
enum ths_kind {
    THS_KIND_NONE = 0,
    THS_KIND_BOOLEAN = 1,
    THS_KIND_U8 = 2,
    THS_KIND_U16 = 3,
    THS_KIND_U32 = 4,
    THS_KIND_U64 = 5,
    THS_KIND_I8 = 6,
    THS_KIND_I16 = 7,
    THS_KIND_I32 = 8,
    THS_KIND_I64 = 9,
    THS_KIND_F32 = 10,
    THS_KIND_F64 = 11,
    THS_KIND_STRING = 12,
    THS_KIND_BYTES = 13,
    THS_KIND_REF = 14,
    THS_KIND_LIST = 15,
    THS_KIND_OPT = 16,
    THS_KIND_BLOB = 17
};

/* One field of a message, as declared. */
struct ths_field {
    const char *name;
    enum ths_kind kind;
    enum ths_kind element; /* of LIST and OPT; otherwise NONE */
    uint32_t offset;       /* in the struct */
    uint32_t side_offset;  /* of a LIST's count and an OPT's present; otherwise 0 */
    uint32_t max;          /* bytes of a string, items of a list; 0: the default */
    uint32_t element_max;  /* bytes of each string in a list; 0: the default */
};

struct thsi_type_info;

/* One declaration of a message type, in one file. Made by THS_MESSAGE; lives as long as the program. */
struct ths_type {
    const char *name; /* on the wire */
    uint32_t version;
    uint32_t size;    /* of the struct */
    const struct ths_field *fields;
    uint32_t fields_count;
    const struct thsi_type_info *info; /* the library's entry for all equal declarations; NULL until first used */
};

/* A message with its type, where one is passed on as a value. A NULL type is no message. Borrows both. */
struct ths_message {
    struct ths_type *type;
    const void *body;
};

#ifdef __cplusplus
}
#else

/* ---- Declaring -------------------------------------------------------------------------- */

#define THS_MESSAGE(...) THSP_PASTE(THSP_MESSAGE_, THSP_OVER_3(__VA_ARGS__))(__VA_ARGS__)

#define THSP_MESSAGE_0(message, wire_name, wire_version)                                            \
    struct message { char thsp_none; };                                                             \
    static struct ths_type message##_type __attribute__((unused)) = {                               \
        wire_name, wire_version, sizeof(struct message), NULL, 0, NULL                              \
    };

#define THSP_MESSAGE_1(message, wire_name, wire_version, ...)                                       \
    struct message { THSP_FOR_EACH_WITH(THSP_DECLARE, message, __VA_ARGS__) };                      \
    static const struct ths_field message##_thsp_fields[] __attribute__((unused)) = {               \
        THSP_FOR_EACH_WITH(THSP_DESCRIBE, message, __VA_ARGS__)                                     \
    };                                                                                              \
    _Static_assert(THSP_COUNT(__VA_ARGS__) <= THS_FIELDS_MAX, "a message has at most 32 fields");   \
    static struct ths_type message##_type __attribute__((unused)) = {                               \
        wire_name, wire_version, sizeof(struct message), message##_thsp_fields,                     \
        sizeof message##_thsp_fields / sizeof message##_thsp_fields[0], NULL                        \
    };

/* ---- Literals --------------------------------------------------------------------------- */

/* THS_MSG(greet, .name = "x"): a message as a value, for start messages and the like. Valid in its block. */
#define THS_MSG(...)                                                                                \
    ((struct ths_message){ &THSP_PASTE(THSP_HEAD(__VA_ARGS__), _type), THSP_LITERAL_V(__VA_ARGS__) })

/* For the initialiser of a field, in a block: .ids = THS_ITEMS(uint64_t, 1, 2, 3), .data = THS_BYTES(pointer, len),
 * .nick = THS_SOME("x"). An opt that is not mentioned is absent. */
#define THS_ITEMS(type, ...)                                                                        \
    { (type const[]){ __VA_ARGS__ }, sizeof((type const[]){ __VA_ARGS__ }) / sizeof(type) }
#define THS_BYTES(pointer, length) { (const uint8_t *)(pointer), (uint32_t)(length) }
#define THS_SOME(...) { __VA_ARGS__, true }

/* THSP_LITERAL_V(greet, .name = "x") or THSP_LITERAL_V(tick): the address of a struct literal.
 * THSP_LITERAL_TAIL_V(greet, skipped, .name = "x"): the same, without its second argument. */
#define THSP_LITERAL_V(...) THSP_PASTE(THSP_LITERAL_, THSP_OVER_1(__VA_ARGS__))(__VA_ARGS__)
#define THSP_LITERAL(message, ...) THSP_LITERAL_V(message, __VA_ARGS__)
#define THSP_LITERAL_0(message) (&(struct message){ 0 })
#define THSP_LITERAL_1(message, ...) (&(struct message){ __VA_ARGS__ })
#define THSP_LITERAL_TAIL_V(...) THSP_PASTE(THSP_LITERAL_TAIL_, THSP_OVER_2(__VA_ARGS__))(__VA_ARGS__)
#define THSP_LITERAL_TAIL_0(message, skipped) (&(struct message){ 0 })
#define THSP_LITERAL_TAIL_1(message, skipped, ...) (&(struct message){ __VA_ARGS__ })

/* ---- One field -------------------------------------------------------------------------- */

/* string(name, .max = 100) is pasted into THSP_FIELD_string(name, .max = 100), which gives its form, kind, C type, name
 * and options. A word that is no field word leaves THSP_FIELD_<word> in the compiler's message. */
#define THSP_DECLARE(message, field) THSP_DECLARE_(THSP_FIELD_##field)
#define THSP_DECLARE_(...) THSP_PASTE(THSP_DECLARE_FORM_, THSP_OVER_1(__VA_ARGS__))(__VA_ARGS__)
#define THSP_DECLARE_FORM_0(unknown) unknown;
#define THSP_DECLARE_FORM_1(form, kind, type, ...) form##_DECLARE(type, THSP_HEAD(__VA_ARGS__))

#define THSP_DESCRIBE(message, field) THSP_DESCRIBE_(message, THSP_FIELD_##field)
#define THSP_DESCRIBE_(...) THSP_PASTE(THSP_DESCRIBE_FORM_, THSP_OVER_2(__VA_ARGS__))(__VA_ARGS__)
#define THSP_DESCRIBE_FORM_0(message, unknown) { 0 },
#define THSP_DESCRIBE_FORM_1(message, form, kind, type, ...)                                        \
    { form##_DESCRIBE(struct message, kind, THSP_HEAD(__VA_ARGS__)) THSP_OPTIONS(__VA_ARGS__) },
#define THSP_OPTIONS(...) THSP_PASTE(THSP_OPTIONS_, THSP_OVER_1(__VA_ARGS__))(__VA_ARGS__)
#define THSP_OPTIONS_0(name)
#define THSP_OPTIONS_1(name, ...) , __VA_ARGS__
#define THSP_TEXT(name) THSP_TEXT_(name)
#define THSP_TEXT_(name) #name

#define THSP_PLAIN_DECLARE(type, field) type field;
#define THSP_PLAIN_DESCRIBE(message, field_kind, field)                                             \
    .name = THSP_TEXT(field), .kind = field_kind, .offset = offsetof(message, field)

#define THSP_LISTED_DECLARE(type, field) struct { type const *items; uint32_t count; } field;
#define THSP_LISTED_DESCRIBE(message, field_kind, field)                                            \
    .name = THSP_TEXT(field), .kind = THS_KIND_LIST, .element = field_kind,                         \
    .offset = offsetof(message, field), .side_offset = offsetof(message, field.count)

#define THSP_OPTIONAL_DECLARE(type, field) struct { type value; bool present; } field;
#define THSP_OPTIONAL_DESCRIBE(message, field_kind, field)                                          \
    .name = THSP_TEXT(field), .kind = THS_KIND_OPT, .element = field_kind,                          \
    .offset = offsetof(message, field), .side_offset = offsetof(message, field.present)

#define THSP_FIELD_list(T, ...) THSP_LISTED, THSP_KIND_##T, THSP_CTYPE_##T, __VA_ARGS__
#define THSP_FIELD_opt(T, ...) THSP_OPTIONAL, THSP_KIND_##T, THSP_CTYPE_##T, __VA_ARGS__
#define THSP_FIELD_boolean(name) THSP_PLAIN, THS_KIND_BOOLEAN, bool, name
#define THSP_FIELD_u8(name) THSP_PLAIN, THS_KIND_U8, uint8_t, name
#define THSP_FIELD_u16(name) THSP_PLAIN, THS_KIND_U16, uint16_t, name
#define THSP_FIELD_u32(name) THSP_PLAIN, THS_KIND_U32, uint32_t, name
#define THSP_FIELD_u64(name) THSP_PLAIN, THS_KIND_U64, uint64_t, name
#define THSP_FIELD_i8(name) THSP_PLAIN, THS_KIND_I8, int8_t, name
#define THSP_FIELD_i16(name) THSP_PLAIN, THS_KIND_I16, int16_t, name
#define THSP_FIELD_i32(name) THSP_PLAIN, THS_KIND_I32, int32_t, name
#define THSP_FIELD_i64(name) THSP_PLAIN, THS_KIND_I64, int64_t, name
#define THSP_FIELD_f32(name) THSP_PLAIN, THS_KIND_F32, float, name
#define THSP_FIELD_f64(name) THSP_PLAIN, THS_KIND_F64, double, name
#define THSP_FIELD_ref(name) THSP_PLAIN, THS_KIND_REF, ths_ref, name
#define THSP_FIELD_string(...) THSP_PLAIN, THS_KIND_STRING, const char *, __VA_ARGS__
#define THSP_FIELD_bytes(...) THSP_PLAIN, THS_KIND_BYTES, struct ths_bytes, __VA_ARGS__
#define THSP_FIELD_blob(...) THSP_PLAIN, THS_KIND_BLOB, struct ths_blob *, __VA_ARGS__

#define THSP_KIND_boolean THS_KIND_BOOLEAN
#define THSP_KIND_u8 THS_KIND_U8
#define THSP_KIND_u16 THS_KIND_U16
#define THSP_KIND_u32 THS_KIND_U32
#define THSP_KIND_u64 THS_KIND_U64
#define THSP_KIND_i8 THS_KIND_I8
#define THSP_KIND_i16 THS_KIND_I16
#define THSP_KIND_i32 THS_KIND_I32
#define THSP_KIND_i64 THS_KIND_I64
#define THSP_KIND_f32 THS_KIND_F32
#define THSP_KIND_f64 THS_KIND_F64
#define THSP_KIND_ref THS_KIND_REF
#define THSP_KIND_string THS_KIND_STRING
#define THSP_KIND_bytes THS_KIND_BYTES

#define THSP_CTYPE_boolean bool
#define THSP_CTYPE_u8 uint8_t
#define THSP_CTYPE_u16 uint16_t
#define THSP_CTYPE_u32 uint32_t
#define THSP_CTYPE_u64 uint64_t
#define THSP_CTYPE_i8 int8_t
#define THSP_CTYPE_i16 int16_t
#define THSP_CTYPE_i32 int32_t
#define THSP_CTYPE_i64 int64_t
#define THSP_CTYPE_f32 float
#define THSP_CTYPE_f64 double
#define THSP_CTYPE_ref ths_ref
#define THSP_CTYPE_string const char *
#define THSP_CTYPE_bytes struct ths_bytes

#endif /* __cplusplus */

#endif /* THIASOS_MESSAGE_H */
