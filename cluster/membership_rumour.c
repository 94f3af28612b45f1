/* What others say, and what this node makes of it. Each rumour is about one uid and is taken or dropped by the one
 * rule: a higher incarnation, or a worse state of the same; burials are final. */

#include "cluster/membership_internal.h"

#include <assert.h>

#define ROOM_FOR_OTHER_NS (200 * THSI_MS) /* the smaller uid dials first */

void thsi_membership_die(struct thsi_membership *m, enum ths_err why)
{
    if (m->inert)
        return;
    m->inert = true;
    m->self_buried = why;
    m->deadline_ns = UINT64_MAX;
}

void thsi_membership_suspect(struct thsi_membership *m, struct thsi_member *member, uint64_t now_ns, uint64_t for_ns)
{
    if (member->state != THS_MEMBER_SUSPECT) {
        member->bury_ns = now_ns + for_ns;
        thsi_membership_move(m, member, THS_MEMBER_SUSPECT);
    } else if (now_ns + for_ns < member->bury_ns) {
        member->bury_ns = now_ns + for_ns;
    }
    thsi_membership_schedule(m, member->bury_ns);
}

/* ---- Of this node itself -------------------------------------------------------------------- */

static void hear_of_self(struct thsi_membership *m, const struct thsi_rumour *rumour)
{
    if (rumour->state == THS_MEMBER_DEAD || rumour->state == THS_MEMBER_LEFT) {
        if (m->self.state != THS_MEMBER_LEAVING)
            thsi_membership_die(m, THS_NODE_LOST);
        return;
    }
    if (m->self.state == THS_MEMBER_LEAVING)
        return;
    /* Refute what is said of this incarnation; and whatever was said, ours stays the highest. */
    if (rumour->who.incarnation < m->self.who.incarnation ||
        (rumour->who.incarnation == m->self.who.incarnation && rumour->state == THS_MEMBER_UP))
        return;
    if (rumour->who.incarnation == THSI_INCARNATION_MAX)
        return;
    m->self.who.incarnation = rumour->who.incarnation + (rumour->state != THS_MEMBER_UP);
    m->self.gossip_left = THSI_NEWS_ROUNDS;
    m->news_urgent = true;
    m->digest_valid = false;
}

/* ---- Of a member ---------------------------------------------------------------------------- */

/* A higher incarnation: the member itself said something. @from_itself: over its own link. */
static void hear_new_incarnation(struct thsi_membership *m, struct thsi_member *member, uint64_t incarnation,
                                 uint64_t now_ns)
{
    member->who.incarnation = incarnation;
    member->gossip_left = THSI_NEWS_ROUNDS;
    member->heard_ns = now_ns;
    m->digest_valid = false;
    if (member->state != THS_MEMBER_SUSPECT)
        return;
    /* A short suspicion leaves no time for the next heartbeat to carry its end. */
    m->news_urgent = true;
    thsi_membership_move(m, member, member->met ? THS_MEMBER_UP : THS_MEMBER_JOINING);
}

static void hear_of_burial(struct thsi_membership *m, struct thsi_member *member, const struct thsi_rumour *rumour)
{
    if (rumour->who.incarnation > member->who.incarnation)
        member->who.incarnation = rumour->who.incarnation;
    thsi_membership_move(m, member, rumour->state);
}

/* A suspicion that was heard, not found: the suspect must learn of it now to have all the time to refute it. */
static void hear_of_suspicion(struct thsi_membership *m, struct thsi_member *member, uint64_t now_ns)
{
    thsi_membership_suspect(m, member, now_ns, m->bury_ns);
    if (member->linked)
        thsi_membership_pack_one(m, member, member->who.uid);
}

static void hear_of_member(struct thsi_membership *m, struct thsi_member *member, const struct thsi_rumour *rumour,
                           uint64_t now_ns)
{
    if (rumour->state == THS_MEMBER_DEAD || rumour->state == THS_MEMBER_LEFT) {
        hear_of_burial(m, member, rumour);
        return;
    }
    if (rumour->who.incarnation < member->who.incarnation || member->state == THS_MEMBER_LEAVING)
        return;
    if (rumour->who.incarnation > member->who.incarnation)
        hear_new_incarnation(m, member, rumour->who.incarnation, now_ns);
    if (rumour->state == THS_MEMBER_SUSPECT && member->state != THS_MEMBER_SUSPECT)
        hear_of_suspicion(m, member, now_ns);
    if (rumour->state == THS_MEMBER_LEAVING) {
        member->bury_ns = now_ns + m->bury_ns;
        thsi_membership_schedule(m, member->bury_ns);
        thsi_membership_move(m, member, THS_MEMBER_LEAVING);
    }
}

