/* Membership's packets, packing and unpacking side by side. */

#include "cluster/membership_internal.h"

#include <assert.h>

#include "codec/keys.h"

#define RUMOUR_MAX (THSI_IDENTITY_PACKED_MAX + 8)
#define HEARTBEAT_FIELDS 6u
#define HEARTBEAT_MAX 64u
#define MISMATCHES_MAX 8u /* then the table is sent; but no more of them than heartbeats, whoever floods this node with those */

static_assert(THSI_MEMBERS_MAX + THSI_TOMBS_MAX <= UINT16_MAX, "the number of rumours fits");

/* ---- Rumours -------------------------------------------------------------------------------- */

static void pack_rumour(struct thsi_packer *packer, const struct thsi_identity *who, enum ths_member_state state)
{
    thsi_pack_array(packer, 2);
    /* JOINING is this node's own view: it has no session with the member yet. To others the member is up. */
    thsi_pack_u64(packer, state == THS_MEMBER_JOINING ? THS_MEMBER_UP : state);
    thsi_identity_pack(who, packer);
}

static void pack_tomb(struct thsi_packer *packer, const struct thsi_tomb *tomb)
{
    struct thsi_identity who = { .uid = tomb->uid, .boot = tomb->boot, .incarnation = tomb->incarnation };

    memcpy(who.id, tomb->id, sizeof who.id);
    memcpy(who.name, tomb->name, sizeof who.name);
    pack_rumour(packer, &who, tomb->state);
}

/* A node's id is made of its name: whoever tells another one lies, for no node that checks would have believed it. */
static bool is_own_id(const struct thsi_membership *m, const struct thsi_identity *who)
{
    uint8_t id[THSI_NODE_ID_SIZE];

    if (!m->cluster)
        return true;
    thsi_cluster_node_id(m->cluster, who->name, id);
    return memcmp(id, who->id, sizeof id) == 0;
}

static void unpack_rumour(const struct thsi_membership *m, struct thsi_rumour *rumour, struct thsi_unpacker *unpacker)
{
    uint32_t more = thsi_gossip_fields(unpacker, 2);

    rumour->state = (enum ths_member_state)thsi_unpack_u64_max(unpacker, THS_MEMBER_LEFT);
    if (rumour->state < THS_MEMBER_UP)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    thsi_identity_unpack(&rumour->who, unpacker);
    /* Of the buried only name and numbers are told. */
    if (unpacker->err == THS_OK && rumour->state < THS_MEMBER_DEAD && thsi_identity_check(&rumour->who) != THS_OK)
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    if (unpacker->err == THS_OK && !is_own_id(m, &rumour->who))
        thsi_unpack_fail(unpacker, THS_MALFORMED);
    thsi_gossip_skip(unpacker, more);
}

/* ---- Packets of rumours --------------------------------------------------------------------- */

/* Fills one MEMBERS packet after the other, each for one member (@to) or, with 0, for all linked ones. */
struct writer {
    struct thsi_membership *m;
    uint64_t to;
    struct thsi_packer packer;
    size_t array, count;
    bool open;
};

static void writer_flush(struct writer *writer)
{
    struct thsi_membership *m = writer->m;

    if (!writer->open)
        return;
    writer->open = false;
    thsi_gossip_array_close(&writer->packer, writer->array, writer->count);
    if (writer->to != 0) {
        thsi_gossip_send(&m->batch, &writer->packer, writer->to, false);
        return;
    }
    for (size_t i = 0; i < m->count; i++)
        if (m->members[i]->linked)
            thsi_gossip_send(&m->batch, &writer->packer, m->members[i]->who.uid, false);
}

