/* Groups, segments and entries: finding, adding and removing them, and nothing else. */

#include "cluster/groups_internal.h"

#include <assert.h>

#define CHAINS_MIN 64u

static void *memory(struct thsi_groups *g, void *ptr, size_t size)
{
    return g->env->memory(g->env, ptr, size);
}

static uint64_t hash_name(uint64_t seed, const char *name)
{
    uint64_t hash = seed;

    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return thsi_mix(hash);
}

static uint64_t hash_ref(const struct thsi_groups *g, ths_ref who)
{
    return thsi_mix(who.node ^ thsi_mix(g->seed ^ ((uint64_t)who.generation << 32 | who.slot)));
}

/* The same at every node, so without the seed. */
static uint64_t digest_of(const struct thsi_group_entry *entry)
{
    uint64_t actor = (uint64_t)entry->who.generation << 32 | entry->who.slot;

    return thsi_mix(hash_name(0, entry->segment->group->name) ^ thsi_mix(actor ^ thsi_mix(entry->weight)));
}

/* ---- Finding -------------------------------------------------------------------------------- */

unsigned thsi_groups_scope(const struct thsi_groups *g, const char *scope, size_t len)
{
    unsigned at = 0;

    while (at < g->scopes_count && (strncmp(g->scopes[at], scope, len) != 0 || g->scopes[at][len] != '\0'))
        at++;
    return at;
}

struct thsi_group *thsi_groups_find(const struct thsi_groups *g, const char *name)
{
    uint64_t hash = hash_name(g->seed, name);
    struct thsi_group *group;

    if (g->groups_chains == 0)
        return NULL;
    group = g->groups[hash & (g->groups_chains - 1)];
    while (group && (group->hash != hash || strcmp(group->name, name) != 0))
        group = group->next;
    return group;
}

struct thsi_group_owner *thsi_groups_owner(const struct thsi_groups *g, uint64_t uid)
{
    struct thsi_group_owner *owner = g->owners[thsi_mix(uid) % THSI_GROUP_OWNER_CHAINS];

    while (owner && owner->uid != uid)
        owner = owner->next;
    return owner;
}

static struct thsi_group_entry *actor_chain(const struct thsi_groups *g, ths_ref who)
{
    return g->actors_chains == 0 ? NULL : g->actors[hash_ref(g, who) & (g->actors_chains - 1)];
}

struct thsi_group_entry *thsi_groups_entry(const struct thsi_groups *g, const char *name, ths_ref who)
{
    struct thsi_group_entry *entry = actor_chain(g, who);

    while (entry && (!ths_ref_equal(entry->who, who) || strcmp(entry->segment->group->name, name) != 0))
        entry = entry->next;
    return entry;
}

struct thsi_group_entry *thsi_groups_entry_of(const struct thsi_groups *g, ths_ref who)
{
    struct thsi_group_entry *entry = actor_chain(g, who);

    while (entry && !ths_ref_equal(entry->who, who))
        entry = entry->next;
    return entry;
}

/* ---- Owners --------------------------------------------------------------------------------- */

struct thsi_group_owner *thsi_groups_add_owner(struct thsi_groups *g, uint64_t uid)
{
    struct thsi_group_owner *owner = thsi_groups_owner(g, uid);
    struct thsi_group_owner **chain = &g->owners[thsi_mix(uid) % THSI_GROUP_OWNER_CHAINS];

    if (owner)
        return owner;
    owner = memory(g, NULL, sizeof *owner);
    if (!owner)
        return NULL;
    *owner = (struct thsi_group_owner){ .uid = uid, .next = *chain };
    *chain = owner;
    g->owners_count++;
    return owner;
}

void thsi_groups_remove_owner(struct thsi_groups *g, struct thsi_group_owner *owner)
{
    struct thsi_group_owner **at = &g->owners[thsi_mix(owner->uid) % THSI_GROUP_OWNER_CHAINS];

    while (owner->segments)
        thsi_groups_remove(g, owner->segments->entries[owner->segments->count - 1]);
    while (*at != owner)
        at = &(*at)->next;
    *at = owner->next;
    (void)memory(g, owner, 0);
    g->owners_count--;
}

/* ---- Room, asked for before anything is changed ---------------------------------------------- */

static bool reserve_changes(struct thsi_groups *g)
{
    size_t need = g->changes_count + g->entries_count + 2;
    size_t cap = g->changes_cap ? g->changes_cap : 16;
    struct thsi_group_change *changes;

    if (need <= g->changes_cap)
        return true;
    while (cap < need)
        cap *= 2;
    changes = memory(g, g->changes, cap * sizeof *changes);
    if (!changes)
        return false;
    g->changes = changes;
    g->changes_cap = cap;
    return true;
}

