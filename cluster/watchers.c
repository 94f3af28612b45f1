#include "cluster/watchers.h"

#include <stdio.h>
#include <string.h>

void thsi_watchers_init(struct thsi_watchers *watchers, struct thsi_runtime *runtime)
{
    memset(watchers, 0, sizeof *watchers);
    watchers->runtime = runtime;
}

void thsi_watchers_fini(struct thsi_watchers *watchers)
{
    struct ths_env *env = watchers->runtime->env;

    watchers->items = env->memory(env, watchers->items, 0);
    watchers->count = watchers->cap = 0;
}

static bool is_watched(const struct thsi_watchers *watchers, ths_ref whom, enum thsi_watch_kind kind,
                       const char *group)
{
    for (size_t i = 0; i < watchers->count; i++) {
        const struct thsi_watcher *item = &watchers->items[i];
        if (item->kind == kind && ths_ref_equal(item->whom, whom) && strcmp(item->group, group) == 0)
            return true;
    }
    return false;
}

enum ths_err thsi_watchers_add(struct thsi_watchers *watchers, ths_ref whom, enum thsi_watch_kind kind,
                               const char *group, bool *is_new)
{
    struct ths_env *env = watchers->runtime->env;
    bool known = is_watched(watchers, whom, kind, group ? group : "");
    struct thsi_watcher *item;

    if (is_new)
        *is_new = !known;
    if (known)
        return THS_OK;
    if (watchers->count == watchers->cap) {
        size_t cap = watchers->cap ? watchers->cap * 2 : 8;
        struct thsi_watcher *items = env->memory(env, watchers->items, cap * sizeof *items);
        if (!items)
            return THS_NOMEM;
        watchers->items = items;
        watchers->cap = cap;
    }
    item = &watchers->items[watchers->count++];
    *item = (struct thsi_watcher){ .whom = whom, .kind = kind };
    (void)snprintf(item->group, sizeof item->group, "%s", group ? group : "");
    return THS_OK;
}

void thsi_watchers_remove(struct thsi_watchers *watchers, ths_ref whom)
{
    size_t kept = 0;

    for (size_t i = 0; i < watchers->count; i++)
        if (!ths_ref_equal(watchers->items[i].whom, whom))
            watchers->items[kept++] = watchers->items[i];
    watchers->count = kept;
}

static void tell(struct thsi_watchers *watchers, ths_ref whom, struct ths_type *type, const void *body,
                 struct ths_ctx *ctx)
{
    watchers->runtime->event(watchers->runtime, ctx, whom, type, body);
}

void thsi_watchers_tell_member(struct thsi_watchers *watchers, ths_ref whom, const struct thsi_member *member,
                               enum ths_member_state state, struct ths_ctx *ctx)
{
    const struct ths_member body = { .uid = member->who.uid, .boot = member->who.boot, .state = (uint8_t)state,
                                     .name = member->who.name, .roles = member->who.roles };

    tell(watchers, whom, &ths_member_type, &body, ctx);
}

void thsi_watchers_tell_group(struct thsi_watchers *watchers, ths_ref whom, const struct thsi_group_change *change,
                              struct ths_ctx *ctx)
{
    const struct ths_group_change body = { .who = change->who, .joined = change->joined,
                                           .group = thsi_group_text(change->group) };

    tell(watchers, whom, &ths_group_change_type, &body, ctx);
}

void thsi_watchers_member(struct thsi_watchers *watchers, const struct thsi_member *member,
                          enum ths_member_state state)
{
    for (size_t i = 0; i < watchers->count; i++)
        if (watchers->items[i].kind == THSI_WATCH_EVENTS)
            thsi_watchers_tell_member(watchers, watchers->items[i].whom, member, state, NULL);
}

void thsi_watchers_set(struct thsi_watchers *watchers, uint64_t version)
{
    const struct ths_members_changed body = { .version = version };

    for (size_t i = 0; i < watchers->count; i++)
        if (watchers->items[i].kind == THSI_WATCH_SET)
            tell(watchers, watchers->items[i].whom, &ths_members_changed_type, &body, NULL);
}

void thsi_watchers_group(struct thsi_watchers *watchers, const struct thsi_group_change *change, struct ths_ctx *ctx)
{
    for (size_t i = 0; i < watchers->count; i++)
        if (watchers->items[i].kind == THSI_WATCH_GROUP && strcmp(watchers->items[i].group, change->group) == 0)
            thsi_watchers_tell_group(watchers, watchers->items[i].whom, change, ctx);
}