/* Room for one more rumour; false when memory is out. @room is how much a new packet gets. */
static bool writer_next(struct writer *writer, size_t room)
{
    if (writer->open && thsi_packer_room(&writer->packer) < RUMOUR_MAX)
        writer_flush(writer);
    if (!writer->open) {
        if (!thsi_gossip_begin(&writer->m->batch, &writer->packer, room))
            return false;
        writer->open = true;
        writer->count = 0;
        thsi_pack_array(&writer->packer, 2);
        thsi_pack_u64(&writer->packer, THSI_GOSSIP_MEMBERS);
        writer->array = thsi_gossip_array_open(&writer->packer);
    }
    writer->count++;
    return true;
}

static size_t writer_room(size_t rumours)
{
    size_t room = 16 + rumours * RUMOUR_MAX;

    return room < THSI_GOSSIP_MAX ? room : THSI_GOSSIP_MAX;
}

static bool is_news(unsigned *gossip_left)
{
    if (*gossip_left == 0)
        return false;
    (*gossip_left)--;
    return true;
}

/* How many rumours there are to tell. Nobody to tell them to: they wait, the table of the next link has them all. */
static size_t count_news(const struct thsi_membership *m)
{
    size_t count = m->self.gossip_left > 0;

    if (!thsi_membership_any_linked(m))
        return 0;
    for (size_t i = 0; i < m->count; i++)
        count += m->members[i]->gossip_left > 0;
    for (size_t i = 0; i < m->tombs_count; i++)
        count += m->tombs[i].gossip_left > 0;
    return count;
}

void thsi_membership_pack_news(struct thsi_membership *m)
{
    struct writer writer = { .m = m };
    size_t news = count_news(m);
    size_t room = writer_room(news);

    m->news_urgent = false;
    if (news == 0)
        return;
    /* The dead first: so a newer boot in the same packet finds its name free. */
    for (size_t i = 0; i < m->tombs_count; i++)
        if (is_news(&m->tombs[i].gossip_left) && writer_next(&writer, room))
            pack_tomb(&writer.packer, &m->tombs[i]);
    if (is_news(&m->self.gossip_left) && writer_next(&writer, room))
        pack_rumour(&writer.packer, &m->self.who, m->self.state);
    for (size_t i = 0; i < m->count; i++)
        if (is_news(&m->members[i]->gossip_left) && writer_next(&writer, room))
            pack_rumour(&writer.packer, &m->members[i]->who, m->members[i]->state);
    writer_flush(&writer);
}

void thsi_membership_pack_table(struct thsi_membership *m, uint64_t to)
{
    struct writer writer = { .m = m, .to = to };
    size_t tombs = m->tombs_count < THSI_TABLE_TOMBS ? m->tombs_count : THSI_TABLE_TOMBS;
    size_t room = writer_room(tombs + 1 + m->count);

    for (size_t age = 0; age < tombs; age++)
        if (writer_next(&writer, room))
            pack_tomb(&writer.packer, thsi_membership_tomb_by_age(m, age));
    if (writer_next(&writer, room))
        pack_rumour(&writer.packer, &m->self.who, m->self.state);
    for (size_t i = 0; i < m->count; i++)
        if (writer_next(&writer, room))
            pack_rumour(&writer.packer, &m->members[i]->who, m->members[i]->state);
    writer_flush(&writer);
}

void thsi_membership_pack_one(struct thsi_membership *m, const struct thsi_member *about, uint64_t to)
{
    struct writer writer = { .m = m, .to = to };

    if (writer_next(&writer, writer_room(1)))
        pack_rumour(&writer.packer, &about->who, about->state);
    writer_flush(&writer);
}

/* Whether @from, which may speak of itself only, may say this all the same. */
static bool is_harmless(struct thsi_membership *m, const struct thsi_member *from, const struct thsi_rumour *rumour)
{
    if (rumour->who.uid == from->who.uid)
        return true;
    return rumour->state == THS_MEMBER_UP && rumour->who.uid != m->self.who.uid &&
           !thsi_membership_get(m, rumour->who.uid) && !thsi_membership_rival(m, &rumour->who);
}

