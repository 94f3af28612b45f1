/* What a message costs to pack and to unpack. */

#include "parity.h"

#include "codec/schema.h"

THS_MESSAGE(one_field, "parity.one_field", 1, bytes(data))
THS_MESSAGE(four_fields, "parity.four_fields", 1, bytes(a), bytes(b), bytes(c), bytes(d))

static void wire_row(const struct bench_options *options, struct ths_type *type, const void *body, unsigned fields, unsigned bytes)
{
    static uint8_t packed[8192], room[65536] __attribute__((aligned(8)));
    const struct thsi_type_info *info = thsi_type_intern(type);
    uint64_t count = bench_scale(options, 1000000), begun, pack_ns, unpack_ns;
    struct thsi_packer packer;

    if (!info)
        bench_die("no memory for a type");
    begun = bench_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        thsi_packer_init(&packer, packed, sizeof packed);
        if (thsi_schema_pack(info, body, &packer) != THS_OK)
            bench_die("a message does not pack");
    }
    pack_ns = bench_now_ns() - begun;
    begun = bench_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        struct thsi_unpacker unpacker;
        struct thsi_arena arena = { .base = room + 256, .cap = sizeof room - 256 }; /* not a page apart from `packed` */
        void *msg;

        thsi_unpacker_init(&unpacker, packed, packer.len);
        if (thsi_schema_unpack(info, &unpacker, &arena, &msg) != THS_OK)
            bench_die("a message does not unpack");
    }
    unpack_ns = bench_now_ns() - begun;
    parity_row("W22", count, "messages", pack_ns, "packed: %u bytes in %u field%s", bytes, fields, fields == 1 ? "" : "s");
    parity_row("W22", count, "messages", unpack_ns, "unpacked and checked: the same");
}

void parity_wire(const struct bench_options *options)
{
    static const uint8_t data[4096];

    wire_row(options, &one_field_type, &(struct one_field){ { data, 32 } }, 1, 32);
    wire_row(options, &one_field_type, &(struct one_field){ { data, 4096 } }, 1, 4096);
    wire_row(options, &four_fields_type, &(struct four_fields){ { data, 8 }, { data, 8 }, { data, 8 }, { data, 8 } }, 4, 32);
    wire_row(options, &four_fields_type, &(struct four_fields){ { data, 1024 }, { data, 1024 }, { data, 1024 }, { data, 1024 } },
             4, 4096);
}
