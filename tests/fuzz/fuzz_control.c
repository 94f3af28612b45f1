/* Whatever a process of the user writes to the control socket, reading its frame ends in a message of a listed type or in
 * an error, and what was accepted can be packed into a frame again. The input is a frame without its length. */

#include "cluster/control_frame.h"
#include "cluster/control_messages.h"

#include <stdlib.h>

static struct ths_type *const types[] = {
    &control_info_type, &control_members_type, &control_groups_type, &control_actors_type,
    &control_find_type, &control_describe_type, &control_send_type,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t frame[4 + THSI_CONTROL_FRAME_MAX];
    const struct thsi_type_info *info;
    struct thsi_unpacker unpacker;
    struct thsi_arena arena = { 0 };
    size_t frame_len;
    void *msg;
    enum ths_err err;

    thsi_unpacker_init(&unpacker, data, len);
    err = thsi_control_unpack_head(&unpacker, types, sizeof types / sizeof types[0], &info);
    must((err == THS_OK) == (info != NULL));
    if (err != THS_OK)
        return 0;
    arena.cap = thsi_schema_room(info, len);
    arena.base = malloc(arena.cap);
    must(arena.base != NULL);
    err = thsi_schema_unpack(info, &unpacker, &arena, &msg);
    must((err == THS_OK) == (msg != NULL));
    if (err == THS_OK)
        must(thsi_control_pack(info->type, msg, frame, sizeof frame, &frame_len) == THS_OK);
    free(arena.base);
    return 0;
}
