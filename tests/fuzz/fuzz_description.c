/* Whatever a peer says of its declaration, the table made of it reads whatever the peer sends into the reader's own struct, in the
 * room that was reckoned. The input: a description, then a body. */

#include "codec/schema.h"
#include "codec/schema_resolve.h"

#include <stdlib.h>
#include <string.h>

THS_MESSAGE(parcel, "fuzz.parcel", 1, string(item, .max = 40), list(string, tags, .max = 5, .element_max = 9), u16(count),
            bytes(seal, .max = 7), opt(string, gift), list(u64, ids, .max = 100), ref(to), f64(weight), i32(left))

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_body(const struct thsi_type_info *view, const struct thsi_type_info *ours, struct thsi_unpacker *unpacker)
{
    struct thsi_arena arena = { .cap = thsi_schema_room(view, thsi_unpack_left(unpacker)) };
    size_t size;
    void *msg;
    enum ths_err err;

    arena.base = malloc(arena.cap);
    must(arena.base != NULL);
    err = thsi_schema_unpack(view, unpacker, &arena, &msg);
    must((err == THS_OK) == (msg != NULL));
    if (msg)
        must(thsi_message_measure(ours, msg, &size) == THS_OK);
    free(arena.base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct thsi_description theirs;
    const struct thsi_type_info *ours = thsi_type_intern(&parcel_type);
    struct thsi_resolution resolution;
    struct thsi_unpacker unpacker;
    struct thsi_type_info *view;
    char why[64];

    thsi_unpacker_init(&unpacker, data, len);
    (void)!thsi_description_unpack(&theirs, &unpacker, "fuzz.parcel", 1, 0);
    thsi_unpacker_init(&unpacker, data, len); /* again, with the fingerprint of what was read */
    if (thsi_description_unpack(&theirs, &unpacker, "fuzz.parcel", 1, thsi_type_fingerprint(&theirs.type)) != THS_OK)
        return 0;
    resolution = thsi_schema_resolve(&parcel_type, &theirs.type);
    (void)thsi_resolution_print(&resolution, &parcel_type, "here", &theirs.type, "there", why, sizeof why);
    if (!resolution.compatible)
        return 0;
    view = malloc(thsi_schema_view_size(&parcel_type, &theirs.type));
    must(view != NULL);
    thsi_schema_view_init(view, ours, &theirs.type, &resolution);
    if (resolution.positional) {
        struct thsi_unpacker again = unpacker;
        read_body(ours, ours, &again);
    }
    read_body(view, ours, &unpacker);
    free(view);
    return 0;
}
