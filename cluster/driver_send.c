/* Sending: frames leave when they are full, or when nothing else of the link is on its way.
 *
 * So a message on an idle link leaves at once, and under load batches grow by themselves to what the transport
 * takes. Frames of bulk messages are counted apart: what is small waits for none of them but those that the transport has. */

#include "cluster/driver.h"

#include <inttypes.h>
#include <string.h>

/* Hand a whole frame to the transport; it is taken in any case. False: the link is of no use any more. */
static bool send_frame(struct thsi_driver *driver, struct thsi_driver_link *link, struct thsi_outframe *frame)
{
    unsigned *in_flight = frame->bulk ? &link->bulk_in_flight : &link->in_flight;
    bool counts = frame->owner != NULL;
    enum ths_err err = driver->transport->send(driver->transport, link->id, &frame->chunk);

    if (err == THS_OK) {
        *in_flight += counts;
        return true;
    }
    if (err == THS_FULL) {
        link->stuck = frame;
        return true;
    }
    thsi_frames_put(driver->frames, frame);
    return false;
}

bool thsi_driver_send_out(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct thsi_outframe *frame;
    size_t len = link->core.out_len;

    if (len == 0)
        return true;
    link->core.out_len = 0;
    frame = link->stuck ? NULL : thsi_frames_get(driver->frames, len);
    if (!frame)
        return false;
    memcpy(frame->bytes, link->core.out, len);
    frame->chunk.len = len;
    return send_frame(driver, link, frame);
}

bool thsi_driver_send_small(struct thsi_driver *driver, struct thsi_driver_link *link, const uint8_t *payload,
                            size_t len)
{
    struct thsi_outframe *frame = link->stuck ? NULL : thsi_frames_get(driver->frames, len);

    if (!frame)
        return false;
    if (len > 0)
        memcpy(thsi_outframe_payload(frame), payload, len);
    if (thsi_link_seal(&link->core, driver->now_ns, THSI_LANE_NODE, frame->bytes, len) != THS_OK) {
        thsi_frames_put(driver->frames, frame);
        return false;
    }
    frame->chunk.len = len + THSI_SEALED_OVERHEAD;
    return send_frame(driver, link, frame);
}

/* ---- The outbox ------------------------------------------------------------------------- */

static struct thsi_outframe *take(struct thsi_driver_link *link)
{
    struct thsi_outframe *frame;
    unsigned what = 0;

    if (link->in_flight < THSI_NODE_IN_FLIGHT_MAX)
        what |= THSI_TAKE_NODE;
    if (link->in_flight < THSI_IN_FLIGHT_MAX)
        what |= THSI_TAKE_FULL;
    if (link->in_flight == 0)
        what |= THSI_TAKE_PARTIAL;
    if (link->bulk_in_flight < THSI_BULK_IN_FLIGHT_MAX)
        what |= THSI_TAKE_BULK;

    (void)pthread_mutex_lock(&link->peer->mutex);
    frame = thsi_outbox_take(&link->peer->outbox, what);
    (void)pthread_mutex_unlock(&link->peer->mutex);
    return frame;
}

/* Seal outside of the lock, so that senders go on filling the next frame meanwhile. */
static bool seal_and_send(struct thsi_driver *driver, struct thsi_driver_link *link, struct thsi_outframe *frame)
{
    uint64_t counter = thsi_session_sent(&link->core.session);
    enum ths_err err = thsi_link_seal(&link->core, driver->now_ns, frame->lane, frame->bytes, frame->len);

    (void)pthread_mutex_lock(&link->peer->mutex);
    if (err == THS_OK)
        err = thsi_outbox_sent(&link->peer->outbox, frame, counter);
    (void)pthread_mutex_unlock(&link->peer->mutex);
    if (err != THS_OK) {
        thsi_frames_put(driver->frames, frame);
        return false;
    }
    frame->chunk.len = frame->len + THSI_SEALED_OVERHEAD;
    return send_frame(driver, link, frame);
}

static bool unstick(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct thsi_outframe *frame = link->stuck;

    link->stuck = NULL;
    return !frame || send_frame(driver, link, frame);
}

void thsi_driver_flush(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct thsi_outframe *frame = NULL;
    bool waits;

    if (link->stage != THSI_STAGE_UP)
        return;
    if (!unstick(driver, link)) {
        thsi_driver_close(driver, link, THSI_END_LOST, true);
        return;
    }
    while (!link->stuck && (frame = take(link)) != NULL) {
        if (!seal_and_send(driver, link, frame)) {
            thsi_driver_close(driver, link, THSI_END_LOST, true);
            return;
        }
    }
    if (link->holds)
        link->holds = !thsi_remote_clean(link->peer);
    waits = link->holds || link->stuck;
    driver->waiting = driver->waiting - link->waiting + waits;
    link->waiting = waits;
    if (link->untended && !link->stuck)
        thsi_driver_tend_keys(driver, link);
}

