/* Members: what the cores want is carried out, in their order. */

#include "cluster/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Packets, groups -------------------------------------------------------------------- */

/* A packet that finds no room or no link is not missed: gossip is repeated, digests repair. */
static void send_packets(struct thsi_driver *driver, const struct thsi_gossip_send *sends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct thsi_gossip_send *one = &sends[i];
        enum ths_err err = thsi_remote_gossip(driver->remote, one->uid, one->packet, one->len, one->ordered);
        (void)err;
    }
}

void thsi_driver_groups_update(struct thsi_driver *driver, const struct thsi_groups_update *update,
                               struct ths_ctx *ctx)
{
    send_packets(driver, update->sends, update->sends_count);
    for (size_t i = 0; i < update->changes_count; i++)
        thsi_watchers_group(&driver->watchers, &update->changes[i], ctx);
}

/* ---- Members ---------------------------------------------------------------------------- */

/* End the links that concern @uid, without a word to the membership, which wanted it. */
static void drop_links(struct thsi_driver *driver, uint64_t uid)
{
    for (size_t i = driver->links_count; i-- > 0;) {
        struct thsi_driver_link *link = driver->links[i];
        if (link->uid == uid && (link->stage == THSI_STAGE_UP || link->dialed))
            thsi_driver_end(driver, link, true);
    }
}

/* The loss of a node, in one step: group entries, what waits for it, monitors and links. The member event follows.
 * Under the mutex. */
static void bury(struct thsi_driver *driver, uint64_t uid, const char *name, enum ths_certainty certainty)
{
    struct thsi_runtime *runtime = driver->runtime;
    struct thsi_groups_update update;
    struct thsi_outbox_loss loss;

    thsi_groups_bury(driver->groups, uid, &update);
    thsi_driver_groups_update(driver, &update, NULL);
    drop_links(driver, uid);
    thsi_remote_bury(driver->remote, uid, &loss);
    thsi_driver_note_loss(driver, uid, name, &loss);
    runtime->node_lost(runtime, uid, certainty);
}

/* Whether work may be given to a member: one that is only suspected is not moved away from yet. */
static bool is_usable(enum ths_member_state state)
{
    return state == THS_MEMBER_UP || state == THS_MEMBER_SUSPECT;
}

static void change_member(struct thsi_driver *driver, const struct thsi_member_change *change)
{
    const struct thsi_identity *who = &change->member->who;
    bool gone = change->to == THS_MEMBER_DEAD || change->to == THS_MEMBER_LEFT;

    thsi_note(driver->runtime, change->to == THS_MEMBER_DEAD ? THS_LOG_WARN : THS_LOG_INFO, "member",
              "%s (%016" PRIx64 ") is %s", who->name, who->uid, ths_member_state_text(change->to));
    if (gone)
        bury(driver, who->uid, who->name, change->to == THS_MEMBER_LEFT ? THS_OBSERVED : THS_ASSUMED);
    else if (!thsi_remote_member(driver->remote, who->uid, who->name))
        thsi_note(driver->runtime, THS_LOG_ERROR, "member", "no room for what is sent to %s", who->name);
    thsi_watchers_member(&driver->watchers, change->member, change->to);
    if ((!change->is_new && is_usable(change->from)) != is_usable(change->to))
        thsi_watchers_set(&driver->watchers, ++driver->members_version);
}

static void close_link(struct thsi_driver *driver, uint64_t uid)
{
    struct thsi_peer *peer = thsi_remote_find(driver->remote, uid);

    if (peer && peer->link)
        thsi_driver_close(driver, peer->link, THSI_END_LOCAL, true);
}

static void dial_failed(struct thsi_driver *driver, uint64_t uid)
{
    const struct thsi_membership_event event = { .type = THSI_MEMBERSHIP_DIAL_FAILED, .uid = uid,
                                                 .end = THSI_END_LOST };

    thsi_driver_later(driver, &event);
}

/* A numeric address is dialed at once, a name is looked up first. */
static void dial_member(struct thsi_driver *driver, const struct thsi_membership_dial *dial)
{
    enum ths_err err = thsi_driver_dial(driver, dial->uid, dial->address);

    if (err == THS_INVALID)
        err = thsi_resolver_ask(driver->resolver, dial->uid, dial->address);
    if (err != THS_OK)
        dial_failed(driver, dial->uid);
}

