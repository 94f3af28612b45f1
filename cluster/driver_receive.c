/* Receiving: bytes of a link become frames, frames become records, records become signals for the runtime and packets
 * for the cores. */

#include "cluster/driver.h"

/* ---- Packets ---------------------------------------------------------------------------- */

/* Membership may bury the very peer whose frame is being read, so its packets wait until the frame is done with. They
 * lie in the frame, which stays until the next one is asked for. */
static void keep_packet(struct thsi_driver *driver, const uint8_t *packet, size_t len)
{
    struct ths_env *env = driver->runtime->env;

    if (driver->packets_count == driver->packets_cap) {
        size_t cap = driver->packets_cap ? driver->packets_cap * 2 : 16;
        struct thsi_driver_packet *packets = env->memory(env, driver->packets, cap * sizeof *packets);
        if (!packets)
            return; /* gossip comes again */
        driver->packets = packets;
        driver->packets_cap = cap;
    }
    driver->packets[driver->packets_count++] = (struct thsi_driver_packet){ packet, (uint32_t)len };
}

/* Groups take their packets at once: entries keep their place among signals. */
static void groups_packet(struct thsi_driver *driver, uint64_t uid, const uint8_t *packet, size_t len)
{
    struct thsi_groups_update update;
    enum ths_err err;

    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_groups_receive(driver->groups, uid, packet, len, &update);
    thsi_driver_groups_update(driver, &update, NULL);
    (void)pthread_mutex_unlock(&driver->mutex);
    if (err == THS_MALFORMED)
        driver->packet_err = err;
}

void thsi_driver_gossip(void *arg, struct thsi_peer *peer, const uint8_t *packet, size_t len)
{
    struct thsi_driver *driver = arg;

    if (thsi_gossip_is_for_groups(packet, len))
        groups_packet(driver, peer->uid, packet, len);
    else
        keep_packet(driver, packet, len);
}

/* The link is closed on purpose. The close itself says all that matters, but why this node is not wanted any more its user
 * wants to know. */
void thsi_driver_bye(void *arg, struct thsi_peer *peer, enum ths_err err, const char *why)
{
    struct thsi_driver *driver = arg;

    if (err == THS_NOT_ALLOWED)
        thsi_note(driver->runtime, THS_LOG_WARN, "link", "%s closes the link with this node: %s", peer->name,
                  *why ? why : ths_err_text(err));
}

/* Any of them may end the link, and with it the frame that the others lie in. */
static void give_packets(struct thsi_driver *driver, thsi_link id, uint64_t uid, uint32_t rights)
{
    struct thsi_membership_event event = { .type = THSI_MEMBERSHIP_RECEIVED, .uid = uid,
                                           .of_itself_only = (rights & THSI_RIGHT_ADMIN) == 0 };

    for (size_t i = 0; i < driver->packets_count && thsi_driver_find(driver, id); i++) {
        event.packet = driver->packets[i].bytes;
        event.packet_len = driver->packets[i].len;
        if (thsi_driver_step_membership(driver, &event) == THS_MALFORMED)
            (void)atomic_fetch_add_explicit(&driver->closed_for[THS_MALFORMED], 1, memory_order_relaxed);
    }
    driver->packets_count = 0;
}

/* ---- Frames ----------------------------------------------------------------------------- */

static void take_ack(struct thsi_driver *driver, struct thsi_driver_link *link, uint64_t ack)
{
    bool any;

    if (ack <= link->acked)
        return;
    link->acked = ack;
    (void)pthread_mutex_lock(&link->peer->mutex);
    any = thsi_outbox_acked(&link->peer->outbox, ack);
    (void)pthread_mutex_unlock(&link->peer->mutex);
    if (any && link->waiting)
        thsi_driver_flush(driver, link);
}

static void take_frame(struct thsi_driver *driver, struct thsi_driver_link *link,
                       const struct thsi_session_frame *frame)
{
    thsi_link id = link->id;
    uint64_t uid = link->uid;
    enum ths_err err;

    if (link->stage == THSI_STAGE_WELCOME && !thsi_driver_welcomed(driver, link, frame->payload, frame->payload_len))
        return;
    take_ack(driver, link, frame->ack);
    link = thsi_driver_find(driver, id);
    if (!link || frame->payload_len == 0)
        return;
    driver->packets_count = 0;
    driver->packet_err = THS_OK;
    err = thsi_remote_receive(driver->remote, link->peer, frame->payload, frame->payload_len);
    if (err == THS_OK)
        err = driver->packet_err;
    if (err != THS_OK) {
        thsi_driver_bad_link(driver, link, err, 0);
        return;
    }
    give_packets(driver, id, uid, link->peer->rights);
    link = thsi_driver_find(driver, id);
    if (link && link->untended)
        thsi_driver_tend_keys(driver, link);
}

static void take_news(struct thsi_driver *driver, struct thsi_driver_link *link, const struct thsi_link_news *news)
{
    if (news->kind == THSI_NEWS_ASKED)
        thsi_driver_asked(driver, link);
    else if (news->kind == THSI_NEWS_VERIFIED)
        thsi_driver_verified(driver, link);
    else
        take_frame(driver, link, &news->frame);
}

static void sign_of_life(struct thsi_driver *driver, uint64_t uid)
{
    (void)pthread_mutex_lock(&driver->mutex);
    thsi_membership_heard(driver->membership, uid, driver->now_ns);
    (void)pthread_mutex_unlock(&driver->mutex);
}

void thsi_driver_data(struct thsi_driver *driver, thsi_link id, const uint8_t *data, size_t len)
{
    struct thsi_driver_link *link = thsi_driver_find(driver, id);
    struct thsi_link_news news;
    enum ths_err err;

    if (link && link->stage == THSI_STAGE_UP)
        sign_of_life(driver, link->uid);
    /* Looked up again for each piece of news: any of them may end the link. */
    while ((link = thsi_driver_find(driver, id)) != NULL && link->stage != THSI_STAGE_DIALING) {
        news.frame.missing = 0;
        err = thsi_link_feed(&link->core, driver->now_ns, &data, &len, &news);
        if (err != THS_OK) {
            link->drain = link->core.out_len > 0; /* a refusal, for the other side's log */
            (void)thsi_driver_send_out(driver, link);
            thsi_driver_bad_link(driver, link, err, news.frame.missing);
            return;
        }
        if (news.kind == THSI_NEWS_NONE)
            break;
        take_news(driver, link, &news);
    }
    if (link && link->core.ack_due_ns < driver->ack_due_ns)
        driver->ack_due_ns = link->core.ack_due_ns;
}
