/* What the two processes of the raw ZeroMQ benches share. */

#ifndef THSI_TESTS_BENCH_RAW_ZMQ_H
#define THSI_TESTS_BENCH_RAW_ZMQ_H

#include <stdint.h>

enum { RAW_PAYLOAD_MAX = 65536, RAW_CURVE_KEY_SIZE = 41 };

/* What each message begins with. The one numbered last is answered, and so is, beside the count, one whose last is RAW_ASK; a
 * message without bytes ends the server. */
struct raw_head {
    uint64_t seq;
    uint64_t last;
};
#define RAW_ASK UINT64_MAX

/* A socket for messages of @size bytes: not more than 64 MiB wait on either side. */
void *raw_socket(void *context, int type, uint32_t size);

/* Make a client's keys and let @socket use them with the server whose public key is @server_public. */
void raw_use_curve(void *socket, const char *server_public);

#endif /* THSI_TESTS_BENCH_RAW_ZMQ_H */
