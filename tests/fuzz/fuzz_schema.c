/* Whatever bytes arrive, unpacking a message ends in OK or an error and stays in its arena, and what it accepted is a
 * message that checks, prints, copies, and packs to the same bytes as its copy. The first byte is the arena's size. */

#include "codec/schema.h"

#include <stdlib.h>

THS_MESSAGE(everything, "fuzz.everything", 1, boolean(flag), u8(a), u16(b), u32(c), u64(d), i8(e), i16(f), i32(g),
            i64(h), f32(x), f64(y), string(text, .max = 100), bytes(data, .max = 100), ref(who), list(u64, ids),
            list(string, names, .max = 50), list(bytes, blobs, .element_max = 20), list(ref, refs), opt(u32, limit),
            opt(string, nick), opt(bytes, seal), opt(ref, other), blob(load, .max = 100), blob(second))

static void must(bool holds)
{
    if (!holds)
        abort();
}

static size_t pack(const struct thsi_type_info *info, const void *msg, uint8_t *data, size_t cap)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, data, cap);
    must(thsi_schema_pack(info, msg, &packer) == THS_OK);
    return packer.len;
}

/* Of whatever an input of a few KiB stands for: missing fields and forms that are not the shortest make it little longer. */
#define PACKED_MAX (1u << 20)

/* NaNs keep no bits across a conversion of width, so compare the packed forms, not the structs. */
static void must_survive(const struct thsi_type_info *info, const void *msg)
{
    size_t size = thsi_message_size(info, msg);
    void *copy = malloc(size);
    uint8_t *first = malloc(PACKED_MAX);
    uint8_t *second = malloc(PACKED_MAX);
    size_t len;

    must(size >= info->size && copy && first && second);
    thsi_message_copy(info, copy, msg);
    must(thsi_message_shared_size(info, copy) == thsi_message_shared_size(info, msg));
    len = pack(info, msg, first, PACKED_MAX);
    must(pack(info, copy, second, PACKED_MAX) == len);
    must(memcmp(first, second, len) == 0);
    must(thsi_message_print(info, copy, (char *)second, 256) > 0);
    thsi_message_release(info, copy);
    free(copy);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct thsi_type_info *info = thsi_type_intern(&everything_type);
    struct thsi_unpacker unpacker;
    struct thsi_arena arena = { .env = ths_env_os() };
    enum ths_err err;
    void *msg;

    if (len == 0)
        return 0;
    arena.cap = data[0] == 0xff ? thsi_schema_room(info, len - 1) : (size_t)data[0] * 8;
    arena.base = malloc(arena.cap + 1);
    must(arena.base != NULL);
    thsi_unpacker_init(&unpacker, data + 1, len - 1);
    err = thsi_schema_unpack(info, &unpacker, &arena, &msg);
    must((err == THS_OK) == (msg != NULL));
    must(arena.used <= arena.cap);
    if (err == THS_OK && thsi_message_check(info, msg) == THS_OK)
        must_survive(info, msg);
    for (const struct ths_blob *blob = arena.blobs; blob; blob = blob->next_unpacked)
        must(atomic_load(&blob->refs) == 1);
    thsi_arena_release(&arena);
    free(arena.base);
    return 0;
}
