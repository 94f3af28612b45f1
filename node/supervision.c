/* Supervisions: specifications checked and copied, and the node's list of them. */

#include "node/supervisor_actor.h"

#include "node/base/message_table.h"
#include "node/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_RESTARTS = 5, DEFAULT_WITHIN_MS = 10000, DEFAULT_BACKOFF_MAX_MS = 5000, DEFAULT_STOP_MS = 5000 };

/* What is wrong, for the log. */
struct complaint {
    char *text;
    size_t size;
};

THS_PRINTF(3, 4)
static enum ths_err complain(struct complaint *why, enum ths_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why->text, why->size, format, args);
    va_end(args);
    return err;
}

/* ---- One specification -------------------------------------------------------------------- */

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

static enum ths_err check_child(const struct ths_child *children, size_t index,
                                bool (*knows)(void *arg, const char *behaviour), void *arg, struct complaint *why)
{
    const struct ths_child *child = &children[index];

    if (!child->name || !thsi_name_valid(child->name))
        return complain(why, THS_INVALID, "child %zu has no name, or one with other characters than [A-Za-z0-9_.:/-]",
                        index);
    for (size_t i = 0; i < index; i++) {
        if (strcmp(children[i].name, child->name) == 0)
            return complain(why, THS_INVALID, "two children are named \"%s\"", child->name);
    }
    if (!child->behaviour || !thsi_name_valid(child->behaviour))
        return complain(why, THS_INVALID, "child \"%s\" names no behaviour", child->name);
    if ((unsigned)child->restart > THS_TEMPORARY)
        return complain(why, THS_INVALID, "child \"%s\" has an unknown restart rule", child->name);
    if (child->significant && child->restart == THS_PERMANENT)
        return complain(why, THS_INVALID, "child \"%s\" is significant, so it cannot be permanent", child->name);
    if (child->at_most_one)
        return complain(why, THS_UNSUPPORTED, "child \"%s\": at_most_one needs leases, which this version has not",
                        child->name);
    if (is_spread(child) && !role_of(child->where))
        return complain(why, THS_INVALID, "child \"%s\": where is \"%s\", not \"role=NAME\"", child->name,
                        child->where);
    if (child->named && child->count > 1)
        return complain(why, THS_INVALID, "child \"%s\" is named, so it cannot have %u instances", child->name,
                        child->count);
    if (!is_spread(child) && !knows(arg, child->behaviour))
        return complain(why, THS_INVALID, "child \"%s\": no behaviour \"%s\" is registered on this node", child->name,
                        child->behaviour);
    return THS_OK;
}

/* A deep copy in one block of @env's memory. */
static enum ths_err copy_message(struct ths_env *env, struct ths_message from, struct ths_message *to)
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

static enum ths_err copy_child(struct ths_env *env, const struct ths_child *child, struct thsi_child_spec *spec,
                               struct thsi_child_plan *plan, struct complaint *why)
{
    enum ths_err err;

    *spec = (struct thsi_child_spec){ .mailbox = child->mailbox, .named = child->named };
    memcpy(spec->name, child->name, strlen(child->name));
    memcpy(spec->behaviour, child->behaviour, strlen(child->behaviour));
    if (is_spread(child))
        memcpy(spec->role, role_of(child->where), strlen(role_of(child->where)));
    *plan = (struct thsi_child_plan){ .restart = child->restart, .count = child->count ? child->count : 1,
                                      .spread = is_spread(child), .significant = child->significant,
                                      .stop_ms = child->stop_ms ? child->stop_ms : DEFAULT_STOP_MS };
    err = copy_message(env, child->start, &spec->start);
    return err == THS_OK ? THS_OK
                         : complain(why, err, "child \"%s\": start message: %s", child->name, ths_err_text(err));
}

/* ---- One supervision ----------------------------------------------------------------------- */

_Static_assert(THS_NAME_SIZE == 64 && THSI_ROLE_SIZE >= THS_NAME_SIZE, "a role is a name");

static enum ths_err fill(struct ths_env *env, struct thsi_supervision *supervision, uint64_t self,
                         const struct ths_child *children, const struct ths_supervisor_options *options,
                         struct thsi_child_plan *plans, struct complaint *why)
{
    const struct thsi_supervisor_config config = {
        .self = self,
        .strategy = options->strategy,
        .auto_shutdown = options->auto_shutdown,
        .children_max = THSI_CHILDREN_MAX,
        .restarts = options->restarts ? options->restarts : DEFAULT_RESTARTS,
        .within_ms = options->within_ms ? options->within_ms : DEFAULT_WITHIN_MS,
        .backoff_ms = options->backoff_ms,
        .backoff_max_ms = options->backoff_max_ms ? options->backoff_max_ms : DEFAULT_BACKOFF_MAX_MS,
        .plans = plans,
        .plans_count = supervision->specs_count,
    };
    bool spread = false;
    enum ths_err err;

