/* Specifications of children: checked, copied, freed. */

#include "node/supervisor_actor.h"

#include "node/base/blob.h"
#include "node/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_STOP_MS = 5000, TREE_STOP_MS_MAX = 3600 * 1000 };

enum ths_err thsi_complain(struct thsi_complaint *why, enum ths_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why->text, why->size, format, args);
    va_end(args);
    return err;
}

/* ---- Checked ------------------------------------------------------------------------------ */

/* "role=R", R being a name. Returns R, or NULL. */
static const char *role_of(const char *where)
{
    static const char head[] = "role=";
    const char *role;

    if (strncmp(where, head, sizeof head - 1) != 0)
        return NULL;
    role = where + sizeof head - 1;
    return thsi_name_valid(role) ? role : NULL;
}

static bool is_spread(const struct ths_child *child)
{
    return child->where && *child->where;
}

static bool has_mailbox_alone(const struct ths_spawn_options *spawn)
{
    struct ths_spawn_options rest = *spawn;

    rest.mailbox = 0;
    return thsi_spawn_options_are_default(&rest);
}

/* Of one that is a supervisor itself. */
static enum ths_err check_tree(const struct ths_child *child, struct thsi_complaint *why)
{
    if (child->behaviour || child->start.type)
        return thsi_complain(why, THS_INVALID, "child \"%s\" has children, so it can have no behaviour and no start message",
                             child->name);
    if (is_spread(child) || child->count > 1)
        return thsi_complain(why, THS_UNSUPPORTED, "child \"%s\" has children, so it runs once, and on this node",
                             child->name);
    if (child->options && (child->options->name || child->options->link))
        return thsi_complain(why, THS_INVALID, "child \"%s\": a supervisor below another has the name of the child, and no link",
                             child->name);
    if (!has_mailbox_alone(&child->spawn))
        return thsi_complain(why, THS_INVALID, "child \"%s\" has children, so of the spawn options it has mailbox alone",
                             child->name);
    return THS_OK;
}

/* With .where it may come to run on any node. */
static enum ths_err check_spawn(const struct ths_child *child, struct thsi_complaint *why)
{
    const char *text = "";
    enum ths_err err = thsi_spawn_options_check(&child->spawn,
                                                THSI_OPTIONS_OF_CHILD | (is_spread(child) ? THSI_OPTIONS_ELSEWHERE : 0), &text);

    return err == THS_OK ? err : thsi_complain(why, err, "child \"%s\": %s", child->name, text);
}

static enum ths_err check_behaviour(const struct ths_child *child, const struct thsi_knows *knows,
                                    struct thsi_complaint *why)
{
    if (!child->behaviour || !thsi_name_valid(child->behaviour))
        return thsi_complain(why, THS_INVALID, "child \"%s\" names no behaviour", child->name);
    if (is_spread(child) && !role_of(child->where))
        return thsi_complain(why, THS_INVALID, "child \"%s\": where is \"%s\", not \"role=NAME\"", child->name,
                             child->where);
    if (!is_spread(child) && !knows->behaviour(knows->arg, child->behaviour))
        return thsi_complain(why, THS_INVALID, "child \"%s\": no behaviour \"%s\" is registered on this node",
                             child->name, child->behaviour);
    return check_spawn(child, why);
}

enum ths_err thsi_child_spec_check(const struct ths_child *child, const struct thsi_knows *knows,
                                   struct thsi_complaint *why)
{
    if (!child->name || !thsi_name_valid(child->name))
        return thsi_complain(why, THS_INVALID, "a child has no name, or one with other characters than [A-Za-z0-9_.:/-]");
    if ((unsigned)child->restart > THS_TEMPORARY)
        return thsi_complain(why, THS_INVALID, "child \"%s\" has an unknown restart rule", child->name);
    if (child->significant && child->restart == THS_PERMANENT)
        return thsi_complain(why, THS_INVALID, "child \"%s\" is significant, so it cannot be permanent", child->name);
    if (child->at_most_one)
        return thsi_complain(why, THS_UNSUPPORTED, "child \"%s\": at_most_one needs leases, which this version has not",
                             child->name);
    if (child->named && child->count > 1)
        return thsi_complain(why, THS_INVALID, "child \"%s\" is named, so it cannot have %u instances", child->name,
                             child->count);
    return child->children || child->children_count ? check_tree(child, why) : check_behaviour(child, knows, why);
}

/* ---- Copied ------------------------------------------------------------------------------- */

