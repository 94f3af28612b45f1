/* Supervisions: what a supervisor begins with, its working state, and the node's list of them. */

#include "node/supervisor_actor.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_RESTARTS = 5, DEFAULT_WITHIN_MS = 10000, DEFAULT_BACKOFF_MAX_MS = 5000, DEPTH_MAX = 16 };

/* ---- Working state -------------------------------------------------------------------------- */

bool thsi_supervision_reserve(struct ths_env *env, struct thsi_supervision *it)
{
    uint32_t specs = it->core.plans_cap, kids = it->core.children_cap;
    void *more;

    if (specs >= it->specs_cap) {
        more = env->memory(env, it->specs, (specs + 1u) * sizeof *it->specs);
        if (!more)
            return false;
        it->specs = more;
        memset(&it->specs[it->specs_cap], 0, (specs + 1u - it->specs_cap) * sizeof *it->specs);
        it->specs_cap = specs + 1;
    }
    if (kids >= it->kids_cap) {
        more = env->memory(env, it->kids, (kids + 1u) * sizeof *it->kids);
        if (!more)
            return false;
        it->kids = more;
        memset(&it->kids[it->kids_cap], 0, (kids + 1u - it->kids_cap) * sizeof *it->kids);
        it->kids_cap = kids + 1;
    }
    return true;
}

struct thsi_child_spec *thsi_supervision_take_spec(struct thsi_supervision *it, uint32_t index)
{
    struct thsi_child_spec *spec = it->specs[index];
    bool own = spec && (spec < it->base || spec >= it->base + it->base_count);

    it->specs[index] = NULL;
    return own ? spec : NULL;
}

static void end(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it)
{
    for (uint32_t p = 0; p < it->specs_cap; p++) {
        struct thsi_child_spec *spec = thsi_supervision_take_spec(it, p);
        if (spec)
            thsi_child_spec_fini(supervisors, env, spec);
        (void)env->memory(env, spec, 0);
    }
    for (uint32_t i = 0; i < it->kids_cap; i++)
        thsi_child_free_start(env, &it->kids[i].start);
    while (it->open) {
        struct thsi_open_order *next = it->open->next;
        (void)env->memory(env, it->open, 0);
        it->open = next;
    }
    (void)env->memory(env, it->specs, 0);
    (void)env->memory(env, it->kids, 0);
    (void)env->memory(env, it->members, 0);
    thsi_supervisor_fini(&it->core);
    it->specs = NULL;
    it->kids = NULL;
    it->members = NULL;
    it->specs_cap = it->kids_cap = it->open_count = 0;
    it->members_count = 0;
    memset(it->starts, 0, sizeof it->starts);
    it->begun = it->watches = it->up = false;
}

static enum ths_err begin(struct ths_env *env, struct thsi_supervision *it)
{
    struct thsi_supervisor_config config = it->config;
    bool spread = false;
    enum ths_err err;

    config.plans = it->plans;
    config.plans_count = it->base_count;
    err = thsi_supervisor_init(&it->core, env, &config);
    if (err != THS_OK)
        return err;
    for (uint32_t p = 0; p < it->base_count; p++)
        spread |= it->plans[p].spread;
    if (spread)
        it->members = env->memory(env, NULL, THSI_PLACES_MAX * sizeof *it->members);
    if (!thsi_supervision_reserve(env, it) || (spread && !it->members))
        return THS_NOMEM;
    for (uint32_t p = 0; p < it->base_count; p++)
        it->specs[p] = &it->base[p];
    it->armed_ns = UINT64_MAX;
    it->exit_reason = THS_REASON_SHUTDOWN;
    thsi_supervisor_stats(&it->core, &it->stats);
    it->begun = true;
    return THS_OK;
}

/* ---- What it begins with -------------------------------------------------------------------- */

static void destroy(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it)
{
    end(supervisors, env, it);
    while (it->inbox) {
        struct thsi_wanted *wanted = it->inbox;
        it->inbox = wanted->next;
        thsi_wanted_free(supervisors, env, wanted);
    }
    for (uint32_t i = 0; i < it->base_count; i++)
        thsi_child_spec_fini(supervisors, env, &it->base[i]);
    (void)env->memory(env, it->base, 0);
    (void)env->memory(env, it->plans, 0);
    (void)env->memory(env, it, 0);
}

