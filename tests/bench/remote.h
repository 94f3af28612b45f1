/* What the two processes of the remote benches share: the messages between them. */

#ifndef THSI_TESTS_BENCH_REMOTE_H
#define THSI_TESTS_BENCH_REMOTE_H

#include <sys/types.h>

#include "bench.h"

enum { REMOTE_PAYLOAD_MAX = 65536, REMOTE_WAIT_MS = 30000 };

THS_MESSAGE(cargo, "bench.cargo", 1, u64(seq), bytes(data, .max = REMOTE_PAYLOAD_MAX))
THS_MESSAGE(expect, "bench.expect", 1, u64(count))
THS_MESSAGE(all_here, "bench.all_here", 1, u64(out_of_order))
THS_MESSAGE(begin, "bench.begin", 1, ref(to), u64(count))
THS_MESSAGE(leave, "bench.leave", 1)

/* The first REMOTE_PAYLOAD_MAX bytes of any message. */
extern const uint8_t remote_payload[REMOTE_PAYLOAD_MAX];

/* The ref of @name, which dies when there is none. */
ths_ref remote_find(struct ths_node *node, const char *name);

/* remote_ask.c: asks alone, asks beside a stream of 64 KiB messages, remote spawn, exit to DOWN. */
void remote_ask_benches(struct ths_node *node, const struct bench_options *options);

#endif /* THSI_TESTS_BENCH_REMOTE_H */
