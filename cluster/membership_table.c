/* The members and the tombs: finding, adding, burying, and who may come in. */

#include "cluster/membership_internal.h"

#include <assert.h>

static_assert(THSI_MEMBER_INDEX >= 2 * THSI_MEMBERS_MAX, "probing needs free places");
static_assert((THSI_MEMBER_INDEX & (THSI_MEMBER_INDEX - 1)) == 0, "the mask needs a power of two");

/* ---- Finding -------------------------------------------------------------------------------- */

static size_t index_start(uint64_t uid)
{
    return (size_t)(thsi_mix(uid) & (THSI_MEMBER_INDEX - 1));
}

static void index_insert(struct thsi_membership *m, size_t place)
{
    size_t at = index_start(m->members[place]->who.uid);

    while (m->index[at] != 0)
        at = (at + 1) & (THSI_MEMBER_INDEX - 1);
    m->index[at] = (uint16_t)(place + 1);
}

/* Burials are rare, so the index is simply made anew. */
static void index_rebuild(struct thsi_membership *m)
{
    memset(m->index, 0, sizeof m->index);
    for (size_t i = 0; i < m->count; i++)
        index_insert(m, i);
}

struct thsi_member *thsi_membership_get(const struct thsi_membership *m, uint64_t uid)
{
    for (size_t at = index_start(uid); m->index[at] != 0; at = (at + 1) & (THSI_MEMBER_INDEX - 1)) {
        struct thsi_member *member = m->members[m->index[at] - 1];

        if (member->who.uid == uid)
            return member;
    }
    return NULL;
}

static bool same_id(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, THSI_NODE_ID_SIZE) == 0;
}

struct thsi_member *thsi_membership_rival(const struct thsi_membership *m, const struct thsi_identity *identity)
{
    struct thsi_member *rival = NULL;

    for (size_t i = 0; i < m->count; i++) {
        struct thsi_member *member = m->members[i];

        if (member->who.uid == identity->uid)
            continue;
        if (same_id(member->who.id, identity->id))
            return member;
        if (strcmp(member->who.name, identity->name) == 0)
            rival = member;
    }
    return rival;
}

struct thsi_tomb *thsi_membership_tomb_by_age(struct thsi_membership *m, size_t age)
{
    assert(age < m->tombs_count);
    return &m->tombs[(m->tomb_next + THSI_TOMBS_MAX - 1 - age) % THSI_TOMBS_MAX];
}

struct thsi_tomb *thsi_membership_tomb(struct thsi_membership *m, uint64_t uid)
{
    for (size_t i = 0; i < m->tombs_count; i++)
        if (m->tombs[i].uid == uid)
            return &m->tombs[i];
    return NULL;
}

bool thsi_membership_is_buried(const struct thsi_membership *m, uint64_t uid, enum ths_member_state *state)
{
    for (size_t i = 0; i < m->tombs_count; i++) {
        if (m->tombs[i].uid != uid)
            continue;
        if (state)
            *state = m->tombs[i].state;
        return true;
    }
    return false;
}

const struct thsi_member *thsi_membership_find(const struct thsi_membership *m, uint64_t uid)
{
    return uid == m->self.who.uid ? &m->self : thsi_membership_get(m, uid);
}

const struct thsi_member *thsi_membership_find_name(const struct thsi_membership *m, const char *name)
{
    if (strcmp(m->self.who.name, name) == 0)
        return &m->self;
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->members[i]->who.name, name) == 0)
            return m->members[i];
    return NULL;
}

size_t thsi_membership_count(const struct thsi_membership *m)
{
    return m->count + 1;
}

const struct thsi_member *thsi_membership_at(const struct thsi_membership *m, size_t index)
{
    assert(index <= m->count);
    return index == 0 ? &m->self : m->members[index - 1];
}

bool thsi_membership_any_linked(const struct thsi_membership *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->members[i]->linked)
            return true;
    return false;
}

bool thsi_membership_alone(const struct thsi_membership *m)
{
    return m->count == 0;
}

const struct thsi_identity *thsi_membership_self(const struct thsi_membership *m)
{
    return &m->self.who;
}

