/* Members: what the public API tells of them. */

#include "thiasos/cluster.h"

#include <string.h>

#include "cluster/root.h"

const char *ths_member_state_text(enum ths_member_state state)
{
    static const char *const texts[] = { "joining", "up", "suspect", "leaving", "dead", "left" };

    return (unsigned)state < sizeof texts / sizeof texts[0] ? texts[state] : "unknown";
}

/* All members, copied, so that the visitor may call anything. Gives; NULL when memory is out. */
static struct thsi_member *copy_all(struct thsi_driver *driver, size_t *count)
{
    struct ths_env *env = driver->runtime->env;
    struct thsi_member *all;

    (void)pthread_mutex_lock(&driver->mutex);
    *count = thsi_membership_count(driver->membership);
    all = env->memory(env, NULL, *count * sizeof *all);
    for (size_t i = 0; all && i < *count; i++)
        all[i] = *thsi_membership_at(driver->membership, i);
    (void)pthread_mutex_unlock(&driver->mutex);
    if (thsi_driver_phase_now(driver) >= THSI_DRIVER_LEFT)
        *count = 1; /* it has parted from all others */
    return all;
}

size_t ths_cluster_members(struct ths_node *node, void (*visit)(void *arg, const struct ths_member_info *member),
                           void *arg)
{
    struct thsi_cluster *cluster = thsi_cluster_of(node);
    struct thsi_member *all;
    size_t count;

    if (!cluster)
        return 0;
    all = copy_all(cluster->driver, &count);
    for (size_t i = 0; all && i < count; i++) {
        const struct thsi_identity *who = &all[i].who;
        const struct ths_member_info info = { .uid = who->uid, .boot = who->boot, .name = who->name,
                                              .address = who->address, .roles = who->roles, .state = all[i].state,
                                              .incarnation = who->incarnation, .rtt_us = all[i].rtt_us,
                                              .self = all[i].self };
        if (visit)
            visit(arg, &info);
    }
    (void)cluster->runtime->env->memory(cluster->runtime->env, all, 0);
    return all ? count : 0;
}

enum ths_err ths_watch_members(struct ths_ctx *ctx)
{
    struct thsi_cluster *cluster = thsi_cluster_of(ths_node_of(ctx));
    struct thsi_driver *driver;
    enum ths_err err;
    bool is_new;

    if (!cluster)
        return THS_UNSUPPORTED;
    driver = cluster->driver;
    err = cluster->runtime->mark(cluster->runtime, ths_self(ctx));
    if (err != THS_OK)
        return err;
    (void)pthread_mutex_lock(&driver->mutex);
    err = thsi_watchers_add(&driver->watchers, ths_self(ctx), THSI_WATCH_EVENTS, NULL, &is_new);
    for (size_t i = 0; err == THS_OK && is_new && i < thsi_membership_count(driver->membership); i++) {
        const struct thsi_member *member = thsi_membership_at(driver->membership, i);
        if (member->state == THS_MEMBER_UP)
            thsi_watchers_tell_member(&driver->watchers, ths_self(ctx), member, member->state, ctx);
    }
    (void)pthread_mutex_unlock(&driver->mutex);
    return err;
}
