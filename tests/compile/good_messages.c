/* Every kind of field, every form of literal, no warning. */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
THS_MESSAGE(tick, "demo.tick", 1)
THS_MESSAGE(every, "demo.every", 1, boolean(a), u8(b), u16(c), u32(d), u64(e), i8(f), i16(g), i32(h), i64(i), f32(j),
            f64(k), string(l), string(m, .max = 100), bytes(n), bytes(o, .max = 4096), ref(p), list(u64, q),
            list(u64, r, .max = 100), list(string, s), list(ref, t), list(bytes, u), opt(u32, v), opt(string, w),
            opt(bytes, x), opt(ref, y), list(string, z, .max = 3, .element_max = 5), blob(aa), blob(ab, .max = 7))
THS_MESSAGE(widest, "demo.widest", 1, u8(a0), u8(a1), u8(a2), u8(a3), u8(a4), u8(a5), u8(a6), u8(a7), u8(a8), u8(a9),
            u8(b0), u8(b1), u8(b2), u8(b3), u8(b4), u8(b5), u8(b6), u8(b7), u8(b8), u8(b9), u8(c0), u8(c1), u8(c2),
            u8(c3), u8(c4), u8(c5), u8(c6), u8(c7), u8(c8), u8(c9), u8(d0), u8(d1))
_Static_assert(sizeof(struct widest) == 32, "all 32 fields are there");

static const struct ths_message constant = THS_MSG(greet, .name = "for ever", .times = 1);

void send(struct ths_node *node, ths_ref to, const uint64_t *ids, uint32_t count);
void send(struct ths_node *node, ths_ref to, const uint64_t *ids, uint32_t count)
{
    ths_tell(node, to, tick);
    ths_tell(node, to, greet, .name = "world", .times = 2);
    ths_tell(node, to, every, .q = { ids, count }, .r = THS_ITEMS(uint64_t, 1, 2), .s = THS_ITEMS(const char *, "a"),
             .n = THS_BYTES("abc", 3), .v = THS_SOME(7), .y = THS_SOME(to), .p = to, .w = { "x", true });
    ths_tell(node, to, widest, .a0 = 1, .d1 = 2);
    ths_tell(node, to, every,
             .q = THS_ITEMS(uint64_t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                            24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46));
}

const struct ths_message *lend_constant(void);
const struct ths_message *lend_constant(void)
{
    return &constant;
}
