#include "node/watchdog.h"

#include <string.h>

#include "node/base/message_table.h"
#include "node/blocking.h"
#include "node/crew.h"
#include "thiasos/sched.h"

enum {
    QUIET_LOOKS = 100,   /* at nothing, before it goes to sleep */
    REPORTS_KEPT = 16
};

#define REPORT_AGAIN_NS UINT64_C(60000000000) /* an overrun of the same behaviour by the same message is logged once in this time */

/* An overrun that was logged. */
struct report {
    const char *behaviour;
    const struct thsi_type_info *type;
    uint64_t until_ns;
};

struct thsi_watchdog {
    struct thsi_task task; /* first */
    struct ths_node *node;
    struct thsi_watch_limits limits[2]; /* of the crew, of those that may block */
    pthread_mutex_t lock;  /* over what it knows of the threads */
    uint64_t now_ns;       /* of the present look */
    bool busy;             /* something was, in the present look */
    bool started;
    _Atomic uint32_t word; /* 1: wake up */
    _Atomic uint32_t asleep;
    _Atomic uint64_t overruns, takeovers;
    struct report reports[REPORTS_KEPT];
    unsigned reports_next;
};

/* ---- Naming ----------------------------------------------------------------------------- */

static const char *type_name(const struct thsi_type_info *type)
{
    return type ? type->name : "";
}

/* Who runs in @ctx. False: it does not any more. */
static bool identify(struct ths_ctx *ctx, uint32_t beat, struct ths_overrun *out, const struct thsi_type_info **type)
{
    struct thsi_actor *actor = __atomic_load_n(&ctx->actor, __ATOMIC_RELAXED);
    struct thsi_glance glance;

    /* Relaxed: what was read counts only if the beat is still the same after it. */
    *type = atomic_load_explicit(&ctx->handling, memory_order_relaxed);
    if (!actor || !thsi_actor_glance(actor, &glance))
        return false;
    *out = (struct ths_overrun){ .who = { ctx->node->uid, actor->slot, glance.generation }, .behaviour = glance.behaviour,
                                 .message = type_name(*type) };
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&ctx->beat, memory_order_relaxed) == beat;
}

static bool is_reported(struct thsi_watchdog *watchdog, const char *behaviour, const struct thsi_type_info *type)
{
    for (unsigned i = 0; i < REPORTS_KEPT; i++) {
        const struct report *report = &watchdog->reports[i];

        if (report->behaviour == behaviour && report->type == type && watchdog->now_ns < report->until_ns)
            return true;
    }
    watchdog->reports[watchdog->reports_next++ % REPORTS_KEPT] =
        (struct report){ behaviour, type, watchdog->now_ns + REPORT_AGAIN_NS };
    return false;
}

static void say(struct thsi_watchdog *watchdog, const struct ths_overrun *overrun, const char *what)
{
    char ref[THS_REF_TEXT_SIZE];

    thsi_log(watchdog->node, THS_LOG_WARN, "watchdog", "%s (%s) %s: %s%s for %llu ms", overrun->behaviour,
             ths_ref_print(overrun->who, ref), what, overrun->message[0] ? "handling " : "in a handler",
             overrun->message, (unsigned long long)overrun->running_ms);
}

/* ---- Looking ---------------------------------------------------------------------------- */

/* Whether its thread only waits for a CPU that other processes have: a stand-in would wait beside it. */
static bool is_starved(const struct thsi_watchdog *watchdog, struct thsi_worker *worker)
{
    struct thsi_exec *exec = watchdog->node->exec;

    return exec->is_ready(exec, &worker->task) &&
           exec->cpu_ns(exec, &worker->task) - worker->watched_cpu_ns < watchdog->limits[0].slice_ns / 2;
}

