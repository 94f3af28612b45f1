/* Events in, update out, and what time brings. Links, table, packets and rumours have files of their own.
 *
 * Timers are few and are kept where they belong, in the members; deadline_ns is never later than the earliest. Signs of
 * life push timers back without touching it, so it may come too early: that costs one look, and it is exact again. */

#include "cluster/membership_internal.h"

#include <assert.h>

#define HEARTBEAT_MS 250u
#define SUSPECT_MS 1000u
#define BURY_MS 2000u
#define LEAVE_MS 1000u
#define RETRY_NS (10 * THSI_MS) /* for what was put off because memory was out */

/* ---- Life ----------------------------------------------------------------------------------- */

static uint64_t ms_or(unsigned ms, unsigned otherwise)
{
    return (ms ? ms : otherwise) * THSI_MS;
}

struct thsi_membership *thsi_membership_create(struct ths_env *env, const struct thsi_membership_options *options,
                                               uint64_t now_ns)
{
    struct thsi_membership *m = env->memory(env, NULL, sizeof *m);

    assert(options->self.uid != 0);
    assert(options->self.name[0] != '\0');
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    m->env = env;
    m->heartbeat_ns = ms_or(options->heartbeat_ms, HEARTBEAT_MS);
    m->suspect_ns = ms_or(options->suspect_ms, SUSPECT_MS);
    m->bury_ns = ms_or(options->bury_ms, BURY_MS);
    m->leave_ns = ms_or(options->leave_ms, LEAVE_MS);
    m->cluster = options->cluster;
    thsi_prng_init(&m->random, options->seed, options->self.uid);
    m->self.who = options->self;
    m->self.who.incarnation = 1;
    m->self.state = THS_MEMBER_UP;
    m->self.self = true;
    m->self.met = true;
    m->heartbeat_due_ns = now_ns;
    m->leave_due_ns = UINT64_MAX;
    m->deadline_ns = now_ns;
    thsi_gossip_batch_init(&m->batch, env);
    return m;
}

void thsi_membership_destroy(struct thsi_membership *m)
{
    struct ths_env *env;

    if (!m)
        return;
    env = m->env;
    thsi_membership_free_graves(m);
    for (size_t i = 0; i < m->count; i++)
        (void)env->memory(env, m->members[i], 0);
    thsi_gossip_batch_fini(&m->batch);
    (void)env->memory(env, m->changes, 0);
    (void)env->memory(env, m->dials, 0);
    (void)env->memory(env, m->closes, 0);
    (void)env->memory(env, m, 0);
}

uint64_t thsi_membership_deadline_ns(const struct thsi_membership *m)
{
    return m->deadline_ns;
}

void thsi_membership_heard(struct thsi_membership *m, uint64_t uid, uint64_t now_ns)
{
    struct thsi_member *member = thsi_membership_get(m, uid);

    if (member && member->linked && now_ns > member->heard_ns)
        member->heard_ns = now_ns;
}

bool thsi_list_has(const char *list, const char *item)
{
    size_t len = strlen(item);

    while (*list != '\0') {
        size_t part;

        list += strspn(list, ", ");
        part = strcspn(list, ", ");
        if (part == len && part > 0 && memcmp(list, item, len) == 0)
            return true;
        list += part;
    }
    return false;
}

/* ---- Packets and leaving ---------------------------------------------------------------------- */

static void finish_leaving(struct thsi_membership *m)
{
    m->inert = true;
    m->left_done = true;
    m->deadline_ns = UINT64_MAX;
}

static enum ths_err received(struct thsi_membership *m, const struct thsi_membership_event *event)
{
    struct thsi_member *from = thsi_membership_get(m, event->uid);
    enum ths_err err;

    if (!from || !from->linked)
        return THS_OK; /* buried with packets still on their way here */
    thsi_membership_heard(m, event->uid, event->now_ns);
    if (!thsi_membership_reserve(m))
        return THS_NOMEM;
    err = thsi_membership_unpack(m, from, event);
    if (err == THS_MALFORMED && thsi_membership_reserve(m))
        thsi_membership_close(m, event->uid);
    return err;
}

static enum ths_err leave(struct thsi_membership *m, uint64_t now_ns)
{
    if (m->self.state == THS_MEMBER_LEAVING)
        return THS_OK;
    m->self.state = THS_MEMBER_LEAVING;
    m->self.who.incarnation++;
    m->digest_valid = false;
    thsi_membership_pack_leaving(m);
    m->leave_due_ns = now_ns + m->leave_ns;
    thsi_membership_schedule(m, m->leave_due_ns);
    return THS_OK;
}

/* ---- Time ----------------------------------------------------------------------------------- */

/* This node was not run when it should have been: what looks like the silence of others is its own. */
static void doubt_self(struct thsi_membership *m, uint64_t now_ns)
{
    uint64_t patience_ns = m->suspect_ns / 2;

    if (m->deadline_ns == UINT64_MAX || now_ns < m->deadline_ns || now_ns - m->deadline_ns < patience_ns)
        return;
    for (size_t i = 0; i < m->count; i++) {
        m->members[i]->heard_ns = now_ns;
        if (m->members[i]->state == THS_MEMBER_SUSPECT)
            m->members[i]->bury_ns = now_ns + m->bury_ns;
    }
}

/* A member that was never reached has longer: its first dial, and ours, take time. */
static uint64_t silent_ns(const struct thsi_membership *m, const struct thsi_member *member)
{
    return member->heard_ns + (member->state == THS_MEMBER_JOINING ? m->suspect_ns + m->bury_ns : m->suspect_ns);
}

static bool is_watched(const struct thsi_member *member)
{
    return member->state == THS_MEMBER_JOINING || member->state == THS_MEMBER_UP;
}