    for (uint32_t i = 0; i < supervision->specs_count; i++) {
        err = copy_child(env, &children[i], &supervision->specs[i], &plans[i], why);
        if (err != THS_OK)
            return err;
        spread |= plans[i].spread;
    }
    err = thsi_supervisor_init(&supervision->core, env, &config);
    if (err == THS_TOO_MANY)
        return complain(why, err, "more than %d children", THSI_CHILDREN_MAX);
    if (err != THS_OK)
        return complain(why, err, "%s", ths_err_text(err));
    supervision->monitors = env->memory(env, NULL, (supervision->core.children_count + 1u) *
                                                       sizeof *supervision->monitors);
    if (spread)
        supervision->members = env->memory(env, NULL, THSI_PLACES_MAX * sizeof *supervision->members);
    if (!supervision->monitors || (spread && !supervision->members))
        return complain(why, THS_NOMEM, "%s", ths_err_text(THS_NOMEM));
    memset(supervision->monitors, 0, (supervision->core.children_count + 1u) * sizeof *supervision->monitors);
    thsi_supervisor_stats(&supervision->core, &supervision->stats);
    return THS_OK;
}

enum ths_err thsi_supervision_create(struct ths_env *env, uint64_t self, const struct ths_child *children, size_t count,
                                     const struct ths_supervisor_options *options,
                                     bool (*knows)(void *arg, const char *behaviour), void *arg, char *why,
                                     size_t why_size, struct thsi_supervision **out)
{
    struct complaint complaint = { why, why_size };
    struct thsi_supervision *supervision;
    struct thsi_child_plan *plans;
    enum ths_err err;

    *out = NULL;
    if ((unsigned)options->strategy > THS_REST_FOR_ONE)
        return complain(&complaint, THS_INVALID, "unknown strategy");
    if ((unsigned)options->auto_shutdown > THS_SHUTDOWN_ALL_SIGNIFICANT)
        return complain(&complaint, THS_INVALID, "unknown automatic shutdown");
    if (options->restarts > THSI_RESTARTS_MAX)
        return complain(&complaint, THS_INVALID, "restarts is over %d", THSI_RESTARTS_MAX);
    if (count > THSI_CHILDREN_MAX)
        return complain(&complaint, THS_TOO_MANY, "more than %d children", THSI_CHILDREN_MAX);
    for (size_t i = 0; i < count; i++) {
        err = check_child(children, i, knows, arg, &complaint);
        if (err != THS_OK)
            return err;
    }
    supervision = env->memory(env, NULL, sizeof *supervision);
    if (!supervision)
        return complain(&complaint, THS_NOMEM, "%s", ths_err_text(THS_NOMEM));
    *supervision = (struct thsi_supervision){ .core.env = env, .armed_ns = UINT64_MAX,
                                              .exit_reason = THS_REASON_SHUTDOWN };
    supervision->specs = env->memory(env, NULL, (count + 1) * sizeof *supervision->specs);
    plans = env->memory(env, NULL, (count + 1) * sizeof *plans);
    err = complain(&complaint, THS_NOMEM, "%s", ths_err_text(THS_NOMEM));
    if (supervision->specs && plans) {
        memset(supervision->specs, 0, (count + 1) * sizeof *supervision->specs);
        supervision->specs_count = (uint32_t)count;
        err = fill(env, supervision, self, children, options, plans, &complaint);
    }
    (void)env->memory(env, plans, 0);
    if (err != THS_OK) {
        thsi_supervision_destroy(env, supervision);
        return err;
    }
    *out = supervision;
    return THS_OK;
}

void thsi_supervision_destroy(struct ths_env *env, struct thsi_supervision *supervision)
{
    if (!supervision)
        return;
    for (uint32_t i = 0; i < supervision->specs_count; i++)
        (void)env->memory(env, (void *)(uintptr_t)supervision->specs[i].start.body, 0);
    (void)env->memory(env, supervision->specs, 0);
    (void)env->memory(env, supervision->monitors, 0);
    (void)env->memory(env, supervision->members, 0);
    thsi_supervisor_fini(&supervision->core);
    (void)env->memory(env, supervision, 0);
}

/* ---- The list -------------------------------------------------------------------------------- */

void thsi_supervisors_init(struct thsi_supervisors *supervisors)
{
    *supervisors = (struct thsi_supervisors){ .next_token = 1 };
    (void)pthread_mutex_init(&supervisors->lock, NULL);
}

void thsi_supervisors_fini(struct thsi_supervisors *supervisors, struct ths_env *env)
{
    while (supervisors->first)
        thsi_supervision_release(supervisors, env, supervisors->first);
    (void)pthread_mutex_destroy(&supervisors->lock);
}

struct thsi_supervision *thsi_supervision_claim(struct thsi_supervisors *supervisors, uint64_t token, ths_ref ref)
{
    struct thsi_supervision *supervision;

    (void)pthread_mutex_lock(&supervisors->lock);
    supervision = supervisors->first;
    while (supervision && (supervision->token != token || supervision->claimed))
        supervision = supervision->next;
    if (supervision) {
        supervision->claimed = true;
        supervision->ref = ref;
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
    return supervision;
}

void thsi_supervision_release(struct thsi_supervisors *supervisors, struct ths_env *env,
                              struct thsi_supervision *supervision)
{
    struct thsi_supervision **link;

    (void)pthread_mutex_lock(&supervisors->lock);
    for (link = &supervisors->first; *link != supervision;)
        link = &(*link)->next;
    *link = supervision->next;
    (void)pthread_mutex_unlock(&supervisors->lock);
    thsi_supervision_destroy(env, supervision);
}
