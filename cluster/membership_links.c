/* Links and dials: how a member is reached, and what it means when it is not. */

#include "cluster/membership_internal.h"

#define REDIAL_NS (100 * THSI_MS) /* after the first failure; doubled each time */
#define REDIAL_NS_MAX (1600 * THSI_MS)

/* ---- Dials ---------------------------------------------------------------------------------- */

static void plan_dial(struct thsi_membership *m, struct thsi_member *member, uint64_t due_ns)
{
    if (member->linked || member->dialing || member->who.address[0] == '\0' || m->self.state == THS_MEMBER_LEAVING)
        return;
    member->dial_ns = due_ns;
    thsi_membership_schedule(m, due_ns);
}

/* Longer and longer, and never in step with others that lost the same node. */
static uint64_t redial_ns(struct thsi_membership *m, const struct thsi_member *member)
{
    uint64_t wait_ns = REDIAL_NS;

    for (unsigned i = 1; i < member->dial_failures && wait_ns < REDIAL_NS_MAX; i++)
        wait_ns *= 2;
    return wait_ns - wait_ns / 4 + thsi_prng_below(&m->random, wait_ns / 2);
}

static void dial_ended(struct thsi_membership *m, struct thsi_member *member, uint64_t now_ns)
{
    member->dialing = false;
    if (member->linked)
        return; /* its own dial was faster */
    member->dial_failures++;
    plan_dial(m, member, now_ns + redial_ns(m, member));
}

enum ths_err thsi_membership_dial_failed(struct thsi_membership *m, const struct thsi_membership_event *event)
{
    struct thsi_member *member = thsi_membership_get(m, event->uid);
    bool gone = event->end == THSI_END_REFUSED || event->end == THSI_END_STRANGER;

    if (!member)
        return THS_OK;
    if (!thsi_membership_reserve(m))
        gone = false; /* then the silence has to tell */
    dial_ended(m, member, event->now_ns);
    if (member->linked)
        return THS_OK;
    member->probe_failed = true;
    /* The process that had closed the link does not listen any more. It is given the time of another dial: its own,
     * if it lives and merely lost the link, or ours. A node that was never reached may just have a wrong address. */
    if (!gone || !member->link_closed)
        return THS_OK;
    if (member->state == THS_MEMBER_LEAVING) {
        thsi_membership_move(m, member, THS_MEMBER_LEFT);
        return THS_OK;
    }
    m->news_urgent = m->news_urgent || member->state != THS_MEMBER_SUSPECT;
    thsi_membership_suspect(m, member, event->now_ns, THSI_QUICK_BURY_NS);
    plan_dial(m, member, event->now_ns + THSI_QUICK_DIAL_NS);
    return THS_OK;
}

/* ---- Refusals ------------------------------------------------------------------------------- */

/* Two nodes that have buried each other cannot both stay: the smaller party yields, so that a node which comes back
 * alone does not end those who stayed together. */
static bool yields(const struct thsi_membership *m, uint64_t uid, uint64_t members)
{
    uint64_t own = thsi_membership_count(m);

    if (!thsi_membership_is_buried(m, uid, NULL))
        return true;
    return own != members ? own < members : m->self.who.uid > uid;
}

enum ths_err thsi_membership_refused(struct thsi_membership *m, const struct thsi_membership_event *event)
{
    const struct thsi_member_refusal *refusal = &event->refusal;
    struct thsi_member *member = thsi_membership_get(m, event->uid);

    if (member)
        dial_ended(m, member, event->now_ns);
    if (refusal->err == THS_NODE_LOST && yields(m, event->uid, refusal->members))
        thsi_membership_die(m, THS_NODE_LOST);
    if (refusal->err != THS_SUPERSEDED)
        return THS_OK;
    if (m->met_anybody) {
        thsi_membership_die(m, THS_SUPERSEDED);
    } else if (refusal->boot != UINT64_MAX && refusal->boot >= m->self.who.boot) {
        m->self.who.boot = refusal->boot + 1;
        m->boot_raised = true;
    }
    return THS_OK;
}

/* ---- Links ---------------------------------------------------------------------------------- */

static void link_begins(struct thsi_member *member, const struct thsi_identity *identity, uint64_t now_ns)
{
    uint64_t incarnation = member->who.incarnation;

    member->who = *identity;
    if (incarnation > member->who.incarnation)
        member->who.incarnation = incarnation;
    member->linked = true;
    member->met = true;
    member->dialing = false;
    member->probe_failed = false;
    member->link_closed = false;
    member->dial_failures = 0;
    member->mismatches = 0;
    member->dial_ns = UINT64_MAX;
    member->heard_ns = now_ns;
    member->stamp = 0;
}

/* The member of an admitted @identity; an older boot is buried for it. NULL when memory is out. */
static struct thsi_member *member_of(struct thsi_membership *m, const struct thsi_identity *identity, uint64_t now_ns)
{
    struct thsi_member *member = thsi_membership_get(m, identity->uid);
    struct thsi_member *older;

    if (member || !thsi_membership_reserve(m))
        return member;
    older = thsi_membership_rival(m, identity);
    if (!older)
        return thsi_membership_add(m, identity, now_ns);
    /* A full table has room only after the burial; memory must be there before it. */
    if (m->count == THSI_MEMBERS_MAX - 1) {
        thsi_membership_move(m, older, THS_MEMBER_DEAD);
        return thsi_membership_add(m, identity, now_ns);
    }
    member = thsi_membership_add(m, identity, now_ns);
    if (member)
        thsi_membership_move(m, older, THS_MEMBER_DEAD);
    return member;
}

enum ths_err thsi_membership_link_up(struct thsi_membership *m, const struct thsi_membership_event *event)
{
    const struct thsi_identity *identity = event->identity;
    enum ths_err err = thsi_membership_admit(m, identity, NULL);
    struct thsi_member *member;
    bool refuted;

    if (err != THS_OK)
        return err;
    if (!thsi_membership_reserve(m))
        return THS_NOMEM;
    member = member_of(m, identity, event->now_ns);
    if (!member)
        return THS_NOMEM;
    refuted = identity->incarnation > member->who.incarnation;
    link_begins(member, identity, event->now_ns);
    m->met_anybody = true;
    m->digest_valid = false;
    if (member->state == THS_MEMBER_JOINING || (member->state == THS_MEMBER_SUSPECT && refuted))
        thsi_membership_move(m, member, THS_MEMBER_UP);
    else if (member->state == THS_MEMBER_SUSPECT)
        member->bury_ns = event->now_ns + m->bury_ns; /* time to refute it over the new link */
    thsi_membership_pack_table(m, identity->uid);
    thsi_membership_pack_heartbeat(m, member, event->now_ns);
    return THS_OK;
}

enum ths_err thsi_membership_link_down(struct thsi_membership *m, const struct thsi_membership_event *event)
{
    struct thsi_member *member = thsi_membership_get(m, event->uid);

    if (!member || !member->linked)
        return THS_OK;
    member->linked = false;
    member->rtt_us = 0;
    member->probe_failed = false;
    member->link_closed = event->end != THSI_END_LOCAL;
    if (m->self.state == THS_MEMBER_LEAVING)
        return THS_OK;
    if (member->state == THS_MEMBER_LEAVING && thsi_membership_reserve(m))
        thsi_membership_move(m, member, THS_MEMBER_LEFT);
    else
        plan_dial(m, member, event->now_ns + (member->link_closed ? 0 : REDIAL_NS));
    return THS_OK;
}