enum ths_err thsi_child_copy_start(struct ths_env *env, struct ths_message from, struct ths_message *to)
{
    const struct thsi_type_info *info;
    enum ths_err err;
    size_t size;
    void *body;

    *to = (struct ths_message){ NULL, NULL };
    if (!from.type)
        return THS_OK;
    info = thsi_type_intern(from.type);
    if (!info)
        return THS_NOMEM;
    err = thsi_message_measure(info, from.body, &size);
    if (err != THS_OK)
        return err;
    body = env->memory(env, NULL, size ? size : 1);
    if (!body)
        return THS_NOMEM;
    thsi_message_copy(info, body, from.body);
    *to = (struct ths_message){ from.type, body };
    return THS_OK;
}

void thsi_child_free_start(struct ths_env *env, struct ths_message *start)
{
    const struct thsi_type_info *info = start->type ? thsi_type_intern(start->type) : NULL;

    if (info && info->has_blobs)
        thsi_message_release(info, start->body);
    (void)env->memory(env, (void *)(uintptr_t)start->body, 0);
    *start = (struct ths_message){ NULL, NULL };
}

/* Twice for each that stops after another: it may have to be killed. */
static uint32_t tree_stop_ms(const struct thsi_supervision *tree)
{
    uint64_t ms = 1000;

    for (uint32_t p = 0; p < tree->base_count; p++)
        ms += 2 * (uint64_t)tree->plans[p].stop_ms;
    return ms < TREE_STOP_MS_MAX ? (uint32_t)ms : TREE_STOP_MS_MAX;
}

static enum ths_err copy_tree(struct thsi_supervisors *supervisors, struct ths_env *env, uint64_t self,
                              const struct ths_child *child, unsigned depth, const struct thsi_knows *knows,
                              struct thsi_complaint *why, struct thsi_child_spec *spec)
{
    static const struct ths_supervisor_options defaults = { 0 };
    const struct thsi_supervision_wish wish = { child->children, child->children_count,
                                                child->options ? child->options : &defaults, self, depth + 1 };
    enum ths_err err = thsi_supervision_create(supervisors, env, &wish, knows, why, &spec->tree);

    if (err != THS_OK)
        return err;
    (void)snprintf(spec->behaviour, sizeof spec->behaviour, "%s", THSI_SUPERVISOR_BEHAVIOUR);
    return thsi_child_copy_start(env, THS_MSG(ths_supervise_start, .token = spec->tree->token), &spec->start);
}

enum ths_err thsi_child_spec_copy(struct thsi_supervisors *supervisors, struct ths_env *env, uint64_t self,
                                  const struct ths_child *child, unsigned depth, const struct thsi_knows *knows,
                                  struct thsi_complaint *why, struct thsi_child_spec *spec, struct thsi_child_plan *plan)
{
    enum ths_err err;

    *spec = (struct thsi_child_spec){ .tree = NULL };
    (void)snprintf(spec->name, sizeof spec->name, "%s", child->name);
    err = thsi_spawn_options_keep(env, &child->spawn, &spec->spawn);
    if (err != THS_OK)
        return thsi_complain(why, err, "%s", ths_err_text(err));
    if (child->named)
        spec->spawn.options.name = spec->name;
    *plan = (struct thsi_child_plan){ .restart = child->restart, .count = child->count ? child->count : 1,
                                      .spread = is_spread(child), .significant = child->significant,
                                      .stop_ms = child->stop_ms ? child->stop_ms : DEFAULT_STOP_MS };
    if (child->children || child->children_count) {
        err = copy_tree(supervisors, env, self, child, depth, knows, why, spec);
        plan->orderly = true;
        if (err == THS_OK && !child->stop_ms)
            plan->stop_ms = tree_stop_ms(spec->tree);
    } else {
        (void)snprintf(spec->behaviour, sizeof spec->behaviour, "%s", child->behaviour);
        if (is_spread(child))
            (void)snprintf(spec->role, sizeof spec->role, "%s", role_of(child->where));
        err = thsi_child_copy_start(env, child->start, &spec->start);
        if (err != THS_OK)
            (void)thsi_complain(why, err, "child \"%s\": start message: %s", child->name, ths_err_text(err));
    }
    if (err != THS_OK)
        thsi_child_spec_fini(supervisors, env, spec);
    return err;
}

void thsi_child_spec_fini(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_child_spec *spec)
{
    thsi_child_free_start(env, &spec->start);
    thsi_spawn_options_drop(env, &spec->spawn);
    if (spec->tree)
        thsi_supervision_drop(supervisors, env, spec->tree);
    spec->tree = NULL;
}
