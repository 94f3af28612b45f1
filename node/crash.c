#include "node/crash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/send.h"

void thsi_crashes_init(struct thsi_crashes *crashes)
{
    *crashes = (struct thsi_crashes){ .watchers_count = 0 };
    (void)pthread_mutex_init(&crashes->lock, NULL);
}

void thsi_crashes_fini(struct thsi_crashes *crashes, struct ths_env *env)
{
    (void)env->memory(env, crashes->kept, 0);
    (void)pthread_mutex_destroy(&crashes->lock);
}

/* ---- The state in words ------------------------------------------------------------------------ */

void thsi_state_print(struct ths_ctx *ctx, char *out, size_t size)
{
    static const struct ths_state_wanted wanted;
    const struct thsi_type_info *info = thsi_type_intern(&ths_state_wanted_type);
    const struct thsi_dispatch_entry *entry = info ? thsi_dispatch_find(ctx->actor->dispatch, info) : NULL;

    out[0] = '\0';
    if (!ctx->actor->state || !entry)
        return;
    ctx->state_out = out;
    ctx->state_size = size;
    entry->handler(ctx, ctx->actor->state, &wanted);
    ctx->state_out = NULL;
    ctx->state_size = 0;
}

void ths_state_say(struct ths_ctx *ctx, const char *format, ...)
{
    size_t used = ctx->state_out ? strlen(ctx->state_out) : 0;
    va_list args;

    if (used + 1 >= ctx->state_size)
        return;
    va_start(args, format);
    (void)vsnprintf(ctx->state_out + used, ctx->state_size - used, format, args);
    va_end(args);
}

/* ---- Who wants to know -------------------------------------------------------------------------- */

enum ths_err ths_watch_crashes(struct ths_ctx *ctx)
{
    struct thsi_crashes *crashes = &ctx->node->crashes;
    ths_ref self = ths_self(ctx);
    enum ths_err err = THS_OK;
    unsigned i = 0;

    if (!ctx->actor)
        return THS_INVALID;
    (void)pthread_mutex_lock(&crashes->lock);
    while (i < crashes->watchers_count && !ths_ref_equal(crashes->watchers[i], self))
        i++;
    if (i == THSI_CRASH_WATCHERS)
        err = THS_TOO_MANY;
    else if (i == crashes->watchers_count)
        crashes->watchers[crashes->watchers_count++] = self;
    (void)pthread_mutex_unlock(&crashes->lock);
    return err;
}

static void forget_watcher(struct thsi_crashes *crashes, ths_ref watcher)
{
    (void)pthread_mutex_lock(&crashes->lock);
    for (unsigned i = 0; i < crashes->watchers_count; i++)
        if (ths_ref_equal(crashes->watchers[i], watcher))
            crashes->watchers[i--] = crashes->watchers[--crashes->watchers_count];
    (void)pthread_mutex_unlock(&crashes->lock);
}

static void publish(struct ths_ctx *ctx, const struct ths_crashed *record)
{
    struct thsi_crashes *crashes = &ctx->node->crashes;
    ths_ref watchers[THSI_CRASH_WATCHERS];
    unsigned count;

    (void)pthread_mutex_lock(&crashes->lock);
    count = crashes->watchers_count;
    memcpy(watchers, crashes->watchers, count * sizeof watchers[0]);
    (void)pthread_mutex_unlock(&crashes->lock);
    for (unsigned i = 0; i < count; i++) {
        const struct thsi_signal signal = { .kind = THSI_TELL, .from = record->who, .to = watchers[i], .type = &ths_crashed_type,
                                            .body = record };
        enum ths_err err = thsi_send_signal(ctx, &signal);

        if (err == THS_GONE || err == THS_STALE)
            forget_watcher(crashes, watchers[i]);
        else if (err != THS_OK)
            thsi_count(&ctx->stats->crash_records_lost, 1);
    }
}

/* ---- Messages set aside --------------------------------------------------------------------------- */

/* The message at hand as a TELL, that its body may be copied or printed; no type: there is none. A start message is not set
 * aside: it is the supervisor's, who gives up in time. */
static struct thsi_signal at_hand(const struct ths_ctx *ctx)
{
    struct thsi_message *message = ctx->message;

