/* The supervisor as an actor: messages in, one step of the decision, signals out. It has no policy of its own.
 *
 * Local and remote children are treated alike: SPAWN is answered, RESTART, HALT and FINISH are signals in the order of
 * their pair, HALTED comes back as a message, and every child is monitored for its end. */

#include "node/supervisor_actor.h"

#include "node/node.h"
#include "node/send.h"
#include "node/start.h"
#include "thiasos/stop.h"

#include <inttypes.h>
#include <stdio.h>

#define MS UINT64_C(1000000)

enum {
    /* The decision gives up a start after THSI_START_MS; its ask stays open longer, so that an actor which came to be
     * all the same is heard of and ended. */
    ANSWER_MS = 600000,
    ROUTER_POLL_MS = 500 /* how soon a cluster that is joined later is noticed */
};

THS_MESSAGE(ths_supervisor_tick, "ths.here.supervisor_tick", 1)

struct ths_supervisor {
    struct thsi_supervision *it; /* NULL: not claimed yet */
};

/* ---- Words for the log ---------------------------------------------------------------------- */

const char *thsi_supervisor_label(const struct thsi_supervision *it, uint32_t child, char *out, size_t size)
{
    const struct thsi_supervisor_plan *plan = &it->core.plans[it->core.children[child].plan];
    const char *name = it->specs[it->core.children[child].plan]->name;

    if (plan->plan.count == 1)
        (void)snprintf(out, size, "%s", name);
    else
        (void)snprintf(out, size, "%s/%" PRIu32, name, child - plan->first);
    return out;
}

/* Name of a node, if it was a member when last looked. */
static const char *node_name(struct ths_ctx *ctx, const struct thsi_supervision *it, uint64_t uid, char *out,
                             size_t size)
{
    for (size_t i = 0; i < it->members_count; i++) {
        if (it->members[i].uid == uid)
            return it->members[i].name;
    }
    if (uid == ctx->node->uid)
        return ctx->node->name;
    (void)snprintf(out, size, "%016" PRIx64, uid);
    return out;
}

#define note(ctx, level, ...) thsi_log((ctx)->node, THS_LOG_##level, "supervisor", __VA_ARGS__)

/* ---- Members ---------------------------------------------------------------------------------- */

/* Have the router tell of changes, from before the members are first read. */
static void watch_members(struct ths_ctx *ctx, struct thsi_supervision *it)
{
    struct thsi_router *router;

    if (it->watches || !it->members)
        return;
    router = thsi_router_begin(ctx);
    it->watches = router && router->watch_members(router, it->ref) == THS_OK;
    thsi_router_end(ctx);
}

/* The members with @role, up to THSI_PLACES_MAX, into it->members. */
static void read_members(struct ths_ctx *ctx, struct thsi_supervision *it, const char *role)
{
    struct thsi_router *router = thsi_router_begin(ctx);

    it->members_count = router ? router->members(router, role, it->members, THSI_PLACES_MAX) : 0;
    thsi_router_end(ctx);
}

/* ---- Carrying out ------------------------------------------------------------------------------ */

/* Here, an order that does not arrive is followed by a DOWN. A link that does not take it leaves a child that waits for
 * ever: it counts as lost, and its DOWN comes through the mailbox like any other. */
static void order(struct ths_ctx *ctx, const struct thsi_supervision *it, enum thsi_signal_kind kind, ths_ref who,
                  uint32_t child, uint64_t id)
{
    const struct thsi_signal signal = { .kind = kind, .from = ths_self(ctx), .to = who, .child = child, .id = id };
    struct thsi_signal lost = { .kind = THSI_DOWN, .from = who, .to = ths_self(ctx), .reason = THS_REASON_NODE_LOST,
                                .certainty = THS_ASSUMED };

    if (thsi_send_signal(ctx, &signal) == THS_OK || child == THSI_NO_CHILD || who.node == ctx->node->uid)
        return;
    lost.id = it->kids[child].monitor.value;
    (void)thsi_send_signal(ctx, &lost);
}

