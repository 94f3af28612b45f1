#include "node/inspect.h"

#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/send.h"
#include "thiasos/sched.h"

void thsi_questions_init(struct thsi_questions *questions)
{
    questions->first = NULL;
    (void)pthread_mutex_init(&questions->lock, NULL);
}

void thsi_questions_fini(struct thsi_questions *questions)
{
    (void)pthread_mutex_destroy(&questions->lock);
}

/* ---- Answering --------------------------------------------------------------------------------------- */

/* The next question for @who from *@link on, taken out; NULL: none. Those that want everything stay unless @everything is
 * there. Under the lock. */
static struct thsi_question *take(struct thsi_question ***link, ths_ref who, bool everything)
{
    struct thsi_question *question;

    while ((question = **link) && (!ths_ref_equal(question->who, who) || (question->inspected && !everything)))
        *link = &question->next;
    if (question)
        **link = question->next;
    return question;
}

/* It is out of the list. Under the lock, without which who asked does not go away. */
static void settle(struct ths_node *node, struct thsi_question *question, enum ths_err err)
{
    question->err = err;
    if (--question->inquiry->open == 0)
        thsi_outside_wake(node, &question->inquiry->word);
}

/* Whether somebody asks for @who, and whether for more than bytes. */
static bool is_asked(struct ths_node *node, ths_ref who, bool *everything)
{
    bool asked = false;

    *everything = false;
    (void)pthread_mutex_lock(&node->questions.lock);
    for (const struct thsi_question *at = node->questions.first; at; at = at->next)
        if (ths_ref_equal(at->who, who)) {
            asked = true;
            *everything = *everything || at->inspected;
        }
    (void)pthread_mutex_unlock(&node->questions.lock);
    return asked;
}

void thsi_inspect_answer(struct ths_ctx *ctx)
{
    struct ths_node *node = ctx->node;
    struct thsi_actor *actor = ctx->actor;
    ths_ref self = thsi_actor_ref(node, actor);
    struct thsi_inspected said;
    struct thsi_question *question, **link = &node->questions.first;
    bool everything;
    uint32_t count;

    /* Before the look at the list: who adds to it later sets it again. Acquire: with what was in the list then. */
    (void)atomic_fetch_and_explicit(&actor->flags, ~(uint32_t)THSI_FLAG_INSPECTED, memory_order_acq_rel);
    if (actor->phase == THSI_PHASE_FREE || !is_asked(node, self, &everything))
        return;
    if (everything)
        thsi_inspect_say(ctx, &said); /* runs the user's code: without the lock */
    else
        said.said.queued_bytes = thsi_inspect_bytes(ctx, &count);
    (void)pthread_mutex_lock(&node->questions.lock);
    while ((question = take(&link, self, everything)) != NULL) {
        if (question->inspected)
            *question->inspected = said;
        question->bytes = said.said.queued_bytes;
        settle(node, question, THS_OK);
    }
    (void)pthread_mutex_unlock(&node->questions.lock);
}

void thsi_inspect_gone(struct ths_node *node, ths_ref who)
{
    struct thsi_question *question, **link = &node->questions.first;

    (void)pthread_mutex_lock(&node->questions.lock);
    while ((question = take(&link, who, true)) != NULL)
        settle(node, question, THS_GONE);
    (void)pthread_mutex_unlock(&node->questions.lock);
}

/* ---- Asking -------------------------------------------------------------------------------------------- */

/* Have @question, which is in the list, be answered. */
static void pose(struct ths_node *node, const struct thsi_question *question)
{
    const struct thsi_signal signal = { .kind = (enum thsi_signal_kind)THSI_INSPECT, .to = question->who };
    struct ths_ctx *ctx = &node->outside.ctx;
    ths_ref who = question->who;
    enum ths_err err = THS_GONE;
    struct thsi_actor *actor = thsi_actor_find(node, who, &err);

    if (actor) {
        /* Release: with the question. It may be the flag of a later actor, which then looks in vain. */
        (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_INSPECTED, memory_order_acq_rel);
        thsi_enter(ctx);
        err = thsi_send_signal(ctx, &signal); /* NOMEM: one that runs answers all the same; of others the time is up */
        thsi_leave(ctx);
    }
    if (err == THS_GONE || err == THS_STALE)
        thsi_inspect_gone(node, who);
}

