/* Signals other than data messages: they act when they are taken out of the mailbox, in their order. */

#include <string.h>

#include "node/life.h"
#include "node/node.h"
#include "node/requests.h"
#include "node/send.h"
#include "node/spawn_at.h"
#include "node/start.h"
#include "node/supervisor_actor.h"
#include "node/timers.h"
#include "thiasos/lifecycle.h"

void thsi_actor_undeliverable(struct ths_ctx *ctx, struct thsi_message *message, enum ths_err err)
{
    struct thsi_signal signal = {
        .kind = (enum thsi_signal_kind)message->kind,
        .from = message->from,
        .to = { ctx->node->uid, ctx->actor->slot, message->generation },
    };

    if (message->kind == THSI_CANCEL)
        thsi_cancels_forget(&ctx->node->cancels, message->from, thsi_message_control(message)->id);
    if (message->kind == THSI_EVENT)
        thsi_event_over(ctx);
    if (message->kind == THSI_MOVED)
        thsi_ask_moved_in_vain(ctx, signal.to, thsi_message_control(message)->id, thsi_message_control(message)->text);
    if (message->kind == THSI_INSPECT)
        thsi_inspect_gone(ctx->node, signal.to);
    if (message->kind == THSI_ASK)
        signal.id = thsi_message_ask(message)->id;
    else if (message->kind == THSI_MONITOR || message->kind == THSI_STOP)
        signal.id = thsi_message_control(message)->id;
    if (message->counted)
        thsi_count_dead_letter(ctx, err, 1);
    if (message->kind == THSI_REPLY)
        thsi_spawn_at_unheard(ctx, signal.to, message->type, (const char *)message + message->body_at,
                              thsi_message_control(message)->id);
    if (message->kind != THSI_TELL) {
        if (thsi_refuse_with(ctx, message, &signal, err))
            return;
    } else if (message->from.node != ctx->node->uid && !ths_ref_is_nobody(message->from)) {
        const struct thsi_signal refused = { .kind = THSI_REFUSED, .from = signal.to, .to = message->from, .id = 1,
                                             .err = err };
        (void)thsi_send_signal(ctx, &refused);
    }
    thsi_message_free(ctx->pool, message);
}

/* Refuse what the message at hand asked for. */
static void refuse_at_hand(struct ths_ctx *ctx, const struct thsi_signal *asked, enum ths_err err)
{
    if (thsi_refuse_with(ctx, ctx->message, asked, err))
        ctx->message = NULL;
}

/* ---- Links ------------------------------------------------------------------------------ */

static void link_asked(struct ths_ctx *ctx, ths_ref from, uint64_t number)
{
    enum ths_err err = thsi_link_asked(ctx, from, number);

    if (err == THS_OK) {
        thsi_foreign_note(ctx, from);
        return;
    }
    const struct thsi_signal refused = { .kind = THSI_LINK, .from = from, .to = thsi_actor_ref(ctx->node, ctx->actor) };
    refuse_at_hand(ctx, &refused, err);
}

/* Whether its supervisor will see to its end: the node stops, and both are of this node. */
static bool is_left_to_supervisor(const struct ths_ctx *ctx, uint64_t order)
{
    return order == THSI_EXIT_NODE_STOPS && ctx->actor->rare && ctx->actor->rare->supervisor.node == ctx->node->uid;
}

/* An order: somebody told it to end. Otherwise a linked actor has ended. */
static void exit_came(struct ths_ctx *ctx, ths_ref from, const struct thsi_control *control)
{
    struct thsi_actor *actor = ctx->actor;
    bool order = control->id != 0;

    if (!order && (!actor->rare || !thsi_relation_remove(ctx, &actor->rare->links, from, 0)))
        return; /* unlinked in the meantime */
    if (is_left_to_supervisor(ctx, control->id))
        return;
    if (actor->phase == THSI_PHASE_HALTED) {
        if (order || control->reason != THS_REASON_NORMAL)
            thsi_actor_end(ctx, (enum ths_reason)control->reason, control->text, true);
    } else if (actor->trap_exits) {
        const struct ths_exited exited = { .who = from, .reason = control->reason, .text = control->text };
        (void)thsi_actor_call(ctx, thsi_type_intern(&ths_exited_type), &exited);
    } else if (order || control->reason != THS_REASON_NORMAL) {
        thsi_actor_end(ctx, (enum ths_reason)control->reason, control->text, order);
    }
}