/* Note a start whose answer is out. When too many are, the oldest is forgotten: its late answer is then a stray. */
static void note_start(struct thsi_supervision *it, uint64_t ask, const struct thsi_supervisor_action *start, bool in_place)
{
    struct thsi_start_entry *place = &it->starts[0];

    for (size_t i = 0; i < sizeof it->starts / sizeof it->starts[0]; i++) {
        if (it->starts[i].ask < place->ask)
            place = &it->starts[i];
    }
    *place = (struct thsi_start_entry){ ask, start->child, start->start_id, in_place, start->again };
}

static const struct ths_reply_to ths_supervisor_spawned;

static void start_child(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action)
{
    const struct thsi_child_spec *spec = it->specs[action->plan];
    const struct ths_message *own = &it->kids[action->child].start, *start = own->type ? own : &spec->start;
    const ths_ref target = { action->node, 0, 0 };
    struct thsi_signal signal = {
        .kind = THSI_SPAWN,
        .from = ths_self(ctx),
        .to = target,
        .deadline_ns = thsi_now_ns(ctx->node) + THSI_START_MS * MS,
        .incarnation = THSI_SPAWN_SUPERVISED | THSI_SPAWN_AWAIT,
        .child = action->child,
        .options = &spec->spawn.options,
        .text = spec->behaviour,
        .type = start->type,
        .body = start->body,
    };
    char name[96], node[32];

    note(ctx, DEBUG, "starts %s on %s", thsi_supervisor_label(it, action->child, name, sizeof name),
         node_name(ctx, it, action->node, node, sizeof node));
    signal.id = thsi_ask_open(ctx, target, &ths_supervisor_spawned, ANSWER_MS);
    if (signal.id == 0)
        return; /* no memory: the decision's own deadline finds it unanswered, and tries again */
    note_start(it, signal.id, action, false);
    (void)thsi_send_signal(ctx, &signal); /* a failure is answered like any other */
}

/* Its answer is a ths_spawned like that of a start, or a HALTED. */
static void restart_child(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action)
{
    char name[96];
    uint64_t ask = thsi_ask_open(ctx, action->who, &ths_supervisor_spawned, THSI_START_MS);

    note(ctx, INFO, "restarts %s in place", thsi_supervisor_label(it, action->child, name, sizeof name));
    if (ask != 0) /* else the decision's own deadline lets it go on */
        note_start(it, ask, action, true);
    order(ctx, it, THSI_RESTART, action->who, action->child, ask);
}

static void carry_out(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_supervisor_action *action)
{
    char name[96];

    if (action->child < it->core.children_count)
        (void)thsi_supervisor_label(it, action->child, name, sizeof name);
    else
        (void)snprintf(name, sizeof name, "an actor that started too late");
    switch (action->type) {
    case THSI_SUPERVISOR_START:
        start_child(ctx, it, action);
        break;
    case THSI_SUPERVISOR_RESTART:
        restart_child(ctx, it, action);
        break;
    case THSI_SUPERVISOR_HALT:
        order(ctx, it, THSI_HALT, action->who, action->child, 0);
        break;
    case THSI_SUPERVISOR_DRAIN:
        note(ctx, INFO, "moves %s to another node", name);
        order(ctx, it, THSI_FINISH, action->who, action->child, 0);
        break;
    case THSI_SUPERVISOR_ASK:
        (void)ths_stop_actor(ctx, action->who, .text = "its supervisor stops it");
        break;
    case THSI_SUPERVISOR_ANSWER:
        thsi_supervisor_answer(ctx, it, action);
        break;
    case THSI_SUPERVISOR_FORGET:
        thsi_supervisor_forget(ctx, it, action);
        break;
    case THSI_SUPERVISOR_FINISH:
        order(ctx, it, THSI_FINISH, action->who, action->child, 0);
        break;
    case THSI_SUPERVISOR_KILL:
        note(ctx, WARN, "kills %s, which did not stop in time", name);
        ths_kill(ctx, action->who);
        break;
    case THSI_SUPERVISOR_ABANDON:
        note(ctx, ERROR, "abandons %s, which does not answer", name);
        ths_demonitor(ctx, it->kids[action->child].monitor);
        order(ctx, it, THSI_FINISH, action->who, action->child, 0);
        break;
    case THSI_SUPERVISOR_WAIT:
        note(ctx, WARN, "%s waits: no member has the role \"%s\"", it->specs[action->plan]->name,
             it->specs[action->plan]->role);
        break;
    case THSI_SUPERVISOR_GIVE_UP:
        note(ctx, ERROR, "gives up: %s failed, which makes more than %" PRIu32 " restarts within %" PRIu32 " ms", name,
             it->core.config.restarts, it->core.config.within_ms);
        break;
    case THSI_SUPERVISOR_DONE:
        if (action->reason == THS_REASON_CRASHED)
            ths_fail(ctx, "too many restarts");
        else if (it->exit_reason != THS_REASON_SHUTDOWN)
            ths_fail(ctx, "a linked actor ended: %s", ths_reason_text(it->exit_reason));
        else
            ths_shutdown(ctx);
        break;
    }
}

