#include "cluster/transport_zmq.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>
#include <zmq.h>

#include "cluster/tcp.h"

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

enum state {
    DIALING,
    OPEN,
    DRAINING, /* closed by the driver, bytes still on their way (accepted links only) */
    ENDING,   /* closed, but ZeroMQ was ending it by itself: its notice is still to come (accepted links only) */
    FAILED    /* CLOSED is still to be told */
};

/* A socket to receive from: its own lists, because `next` must not ask sockets that have nothing. */
struct source {
    void *socket;
    struct link *link; /* NULL: the listener */
    bool ready;        /* in the list of those that may have something */
    TAILQ_ENTRY(source) in_ready;
};

struct link {
    thsi_link id;
    struct zmq_transport *transport;
    atomic_uint holders;         /* the transport, and each chunk on its way */
    atomic_size_t flying;        /* bytes on their way */
    atomic_size_t notify_below;  /* interrupt `wait` when fewer are flying; 0: no */
    enum state state;
    bool full;                   /* WRITABLE is owed */
    bool refused;
    bool watched;
    uint8_t routing[ROUTING_SIZE];
    uint64_t deadline_ns;        /* of DIALING, DRAINING, ENDING */
    struct link *next_in_bucket; /* accepted */
    struct source source;        /* dialed: its socket */
    void *monitor;               /* while DIALING */
    int probe;                   /* or -1 */
    char address[THSI_TCP_ADDRESS_SIZE];
    TAILQ_ENTRY(link) in_watch;
};

/* A chunk on its way. */
struct flight {
    struct thsi_chunk *chunk;
    struct link *link;
};

struct zmq_transport {
    struct thsi_transport base; /* first */
    struct ths_env *env;
    void *context;
    struct source listener;     /* socket NULL: not bound */
    int epoll, eventfd;
    atomic_bool interrupted;    /* the eventfd is or will be readable */
    bool polled;                /* `wait` asked epoll since `next` ran dry last */
    unsigned burst;
    zmq_msg_t id, data;
    TAILQ_HEAD(, source) ready;
    TAILQ_HEAD(, link) watch;   /* links with a deadline, a debt of an event or a debt of WRITABLE */
    unsigned links_count, dials_count;
    uint64_t serial;            /* of the last link */
    unsigned slot_next;
    struct link *slots[THSI_ZMQ_LINKS_MAX];
    struct link *buckets[BUCKETS];
};

/* ---- Links ---------------------------------------------------------------------------------------------------------- */

static struct link *find(struct zmq_transport *t, thsi_link id)
{
    struct link *link = t->slots[id % THSI_ZMQ_LINKS_MAX];

    return link && link->id == id ? link : NULL;
}

static struct link **bucket_of(struct zmq_transport *t, const uint8_t *routing)
{
    return &t->buckets[(routing[4] | (unsigned)routing[3] << 8) % BUCKETS];
}

static struct link *find_accepted(struct zmq_transport *t, const uint8_t *routing)
{
    struct link *link = *bucket_of(t, routing);

    while (link && memcmp(link->routing, routing, ROUTING_SIZE) != 0)
        link = link->next_in_bucket;
    return link;
}

/* NULL: the table or memory is full. */
static struct link *link_create(struct zmq_transport *t, enum state state)
{
    struct link *link;

    if (t->links_count == THSI_ZMQ_LINKS_MAX || !(link = t->env->memory(t->env, NULL, sizeof *link)))
        return NULL;
    while (t->slots[t->slot_next])
        t->slot_next = (t->slot_next + 1) % THSI_ZMQ_LINKS_MAX;
    memset(link, 0, sizeof *link);
    link->id = ++t->serial * THSI_ZMQ_LINKS_MAX + t->slot_next;
    link->transport = t;
    atomic_init(&link->holders, 1);
    link->state = state;
    link->source.link = link;
    link->probe = -1;
    t->slots[t->slot_next] = link;
    t->slot_next = (t->slot_next + 1) % THSI_ZMQ_LINKS_MAX;
    t->links_count++;
    return link;
}

