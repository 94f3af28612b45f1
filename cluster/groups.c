/* Own entries, links and time. How entries are kept, found and packed: groups_table.c, groups_query.c,
 * groups_packet.c. */

#include "cluster/groups_internal.h"

#include <assert.h>

/* ---- Life ----------------------------------------------------------------------------------- */

/* The list is in its normal form: parts with a comma between. */
static void take_scopes(struct thsi_groups *g, const char *scopes)
{
    while (*scopes != '\0') {
        size_t len = strcspn(scopes, ",");

        assert(len > 0 && len <= THSI_GROUP_PART_MAX && g->scopes_count < THSI_GROUP_SCOPES_MAX);
        memcpy(g->scopes[g->scopes_count], scopes, len);
        g->scopes[g->scopes_count++][len] = '\0';
        scopes += len + (scopes[len] == ',');
    }
}

struct thsi_groups *thsi_groups_create(struct ths_env *env, uint64_t uid, const char *scopes, uint64_t seed,
                                       uint64_t now_ns)
{
    struct thsi_groups *g = env->memory(env, NULL, sizeof *g);

    assert(uid != 0);
    if (!g)
        return NULL;
    memset(g, 0, sizeof *g);
    g->env = env;
    g->seed = seed;
    g->digest_due_ns = now_ns + THSI_GROUP_DIGEST_NS;
    take_scopes(g, scopes);
    thsi_gossip_batch_init(&g->batch, env);
    g->self = thsi_groups_add_owner(g, uid);
    if (!g->self) {
        (void)env->memory(env, g, 0);
        return NULL;
    }
    g->self->scopes = (1u << g->scopes_count) - 1;
    return g;
}

void thsi_groups_destroy(struct thsi_groups *g)
{
    struct ths_env *env;

    if (!g)
        return;
    env = g->env;
    g->changes_count = 0;
    for (size_t i = 0; i < THSI_GROUP_OWNER_CHAINS; i++)
        while (g->owners[i])
            thsi_groups_remove_owner(g, g->owners[i]);
    thsi_groups_free_graves(g);
    thsi_gossip_batch_fini(&g->batch);
    (void)env->memory(env, g->groups, 0);
    (void)env->memory(env, g->actors, 0);
    (void)env->memory(env, g->changes, 0);
    (void)env->memory(env, g, 0);
}

static void begin_update(struct thsi_groups *g)
{
    thsi_groups_free_graves(g);
    thsi_gossip_batch_reset(&g->batch);
    g->changes_count = 0;
}

static void fill_update(const struct thsi_groups *g, struct thsi_groups_update *update)
{
    *update = (struct thsi_groups_update){ .sends = g->batch.sends, .sends_count = g->batch.count,
                                           .changes = g->changes, .changes_count = g->changes_count };
}

/* ---- Own actors ----------------------------------------------------------------------------- */

static void tell_delta(struct thsi_groups *g, unsigned scope, const char *name, ths_ref who, uint32_t weight)
{
    struct thsi_group_op op = { .name = name, .who = who, .weight = weight };

    g->self->shares[scope].version++;
    thsi_groups_pack_delta(g, scope, &op);
}

static enum ths_err join(struct thsi_groups *g, const char *name, ths_ref who, uint32_t weight)
{
    const char *slash = strchr(name, '/');
    struct thsi_group_entry *entry = thsi_groups_entry(g, name, who);
    unsigned scope;
    enum ths_err err;

    if (!slash || weight > THSI_GROUP_WEIGHT_MAX || ths_ref_is_nobody(who))
        return THS_INVALID;
    scope = thsi_groups_scope(g, name, (size_t)(slash - name));
    if (scope == g->scopes_count)
        return THS_INVALID;
    if (entry && entry->weight == weight)
        return THS_OK;
    if (entry) {
        thsi_groups_weigh(g, entry, weight);
    } else {
        err = thsi_groups_add(g, g->self, name, scope, who, weight, &entry);
        if (err != THS_OK)
            return err;
    }
    tell_delta(g, scope, name, who, weight);
    return THS_OK;
}

enum ths_err thsi_groups_join(struct thsi_groups *g, const char *group, ths_ref who, unsigned weight,
                              struct thsi_groups_update *update)
{
    enum ths_err err;

    assert(who.node == g->self->uid || ths_ref_is_nobody(who));
    begin_update(g);
    err = join(g, group, who, weight ? weight : 1);
    fill_update(g, update);
    return err;
}

static void leave(struct thsi_groups *g, struct thsi_group_entry *entry)
{
    const struct thsi_group *group = entry->segment->group; /* stays readable until the next call */
    unsigned scope = group->scope;
    ths_ref who = entry->who;

    thsi_groups_remove(g, entry);
    tell_delta(g, scope, group->name, who, 0);
}