/* ---- The update's lists --------------------------------------------------------------------- */

static bool grow(struct ths_env *env, void **list, size_t *cap, size_t need, size_t item_size)
{
    size_t wanted = *cap ? *cap : 8;
    void *grown;

    if (need <= *cap)
        return true;
    while (wanted < need)
        wanted *= 2;
    grown = env->memory(env, *list, wanted * item_size);
    if (!grown)
        return false;
    *list = grown;
    *cap = wanted;
    return true;
}

bool thsi_membership_reserve(struct thsi_membership *m)
{
    void *changes = m->changes, *dials = m->dials, *closes = m->closes;
    bool ok;

    /* At most: a rival is buried; the member itself is announced, moves twice and is buried. */
    ok = grow(m->env, &changes, &m->changes_cap, m->changes_count + 5, sizeof *m->changes);
    m->changes = changes;
    ok = ok && grow(m->env, &dials, &m->dials_cap, m->dials_count + 1, sizeof *m->dials);
    m->dials = dials;
    ok = ok && grow(m->env, &closes, &m->closes_cap, m->closes_count + 3, sizeof *m->closes);
    m->closes = closes;
    return ok;
}

static void push_change(struct thsi_membership *m, struct thsi_member *member, enum ths_member_state from,
                        enum ths_member_state to)
{
    assert(m->changes_count < m->changes_cap);
    m->changes[m->changes_count++] =
        (struct thsi_member_change){ .member = member, .from = from, .to = to, .is_new = member->fresh };
    member->fresh = false;
}

void thsi_membership_close(struct thsi_membership *m, uint64_t uid)
{
    for (size_t i = 0; i < m->closes_count; i++)
        if (m->closes[i] == uid)
            return;
    assert(m->closes_count < m->closes_cap);
    m->closes[m->closes_count++] = uid;
}

void thsi_membership_free_graves(struct thsi_membership *m)
{
    while (m->graves) {
        struct thsi_member *next = m->graves->next;

        (void)m->env->memory(m->env, m->graves, 0);
        m->graves = next;
    }
}

/* ---- Coming and going ----------------------------------------------------------------------- */

struct thsi_member *thsi_membership_add(struct thsi_membership *m, const struct thsi_identity *identity,
                                        uint64_t now_ns)
{
    struct thsi_member *member;

    assert(!thsi_membership_find(m, identity->uid));
    if (m->count == THSI_MEMBERS_MAX - 1)
        return NULL;
    member = m->env->memory(m->env, NULL, sizeof *member);
    if (!member)
        return NULL;
    *member = (struct thsi_member){ .who = *identity, .state = THS_MEMBER_JOINING, .fresh = true };
    member->gossip_left = THSI_NEWS_ROUNDS;
    member->heard_ns = now_ns;
    member->dial_ns = UINT64_MAX;
    m->members[m->count++] = member;
    index_insert(m, m->count - 1);
    m->digest_valid = false;
    return member;
}

void thsi_membership_announce(struct thsi_membership *m, struct thsi_member *member)
{
    assert(member->fresh && member->state == THS_MEMBER_JOINING);
    push_change(m, member, THS_MEMBER_JOINING, THS_MEMBER_JOINING);
}

/* The age of the tomb that makes room for another. */
static size_t displaced_age(struct thsi_membership *m, bool met)
{
    size_t unmet = 0, oldest = m->tombs_count - 1;

    for (size_t age = m->tombs_count; !met && age-- > 0;) {
        if (thsi_membership_tomb_by_age(m, age)->met)
            continue;
        if (unmet++ == 0)
            oldest = age;
    }
    return unmet >= THSI_TOMBS_UNMET_MAX ? oldest : m->tombs_count - 1;
}

/* A free tomb, as the youngest. */
static struct thsi_tomb *dig(struct thsi_membership *m, bool met)
{
    size_t age = m->tombs_count > 0 ? displaced_age(m, met) : 0;