static enum ths_err check(const struct thsi_supervision_wish *wish, const struct thsi_knows *knows,
                          struct thsi_complaint *why)
{
    const struct ths_supervisor_options *options = wish->options;
    enum ths_err err = THS_OK;

    if (wish->count > 0 && !wish->children)
        return thsi_complain(why, THS_INVALID, "%zu children are announced, and none is given", wish->count);
    if ((unsigned)options->strategy > THS_DYNAMIC)
        return thsi_complain(why, THS_INVALID, "unknown strategy");
    if ((unsigned)options->auto_shutdown > THS_SHUTDOWN_ALL_SIGNIFICANT)
        return thsi_complain(why, THS_INVALID, "unknown automatic shutdown");
    if (options->restarts > THSI_RESTARTS_MAX)
        return thsi_complain(why, THS_INVALID, "restarts is over %d", THSI_RESTARTS_MAX);
    if (options->children_max > THSI_CHILDREN_MAX)
        return thsi_complain(why, THS_INVALID, "children_max is over %d", THSI_CHILDREN_MAX);
    if (options->strategy == THS_DYNAMIC && wish->count != 1)
        return thsi_complain(why, THS_INVALID, "a dynamic supervisor has one child, the template, not %zu", wish->count);
    if (options->strategy == THS_DYNAMIC && (wish->children->named || wish->children->children))
        return thsi_complain(why, THS_INVALID, "a template has neither a name to register nor children of its own");
    if (wish->count > THSI_CHILDREN_MAX)
        return thsi_complain(why, THS_TOO_MANY, "more than %d children", THSI_CHILDREN_MAX);
    if (wish->depth > DEPTH_MAX)
        return thsi_complain(why, THS_TOO_MANY, "more than %d supervisors below each other", DEPTH_MAX);
    for (size_t i = 0; i < wish->count && err == THS_OK; i++) {
        err = thsi_child_spec_check(&wish->children[i], knows, why);
        for (size_t j = 0; j < i && err == THS_OK; j++) {
            if (strcmp(wish->children[i].name, wish->children[j].name) == 0)
                err = thsi_complain(why, THS_INVALID, "two children are named \"%s\"", wish->children[i].name);
        }
    }
    return err;
}

static void configure(struct thsi_supervision *it, const struct thsi_supervision_wish *wish)
{
    const struct ths_supervisor_options *options = wish->options;

    it->config = (struct thsi_supervisor_config){
        .self = wish->self,
        .strategy = options->strategy,
        .auto_shutdown = options->auto_shutdown,
        .children_max = options->children_max ? options->children_max : THSI_CHILDREN_MAX,
        .restarts = options->restarts ? options->restarts : DEFAULT_RESTARTS,
        .within_ms = options->within_ms ? options->within_ms : DEFAULT_WITHIN_MS,
        .backoff_ms = options->backoff_ms,
        .backoff_max_ms = options->backoff_max_ms ? options->backoff_max_ms : DEFAULT_BACKOFF_MAX_MS,
    };
}

static enum ths_err fill(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it,
                         const struct thsi_supervision_wish *wish, const struct thsi_knows *knows,
                         struct thsi_complaint *why)
{
    enum ths_err err;

    it->base = env->memory(env, NULL, (wish->count + 1) * sizeof *it->base);
    it->plans = env->memory(env, NULL, (wish->count + 1) * sizeof *it->plans);
    if (!it->base || !it->plans)
        return thsi_complain(why, THS_NOMEM, "%s", ths_err_text(THS_NOMEM));
    for (size_t i = 0; i < wish->count; i++) {
        err = thsi_child_spec_copy(supervisors, env, wish->self, &wish->children[i], wish->depth, knows, why,
                                   &it->base[i], &it->plans[i]);
        if (err != THS_OK)
            return err;
        it->base_count++;
    }
    if (it->config.strategy == THS_DYNAMIC)
        it->plans[0].count = wish->children->count; /* 0: none at first */
    err = begin(env, it);
    if (err == THS_TOO_MANY)
        return thsi_complain(why, err, "more than %u children", it->config.children_max);
    return err == THS_OK ? err : thsi_complain(why, err, "%s", ths_err_text(err));
}