/* One timer, at the decision's deadline, or sooner while there is no cluster to wait for. */
static void arm(struct ths_ctx *ctx, struct thsi_supervision *it)
{
    uint64_t now_ns = thsi_now_ns(ctx->node);
    uint64_t deadline_ns = thsi_supervisor_deadline_ns(&it->core);

    if (it->members && !it->watches && deadline_ns > now_ns + ROUTER_POLL_MS * MS)
        deadline_ns = it->armed_ns != UINT64_MAX && it->armed_ns > now_ns ? it->armed_ns : now_ns + ROUTER_POLL_MS * MS;
    if (deadline_ns == it->armed_ns)
        return;
    if (it->armed_ns != UINT64_MAX)
        ths_cancel(ctx, it->timer);
    it->armed_ns = UINT64_MAX;
    if (deadline_ns == UINT64_MAX)
        return;
    it->timer = ths_after(ctx, deadline_ns > now_ns ? (deadline_ns - now_ns + MS - 1) / MS : 0, ths_supervisor_tick);
    if (it->timer.value != 0)
        it->armed_ns = deadline_ns;
}

void thsi_supervisor_decide(struct ths_ctx *ctx, struct thsi_supervision *it, struct thsi_supervisor_event event)
{
    struct thsi_supervisor_update update;
    struct ths_env *env = ctx->node->env;

    event.now_ns = thsi_now_ns(ctx->node);
    env->random(env, &event.random, sizeof event.random);
    (void)pthread_mutex_lock(&ctx->node->supervisors.lock);
    thsi_supervisor_step(&it->core, &event, &update);
    thsi_supervisor_stats(&it->core, &it->stats);
    (void)pthread_mutex_unlock(&ctx->node->supervisors.lock);
    for (size_t i = 0; i < update.actions_count; i++)
        carry_out(ctx, it, &update.actions[i]);
    if (it->core.phase != THSI_SUPERVISOR_IS_DONE)
        arm(ctx, it);
    if (!it->up && thsi_supervisor_is_up(&it->core)) {
        it->up = true;
        thsi_start_answer(ctx, ths_self(ctx), THS_OK, "");
    }
}

void thsi_supervisor_members_changed(struct ths_ctx *ctx, struct thsi_supervision *it)
{
    uint64_t places[THSI_PLACES_MAX];

    watch_members(ctx, it);
    for (uint32_t p = 0; it->members && p < it->core.plans_count; p++) {
        if (!it->specs[p] || !it->specs[p]->role[0])
            continue;
        read_members(ctx, it, it->specs[p]->role);
        for (size_t i = 0; i < it->members_count; i++)
            places[i] = it->members[i].uid;
        thsi_supervisor_decide(ctx, it, (struct thsi_supervisor_event){
            .type = THSI_SUPERVISOR_MEMBERS, .plan = p, .places = places, .places_count = (uint32_t)it->members_count });
    }
}

/* ---- Messages ------------------------------------------------------------------------------------ */

/* The actor of start @entry runs. It is watched if it is still wanted, also where it is known already: its HALTED can
 * come first. False: no memory to watch it. */