    if (!message || !message->counted || (ctx->actor->rare && message == ctx->actor->rare->start))
        return (struct thsi_signal){ .kind = THSI_TELL };
    return (struct thsi_signal){ .kind = THSI_TELL, .type = message->type->type, .body = thsi_message_body(message) };
}

static bool is_equal(const struct thsi_aside *aside, const struct thsi_type_info *info, const void *body)
{
    return aside->message && aside->message->type == info &&
           thsi_message_equal(info, thsi_message_body(aside->message), body);
}

static struct thsi_aside *find_aside(struct thsi_traces *traces, const struct thsi_type_info *info, const void *body)
{
    for (unsigned i = 0; i < THSI_ASIDE_MAX; i++)
        if (is_equal(&traces->aside[i], info, body))
            return &traces->aside[i];
    return NULL;
}

/* A place for a copy of the message at hand; the oldest goes, but rather one that is not quarantined. NULL: no memory. */
static struct thsi_aside *add_aside(struct ths_ctx *ctx, struct thsi_traces *traces, const struct thsi_signal *signal)
{
    struct thsi_aside *aside = &traces->aside[traces->aside_next % THSI_ASIDE_MAX];
    struct thsi_message *copy;

    for (unsigned i = 1; i < THSI_ASIDE_MAX && aside->quarantined; i++)
        aside = &traces->aside[(traces->aside_next + i) % THSI_ASIDE_MAX];
    if (aside->quarantined) /* all are */
        aside = &traces->aside[traces->aside_next % THSI_ASIDE_MAX];
    traces->aside_next++;
    if (thsi_message_create(ctx->pool, signal, &copy) != THS_OK)
        return NULL;
    thsi_message_free(ctx->pool, aside->message);
    *aside = (struct thsi_aside){ .message = copy };
    return aside;
}

static void keep_quarantined(struct ths_ctx *ctx, const struct thsi_signal *signal, const char *printed,
                             uint32_t crashes_count)
{
    struct thsi_crashes *crashes = &ctx->node->crashes;
    struct thsi_quarantined_entry *entry;
    struct ths_env *env = ctx->node->env;

    (void)pthread_mutex_lock(&crashes->lock);
    if (!crashes->kept && (crashes->kept = env->memory(env, NULL, THSI_QUARANTINED_KEPT * sizeof *crashes->kept)) != NULL)
        memset(crashes->kept, 0, THSI_QUARANTINED_KEPT * sizeof *crashes->kept);
    if (crashes->kept) {
        entry = &crashes->kept[crashes->quarantined % THSI_QUARANTINED_KEPT];
        entry->who = ths_self(ctx);
        entry->crashes = crashes_count;
        (void)snprintf(entry->behaviour, sizeof entry->behaviour, "%s", ctx->actor->dispatch->behaviour->name);
        (void)snprintf(entry->type, sizeof entry->type, "%s", signal->type->name);
        (void)snprintf(entry->message, sizeof entry->message, "%s", printed);
    }
    crashes->quarantined++;
    (void)pthread_mutex_unlock(&crashes->lock);
}

static void set_aside(struct ths_ctx *ctx, const struct thsi_signal *signal, const char *printed)
{
    struct thsi_traces *traces = ctx->actor->rare ? ctx->actor->rare->traces : NULL;
    struct thsi_aside *aside;

    if (!traces || !signal->type || traces->quarantine_after == 0)
        return;
    aside = find_aside(traces, ctx->message->type, signal->body);
    if (!aside && !(aside = add_aside(ctx, traces, signal)))
        return;
    if (++aside->crashes < traces->quarantine_after || aside->quarantined)
        return;
    aside->quarantined = true;
    keep_quarantined(ctx, signal, printed, aside->crashes);
    thsi_log(ctx->node, THS_LOG_ERROR, "actor", "%s quarantines a message that crashed it %u times: %s",
             ctx->actor->dispatch->behaviour->name, aside->crashes, printed);
}