static void link_drop(struct link *link)
{
    struct ths_env *env = link->transport->env;

    if (atomic_fetch_sub(&link->holders, 1) == 1)
        (void)env->memory(env, link, 0);
}

static void watch(struct link *link)
{
    if (!link->watched)
        TAILQ_INSERT_TAIL(&link->transport->watch, link, in_watch);
    link->watched = true;
}

static void unwatch(struct link *link)
{
    if (link->watched)
        TAILQ_REMOVE(&link->transport->watch, link, in_watch);
    link->watched = false;
}

static void ready(struct zmq_transport *t, struct source *source)
{
    if (!source->ready)
        TAILQ_INSERT_TAIL(&t->ready, source, in_ready);
    source->ready = true;
}

static void not_ready(struct zmq_transport *t, struct source *source)
{
    if (source->ready)
        TAILQ_REMOVE(&t->ready, source, in_ready);
    source->ready = false;
    t->burst = 0;
}

static int descriptor(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;

    (void)zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    return fd;
}

static bool epoll_add(struct zmq_transport *t, int fd, uint32_t events, uint64_t about)
{
    struct epoll_event event = { .events = events, .data.u64 = about };

    return epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void socket_close(struct zmq_transport *t, void *socket, int linger_ms)
{
    (void)epoll_ctl(t->epoll, EPOLL_CTL_DEL, descriptor(socket), NULL);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    (void)zmq_close(socket);
}

/* The helpers of a dial: not needed once it is decided. */
static void dial_decided(struct link *link)
{
    struct zmq_transport *t = link->transport;

    if (link->monitor) {
        (void)zmq_socket_monitor(link->source.socket, NULL, 0);
        socket_close(t, link->monitor, 0);
        link->monitor = NULL;
    }
    if (link->probe >= 0) {
        (void)close(link->probe); /* epoll forgets it with that */
        link->probe = -1;
    }
}

/* Forget @link; its chunks on their way are dropped, or sent within @linger_ms (dialed). Takes it. */
static void link_remove(struct link *link, int linger_ms)
{
    struct zmq_transport *t = link->transport;
    struct link **at;

    unwatch(link);
    if (link->source.socket) {
        dial_decided(link);
        not_ready(t, &link->source);
        socket_close(t, link->source.socket, linger_ms);
        t->dials_count--;
    } else {
        for (at = bucket_of(t, link->routing); *at && *at != link;)
            at = &(*at)->next_in_bucket;
        if (*at)
            *at = link->next_in_bucket;
    }
    t->slots[link->id % THSI_ZMQ_LINKS_MAX] = NULL;
    t->links_count--;
    link_drop(link);
}

/* ---- Sending -------------------------------------------------------------------------------------------------------- */

static void interrupt(struct thsi_transport *transport)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    uint64_t one = 1;

    if (!atomic_exchange(&t->interrupted, true) && write(t->eventfd, &one, sizeof one) < 0)
        atomic_store(&t->interrupted, false); /* Cannot be: the counter is 0 or 1. */
}

/* ZeroMQ's I/O thread, or whoever drops the message: the bytes are out. */
static void landed(void *data, void *hint)
{
    struct flight *flight = hint;
    struct link *link = flight->link;
    struct thsi_chunk *chunk = flight->chunk;
    size_t len = chunk->len, left, below;

    (void)data;
    (void)link->transport->env->memory(link->transport->env, flight, 0);
    chunk->release(chunk);
    left = atomic_fetch_sub(&link->flying, len) - len;
    below = atomic_load(&link->notify_below);
    if (left < below && atomic_exchange(&link->notify_below, 0) != 0)
        interrupt(&link->transport->base);
    link_drop(link);
}

/* Begin a message to @link. False: ZeroMQ has ended or is ending it (errno). ZMQ_DONTWAIT always: while a link is ending
 * by itself a send that may block never returns. */