    if (m->tombs_count > 0 && age + 1 < m->tombs_count) {
        for (; age > 0; age--)
            *thsi_membership_tomb_by_age(m, age) = *thsi_membership_tomb_by_age(m, age - 1);
        return thsi_membership_tomb_by_age(m, 0);
    }
    m->tomb_next = (m->tomb_next + 1) % THSI_TOMBS_MAX;
    if (m->tombs_count < THSI_TOMBS_MAX)
        m->tombs_count++;
    return thsi_membership_tomb_by_age(m, 0);
}

void thsi_membership_entomb(struct thsi_membership *m, const struct thsi_identity *who, enum ths_member_state state, bool met,
                            unsigned gossip_left)
{
    struct thsi_tomb *tomb;

    assert(!thsi_membership_is_buried(m, who->uid, NULL));
    tomb = dig(m, met);
    *tomb = (struct thsi_tomb){ .uid = who->uid, .boot = who->boot, .incarnation = who->incarnation, .state = state,
                                .met = met, .gossip_left = gossip_left };
    memcpy(tomb->id, who->id, sizeof tomb->id);
    memcpy(tomb->name, who->name, sizeof tomb->name);
}

static void bury(struct thsi_membership *m, struct thsi_member *member)
{
    size_t place = 0;

    while (m->members[place] != member)
        place++;
    m->members[place] = m->members[--m->count];
    index_rebuild(m);
    thsi_membership_entomb(m, &member->who, member->state, member->met, THSI_NEWS_ROUNDS);
    if (member->linked)
        thsi_membership_close(m, member->who.uid);
    member->linked = false;
    member->next = m->graves;
    m->graves = member;
}

/* Which moves there are; README.md draws them. */
static const bool moves[6][6] = {
    [THS_MEMBER_JOINING] = { [THS_MEMBER_UP] = true, [THS_MEMBER_SUSPECT] = true, [THS_MEMBER_LEAVING] = true,
                             [THS_MEMBER_DEAD] = true, [THS_MEMBER_LEFT] = true },
    [THS_MEMBER_UP] = { [THS_MEMBER_SUSPECT] = true, [THS_MEMBER_LEAVING] = true, [THS_MEMBER_DEAD] = true,
                        [THS_MEMBER_LEFT] = true },
    [THS_MEMBER_SUSPECT] = { [THS_MEMBER_JOINING] = true, [THS_MEMBER_UP] = true, [THS_MEMBER_LEAVING] = true,
                             [THS_MEMBER_DEAD] = true, [THS_MEMBER_LEFT] = true },
    [THS_MEMBER_LEAVING] = { [THS_MEMBER_DEAD] = true, [THS_MEMBER_LEFT] = true },
};

void thsi_membership_move(struct thsi_membership *m, struct thsi_member *member, enum ths_member_state to)
{
    enum ths_member_state from = member->state;

    assert(moves[from][to]);
    member->state = to;
    member->gossip_left = THSI_NEWS_ROUNDS;
    m->digest_valid = false;
    push_change(m, member, from, to);
    if (to == THS_MEMBER_DEAD || to == THS_MEMBER_LEFT)
        bury(m, member);
}

/* ---- Admission ------------------------------------------------------------------------------ */

/* Whether an older boot gives way: it does when it is silent, or has no link and did not answer a dial. */
static bool gives_way(const struct thsi_member *member)
{
    if (member->state == THS_MEMBER_SUSPECT || member->state == THS_MEMBER_LEAVING)
        return true;
    return !member->linked && member->probe_failed;
}

static enum ths_err admit_beside_self(const struct thsi_membership *m, const struct thsi_identity *identity)
{
    bool same = same_id(m->self.who.id, identity->id);

    if (identity->uid == m->self.who.uid)
        return THS_REFUSED;
    if (same && identity->boot < m->self.who.boot)
        return THS_SUPERSEDED;
    return same || strcmp(m->self.who.name, identity->name) == 0 ? THS_NAME_TAKEN : THS_OK;
}