enum ths_err thsi_groups_leave(struct thsi_groups *g, const char *group, ths_ref who,
                               struct thsi_groups_update *update)
{
    struct thsi_group_entry *entry;

    assert(who.node == g->self->uid);
    begin_update(g);
    entry = thsi_groups_entry(g, group, who);
    if (entry)
        leave(g, entry);
    fill_update(g, update);
    return entry ? THS_OK : THS_NOT_FOUND;
}

void thsi_groups_actor_ended(struct thsi_groups *g, ths_ref who, struct thsi_groups_update *update)
{
    struct thsi_group_entry *entry;

    assert(who.node == g->self->uid);
    begin_update(g);
    while ((entry = thsi_groups_entry_of(g, who)) != NULL)
        leave(g, entry);
    fill_update(g, update);
}

/* ---- Links ---------------------------------------------------------------------------------- */

/* Bits of our scopes that are in the other's list. */
static uint32_t shared_scopes(const struct thsi_groups *g, const char *scopes)
{
    uint32_t shared = 0;

    while (*scopes != '\0') {
        size_t len;
        unsigned scope;

        scopes += strspn(scopes, ", ");
        len = strcspn(scopes, ", ");
        scope = len > 0 ? thsi_groups_scope(g, scopes, len) : g->scopes_count;
        if (scope < g->scopes_count)
            shared |= 1u << scope;
        scopes += len;
    }
    return shared;
}

enum ths_err thsi_groups_link_up(struct thsi_groups *g, uint64_t uid, const char *scopes,
                                 struct thsi_groups_update *update)
{
    struct thsi_group_owner *owner;

    assert(uid != 0 && uid != g->self->uid);
    begin_update(g);
    fill_update(g, update);
    if (!thsi_groups_owner(g, uid) && g->owners_count > THSI_GROUP_OWNERS_MAX)
        return THS_TOO_MANY;
    owner = thsi_groups_add_owner(g, uid);
    if (!owner)
        return THS_NOMEM;
    owner->linked = true;
    owner->scopes = shared_scopes(g, scopes);
    for (unsigned scope = 0; scope < g->scopes_count; scope++) {
        /* A snapshot that the old link did not carry to its end is void; theirs comes over the new one. */
        owner->shares[scope].mark = 0;
        owner->shares[scope].asked = false;
        if (owner->scopes >> scope & 1)
            thsi_groups_pack_snapshot(g, scope, uid);
    }
    fill_update(g, update);
    return THS_OK;
}

void thsi_groups_link_down(struct thsi_groups *g, uint64_t uid)
{
    struct thsi_group_owner *owner = thsi_groups_owner(g, uid);

    if (owner)
        owner->linked = false;
}

void thsi_groups_bury(struct thsi_groups *g, uint64_t uid, struct thsi_groups_update *update)
{
    struct thsi_group_owner *owner = thsi_groups_owner(g, uid);

    assert(uid != g->self->uid);
    begin_update(g);
    if (owner)
        thsi_groups_remove_owner(g, owner);
    fill_update(g, update);
}

enum ths_err thsi_groups_receive(struct thsi_groups *g, uint64_t uid, const uint8_t *packet, size_t len,
                                 struct thsi_groups_update *update)
{
    struct thsi_group_owner *from = thsi_groups_owner(g, uid);
    enum ths_err err = THS_REFUSED;

    begin_update(g);
    if (from && from->linked)
        err = len <= THSI_GOSSIP_MAX ? thsi_groups_unpack(g, from, packet, len) : THS_MALFORMED;
    fill_update(g, update);
    return err;
}

/* ---- Time ----------------------------------------------------------------------------------- */

void thsi_groups_time_passed(struct thsi_groups *g, uint64_t now_ns, struct thsi_groups_update *update)
{
    begin_update(g);
    if (now_ns >= g->digest_due_ns) {
        g->digest_due_ns = now_ns + THSI_GROUP_DIGEST_NS;
        for (size_t i = 0; i < THSI_GROUP_OWNER_CHAINS; i++)
            for (struct thsi_group_owner *to = g->owners[i]; to; to = to->next) {
                for (unsigned scope = 0; scope < g->scopes_count; scope++)
                    to->shares[scope].answered = false;
                if (to->linked)
                    thsi_groups_pack_digest(g, to);
            }
    }
    fill_update(g, update);
}

uint64_t thsi_groups_deadline_ns(const struct thsi_groups *g)
{
    return g->digest_due_ns;
}