static bool address(struct link *link)
{
    struct zmq_transport *t = link->transport;
    struct source *source = link->source.socket ? &link->source : &t->listener;

    ready(t, source); /* A send may take the socket's wake-up for itself. */
    return zmq_send(source->socket, link->routing, ROUTING_SIZE, ZMQ_SNDMORE | ZMQ_DONTWAIT) == ROUTING_SIZE;
}

static enum ths_err send_chunk(struct thsi_transport *transport, thsi_link id, struct thsi_chunk *chunk)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    struct link *link = find(t, id);
    struct flight *flight;
    zmq_msg_t message;
    int sent;

    if (!link || (link->state != OPEN && link->state != DIALING))
        return THS_CLOSED;
    if (chunk->len == 0) { /* An empty message would close the link. */
        chunk->release(chunk);
        return THS_OK;
    }
    if (link->state == DIALING || atomic_load(&link->flying) >= THSI_ZMQ_FLYING_MAX ||
        !(flight = t->env->memory(t->env, NULL, sizeof *flight))) {
        link->full = true;
        atomic_store(&link->notify_below, FLYING_LOW);
        watch(link);
        return THS_FULL;
    }
    *flight = (struct flight){ chunk, link };
    if (!address(link)) {
        /* EAGAIN: it is ending, the notice comes. Else it is gone, and nobody else would tell. */
        if (errno != EAGAIN) {
            link->state = FAILED;
            watch(link);
        }
        (void)t->env->memory(t->env, flight, 0);
        return THS_CLOSED;
    }
    atomic_fetch_add(&link->holders, 1);
    atomic_fetch_add(&link->flying, chunk->len);
    if (zmq_msg_init_data(&message, chunk->data, chunk->len, landed, flight) != 0) {
        /* Out of memory in the middle of a message: what the socket waits for is its end, and an empty one closes. */
        (void)zmq_msg_init(&message);
        atomic_fetch_sub(&link->flying, chunk->len);
        atomic_fetch_sub(&link->holders, 1);
        (void)t->env->memory(t->env, flight, 0);
        (void)zmq_msg_send(&message, link->source.socket ? link->source.socket : t->listener.socket, ZMQ_DONTWAIT);
        link->state = FAILED;
        watch(link);
        return THS_CLOSED;
    }
    sent = zmq_msg_send(&message, link->source.socket ? link->source.socket : t->listener.socket, ZMQ_DONTWAIT);
    assert(sent >= 0); /* After its address a message is always taken. */
    (void)sent;
    return THS_OK;
}

/* Have ZeroMQ close an accepted link: an empty message does it, and drops what is queued. */
static void end_accepted(struct link *link)
{
    struct zmq_transport *t = link->transport;

    if (address(link)) {
        (void)zmq_send(t->listener.socket, "", 0, ZMQ_DONTWAIT);
        link_remove(link, 0);
    } else if (errno == EAGAIN) {
        link->state = ENDING;
        link->deadline_ns = t->env->now_ns(t->env) + RETRY_NS;
        watch(link);
    } else {
        link_remove(link, 0);
    }
}

static void close_link(struct thsi_transport *transport, thsi_link id, bool drain)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    struct link *link = find(t, id);

    if (!link || link->state == DRAINING || link->state == ENDING)
        return;
    link->full = false;
    if (link->source.socket || link->state == FAILED) {
        link_remove(link, drain && link->state == OPEN ? (int)(THSI_ZMQ_DRAIN_NS / 1000000) : 0);
        return;
    }
    if (drain) {
        link->state = DRAINING;
        link->deadline_ns = t->env->now_ns(t->env) + THSI_ZMQ_DRAIN_NS;
        watch(link);
        atomic_store(&link->notify_below, 1);
        if (atomic_load(&link->flying) > 0)
            return;
    }
    end_accepted(link);
}

/* ---- Listening and dialing ------------------------------------------------------------------------------------------ */