/* ---- Of a stranger -------------------------------------------------------------------------- */

/* Whether a node with the same id or name is in the way. An older boot without a link gives way: whoever tells of
 * the newer one has buried it already. */
static bool is_in_the_way(struct thsi_membership *m, const struct thsi_identity *who)
{
    struct thsi_member *rival = thsi_membership_rival(m, who);

    if (memcmp(m->self.who.id, who->id, sizeof who->id) == 0 || strcmp(m->self.who.name, who->name) == 0)
        return true;
    if (!rival)
        return false;
    if (rival->linked || rival->who.boot >= who->boot || memcmp(rival->who.id, who->id, sizeof who->id) != 0)
        return true;
    thsi_membership_move(m, rival, THS_MEMBER_DEAD);
    return thsi_membership_rival(m, who) != NULL;
}

static bool is_outdated(struct thsi_membership *m, const struct thsi_identity *who)
{
    for (size_t i = 0; i < m->tombs_count; i++)
        if (m->tombs[i].boot >= who->boot && memcmp(m->tombs[i].id, who->id, sizeof who->id) == 0)
            return true;
    return false;
}

/* Whether one more member that is only told of may be believed in. A large cluster is not held up by the bounds: they are for
 * those that no link has proved yet, and all of its nodes dial a new one by themselves. */
static bool may_introduce(const struct thsi_membership *m, uint64_t from)
{
    unsigned unmet = 0, of_one = 0;

    for (size_t i = 0; i < m->count; i++) {
        if (m->members[i]->met)
            continue;
        unmet++;
        of_one += m->members[i]->told_by == from;
    }
    return unmet < THSI_UNMET_MAX && of_one < THSI_UNMET_OF_ONE_MAX;
}

static enum ths_err hear_of_stranger(struct thsi_membership *m, uint64_t from, const struct thsi_rumour *rumour,
                                     uint64_t now_ns)
{
    struct thsi_member *member;

    if (rumour->state == THS_MEMBER_DEAD || rumour->state == THS_MEMBER_LEFT) {
        thsi_membership_entomb(m, &rumour->who, rumour->state, false, 0);
        return THS_OK;
    }
    if (rumour->state == THS_MEMBER_LEAVING || m->self.state == THS_MEMBER_LEAVING)
        return THS_OK;
    if (is_outdated(m, &rumour->who) || !may_introduce(m, from) || is_in_the_way(m, &rumour->who) ||
        m->count == THSI_MEMBERS_MAX - 1)
        return THS_OK;
    member = thsi_membership_add(m, &rumour->who, now_ns);
    if (!member)
        return THS_NOMEM;
    member->told_by = from;
    thsi_membership_announce(m, member);
    if (member->who.address[0] != '\0') {
        member->dial_ns = now_ns;
        if (m->self.who.uid > member->who.uid)
            member->dial_ns += ROOM_FOR_OTHER_NS + thsi_prng_below(&m->random, ROOM_FOR_OTHER_NS);
    }
    thsi_membership_schedule(m, member->dial_ns);
    if (rumour->state == THS_MEMBER_SUSPECT)
        thsi_membership_suspect(m, member, now_ns, m->bury_ns);
    return THS_OK;
}

/* ---- Entry ---------------------------------------------------------------------------------- */

enum ths_err thsi_membership_hear(struct thsi_membership *m, uint64_t from, const struct thsi_rumour *rumour,
                                  uint64_t now_ns)
{
    struct thsi_member *member;

    if (rumour->who.uid == m->self.who.uid) {
        hear_of_self(m, rumour);
        return THS_OK;
    }
    if (thsi_membership_is_buried(m, rumour->who.uid, NULL))
        return THS_OK;
    if (!thsi_membership_reserve(m))
        return THS_NOMEM;
    member = thsi_membership_get(m, rumour->who.uid);
    if (!member)
        return hear_of_stranger(m, from, rumour, now_ns);
    hear_of_member(m, member, rumour, now_ns);
    return THS_OK;
}

enum ths_err thsi_membership_hear_self(struct thsi_membership *m, struct thsi_member *from, uint64_t incarnation,
                                       uint64_t now_ns)
{
    if (incarnation <= from->who.incarnation || from->state == THS_MEMBER_LEAVING)
        return THS_OK;
    if (!thsi_membership_reserve(m))
        return THS_NOMEM;
    hear_new_incarnation(m, from, incarnation, now_ns);
    return THS_OK;
}