static bool take_on(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_start_entry *entry, ths_ref who)
{
    const struct thsi_child_status *child = &it->core.children[entry->child];
    char name[96], node[32];

    if (entry->in_place)
        return true; /* watched since its first incarnation */
    if (!ths_ref_equal(child->who, who) &&
        !(child->state == THSI_CHILD_STARTING && child->start_id == entry->start_id))
        return true; /* the decision will have it ended */
    note(ctx, INFO, "%s runs on %s", thsi_supervisor_label(it, entry->child, name, sizeof name),
         node_name(ctx, it, who.node, node, sizeof node));
    it->kids[entry->child].monitor = ths_monitor(ctx, who);
    return it->kids[entry->child].monitor.value != 0;
}

/* What is known of child @index beside the decision changes, before the decision hears of it. */
static void set_kid(struct ths_ctx *ctx, struct thsi_supervision *it, uint32_t index, uint32_t incarnation, uint8_t reason)
{
    struct thsi_kid *kid = &it->kids[index];

    (void)pthread_mutex_lock(&ctx->node->supervisors.lock);
    kid->incarnation = incarnation;
    kid->reason = reason;
    (void)pthread_mutex_unlock(&ctx->node->supervisors.lock);
}

/* Start @entry went well. Returns whether it is one that the decision waits for. */
static bool note_started(struct ths_ctx *ctx, struct thsi_supervision *it, const struct thsi_start_entry *entry)
{
    const struct thsi_child_status *child = &it->core.children[entry->child];
    const struct thsi_kid *kid = &it->kids[entry->child];
    bool waited = child->start_id == entry->start_id &&
                  child->state == (entry->in_place ? THSI_CHILD_BEGINNING : THSI_CHILD_STARTING);

    if (waited)
        set_kid(ctx, it, entry->child, entry->in_place ? kid->incarnation + 1 : 1, kid->reason);
    return waited;
}

/* The answer of a start. */
THS_ON_REPLY(ths_supervisor, ths_supervisor_spawned, ths_spawned)
{
    struct thsi_supervision *it = self->it;
    struct thsi_supervisor_event event = { .type = THSI_SUPERVISOR_START_FAILED, .err = err };
    struct thsi_start_entry entry = { 0 };
    bool came_back = false;
    char name[96], node[32];

    for (size_t i = 0; i < sizeof it->starts / sizeof it->starts[0] && entry.ask == 0; i++) {
        if (it->starts[i].ask != ctx->ask_id)
            continue;
        entry = it->starts[i];
        it->starts[i].ask = 0;
    }
    event.child = entry.child;
    event.start_id = entry.start_id;
    if (err == THS_OK && entry.ask != 0 && take_on(ctx, it, &entry, reply->who)) {
        event.type = THSI_SUPERVISOR_STARTED;
        event.who = reply->who;
        came_back = note_started(ctx, it, &entry) && entry.again;
    } else if (err == THS_OK) {
        order(ctx, it, THSI_FINISH, reply->who, THSI_NO_CHILD, 0);
        event.err = THS_NOMEM;
    } else if (entry.ask != 0 && !entry.in_place) {
        note(ctx, WARN, "%s does not start on %s: %s", thsi_supervisor_label(it, event.child, name, sizeof name),
             node_name(ctx, it, it->core.children[event.child].place, node, sizeof node), ths_err_text(err));
    }
    if (entry.ask != 0)
        thsi_supervisor_decide(ctx, it, event);
    if (came_back)
        thsi_supervisor_came_back(ctx, it, entry.child);
}

THS_ON(ths_supervisor, ths_supervise_start)
{
    if (self->it)
        return;
    /* Its children end with it, so its end is never a halt. */
    if (ctx->actor->rare)
        ctx->actor->rare->one_life = ctx->actor->rare->holds_start = true;
    ths_trap_exits(ctx, true);
    self->it = thsi_supervision_claim(&ctx->node->supervisors, ctx->node->env, msg->token, ths_self(ctx),
                                      ctx->actor->rare ? ctx->actor->rare->supervisor : THS_NOBODY);
    if (!self->it) {
        ths_fail(ctx, "no supervision waits for it, or no memory is left");
        return;
    }
    thsi_supervisor_members_changed(ctx, self->it);
    thsi_supervisor_decide(ctx, self->it, (struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_TIME_PASSED });
}