static void *socket_create(struct zmq_transport *t, bool ipv6)
{
    void *socket = zmq_socket(t->context, ZMQ_STREAM);
    int zero = 0, receive = RECEIVE_CHUNKS, six = ipv6, dial_ms = (int)(THSI_ZMQ_DIAL_NS / 1000000), backlog = 256;
    int stalled_ms = (int)(THSI_ZMQ_STALLED_NS / 1000000);
    int hour_ms = 3600 * 1000; /* Never reconnect. -1 would say so, but then a lost link takes along what it received. */

    if (!socket)
        return NULL;
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &zero, sizeof zero); /* `flying` is the bound */
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &receive, sizeof receive);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    (void)zmq_setsockopt(socket, ZMQ_IPV6, &six, sizeof six);
    (void)zmq_setsockopt(socket, ZMQ_BACKLOG, &backlog, sizeof backlog);
    (void)zmq_setsockopt(socket, ZMQ_CONNECT_TIMEOUT, &dial_ms, sizeof dial_ms);
    (void)zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &hour_ms, sizeof hour_ms);
    (void)zmq_setsockopt(socket, ZMQ_TCP_MAXRT, &stalled_ms, sizeof stalled_ms);
    return socket;
}

static enum ths_err bind_endpoint(struct thsi_transport *transport, const char *endpoint, char *bound, size_t size)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    char numeric[8][THSI_TCP_ADDRESS_SIZE], text[THSI_TCP_ADDRESS_SIZE + 8];
    size_t count, i;
    enum ths_err err;
    void *socket;

    if (strncmp(endpoint, "tcp://", 6) != 0 || !strrchr(endpoint + 6, ':') || t->listener.socket)
        return THS_INVALID;
    count = thsi_tcp_resolve(endpoint + 6, numeric, sizeof numeric / sizeof numeric[0]);
    if (count == 0)
        return strspn(strrchr(endpoint, ':') + 1, "0123456789") == strlen(strrchr(endpoint, ':') + 1) ? THS_IO
                                                                                                      : THS_INVALID;
    err = THS_IO;
    for (i = 0; i < count && err != THS_OK; i++) { /* The first of the host's addresses that is ours. */
        if (!(socket = socket_create(t, numeric[i][0] == '[')))
            return THS_NOMEM;
        (void)snprintf(text, sizeof text, "tcp://%.*s", THSI_TCP_ADDRESS_SIZE - 1, numeric[i]);
        if (zmq_bind(socket, text) == 0 && zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) == 0 &&
            epoll_add(t, descriptor(socket), EPOLLIN, ABOUT(0, ABOUT_LISTENER))) {
            t->listener.socket = socket;
            ready(t, &t->listener);
            err = THS_OK;
        } else {
            (void)zmq_close(socket);
        }
    }
    return err;
}

/* Hear of it when ZeroMQ gives a dial up. */
static bool monitor(struct link *link)
{
    struct zmq_transport *t = link->transport;
    char name[64];
    int zero = 0;

    (void)snprintf(name, sizeof name, "inproc://dial-%llu", (unsigned long long)link->id);
    if (zmq_socket_monitor(link->source.socket, name, ZMQ_EVENT_CLOSED) != 0 ||
        !(link->monitor = zmq_socket(t->context, ZMQ_PAIR)))
        return false;
    (void)zmq_setsockopt(link->monitor, ZMQ_LINGER, &zero, sizeof zero);
    return zmq_connect(link->monitor, name) == 0 &&
           epoll_add(t, descriptor(link->monitor), EPOLLIN, ABOUT(link->id, ABOUT_MONITOR));
}

static void dial_failed(struct link *link, bool refused)
{
    link->state = FAILED;
    link->refused = refused;
    dial_decided(link);
}