/* ---- Monitors --------------------------------------------------------------------------- */

static void monitor_asked(struct ths_ctx *ctx, ths_ref from, uint64_t id)
{
    const struct thsi_signal monitor = { .kind = THSI_MONITOR, .from = from, .id = id,
                                         .to = thsi_actor_ref(ctx->node, ctx->actor) };

    enum ths_err err = thsi_actor_rare(ctx, ctx->actor) ? thsi_relation_asked(ctx, &ctx->actor->rare->watchers, from, id)
                                                        : THS_NOMEM;

    if (err == THS_OK)
        thsi_foreign_note(ctx, from);
    else
        refuse_at_hand(ctx, &monitor, err);
}

void thsi_down(struct ths_ctx *ctx, ths_ref who, uint64_t id, enum ths_reason reason, enum ths_certainty certainty,
               const char *text)
{
    struct thsi_actor *actor = ctx->actor;
    const struct ths_down down = { .who = who, .monitor = id, .reason = (uint8_t)reason,
                                   .certainty = (uint8_t)certainty, .text = text };

    if (id & THSI_SPAWN_MONITOR)
        thsi_spawn_at_down(ctx, who, id);
    if (!actor->rare || !thsi_relation_remove(ctx, &actor->rare->monitors, who, id))
        return; /* demonitored in the meantime */
    if (id == THSI_SUPERVISOR_MONITOR)
        thsi_actor_end(ctx, reason == THS_REASON_NODE_LOST ? THS_REASON_NODE_LOST : THS_REASON_SHUTDOWN,
                       "the supervisor has ended", true);
    else if (actor->phase == THSI_PHASE_RUNNING)
        (void)thsi_actor_call(ctx, thsi_type_intern(&ths_down_type), &down);
}

/* ---- Supervision ------------------------------------------------------------------------ */

static bool is_supervisor(const struct thsi_actor *actor, ths_ref from)
{
    return actor->rare && ths_ref_equal(actor->rare->supervisor, from);
}

static void child_halted(struct ths_ctx *ctx, const struct thsi_message *message, const struct thsi_control *control)
{
    const struct ths_child_halted halted = { .child = control->child, .who = message->from, .reason = control->reason,
                                             .incarnation = control->incarnation, .text = control->text };

    (void)thsi_actor_call(ctx, thsi_type_intern(&ths_child_halted_type), &halted);
}

/* Its start is answered to who asked for it under @id; 0: nobody. */
static void restart(struct ths_ctx *ctx, ths_ref by, uint64_t id)
{
    struct thsi_actor *actor = ctx->actor;

    if (actor->phase != THSI_PHASE_HALTED)
        return;
    if (!thsi_actor_new_state(ctx, actor)) {
        actor->rare->halted_reason = THS_REASON_CRASHED;
        (void)strcpy(actor->rare->halted_text, "no memory for the state");
        thsi_actor_tell_halted(ctx);
        return;
    }
    /* Relaxed: others only glance at it. */
    __atomic_store_n(&actor->incarnation, actor->incarnation + 1, __ATOMIC_RELAXED);
    thsi_actor_set_phase(actor, THSI_PHASE_STARTING);
    thsi_count(&ctx->stats->restarted, 1);
    thsi_start_await(ctx, by, id);
}

/* ---- All of them ------------------------------------------------------------------------ */

static void refused(struct ths_ctx *ctx, ths_ref by, const struct thsi_control *control)
{
    const struct ths_undelivered undelivered = { .to = by, .err = control->err, .count = control->id };

    thsi_count_dead_letter(ctx, (enum ths_err)control->err, control->id);
    if (ctx->actor->phase == THSI_PHASE_RUNNING)
        (void)thsi_actor_call(ctx, thsi_type_intern(&ths_undelivered_type), &undelivered);
}