/* The newest boot of the node @id among the buried, 0: none. */
static uint64_t newest_buried_boot(const struct thsi_membership *m, const uint8_t *id)
{
    uint64_t boot = 0;

    for (size_t i = 0; i < m->tombs_count; i++)
        if (m->tombs[i].boot > boot && same_id(m->tombs[i].id, id))
            boot = m->tombs[i].boot;
    return boot;
}

static enum ths_err admit(const struct thsi_membership *m, const struct thsi_identity *identity, uint64_t *newest)
{
    const struct thsi_member *rival, *same;
    enum ths_err err;

    *newest = m->self.who.boot;
    err = admit_beside_self(m, identity);
    if (err != THS_OK)
        return err;
    if (m->inert || m->self.state == THS_MEMBER_LEAVING)
        return THS_CLOSED;
    if (thsi_membership_is_buried(m, identity->uid, NULL))
        return THS_NODE_LOST;
    same = thsi_membership_get(m, identity->uid);
    if (same && same->met && !same_id(same->who.id, identity->id))
        return THS_REFUSED; /* uids are drawn: nobody has another's by chance */
    rival = thsi_membership_rival(m, identity);
    if (rival && (!same_id(rival->who.id, identity->id) || !gives_way(rival)))
        return THS_NAME_TAKEN;
    *newest = newest_buried_boot(m, identity->id);
    if (rival && rival->who.boot > *newest)
        *newest = rival->who.boot;
    if (*newest != 0 && identity->boot <= *newest)
        return THS_SUPERSEDED;
    if (!rival && !same && m->count == THSI_MEMBERS_MAX - 1)
        return THS_TOO_MANY;
    return THS_OK;
}

enum ths_err thsi_membership_admit(const struct thsi_membership *m, const struct thsi_identity *identity,
                                   struct thsi_member_refusal *refusal)
{
    uint64_t newest = 0;
    enum ths_err err = admit(m, identity, &newest);

    if (refusal)
        *refusal = (struct thsi_member_refusal){ .err = err, .boot = err == THS_SUPERSEDED ? newest : 0,
                                          .members = thsi_membership_count(m) };
    return err;
}

/* ---- Invariants ----------------------------------------------------------------------------- */

static void check_member(const struct thsi_membership *m, const struct thsi_member *member)
{
    assert(member->who.uid != 0 && member->who.uid != m->self.who.uid);
    assert(member->who.name[0] != '\0' && strcmp(member->who.name, m->self.who.name) != 0);
    assert(member->state < THS_MEMBER_DEAD);
    assert(!member->self && !member->fresh);
    assert(!member->linked || member->met);
    assert(!member->linked || !member->dialing);
    assert(member->state != THS_MEMBER_UP || member->met);
    assert(member->who.incarnation <= THSI_INCARNATION_MAX);
    assert(!thsi_membership_is_buried(m, member->who.uid, NULL));
    assert(thsi_membership_get(m, member->who.uid) == member);
    assert(!thsi_membership_rival(m, &member->who));
    /* Nobody that is to be buried is forgotten. A leaving node buries nobody. */
    if (member->state == THS_MEMBER_SUSPECT || member->state == THS_MEMBER_LEAVING)
        assert(m->inert || m->put_off || m->self.state == THS_MEMBER_LEAVING || m->deadline_ns <= member->bury_ns);
}

void thsi_membership_check(const struct thsi_membership *m)
{
    size_t indexed = 0;

    assert(m->count < THSI_MEMBERS_MAX);
    assert(m->tombs_count <= THSI_TOMBS_MAX && m->tomb_next < THSI_TOMBS_MAX);
    assert(m->self.self && m->self.who.uid != 0);
    for (size_t i = 0; i < m->count; i++)
        check_member(m, m->members[i]);
    for (size_t i = 0; i < THSI_MEMBER_INDEX; i++)
        indexed += m->index[i] != 0;
    assert(indexed == m->count);
    for (size_t i = 0; i < m->tombs_count; i++) {
        assert(m->tombs[i].state == THS_MEMBER_DEAD || m->tombs[i].state == THS_MEMBER_LEFT);
        assert(thsi_membership_tomb((struct thsi_membership *)(uintptr_t)m, m->tombs[i].uid) == &m->tombs[i]);
    }
}
