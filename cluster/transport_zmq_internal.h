/* Between the files of the ZeroMQ transport; thread: the driver's, but for interrupt.
 *
 *   transport_zmq.c        events: what next and wait do; life
 *   transport_zmq_links.c  the table of links, their sockets
 *   transport_zmq_dial.c   listening, dialing
 *   transport_zmq_send.c   chunks out, the ends of links */

#ifndef THSI_CLUSTER_TRANSPORT_ZMQ_INTERNAL_H
#define THSI_CLUSTER_TRANSPORT_ZMQ_INTERNAL_H

#include <stdatomic.h>
#include <sys/queue.h>
#include <zmq.h>

#include "cluster/tcp.h"
#include "cluster/transport_zmq.h"

enum {
    ROUTING_SIZE = 5,     /* of an id that ZeroMQ made: a zero byte and a number */
    BUCKETS = 1024,       /* of the table from routing id to link */
    BURST = 32,           /* events of one socket before another one's turn */
    RECEIVE_CHUNKS = 64   /* that ZeroMQ holds per link, of at most 8 KiB */
};

#define RETRY_NS UINT64_C(50000000)
#define FLYING_LOW (THSI_ZMQ_FLYING_MAX / 2)

/* What an epoll event is about: a link's id, and one of these in the low bits. */
enum about { ABOUT_SOCKET, ABOUT_MONITOR, ABOUT_PROBE, ABOUT_LISTENER, ABOUT_INTERRUPT };
#define ABOUT(id, what) ((id) << 3 | (uint64_t)(what))

enum zmq_link_state {
    DIALING,
    OPEN,
    DRAINING, /* closed by the driver, bytes still on their way (accepted links only) */
    ENDING,   /* closed, but ZeroMQ was ending it by itself: its notice is still to come (accepted links only) */
    FAILED    /* CLOSED is still to be told */
};

/* A socket to receive from: its own lists, because `next` must not ask sockets that have nothing. */
struct zmq_source {
    void *socket;
    struct zmq_link *link; /* NULL: the listener */
    bool ready;        /* in the list of those that may have something */
    TAILQ_ENTRY(zmq_source) in_ready;
};

struct zmq_link {
    thsi_link id;
    struct zmq_transport *transport;
    atomic_uint holders;         /* the transport, and each chunk on its way */
    atomic_size_t flying;        /* bytes on their way */
    atomic_size_t notify_below;  /* interrupt `wait` when fewer are flying; 0: no */
    enum zmq_link_state state;
    bool full;                   /* WRITABLE is owed */
    bool refused;
    bool watched;
    uint8_t routing[ROUTING_SIZE];
    uint64_t deadline_ns;        /* of DIALING, DRAINING, ENDING */
    struct zmq_link *next_in_bucket; /* accepted */
    struct zmq_source source;        /* dialed: its socket */
    void *monitor;               /* while DIALING */
    int probe;                   /* or -1 */
    char address[THSI_TCP_ADDRESS_SIZE];
    TAILQ_ENTRY(zmq_link) in_watch;
};

struct zmq_transport {
    struct thsi_transport base; /* first */
    struct ths_env *env;
    void *context;
    struct zmq_source listener;     /* socket NULL: not bound */
    int epoll, eventfd;
    atomic_bool interrupted;    /* the eventfd is or will be readable */
    bool polled;                /* `wait` asked epoll since `next` ran dry last */
    unsigned burst;
    zmq_msg_t id, data;
    TAILQ_HEAD(, zmq_source) ready;
    TAILQ_HEAD(, zmq_link) watch;   /* links with a deadline, a debt of an event or a debt of WRITABLE */
    unsigned links_count, dials_count;
    uint64_t serial;            /* of the last link */
    unsigned slot_next;
    struct zmq_link *slots[THSI_ZMQ_LINKS_MAX];
    struct zmq_link *buckets[BUCKETS];
};

/* transport_zmq_links.c */
struct zmq_link *thsi_zmq_find(struct zmq_transport *t, thsi_link id);
struct zmq_link **thsi_zmq_bucket_of(struct zmq_transport *t, const uint8_t *routing);
struct zmq_link *thsi_zmq_find_accepted(struct zmq_transport *t, const uint8_t *routing);
/* NULL: the table or memory is full. */
struct zmq_link *thsi_zmq_link_create(struct zmq_transport *t, enum zmq_link_state state);
void thsi_zmq_link_drop(struct zmq_link *link);
void thsi_zmq_watch(struct zmq_link *link);
void thsi_zmq_unwatch(struct zmq_link *link);
void thsi_zmq_ready(struct zmq_transport *t, struct zmq_source *source);
void thsi_zmq_not_ready(struct zmq_transport *t, struct zmq_source *source);
int thsi_zmq_descriptor(void *socket);
bool thsi_zmq_epoll_add(struct zmq_transport *t, int fd, uint32_t events, uint64_t about);
void thsi_zmq_socket_close(struct zmq_transport *t, void *socket, int linger_ms);
/* The helpers of a dial: not needed once it is decided. */
void thsi_zmq_dial_decided(struct zmq_link *link);
/* Forget @link; its chunks on their way are dropped, or sent within @linger_ms (dialed). Takes it. */
void thsi_zmq_link_remove(struct zmq_link *link, int linger_ms);

/* transport_zmq_dial.c */
enum ths_err thsi_zmq_bind_endpoint(struct thsi_transport *transport, const char *endpoint, char *bound, size_t size);
void thsi_zmq_dial_failed(struct zmq_link *link, bool refused);
/* ZeroMQ gave the dial up without saying why: ask the host once more. */
void thsi_zmq_monitor_readable(struct zmq_link *link);
void thsi_zmq_probe_writable(struct zmq_link *link);
enum ths_err thsi_zmq_dial(struct thsi_transport *transport, const char *where, thsi_link *id);

/* transport_zmq_send.c */
void thsi_zmq_interrupt(struct thsi_transport *transport);
enum ths_err thsi_zmq_send_chunk(struct thsi_transport *transport, thsi_link id, struct thsi_chunk *chunk);
/* Have ZeroMQ close an accepted link: an empty message does it, and drops what is queued. */
void thsi_zmq_end_accepted(struct zmq_link *link);
void thsi_zmq_close_link(struct thsi_transport *transport, thsi_link id, bool drain);

#endif /* THSI_CLUSTER_TRANSPORT_ZMQ_INTERNAL_H */
