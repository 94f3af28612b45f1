/* The production transport: TCP through ZeroMQ's STREAM sockets.
 *
 * STREAM gives bytes in the order they were sent and nothing else: no ZMTP, so a stranger has no framing, no name and no
 * multipart message to attack ZeroMQ with. What is received and not taken yet is bounded per link (64 chunks of at most
 * 8 KiB), then TCP holds the sender back. What is to be sent is bounded by THSI_ZMQ_FLYING_MAX bytes per link, then `send` answers
 * FULL. Links made by dialing have a socket each, so that one of them can end without touching another; links made by
 * being dialed share the bound socket. */

#ifndef THSI_CLUSTER_TRANSPORT_ZMQ_H
#define THSI_CLUSTER_TRANSPORT_ZMQ_H

#include "cluster/transport.h"
#include "thiasos/env.h"

#define THSI_ZMQ_LINKS_MAX 8192                    /* links at one time; further strangers are closed at once */
#define THSI_ZMQ_DIALS_MAX 1024                    /* of these made by dialing */
#define THSI_ZMQ_FLYING_MAX ((size_t)1 << 20)      /* bytes of a link handed to ZeroMQ; a chunk more is accepted below it */
#define THSI_ZMQ_DIAL_NS UINT64_C(2000000000)      /* a dial without an answer ends after this */
#define THSI_ZMQ_DRAIN_NS UINT64_C(200000000)
#define THSI_ZMQ_STALLED_NS UINT64_C(10000000000)  /* a link whose other side takes nothing for so long is ended by the
                                                    * system, or a closed one could hold its chunks for ever */

/* Borrows @env for the transport's life. Gives; its `destroy`, which waits until ZeroMQ holds no chunk any more (at most the
 * 200 ms of draining links). NULL: out of memory, threads or descriptors. One ZeroMQ context and I/O thread each. */
struct thsi_transport *thsi_transport_zmq_create(struct ths_env *env);

#endif /* THSI_CLUSTER_TRANSPORT_ZMQ_H */
