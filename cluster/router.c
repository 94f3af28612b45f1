/* Router: how the runtime reaches other nodes. */

#include <stdio.h>
#include <string.h>

#include "cluster/root.h"

static struct thsi_driver *driver_of(struct thsi_router *router)
{
    return ((struct thsi_cluster *)router)->driver;
}

static enum ths_err route(struct thsi_router *router, const struct thsi_signal *signal)
{
    struct thsi_driver *driver = driver_of(router);

    if (thsi_driver_phase_now(driver) >= THSI_DRIVER_LEFT)
        return THS_CLOSED;
    return thsi_remote_send(driver->remote, signal);
}

/* A member that is only suspected still counts: work is not moved away before it is buried. */
static bool is_usable(const struct thsi_member *member)
{
    return member->self || member->state == THS_MEMBER_UP || member->state == THS_MEMBER_SUSPECT;
}

static enum ths_err resolve(struct thsi_router *router, const char *name, uint64_t *uid)
{
    struct thsi_driver *driver = driver_of(router);
    const struct thsi_member *member;
    enum ths_err err = THS_NOT_FOUND;

    (void)pthread_mutex_lock(&driver->mutex);
    member = thsi_membership_find_name(driver->membership, name);
    if (!member && strcmp(thsi_membership_self(driver->membership)->name, name) == 0)
        member = thsi_membership_at(driver->membership, 0);
    if (member && is_usable(member)) {
        *uid = member->who.uid;
        err = THS_OK;
    }
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

/* Put @member into the sorted list of the first @max names. Returns the list's new length. */
static size_t insert(struct thsi_router_member *out, size_t count, size_t max, const struct thsi_member *member)
{
    size_t at = count;

    while (at > 0 && strcmp(out[at - 1].name, member->who.name) > 0)
        at--;
    if (at >= max)
        return count;
    if (count == max)
        count--;
    memmove(&out[at + 1], &out[at], (count - at) * sizeof *out);
    out[at].uid = member->who.uid;
    (void)snprintf(out[at].name, sizeof out[at].name, "%s", member->who.name);
    return count + 1;
}

static size_t members(struct thsi_router *router, const char *role, struct thsi_router_member *out, size_t max)
{
    struct thsi_driver *driver = driver_of(router);
    bool parted = thsi_driver_phase_now(driver) >= THSI_DRIVER_LEFT;
    size_t count = 0, all;

    (void)pthread_mutex_lock(&driver->mutex);
    all = parted ? 1 : thsi_membership_count(driver->membership);
    for (size_t i = 0; i < all; i++) {
        const struct thsi_member *member = thsi_membership_at(driver->membership, i);
        if (is_usable(member) && (*role == '\0' || thsi_list_has(member->who.roles, role)))
            count = insert(out, count, max, member);
    }
    (void)pthread_mutex_unlock(&driver->mutex);
    return count;
}

static enum ths_err watch_members(struct thsi_router *router, ths_ref whom)
{
    struct thsi_driver *driver = driver_of(router);
    struct thsi_runtime *runtime = driver->runtime;
    enum ths_err err = runtime->mark(runtime, whom);

    if (err != THS_OK)
        return err;
    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_watchers_add(&driver->watchers, whom, THSI_WATCH_SET, NULL, NULL);
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}

static void actor_ended(struct thsi_router *router, ths_ref whom)
{
    struct thsi_driver *driver = driver_of(router);
    struct thsi_groups_update update;

    (void)pthread_mutex_lock(&driver->mutex);
    thsi_watchers_remove(&driver->watchers, whom);
    thsi_groups_actor_ended(driver->groups, whom, &update);
    thsi_driver_groups_update(driver, &update, NULL);
    (void)pthread_mutex_unlock(&driver->mutex);
    thsi_remote_look_for_room(driver->remote); /* nobody need wait for it any more */
}

static void has_room(struct thsi_router *router, ths_ref whom)
{
    (void)whom; /* those that are waited for are few */
    thsi_remote_look_for_room(driver_of(router)->remote);
}

void thsi_router_init(struct thsi_cluster *cluster)
{
    cluster->router = (struct thsi_router){ route, resolve, members, watch_members, actor_ended, has_room };
}