/* Whatever a rumour brings, the rest of the packet is read, so that what is malformed behind it is seen. */
static enum ths_err unpack_members(struct thsi_membership *m, const struct thsi_member *from,
                                   struct thsi_unpacker *unpacker, const struct thsi_membership_event *event)
{
    uint32_t count = thsi_unpack_array(unpacker);
    enum ths_err first = THS_OK;

    for (uint32_t i = 0; i < count; i++) {
        struct thsi_rumour rumour;
        enum ths_err err;

        unpack_rumour(m, &rumour, unpacker);
        if (unpacker->err != THS_OK)
            return THS_OK;
        if (m->inert || (event->of_itself_only && !is_harmless(m, from, &rumour)))
            continue;
        err = thsi_membership_hear(m, from->who.uid, &rumour, event->now_ns);
        if (first == THS_OK)
            first = err;
    }
    return first;
}

/* ---- Heartbeat and leaving ------------------------------------------------------------------ */

void thsi_membership_pack_heartbeat(struct thsi_membership *m, const struct thsi_member *to, uint64_t now_ns)
{
    struct thsi_packer packer;

    if (!thsi_gossip_begin(&m->batch, &packer, HEARTBEAT_MAX))
        return;
    thsi_pack_array(&packer, HEARTBEAT_FIELDS);
    thsi_pack_u64(&packer, THSI_GOSSIP_HEARTBEAT);
    thsi_pack_u64(&packer, m->self.who.incarnation);
    thsi_pack_u64(&packer, thsi_membership_digest(m));
    thsi_pack_u64(&packer, now_ns);                                /* our stamp */
    thsi_pack_u64(&packer, to->stamp);                             /* theirs, and how long it lay here */
    thsi_pack_u64(&packer, to->stamp ? now_ns - to->stamp_ns : 0);
    thsi_gossip_send(&m->batch, &packer, to->who.uid, false);
}

/* The round trip without the time that our stamp lay with the other. Nonsense is ignored: it is a figure for people. */
static void measure(struct thsi_member *from, uint64_t echo, uint64_t hold_ns, uint64_t now_ns)
{
    if (echo != 0 && echo <= now_ns && hold_ns <= now_ns - echo)
        from->rtt_us = (now_ns - echo - hold_ns + 999) / 1000;
}

static enum ths_err unpack_heartbeat(struct thsi_membership *m, struct thsi_member *from,
                                     struct thsi_unpacker *unpacker, uint64_t now_ns)
{
    uint64_t incarnation = thsi_unpack_u64_max(unpacker, THSI_INCARNATION_MAX);
    uint64_t digest = thsi_unpack_u64(unpacker);
    uint64_t stamp = thsi_unpack_u64(unpacker);
    uint64_t echo = thsi_unpack_u64(unpacker);
    uint64_t hold_ns = thsi_unpack_u64(unpacker);

    if (unpacker->err != THS_OK)
        return THS_OK;
    from->stamp = stamp;
    from->stamp_ns = now_ns;
    measure(from, echo, hold_ns, now_ns);
    /* Two nodes that have known different things for a while lost a packet somewhere: then everything is said again. */
    from->mismatches = digest == thsi_membership_digest(m) ? 0 : from->mismatches + 1;
    if (from->mismatches >= MISMATCHES_MAX && now_ns - from->table_ns >= m->heartbeat_ns) {
        from->mismatches = 0;
        from->table_ns = now_ns;
        thsi_membership_pack_table(m, from->who.uid);
    }
    return thsi_membership_hear_self(m, from, incarnation, now_ns);
}

