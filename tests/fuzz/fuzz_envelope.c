/* Whatever payload a peer seals, reading its records ends in OK or an error and stays in the arena, and a record that
 * was taken can be packed again, to bytes that are read and packed to the same. The first byte is the arena's size. */

#include "codec/envelope.h"

#include <stdlib.h>

THS_MESSAGE(carried, "fuzz.envelope.carried", 1, u32(a), string(text, .max = 20), opt(bytes, seal), list(ref, refs))

struct taken {
    struct thsi_envelope envelope;
    struct thsi_actor_id receivers[THSI_GROUP_TELL_MAX];
    uint64_t room[4096];
    struct thsi_arena arena;
};

#define RECORD_MAX (4 * THSI_GOSSIP_MAX)

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool is_about_a_type(enum thsi_record_kind kind)
{
    return kind == THSI_RECORD_TYPE || kind == THSI_RECORD_TYPE_REFUSED;
}

/* Odd type numbers stand for a type we know. Fills in what packing needs. */
static enum ths_err take_record(struct taken *taken, struct thsi_unpacker *unpacker)
{
    struct thsi_envelope *envelope = &taken->envelope;
    enum ths_err err = thsi_envelope_unpack(envelope, unpacker, &taken->arena);
    void *body;

    must(taken->arena.used <= taken->arena.cap);
    if (err != THS_OK)
        return err;
    envelope->receivers = taken->receivers;
    for (uint32_t i = 0, count = envelope->receivers_count; i < count; i++)
        must(thsi_envelope_next_receiver(envelope, &taken->receivers[i]));
    must(!thsi_envelope_next_receiver(envelope, &(struct thsi_actor_id){ 0 }));
    if (envelope->type_number == 0 || is_about_a_type(envelope->kind))
        return THS_OK;
    if (envelope->type_number % 2 == 1)
        envelope->type = thsi_type_intern(&carried_type);
    err = thsi_envelope_unpack_body(envelope, unpacker, envelope->type, &taken->arena, &body);
    must(taken->arena.used <= taken->arena.cap);
    must(err == THS_OK || body == NULL);
    envelope->body = body;
    if (body == NULL || thsi_message_check(envelope->type, body) != THS_OK)
        envelope->type_number = 0;
    return err;
}

static size_t pack(const struct thsi_envelope *envelope, uint8_t *out)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, out, RECORD_MAX);
    must(thsi_envelope_pack(envelope, &packer) == THS_OK);
    must(thsi_packer_finish(&packer) == THS_OK);
    return packer.len;
}

/* Taking counted the receivers down. */
static void must_survive(struct taken *taken, uint32_t receivers_count)
{
    uint8_t *first = malloc(RECORD_MAX);
    uint8_t *second = malloc(RECORD_MAX);
    struct taken *again = calloc(1, sizeof *again);
    struct thsi_unpacker unpacker;
    size_t len;

    must(first && second && again);
    again->arena = (struct thsi_arena){ .base = (uint8_t *)again->room, .cap = sizeof again->room };
    taken->envelope.receivers_count = receivers_count;
    len = pack(&taken->envelope, first);
    thsi_unpacker_init(&unpacker, first, len);
    must(take_record(again, &unpacker) == THS_OK);
    must(thsi_unpack_finish(&unpacker) == THS_OK);
    again->envelope.receivers_count = receivers_count;
    must(pack(&again->envelope, second) == len);
    must(memcmp(first, second, len) == 0);
    free(first);
    free(second);
    free(again);
}

static uint32_t count_receivers(struct thsi_unpacker unpacker)
{
    static uint64_t room[64];
    struct thsi_arena arena = { .base = (uint8_t *)room, .cap = sizeof room };
    struct thsi_envelope envelope;

    return thsi_envelope_unpack(&envelope, &unpacker, &arena) == THS_OK ? envelope.receivers_count : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct taken taken;
    struct thsi_unpacker unpacker;
    enum ths_err err = THS_OK;

    if (len == 0)
        return 0;
    thsi_unpacker_init(&unpacker, data + 1, len - 1);
    while (err == THS_OK && thsi_unpack_left(&unpacker) > 0) {
        uint32_t receivers_count = count_receivers(unpacker);
        size_t left = thsi_unpack_left(&unpacker);

        taken.arena = (struct thsi_arena){ .base = (uint8_t *)taken.room, .cap = (size_t)data[0] * 8 };
        err = take_record(&taken, &unpacker);
        must(thsi_unpack_left(&unpacker) < left);
        if (err == THS_OK)
            must_survive(&taken, receivers_count);
    }
    return 0;
}
