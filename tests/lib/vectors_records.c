/* The part inside of frames: types, bodies, refs, records. */

#include "tests/lib/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "codec/envelope.h"
#include "thiasos/lifecycle.h"
#include "thiasos/reason.h"

enum { GREET_NUMBER = 5 }; /* what the records call vectors.greet */

/* ---- Types -------------------------------------------------------------------------------- */

static json_t *type_of(const struct ths_type *type)
{
    json_t *fields = json_array();
    uint64_t fingerprint = thsi_type_fingerprint(type);
    char text[17];

    for (uint32_t i = 0; i < type->fields_count; i++)
        (void)json_array_append_new(fields, json_pack("{s:s,s:i,s:i}", "name", type->fields[i].name, "kind",
                                                      (int)type->fields[i].kind, "element", (int)type->fields[i].element));
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)fingerprint);
    return json_pack("{s:s,s:i,s:o,s:s}", "name", type->name, "version", (int)type->version, "fields", fields, "fingerprint", text);
}

json_t *vectors_types(void)
{
    return json_pack("[o,o,o,o,o]", type_of(&vectors_greet_type), type_of(&vectors_all_type), type_of(&ths_found_type),
                     type_of(&ths_spawned_type), type_of(&ths_stopped_type));
}

/* ---- Bodies ------------------------------------------------------------------------------- */

static json_t *body_of(struct ths_type *type, const void *msg)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    struct thsi_packer packer;
    uint8_t bytes[1024];

    thsi_packer_init(&packer, bytes, sizeof bytes);
    if (!info || thsi_message_check(info, msg) != THS_OK || thsi_schema_pack(info, msg, &packer) != THS_OK)
        abort();
    return json_pack("{s:s,s:o,s:o}", "type", type->name, "value", vectors_value(bytes, packer.len), "bytes",
                     vectors_hex(bytes, packer.len));
}

json_t *vectors_bodies(void)
{
    static const uint32_t numbers[] = { 0, 127, 128, UINT32_MAX };
    static const char *const words[] = { "", "w\xc3\xb6rter" };
    const struct vectors_greet greet = { .name = "world", .times = 2 };
    const struct vectors_all none = { 0 };
    const struct vectors_all low = { .e = INT8_MIN, .f = INT16_MIN, .g = INT32_MIN, .h = INT64_MIN, .i = -0.5f, .j = -1e300,
                                     .maybe = { .value = -32, .present = true } };
    const struct vectors_all high = {
        .yes = true, .a = UINT8_MAX, .b = UINT16_MAX, .c = UINT32_MAX, .d = UINT64_MAX, .e = INT8_MAX, .f = INT16_MAX,
        .g = INT32_MAX, .h = INT64_MAX, .i = 1.5f, .j = 1e300, .text = "thirty-two bytes of text, so str 8",
        .data = { (const uint8_t *)"\x00\xff", 2 }, .who = { UINT64_MAX, UINT32_MAX, 1 }, .numbers = { numbers, 4 },
        .words = { words, 2 }, .maybe = { .value = 70000, .present = true }, .absent = { .value = { 1, 2, 3 }, .present = true },
    };

    return json_pack("[o,o,o,o]", body_of(&vectors_greet_type, &greet), body_of(&vectors_all_type, &none),
                     body_of(&vectors_all_type, &low), body_of(&vectors_all_type, &high));
}

/* ---- What a reader takes though no writer of this version says it so ------------------------- */

static json_t *read_as(const char *why, const void *bytes, size_t len, const void *same, size_t same_len)
{
    return json_pack("{s:s,s:o,s:o}", "why", why, "bytes", vectors_hex(bytes, len), "reads_as", vectors_hex(same, same_len));
}

#define READ_AS(why, bytes, same) read_as(why, bytes, sizeof(bytes) - 1, same, sizeof(same) - 1)

/* All of vectors.greet. */
json_t *vectors_bodies_read(void)
{
    return json_pack("[o,o,o,o,o]",
                     READ_AS("a newer sender's field is skipped", "\x93\xa5world\x02\x81\xa1k\xc4\x01\x00", "\x92\xa5world\x02"),
                     READ_AS("an older sender's missing field is 0", "\x91\xa5world", "\x92\xa5world\x00"),
                     READ_AS("all fields missing", "\x90", "\x92\xa0\x00"),
                     READ_AS("longer forms", "\xdc\x00\x02\xd9\x05world\xcf\x00\x00\x00\x00\x00\x00\x00\x02", "\x92\xa5world\x02"),
                     READ_AS("a signed form of what is not negative", "\x92\xa5world\xd2\x00\x00\x00\x02", "\x92\xa5world\x02"));
}