/* ZeroMQ gave the dial up without saying why: ask the host once more. */
static void monitor_readable(struct link *link)
{
    struct zmq_transport *t = link->transport;
    bool given_up = false, refused;
    zmq_msg_t part;

    (void)zmq_msg_init(&part);
    while (zmq_msg_recv(&part, link->monitor, ZMQ_DONTWAIT) >= 0)
        given_up = true; /* It was told of nothing else. */
    (void)zmq_msg_close(&part);
    if (!given_up || link->state != DIALING || link->probe >= 0)
        return;
    link->probe = thsi_tcp_probe_begin(link->address, &refused);
    if (link->probe < 0 || !epoll_add(t, link->probe, EPOLLOUT, ABOUT(link->id, ABOUT_PROBE)))
        dial_failed(link, refused);
}

static void probe_writable(struct link *link)
{
    bool refused = thsi_tcp_probe_end(link->probe);

    link->probe = -1;
    dial_failed(link, refused);
}

static enum ths_err dial(struct thsi_transport *transport, const char *where, thsi_link *id)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    char text[THSI_TCP_ADDRESS_SIZE + 8];
    struct link *link;
    int error;

    if (!thsi_tcp_is_numeric(where))
        return THS_INVALID;
    if (t->dials_count == THSI_ZMQ_DIALS_MAX || t->links_count == THSI_ZMQ_LINKS_MAX)
        return THS_TOO_MANY;
    if (!(link = link_create(t, DIALING)))
        return THS_NOMEM;
    (void)snprintf(link->address, sizeof link->address, "%s", where);
    (void)snprintf(text, sizeof text, "tcp://%s", where);
    t->dials_count++;
    if (!(link->source.socket = socket_create(t, where[0] == '['))) {
        t->dials_count--;
        link_remove(link, 0); /* in no bucket: it was never accepted */
        return THS_TOO_MANY;  /* descriptors or ZeroMQ's sockets are out */
    }
    if (!monitor(link) || !epoll_add(t, descriptor(link->source.socket), EPOLLIN, ABOUT(link->id, ABOUT_SOCKET)) ||
        zmq_connect(link->source.socket, text) != 0) {
        error = errno;
        link_remove(link, 0);
        return error == EINVAL ? THS_INVALID : THS_TOO_MANY;
    }
    link->deadline_ns = t->env->now_ns(t->env) + THSI_ZMQ_DIAL_NS;
    watch(link);
    ready(t, &link->source);
    monitor_readable(link); /* A socket wakes only who found it empty before. */
    *id = link->id;
    return THS_OK;
}

/* ---- Events --------------------------------------------------------------------------------------------------------- */

/* Ask epoll which sockets have something. With @interruptible an interrupt ends it and is used up. True: something. */
static bool poll_sources(struct zmq_transport *t, int timeout_ms, bool interruptible)
{
    struct epoll_event events[64];
    int count = epoll_wait(t->epoll, events, 64, timeout_ms);
    bool any = false;
    uint64_t ignored;

    for (int i = 0; i < count; i++) {
        uint64_t about = events[i].data.u64 & 7;
        struct link *link = about <= ABOUT_PROBE ? find(t, events[i].data.u64 >> 3) : NULL;
        if (about == ABOUT_INTERRUPT) {
            if (interruptible && read(t->eventfd, &ignored, sizeof ignored) == sizeof ignored)
                (void)atomic_exchange(&t->interrupted, false); /* after the read, or a write between would be lost */
            continue;
        }
        any = true;
        if (about == ABOUT_LISTENER)
            ready(t, &t->listener);
        else if (link && about == ABOUT_SOCKET)
            ready(t, &link->source);
        else if (link && about == ABOUT_MONITOR && link->monitor)
            monitor_readable(link);
        else if (link && about == ABOUT_PROBE && link->probe >= 0)
            probe_writable(link);
    }
    return any;
}

static bool tell(struct thsi_transport_event *event, enum thsi_transport_event_type type, thsi_link link)
{
    event->type = type;
    event->link = link;
    event->data = NULL;
    event->len = 0;
    event->refused = false;
    event->peer[0] = '\0';
    return true;
}