uint64_t ths_quarantine(struct ths_node *node, void (*visit)(void *arg, const struct ths_quarantined *message), void *arg)
{
    struct thsi_crashes *crashes = &node->crashes;
    uint64_t count;

    (void)pthread_mutex_lock(&crashes->lock);
    count = crashes->quarantined;
    for (uint64_t i = 1; crashes->kept && i <= count && i <= THSI_QUARANTINED_KEPT; i++) {
        const struct thsi_quarantined_entry *entry = &crashes->kept[(count - i) % THSI_QUARANTINED_KEPT];
        const struct ths_quarantined shown = { entry->who, entry->behaviour, entry->type, entry->message, entry->crashes };

        visit(arg, &shown);
    }
    (void)pthread_mutex_unlock(&crashes->lock);
    return count;
}

/* ---- Traces ------------------------------------------------------------------------------------------ */

void thsi_traces_begin(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct ths_env *env = ctx->node->env;
    struct thsi_traces *traces = env->memory(env, NULL, sizeof *traces);

    if (!traces)
        return;
    memset(traces, 0, sizeof *traces);
    traces->quarantine_after = THSI_QUARANTINE_AFTER;
    actor->rare->traces = traces;
    actor->hooks |= THSI_HOOK_TRACED;
}

void ths_quarantine_after(struct ths_ctx *ctx, unsigned crashes)
{
    if (ctx->actor && ctx->actor->rare && ctx->actor->rare->traces)
        ctx->actor->rare->traces->quarantine_after = crashes;
}

void thsi_traces_free(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct thsi_traces *traces = actor->rare->traces;

    if (!traces)
        return;
    for (unsigned i = 0; i < THSI_ASIDE_MAX; i++)
        thsi_message_free(ctx->pool, traces->aside[i].message);
    (void)ctx->node->env->memory(ctx->node->env, traces, 0);
    actor->rare->traces = NULL;
}

bool thsi_traces_before(struct ths_ctx *ctx, const struct thsi_message *message)
{
    struct thsi_traces *traces = ctx->actor->rare->traces;
    const void *body = (const char *)message + message->body_at;

    if (!message->counted)
        return true;
    traces->last[traces->handled++ % THS_CRASH_LAST] = message->type;
    for (unsigned i = 0; traces->aside_next > 0 && i < THSI_ASIDE_MAX; i++)
        if (traces->aside[i].quarantined && is_equal(&traces->aside[i], message->type, body))
            return false;
    return true;
}

/* ---- The record ---------------------------------------------------------------------------------------- */

static uint32_t list_last(const struct thsi_traces *traces, const char *names[THS_CRASH_LAST])
{
    uint32_t count = 0;

    for (uint32_t i = 1; traces && i <= THS_CRASH_LAST && i <= traces->handled; i++)
        names[count++] = traces->last[(traces->handled - i) % THS_CRASH_LAST]->name;
    return count;
}

void thsi_crash_note(struct ths_ctx *ctx, const char *text)
{
    struct thsi_actor *actor = ctx->actor;
    struct thsi_rare *rare = actor->rare;
    const struct thsi_signal signal = at_hand(ctx);
    char message[THS_CRASH_TEXT_SIZE] = "", state[THS_CRASH_TEXT_SIZE], ref[THS_REF_TEXT_SIZE];
    const char *last[THS_CRASH_LAST];
    struct ths_crashed record = {
        .who = ths_self(ctx), .behaviour = actor->dispatch->behaviour->name, .name = rare ? rare->name : "",
        .incarnation = actor->incarnation, .text = text, .message = message, .state = state,
        .wall_ms = ctx->node->env->wall_ms(ctx->node->env),
    };

    if (signal.type)
        (void)thsi_message_print(ctx->message->type, signal.body, message, sizeof message);
    thsi_state_print(ctx, state, sizeof state);
    record.last.items = last;
    record.last.count = list_last(rare ? rare->traces : NULL, last);
    thsi_log(ctx->node, THS_LOG_WARN, "actor", "%s %s (%s, incarnation %u) crashed: %s%s%s%s%s", record.behaviour,
             record.name[0] ? record.name : "-", ths_ref_print(record.who, ref), record.incarnation, text,
             message[0] ? "; message " : "", message, state[0] ? "; state " : "", state);
    publish(ctx, &record);
    set_aside(ctx, &signal, message);
}