json_t *vectors_records_read(void)
{
    return json_pack("[o,o,o,o,o]",
                     READ_AS("a field behind the last is skipped", "\x94\x24\x13\xa0\x93\x01\xc0\x02", "\x92\x24\x13"),
                     READ_AS("16 arrays in each other are skipped",
                             "\x94\x24\x13\xa0\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0",
                             "\x92\x24\x13"),
                     READ_AS("missing fields are zero", "\x93\x07\x01\x01", "\x96\x07\x01\x01\x00\x00\x00"),
                     READ_AS("longer forms", "\xdc\x00\x06\xcc\x07\xcd\x00\x01\x01\x02\x03\xcc\xc8",
                             "\x96\x07\x01\x01\x02\x03\xcc\xc8"),
                     READ_AS("nil for a text", "\x9a\x09\x02\x01\x02\x03\xcc\xc8\x07\x00\x00\xc0",
                             "\x97\x09\x02\x01\x02\x03\xcc\xc8\x07"));
}

static json_t *refused(const char *why, enum ths_err err, const void *bytes, size_t len)
{
    return json_pack("{s:s,s:o,s:s}", "why", why, "bytes", vectors_hex(bytes, len), "err", ths_err_name(err));
}

#define REFUSED(why, err, bytes) (void)json_array_append_new(all, refused(why, THS_##err, bytes, sizeof(bytes) - 1))
#define LONG_TEXT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

json_t *vectors_records_refused(void)
{
    json_t *all = json_array();

    REFUSED("an unknown kind", MALFORMED, "\x91\x7f");
    REFUSED("no kind", MALFORMED, "\x90");
    REFUSED("a map", MALFORMED, "\x81\x24\x13");
    REFUSED("no array", MALFORMED, "\x24");
    REFUSED("fewer elements than announced", MALFORMED, "\x93\x24\x13");
    REFUSED("a number cut short", MALFORMED, "\x92\x24\xcd\x01");
    REFUSED("a negative number", MALFORMED, "\x92\x24\xff");
    REFUSED("a float", MALFORMED, "\x92\x24\xca\x3f\x80\x00\x00");
    REFUSED("a slot beyond 32 bits", MALFORMED, "\x96\x07\x01\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x02\x03\x04");
    REFUSED("a control record without a number", MALFORMED, "\x96\x07\x00\x01\x02\x03\x04");
    REFUSED("a text that is not UTF-8", MALFORMED, "\x98\x0b\x01\x02\x00\x00\x07\xc0\xa1\xff");
    REFUSED("a text with a zero byte", MALFORMED, "\x98\x0b\x01\x02\x00\x00\x07\xc0\xa2" "a\x00");
    REFUSED("a surrogate", MALFORMED, "\x98\x0b\x01\x02\x00\x00\x07\xc0\xa3\xed\xa0\x80");
    REFUSED("bytes for a text", MALFORMED, "\x98\x0b\x01\x02\x00\x00\x07\xc0\xc4\x01" "a");
    REFUSED("a text of 128 bytes", TOO_BIG, "\x98\x0b\x01\x02\x00\x00\x07\xc0\xd9\x80" LONG_TEXT LONG_TEXT);
    REFUSED("a type without a body", MALFORMED, "\x96\x01\x01\x02\x03\x04\x05");
    REFUSED("a slot without a generation among receivers", MALFORMED, "\x95\x22\x01\x02\x91\x03\x00");
    REFUSED("17 arrays in each other, to be skipped", MALFORMED,
            "\x93\x24\x13\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0");
    return all;
}

/* ---- Refs --------------------------------------------------------------------------------- */

static json_t *ref_of(ths_ref ref)
{
    char text[THS_REF_TEXT_SIZE];
    struct thsi_packer packer;
    uint8_t bytes[32];

    thsi_packer_init(&packer, bytes, sizeof bytes);
    thsi_pack_ref(&packer, ref);
    return json_pack("{s:s,s:o,s:o}", "text", ths_ref_print(ref, text), "value", vectors_value(bytes, packer.len), "bytes",
                     vectors_hex(bytes, packer.len));
}

json_t *vectors_refs(void)
{
    return json_pack("[o,o,o]", ref_of((ths_ref){ 0x0123456789abcdef, 7, 1 }),
                     ref_of((ths_ref){ UINT64_MAX, UINT32_MAX, UINT32_MAX }), ref_of(THS_NOBODY));
}

/* ---- Records ------------------------------------------------------------------------------ */

static void add(json_t *all, const char *name, struct thsi_envelope envelope, const void *body)
{
    struct thsi_packer packer;
    uint8_t bytes[1024];

    if (body) {
        envelope.type_number = GREET_NUMBER;
        envelope.type = thsi_type_intern(&vectors_greet_type);
        envelope.body = body;
    }
    thsi_packer_init(&packer, bytes, sizeof bytes);
    if (thsi_envelope_pack(&envelope, &packer) != THS_OK || packer.overflow)
        abort();
    (void)json_array_append_new(all, json_pack("{s:s,s:o,s:o}", "name", name, "value", vectors_value(bytes, packer.len), "bytes",
                                               vectors_hex(bytes, packer.len)));
}

