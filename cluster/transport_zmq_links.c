/* The table of links, and what of a link lies with ZeroMQ. */

#include "cluster/transport_zmq_internal.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct zmq_link *thsi_zmq_find(struct zmq_transport *t, thsi_link id)
{
    struct zmq_link *link = t->slots[id % THSI_ZMQ_LINKS_MAX];

    return link && link->id == id ? link : NULL;
}

struct zmq_link **thsi_zmq_bucket_of(struct zmq_transport *t, const uint8_t *routing)
{
    return &t->buckets[(routing[4] | (unsigned)routing[3] << 8) % BUCKETS];
}

struct zmq_link *thsi_zmq_find_accepted(struct zmq_transport *t, const uint8_t *routing)
{
    struct zmq_link *link = *thsi_zmq_bucket_of(t, routing);

    while (link && memcmp(link->routing, routing, ROUTING_SIZE) != 0)
        link = link->next_in_bucket;
    return link;
}

struct zmq_link *thsi_zmq_link_create(struct zmq_transport *t, enum zmq_link_state state)
{
    struct zmq_link *link;

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

void thsi_zmq_link_drop(struct zmq_link *link)
{
    struct ths_env *env = link->transport->env;

    if (atomic_fetch_sub(&link->holders, 1) == 1)
        (void)env->memory(env, link, 0);
}

void thsi_zmq_watch(struct zmq_link *link)
{
    if (!link->watched)
        TAILQ_INSERT_TAIL(&link->transport->watch, link, in_watch);
    link->watched = true;
}

void thsi_zmq_unwatch(struct zmq_link *link)
{
    if (link->watched)
        TAILQ_REMOVE(&link->transport->watch, link, in_watch);
    link->watched = false;
}

void thsi_zmq_ready(struct zmq_transport *t, struct zmq_source *source)
{
    if (!source->ready)
        TAILQ_INSERT_TAIL(&t->ready, source, in_ready);
    source->ready = true;
}

void thsi_zmq_not_ready(struct zmq_transport *t, struct zmq_source *source)
{
    if (source->ready)
        TAILQ_REMOVE(&t->ready, source, in_ready);
    source->ready = false;
    t->burst = 0;
}

int thsi_zmq_descriptor(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;

    (void)zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    return fd;
}

bool thsi_zmq_epoll_add(struct zmq_transport *t, int fd, uint32_t events, uint64_t about)
{
    struct epoll_event event = { .events = events, .data.u64 = about };

    return epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void thsi_zmq_socket_close(struct zmq_transport *t, void *socket, int linger_ms)
{
    (void)epoll_ctl(t->epoll, EPOLL_CTL_DEL, thsi_zmq_descriptor(socket), NULL);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    (void)zmq_close(socket);
}

void thsi_zmq_dial_decided(struct zmq_link *link)
{
    struct zmq_transport *t = link->transport;

    if (link->monitor) {
        (void)zmq_socket_monitor(link->source.socket, NULL, 0);
        thsi_zmq_socket_close(t, link->monitor, 0);
        link->monitor = NULL;
    }
    if (link->probe >= 0) {
        (void)close(link->probe); /* epoll forgets it with that */
        link->probe = -1;
    }
}

void thsi_zmq_link_remove(struct zmq_link *link, int linger_ms)
{
    struct zmq_transport *t = link->transport;
    struct zmq_link **at;

    thsi_zmq_unwatch(link);
    if (link->source.socket) {
        thsi_zmq_dial_decided(link);
        thsi_zmq_not_ready(t, &link->source);
        thsi_zmq_socket_close(t, link->source.socket, linger_ms);
        t->dials_count--;
    } else {
        for (at = thsi_zmq_bucket_of(t, link->routing); *at && *at != link;)
            at = &(*at)->next_in_bucket;
        if (*at)
            *at = link->next_in_bucket;
    }
    t->slots[link->id % THSI_ZMQ_LINKS_MAX] = NULL;
    t->links_count--;
    thsi_zmq_link_drop(link);
}