/* Look after the links that owe something. True: @event was filled. */
static bool tend(struct zmq_transport *t, struct thsi_transport_event *event)
{
    struct link *link, *following;
    uint64_t now = TAILQ_EMPTY(&t->watch) ? 0 : t->env->now_ns(t->env);

    for (link = TAILQ_FIRST(&t->watch); link; link = following) {
        following = TAILQ_NEXT(link, in_watch);
        if (link->state == DIALING && now >= link->deadline_ns)
            dial_failed(link, false);
        if (link->state == FAILED) {
            (void)tell(event, THSI_LINK_CLOSED, link->id);
            event->refused = link->refused;
            link_remove(link, 0);
            return true;
        }
        if ((link->state == DRAINING && (atomic_load(&link->flying) == 0 || now >= link->deadline_ns)) ||
            (link->state == ENDING && now >= link->deadline_ns)) {
            end_accepted(link);
        } else if (link->state == OPEN && atomic_load(&link->flying) < FLYING_LOW) {
            unwatch(link);
            if (link->full) {
                link->full = false;
                return tell(event, THSI_LINK_WRITABLE, link->id);
            }
        }
    }
    return false;
}

/* Somebody dialed us. False: there is no room, and the link is closed already. */
static bool accepted(struct zmq_transport *t, const uint8_t *routing, struct thsi_transport_event *event)
{
    struct link *link = link_create(t, OPEN);
    const char *peer = zmq_msg_gets(&t->data, "Peer-Address");

    if (!link) {
        if (zmq_send(t->listener.socket, routing, ROUTING_SIZE, ZMQ_SNDMORE | ZMQ_DONTWAIT) == ROUTING_SIZE)
            (void)zmq_send(t->listener.socket, "", 0, ZMQ_DONTWAIT);
        return false;
    }
    memcpy(link->routing, routing, ROUTING_SIZE);
    link->next_in_bucket = *bucket_of(t, routing);
    *bucket_of(t, routing) = link;
    (void)tell(event, THSI_LINK_ACCEPTED, link->id);
    if (peer)
        (void)snprintf(event->peer, sizeof event->peer, "%s", peer);
    return true;
}

/* An empty message: the notice that a link began or ended. */
static bool noticed(struct zmq_transport *t, struct link *link, const uint8_t *routing,
                    struct thsi_transport_event *event)
{
    bool tell_it;

    if (!link)
        return accepted(t, routing, event);
    if (link->state == DIALING) {
        memcpy(link->routing, routing, ROUTING_SIZE);
        link->state = OPEN; /* Watched still: WRITABLE may be owed. */
        dial_decided(link);
        return tell(event, THSI_LINK_DIALED, link->id);
    }
    tell_it = link->state == OPEN || link->state == FAILED;
    if (tell_it)
        (void)tell(event, THSI_LINK_CLOSED, link->id);
    link_remove(link, 0);
    return tell_it;
}

enum received { NOTHING, EATEN, EVENT };

static enum received receive(struct zmq_transport *t, struct source *source, struct thsi_transport_event *event)
{
    struct link *link = source->link;
    const uint8_t *routing;

    if (zmq_msg_recv(&t->id, source->socket, ZMQ_DONTWAIT) < 0)
        return NOTHING;
    if (zmq_msg_recv(&t->data, source->socket, ZMQ_DONTWAIT) < 0 || zmq_msg_size(&t->id) != ROUTING_SIZE)
        return EATEN;
    routing = zmq_msg_data(&t->id);
    if (!link)
        link = find_accepted(t, routing);
    if (zmq_msg_size(&t->data) == 0)
        return noticed(t, link, routing, event) ? EVENT : EATEN;
    if (!link || link->state != OPEN)
        return EATEN;
    (void)tell(event, THSI_LINK_DATA, link->id);
    event->data = zmq_msg_data(&t->data);
    event->len = zmq_msg_size(&t->data);
    return EVENT;
}