#define ADD(name, body, ...) add(all, name, (struct thsi_envelope){ __VA_ARGS__ }, body)
#define PAIR .from = { 1, 2 }, .to = { 3, 200 }

static void add_signals(json_t *all, const struct vectors_greet *greet)
{
    static const struct thsi_actor_id receivers[] = { { 3, 200 }, { 4, 1 } };
    static const struct thsi_spawn_wish every_wish = { .flags = THSI_SPAWN_FLAGS, .when_full = THS_LATEST_BY_KEY, .idle_ms = 500,
                                                       .mailbox_bytes = 65536, .memory_max = 1 << 20, .key = "name",
                                                       .urgent_count = 1, .urgent = { GREET_NUMBER } };
    static const struct thsi_spawn_wish one_wish = { .flags = THSI_SPAWN_HELD };

    ADD("TELL", greet, .kind = THSI_RECORD_TELL, PAIR);
    ADD("TELL of nobody", greet, .kind = THSI_RECORD_TELL, .to = { 3, 200 });
    ADD("ASK", greet, .kind = THSI_RECORD_ASK, PAIR, .id = 7, .remaining_ms = 500);
    ADD("ASK without a deadline", greet, .kind = THSI_RECORD_ASK, PAIR, .id = 7, .remaining_ms = THSI_REMAINING_NONE);
    ADD("ASK that was passed on", greet, .kind = THSI_RECORD_ASK, PAIR, .id = 7, .remaining_ms = 500,
        .asker_node = 0x1122334455667788);
    ADD("REPLY", greet, .kind = THSI_RECORD_REPLY, PAIR, .id = 7);
    ADD("REPLY with an error", NULL, .kind = THSI_RECORD_REPLY, PAIR, .id = 7, .err = THS_GONE);
    ADD("REPLY with an error and a text", NULL, .kind = THSI_RECORD_REPLY, PAIR, .id = 7, .err = THS_CRASHED, .text = "no disk");
    ADD("LOOKUP", NULL, .kind = THSI_RECORD_LOOKUP, .from = { 1, 2 }, .id = 300, .remaining_ms = 70000, .text = "greeter");
    ADD("SPAWN", greet, .kind = THSI_RECORD_SPAWN, .from = { 1, 2 }, .id = 8, .remaining_ms = 5000, .text = "counter", .name = "c1",
        .mailbox = 100, .child = 4, .incarnation = 3);
    ADD("SPAWN without a name and a start message", NULL, .kind = THSI_RECORD_SPAWN, .from = { 1, 2 }, .id = 8,
        .remaining_ms = THSI_REMAINING_NONE, .text = "counter", .incarnation = 2);
    ADD("SPAWN with every wish", greet, .kind = THSI_RECORD_SPAWN, .from = { 1, 2 }, .id = 8, .remaining_ms = 5000,
        .text = "counter", .incarnation = 2, .wish = &every_wish);
    ADD("SPAWN with a wish and without a start message", NULL, .kind = THSI_RECORD_SPAWN, .from = { 1, 2 }, .id = 8,
        .remaining_ms = 5000, .text = "counter", .incarnation = 2, .wish = &one_wish);
    ADD("AGAIN, of the first pair", greet, .kind = THSI_RECORD_AGAIN);
    ADD("REFUSED", NULL, .kind = THSI_RECORD_REFUSED, PAIR, .err = THS_FULL, .id = 12345);
    ADD("GROUP_TELL", greet, .kind = THSI_RECORD_GROUP_TELL, .from = { 1, 2 }, .receivers = receivers, .receivers_count = 2);
}

