/* Orders of users to a running supervisor, and news for those who subscribed. An order is a request, held until the
 * decision says that it was carried out. */

#include "node/supervisor_actor.h"

#include "node/node.h"

#include <string.h>

/* ---- Found --------------------------------------------------------------------------------- */

/* The specification of this name; THSI_NO_CHILD: none. */
static uint32_t plan_named(const struct thsi_supervision *it, const char *name)
{
    for (uint32_t at = 0; at < it->core.line_count; at++) {
        if (strcmp(it->specs[it->core.line[at]]->name, name) == 0)
            return it->core.line[at];
    }
    return THSI_NO_CHILD;
}

static uint32_t child_who_is(const struct thsi_supervision *it, ths_ref who)
{
    for (uint32_t i = 0; i < it->core.children_count && !ths_ref_is_nobody(who); i++) {
        if (ths_ref_equal(it->core.children[i].who, who))
            return i;
    }
    return THSI_NO_CHILD;
}

/* Whom the order is about. False: nobody that there is. */
static bool find(const struct thsi_supervision *it, const struct ths_child_order *order, struct thsi_supervisor_event *event)
{
    bool dynamic = it->core.config.strategy == THS_DYNAMIC;

    event->child = THSI_NO_CHILD;
    if (order->name[0]) {
        event->plan = plan_named(it, order->name);
        return event->plan != THSI_NO_CHILD && !dynamic; /* a template is no child */
    }
    event->child = child_who_is(it, order->who);
    if (event->child == THSI_NO_CHILD)
        return false;
    if (order->order == THSI_CHILD_ORDER_REMOVE && !dynamic) { /* the specification, with all its instances */
        event->plan = it->core.children[event->child].plan;
        event->child = THSI_NO_CHILD;
    }
    return true;
}

/* ---- Added --------------------------------------------------------------------------------- */

void thsi_wanted_free(struct thsi_supervisors *supervisors, struct ths_env *env, struct thsi_wanted *wanted)
{
    if (wanted->spec)
        thsi_child_spec_fini(supervisors, env, wanted->spec);
    (void)env->memory(env, wanted->spec, 0);
    (void)env->memory(env, wanted, 0);
}

/* Out of the inbox; NULL: not there. Under the lock. */
static struct thsi_wanted *take_wanted(struct thsi_supervision *it, uint64_t token)
{
    struct thsi_wanted **link = &it->inbox, *wanted;

    while (*link && (*link)->token != token)
        link = &(*link)->next;
    wanted = *link;
    if (wanted) {
        *link = wanted->next;
        it->inbox_count--;
    }
    return wanted;
}

/* The decision and the supervision get to know it. Under the lock. */
static enum ths_err add_under_lock(struct ths_env *env, struct thsi_supervision *it, struct thsi_wanted *wanted,
                                   struct thsi_supervisor_event *event)
{
    bool dynamic = it->core.config.strategy == THS_DYNAMIC;
    uint32_t index;
    enum ths_err err;

    if (!dynamic && plan_named(it, wanted->spec->name) != THSI_NO_CHILD)
        return THS_NAME_TAKEN;
    if (wanted->plan.spread && !it->members)
        it->members = env->memory(env, NULL, THSI_PLACES_MAX * sizeof *it->members);
    if (wanted->plan.spread && !it->members)
        return THS_NOMEM;
    err = thsi_supervisor_add(&it->core, dynamic ? NULL : &wanted->plan, &index);
    if (err != THS_OK)
        return err;
    if (!thsi_supervision_reserve(env, it)) {
        thsi_supervisor_take_back(&it->core, index);
        return THS_NOMEM;
    }
    event->child = dynamic ? index : THSI_NO_CHILD;
    event->plan = dynamic ? 0 : index;
    if (dynamic) {
        it->kids[index] = (struct thsi_kid){ .start = wanted->spec->start };
        wanted->spec->start = (struct ths_message){ NULL, NULL };
    } else {
        const struct thsi_supervisor_plan *plan = &it->core.plans[index];
        for (uint32_t i = plan->first; i < plan->first + plan->plan.count; i++)
            it->kids[i] = (struct thsi_kid){ .incarnation = 0 };
        if (wanted->spec->tree)
            wanted->spec->tree->above = it->ref;
        it->specs[index] = wanted->spec;
        wanted->spec = NULL;
    }
    return THS_OK;
}

static enum ths_err add(struct ths_ctx *ctx, struct thsi_supervision *it, uint64_t token,
                        struct thsi_supervisor_event *event)
{
    struct thsi_supervisors *supervisors = &ctx->node->supervisors;
    struct thsi_wanted *wanted;
    enum ths_err err = THS_NOT_FOUND; /* it was given up */

    (void)pthread_mutex_lock(&supervisors->lock);
    wanted = take_wanted(it, token);
    if (wanted)
        err = add_under_lock(ctx->node->env, it, wanted, event);
    (void)pthread_mutex_unlock(&supervisors->lock);
    if (wanted)
        thsi_wanted_free(supervisors, ctx->node->env, wanted);
    return err;
}

/* ---- Taken and answered -------------------------------------------------------------------- */