static void act(struct ths_ctx *ctx, struct thsi_message *message, struct thsi_control *control)
{
    struct thsi_actor *actor = ctx->actor;

    switch ((int)message->kind) {
    case THSI_REPLY:
        thsi_ask_answered(ctx, control->id, (enum ths_err)control->err, message->type,
                          (const char *)message + message->body_at);
        break;
    case THSI_LINK:
        link_asked(ctx, message->from, control->id);
        break;
    case THSI_UNLINK:
        thsi_link_undone(ctx, message->from, control->id);
        break;
    case THSI_EXIT:
        exit_came(ctx, message->from, control);
        break;
    case THSI_MONITOR:
        monitor_asked(ctx, message->from, control->id);
        break;
    case THSI_DEMONITOR:
        if (actor->rare)
            (void)thsi_relation_remove(ctx, &actor->rare->watchers, message->from, control->id);
        break;
    case THSI_DOWN:
        thsi_down(ctx, message->from, control->id, (enum ths_reason)control->reason,
                  (enum ths_certainty)control->certainty, control->text);
        break;
    case THSI_HALTED:
        child_halted(ctx, message, control);
        break;
    case THSI_RESTART:
        if (is_supervisor(actor, message->from))
            restart(ctx, message->from, control->id);
        break;
    case THSI_HALT:
        if (is_supervisor(actor, message->from) && actor->phase == THSI_PHASE_RUNNING)
            thsi_actor_end(ctx, THS_REASON_SHUTDOWN, "", false);
        break;
    case THSI_FINISH:
        if (is_supervisor(actor, message->from))
            thsi_actor_end(ctx, THS_REASON_SHUTDOWN, "", true);
        break;
    case THSI_CANCEL:
        thsi_cancels_forget(&ctx->node->cancels, message->from, control->id);
        thsi_request_cancelled(ctx, message->from, control->id);
        thsi_stash_cancelled(ctx, message->from, control->id);
        break;
    case THSI_MOVED:
        thsi_ask_moved(ctx, control->id, message->from, control->text);
        break;
    case THSI_REFUSED:
        refused(ctx, message->from, control);
        break;
    case THSI_STOP:
        thsi_stop_came(ctx, message, control);
        break;
    case THSI_EVENT:
        thsi_event_over(ctx);
        if (!thsi_actor_call(ctx, message->type, thsi_message_body(message)))
            thsi_count_dead_letter(ctx, THS_REFUSED, 1);
        break;
    case THSI_NODE_LOST:
        thsi_asks_node_lost(ctx, control->id);
        thsi_relations_node_lost(ctx, control->id, (enum ths_certainty)control->certainty);
        break;
    case THSI_INSPECT:
        thsi_inspect_answer(ctx);
        break;
    default: /* a KILL is beside the queue */
        break;
    }
}

bool thsi_actor_is_heard(const struct thsi_actor *actor, struct thsi_message *message)
{
    if (message->kind == THSI_DOWN)
        return thsi_message_control(message)->id != THSI_SUPERVISOR_MONITOR;
    if (message->kind == THSI_DRAIN || message->kind == THSI_CANCEL || message->kind == THSI_EVENT)
        return true; /* the next incarnation goes on with it; a cancel stays behind its request */
    return message->kind == THSI_EXIT && actor->trap_exits && thsi_message_control(message)->id == 0;
}

void thsi_actor_signal(struct ths_ctx *ctx, struct thsi_message *message)
{
    if (message->kind == THSI_TOKEN) {
        message = thsi_inboxes_take(ctx, message);
        if (message) {
            thsi_beat(ctx, message->type);
            thsi_actor_handle(ctx, message);
        }
        return;
    }
    if (message->kind == THSI_DRAIN) {
        thsi_drain_came(ctx, message);
        return;
    }
    ctx->message = message;
    ctx->answered = true; /* it is no request */
    act(ctx, message, thsi_message_control(message));
    message = ctx->message; /* NULL: it was kept */
    ctx->message = NULL;
    thsi_message_free(ctx->pool, message);
}
