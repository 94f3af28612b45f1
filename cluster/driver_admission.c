/* Admission: from a handshake to a link that both sides keep.
 *
 * Both sides of a fresh session say whether they want it. The side that dialed proves itself with a sealed frame, empty
 * or holding its refusal. The side that was dialed answers with a frame of its own, empty or holding its refusal. So a
 * refusal is authentic, and neither tells its membership of a link that the other does not keep. */

#include "cluster/driver.h"

#include <string.h>

#include <sodium.h>

#include "codec/codes.h"

/* A dial of ours that is younger than this is given the preference over one from the other side. */
#define PREFER_OWN_DIAL_NS UINT64_C(500000000)

/* ---- The dialed side is asked ------------------------------------------------------------- */

/* Whether a dial of this node's own will make the link that both sides would keep: then one from the other side is not
 * taken up, so that nothing is sent over a link that is given up a moment later. */
static bool awaits_better_link(const struct thsi_driver *driver, uint64_t uid)
{
    if (driver->self.uid >= uid)
        return false;
    for (size_t i = 0; i < driver->links_count; i++) {
        const struct thsi_driver_link *link = driver->links[i];
        if (link->dialed && link->stage != THSI_STAGE_UP && (link->uid == uid || link->uid == 0) &&
            driver->now_ns - link->begun_ns < PREFER_OWN_DIAL_NS)
            return true;
    }
    return false;
}

void thsi_driver_asked(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct ths_env *env = driver->runtime->env;
    uint8_t random[THSI_LINK_RANDOM_SIZE];
    enum ths_err err;

    if (thsi_driver_phase_now(driver) != THSI_DRIVER_RUNNING ||
        awaits_better_link(driver, link->core.handshake.peer.uid)) {
        thsi_link_refuse(&link->core, THS_CLOSED, "shutting down, or dialing the other way");
        link->drain = true;
        (void)thsi_driver_send_out(driver, link);
        thsi_driver_end(driver, link, true);
        return;
    }
    env->random(env, random, sizeof random);
    err = thsi_link_accept(&link->core, driver->now_ns, random);
    sodium_memzero(random, sizeof random);
    if (err != THS_OK || !thsi_driver_send_out(driver, link))
        thsi_driver_end(driver, link, true);
}

/* ---- Admission -------------------------------------------------------------------------- */

/* A BYE, then what the other side needs to know, as a packet. */
void thsi_driver_send_refusal(struct thsi_driver *driver, struct thsi_driver_link *link,
                              const struct thsi_member_refusal *refusal, const char *why)
{
    uint8_t payload[512], packet[128];
    struct thsi_packer details, packer;
    struct thsi_envelope bye = { .kind = THSI_RECORD_BYE, .err = (uint32_t)refusal->err, .text = why };
    struct thsi_envelope more = { .kind = THSI_RECORD_GOSSIP, .bytes = packet };

    thsi_packer_init(&details, packet, sizeof packet);
    thsi_member_refusal_pack(refusal, &details);
    more.bytes_len = (uint32_t)details.len;
    thsi_packer_init(&packer, payload, sizeof payload);
    if (thsi_envelope_pack(&bye, &packer) == THS_OK && thsi_envelope_pack(&more, &packer) == THS_OK &&
        !packer.overflow && !details.overflow)
        (void)thsi_driver_send_small(driver, link, payload, packer.len);
    link->drain = true;
}

/* Whether the first payload of a link is a refusal. Its text goes to @texts. */
static bool is_refusal(const uint8_t *payload, size_t len, struct thsi_arena *texts, struct thsi_member_refusal *refusal,
                       const char **why)
{
    struct thsi_envelope envelope;
    struct thsi_unpacker unpacker, details;

    thsi_unpacker_init(&unpacker, payload, len);
    if (len == 0 || thsi_envelope_unpack(&envelope, &unpacker, texts) != THS_OK ||
        envelope.kind != THSI_RECORD_BYE || envelope.err == THS_OK)
        return false;
    *why = envelope.text ? envelope.text : "";
    *refusal = (struct thsi_member_refusal){ .err = thsi_refusal_of_code(envelope.err) };
    if (thsi_envelope_unpack(&envelope, &unpacker, texts) != THS_OK || envelope.kind != THSI_RECORD_GOSSIP ||
        !envelope.bytes)
        return true;
    thsi_unpacker_init(&details, envelope.bytes, envelope.bytes_len);
    thsi_member_refusal_unpack(refusal, &details);
    return true;
}