static bool is_dial_due(const struct thsi_member *member, uint64_t now_ns)
{
    return !member->linked && !member->dialing && member->dial_ns <= now_ns;
}

/* May bury @member. */
static void look_at(struct thsi_membership *m, struct thsi_member *member, uint64_t now_ns)
{
    if (is_dial_due(member, now_ns)) {
        member->dialing = true;
        member->dial_ns = UINT64_MAX;
        m->dials[m->dials_count++] =
            (struct thsi_membership_dial){ .uid = member->who.uid, .address = member->who.address };
    }
    if (is_watched(member) && silent_ns(m, member) <= now_ns) {
        m->news_urgent = true;
        thsi_membership_suspect(m, member, now_ns, m->bury_ns);
    } else if (!is_watched(member) && member->bury_ns <= now_ns) {
        m->news_urgent = true;
        thsi_membership_move(m, member, member->state == THS_MEMBER_LEAVING ? THS_MEMBER_LEFT : THS_MEMBER_DEAD);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t earliest(const struct thsi_membership *m)
{
    uint64_t due_ns = earlier(m->heartbeat_due_ns, m->leave_due_ns);

    for (size_t i = 0; i < m->count; i++) {
        const struct thsi_member *member = m->members[i];

        if (!member->linked && !member->dialing)
            due_ns = earlier(due_ns, member->dial_ns);
        due_ns = earlier(due_ns, is_watched(member) ? silent_ns(m, member) : member->bury_ns);
    }
    return due_ns;
}

static void beat(struct thsi_membership *m, uint64_t now_ns)
{
    for (size_t i = 0; i < m->count; i++) {
        if (!m->members[i]->linked)
            continue;
        thsi_membership_pack_heartbeat(m, m->members[i], now_ns);
        /* Whoever is suspected is told until it has refuted: it may have been deaf while it was news. */
        if (m->members[i]->state == THS_MEMBER_SUSPECT)
            thsi_membership_pack_one(m, m->members[i], m->members[i]->who.uid);
    }
    m->news_urgent = true;
    m->heartbeat_due_ns = now_ns + m->heartbeat_ns - m->heartbeat_ns / 10 +
                          thsi_prng_below(&m->random, m->heartbeat_ns / 5 + 1);
}

static void pass_time(struct thsi_membership *m, uint64_t now_ns)
{
    m->put_off = false;
    if (now_ns >= m->leave_due_ns) {
        finish_leaving(m);
        return;
    }
    /* A leaving node judges nobody any more. Backwards: a burial moves the last member into its place. */
    for (size_t i = m->self.state == THS_MEMBER_LEAVING ? 0 : m->count; i-- > 0;) {
        if (thsi_membership_reserve(m))
            look_at(m, m->members[i], now_ns);
        else
            m->put_off = true;
    }
    if (now_ns >= m->heartbeat_due_ns)
        beat(m, now_ns);
    m->deadline_ns = m->self.state == THS_MEMBER_LEAVING ? earlier(m->heartbeat_due_ns, m->leave_due_ns) : earliest(m);
    if (m->put_off && m->deadline_ns <= now_ns)
        m->deadline_ns = now_ns + RETRY_NS;
}

/* ---- Step ----------------------------------------------------------------------------------- */

static void begin_update(struct thsi_membership *m)
{
    thsi_membership_free_graves(m);
    thsi_gossip_batch_reset(&m->batch);
    m->changes_count = m->dials_count = m->closes_count = 0;
    m->self_buried = THS_OK;
    m->boot_raised = m->left_done = false;
}

static void fill_update(const struct thsi_membership *m, struct thsi_membership_update *update)
{
    *update = (struct thsi_membership_update){
        .sends = m->batch.sends, .sends_count = m->batch.count,
        .changes = m->changes, .changes_count = m->changes_count,
        .closes = m->closes, .closes_count = m->closes_count,
        .dials = m->dials, .dials_count = m->dials_count,
        .self_buried = m->self_buried, .boot_raised = m->boot_raised, .left_done = m->left_done,
    };
}

static enum ths_err dispatch(struct thsi_membership *m, const struct thsi_membership_event *event)
{
    switch (event->type) {
    case THSI_MEMBERSHIP_TIME_PASSED:
        return THS_OK;
    case THSI_MEMBERSHIP_LINK_UP:
        return thsi_membership_link_up(m, event);
    case THSI_MEMBERSHIP_LINK_DOWN:
        return thsi_membership_link_down(m, event);
    case THSI_MEMBERSHIP_DIAL_FAILED:
        return thsi_membership_dial_failed(m, event);
    case THSI_MEMBERSHIP_REFUSED:
        return thsi_membership_refused(m, event);
    case THSI_MEMBERSHIP_RECEIVED:
        return received(m, event);
    case THSI_MEMBERSHIP_LEAVE:
        return leave(m, event->now_ns);
    }
    assert(false); /* no such event */
    return THS_INVALID;
}

enum ths_err thsi_membership_step(struct thsi_membership *m, const struct thsi_membership_event *event,
                                  struct thsi_membership_update *update)
{
    enum ths_err err = THS_CLOSED;

    begin_update(m);
    if (!m->inert) {
        doubt_self(m, event->now_ns);
        err = dispatch(m, event);
    }
    if (!m->inert && event->now_ns >= m->deadline_ns)
        pass_time(m, event->now_ns);
    if (!m->inert && m->news_urgent)
        thsi_membership_pack_news(m);
    /* Who closes the link of a leaving node has taken note. */
    if (!m->inert && m->self.state == THS_MEMBER_LEAVING && !thsi_membership_any_linked(m))
        finish_leaving(m);
    fill_update(m, update);
    return err;
}
