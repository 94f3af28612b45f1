/* Names, members, picks, and the invariants of it all. */

#include "cluster/groups_internal.h"

#include <assert.h>

#include "node/base/utf8.h"

#define DEFAULT_SCOPE "default"

enum { PICK_TRIES = 8 };

/* ---- Names ---------------------------------------------------------------------------------- */

static bool is_scope(const char *text, size_t len)
{
    if (len == 0 || len > THSI_GROUP_PART_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

static bool is_group(const char *text, size_t len)
{
    if (len == 0 || len > THSI_GROUP_PART_MAX || !thsi_utf8_valid(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || text[i] == '/')
            return false;
    return true;
}

enum ths_err thsi_group_parse(const char *text, char *out)
{
    const char *slash = text ? strchr(text, '/') : NULL;
    const char *group = slash ? slash + 1 : text;
    const char *scope = slash ? text : DEFAULT_SCOPE;
    size_t scope_len = slash ? (size_t)(slash - text) : sizeof DEFAULT_SCOPE - 1;
    size_t group_len = text ? strlen(group) : 0;

    if (!text || !is_scope(scope, scope_len) || !is_group(group, group_len))
        return THS_INVALID;
    memcpy(out, scope, scope_len);
    out[scope_len] = '/';
    memcpy(out + scope_len + 1, group, group_len + 1);
    return THS_OK;
}

const char *thsi_group_text(const char *whole)
{
    size_t len = sizeof DEFAULT_SCOPE; /* the slash in place of the NUL */

    return strncmp(whole, DEFAULT_SCOPE "/", len) == 0 ? whole + len : whole;
}

/* Append one scope, unless it is there. */
static enum ths_err add_scope(char *out, size_t size, const char *scope, size_t len, unsigned *count)
{
    char text[THSI_GROUP_PART_MAX + 1];
    size_t used = strlen(out);

    if (!is_scope(scope, len))
        return THS_INVALID;
    memcpy(text, scope, len);
    text[len] = '\0';
    for (const char *at = out; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == len && memcmp(at, text, len) == 0)
            return THS_OK;
    if (++*count > THSI_GROUP_SCOPES_MAX)
        return THS_TOO_MANY;
    if (used + len + 2 > size)
        return THS_TOO_BIG;
    if (used > 0)
        out[used++] = ',';
    memcpy(out + used, text, len + 1);
    return THS_OK;
}

enum ths_err thsi_group_scopes_parse(const char *text, char *out, size_t size)
{
    unsigned count = 0;

    assert(size > 0);
    out[0] = '\0';
    if (!text)
        text = "";
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        size_t start = strspn(text, " ");
        size_t end = len;
        enum ths_err err;

        while (end > start && text[end - 1] == ' ')
            end--;
        err = start < end ? add_scope(out, size, text + start, end - start, &count) : THS_OK;
        if (err != THS_OK)
            return err;
        text += len + (text[len] == ',');
    }
    return count > 0 ? THS_OK : add_scope(out, size, DEFAULT_SCOPE, sizeof DEFAULT_SCOPE - 1, &count);
}

/* ---- Queries -------------------------------------------------------------------------------- */

size_t thsi_groups_members(const struct thsi_groups *g, const char *name, ths_ref *out, size_t max)
{
    const struct thsi_group *group = thsi_groups_find(g, name);
    const struct thsi_group_segment *segment = group ? group->segments : NULL;
    size_t at = 0;

    for (; segment && at < max; segment = segment->next_of_group)
        for (uint32_t i = 0; i < segment->count && at < max; i++)
            out[at++] = segment->entries[i]->who;
    return group ? group->count : 0;
}

/* The entry on which the @ticket-th unit of weight falls. When all weigh 1, as usual, it is the @ticket-th. */
static ths_ref draw_from(const struct thsi_group_segment *segment, uint64_t ticket)
{
    uint32_t at = 0;

    assert(ticket < segment->weight);
    if (segment->weight == segment->count)
        return segment->entries[ticket]->who;
    while (ticket >= segment->entries[at]->weight)
        ticket -= segment->entries[at++]->weight;
    return segment->entries[at]->who;
}

static ths_ref draw(const struct thsi_group *group, uint64_t ticket)
{
    const struct thsi_group_segment *segment = group->segments;

    assert(ticket < group->weight);
    while (ticket >= segment->weight) {
        ticket -= segment->weight;
        segment = segment->next_of_group;
    }
    return draw_from(segment, ticket);
}

/* The member on which ticket @at falls, or the first after it that does not rest; nobody when all rest. */
static ths_ref draw_awake(const struct thsi_group *group, uint64_t at, thsi_groups_rests *rests, void *arg)
{
    const struct thsi_group_segment *segment = group->segments;
    size_t left = group->count;
    uint32_t i = 0;

    for (; at >= segment->weight; segment = segment->next_of_group)
        at -= segment->weight;
    for (; at >= segment->entries[i]->weight; i++)
        at -= segment->entries[i]->weight;
    for (; left > 0; left--, i++) {
        if (i == segment->count) {
            segment = segment->next_of_group ? segment->next_of_group : group->segments;
            i = 0;
        }
        if (!rests(arg, segment->entries[i]->who))
            return segment->entries[i]->who;
    }
    return THS_NOBODY;
}

/* A ticket for RANDOM or LOCAL_FIRST, or the next one of the group. */
static uint64_t ticket_of(const struct thsi_groups *g, struct thsi_group *group, enum ths_pick how, uint64_t random)
{
    const struct thsi_group_segment *first = group->segments;

    if (how == THS_PICK_LOCAL_FIRST && first->owner == g->self)
        return random % first->weight; /* its tickets come first */
    if (how != THS_PICK_ROUND_ROBIN)
        return random % group->weight;
    group->cursor = group->cursor >= group->weight ? 0 : group->cursor;
    return group->cursor++;
}

ths_ref thsi_groups_pick(struct thsi_groups *g, const char *name, enum ths_pick how, uint64_t random,
                         thsi_groups_rests *rests, void *arg)
{
    struct thsi_group *group = thsi_groups_find(g, name);
    ths_ref picked, other;

    if (!group || (unsigned)how > THS_PICK_ROUND_ROBIN)
        return THS_NOBODY;
    picked = draw(group, ticket_of(g, group, how, random));
    /* Drawn anew a few times, so that not all of its share falls on the one behind it. */
    for (unsigned tries = 0; rests && rests(arg, picked); tries++) {
        random = (random + 1) * UINT64_C(0xd1342543de82ef95);
        if (tries == PICK_TRIES) {
            other = draw_awake(group, how == THS_PICK_LOCAL_FIRST ? 0 : (random >> 16) % group->weight, rests, arg);
            return ths_ref_is_nobody(other) ? picked : other;
        }
        picked = draw(group, ticket_of(g, group, how, random >> 16));
    }
    return picked;
}

void thsi_groups_visit(const struct thsi_groups *g,
                       void (*visit)(void *arg, const char *name, size_t members, size_t members_local), void *arg)
{
    for (size_t i = 0; i < g->groups_chains; i++) {
        for (const struct thsi_group *group = g->groups[i]; group; group = group->next) {
            const struct thsi_group_segment *first = group->segments;

            visit(arg, group->name, group->count, first->owner == g->self ? first->count : 0);
        }
    }
}

size_t thsi_groups_entries(const struct thsi_groups *g, uint64_t uid)
{
    const struct thsi_group_owner *owner = thsi_groups_owner(g, uid);

    return owner ? owner->entries : 0;
}

size_t thsi_groups_total(const struct thsi_groups *g)
{
    return g->entries_count;
}

/* ---- Invariants ----------------------------------------------------------------------------- */

static void check_segment(const struct thsi_groups *g, const struct thsi_group_segment *segment)
{
    uint64_t weight = 0;

    assert(segment->count > 0 && segment->count <= segment->cap);
    for (uint32_t i = 0; i < segment->count; i++) {
        const struct thsi_group_entry *entry = segment->entries[i];

        assert(entry->segment == segment && entry->place == i);
        assert(entry->weight > 0 && entry->weight <= THSI_GROUP_WEIGHT_MAX);
        assert(entry->who.node == segment->owner->uid && entry->who.generation != 0);
        assert(thsi_groups_entry(g, segment->group->name, entry->who) == entry);
        weight += entry->weight;
    }
    assert(weight == segment->weight);
}

static size_t check_group(const struct thsi_groups *g, const struct thsi_group *group)
{
    size_t count = 0;
    uint64_t weight = 0;

    assert(group->segments && group->scope < g->scopes_count);
    assert(thsi_groups_find(g, group->name) == group);
    for (const struct thsi_group_segment *at = group->segments; at; at = at->next_of_group) {
        assert(at->group == group);
        assert(at == group->segments || at->owner != g->self);
        check_segment(g, at);
        count += at->count;
        weight += at->weight;
    }
    assert(count == group->count && weight == group->weight);
    return count;
}

static void check_owner(const struct thsi_groups *g, const struct thsi_group_owner *owner)
{
    size_t names = 0, entries = 0, shared = 0;

    for (const struct thsi_group_segment *at = owner->segments; at; at = at->next_of_owner) {
        assert(at->owner == owner);
        names++;
        entries += at->count;
    }
    for (unsigned scope = 0; scope < g->scopes_count; scope++)
        shared += owner->shares[scope].count;
    assert(names == owner->names && names <= THSI_GROUP_NAMES_MAX);
    assert(entries == owner->entries && entries <= THSI_GROUP_ENTRIES_MAX);
    assert(shared == entries);
}

void thsi_groups_check(const struct thsi_groups *g)
{
    size_t groups = 0, entries = 0, owners = 0;

    for (size_t i = 0; i < g->groups_chains; i++) {
        for (const struct thsi_group *group = g->groups[i]; group; group = group->next) {
            entries += check_group(g, group);
            groups++;
        }
    }
    for (size_t i = 0; i < THSI_GROUP_OWNER_CHAINS; i++) {
        for (const struct thsi_group_owner *owner = g->owners[i]; owner; owner = owner->next) {
            check_owner(g, owner);
            owners++;
        }
    }
    assert(groups == g->groups_count && entries == g->entries_count && owners == g->owners_count);
    assert(g->changes_cap >= g->changes_count + g->entries_count || g->entries_count == 0);
}