enum ths_err thsi_supervision_create(struct thsi_supervisors *supervisors, struct ths_env *env,
                                     const struct thsi_supervision_wish *wish, const struct thsi_knows *knows,
                                     struct thsi_complaint *why, struct thsi_supervision **out)
{
    struct thsi_supervision *it;
    enum ths_err err = check(wish, knows, why);

    *out = NULL;
    if (err != THS_OK)
        return err;
    it = env->memory(env, NULL, sizeof *it);
    if (!it)
        return thsi_complain(why, THS_NOMEM, "%s", ths_err_text(THS_NOMEM));
    *it = (struct thsi_supervision){ .core.env = env, .holds = 1, .nested = wish->depth > 0 };
    configure(it, wish);
    err = fill(supervisors, env, it, wish, knows, why);
    if (err != THS_OK) {
        destroy(supervisors, env, it);
        return err;
    }
    (void)pthread_mutex_lock(&supervisors->lock);
    it->token = supervisors->next_token++;
    it->next = supervisors->first;
    supervisors->first = it;
    (void)pthread_mutex_unlock(&supervisors->lock);
    *out = it;
    return THS_OK;
}

/* ---- The list -------------------------------------------------------------------------------- */

void thsi_supervisors_init(struct thsi_supervisors *supervisors)
{
    *supervisors = (struct thsi_supervisors){ .next_token = 1 };
    (void)pthread_mutex_init(&supervisors->lock, NULL);
}

void thsi_supervisors_fini(struct thsi_supervisors *supervisors, struct ths_env *env)
{
    struct thsi_supervision *it;

    while ((it = supervisors->first) != NULL) {
        while (it->nested && it->next) /* freed with the one above it */
            it = it->next;
        it->holds = 1;
        thsi_supervision_drop(supervisors, env, it);
    }
    (void)pthread_mutex_destroy(&supervisors->lock);
}

struct thsi_supervision *thsi_supervision_find(struct thsi_supervisors *supervisors, ths_ref ref)
{
    struct thsi_supervision *it = supervisors->first;

    while (it && !ths_ref_equal(it->ref, ref))
        it = it->next;
    return it;
}

struct thsi_supervision *thsi_supervision_claim(struct thsi_supervisors *supervisors, struct ths_env *env, uint64_t token,
                                                ths_ref ref, ths_ref above)
{
    struct thsi_supervision *it;

    (void)pthread_mutex_lock(&supervisors->lock);
    it = supervisors->first;
    while (it && (it->token != token || it->claimed || (it->nested && !ths_ref_equal(it->above, above))))
        it = it->next;
    if (it && !it->begun && begin(env, it) != THS_OK) {
        end(NULL, env, it); /* it has nothing but what it begins with */
        it = NULL;
    }
    if (it) {
        it->claimed = true;
        it->holds += it->nested; /* the other hold is that of the one above */
        it->ref = ref;
        for (uint32_t p = 0; p < it->base_count; p++) {
            if (it->base[p].tree)
                it->base[p].tree->above = ref;
        }
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
    return it;
}

void thsi_supervision_leave(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it)
{
    struct thsi_supervision work;

    /* Taken out under the lock, freed outside of it: it may hold others, which are in the list. */
    (void)pthread_mutex_lock(&supervisors->lock);
    work = *it;
    it->claimed = it->begun = it->watches = it->up = false;
    it->specs = NULL;
    it->kids = NULL;
    it->members = NULL;
    it->open = NULL;
    it->specs_cap = it->kids_cap = it->open_count = 0;
    it->members_count = 0;
    it->core = (struct thsi_supervisor){ .env = env };
    memset(it->starts, 0, sizeof it->starts);
    (void)pthread_mutex_unlock(&supervisors->lock);
    end(supervisors, env, &work);
    thsi_supervision_drop(supervisors, env, it);
}

void thsi_supervision_drop(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_supervision *it)
{
    struct thsi_supervision **link = &supervisors->first;
    bool last;

    (void)pthread_mutex_lock(&supervisors->lock);
    last = --it->holds == 0;
    while (last && *link != it)
        link = &(*link)->next;
    if (last)
        *link = it->next;
    (void)pthread_mutex_unlock(&supervisors->lock);
    if (last)
        destroy(supervisors, env, it);
}