static void refused(struct thsi_driver *driver, struct thsi_driver_link *link,
                    const struct thsi_member_refusal *refusal, const char *why)
{
    const struct thsi_membership_event event = { .type = THSI_MEMBERSHIP_REFUSED, .uid = link->uid,
                                                 .refusal = *refusal };

    (void)atomic_fetch_add_explicit(&driver->closed_for[(unsigned)refusal->err % 64], 1, memory_order_relaxed);
    thsi_driver_note_refusal(driver, link, refusal->err, why);
    if (refusal->err == THS_NODE_LOST)
        driver->yields_uid = link->uid; /* unless this node does, and then it dials nobody any more */
    thsi_driver_later(driver, &event); /* ends the dial too */
    thsi_driver_end(driver, link, true);
}

/* Say no, with @why or what the error says, and close the link. */
static void refuse(struct thsi_driver *driver, struct thsi_driver_link *link, const struct thsi_member_refusal *refusal,
                   const char *why)
{
    enum ths_err err = refusal->err;

    (void)atomic_fetch_add_explicit(&driver->closed_for[(unsigned)err % 64], 1, memory_order_relaxed);
    if (err != THS_CLOSED && driver->now_ns >= driver->refusal_note_ns) {
        driver->refusal_note_ns = driver->now_ns + THSI_REFUSAL_NOTE_NS;
        thsi_note(driver->runtime, THS_LOG_INFO, "link", "refused %s at %s: %s", link->core.handshake.peer.name,
                  link->core.handshake.peer.address, *why ? why : ths_err_text(err));
    }
    thsi_driver_send_refusal(driver, link, refusal, why);
    thsi_driver_close(driver, link, THSI_END_LOST, true);
}

/* Whether its node key is good; else the refusal is sent, and the link is gone. */
static bool is_trusted(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    const struct thsi_member_refusal refusal = { .err = THS_NOT_ALLOWED };
    struct thsi_verdict verdict;

    thsi_driver_judge(driver, link, &verdict);
    if (!verdict.admitted)
        refuse(driver, link, &refusal, verdict.why);
    return verdict.admitted;
}

/* Its node key first, then what membership says; a refusal is sent, and the link is gone then. */
static bool admit(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct thsi_member_refusal refusal;
    enum ths_err err;

    if (!is_trusted(driver, link))
        return false;
    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_membership_admit(driver->membership, &link->core.handshake.peer, &refusal);
    (void)pthread_mutex_unlock(&driver->mutex);
    if (err == THS_OK && !link->dialed && awaits_better_link(driver, link->uid))
        err = refusal.err = THS_CLOSED;
    if (err == THS_OK)
        return true;
    refuse(driver, link, &refusal, "");
    return false;
}

/* A second link of a pair: the rule is the same on both sides. False: this one is not kept and is gone. */
static bool replace_older(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    const struct thsi_member_refusal refusal = { .err = THS_CLOSED };
    struct thsi_peer *peer = thsi_remote_find(driver->remote, link->uid);
    struct thsi_driver_link *old = peer ? peer->link : NULL;

    if (old && !thsi_membership_new_link_wins(driver->self.uid, link->uid, old->dialed, link->dialed)) {
        thsi_driver_send_refusal(driver, link, &refusal, "");
        thsi_driver_end(driver, link, true);
        return false;
    }
    if (old)
        thsi_driver_end(driver, old, true);
    for (size_t i = driver->links_count; i-- > 0;) {
        struct thsi_driver_link *other = driver->links[i];
        if (other != link && other->dialed && other->uid == link->uid)
            thsi_driver_end(driver, other, true); /* a dial that is answered by this link */
    }
    return true;
}