/* A handler overran its slice. */
static void overran(struct thsi_watchdog *watchdog, struct thsi_worker *worker, uint32_t beat, unsigned verdict)
{
    const struct thsi_type_info *type;
    struct ths_overrun overrun;
    bool taken_over;

    if (verdict & THSI_WATCH_FIRST && !worker->blocks && is_starved(watchdog, worker)) {
        worker->watched.overrun = false; /* not yet */
        return;
    }
    if (worker->blocks)
        taken_over = false;
    else if (!thsi_crew_take_over(worker, beat, &taken_over))
        return;
    if (taken_over)
        (void)atomic_fetch_add_explicit(&watchdog->takeovers, 1, memory_order_relaxed);
    if (!(verdict & (THSI_WATCH_FIRST | THSI_WATCH_STUCK)))
        return;
    if (verdict & THSI_WATCH_FIRST && !worker->blocks)
        (void)atomic_fetch_add_explicit(&watchdog->overruns, 1, memory_order_relaxed);
    if (!identify(&worker->ctx, beat, &overrun, &type))
        return;
    overrun.running_ms = (watchdog->now_ns - worker->watched.since_ns) / 1000000u;
    if (verdict & THSI_WATCH_STUCK)
        say(watchdog, &overrun, "is stuck");
    else if (!is_reported(watchdog, overrun.behaviour, type))
        say(watchdog, &overrun, "overran its slice");
}

static void look_at(void *arg, struct ths_ctx *ctx)
{
    struct thsi_watchdog *watchdog = arg;
    struct thsi_worker *worker = ctx->worker;
    /* Acquire: what its thread did before the handler. */
    uint32_t beat = atomic_load_explicit(&ctx->beat, memory_order_acquire);
    unsigned verdict = thsi_watch_look(&worker->watched, &watchdog->limits[worker->blocks], watchdog->now_ns, beat,
                                       __atomic_load_n(&ctx->actor, __ATOMIC_RELAXED));

    if (verdict & THSI_WATCH_BUSY)
        watchdog->busy = true;
    if (beat & 1 && !worker->blocks && worker->watched.since_ns == watchdog->now_ns)
        worker->watched_cpu_ns = watchdog->node->exec->cpu_ns(watchdog->node->exec, &worker->task);
    if (verdict & THSI_WATCH_LONG_TURN) /* relaxed: a hint; a turn that ends early by it costs little */
        atomic_store_explicit(&ctx->budget, 1, memory_order_relaxed);
    if (verdict & THSI_WATCH_OVERRUN)
        overran(watchdog, worker, beat, verdict);
}

/* Returns whether anything works. */
static bool look(struct thsi_watchdog *watchdog)
{
    (void)pthread_mutex_lock(&watchdog->lock);
    watchdog->now_ns = thsi_now_ns(watchdog->node);
    watchdog->busy = false;
    thsi_workers_each(watchdog->node, look_at, watchdog);
    (void)pthread_mutex_unlock(&watchdog->lock);
    return watchdog->busy;
}

/* ---- Its thread ------------------------------------------------------------------------- */

static bool must_stop(const struct thsi_watchdog *watchdog)
{
    return atomic_load_explicit(&watchdog->node->shared->stop, memory_order_seq_cst);
}

static bool all_parked(const struct ths_node *node)
{
    uint64_t all = node->workers_count < 64 ? (UINT64_C(1) << node->workers_count) - 1 : UINT64_MAX;

    return atomic_load_explicit(&node->shared->idle, memory_order_seq_cst) == all;
}

/* Sleep until somebody works. Sequentially consistent, `asleep` and `idle`: `active` of
 * blocking.c too: either this sees that one is up, or that one sees
 * that it is to be roused (Dekker). The word is set by those alone who saw `asleep`, or after `stop`, which is looked at last. */
static void doze(struct thsi_watchdog *watchdog)
{
    struct ths_node *node = watchdog->node;

    atomic_store_explicit(&watchdog->word, 0, memory_order_seq_cst);
    atomic_store_explicit(&watchdog->asleep, 1, memory_order_seq_cst);
    if (all_parked(node) && !thsi_blocking_is_active(node) && !must_stop(watchdog))
        node->exec->park(node->exec, &watchdog->word, 0, 0, UINT64_MAX);
    atomic_store_explicit(&watchdog->asleep, 0, memory_order_seq_cst);
}

static void watch(struct thsi_task *task)
{
    struct thsi_watchdog *watchdog = (struct thsi_watchdog *)task;
    struct thsi_exec *exec = watchdog->node->exec;
    uint64_t slice_ns = watchdog->limits[0].slice_ns, stuck_ns = watchdog->limits[0].stuck_ns;
    uint64_t period_ns = (slice_ns < stuck_ns ? slice_ns : stuck_ns) / 2;
    unsigned quiet = 0;

    while (!must_stop(watchdog)) {
        quiet = look(watchdog) ? 0 : quiet + 1;
        if (quiet > QUIET_LOOKS)
            doze(watchdog);
        /* Sequentially consistent: who stops the node sets `stop` and then the word. */
        atomic_store_explicit(&watchdog->word, 0, memory_order_seq_cst);
        if (!must_stop(watchdog))
            exec->park(exec, &watchdog->word, 0, 0, period_ns);
    }
}

