/* Sending, and the ends of links. */

#include "cluster/transport_zmq_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A chunk on its way. */
struct zmq_flight {
    struct thsi_chunk *chunk;
    struct zmq_link *link;
};

void thsi_zmq_interrupt(struct thsi_transport *transport)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    uint64_t one = 1;

    if (!atomic_exchange(&t->interrupted, true) && write(t->eventfd, &one, sizeof one) < 0)
        atomic_store(&t->interrupted, false); /* Cannot be: the counter is 0 or 1. */
}

/* ZeroMQ's I/O thread, or whoever drops the message: the bytes are out. */
static void landed(void *data, void *hint)
{
    struct zmq_flight *flight = hint;
    struct zmq_link *link = flight->link;
    struct thsi_chunk *chunk = flight->chunk;
    size_t len = chunk->len, left, below;

    (void)data;
    (void)link->transport->env->memory(link->transport->env, flight, 0);
    chunk->release(chunk);
    left = atomic_fetch_sub(&link->flying, len) - len;
    below = atomic_load(&link->notify_below);
    if (left < below && atomic_exchange(&link->notify_below, 0) != 0)
        thsi_zmq_interrupt(&link->transport->base);
    thsi_zmq_link_drop(link);
}

/* Begin a message to @link. False: ZeroMQ has ended or is ending it (errno). ZMQ_DONTWAIT always: while a link is ending
 * by itself a send that may block never returns. */
static bool address(struct zmq_link *link)
{
    struct zmq_transport *t = link->transport;
    struct zmq_source *source = link->source.socket ? &link->source : &t->listener;

    thsi_zmq_ready(t, source); /* A send may take the socket's wake-up for itself. */
    return zmq_send(source->socket, link->routing, ROUTING_SIZE, ZMQ_SNDMORE | ZMQ_DONTWAIT) == ROUTING_SIZE;
}

enum ths_err thsi_zmq_send_chunk(struct thsi_transport *transport, thsi_link id, struct thsi_chunk *chunk)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    struct zmq_link *link = thsi_zmq_find(t, id);
    struct zmq_flight *flight;
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
        thsi_zmq_watch(link);
        return THS_FULL;
    }
    *flight = (struct zmq_flight){ chunk, link };
    if (!address(link)) {
        /* EAGAIN: it is ending, the notice comes. Else it is gone, and nobody else would tell. */
        if (errno != EAGAIN) {
            link->state = FAILED;
            thsi_zmq_watch(link);
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
        thsi_zmq_watch(link);
        return THS_CLOSED;
    }
    sent = zmq_msg_send(&message, link->source.socket ? link->source.socket : t->listener.socket, ZMQ_DONTWAIT);
    assert(sent >= 0); /* After its address a message is always taken. */
    (void)sent;
    return THS_OK;
}

void thsi_zmq_end_accepted(struct zmq_link *link)
{
    struct zmq_transport *t = link->transport;

    if (address(link)) {
        (void)zmq_send(t->listener.socket, "", 0, ZMQ_DONTWAIT);
        thsi_zmq_link_remove(link, 0);
    } else if (errno == EAGAIN) {
        link->state = ENDING;
        link->deadline_ns = t->env->now_ns(t->env) + RETRY_NS;
        thsi_zmq_watch(link);
    } else {
        thsi_zmq_link_remove(link, 0);
    }
}

void thsi_zmq_close_link(struct thsi_transport *transport, thsi_link id, bool drain)
{
    struct zmq_transport *t = (struct zmq_transport *)transport;
    struct zmq_link *link = thsi_zmq_find(t, id);

    if (!link || link->state == DRAINING || link->state == ENDING)
        return;
    link->full = false;
    if (link->source.socket || link->state == FAILED) {
        thsi_zmq_link_remove(link, drain && link->state == OPEN ? (int)(THSI_ZMQ_DRAIN_NS / 1000000) : 0);
        return;
    }
    if (drain) {
        link->state = DRAINING;
        link->deadline_ns = t->env->now_ns(t->env) + THSI_ZMQ_DRAIN_NS;
        thsi_zmq_watch(link);
        atomic_store(&link->notify_below, 1);
        if (atomic_load(&link->flying) > 0)
            return;
    }
    thsi_zmq_end_accepted(link);
}