void thsi_membership_pack_leaving(struct thsi_membership *m)
{
    struct thsi_packer packer;

    if (!thsi_gossip_begin(&m->batch, &packer, HEARTBEAT_MAX))
        return;
    thsi_pack_array(&packer, 2);
    thsi_pack_u64(&packer, THSI_GOSSIP_LEAVING);
    thsi_pack_u64(&packer, m->self.who.incarnation);
    /* Ordered: signals that were sent before arrive before. */
    for (size_t i = 0; i < m->count; i++)
        if (m->members[i]->linked)
            thsi_gossip_send(&m->batch, &packer, m->members[i]->who.uid, true);
}

static enum ths_err unpack_leaving(struct thsi_membership *m, struct thsi_member *from,
                                   struct thsi_unpacker *unpacker)
{
    uint64_t incarnation = thsi_unpack_u64_max(unpacker, THSI_INCARNATION_MAX);

    if (unpacker->err != THS_OK)
        return THS_OK;
    if (!thsi_membership_reserve(m))
        return THS_NOMEM;
    if (incarnation > from->who.incarnation)
        from->who.incarnation = incarnation;
    if (from->state != THS_MEMBER_LEAVING)
        thsi_membership_move(m, from, THS_MEMBER_LEAVING);
    thsi_membership_move(m, from, THS_MEMBER_LEFT);
    return THS_OK;
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

static enum ths_err dispatch(struct thsi_membership *m, struct thsi_member *from, struct thsi_unpacker *unpacker,
                             uint64_t kind, const struct thsi_membership_event *event)
{
    switch (kind) {
    case THSI_GOSSIP_HEARTBEAT:
        return unpack_heartbeat(m, from, unpacker, event->now_ns);
    case THSI_GOSSIP_MEMBERS:
        return unpack_members(m, from, unpacker, event);
    case THSI_GOSSIP_LEAVING:
        return unpack_leaving(m, from, unpacker);
    default:
        thsi_unpack_fail(unpacker, THS_MALFORMED);
        return THS_OK;
    }
}

static uint32_t fields_of(uint64_t kind)
{
    return kind == THSI_GOSSIP_HEARTBEAT ? HEARTBEAT_FIELDS : 2;
}

enum ths_err thsi_membership_unpack(struct thsi_membership *m, struct thsi_member *from,
                                    const struct thsi_membership_event *event)
{
    const uint8_t *packet = event->packet;
    size_t len = event->packet_len;
    struct thsi_unpacker unpacker;
    uint32_t count, fields;
    enum ths_err err, broken;
    uint64_t kind;

    /* One whole value, before anything is done about it. */
    if (len == 0)
        return THS_MALFORMED;
    thsi_unpacker_init(&unpacker, packet, len);
    thsi_unpack_skip(&unpacker);
    if (len > THSI_GOSSIP_MAX || thsi_unpack_finish(&unpacker) != THS_OK)
        return THS_MALFORMED;
    thsi_unpacker_init(&unpacker, packet, len);
    count = thsi_unpack_array(&unpacker);
    kind = thsi_unpack_u64(&unpacker);
    fields = fields_of(kind);
    if (count < fields)
        thsi_unpack_fail(&unpacker, THS_MALFORMED);
    if (unpacker.err != THS_OK)
        return THS_MALFORMED;
    err = dispatch(m, from, &unpacker, kind, event);
    thsi_gossip_skip(&unpacker, count - fields);
    broken = thsi_unpack_finish(&unpacker);
    return broken != THS_OK ? THS_MALFORMED : err;
}

/* A sum, so that the order of the table does not matter. */
uint64_t thsi_membership_digest(struct thsi_membership *m)
{
    if (m->digest_valid)
        return m->digest;
    m->digest = thsi_mix(m->self.who.uid ^ thsi_mix(m->self.who.incarnation * 2));
    for (size_t i = 0; i < m->count; i++) {
        const struct thsi_member *member = m->members[i];
        uint64_t opinion = member->who.incarnation * 2 + (member->state == THS_MEMBER_SUSPECT);

        m->digest += thsi_mix(member->who.uid ^ thsi_mix(opinion));
    }
    m->digest_valid = true;
    return m->digest;
}