void thsi_watchdog_rouse(struct ths_node *node)
{
    struct thsi_watchdog *watchdog = node->watchdog;

    if (!watchdog || !atomic_load_explicit(&watchdog->asleep, memory_order_seq_cst))
        return;
    atomic_store_explicit(&watchdog->word, 1, memory_order_release);
    node->exec->wake(node->exec, &watchdog->word);
}

/* ---- Life ------------------------------------------------------------------------------- */

enum ths_err thsi_watchdog_create(struct ths_node *node, unsigned slice_ms, unsigned stuck_ms)
{
    struct ths_env *env = node->env;
    struct thsi_watchdog *watchdog;
    uint64_t stuck_ns;

    if (node->exec->drive)
        return THS_OK;
    watchdog = env->memory(env, NULL, sizeof *watchdog);
    if (!watchdog)
        return THS_NOMEM;
    memset((void *)watchdog, 0, sizeof *watchdog);
    watchdog->task = (struct thsi_task){ .name = "ths-watchdog", .main = watch, .cpu = -1 };
    watchdog->node = node;
    stuck_ns = UINT64_C(1000000) * (stuck_ms ? stuck_ms : THSI_STUCK_MS);
    watchdog->limits[0] = (struct thsi_watch_limits){ UINT64_C(1000000) * (slice_ms ? slice_ms : THSI_SLICE_MS), stuck_ns };
    watchdog->limits[1] = (struct thsi_watch_limits){ stuck_ns, stuck_ns };
    (void)pthread_mutex_init(&watchdog->lock, NULL);
    node->watchdog = watchdog;
    return THS_OK;
}

enum ths_err thsi_watchdog_start(struct ths_node *node)
{
    struct thsi_watchdog *watchdog = node->watchdog;
    enum ths_err err = watchdog ? node->exec->start(node->exec, &watchdog->task) : THS_OK;

    if (watchdog)
        watchdog->started = err == THS_OK;
    return err;
}

void thsi_watchdog_join(struct ths_node *node)
{
    struct thsi_watchdog *watchdog = node->watchdog;

    if (!watchdog || !watchdog->started)
        return;
    atomic_store_explicit(&watchdog->word, 1, memory_order_seq_cst);
    node->exec->wake(node->exec, &watchdog->word);
    node->exec->join(node->exec, &watchdog->task);
}

void thsi_watchdog_destroy(struct ths_node *node)
{
    if (!node->watchdog)
        return;
    (void)pthread_mutex_destroy(&node->watchdog->lock);
    (void)node->env->memory(node->env, node->watchdog, 0);
    node->watchdog = NULL;
}

/* ---- What it knows ---------------------------------------------------------------------- */

void thsi_watchdog_stats(const struct ths_node *node, struct ths_node_stats *sum)
{
    if (!node->watchdog)
        return;
    sum->overruns = atomic_load_explicit(&node->watchdog->overruns, memory_order_relaxed);
    sum->takeovers = atomic_load_explicit(&node->watchdog->takeovers, memory_order_relaxed);
}

struct overruns {
    struct ths_overrun *out;
    size_t max, count;
    uint64_t now_ns;
};

static void add_overrun(void *arg, struct ths_ctx *ctx)
{
    struct overruns *overruns = arg;
    const struct thsi_watched *watched = &ctx->worker->watched;
    const struct thsi_type_info *type;
    struct ths_overrun overrun;

    if (!watched->overrun || !identify(ctx, watched->beat, &overrun, &type))
        return;
    overrun.running_ms = (overruns->now_ns - watched->since_ns) / 1000000u;
    if (overruns->count < overruns->max)
        overruns->out[overruns->count] = overrun;
    overruns->count++;
}

size_t ths_node_overruns(struct ths_node *node, struct ths_overrun *out, size_t max)
{
    struct overruns overruns = { .out = out, .max = max };

    if (!node->watchdog)
        return 0;
    (void)pthread_mutex_lock(&node->watchdog->lock);
    overruns.now_ns = thsi_now_ns(node);
    thsi_workers_each(node, add_overrun, &overruns);
    (void)pthread_mutex_unlock(&node->watchdog->lock);
    return overruns.count;
}