/* Both sides want it: the link becomes the member's. */
static bool go_up(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct thsi_identity who = link->core.handshake.peer;
    thsi_link id = link->id;
    struct thsi_verdict verdict;
    struct thsi_peer *peer;

    (void)thsi_driver_run_events(driver); /* the end of an earlier link is told before the beginning of this one */
    if (!replace_older(driver, link))
        return false;
    peer = thsi_remote_member(driver->remote, who.uid, who.name);
    if (!peer || thsi_remote_link_up(driver->remote, peer) != THS_OK) {
        thsi_driver_close(driver, link, THSI_END_LOST, true);
        return false;
    }
    driver->seed_dials -= link->dialed && !link->asked_for;
    link->stage = THSI_STAGE_UP;
    link->peer = peer;
    peer->link = link;
    thsi_driver_judge(driver, link, &verdict);
    peer->rights = verdict.rights;
    if (thsi_driver_session_up(driver, &who) != THS_OK) {
        link = thsi_driver_find(driver, id);
        if (link)
            thsi_driver_close(driver, link, THSI_END_LOCAL, true);
        return false;
    }
    if (!thsi_driver_find(driver, id))
        return false;
    thsi_driver_begin_keys(driver, link);
    if (!thsi_driver_find(driver, id))
        return false;
    /* What waited for the link is sent like everything else: through the list of dirty peers. */
    (void)pthread_mutex_lock(&peer->mutex);
    thsi_remote_unlock_dirty(driver->remote, peer);
    return true;
}

/* Whether it is for the dialed side to refuse first: a node of our own name, as it was there already, and one that we
 * have buried, as it may have buried us, and the smaller party has to hear that. If it accepts, we are asked again; if it
 * refused before and we did not yield to that, it has to hear it from us. */
static bool speaks_first(struct thsi_driver *driver, const struct thsi_identity *who)
{
    bool buried;

    (void)pthread_mutex_lock(&driver->mutex);
    buried = thsi_membership_is_buried(driver->membership, who->uid, NULL);
    (void)pthread_mutex_unlock(&driver->mutex);
    return (buried && who->uid != driver->yields_uid) || strcmp(who->name, driver->self.name) == 0;
}

/* This node dialed, and now knows who is there. */
static void verified_dialed(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    const struct thsi_identity *who = &link->core.handshake.peer;
    const struct thsi_membership_event stranger = { .type = THSI_MEMBERSHIP_DIAL_FAILED, .uid = link->uid,
                                                    .end = THSI_END_STRANGER };

    if (link->asked_for && who->uid != link->uid) {
        link->asked_for = false;
        driver->seed_dials++;
        thsi_driver_later(driver, &stranger);
        (void)thsi_driver_run_events(driver);
    }
    link->uid = who->uid;
    if (who->uid == driver->self.uid) {
        thsi_seeds_found_own(&driver->seeds, link->address);
        thsi_driver_end(driver, link, true);
        return;
    }
    /* Of keys it speaks in any case: a link that the other side believes in, even for a moment, is a sign of life. */
    if (!is_trusted(driver, link) || (!speaks_first(driver, who) && !admit(driver, link)))
        return;
    if (!thsi_driver_send_small(driver, link, NULL, 0))
        thsi_driver_close(driver, link, THSI_END_LOST, true);
}

void thsi_driver_verified(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    driver->unverified -= !link->dialed; /* it was in HELLO until now */
    link->stage = THSI_STAGE_WELCOME;
    if (link->dialed) {
        if (link->core.out_len > 0 && !thsi_driver_send_out(driver, link)) /* its node key */
            thsi_driver_close(driver, link, THSI_END_LOST, true);
        else
            verified_dialed(driver, link);
        return;
    }
    link->uid = link->core.handshake.peer.uid;
    if (!link->core.pending) /* the proof was empty; else what it holds comes as the first frame */
        (void)thsi_driver_welcomed(driver, link, NULL, 0);
}

bool thsi_driver_welcomed(struct thsi_driver *driver, struct thsi_driver_link *link, const uint8_t *payload,
                          size_t len)
{
    struct thsi_member_refusal refusal;
    uint8_t room[256];
    struct thsi_arena texts = { .base = room, .cap = sizeof room };
    const char *why;

    if (is_refusal(payload, len, &texts, &refusal, &why)) {
        refused(driver, link, &refusal, why);
        return false;
    }
    if (link->dialed)
        return admit(driver, link) && go_up(driver, link);
    if (link->uid == driver->self.uid) {
        thsi_driver_end(driver, link, true); /* the dialing half of this node finds out as well */
        return false;
    }
    (void)thsi_driver_run_events(driver);
    if (!admit(driver, link))
        return false;
    if (!thsi_driver_send_small(driver, link, NULL, 0)) {
        thsi_driver_end(driver, link, true);
        return false;
    }
    return go_up(driver, link);
}