static void carry_out(struct thsi_driver *driver, const struct thsi_membership_update *update)
{
    send_packets(driver, update->sends, update->sends_count);
    for (size_t i = 0; i < update->changes_count; i++)
        change_member(driver, &update->changes[i]);
    for (size_t i = 0; i < update->closes_count; i++)
        close_link(driver, update->closes[i]);
    for (size_t i = 0; i < update->dials_count; i++)
        dial_member(driver, &update->dials[i]);
    if (update->self_buried != THS_OK)
        driver->self_buried = update->self_buried;
    if (update->boot_raised)
        thsi_note(driver->runtime, THS_LOG_INFO, "member",
                  "a later boot of %s is known; this one takes a later one still", driver->self.name);
    driver->left_done = driver->left_done || update->left_done;
    driver->self = *thsi_membership_self(driver->membership);
}

enum ths_err thsi_driver_step_membership(struct thsi_driver *driver, const struct thsi_membership_event *event)
{
    struct thsi_membership_event timed = *event;
    struct thsi_membership_update update;
    enum ths_err err;

    timed.now_ns = driver->now_ns;
    (void)pthread_mutex_lock(&driver->mutex);
    if (event->type == THSI_MEMBERSHIP_LINK_DOWN)
        thsi_groups_link_down(driver->groups, event->uid);
    err = thsi_membership_step(driver->membership, &timed, &update);
    carry_out(driver, &update);
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

void thsi_driver_later(struct thsi_driver *driver, const struct thsi_membership_event *event)
{
    struct ths_env *env = driver->runtime->env;

    if (driver->events_count == driver->events_cap) {
        size_t cap = driver->events_cap ? driver->events_cap * 2 : 16;
        struct thsi_membership_event *events = env->memory(env, driver->events, cap * sizeof *events);
        if (!events)
            return; /* then the silence of the member tells */
        driver->events = events;
        driver->events_cap = cap;
    }
    driver->events[driver->events_count++] = *event;
}

bool thsi_driver_run_events(struct thsi_driver *driver)
{
    bool any = driver->events_count > 0;

    /* A step may add events behind. */
    for (size_t i = 0; i < driver->events_count; i++) {
        const struct thsi_membership_event event = driver->events[i];
        enum ths_err err = thsi_driver_step_membership(driver, &event);
        (void)err; /* only links that come up and packets can be refused */
    }
    driver->events_count = 0;
    return any;
}

enum ths_err thsi_driver_session_up(struct thsi_driver *driver, const struct thsi_identity *identity)
{
    const struct thsi_membership_event event = { .now_ns = driver->now_ns, .type = THSI_MEMBERSHIP_LINK_UP,
                                                 .uid = identity->uid, .identity = identity };
    struct thsi_membership_update update;
    struct thsi_groups_update groups;
    enum ths_err err;

    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_membership_step(driver->membership, &event, &update);
    carry_out(driver, &update);
    if (err == THS_OK) {
        err = thsi_groups_link_up(driver->groups, identity->uid, identity->scopes, &groups);
        thsi_driver_groups_update(driver, &groups, NULL);
    }
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

bool thsi_driver_is_alone(struct thsi_driver *driver)
{
    bool alone;

    (void)pthread_mutex_lock(&driver->mutex);
    alone = thsi_membership_alone(driver->membership);
    (void)pthread_mutex_unlock(&driver->mutex);
    return alone;
}

/* The first other member, copied; false: there is none left. */
static bool first_other(struct thsi_driver *driver, size_t index, struct thsi_member *out)
{
    if (index >= thsi_membership_count(driver->membership))
        return false;
    *out = *thsi_membership_at(driver->membership, index);
    return true;
}

void thsi_driver_part(struct thsi_driver *driver)
{
    struct thsi_member other;

    thsi_driver_close_all(driver);
    driver->events_count = 0;
    (void)pthread_mutex_lock(&driver->mutex);
    for (size_t i = 1; first_other(driver, i, &other); i++) {
        bury(driver, other.who.uid, other.who.name, THS_ASSUMED);
        thsi_watchers_member(&driver->watchers, &other, THS_MEMBER_DEAD);
    }
    thsi_watchers_set(&driver->watchers, ++driver->members_version);
    (void)pthread_mutex_unlock(&driver->mutex);
}

/* ---- Seeds ------------------------------------------------------------------------------ */

static void seek(struct thsi_driver *driver, bool alone)
{
    struct ths_env *env = driver->runtime->env;
    uint64_t random;

    if (thsi_seeds_deadline_ns(&driver->seeds, alone) > driver->now_ns)
        return;
    env->random(env, &random, sizeof random);
    if (!thsi_seeds_step(&driver->seeds, driver->now_ns, alone, random))
        return;
    for (unsigned i = 0; i < driver->seeds.count; i++) {
        enum ths_err err = thsi_resolver_ask(driver->resolver, 0, driver->seeds.address[i]);
        (void)err; /* a full queue means that the last round is not through yet */
    }
}

static bool is_being_dialed(const struct thsi_driver *driver, const char *address)
{
    for (size_t i = 0; i < driver->links_count; i++)
        if (driver->links[i]->dialed && strcmp(driver->links[i]->address, address) == 0)
            return true;
    return false;
}

static void seed_resolved(struct thsi_driver *driver, const struct thsi_resolution *resolution)
{
    if (!thsi_driver_is_alone(driver) || thsi_driver_phase_now(driver) != THSI_DRIVER_RUNNING)
        return;
    if (resolution->count == 0 && driver->now_ns >= driver->seeds_note_ns) {
        driver->seeds_note_ns = driver->now_ns + THSI_SEEDS_NOTE_NS;
        thsi_note(driver->runtime, THS_LOG_WARN, "seeds", "the seed %s does not resolve yet; trying again",
                  resolution->address);
    }
    for (size_t i = 0; i < resolution->count && driver->seed_dials < THSI_SEED_DIALS_MAX; i++) {
        const char *address = resolution->found[i];
        enum ths_err err;
        if (thsi_seeds_is_own(&driver->seeds, address) || is_being_dialed(driver, address))
            continue;
        err = thsi_driver_dial(driver, 0, address);
        (void)err; /* the next round tries again */
    }
}

void thsi_driver_resolved(struct thsi_driver *driver, const struct thsi_resolution *resolution)
{
    struct ths_env *env = driver->runtime->env;
    uint64_t random;

    if (resolution->uid == 0) {
        seed_resolved(driver, resolution);
        return;
    }
    /* Of several addresses any may be the one that leads there from here. */
    env->random(env, &random, sizeof random);
    if (resolution->count == 0 || thsi_driver_dial(driver, resolution->uid,
                                                   resolution->found[random % resolution->count]) != THS_OK)
        dial_failed(driver, resolution->uid);
}

/* ---- Time ------------------------------------------------------------------------------- */

void thsi_driver_pass_time(struct thsi_driver *driver)
{
    const struct thsi_membership_event event = { .type = THSI_MEMBERSHIP_TIME_PASSED };
    struct thsi_groups_update update;
    bool due, alone;

    (void)pthread_mutex_lock(&driver->mutex);
    if (thsi_groups_deadline_ns(driver->groups) <= driver->now_ns) {
        thsi_groups_time_passed(driver->groups, driver->now_ns, &update);
        thsi_driver_groups_update(driver, &update, NULL);
    }
    due = thsi_membership_deadline_ns(driver->membership) <= driver->now_ns;
    alone = thsi_membership_alone(driver->membership);
    (void)pthread_mutex_unlock(&driver->mutex);
    if (due) {
        enum ths_err err = thsi_driver_step_membership(driver, &event);
        (void)err; /* time is never refused */
    }
    if (thsi_driver_phase_now(driver) == THSI_DRIVER_RUNNING)
        seek(driver, alone);
}

uint64_t thsi_driver_members_deadline(struct thsi_driver *driver)
{
    uint64_t members_ns, groups_ns, seeds_ns;

    (void)pthread_mutex_lock(&driver->mutex);
    members_ns = thsi_membership_deadline_ns(driver->membership);
    groups_ns = thsi_groups_deadline_ns(driver->groups);
    seeds_ns = thsi_seeds_deadline_ns(&driver->seeds, thsi_driver_phase_now(driver) == THSI_DRIVER_RUNNING &&
                                                          thsi_membership_alone(driver->membership));
    (void)pthread_mutex_unlock(&driver->mutex);
    if (groups_ns < members_ns)
        members_ns = groups_ns;
    return seeds_ns < members_ns ? seeds_ns : members_ns;
}
