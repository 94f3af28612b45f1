/* Groups: the public API over the core, from handlers and from outside of actors. */

#include "thiasos/group.h"

#include <string.h>

#include "cluster/root.h"

#define ON_STACK 128u

static struct thsi_driver *driver_of(struct ths_ctx *ctx)
{
    struct thsi_cluster *cluster = thsi_cluster_of(ths_node_of(ctx));

    return cluster ? cluster->driver : NULL;
}

enum ths_err ths_group_join(struct ths_ctx *ctx, const char *group, unsigned weight)
{
    struct thsi_driver *driver = driver_of(ctx);
    struct thsi_groups_update update;
    char whole[THSI_GROUP_NAME_SIZE];
    enum ths_err err;

    if (!driver)
        return THS_UNSUPPORTED;
    err = thsi_group_parse(group, whole);
    if (err == THS_OK)
        err = driver->runtime->mark(driver->runtime, ths_self(ctx));
    if (err != THS_OK)
        return err;
    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_groups_join(driver->groups, whole, ths_self(ctx), weight, &update);
    if (err == THS_OK)
        thsi_driver_groups_update(driver, &update, ctx);
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

enum ths_err ths_group_leave(struct ths_ctx *ctx, const char *group)
{
    struct thsi_driver *driver = driver_of(ctx);
    struct thsi_groups_update update;
    char whole[THSI_GROUP_NAME_SIZE];
    enum ths_err err;

    if (!driver)
        return THS_UNSUPPORTED;
    err = thsi_group_parse(group, whole);
    if (err != THS_OK)
        return err;
    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_groups_leave(driver->groups, whole, ths_self(ctx), &update);
    if (err == THS_OK)
        thsi_driver_groups_update(driver, &update, ctx);
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

/* Members of a group, copied; under the mutex. More than @room holds go to a block of their own; the caller frees what
 * is not @room. NULL when memory is out. */
static ths_ref *copy_members(struct thsi_driver *driver, const char *whole, ths_ref *room, size_t *count)
{
    struct ths_env *env = driver->runtime->env;
    ths_ref *refs = room;

    *count = thsi_groups_members(driver->groups, whole, room, ON_STACK);
    if (*count <= ON_STACK)
        return room;
    refs = env->memory(env, NULL, *count * sizeof *refs);
    if (refs)
        (void)thsi_groups_members(driver->groups, whole, refs, *count);
    return refs;
}

static void free_members(struct thsi_driver *driver, ths_ref *refs, const ths_ref *room)
{
    if (refs != room)
        (void)driver->runtime->env->memory(driver->runtime->env, refs, 0);
}

/* Present members are told under the same lock as the watch begins, so that no change comes between. */
static enum ths_err watch(struct thsi_driver *driver, struct ths_ctx *ctx, const char *whole)
{
    ths_ref self = ths_self(ctx), room[ON_STACK];
    size_t count;
    ths_ref *refs = copy_members(driver, whole, room, &count);
    enum ths_err err;
    bool is_new;

    if (!refs)
        return THS_NOMEM;
    err = thsi_watchers_add(&driver->watchers, self, THSI_WATCH_GROUP, whole, &is_new);
    for (size_t i = 0; err == THS_OK && is_new && i < count; i++) {
        const struct thsi_group_change change = { .group = whole, .who = refs[i], .joined = true };
        thsi_watchers_tell_group(&driver->watchers, self, &change, ctx);
    }
    free_members(driver, refs, room);
    return err;
}

enum ths_err ths_group_watch(struct ths_ctx *ctx, const char *group)
{
    struct thsi_driver *driver = driver_of(ctx);
    char whole[THSI_GROUP_NAME_SIZE];
    enum ths_err err;