static bool next(struct thsi_transport *transport, struct thsi_transport_event *event)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    struct source *source;
    enum received got;

    for (;;) {
        while ((source = TAILQ_FIRST(&t->ready))) {
            if (++t->burst > BURST && TAILQ_NEXT(source, in_ready)) {
                not_ready(t, source);
                ready(t, source); /* behind the others */
                continue;
            }
            got = receive(t, source, event);
            if (got == EVENT)
                return true;
            if (got == NOTHING)
                not_ready(t, source);
        }
        if (tend(t, event))
            return true;
        if (t->polled) {
            t->polled = false;
            return false;
        }
        if (!poll_sources(t, 0, false))
            return false;
    }
}

static void wait(struct thsi_transport *transport, uint64_t timeout_ns)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    uint64_t now = TAILQ_EMPTY(&t->watch) ? 0 : t->env->now_ns(t->env), ms;
    struct link *link;

    TAILQ_FOREACH(link, &t->watch, in_watch)
    {
        uint64_t left = link->deadline_ns > now ? link->deadline_ns - now : 0;
        if (link->state == FAILED || (link->state == OPEN && atomic_load(&link->flying) < FLYING_LOW))
            timeout_ns = 0;
        else if (link->state != OPEN && left < timeout_ns)
            timeout_ns = left;
    }
    ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    if (!TAILQ_EMPTY(&t->ready))
        ms = 0;
    (void)poll_sources(t, ms > 3600000 ? 3600000 : (int)ms, true);
    t->polled = true;
}

static size_t resolve(struct thsi_transport *transport, const char *where, char out[][64], size_t max)
{
    (void)transport;
    return thsi_tcp_resolve(where, out, max);
}

/* ---- Life ----------------------------------------------------------------------------------------------------------- */

static void destroy(struct thsi_transport *transport)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    struct ths_env *env = t->env;
    int linger_ms = 0;

    for (size_t i = 0; i < THSI_ZMQ_LINKS_MAX; i++) {
        if (t->slots[i] && t->slots[i]->state == DRAINING)
            linger_ms = (int)(THSI_ZMQ_DRAIN_NS / 1000000);
        if (t->slots[i])
            link_remove(t->slots[i], 0);
    }
    (void)zmq_msg_close(&t->id);
    (void)zmq_msg_close(&t->data);
    if (t->listener.socket)
        socket_close(t, t->listener.socket, linger_ms);
    while (zmq_ctx_term(t->context) != 0 && errno == EINTR) {
    }
    (void)close(t->eventfd);
    (void)close(t->epoll);
    (void)env->memory(env, t, 0);
}

struct thsi_transport *thsi_transport_zmq_create(struct ths_env *env)
{
    struct zmq_transport *t = env->memory(env, NULL, sizeof *t);

    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->base = (struct thsi_transport){ bind_endpoint, dial, send_chunk, close_link, next, wait, interrupt, destroy,
                                       resolve };
    t->env = env;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    t->context = zmq_ctx_new();
    TAILQ_INIT(&t->ready);
    TAILQ_INIT(&t->watch);
    (void)zmq_msg_init(&t->id);
    (void)zmq_msg_init(&t->data);
    if (t->epoll < 0 || t->eventfd < 0 || !t->context ||
        !epoll_add(t, t->eventfd, EPOLLIN, ABOUT(0, ABOUT_INTERRUPT)))
        goto failed;
    (void)zmq_ctx_set(t->context, ZMQ_MAX_SOCKETS, 4 * THSI_ZMQ_DIALS_MAX); /* a dial needs three at first */
    (void)zmq_ctx_set(t->context, ZMQ_BLOCKY, 0);
    return &t->base;

failed:
    if (t->context)
        (void)zmq_ctx_term(t->context);
    if (t->eventfd >= 0)
        (void)close(t->eventfd);
    if (t->epoll >= 0)
        (void)close(t->epoll);
    (void)env->memory(env, t, 0);
    return NULL;
}