/* Ask, and wait at most @timeout_ms. Each question's err then says how it went. */
static void ask(struct ths_node *node, struct thsi_question *questions, size_t count, unsigned timeout_ms)
{
    struct thsi_questions *list = &node->questions;
    struct thsi_inquiry inquiry = { .open = (uint32_t)count };
    uint64_t deadline_ns = thsi_now_ns(node) + (uint64_t)timeout_ms * 1000000u;

    if (count == 0)
        return;
    (void)pthread_mutex_lock(&list->lock);
    for (size_t i = 0; i < count; i++) {
        questions[i].inquiry = &inquiry;
        questions[i].err = THS_TIMEOUT;
        questions[i].next = list->first;
        list->first = &questions[i];
    }
    (void)pthread_mutex_unlock(&list->lock);
    for (size_t i = 0; i < count; i++)
        pose(node, &questions[i]);
    thsi_outside_wait(node, &inquiry.word, deadline_ns);
    (void)pthread_mutex_lock(&list->lock);
    for (struct thsi_question **link = &list->first; inquiry.open > 0 && *link;) {
        if ((*link)->inquiry == &inquiry)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    (void)pthread_mutex_unlock(&list->lock);
}

/* ---- What others see of an actor that does not answer ---------------------------------------------------- */

struct glance {
    const struct thsi_actor *actor;
    const char *handling; /* NULL: it is seen in no handler */
};

/* Relaxed, all: a glance, of which nothing is decided. A type is never freed. */
static void look_at_thread(void *arg, struct ths_ctx *ctx)
{
    struct glance *glance = arg;
    const struct thsi_type_info *info = atomic_load_explicit(&ctx->handling, memory_order_relaxed);

    if (__atomic_load_n(&ctx->actor, __ATOMIC_RELAXED) == glance->actor)
        glance->handling = info ? info->name : "";
}

static void note_overrun(struct ths_node *node, struct ths_inspection *said)
{
    struct ths_overrun overruns[64];
    size_t count = ths_node_overruns(node, overruns, 64);

    for (size_t i = 0; i < count && i < 64; i++)
        if (ths_ref_equal(overruns[i].who, said->who)) {
            said->handling = overruns[i].message;
            said->handling_ms = overruns[i].running_ms;
        }
}

/* False: it has ended. */
static bool glance_at(struct ths_node *node, ths_ref who, struct thsi_inspected *to)
{
    struct thsi_actor *actor = thsi_table_at(&node->table, who.slot);
    struct glance glance = { .actor = actor };
    struct thsi_glance seen;

    memset(to, 0, sizeof *to);
    if (!actor || !thsi_actor_glance(actor, &seen) || seen.generation != who.generation)
        return false;
    thsi_names_of(&node->names, who, to->name);
    thsi_workers_each(node, look_at_thread, &glance);
    to->said = (struct ths_inspection){ .who = who, .behaviour = seen.behaviour, .incarnation = seen.incarnation,
                                        .queued = seen.queued, .queued_bytes = thsi_inboxes_bytes(node, who),
                                        .handling = glance.handling };
    note_overrun(node, &to->said);
    return true;
}

/* ---- The API ---------------------------------------------------------------------------------------------- */

enum ths_err ths_inspect(struct ths_node *node, ths_ref who, unsigned timeout_ms,
                         void (*visit)(void *arg, const struct ths_inspection *inspection), void *arg)
{
    struct ths_env *env = node->env;
    struct thsi_question question = { .who = who };
    struct thsi_inspected *to;
    struct ths_inspection *said;
    enum ths_err err = THS_OK;

    if (who.node != node->uid)
        return THS_UNSUPPORTED;
    if (!thsi_actor_find(node, who, &err))
        return err;
    to = question.inspected = env->memory(env, NULL, sizeof *to);
    if (!to)
        return THS_NOMEM;
    ask(node, &question, 1, timeout_ms);
    err = question.err;
    if (err == THS_TIMEOUT && !glance_at(node, who, to))
        err = THS_GONE;
    if (err != THS_GONE) {
        said = &to->said;
        said->name = to->name;
        said->state = to->state;
        said->links.refs = to->links;
        said->monitors.refs = to->monitors;
        said->watchers.refs = to->watchers;
        said->timers = to->timers;
        said->asks = to->asks;
        said->last = to->last;
        visit(arg, said);
    }
    (void)env->memory(env, to, 0);
    return err;
}

enum ths_err ths_mailbox_bytes(struct ths_node *node, const ths_ref *who, size_t count, unsigned timeout_ms, uint64_t *bytes)
{
    struct ths_env *env = node->env;
    struct thsi_question *questions = count > 0 ? env->memory(env, NULL, count * sizeof *questions) : NULL;

    if (!questions)
        return count > 0 ? THS_NOMEM : THS_OK;
    for (size_t i = 0; i < count; i++)
        questions[i] = (struct thsi_question){ .who = who[i] };
    ask(node, questions, count, timeout_ms);
    for (size_t i = 0; i < count; i++)
        bytes[i] = questions[i].err == THS_OK ? questions[i].bytes : THS_BYTES_UNKNOWN;
    (void)env->memory(env, questions, 0);
    return THS_OK;
}