    if (!driver)
        return THS_UNSUPPORTED;
    err = thsi_group_parse(group, whole);
    if (err == THS_OK)
        err = driver->runtime->mark(driver->runtime, ths_self(ctx));
    if (err != THS_OK)
        return err;
    (void)pthread_mutex_lock(&driver->mutex);
    err = watch(driver, ctx, whole);
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

/* Of members of other nodes nobody here knows whether they rest. */
static bool rests(void *runtime, ths_ref who)
{
    return ((struct thsi_runtime *)runtime)->rests(runtime, who);
}

ths_ref thsp_group_pick(struct ths_ctx *ctx, const char *group, enum ths_pick how)
{
    struct thsi_driver *driver = driver_of(ctx);
    char whole[THSI_GROUP_NAME_SIZE];
    uint64_t random = 0;
    ths_ref picked;

    if (!driver || thsi_group_parse(group, whole) != THS_OK)
        return THS_NOBODY;
    if (how != THS_PICK_ROUND_ROBIN)
        driver->runtime->env->random(driver->runtime->env, &random, sizeof random);
    (void)pthread_mutex_lock(&driver->mutex);
    picked = thsi_groups_pick(driver->groups, whole, how, random, rests, driver->runtime);
    (void)pthread_mutex_unlock(&driver->mutex);
    return picked;
}

size_t thsp_group_members(struct ths_ctx *ctx, const char *group, ths_ref *out, size_t max)
{
    struct thsi_driver *driver = driver_of(ctx);
    char whole[THSI_GROUP_NAME_SIZE];
    size_t count;

    if (!driver || thsi_group_parse(group, whole) != THS_OK)
        return 0;
    (void)pthread_mutex_lock(&driver->mutex);
    count = thsi_groups_members(driver->groups, whole, out, max);
    (void)pthread_mutex_unlock(&driver->mutex);
    return count;
}

/* Send one record to the members that lie together at the start of @refs, all of one node. Returns how many it took. */
static size_t tell_node(struct thsi_driver *driver, ths_ref from, const ths_ref *refs, size_t count,
                        struct ths_type *type, const void *body, bool *sent)
{
    struct thsi_actor_id ids[512];
    size_t n = 0;

    while (n < count && n < sizeof ids / sizeof ids[0] && refs[n].node == refs[0].node) {
        ids[n] = (struct thsi_actor_id){ refs[n].slot, refs[n].generation };
        n++;
    }
    *sent = thsi_driver_phase_now(driver) < THSI_DRIVER_LEFT &&
            thsi_remote_group_tell(driver->remote, refs[0].node, from, ids, (uint32_t)n, type, body) == THS_OK;
    return n;
}

size_t thsp_group_tell(struct ths_ctx *ctx, const char *group, struct ths_type *type, const void *body)
{
    struct thsi_driver *driver = driver_of(ctx);
    char whole[THSI_GROUP_NAME_SIZE];
    ths_ref room[ON_STACK], *refs;
    size_t count, told = 0, step;

    if (!driver || thsi_group_parse(group, whole) != THS_OK)
        return 0;
    (void)pthread_mutex_lock(&driver->mutex);
    refs = copy_members(driver, whole, room, &count);
    (void)pthread_mutex_unlock(&driver->mutex);
    for (size_t i = 0; refs && i < count; i += step) {
        bool sent;
        step = 1;
        if (refs[i].node == driver->runtime->uid)
            sent = thsp_tell(ctx, refs[i], type, body) == THS_OK;
        else
            step = tell_node(driver, ths_self(ctx), refs + i, count - i, type, body, &sent);
        told += sent ? step : 0;
    }
    free_members(driver, refs, room);
    return told;
}

/* What ths_groups collects under the lock, so that the visitor may call anything. */
struct group_row {
    char name[THSI_GROUP_NAME_SIZE];
    size_t members, members_local;
};

struct group_rows {
    struct ths_env *env;
    struct group_row *rows;
    size_t count, cap;
};

static void add_row(void *arg, const char *name, size_t members, size_t members_local)
{
    struct group_rows *all = arg;
    struct group_row *row;

    if (all->count == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 16;
        struct group_row *rows = all->env->memory(all->env, all->rows, cap * sizeof *rows);
        if (!rows)
            return; /* out of memory: a shorter list */
        all->rows = rows;
        all->cap = cap;
    }
    row = &all->rows[all->count++];
    (void)memcpy(row->name, name, strlen(name) + 1);
    row->members = members;
    row->members_local = members_local;
}

void ths_groups(struct ths_node *node, void (*visit)(void *arg, const struct ths_group_info *group), void *arg)
{
    struct thsi_cluster *cluster = thsi_cluster_of(node);
    struct thsi_driver *driver = cluster ? cluster->driver : NULL;
    struct group_rows all = { 0 };

    if (!driver)
        return;
    all.env = driver->runtime->env;
    (void)pthread_mutex_lock(&driver->mutex);
    thsi_groups_visit(driver->groups, add_row, &all);
    (void)pthread_mutex_unlock(&driver->mutex);
    for (size_t i = 0; i < all.count; i++) {
        const struct ths_group_info info = { all.rows[i].name, all.rows[i].members, all.rows[i].members_local };
        visit(arg, &info);
    }
    (void)all.env->memory(all.env, all.rows, 0);
}
