#include "cluster/transport_zmq_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
        struct zmq_link *link = about <= ABOUT_PROBE ? thsi_zmq_find(t, events[i].data.u64 >> 3) : NULL;
        if (about == ABOUT_INTERRUPT) {
            if (interruptible && read(t->eventfd, &ignored, sizeof ignored) == sizeof ignored)
                (void)atomic_exchange(&t->interrupted, false); /* after the read, or a write between would be lost */
            continue;
        }
        any = true;
        if (about == ABOUT_LISTENER)
            thsi_zmq_ready(t, &t->listener);
        else if (link && about == ABOUT_SOCKET)
            thsi_zmq_ready(t, &link->source);
        else if (link && about == ABOUT_MONITOR && link->monitor)
            thsi_zmq_monitor_readable(link);
        else if (link && about == ABOUT_PROBE && link->probe >= 0)
            thsi_zmq_probe_writable(link);
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
    struct zmq_link *link, *following;
    uint64_t now = TAILQ_EMPTY(&t->watch) ? 0 : t->env->now_ns(t->env);

    for (link = TAILQ_FIRST(&t->watch); link; link = following) {
        following = TAILQ_NEXT(link, in_watch);
        if (link->state == DIALING && now >= link->deadline_ns)
            thsi_zmq_dial_failed(link, false);
        if (link->state == FAILED) {
            (void)tell(event, THSI_LINK_CLOSED, link->id);
            event->refused = link->refused;
            thsi_zmq_link_remove(link, 0);
            return true;
        }
        if ((link->state == DRAINING && (atomic_load(&link->flying) == 0 || now >= link->deadline_ns)) ||
            (link->state == ENDING && now >= link->deadline_ns)) {
            thsi_zmq_end_accepted(link);
        } else if (link->state == OPEN && atomic_load(&link->flying) < FLYING_LOW) {
            thsi_zmq_unwatch(link);
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
    struct zmq_link *link = thsi_zmq_link_create(t, OPEN);
    const char *peer = zmq_msg_gets(&t->data, "Peer-Address");

    if (!link) {
        if (zmq_send(t->listener.socket, routing, ROUTING_SIZE, ZMQ_SNDMORE | ZMQ_DONTWAIT) == ROUTING_SIZE)
            (void)zmq_send(t->listener.socket, "", 0, ZMQ_DONTWAIT);
        return false;
    }
    memcpy(link->routing, routing, ROUTING_SIZE);
    link->next_in_bucket = *thsi_zmq_bucket_of(t, routing);
    *thsi_zmq_bucket_of(t, routing) = link;
    (void)tell(event, THSI_LINK_ACCEPTED, link->id);
    if (peer)
        (void)snprintf(event->peer, sizeof event->peer, "%s", peer);
    return true;
}

/* An empty message: the notice that a link began or ended. */
static bool noticed(struct zmq_transport *t, struct zmq_link *link, const uint8_t *routing,
                    struct thsi_transport_event *event)
{
    bool tell_it;

    if (!link)
        return accepted(t, routing, event);
    if (link->state == DIALING) {
        memcpy(link->routing, routing, ROUTING_SIZE);
        link->state = OPEN; /* Watched still: WRITABLE may be owed. */
        thsi_zmq_dial_decided(link);
        return tell(event, THSI_LINK_DIALED, link->id);
    }
    tell_it = link->state == OPEN || link->state == FAILED;
    if (tell_it)
        (void)tell(event, THSI_LINK_CLOSED, link->id);
    thsi_zmq_link_remove(link, 0);
    return tell_it;
}

enum received { NOTHING, EATEN, EVENT };

static enum received receive(struct zmq_transport *t, struct zmq_source *source, struct thsi_transport_event *event)
{
    struct zmq_link *link = source->link;
    const uint8_t *routing;

    if (zmq_msg_recv(&t->id, source->socket, ZMQ_DONTWAIT) < 0)
        return NOTHING;
    if (zmq_msg_recv(&t->data, source->socket, ZMQ_DONTWAIT) < 0 || zmq_msg_size(&t->id) != ROUTING_SIZE)
        return EATEN;
    routing = zmq_msg_data(&t->id);
    if (!link)
        link = thsi_zmq_find_accepted(t, routing);
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
    struct zmq_source *source;
    enum received got;

    for (;;) {
        while ((source = TAILQ_FIRST(&t->ready))) {
            if (++t->burst > BURST && TAILQ_NEXT(source, in_ready)) {
                thsi_zmq_not_ready(t, source);
                thsi_zmq_ready(t, source); /* behind the others */
                continue;
            }
            got = receive(t, source, event);
            if (got == EVENT)
                return true;
            if (got == NOTHING)
                thsi_zmq_not_ready(t, source);
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
    struct zmq_link *link;

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
            thsi_zmq_link_remove(t->slots[i], 0);
    }
    (void)zmq_msg_close(&t->id);
    (void)zmq_msg_close(&t->data);
    if (t->listener.socket)
        thsi_zmq_socket_close(t, t->listener.socket, linger_ms);
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
    t->base = (struct thsi_transport){ .bind = thsi_zmq_bind_endpoint, .dial = thsi_zmq_dial, .send = thsi_zmq_send_chunk,
                                       .close = thsi_zmq_close_link, .next = next, .wait = wait,
                                       .interrupt = thsi_zmq_interrupt, .destroy = destroy, .resolve = resolve };
    t->env = env;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    t->context = zmq_ctx_new();
    TAILQ_INIT(&t->ready);
    TAILQ_INIT(&t->watch);
    (void)zmq_msg_init(&t->id);
    (void)zmq_msg_init(&t->data);
    if (t->epoll < 0 || t->eventfd < 0 || !t->context ||
        !thsi_zmq_epoll_add(t, t->eventfd, EPOLLIN, ABOUT(0, ABOUT_INTERRUPT)))
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