static void add_controls(json_t *all)
{
    ADD("LINK", NULL, .kind = THSI_RECORD_LINK, .number = 1, PAIR);
    ADD("UNLINK", NULL, .kind = THSI_RECORD_UNLINK, .number = 2, PAIR);
    ADD("EXIT", NULL, .kind = THSI_RECORD_EXIT, .number = 3, PAIR, .reason = THS_REASON_CRASHED, .text = "no disk");
    ADD("MONITOR", NULL, .kind = THSI_RECORD_MONITOR, .number = 4, PAIR, .id = 9);
    ADD("DEMONITOR", NULL, .kind = THSI_RECORD_DEMONITOR, .number = 5, PAIR, .id = 9);
    ADD("DOWN", NULL, .kind = THSI_RECORD_DOWN, .number = 6, PAIR, .id = 9, .reason = THS_REASON_QUOTA, .text = "too much");
    ADD("DOWN of an actor that there is not", NULL, .kind = THSI_RECORD_DOWN, .number = 300, PAIR, .id = 9,
        .reason = THS_REASON_NO_ACTOR);
    ADD("KILL", NULL, .kind = THSI_RECORD_KILL, .number = 7, PAIR, .reason = THS_REASON_KILLED);
    ADD("HALTED", NULL, .kind = THSI_RECORD_HALTED, .number = 8, PAIR, .reason = THS_REASON_CRASHED, .text = "why", .child = 4,
        .incarnation = 2);
    ADD("RESTART", NULL, .kind = THSI_RECORD_RESTART, .number = 9, PAIR, .id = 11, .child = 4);
    ADD("HALT", NULL, .kind = THSI_RECORD_HALT, .number = 10, PAIR, .child = 4);
    ADD("FINISH", NULL, .kind = THSI_RECORD_FINISH, .number = 11, PAIR, .child = 4);
    ADD("STOP", NULL, .kind = THSI_RECORD_STOP, .number = 12, PAIR, .id = 12, .text = "please", .child = 1, .remaining_ms = 1500);
    ADD("STOP that gives a hold back", NULL, .kind = THSI_RECORD_STOP, .number = 16, PAIR, .text = "nobody holds it", .child = 2);
    ADD("DRAIN", NULL, .kind = THSI_RECORD_DRAIN, .number = 13, PAIR);
    ADD("CANCEL", NULL, .kind = THSI_RECORD_CANCEL, .number = 14, PAIR, .id = 7);
    ADD("MOVED", NULL, .kind = THSI_RECORD_MOVED, .number = 15, PAIR, .id = 7, .text = "0123456789abcdef.7.1");
    ADD("any, with all fields", NULL, .kind = THSI_RECORD_DOWN, .number = UINT64_MAX, .from = { UINT32_MAX, UINT32_MAX },
        .to = { UINT32_MAX, UINT32_MAX }, .id = UINT64_MAX, .reason = 6, .certainty = 2, .text = "t", .child = 1, .incarnation = 2,
        .fence = 3, .remaining_ms = 4);
}

static void add_nodes_own(json_t *all)
{
    static const uint8_t packet[] = { 0x92, 0x03, 0x02 };

    ADD("TYPE", NULL, .kind = THSI_RECORD_TYPE, .type_number = GREET_NUMBER, .text = "vectors.greet", .version = 1,
        .fingerprint = thsi_type_fingerprint(&vectors_greet_type));
    ADD("TYPE_REFUSED", NULL, .kind = THSI_RECORD_TYPE_REFUSED, .type_number = GREET_NUMBER, .err = THS_UNKNOWN_TYPE);
    ADD("TYPE with its fields", NULL, .kind = THSI_RECORD_TYPE, .type_number = GREET_NUMBER, .text = "vectors.greet", .version = 1,
        .fingerprint = thsi_type_fingerprint(&vectors_greet_type), .type = thsi_type_intern(&vectors_greet_type));
    ADD("TYPE_REFUSED with the fields that it has there", NULL, .kind = THSI_RECORD_TYPE_REFUSED, .type_number = GREET_NUMBER,
        .err = THS_TYPE_MISMATCH, .version = 1, .fingerprint = thsi_type_fingerprint(&vectors_greet_type),
        .type = thsi_type_intern(&vectors_greet_type));
    ADD("GOSSIP", NULL, .kind = THSI_RECORD_GOSSIP, .bytes = packet, .bytes_len = sizeof packet);
    ADD("BYE", NULL, .kind = THSI_RECORD_BYE, .err = THS_CLOSED);
    ADD("BYE with a text", NULL, .kind = THSI_RECORD_BYE, .err = THS_NOT_ALLOWED, .text = "its certificate has expired");
    ADD("KEYS", NULL, .kind = THSI_RECORD_KEYS, .bytes = (const uint8_t *)"first ofand next", .bytes_len = 16);
    ADD("KEY", NULL, .kind = THSI_RECORD_KEY, .bytes = (const uint8_t *)"first of", .bytes_len = 8);
    ADD("CREDIT", NULL, .kind = THSI_RECORD_CREDIT, .from = { 3, 200 }, .id = 512);
    ADD("CREDIT without a limit", NULL, .kind = THSI_RECORD_CREDIT, .from = { 3, 200 }, .id = THSI_CREDIT_NO_LIMIT);
    ADD("FRAGMENT, the first of its record", NULL, .kind = THSI_RECORD_FRAGMENT, .stream = 15, .piece = THSI_FRAGMENT_FIRST,
        .bytes = packet, .bytes_len = sizeof packet);
}

json_t *vectors_records(void)
{
    const struct vectors_greet greet = { .name = "world", .times = 2 };
    json_t *all = json_array();

    add_signals(all, &greet);
    add_controls(all);
    add_nodes_own(all);
    return all;
}
