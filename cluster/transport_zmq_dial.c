/* Listening and dialing. */

#include "cluster/transport_zmq_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

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

enum ths_err thsi_zmq_bind_endpoint(struct thsi_transport *transport, const char *endpoint, char *bound, size_t size)
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
            thsi_zmq_epoll_add(t, thsi_zmq_descriptor(socket), EPOLLIN, ABOUT(0, ABOUT_LISTENER))) {
            t->listener.socket = socket;
            thsi_zmq_ready(t, &t->listener);
            err = THS_OK;
        } else {
            (void)zmq_close(socket);
        }
    }
    return err;
}

/* Hear of it when ZeroMQ gives a dial up. */
static bool monitor(struct zmq_link *link)
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
           thsi_zmq_epoll_add(t, thsi_zmq_descriptor(link->monitor), EPOLLIN, ABOUT(link->id, ABOUT_MONITOR));
}

void thsi_zmq_dial_failed(struct zmq_link *link, bool refused)
{
    link->state = FAILED;
    link->refused = refused;
    thsi_zmq_dial_decided(link);
}

void thsi_zmq_monitor_readable(struct zmq_link *link)
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
    if (link->probe < 0 || !thsi_zmq_epoll_add(t, link->probe, EPOLLOUT, ABOUT(link->id, ABOUT_PROBE)))
        thsi_zmq_dial_failed(link, refused);
}

void thsi_zmq_probe_writable(struct zmq_link *link)
{
    bool refused = thsi_tcp_probe_end(link->probe);

    link->probe = -1;
    thsi_zmq_dial_failed(link, refused);
}

enum ths_err thsi_zmq_dial(struct thsi_transport *transport, const char *where, thsi_link *id)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    char text[THSI_TCP_ADDRESS_SIZE + 8];
    struct zmq_link *link;
    int error;

    if (!thsi_tcp_is_numeric(where))
        return THS_INVALID;
    if (t->dials_count == THSI_ZMQ_DIALS_MAX || t->links_count == THSI_ZMQ_LINKS_MAX)
        return THS_TOO_MANY;
    if (!(link = thsi_zmq_link_create(t, DIALING)))
        return THS_NOMEM;
    (void)snprintf(link->address, sizeof link->address, "%s", where);
    (void)snprintf(text, sizeof text, "tcp://%s", where);
    t->dials_count++;
    if (!(link->source.socket = socket_create(t, where[0] == '['))) {
        t->dials_count--;
        thsi_zmq_link_remove(link, 0); /* in no bucket: it was never accepted */
        return THS_TOO_MANY;  /* descriptors or ZeroMQ's sockets are out */
    }
    if (!monitor(link) ||
        !thsi_zmq_epoll_add(t, thsi_zmq_descriptor(link->source.socket), EPOLLIN, ABOUT(link->id, ABOUT_SOCKET)) ||
        zmq_connect(link->source.socket, text) != 0) {
        error = errno;
        thsi_zmq_link_remove(link, 0);
        return error == EINVAL ? THS_INVALID : THS_TOO_MANY;
    }
    link->deadline_ns = t->env->now_ns(t->env) + THSI_ZMQ_DIAL_NS;
    thsi_zmq_watch(link);
    thsi_zmq_ready(t, &link->source);
    thsi_zmq_monitor_readable(link); /* A socket wakes only who found it empty before. */
    *id = link->id;
    return THS_OK;
}