static struct thsi_open_order *open_order(struct ths_ctx *ctx, struct thsi_supervision *it)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_open_order *open = env->memory(env, NULL, sizeof *open);

    if (!open)
        return NULL;
    if (++it->last_order == 0)
        it->last_order = 1;
    *open = (struct thsi_open_order){ .next = it->open, .id = it->last_order, .asked = ths_defer(ctx) };
    it->open = open;
    it->open_count++;
    return open;
}

static struct thsi_open_order *take_open(struct thsi_supervision *it, uint32_t id)
{
    struct thsi_open_order **link = &it->open, *open;

    while (*link && (*link)->id != id)
        link = &(*link)->next;
    open = *link;
    if (open) {
        *link = open->next;
        it->open_count--;
    }
    return open;
}

void thsi_supervisor_take_order(struct ths_ctx *ctx, struct thsi_supervision *it, const struct ths_child_order *order)
{
    struct thsi_supervisor_event event = { .type = THSI_SUPERVISOR_ORDER, .order = (enum thsi_child_order)order->order };
    bool stops = it->core.phase == THSI_SUPERVISOR_STOPS || it->core.phase == THSI_SUPERVISOR_IS_DONE;
    struct thsi_open_order *open;
    enum ths_err err = THS_OK;

    if (order->order == THSI_CHILD_ORDER_NONE || order->order > THSI_CHILD_ORDER_REMOVE)
        err = THS_INVALID;
    else if (stops)
        err = THS_CLOSED;
    else if (it->open_count >= THSI_ORDERS_MAX)
        err = THS_TOO_MANY;
    else if (order->order == THSI_CHILD_ORDER_START)
        err = add(ctx, it, order->token, &event);
    else if (!find(it, order, &event))
        err = THS_NOT_FOUND;
    if (err != THS_OK) {
        (void)ths_refuse(ctx, err);
        return;
    }
    open = open_order(ctx, it);
    if (!open)
        (void)ths_refuse(ctx, THS_NOMEM); /* it is carried out all the same */
    event.order_id = open ? open->id : UINT32_MAX;
    thsi_supervisor_decide(ctx, it, event);
    /* After the order: a step before it would find that what was added has ended, and remove it. */
    if (order->order == THSI_CHILD_ORDER_START && it->members && it->core.phase != THSI_SUPERVISOR_IS_DONE)
        thsi_supervisor_members_changed(ctx, it);
}

void thsi_supervisor_answer(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_open_order *open = take_open(it, action->order_id);
    const struct thsi_child_spec *spec = it->specs[action->plan];

    if (!open)
        return;
    if (action->err == THS_OK)
        (void)ths_reply_to(ctx, &open->asked, ths_child_done, .name = spec->name, .who = action->who);
    else
        (void)ths_refuse_to(ctx, &open->asked, action->err);
    (void)env->memory(env, open, 0);
}

void thsi_supervisor_forget(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action)
{
    struct thsi_supervisors *supervisors = &ctx->node->supervisors;
    struct thsi_child_spec *spec = NULL;

    (void)pthread_mutex_lock(&supervisors->lock);
    if (action->child != THSI_NO_CHILD) {
        thsi_child_free_start(ctx->node->env, &it->kids[action->child].start);
        it->kids[action->child] = (struct thsi_kid){ .incarnation = 0 };
    } else {
        spec = thsi_supervision_take_spec(it, action->plan);
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
    if (spec) {
        thsi_child_spec_fini(supervisors, ctx->node->env, spec);
        (void)ctx->node->env->memory(ctx->node->env, spec, 0);
    }
}

/* ---- News ------------------------------------------------------------------------------------ */

static void unsubscribe(struct thsi_supervisors *supervisors, struct thsi_supervision *it, ths_ref who)
{
    (void)pthread_mutex_lock(&supervisors->lock);
    for (uint32_t i = 0; i < it->subscribers_count; i++) {
        if (ths_ref_equal(it->subscribers[i], who))
            it->subscribers[i] = it->subscribers[--it->subscribers_count];
    }
    (void)pthread_mutex_unlock(&supervisors->lock);
}

void thsi_supervisor_came_back(struct ths_ctx *ctx, struct thsi_supervision *it, uint32_t child)
{
    struct thsi_supervisors *supervisors = &ctx->node->supervisors;
    struct thsi_kid *kid = &it->kids[child];
    ths_ref subscribers[THSI_SUBSCRIBERS_MAX];
    uint32_t count;

    (void)pthread_mutex_lock(&supervisors->lock);
    kid->restarts++;
    count = it->subscribers_count;
    memcpy(subscribers, it->subscribers, count * sizeof subscribers[0]);
    (void)pthread_mutex_unlock(&supervisors->lock);
    for (uint32_t i = 0; i < count; i++) {
        enum ths_err err = ths_tell(ctx, subscribers[i], ths_child_restarted,
                                    .name = it->specs[it->core.children[child].plan]->name,
                                    .who = it->core.children[child].who, .incarnation = kid->incarnation,
                                    .reason = kid->reason);
        if (err == THS_GONE || err == THS_STALE || err == THS_UNKNOWN_NODE)
            unsubscribe(supervisors, it, subscribers[i]);
    }
}
