/* Vectors: what tests/vectors/protocol.json holds, made anew from the code with fixed keys, nonces and times.
 *
 * The file was made by `make_vectors` (tests/vectors) out of vectors_make, and test_vectors compares the two. So bytes that
 * change show at once, and a reader of the protocol's description has something to compare with. */

#ifndef THS_TESTS_LIB_VECTORS_H
#define THS_TESTS_LIB_VECTORS_H

#include <jansson.h>

#include "codec/handshake.h"
#include "thiasos/message.h"

THS_MESSAGE(vectors_greet, "vectors.greet", 1, string(name, .max = 8), u32(times))
THS_MESSAGE(vectors_all, "vectors.all", 7, boolean(yes), u8(a), u16(b), u32(c), u64(d), i8(e), i16(f), i32(g), i64(h), f32(i),
            f64(j), string(text), bytes(data), ref(who), list(u32, numbers), list(string, words), opt(i32, maybe),
            opt(ref, absent), blob(large))

/* All of it. Gives; json_decref. */
json_t *vectors_make(void);

/* ---- Between vectors.c and vectors_records.c, and for the test -------------------------------- */

/* @len bytes as lower-case hexadecimal. Gives. */
json_t *vectors_hex(const void *bytes, size_t len);

/* The value in @bytes, one whole MessagePack value: bytes as {"bytes": hex}, a number over 2^63 - 1 as {"u64": hex}. Gives. */
json_t *vectors_value(const void *bytes, size_t len);

/* With node keys; identities, link nonce and ephemeral secrets as those of the other handshake. Gives. */
json_t *vectors_node_handshake(const struct thsi_keyring *keys, const uint8_t *link_nonce);

/* Records, bodies, types, refs. Packets. Give. */
json_t *vectors_records(void);
json_t *vectors_records_read(void);
json_t *vectors_records_refused(void);
json_t *vectors_types(void);
json_t *vectors_bodies(void);
json_t *vectors_bodies_read(void);
json_t *vectors_refs(void);
json_t *vectors_packets(void);
json_t *vectors_digests(void);

/* Who shakes hands: @name "a" dials "b". The id is not filled in. */
struct thsi_identity vectors_identity(const char *name);

#endif /* THS_TESTS_LIB_VECTORS_H */