void thsi_driver_flush_waiting(struct thsi_driver *driver)
{
    /* Backwards: a link that is closed is replaced by the last one, which had its turn. */
    for (size_t i = driver->links_count; i-- > 0 && driver->waiting > 0;)
        if (i < driver->links_count && driver->links[i]->waiting)
            thsi_driver_flush(driver, driver->links[i]);
}

bool thsi_driver_take_dirty(struct thsi_driver *driver)
{
    struct thsi_peer *peer = thsi_remote_dirty(driver->remote);
    bool any = peer != NULL;

    while (peer) {
        struct thsi_peer *next = peer->next_dirty; /* read now: once clean it may be pushed again */
        struct thsi_driver_link *link = peer->link;
        if (link) {
            link->holds = true;
            thsi_driver_flush(driver, link);
        } else {
            (void)thsi_remote_clean(peer); /* always clean without a link */
        }
        peer = next;
    }
    if (any)
        driver->expire_due_ns = driver->now_ns; /* there may be an unknown node among them, with a deadline */
    return any;
}

/* ---- What comes back -------------------------------------------------------------------- */

/* The link whose outbox @frame came from, if that is still the same session. */
static struct thsi_driver_link *link_of(struct thsi_driver *driver, const struct thsi_outframe *frame)
{
    for (size_t i = 0; frame->owner && i < driver->links_count; i++) {
        struct thsi_driver_link *link = driver->links[i];
        if (link->peer && &link->peer->outbox == frame->owner)
            return link->peer->outbox.epoch == frame->epoch ? link : NULL;
    }
    return NULL;
}

bool thsi_driver_take_frames(struct thsi_driver *driver)
{
    struct thsi_outframe *frame = thsi_frames_collect(driver->frames);
    bool any = frame != NULL;

    while (frame) {
        struct thsi_outframe *next = frame->next;
        struct thsi_driver_link *link = link_of(driver, frame);
        unsigned *in_flight = link ? frame->bulk ? &link->bulk_in_flight : &link->in_flight : NULL;
        if (in_flight && *in_flight > 0)
            (*in_flight)--;
        thsi_frames_put(driver->frames, frame);
        frame = next;
    }
    if (any && driver->waiting > 0)
        thsi_driver_flush_waiting(driver);
    return any;
}

void thsi_driver_send_acks(struct thsi_driver *driver)
{
    uint64_t due_ns = UINT64_MAX;

    for (size_t i = driver->links_count; i-- > 0;) {
        struct thsi_driver_link *link = driver->links[i];
        if (link->stage != THSI_STAGE_UP || link->stuck)
            continue; /* what is stuck was sealed without it; the next frame after it carries the acknowledgement */
        if (link->core.ack_due_ns <= driver->now_ns && !thsi_driver_send_small(driver, link, NULL, 0)) {
            thsi_driver_close(driver, link, THSI_END_LOST, true);
            continue;
        }
        if (link->core.ack_due_ns < due_ns)
            due_ns = link->core.ack_due_ns;
    }
    driver->ack_due_ns = due_ns;
}

/* ---- Losses ----------------------------------------------------------------------------- */

/* The runtime counts lost messages as dead letters, and tells their sender, if there is one. */
static void tell_lost(struct thsi_driver *driver, uint64_t uid, struct thsi_actor_id from, struct thsi_actor_id to,
                      uint64_t messages)
{
    struct thsi_runtime *runtime = driver->runtime;
    const struct thsi_signal signal = { .kind = THSI_REFUSED, .from = { uid, to.slot, to.generation },
                                        .to = { runtime->uid, from.slot, from.generation }, .err = THS_NODE_LOST,
                                        .id = messages };

    (void)runtime->deliver(runtime, &signal);
}

void thsi_driver_note_loss(struct thsi_driver *driver, uint64_t uid, const char *name, struct thsi_outbox_loss *loss)
{
    const struct thsi_actor_id nobody = { 0, 0 };
    uint64_t held_back, left = loss->messages;

    loss->told_count = thsi_senders_gather(loss->told, loss->told_count);
    for (size_t i = 0; i < loss->told_count; i++) {
        const struct thsi_sender *entry = &loss->told[i];
        tell_lost(driver, uid, entry->from, entry->to, entry->count);
        left -= entry->count;
    }
    thsi_outbox_loss_fini(loss, driver->runtime->env);
    if (left > 0)
        tell_lost(driver, uid, nobody, nobody, left);
    if (loss->messages == 0)
        return;
    if (thsi_note_allowed(&driver->loss_notes, driver->now_ns, &held_back))
        thsi_note(driver->runtime, THS_LOG_WARN, "link",
                  "lost the link to %s with %" PRIu64 " messages on their way; their senders are told, nobody knows which of "
                  "them arrived (%" PRIu64 " such lines held back)",
                  name, loss->messages, held_back);
}