/* Longer tables make chains short again; without memory the old ones still do. */
static bool reserve_actors(struct thsi_groups *g)
{
    size_t chains = g->actors_chains ? g->actors_chains * 2 : CHAINS_MIN;
    struct thsi_group_entry **actors;

    if (g->entries_count < g->actors_chains)
        return true;
    actors = memory(g, NULL, chains * sizeof(struct thsi_group_entry *));
    if (!actors)
        return g->actors_chains > 0;
    memset(actors, 0, chains * sizeof(struct thsi_group_entry *));
    for (size_t i = 0; i < g->actors_chains; i++) {
        while (g->actors[i]) {
            struct thsi_group_entry *entry = g->actors[i];
            struct thsi_group_entry **chain = &actors[hash_ref(g, entry->who) & (chains - 1)];

            g->actors[i] = entry->next;
            entry->next = *chain;
            *chain = entry;
        }
    }
    (void)memory(g, g->actors, 0);
    g->actors = actors;
    g->actors_chains = chains;
    return true;
}

static bool reserve_groups(struct thsi_groups *g)
{
    size_t chains = g->groups_chains ? g->groups_chains * 2 : CHAINS_MIN;
    struct thsi_group **groups;

    if (g->groups_count < g->groups_chains)
        return true;
    groups = memory(g, NULL, chains * sizeof(struct thsi_group *));
    if (!groups)
        return g->groups_chains > 0;
    memset(groups, 0, chains * sizeof(struct thsi_group *));
    for (size_t i = 0; i < g->groups_chains; i++) {
        while (g->groups[i]) {
            struct thsi_group *group = g->groups[i];
            struct thsi_group **chain = &groups[group->hash & (chains - 1)];

            g->groups[i] = group->next;
            group->next = *chain;
            *chain = group;
        }
    }
    (void)memory(g, g->groups, 0);
    g->groups = groups;
    g->groups_chains = chains;
    return true;
}

static bool reserve_place(struct thsi_groups *g, struct thsi_group_segment *segment)
{
    uint32_t cap = segment->cap ? segment->cap * 2 : 4;
    struct thsi_group_entry **entries;

    if (segment->count < segment->cap)
        return true;
    entries = memory(g, segment->entries, cap * sizeof(struct thsi_group_entry *));
    if (!entries)
        return false;
    segment->entries = entries;
    segment->cap = cap;
    return true;
}

/* ---- Groups and segments, which may be empty while an entry is added ------------------------- */

static struct thsi_group *add_group(struct thsi_groups *g, const char *name, unsigned scope)
{
    struct thsi_group *group;
    struct thsi_group **chain;

    if (!reserve_groups(g))
        return NULL;
    group = memory(g, NULL, sizeof *group);
    if (!group)
        return NULL;
    *group = (struct thsi_group){ .hash = hash_name(g->seed, name), .scope = scope };
    memcpy(group->name, name, strlen(name) + 1);
    chain = &g->groups[group->hash & (g->groups_chains - 1)];
    group->next = *chain;
    *chain = group;
    g->groups_count++;
    return group;
}

/* A change may still name it, so it is freed later. */
static void remove_group(struct thsi_groups *g, struct thsi_group *group)
{
    struct thsi_group **at = &g->groups[group->hash & (g->groups_chains - 1)];

    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    group->next = g->graves;
    g->graves = group;
    g->groups_count--;
}

void thsi_groups_free_graves(struct thsi_groups *g)
{
    while (g->graves) {
        struct thsi_group *next = g->graves->next;

        (void)memory(g, g->graves, 0);
        g->graves = next;
    }
}

static struct thsi_group_segment *find_segment(const struct thsi_group *group, const struct thsi_group_owner *owner)
{
    struct thsi_group_segment *segment = group->segments;

    while (segment && segment->owner != owner)
        segment = segment->next_of_group;
    return segment;
}

static struct thsi_group_segment *add_segment(struct thsi_groups *g, struct thsi_group *group,
                                              struct thsi_group_owner *owner)
{
    struct thsi_group_segment *segment = memory(g, NULL, sizeof *segment);
    struct thsi_group_segment **at = &group->segments;

    if (!segment)
        return NULL;
    *segment = (struct thsi_group_segment){ .group = group, .owner = owner, .next_of_owner = owner->segments };
    owner->segments = segment;
    owner->names++;
    if (*at && (*at)->owner == g->self)
        at = &(*at)->next_of_group;
    segment->next_of_group = *at;
    *at = segment;
    return segment;
}

