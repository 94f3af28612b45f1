/* Transport: bytes to and from links, for one network driver.
 *
 * A link is one byte stream to one remote process, made by dialing or by being dialed. The transport knows nothing of frames,
 * keys or nodes. All calls come from the driver's thread, except `interrupt`. Implementations: ZeroMQ STREAM sockets
 * (transport_zmq.c), the simulated network (transport_sim.c). */

#ifndef THSI_CLUSTER_TRANSPORT_H
#define THSI_CLUSTER_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

/* Never reused within a transport; 0 is none. */
typedef uint64_t thsi_link;

enum thsi_transport_event_type {
    THSI_LINK_ACCEPTED, /* somebody dialed us: link */
    THSI_LINK_DIALED,   /* our dial succeeded: link, as returned by dial */
    THSI_LINK_DATA,     /* data, len: the next bytes of the stream */
    THSI_LINK_CLOSED,   /* the other side or the network ended it, or the dial failed; the link is gone. refused: the host
                         * answered that no process listens */
    THSI_LINK_WRITABLE  /* a send that answered FULL may be tried again */
};

struct thsi_transport_event {
    enum thsi_transport_event_type type;
    thsi_link link;
    const uint8_t *data; /* DATA: lent until the next call of `next` */
    size_t len;
    bool refused;
    char peer[64];       /* ACCEPTED: address of the other side if known, else "" */
};

/* A buffer that the transport may keep after `send`. */
struct thsi_chunk {
    uint8_t *data;
    size_t len;
    void (*release)(struct thsi_chunk *chunk); /* called once when the bytes are out or dropped; any thread */
};

struct thsi_transport {
    /* Listen on "tcp://HOST:PORT"; @bound (64 bytes at least, of @size) gets the endpoint with the real port.
     * Errors: INVALID (syntax), IO (in use, not ours). Called at most once. */
    enum ths_err (*bind)(struct thsi_transport *transport, const char *endpoint, char *bound, size_t size);

    /* Begin to connect to the numeric "HOST:PORT". Gives a link; DIALED or CLOSED comes later. Errors: INVALID, TOO_MANY, NOMEM. */
    enum ths_err (*dial)(struct thsi_transport *transport, const char *address, thsi_link *link);

    /* Queue bytes, in order. Takes @chunk on OK. Errors: FULL (WRITABLE comes; also before DIALED), CLOSED. Never blocks. */
    enum ths_err (*send)(struct thsi_transport *transport, thsi_link link, struct thsi_chunk *chunk);

    /* End the link. With @drain what was queued still goes out if it can (bounded by 200 ms). No CLOSED follows.
     * It is carried out by and by: go on calling next and wait. */
    void (*close)(struct thsi_transport *transport, thsi_link link, bool drain);

    /* The next event, if there is one. Never blocks. */
    bool (*next)(struct thsi_transport *transport, struct thsi_transport_event *event);

    /* Wait until there may be an event, interrupt was called, or @timeout_ns passed. The simulator returns at once. */
    void (*wait)(struct thsi_transport *transport, uint64_t timeout_ns);

    /* Make a wait that runs or comes next return at once. Thread: any. */
    void (*interrupt)(struct thsi_transport *transport);

    void (*destroy)(struct thsi_transport *transport);

    /* Resolve "HOST:PORT" into numeric addresses, at most @max of 64 bytes each. May take long in production and is therefore
     * called from the driver's resolver task only. Returns how many; 0: it does not resolve (yet). Thread: one at a time. */
    size_t (*resolve)(struct thsi_transport *transport, const char *address, char out[][64], size_t max);
};

#endif /* THSI_CLUSTER_TRANSPORT_H */