THS_ON(ths_supervisor, ths_supervisor_tick)
{
    if (!self->it)
        return;
    self->it->armed_ns = UINT64_MAX;
    if (self->it->members && !self->it->watches)
        thsi_supervisor_members_changed(ctx, self->it);
    thsi_supervisor_decide(ctx, self->it, (struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_TIME_PASSED });
}

THS_ON(ths_supervisor, ths_members_changed)
{
    if (self->it)
        thsi_supervisor_members_changed(ctx, self->it);
}

/* Whether the message at hand is no signal: anybody who knows its type may have told it, so it proves nothing. */
static bool is_told(struct ths_ctx *ctx)
{
    bool told = ctx->message && ctx->message->counted;

    if (told)
        thsi_count_dead_letter(ctx, THS_REFUSED, 1);
    return told;
}

/* Its own child says so: one that is known, or whose start is not answered yet, from the place where it was started. */
THS_ON(ths_supervisor, ths_child_halted)
{
    struct thsi_supervision *it = self->it;
    const struct thsi_child_status *child;
    char name[96], node[32];

    if (is_told(ctx) || !it || msg->child >= it->core.children_count)
        return;
    child = &it->core.children[msg->child];
    if (!ths_ref_equal(child->who, msg->who) && !(child->state == THSI_CHILD_STARTING && child->place == msg->who.node))
        return;
    if (it->core.phase == THSI_SUPERVISOR_RUNS && child->state == THSI_CHILD_RUNNING)
        note(ctx, INFO, "%s on %s ended: %s %s", thsi_supervisor_label(it, msg->child, name, sizeof name),
             node_name(ctx, it, msg->who.node, node, sizeof node), ths_reason_text((enum ths_reason)msg->reason),
             msg->text);
    set_kid(ctx, it, msg->child, msg->incarnation, msg->reason);
    thsi_supervisor_decide(ctx, it, (struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_HALTED, .child = msg->child,
                                                    .who = msg->who, .reason = (enum ths_reason)msg->reason });
}

THS_ON(ths_supervisor, ths_child_order)
{
    if (self->it)
        thsi_supervisor_take_order(ctx, self->it, msg);
}

THS_ON(ths_supervisor, ths_down)
{
    struct thsi_supervision *it = self->it;

    if (is_told(ctx) || !it)
        return;
    for (uint32_t i = 0; i < it->core.children_count; i++) {
        if (ths_ref_equal(it->core.children[i].who, msg->who))
            set_kid(ctx, it, i, it->kids[i].incarnation, msg->reason);
    }
    thsi_supervisor_decide(ctx, self->it, (struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_DOWN, .who = msg->who,
                                                          .reason = (enum ths_reason)msg->reason });
}

/* Asked to stop, or the actor that it is linked to has ended. */
THS_ON(ths_supervisor, ths_exited)
{
    /* Acquire: the exit came through the mailbox, after `stopping` was set. */
    bool stopping = atomic_load_explicit(&ctx->node->stopping, memory_order_acquire);

    if (is_told(ctx) || !self->it || msg->reason == THS_REASON_NORMAL)
        return;
    self->it->exit_reason = (enum ths_reason)msg->reason;
    thsi_supervisor_decide(ctx, self->it, (struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STOP, .hurry = stopping });
}

/* Children whose supervisor ends with them running end themselves: the runtime sees to that. */
THS_ON(ths_supervisor, ths_finally)
{
    if (self->it)
        thsi_supervision_leave(&ctx->node->supervisors, ctx->node->env, self->it);
    self->it = NULL;
}

THS_BEHAVIOUR(ths_supervisor, ths_supervise_start, ths_supervisor_tick, ths_members_changed, ths_child_halted, ths_down,
              ths_child_order, ths_exited, ths_finally)

enum ths_err thsi_supervisor_register(struct ths_node *node)
{
    return thsp_register(node, &ths_supervisor_behaviour);
}

enum ths_err thsi_supervisor_spawn(struct ths_ctx *ctx, const char *name, bool link, uint64_t token, ths_ref *out)
{
    const struct ths_spawn_options options = { .name = name, .link = link, .trap_exits = true,
                                               .start = THS_MSG(ths_supervise_start, .token = token) };

    return thsp_try_spawn(ctx, &ths_supervisor_behaviour, &options, out);
}