static void remove_segment(struct thsi_groups *g, struct thsi_group_segment *segment)
{
    struct thsi_group_segment **at = &segment->group->segments;

    while (*at != segment)
        at = &(*at)->next_of_group;
    *at = segment->next_of_group;
    at = &segment->owner->segments;
    while (*at != segment)
        at = &(*at)->next_of_owner;
    *at = segment->next_of_owner;
    segment->owner->names--;
    (void)memory(g, segment->entries, 0);
    (void)memory(g, segment, 0);
}

static void remove_if_empty(struct thsi_groups *g, struct thsi_group_segment *segment)
{
    struct thsi_group *group = segment->group;

    if (segment->count == 0)
        remove_segment(g, segment);
    if (!group->segments)
        remove_group(g, group);
}

/* ---- Entries -------------------------------------------------------------------------------- */

static void push_change(struct thsi_groups *g, const struct thsi_group_entry *entry, bool joined)
{
    assert(g->changes_count < g->changes_cap);
    g->changes[g->changes_count++] =
        (struct thsi_group_change){ .group = entry->segment->group->name, .who = entry->who, .joined = joined };
}

static void count_weight(struct thsi_group_entry *entry, uint32_t weight)
{
    struct thsi_group_segment *segment = entry->segment;
    struct thsi_group_share *share = &segment->owner->shares[segment->group->scope];

    share->digest -= entry->weight ? digest_of(entry) : 0;
    segment->weight += (uint64_t)weight - entry->weight;
    segment->group->weight += (uint64_t)weight - entry->weight;
    entry->weight = weight;
    share->digest += weight ? digest_of(entry) : 0;
}

static struct thsi_group_entry *link_entry(struct thsi_groups *g, struct thsi_group_segment *segment, ths_ref who,
                                           struct thsi_group_entry *entry)
{
    struct thsi_group_entry **chain = &g->actors[hash_ref(g, who) & (g->actors_chains - 1)];

    *entry = (struct thsi_group_entry){ .who = who, .place = segment->count, .segment = segment, .next = *chain };
    *chain = entry;
    segment->entries[segment->count++] = entry;
    segment->group->count++;
    segment->owner->entries++;
    segment->owner->shares[segment->group->scope].count++;
    g->entries_count++;
    return entry;
}

enum ths_err thsi_groups_add(struct thsi_groups *g, struct thsi_group_owner *owner, const char *name, unsigned scope,
                             ths_ref who, uint32_t weight, struct thsi_group_entry **entry)
{
    struct thsi_group *group = thsi_groups_find(g, name);
    struct thsi_group_segment *segment = group ? find_segment(group, owner) : NULL;
    struct thsi_group_entry *memory_of_entry;

    assert(weight > 0 && scope < g->scopes_count && who.node == owner->uid);
    if (owner->entries == THSI_GROUP_ENTRIES_MAX || (!segment && owner->names == THSI_GROUP_NAMES_MAX))
        return THS_TOO_MANY;
    if (!reserve_changes(g) || !reserve_actors(g))
        return THS_NOMEM;
    memory_of_entry = memory(g, NULL, sizeof *memory_of_entry);
    if (!memory_of_entry)
        return THS_NOMEM;
    if (!group)
        group = add_group(g, name, scope);
    if (!group)
        goto no_group;
    if (!segment)
        segment = add_segment(g, group, owner);
    if (!segment)
        goto no_segment;
    if (!reserve_place(g, segment))
        goto no_place;
    *entry = link_entry(g, segment, who, memory_of_entry);
    count_weight(*entry, weight);
    push_change(g, *entry, true);
    return THS_OK;

no_place:
    remove_if_empty(g, segment);
    group = NULL;
no_segment:
    if (group && !group->segments)
        remove_group(g, group);
no_group:
    (void)memory(g, memory_of_entry, 0);
    return THS_NOMEM;
}

void thsi_groups_weigh(struct thsi_groups *g, struct thsi_group_entry *entry, uint32_t weight)
{
    (void)g;
    assert(weight > 0);
    count_weight(entry, weight);
}

void thsi_groups_remove(struct thsi_groups *g, struct thsi_group_entry *entry)
{
    struct thsi_group_segment *segment = entry->segment;
    struct thsi_group_entry **at = &g->actors[hash_ref(g, entry->who) & (g->actors_chains - 1)];
    struct thsi_group_entry *last = segment->entries[segment->count - 1];

    count_weight(entry, 0);
    push_change(g, entry, false);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    segment->entries[entry->place] = last;
    last->place = entry->place;
    segment->count--;
    segment->group->count--;
    segment->owner->entries--;
    segment->owner->shares[segment->group->scope].count--;
    g->entries_count--;
    (void)memory(g, entry, 0);
    remove_if_empty(g, segment);
}
